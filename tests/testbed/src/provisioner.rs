//! The StorageClasses `local` and `limited`, and what makes their volumes: each is a directory of the state directory. One of
//! `limited` is as large as its claim asks for and no larger, so that a test can fill it; it is memory.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

use crate::{
    api,
    plan::{Plan, Tier},
};

const CLASS: &str = "local";
const LIMITED: &str = "limited";
const PROVISIONER: &str = "testbed.local/directory";
/// Set by the scheduler when it has chosen the node of a claim's first pod.
const SELECTED: &str = "volume.kubernetes.io/selected-node";

/// Creates the StorageClasses. Without a scheduler (tier 1) nobody could wait for the first pod.
pub fn storage_classes(plan: &Plan, api: &api::Api) -> Result<()> {
    let mode = match plan.tier {
        Tier::Api => "Immediate",
        Tier::Node => "WaitForFirstConsumer",
    };
    for name in [CLASS, LIMITED] {
        let default = (name == CLASS).to_string();
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {
                "name": name,
                "annotations": {"storageclass.kubernetes.io/is-default-class": default},
            },
            "provisioner": PROVISIONER, "reclaimPolicy": "Retain", "volumeBindingMode": mode,
        });
        api.create("/apis/storage.k8s.io/v1/storageclasses", &class)?;
    }
    Ok(())
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
        if class(&claim) == Some(LIMITED) {
            limit(&dir, size(&claim))?;
        }
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
        && matches!(class(claim), Some(CLASS | LIMITED))
        && claim.metadata.deletion_timestamp.is_none()
        && (plan.tier == Tier::Api || node.is_some_and(|node| *node == plan.name))
}

fn class(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.storage_class_name.as_deref()
}

fn size(claim: &PersistentVolumeClaim) -> &str {
    let requests = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    requests.and_then(|requests| requests.get("storage")).map_or("1Gi", |size| size.0.as_str())
}

/// Mounts a file system of this size, unless it is there; the kubelet and the containers see it too, since `/` is shared.
fn limit(dir: &Path, size: &str) -> Result<()> {
    let above = dir.parent().context("a volume at the root")?;
    if fs::metadata(dir)?.dev() != fs::metadata(above)?.dev() {
        return Ok(());
    }
    let options = format!("size={}", mount_size(size)?);
    mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
        .with_context(|| format!("cannot mount {size} at {}", dir.display()))
}

/// A quantity as mount wants it: its units are powers of two, too.
fn mount_size(size: &str) -> Result<&str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let known = match size.strip_suffix('i') {
        Some(number) => number.strip_suffix(['K', 'M', 'G']).is_some_and(digits),
        None => digits(size),
    };
    ensure!(known, "a volume of StorageClass {LIMITED} cannot be {size:?} large: write bytes, Ki, Mi or Gi");
    Ok(size.trim_end_matches('i'))
}

fn volume(plan: &Plan, claim: &PersistentVolumeClaim, name: &str, dir: &Path) -> Value {
    let spec = claim.spec.as_ref();
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": size(claim)},
            "accessModes": spec.and_then(|spec| spec.access_modes.as_ref()),
            "volumeMode": "Filesystem",
            "storageClassName": class(claim),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_kubernetes_and_none_is_taken_for_another() {
        for (size, expected) in [("64Mi", "64M"), ("1Gi", "1G"), ("4096", "4096")] {
            assert_eq!(mount_size(size).expect(size), expected);
        }
        for size in ["64M", "1.5Gi", "Mi", "", "1Ti", "4096i"] {
            assert!(mount_size(size).is_err(), "{size}");
        }
    }
}
