//! How long one mailbox among many takes: apply → login, lock → refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use mail_operator::api::Mailbox;
use serde_json::json;

use super::objects::{basis, mailbox};
use super::operator::Running;
use super::{Failure, NAMESPACE, SETTLE, apply_mailboxes, count_ready, mail};

pub(super) async fn latency(client: Client, n: usize) -> Result<(), Failure> {
    let running = Running::start(&client, 16).await?;
    let counted = tokio::spawn(count_ready(client.clone(), n, Arc::default()));
    apply_mailboxes(&client, 0, n, 16).await?;
    counted.await??;
    tokio::time::sleep(SETTLE).await;
    mail::use_ports_of_the_pod();
    let added = std::process::Command::new("ip").args(["address", "add", "10.99.0.1/16", "dev", "lo"]).status()?;
    if !added.success() {
        return Err("10.99.0.1/16 cannot be added to the loopback device".into());
    }
    mail::use_many_sources();
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let host = pods.get("gialai-0").await?.status.and_then(|s| s.pod_ip).ok_or("no address")?;
    let mut logins = Vec::new();
    for i in n..n + 50 {
        logins.push(apply_to_login(&client, &host, i).await?);
    }
    let mut locks = Vec::new();
    for i in n..n + 20 {
        locks.push(lock_to_refusal(&client, &host, i).await?);
    }
    println!(
        "latency n={n} {} {} {}",
        percentiles("login", &mut logins),
        percentiles("lock", &mut locks),
        running.memory()
    );
    Ok(())
}

fn user(i: usize) -> String {
    format!("m{i}.stttt@gialai.gov.vn")
}

async fn password(client: &Client, i: usize) -> Result<String, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let secret = secrets.get(&format!("nv-{i}-credentials")).await?;
    Ok(String::from_utf8(secret.data.ok_or("data")?["initialPassword"].0.clone())?)
}

/// Apply, wait as `kubectl wait` does for Ready, read the password, log in at the first try.
async fn apply_to_login(client: &Client, host: &str, i: usize) -> Result<Duration, Failure> {
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let start = Instant::now();
    let created = mailboxes.create(&PostParams::default(), &mailbox(i)?).await?;
    let only = WatchParams::default().fields(&format!("metadata.name=nv-{i}"));
    let version = created.metadata.resource_version.unwrap_or_default();
    let mut events = mailboxes.watch(&only, &version).await?.boxed();
    loop {
        let Some(event) = events.try_next().await? else { return Err("the watch ended".into()) };
        let WatchEvent::Modified(object) = event else { continue };
        let conditions = object.status.map(|s| s.conditions).unwrap_or_default();
        if conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
            break;
        }
    }
    let answer = mail::Imap::login(host, &user(i), &password(client, i).await?).await?.1;
    if !answer.starts_with("OK") {
        return Err(format!("Ready, but IMAP says {answer}").into());
    }
    Ok(start.elapsed())
}

/// From the lock to the first password that is refused: connections stand ready, each 20 ms one sends it. Dovecot's delay of
/// its answer to who failed is not in it.
async fn lock_to_refusal(client: &Client, host: &str, i: usize) -> Result<Duration, Failure> {
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let password = password(client, i).await?;
    let login = format!("LOGIN \"{}\" \"{password}\"", user(i));
    let mut ready = Vec::new();
    for _ in 0..60 {
        ready.push(mail::Imap::connect(host).await?);
    }
    let lock = json!({"spec": {"lock": {"reasons": ["Compromised"], "basis": basis()}}});
    let start = Instant::now();
    mailboxes.patch(&format!("nv-{i}"), &PatchParams::default(), &Patch::Merge(&lock)).await?;
    let mut attempts = tokio::task::JoinSet::new();
    for mut session in ready {
        let login = login.clone();
        attempts.spawn(async move {
            let sent = start.elapsed();
            let answer = session.command(&login).await.ok()?;
            (!answer.last()?.starts_with("OK")).then_some(sent)
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = attempts.join_all().await;
    refused.into_iter().flatten().min().ok_or_else(|| "not refused within 1.2 s".into())
}

fn percentiles(name: &str, times: &mut [Duration]) -> String {
    times.sort();
    let at = |p: usize| times[(times.len() * p / 100).min(times.len() - 1)].as_millis();
    format!("{name}_p50_ms={} {name}_p99_ms={}", at(50), at(99))
}
