//! Series of the life of accounts. Never the name of a mailbox: what most labels there are is agencies (at most [`MOST_AGENCIES`] of a
//! system, times seven states, and only those that have accounts), then states and actions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::System;

/// Agencies of a system that have series of their own; accounts of the others are counted together.
pub const MOST_AGENCIES: usize = 1000;
/// Label of accounts whose agency is not there, or one too many: no object can have this name.
const OTHERS: &str = "-";

/// What a look at all accounts of a system counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifeFigures {
    /// Accounts by state; every state is there.
    pub states: BTreeMap<&'static str, i64>,
    /// Accounts by agency and state, those that there are; no agency: it is not there.
    pub agencies: BTreeMap<(Option<String>, &'static str), i64>,
    /// What happens by itself within seven days, by action; every action is there.
    pub due_soon: BTreeMap<&'static str, i64>,
    /// Documents that ask for an account which is still locked (R6.3).
    pub restores_open: i64,
    /// Those of them of whose three working days half is over.
    pub restores_half_time: i64,
    /// Those of them whose three working days are over.
    pub restores_overdue: i64,
    /// What the brake holds (D-15).
    pub held_actions: i64,
    /// Accounts whose revocation is proposed (8.3.đ).
    pub proposals: i64,
    /// Those of them that wait for a decision for 30 days or longer.
    pub proposals_waiting: i64,
    /// Seconds since the moment through which use is proven complete (D-16); unknown before the mail server first told.
    pub activity_age: Option<i64>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    namespace: String,
    system: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct AgencyState {
    namespace: String,
    system: String,
    agency: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Action {
    namespace: String,
    system: String,
    action: &'static str,
}

/// Names, helps and values of the series that a system has one of.
type Plain = (&'static str, &'static str, fn(&LifeFigures) -> Option<i64>);
const PLAIN: [Plain; 7] = [
    ("restores_open", "Documents that ask for an account which is still locked (R6.3)", |f| Some(f.restores_open)),
    ("restores_half_time", "Those of whose three working days half is over", |f| Some(f.restores_half_time)),
    ("restores_overdue", "Those whose three working days are over", |f| Some(f.restores_overdue)),
    ("held_actions", "Locks, revocations and removals that the brake holds (D-15)", |f| Some(f.held_actions)),
    ("proposals", "Accounts whose revocation is proposed (8.3.đ)", |f| Some(f.proposals)),
    ("proposals_waiting", "Those that wait for a decision for 30 days or longer", |f| Some(f.proposals_waiting)),
    ("activity_complete_age_seconds", "Time since the moment through which use is proven complete (D-16)", |f| {
        f.activity_age
    }),
];

/// The series, and what of them is there.
pub(super) struct Life {
    states: Family<State, Gauge>,
    agencies: Family<AgencyState, Gauge>,
    due_soon: Family<Action, Gauge>,
    plain: Vec<Family<System, Gauge>>,
    there: Mutex<HashMap<System, There>>,
}

/// Labels of a system that have a series.
#[derive(Default)]
struct There {
    states: BTreeSet<&'static str>,
    actions: BTreeSet<&'static str>,
    agencies: BTreeSet<AgencyState>,
}

impl Life {
    pub fn new(registry: &mut Registry) -> Self {
        let states = Family::default();
        registry.register("accounts", "Accounts by state", states.clone());
        let agencies = Family::default();
        registry.register("agency_accounts", "Accounts by agency and state", agencies.clone());
        let due_soon = Family::default();
        registry.register("due_soon", "What happens by itself within seven days", due_soon.clone());
        let plain = PLAIN.map(|(name, help, _)| {
            let family = Family::default();
            registry.register(name, help, family.clone());
            family
        });
        Self { states, agencies, due_soon, plain: plain.into(), there: Mutex::default() }
    }

    pub fn set(&self, system: &System, figures: &LifeFigures) {
        for (state, count) in &figures.states {
            self.states.get_or_create(&state_of(system, state)).set(*count);
        }
        for (action, count) in &figures.due_soon {
            self.due_soon.get_or_create(&action_of(system, action)).set(*count);
        }
        let agencies = by_agency(system, figures);
        for (labels, count) in &agencies {
            self.agencies.get_or_create(labels).set(*count);
        }
        for (family, (_, _, value)) in self.plain.iter().zip(PLAIN) {
            match value(figures) {
                Some(value) => drop(family.get_or_create(system).set(value)),
                None => drop(family.remove(system)),
            }
        }
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        let there = there.entry(system.clone()).or_default();
        there.states.extend(figures.states.keys());
        there.actions.extend(figures.due_soon.keys());
        let before = std::mem::replace(&mut there.agencies, agencies.into_keys().collect());
        for gone in before.difference(&there.agencies) {
            self.agencies.remove(gone);
        }
    }

    /// The system is gone.
    pub fn end(&self, system: &System) {
        for family in &self.plain {
            family.remove(system);
        }
        let there = self.there.lock().unwrap_or_else(PoisonError::into_inner).remove(system).unwrap_or_default();
        for state in there.states {
            self.states.remove(&state_of(system, state));
        }
        for action in there.actions {
            self.due_soon.remove(&action_of(system, action));
        }
        for labels in there.agencies {
            self.agencies.remove(&labels);
        }
    }
}

fn state_of(system: &System, state: &'static str) -> State {
    State { namespace: system.namespace.clone(), system: system.system.clone(), state }
}

fn action_of(system: &System, action: &'static str) -> Action {
    Action { namespace: system.namespace.clone(), system: system.system.clone(), action }
}

/// At most [`MOST_AGENCIES`] by name; the others together.
fn by_agency(system: &System, figures: &LifeFigures) -> BTreeMap<AgencyState, i64> {
    let named: BTreeSet<&String> = figures.agencies.keys().filter_map(|(agency, _)| agency.as_ref()).collect();
    let last = named.iter().nth(MOST_AGENCIES).copied();
    let mut all = BTreeMap::new();
    for ((agency, state), count) in &figures.agencies {
        let agency = agency.as_ref().filter(|agency| last.is_none_or(|last| *agency < last));
        let labels = AgencyState {
            namespace: system.namespace.clone(),
            system: system.system.clone(),
            agency: agency.map_or(OTHERS, String::as_str).into(),
            state,
        };
        *all.entry(labels).or_default() += count;
    }
    all
}

#[cfg(test)]
pub(super) fn example() -> LifeFigures {
    LifeFigures {
        states: [("Active", 3), ("Locked", 0)].into(),
        agencies: [((Some("stttt".to_string()), "Active"), 2), ((None, "Active"), 1)].into(),
        due_soon: [("Lock", 1)].into(),
        activity_age: Some(30),
        ..LifeFigures::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn an_agency_that_has_no_accounts_any_more_has_no_series() {
        let metrics = Metrics::default();
        metrics.life("a", "one", &example());
        let line = "mail_operator_agency_accounts{namespace=\"a\",system=\"one\",agency=\"stttt\",state=\"Active\"} 2";
        assert!(metrics.text().contains(line), "{}", metrics.text());
        metrics.life("a", "one", &LifeFigures { agencies: BTreeMap::new(), activity_age: None, ..example() });
        let text = metrics.text();
        assert!(!text.contains("stttt") && !text.contains("activity_complete_age_seconds{"), "{text}");
        assert!(text.contains("mail_operator_accounts{namespace=\"a\",system=\"one\",state=\"Locked\"} 0"), "{text}");
    }

    #[test]
    fn agencies_have_a_bound_and_no_account_is_lost_in_the_count() {
        let system = System { namespace: "a".into(), system: "one".into() };
        let agencies = (0..MOST_AGENCIES + 5).map(|i| ((Some(format!("a-{i:05}")), "Active"), 1)).collect();
        let all = by_agency(&system, &LifeFigures { agencies, ..LifeFigures::default() });
        assert_eq!(all.len(), MOST_AGENCIES + 1);
        assert_eq!(all.values().sum::<i64>(), i64::try_from(MOST_AGENCIES + 5).expect("a number"));
        assert_eq!(all.iter().find(|(labels, _)| labels.agency == OTHERS).map(|(_, count)| *count), Some(5));
    }
}
