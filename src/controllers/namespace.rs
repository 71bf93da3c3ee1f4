//! One namespace: its watches, what each change means for whom, its controllers.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::runtime::watcher::Config;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::info;

use super::changes::{self, KnownCredentials, Seen, synced};
use super::context::{Ctx, Settings, Triggers, prune_credentials};
use super::runner::{self, Shape};
use super::slots::BEGUN_PER_SLOT;
use super::{activity, agency, journal, lifecycle, mail_system, mailbox, newcomers, notices, quota_policy};
use crate::api::{AddressClaim, Agency, MailSystem, Mailbox, MailboxActivity, QuotaPolicy, WorkCalendar};
use crate::backend::{Health, Syncer};
use crate::kube_io::Io;
use crate::resources::{CREDENTIALS_LABEL, MANAGED_BY, SYSTEM_LABEL};
use crate::store::{Filled, Handler, Stores, Trigger, Watched, watched};
use crate::telemetry::Metrics;

/// Time between two looks at claims without a Mailbox and at counts.
const SWEEP: Duration = Duration::from_secs(300);
const COUNT: Duration = Duration::from_secs(5);

/// Ends when the process is to stop.
pub type Stop = Shared<BoxFuture<'static, ()>>;

pub(super) struct Receivers {
    systems: mpsc::Receiver<kube::runtime::reflector::ObjectRef<MailSystem>>,
    agencies: mpsc::Receiver<kube::runtime::reflector::ObjectRef<Agency>>,
    mailboxes: mpsc::Receiver<kube::runtime::reflector::ObjectRef<Mailbox>>,
    policies: mpsc::Receiver<kube::runtime::reflector::ObjectRef<QuotaPolicy>>,
}

pub(super) fn triggers(namespace: &str) -> (Triggers, Receivers) {
    let (systems, s) = Trigger::new(namespace);
    let (agencies, a) = Trigger::new(namespace);
    let (mailboxes, m) = Trigger::new(namespace);
    let (policies, p) = Trigger::new(namespace);
    (
        Triggers { systems, agencies, mailboxes, policies },
        Receivers { systems: s, agencies: a, mailboxes: m, policies: p },
    )
}

/// The watches of a namespace, before they run.
pub(super) struct Watches {
    systems: Watched<MailSystem>,
    agencies: Watched<Agency>,
    mailboxes: Watched<Mailbox>,
    policies: Watched<QuotaPolicy>,
    claims: Watched<AddressClaim>,
    calendars: Watched<WorkCalendar>,
    activities: Watched<MailboxActivity>,
    credentials: Watched<Secret>,
    pods: Watched<Pod>,
    sets: Watched<StatefulSet>,
}

/// The caches of a namespace, what fills them, and what tells that they are filled.
pub(super) fn caches(io: &Io) -> (Stores, Watches, [Filled; 10]) {
    let labelled = |label: &str| Config::default().labels(label);
    let managed = format!("app.kubernetes.io/managed-by={MANAGED_BY}");
    let (systems, watch_systems, f1) = watched(io.api::<MailSystem>(), Config::default(), |_| {});
    let (agencies, watch_agencies, f2) = watched(io.api::<Agency>(), Config::default(), |_| {});
    let (mailboxes, watch_mailboxes, f3) = watched(io.api::<Mailbox>(), Config::default(), |_| {});
    let (policies, watch_policies, f4) = watched(io.api::<QuotaPolicy>(), Config::default(), |_| {});
    let (claims, watch_claims, f5) = watched(io.api::<AddressClaim>(), Config::default(), |_| {});
    let (credentials, watch_credentials, f6) =
        watched(io.api::<Secret>(), labelled(CREDENTIALS_LABEL), prune_credentials);
    let (pods, watch_pods, f7) = watched(io.api::<Pod>(), labelled(SYSTEM_LABEL), |_| {});
    let (sets, watch_sets, f8) = watched(io.api::<StatefulSet>(), labelled(&managed), |_| {});
    let (calendars, watch_calendars, f9) = watched(io.api::<WorkCalendar>(), Config::default(), |_| {});
    let (activities, watch_activities, f10) = watched(io.api::<MailboxActivity>(), Config::default(), |_| {});
    let stores =
        Stores { systems, agencies, mailboxes, policies, claims, calendars, activities, credentials, pods, sets };
    let watches = Watches {
        systems: watch_systems,
        agencies: watch_agencies,
        mailboxes: watch_mailboxes,
        policies: watch_policies,
        claims: watch_claims,
        calendars: watch_calendars,
        activities: watch_activities,
        credentials: watch_credentials,
        pods: watch_pods,
        sets: watch_sets,
    };
    (stores, watches, [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10])
}

