//! What the tests on a real API server share.

pub mod closed;
pub mod mail;
pub mod operator;

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The client of the tier that runs, or the reason why this test is skipped. `REQUIRE=1` makes a skip a failure.
pub async fn tier(wanted: &[u8]) -> Option<Client> {
    let tier = std::env::var("TESTBED_TIER").ok().and_then(|t| t.parse::<u8>().ok());
    if !tier.is_some_and(|t| wanted.contains(&t)) {
        let why = format!("skipped: wants tier {wanted:?}, TESTBED_TIER is {tier:?}; run it by `make test`");
        assert!(std::env::var("REQUIRE").as_deref() != Ok("1") || tier.is_some(), "{why}");
        eprintln!("{why}");
        return None;
    }
    mail_operator::tls::install_provider();
    let client = Client::try_default().await.expect("KUBECONFIG");
    if tier == Some(1) {
        KINDS.get_or_init(|| install_kinds(&client)).await;
    }
    Some(client)
}

static KINDS: OnceCell<()> = OnceCell::const_new();

/// Tier 1: our kinds, as `kubectl apply --server-side -f crds` installs them.
async fn install_kinds(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in mail_operator::api::crds() {
        let parameters = PatchParams::apply("tests").force();
        api.patch(&crd.name_any(), &parameters, &Patch::Apply(&crd)).await.expect("CRD");
    }
    eventually("kinds are established", Duration::from_secs(20), || async {
        let crds = api.list(&ListParams::default()).await.map_err(|e| e.to_string())?;
        let conditions = |crd: &CustomResourceDefinition| crd.status.as_ref().and_then(|s| s.conditions.clone());
        let ready = |crd: &&CustomResourceDefinition| {
            conditions(crd).iter().flatten().any(|c| c.type_ == "Established" && c.status == "True")
        };
        let count = crds.items.iter().filter(ready).count();
        if count == mail_operator::api::crds().len() { Ok(()) } else { Err(format!("{count} of them")) }
    })
    .await;
}

/// Asks again until the answer is there; fails with what it was last.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let start = Instant::now();
    loop {
        let last = match ask().await {
            Ok(value) => return value,
            Err(error) => error,
        };
        assert!(start.elapsed() < limit, "{what}: not within {} s; last: {last}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A namespace of its own for one test.
pub async fn namespace(client: &Client, name: &str) -> String {
    let name = format!("{name}-{:06x}", rand::random::<u32>() & 0xff_ffff);
    let api: Api<Namespace> = Api::all(client.clone());
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).expect("namespace");
    api.create(&PostParams::default(), &namespace).await.expect("namespace");
    name
}

/// Deletes a namespace without waiting.
pub async fn drop_namespace(client: &Client, name: &str) {
    let _ = Api::<Namespace>::all(client.clone()).delete(name, &DeleteParams::default()).await;
}

/// Applies one YAML document of our kinds, as `kubectl apply --server-side` does.
pub async fn apply<K>(api: &Api<K>, yaml: &str) -> Result<K, kube::Error>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut value: serde_json::Value = serde_yaml::from_str(yaml).expect("YAML");
    let name = value["metadata"]["name"].as_str().expect("name").to_string();
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    api.patch(&name, &PatchParams::apply("a-person").force(), &Patch::Apply(&value)).await
}

/// The initial password of a mailbox, as its holder gets it.
pub async fn initial_password(client: &Client, namespace: &str, mailbox: &str) -> String {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = secrets.get(&format!("{mailbox}-credentials")).await.expect("credentials");
    String::from_utf8(secret.data.expect("data")["initialPassword"].0.clone()).expect("text")
}

/// `Ready` of an object as it is now, or its reason and message.
pub fn ready<K: ResourceExt + serde::Serialize>(object: &K) -> Result<(), String> {
    let value = serde_json::to_value(object).expect("JSON");
    let conditions = value["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let generation = value["metadata"]["generation"].as_i64();
    match conditions.iter().find(|c| c["type"] == "Ready") {
        Some(c) if c["observedGeneration"].as_i64() < generation => Err("the last change was not seen yet".into()),
        Some(c) if c["status"] == "True" => Ok(()),
        Some(c) => Err(format!("{}: {}", c["reason"], c["message"])),
        None => Err("no condition Ready".into()),
    }
}

/// Waits until an object is Ready.
pub async fn wait_ready<K>(api: &Api<K>, name: &str, limit: Duration) -> K
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + serde::Serialize,
{
    eventually(&format!("{} {name} Ready", K::kind(&())), limit, || async {
        let object = api.get(name).await.map_err(|e| e.to_string())?;
        ready(&object).map(|()| object)
    })
    .await
}

/// Waits until `Ready` is not true for a reason.
pub async fn wait_reason<K>(api: &Api<K>, name: &str, reason: &str, limit: Duration) -> String
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + serde::Serialize,
{
    eventually(&format!("{} {name} {reason}", K::kind(&())), limit, || async {
        let object = api.get(name).await.map_err(|e| e.to_string())?;
        match ready(&object) {
            Err(text) if text.starts_with(&format!("\"{reason}\"")) => Ok(text),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// Applies any object by its JSON.
pub async fn put<K>(api: &Api<K>, object: &Value)
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let name = object["metadata"]["name"].as_str().expect("name");
    api.patch(name, &PatchParams::apply("a-person").force(), &Patch::Apply(object)).await.expect(name);
}
