//! What the API server refuses by a rule of a kind (CEL) is an error of `validate`: each rule that stands in the kinds is broken once.

use serde_json::json;

use super::*;

/// A rule: where it stands, and what it says.
#[derive(Debug, PartialEq)]
struct Rule {
    kind: String,
    path: String,
    message: String,
}

/// The rules about what people write, but for those about a change, which need the object of the cluster.
fn rules() -> Vec<Rule> {
    let mut all = Vec::new();
    for kind in mail_operator::cli::kinds::all() {
        collect(&kind.name, &kind.schema, "", &mut all);
    }
    all
}

fn collect(kind: &str, schema: &Value, path: &str, all: &mut Vec<Rule>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let text = |key: &str| rule[key].as_str().unwrap().to_string();
        if !text("rule").contains("oldSelf") {
            all.push(Rule { kind: kind.into(), path: path.into(), message: text("message") });
        }
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten().filter(|(name, _)| *name != "status") {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(kind, child, &path, all);
    }
    // No rule of what people write stands below a list.
    assert!(!schema["items"].to_string().contains("x-kubernetes-validations"), "{path}");
}

/// Good objects with every field that has a rule.
fn good(kind: &str) -> Value {
    let basis = json!({"number": "1/x", "date": "2026-01-01", "issuer": "x"});
    let (cited, named) = (json!({"basis": basis}), json!({"name": "x"}));
    let spec = match kind {
        "Agency" => {
            json!({"systemRef": named, "level": "District", "name": "UBND huyện X", "parentRef": named, "initials": "x",
            "localPart": "xyz", "suffix": "x", "quotaPolicyRef": named, "rename": cited, "basis": basis})
        }
        "Mailbox" => json!({"agencyRef": named, "fullName": "Lê An", "localPart": "an.x", "disambiguator": "2",
            "quotaPolicyRef": named, "successorRef": named, "startsOn": "2026-01-01", "endsOn": "2026-12-31",
            "lock": {"reasons": ["Compromised"], "basis": basis}, "rename": cited, "ending": cited, "hold": cited,
            "absence": {"from": "2026-06-01", "to": "2026-06-30", "basis": basis},
            "restore": {"receivedAt": "2026-06-15T09:00:00+07:00", "basis": basis}, "basis": basis}),
        "MailSystem" => {
            json!({"domain": "x.gov.vn", "hostname": "mail.x.gov.vn", "dovecot": {"replicas": 1, "storage": {"size": "1Gi"}},
            "defaultQuota": {"storage": "2Gi", "maxAttachment": "20M"}, "maxAttachment": "50M", "relayHost": "relay.x:587",
            "postmasterRef": named, "office": {"phone": "0269", "email": "a@x.vn"}, "acknowledge": {"held": "1-a", "basis": basis},
            "portal": {"replicas": 1, "trustedProxies": ["10.0.0.0/8"], "url": "https://x.vn/"}, "tls": {"secretRef": named},
            "regulation": {"retention": {"logMonths": 6}, "workCalendarRef": named}})
        }
        "QuotaPolicy" => {
            json!({"systemRef": named, "storage": "5Gi", "maxAttachment": "25M", "warnAtPercent": [80], "rearmBelowPercent": 75})
        }
        other => panic!("{other}"),
    };
    json!({"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": kind, "metadata": {"name": "good"}, "spec": spec})
}

