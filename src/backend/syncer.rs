//! The loop that brings a mail server to what the projection wants: coalesced, bounded, with backoff.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::account::Account;
use super::projection::{Projection, Standing};
use super::wire::{Complete, Delivery, JournalEnd, MOST_PURGES, NoticeMail, Purge, Purged, State, System};
use super::{BackendError, MailBackend};
use crate::domain::backoff;
use crate::domain::journal::{Event, Head, MOST_EVENTS};
use crate::domain::notice::MOST_NOTICES;

/// Changes that come within this time go out together; those that come during a request go with the next one.
const COALESCE: Duration = Duration::from_millis(1);
/// Time between two looks at a quiet server.
const LOOK: Duration = Duration::from_secs(10);
/// Time between two tries at a server whose volume is full: a lock among what waits is in force within seconds (R6.1).
const FULL: Duration = Duration::from_secs(2);

/// Whether the server can be reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Health {
    /// Not asked yet, or there is no address to ask.
    Unknown,
    /// It answered.
    Reachable(State),
    /// It did not.
    Failing(BackendError),
}

/// Keeps one mail server in step.
pub struct Syncer {
    projection: Mutex<Projection>,
    backend: watch::Sender<Option<Arc<dyn MailBackend>>>,
    changed: Notify,
    progress: watch::Sender<u64>,
    health: watch::Sender<Health>,
    /// The time that the server told, and when.
    told: Mutex<Option<(i64, Instant)>>,
    /// Free and all bytes of the server's volume, as it told last.
    volume: Mutex<Option<(u64, u64)>>,
    /// Mailboxes whose account came to stand differently while nobody waited any more.
    news: mpsc::Sender<String>,
}

impl Syncer {
    /// `news` gets the names of mailboxes to look at again.
    pub fn new(news: mpsc::Sender<String>) -> Self {
        Self {
            projection: Mutex::default(),
            backend: watch::Sender::new(None),
            changed: Notify::new(),
            progress: watch::Sender::new(0),
            health: watch::Sender::new(Health::Unknown),
            told: Mutex::default(),
            volume: Mutex::default(),
            news,
        }
    }

    /// The projection, for a short look or change.
    pub fn projection(&self) -> MutexGuard<'_, Projection> {
        self.projection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server to speak to from now on.
    pub fn set_backend(&self, backend: Option<Arc<dyn MailBackend>>) {
        self.projection().forget();
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.set_volume(None);
        self.backend.send_replace(backend);
        self.changed.notify_one();
    }

    /// Follows which server is spoken to.
    pub fn backends(&self) -> watch::Receiver<Option<Arc<dyn MailBackend>>> {
        self.backend.subscribe()
    }

    /// Follows whether the server can be reached.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// What time it is by the server's clock: what it told last, and what passed since. None before it was asked.
    pub fn witness(&self) -> Option<Timestamp> {
        let (seconds, told) = (*self.told.lock().unwrap_or_else(PoisonError::into_inner))?;
        let passed = i64::try_from(told.elapsed().as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds.saturating_add(passed)).ok()
    }

