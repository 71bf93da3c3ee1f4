//! Terms of one account.

use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{Account, Action, Activity, By, Cause, Kind, LockReason, Rules, Stopped};
use crate::domain::calendar::{day, midnight};

/// A clock that cannot be read (D-16).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// Which one.
    pub clock: Cause,
    /// When it runs out by what is known.
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

/// Why an account is over at `now`: a document approves it (5.4.c, D-11), or its official day has come (5.4.b).
pub fn ended(revoke: bool, ends_on: Option<Date>, now: Timestamp) -> Option<Cause> {
    let day = ends_on.is_some_and(|day| midnight(day) <= now);
    if revoke { Some(Cause::Approved) } else { day.then_some(Cause::EndsOn) }
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
            all.extend(people(account, now));
            all.extend([Cause::Restore, Cause::Withdrawn].into_iter().filter_map(|cause| relief(account, cause, now)));
            all.extend(restore_due(rules, account));
            all.extend(default_password(rules, account));
            let proven = |s: Silence| Some(Action { at: s.proven?, kind: s.kind, cause: s.cause });
            all.extend(silences(rules, account).filter_map(proven));
        }
    }
    all.sort();
    all
}

/// The clocks that would run out by `until` by what is known, and are not proven to, the source being complete through what it says
/// (D-16).
pub fn unknown(rules: &Rules, account: &Account, until: Timestamp) -> Vec<Unknown> {
    if account.revoked_at.is_some() || account.purged || account.issued_at.is_none() {
        return Vec::new();
    }
    let through = account.activity.as_ref().map(|a| a.complete_through);
    let open = |s: &Silence| s.known <= until && s.proven.is_none_or(|at| at > until || through.is_none_or(|t| t < at));
    let silences = silences(rules, account).filter(open);
    silences.map(|s| Unknown { clock: s.cause, since: s.known, proven: s.proven }).collect()
}

/// Whether what rests on activity is proven at the time at which it is due (D-16).
pub(super) fn is_proven(account: &Account, action: &Action) -> bool {
    let rests = match action.cause {
        Cause::Locks(LockReason::Inactive) => !account.wanted_locks.contains(&LockReason::Inactive),
        cause => cause == Cause::Unused,
    };
    !rests || account.activity.as_ref().is_some_and(|activity| activity.complete_through >= action.at)
}

/// Whether the action may be done although clocks lead to nothing: it is for people.
pub(super) fn acts(rules: &Rules, account: &Account, action: &Action) -> bool {
    let clock = match (action.kind, action.cause) {
        (Kind::Lock, Cause::Locks(reason)) => !account.wanted_locks.contains(&reason),
        (Kind::RestoreDue, _) | (_, Cause::Unused | Cause::RetentionOver) => true,
        (_, Cause::EndsOn) => rules.stopped == Some(Stopped::Time),
        // That its last day is to come again is nobody's word but the clock's.
        (_, Cause::Undone) => rules.stopped == Some(Stopped::Time) && account.ends_on.is_some(),
        _ => false,
    };
    rules.stopped.is_none() || !clock
}

/// When the holder of an open account is told of the lock to come; nothing while that is not known.
pub fn warnings(rules: &Rules, account: &Account, now: Timestamp) -> Vec<Action> {
    if rules.stopped.is_some() {
        return Vec::new();
    }
    let all = due(rules, account, now);
    let end = all.iter().find(|action| action.kind == Kind::Revoke).map_or(Timestamp::MAX, |action| action.at);
    let open = account.locks.is_empty() && account.wanted_locks.is_empty();
    let Some(lock) = all.iter().find(|action| open && action.kind == Kind::Lock && action.at < end) else {
        return Vec::new();
    };
    let days = |days: &u16| {
        let before = SignedDuration::from_hours(24 * i64::from(*days));
        Action { at: lock.at.checked_sub(before).unwrap_or(lock.at), kind: Kind::Warn, ..*lock }
    };
    rules.terms.warn_days.iter().rev().map(days).collect()
}

fn after_revocation(rules: &Rules, account: &Account, revoked_at: Timestamp, now: Timestamp) -> Option<Action> {
    // A clock that was set back does not open what has ended.
    if !account.gone && ended(account.revoke, account.ends_on, now.max(revoked_at)).is_none() {
        return Some(Action { at: now, kind: Kind::Unlock, cause: Cause::Undone });
    }
    let at = rules.calendar.over(revoked_at, rules.terms.revoked_months);
    (!account.hold).then_some(Action { at, kind: Kind::Purge, cause: Cause::RetentionOver })
}

fn revocation(account: &Account, now: Timestamp) -> Option<Action> {
    if account.revoke {
        return Some(Action { at: now, kind: Kind::Revoke, cause: Cause::Approved });
    }
    if account.gone {
        return Some(Action { at: now, kind: Kind::Revoke, cause: Cause::Deleted });
    }
    account.ends_on.map(|day| Action { at: midnight(day), kind: Kind::Revoke, cause: Cause::EndsOn })
}

/// Locks that people want and that are not in force as theirs.
fn people(account: &Account, now: Timestamp) -> impl Iterator<Item = Action> {
    let theirs = |reason: &&LockReason| account.locks.get(*reason).is_some_and(|lock| lock.by == By::Person);
    let new = account.wanted_locks.iter().filter(move |reason| !theirs(reason));
    new.map(move |reason| Action { at: now, kind: Kind::Lock, cause: Cause::Locks(*reason) })
}

