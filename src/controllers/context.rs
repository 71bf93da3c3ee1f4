//! What the controllers of one namespace share.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;

use super::readiness::Readiness;
use super::slots::Slots;
use super::status::Written;
use crate::api::{
    AddressClaim, AddressUse, Agency, HOLDER_ANNOTATION, MailSystem, Mailbox, MailboxState, PASSWORD_CHANGED_AT,
    PASSWORD_MADE_AT, QuotaPolicy,
};
use crate::backend::{Account, Syncer};
use crate::domain::lease::Term;
use crate::domain::{lifecycle, witness};
use crate::kube_io::{Io, Recorder};
use crate::resources::{CREDENTIALS_LABEL, MADE_FOR_ANNOTATION};
use crate::store::{Index, Stores, Trigger};
use crate::telemetry::Metrics;

/// A clock of the mail server that is further ahead is wrong itself: what begins by it would begin then for good.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Tells the time. Tests move it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The clock of this machine.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// So many days later: a rehearsal.
    pub fn ahead(days: u16) -> Self {
        let ahead = SignedDuration::from_hours(24 * i64::from(days));
        Self::new(move || Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX))
    }

    /// Any other one.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// What is set for the whole process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Told which namespaces can be served.
    pub readiness: Readiness,
    /// Name of this replica, in its events.
    pub identity: String,
    /// Image of Dovecot, Postfix and rspamd where a MailSystem names none.
    pub mail_image: String,
    /// The operator's own image, for the agent.
    pub agent_image: String,
    /// ServiceAccount of the password page, in each served namespace.
    pub portal_account: String,
    /// Secrets with which the kubelet pulls the images of mail pods.
    pub pull_secrets: Vec<String>,
    /// Namespace of the operator, which may reach the agents.
    pub operator_namespace: String,
    /// Mailboxes of a namespace for which the API server is spoken to at the same time.
    pub concurrency: u16,
    /// Term of the leader that we are: a mail server refuses what an older one sends.
    pub term: Term,
    /// The time by which the regulation is applied.
    pub clock: Clock,
    /// By how many days the agents are to be ahead as well.
    pub days_ahead: u16,
    /// The time by which certificates are made and renewed: that of those who check them.
    pub wall: Clock,
}

/// Says what to look at.
#[derive(Clone)]
pub(crate) struct Triggers {
    pub systems: Trigger<MailSystem>,
    pub agencies: Trigger<Agency>,
    pub mailboxes: Trigger<Mailbox>,
    pub policies: Trigger<QuotaPolicy>,
}

/// What the controllers of one namespace share.
pub(crate) struct Ctx {
    pub io: Io,
    pub settings: Settings,
    pub stores: Stores,
    pub triggers: Triggers,
    pub syncer: Arc<Syncer>,
    pub metrics: Metrics,
    pub events: Recorder,
    /// Of passes over Mailboxes.
    pub slots: Slots,
    pub written: Written,
    /// What each Mailbox said last.
    pub lives: super::mailbox::Lives,
    index: Mutex<Index>,
    unsettled: Mutex<Option<BTreeSet<String>>>,
    /// Generation and hash of children as we applied them last, to send nothing that changes nothing.
    pub applied: Mutex<HashMap<String, (i64, u64)>>,
    /// When the mail pod that was seen last was made.
    pub pod_made: Mutex<Option<Timestamp>>,
    pub newcomers: super::newcomers::Newcomers,
    pub life: super::lifecycle::Life,
    pub activities: super::activity::Activities,
    pub journal: super::journal::Journal,
    pub notices: super::notices::Notices,
    /// Credentials that we wrote and that the cache may not show yet, by resourceVersion.
    made: Mutex<HashMap<String, (u64, Credentials)>>,
    /// Whether every cache of the namespace was filled once.
    pub synced: watch::Sender<bool>,
}

impl Ctx {
    pub fn new(
        io: Io,
        settings: Settings,
        stores: Stores,
        triggers: Triggers,
        syncer: Arc<Syncer>,
        metrics: Metrics,
    ) -> Self {
        let synced = watch::Sender::new(false);
        settings.readiness.follow(io.namespace(), synced.subscribe());
        let (events, writer) = Recorder::new(io.clone(), &settings.identity);
        // It ends with the recorder, after what was recorded is written.
        tokio::spawn(writer);
        Self {
            io,
            slots: Slots::new(settings.concurrency),
            written: Written::default(),
            lives: super::mailbox::Lives::default(),
            settings,
            stores,
            triggers,
            syncer,
            metrics,
            events,
            index: Mutex::default(),
            unsettled: Mutex::new(None),
            applied: Mutex::default(),
            pod_made: Mutex::default(),
            newcomers: super::newcomers::Newcomers::default(),
            life: super::lifecycle::Life::default(),
            activities: super::activity::Activities::default(),
            journal: super::journal::Journal::default(),
            notices: super::notices::Notices::default(),
            made: Mutex::default(),
            synced,
        }
    }

