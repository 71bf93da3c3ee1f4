//! How long one mailbox among many takes: apply → login, lock → refused.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use mail_operator::api::Mailbox;

use super::clients::{self, login, password, percentiles, user};
use super::objects::{lock, mailbox};
use super::operator::Running;
use super::ready::issue;
use super::{Failure, NAMESPACE, SETTLE, mail};

pub(super) async fn latency(client: Client, n: usize) -> Result<(), Failure> {
    let running = Running::start(&client, 16).await?;
    issue(&client, n, 16).await?;
    tokio::time::sleep(SETTLE).await;
    let host = clients::host(&client).await?;
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
    let login = login(client, i).await?;
    let mut ready = Vec::new();
    for _ in 0..60 {
        ready.push(mail::Imap::connect(host).await?);
    }
    let start = Instant::now();
    mailboxes.patch(&format!("nv-{i}"), &PatchParams::default(), &Patch::Merge(&lock())).await?;
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
