//! The volumes of a pod, as directories of this machine.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use http::Request;
use k8s_openapi::api::core::v1::{
    ConfigMap, KeyToPath, PersistentVolume, PersistentVolumeClaim, Pod, ProjectedVolumeSource, Secret,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{
    environment::field,
    writer::{self, Payload, make_dir},
};

/// After this a token is asked for again; those of the pods are good for an hour.
const TOKEN_AGE: Duration = Duration::from_secs(1800);

/// Bytes by key.
pub type Data = std::collections::BTreeMap<String, Vec<u8>>;

/// The volumes of one pod.
pub struct Volumes {
    client: Client,
    namespace: String,
    dir: PathBuf,
    claims: PathBuf,
    group: Option<u32>,
    volumes: Vec<Volume>,
    /// Where each volume is, once it is there.
    paths: HashMap<String, PathBuf>,
    written: HashMap<String, Payload>,
    tokens: HashMap<String, (Instant, String)>,
}

impl Volumes {
    /// Nothing is made yet.
    pub fn new(client: Client, state: &Path, pod: &Pod) -> Self {
        let spec = pod.spec.as_ref();
        let group =
            spec.and_then(|spec| spec.security_context.as_ref()?.fs_group).and_then(|group| u32::try_from(group).ok());
        Self {
            client,
            namespace: pod.namespace().unwrap_or_default(),
            dir: state.join("podvol").join(pod.uid().unwrap_or_default()),
            claims: state.join("claims"),
            group,
            volumes: spec.and_then(|spec| spec.volumes.clone()).unwrap_or_default(),
            paths: HashMap::new(),
            written: HashMap::new(),
            tokens: HashMap::new(),
        }
    }

    /// Makes the volumes, or brings those up to date that come from objects.
    pub async fn refresh(&mut self, pod: &Pod, address: &str) -> Result<()> {
        for volume in self.volumes.clone() {
            let name = volume.name.clone();
            self.refresh_one(volume, pod, address).await.with_context(|| format!("volume {name}"))?;
        }
        Ok(())
    }

    async fn refresh_one(&mut self, volume: Volume, pod: &Pod, address: &str) -> Result<()> {
        let dir = self.dir.join(&volume.name);
        if let Some(projected) = projection(&volume) {
            let payload = self.payload(&projected, pod, address).await?;
            if self.written.get(&volume.name) != Some(&payload) {
                writer::write(&dir, &payload, self.group)?;
                self.written.insert(volume.name.clone(), payload);
            }
            self.paths.insert(volume.name, dir);
            return Ok(());
        }
        if self.paths.contains_key(&volume.name) {
            return Ok(());
        }
        let path = if volume.empty_dir.is_some() {
            let mode = if self.group.is_some() { 0o2777 } else { 0o777 };
            make_dir(&dir, self.group, mode)?;
            dir
        } else if let Some(claim) = &volume.persistent_volume_claim {
            self.claim(&claim.claim_name).await?
        } else if let Some(host) = &volume.host_path {
            PathBuf::from(&host.path)
        } else {
            bail!("of a kind that the pod runner does not know");
        };
        self.paths.insert(volume.name, path);
        Ok(())
    }

    /// The directory of a bound claim. A link with the claim's name leads to it.
    async fn claim(&self, name: &str) -> Result<PathBuf> {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &self.namespace);
        let claim = claims.get(name).await?;
        let volume = claim.spec.and_then(|spec| spec.volume_name);
        let volume = volume.with_context(|| format!("claim {name} is not bound yet"))?;
        let volumes: Api<PersistentVolume> = Api::all(self.client.clone());
        let spec = volumes.get(&volume).await?.spec.unwrap_or_default();
        let local = spec.local.map(|local| local.path);
        let path = local.or_else(|| spec.host_path.map(|host| host.path));
        let path = PathBuf::from(path.with_context(|| format!("{volume} is not local"))?);
        if self.group.is_some() {
            make_dir(&path, self.group, 0o2775)?;
        }
        fs::create_dir_all(&self.claims)?;
        let link = self.claims.join(format!("{}_{name}", self.namespace));
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&path, &link)?;
        Ok(path)
    }

    /// What a container's mount is bound to; makes the subPath if it is not there.
    pub fn source(&self, mount: &VolumeMount) -> Result<PathBuf> {
        let path = self.paths.get(&mount.name).with_context(|| format!("no volume {}", mount.name))?;
        let sub = mount.sub_path.as_deref().unwrap_or_default();
        if sub.is_empty() {
            return Ok(path.clone());
        }
        ensure!(!sub.split('/').any(|part| part == ".."), "subPath {sub}");
        let source = path.join(sub);
        if !source.exists() {
            make_dir(&source, self.group, 0o2775)?;
        }
        // A file of a ConfigMap is behind two links; what is bound is the file itself.
        Ok(source.canonicalize()?)
    }

    /// Removes what lives only as long as the pod.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.dir);
    }

    async fn payload(&mut self, projected: &ProjectedVolumeSource, pod: &Pod, address: &str) -> Result<Payload> {
        let mode = mode(projected.default_mode, 0o644);
        let mut payload = Payload::new();
        for source in projected.sources.iter().flatten() {
            self.add(source, mode, pod, address, &mut payload).await?;
        }
        Ok(payload)
    }

    async fn add(
        &mut self,
        source: &VolumeProjection,
        mode: u32,
        pod: &Pod,
        address: &str,
        payload: &mut Payload,
    ) -> Result<()> {
        if let Some(map) = &source.config_map {
            let data = config_map(&self.client, &self.namespace, &map.name).await?;
            choose(data, map.items.as_deref(), map.optional, mode, payload)
                .with_context(|| format!("ConfigMap {}", map.name))?;
        }
        if let Some(from) = &source.secret {
            let data = secret(&self.client, &self.namespace, &from.name).await?;
            choose(data, from.items.as_deref(), from.optional, mode, payload)
                .with_context(|| format!("Secret {}", from.name))?;
        }
        if let Some(token) = &source.service_account_token {
            let text = self.token(token, pod).await?;
            payload.insert(token.path.clone(), (text.into_bytes(), mode));
        }
        for item in source.downward_api.iter().flat_map(|api| api.items.iter().flatten()) {
            if let Some(reference) = &item.field_ref {
                let value = field(pod, address, &reference.field_path)?;
                let mode = self::mode(item.mode, mode);
                payload.insert(item.path.clone(), (value.into_bytes(), mode));
            }
        }
        Ok(())
    }

    async fn token(&mut self, wanted: &ServiceAccountTokenProjection, pod: &Pod) -> Result<String> {
        let audience = wanted.audience.clone().unwrap_or_default();
        if let Some((at, token)) = self.tokens.get(&audience)
            && at.elapsed() < TOKEN_AGE
        {
            return Ok(token.clone());
        }
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
        let account = account.unwrap_or_else(|| "default".to_owned());
        let audiences = if audience.is_empty() { json!([]) } else { json!([audience]) };
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {
                "audiences": audiences,
                "expirationSeconds": wanted.expiration_seconds.unwrap_or(3600),
                "boundObjectRef": {
                    "kind": "Pod", "apiVersion": "v1", "name": pod.name_any(), "uid": pod.uid(),
                },
            },
        });
        let namespace = &self.namespace;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let request =
            Request::post(path).header("content-type", "application/json").body(serde_json::to_vec(&body)?)?;
        let answer: Value = self.client.request(request).await?;
        let token = answer["status"]["token"].as_str().context("no token")?.to_owned();
        self.tokens.insert(audience, (Instant::now(), token.clone()));
        Ok(token)
    }
}

