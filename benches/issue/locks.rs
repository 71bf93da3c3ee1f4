//! Many locks at once: until each one is refused, its session ends, and its status says so.
//!
//! A login that is let in costs the mail server far more than one that is refused, so nobody tries all the time: a password is sent
//! when the status says Locked or the own session ended, whichever is first, and each [`STEP`] besides. What is told is when the first
//! refused password was sent: the account was closed before that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use mail_operator::api::{Mailbox, MailboxActivity, MailboxState};
use tokio::sync::watch;

use super::clients::{self, login, percentiles};
use super::metrics::{since, writes_by_kind};
use super::objects::lock;
use super::operator::Running;
use super::ready::issue;
use super::{Failure, NAMESPACE, SETTLE, mail};

/// Locks that are written at the same time, and sessions that are opened so.
const AT_ONCE: usize = 32;
/// Connections of each mailbox that stand ready for a password.
const OPEN: usize = 2;
const STEP: Duration = Duration::from_secs(1);
/// The agent's pages of use are read each half minute.
const NOTED: Duration = Duration::from_secs(180);
/// From the patch; 5 s is the goal.
const LIMIT: Duration = Duration::from_secs(60);

/// The clients of one mailbox.
struct Holder {
    number: usize,
    login: String,
    session: mail::Imap,
    open: Vec<mail::Imap>,
}

/// What one mailbox saw, from its patch on.
struct Seen {
    refused: Duration,
    ended: Duration,
    said: Duration,
    /// From the first patch of all.
    refused_at: Duration,
    /// Passwords that were let in after the status said Locked.
    late: usize,
}

pub(super) async fn locks(client: Client, n: usize, k: usize) -> Result<(), Failure> {
    if k > n {
        return Err(format!("{k} of {n} cannot be locked").into());
    }
    let running = Running::start(&client, 16).await?;
    issue(&client, n, 16).await?;
    tokio::time::sleep(SETTLE).await;
    let host = clients::host(&client).await?;
    let holders: Vec<Holder> =
        stream::iter(0..k).map(|i| holder(&client, &host, i)).buffer_unordered(AT_ONCE).try_collect().await?;
    println!("progress: {k} sessions and {} connections stand", k * OPEN);
    logins_noted(&client, k).await?;
    let (said, shown) = watch::channel(BTreeMap::new());
    let watching = tokio::spawn(follow(client.clone(), Arc::new(said)));
    tokio::time::sleep(SETTLE).await;
    let (before, start) = (writes_by_kind().await?, Instant::now());
    let seen: Vec<Seen> = stream::iter(holders)
        .map(|holder| one(&client, &host, holder, shown.clone(), start))
        .buffer_unordered(k)
        .try_collect()
        .await?;
    watching.abort();
    tokio::time::sleep(SETTLE).await;
    tell(n, &seen, &before, &writes_by_kind().await?, &running);
    Ok(())
}

/// Waits until the logins stand in MailboxActivities: that they are the first ones of the day has nothing to do with the locks.
async fn logins_noted(client: &Client, k: usize) -> Result<(), Failure> {
    let activities: Api<MailboxActivity> = Api::namespaced(client.clone(), NAMESPACE);
    for _ in 0..NOTED.as_secs() {
        let all = activities.list(&ListParams::default()).await?;
        if all.iter().filter(|one| one.status.as_ref().is_some_and(|status| status.last_login.is_some())).count() >= k {
            return Ok(());
        }
        tokio::time::sleep(STEP).await;
    }
    Err(format!("not all {k} logins stand in MailboxActivities within {} s", NOTED.as_secs()).into())
}

fn tell(n: usize, seen: &[Seen], before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>, running: &Running) {
    let cost = after.values().sum::<u64>() - before.values().sum::<u64>();
    let of = |what: fn(&Seen) -> Duration| seen.iter().map(what).collect::<Vec<_>>();
    let k = seen.len();
    println!(
        "locks n={n} k={k} {} {} {} all_refused_s={:.2} late={} writes={cost} writes_per_lock={:.2} kinds={} {}",
        percentiles("refused", &mut of(|s| s.refused)),
        percentiles("ended", &mut of(|s| s.ended)),
        percentiles("status", &mut of(|s| s.said)),
        of(|s| s.refused_at).into_iter().max().unwrap_or_default().as_secs_f64(),
        seen.iter().map(|s| s.late).sum::<usize>(),
        cost as f64 / k.max(1) as f64,
        since(after, before),
        running.memory()
    );
}

