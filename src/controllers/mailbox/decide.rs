//! What is to be done about one Mailbox: pure.

use crate::api::{AddressClaim, EffectiveQuota, FirstAccess, Holder, LockStatus, Mailbox, MailboxState, Reason};
use crate::backend::{Access, Account, check_hash};
use crate::domain::naming::{self, LocalPart, StructuredName};
use crate::domain::quota::{self, Subject};
use crate::store::{AgencyProblem, ResolvedAgency};

use super::facts::{Facts, SystemFacts, holder};

/// Why something cannot be done, in words that say what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub reason: Reason,
    pub message: String,
    /// Whether it may end by itself.
    pub waiting: bool,
}

impl Problem {
    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), waiting: true }
    }

    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), waiting: false }
    }
}

/// The address of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// It has this one; nothing changes it (D-02).
    Issued(String),
    /// It is to get this one, if nobody has it.
    Wanted(LocalPart),
}

/// The address: the issued one, else the pinned one, else the derived one.
pub(super) fn address(mailbox: &Mailbox, facts: &Facts) -> Result<Address, Problem> {
    if let Some(claim) = &facts.claim {
        return issued(mailbox, claim);
    }
    if facts.system.is_none() {
        let message = "there is no MailSystem in this namespace; apply one, this mailbox goes on by itself then";
        return Err(Problem::waiting(Reason::SystemNotFound, message));
    }
    let wanted = match &mailbox.spec.local_part {
        Some(pinned) => {
            LocalPart::parse(pinned, "spec.localPart").map_err(|e| stalled(Reason::InvalidLocalPart, &e))?
        }
        None => derived(mailbox, agency(&facts.agency)?)?,
    };
    if naming::is_reserved(&wanted) {
        let message = format!(
            "spec.localPart: {} is reserved for the system (requirements §4, D-01); write another one in spec.localPart",
            wanted.as_str()
        );
        return Err(Problem::stalled(Reason::ReservedLocalPart, message));
    }
    Ok(Address::Wanted(wanted))
}

/// After a deletion the same mail goes back to the same person only (D-06, D-14): giving one person's mail to another is
/// the worst that can happen here.
fn issued(mailbox: &Mailbox, claim: &AddressClaim) -> Result<Address, Problem> {
    let local = claim.metadata.name.clone().unwrap_or_default();
    let same_object = claim.spec.owner_ref.uid.is_some() && claim.spec.owner_ref.uid == mailbox.metadata.uid;
    if same_object || naming::same_name(&claim.spec.owner_name, &mailbox.spec.full_name) {
        return Ok(Address::Issued(local));
    }
    Err(Problem::stalled(
        Reason::HolderMismatch,
        format!(
            "D-14: {local} and its mail were issued to '{}' under this resource name; '{}' is somebody else (D-06). Use another \
             metadata.name for the new person, or write the old spec.fullName to give the mailbox back",
            claim.spec.owner_name, mailbox.spec.full_name
        ),
    ))
}

fn stalled(reason: Reason, error: &naming::NameError) -> Problem {
    Problem::stalled(reason, format!("{}: {} ({})", error.path, error.message, error.rule))
}

fn agency(agency: &Result<ResolvedAgency, AgencyProblem>) -> Result<&ResolvedAgency, Problem> {
    agency.as_ref().map_err(|problem| match problem {
        AgencyProblem::NotFound(name) => Problem::waiting(
            Reason::AgencyNotFound,
            format!("spec.agencyRef: there is no Agency '{name}' (R1); apply it, this mailbox goes on by itself then"),
        ),
        AgencyProblem::ParentNotFound(name) => Problem::waiting(
            Reason::AgencyNotReady,
            format!("the parent '{name}' of its Agency does not exist; apply it, this mailbox goes on by itself then"),
        ),
        AgencyProblem::ParentCycle => Problem::stalled(
            Reason::AgencyNotReady,
            "the parents of its Agency form a circle; mend spec.parentRef of the Agency",
        ),
        AgencyProblem::Name(error) => Problem::stalled(
            Reason::AgencyNotReady,
            format!("its Agency has no address: {} ({})", error.message, error.rule),
        ),
    })
}

fn derived(mailbox: &Mailbox, agency: &ResolvedAgency) -> Result<LocalPart, Problem> {
    if mailbox.spec.holder == Holder::Agency {
        return Ok(agency.address.local_part.clone());
    }
    let structured = mailbox.spec.structured_name.as_ref().map(|s| StructuredName {
        family: s.family.clone(),
        middle: s.middle.clone(),
        given: s.given.clone(),
    });
    naming::person_name(&mailbox.spec.full_name, structured.as_ref())
        .and_then(|name| naming::person_local_part(&name, &agency.address.suffix))
        .map(|derived| derived.local_part)
        .map_err(|e| stalled(Reason::InvalidName, &e))
}

