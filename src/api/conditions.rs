//! Conditions: types, reasons, and merging without needless writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::domain::text::cut;

/// Bytes of a message; people read no more, and an Event takes no more.
const MESSAGE: usize = 1024;

/// Types of conditions. `Ready` is the summary; `Reconciling` and `Stalled` are there only while true, as kstatus wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The object does what its spec says.
    Ready,
    /// Work is going on or is waited for; it will end by itself.
    Reconciling,
    /// It cannot go on until a person changes something.
    Stalled,
    /// What the operator decided stands in the mail server's account table.
    Synced,
    /// Mail can be received and read.
    Available,
    /// The agent in the mail pod answers the operator.
    AgentReachable,
    /// The server certificate is there, can be read and is not about to end.
    CertificatesReady,
}

impl ConditionType {
    /// The text in `conditions[].type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Synced => "Synced",
            Self::Available => "Available",
            Self::AgentReachable => "AgentReachable",
            Self::CertificatesReady => "CertificatesReady",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition is as it is: stable, PascalCase, the same text in conditions, events and metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }
        impl Reason {
            /// Every reason with what it means, for `docs/reference/codes.md`.
            pub const ALL: &'static [(Reason, &'static str)] = &[$((Reason::$name, concat!($($doc),+)),)+];
            /// The text in `conditions[].reason`.
            pub fn as_str(self) -> &'static str { match self { $(Reason::$name => stringify!($name),)+ } }
        }
    };
}

reasons! {
    /// Everything is as the spec says.
    Ready,
    /// The mailbox has its address, account and password.
    Issued,
    /// The mailbox is locked, by spec.lock or by a rule; mail is still received.
    Locked,
    /// No login for six months: a person decides whether the account is revoked.
    RevocationProposed,
    /// spec.startsOn is to come; senders are told to try again.
    NotStarted,
    /// What was kept of a revoked account is removed; its address is a tombstone.
    Purged,
    /// What was kept of the former account of this name is being removed; the mailbox goes on by itself then.
    Purging,
    /// Only a change of the initial password is allowed; mail is received.
    MustChangePassword,
    /// The mail server refuses to remove mail whose time of keeping is over; it is kept and tried again, the message says whose and why.
    PurgeRefused,
    /// The mail server has accounts of which neither Mailbox nor address is there any more; the message says how many and whose. They go
    /// on until the brake lets them go.
    AddressLost,
    /// Waiting for the first look at the mail system.
    Starting,
    /// spec.agencyRef names an Agency that does not exist (yet).
    AgencyNotFound,
    /// The Agency exists but its own address is not decided; see its conditions.
    AgencyNotReady,
    /// spec.parentRef names an Agency that does not exist (yet).
    ParentNotFound,
    /// Parents of agencies form a circle or are nested too deep.
    ParentCycle,
    /// The MailSystem does not exist (yet).
    SystemNotFound,
    /// More than one MailSystem stands in the namespace; the oldest one is served.
    AnotherSystemInNamespace,
    /// The name cannot become an address; the message names rule and remedy.
    InvalidName,
    /// The local part cannot be used; the message names rule and remedy.
    InvalidLocalPart,
    /// The account is over, by a document or its last day: no access, mail is refused, everything is kept.
    Revoked,
    /// The local part is reserved for the system's own use.
    ReservedLocalPart,
    /// Another holder has the address.
    Conflict,
    /// The address was issued to a person of another name under this resource name.
    HolderMismatch,
    /// spec.fullName was changed into another name; the address stays.
    NameChanged,
    /// The address was issued under another domain than the MailSystem has now.
    DomainChanged,
    /// spec.successorRef names a Mailbox that does not exist, has no address, or is revoked without a successor; mail is refused
    /// meanwhile.
    SuccessorNotFound,
    /// spec.successorRef leads in a circle, or past too many revoked ones; mail is refused.
    SuccessorCircle,
    /// spec.postmasterRef names a Mailbox that does not exist, has no address, or is revoked without a successor who receives.
    PostmasterNotFound,
    /// The API server refuses a write that this object needs, or does not answer for long; the message says which, why and what
    /// to do.
    ApplyFailed,
    /// An address of a former holder is to be handed on, and nobody confirmed that yet (D-19).
    SupersedesHeld,
    /// The object is being deleted and something (a finalizer) keeps it; it gets no address any more.
    Terminating,
    /// More accounts would be locked, revoked or removed by themselves within a day than the brake allows; all of that waits for a
    /// person.
    HeldByBrake,
    /// The journal of decisions does not hold an entry any more that it held before; the message says what to do.
    JournalDamaged,
    /// Operator and mail pod do not tell one time: nobody is given access (spec.startsOn), locked, proposed or revoked by a clock
    /// until they do.
    ClocksDiffer,
    /// spec.regulation.workCalendarRef names a WorkCalendar that does not exist (yet): nobody is locked or proposed by a clock.
    WorkCalendarNotFound,
    /// An alias belongs to another holder.
    AliasConflict,
    /// The issued address stays although name or agency would now give another one.
    AddressKept,
    /// The credentials Secret holds no hash that can be used.
    InvalidCredentials,
    /// spec.quotaPolicyRef names a QuotaPolicy that does not exist.
    QuotaPolicyNotFound,
    /// A quantity or limit cannot be used; the message names path and remedy.
    InvalidQuota,
    /// A text in the ConfigMap of notices cannot be used; the built-in one stands in its place.
    NoticeTextInvalid,
    /// The agent in the mail pod does not answer.
    AgentUnavailable,
    /// The account table in the mail pod was damaged and is made anew from the cluster; until every account is in it again senders
    /// are told to try again, and nobody logs in. Shown for a week: look at the disk.
    AccountTableDamaged,
    /// The volume of the mail pod is full.
    VolumeFull,
    /// The agent refused the account; the message says why.
    AccountRefused,
    /// The mail folder of this name holds the mail of a former account, as after a restore of the volume: nobody logs in and senders
    /// are told to try again until a person moved it away; the message says which and how.
    FolderOfAnother,
    /// More accounts than the brake allows would vanish from the table; held.
    RemovalHeld,
    /// The pod cannot pull its image.
    ImagePullFailed,
    /// The pod finds no volume or no node.
    Unschedulable,
    /// A container of the pod ends again and again.
    CrashLooping,
    /// A volume, ConfigMap or Secret of the pod cannot be mounted.
    MountFailed,
    /// The API server refuses the mail pod (Pod Security, quota, a webhook); the message says why and what to do.
    PodRefused,
    /// The pod is being started or replaced.
    PodStarting,
    /// The certificate cannot be read or does not fit its key.
    CertificateUnreadable,
    /// The Secret that spec.tls names does not exist (yet).
    CertificateNotFound,
    /// The certificate does not name spec.hostname.
    CertificateNameMismatch,
    /// The certificate ends soon, has ended or is not good yet.
    CertificateExpiring,
    /// The certificate is made and renewed by the operator.
    SelfSigned,
    /// The certificate comes from the Secret or issuer that spec.tls names.
    Provided,
}