    /// The indexes, for a short look or change.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time. Decisions get it as an argument.
    pub fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    /// When something begins that begins now, from which a term is counted: never before it is. While the operator's clock is behind,
    /// the mail server's tells the time, or `made`, when the API server made what it is about. A later begin only delays what comes of it.
    pub fn begins(&self, made: Option<&Time>) -> Timestamp {
        let now = self.now();
        let believed = |theirs: &Timestamp| theirs.duration_since(now) < LONGEST;
        let witness = self.syncer.witness().filter(|theirs| witness::apart(now, *theirs).is_some() && believed(theirs));
        [made.map(|made| made.0), witness].into_iter().flatten().fold(now, Timestamp::max)
    }

    /// In a rehearsal nothing is ever removed: the mail is real, only the time is not.
    pub fn is_rehearsal(&self) -> bool {
        self.settings.days_ahead > 0
    }

    /// The time of certificates.
    pub fn wall(&self) -> Timestamp {
        self.settings.wall.now()
    }

    /// The MailSystem that is served here: the oldest of the namespace.
    pub fn system(&self) -> Option<Arc<MailSystem>> {
        let key = |s: &MailSystem| (s.creation_timestamp().map(|t| t.0), s.name_any());
        self.stores.systems.state().into_iter().min_by_key(|s| key(s))
    }

    /// Whether everything that was there at the start was decided once.
    pub fn expect(&self, mailboxes: BTreeSet<String>) {
        *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner) = Some(mailboxes);
        self.settle_if_done();
    }

    /// A mailbox was decided, or is gone.
    pub fn decided(&self, mailbox: &str) {
        let mut unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = unsettled.as_mut()
            && set.remove(mailbox)
        {
            drop(unsettled);
            self.settle_if_done();
        }
    }

    fn settle_if_done(&self) {
        let done =
            self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(BTreeSet::is_empty);
        if done && !self.syncer.projection().settled() && self.system().is_some() {
            self.sweep_orphans();
            self.syncer.settle();
        }
    }

    /// Claims whose Mailbox is gone: the account is revoked and kept (D-14). No finalizer tells of a deletion that
    /// happened while the operator was down; the claim without its owner does.
    pub fn sweep_orphans(&self) {
        let owners = self.index().owners();
        let places = self.places(&owners);
        let mut protected: HashSet<String> = self.stores.mailboxes.state().iter().map(|m| m.name_any()).collect();
        for owner in owners {
            if !protected.contains(&owner) {
                self.life.ask();
                protected.insert(owner);
            }
        }
        self.syncer.protect(protected, places);
    }

    /// Rows for holders of addresses of whom nothing is wanted.
    fn places<'a>(&self, owners: impl IntoIterator<Item = &'a String>) -> Vec<Account> {
        let Some(system) = self.system() else { return Vec::new() };
        let nothing = |owner: &&String| self.syncer.projection().desired(owner).is_none();
        let place = |owner: &String| {
            let claim = self.primary_claim(owner)?;
            let at = |local: &str| format!("{local}@{}", system.spec.domain);
            let further = self.claims_of(owner).into_iter().filter(|claim| claim.spec.address_use == AddressUse::Alias);
            let mut aliases: Vec<String> = further.map(|claim| at(&claim.name_any())).collect();
            aliases.sort();
            Some(Account::unknown(owner, &at(&claim.name_any()), aliases))
        };
        owners.into_iter().filter(nothing).filter_map(place).collect()
    }

    /// Whether a Mailbox of this name is in the cache.
    pub fn mailbox(&self, name: &str) -> Option<Arc<Mailbox>> {
        self.stores.mailboxes.get(&ObjectRef::new(name).within(self.io.namespace()))
    }

    /// Every claim of a mailbox.
    pub fn claims_of(&self, mailbox: &str) -> Vec<Arc<AddressClaim>> {
        let held = self.index().claims_of(mailbox);
        let known = |local: &String| self.stores.claims.get(&ObjectRef::new(local).within(self.io.namespace()));
        held.iter().filter_map(known).collect()
    }

    /// The claim of the address of a mailbox. There are two between the two writes of a transfer or a rename: then that of what
    /// the spec wants now, else the newer one.
    pub fn primary_claim(&self, mailbox: &str) -> Option<Arc<AddressClaim>> {
        let claims = self.claims_of(mailbox).into_iter().filter(|c| c.spec.address_use == AddressUse::Primary);
        let wanted = self
            .mailbox(mailbox)
            .map(|m| (Some(m.spec.agency_ref.name.clone()), m.spec.rename.as_ref().map(|rename| rename.basis.cited())));
        claims.max_by_key(|claim| {
            let fits = wanted.as_ref().is_some_and(|w| (&w.0, &w.1) == (&claim.spec.agency, &claim.spec.rename));
            (fits, claim.creation_timestamp(), claim.name_any())
        })
    }

    /// The claim by which an account that is kept is known: its Primary one, or a further one where that was deleted.
    pub fn kept_claim(&self, mailbox: &str) -> Option<Arc<AddressClaim>> {
        let further = || {
            let all = self.claims_of(mailbox).into_iter().filter(|c| c.spec.address_use == AddressUse::Alias);
            all.min_by_key(|claim| (claim.spec.revoked_at.is_none(), claim.name_any()))
        };
        self.primary_claim(mailbox).or_else(further)
    }

    /// Whether its account was purged (D-14): the tombstones of this very object say so, or its status where those are over. What has
    /// an address is not, whatever a status says.
    pub fn is_purged(&self, mailbox: &Mailbox) -> bool {
        let said = mailbox.status.as_ref().is_some_and(|status| status.state == Some(MailboxState::Purged));
        let known = self.index().purged_at(mailbox.metadata.uid.as_deref()).is_some();
        (said || known) && self.primary_claim(&mailbox.name_any()).is_none()
    }

    /// Settles later what could not settle because there was no MailSystem yet.
    pub fn system_seen(&self) {
        self.settle_if_done();
    }

    /// The credentials of a mailbox from the cache: its hash, and whether the initial password stands.
    pub fn credentials(&self, mailbox: &str) -> Option<Credentials> {
        let name = format!("{mailbox}-credentials");
        let secret = self.stores.credentials.get(&ObjectRef::new(&name).within(self.io.namespace()));
        let shown = secret.as_ref().and_then(|secret| version(secret));
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, credentials)) = made.get(mailbox) {
            if shown.is_some_and(|shown| shown < *version) {
                return Some(credentials.clone());
            }
            made.remove(mailbox);
        }
        Credentials::of(&*secret?)
    }

    /// We wrote these credentials: an older password must never count again, however late the cache is.
    pub fn made(&self, mailbox: &str, secret: &Secret) -> Option<Credentials> {
        let credentials = Credentials::of(secret)?;
        let version = version(secret)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(mailbox.into(), (version, credentials.clone()));
        Some(credentials)
    }

    /// What is known of the use of a mailbox.
    pub fn activity(&self, mailbox: &str) -> Option<lifecycle::Activity> {
        let own = self.stores.activities.get(&ObjectRef::new(mailbox).within(self.io.namespace()));
        self.activities.of(mailbox, own.and_then(|own| own.status.clone()))
    }
}

