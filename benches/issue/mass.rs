//! A whole province at once: how fast it is issued, what the operator takes, and what it writes when nothing is due and when something
//! is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use mail_operator::api::{Mailbox, MailboxState, PASSWORD_MADE_AT};
use serde_json::json;

use super::metrics::{is_ready, looks, since, writes, writes_by_kind};
use super::operator::Running;
use super::ready::issue;
use super::{Failure, NAMESPACE};

/// Clocks that run out: fewer than the brake (D-15) lets pass.
const DUE: usize = 15;
/// How long ago those were issued, whose clock of the default password (6.2.d, one month) is to run out.
const AGO: SignedDuration = SignedDuration::from_hours(40 * 24);
/// Somebody looks at all twice in this.
const LOOKED_AT: Duration = Duration::from_secs(70);
const LIMIT: Duration = Duration::from_secs(180);
const SAID: Duration = Duration::from_secs(10);
/// Mailboxes that are read at once.
const PAGE: u32 = 1_000;

pub(super) async fn mass(client: Client, n: usize) -> Result<(), Failure> {
    if n < DUE {
        return Err(format!("{DUE} mailboxes are the fewest").into());
    }
    let running = Running::start(&client, 16).await?;
    let before = writes().await?;
    let seconds = issue(&client, n, 16).await?.as_secs_f64();
    let cost = writes().await? - before;
    println!("mass n={n} seconds={seconds:.1} rate={:.0} writes={cost} {}", n as f64 / seconds, running.memory());
    nothing_due(n, &running).await?;
    running.stop().await?;
    issued_long_ago(&client).await?;
    let start = Instant::now();
    let running = Running::process(16)?;
    come_due(&client, n, start, &running).await?;
    nothing_due(n, &running).await
}

/// Looks at all with nothing due.
async fn nothing_due(n: usize, running: &Running) -> Result<(), Failure> {
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (before, (count, seconds)) = (writes().await?, looks().await?);
    let mut end = LOOKED_AT;
    while !end.is_zero() {
        tokio::time::sleep(SAID).await;
        end = end.saturating_sub(SAID);
        println!("progress: nothing is due, {} s more", end.as_secs());
    }
    let (cost, (count, seconds)) = (writes().await? - before, minus(looks().await?, (count, seconds)));
    println!(
        "mass_rest n={n} seconds={} {} writes={cost} {}",
        LOOKED_AT.as_secs(),
        shown((count, seconds)),
        running.memory()
    );
    Ok(())
}

fn minus(new: (u64, f64), old: (u64, f64)) -> (u64, f64) {
    (new.0.saturating_sub(old.0), new.1 - old.1)
}

/// While no operator runs, some statuses are made to say that they were issued long ago, and Secrets that their password is as old: the
/// next one knows nothing else.
async fn issued_long_ago(client: &Client) -> Result<(), Failure> {
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let at = format!("{:.0}", Timestamp::now().checked_sub(AGO)?);
    let status = json!({"status": {"issuedAt": at, "initialPasswordAt": at}});
    let made = json!({"metadata": {"annotations": {PASSWORD_MADE_AT: at}}});
    stream::iter(0..DUE)
        .map(|i| {
            let (mailboxes, secrets, status, made) = (mailboxes.clone(), secrets.clone(), &status, &made);
            async move {
                let (name, how) = (format!("nv-{i}"), PatchParams::default());
                secrets.patch(&format!("{name}-credentials"), &how, &Patch::Merge(made)).await?;
                mailboxes.patch_status(&name, &how, &Patch::Merge(status)).await.map(drop)
            }
        })
        .buffer_unordered(DUE)
        .try_collect::<()>()
        .await?;
    Ok(())
}

/// From the start of the operator until all are locked whose clocks have run out, and what that cost.
async fn come_due(client: &Client, n: usize, start: Instant, running: &Running) -> Result<(), Failure> {
    let ready = tokio::spawn(async move {
        while !is_ready().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        start.elapsed().as_secs_f64()
    });
    let all = tokio::time::timeout(LIMIT, until_locked(client, start)).await;
    let all = all.map_err(|_| format!("not all {DUE} are locked within {} s", LIMIT.as_secs()))??.as_secs_f64();
    let ready = ready.await?;
    tokio::time::sleep(SAID).await;
    let (cost, looked) = (writes_by_kind().await?, looks().await?);
    println!(
        "mass_due n={n} due={DUE} ready_s={ready:.2} all_locked_s={all:.2} locked={} writes={} kinds={} {} {}",
        locked(client).await?,
        cost.values().sum::<u64>(),
        since(&cost, &BTreeMap::new()),
        shown(looked),
        running.memory()
    );
    Ok(())
}

/// Looks at one after the other, so that it costs the API server next to nothing.
async fn until_locked(client: &Client, start: Instant) -> Result<Duration, Failure> {
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let mut said = start;
    for i in 0..DUE {
        while !is_locked(&mailboxes.get(&format!("nv-{i}")).await?) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if said.elapsed() >= SAID {
                said = Instant::now();
                println!("progress {:.0} s: {i} of {DUE} are locked", start.elapsed().as_secs_f64());
            }
        }
    }
    Ok(start.elapsed())
}

/// How many looks, and how long one took.
fn shown((count, seconds): (u64, f64)) -> String {
    format!("looks={count} look_ms={:.0}", seconds * 1000.0 / count.max(1) as f64)
}

fn is_locked(mailbox: &Mailbox) -> bool {
    mailbox.status.as_ref().and_then(|status| status.state) == Some(MailboxState::Locked)
}

/// How many of all are.
async fn locked(client: &Client) -> Result<usize, Failure> {
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let (mut locked, mut page) = (0, ListParams::default().limit(PAGE));
    loop {
        let list = mailboxes.list(&page).await?;
        locked += list.items.iter().filter(|mailbox| is_locked(mailbox)).count();
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(locked),
        }
    }
}
