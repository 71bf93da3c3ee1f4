//! Mailbox: the account of a person or of an agency.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Basis, NO_YAML_WORD, NO_YAML_WORD_MESSAGE, NameRef};
use super::mailbox_status::{MailboxState, MailboxStatus};
use crate::domain::lifecycle;
use crate::domain::naming::{self, LocalPart, MailboxNaming, Request, Wish, moving};
use crate::domain::successor::Heir;

/// Days, months and years as `domain::naming` reads them: ddmmyyyy, yyyymmdd, ddmmyy, yymmdd.
const NO_DATE_OF_BIRTH: &str = "!self.matches('^((0[1-9]|[12][0-9]|3[01])(0[1-9]|1[0-2])((19|20)[0-9]{2}|[0-9]{2})|((19|20)[0-9]{2}|[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01]))$')";

/// Who holds a mailbox (R1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum Holder {
    /// A person of an agency.
    #[default]
    Person,
    /// The agency itself.
    Agency,
}

/// A name whose parts are told apart by hand; it wins over the text (D-08).
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StructuredName {
    /// Family name (họ).
    #[schemars(length(min = 1, max = 100))]
    pub family: String,
    /// Middle names (tên đệm), separated by blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub middle: Option<String>,
    /// Given name (tên).
    #[schemars(length(min = 1, max = 100))]
    pub given: String,
}

/// Why a person locks a mailbox (Điều 6 khoản 2).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum LockReason {
    /// No login, send or receive for three months (6.2.a).
    Inactive,
    /// The password is known to others (6.2.b).
    Compromised,
    /// The password is lost (6.2.b).
    LostPassword,
    /// A source of spam or malware (6.2.b).
    SpamOrMalware,
    /// Prohibited use (6.2.c).
    ProhibitedUse,
    /// The default password was not changed (6.2.d).
    DefaultPassword,
}

impl LockReason {
    /// The text in `reasons[]`.
    pub fn as_str(self) -> &'static str {
        lifecycle::LockReason::from(self).as_str()
    }

    /// The point of the regulation.
    pub fn rule(self) -> &'static str {
        lifecycle::LockReason::from(self).rule()
    }
}

impl From<LockReason> for lifecycle::LockReason {
    fn from(reason: LockReason) -> Self {
        match reason {
            LockReason::Inactive => Self::Inactive,
            LockReason::Compromised => Self::Compromised,
            LockReason::LostPassword => Self::LostPassword,
            LockReason::SpamOrMalware => Self::SpamOrMalware,
            LockReason::ProhibitedUse => Self::ProhibitedUse,
            LockReason::DefaultPassword => Self::DefaultPassword,
        }
    }
}

/// A lock decided by a person: no access by any protocol, mail is still received (R6.1).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// Every reason that holds (R6.2); the account is unlocked when none is left (D-13). `Inactive`: no login, send or receive for three
    /// months (6.2.a). `Compromised`: the password is known to others (6.2.b). `LostPassword` (6.2.b). `SpamOrMalware`: a source
    /// of spam or malware (6.2.b). `ProhibitedUse` (6.2.c). `DefaultPassword`: the default password was not changed (6.2.d).
    #[schemars(length(min = 1, max = 6))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub reasons: Vec<LockReason>,
    /// The document that the lock rests on (R5.2).
    pub basis: Basis,
}

/// What people decided about an account as a whole.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum WantedState {
    /// It is used.
    #[default]
    Active,
    /// It is over (5.4, D-11).
    Revoked,
}

/// Days of which a reason for silence was notified, both included (6.2.a).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.from <= self.to")
    .message("6.2.a: an absence ends on the day it begins or later: write spec.absence.from before spec.absence.to"))]
pub struct Absence {
    /// The first day.
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub from: String,
    /// The last day.
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub to: String,
    /// The document that notified it (R5.2).
    pub basis: Basis,
}

/// A document that asks for a locked account back (R6.3).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// The document (R5.2). Each one is handled once, so it may stay.
    pub basis: Basis,
    /// When it was received: three working days run from here (6.3.b). Locks of a later day are not taken away by it.
    pub received_at: Time,
    /// The reasons that it takes away; all when empty. A lock of `spec.lock` ends when it is taken out there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub reasons: Vec<LockReason>,
}

/// A document on which an account ends (R5.4).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// The document (R5.2).
    pub basis: Basis,
}

/// A document for the time of which nothing of the account is removed.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The document (R5.2).
    pub basis: Basis,
}

/// A request for another address (D-02: an issued one changes for no other reason but a transfer).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rename {
    /// The document that asks for it (R5.2). Each document is handled once, so it may stay.
    pub basis: Basis,
}

