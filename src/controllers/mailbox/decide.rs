//! What is to be done about one Mailbox: pure.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::api::{
    ACKNOWLEDGE_SUPERSEDES, AddressClaim, AddressUse, EffectiveQuota, Holder, Mailbox, QuotaTold, Reason,
};
use crate::backend::{Access, Account, check_hash};
use crate::domain::calendar::Calendar;
use crate::domain::naming::conflict::Explained;
use crate::domain::naming::moving;
use crate::domain::naming::sticky::{self, Kept};
use crate::domain::naming::{self, Cause, Conflict, Former, LocalPart, Retention, Wish};
use crate::domain::notice::Thresholds;
use crate::domain::quota::{self, Subject};
use crate::domain::successor::{Nobody, Target};
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

    fn explained(reason: Reason, why: &Explained) -> Self {
        Self::stalled(reason, format!("{}: {}", why.rule, why.message))
    }
}

/// The address of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// It has this one; nothing changes it (D-02).
    Issued(String),
    /// It has this one until it gets what the second gives: it was transferred or renamed.
    Moving {
        /// The issued one.
        local: String,
        /// Why.
        why: moving::Cause,
        /// What it is to get, or why that cannot be told yet.
        wish: Result<Wish, Problem>,
    },
    /// It is to get this one, if nobody has it.
    Wanted(LocalPart),
    /// It is to get what this gives beside those who come with it (D-22).
    Derived(Wish),
}

/// The address: the issued one, else the pinned one, else the derived one.
pub(super) fn address(mailbox: &Mailbox, facts: &Facts) -> Result<Address, Problem> {
    let shown = mailbox.status.as_ref().and_then(|s| s.address.as_deref()).and_then(|a| a.split_once('@'));
    if let (Some((_, domain)), Some(system)) = (shown, &facts.system)
        && domain != system.system.spec.domain
    {
        let message = format!(
            "its address was issued under {domain}, the MailSystem now has {}; nothing is changed. Put the MailSystem of {domain} back",
            system.system.spec.domain
        );
        return Err(Problem::stalled(Reason::DomainChanged, message));
    }
    if let Some(claim) = &facts.claim {
        let local = issued(mailbox, claim)?;
        return Ok(match mailbox.spec.moves(&claim.issued()).zip(facts.system.as_ref()) {
            None => Address::Issued(local),
            Some((why, system)) => Address::Moving { local, why, wish: wish(mailbox, why, facts, system) },
        });
    }
    let Some(system) = &facts.system else {
        let message = "there is no MailSystem in this namespace; apply one, this mailbox goes on by itself then";
        return Err(Problem::waiting(Reason::SystemNotFound, message));
    };
    if let Some((local, _)) = shown {
        // The claim was deleted, but the address is issued: it is claimed again, whatever the name would give now (D-02).
        let local = LocalPart::parse(local, "status.address");
        return local.map(Address::Wanted).map_err(|e| stalled(Reason::InvalidLocalPart, &e));
    }
    if let Some(holder) = facts.credentials.as_ref().and_then(|c| c.holder.as_deref())
        && !naming::same_name(holder, &mailbox.spec.full_name)
    {
        return Err(mismatch(Kept::Mail, holder, mailbox));
    }
    let Some(pinned) = &mailbox.spec.local_part else {
        if mailbox.metadata.deletion_timestamp.is_some() {
            let message = "it is being deleted and gets no address any more; apply it again when it is gone";
            return Err(Problem::waiting(Reason::Terminating, message));
        }
        return derived(mailbox, agency(&facts.agency, system)?).map(Address::Derived);
    };
    let wanted = LocalPart::parse(pinned, "spec.localPart").map_err(|e| stalled(Reason::InvalidLocalPart, &e))?;
    naming::refuse_reserved(&wanted, "spec.localPart").map_err(|e| stalled(Reason::ReservedLocalPart, &e))?;
    if facts.also_pinned.is_empty() {
        return Ok(Address::Wanted(wanted));
    }
    let together = Conflict { cause: Cause::Together, tried: vec![(wanted, facts.also_pinned.clone())] };
    Err(conflict(mailbox, &together, &system.system.spec.domain, &[]))
}

/// After a deletion the same mail goes back to the same person only (D-06, D-14): giving one person's mail to another is
/// the worst that can happen here.
fn issued(mailbox: &Mailbox, claim: &AddressClaim) -> Result<String, Problem> {
    let local = claim.metadata.name.clone().unwrap_or_default();
    if claim.is_of(mailbox.metadata.uid.as_deref(), &mailbox.spec.full_name) {
        return Ok(local);
    }
    Err(mismatch(Kept::Address(&local), &claim.spec.owner_name, mailbox))
}

