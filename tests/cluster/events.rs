//! Tier 1: what people are told without the operator's log: events of transitions, and refusals of the API server in the
//! status of the object that needed the call.

use std::time::Duration;

use k8s_openapi::api::core::v1::Event as OldEvent;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use mail_operator::api::{AddressClaim, AddressClaimSpec, AddressUse, Agency, MailSystem, Mailbox, OwnerRef};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::operator::{Agent, Operator};
use crate::support::{apply, drop_namespace, eventually, initial_password, namespace, tier, wait_ready, wait_reason};
use crate::world::{AGENCY, SYSTEM, person};

const SOON: Duration = Duration::from_secs(20);
/// A refused call is tried again after 20 s, spread by a fifth.
const HEALED: Duration = Duration::from_secs(60);

struct World {
    client: Client,
    namespace: String,
    systems: Api<MailSystem>,
    agencies: Api<Agency>,
    mailboxes: Api<Mailbox>,
    events: Api<Event>,
    operator: Operator,
    _agent: Agent,
}

impl World {
    /// A system that is served, by an operator that may do what `as_operator` may.
    async fn running(client: &Client, namespace: &str, as_operator: Client) -> Self {
        let systems = Api::namespaced(client.clone(), namespace);
        let agencies = Api::namespaced(client.clone(), namespace);
        apply(&systems, SYSTEM).await.expect("system");
        apply(&agencies, AGENCY).await.expect("agency");
        let operator = Operator::start(as_operator, namespace);
        let agent = Agent::start(client, namespace).await;
        let mailboxes = Api::namespaced(client.clone(), namespace);
        wait_ready(&mailboxes, "agency-stttt", SOON).await;
        Self {
            systems,
            agencies,
            mailboxes,
            events: Api::namespaced(client.clone(), namespace),
            client: client.clone(),
            namespace: namespace.into(),
            operator,
            _agent: agent,
        }
    }

    async fn new(name: &str) -> Option<Self> {
        let client = tier(&[1]).await?;
        let namespace = namespace(&client, name).await;
        Some(Self::running(&client, &namespace, client.clone()).await)
    }

    async fn person(&self, name: &str, full_name: &str, more: &str) {
        apply(&self.mailboxes, &person(name, full_name, more)).await.expect(name);
    }

    /// `type reason` of every event about an object of ours, in their order.
    async fn told(&self, kind: &str, name: &str) -> Vec<String> {
        let mut all = self.events.list(&ListParams::default()).await.expect("events").items;
        all.retain(|e| {
            let about = e.regarding.clone().unwrap_or_default();
            about.kind.as_deref() == Some(kind) && about.name.as_deref() == Some(name)
        });
        all.sort_by_key(|e| e.event_time.as_ref().map(|t| t.0));
        let text =
            |e: &Event| format!("{} {}", e.type_.clone().unwrap_or_default(), e.reason.clone().unwrap_or_default());
        all.iter().map(text).collect()
    }

