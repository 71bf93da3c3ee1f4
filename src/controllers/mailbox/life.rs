//! The life of one account: what is done now, and what Ready says of it. Pure.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::{Due, Forwarding, Mailbox, MailboxState, MailboxStatus, Reason};
use crate::backend::Access;
use crate::domain::calendar::{by_the_end_of, day, midnight};
use crate::domain::lifecycle::{self, Account, Action, By, Cause, Key, Kind, Rules};

use super::decide::Problem;

/// What happens later than this stands in no status: an account that is used would have another day there each day.
const SHOWN: SignedDuration = SignedDuration::from_hours(45 * 24);

/// What a pass does to the life of an account.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// What it is now.
    pub before: Account,
    /// What it is when all is done.
    pub after: Account,
    /// What is done, in this order.
    pub done: Vec<Action>,
    /// What is due and waits for a look at all accounts, or for a person (D-15).
    pub waits: Option<Key>,
}

/// Everything that is due and may be done: what the brake counts only when `released` says so.
pub(super) fn decide(rules: &Rules, before: Account, released: impl Fn(&Key) -> bool, now: Timestamp) -> Life {
    let key = |account: &Account, action: &Action| (account.id.clone(), action.kind, action.cause);
    // A purge is no part of it: mail is removed where all that is to be removed is looked at.
    let may = |account: &Account, action: &Action| {
        action.kind != Kind::Purge && (!account.is_braked(action) || released(&key(account, action)))
    };
    let (mut after, done) = lifecycle::advance(rules, &before, now, may);
    lifecycle::tell_half_time(rules, &mut after, now);
    let open = lifecycle::advance(rules, &after, now, |_, action| action.kind != Kind::Purge).1;
    let waits = open.first().map(|action| key(&after, action));
    Life { before, after, done, waits }
}

impl Life {
    /// Everything that is due now.
    pub fn due(&self) -> BTreeSet<Key> {
        let done = self.done.iter().map(|action| (self.before.id.clone(), action.kind, action.cause));
        done.chain(self.waits.clone()).collect()
    }

    /// What begins with this pass begins at `moment` where the clock by which it was decided, which said `now`, is behind that: terms are
    /// counted from it.
    pub fn begin(&mut self, moment: Timestamp, now: Timestamp) {
        let after = &mut self.after;
        let begun = after.unlocked_at.iter_mut().chain(&mut after.revoked_at).chain(after.relieved.values_mut());
        let locks = after.locks.values_mut().map(|lock| &mut lock.since);
        begun.chain(locks).filter(|at| **at == now).for_each(|at| *at = moment.max(now));
    }

    /// Whether it ends a lock, which takes a new password (R6.3, D-12).
    pub fn makes_password(&self) -> bool {
        let ends = |action: &Action| matches!(action.cause, Cause::Restore | Cause::Withdrawn);
        self.done.iter().any(|action| action.kind == Kind::Unlock && ends(action))
    }

    /// What names this unlock, the same until the status shows it.
    pub fn unlock(&self) -> String {
        let locks = self.before.locks.iter().map(|(reason, lock)| format!("{}@{}", reason.as_str(), lock.since));
        format!("unlock {}", locks.collect::<Vec<_>>().join(" "))
    }

    /// What the mail server lets the holder do.
    pub fn access(&self, rules: &Rules, now: Timestamp) -> Access {
        match self.after.access(&rules.terms, now) {
            lifecycle::Access::Full => Access::Open,
            lifecycle::Access::ChangePassword => Access::MustChange,
            lifecycle::Access::None if self.after.revoked_at.is_some() || self.after.purged => Access::Revoked,
            lifecycle::Access::None if self.after.locks.is_empty() => Access::Pending,
            lifecycle::Access::None => Access::Locked,
        }
    }

    /// When something happens to it next.
    pub fn next(&self, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
        let days = [self.after.starts_on, self.after.absence.map(|absence| absence.from)];
        let first = days.into_iter().flatten().map(midnight);
        let due = lifecycle::due(rules, &self.after, now).into_iter().map(|action| action.at);
        let half = lifecycle::asked(rules, &self.after).map(|asked| asked.half);
        due.chain(first).chain(half).filter(|at| *at > now).min()
    }

    /// Writes it into the status. What rests on use keeps its day while the use is not known.
    pub fn show(&self, status: &mut MailboxStatus, mailbox: &Mailbox, rules: &Rules, use_known: bool, now: Timestamp) {
        let basis = mailbox.spec.lock.as_ref().map(|lock| &lock.basis);
        status.live(&self.after, basis, mailbox.spec.restore.as_ref(), now);
        status.state = Some(self.after.state(&rules.terms, now).into());
        if rules.stopped.is_some() {
            // The days that it names are as good as any that are known now.
            return;
        }
        let rests_on_use = |due: &&Due| ["Inactive", "Unused"].contains(&due.reason.as_str());
        let mut new = due(rules, &self.after, now);
        if !use_known {
            new.retain(|due| !rests_on_use(&due));
            new.extend(status.due.iter().filter(|due| rests_on_use(due) && due.at.0 > now).cloned());
            new.sort_by(|a, b| a.at.cmp(&b.at));
        }
        status.due = new;
    }
}

