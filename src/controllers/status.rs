//! The one place that writes a status: only when it changed, with a log line and the events of the transition.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::info;

use super::context::Ctx;
use crate::api::ObjectStatus;
use crate::domain::events::{Access, Event, View, transitions};
use crate::kube_io;

/// A kind that tells how it is.
pub(crate) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + HasStatus<Status: ObjectStatus>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}
impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + HasStatus<Status: ObjectStatus>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Writes the status if it is another one than `object` has.
pub(super) async fn say<K: Kind>(object: &K, status: &K::Status, ctx: &Ctx) -> Result<(), kube_io::Error> {
    if object.status() == Some(status) {
        return Ok(());
    }
    ctx.io.apply_status(object, status).await?;
    let before = object.status().map(ObjectStatus::view).unwrap_or_default();
    let after = status.view();
    log(object, &before, &after, status.address());
    for event in transitions(K::Status::SUBJECT, &before, &after) {
        tell(object, event, ctx);
    }
    Ok(())
}

/// Records an event about an object that is to stay.
pub(super) fn tell<K: Kind>(object: &K, event: Event, ctx: &Ctx) {
    if object.meta().deletion_timestamp.is_none() {
        ctx.events.record(K::Status::SUBJECT, object.object_ref(&()), event, ctx.now());
    }
}

/// The trace of every transition, the routine ones as well.
fn log<K: Kind>(object: &K, before: &View, after: &View, address: Option<&str>) {
    if (before.ready, &before.reason, before.access) == (after.ready, &after.reason, after.access) {
        return;
    }
    info!(
        kind = %K::kind(&()),
        object = object.name_any(),
        address,
        ready = after.ready,
        reason = after.reason,
        access = after.access.map(Access::as_str),
        "transition"
    );
}