    async fn until_told(&self, kind: &str, name: &str, expected: &[&str]) {
        eventually(&format!("events of {name}"), SOON, || async {
            let found = self.told(kind, name).await;
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }

    async fn end(self) {
        self.operator.stop().await;
        drop_namespace(&self.client, &self.namespace).await;
    }
}

/// Applies any object by its JSON.
async fn put<K>(api: &Api<K>, object: &Value)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let name = object["metadata"]["name"].as_str().expect("name");
    api.patch(name, &PatchParams::apply("a-person").force(), &Patch::Apply(object)).await.expect(name);
}

const LOCK: &str = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_lock_and_a_conflict_are_told_once_and_an_issue_is_not() {
    let Some(world) = World::new("events").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.person("nv-2", "Trần Đình Nguyên", "").await;
    wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    world.until_told("Mailbox", "nv-2", &["Warning Conflict"]).await;
    world.person("nv-1", "Trần Đình Nguyên", LOCK).await;
    world.until_told("Mailbox", "nv-1", &["Normal Locked"]).await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    world.until_told("Mailbox", "nv-1", &["Normal Locked", "Normal Unlocked"]).await;
    world.person("nv-2", "Trần Đình Nguyên", ", localPart: nguyentd2.stttt").await;
    world.until_told("Mailbox", "nv-2", &["Warning Conflict", "Normal Issued"]).await;
    // Looked at again, nothing is told again.
    for name in ["nv-1", "nv-2"] {
        let again = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/reconcile-requested-at": "now"}}});
        world.mailboxes.patch(name, &PatchParams::default(), &Patch::Merge(&again)).await.expect(name);
    }
    world.person("nv-3", "Lê Văn Tám", "").await;
    wait_ready(&world.mailboxes, "nv-3", SOON).await;
    assert_eq!(world.told("Mailbox", "nv-1").await.len(), 2);
    assert_eq!(world.told("Mailbox", "nv-2").await.len(), 2);
    assert_eq!(world.told("Mailbox", "nv-3").await, Vec::<String>::new(), "the issue");
    let all = serde_json::to_string(&world.events.list(&ListParams::default()).await.expect("events").items);
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    assert!(all.is_ok_and(|text| !text.contains("argon2") && !text.contains(&password)), "R3.1");
    // What `kubectl describe` asks for.
    let old: Api<OldEvent> = Api::namespaced(world.client.clone(), &world.namespace);
    let uid = world.mailboxes.get("nv-1").await.expect("nv-1").metadata.uid.expect("uid");
    let fields = format!("involvedObject.name=nv-1,involvedObject.kind=Mailbox,involvedObject.uid={uid}");
    let described = old.list(&ListParams::default().fields(&fields)).await.expect("events").items;
    let locked = described.iter().find(|e| e.reason.as_deref() == Some("Locked")).expect("Locked");
    assert!(locked.message.as_deref().is_some_and(|m| m.contains("Compromised (6.2.b) by 9/CV")), "{locked:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agencies_and_systems_tell_of_what_a_person_must_do() {
    let Some(world) = World::new("events-system").await else { return };
    let circle = AGENCY.replace("stttt", "vong").replace("level: Province", "level: Unit, parentRef: {name: vong}");
    apply(&world.agencies, &circle).await.expect("agency");
    world.until_told("Agency", "vong", &["Warning ParentCycle"]).await;
    let second = SYSTEM.replace("name: gialai", "name: kontum").replace("gialai.gov.vn", "kontum.gov.vn");
    apply(&world.systems, &second).await.expect("system");
    world.until_told("MailSystem", "kontum", &["Warning AnotherSystemInNamespace"]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_d_15_revocations_and_the_brake_are_told_as_events_of_the_system() {
    let Some(mut world) = World::new("events-brake").await else { return };
    let names: Vec<String> = (0..25).map(|i| format!("nv-{i}")).collect();
    for name in &names {
        world.person(name, "Trần Đình Nguyên", &format!(", localPart: {name}.stttt")).await;
    }
    for name in &names {
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    // One alone is revoked, and told at the system: it has no object of its own any more.
    world.person("nv-gone", "Lê Văn Tám", "").await;
    wait_ready(&world.mailboxes, "nv-gone", SOON).await;
    world.mailboxes.delete("nv-gone", &DeleteParams::default()).await.expect("nv-gone");
    eventually("the revocation is told", SOON, || async {
        let events = world.events.list(&ListParams::default()).await.map_err(|e| e.to_string())?.items;
        let told = events.iter().find(|e| e.reason.as_deref() == Some("Revoked")).and_then(|e| e.note.clone());
        told.filter(|note| note.contains("nv-gone (tamlv.stttt@gialai.gov.vn)") && note.contains("D-14"))
            .map(drop)
            .ok_or_else(|| format!("{} events", events.len()))
    })
    .await;
    // Once: not by each look, nor by the next leader.
    world.operator.stop().await;
    world.operator = Operator::start(world.client.clone(), &world.namespace);
    for name in &names {
        world.mailboxes.delete(name, &DeleteParams::default()).await.expect(name);
    }
    eventually("the brake is told", SOON, || async {
        let found = world.told("MailSystem", "gialai").await;
        if found.iter().any(|e| e == "Warning HeldByBrake") { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert_eq!(world.told("Mailbox", "nv-3").await, Vec::<String>::new(), "what is deleted");
    let told = world.told("MailSystem", "gialai").await;
    assert_eq!(told.iter().filter(|e| *e == "Normal Revoked").count(), 1, "{told:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_the_namespace_is_said_by_the_mailbox_and_heals() {
    let Some(world) = World::new("refused-quota").await else { return };
    let quotas: Api<k8s_openapi::api::core::v1::ResourceQuota> =
        Api::namespaced(world.client.clone(), &world.namespace);
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
        "spec": {"hard": {"count/secrets": "1"}}});
    put(&quotas, &quota).await;
    eventually("the quota is in force", SOON, || async {
        let quota = quotas.get("few").await.map_err(|e| e.to_string())?;
        quota
            .status
            .and_then(|s| s.used)
            .filter(|u| u.contains_key("count/secrets"))
            .ok_or("not yet".into())
            .map(|_| ())
    })
    .await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "ApplyFailed", SOON).await;
    for needle in ["create Secret nv-1-credentials", "exceeded quota: few", "ResourceQuota"] {
        assert!(why.contains(needle), "{needle}: {why}");
    }
    world.until_told("Mailbox", "nv-1", &["Warning ApplyFailed"]).await;
    quotas.delete("few", &DeleteParams::default()).await.expect("deleted");
    let mailbox = wait_ready(&world.mailboxes, "nv-1", HEALED).await;
    let left = mailbox.status.expect("status").conditions;
    assert!(left.iter().all(|c| c.reason != "ApplyFailed"), "{left:?}");
    world.until_told("Mailbox", "nv-1", &["Warning ApplyFailed", "Normal Issued"]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_denies_is_said_by_mailbox_and_agency_and_heals() {
    use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
    let Some(world) = World::new("refused-policy").await else { return };
    let name = format!("no-new-{}", world.namespace);
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(world.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(world.client.clone());
    // Claims of people, and mailboxes of agencies.
    let denied = "!(object.kind == 'AddressClaim' || object.metadata.name.startsWith('agency-'))";
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name}, "spec": {"failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
            "resourceRules": [{"apiGroups": ["mail.gialai.gov.vn"], "apiVersions": ["*"], "operations": ["CREATE"],
                "resources": ["addressclaims", "mailboxes"]}]},
        "validations": [{"expression": denied, "message": "closed for the year's end"}]}});
    put(&policies, &policy).await;
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}});
    put(&bindings, &binding).await;
    let probe: Mailbox = serde_json::from_value(json!({"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "Mailbox",
        "metadata": {"name": "agency-probe"}, "spec": {"agencyRef": {"name": "stttt"}, "fullName": "Thử", "holder": "Agency",
        "basis": {"number": "1", "date": "2026-01-01", "issuer": "x"}}}))
    .expect("a mailbox");
    eventually("the policy is in force", SOON, || async {
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        world.mailboxes.create(&dry, &probe).await.map_or_else(|_| Ok(()), |_| Err("not yet".into()))
    })
    .await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    apply(&world.agencies, &AGENCY.replace("stttt", "sxd").replace("Sở Thông tin và Truyền thông", "Sở Xây dựng"))
        .await
        .expect("agency");
    let why = wait_reason(&world.mailboxes, "nv-1", "ApplyFailed", SOON).await;
    assert!(why.contains("create AddressClaim nguyentd.stttt") && why.contains("closed for the year's end"), "{why}");
    let why = wait_reason(&world.agencies, "sxd", "ApplyFailed", SOON).await;
    assert!(why.contains("patch Mailbox agency-sxd") && why.contains("change that policy"), "{why}");
    bindings.delete(&name, &DeleteParams::default()).await.expect("deleted");
    policies.delete(&name, &DeleteParams::default()).await.expect("deleted");
    wait_ready(&world.mailboxes, "nv-1", HEALED).await;
    wait_ready(&world.agencies, "sxd", HEALED).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_does_not_answer_is_said_only_when_it_lasts_and_heals() {
    use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
    let Some(world) = World::new("refused-hook").await else { return };
    let name = format!("dead-{}", world.namespace);
    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(world.client.clone());
    // Nobody listens there.
    let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name}, "webhooks": [{"name": "dead.example.org", "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/"}, "timeoutSeconds": 1,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        "rules": [{"apiGroups": ["mail.gialai.gov.vn"], "apiVersions": ["*"], "operations": ["CREATE"],
            "resources": ["addressclaims"]}]}]});
    put(&hooks, &hook).await;
    let claims: Api<AddressClaim> = Api::namespaced(world.client.clone(), &world.namespace);
    let owner_ref = OwnerRef { kind: "Mailbox".into(), name: "nobody".into(), uid: None };
    let spec = AddressClaimSpec {
        address_use: AddressUse::Reserved,
        owner_ref,
        owner_name: "Thử".into(),
        ..AddressClaimSpec::default()
    };
    let probe = AddressClaim::new("probe", spec);
    eventually("the webhook is in force", SOON, || async {
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        claims.create(&dry, &probe).await.map_or_else(|_| Ok(()), |_| Err("not yet".into()))
    })
    .await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    eventually("a first attempt", SOON, || async {
        let failed = r#"reconcile_total{controller="mailbox",result="error"}"#;
        if world.operator.metrics.text().contains(failed) { Ok(()) } else { Err("none".into()) }
    })
    .await;
    let status = world.mailboxes.get("nv-1").await.expect("nv-1").status.expect("its default");
    assert!(status.conditions.is_empty(), "a blip is not written");
    let why = wait_reason(&world.mailboxes, "nv-1", "ApplyFailed", HEALED).await;
    assert!(why.contains("create AddressClaim nguyentd.stttt") && why.contains("again and again"), "{why}");
    hooks.delete(&name, &DeleteParams::default()).await.expect("deleted");
    wait_ready(&world.mailboxes, "nv-1", HEALED).await;
    world.end().await;
}

