//! The real accounts: three watches, pruned to what the page needs, and the Secrets of the API server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Config;

use super::accounts::{Account, Accounts, Served, StoreError, account, secret_name};
use super::index::Index;
use crate::api::{Agency, MailSystem, Mailbox};
use crate::kube_io::{Class, Io};
use crate::store::{Change, Filled, watched};
use crate::telemetry::Metrics;

/// No Secret has this name: a Secret of credentials ends in `-credentials`.
const NOBODY: &str = "nobody";

/// Accounts of one namespace.
pub struct KubeAccounts {
    io: Io,
    system: String,
    systems: Store<MailSystem>,
    agencies: Store<Agency>,
    mailboxes: Store<Mailbox>,
    index: Mutex<Index>,
    filled: [Filled; 3],
}

impl KubeAccounts {
    /// Starts the watches; they run as long as the process.
    pub fn start(io: Io, system: &str, metrics: &Metrics) -> Arc<Self> {
        let only = Config::default().fields(&format!("metadata.name={system}"));
        let (systems, watch_systems, f1) = watched(io.api::<MailSystem>(), only, |s| s.status = None);
        let (agencies, watch_agencies, f2) = watched(io.api::<Agency>(), Config::default(), |a| a.status = None);
        let (mailboxes, watch_mailboxes, f3) = watched(io.api::<Mailbox>(), Config::default(), prune);
        let system = system.to_string();
        let shared =
            Arc::new(Self { io, system, systems, agencies, mailboxes, index: Mutex::default(), filled: [f1, f2, f3] });
        tokio::spawn(watch_systems.run(metrics.clone(), shared.clone(), (), |_, (), _| std::future::ready(()).boxed()));
        tokio::spawn(
            watch_agencies.run(metrics.clone(), shared.clone(), (), |_, (), _| std::future::ready(()).boxed()),
        );
        tokio::spawn(watch_mailboxes.run(metrics.clone(), shared.clone(), (), |shared, (), change| {
            shared.follow(change);
            std::future::ready(()).boxed()
        }));
        shared
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, change: Change<Mailbox>) {
        match change {
            Change::Applied(mailbox) => self.index().set(&mailbox.name_any(), addresses(&mailbox)),
            Change::Deleted(mailbox) => self.index().forget(&mailbox.name_any()),
            Change::Listed => {
                let all = self.mailboxes.state();
                let mut index = self.index();
                index.clear();
                for mailbox in all {
                    index.set(&mailbox.name_any(), addresses(&mailbox));
                }
            }
        }
    }

    fn within<K>(&self, name: &str) -> ObjectRef<K>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        ObjectRef::new(name).within(self.io.namespace())
    }
}

/// Every address in force; of an account that is revoked as well, which is told apart later.
fn addresses(mailbox: &Mailbox) -> Vec<String> {
    let status = mailbox.status.iter();
    status.flat_map(|s| s.address.iter().chain(&s.aliases)).map(|address| address.to_lowercase()).collect()
}

/// Names of people and what else the page never shows.
fn prune(mailbox: &mut Mailbox) {
    mailbox.spec.full_name = String::new();
    mailbox.spec.structured_name = None;
    mailbox.spec.title = None;
    mailbox.spec.rename = None;
    mailbox.spec.aliases = Vec::new();
    mailbox.spec.supersedes = Vec::new();
    mailbox.metadata.annotations = None;
    mailbox.metadata.labels = None;
    if let Some(status) = &mut mailbox.status {
        status.conditions = Vec::new();
        status.quota = None;
    }
}

impl Accounts for KubeAccounts {
    fn served(&self) -> Option<Served> {
        if !self.filled.iter().all(|filled| *filled.borrow()) {
            return None;
        }
        let system = self.systems.get(&self.within(&self.system))?;
        Some(Served { domain: system.spec.domain.clone(), hostname: system.spec.page_host().to_string() })
    }

    fn find(&self, address: &str, now: Timestamp) -> Option<Account> {
        let name = self.index().mailbox(address)?.to_string();
        let mailbox = self.mailboxes.get(&self.within(&name))?;
        let agency = self.agencies.get(&self.within(&mailbox.spec.agency_ref.name));
        let found = account(&mailbox, agency.as_ref().map(|agency| agency.spec.name.as_str()), now)?;
        let system = self.systems.get(&self.within(&self.system));
        Some(Account { office: system.map(|system| system.spec.office.clone()).unwrap_or_default(), ..found })
    }

    fn read<'a>(&'a self, mailbox: Option<&'a str>) -> BoxFuture<'a, Result<Option<Secret>, StoreError>> {
        async move {
            let name = mailbox.map_or_else(|| NOBODY.to_string(), secret_name);
            self.io.get::<Secret>(&name).await.map_err(|error| StoreError::Unavailable(error.to_string()))
        }
        .boxed()
    }

    fn write<'a>(&'a self, credentials: &'a Secret) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.io.replace(credentials).await.map(drop).map_err(|error| match error.class() {
                Class::Conflict => StoreError::Conflict,
                _ if error.may_be_done() => StoreError::Lost(error.to_string()),
                _ => StoreError::Unavailable(error.to_string()),
            })
        }
        .boxed()
    }
}
