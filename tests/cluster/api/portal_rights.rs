//! Tier 1: what the password page's account may do and what it may not, by the chart's Role and ValidatingAdmissionPolicy.

use std::process::Command;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy as Policy, ValidatingAdmissionPolicyBinding as Binding,
};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{SOON, World};
use crate::support::{eventually, wait_ready};

const ACCOUNT: &str = "mail-operator-portal";

/// The rules of the page's Role, as they stand in the chart.
pub(super) fn rules() -> serde_json::Value {
    let path = format!("{}/charts/mail-operator/templates/rbac.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the chart");
    let own = |part: &&str| part.contains("kind: Role\n") && part.contains("-portal\n");
    let role = text.split("\n---\n").find(own).expect("a Role of the page");
    let rules = &role[role.find("rules:").expect("rules")..];
    serde_yaml::from_str::<serde_json::Value>(rules).expect("YAML")["rules"].clone()
}

/// A client that may do what the page's ServiceAccount may, by its Role and by the policy of the chart.
pub(super) async fn as_portal(client: &Client, namespace: &str) -> Client {
    let role = json!({"metadata": {"name": ACCOUNT}, "rules": rules()});
    let binding = json!({"metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}]});
    let roles: Api<Role> = Api::namespaced(client.clone(), namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    roles.create(&PostParams::default(), &serde_json::from_value(role).expect("Role")).await.expect("Role");
    let binding = serde_json::from_value(binding).expect("RoleBinding");
    bindings.create(&PostParams::default(), &binding).await.expect("RoleBinding");
    hold_to_policy(client, namespace).await;
    let mut config = kube::Config::infer().await.expect("KUBECONFIG");
    config.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:{ACCOUNT}"));
    config.default_retry = false;
    let page = Client::try_from(config).expect("a client");
    in_force(client, &page, namespace).await;
    page
}

/// The policy and its binding, as helm renders them for this namespace.
async fn hold_to_policy(client: &Client, namespace: &str) {
    let chart = format!("{}/charts/mail-operator", env!("CARGO_MANIFEST_DIR"));
    let namespaces = format!("namespaces={{elsewhere,{namespace}}}");
    let mut helm = Command::new("helm");
    helm.args(["template", "mail-operator", &chart, "--namespace", namespace, "--set", &namespaces]);
    let output = helm.args(["--show-only", "templates/portal-policy.yaml"]).output().expect("helm");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for document in serde_yaml::Deserializer::from_slice(&output.stdout) {
        let object = Value::deserialize(document).expect("YAML");
        let parameters = PostParams::default();
        if object["kind"] == "ValidatingAdmissionPolicy" {
            let policy = serde_json::from_value(object).expect("a policy");
            Api::<Policy>::all(client.clone()).create(&parameters, &policy).await.expect("policy");
        } else {
            let binding = serde_json::from_value(object).expect("a binding");
            Api::<Binding>::all(client.clone()).create(&parameters, &binding).await.expect("binding");
        }
    }
}

/// The API server takes a moment to hold anybody to a new policy.
async fn in_force(client: &Client, page: &Client, namespace: &str) {
    let probe = json!({"metadata": {"name": "policy-probe"}, "data": {"x": "eA=="}});
    let probe: Secret = serde_json::from_value(probe).expect("a Secret");
    let created = Api::<Secret>::namespaced(client.clone(), namespace).create(&PostParams::default(), &probe).await;
    let probe = created.expect("a Secret");
    let theirs: Api<Secret> = Api::namespaced(page.clone(), namespace);
    eventually("the policy is in force", SOON, || async {
        match theirs.replace("policy-probe", &PostParams { dry_run: true, ..PostParams::default() }, &probe).await {
            Err(kube::Error::Api(status)) if status.message.contains("credentials of mailboxes alone") => Ok(()),
            other => Err(format!("{:?}", other.map(drop))),
        }
    })
    .await;
}

/// Policies are of no namespace.
pub(super) async fn release(client: &Client, namespace: &str) {
    let name = format!("{ACCOUNT}.{namespace}");
    let parameters = DeleteParams::default();
    Api::<Binding>::all(client.clone()).delete(&name, &parameters).await.expect("binding");
    Api::<Policy>::all(client.clone()).delete(&name, &parameters).await.expect("policy");
}

fn with(secret: &Secret, change: impl FnOnce(&mut Value)) -> Secret {
    let mut value = serde_json::to_value(secret).expect("JSON");
    change(&mut value);
    serde_json::from_value(value).expect("a Secret")
}

/// What an update that is refused says.
async fn refusal(secrets: &Api<Secret>, name: &str, secret: &Secret) -> String {
    match secrets.replace(name, &PostParams::default(), secret).await {
        Err(kube::Error::Api(status)) if status.code == 403 => status.message.clone(),
        other => panic!("{name}: {:?}", other.map(drop)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_the_account_of_the_page_changes_hashes_of_mailboxes_and_nothing_else() {
    let Some((world, operator, _agent)) = World::running("portal-rights").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let page = as_portal(&world.client, &world.namespace).await;
    let secrets: Api<Secret> = Api::namespaced(page.clone(), &world.namespace);
    // Secrets that are no credentials, whatever is changed of them, and whatever they are made to look like.
    let all: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    for name in ["gialai-tls", "gialai-agent-ca", "gialai-dkim", "policy-probe"] {
        let theirs = all.get(name).await.expect(name);
        let labelled = with(&theirs, |s| s["metadata"]["labels"] = json!({"mail.gialai.gov.vn/credentials": "true"}));
        let more = with(&theirs, |s| s["data"]["hash"] = json!("eA=="));
        for changed in [theirs, labelled, more] {
            let said = refusal(&secrets, name, &changed).await;
            assert!(said.contains("credentials of mailboxes alone"), "{name}: {said}");
        }
    }
    // Credentials: the hash alone.
    let name = "nv-1-credentials";
    let known = all.get(name).await.expect(name);
    let good = |s: &mut Value| {
        s["data"] = json!({"hash": "bmV3"});
        s["metadata"]["annotations"]["mail.gialai.gov.vn/password-changed-at"] = json!("2026-06-01T00:00:00Z");
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Value));
    let cases: [Change<'_>; 8] = [
        ("no labels", &|s| s["metadata"]["labels"] = json!({})),
        ("no labels", &|s| s["metadata"]["labels"]["more"] = json!("x")),
        ("owners", &|s| {
            let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"});
            s["metadata"]["ownerReferences"] = json!([owner]);
        }),
        ("finalizers", &|s| s["metadata"]["finalizers"] = json!(["x.vn/y"])),
        ("of the annotations", &|s| s["metadata"]["annotations"]["mail.gialai.gov.vn/holder"] = json!("Ai đó")),
        ("of the annotations", &|s| s["metadata"]["annotations"] = json!({})),
        ("of the data", &|s| s["data"]["other"] = json!("eA==")),
        ("of the data", &|s| s["data"]["initialPassword"] = json!("eA==")),
    ];
    for (said, change) in cases {
        let changed = with(&known, |s| {
            good(s);
            change(s);
        });
        let refused = refusal(&secrets, name, &changed).await;
        assert!(refused.contains(said), "{said}: {refused}");
    }
    let gone = with(&known, |s| s["data"] = json!({}));
    assert!(refusal(&secrets, name, &gone).await.contains("of the data"));
    secrets.replace(name, &PostParams::default(), &with(&known, good)).await.expect("a new hash");
    let now = all.get(name).await.expect(name);
    assert_eq!(
        now.data.expect("data").into_iter().map(|(k, v)| (k, v.0)).collect::<Vec<_>>(),
        [("hash".into(), b"new".to_vec())]
    );
    // Neither list nor any other verb: RBAC says no before any policy is asked.
    assert!(secrets.list(&ListParams::default()).await.is_err());
    assert!(secrets.delete(name, &DeleteParams::default()).await.is_err());
    assert!(
        secrets.create(&PostParams::default(), &with(&known, |s| s["metadata"] = json!({"name": "x"}))).await.is_err()
    );
    let patch = Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}}));
    assert!(secrets.patch("gialai-tls", &PatchParams::default(), &patch).await.is_err());
    // Somebody else with the same verbs is none of the policy's business: the operator writes what it wants.
    all.replace("policy-probe", &PostParams::default(), &all.get("policy-probe").await.expect("it"))
        .await
        .expect("free");
    operator.stop().await;
    release(&world.client, &world.namespace).await;
    world.end().await;
}
