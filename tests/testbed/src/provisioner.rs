//! The StorageClass `local` and what makes its volumes: each is a directory of the state directory.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    api,
    plan::{Plan, Tier},
};

const CLASS: &str = "local";
const PROVISIONER: &str = "testbed.local/directory";
/// Set by the scheduler when it has chosen the node of a claim's first pod.
const SELECTED: &str = "volume.kubernetes.io/selected-node";

/// Creates the StorageClass. Without a scheduler (tier 1) nobody could wait for the first pod.
pub fn storage_class(plan: &Plan, api: &api::Api) -> Result<()> {
    let mode = match plan.tier {
        Tier::Api => "Immediate",
        Tier::Node => "WaitForFirstConsumer",
    };
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER, "reclaimPolicy": "Retain", "volumeBindingMode": mode,
    });
    api.create("/apis/storage.k8s.io/v1/storageclasses", &class)
}

/// Makes volumes for claims until it is killed.
pub fn serve(state: &Path) -> Result<()> {
    let plan = Plan::read(state)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = api::client(&plan.kubeconfig()).await?;
        let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
        let volumes: Api<PersistentVolume> = Api::all(client);
        loop {
            if let Err(error) = pass(&plan, &claims, &volumes).await {
                eprintln!("{error:#}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
}

async fn pass(plan: &Plan, claims: &Api<PersistentVolumeClaim>, volumes: &Api<PersistentVolume>) -> Result<()> {
    for claim in claims.list(&ListParams::default()).await? {
        if !is_ours(plan, &claim) {
            continue;
        }
        let uid = claim.uid().context("a claim without uid")?;
        let name = format!("pvc-{uid}");
        if volumes.get_opt(&name).await?.is_some() {
            continue; // on its way
        }
        let dir = plan.path("volumes").join(&name);
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777))?;
        let volume = serde_json::from_value(volume(plan, &claim, &name, &dir))?;
        volumes.create(&PostParams::default(), &volume).await?;
        eprintln!("{name} for {:?}/{}", claim.namespace(), claim.name_any());
    }
    Ok(())
}

fn is_ours(plan: &Plan, claim: &PersistentVolumeClaim) -> bool {
    let pending = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let Some(spec) = &claim.spec else {
        return false;
    };
    let node = claim.annotations().get(SELECTED);
    pending == Some("Pending")
        && spec.volume_name.as_deref().unwrap_or_default().is_empty()
        && spec.storage_class_name.as_deref() == Some(CLASS)
        && claim.metadata.deletion_timestamp.is_none()
        && (plan.tier == Tier::Api || node.is_some_and(|node| *node == plan.name))
}

fn volume(plan: &Plan, claim: &PersistentVolumeClaim, name: &str, dir: &Path) -> Value {
    let spec = claim.spec.as_ref();
    let size = spec
        .and_then(|spec| spec.resources.as_ref())
        .and_then(|resources| resources.requests.as_ref())
        .and_then(|requests| requests.get("storage"));
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": size.map_or("1Gi", |size| size.0.as_str())},
            "accessModes": spec.and_then(|spec| spec.access_modes.as_ref()),
            "volumeMode": "Filesystem",
            "storageClassName": CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": dir},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim.name_any(),
                "namespace": claim.namespace(), "uid": claim.uid(),
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [plan.name]},
            ]}]}},
        },
    })
}
