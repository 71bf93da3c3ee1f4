//! The one place that writes a status: only when it changed, with a log line and the events of the transition.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Writes the status if it is another one than `object` has. An object that is older than what was written last is written to all
/// the same: the API server refuses that as a conflict, and the pass comes again with the newer one.
pub(super) async fn say<K: Kind>(object: &K, status: &K::Status, ctx: &Ctx) -> Result<(), kube_io::Error> {
    if !ctx.written.is_newer_than(object) && object.status() == Some(status) {
        return Ok(());
    }
    ctx.written.note(&ctx.io.apply_status(object, status).await?);
    let before = object.status().map(ObjectStatus::view).unwrap_or_default();
    let after = status.view();
    log(object, &before, &after, status.address());
    for event in transitions(K::Status::SUBJECT, &before, &after) {
        tell(object, event, ctx);
    }
    Ok(())
}

/// The last status of each object that we wrote and that its cache may not show yet, by resourceVersion.
#[derive(Default)]
pub(crate) struct Written(Mutex<HashMap<String, u64>>);

impl Written {
    fn all(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note<K: Kind>(&self, object: &K) {
        if let Some(version) = version(object) {
            self.all().insert(key(object), version);
        }
    }

    /// Whether what was written last is newer than this object. What a cache has shown is forgotten.
    pub(super) fn is_newer_than<K: Kind>(&self, object: &K) -> bool {
        let (mut all, key) = (self.all(), key(object));
        let newer = all.get(&key).zip(version(object)).is_some_and(|(written, shown)| *written > shown);
        if !newer {
            all.remove(&key);
        }
        newer
    }
}

fn key<K: Kind>(object: &K) -> String {
    format!("{}/{}", K::kind(&()), object.name_any())
}

/// Resource versions of one kind are numbers that grow (Kubernetes API concepts, "Resource versions").
fn version<K: Kind>(object: &K) -> Option<u64> {
    object.meta().resource_version.as_ref()?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Agency;
    use serde_json::json;

    fn at(version: &str) -> Agency {
        let basis = json!({"number": "1/x", "date": "2026-01-01", "issuer": "x"});
        let spec = json!({"systemRef": {"name": "gialai"}, "level": "Province", "name": "Sở Nội vụ", "basis": basis});
        let metadata = json!({"name": "snv", "resourceVersion": version});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).expect("an Agency")
    }

    #[test]
    fn a_cache_that_is_behind_our_own_write_is_known() {
        let written = Written::default();
        assert!(!written.is_newer_than(&at("7")), "nothing was written");
        written.note(&at("12"));
        assert!(written.is_newer_than(&at("9")), "by number, not by letter");
        assert!(!written.is_newer_than(&at("12")));
        assert!(written.all().is_empty(), "forgotten once it was shown");
        written.note(&at("20"));
        assert!(!written.is_newer_than(&at("31")), "somebody else wrote later");
    }
}
