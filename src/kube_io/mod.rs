//! The only code that calls the API server: every call bounded in time, counted, and classified when it fails.

mod error;
mod events;
mod pages;

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

pub use self::error::{Call, Class, Error};
pub use self::events::Recorder;
pub use self::pages::{Incomplete, every};
use crate::telemetry::Metrics;

/// Field manager of everything that the operator applies.
pub use crate::api::MANAGER;
const LIMIT: Duration = Duration::from_secs(10);
/// Objects in the answer to one list; what is read here is looked at again and again, the rest comes then.
const LARGEST_LIST: u32 = 100;

/// What became of a creation.
#[derive(Debug)]
pub enum Created<K> {
    /// It is ours.
    New(K),
    /// An object of that name was there.
    Exists,
}

/// Calls in one namespace.
#[derive(Clone)]
pub struct Io {
    client: Client,
    namespace: String,
    metrics: Metrics,
}

impl Io {
    /// Calls in `namespace`.
    pub fn new(client: Client, namespace: &str, metrics: Metrics) -> Self {
        Self { client, namespace: namespace.into(), metrics }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A typed view of the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates; an object that is there already is an answer, not an error.
    pub async fn create<K>(&self, object: &K) -> Result<Created<K>, Error>
    where
        K: Object,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let api = self.api::<K>();
        let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        match self.call::<K, _>("create", &name, api.create(&parameters, object)).await {
            Ok(new) => Ok(Created::New(new)),
            Err(error) if error.matches(|s| s.is_already_exists()) => Ok(Created::Exists),
            Err(error) => Err(error),
        }
    }

    /// Reads one object.
    pub async fn get<K: Object>(&self, name: &str) -> Result<Option<K>, Error> {
        self.call::<K, _>("get", name, self.api::<K>().get_opt(name)).await
    }

    /// Metadata of every object that `parameters` choose, at most `LARGEST_LIST`.
    pub async fn list_metadata<K: Object>(&self, parameters: &ListParams) -> Result<Vec<ObjectMeta>, Error> {
        let (api, parameters) = (self.api::<K>(), parameters.clone().limit(LARGEST_LIST));
        let found = self.call::<K, _>("list", "", api.list_metadata(&parameters)).await?;
        Ok(found.items.into_iter().map(|object| object.metadata).collect())
    }

    /// Every object that `parameters` choose, at most `LARGEST_LIST`.
    pub async fn list<K: Object>(&self, parameters: &ListParams) -> Result<Vec<K>, Error> {
        let (api, parameters) = (self.api::<K>(), parameters.clone().limit(LARGEST_LIST));
        Ok(self.call::<K, _>("list", "", api.list(&parameters)).await?.items)
    }

    /// Server-side apply of what is ours.
    pub async fn apply<K: Object>(&self, object: &K) -> Result<K, Error> {
        let name = object.meta().name.clone().unwrap_or_default();
        let parameters = PatchParams::apply(MANAGER).force();
        let api = self.api::<K>();
        let patch = Patch::Apply(object);
        self.call::<K, _>("patch", &name, api.patch(&name, &parameters, &patch)).await
    }

    /// Replaces with the resourceVersion that was read: whoever was faster wins.
    pub async fn replace<K: Object>(&self, object: &K) -> Result<K, Error> {
        let name = object.meta().name.clone().unwrap_or_default();
        let object = unmanaged(object);
        self.call::<K, _>("update", &name, self.api::<K>().replace(&name, &PostParams::default(), &object)).await
    }

    /// Server-side apply of the status alone, if `object` is still the newest: what was decided from an older one is decided
    /// again.
    pub async fn apply_status<K: Object, S: Serialize>(&self, object: &K, status: &S) -> Result<K, Error> {
        let name = object.meta().name.as_deref().unwrap_or_default();
        let body = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()), "status": status,
            "metadata": {"name": name, "resourceVersion": object.meta().resource_version},
        });
        let parameters = PatchParams::apply(MANAGER).force();
        let api = self.api::<K>();
        let patch = Patch::Apply(&body);
        self.call::<K, _>("patch/status", name, api.patch_status(name, &parameters, &patch)).await
    }

    /// Replaces a status as a whole, with the resourceVersion that was read: what we do not set goes, whoever set it.
    pub async fn replace_status<K: Object>(&self, object: &K) -> Result<K, Error> {
        let name = object.meta().name.clone().unwrap_or_default();
        let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        let api = self.api::<K>();
        self.call::<K, _>("update/status", &name, api.replace_status(&name, &parameters, &unmanaged(object))).await
    }

    /// Deletes; what is not there is an answer, not an error.
    pub async fn delete<K: Object>(&self, name: &str) -> Result<(), Error> {
        match self.call::<K, _>("delete", name, self.api::<K>().delete(name, &DeleteParams::default())).await {
            Ok(_) => Ok(()),
            Err(error) if error.matches(|s| s.is_not_found()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes what was read and nothing that came after it; whoever was faster wins.
    pub async fn delete_exactly<K: Object>(&self, object: &K) -> Result<(), Error> {
        let (name, meta) = (object.meta().name.clone().unwrap_or_default(), object.meta());
        let (uid, resource_version) = (meta.uid.clone(), meta.resource_version.clone());
        let parameters =
            DeleteParams { preconditions: Some(Preconditions { uid, resource_version }), ..DeleteParams::default() };
        match self.call::<K, _>("delete", &name, self.api::<K>().delete(&name, &parameters)).await {
            Ok(_) => Ok(()),
            Err(error) if error.matches(|s| s.is_not_found()) || error.class() == Class::Conflict => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn call<K: Object, T>(
        &self,
        verb: &'static str,
        name: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        let kind = K::kind(&()).to_string();
        let result = tokio::time::timeout(LIMIT, call).await;
        self.metrics.api_request(verb, &kind, matches!(result, Ok(Ok(_))));
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => {
                Err(Error::Api { call: Call { verb, kind, name: name.into() }, source: Box::new(source) })
            }
            Err(_) => Err(Error::Timeout { call: Call { verb, kind, name: name.into() } }),
        }
    }
}

/// What is sent says nothing of who manages it: the caches know a part of that alone.
fn unmanaged<K: Object>(object: &K) -> K {
    let mut object = object.clone();
    object.meta_mut().managed_fields = None;
    object
}

/// A kind that can be read and written.
pub trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}
impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}
