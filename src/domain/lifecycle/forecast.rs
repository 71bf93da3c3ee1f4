//! What will happen until a day if nobody does anything: sources of activity stay complete, nobody logs in, nothing arrives.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::clocks::is_proven;
use super::pass::steps;
use super::{Account, Action, Cause, Held, Kind, LockReason, Rules, State, Unknown, due, unknown, warnings};
use crate::domain::brake::{Limits, allows};

/// How an account stands at the time of asking, with what is due by then done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// Every reason for which it is locked.
    pub reasons: BTreeSet<LockReason>,
    /// When something happens to it next, warnings apart.
    pub next_due: Option<Timestamp>,
    /// Clocks that cannot be read (D-16).
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

/// Looks from `now` until `until`. `done` accounts were locked, revoked or removed by automation in the 24 hours before.
pub fn forecast(
    rules: &Rules,
    mut accounts: Vec<Account>,
    limits: Limits,
    done: usize,
    now: Timestamp,
    until: Timestamp,
) -> Forecast {
    let first = super::pass(rules, &mut accounts, limits, done, false, now);
    let standings: Vec<Standing> = accounts.iter().map(|account| standing(rules, account, now)).collect();
    let mut course = Course {
        rules,
        limits,
        total: accounts.iter().filter(|a| a.issued_at.is_some() && !a.purged).count(),
        blocked: vec![BTreeSet::new(); accounts.len()],
        recent: VecDeque::from([(now, done + braked(&first.act))]),
        result: Forecast { standings, actions: first.act, held: first.held },
        accounts,
    };
    course.prepare(now);
    course.run(now, until);
    course.result.actions.sort_by_key(|(account, action)| (action.at, *account, *action));
    course.result
}

fn standing(rules: &Rules, account: &Account, now: Timestamp) -> Standing {
    let next = due(rules, account, now).into_iter().find(|action| action.at > now || is_proven(account, action));
    Standing {
        state: account.state(&rules.terms, now),
        reasons: account.reasons(),
        next_due: next.map(|action| action.at),
        unknown: unknown(rules, account, now),
    }
}

/// How many accounts the brake counts.
fn braked(actions: &[(usize, Action)]) -> usize {
    actions.iter().filter(|(_, action)| action.is_braked()).map(|(account, _)| account).collect::<BTreeSet<_>>().len()
}

/// The accounts on their way through time.
struct Course<'r> {
    rules: &'r Rules,
    limits: Limits,
    total: usize,
    accounts: Vec<Account>,
    /// What is held, or cannot be proven, and stays so while nobody does anything.
    blocked: Vec<BTreeSet<(Kind, Cause)>>,
    /// How many accounts automation acted on, and when.
    recent: VecDeque<(Timestamp, usize)>,
    result: Forecast,
}

impl Course<'_> {
    /// What did not happen at `now` does not happen by itself; sources that are complete stay so.
    fn prepare(&mut self, now: Timestamp) {
        for (index, account) in self.accounts.iter_mut().enumerate() {
            let open = due(self.rules, account, now).into_iter().filter(|action| action.at <= now);
            self.blocked[index].extend(open.map(|action| (action.kind, action.cause)));
            if let Some(activity) = &mut account.activity {
                activity.complete_through = Timestamp::MAX;
            }
        }
    }

    fn run(&mut self, now: Timestamp, until: Timestamp) {
        let mut next = BinaryHeap::new();
        for index in 0..self.accounts.len() {
            self.warn(index, now);
            next.extend(self.next(index, now).map(|at| Reverse((at, index))));
        }
        while let Some(Reverse((at, first))) = next.pop().filter(|Reverse((at, _))| *at <= until) {
            let mut together = vec![first];
            while let Some(Reverse((_, index))) = next.peek().filter(|Reverse((other, _))| *other == at) {
                together.push(*index);
                next.pop();
            }
            self.at(at, &together);
            for index in together {
                next.extend(self.next(index, at).map(|then| Reverse((then, index))));
            }
        }
    }

    /// When something happens to the account after `after`.
    fn next(&self, index: usize, after: Timestamp) -> Option<Timestamp> {
        let account = &self.accounts[index];
        let free = |action: &Action| !self.blocked[index].contains(&(action.kind, action.cause));
        let actions = due(self.rules, account, after).into_iter().filter(free);
        let times = actions.chain(warnings(self.rules, account, after)).map(|action| action.at);
        times.filter(|at| *at > after).min()
    }

    /// What the holder is told at this moment.
    fn warn(&mut self, index: usize, at: Timestamp) {
        let told = warnings(self.rules, &self.accounts[index], at).into_iter();
        let blocked = &self.blocked[index];
        let told = told.filter(|warning| warning.at == at && !blocked.contains(&(Kind::Lock, warning.cause)));
        self.result.actions.extend(told.map(|warning| (index, warning)));
    }

    /// One look at those to whom something happens at this moment.
    fn at(&mut self, at: Timestamp, together: &[usize]) {
        let day_before = at.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        self.recent.retain(|(then, _)| *then > day_before);
        let done: usize = self.recent.iter().map(|(_, count)| count).sum();
        let wanted: Vec<(usize, Vec<Action>)> =
            together.iter().map(|index| (*index, self.steps(*index, at, true).1)).collect();
        let acted = wanted.iter().filter(|(_, actions)| actions.iter().any(Action::is_braked)).count();
        let free = allows(self.limits, acted + done, self.total);
        for (index, actions) in wanted {
            self.warn(index, at);
            let (after, done) = if free { self.steps(index, at, true) } else { self.steps(index, at, false) };
            self.accounts[index] = after;
            // It changes nothing, so it would be said at each later look.
            let said = done.iter().filter(|action| action.kind == Kind::RestoreDue);
            self.blocked[index].extend(said.map(|action| (action.kind, action.cause)));
            self.result.actions.extend(done.into_iter().map(|action| (index, action)));
            for action in actions.into_iter().filter(|action| !free && action.is_braked()) {
                self.blocked[index].insert((action.kind, action.cause));
                self.result.held.push(Held { account: index, action });
            }
        }
        self.recent.push_back((at, if free { acted } else { 0 }));
    }

    fn steps(&self, index: usize, at: Timestamp, free: bool) -> (Account, Vec<Action>) {
        let blocked = &self.blocked[index];
        let may = |action: &Action| (free || !action.is_braked()) && !blocked.contains(&(action.kind, action.cause));
        steps(self.rules, &self.accounts[index], at, may)
    }
}
