//! One look at all accounts of a system together (D-15).

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::clocks::{absent_until, acts, is_proven, proposal_stands};
use super::{Account, Action, Cause, Kind, Rules, Stopped, due};
use crate::domain::brake::{self, Deed};

/// Actions of one account in one look, at most: each leads to another state, and there are no circles.
const STEPS: usize = 24;

/// What identifies an action: the Mailbox, what, and why.
pub type Key = (String, Kind, Cause);

impl Deed for Key {
    fn account(&self) -> &str {
        &self.0
    }
}

/// The memory of the brake (D-15).
pub type Brake = brake::Brake<Key>;

/// What the brake holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Index of the account.
    pub account: usize,
    /// What is held.
    pub action: Action,
}

/// What one look leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// What is done, by the index of the account, in the order in which it follows.
    pub act: Vec<(usize, Action)>,
    /// What waits for a person.
    pub held: Vec<Held>,
}

/// Decides what is done at `now`, does it to `accounts`, and notes it in `brake`. `acknowledged` is what a person released: exactly
/// that, whatever else is due. Warnings are no part of it: see [`super::warnings`].
pub fn pass(
    rules: &Rules,
    accounts: &mut [Account],
    brake: &mut Brake,
    acknowledged: &BTreeSet<Key>,
    now: Timestamp,
) -> Pass {
    let (all, total) = ((0..accounts.len()).collect::<Vec<_>>(), total(accounts));
    look(rules, accounts, &all, (brake, total), acknowledged, now)
}

/// How many accounts there are for the brake.
pub(super) fn total(accounts: &[Account]) -> usize {
    accounts.iter().filter(|account| account.issued_at.is_some() && !account.purged).count()
}

/// The same for some of the accounts: the others have nothing that is due.
pub(super) fn look(
    rules: &Rules,
    accounts: &mut [Account],
    some: &[usize],
    (brake, total): (&mut Brake, usize),
    acknowledged: &BTreeSet<Key>,
    now: Timestamp,
) -> Pass {
    let mut courses = Vec::new();
    for index in some {
        let account = &mut accounts[*index];
        *account = as_of(rules, account, now);
        courses.push((*index, steps(rules, account, now, |_, _| true)));
    }
    let mut wanted: BTreeSet<Key> = BTreeSet::new();
    for (index, course) in &courses {
        let braked = course.done.iter().filter(|(_, braked)| *braked);
        wanted
            .extend(braked.map(|(action, _)| key(&accounts[*index], action)).filter(|key| !acknowledged.contains(key)));
    }
    let looked_at: BTreeSet<&str> = some.iter().map(|index| accounts[*index].id.as_str()).collect();
    brake.judge(&wanted, |id| looked_at.contains(id), total, now);
    let mut result = Pass::default();
    for (index, course) in courses {
        let account = &accounts[index];
        let waits = |action: &Action| brake.held.contains(&key(account, action));
        let held: Vec<Action> =
            course.done.iter().filter(|(action, braked)| *braked && waits(action)).map(|(action, _)| *action).collect();
        // Nor what would come in the place of what is held.
        let may =
            |then: &Account, action: &Action| !then.is_braked(action) || acknowledged.contains(&key(then, action));
        let course = if held.is_empty() { course } else { steps(rules, account, now, may) };
        result.held.extend(held.into_iter().map(|action| Held { account: index, action }));
        result.act.extend(course.done.into_iter().map(|(action, _)| (index, action)));
        accounts[index] = course.after;
    }
    result
}

fn key(account: &Account, action: &Action) -> Key {
    (account.id.clone(), action.kind, action.cause)
}

/// Does to one account everything that is due and that `may` be done; what it is then, and what was done.
pub fn advance(
    rules: &Rules,
    account: &Account,
    now: Timestamp,
    may: impl Fn(&Account, &Action) -> bool,
) -> (Account, Vec<Action>) {
    let course = steps(rules, &as_of(rules, account, now), now, may);
    (course.after, course.done.into_iter().map(|(action, _)| action).collect())
}

/// The account with what time alone makes of it: a proposal that stands no more, an absence that is in force.
fn as_of(rules: &Rules, account: &Account, now: Timestamp) -> Account {
    if rules.stopped == Some(Stopped::Time) {
        return account.clone();
    }
    let proposed = account.proposed && proposal_stands(rules, account, now);
    Account { proposed, absent_until: absent_until(rules, account, now), ..account.clone() }
}

/// An account on its way through what is due.
pub(super) struct Course {
    after: Account,
    /// What is done, and whether the brake counts it.
    done: Vec<(Action, bool)>,
}

/// Does everything that is due and that `may` be done.
fn steps(rules: &Rules, account: &Account, now: Timestamp, may: impl Fn(&Account, &Action) -> bool) -> Course {
    let mut course = Course { after: account.clone(), done: Vec::new() };
    while course.done.len() < STEPS {
        let account = &course.after;
        let free = |action: &Action| acts(rules, account, action) && may(account, action);
        let ready = |action: &Action| action.at <= now && free(action) && is_proven(account, action);
        let next = due(rules, account, now).into_iter().filter(ready).min_by_key(|action| (action.kind, action.at));
        let Some(action) = next else { break };
        course.done.push((action, account.is_braked(&action)));
        course.after.apply(&action, now);
    }
    course
}
