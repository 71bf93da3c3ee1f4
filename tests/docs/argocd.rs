//! `deploy/argocd/argocd-cm.yaml`: each script is run by Lua 5.1, the language of Argo CD's interpreter, with the libraries that
//! Argo CD opens, on every status that the operator can write, and on every one that kstatus (Flux) tells apart.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use mail_operator::api::{Outlook, Reason, crds, summarise};
use mlua::{Lua, LuaOptions, StdLib, Table, Value as LuaValue};
use serde_json::{Value, json};

use crate::read;

const PREFIX: &str = "resource.customizations.health.mail.gialai.gov.vn_";

/// Kind → script.
fn scripts() -> BTreeMap<String, String> {
    let map: Value = serde_yaml::from_str(&read("deploy/argocd/argocd-cm.yaml")).unwrap();
    assert_eq!((map["kind"].as_str(), map["metadata"]["name"].as_str()), (Some("ConfigMap"), Some("argocd-cm")));
    let data = map["data"].as_object().unwrap();
    data.iter().map(|(k, v)| (k.strip_prefix(PREFIX).unwrap().into(), v.as_str().unwrap().into())).collect()
}

/// JSON as Argo CD hands it over: numbers are floats, null is nil.
fn lua_value(lua: &Lua, json: &Value) -> LuaValue {
    match json {
        Value::Null => LuaValue::Nil,
        Value::Bool(b) => LuaValue::Boolean(*b),
        Value::Number(n) => LuaValue::Number(n.as_f64().unwrap()),
        Value::String(s) => LuaValue::String(lua.create_string(s).unwrap()),
        Value::Array(items) => {
            LuaValue::Table(lua.create_sequence_from(items.iter().map(|v| lua_value(lua, v))).unwrap())
        }
        Value::Object(map) => {
            LuaValue::Table(lua.create_table_from(map.iter().map(|(k, v)| (k.as_str(), lua_value(lua, v)))).unwrap())
        }
    }
}

/// Status and message that a script gives.
fn health(script: &str, object: &Value) -> (String, String) {
    let lua = Lua::new_with(StdLib::PACKAGE | StdLib::TABLE, LuaOptions::default()).unwrap();
    lua.globals().set("obj", lua_value(&lua, object)).unwrap();
    let result: Table = lua.load(script).eval().unwrap_or_else(|error| panic!("{error}\n{object}"));
    (result.get("status").unwrap(), result.get("message").unwrap())
}

fn object(status: Value) -> Value {
    json!({"metadata": {"name": "x", "generation": 2}, "spec": {}, "status": status})
}

/// The status that the operator writes.
fn written(outlook: Outlook, reason: Reason) -> Value {
    let mut conditions = Vec::new();
    summarise(&mut conditions, outlook, reason, "what to do", 2, Timestamp::UNIX_EPOCH);
    object(json!({"observedGeneration": 2, "conditions": conditions}))
}

/// What kstatus makes of an object (sigs.k8s.io/cli-utils, pkg/kstatus/status), in words of Argo CD.
fn kstatus(object: &Value) -> &'static str {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    let condition = |kind: &str| {
        let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        conditions.iter().find(|c| c["type"] == kind).map_or("", |c| c["status"].as_str().unwrap())
    };
    let observed = &status["observedGeneration"];
    if !metadata["deletionTimestamp"].is_null() || (!observed.is_null() && *observed != metadata["generation"]) {
        return "Progressing";
    }
    match (condition("Stalled"), condition("Reconciling"), condition("Ready")) {
        ("True", _, _) => "Degraded",
        (_, "True", _) => "Progressing",
        (_, _, "True" | "") => "Healthy",
        _ => "Progressing",
    }
}

#[test]
fn every_kind_has_a_script() {
    let kinds: Vec<String> = crds().into_iter().map(|c| c.spec.names.kind).collect();
    let scripts = scripts();
    assert!(kinds.iter().all(|kind| scripts.contains_key(kind)), "{kinds:?} {:?}", scripts.keys());
    assert_eq!(scripts.len(), kinds.len());
    let with_status = ["MailSystem", "Agency", "Mailbox", "QuotaPolicy"].map(|kind| &scripts[kind]);
    assert!(with_status.iter().all(|script| *script == with_status[0]), "the four scripts are one text");
}

#[test]
fn every_status_that_the_operator_writes_has_its_health() {
    let scripts = scripts();
    for kind in ["MailSystem", "Agency", "Mailbox", "QuotaPolicy"] {
        for (reason, _) in Reason::ALL {
            for (outlook, expected) in
                [(Outlook::Ready, "Healthy"), (Outlook::Waiting, "Progressing"), (Outlook::Stalled, "Degraded")]
            {
                let (status, message) = health(&scripts[kind], &written(outlook, *reason));
                assert_eq!(status, expected, "{kind} {outlook:?} {reason:?}");
                assert_eq!(message, format!("{}: what to do", reason.as_str()));
            }
        }
    }
}

#[test]
fn health_is_what_kstatus_says_of_every_combination() {
    let script = &scripts()["Mailbox"];
    let states = ["", "True", "False", "Unknown"];
    let mut seen = BTreeMap::new();
    for number in 0..states.len().pow(3) {
        let [ready, reconciling, stalled] = [number % 4, number / 4 % 4, number / 16].map(|i| states[i]);
        for (observed, deleted) in [(json!(2), false), (json!(1), false), (Value::Null, false), (json!(2), true)] {
            let conditions: Vec<Value> = [("Ready", ready), ("Reconciling", reconciling), ("Stalled", stalled)]
                .iter()
                .filter(|(_, status)| !status.is_empty())
                .map(|(kind, status)| json!({"type": kind, "status": status}))
                .collect();
            let mut object = object(json!({"observedGeneration": observed, "conditions": conditions}));
            if deleted {
                object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            let (status, _) = health(script, &object);
            // kstatus takes an object without Ready for finished; here it waits, since the operator always writes one.
            let expected =
                if ready.is_empty() && kstatus(&object) == "Healthy" { "Progressing" } else { kstatus(&object) };
            assert_eq!(status, expected, "{object}");
            *seen.entry(status).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["Degraded", "Healthy", "Progressing"]);
}

#[test]
fn an_object_that_nobody_looked_at_yet_is_in_progress() {
    for status in [Value::Null, json!({}), json!({"observedGeneration": 2})] {
        assert_eq!(health(&scripts()["Agency"], &object(status)).0, "Progressing");
    }
}

#[test]
fn a_claim_is_healthy_by_being_there() {
    let script = &scripts()["AddressClaim"];
    let mut claim = json!({"metadata": {"name": "quynhhtn.stttt"}, "spec": {"use": "Primary", "ownerRef":
        {"kind": "Mailbox", "name": "nv-000123"}, "ownerName": "Hoàng Thị Như Quỳnh"}});
    assert_eq!(health(script, &claim), ("Healthy".into(), "Primary of Mailbox nv-000123".into()));
    claim["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(health(script, &claim).0, "Progressing");
}
