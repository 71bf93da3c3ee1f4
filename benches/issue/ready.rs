//! Mailboxes are applied, and counted until all are Ready.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use mail_operator::api::Mailbox;

use super::objects::mailbox;
use super::{Failure, NAMESPACE};

/// How often is said how far it is.
const SAID: Duration = Duration::from_secs(10);
/// Times that in which nothing new may be Ready.
const STUCK: u32 = 12;

/// Applies N mailboxes, C at a time; from the first one until all are Ready.
pub(super) async fn issue(client: &Client, n: usize, c: usize) -> Result<Duration, Failure> {
    let ready = Arc::<AtomicUsize>::default();
    let counted = tokio::spawn(count_ready(client.clone(), n, ready.clone()));
    let start = Instant::now();
    let all = async {
        apply_mailboxes(client, 0, n, c).await?;
        counted.await??;
        Ok(start.elapsed())
    };
    tokio::select! {
        took = all => took,
        stuck = progress(&ready, n, start) => Err(stuck),
    }
}

/// Says how far it is, until nothing moves any more.
async fn progress(ready: &AtomicUsize, n: usize, start: Instant) -> Failure {
    let (mut last, mut since) = (0, 0);
    while since < STUCK {
        tokio::time::sleep(SAID).await;
        let now = ready.load(Ordering::Relaxed);
        since = if now > last { 0 } else { since + 1 };
        last = now;
        println!("progress {:.0} s: {now} of {n} are Ready", start.elapsed().as_secs_f64());
    }
    format!("{last} of {n} are Ready, and no more for {} s", SAID.as_secs() * u64::from(STUCK)).into()
}

/// Counts mailboxes whose status says Ready, by a watch.
pub(super) async fn count_ready(client: Client, n: usize, ready: Arc<AtomicUsize>) -> Result<(), Failure> {
    let api: Api<Mailbox> = Api::namespaced(client, NAMESPACE);
    let mut seen = BTreeSet::new();
    let mut version = "0".to_string();
    loop {
        let mut events = api.watch(&WatchParams::default(), &version).await?.boxed();
        while let Some(event) = events.try_next().await.unwrap_or(None) {
            let object = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => object,
                WatchEvent::Error(_) => {
                    // What this watch was to go on from is gone: from the beginning.
                    version = "0".into();
                    break;
                }
                _ => continue,
            };
            version = object.metadata.resource_version.clone().unwrap_or_default();
            let name = object.metadata.name.unwrap_or_default();
            let conditions = object.status.map(|s| s.conditions).unwrap_or_default();
            if name.starts_with("nv-") && conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
                seen.insert(name);
            }
            ready.store(seen.len(), Ordering::Relaxed);
            if seen.len() >= n {
                return Ok(());
            }
        }
    }
}

async fn apply_mailboxes(client: &Client, from: usize, to: usize, c: usize) -> Result<(), Failure> {
    let api: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    stream::iter(from..to)
        .map(|i| {
            let api = api.clone();
            async move { api.create(&PostParams::default(), &mailbox(i)?).await.map(drop).map_err(Failure::from) }
        })
        .buffer_unordered(c)
        .try_collect()
        .await
}