    /// Free and all bytes of the server's volume, while the server answers, also where it has no room for what it is to write.
    pub fn volume(&self) -> Option<(u64, u64)> {
        *self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_volume(&self, volume: Option<(u64, u64)>) {
        *self.volume.lock().unwrap_or_else(PoisonError::into_inner) = volume;
    }

    /// What is the same for the whole system.
    pub fn set_system(&self, system: System) {
        if self.projection().set_system(system) {
            self.changed.notify_one();
        }
    }

    /// Wants an account and waits, within a bound, until the server has it.
    pub async fn ensure(&self, account: Account, limit: Duration) -> Standing {
        let mailbox = account.mailbox.clone();
        let mut progress = self.progress.subscribe();
        let mut standing = self.projection().set(account);
        let deadline = Instant::now() + limit;
        if standing == Standing::Pending {
            self.changed.notify_one();
        }
        while standing == Standing::Pending && matches!(*self.health.borrow(), Health::Reachable(_)) {
            if !matches!(tokio::time::timeout_at(deadline, progress.changed()).await, Ok(Ok(()))) {
                break;
            }
            standing = self.projection().standing(&mailbox);
        }
        let mut projection = self.projection();
        standing = projection.standing(&mailbox);
        if matches!(standing, Standing::Pending | Standing::Held(_)) {
            projection.tell_later(&mailbox);
        }
        standing
    }

    /// Writes decisions down at the server that is there now, in their order, each key once; where the journal ends. What an
    /// error leaves unsaid may be written: it is sent again as it is.
    pub async fn journal(&self, events: Vec<Event>) -> Result<Head, BackendError> {
        let backend = self.current()?;
        let mut head = Head::default();
        for batch in events.chunks(MOST_EVENTS) {
            head = backend.journal(batch.to_vec()).await?;
        }
        Ok(head)
    }

    /// Where the journal of the server that is there now ends, and whether it holds an entry that was noted elsewhere.
    pub async fn journal_end(&self, noted: Option<Head>) -> Result<JournalEnd, BackendError> {
        self.current()?.journal_end(noted).await
    }

    /// Delivers notices at the server that is there now, each key at most once; what became of each, in their order. Sent again
    /// after an error they are `Already` where they were delivered.
    pub async fn notices(&self, notices: Vec<NoticeMail>) -> Result<Vec<Delivery>, BackendError> {
        let backend = self.current()?;
        let mut deliveries = Vec::with_capacity(notices.len());
        for batch in notices.chunks(MOST_NOTICES) {
            deliveries.extend(backend.notices(batch.to_vec()).await?);
        }
        Ok(deliveries)
    }

    /// Removes all that is kept of revoked accounts, at the server that is there now; what became of each, in their order. Whose mail
    /// is away is wanted no more. After an error nobody knows: the same is asked again.
    pub async fn purge(&self, mailboxes: Vec<Purge>) -> Result<Vec<Purged>, BackendError> {
        let backend = self.current()?;
        let mut outcomes = Vec::with_capacity(mailboxes.len());
        for batch in mailboxes.chunks(MOST_PURGES) {
            let done = backend.purge(batch.to_vec()).await?;
            for (purge, _) in batch.iter().zip(&done).filter(|(_, outcome)| **outcome == Purged::Done) {
                self.dismiss(&purge.mailbox);
            }
            outcomes.extend(done);
        }
        Ok(outcomes)
    }

    /// Wants no account of this name any more, and no row that may come of an earlier wish.
    pub fn dismiss(&self, mailbox: &str) {
        if self.projection().dismiss(mailbox) {
            self.changed.notify_one();
        }
    }

    fn current(&self) -> Result<Arc<dyn MailBackend>, BackendError> {
        let none = || BackendError::Unavailable("there is no mail pod yet".into());
        self.backend.borrow().clone().ok_or_else(none)
    }

    /// Wants an account and does not wait.
    pub fn want(&self, account: Account) {
        if self.projection().set(account) == Standing::Pending {
            self.changed.notify_one();
        }
    }

    /// Mailboxes of the cluster and holders of addresses: their rows stay.
    pub fn protect(&self, names: std::collections::HashSet<String>, places: Vec<Account>) {
        self.projection().protect(names, places);
        self.changed.notify_one();
    }

    /// Every mailbox of the cluster was decided once.
    pub fn settle(&self) {
        self.projection().settle();
        self.changed.notify_one();
    }

    /// Works for ever.
    pub async fn run(&self) {
        let mut failures = 0;
        let mut backends = self.backend.subscribe();
        let mut look = Instant::now();
        loop {
            let backend = backends.borrow_and_update().clone();
            let Some(backend) = backend else {
                self.health.send_if_modified(|h| std::mem::replace(h, Health::Unknown) != Health::Unknown);
                tokio::select! { _ = backends.changed() => {}, () = self.changed.notified() => {} }
                continue;
            };
            match self.step(backend.as_ref(), &mut look).await {
                Ok(()) => {
                    failures = 0;
                    tokio::select! {
                        () = tokio::time::sleep_until(look) => {}
                        _ = backends.changed() => look = Instant::now(),
                        () = self.changed.notified() => tokio::time::sleep(COALESCE).await,
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.fail(&error, failures);
                    let most = if matches!(error, BackendError::VolumeFull(_)) { FULL } else { LOOK };
                    let pause = backoff::delay(failures, Duration::from_millis(250), most, rand::random());
                    tokio::select! { () = tokio::time::sleep(pause) => {}, _ = backends.changed() => {} }
                    look = Instant::now();
                }
            }
        }
    }

    fn fail(&self, error: &BackendError, failures: u32) {
        if failures.is_power_of_two() {
            warn!(%error, failures, "the mail server cannot be brought in step; trying again");
        }
        if matches!(error, BackendError::Unavailable(_)) {
            self.projection().forget();
            self.set_volume(None);
        }
        let new = Health::Failing(error.clone());
        self.health.send_if_modified(|old| std::mem::replace(old, new.clone()) != new);
        self.progress.send_modify(|n| *n += 1);
    }

    /// One pass: look if it is time, meet if needed, send what is to be sent.
    async fn step(&self, backend: &dyn MailBackend, look: &mut Instant) -> Result<(), BackendError> {
        let mut told = None;
        if Instant::now() >= *look || !self.projection().met() {
            told = self.see(backend.state().await?);
            *look = Instant::now() + LOOK;
        }
        if !self.projection().met() {
            let digests = backend.digests().await?;
            info!(accounts = digests.accounts.len(), revision = digests.revision, "met the mail server");
            let news = self.projection().meet(digests);
            self.tell(news);
        }
        self.send(backend).await?;
        if let Some(state) = told {
            self.reach(state);
        }
        let incomplete = matches!(&*self.health.borrow(), Health::Reachable(state) if !state.complete);
        let settled = {
            let p = self.projection();
            p.settled() && p.unwanted().is_empty()
        };
        if settled && incomplete {
            if self.projection().keep_places() {
                self.send(backend).await?;
            }
            let accounts = self.projection().accounts();
            let state = backend.complete(Complete { accounts }).await?;
            info!(accounts, "the account table is complete; Postfix may start");
            if let Some(state) = self.see(state) {
                self.reach(state);
            }
        }
        Ok(())
    }

    /// Sends all that is to be sent.
    async fn send(&self, backend: &dyn MailBackend) -> Result<(), BackendError> {
        loop {
            let batch = self.projection().batch();
            let Some(batch) = batch else { return Ok(()) };
            let response = match backend.apply(&batch.request).await {
                Err(error @ BackendError::VolumeFull(_)) => {
                    self.projection().next_turn();
                    return Err(error);
                }
                done => done?,
            };
            let news = self.projection().applied(batch, &response);
            self.expect_revision(response.revision);
            self.tell(news);
        }
    }

    /// A state that is not what we left: restarted, restored or changed by somebody else. Where there was no room it says nothing before
    /// everything could be sent: it is given back.
    fn see(&self, mut state: State) -> Option<State> {
        // Its time is another one at each look, and no news.
        let told = state.now.take().map(|now| (now, Instant::now()));
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
        self.set_volume((state.total_bytes > 0).then_some((state.free_bytes, state.total_bytes)));
        let (same, full) = match &*self.health.borrow() {
            Health::Reachable(old) => (old.instance == state.instance && old.revision == state.revision, false),
            Health::Failing(BackendError::VolumeFull(_)) => (false, true),
            _ => (false, false),
        };
        if !same {
            self.projection().forget();
        }
        if full {
            return Some(state);
        }
        self.reach(state);
        None
    }

    fn reach(&self, state: State) {
        let new = Health::Reachable(state);
        self.health.send_if_modified(|old| std::mem::replace(old, new.clone()) != new);
    }

    fn expect_revision(&self, revision: u64) {
        self.health.send_if_modified(|health| {
            if let Health::Reachable(state) = health {
                state.revision = revision;
            }
            false
        });
    }

    fn tell(&self, news: Vec<String>) {
        self.progress.send_modify(|n| *n += 1);
        for mailbox in news {
            // A full queue loses nothing: who is not told looks again by itself.
            let _ = self.news.try_send(mailbox);
        }
    }
}