/// The rules of the chart's Role, without what writes `lacking`.
fn rules(lacking: &str) -> Value {
    let chart = format!("{}/charts/mail-operator", env!("CARGO_MANIFEST_DIR"));
    let output = std::process::Command::new("helm")
        .args(["template", "mail-operator", &chart, "--show-only", "templates/rbac.yaml"])
        .output()
        .expect("helm");
    let text = String::from_utf8_lossy(&output.stdout);
    let documents = serde_yaml::Deserializer::from_str(&text).map(|d| Value::deserialize(d).expect("YAML"));
    let role = |d: &Value| d["kind"] == "Role" && d["metadata"]["name"] == "mail-operator";
    let mut rules = documents.into_iter().find(role).expect("the Role of the chart")["rules"].take();
    for rule in rules.as_array_mut().expect("rules") {
        let keep = |list: &mut Value, not: &str| list.as_array_mut().expect("a list").retain(|v| v != not);
        match lacking {
            "addressclaims" if rule["resources"][0] == "addressclaims" => keep(&mut rule["verbs"], "create"),
            "statuses" => keep(&mut rule["resources"], "mailboxes/status"),
            _ => {}
        }
    }
    // A rule for nothing is refused.
    rules
        .as_array_mut()
        .expect("rules")
        .retain(|rule| rule["resources"].as_array().is_some_and(|list| !list.is_empty()));
    rules
}

