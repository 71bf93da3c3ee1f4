//! What each change of an object means: who must be looked at.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::core::v1::Secret;
use kube::{Resource, ResourceExt};
use tracing::info;

use super::context::Ctx;
use super::newcomers;
use crate::api::{
    ACKNOWLEDGE_SUPERSEDES, AddressClaim, Agency, Holder, MailSystem, Mailbox, MailboxActivity, QuotaPolicy,
    WorkCalendar,
};
use crate::resources::SYSTEM_LABEL;
use crate::store::Change;

/// Annotation that has an object looked at again: `kubectl annotate … mail.gialai.gov.vn/reconcile-requested-at=now`.
const REQUESTED: &str = "mail.gialai.gov.vn/reconcile-requested-at";
/// Annotations by which people ask for something.
const ASKS: [&str; 2] = [REQUESTED, ACKNOWLEDGE_SUPERSEDES];
/// Generation, deletion, annotations, uid.
type Fingerprint = (i64, bool, [Option<String>; 2], Option<String>);

/// What of an object decides whether it is to be looked at: not its status.
fn fingerprint<K: Resource<DynamicType = ()>>(object: &K) -> Fingerprint {
    let meta = object.meta();
    let asked = ASKS.map(|key| meta.annotations.as_ref().and_then(|a| a.get(key)).cloned());
    (meta.generation.unwrap_or(0), meta.deletion_timestamp.is_some(), asked, meta.uid.clone())
}

/// Remembers what was seen, to tell a change of the spec from one of the status.
pub(super) struct Seen<K>(HashMap<String, Fingerprint>, std::marker::PhantomData<fn(K)>);