/// What a document, or people, take away.
fn relief(account: &Account, cause: Cause, now: Timestamp) -> Option<Action> {
    let gone = account.relievable(cause).count();
    // What people give back to a clock is an action as well.
    let some = gone > 0 || (cause == Cause::Withdrawn && account.withdrawn().next().is_some());
    let at = if cause == Cause::Restore { account.restore.as_ref()?.received_at } else { now };
    // Locks that people want and that are not in force yet are still to come.
    let last = gone == account.locks.len() && account.wanted_locks.is_empty();
    some.then_some(Action { at, kind: if last { Kind::Unlock } else { Kind::Relieve }, cause })
}

/// A document that waits for people to take their lock out of the spec.
fn restore_due(rules: &Rules, account: &Account) -> Option<Action> {
    let restore = account.restore.as_ref().filter(|restore| !restore.told)?;
    let left = account.locks.iter().any(|(reason, lock)| lock.by == By::Person && restore.covers(*reason, lock.since));
    let at = rules.calendar.over_working_days(restore.received_at, rules.terms.restore_days);
    left.then_some(Action { at, kind: Kind::RestoreDue, cause: Cause::Restore })
}

/// The latest of the moments that begin a clock anew: issue, first day, unlock (D-12), and a document that took away its lock while
/// others stayed.
fn begin(account: &Account, reason: Option<LockReason>) -> Option<Timestamp> {
    let first = account.starts_on.map(midnight);
    let relieved = reason.and_then(|reason| account.relieved.get(&reason)).copied();
    let all = [account.unlocked_at, first, relieved];
    account.issued_at.map(|issued| all.into_iter().flatten().fold(issued, Timestamp::max))
}

fn default_password(rules: &Rules, account: &Account) -> Option<Action> {
    let reason = LockReason::DefaultPassword;
    if account.password_changed_at.is_some() || account.has(reason) {
        return None;
    }
    let made = account.password_made_at.unwrap_or(Timestamp::MIN);
    let from = begin(account, Some(reason))?.max(made);
    let at = rules.calendar.over(from, rules.terms.default_password_months);
    Some(Action { at, kind: Kind::Lock, cause: Cause::Locks(reason) })
}

fn silences(rules: &Rules, account: &Account) -> impl Iterator<Item = Silence> {
    [inactive(rules, account), unused(rules, account)].into_iter().flatten()
}

fn inactive(rules: &Rules, account: &Account) -> Option<Silence> {
    let reason = LockReason::Inactive;
    if account.has(reason) {
        return None;
    }
    let months = rules.terms.inactive_months;
    let explained = |from: Date| explained(rules, account, from).unwrap_or(from);
    let used = silent_since(account)?;
    let from = account.absent_until.map_or(used, |until| used.max(until));
    Some(silence(rules, account, from, months, explained, (Kind::Lock, Cause::Locks(reason))))
}

/// The day after which there was no use of any kind.
fn silent_since(account: &Account) -> Option<Date> {
    let last = account.activity.as_ref().map(|a| [a.last_login, a.last_send, a.last_receive]);
    Some(since(last.unwrap_or_default(), begin(account, Some(LockReason::Inactive))?))
}

/// A term of which a part has a reason that was notified is none (6.2.a): the next one begins with the last day of the absence.
fn explained(rules: &Rules, account: &Account, from: Date) -> Option<Date> {
    let in_time = rules.calendar.last_day(from, rules.terms.inactive_months);
    account.absence.filter(|absence| absence.to > from && absence.from <= in_time).map(|absence| absence.to)
}

/// The last day of absences that were in force: silence counts from then on, whatever becomes of them in the file. One that is taken
/// out before its end ends with that day.
pub(super) fn absent_until(rules: &Rules, account: &Account, now: Timestamp) -> Option<Date> {
    let today = day(now);
    let known = account.absent_until.map(|until| until.min(today));
    let Some(used) = silent_since(account) else { return known };
    let from = known.map_or(used, |until| used.max(until));
    let begun = account.absence.is_some_and(|absence| absence.from <= today);
    known.max(explained(rules, account, from).filter(|_| begun))
}

fn unused(rules: &Rules, account: &Account) -> Option<Silence> {
    (!account.proposed).then(|| non_use(rules, account)).flatten()
}

/// Whether a proposal that was made stands: not if somebody logged in, or was unlocked, since.
pub(super) fn proposal_stands(rules: &Rules, account: &Account, now: Timestamp) -> bool {
    non_use(rules, account).is_some_and(|silence| silence.known <= now)
}

fn non_use(rules: &Rules, account: &Account) -> Option<Silence> {
    let login = account.activity.as_ref().and_then(|a| a.last_login);
    let from = since([login, None, None], begin(account, None)?);
    let months = rules.terms.unused_months;
    Some(silence(rules, account, from, months, |from| from, (Kind::ProposeRevocation, Cause::Unused)))
}

/// The day after which it is silent.
fn since(last: [Option<Date>; 3], begin: Timestamp) -> Date {
    last.into_iter().flatten().fold(day(begin), Date::max)
}

fn silence(
    rules: &Rules,
    account: &Account,
    from: Date,
    months: u16,
    explained: impl Fn(Date) -> Date,
    (kind, cause): (Kind, Cause),
) -> Silence {
    let over = |from: Date| rules.calendar.over(midnight(explained(from)), months);
    let proven = account.activity.as_ref().map(|activity| over(from.max(first_proven(activity, from))));
    Silence { cause, kind, known: over(from), proven }
}

/// The first day after which nothing can be missing: that day itself is not counted in a term.
fn first_proven(activity: &Activity, from: Date) -> Date {
    let first_counted = from.tomorrow().map_or(Timestamp::MAX, midnight);
    if activity.complete_from <= first_counted { from } else { day(activity.complete_from) }
}