/// What breaks the rule: a field, and its value.
fn wrong(rule: &Rule) -> (&'static str, Value) {
    let named = json!({"name": "x"});
    let begins = |text: &str| rule.message.starts_with(text);
    let quantity = |path| (path, json!("5.5Gi"));
    match (rule.kind.as_str(), rule.path.as_str()) {
        (_, path) if path.ends_with(".basis") && begins("R5.2: a basis names") => ("number", json!(" ")),
        (_, path) if path.ends_with(".basis") => ("issuer", json!("ISSUER")),
        (_, path) if path.ends_with("Ref.name") => ("", json!("Sở_X")),
        ("Agency", "") => ("metadata.name", json!("a".repeat(57))),
        ("Agency", "spec") if begins("R4.1.a") => ("level", json!("Province")),
        ("Agency", "spec") => ("parentRef", Value::Null),
        (_, "spec.name" | "spec.fullName") => ("", json!("Y")),
        (_, "spec.localPart") => ("", json!("An_x")),
        (_, "spec.initials" | "spec.suffix") => ("", json!("x-y")),
        ("Mailbox", "") if begins("the name") => ("metadata.name", json!("a".repeat(64))),
        ("Mailbox", "") if begins("names that") => ("metadata.name", json!("agency-x")),
        ("Mailbox", "") if begins("R5.4.b") => ("spec.endsOn", json!("2026-01-01")),
        ("Mailbox", "") => ("spec.successorRef.name", json!("good")),
        (_, "spec.absence") => ("to", json!("2026-05-01")),
        (_, "spec.disambiguator") if begins("D-07: a disamb") => ("", json!("a-b")),
        (_, "spec.disambiguator") => ("", json!("12031985")),
        ("MailSystem", "") if begins("the name") => ("metadata.name", json!("a.b")),
        ("MailSystem", "") => ("spec.tls.secretRef.name", json!("good-tls")),
        (_, "spec.tls") => ("certManager", json!({"issuerRef": named})),
        (_, "spec.domain" | "spec.hostname") => ("", json!("X.gov.vn")),
        (_, "spec.dovecot.replicas") => ("", json!(2)),
        (_, "spec.portal.replicas") => ("", json!(6)),
        (_, "spec.portal.trustedProxies") => ("", json!(["10.0.0.1"])),
        (_, "spec.portal.url") => ("", json!("http://x.vn/")),
        (_, "spec.office.phone") => ("", json!("số 1")),
        (_, "spec.office.email") => ("", json!("hotro")),
        (_, "spec.relayHost") => ("", json!("a b")),
        (_, "spec.regulation.retention.logMonths") => ("", json!(5)),
        ("QuotaPolicy", "spec") => ("rearmBelowPercent", json!(80)),
        (_, path) if path.ends_with("torage") || path.ends_with("size") || path.ends_with("maxAttachment") => {
            quantity("")
        }
        _ => panic!("say how {rule:?} is broken"),
    }
}

fn broken(rule: &Rule) -> Value {
    let mut object = good(&rule.kind);
    let (field, value) = wrong(rule);
    let path: Vec<&str> = rule.path.split('.').chain(field.split('.')).filter(|part| !part.is_empty()).collect();
    let (last, above) = path.split_last().unwrap();
    let owner = above.iter().fold(&mut object, |at, part| &mut at[*part]);
    match value {
        Value::Null => drop(owner.as_object_mut().unwrap().remove(*last)),
        value => owner[*last] = value,
    }
    if rule.message.starts_with("R4.1.c") {
        object["spec"]["level"] = json!("Unit");
    }
    object
}

#[test]
fn every_rule_of_a_kind_is_an_error_as_it_is_for_the_api_server() {
    let all = rules();
    assert!(all.len() > 50, "{}", all.len());
    let mut folder = Folder::new();
    for kind in ["Agency", "Mailbox", "MailSystem", "QuotaPolicy"] {
        let alone = Folder::new().with("a.json", good(kind).to_string());
        let (found, _) = alone.validate(&["--allow-missing", "Agency/*"]);
        assert!(found.iter().all(|found| found.severity == "warning"), "{kind}: {found:#?}");
    }
    for (i, rule) in all.iter().enumerate() {
        folder = folder.with(&format!("{i}/a.json"), broken(rule).to_string());
    }
    let (found, code) = folder.validate(&[]);
    assert_eq!(code, 1);
    let untold = all.iter().enumerate().filter(|(i, rule)| {
        let here = |found: &&Found| found.severity == "error" && found.place.starts_with(&format!("{i}/a.json:"));
        // Where a name or an address is wrong, the rules of names say more of the same field.
        let same = |found: &Found| {
            found.path == rule.path && (found.code != "RuleBroken" || rule.message.contains(&found.message))
        };
        !found.iter().filter(here).any(same)
    });
    let untold: Vec<_> = untold.map(|(_, rule)| rule).collect();
    assert!(untold.is_empty(), "{untold:#?}");
}

#[test]
fn a_word_that_kubectl_takes_for_a_boolean_is_an_error_where_text_belongs() {
    for word in ["Y", "y", "N", "n", "Yes", "off"] {
        for field in ["number: 12/STTTT-VP", "issuer: Sở Thông tin và Truyền thông"] {
            let key = field.split(':').next().unwrap();
            let folder = |value: &str| Folder::new().with("m.yaml", MAILBOX.replace(field, &format!("{key}: {value}")));
            let (found, code) = folder(word).validate(&[]);
            let of = found.iter().find(|found| found.path == format!("spec.basis.{key}")).unwrap();
            assert_eq!(
                (of.code.as_str(), of.severity.as_str(), code),
                ("UnquotedWord", "error", 1),
                "{word}: {found:#?}"
            );
            assert!(of.message.contains(&format!("quote it: \"{word}\"")), "{of:?}");
            // With quotes it is text; whether it is a document no program knows.
            assert_eq!(folder(&format!("\"{word}\"")).validate(&[]), (vec![], 0));
        }
    }
}