/// A session that is logged in, and connections that stand ready.
async fn holder(client: &Client, host: &str, number: usize) -> Result<Holder, Failure> {
    let login = login(client, number).await?;
    let mut session = mail::Imap::connect(host).await?;
    let answer = session.command(&login).await?.pop().unwrap_or_default();
    if !answer.starts_with("OK") {
        return Err(format!("before the lock IMAP says {answer}").into());
    }
    let mut open = Vec::with_capacity(OPEN);
    for _ in 0..OPEN {
        open.push(mail::Imap::connect(host).await?);
    }
    Ok(Holder { number, login, session, open })
}

/// When each Mailbox was first seen as locked.
async fn follow(client: Client, said: Arc<watch::Sender<BTreeMap<String, Instant>>>) -> Result<(), Failure> {
    let mailboxes: Api<Mailbox> = Api::namespaced(client, NAMESPACE);
    loop {
        let mut events = mailboxes.watch(&WatchParams::default(), "0").await?.boxed();
        while let Some(event) = events.try_next().await.unwrap_or(None) {
            let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { continue };
            if object.status.and_then(|status| status.state) == Some(MailboxState::Locked) {
                let name = object.metadata.name.unwrap_or_default();
                said.send_if_modified(|all| all.insert(name, Instant::now()).is_none());
            }
        }
    }
}

/// Locks one, and sees what becomes of it.
async fn one(
    client: &Client,
    host: &str,
    holder: Holder,
    mut shown: watch::Receiver<BTreeMap<String, Instant>>,
    start: Instant,
) -> Result<Seen, Failure> {
    static PATCHES: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(AT_ONCE);
    let Holder { number, login, mut session, open } = holder;
    let name = format!("nv-{number}");
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let turn = PATCHES.acquire().await?;
    let patched = Instant::now();
    let (told, mut news) = watch::channel(false);
    let ended = async {
        while goes_on(session.unsolicited().await) {}
        told.send_replace(true);
        patched.elapsed()
    };
    let said = async {
        let at = shown.wait_for(|all| all.contains_key(&name)).await.map(|all| all[&name]);
        told.send_replace(true);
        at.map(|at| at.saturating_duration_since(patched)).unwrap_or(LIMIT)
    };
    let patch = async {
        mailboxes.patch(&name, &PatchParams::default(), &Patch::Merge(&lock())).await?;
        drop(turn);
        Ok::<_, Failure>(())
    };
    let refused = refusal(host, &login, open, patched, &mut news);
    let all = async { tokio::join!(patch, refused, ended, said) };
    let (patch, refused, ended, said) = tokio::time::timeout(LIMIT, all)
        .await
        .map_err(|_| format!("{name}: not closed within {} s", LIMIT.as_secs()))?;
    patch?;
    let (refused, let_in) = refused?;
    let late = let_in.iter().filter(|at| **at > said).count();
    Ok(Seen { refused, ended, said, refused_at: patched.duration_since(start) + refused, late })
}

/// Whether a session still stands that said this, or nothing for a while.
fn goes_on(line: std::io::Result<String>) -> bool {
    match line {
        Ok(line) => !line.is_empty(),
        Err(error) => error.kind() == std::io::ErrorKind::TimedOut,
    }
}

/// When the first password that was refused was sent, and when those that were let in.
async fn refusal(
    host: &str,
    login: &str,
    mut open: Vec<mail::Imap>,
    patched: Instant,
    news: &mut watch::Receiver<bool>,
) -> Result<(Duration, Vec<Duration>), Failure> {
    let mut let_in = Vec::new();
    loop {
        // What it gives is let go of at once: who tells would wait for it.
        let told = async { news.wait_for(|told| *told).await.is_ok() };
        if tokio::time::timeout(STEP, told).await.unwrap_or(false) && !let_in.is_empty() {
            // It was told and is let in all the same: not as fast as it can be asked.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut client = match open.pop() {
            Some(client) => client,
            None => mail::Imap::connect(host).await?,
        };
        let sent = patched.elapsed();
        // The answer to a refused one comes later: that delay is Dovecot's, and no part of it.
        if !client.command(login).await?.last().is_some_and(|answer| answer.starts_with("OK")) {
            return Ok((sent, let_in));
        }
        let_in.push(sent);
    }
}