/// What an issued mailbox is to get instead; the account goes on until it has that.
fn wish(mailbox: &Mailbox, why: moving::Cause, facts: &Facts, system: &SystemFacts) -> Result<Wish, Problem> {
    match mailbox.naming().pin() {
        Some(pin) => pin.map_err(|e| stalled(Reason::InvalidLocalPart, &e)),
        None => {
            let given = derived(mailbox, agency(&facts.agency, system)?)?;
            let left = facts.held.iter().filter_map(|claim| claim.left());
            let back = moving::back(why, &mailbox.spec.agency_ref.name, &mailbox.spec.full_name, left);
            Ok(back.unwrap_or(given))
        }
    }
}

/// Why a transfer or a rename does not come about yet.
pub(super) fn stays(problem: Problem, why: moving::Cause, local: &str, domain: &str) -> Problem {
    let (message, _) = sticky::stays(why, &format!("{local}@{domain}"), &problem.message, "");
    Problem { message, ..problem }
}

/// The address of a former holder is to be handed on, and nobody confirmed that.
pub(super) fn unacknowledged(mailbox: &Mailbox, local: &str, former: &str) -> Problem {
    let name = mailbox.metadata.name.as_deref().unwrap_or_default();
    let namespace = mailbox.metadata.namespace.as_deref().unwrap_or_default();
    let names = mailbox.spec.supersedes.join(",");
    let why = sticky::unacknowledged(local, former, ACKNOWLEDGE_SUPERSEDES, &names);
    let problem = Problem::explained(Reason::SupersedesHeld, &why);
    let how = format!("kubectl -n {namespace} annotate --overwrite mbx {name} {ACKNOWLEDGE_SUPERSEDES}={names}");
    Problem { message: format!("{} ({how})", problem.message), ..problem }
}

/// What becomes of each further claim of an issued mailbox.
pub(super) fn former(
    mailbox: &Mailbox,
    facts: &Facts,
    local: &str,
    now: Timestamp,
) -> Vec<(Arc<AddressClaim>, Former)> {
    let Some(system) = &facts.system else { return Vec::new() };
    let kept = system.system.spec.regulation.retention;
    let kept = Retention { alias_months: kept.alias_months, tombstone_months: kept.tombstone_months };
    let calendar = Calendar::default();
    let wanted = |claim: &AddressClaim| mailbox.spec.aliases.iter().any(|a| Some(a) == claim.metadata.name.as_ref());
    let others = facts.held.iter().filter(|c| c.metadata.name.as_deref() != Some(local) && !wanted(c));
    let fate = |claim: &Arc<AddressClaim>| {
        let until = claim.spec.until.as_ref().map(|t| t.0);
        let fate = match (claim.spec.address_use, until) {
            (AddressUse::Primary, _) => Former::Alias(calendar.over(now, kept.alias_months)),
            (AddressUse::Alias, Some(until)) => naming::former(true, until, kept, &calendar, now),
            (AddressUse::Tombstone, Some(until)) => naming::former(false, until, kept, &calendar, now),
            _ => return None,
        };
        Some((claim.clone(), fate))
    };
    let mut all: Vec<_> = others.filter_map(fate).collect();
    bury_the_oldest(&mut all, kept, &calendar);
    all
}

/// An account has so many former addresses at most; the oldest ones become tombstones before their time.
const FORMER: usize = 30;

fn bury_the_oldest(all: &mut [(Arc<AddressClaim>, Former)], kept: Retention, calendar: &Calendar) {
    all.sort_by_key(|(_, former)| match former {
        Former::Alias(until) => std::cmp::Reverse(Some(*until)),
        _ => std::cmp::Reverse(None),
    });
    for (_, former) in all.iter_mut().skip(FORMER) {
        if let Former::Alias(until) = former {
            *former = Former::Tombstone(calendar.over(*until, kept.tombstone_months));
        }
    }
}

/// Somebody else had this resource name, and what belongs to them is kept for them.
pub(super) fn mismatch(kept: Kept<'_>, holder: &str, mailbox: &Mailbox) -> Problem {
    Problem::explained(Reason::HolderMismatch, &sticky::mismatch(kept, holder, &mailbox.spec.full_name))
}