/// Sets one condition; `lastTransitionTime` moves only when the status flips.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    kind: ConditionType,
    status: bool,
    reason: Reason,
    message: impl Into<String>,
    generation: i64,
    now: Timestamp,
) {
    let new = condition(kind, status, reason, message, generation, now);
    match conditions.iter_mut().find(|c| c.type_ == new.type_) {
        Some(old) => {
            let kept = (old.status == new.status).then(|| old.last_transition_time.clone());
            *old = new;
            if let Some(time) = kept {
                old.last_transition_time = time;
            }
        }
        None => conditions.push(new),
    }
}

/// One condition, in transition at `now`.
pub fn condition(
    kind: ConditionType,
    status: bool,
    reason: Reason,
    message: impl Into<String>,
    generation: i64,
    now: Timestamp,
) -> Condition {
    Condition {
        type_: kind.as_str().to_string(),
        status: if status { "True" } else { "False" }.to_string(),
        reason: reason.as_str().to_string(),
        message: cut(&message.into(), MESSAGE),
        observed_generation: Some(generation),
        last_transition_time: Time(now),
    }
}

/// Whether the condition is there and true.
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    conditions.iter().any(|c| c.type_ == kind.as_str() && c.status == "True")
}

/// How a `Ready` that is not true is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It is ready.
    Ready,
    /// It will go on by itself (kstatus: InProgress).
    Waiting,
    /// A person must act (kstatus: Failed).
    Stalled,
}

/// Writes `Ready` and, while they hold, `Reconciling` or `Stalled`.
pub fn summarise(
    conditions: &mut Vec<Condition>,
    outlook: Outlook,
    reason: Reason,
    message: impl Into<String>,
    generation: i64,
    now: Timestamp,
) {
    let message: String = message.into();
    set_condition(
        conditions,
        ConditionType::Ready,
        outlook == Outlook::Ready,
        reason,
        message.clone(),
        generation,
        now,
    );
    for (kind, holds) in [
        (ConditionType::Reconciling, outlook == Outlook::Waiting),
        (ConditionType::Stalled, outlook == Outlook::Stalled),
    ] {
        if holds {
            set_condition(conditions, kind, true, reason, message.clone(), generation, now);
        } else {
            conditions.retain(|c| c.type_ != kind.as_str());
        }
    }
}

/// Schema of `status.conditions`: a map keyed by `type`, so that server-side apply merges it.
pub(super) fn conditions_schema(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<Condition>();
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": item,
    })
}
