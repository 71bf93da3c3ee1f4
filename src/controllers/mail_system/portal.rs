//! The password page: its objects while it is wanted, none of ours when it is not.

use std::sync::PoisonError;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Resource, ResourceExt};

use super::effects::apply;
use crate::controllers::context::Ctx;
use crate::controllers::runner::Error;
use crate::kube_io::Object;
use crate::resources::{self, SystemPlan};

/// Seconds after which it is asked again whether something is left.
const ASK: i64 = 3600;

/// Applies or removes the page.
pub(super) async fn keep(plan: &SystemPlan, ctx: &Ctx) -> Result<(), Error> {
    let Some(portal) = &plan.portal else {
        drop_ours::<Deployment>(plan, ctx).await?;
        drop_ours::<Service>(plan, ctx).await?;
        drop_ours::<NetworkPolicy>(plan, ctx).await?;
        return drop_ours::<PodDisruptionBudget>(plan, ctx).await;
    };
    // The policy first: no pod is ever without it.
    wanted(&resources::portal_network_policy(plan), ctx).await?;
    let account = ctx.io.get::<ServiceAccount>(&portal.service_account).await?.and_then(|account| account.metadata.uid);
    wanted(&resources::portal_deployment(plan, portal, account), ctx).await?;
    wanted(&resources::portal_service(plan), ctx).await?;
    match resources::portal_disruption_budget(plan, portal) {
        Some(budget) => wanted(&budget, ctx).await,
        None => drop_ours::<PodDisruptionBudget>(plan, ctx).await,
    }
}

async fn wanted<K: Object>(object: &K, ctx: &Ctx) -> Result<(), Error> {
    apply(object, ctx).await?;
    ctx.applied.lock().unwrap_or_else(PoisonError::into_inner).remove(&gone::<K>(&object.name_any()));
    Ok(())
}

fn gone<K: Resource<DynamicType = ()>>(name: &str) -> String {
    format!("gone/{}/{name}", K::kind(&()))
}

/// Deletes what we made for this MailSystem, and nothing that somebody else gave that name. What is gone is not asked for
/// again for an hour.
async fn drop_ours<K>(plan: &SystemPlan, ctx: &Ctx) -> Result<(), Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope>,
{
    let (name, now) = (plan.child("portal"), ctx.now().as_second());
    let key = gone::<K>(&name);
    let asked = ctx.applied.lock().unwrap_or_else(PoisonError::into_inner).get(&key).map(|(at, _)| *at);
    if asked.is_some_and(|at| now - at < ASK) {
        return Ok(());
    }
    if let Some(found) = ctx.io.get::<K>(&name).await?
        && found.owner_references().iter().any(|owner| owner.uid == plan.uid)
    {
        ctx.io.delete_exactly(&found).await?;
    }
    let mut applied = ctx.applied.lock().unwrap_or_else(PoisonError::into_inner);
    let known = format!("{}/{name}", K::kind(&()));
    applied.remove(&format!("{known} at"));
    applied.remove(&known);
    applied.insert(key, (now, 0));
    Ok(())
}
