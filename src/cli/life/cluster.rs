//! A namespace of the cluster that the kubeconfig names.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::{AddressClaim, Agency, MailSystem, Mailbox, MailboxActivity, WorkCalendar};
use crate::cli::forbidden;
use crate::cli::output::Said;
use crate::cli::place::Place;
use crate::cli::tree::Unreadable;
use crate::kube_io::{Incomplete, every};

use super::{Body, System, World};

/// The API server is given this long for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// MailSystems of other namespaces that are looked at, to name some.
const NAMED: u32 = 5;

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
    async fn connect(place: &Place) -> Result<Self, Failure> {
        let mut config = place.access.config().await?;
        config.read_timeout = Some(TIMEOUT);
        let namespace = place.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
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

/// No kubeconfig, or one that cannot be read.
pub fn no_cluster(error: &dyn std::error::Error) -> Said {
    Said::new(
        format!("no cluster can be asked; mend KUBECONFIG or ~/.kube/config: {error}"),
        format!("chưa kết nối được cụm nào; vui lòng sửa KUBECONFIG hoặc ~/.kube/config: {error}"),
    )
}

/// What went wrong with the cluster; what we say ourselves in both languages.
pub fn unreadable(error: &(dyn std::error::Error + 'static)) -> Unreadable {
    let refused = error.downcast_ref::<kube::Error>().or_else(|| match error.downcast_ref::<Incomplete>() {
        Some(Incomplete::Refused(error)) => Some(error),
        _ => None,
    });
    let said = error.downcast_ref::<Said>().cloned().or_else(|| refused.and_then(forbidden::told));
    Unreadable::said(Path::new("cluster"), said.unwrap_or_else(|| Said::new(error.to_string(), error.to_string())))
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
pub fn ask<T, F>(place: &Place, work: impl FnOnce(Cluster) -> F) -> Result<T, Unreadable>
where
    F: Future<Output = Result<T, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unreadable(&error))?;
    let work = async { work(Cluster::connect(place).await?).await };
    runtime.block_on(work).map_err(|error: Failure| unreadable(&*error))
}

/// Everything of a namespace.
pub fn read(place: &Place) -> Result<World, Unreadable> {
    ask(place, |cluster| async move { world(&cluster).await })
}

/// What decides about every account: MailSystem and WorkCalendars.
pub async fn frame(cluster: &Cluster) -> Result<World, Failure> {
    let mut world = World { whole: true, live: true, ..World::default() };
    world.systems = cluster.all::<MailSystem>().await?.into_iter().map(system).collect();
    let calendars = may(cluster.all::<WorkCalendar>().await, "WorkCalendars", &mut world.notes)?;
    world.calendars =
        calendars.unwrap_or_default().into_iter().map(|c| (c.namespace().unwrap_or_default(), c)).collect();
    if world.systems.is_empty() {
        world.notes.push(no_system(cluster).await);
    }
    Ok(world)
}

/// That the namespace has no MailSystem, and which ones have one where that may be read.
pub async fn no_system(cluster: &Cluster) -> Said {
    let all: Api<MailSystem> = Api::all(cluster.client.clone());
    let some = all.list_metadata(&ListParams::default().limit(NAMED)).await.map(|list| list.items).unwrap_or_default();
    none_in(&cluster.namespace, some.iter().filter_map(ResourceExt::namespace).collect())
}

/// The same, of the namespaces that have one.
pub fn none_in(namespace: &str, others: BTreeSet<String>) -> Said {
    let names: Vec<String> = others.into_iter().take(NAMED as usize).map(|name| format!("-n {name}")).collect();
    let (way, way_vi) = if names.is_empty() {
        (
            "name another one with -n NAMESPACE; 'kubectl get msys -A' lists all".to_string(),
            "vui lòng chỉ định namespace khác bằng -n NAMESPACE; 'kubectl get msys -A' liệt kê tất cả.".to_string(),
        )
    } else {
        let (or, or_vi) = (names.join(" or "), names.join(" hoặc "));
        (format!("one is there with {or}"), format!("có MailSystem khi dùng {or_vi}."))
    };
    Said::new(
        format!("there is no MailSystem in namespace '{namespace}'; {way}"),
        format!("namespace '{namespace}' không có MailSystem; {way_vi}"),
    )
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
    // Who looks into the wrong namespace would take the silence for a good answer.
    if world.systems.is_empty() && world.mailboxes.is_empty() && world.claims.is_empty() {
        return Err(no_system(cluster).await.into());
    }
    Ok(world)
}

/// Whether the API server answered with one of these codes.
pub fn is_any(error: &kube::Error, codes: &[u16]) -> bool {
    matches!(error, kube::Error::Api(status) if codes.contains(&status.code))
}

/// Why the API server refused: which right is missing, or its own words.
pub fn why(error: &kube::Error) -> Said {
    let own = || match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    };
    forbidden::told(error).unwrap_or_else(|| Said::new(own(), own()))
}

/// What may not be read is left out, and that is said.
fn may<T>(read: Result<Vec<T>, Incomplete>, what: &str, notes: &mut Vec<Said>) -> Result<Option<Vec<T>>, Failure> {
    match read {
        Ok(all) => Ok(Some(all)),
        Err(Incomplete::Refused(error @ kube::Error::Api(_))) if is_any(&error, &[403, 404]) => {
            let why = why(&error);
            notes.push(Said::new(
                format!("{what} may not be read here, so what rests on them is left out: {}", why.message),
                format!("không được đọc {what} ở đây nên bỏ qua những gì dựa vào đó: {}", why.message_vi),
            ));
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
        office: system.spec.office.clone(),
        domain: system.spec.domain,
        hostname: system.spec.hostname,
        regulation: system.spec.regulation,
        acknowledge: system.spec.acknowledge,
        status: system.status.unwrap_or_default(),
    }
}
