//! What will happen until a day if nobody does anything: sources of activity that are complete stay so, nobody logs in, nothing
//! arrives.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::clocks::is_proven;
use super::pass::{Key, look, total};
use super::{Account, Action, Brake, Held, Kind, LockReason, Pass, Rules, State, Unknown, due, unknown, warnings};

/// A source that told all up to so long ago is one that works: it is looked at from time to time.
const FRESH: SignedDuration = SignedDuration::from_hours(24);

/// How an account stands at the time of asking, with what is due by then done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// Every reason for which it is locked.
    pub reasons: BTreeSet<LockReason>,
    /// When something happens to it next, warnings and what is held apart.
    pub next_due: Option<Timestamp>,
    /// Clocks that would run out by the end and cannot be read (D-16).
    pub unknown: Vec<Unknown>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// By the index of the account.
    pub standings: Vec<Standing>,
    /// What is done, by time, then by account.
    pub actions: Vec<(usize, Action)>,
    /// What the brake holds.
    pub held: Vec<Held>,
}

/// Looks from `now` until `until`; `acknowledged` is what a person released.
pub fn forecast(
    rules: &Rules,
    accounts: Vec<Account>,
    brake: Brake,
    acknowledged: &BTreeSet<Key>,
    now: Timestamp,
    until: Timestamp,
) -> Forecast {
    let (total, everybody) = (total(&accounts), (0..accounts.len()).collect::<Vec<_>>());
    let mut course = Course { rules, acknowledged, accounts, brake, total, now, result: Forecast::default() };
    course.look(&everybody, now);
    course.result.standings = everybody.iter().map(|index| course.standing(*index, now, until)).collect();
    if until > now {
        course.assume_complete(now);
        // What was due and only not proven yet is proven a moment later.
        course.look(&everybody, now);
        course.run(&everybody, now, until);
    }
    let Forecast { actions, held, .. } = &mut course.result;
    actions.sort_by_key(|(account, action)| (action.at, *account, *action));
    actions.dedup();
    held.sort_by_key(|held| (held.action.at, held.account, held.action));
    held.dedup();
    course.result
}

/// The accounts on their way through time.
struct Course<'r> {
    rules: &'r Rules,
    acknowledged: &'r BTreeSet<Key>,
    accounts: Vec<Account>,
    brake: Brake,
    total: usize,
    now: Timestamp,
    result: Forecast,
}

impl Course<'_> {
    fn standing(&self, index: usize, now: Timestamp, until: Timestamp) -> Standing {
        let account = &self.accounts[index];
        let next = due(self.rules, account, now).into_iter().find(|action| action.at > now);
        let known = is_fresh(account, now);
        Standing {
            state: account.state(&self.rules.terms, now),
            reasons: account.locks.keys().copied().collect(),
            next_due: next.filter(|action| known || is_proven(account, action)).map(|action| action.at),
            unknown: unknown(self.rules, account, if known { now } else { until }),
        }
    }

    fn assume_complete(&mut self, now: Timestamp) {
        for account in self.accounts.iter_mut().filter(|account| is_fresh(account, now)) {
            account.activity.iter_mut().for_each(|activity| activity.complete_through = Timestamp::MAX);
        }
    }

    fn run(&mut self, everybody: &[usize], now: Timestamp, until: Timestamp) {
        let mut next = BinaryHeap::new();
        next.extend(everybody.iter().filter_map(|index| self.next(*index, now).map(|at| Reverse((at, *index)))));
        while let Some(Reverse((at, first))) = next.pop().filter(|Reverse((at, _))| *at <= until) {
            let mut together = vec![first];
            while let Some(Reverse((_, index))) = next.peek().filter(|Reverse((other, _))| *other == at) {
                together.push(*index);
                next.pop();
            }
            self.look(&together, at);
            next.extend(together.iter().filter_map(|index| self.next(*index, at).map(|then| Reverse((then, *index)))));
        }
    }

    /// When something happens to the account after `after`.
    fn next(&self, index: usize, after: Timestamp) -> Option<Timestamp> {
        let account = &self.accounts[index];
        let actions = due(self.rules, account, after).into_iter().filter(|action| is_proven(account, action));
        let times = actions.chain(warnings(self.rules, account, after)).map(|action| action.at);
        times.filter(|at| *at > after).min()
    }

    /// One look at those to whom something happens at this moment, and what their holders are told.
    fn look(&mut self, together: &[usize], at: Timestamp) {
        let brake = (&mut self.brake, self.total);
        let Pass { act, held } = look(self.rules, &mut self.accounts, together, brake, self.acknowledged, at);
        self.total -= act.iter().filter(|(_, action)| action.kind == Kind::Purge).count();
        // What was due earlier and is only done now.
        let when = |action: Action| Action { at: if at > self.now { at } else { action.at }, ..action };
        self.result.actions.extend(act.into_iter().map(|(index, action)| (index, when(action))));
        self.result.held.extend(held);
        for index in together {
            let told = warnings(self.rules, &self.accounts[*index], at).into_iter().filter(|warning| warning.at == at);
            self.result.actions.extend(told.map(|warning| (*index, warning)));
        }
    }
}

fn is_fresh(account: &Account, now: Timestamp) -> bool {
    let begin = now.checked_sub(FRESH).unwrap_or(Timestamp::MIN);
    account.activity.as_ref().is_some_and(|activity| activity.complete_through >= begin)
}