/// ConfigMap, Secret and downwardAPI volumes are projected volumes with one source.
fn projection(volume: &Volume) -> Option<ProjectedVolumeSource> {
    let one = |source, default_mode| Some(ProjectedVolumeSource { default_mode, sources: Some(vec![source]) });
    if let Some(map) = &volume.config_map {
        let source = json!({"configMap": {
            "name": map.name, "items": map.items, "optional": map.optional,
        }});
        return one(serde_json::from_value(source).ok()?, map.default_mode);
    }
    if let Some(secret) = &volume.secret {
        let source = json!({"secret": {
            "name": secret.secret_name, "items": secret.items, "optional": secret.optional,
        }});
        return one(serde_json::from_value(source).ok()?, secret.default_mode);
    }
    if let Some(api) = &volume.downward_api {
        let source = json!({"downwardAPI": {"items": api.items}});
        return one(serde_json::from_value(source).ok()?, api.default_mode);
    }
    volume.projected.clone()
}

fn mode(value: Option<i32>, usual: u32) -> u32 {
    value.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(usual)
}

/// Puts the keys of an object that are wanted into the payload.
fn choose(
    data: Option<Data>,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
    mode: u32,
    payload: &mut Payload,
) -> Result<()> {
    let optional = optional.unwrap_or(false);
    let Some(data) = data else {
        ensure!(optional, "is not there");
        return Ok(());
    };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        let all = data.into_iter();
        payload.extend(all.map(|(key, value)| (key, (value, mode))));
        return Ok(());
    };
    for item in items {
        match data.get(&item.key) {
            Some(value) => {
                let mode = self::mode(item.mode, mode);
                payload.insert(item.path.clone(), (value.clone(), mode));
            }
            None => ensure!(optional, "has no key {}", item.key),
        }
    }
    Ok(())
}

/// What is in a ConfigMap, if it is there.
pub async fn config_map(client: &Client, namespace: &str, name: &str) -> Result<Option<Data>> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = maps.get_opt(name).await?;
    Ok(map.map(|map| {
        let text = map.data.unwrap_or_default().into_iter();
        let binary = map.binary_data.unwrap_or_default().into_iter();
        text.map(|(key, value)| (key, value.into_bytes())).chain(binary.map(|(key, value)| (key, value.0))).collect()
    }))
}

/// What is in a Secret, if it is there.
pub async fn secret(client: &Client, namespace: &str, name: &str) -> Result<Option<Data>> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = secrets.get_opt(name).await?;
    Ok(secret.map(|secret| {
        let data = secret.data.unwrap_or_default().into_iter();
        data.map(|(key, value)| (key, value.0)).collect()
    }))
}
