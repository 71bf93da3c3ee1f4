//! Use of mailboxes (D-10): what Dovecot tells of logins and deliveries, folded into one day each, and the proof that nothing of it is
//! missing (D-16).
//!
//! Dovecot appends a line for each event to a file; it is durable, so nothing is lost while the agent or the operator is away. The
//! lines go once they are folded.

mod beat;
mod events;
mod store;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub(crate) use store::Store;

use super::doveadm::Doveadm;
use super::{Shared, TableError};
use crate::domain::activity::{self, Beat, JUMP};

/// Time between two looks at the file.
const LOOK: Duration = Duration::from_secs(5);
/// Time between two beats.
const BEAT: Duration = Duration::from_secs(60);
/// A beat that does not show up within this time is lost.
const SHOWS_UP: Duration = Duration::from_secs(20);
/// A file that is longer is begun anew.
const LONG: u64 = 4 << 20;
/// Mailboxes whose storage is asked for in one look.
const SIZES: usize = 50;

/// The watch of one mail server.
pub(crate) struct Watch {
    pub shared: Arc<Shared>,
    pub doveadm: Doveadm,
    pub events: PathBuf,
    /// By how much a rehearsal is ahead.
    ahead: SignedDuration,
    started: (Timestamp, Instant),
}

impl Watch {
    pub fn new(shared: Arc<Shared>, doveadm: Doveadm, events: PathBuf, days_ahead: u16) -> Self {
        let ahead = SignedDuration::from_hours(24 * i64::from(days_ahead));
        Self { shared, doveadm, events, ahead, started: (Timestamp::now() + ahead, Instant::now()) }
    }

    /// Works for ever.
    pub async fn run(self) {
        let mut last = self.started;
        let mut next_beat = Instant::now();
        let mut sizes = BTreeSet::new();
        loop {
            // A beat would not be found while nothing is read, and a lost one proves that something is missing.
            if with(&self.shared.table, |table| table.whole()).is_err() {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            if let Err(error) = self.collect(&mut sizes).await {
                warn!(%error, "use cannot be read; trying again");
            }
            self.measure(&mut sizes).await;
            if Instant::now() >= next_beat {
                let answered = self.beat(&mut last, &mut sizes).await;
                next_beat = Instant::now() + if answered { BEAT } else { LOOK };
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Folds what is new in the file; who is in it may use more storage now. Whether `beat` showed up is remembered by the store.
    pub(in crate::agent) async fn collect(&self, sizes: &mut BTreeSet<String>) -> Result<(), TableError> {
        let (shared, path, ahead) = (self.shared.clone(), self.events.clone(), self.ahead);
        let work = move || {
            let table = shared.table.lock().unwrap_or_else(PoisonError::into_inner);
            // An event of somebody who is not in the table yet would be dropped.
            table.whole().map_err(TableError::of_another)?;
            let mut store = shared.usage.lock().unwrap_or_else(PoisonError::into_inner);
            let mailbox_of = |address: &str| table.mailbox_of(address).map_err(TableError::of_another);
            let folded = events::fold(&path, ahead, &mut store, mailbox_of);
            store.mend(folded)
        };
        let folded =
            tokio::task::spawn_blocking(work).await.map_err(|_| TableError::Other("the fold ended".into()))??;
        sizes.extend(folded.touched);
        if folded.length > LONG
            && events::set_aside(&self.events)?
            && let Err(error) = self.doveadm.stats_reopen().await
        {
            warn!(%error, "Dovecot does not begin a new file of events yet");
        }
        Ok(())
    }

    /// Asks for the storage in use of some mailboxes that were used.
    async fn measure(&self, sizes: &mut BTreeSet<String>) {
        for _ in 0..SIZES {
            let Some(mailbox) = sizes.pop_first() else { return };
            let address = with(&self.shared.table, |table| table.receiver(&mailbox)).ok().flatten();
            let Some(address) = address else { continue };
            match self.doveadm.storage(&address).await {
                Ok(Some(bytes)) => {
                    if let Err(error) = kept(&self.shared.usage, |store| store.used(&mailbox, bytes)) {
                        warn!(%error, "storage in use is not kept");
                    }
                }
                Ok(None) => {}
                Err(error) => debug!(mailbox, %error, "storage in use is not known"),
            }
        }
    }

    /// Whether Dovecot answered.
    async fn beat(&self, last: &mut (Timestamp, Instant), sizes: &mut BTreeSet<String>) -> bool {
        let (sent_at, sent) = (Timestamp::now() + self.ahead, Instant::now());
        // Nobody else can know it.
        let word = format!("{:032x}", rand::random::<u128>());
        let _ = with(&self.shared.usage, |store| {
            store.await_beat(&word);
            Ok(())
        });
        if let Err(error) = beat::send(&word).await {
            debug!(%error, "Dovecot does not answer; nothing is proven meanwhile");
            return false;
        }
        let mut seen = false;
        while !seen && sent.elapsed() < SHOWS_UP {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if let Err(error) = self.collect(sizes).await {
                debug!(%error, "use cannot be read yet");
            }
            seen = with(&self.shared.usage, |store| Ok(store.beat_seen())).unwrap_or(false);
        }
        let wall = sent_at.duration_since(last.0);
        let real = SignedDuration::try_from(sent.duration_since(last.1)).unwrap_or_default();
        let jumped = (wall - real).abs() > JUMP;
        *last = (sent_at, sent);
        let teller_started = beat::teller_started().await.map(|at| at + self.ahead);
        let beat = Beat { sent_at, seen, teller_started, watcher_started: self.started.0, jumped };
        let told = kept(&self.shared.usage, |store| {
            let known = store.complete()?;
            let new = activity::after(known, &beat);
            store.set_complete(new)?;
            Ok((known, new))
        });
        match told {
            Ok((Some(known), new)) if new.is_none_or(|new| new.from != known.from) => {
                warn!(seen, jumped, from = ?new.map(|new| new.from), "use before this is not proven complete any more (D-16)");
            }
            Ok((None, Some(new))) => info!(from = %new.from, "use is complete from now on (D-16)"),
            Ok(_) => {}
            Err(error) => warn!(%error, "what is proven complete is not kept"),
        }
        true
    }
}

/// The same with the store of use, which mends itself.
fn kept<T>(lock: &Mutex<Store>, work: impl FnOnce(&mut Store) -> Result<T, TableError>) -> Result<T, TableError> {
    with(lock, |store| {
        let done = work(store);
        store.mend(done)
    })
}

fn with<S, T>(lock: &Mutex<S>, work: impl FnOnce(&mut S) -> Result<T, TableError>) -> Result<T, TableError> {
    work(&mut lock.lock().unwrap_or_else(PoisonError::into_inner))
}
