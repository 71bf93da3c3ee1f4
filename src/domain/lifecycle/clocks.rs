//! Terms of one account.

use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{Account, Action, Activity, Cause, Kind, LockReason, Rules};
use crate::domain::calendar::{day, midnight};

/// A clock that cannot be read (D-16).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// Which: `Inactive` or `Unused`.
    pub clock: Cause,
    /// Since when it would have run out by what is known.
    pub since: Timestamp,
    /// When it can be proven to have run out at the earliest, if the source stays complete; none without a source.
    pub proven: Option<Timestamp>,
}

/// A clock that rests on activity.
struct Silence {
    cause: Cause,
    kind: Kind,
    /// When it is over by what is known.
    known: Timestamp,
    /// When it is over with the whole term proven.
    proven: Option<Timestamp>,
}

/// Everything that the facts of `account` lead to next, whenever that is; in the order of time. What follows from these is not in
/// it: no purge before the revocation.
pub fn due(rules: &Rules, account: &Account, now: Timestamp) -> Vec<Action> {
    let mut all = Vec::new();
    if account.purged || account.issued_at.is_none() {
        return all;
    }
    match account.revoked_at {
        Some(revoked_at) => all.extend(after_revocation(rules, account, revoked_at, now)),
        None => {
            all.extend(revocation(account, now));
            all.extend(restore(rules, account));
            all.extend(default_password(rules, account));
            let silences = [inactive(rules, account), unused(rules, account)].into_iter().flatten();
            let proven = |s: Silence| Some(Action { at: s.proven?, kind: s.kind, cause: s.cause });
            all.extend(silences.filter_map(proven));
        }
    }
    all.sort();
    all
}

/// The clocks that would have run out at `now` by what is known, and are not proven to (D-16).
pub fn unknown(rules: &Rules, account: &Account, now: Timestamp) -> Vec<Unknown> {
    if account.revoked_at.is_some() || account.purged {
        return Vec::new();
    }
    let silences = [inactive(rules, account), unused(rules, account)].into_iter().flatten();
    let through = account.activity.as_ref().map(|a| a.complete_through);
    let open = |s: &Silence| s.known <= now && s.proven.is_none_or(|at| at > now || through.is_none_or(|t| t < at));
    silences.filter(open).map(|s| Unknown { clock: s.cause, since: s.known, proven: s.proven }).collect()
}

/// Whether what rests on activity is proven at the time at which it is due (D-16).
pub(super) fn is_proven(account: &Account, action: &Action) -> bool {
    let rests = matches!(action.cause, Cause::Locks(LockReason::Inactive) | Cause::Unused);
    !rests || account.activity.as_ref().is_some_and(|activity| activity.complete_through >= action.at)
}

/// When the holder is told of locks to come.
pub fn warnings(rules: &Rules, account: &Account, now: Timestamp) -> Vec<Action> {
    let locks = due(rules, account, now).into_iter().filter(|action| action.kind == Kind::Lock);
    let days = |lock: Action| {
        rules.terms.warn_days.iter().map(move |days| {
            let before = SignedDuration::from_hours(24 * i64::from(*days));
            Action { at: lock.at.checked_sub(before).unwrap_or(lock.at), kind: Kind::Warn, ..lock }
        })
    };
    let mut all: Vec<Action> = locks.flat_map(days).collect();
    all.sort();
    all
}

fn after_revocation(rules: &Rules, account: &Account, revoked_at: Timestamp, now: Timestamp) -> Option<Action> {
    let ended = account.ends_on.is_some_and(|day| midnight(day) <= now);
    if !account.revoke && !ended {
        return Some(Action { at: now, kind: Kind::Unlock, cause: Cause::Undone });
    }
    let at = rules.calendar.over(revoked_at, rules.terms.revoked_months);
    (!account.hold).then_some(Action { at, kind: Kind::Purge, cause: Cause::RetentionOver })
}

fn revocation(account: &Account, now: Timestamp) -> Option<Action> {
    if account.revoke {
        return Some(Action { at: now, kind: Kind::Revoke, cause: Cause::Approved });
    }
    account.ends_on.map(|day| Action { at: midnight(day), kind: Kind::Revoke, cause: Cause::EndsOn })
}

