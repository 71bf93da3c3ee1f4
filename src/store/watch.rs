//! One watch of a kind: pruned before it is kept, deletes not lost, restarted with backoff.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, pin_mut};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::api::MANAGER;
use crate::telemetry::Metrics;

/// Seconds after which the API server ends a watch by itself.
const WATCH: u32 = 240;
/// A list comes to its end, or at least to its next object, within this time.
const LIST: Duration = Duration::from_secs(20);
/// A whole quiet watch, with the next one's start.
const IDLE: Duration = Duration::from_secs(600);

/// What happened to an object.
#[derive(Debug)]
pub enum Change<K> {
    /// It is there, new or changed.
    Applied(K),
    /// It is gone.
    Deleted(K),
    /// The whole list was read (again): what is not in the store is gone, even if no deletion was seen.
    Listed,
}

/// What is called at each change: with what handlers share, and what this one remembers.
pub type Handler<K, C, S> = for<'a> fn(&'a C, &'a mut S, Change<K>) -> BoxFuture<'a, ()>;

/// A cache and what fills it.
pub struct Watched<K: Resource<DynamicType = ()> + Clone + 'static> {
    writer: reflector::store::Writer<K>,
    api: Api<K>,
    config: watcher::Config,
    prune: fn(&mut K),
    filled: watch::Sender<bool>,
}

/// Tells that a cache was filled once. Not `Store::wait_until_ready` of kube 5.0: of two who wait there only the last one is
/// woken.
pub type Filled = watch::Receiver<bool>;

/// A watch of `api`; `prune` drops what is not needed before an object is kept.
pub fn watched<K>(api: Api<K>, config: watcher::Config, prune: fn(&mut K)) -> (Store<K>, Watched<K>, Filled)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (reader, writer) = reflector::store();
    let filled = watch::Sender::new(false);
    let told = filled.subscribe();
    (reader, Watched { writer, api, config, prune, filled }, told)
}

impl<K> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Works for ever; `handle` is told of everything after it stands in the cache, with what all handlers share and what this
    /// one remembers. A list that does not come to its end
    /// and a watch that says nothing, not even a bookmark, are started anew: the way to the API server may be dead.
    pub async fn run<C, S>(mut self, metrics: Metrics, shared: Arc<C>, mut state: S, handle: Handler<K, C, S>) {
        let config = self.config.clone().timeout(WATCH);
        loop {
            let stream = watcher(self.api.clone(), config.clone()).default_backoff();
            pin_mut!(stream);
            let mut limit = LIST;
            while let Ok(Some(event)) = tokio::time::timeout(limit, stream.next()).await {
                let event = match event {
                    Ok(event) => event.modify(|object| self.trim(object)),
                    Err(error) => {
                        warn!(kind = %K::kind(&()), %error, "watch failed; trying again");
                        metrics.watch_failed(&K::kind(&()));
                        continue;
                    }
                };
                self.writer.apply_watcher_event(&event);
                match event {
                    Event::Apply(object) | Event::InitApply(object) => {
                        handle(&shared, &mut state, Change::Applied(object)).await;
                    }
                    Event::Delete(object) => handle(&shared, &mut state, Change::Deleted(object)).await,
                    Event::InitDone => {
                        limit = IDLE;
                        self.filled.send_replace(true);
                        handle(&shared, &mut state, Change::Listed).await;
                    }
                    Event::Init => limit = LIST,
                }
            }
            debug!(kind = %K::kind(&()), "watch said nothing for a while; started anew");
        }
    }

    fn trim(&self, object: &mut K) {
        who_wrote(object.managed_fields_mut());
        object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
        (self.prune)(object);
    }
}

/// Managers whose names are kept, of one object.
const MANAGERS: usize = 8;

/// Leaves of `managedFields` who wrote and when, for the journal (R5.2); nothing of what, and nothing of our own statuses.
fn who_wrote(entries: &mut Vec<ManagedFieldsEntry>) {
    entries.retain(|entry| {
        entry.subresource.as_deref().unwrap_or_default().is_empty() || entry.manager.as_deref() != Some(MANAGER)
    });
    entries.sort_by(|a, b| b.time.cmp(&a.time));
    entries.truncate(MANAGERS);
    for entry in entries.iter_mut() {
        let (manager, time, subresource) = (entry.manager.take(), entry.time.take(), entry.subresource.take());
        *entry = ManagedFieldsEntry { manager, time, subresource, ..ManagedFieldsEntry::default() };
    }
    entries.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn r5_2_who_wrote_is_kept_of_an_object_and_not_what() {
        let entry = |manager: &str, second: u8, subresource: Option<&str>| {
            json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "time": format!("2026-02-03T00:00:{second:02}Z"), "subresource": subresource,
                "fieldsV1": {"f:spec": {"f:lock": {}}}})
        };
        let all = json!([entry("kubectl", 1, None), entry("mail-operator", 3, Some("status")), entry("flux", 2, None)]);
        let mut entries: Vec<ManagedFieldsEntry> = serde_json::from_value(all).expect("entries");
        who_wrote(&mut entries);
        let names: Vec<_> = entries.iter().filter_map(|entry| entry.manager.as_deref()).collect();
        assert_eq!(names, ["flux", "kubectl"]);
        assert!(entries.iter().all(|entry| entry.fields_v1.is_none() && entry.time.is_some()));
    }
}