/// What the operator needs of a credentials Secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// `{ARGON2ID}…`, as it stands there.
    pub hash: String,
    /// Whether the initial password was never changed.
    pub initial: bool,
    /// Full name of the person it was made for.
    pub holder: Option<String>,
    /// When the holder changed the password, as the page that did it says.
    pub changed_at: Option<Timestamp>,
    /// When the initial password was made.
    pub made_at: Option<Timestamp>,
    /// What the present initial password was made for, beside the issue.
    pub made_for: Option<String>,
}

/// Resource versions of one kind are numbers that grow (Kubernetes API concepts, "Resource versions").
fn version(secret: &Secret) -> Option<u64> {
    secret.metadata.resource_version.as_ref()?.parse().ok()
}

impl Credentials {
    pub fn of(secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let hash = data.get("hash").map(|b| String::from_utf8_lossy(&b.0).into_owned()).unwrap_or_default();
        let said = |key: &str| secret.metadata.annotations.as_ref().and_then(|a| a.get(key)).cloned();
        let time = |key| said(key).and_then(|at| at.parse::<Timestamp>().ok());
        let (changed_at, made_for) = (time(PASSWORD_CHANGED_AT), said(MADE_FOR_ANNOTATION));
        // One of before times were written down was made with its Secret, or for an unlock that stands in status.
        let made = || secret.creation_timestamp().map(|at| at.0).filter(|_| made_for.is_none());
        let made_at = time(PASSWORD_MADE_AT).or_else(made);
        let initial = data.contains_key("initialPassword");
        Some(Self { hash, initial, holder: said(HOLDER_ANNOTATION), changed_at, made_at, made_for })
    }
}

/// Drops everything of a Secret but the hash; the initial password never stays in memory.
pub(crate) fn prune_credentials(secret: &mut Secret) {
    if secret.metadata.labels.as_ref().is_none_or(|l| !l.contains_key(CREDENTIALS_LABEL)) {
        secret.data = None;
    }
    if let Some(data) = &mut secret.data {
        data.retain(|key, _| key == "hash" || key == "initialPassword");
        if let Some(initial) = data.get_mut("initialPassword") {
            initial.0 = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::fixture;

    #[tokio::test]
    async fn nothing_begins_before_it_is_there() {
        let at = |text: &str| text.parse::<Timestamp>().expect(text);
        let (now, later) = (at("2024-03-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        let ctx = fixture::ctx(now);
        assert_eq!((ctx.begins(None), ctx.begins(Some(&Time(at("2023-01-01T00:00:00Z"))))), (now, now));
        assert_eq!(ctx.begins(Some(&Time(later))), later, "the API server made it then");
    }
}
