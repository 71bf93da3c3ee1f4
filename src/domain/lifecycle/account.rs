//! The state of one account, and what an action makes of it.

use k8s_openapi::jiff::Timestamp;

use super::{Access, Account, Action, By, Cause, Kind, Lock, LockReason, Restore, State, Terms};
use crate::domain::calendar;

impl Restore {
    /// Whether it takes away this lock: one that came after the day of its receipt needs a document of its own.
    pub fn covers(&self, reason: LockReason, since: Timestamp) -> bool {
        let named = self.reasons.is_empty() || self.reasons.contains(&reason);
        named && calendar::day(since) <= calendar::day(self.received_at)
    }
}

impl Account {
    /// Its state at `now`.
    pub fn state(&self, terms: &Terms, now: Timestamp) -> State {
        let to_come = |day| self.begun.map_or(calendar::midnight(day) > now, |begun| !begun);
        let starts = self.starts_on.is_some_and(to_come);
        match self {
            _ if self.purged => State::Purged,
            _ if self.revoked_at.is_some() => State::Revoked,
            _ if self.issued_at.is_none() || starts => State::Pending,
            _ if self.proposed => State::RevocationProposed,
            _ if !self.locks.is_empty() => State::Locked,
            _ if terms.must_change && self.password_changed_at.is_none() => State::MustChangePassword,
            _ => State::Active,
        }
    }

    /// What its holder may do at `now`.
    pub fn access(&self, terms: &Terms, now: Timestamp) -> Access {
        let plain = Self { proposed: false, ..self.clone() };
        match plain.state(terms, now) {
            State::Active => Access::Full,
            State::MustChangePassword => Access::ChangePassword,
            _ => Access::None,
        }
    }

    /// Whether it is locked for this reason, or people want that.
    pub(super) fn has(&self, reason: LockReason) -> bool {
        self.locks.contains_key(&reason) || self.wanted_locks.contains(&reason)
    }

    /// Whether the brake counts the action (D-15): automation takes away access or mail that is there. What a document decides is a
    /// person's word, and a further reason of a lock changes nothing for the holder.
    pub fn is_braked(&self, action: &Action) -> bool {
        match (action.kind, action.cause) {
            (Kind::Lock, Cause::Locks(reason)) => self.locks.is_empty() && !self.wanted_locks.contains(&reason),
            (Kind::Revoke, cause) => cause != Cause::Approved,
            (kind, _) => kind == Kind::Purge,
        }
    }

    /// What the action makes of it, done at `now`.
    pub fn apply(&mut self, action: &Action, now: Timestamp) {
        match (action.kind, action.cause) {
            (Kind::Lock, Cause::Locks(reason)) => self.lock(reason, now),
            (Kind::Unlock | Kind::Relieve, Cause::Restore | Cause::Withdrawn) => self.relieve(action.cause, now),
            (Kind::Unlock, _) => {
                self.revoked_at = None;
                self.unlocked_at = Some(now);
            }
            (Kind::ProposeRevocation, _) => self.proposed = true,
            (Kind::Revoke, _) => {
                self.revoked_at = Some(now);
                self.proposed = false;
            }
            (Kind::Purge, _) => self.purged = true,
            (Kind::RestoreDue, _) => self.restore.iter_mut().for_each(|restore| restore.told = true),
            (Kind::Warn | Kind::Lock | Kind::Relieve, _) => {}
        }
    }

    fn lock(&mut self, reason: LockReason, now: Timestamp) {
        let by = if self.wanted_locks.contains(&reason) { By::Person } else { By::Clock };
        let known = self.locks.get(&reason);
        let since = known.map_or(now, |known| known.since);
        let clock = known.is_some_and(|known| known.by == By::Clock || known.also_clock);
        self.locks.insert(reason, Lock { since, by, also_clock: clock && by == By::Person });
    }

    /// The document that asks for the account back, while a lock stands that it covers (R6.3).
    pub fn asked_back(&self) -> Option<&Restore> {
        let open = self.restore.as_ref().filter(|restore| !restore.handled && self.revoked_at.is_none())?;
        self.is_covered(open).then_some(open)
    }

    fn is_covered(&self, restore: &Restore) -> bool {
        self.locks.iter().any(|(reason, lock)| restore.covers(*reason, lock.since))
    }

    /// Locks of people that they took out of the spec.
    pub(super) fn withdrawn(&self) -> impl Iterator<Item = LockReason> {
        let gone = |(reason, lock): &(&LockReason, &Lock)| lock.by == By::Person && !self.wanted_locks.contains(reason);
        self.locks.iter().filter(gone).map(|(reason, _)| *reason)
    }

    /// Locks that a document takes away (R6.3), or that nobody wants any more: people took them out of the spec, and no clock had
    /// locked before.
    pub(super) fn relievable(&self, cause: Cause) -> impl Iterator<Item = LockReason> {
        let open = self.restore.as_ref().filter(|restore| cause == Cause::Restore && !restore.handled);
        let gone = move |(reason, lock): (&LockReason, &Lock)| match lock.by {
            By::Clock => open.is_some_and(|restore| restore.covers(*reason, lock.since)),
            By::Person => cause == Cause::Withdrawn && !lock.also_clock && !self.wanted_locks.contains(reason),
        };
        self.locks.iter().filter(move |(reason, lock)| gone((*reason, *lock))).map(|(reason, _)| *reason)
    }

    /// Takes them away (D-13). With the last one all clocks begin anew, with a new password (D-12, R6.3).
    fn relieve(&mut self, cause: Cause, now: Timestamp) {
        let gone: Vec<LockReason> = self.relievable(cause).collect();
        let mut removed = Vec::new();
        for reason in gone {
            removed.extend(self.locks.remove(&reason).map(|lock| (reason, lock.since)));
            self.relieved.insert(reason, now);
        }
        if cause == Cause::Withdrawn {
            // What is left of these is the clock's alone again.
            for reason in self.withdrawn().collect::<Vec<_>>() {
                self.locks.entry(reason).and_modify(|lock| (lock.by, lock.also_clock) = (By::Clock, false));
            }
        }
        let answered = |restore: &Restore| {
            restore.received_at <= now && removed.iter().any(|(reason, since)| restore.covers(*reason, *since))
        };
        let answered = self.restore.as_ref().is_some_and(|restore| answered(restore) && !self.is_covered(restore));
        self.restore.iter_mut().for_each(|restore| restore.handled |= answered);
        if self.locks.is_empty() {
            self.relieved.clear();
            self.unlocked_at = Some(now);
            self.password_changed_at = None;
            self.proposed = false;
        }
    }
}
