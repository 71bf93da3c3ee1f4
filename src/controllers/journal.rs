//! Decisions are written down before the status shows them: what is in the status is in the journal, and a pass that comes again finds
//! the same key there.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tracing::debug;

use super::context::Ctx;
use crate::backend::{BackendError, JournalEnd, Syncer};
use crate::domain::journal::{Event, Head, MOST_EVENTS};

/// Events that come within this time are one request.
const TOGETHER: Duration = Duration::from_millis(2);
/// Passes that wait at the same time.
const WAITING: usize = 1_024;

type Asked = (Vec<Event>, oneshot::Sender<Result<(), BackendError>>);

/// Between two questions where the journal ends, while nothing is written to it.
const EVERY: Duration = Duration::from_secs(60);

/// The way to the journal of one mail server.
pub(crate) struct Journal {
    ask: mpsc::Sender<Asked>,
    asked: Mutex<mpsc::Receiver<Asked>>,
    ends: std::sync::Mutex<Ends>,
}

/// What is known of its end.
#[derive(Default)]
struct Ends {
    asked: Option<Instant>,
    written: bool,
    /// The last answer, and which entry it was asked for.
    end: Option<(Option<Head>, JournalEnd)>,
}

impl Default for Journal {
    fn default() -> Self {
        let (ask, asked) = mpsc::channel(WAITING);
        Self { ask, asked: Mutex::new(asked), ends: std::sync::Mutex::default() }
    }
}

impl Journal {
    /// Writes them down; on an error nobody knows whether they are, and the same keys are sent again.
    pub async fn write(&self, events: Vec<Event>) -> Result<(), BackendError> {
        if events.is_empty() {
            return Ok(());
        }
        let gone = || BackendError::Unavailable("the journal's writer ended".into());
        let (answer, answered) = oneshot::channel();
        self.ask.send((events, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Where the journal ends, and whether it holds `noted`; nothing while the last answer was for another entry.
    pub async fn end(&self, noted: Option<Head>, syncer: &Syncer) -> Option<JournalEnd> {
        // What was noted changes with a status that was written: then it is another question.
        let other = self.ends().end.as_ref().is_none_or(|(of, _)| *of != noted);
        if self.is_time() || other {
            match syncer.journal_end(noted.clone()).await {
                Ok(end) => self.ends().end = Some((noted.clone(), end)),
                Err(error) => debug!(%error, "where the journal ends is not known; asked again"),
            }
        }
        self.ends().end.clone().filter(|(of, _)| *of == noted).map(|(_, end)| end)
    }

    fn is_time(&self) -> bool {
        let mut ends = self.ends();
        if !ends.written && ends.asked.is_some_and(|at| at.elapsed() < EVERY) {
            return false;
        }
        (ends.asked, ends.written) = (Some(Instant::now()), false);
        true
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn run(&self, syncer: &Syncer) {
        let mut asked = self.asked.lock().await;
        while let Some(first) = asked.recv().await {
            let end = Instant::now() + TOGETHER;
            let mut all = vec![first];
            let mut count = all[0].0.len();
            while count < MOST_EVENTS
                && let Ok(Some(next)) = tokio::time::timeout_at(end, asked.recv()).await
            {
                count += next.0.len();
                all.push(next);
            }
            let events = all.iter().flat_map(|(events, _)| events.iter().cloned()).collect();
            let done = syncer.journal(events).await.map(drop);
            self.ends().written = true;
            for (_, answer) in all {
                // Who gave up waiting sends it again.
                let _ = answer.send(done.clone());
            }
        }
    }
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    ctx.journal.run(&ctx.syncer).await;
}

/// Who wrote the spec of an object last, as the API server tells it: a person's kubectl, or the GitOps engine.
pub(super) fn author<K: Resource<DynamicType = ()>>(object: &K) -> String {
    author_since(object, None)
}

/// The same of what was written at this moment or later. Whoever takes out what he wrote himself, and nothing else of his is there, leaves
/// no trace in managedFields: then nobody is named rather than the one before.
pub(super) fn author_since<K: Resource<DynamicType = ()>>(object: &K, since: Option<Timestamp>) -> String {
    let entries =
        object.managed_fields().iter().filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    let newest = entries.max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    // managedFields has whole seconds.
    let is_later = |time: Timestamp| since.is_none_or(|since| time.as_second() >= since.as_second());
    let newest = newest.filter(|entry| entry.time.as_ref().map_or(since.is_none(), |time| is_later(time.0)));
    newest.and_then(|entry| entry.manager.clone()).unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::memory::Memory;

    fn event(key: &str) -> Event {
        Event { key: key.into(), actor: "mail-operator".into(), action: "Lock".into(), ..Event::default() }
    }

    #[tokio::test]
    async fn r5_2_what_comes_together_is_one_request_and_every_key_one_entry() {
        let (news, _told) = mpsc::channel(1);
        let syncer = Arc::new(Syncer::new(news));
        let memory = Arc::new(Memory::default());
        syncer.set_backend(Some(memory.clone()));
        let journal = Arc::new(Journal::default());
        let (writer, server) = (journal.clone(), syncer.clone());
        let task = tokio::spawn(async move { writer.run(&server).await });
        let (one, two, again) = tokio::join!(
            journal.write(vec![event("a")]),
            journal.write(vec![event("b")]),
            journal.write(vec![event("a")])
        );
        assert_eq!((one, two, again), (Ok(()), Ok(()), Ok(())));
        let keys: Vec<String> = memory.with(|inner| inner.journal.iter().map(|event| event.key.clone()).collect());
        assert_eq!(keys, ["a", "b"]);
        let end = journal.end(None, &syncer).await.expect("asked");
        assert_eq!((end.head.sequence, end.holds), (2, true));
        assert_eq!(journal.end(Some(end.head.clone()), &syncer).await, Some(end), "another question is asked at once");
        memory.with(|inner| inner.failing = Some(BackendError::Unavailable("down".into())));
        assert!(journal.write(vec![event("c")]).await.is_err());
        task.abort();
    }
}
