//! From the kinds to the facts of `domain::lifecycle`, for operator and command line alike.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{
    AddressClaim, Basis, BrakeLimits, Completeness, FirstAccess, HeldAction, HeldStatus, LockReason, LockStatus,
    Mailbox, MailboxActivityStatus, MailboxState, MailboxStatus, Regulation, Relieved, Restore, Restored, WantedState,
    WorkCalendar,
};
use crate::domain::brake;
use crate::domain::lifecycle::{self, Account, Activity, By, Cause, Key, Kind, Rules, Terms};

/// How the regulation is set, with the days that are worked. While a WorkCalendar is named and not there, no term is over.
pub fn rules(regulation: &Regulation, work: Option<&WorkCalendar>) -> Rules {
    let terms = Terms {
        inactive_months: regulation.inactivity.lock_after_months,
        unused_months: regulation.inactivity.propose_revocation_after_months,
        default_password_months: regulation.default_password.lock_after_months,
        revoked_months: regulation.retention.revoked_months,
        must_change: regulation.first_access == FirstAccess::ChangePassword,
        ..Terms::default()
    };
    let stopped = (regulation.work_calendar_ref.is_some() && work.is_none()).then_some(lifecycle::Stopped::Calendar);
    Rules { terms, calendar: work.map(|work| work.spec.calendar()).unwrap_or_default(), stopped }
}

/// Limits of the brake (D-15).
pub fn brake_limits(limits: BrakeLimits) -> brake::Limits {
    let number = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    brake::Limits { max: number(limits.max), percent: number(limits.percent) }
}

/// What automation did to `accounts` within the last day without a document, as far as status tells it (D-15).
pub fn acted(accounts: &[Account], now: Timestamp) -> Vec<(Timestamp, String)> {
    let begin = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
    let mut all = Vec::new();
    for account in accounts {
        let clocks = account.locks.values().filter(|lock| lock.by == By::Clock).map(|lock| lock.since);
        let ended = account.revoked_at.filter(|_| !account.revoke);
        all.extend(clocks.chain(ended).filter(|at| *at > begin && *at <= now).map(|at| (at, account.id.clone())));
    }
    all
}

/// Accounts that were purged within the last day, and when, as claims tell it: they count for the brake like those that
/// [`acted`] finds (D-15).
pub fn purged<'a>(claims: impl Iterator<Item = &'a AddressClaim>, now: Timestamp) -> BTreeSet<(Timestamp, String)> {
    let begin = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
    let of = |claim: &AddressClaim| Some((claim.spec.purged_at.as_ref()?.0, claim.spec.owner_ref.name.clone()));
    claims.filter_map(of).filter(|(at, _)| *at > begin && *at <= now).collect()
}

/// What the status of a MailSystem says that the brake holds: at most the first 100 actions. Words that nobody knows are left out.
pub fn held(status: &HeldStatus) -> BTreeSet<Key> {
    let key = |held: &HeldAction| Some((held.mailbox.clone(), kind(&held.action)?, cause(&held.reason)?));
    status.actions.iter().filter_map(key).collect()
}

fn kind(text: &str) -> Option<Kind> {
    [Kind::Lock, Kind::Revoke, Kind::Purge].into_iter().find(|kind| kind.as_str() == text)
}

fn cause(text: &str) -> Option<Cause> {
    let ends = [Cause::EndsOn, Cause::Approved, Cause::Deleted, Cause::RetentionOver];
    lifecycle::LockReason::ALL.into_iter().map(Cause::Locks).chain(ends).find(|cause| cause.as_str() == text)
}

/// What is known of the use of a mailbox: days of its own, complete for the time that it or the system names. Where the two meet it is
/// complete for both (D-16).
pub fn activity(own: Option<&MailboxActivityStatus>, system: Option<&Completeness>) -> Option<Activity> {
    let day = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Date>().ok());
    let ours = own.and_then(|own| Some((own.complete_from.as_ref()?.0, own.complete_through.as_ref()?.0)));
    let theirs = system.map(|system| (system.complete_from.0, system.complete_through.0));
    let complete = match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs.0 <= ours.1 && ours.0 <= theirs.1 => {
            Some((ours.0.min(theirs.0), ours.1.max(theirs.1)))
        }
        (Some(ours), Some(theirs)) => Some(if ours.1 > theirs.1 { ours } else { theirs }),
        (one, other) => one.or(other),
    };
    let nothing = MailboxActivityStatus::default();
    let days = own.unwrap_or(&nothing);
    let (last_login, last_send, last_receive) = (day(&days.last_login), day(&days.last_send), day(&days.last_receive));
    let known = last_login.is_some() || last_send.is_some() || last_receive.is_some();
    // What is not complete for any time proves nothing, but that there was use.
    let (from, through) = complete.or_else(|| known.then_some((Timestamp::MIN, Timestamp::MIN)))?;
    Some(Activity { last_login, last_send, last_receive, complete_from: from, complete_through: through })
}

