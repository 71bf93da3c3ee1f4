//! Objects that miss what does not matter for the life of an account, as other programs and people write them: a status without
//! quota, a lock without its document, a day where a time belongs.

use serde_json::{Map, Value as Json, json};

use crate::api::Mailbox;
use crate::cli::output::Said;

/// What of the status of a Mailbox counts here.
const STATUS: [&str; 15] = [
    "address",
    "aliases",
    "state",
    "issuedAt",
    "passwordChangedAt",
    "initialPasswordAt",
    "absentUntil",
    "unlockedAt",
    "proposedAt",
    "revokedAt",
    "forwarding",
    "locks",
    "relieved",
    "restored",
    "conditions",
];
const STATES: [&str; 7] =
    ["Pending", "MustChangePassword", "Active", "Locked", "RevocationProposed", "Revoked", "Purged"];
/// Where a document is cited.
const DOCUMENTS: [&str; 7] = ["", "lock", "absence", "ending", "restore", "hold", "rename"];

/// A Mailbox; what of it cannot be understood is said.
pub fn mailbox(mut object: Json) -> Result<Mailbox, Said> {
    let made = object["metadata"]["creationTimestamp"].clone();
    let spec = object["spec"].as_object_mut().ok_or_else(|| Said::new("it has no spec", "thiếu spec"))?;
    for (key, value) in [("fullName", json!("")), ("agencyRef", json!({"name": ""})), ("basis", json!({}))] {
        spec.entry(key).or_insert(value);
    }
    for place in DOCUMENTS {
        let owner = if place.is_empty() { Some(&mut *spec) } else { spec.get_mut(place).and_then(Json::as_object_mut) };
        if let Some(owner) = owner {
            document(owner.entry("basis").or_insert_with(|| json!({})));
        }
    }
    if let Some(lock) = spec.get_mut("lock").and_then(Json::as_object_mut) {
        lock.entry("reasons").or_insert_with(|| json!([]));
    }
    if let Some(restore) = spec.get_mut("restore").and_then(Json::as_object_mut) {
        times(restore);
    }
    if let Some(status) = object.get_mut("status").and_then(Json::as_object_mut) {
        tidy(status, &made);
    }
    serde_json::from_value(object).map_err(|error| Said::new(error.to_string(), error.to_string()))
}

fn tidy(status: &mut Map<String, Json>, made: &Json) {
    status.retain(|key, value| STATUS.contains(&key.as_str()) && !value.is_null());
    if !status.get("state").and_then(Json::as_str).is_some_and(|state| STATES.contains(&state)) {
        status.remove("state");
    }
    times(status);
    // One that is in use was issued.
    let in_use = status.get("state").and_then(Json::as_str).is_some_and(|state| state != "Pending");
    if in_use && made.is_string() {
        status.entry("issuedAt").or_insert(made.clone());
    }
    let since = status.get("issuedAt").cloned().unwrap_or_else(|| json!("1970-01-01T00:00:00Z"));
    for lock in objects(status.get_mut("locks")) {
        times(lock);
        lock.entry("rule").or_insert(json!(""));
        lock.entry("since").or_insert_with(|| since.clone());
        match lock.get_mut("basis") {
            Some(basis) if basis.is_object() => document(basis),
            _ => drop(lock.remove("basis")),
        }
    }
    objects(status.get_mut("relieved")).for_each(times);
    if let Some(forwarding) = status.get_mut("forwarding").and_then(Json::as_object_mut) {
        times(forwarding);
        forwarding.entry("since").or_insert(since);
    }
    status.get_mut("restored").and_then(Json::as_object_mut).into_iter().for_each(times);
    conditions(status);
}

/// Conditions that are whole.
fn conditions(status: &mut Map<String, Json>) {
    let whole = |condition: &Json| {
        ["type", "status", "reason", "message", "lastTransitionTime"].iter().all(|key| condition[*key].is_string())
    };
    if let Some(conditions) = status.get_mut("conditions").and_then(Json::as_array_mut) {
        conditions.retain(whole);
    }
}

/// The status of a MailSystem with what counts here.
pub fn system_status(mut status: Json) -> Json {
    if let Some(status) = status.as_object_mut() {
        status.retain(|key, value| {
            ["held", "activity", "conditions", "mailboxes"].contains(&key.as_str()) && !value.is_null()
        });
        conditions(status);
        status.get_mut("activity").and_then(Json::as_object_mut).into_iter().for_each(times);
    }
    status
}

/// The status of a MailboxActivity.
pub fn activity(mut status: Json) -> Json {
    if let Some(status) = status.as_object_mut() {
        status.remove("usedBytes");
        times(status);
        for key in ["lastLogin", "lastSend", "lastReceive"] {
            // The day of a moment in the province.
            let text = status.get(key).and_then(Json::as_str).and_then(crate::domain::calendar::moment);
            if let Some(at) = text {
                status.insert(key.into(), json!(crate::domain::calendar::day(at).to_string()));
            }
        }
    }
    status
}

fn objects(list: Option<&mut Json>) -> impl Iterator<Item = &mut Map<String, Json>> {
    list.and_then(Json::as_array_mut).into_iter().flatten().filter_map(Json::as_object_mut)
}

/// A basis whose parts are text, and there.
fn document(basis: &mut Json) {
    let Some(basis) = basis.as_object_mut() else { return };
    for key in ["number", "date", "issuer"] {
        let text = match basis.get(key) {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        basis.insert(key.into(), json!(text));
    }
}

/// Days where times belong stand for their 00:00 in the province.
fn times(object: &mut Map<String, Json>) {
    let is_time = |key: &str| key.ends_with("At") || ["at", "since", "completeFrom", "completeThrough"].contains(&key);
    for (_, value) in object.iter_mut().filter(|(key, _)| is_time(key)) {
        let day = value.as_str().filter(|text| text.len() == 10).and_then(crate::domain::calendar::moment);
        if let Some(at) = day {
            *value = json!(crate::domain::calendar::rfc3339(at));
        }
    }
}
