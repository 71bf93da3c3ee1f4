//! Accounts in memory, for tests of the page.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;

use super::accounts::{Account, Accounts, Served, StoreError};

#[derive(Default)]
struct Inner {
    accounts: Vec<Account>,
    secrets: BTreeMap<String, Secret>,
    conflicts: usize,
    lost: Option<Lost>,
    down: bool,
    reads: Vec<Option<String>>,
}

/// What becomes of writes whose answers are lost.
#[derive(Clone, Copy)]
pub struct Lost {
    /// So many writes from now on.
    pub times: usize,
    /// Whether they are done all the same.
    pub done: bool,
    /// Whether nothing answers from then on.
    pub then_down: bool,
}

/// A store that answers as the API server does, with resourceVersions.
pub struct MemoryAccounts {
    served: Served,
    inner: Mutex<Inner>,
}

impl MemoryAccounts {
    /// An empty one.
    pub fn new(domain: &str) -> Self {
        Self { served: Served { domain: domain.into(), hostname: format!("mail.{domain}") }, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an account and its Secret there.
    pub fn put(&self, account: Account, mut secret: Secret) {
        secret.metadata.resource_version = Some("1".into());
        let mut inner = self.inner();
        inner.secrets.insert(account.mailbox.clone(), secret);
        inner.accounts.retain(|known| known.mailbox != account.mailbox);
        inner.accounts.push(account);
    }

    /// The Secret as it stands.
    pub fn secret(&self, mailbox: &str) -> Option<Secret> {
        self.inner().secrets.get(mailbox).cloned()
    }

    /// So many writes from now on find that somebody else was faster.
    pub fn conflict(&self, times: usize) {
        self.inner().conflicts = times;
    }

    /// Loses answers of writes.
    pub fn lose(&self, lost: Lost) {
        self.inner().lost = Some(lost);
    }

    /// Whether the API server answers.
    pub fn down(&self, down: bool) {
        self.inner().down = down;
    }

    /// What was read, in order; nothing for a mailbox that does not exist.
    pub fn reads(&self) -> Vec<Option<String>> {
        self.inner().reads.clone()
    }
}

fn bump(secret: &mut Secret) {
    let version = secret.metadata.resource_version.as_ref().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    secret.metadata.resource_version = Some((version + 1).to_string());
}

impl Accounts for MemoryAccounts {
    fn served(&self) -> Option<Served> {
        Some(self.served.clone())
    }

    fn find(&self, address: &str, _: Timestamp) -> Option<Account> {
        self.inner().accounts.iter().find(|account| account.addresses.iter().any(|a| a == address)).cloned()
    }

    fn read<'a>(&'a self, mailbox: Option<&'a str>) -> BoxFuture<'a, Result<Option<Secret>, StoreError>> {
        let mut inner = self.inner();
        inner.reads.push(mailbox.map(String::from));
        let found = if inner.down {
            Err(StoreError::Unavailable("down".into()))
        } else {
            Ok(mailbox.and_then(|name| inner.secrets.get(name)).cloned())
        };
        std::future::ready(found).boxed()
    }

    fn write<'a>(&'a self, credentials: &'a Secret) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut inner = self.inner();
        let name = credentials.metadata.name.as_deref().unwrap_or_default().trim_end_matches("-credentials");
        let conflict = inner.conflicts > 0;
        inner.conflicts = inner.conflicts.saturating_sub(1);
        let Some(known) = inner.secrets.get_mut(name) else {
            return std::future::ready(Err(StoreError::Conflict)).boxed();
        };
        if conflict {
            bump(known);
        }
        if known.metadata.resource_version != credentials.metadata.resource_version {
            return std::future::ready(Err(StoreError::Conflict)).boxed();
        }
        let lost = inner.lost.filter(|lost| lost.times > 0);
        if let Some(lost) = &mut inner.lost {
            lost.times = lost.times.saturating_sub(1);
        }
        if lost.is_none_or(|lost| lost.done)
            && let Some(known) = inner.secrets.get_mut(name)
        {
            *known = credentials.clone();
            bump(known);
        }
        let Some(lost) = lost else { return std::future::ready(Ok(())).boxed() };
        inner.down = lost.then_down;
        std::future::ready(Err(StoreError::Lost("no answer".into()))).boxed()
    }
}