/// A name that was changed while the mailbox stands: the address stays, and a person should look whether it is still the same
/// one.
pub(super) fn renamed(mailbox: &Mailbox, facts: &Facts) -> Option<Problem> {
    let holder = &facts.claim.as_ref()?.spec.owner_name;
    let name = &mailbox.spec.full_name;
    let same = naming::same_name(holder, name);
    (!same).then(|| Problem::explained(Reason::NameChanged, &sticky::renamed(holder, name)))
}

/// Whether a claim that this very Mailbox holds was issued on the document of its rename, in the name that the spec has: then it is the
/// same person under another name. A name that was merely changed in the spec may be somebody else's.
pub(super) fn is_renamed(mailbox: &Mailbox, claim: &AddressClaim) -> bool {
    let document = mailbox.spec.rename.as_ref().map(|rename| rename.basis.cited());
    let held = mailbox.metadata.uid.is_some() && claim.spec.owner_ref.uid == mailbox.metadata.uid;
    held && document.is_some()
        && claim.spec.rename == document
        && naming::same_name(&claim.spec.owner_name, &mailbox.spec.full_name)
}

/// A pin that differs from the issued address changes nothing (D-02, D-21).
pub(super) fn pinned_elsewhere(mailbox: &Mailbox, local: &str) -> Option<Problem> {
    let pinned = mailbox.spec.local_part.as_deref().filter(|pin| *pin != local)?;
    Some(Problem::explained(Reason::AddressKept, &sticky::pinned_elsewhere(pinned, local)))
}

fn stalled(reason: Reason, error: &naming::NameError) -> Problem {
    Problem::stalled(reason, format!("{}: {} ({})", error.path, error.message, error.rule))
}

fn agency<'a>(
    agency: &'a Result<ResolvedAgency, AgencyProblem>,
    system: &SystemFacts,
) -> Result<&'a ResolvedAgency, Problem> {
    if let Ok(resolved) = agency {
        let (named, served) = (&resolved.agency.spec.system_ref.name, system.system.metadata.name.as_deref());
        if Some(named.as_str()) != served {
            let message = format!(
                "its Agency names MailSystem '{named}', which is not the one of this namespace; mend spec.systemRef of the Agency"
            );
            return Err(Problem::waiting(Reason::AgencyNotReady, message));
        }
    }
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

fn derived(mailbox: &Mailbox, agency: &ResolvedAgency) -> Result<Wish, Problem> {
    let pinned = agency.agency.spec.local_part.is_some();
    mailbox.naming().derived(&agency.address, pinned).map_err(|e| stalled(Reason::InvalidName, &e))
}

/// Why somebody else gets the address, and what to write; `suggestions` are disambiguators that are free.
pub(super) fn conflict(mailbox: &Mailbox, conflict: &Conflict, domain: &str, suggestions: &[String]) -> Problem {
    let told = naming::conflict::explain(conflict, domain, suggestions, mailbox.spec.holder == Holder::Agency);
    let reason = if conflict.cause == Cause::Reserved { Reason::ReservedLocalPart } else { Reason::Conflict };
    Problem::stalled(reason, told.message)
}

/// The account that the mail server shall have, and what to show of it.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub account: Account,
    pub quota: EffectiveQuota,
    pub problem: Option<Problem>,
}

/// The account of an issued mailbox whose holder may do `access`. `aliases` are those that it holds.
pub(super) fn account(
    mailbox: &Mailbox,
    facts: &Facts,
    system: &SystemFacts,
    local: &str,
    aliases: &[String],
    hash: &str,
    access: Access,
) -> Result<Decided, Problem> {
    let domain = &system.system.spec.domain;
    let (limits, quota, missing) = quota_of(mailbox, facts, system)?;
    let bad_hash = check_hash(hash).is_err();
    let problem = bad_hash.then(|| {
        let message = format!(
            "Secret {}-credentials: key 'hash' is no {{ARGON2ID}}$argon2id$… hash, so nobody can log in; mail is received. \
             Delete the Secret to have a new initial password made",
            mailbox.metadata.name.as_deref().unwrap_or_default()
        );
        Problem::stalled(Reason::InvalidCredentials, message)
    });
    let name = mailbox.metadata.name.clone().unwrap_or_default();
    let account = Account {
        mailbox: name.clone(),
        address: format!("{local}@{domain}"),
        aliases: aliases.iter().map(|a| format!("{a}@{domain}")).collect(),
        password_hash: if bad_hash { String::new() } else { hash.into() },
        access,
        quota_bytes: limits.storage.0,
        max_message_bytes: limits.max_attachment.message_limit().0,
        forward: None,
        issued: None,
    };
    if access != Access::Revoked {
        return Ok(Decided { account, quota, problem: problem.or(missing) });
    }
    let (to, nobody) = forward(facts.successor.as_ref());
    Ok(Decided { account: account.forwarded(to), quota, problem: problem.or(nobody).or(missing) })
}