fn restore(rules: &Rules, account: &Account) -> Option<Action> {
    let restore = account.restore.as_ref()?;
    let (at, cause) = (restore.received_at, Cause::Restore);
    if !restore.handled && account.locks.iter().any(|lock| restore.covers(lock)) {
        return Some(Action { at, kind: Kind::Unlock, cause });
    }
    // People have to take their lock out of the spec themselves.
    let left = account.person_locks.iter().any(|reason| restore.names(*reason));
    let at = rules.calendar.over_working_days(at, rules.terms.restore_days);
    left.then_some(Action { at, kind: Kind::RestoreDue, cause })
}

/// The latest of the moments that begin every clock anew: issue, unlock (D-12), first day; and of one whose lock a document took
/// away while others stayed, that document.
fn begin(account: &Account, cause: Cause) -> Option<Timestamp> {
    let first = account.starts_on.map(midnight);
    let document = account.restore.as_ref().filter(|restore| restore.handled && restore.explains(cause));
    let all = [account.unlocked_at, first, document.map(|restore| restore.received_at)];
    account.issued_at.map(|issued| all.into_iter().flatten().fold(issued, Timestamp::max))
}

fn default_password(rules: &Rules, account: &Account) -> Option<Action> {
    let (reason, cause) = (LockReason::DefaultPassword, Cause::Locks(LockReason::DefaultPassword));
    if account.password_changed_at.is_some() || account.locks.contains_key(&reason) {
        return None;
    }
    let at = rules.calendar.over(begin(account, cause)?, rules.terms.default_password_months);
    Some(Action { at, kind: Kind::Lock, cause })
}

fn inactive(rules: &Rules, account: &Account) -> Option<Silence> {
    let reason = LockReason::Inactive;
    if account.locks.contains_key(&reason) {
        return None;
    }
    let last = account.activity.as_ref().map(|a| [a.last_login, a.last_send, a.last_receive]);
    let months = rules.terms.inactive_months;
    // A term of which a part has a reason that was notified is none: the next one begins with the last day of the absence.
    let explained = |from: Date| match account.absence {
        Some(absence) if absence.to > from && absence.from <= rules.calendar.last_day(from, months) => absence.to,
        _ => from,
    };
    silence(rules, account, last.unwrap_or_default(), months, explained, (Kind::Lock, Cause::Locks(reason)))
}

fn unused(rules: &Rules, account: &Account) -> Option<Silence> {
    if account.proposed {
        return None;
    }
    let login = account.activity.as_ref().and_then(|a| a.last_login);
    let months = rules.terms.unused_months;
    silence(rules, account, [login, None, None], months, |from| from, (Kind::ProposeRevocation, Cause::Unused))
}

fn silence(
    rules: &Rules,
    account: &Account,
    last: [Option<Date>; 3],
    months: u16,
    explained: impl Fn(Date) -> Date,
    (kind, cause): (Kind, Cause),
) -> Option<Silence> {
    let from = last.into_iter().flatten().fold(day(begin(account, cause)?), Date::max);
    let over = |from: Date| rules.calendar.over(midnight(explained(from)), months);
    let proven = account.activity.as_ref().map(|activity| over(from.max(first_proven(activity, from))));
    Some(Silence { cause, kind, known: over(from), proven })
}

/// The first day after which nothing can be missing: that day itself is not counted in a term.
fn first_proven(activity: &Activity, from: Date) -> Date {
    let first_counted = from.tomorrow().map_or(Timestamp::MAX, midnight);
    if activity.complete_from <= first_counted { from } else { day(activity.complete_from) }
}

/// When a revocation that is proposed would have been due: earlier than `now` while nobody logs in.
pub(super) fn proposal_stands(rules: &Rules, account: &Account, now: Timestamp) -> bool {
    let open = Account { proposed: false, ..account.clone() };
    unused(rules, &open).is_some_and(|silence| silence.known <= now)
}