fn role(rules: Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "mail-operator"},
        "rules": rules})
}

/// A ServiceAccount with these rights in a namespace: the Roles there, and its user.
async fn bound(client: &Client, namespace: &str, rules: Value) -> (Api<Role>, String) {
    let roles: Api<Role> = Api::namespaced(client.clone(), namespace);
    put(&roles, &role(rules)).await;
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "mail-operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "mail-operator"},
        "subjects": [{"kind": "ServiceAccount", "name": "mail-operator", "namespace": namespace}]});
    put(&bindings, &binding).await;
    (roles, format!("system:serviceaccount:{namespace}:mail-operator"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_that_the_role_lacks_is_said_and_heals() {
    let Some(client) = tier(&[1]).await else { return };
    let namespace = namespace(&client, "refused-role").await;
    let (roles, user) = bound(&client, &namespace, rules("nothing")).await;
    let mut config = kube::Config::infer().await.expect("KUBECONFIG");
    config.auth_info.impersonate = Some(user);
    let world = World::running(&client, &namespace, Client::try_from(config).expect("client")).await;
    put(&roles, &role(rules("addressclaims"))).await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "ApplyFailed", SOON).await;
    assert!(why.contains("create AddressClaim nguyentd.stttt") && why.contains("operator's Role"), "{why}");
    put(&roles, &role(rules("nothing"))).await;
    wait_ready(&world.mailboxes, "nv-1", HEALED).await;
    put(&roles, &role(rules("statuses"))).await;
    world.person("nv-2", "Lê Văn Tám", "").await;
    eventually("the status that cannot be written is counted", SOON, || async {
        let counted = r#"status_errors_total{controller="mailbox"}"#;
        if world.operator.metrics.text().contains(counted) { Ok(()) } else { Err("not counted".into()) }
    })
    .await;
    world.end().await;
}

/// The kubeconfig of this tier, acting as `user`.
fn kubeconfig_as(user: &str) -> tempfile::NamedTempFile {
    let path = std::env::var("KUBECONFIG").expect("KUBECONFIG");
    let mut config: Value = serde_yaml::from_str(&std::fs::read_to_string(path).expect("kubeconfig")).expect("YAML");
    config["users"][0]["user"]["as"] = json!(user);
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), config.to_string()).expect("kubeconfig");
    file
}

/// Ends with the test, even one that fails.
struct Process(std::process::Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Status line and body of /readyz.
async fn readyz(port: u16) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_of_a_leader_is_red_until_its_caches_are_filled() {
    let Some(client) = tier(&[1]).await else { return };
    let namespace = namespace(&client, "readyz").await;
    let leases =
        json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]});
    let (roles, user) = bound(&client, &namespace, json!([leases])).await;
    let kubeconfig = kubeconfig_as(&user);
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let operator = std::process::Command::new(env!("CARGO_BIN_EXE_mail-operator"))
        .args(["run", "--namespace", &namespace, "--own-namespace", &namespace, "--mail-image", "a", "--image", "b"])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .env("KUBECONFIG", kubeconfig.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the operator starts");
    let operator = Process(operator);
    let until = async |status: &str, word: &str| {
        eventually(&format!("/readyz {status}"), HEALED, || async {
            let text = readyz(port).await.map_err(|e| e.to_string())?;
            if text.contains(status) && text.contains(word) { Ok(()) } else { Err(text) }
        })
        .await;
    };
    until("503", &format!("the caches of {namespace} are not filled")).await;
    let mut all = rules("nothing");
    all.as_array_mut().expect("rules").push(leases);
    put(&roles, &role(all)).await;
    until("200 OK", "ok").await;
    drop(operator);
    drop_namespace(&client, &namespace).await;
}
