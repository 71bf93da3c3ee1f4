//! The one place that writes a status: only when it changed, with a log line and the events of the transition.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::NamespaceResourceScope;
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::info;

use super::context::Ctx;
use crate::api::ObjectStatus;
use crate::domain::events::{Access, Event, View, transitions};
use crate::kube_io::{self, Class};

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
/// the same: the API server refuses that as a conflict, and the pass comes again with the newer one. Where nothing but the spec changed
/// meanwhile, what was decided of the former spec is said all the same (`observedGeneration` tells of which): it is in the journal, and
/// the next pass would decide it once more.
pub(super) async fn say<K: Kind>(object: &K, status: &K::Status, ctx: &Ctx) -> Result<(), kube_io::Error> {
    if !ctx.written.is_newer_than(object) && object.status() == Some(status) {
        return Ok(());
    }
    let written = match ctx.io.apply_status(object, status).await {
        Err(conflict) if conflict.class() == Class::Conflict => match newer_spec(object, ctx).await? {
            Some(newer) => ctx.io.apply_status(&newer, status).await?,
            None => return Err(conflict),
        },
        other => other?,
    };
    ctx.written.note(&written);
    let before = object.status().map(ObjectStatus::view).unwrap_or_default();
    let after = status.view();
    log(object, &before, &after, status.address());
    for event in transitions(K::Status::SUBJECT, &before, &after) {
        tell(object, event, ctx);
    }
    Ok(())
}

/// The object as it is, if people changed what it asks for and its status is still the one that was read.
async fn newer_spec<K: Kind>(object: &K, ctx: &Ctx) -> Result<Option<K>, kube_io::Error> {
    if ctx.written.is_newer_than(object) {
        return Ok(None);
    }
    let is_newer = |live: &K| {
        let (live, read) = (live.meta(), object.meta());
        (&live.uid, live.deletion_timestamp.is_none()) == (&read.uid, true) && live.generation > read.generation
    };
    let live = ctx.io.get::<K>(&object.name_any()).await?;
    Ok(live.filter(|live| is_newer(live) && live.status() == object.status()))
}

/// As long as a pass waits for a cache to show what was written: a lock is in force within five seconds whatever the caches do, and
/// versions of an API server that was restored from a backup begin anew.
const SHOWN: Duration = Duration::from_secs(3);

/// What we wrote last of each object and its cache may not show yet, by resourceVersion.
#[derive(Default)]
pub(crate) struct Written(Mutex<HashMap<String, (u64, Instant)>>);

impl Written {
    fn all(&self) -> MutexGuard<'_, HashMap<String, (u64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note<K: Resource<DynamicType = ()>>(&self, object: &K) {
        if let Some(version) = version(object) {
            self.all().insert(key(object), (version, Instant::now()));
        }
    }

    /// Whether what was written last is newer than this object. What a cache has shown is forgotten.
    pub(super) fn is_newer_than<K: Resource<DynamicType = ()>>(&self, object: &K) -> bool {
        let (mut all, key) = (self.all(), key(object));
        let newer = all.get(&key).zip(version(object)).is_some_and(|((written, _), shown)| *written > shown);
        if !newer {
            all.remove(&key);
        }
        newer
    }

    /// The same, of what was written so lately that its cache may be waited for.
    pub(super) fn is_just_newer_than<K: Resource<DynamicType = ()>>(&self, object: &K) -> bool {
        self.is_newer_than(object) && self.all().get(&key(object)).is_some_and(|(_, at)| at.elapsed() < SHOWN)
    }
}

fn key<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!("{}/{}", K::kind(&()), object.name_any())
}

/// Resource versions of one kind are numbers that grow (Kubernetes API concepts, "Resource versions").
fn version<K: Resource<DynamicType = ()>>(object: &K) -> Option<u64> {
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
    use crate::controllers::fixture;
    use serde_json::json;

    fn at(version: &str) -> Agency {
        let basis = json!({"number": "1/x", "date": "2026-01-01", "issuer": "x"});
        let spec = json!({"systemRef": {"name": "gialai"}, "level": "Province", "name": "Sở Nội vụ", "basis": basis});
        let metadata = json!({"name": "snv", "resourceVersion": version});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).expect("an Agency")
    }

    fn read(version: &str, generation: i64, address: &str) -> Agency {
        let mut agency = at(version);
        let meta = &mut agency.metadata;
        (meta.generation, meta.uid, meta.namespace) = (Some(generation), Some("u-1".into()), Some("mail".into()));
        agency.status = Some(crate::api::AgencyStatus { address: Some(address.into()), ..Default::default() });
        agency
    }

    #[tokio::test]
    async fn r5_2_what_was_decided_of_a_spec_that_people_changed_meanwhile_is_said_and_not_decided_twice() {
        let now = "2026-05-10T00:00:00Z".parse().expect("a time");
        let decided = crate::api::AgencyStatus { address: Some("snv@x".into()), ..Default::default() };
        let refused = async |live: Agency, seen: Agency| {
            let ctx = fixture::ctx_holding(&live, now);
            let said = say(&seen, &decided, &ctx).await;
            let live = ctx.io.get::<Agency>("snv").await.expect("an answer").expect("it is there");
            assert_eq!(live.status.as_ref() == Some(&decided), said.is_ok());
            said.is_err_and(|error| error.class() == Class::Conflict)
        };
        assert!(!refused(read("9", 3, "old@x"), read("8", 2, "old@x")).await, "nothing but the spec changed");
        assert!(refused(read("9", 3, "other@x"), read("8", 2, "old@x")).await, "somebody wrote the status");
        assert!(refused(read("9", 2, "old@x"), read("8", 2, "old@x")).await, "the next pass has the same key");
        let mut anew = read("9", 3, "old@x");
        anew.metadata.uid = Some("u-2".into());
        assert!(refused(anew, read("8", 2, "old@x")).await, "another object of that name");
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
        written.note(&at("40"));
        assert!(written.is_newer_than(&at("39")) && written.is_just_newer_than(&at("39")));
        written.all().values_mut().for_each(|(_, noted)| *noted -= SHOWN);
        assert!(!written.is_just_newer_than(&at("39")), "nothing waits for ever");
        assert!(written.is_newer_than(&at("39")), "and nobody takes our own write for somebody else's");
    }
}
