//! A mail server in memory with fault knobs: for faults that the real one cannot be made to show.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::wire::{
    ApplyRequest, ApplyResponse, Complete, Delivery, Digests, HeldFolders, JournalEnd, NoticeMail, Purge, Purged,
    State, System, UsagePage,
};
use super::{Access, Account, BackendError, MailBackend};
use crate::domain::journal::{Event, Head, seal};

/// What it holds and how it misbehaves.
#[derive(Default)]
pub struct Inner {
    /// Accounts by mailbox.
    pub accounts: BTreeMap<String, Account>,
    /// What is the same for the whole system.
    pub system: Option<System>,
    /// Changes of the table.
    pub revision: u64,
    /// Whether all accounts were there once.
    pub complete: bool,
    /// The time of its clock, in Unix seconds.
    pub now: i64,
    /// Changes at each start.
    pub instance: String,
    /// Every request fails with this.
    pub failing: Option<BackendError>,
    /// There is no room: locks of accounts that are there are taken, and nothing else.
    pub full: bool,
    /// Decisions that were written down, each key once.
    pub journal: Vec<Event>,
    /// Where the chain of them ends.
    pub head: Head,
    /// Notices that were delivered, each key once.
    pub notices: Vec<NoticeMail>,
    /// Requests that were answered: states, digests, applies.
    pub calls: (usize, usize, usize),
}

/// The server.
#[derive(Default)]
pub struct Memory(Mutex<Inner>);

impl Memory {
    /// Looks at it or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer<T: Send + 'static>(
        &self,
        answer: impl FnOnce(&mut Inner) -> T,
    ) -> BoxFuture<'_, Result<T, BackendError>> {
        let result = self.with(|inner| match inner.failing.clone() {
            Some(error) => Err(error),
            None => Ok(answer(inner)),
        });
        async move { result }.boxed()
    }
}

fn state(inner: &Inner) -> State {
    State {
        version: "memory".into(),
        instance: inner.instance.clone(),
        revision: inner.revision,
        complete: inner.complete,
        table_lost: None,
        held: HeldFolders::default(),
        free_bytes: 1 << 40,
        total_bytes: 1 << 41,
        certificate_error: None,
        now: Some(inner.now),
    }
}

impl MailBackend for Memory {
    fn state(&self) -> BoxFuture<'_, Result<State, BackendError>> {
        self.answer(|inner| {
            inner.calls.0 += 1;
            state(inner)
        })
    }

    fn digests(&self) -> BoxFuture<'_, Result<Digests, BackendError>> {
        self.answer(|inner| {
            inner.calls.1 += 1;
            let accounts = inner.accounts.iter().map(|(m, a)| (m.clone(), a.digest())).collect();
            Digests { revision: inner.revision, accounts, system: inner.system.clone() }
        })
    }

    fn apply<'a>(&'a self, request: &'a ApplyRequest) -> BoxFuture<'a, Result<ApplyResponse, BackendError>> {
        if self.with(|inner| inner.full) {
            let error = self.with(|inner| {
                inner.calls.2 += 1;
                for account in request.upsert.iter().filter(|account| account.access.is_shut()) {
                    if let Some(known) = inner.accounts.get_mut(&account.mailbox).filter(|known| *known != account) {
                        known.clone_from(account);
                        inner.revision += 1;
                    }
                }
                BackendError::VolumeFull("no room".into())
            });
            return async move { Err(error) }.boxed();
        }
        self.answer(|inner| {
            inner.calls.2 += 1;
            inner.revision += 1;
            inner.system = Some(request.system.clone());
            inner.accounts.retain(|mailbox, _| !request.remove.contains(mailbox));
            inner.accounts.extend(request.upsert.iter().map(|a| (a.mailbox.clone(), a.clone())));
            ApplyResponse { revision: inner.revision, refused: vec![] }
        })
    }

    fn usage(&self, after: u64) -> BoxFuture<'_, Result<UsagePage, BackendError>> {
        self.answer(move |_| UsagePage { revision: after, ..UsagePage::default() })
    }

    fn journal(&self, events: Vec<Event>) -> BoxFuture<'_, Result<Head, BackendError>> {
        self.answer(|inner| {
            for event in events {
                if inner.journal.iter().all(|known| known.key != event.key)
                    && let Ok((_, head)) = seal(&inner.head, &event)
                {
                    inner.head = head;
                    inner.journal.push(event);
                }
            }
            inner.head.clone()
        })
    }

    fn journal_end(&self, _: Option<Head>) -> BoxFuture<'_, Result<JournalEnd, BackendError>> {
        self.answer(|inner| JournalEnd { head: inner.head.clone(), holds: true })
    }

    fn notices(&self, notices: Vec<NoticeMail>) -> BoxFuture<'_, Result<Vec<Delivery>, BackendError>> {
        self.answer(|inner| {
            let deliver = |notice: NoticeMail| {
                if inner.notices.iter().any(|known| known.key == notice.key) {
                    return Delivery::Already;
                }
                let open = |account: &Account| account.access != Access::Revoked;
                if !inner.accounts.get(&notice.mailbox).is_some_and(open) {
                    return Delivery::Unknown;
                }
                inner.notices.push(notice);
                Delivery::Delivered
            };
            notices.into_iter().map(deliver).collect()
        })
    }

    fn purge(&self, mailboxes: Vec<Purge>) -> BoxFuture<'_, Result<Vec<Purged>, BackendError>> {
        self.answer(|inner| {
            let purge = |purge: Purge| match inner.accounts.get(&purge.mailbox) {
                Some(row) if row.access != Access::Revoked => Purged::Refused("it is not revoked".into()),
                Some(row) if row.address != purge.address => Purged::Refused("it has another address".into()),
                Some(_) if purge.finish => Purged::Refused("nothing of it was removed".into()),
                _ => {
                    inner.revision += u64::from(inner.accounts.remove(&purge.mailbox).is_some());
                    Purged::Done
                }
            };
            mailboxes.into_iter().map(purge).collect()
        })
    }

    fn complete(&self, _: Complete) -> BoxFuture<'_, Result<State, BackendError>> {
        self.answer(|inner| {
            inner.complete = true;
            state(inner)
        })
    }
}
