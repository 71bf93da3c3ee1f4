//! Rights that the operator lacks, and what /readyz says meanwhile.

use std::net::SocketAddr;

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::api::PostParams;

use super::*;

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

/// Waits until the API server goes by a Role that does not allow this.
async fn until_refused(client: &Client, namespace: &str, user: &str, verb: &str, resource: &str, subresource: &str) {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let attributes = json!({"namespace": namespace, "group": "mail.gialai.gov.vn", "resource": resource,
        "subresource": subresource, "verb": verb});
    let review = json!({"metadata": {}, "spec": {"user": user, "resourceAttributes": attributes}});
    let review: SubjectAccessReview = serde_json::from_value(review).expect("a review");
    eventually(&format!("{verb} {resource} is refused"), SOON, || async {
        let said = reviews.create(&PostParams::default(), &review).await.map_err(|e| e.to_string())?;
        if said.status.is_some_and(|status| !status.allowed) { Ok(()) } else { Err("allowed".into()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_that_the_role_lacks_is_said_and_heals() {
    let Some(client) = tier(&[1]).await else { return };
    let namespace = namespace(&client, "refused-role").await;
    let (roles, user) = bound(&client, &namespace, rules("nothing")).await;
    let mut config = kube::Config::infer().await.expect("KUBECONFIG");
    config.auth_info.impersonate = Some(user.clone());
    let world = World::running(&client, &namespace, Client::try_from(config).expect("client")).await;
    put(&roles, &role(rules("addressclaims"))).await;
    until_refused(&client, &namespace, &user, "create", "addressclaims", "").await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "ApplyFailed", SOON).await;
    assert!(why.contains("create AddressClaim nguyentd.stttt") && why.contains("operator's Role"), "{why}");
    put(&roles, &role(rules("nothing"))).await;
    wait_ready(&world.mailboxes, "nv-1", HEALED).await;
    put(&roles, &role(rules("statuses"))).await;
    until_refused(&client, &namespace, &user, "patch", "mailboxes", "status").await;
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
async fn readyz(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
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
    // An address of its own: a port that was free a moment ago may not be.
    let [_, a, b, c] = rand::random::<u32>().to_be_bytes();
    let address = SocketAddr::from(([127, a.max(1), b, c.clamp(2, 250)], 8081));
    let operator = std::process::Command::new(env!("CARGO_BIN_EXE_mail-operator"))
        .args(["run", "--namespace", &namespace, "--own-namespace", &namespace, "--mail-image", "a", "--image", "b"])
        .args(["--listen", &address.to_string()])
        .env("KUBECONFIG", kubeconfig.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the operator starts");
    let operator = Process(operator);
    let until = async |status: &str, word: &str| {
        eventually(&format!("/readyz {status}"), HEALED, || async {
            let text = readyz(address).await.map_err(|e| e.to_string())?;
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