/// The account that the mail server shall have, and what to show of it.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub account: Account,
    pub state: MailboxState,
    pub locks: Vec<LockStatus>,
    pub quota: EffectiveQuota,
    pub problem: Option<Problem>,
}

/// The account of an issued mailbox. `aliases` are those that it holds.
pub(super) fn account(
    mailbox: &Mailbox,
    facts: &Facts,
    system: &SystemFacts,
    local: &str,
    aliases: &[String],
    credentials: Option<(&str, bool)>,
    now: k8s_openapi::jiff::Timestamp,
) -> Result<Decided, Problem> {
    let domain = &system.system.spec.domain;
    let (limits, quota, missing) = quota_of(mailbox, facts, system)?;
    let (hash, initial) = credentials.unwrap_or(("", false));
    let bad_hash = check_hash(hash).is_err();
    let must_change = initial && system.system.spec.regulation.first_access == FirstAccess::ChangePassword;
    let (access, state) = if mailbox.spec.lock.is_some() {
        (Access::Locked, MailboxState::Locked)
    } else if must_change {
        (Access::MustChange, MailboxState::MustChangePassword)
    } else {
        (Access::Open, MailboxState::Active)
    };
    let problem = bad_hash.then(|| {
        let message = format!(
            "Secret {}-credentials: key 'hash' is no {{ARGON2ID}}$argon2id$… hash, so nobody can log in; mail is received. \
             Delete the Secret to have a new initial password made",
            mailbox.metadata.name.as_deref().unwrap_or_default()
        );
        Problem::stalled(Reason::InvalidCredentials, message)
    });
    let account = Account {
        mailbox: mailbox.metadata.name.clone().unwrap_or_default(),
        address: format!("{local}@{domain}"),
        aliases: aliases.iter().map(|a| format!("{a}@{domain}")).collect(),
        password_hash: if bad_hash { String::new() } else { hash.into() },
        access,
        quota_bytes: limits.storage.0,
        max_message_bytes: limits.max_attachment.message_limit().0,
    };
    Ok(Decided { account, state, locks: locks(mailbox, now), quota, problem: problem.or(missing) })
}

type Quota = (quota::Limits, EffectiveQuota, Option<Problem>);

fn quota_of(mailbox: &Mailbox, facts: &Facts, system: &SystemFacts) -> Result<Quota, Problem> {
    let invalid = |e: &quota::QuantityError| Problem::stalled(Reason::InvalidQuota, format!("R7.3: {e}"));
    let default = system.default.as_ref().map_err(invalid)?;
    let largest = system.largest.as_ref().map_err(invalid)?;
    let agency = facts.agency.as_ref().ok().map(|a| &a.agency.spec);
    let level = agency.map(|a| format!("{:?}", a.level)).unwrap_or_default();
    let subject = Subject {
        own_ref: mailbox.spec.quota_policy_ref.as_ref().map(|r| r.name.as_str()),
        agency_ref: agency.and_then(|a| a.quota_policy_ref.as_ref()).map(|r| r.name.as_str()),
        level: &level,
        agency: &mailbox.spec.agency_ref.name,
        holder: holder(mailbox.spec.holder),
    };
    let effective = quota::effective(subject, &facts.policies, *default, *largest);
    let shown = EffectiveQuota {
        policy: effective.policy,
        source: effective.source.as_str().into(),
        storage: effective.limits.storage.to_string(),
        max_attachment: effective.limits.max_attachment.to_string(),
    };
    let missing = effective.missing.map(|(path, name)| {
        let message = format!("{path}: there is no usable QuotaPolicy '{name}' (R7.3); apply it or remove the reference. Until then {} holds", shown.source);
        Problem::waiting(Reason::QuotaPolicyNotFound, message)
    });
    Ok((effective.limits, shown, missing))
}

/// A person's lock, each reason since it was first seen.
fn locks(mailbox: &Mailbox, now: k8s_openapi::jiff::Timestamp) -> Vec<LockStatus> {
    let Some(lock) = &mailbox.spec.lock else { return Vec::new() };
    let known = mailbox.status.as_ref().map(|s| s.locks.as_slice()).unwrap_or_default();
    let since = |reason| known.iter().find(|l| l.reason == reason).map(|l| l.since.clone());
    let basis = format!("{} ({}, {})", lock.basis.number, lock.basis.date, lock.basis.issuer);
    let mut reasons = lock.reasons.clone();
    reasons.sort();
    reasons.dedup();
    reasons
        .into_iter()
        .map(|reason| LockStatus {
            reason,
            rule: reason.rule().into(),
            since: since(reason).unwrap_or(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now)),
            basis: basis.clone(),
        })
        .collect()
}