/// What names a document that asks for an account back: each one is handled once.
pub fn document(restore: &Restore) -> String {
    restore.basis.cited()
}

fn at(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

impl Mailbox {
    /// The facts of its life, with what is known of its use.
    pub fn life(&self, activity: Option<Activity>) -> Account {
        let nothing = MailboxStatus::default();
        let (spec, status) = (&self.spec, self.status.as_ref().unwrap_or(&nothing));
        let day = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Date>().ok());
        let absence = spec.absence.as_ref().and_then(|absence| {
            Some(lifecycle::Absence { from: absence.from.parse().ok()?, to: absence.to.parse().ok()? })
        });
        let wanted = spec.lock.iter().flat_map(|lock| lock.reasons.iter());
        let lock = |lock: &LockStatus| {
            let by = if lock.basis.is_some() { By::Person } else { By::Clock };
            let also_clock = by == By::Person && lock.by_term;
            (lock.reason.into(), lifecycle::Lock { since: lock.since.0, by, also_clock })
        };
        Account {
            id: self.metadata.name.clone().unwrap_or_default(),
            issued_at: at(status.issued_at.as_ref()),
            password_changed_at: at(status.password_changed_at.as_ref()),
            password_made_at: at(status.initial_password_at.as_ref()),
            unlocked_at: at(status.unlocked_at.as_ref()),
            relieved: status.relieved.iter().map(|relieved| (relieved.reason.into(), relieved.at.0)).collect(),
            starts_on: day(&spec.starts_on),
            begun: None,
            ends_on: day(&spec.ends_on),
            absence,
            absent_until: day(&status.absent_until),
            wanted_locks: wanted.map(|reason| (*reason).into()).collect(),
            locks: status.locks.iter().map(lock).collect(),
            restore: spec.restore.as_ref().map(|restore| asked_back(restore, status.restored.as_ref())),
            revoke: spec.state == WantedState::Revoked,
            gone: false,
            proposed: status.proposed_at.is_some(),
            revoked_at: at(status.revoked_at.as_ref()),
            hold: spec.hold.is_some(),
            purged: status.state == Some(MailboxState::Purged),
            activity,
        }
    }
}

fn asked_back(restore: &Restore, known: Option<&Restored>) -> lifecycle::Restore {
    let same = |known: &&Restored| known.document == document(restore) && known.received_at == restore.received_at;
    let known = known.filter(same);
    lifecycle::Restore {
        received_at: restore.received_at.0,
        reasons: restore.reasons.iter().map(|reason| (*reason).into()).collect(),
        handled: known.is_some_and(|known| known.handled_at.is_some()),
        told: known.is_some_and(|known| known.overdue),
        half_told: known.is_some_and(|known| known.half_told),
    }
}

/// A first password that is made so soon after an issue or an unlock was made for it.
const WITH_ITS_ISSUE: SignedDuration = SignedDuration::from_mins(10);

impl MailboxStatus {
    /// Writes what the life of the account came to. `basis` is the document of `spec.lock`, `restore` that of `spec.restore`.
    pub fn live(&mut self, after: &Account, basis: Option<&Basis>, restore: Option<&Restore>, now: Timestamp) {
        let before = std::mem::take(&mut self.locks);
        let known = |reason: &lifecycle::LockReason| {
            before.iter().find(|lock| lifecycle::LockReason::from(lock.reason) == *reason)?.basis.as_ref()
        };
        let lock = |(reason, lock): (&lifecycle::LockReason, &lifecycle::Lock)| LockStatus {
            reason: LockReason::from(*reason),
            rule: reason.rule().into(),
            since: Time(lock.since),
            // A lock of people stays theirs when its document is not named any more.
            basis: basis.or_else(|| known(reason)).filter(|_| lock.by == By::Person).cloned(),
            by_term: lock.also_clock,
        };
        self.locks = after.locks.iter().map(lock).collect();
        let relieved = |(reason, at): (&lifecycle::LockReason, &Timestamp)| Relieved {
            reason: LockReason::from(*reason),
            at: Time(*at),
        };
        self.relieved = after.relieved.iter().map(relieved).collect();
        self.unlocked_at = after.unlocked_at.map(Time);
        self.password_changed_at = after.password_changed_at.map(Time);
        let begun = after.issued_at.max(after.unlocked_at);
        let later = |made: &Timestamp| begun.is_none_or(|begun| made.duration_since(begun) > WITH_ITS_ISSUE);
        let made = after.password_made_at.filter(later).filter(|_| after.password_changed_at.is_none());
        self.initial_password_at = made.map(Time);
        self.absent_until = after.absent_until.map(|day| day.to_string());
        self.revoked_at = after.revoked_at.map(Time);
        self.proposed_at = after.proposed.then(|| self.proposed_at.clone().unwrap_or(Time(now)));
        if let Some((restore, asked)) = restore.zip(after.restore.as_ref()) {
            let known = self
                .restored
                .as_ref()
                .filter(|known| known.document == document(restore) && known.received_at == restore.received_at);
            let handled_at = known.and_then(|known| known.handled_at.clone());
            self.restored = Some(Restored {
                document: document(restore),
                received_at: restore.received_at.clone(),
                handled_at: asked.handled.then(|| handled_at.unwrap_or(Time(now))),
                overdue: asked.told,
                half_told: asked.half_told,
            });
        }
    }
}

