//! Decisions are written down before the status shows them: what is in the status is in the journal, and a pass that comes again finds
//! the same key there.

use std::sync::Arc;
use std::time::Duration;

use kube::{Resource, ResourceExt};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::context::Ctx;
use crate::backend::{BackendError, Syncer};
use crate::domain::journal::{Event, MOST_EVENTS};

/// Events that come within this time are one request.
const TOGETHER: Duration = Duration::from_millis(2);
/// Passes that wait at the same time.
const WAITING: usize = 1_024;

type Asked = (Vec<Event>, oneshot::Sender<Result<(), BackendError>>);

/// The way to the journal of one mail server.
pub(crate) struct Journal {
    ask: mpsc::Sender<Asked>,
    asked: Mutex<mpsc::Receiver<Asked>>,
}

impl Default for Journal {
    fn default() -> Self {
        let (ask, asked) = mpsc::channel(WAITING);
        Self { ask, asked: Mutex::new(asked) }
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
    let entries =
        object.managed_fields().iter().filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    let newest = entries.max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
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
        memory.with(|inner| inner.failing = Some(BackendError::Unavailable("down".into())));
        assert!(journal.write(vec![event("c")]).await.is_err());
        task.abort();
    }
}