/// A personal or agency mailbox.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[kube(
    group = "mail.gialai.gov.vn",
    version = "v1alpha1",
    kind = "Mailbox",
    plural = "mailboxes",
    singular = "mailbox",
    shortname = "mbx",
    category = "mail",
    namespaced,
    status = "MailboxStatus",
    derive = "PartialEq",
    selectable = ".spec.agencyRef.name",
    selectable = ".status.address",
    doc = "The account of a person or of an agency. Its name is the staff code: people keep it, addresses change.",
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("the name of a Mailbox has at most 63 characters: write the staff code, for example nv-000123"),
    validation = Rule::new("!self.metadata.name.startsWith('agency-') || (has(self.spec.holder) && self.spec.holder == 'Agency')")
        .message("names that begin with agency- are kept for the agencies' own mailboxes: write the staff code, for example nv-000123"),
    validation = Rule::new("!has(self.spec.startsOn) || !has(self.spec.endsOn) || self.spec.startsOn < self.spec.endsOn")
        .message("R5.4.b: spec.endsOn is the day on which access ends: write a day after spec.startsOn"),
    validation = Rule::new("!has(self.spec.successorRef) || self.spec.successorRef.name != self.metadata.name")
        .message("R5.4.c: nobody is their own successor: write the Mailbox of somebody else in spec.successorRef, or remove it"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(name = "Agency", type_ = "string", json_path = ".spec.agencyRef.name", priority = 1),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Due", type_ = "string", json_path = ".status.due[0].at", priority = 1),
    printcolumn(name = "Forward", type_ = "string", json_path = ".status.forwarding.to", priority = 1),
    printcolumn(name = "Quota", type_ = "string", json_path = ".status.quota.storage", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Holder", type_ = "string", json_path = ".spec.fullName", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MailboxSpec {
    /// The Agency it belongs to (R1: exactly one); its suffix is in the address. An Agency that does not exist yet is waited for.
    pub agency_ref: NameRef,
    /// `Person` (when absent): somebody of the agency. `Agency`: the agency itself; the operator makes that Mailbox, nobody needs
    /// to write it.
    #[serde(default, skip_serializing_if = "is_person")]
    #[schemars(default)]
    pub holder: Holder,
    /// Full name in Vietnamese with its diacritics: `Hoàng Thị Như Quỳnh`. The address is derived from it (R4.2.a); an issued
    /// address stays when the name changes (D-02).
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = Rule::new(NO_YAML_WORD).message(NO_YAML_WORD_MESSAGE))]
    pub full_name: String,
    /// The parts of the name, where the text does not tell them: a family name of two words, a given name that stands first
    /// (D-08).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_name: Option<StructuredName>,
    /// Position or title, for the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub title: Option<String>,
    /// The local part, pinned (D-21): issued if it is free, valid and not reserved, else a conflict; never derived again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')")
        .message("D-21: a local part is lower-case a-z, 0-9, dots and hyphens between them, for example quynhhtn.stttt"))]
    pub local_part: Option<String>,
    /// What tells two people of one full name apart (R4.2.c, D-07): 1 to 8 lower-case letters and digits that are appended to the
    /// name in the address, for example `2` or a year; never a full date of birth, since addresses are public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]{1,8}$')")
        .message("D-07: a disambiguator is 1 to 8 lower-case letters a-z and digits without diacritics, for example 2 or 1985"))]
    #[x_kube(validation = Rule::new(NO_DATE_OF_BIRTH)
        .message("D-07: this reads as a full date of birth, and addresses are public; write the year alone, for example 1985"))]
    pub disambiguator: Option<String>,
    /// Further local parts, without the domain, whose mail arrives in this mailbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub aliases: Vec<String>,
    /// The QuotaPolicy of this mailbox alone; it wins over the agency's and over those that select it (R7.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_policy_ref: Option<NameRef>,
    /// A lock decided by a person (R6.2): no access by any protocol within 5 s, mail is still received (R6.1). Remove it to
    /// unlock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// Asks for the address that `fullName`, `disambiguator` or `localPart` give now, in place of the issued one. Mail, password
    /// and quota stay; mail to the old address arrives for `spec.regulation.retention.aliasMonths` of the MailSystem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rename: Option<Rename>,
    /// Local parts of former holders that this mailbox takes over (D-19), where they are tombstones. It never sees their mail. It
    /// happens when the annotation `mail.gialai.gov.vn/acknowledge-supersedes` names them too, joined by commas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub supersedes: Vec<String>,
    /// First day of access: until its 00:00 in the province the account is `Pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub starts_on: Option<String>,
    /// Days of which a reason for silence was notified (6.2.a): three months of silence begin anew with the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence: Option<Absence>,
    /// Gives a locked account back on the agency's document (R6.3), with a new password that is changed at first access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// Keeps a revoked account from being purged (D-14), however long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Official day of retirement, resignation or leaving (R5.4.b): at its 00:00 in the province the account is revoked, never before.
    /// A later day, or none, gives it back as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub ends_on: Option<String>,
    /// `Revoked`: a document approves it, that of `ending` (R5.4.c, D-11): nobody logs in, mail is refused, and mail, address and password
    /// are kept (D-14). `Active` (when absent) gives it back as it was.
    #[serde(default, skip_serializing_if = "is_active")]
    #[schemars(default)]
    pub state: WantedState,
    /// The document on which the account ends, for `state: Revoked` or `endsOn` (R5.2, R5.4). Where it is absent, `basis`
    /// is meant for `endsOn`; `state: Revoked` names no document then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// While this account is revoked, mail to its address, and to the further and former ones that still receive, is forwarded to
    /// that Mailbox (R5.4.c) instead of being refused. One that is revoked itself hands on to its own successor, at most eight times;
    /// where nobody receives, mail is refused and the conditions say why. Who gets the mail does not write in this one's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor_ref: Option<NameRef>,
    /// The document of its issue (R5.2): it stays what it is when others come.
    pub basis: Basis,
}