impl<K: Resource<DynamicType = ()>> Seen<K> {
    pub fn new() -> Self {
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

pub(super) fn synced(ctx: &Ctx) -> bool {
    *ctx.synced.borrow()
}

async fn all_mailboxes(ctx: &Ctx) {
    if synced(ctx) {
        for mailbox in ctx.stores.mailboxes.state() {
            ctx.triggers.mailboxes.fire(&mailbox.name_any()).await;
        }
    }
}

pub(super) async fn on_system(ctx: &Ctx, seen: &mut Seen<MailSystem>, change: Change<MailSystem>) {
    let (object, changed) = match change {
        Change::Applied(object) => {
            let changed = seen.changed(&object);
            (object, changed)
        }
        Change::Deleted(object) => {
            seen.forget(&object);
            keep_series(ctx);
            (object, true)
        }
        Change::Listed => return keep_series(ctx),
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

/// Metrics of systems that are gone end.
fn keep_series(ctx: &Ctx) {
    let there: Vec<String> = ctx.stores.systems.state().iter().map(|s| s.name_any()).collect();
    ctx.metrics.keep_systems(ctx.io.namespace(), &there);
}

pub(super) async fn on_agency(ctx: &Ctx, seen: &mut Seen<Agency>, change: Change<Agency>) {
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

/// Those whose mail goes to a Mailbox that changed.
async fn look_at(ctx: &Ctx, mailboxes: BTreeSet<String>) {
    for mailbox in mailboxes.iter().filter(|_| synced(ctx)) {
        ctx.triggers.mailboxes.fire(mailbox).await;
    }
}

pub(super) async fn on_mailbox(ctx: &Ctx, seen: &mut Seen<Mailbox>, change: Change<Mailbox>) {
    match change {
        Change::Applied(object) => {
            let name = object.name_any();
            let (alike, heirs) = {
                let mut index = ctx.index();
                index.mailbox(&name, &object.spec.agency_ref.name);
                let alike = index.pin(&name, object.spec.local_part.as_deref());
                (alike, index.heirs.set(&name, Some(object.heir())))
            };
            look_at(ctx, heirs).await;
            if seen.changed(&object) && synced(ctx) {
                if newcomers::is_new(&object, ctx) {
                    ctx.newcomers.saw(&name);
                }
                ctx.newcomers.again();
                ctx.triggers.mailboxes.fire(&name).await;
                for other in alike {
                    ctx.triggers.mailboxes.fire(&other).await;
                }
            }
            if synced(ctx) && ctx.lives.is_foreign(&object) && !ctx.written.is_newer_than(&object) {
                ctx.triggers.mailboxes.fire(&name).await;
            }
            if object.spec.holder == Holder::Agency && synced(ctx) {
                ctx.triggers.agencies.fire(&object.spec.agency_ref.name).await;
            }
        }
        Change::Deleted(object) => {
            let name = object.name_any();
            seen.forget(&object);
            ctx.lives.forget(&name);
            let alike = ctx.index().forget(&name);
            let heirs = ctx.index().heirs.set(&name, None);
            look_at(ctx, heirs).await;
            if synced(ctx) {
                for other in alike {
                    ctx.triggers.mailboxes.fire(&other).await;
                }
                ctx.life.ask();
                ctx.decided(&name);
                ctx.newcomers.forget(&name);
                ctx.newcomers.again();
                if object.spec.holder == Holder::Agency {
                    // It is the Agency that decides whether it has a mailbox.
                    ctx.triggers.agencies.fire(&object.spec.agency_ref.name).await;
                }
            }
        }
        Change::Listed if synced(ctx) => {
            ctx.newcomers.again();
            ctx.sweep_orphans();
            // A successor that is gone without a word.
            let named = ctx.index().heirs.named();
            for gone in named.into_iter().filter(|name| ctx.mailbox(name).is_none()) {
                let heirs = ctx.index().heirs.set(&gone, None);
                look_at(ctx, heirs).await;
            }
        }
        Change::Listed => {}
    }
}

pub(super) async fn on_policy(ctx: &Ctx, seen: &mut Seen<QuotaPolicy>, change: Change<QuotaPolicy>) {
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

pub(super) async fn on_claim(ctx: &Ctx, change: Change<AddressClaim>) {
    match change {
        Change::Applied(object) => ctx.index().claim(&object.name_any(), &object),
        Change::Deleted(object) => {
            let local = object.name_any();
            let waiting = {
                let mut index = ctx.index();
                index.unclaim(&local);
                index.waiting_for(&local)
            };
            ctx.newcomers.again();
            // Its holder first: an address that is in use is claimed again before somebody else gets it.
            if synced(ctx) {
                ctx.life.ask();
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
            ctx.newcomers.again();
            all_mailboxes(ctx).await;
        }
    }
}

/// What of a credentials Secret decides about its account: hash, and whether the initial password stands.
pub(super) type KnownCredentials = HashMap<String, Option<(String, bool)>>;

pub(super) async fn on_credentials(ctx: &Ctx, known: &mut KnownCredentials, change: Change<Secret>) {
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

/// A day of use is another one: what is due rests on it.
pub(super) async fn on_activity(ctx: &Ctx, change: Change<MailboxActivity>) {
    if let Change::Applied(activity) = change
        && synced(ctx)
    {
        ctx.triggers.mailboxes.fire(&activity.name_any()).await;
    }
}

/// Terms may end on other days now: everybody is looked at.
pub(super) async fn on_calendar(ctx: &Ctx, change: Change<WorkCalendar>) {
    if !matches!(change, Change::Listed) {
        ctx.life.ask();
        if let Some(system) = ctx.system() {
            ctx.triggers.systems.fire(&system.name_any()).await;
        }
        all_mailboxes(ctx).await;
    }
}

/// A pod or StatefulSet of a system.
pub(super) async fn on_child<K: Resource<DynamicType = ()>>(ctx: &Ctx, change: Change<K>) {
    let (Change::Applied(object) | Change::Deleted(object)) = change else { return };
    if let Some(system) = object.labels().get(SYSTEM_LABEL) {
        ctx.triggers.systems.fire(system).await;
    }
}