/// Where mail of a revoked account goes, and why it does not go where the spec says.
fn forward(successor: Option<&Result<Target, Nobody>>) -> (Option<String>, Option<Problem>) {
    match successor {
        None => (None, None),
        Some(Ok(target)) => (Some(target.address.clone()), None),
        Some(Err(nobody)) => {
            let (waiting, told) = nobody.told();
            let reason = if waiting { Reason::SuccessorNotFound } else { Reason::SuccessorCircle };
            (None, Some(Problem { reason, message: format!("R5.4.c: spec.successorRef: {told}"), waiting }))
        }
    }
}

/// What the holder was told of the use of the storage (D-17): the notice follows from it. While the use is not known it stays.
fn told(
    mailbox: &Mailbox,
    used: Option<u64>,
    (warn_at, rearm_below): (&[u8], u8),
    storage: quota::Bytes,
    now: Timestamp,
) -> Option<QuotaTold> {
    let old = mailbox.status.as_ref().and_then(|status| status.quota.as_ref()?.told.clone());
    let Some(used) = used else { return old };
    let thresholds = Thresholds::new(warn_at.to_vec(), rearm_below).unwrap_or_default();
    let last = old.as_ref().and_then(|told| u8::try_from(told.percent).ok()).unwrap_or(0);
    let percent = u128::from(used) * 100 / u128::from(storage.0.max(1));
    match thresholds.cross(last, u32::try_from(percent).unwrap_or(u32::MAX)) {
        (Some(level), _) => Some(QuotaTold { percent: level.into(), at: Time(now) }),
        (None, 0) => None,
        (None, _) => old,
    }
}

/// What holds while the MailSystem names no usable quantity.
const FALLBACK_LIMITS: quota::Limits =
    quota::Limits { storage: quota::Bytes(2 << 30), max_attachment: quota::Bytes(20_000_000) };
const FALLBACK: &str = "2Gi with attachments of 20M";

type Quota = (quota::Limits, EffectiveQuota, Option<Problem>);

fn quota_of(mailbox: &Mailbox, facts: &Facts, system: &SystemFacts) -> Result<Quota, Problem> {
    // A quantity of the MailSystem that cannot be used must not keep a lock from its account.
    let invalid = |e: &quota::QuantityError| {
        Problem::stalled(Reason::InvalidQuota, format!("R7.3: {e}; until then {FALLBACK} holds"))
    };
    let default = system.default.as_ref().copied().unwrap_or(FALLBACK_LIMITS);
    let largest = system.largest.as_ref().copied().unwrap_or(FALLBACK_LIMITS.max_attachment);
    let bad_system = system.default.as_ref().err().or(system.largest.as_ref().err()).map(invalid);
    let agency = facts.agency.as_ref().ok().map(|a| &a.agency.spec);
    let level = agency.map(|a| format!("{:?}", a.level)).unwrap_or_default();
    let subject = Subject {
        own_ref: mailbox.spec.quota_policy_ref.as_ref().map(|r| r.name.as_str()),
        agency_ref: agency.and_then(|a| a.quota_policy_ref.as_ref()).map(|r| r.name.as_str()),
        level: &level,
        agency: &mailbox.spec.agency_ref.name,
        holder: holder(mailbox.spec.holder),
    };
    let effective = quota::effective(subject, &facts.policies, default, largest);
    let shown = EffectiveQuota {
        policy: effective.policy,
        source: effective.source.as_str().into(),
        storage: effective.limits.storage.to_string(),
        max_attachment: effective.limits.max_attachment.to_string(),
        told: told(
            mailbox,
            facts.used,
            (&effective.warn_at, effective.rearm_below),
            effective.limits.storage,
            facts.now,
        ),
    };
    let missing = effective.missing.map(|(path, name)| {
        let message = format!("{path}: there is no usable QuotaPolicy '{name}' (R7.3); apply it or remove the reference. Until then {} with {} holds", shown.policy.as_deref().unwrap_or("the system's default"), shown.storage);
        Problem::waiting(Reason::QuotaPolicyNotFound, message)
    });
    Ok((effective.limits, shown, missing.or(bad_system)))
}