/// Annotation of a Mailbox that confirms its `spec.supersedes` (D-19).
pub const ACKNOWLEDGE_SUPERSEDES: &str = "mail.gialai.gov.vn/acknowledge-supersedes";

impl Mailbox {
    /// What of it decides its address.
    pub fn naming(&self) -> MailboxNaming<'_> {
        self.spec.naming()
    }

    /// Why the account is over at `now`, if it is. A leader whose clock is behind does not open what has ended.
    pub fn ended(&self, now: Timestamp) -> Option<lifecycle::Cause> {
        let revoked_at = self.status.as_ref().and_then(|status| status.revoked_at.as_ref());
        self.spec.ended(revoked_at.map_or(now, |at| at.0.max(now)))
    }

    /// What of it matters to who names it as successor: what its status says, so that each change of it is one that others see.
    pub fn heir(&self) -> Heir {
        let status = self.status.as_ref();
        let purged = status.is_some_and(|status| status.state == Some(MailboxState::Purged));
        Heir {
            address: status.and_then(|status| status.address.clone()),
            revoked: purged || status.is_some_and(|status| status.revoked_at.is_some()),
            successor: self.spec.successor_ref.as_ref().map(|successor| successor.name.clone()),
        }
    }

    /// Whether exactly what `spec.supersedes` names was confirmed (D-19).
    pub fn supersedes_acknowledged(&self) -> bool {
        let said = self.metadata.annotations.as_ref().and_then(|a| a.get(ACKNOWLEDGE_SUPERSEDES));
        let said: BTreeSet<&str> = said.map(|s| s.split(',').map(str::trim).collect()).unwrap_or_default();
        said == self.spec.supersedes.iter().map(String::as_str).collect()
    }
}

impl MailboxSpec {
    /// What of it decides the address.
    pub fn naming(&self) -> MailboxNaming<'_> {
        let structured = self.structured_name.as_ref().map(|s| naming::StructuredName {
            family: s.family.clone(),
            middle: s.middle.clone(),
            given: s.given.clone(),
        });
        MailboxNaming {
            local_part: self.local_part.as_deref(),
            body: self.holder == Holder::Agency,
            full_name: &self.full_name,
            structured,
            disambiguator: self.disambiguator.as_deref(),
        }
    }

    /// What the Mailbox `id` asks for beside others.
    pub fn request(&self, id: &str, wish: Wish) -> Request {
        let supersedes = self.supersedes.iter().filter_map(|local| LocalPart::parse(local, "").ok()).collect();
        Request { id: id.into(), name: self.full_name.clone(), wish, supersedes, left: BTreeSet::new() }
    }

    /// The day of `spec.endsOn`; one that does not exist is refused by the kind.
    pub fn last_day(&self) -> Option<Date> {
        self.ends_on.as_ref()?.parse().ok()
    }

    /// The document on which it ends (R5.2): that of `spec.ending`. A last day that was set with the account is one of its own document;
    /// `state: Revoked` without a document of the end has none.
    pub fn ends_by(&self) -> Option<&Basis> {
        let own = || Some(&self.basis).filter(|_| self.state != WantedState::Revoked);
        self.ending.as_ref().map(|ending| &ending.basis).or_else(own)
    }

    /// Why the account is over at `now`, if it is.
    pub fn ended(&self, now: Timestamp) -> Option<lifecycle::Cause> {
        lifecycle::ended(self.state == WantedState::Revoked, self.last_day(), now)
    }

    /// Why the issued address is to give way to another one, if it is.
    pub fn moves(&self, issued: &moving::Issued<'_>) -> Option<moving::Cause> {
        let rename = self.rename.as_ref().map(|rename| rename.basis.cited());
        let (agency, pin) = (self.agency_ref.name.as_str(), self.local_part.as_deref());
        moving::cause(issued, &moving::Wanted { agency, rename: rename.as_deref(), pin, name: &self.full_name })
    }
}

fn is_active(state: &WantedState) -> bool {
    *state == WantedState::Active
}

fn is_person(holder: &Holder) -> bool {
    *holder == Holder::Person
}
