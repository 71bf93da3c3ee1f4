//! A namespace of the cluster that the kubeconfig names.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::{AddressClaim, Agency, MailSystem, Mailbox, MailboxActivity, WorkCalendar};
use crate::cli::tree::Unreadable;
use crate::kube_io::{Incomplete, every};

use super::{Body, System, World};

/// The API server is given this long for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A way to the cluster.
pub struct Cluster {
    /// Speaks to the API server.
    pub client: Client,
    /// The namespace that was named, or the kubeconfig's own.
    pub namespace: String,
}

/// Why the cluster did not answer as wished.
pub type Failure = Box<dyn std::error::Error>;

impl Cluster {
    async fn connect(namespace: Option<&str>) -> Result<Self, Failure> {
        let config = kube::Config::infer().await;
        let mut config =
            config.map_err(|e| format!("no cluster can be asked; mend KUBECONFIG or ~/.kube/config: {e}"))?;
        config.read_timeout = Some(TIMEOUT);
        let namespace = namespace.map_or_else(|| config.default_namespace.clone(), String::from);
        Ok(Self { client: Client::try_from(config)?, namespace })
    }

    /// One kind of the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Every object of one kind of the namespace.
    pub async fn all<K>(&self) -> Result<Vec<K>, Incomplete>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api = self.api::<K>();
        every(|page| {
            let api = api.clone();
            async move { api.list(&page).await }
        })
        .await
    }
}

impl Cluster {
    /// An Agency, if it is there and may be read.
    pub async fn agency(&self, name: &str) -> Option<Body> {
        let agency = self.api::<Agency>().get_opt(name).await.ok()??;
        let namespace = agency.namespace().unwrap_or_default();
        Some(Body { namespace, name: agency.name_any(), title: agency.spec.name })
    }
}

/// Runs something that asks the cluster. The process has chosen its crypto provider before.
pub fn ask<T, F>(namespace: Option<&str>, work: impl FnOnce(Cluster) -> F) -> Result<T, Unreadable>
where
    F: Future<Output = Result<T, Failure>>,
{
    let unreadable = |message: String| Unreadable::new(Path::new("cluster"), &message);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| unreadable(e.to_string()))?;
    let work = async { work(Cluster::connect(namespace).await?).await };
    runtime.block_on(work).map_err(|e| unreadable(e.to_string()))
}

/// Everything of a namespace.
pub fn read(namespace: Option<&str>) -> Result<World, Unreadable> {
    ask(namespace, |cluster| async move { world(&cluster).await })
}

/// What decides about every account: MailSystem and WorkCalendars.
pub async fn frame(cluster: &Cluster) -> Result<World, Failure> {
    let mut world = World { whole: true, live: true, ..World::default() };
    world.systems = cluster.all::<MailSystem>().await?.into_iter().map(system).collect();
    let calendars = may(cluster.all::<WorkCalendar>().await, "WorkCalendars", &mut world.notes)?;
    world.calendars =
        calendars.unwrap_or_default().into_iter().map(|c| (c.namespace().unwrap_or_default(), c)).collect();
    if world.systems.is_empty() {
        let namespace = &cluster.namespace;
        world.notes.push(format!("no MailSystem in namespace {namespace}; --namespace names another one"));
    }
    Ok(world)
}

/// Everything of the namespace that tells of the life of accounts.
pub async fn world(cluster: &Cluster) -> Result<World, Failure> {
    let mut world = frame(cluster).await?;
    world.mailboxes = cluster.all::<Mailbox>().await?;
    // Who may read Mailboxes may often not read all of these; each is worth something without them.
    let agencies = may(cluster.all::<Agency>().await, "Agencies", &mut world.notes)?.unwrap_or_default();
    let body = |agency: Agency| Body {
        namespace: agency.namespace().unwrap_or_default(),
        name: agency.name_any(),
        title: agency.spec.name,
    };
    world.agencies = agencies.into_iter().map(body).collect();
    world.claims = may(cluster.all::<AddressClaim>().await, "AddressClaims", &mut world.notes)?.unwrap_or_default();
    let activities = may(cluster.all::<MailboxActivity>().await, "MailboxActivities", &mut world.notes)?;
    world.activities = activities.map(|all| {
        let one =
            |a: MailboxActivity| ((a.namespace().unwrap_or_default(), a.name_any()), a.status.unwrap_or_default());
        all.into_iter().map(one).collect::<HashMap<_, _>>()
    });
    Ok(world)
}

/// What may not be read is left out, and that is said.
fn may<T>(read: Result<Vec<T>, Incomplete>, what: &str, notes: &mut Vec<String>) -> Result<Option<Vec<T>>, Failure> {
    match read {
        Ok(all) => Ok(Some(all)),
        Err(Incomplete::Refused(kube::Error::Api(status))) if matches!(status.code, 403 | 404) => {
            notes.push(format!("{what} may not be read here, so what rests on them is left out: {}", status.message));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn system(system: MailSystem) -> System {
    System {
        namespace: system.namespace().unwrap_or_default(),
        name: system.name_any(),
        made: system.creation_timestamp().map(|at| at.0),
        page: system.spec.password_page(),
        domain: system.spec.domain,
        hostname: system.spec.hostname,
        regulation: system.spec.regulation,
        acknowledge: system.spec.acknowledge,
        status: system.status.unwrap_or_default(),
    }
}
