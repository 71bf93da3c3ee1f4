//! Mailbox → address, credentials, account. Three API writes for a new one (claim, Secret, status), none when nothing
//! changed.

mod address;
mod decide;
mod effects;
mod facts;
mod foreign;
mod life;
mod nothing;
mod papers;
mod pass;
mod perform;
mod record;
mod told;
#[cfg(test)]
mod unsaid_tests;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

pub(super) use self::address::request;
pub(super) use self::foreign::Lives;
pub(super) use self::nothing::has_nothing;
use super::context::Ctx;
use super::runner::{Error, Next};
use crate::api::Mailbox;
use crate::domain::notice::REARM;
use crate::domain::quota::Bytes;

/// One pass over one Mailbox.
pub(super) fn reconcile(mailbox: Arc<Mailbox>, ctx: Arc<Ctx>) -> BoxFuture<'static, Result<Next, Error>> {
    async move {
        let name = mailbox.name_any();
        let result = pass::pass(&mailbox, &ctx).await;
        if ctx.mailbox(&name).is_none_or(|now| now.metadata.uid != mailbox.metadata.uid) {
            // It was deleted meanwhile: what this pass wanted is not wanted.
            ctx.life.ask();
        }
        ctx.decided(&name);
        result
    }
    .boxed()
}

/// Whether so much use of its storage may be something to tell, or to forget that it was told.
pub(super) fn fills(name: &str, used: u64, ctx: &Ctx) -> bool {
    let Some(mailbox) = ctx.mailbox(name) else { return false };
    let Some(quota) = mailbox.status.as_ref().and_then(|status| status.quota.as_ref()) else { return false };
    let storage = Bytes::parse(&quota.storage, "status.quota.storage").map_or(u64::MAX, |storage| storage.0);
    let found = quota
        .policy
        .as_ref()
        .and_then(|policy| ctx.stores.policies.get(&ObjectRef::new(policy).within(ctx.io.namespace())));
    let rearm = found.map_or(REARM, |policy| policy.spec.rearm_below_percent);
    quota.told.is_some() || u128::from(used) * 100 >= u128::from(storage) * u128::from(rearm)
}

/// Whether what it shows as due is not what is known now.
pub(super) fn is_stale(mailbox: &Mailbox, ctx: &Ctx) -> bool {
    let (rules, now) = (super::lifecycle::rules(ctx), ctx.now());
    life::is_stale(mailbox, &rules, &super::lifecycle::life(mailbox, ctx, now), now)
}
