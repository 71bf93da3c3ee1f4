//! One look at all accounts of a system together (D-15).

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::clocks::{is_proven, proposal_stands};
use super::{Account, Action, Kind, Rules, due};
use crate::domain::brake::{Limits, allows};

/// Actions of one account in one pass, at most: each leads to another state, and there are no circles.
const STEPS: usize = 16;

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

/// Decides what is done at `now`, and does it to `accounts`. `done` accounts were locked, revoked or removed by automation in the 24
/// hours before; `acknowledged` releases what is held.
pub fn pass(
    rules: &Rules,
    accounts: &mut [Account],
    limits: Limits,
    done: usize,
    acknowledged: bool,
    now: Timestamp,
) -> Pass {
    for account in accounts.iter_mut().filter(|account| account.proposed) {
        account.proposed = proposal_stands(rules, account, now);
    }
    let total = accounts.iter().filter(|account| account.issued_at.is_some() && !account.purged).count();
    let braked = accounts.iter().filter(|account| steps(rules, account, now, |_| true).1.iter().any(Action::is_braked));
    let free = acknowledged || allows(limits, braked.count() + done, total);
    let mut result = Pass::default();
    for (index, account) in accounts.iter_mut().enumerate() {
        let (after, actions) = steps(rules, account, now, |action| free || !action.is_braked());
        if !free {
            let waiting = due(rules, &after, now).into_iter();
            let waiting = waiting.filter(|a| a.at <= now && a.is_braked() && is_proven(&after, a));
            result.held.extend(waiting.map(|action| Held { account: index, action }));
        }
        result.act.extend(actions.into_iter().map(|action| (index, action)));
        *account = after;
    }
    result
}

/// The account after everything that is due and that `may` be done, and what that is.
pub(super) fn steps(
    rules: &Rules,
    account: &Account,
    now: Timestamp,
    may: impl Fn(&Action) -> bool,
) -> (Account, Vec<Action>) {
    let (mut account, mut done) = (account.clone(), Vec::new());
    while done.len() < STEPS {
        let open = |action: &Action| action.at <= now && may(action) && is_proven(&account, action);
        // What changes nothing is said once.
        let new = |action: &Action| action.kind != Kind::RestoreDue || !done.contains(action);
        let ready = due(rules, &account, now).into_iter().filter(|action| open(action) && new(action));
        let Some(action) = ready.min_by_key(|action| (action.kind, action.at)) else { break };
        account.apply(&action, now);
        done.push(action);
    }
    (account, done)
}

/// Accounts that automation locked or revoked in the 24 hours before `now`.
pub fn done_within_a_day(accounts: &[Account], now: Timestamp) -> usize {
    let begin = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
    let recent = |at: &Timestamp| *at > begin && *at <= now;
    let ended = |account: &Account| account.ends_on.is_some() && !account.revoke;
    let touched = |account: &&Account| {
        account.locks.values().any(recent) || account.revoked_at.as_ref().is_some_and(|at| ended(account) && recent(at))
    };
    accounts.iter().filter(touched).count()
}