/// Writes where mail goes. Since when is kept as long as it goes there, also for nobody after there was somebody: each change has a
/// beginning of its own, by which the journal tells it apart.
pub(super) fn show_forward(status: &mut MailboxStatus, to: Option<&String>, now: Timestamp) {
    let known = status.forwarding.take().filter(|_| status.state == Some(MailboxState::Revoked));
    status.forwarding = match known {
        Some(known) if known.to.as_ref() == to => Some(known),
        None if to.is_none() => None,
        _ => Some(Forwarding { to: to.cloned(), since: Time(now) }),
    };
}

/// What happens to it by itself soon.
fn due(rules: &Rules, account: &Account, now: Timestamp) -> Vec<Due> {
    let until = now.checked_add(SHOWN).unwrap_or(Timestamp::MAX);
    let shown = |action: &Action| {
        let by_itself = !matches!(action.kind, Kind::Unlock | Kind::Relieve | Kind::Warn);
        by_itself && action.at > now && action.at <= until
    };
    let all = lifecycle::due(rules, account, now).into_iter().filter(shown);
    let due = |action: Action| Due {
        action: action.kind.as_str().into(),
        reason: action.cause.as_str().into(),
        at: Time(action.at),
        rule: action.cause.rule().into(),
    };
    all.map(due).collect()
}

/// Whether what a Mailbox shows as due is not what is known now.
pub(super) fn is_stale(mailbox: &Mailbox, rules: &Rules, account: &Account, now: Timestamp) -> bool {
    let issued = mailbox.status.as_ref().filter(|status| status.issued_at.is_some() && rules.stopped.is_none());
    issued.is_some_and(|status| status.due != due(rules, account, now))
}

/// What Ready says of an account of which nothing is wrong; `forwarded` is where the mail of a revoked one goes.
pub(super) fn good(life: &Life, rules: &Rules, forwarded: Option<&str>, now: Timestamp) -> (Reason, String) {
    let account = &life.after;
    let over = || {
        let mail = forwarded.map_or("refused".into(), |to| format!("forwarded to {to} (spec.successorRef)"));
        format!("no access, mail is {mail}, everything is kept (D-14)")
    };
    match MailboxState::from(account.state(&rules.terms, now)) {
        MailboxState::Revoked if account.revoke => {
            (Reason::Revoked, format!("revoked by spec.state (R5.4.c, D-11): {}", over()))
        }
        MailboxState::Revoked if lifecycle::ended(false, account.ends_on, now).is_none() => (
            Reason::Revoked,
            format!(
                "revoked; it is given back when operator and mail pod tell one time, and nothing holds it (spec.state, spec.endsOn): {}",
                over()
            ),
        ),
        MailboxState::Revoked => {
            (Reason::Revoked, format!("revoked, its last day (spec.endsOn) has come (R5.4.b): {}", over()))
        }
        MailboxState::Purged => (Reason::Purged, "its mail was removed after the time of keeping (D-14)".into()),
        MailboxState::Locked => (Reason::Locked, locked(account)),
        MailboxState::RevocationProposed => {
            let locks = if account.locks.is_empty() { String::new() } else { format!("; {}", locked(account)) };
            let message = format!(
                "8.3.đ: no login for {} months, so its revocation is proposed; a person decides: spec.state: Revoked with the document in \
                 spec.ending, or a login by its holder{locks}",
                rules.terms.unused_months
            );
            // The state says the one, the reason the other: a lock is not to be overlooked in a table.
            let reason = if account.locks.is_empty() { Reason::RevocationProposed } else { Reason::Locked };
            (reason, message)
        }
        MailboxState::MustChangePassword => (
            Reason::MustChangePassword,
            "the initial password must be changed first (R9.1): mail protocols refuse, mail is received".into(),
        ),
        MailboxState::Pending if account.begun.is_some() && has_come(account, now) => {
            let first = account.starts_on.map(|day| format!(" on {day}")).unwrap_or_default();
            let message = format!(
                "access begins{first} (spec.startsOn), and that has come by the operator's clock alone: the mail pod's tells another time, or \
                 was not asked yet. It begins when both tell one time; until then senders are told to try again"
            );
            (Reason::ClocksDiffer, message)
        }
        MailboxState::Pending => {
            let first = account.starts_on.map(|day| format!(" on {day}")).unwrap_or_default();
            (
                Reason::NotStarted,
                format!("access begins{first} (spec.startsOn); until then senders are told to try again"),
            )
        }
        MailboxState::Active => (Reason::Issued, "address, account and password are issued".into()),
    }
}

/// Whether its first day has come by the operator's clock.
fn has_come(account: &Account, now: Timestamp) -> bool {
    account.starts_on.is_some_and(|day| midnight(day) <= now)
}

