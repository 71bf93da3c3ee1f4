//! One namespace: its watches, what each change means for whom, its controllers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::runtime::watcher::Config;
use kube::{Client, Resource, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::info;

use super::context::{Ctx, Settings, Triggers, prune_credentials};
use super::runner::{self, Shape};
use super::{agency, mail_system, mailbox, quota_policy, revocation};
use crate::api::{AddressClaim, Agency, Holder, MailSystem, Mailbox, QuotaPolicy};
use crate::backend::{Health, Syncer};
use crate::kube_io::Io;
use crate::resources::{CREDENTIALS_LABEL, MANAGED_BY, SYSTEM_LABEL};
use crate::store::{Change, Filled, Stores, Trigger, watched};
use crate::telemetry::Metrics;

/// Annotation that has an object looked at again: `kubectl annotate … mail.gialai.gov.vn/reconcile-requested-at=now`.
const REQUESTED: &str = "mail.gialai.gov.vn/reconcile-requested-at";
/// Time between two looks at claims without a Mailbox and at counts.
const SWEEP: Duration = Duration::from_secs(300);
const COUNT: Duration = Duration::from_secs(5);

/// Ends when the process is to stop.
pub type Stop = Shared<BoxFuture<'static, ()>>;

/// What of an object decides whether it is to be looked at: not its status.
fn fingerprint<K: Resource<DynamicType = ()>>(object: &K) -> (i64, bool, Option<String>, Option<String>) {
    let meta = object.meta();
    let requested = meta.annotations.as_ref().and_then(|a| a.get(REQUESTED)).cloned();
    (meta.generation.unwrap_or(0), meta.deletion_timestamp.is_some(), requested, meta.uid.clone())
}

/// Remembers what was seen, to tell a change of the spec from one of the status.
struct Seen<K>(HashMap<String, (i64, bool, Option<String>, Option<String>)>, std::marker::PhantomData<fn(K)>);

impl<K: Resource<DynamicType = ()>> Seen<K> {
    fn new() -> Self {
        Self(HashMap::new(), std::marker::PhantomData)
    }

    fn changed(&mut self, object: &K) -> bool {
        let new = fingerprint(object);
        let old = self.0.insert(object.name_any(), new.clone());
        old.as_ref() != Some(&new)
    }

    fn forget(&mut self, object: &K) {
        self.0.remove(&object.name_any());
    }
}

struct Receivers {
    systems: mpsc::Receiver<kube::runtime::reflector::ObjectRef<MailSystem>>,
    agencies: mpsc::Receiver<kube::runtime::reflector::ObjectRef<Agency>>,
    mailboxes: mpsc::Receiver<kube::runtime::reflector::ObjectRef<Mailbox>>,
    policies: mpsc::Receiver<kube::runtime::reflector::ObjectRef<QuotaPolicy>>,
}

fn triggers(namespace: &str) -> (Triggers, Receivers) {
    let (systems, s) = Trigger::new(namespace);
    let (agencies, a) = Trigger::new(namespace);
    let (mailboxes, m) = Trigger::new(namespace);
    let (policies, p) = Trigger::new(namespace);
    (
        Triggers { systems, agencies, mailboxes, policies },
        Receivers { systems: s, agencies: a, mailboxes: m, policies: p },
    )
}

/// Runs one namespace until `stop`, then lets what is under way end.
pub async fn run(client: Client, namespace: &str, settings: Settings, metrics: Metrics, stop: Stop) {
    let io = Io::new(client, namespace, metrics.clone());
    let (triggers, receivers) = triggers(namespace);
    let (news, mut news_out) = mpsc::channel(1024);
    let syncer = Arc::new(Syncer::new(news));
    let labelled = |label: &str| Config::default().labels(label);
    let managed = format!("app.kubernetes.io/managed-by={MANAGED_BY}");
    let (systems, watch_systems, systems_filled) = watched(io.api::<MailSystem>(), Config::default(), |_| {});
    let (agencies, watch_agencies, agencies_filled) = watched(io.api::<Agency>(), Config::default(), |_| {});
    let (mailboxes, watch_mailboxes, mailboxes_filled) = watched(io.api::<Mailbox>(), Config::default(), |_| {});
    let (policies, watch_policies, policies_filled) = watched(io.api::<QuotaPolicy>(), Config::default(), |_| {});
    let (claims, watch_claims, claims_filled) = watched(io.api::<AddressClaim>(), Config::default(), |_| {});
    let (credentials, watch_credentials, credentials_filled) =
        watched(io.api::<Secret>(), labelled(CREDENTIALS_LABEL), prune_credentials);
    let (pods, watch_pods, pods_filled) = watched(io.api::<Pod>(), labelled(SYSTEM_LABEL), |_| {});
    let (sets, watch_sets, sets_filled) = watched(io.api::<StatefulSet>(), labelled(&managed), |_| {});
    let stores = Stores { systems, agencies, mailboxes, policies, claims, credentials, pods, sets };
    let filled = [
        systems_filled,
        agencies_filled,
        mailboxes_filled,
        policies_filled,
        claims_filled,
        credentials_filled,
        pods_filled,
        sets_filled,
    ];
    let concurrency = settings.concurrency;
    let ctx = Arc::new(Ctx::new(io, settings, stores, triggers, syncer.clone(), metrics.clone()));

    let mut background = JoinSet::new();
    {
        let (ctx, metrics) = (ctx.clone(), metrics.clone());
        let mut seen = Seen::new();
        background.spawn(watch_systems.run(metrics, async move |change| on_system(&ctx, &mut seen, change).await));
    }
    {
        let (ctx, metrics) = (ctx.clone(), metrics.clone());
        let mut seen = Seen::new();
        background.spawn(watch_agencies.run(metrics, async move |change| on_agency(&ctx, &mut seen, change).await));
    }
    {
        let (ctx, metrics) = (ctx.clone(), metrics.clone());
        let mut seen = Seen::new();
        background.spawn(watch_mailboxes.run(metrics, async move |change| on_mailbox(&ctx, &mut seen, change).await));
    }
    {
        let (ctx, metrics) = (ctx.clone(), metrics.clone());
        let mut seen = Seen::new();
        background.spawn(watch_policies.run(metrics, async move |change| on_policy(&ctx, &mut seen, change).await));
    }
    {
        let (ctx, metrics) = (ctx.clone(), metrics.clone());
        background.spawn(watch_claims.run(metrics, async move |change| on_claim(&ctx, change).await));
    }
    {
        let (ctx, metrics) = (ctx.clone(), metrics.clone());
        let mut known = KnownCredentials::new();
        background
            .spawn(watch_credentials.run(metrics, async move |change| on_credentials(&ctx, &mut known, change).await));
    }
    {
        let (ctx, metrics) = (ctx.clone(), metrics.clone());
        background.spawn(watch_pods.run(metrics, async move |change| on_child(&ctx, change).await));
    }
    {
        let (ctx, metrics) = (ctx.clone(), metrics.clone());
        background.spawn(watch_sets.run(metrics, async move |change| on_child(&ctx, change).await));
    }
    {
        let ctx = ctx.clone();
        background.spawn(async move {
            while let Some(mailbox) = news_out.recv().await {
                ctx.triggers.mailboxes.fire(&mailbox).await;
            }
        });
    }
    background.spawn(async move { syncer.run().await });
    background.spawn(follow_health(ctx.clone()));
    background.spawn(sweep(ctx.clone()));
    background.spawn(revocation::run(ctx.clone()));
    tokio::select! {
        () = all_filled(filled) => {}
        () = stop.clone() => return,
    }
    // Controllers start with filled caches: kube's own wait for them can miss its wake-up.
    background.spawn(start(ctx.clone()));

    let shape = |name, concurrency, debounce| Shape { name, concurrency, debounce: Duration::from_millis(debounce) };
    let (stores, c) = (&ctx.stores, &ctx);
    tokio::join!(
        runner::run(
            shape("mailsystem", 2, 50),
            c.clone(),
            stores.systems.clone(),
            receivers.systems,
            stop.clone(),
            mail_system::reconcile
        ),
        runner::run(
            shape("agency", 4, 20),
            c.clone(),
            stores.agencies.clone(),
            receivers.agencies,
            stop.clone(),
            agency::reconcile
        ),
        runner::run(
            shape("mailbox", concurrency, 0),
            c.clone(),
            stores.mailboxes.clone(),
            receivers.mailboxes,
            stop.clone(),
            mailbox::reconcile
        ),
        runner::run(
            shape("quotapolicy", 2, 1000),
            c.clone(),
            stores.policies.clone(),
            receivers.policies,
            stop,
            quota_policy::reconcile
        ),
    );
    background.shutdown().await;
}

async fn all_filled(filled: [Filled; 8]) {
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
    for mailbox in mailboxes {
        ctx.triggers.mailboxes.fire(&mailbox.name_any()).await;
    }
}

fn synced(ctx: &Ctx) -> bool {
    *ctx.synced.borrow()
}

async fn all_mailboxes(ctx: &Ctx) {
    if synced(ctx) {
        for mailbox in ctx.stores.mailboxes.state() {
            ctx.triggers.mailboxes.fire(&mailbox.name_any()).await;
        }
    }
}

async fn on_system(ctx: &Ctx, seen: &mut Seen<MailSystem>, change: Change<MailSystem>) {
    let (object, changed) = match change {
        Change::Applied(object) => {
            let changed = seen.changed(&object);
            (object, changed)
        }
        Change::Deleted(object) => {
            seen.forget(&object);
            (object, true)
        }
        Change::Listed => return,
    };
    if !changed || !synced(ctx) {
        return;
    }
    for system in ctx.stores.systems.state() {
        ctx.triggers.systems.fire(&system.name_any()).await;
    }
    info!(system = object.name_any(), "MailSystem changed");
    for agency in ctx.stores.agencies.state() {
        ctx.triggers.agencies.fire(&agency.name_any()).await;
    }
    for policy in ctx.stores.policies.state() {
        ctx.triggers.policies.fire(&policy.name_any()).await;
    }
    all_mailboxes(ctx).await;
}

async fn on_agency(ctx: &Ctx, seen: &mut Seen<Agency>, change: Change<Agency>) {
    let object = match change {
        Change::Applied(object) if seen.changed(&object) => object,
        Change::Deleted(object) => {
            seen.forget(&object);
            object
        }
        Change::Listed => return all_mailboxes(ctx).await,
        Change::Applied(_) => return,
    };
    if !synced(ctx) {
        return;
    }
    // It and everything below it: suffixes come from above.
    let all = ctx.stores.agencies.state();
    let mut below = vec![object.name_any()];
    let mut next = 0;
    while next < below.len() && below.len() <= all.len() {
        let parent = below[next].clone();
        below.extend(
            all.iter().filter(|a| a.spec.parent_ref.as_ref().is_some_and(|p| p.name == parent)).map(|a| a.name_any()),
        );
        next += 1;
    }
    for agency in below {
        ctx.triggers.agencies.fire(&agency).await;
        let mailboxes = ctx.index().mailboxes_of(&agency);
        for mailbox in mailboxes {
            ctx.triggers.mailboxes.fire(&mailbox).await;
        }
    }
}

async fn on_mailbox(ctx: &Ctx, seen: &mut Seen<Mailbox>, change: Change<Mailbox>) {
    match change {
        Change::Applied(object) => {
            let name = object.name_any();
            ctx.index().mailbox(&name, &object.spec.agency_ref.name);
            if seen.changed(&object) && synced(ctx) {
                ctx.triggers.mailboxes.fire(&name).await;
            }
            if object.spec.holder == Holder::Agency && synced(ctx) {
                ctx.triggers.agencies.fire(&object.spec.agency_ref.name).await;
            }
        }
        Change::Deleted(object) => {
            let name = object.name_any();
            seen.forget(&object);
            ctx.index().forget(&name);
            if synced(ctx) {
                revocation::ask(ctx, &name);
                ctx.decided(&name);
                if object.spec.holder == Holder::Agency {
                    // It is the Agency that decides whether it has a mailbox.
                    ctx.triggers.agencies.fire(&object.spec.agency_ref.name).await;
                }
            }
        }
        Change::Listed if synced(ctx) => ctx.sweep_orphans(),
        Change::Listed => {}
    }
}

async fn on_policy(ctx: &Ctx, seen: &mut Seen<QuotaPolicy>, change: Change<QuotaPolicy>) {
    match change {
        Change::Applied(object) => {
            if seen.changed(&object) && synced(ctx) {
                ctx.triggers.policies.fire(&object.name_any()).await;
                all_mailboxes(ctx).await;
            }
        }
        Change::Deleted(object) => {
            seen.forget(&object);
            all_mailboxes(ctx).await;
        }
        Change::Listed => all_mailboxes(ctx).await,
    }
}

async fn on_claim(ctx: &Ctx, change: Change<AddressClaim>) {
    match change {
        Change::Applied(object) => ctx.index().claim(&object.name_any(), &object),
        Change::Deleted(object) => {
            let local = object.name_any();
            let waiting = {
                let mut index = ctx.index();
                index.unclaim(&local);
                index.waiting_for(&local)
            };
            // Its holder first: an address that is in use is claimed again before somebody else gets it.
            if synced(ctx) {
                ctx.triggers.mailboxes.fire(&object.spec.owner_ref.name).await;
                for mailbox in waiting {
                    ctx.triggers.mailboxes.fire(&mailbox).await;
                }
            }
        }
        // A list swaps the cache and tells of no deletion.
        Change::Listed => {
            let claims = ctx.stores.claims.state();
            ctx.index().rebuild_claims(claims.iter().map(|c| (c.name_any(), c.as_ref())));
            all_mailboxes(ctx).await;
        }
    }
}

/// What of a credentials Secret decides about its account: hash, and whether the initial password stands.
type KnownCredentials = HashMap<String, Option<(String, bool)>>;

async fn on_credentials(ctx: &Ctx, known: &mut KnownCredentials, change: Change<Secret>) {
    let (Change::Applied(secret) | Change::Deleted(secret)) = change else { return };
    let name = secret.name_any();
    let Some(mailbox) = name.strip_suffix("-credentials") else { return };
    let now = ctx.credentials(mailbox).map(|c| (c.hash, c.initial));
    let before = known.insert(mailbox.to_string(), now.clone());
    // The Secret that a reconcile has just made is news only here.
    let ours = before.is_none()
        && ctx.syncer.projection().desired(mailbox).map(|a| &a.password_hash) == now.as_ref().map(|(hash, _)| hash);
    let new = before.is_none() && ctx.syncer.projection().desired(mailbox).is_none();
    if synced(ctx) && before.as_ref() != Some(&now) && !ours && !new {
        ctx.triggers.mailboxes.fire(mailbox).await;
    }
}

/// A pod or StatefulSet of a system.
async fn on_child<K: Resource<DynamicType = ()>>(ctx: &Ctx, change: Change<K>) {
    let (Change::Applied(object) | Change::Deleted(object)) = change else { return };
    if let Some(system) = object.labels().get(SYSTEM_LABEL) {
        ctx.triggers.systems.fire(system).await;
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