impl Watches {
    /// Runs each watch with what its changes mean.
    fn spawn(self, ctx: &Arc<Ctx>, tasks: &mut JoinSet<()>) {
        follow(self.systems, ctx, tasks, Seen::new(), |c, seen, change| changes::on_system(c, seen, change).boxed());
        follow(self.agencies, ctx, tasks, Seen::new(), |c, seen, change| changes::on_agency(c, seen, change).boxed());
        follow(self.mailboxes, ctx, tasks, Seen::new(), |c, seen, change| changes::on_mailbox(c, seen, change).boxed());
        follow(self.policies, ctx, tasks, Seen::new(), |c, seen, change| changes::on_policy(c, seen, change).boxed());
        follow(self.claims, ctx, tasks, (), |c, (), change| changes::on_claim(c, change).boxed());
        follow(self.calendars, ctx, tasks, (), |c, (), change| changes::on_calendar(c, change).boxed());
        follow(self.activities, ctx, tasks, (), |c, (), change| changes::on_activity(c, change).boxed());
        follow(self.credentials, ctx, tasks, KnownCredentials::new(), |c, known, change| {
            changes::on_credentials(c, known, change).boxed()
        });
        follow(self.pods, ctx, tasks, (), |c, (), change| changes::on_child(c, change).boxed());
        follow(self.sets, ctx, tasks, (), |c, (), change| changes::on_child(c, change).boxed());
    }
}

fn follow<K, S: Send + 'static>(
    watch: Watched<K>,
    ctx: &Arc<Ctx>,
    tasks: &mut JoinSet<()>,
    state: S,
    handler: Handler<K, Ctx, S>,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    tasks.spawn(watch.run(ctx.metrics.clone(), ctx.clone(), state, handler));
}

/// A part of the work on a namespace ended, which never happens but by a bug.
#[derive(Debug, thiserror::Error)]
#[error("a part of the work on namespace {0} ended by itself; this process must be started anew")]
pub struct Ended(String);

impl Ended {
    /// Where a panic hides which namespace it was.
    pub fn bug() -> Self {
        Self("(one that panicked)".into())
    }
}

/// Runs one namespace until `stop`, then lets what is under way end. Everything of it runs, or it ends as a whole.
pub async fn run(
    client: Client,
    namespace: &str,
    settings: Settings,
    metrics: Metrics,
    stop: Stop,
) -> Result<(), Ended> {
    let io = Io::new(client, namespace, metrics.clone());
    let (triggers, receivers) = triggers(namespace);
    let (news, news_out) = mpsc::channel(1024);
    let syncer = Arc::new(Syncer::new(news));
    let (stores, watches, filled) = caches(&io);
    let ctx = Arc::new(Ctx::new(io, settings, stores, triggers, syncer.clone(), metrics));

    let mut background = JoinSet::new();
    watches.spawn(&ctx, &mut background);
    background.spawn(pass_on(news_out, ctx.clone()));
    background.spawn(async move { syncer.run().await });
    background.spawn(follow_health(ctx.clone()));
    background.spawn(sweep(ctx.clone()));
    background.spawn(lifecycle::run(ctx.clone()));
    background.spawn(activity::run(ctx.clone()));
    background.spawn(journal::run(ctx.clone()));
    background.spawn(newcomers::run(ctx.clone()));
    background.spawn(notices::run(ctx.clone()));
    tokio::select! {
        () = all_filled(filled) => {}
        () = stop.clone() => return Ok(()),
        _ = background.join_next() => return Err(Ended(namespace.into())),
    }
    // Controllers start with filled caches: kube's own wait for them can miss its wake-up.
    let started = async {
        start(ctx.clone()).await;
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        () = controllers(&ctx, receivers, stop) => Ok(()),
        () = started => Ok(()),
        _ = background.join_next() => Err(Ended(namespace.into())),
    };
    background.shutdown().await;
    ended
}

