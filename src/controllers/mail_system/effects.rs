//! Children of a MailSystem: configuration before the pod, the old configuration away when nobody uses it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::ListParams;
use kube::{Resource, ResourceExt};
use tracing::info;

use super::secrets::{Material, agent_name};
use crate::backend::MailBackend;
use crate::backend::dovecot::AgentClient;
use crate::controllers::context::Ctx;
use crate::controllers::runner::Error;
use crate::controllers::status;
use crate::domain::events::{self, Severity};
use crate::kube_io::Object;
use crate::resources::{self, AGENT_PORT, SYSTEM_LABEL, SystemPlan};
use crate::tls::{self, Role};

/// Days of the operator's own certificate; it is made anew with each connection to another pod.
const CLIENT_DAYS: i64 = 30;

/// Applies every child; nothing is sent that was sent before and still stands.
pub(super) async fn children(plan: &SystemPlan, doveadm_mark: &str, ctx: &Ctx) -> Result<(), Error> {
    let config = resources::config_map(plan);
    let name = config.name_any();
    apply(&config, ctx).await?;
    for service in resources::services(plan) {
        apply(&service, ctx).await?;
    }
    apply(&resources::network_policy(plan), ctx).await?;
    apply(&resources::disruption_budget(plan), ctx).await?;
    apply(&resources::stateful_set(plan, &name, doveadm_mark), ctx).await?;
    replace_stuck_pod(plan, ctx).await?;
    super::portal::keep(plan, ctx).await?;
    drop_old_configs(plan, &name, ctx).await
}

pub(super) async fn apply<K: Object>(object: &K, ctx: &Ctx) -> Result<(), Error> {
    let key = format!("{}/{}", K::kind(&()), object.name_any());
    let mut hash = DefaultHasher::new();
    serde_json::to_string(object).unwrap_or_default().hash(&mut hash);
    let hash = hash.finish();
    let at = format!("{key} at");
    let now = ctx.wall().as_second();
    let (known, since) = {
        let applied = ctx.applied.lock().unwrap_or_else(PoisonError::into_inner);
        (applied.get(&key).copied(), applied.get(&at).map_or(0, |(at, _)| now - at))
    };
    if let Some((generation, old)) = known
        && old == hash
        && since < trust(ctx)
        && still_there::<K>(&object.name_any(), generation, ctx)
    {
        return Ok(());
    }
    let done = ctx.io.apply(object).await?;
    let generation = done.meta().generation.unwrap_or(0);
    let mut applied = ctx.applied.lock().unwrap_or_else(PoisonError::into_inner);
    applied.insert(key, (generation, hash));
    applied.insert(at, (now, 0));
    Ok(())
}

/// Seconds after which a child that is not watched is applied again: somebody may have deleted it. Sooner while the pod is not
/// ready, because a missing ConfigMap may be why.
fn trust(ctx: &Ctx) -> i64 {
    let ready = |s: &StatefulSet| s.status.as_ref().and_then(|s| s.ready_replicas).is_some_and(|n| n > 0);
    if ctx.stores.sets.state().iter().all(|s| ready(s)) { 3600 } else { 60 }
}

/// The StatefulSet is watched: somebody else's change is undone at once.
fn still_there<K: Resource<DynamicType = ()>>(name: &str, generation: i64, ctx: &Ctx) -> bool {
    if K::kind(&()) != "StatefulSet" {
        return true;
    }
    let found = ctx.stores.sets.state().into_iter().find(|s| s.name_any() == name);
    found.is_none_or(|s| s.metadata.generation == Some(generation) && s.metadata.deletion_timestamp.is_none())
}

/// A StatefulSet never replaces a pod that did not become ready, not even when its template was mended meanwhile.
async fn replace_stuck_pod(plan: &SystemPlan, ctx: &Ctx) -> Result<(), Error> {
    let set = ctx.stores.sets.state().into_iter().find(|s| s.name_any() == plan.name);
    let pod = ctx.stores.pods.state().into_iter().find(|p| p.name_any() == format!("{}-0", plan.name));
    let (Some(set), Some(pod)) = (set, pod) else { return Ok(()) };
    let status = set.status.clone().unwrap_or_default();
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
    let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
    let old = pod.labels().get("controller-revision-hash").map(String::as_str) != status.update_revision.as_deref();
    let seen = status.observed_generation == set.metadata.generation;
    if seen && old && !ready && pod.metadata.deletion_timestamp.is_none() {
        info!(pod = pod.name_any(), "a pod of an old revision that is not ready is replaced");
        ctx.io.delete::<Pod>(&pod.name_any()).await?;
        if let Some(system) = ctx.system() {
            let note = format!("pod {} of an old revision was not ready and is made anew", pod.name_any());
            status::tell(
                system.as_ref(),
                events::Event::new(Severity::Normal, "PodReplaced", "ReplacePod", &note),
                ctx,
            );
        }
    }
    Ok(())
}

