//! `kubectl mail status`: the whole system on one screen. Nothing of it is decided here.

mod text;

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value as Json, json};

pub use text::text;

use super::life::{Life, World, words};
use crate::api::{GROUP, HeldStatus, VERSION};
use crate::cli::output::Said;
use crate::domain::calendar::{day, midnight, rfc3339};
use crate::domain::lifecycle::{Action, Kind, State, asked};

/// How far it looks ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Conditions that are told.
const CONDITIONS: usize = 10;

/// A condition of the MailSystem.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

/// So many actions of one kind, for one cause.
#[derive(Debug, Serialize)]
pub struct Due {
    action: &'static str,
    reason: &'static str,
    rule: &'static str,
    today: usize,
    week: usize,
    #[serde(skip)]
    what: Action,
}

/// How far a request for a restore is (R6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Progress {
    /// Its term runs.
    Open,
    /// Half of the term is over.
    HalfTime,
    /// The term is over.
    Overdue,
}

/// A document that asks for an account back, while it is locked (R6.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    mailbox: String,
    document: String,
    received_at: String,
    due_at: String,
    progress: Progress,
    #[serde(skip)]
    due: Timestamp,
}

/// Mailboxes that are not Ready for one reason.
#[derive(Debug, Default, Serialize)]
pub struct Trouble {
    count: usize,
    mailboxes: Vec<String>,
}

/// One MailSystem.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    name: String,
    namespace: String,
    domain: String,
    conditions: Vec<Condition>,
    mailboxes: usize,
    states: BTreeMap<&'static str, usize>,
    due: Vec<Due>,
    restores: Vec<Request>,
    proposals: usize,
    conflicts: usize,
    not_ready: BTreeMap<String, Trouble>,
    held: Option<Json>,
    unknown: usize,
    activity_complete_through: Option<String>,
    activity_age_seconds: Option<i64>,
    #[serde(skip)]
    holds: Option<HeldStatus>,
    #[serde(skip)]
    counts: Vec<(State, usize)>,
}

/// Every MailSystem at `now`, and how it was reckoned.
pub fn status(world: &World, now: Timestamp) -> (Vec<Report>, Vec<Said>) {
    let (lives, notes) = world.lives(now);
    (lives.iter().map(|life| report(life, now)).collect(), notes)
}

/// One JSON document (kind `Status`).
pub fn json(reports: &[Report], now: Timestamp) -> String {
    let document =
        json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Status", "now": rfc3339(now), "systems": reports});
    format!("{document}\n")
}

fn report(life: &Life<'_>, now: Timestamp) -> Report {
    let until = midnight(day(now)).checked_add(AHEAD).unwrap_or(now).max(now);
    let forecast = life.forecast(now, until);
    let count = |state: State| forecast.standings.iter().filter(|standing| standing.state == state).count();
    let counts: Vec<(State, usize)> = words::STATES.into_iter().map(|state| (state, count(state))).collect();
    let status = life.system.map(|system| &system.status);
    let through = status.and_then(|status| status.activity.as_ref()).map(|activity| activity.complete_through.0);
    let held = status.and_then(|status| status.held.clone());
    let not_ready = not_ready(life);
    Report {
        name: life.system.map(|system| system.name.clone()).unwrap_or_default(),
        namespace: life.namespace.clone(),
        domain: life.system.map(|system| system.domain.clone()).unwrap_or_default(),
        conditions: conditions(life),
        mailboxes: life.accounts.len(),
        states: counts.iter().map(|(state, n)| (state.as_str(), *n)).collect(),
        due: due(&forecast.actions, now),
        restores: requests(life, now),
        proposals: count(State::RevocationProposed),
        conflicts: not_ready.iter().filter(|(reason, _)| reason.contains("Conflict")).map(|(_, t)| t.count).sum(),
        not_ready,
        held: held.as_ref().map(|held| json!(held)),
        unknown: forecast.standings.iter().filter(|standing| !standing.unknown.is_empty()).count(),
        activity_complete_through: through.map(rfc3339),
        activity_age_seconds: through.map(|through| now.duration_since(through).as_secs().max(0)),
        holds: held,
        counts,
    }
}

fn conditions(life: &Life<'_>) -> Vec<Condition> {
    let all = life.system.map(|system| system.status.conditions.as_slice()).unwrap_or_default();
    let one = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| Condition {
        kind: condition.type_.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    };
    all.iter().take(CONDITIONS).map(one).collect()
}

/// What is due by the end of today, and after that within a week.
fn due(actions: &[(usize, Action)], now: Timestamp) -> Vec<Due> {
    let tomorrow = day(now).tomorrow().map_or(Timestamp::MAX, midnight);
    let mut all: BTreeMap<(Kind, &'static str), Due> = BTreeMap::new();
    for (_, action) in actions.iter().filter(|(_, action)| !matches!(action.kind, Kind::Warn | Kind::Relieve)) {
        let (kind, cause) = (action.kind, action.cause);
        let entry = all.entry((kind, cause.as_str())).or_insert_with(|| Due {
            action: kind.as_str(),
            reason: cause.as_str(),
            rule: cause.rule(),
            today: 0,
            week: 0,
            what: *action,
        });
        *(if action.at < tomorrow { &mut entry.today } else { &mut entry.week }) += 1;
    }
    all.into_values().collect()
}

/// Documents that ask for accounts which are still locked, the soonest due first.
fn requests(life: &Life<'_>, now: Timestamp) -> Vec<Request> {
    let mut all = Vec::new();
    for (holder, account) in life.holders.iter().zip(&life.accounts) {
        let Some((restore, term)) = account.restore.as_ref().zip(asked(&life.rules, account)) else { continue };
        let due = term.end;
        let progress = match now {
            now if now >= due => Progress::Overdue,
            now if now >= term.half => Progress::HalfTime,
            _ => Progress::Open,
        };
        let document = holder.mailbox.and_then(|mailbox| mailbox.spec.restore.as_ref()).map(crate::api::document);
        all.push(Request {
            mailbox: holder.name.clone(),
            document: document.unwrap_or_default(),
            received_at: rfc3339(restore.received_at),
            due_at: rfc3339(due),
            progress,
            due,
        });
    }
    all.sort_by_key(|request| request.due);
    all
}

/// Mailboxes that are not Ready, by the reason that the operator gives.
fn not_ready(life: &Life<'_>) -> BTreeMap<String, Trouble> {
    let mut all: BTreeMap<String, Trouble> = BTreeMap::new();
    for holder in &life.holders {
        let conditions = holder.mailbox.and_then(|mailbox| mailbox.status.as_ref()).map(|status| &status.conditions);
        let ready = conditions.and_then(|all| all.iter().find(|condition| condition.type_ == "Ready"));
        if let Some(ready) = ready.filter(|ready| ready.status != "True") {
            let trouble = all.entry(ready.reason.clone()).or_default();
            trouble.count += 1;
            if trouble.mailboxes.len() < 100 {
                trouble.mailboxes.push(holder.name.clone());
            }
        }
    }
    all
}