impl From<lifecycle::LockReason> for LockReason {
    fn from(reason: lifecycle::LockReason) -> Self {
        match reason {
            lifecycle::LockReason::Inactive => Self::Inactive,
            lifecycle::LockReason::Compromised => Self::Compromised,
            lifecycle::LockReason::LostPassword => Self::LostPassword,
            lifecycle::LockReason::SpamOrMalware => Self::SpamOrMalware,
            lifecycle::LockReason::ProhibitedUse => Self::ProhibitedUse,
            lifecycle::LockReason::DefaultPassword => Self::DefaultPassword,
        }
    }
}

impl From<lifecycle::State> for MailboxState {
    fn from(state: lifecycle::State) -> Self {
        match state {
            lifecycle::State::Pending => Self::Pending,
            lifecycle::State::MustChangePassword => Self::MustChangePassword,
            lifecycle::State::Active => Self::Active,
            lifecycle::State::Locked => Self::Locked,
            lifecycle::State::RevocationProposed => Self::RevocationProposed,
            lifecycle::State::Revoked => Self::Revoked,
            lifecycle::State::Purged => Self::Purged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time(text.parse().expect(text))
    }

    fn complete(from: &str, through: &str) -> Completeness {
        Completeness { complete_from: time(from), complete_through: time(through) }
    }

    fn own(from: &str, through: &str) -> MailboxActivityStatus {
        MailboxActivityStatus {
            last_login: Some("2026-03-02".into()),
            complete_from: Some(time(from)),
            complete_through: Some(time(through)),
            ..MailboxActivityStatus::default()
        }
    }

    #[test]
    fn d_15_what_a_status_says_is_held_is_read_back() {
        let action = |action: &str, reason: &str| HeldAction {
            mailbox: "nv-1".into(),
            action: action.into(),
            reason: reason.into(),
            rule: String::new(),
        };
        let actions = vec![action("Lock", "Inactive"), action("Revoke", "Deleted"), action("Dance", "Inactive")];
        let keys = held(&HeldStatus { count: 3, token: String::new(), actions });
        let inactive = Cause::Locks(lifecycle::LockReason::Inactive);
        let expected = [("nv-1".into(), Kind::Revoke, Cause::Deleted), ("nv-1".into(), Kind::Lock, inactive)];
        assert_eq!(keys, expected.into());
    }

    #[test]
    fn d_16_what_mailbox_and_system_tell_is_joined_only_where_it_meets() {
        let (a, b, c, d) =
            ("2026-01-01T00:00:00Z", "2026-03-03T00:00:00Z", "2026-03-01T00:00:00Z", "2026-06-01T00:00:00Z");
        let met = activity(Some(&own(a, b)), Some(&complete(c, d))).expect("known");
        assert_eq!((met.complete_from, met.complete_through), (time(a).0, time(d).0));
        // A gap between them: only the later one counts, and the days are kept.
        let gap = activity(Some(&own(a, c)), Some(&complete(b, d))).expect("known");
        assert_eq!((gap.complete_from, gap.complete_through), (time(b).0, time(d).0));
        assert_eq!(gap.last_login, Some("2026-03-02".parse().expect("a day")));
        let system = activity(None, Some(&complete(a, b))).expect("known");
        assert_eq!((system.complete_from, system.last_login), (time(a).0, None));
        assert_eq!(activity(None, None), None);
        let days = MailboxActivityStatus { complete_from: None, ..own(a, b) };
        assert_eq!(activity(Some(&days), None).expect("days").complete_through, Timestamp::MIN);
    }
}