/// Configurations that nobody needs any more: asked once for each configuration, and again when its pod is there.
async fn drop_old_configs(plan: &SystemPlan, current: &str, ctx: &Ctx) -> Result<(), Error> {
    let set = ctx.stores.sets.state().into_iter().find(|s| s.name_any() == plan.name);
    let status = set.as_ref().and_then(|s| s.status.clone()).unwrap_or_default();
    let seen = set.as_ref().is_some_and(|s| status.observed_generation == s.metadata.generation);
    let rolled = seen && status.ready_replicas == Some(1) && status.current_revision == status.update_revision;
    let key = format!("old-configs/{current}/{rolled}");
    if ctx.applied.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key) {
        return Ok(());
    }
    let list = ListParams::default().labels(&format!("{SYSTEM_LABEL}={}", plan.name));
    let found = ctx.io.list_metadata::<ConfigMap>(&list).await?;
    let found = found.into_iter().map(|m| (m.name.unwrap_or_default(), m.creation_timestamp.map(|t| t.0))).collect();
    let pods = ctx.stores.pods.state();
    let mounted = pods.iter().flat_map(|pod| pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()));
    let mounted = mounted.filter_map(|v| v.config_map.as_ref().map(|c| c.name.as_str())).collect();
    for old in resources::superseded(found, current, &mounted, rolled) {
        ctx.io.delete::<ConfigMap>(&old).await?;
    }
    ctx.applied.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (0, 0));
    Ok(())
}

/// Points the syncer at the agent of the pod that is there now.
pub(super) async fn follow_agent(plan: &SystemPlan, material: &Material, ctx: &Ctx) -> Result<(), Error> {
    let pod = ctx
        .stores
        .pods
        .state()
        .into_iter()
        .find(|p| p.name_any() == format!("{}-0", plan.name) && p.metadata.deletion_timestamp.is_none());
    let address = pod.and_then(|p| p.status.as_ref().and_then(|s| s.pod_ip.clone()));
    let address =
        address.and_then(|ip| ip.parse().ok()).map(|ip| SocketAddr::new(ip, u16::try_from(AGENT_PORT).unwrap_or(8443)));
    let key = format!("agent/{}", plan.name);
    let wanted = address.map(|a| {
        let mut hash = DefaultHasher::new();
        (a, &material.authority.certificate).hash(&mut hash);
        hash.finish()
    });
    let day = ctx.wall().as_second() / 86_400;
    let known = ctx.applied.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
    let fresh = known.is_some_and(|(made, hash)| Some(hash) == wanted && day - made < CLIENT_DAYS / 2);
    if fresh || (known.is_none() && wanted.is_none()) {
        return Ok(());
    }
    let backend = match address {
        None => None,
        Some(address) => Some(client(plan, material, address, ctx)?),
    };
    ctx.syncer.set_backend(backend);
    let mut applied = ctx.applied.lock().unwrap_or_else(PoisonError::into_inner);
    match wanted {
        Some(hash) => applied.insert(key, (day, hash)),
        None => applied.remove(&key),
    };
    Ok(())
}

fn client(
    plan: &SystemPlan,
    material: &Material,
    address: SocketAddr,
    ctx: &Ctx,
) -> Result<Arc<dyn MailBackend>, Error> {
    let other = |e: &dyn std::fmt::Display| Error::Other(e.to_string());
    let pair = tls::issue(&material.authority, Role::Client, "mail-operator", ctx.wall().as_second(), CLIENT_DAYS)
        .map_err(|e| other(&e))?;
    let config = tls::client_config(&pair, &material.authority.certificate).map_err(|e| other(&e))?;
    let client =
        AgentClient::new(address, &agent_name(plan), Arc::new(config), ctx.settings.term).map_err(|e| other(&e))?;
    Ok(Arc::new(client))
}
