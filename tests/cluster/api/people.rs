//! Tier 1: what people may do by the Roles of the chart, as the API server judges it.

use std::collections::BTreeSet;
use std::process::Command;

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PostParams;
use kube::{Api, Client};
use mail_operator::api::Mailbox;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{SOON, World};
use crate::support::eventually;

const ROLES: [&str; 4] = ["administrators", "department", "agencies", "auditors"];

/// The Roles and bindings, as helm renders them for this namespace with a group for each.
async fn bind(client: &Client, namespace: &str) {
    let chart = format!("{}/charts/mail-operator", env!("CARGO_MANIFEST_DIR"));
    let mut helm = Command::new("helm");
    helm.args(["template", "mail-operator", &chart, "--namespace", namespace, "--show-only", "templates/people.yaml"]);
    for role in ROLES {
        let subject = json!([{"kind": "Group", "name": role, "apiGroup": "rbac.authorization.k8s.io"}]);
        helm.args(["--set-json", &format!("people.{role}={subject}")]);
    }
    let output = helm.output().expect("helm");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let how = PostParams::default();
    for document in serde_yaml::Deserializer::from_slice(&output.stdout) {
        let object = Value::deserialize(document).expect("YAML");
        if object.is_null() {
            continue;
        }
        if object["kind"] == "Role" {
            let role: Role = serde_json::from_value(object).expect("a Role");
            Api::namespaced(client.clone(), namespace).create(&how, &role).await.expect("Role");
        } else {
            let binding: RoleBinding = serde_json::from_value(object).expect("a binding");
            Api::namespaced(client.clone(), namespace).create(&how, &binding).await.expect("RoleBinding");
        }
    }
}

/// Whether somebody of the group may, by what the API server says.
async fn may(client: &Client, namespace: &str, group: &str, verb: &str, resource: &str) -> bool {
    let (path, api_group) = match resource.split_once('.') {
        Some((path, "mail")) => (path, "mail.gialai.gov.vn"),
        _ => (resource, ""),
    };
    let (resource, sub) = path.split_once('/').unwrap_or((path, ""));
    let attributes =
        json!({"namespace": namespace, "verb": verb, "group": api_group, "resource": resource, "subresource": sub});
    let review =
        json!({"spec": {"user": "an", "groups": [group, "system:authenticated"], "resourceAttributes": attributes}});
    let review: SubjectAccessReview = serde_json::from_value(review).expect("a review");
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.expect("an answer");
    answer.status.is_some_and(|status| status.allowed)
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_1_only_the_department_issues_changes_and_revokes_and_agencies_look() {
    let Some(world) = World::new("people").await else { return };
    let (client, namespace) = (&world.client, world.namespace.as_str());
    bind(client, namespace).await;
    eventually("the Roles are in force", SOON, || async {
        for group in ROLES {
            if !may(client, namespace, group, "get", "mailboxes.mail").await {
                return Err(format!("{group} may not look"));
            }
        }
        Ok(())
    })
    .await;
    let writes = ["create", "update", "patch", "delete"];
    let peoples = ["agencies.mail", "mailboxes.mail", "quotapolicies.mail", "workcalendars.mail"];
    let operators =
        ["addressclaims.mail", "mailboxactivities.mail", "mailboxes/status.mail", "mailsystems/status.mail"];
    for group in ROLES.into_iter().chain(["strangers"]) {
        let (administrator, department) =
            (group == "administrators", ["administrators", "department"].contains(&group));
        let mut wrong = BTreeSet::new();
        for verb in writes {
            for kind in peoples {
                if may(client, namespace, group, verb, kind).await != department {
                    wrong.insert(format!("{verb} {kind}"));
                }
            }
            if may(client, namespace, group, verb, "mailsystems.mail").await != administrator {
                wrong.insert(format!("{verb} mailsystems"));
            }
            for kind in operators {
                if may(client, namespace, group, verb, kind).await {
                    wrong.insert(format!("{verb} {kind}"));
                }
            }
        }
        for kind in ["secrets", "pods/exec"] {
            for verb in ["get", "list", "create", "patch", "update"] {
                if may(client, namespace, group, verb, kind).await {
                    wrong.insert(format!("{verb} {kind}"));
                }
            }
        }
        let deeper = department || group == "auditors";
        for (verb, kind) in [("list", "mailboxactivities.mail"), ("get", "pods/log")] {
            if may(client, namespace, group, verb, kind).await != deeper {
                wrong.insert(format!("{verb} {kind}"));
            }
        }
        if may(client, "elsewhere", group, "get", "mailboxes.mail").await {
            wrong.insert("get mailboxes of another namespace".into());
        }
        assert_eq!(wrong, BTreeSet::new(), "{group}");
    }
    attempts(namespace).await;
    world.end().await;
}

/// The same by a clerk and by somebody of the department who write.
async fn attempts(namespace: &str) {
    let spec = json!({"agencyRef": {"name": "stttt"}, "fullName": "Lê An",
        "basis": {"number": "1/VP", "date": "2026-02-02", "issuer": "STTTT"}});
    let person: Mailbox =
        serde_json::from_value(json!({"metadata": {"name": "nv-1"}, "spec": spec})).expect("a Mailbox");
    for (group, allowed) in [("agencies", false), ("department", true)] {
        let mut config = kube::Config::infer().await.expect("KUBECONFIG");
        config.auth_info.impersonate = Some("an".into());
        config.auth_info.impersonate_groups = Some(vec![group.into()]);
        let theirs: Api<Mailbox> = Api::namespaced(Client::try_from(config).expect("a client"), namespace);
        let made = theirs.create(&PostParams::default(), &person).await;
        assert_eq!(made.is_ok(), allowed, "{group}: {:?}", made.err());
        assert!(theirs.get("nv-1").await.is_ok() == allowed, "{group}");
    }
}