fn locked(account: &Account) -> String {
    let by = |by: By| account.locks.iter().filter(move |(_, lock)| lock.by == by);
    let list = |who: By| -> Vec<String> {
        by(who)
            .map(|(reason, lock)| format!("{} ({}) since {}", reason.as_str(), reason.rule(), day(lock.since)))
            .collect()
    };
    let (clock, person) = (list(By::Clock), list(By::Person));
    let mut parts = Vec::new();
    if !person.is_empty() {
        parts.push(format!("locked by spec.lock: {}", person.join(", ")));
    }
    if !clock.is_empty() {
        parts.push(format!(
            "locked by rule: {}; given back on the agency's document, spec.restore (R6.3)",
            clock.join(", ")
        ));
    }
    format!("{}. No access by any protocol, mail is received (R6.1)", parts.join("; "))
}

/// The brake holds what is due.
pub(super) fn held(key: &Key) -> Problem {
    let (_, kind, cause) = key;
    let message = format!(
        "D-15: {} ({}, {}) is due, and the brake holds it: too many come at once. The MailSystem names the command that confirms them; \
         the account goes on until then",
        kind.as_str(),
        cause.as_str(),
        cause.rule()
    );
    Problem::waiting(Reason::HeldByBrake, message)
}

/// The account is locked by people, and a document asks for it back.
pub(super) fn restore_waits(life: &Life, rules: &Rules, now: Timestamp) -> Option<String> {
    let restore = life.after.asked_back()?;
    let asked = life.after.locks.iter().filter(|(reason, lock)| restore.covers(**reason, lock.since));
    let person: Vec<&str> =
        asked.filter(|(_, lock)| lock.by == By::Person).map(|(reason, _)| reason.as_str()).collect();
    let term = lifecycle::asked(rules, &life.after).map(|asked| {
        let due = by_the_end_of(asked.end);
        if now < asked.end { format!(" {due}") } else { format!("; it was to be done {due}") }
    });
    let message = format!(
        "R6.3: a document received {} asks for the account back, and spec.lock still names {}; take it out there{}",
        day(restore.received_at),
        person.join(", "),
        term.unwrap_or_default()
    );
    (!person.is_empty()).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AddressClaim;
    use serde_json::{Value, json};

    #[test]
    fn d_15_r6_3_who_is_made_again_is_locked_by_what_stands_beside_the_address_and_no_brake_counts_it() {
        let (rules, now) = (Rules::default(), "2026-06-01T00:00:00Z".parse().expect("a time"));
        let basis = json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"});
        let new: Mailbox = serde_json::from_value(json!({"metadata": {"name": "nv-1", "uid": "u-2"},
            "spec": {"agencyRef": {"name": "stttt"}, "fullName": "Lê An", "basis": basis}}))
        .expect("a Mailbox");
        let again = |kept: Value| {
            let claim: AddressClaim = serde_json::from_value(json!({
                "metadata": {"name": "anl.stttt", "creationTimestamp": "2026-01-02T00:00:00Z"},
                "spec": {"use": "Primary", "ownerRef": {"kind": "Mailbox", "name": "nv-1", "uid": "u-1"}, "ownerName": "Lê An",
                    "life": kept}}))
            .expect("a claim");
            let account = new.remembered(Some(&claim)).expect("it is known").life(None);
            assert!(account.issued_at.is_some(), "it is no new account");
            decide(&rules, account, |_| false, now)
        };
        let locks = json!([{"reason": "DefaultPassword", "rule": "6.2.d", "since": "2026-03-01T00:00:00Z"}]);
        let life = again(json!({"locks": locks}));
        assert_eq!((life.access(&rules, now), life.waits), (Access::Locked, None));
        // Nothing but that says so: else it would be a new lock, which waits for the brake.
        let life = again(Value::Null);
        assert!(life.access(&rules, now) != Access::Locked && life.waits.is_some());
    }

    #[test]
    fn d_12_d_14_what_begins_with_a_pass_is_written_no_earlier_than_it_is() {
        let at = |text: &str| text.parse::<Timestamp>().expect(text);
        let (behind, now, old) = (at("2024-06-01T00:00:00Z"), at("2026-06-01T00:00:00Z"), at("2024-01-01T00:00:00Z"));
        let person = |since| lifecycle::Lock { since, by: By::Person, also_clock: false };
        let (spam, leaked) = (lifecycle::LockReason::SpamOrMalware, lifecycle::LockReason::Compromised);
        let locked = Account {
            issued_at: Some(old),
            locks: [(spam, person(old))].into(),
            wanted_locks: [spam, leaked].into(),
            ..Account::default()
        };
        let of = |before: Account, moment: Timestamp| {
            let mut life = decide(&Rules::default(), before, |_| true, behind);
            life.begin(moment, behind);
            life.after
        };
        let after = of(locked.clone(), now);
        assert_eq!(
            (after.locks[&leaked].since, after.locks[&spam].since),
            (now, old),
            "the other one stands since then"
        );
        let after = of(Account { wanted_locks: [].into(), ..locked.clone() }, now);
        assert_eq!(after.unlocked_at, Some(now));
        assert_eq!(of(Account { revoke: true, ..locked.clone() }, now).revoked_at, Some(now));
        // Never before it was decided, either.
        assert_eq!(of(Account { revoke: true, ..locked }, old).revoked_at, Some(behind));
    }
}
