//! What `docs/benchmarks.md` reports. Run by `make bench`, inside a test bed of tier 1 (a fresh API server each time):
//!   issue floor N C        a bare client makes the writes that N mailboxes cost, with the operator's watches open
//!   issue beside N C       the same on a test bed where a mail system runs, as it does beside the operator, which is stopped
//!   issue operator N C     the operator issues N mailboxes, all Ready
//!   issue latency N        apply → IMAP login (50 times) and lock → refused (20 times) with N mailboxes present
//!   issue locks N K        K of N mailboxes locked at once: until each is refused, its session ends and its status says so
//!   issue mass N           N mailboxes at once: how fast, memory, looks at all with nothing due, and with DUE clocks run out
//!   issue quiet N SECONDS  API writes of the operator while nothing happens, and its memory

mod clients;
mod cpu;
mod floor;
mod latency;
mod locks;
#[path = "../../tests/cluster/support/mail.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod mail;
mod mass;
mod metrics;
mod objects;
mod operator;
mod ready;

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use mail_operator::api::{AddressClaim, Mailbox};
use serde_json::json;

use objects::{claim, mailbox, secret};

const NAMESPACE: &str = "bench";
/// Rest before what is measured.
const SETTLE: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |i: usize| args.get(i).and_then(|a| a.parse::<usize>().ok());
    let Some(what) = args.first() else {
        println!("run by `make bench`; see the head of benches/issue/main.rs");
        return Ok(());
    };
    mail_operator::tls::install_provider();
    let mut config = kube::Config::infer().await?;
    config.default_retry = false;
    let client = Client::try_from(config)?;
    prepare(&client).await?;
    let (n, c) = (number(1).unwrap_or(2000), number(2).unwrap_or(16));
    match what.as_str() {
        "floor" => floor::floor(client, n, c, "floor").await,
        "beside" => {
            drop(operator::Running::start(&client, c).await?);
            floor::floor(client, n, c, "beside").await
        }
        "operator" => operator::operator(client, n, c).await,
        "latency" => latency::latency(client, n).await,
        "locks" => locks::locks(client, n, number(2).unwrap_or(200)).await,
        "mass" => mass::mass(client, number(1).unwrap_or(20_000)).await,
        "quiet" => operator::quiet(client, n, c as u64).await,
        other => Err(format!("unknown: {other}").into()),
    }
}

/// Kinds, namespace; 600 objects before, because the first writes after a CRD was established stall.
async fn prepare(client: &Client) -> Result<(), Failure> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in mail_operator::api::crds() {
        let name = crd.metadata.name.clone().unwrap_or_default();
        crds.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(&crd)).await?;
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in [NAMESPACE, "warm"] {
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
    }
    let warm: Api<Mailbox> = Api::namespaced(client.clone(), "warm");
    for i in 0..200 {
        let mut object = mailbox(i)?;
        object.metadata.namespace = Some("warm".into());
        while warm.create(&PostParams::default(), &object).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let claims: Api<AddressClaim> = Api::namespaced(client.clone(), "warm");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "warm");
    for i in 0..200 {
        claims.create(&PostParams::default(), &claim(i, "warm")?).await?;
        secrets.create(&PostParams::default(), &secret(i, "warm")?).await?;
    }
    Ok(())
}
