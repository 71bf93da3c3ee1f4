//! One watch of a kind: pruned before it is kept, deletes not lost, restarted with backoff.

use std::fmt::Debug;

use futures::{StreamExt, pin_mut};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::telemetry::Metrics;

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

/// A cache and what fills it.
pub struct Watched<K: Resource<DynamicType = ()> + Clone + 'static> {
    writer: reflector::store::Writer<K>,
    api: Api<K>,
    config: watcher::Config,
    prune: fn(&mut K),
}

/// A watch of `api`; `prune` drops what is not needed before an object is kept.
pub fn watched<K>(api: Api<K>, config: watcher::Config, prune: fn(&mut K)) -> (Store<K>, Watched<K>)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (reader, writer) = reflector::store();
    (reader, Watched { writer, api, config, prune })
}

impl<K> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Works for ever; `handle` is told of everything after it stands in the cache.
    pub async fn run(self, metrics: Metrics, mut handle: impl AsyncFnMut(Change<K>)) {
        let prune = self.prune;
        let stream = watcher(self.api, self.config)
            .default_backoff()
            .modify(move |object| {
                object.managed_fields_mut().clear();
                object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
                prune(object);
            })
            .reflect(self.writer);
        pin_mut!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => handle(Change::Applied(object)).await,
                Ok(Event::Delete(object)) => handle(Change::Deleted(object)).await,
                Ok(Event::InitDone) => handle(Change::Listed).await,
                Ok(Event::Init) => {}
                Err(error) => {
                    warn!(kind = %K::kind(&()), %error, "watch failed; trying again");
                    metrics.watch_failed(&K::kind(&()));
                }
            }
        }
    }
}