/// The four controllers, until `stop`.
async fn controllers(ctx: &Arc<Ctx>, receivers: Receivers, stop: Stop) {
    let shape = |name, concurrency, debounce| Shape { name, concurrency, debounce: Duration::from_millis(debounce) };
    let begun = ctx.settings.concurrency.saturating_mul(BEGUN_PER_SLOT);
    let (stores, mailboxes) = (&ctx.stores, shape("mailbox", begun, 0));
    let systems = shape("mailsystem", 2, 50);
    let agencies = shape("agency", 4, 20);
    let policies = shape("quotapolicy", 2, 1000);
    let (c, s) = (|| ctx.clone(), || stop.clone());
    tokio::join!(
        runner::run(systems, c(), stores.systems.clone(), receivers.systems, s(), mail_system::reconcile),
        runner::run(agencies, c(), stores.agencies.clone(), receivers.agencies, s(), agency::reconcile),
        runner::run(mailboxes, c(), stores.mailboxes.clone(), receivers.mailboxes, s(), mailbox::reconcile),
        runner::run(policies, c(), stores.policies.clone(), receivers.policies, s(), quota_policy::reconcile),
    );
}

/// Mailboxes whose account came to stand differently are looked at again.
async fn pass_on(mut news: mpsc::Receiver<String>, ctx: Arc<Ctx>) {
    while let Some(mailbox) = news.recv().await {
        ctx.triggers.mailboxes.fire(&mailbox).await;
    }
}

async fn all_filled(filled: [Filled; 10]) {
    for mut cache in filled {
        if cache.wait_for(|filled| *filled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Lets decisions that need every cache be made.
async fn start(ctx: Arc<Ctx>) {
    let s = &ctx.stores;
    let mailboxes = s.mailboxes.state();
    info!(
        namespace = ctx.io.namespace(),
        mailboxes = mailboxes.len(),
        agencies = s.agencies.state().len(),
        "caches are filled"
    );
    ctx.expect(mailboxes.iter().map(|m| m.name_any()).collect());
    ctx.synced.send_replace(true);
    for system in s.systems.state() {
        ctx.triggers.systems.fire(&system.name_any()).await;
    }
    for agency in s.agencies.state() {
        ctx.triggers.agencies.fire(&agency.name_any()).await;
    }
    for policy in s.policies.state() {
        ctx.triggers.policies.fire(&policy.name_any()).await;
    }
    for mailbox in mailboxes.iter().filter(|m| newcomers::is_new(m, &ctx)) {
        ctx.newcomers.saw(&mailbox.name_any());
    }
    for mailbox in mailboxes {
        ctx.triggers.mailboxes.fire(&mailbox.name_any()).await;
    }
}

/// The MailSystem says whether its agent answers; mailboxes that wait are told by the syncer itself.
async fn follow_health(ctx: Arc<Ctx>) {
    let mut health = ctx.syncer.health();
    let mut failing = false;
    while health.changed().await.is_ok() {
        let now_failing = matches!(&*health.borrow_and_update(), Health::Failing(_));
        if let Some(system) = ctx.system() {
            ctx.triggers.systems.fire(&system.name_any()).await;
        }
        if failing && !now_failing {
            info!("the mail server answers again");
        }
        failing = now_failing;
    }
}

/// Claims without a Mailbox, and counts that status shows.
async fn sweep(ctx: Arc<Ctx>) {
    let mut shown = (i64::MIN, std::collections::BTreeMap::new());
    let mut passes: u32 = 0;
    loop {
        tokio::time::sleep(COUNT).await;
        passes = passes.wrapping_add(1);
        if !synced(&ctx) {
            continue;
        }
        if passes.is_multiple_of(u32::try_from(SWEEP.as_secs() / COUNT.as_secs()).unwrap_or(60)) {
            ctx.sweep_orphans();
        }
        let live = i64::try_from(ctx.syncer.projection().live()).unwrap_or(i64::MAX);
        newcomers::look_after(&ctx);
        let counts = ctx.index().policy_counts();
        if live != shown.0
            && let Some(system) = ctx.system()
        {
            ctx.triggers.systems.fire(&system.name_any()).await;
        }
        if counts != shown.1 {
            for policy in ctx.stores.policies.state() {
                ctx.triggers.policies.fire(&policy.name_any()).await;
            }
        }
        shown = (live, counts);
    }
}

/// Makes a stop from a future.
pub fn stop_when(future: impl Future<Output = ()> + Send + 'static) -> Stop {
    future.boxed().shared()
}
