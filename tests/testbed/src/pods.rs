//! A small kubelet for tier 1: runs the operator's pods as real processes, with runc, without containerd
//! and scheduler.
//!
//! Pods that carry the operator's label are bound to a made-up node, so that their deletion is graceful. Each
//! pod has a network namespace and an address of its own on the bridge of the private machine; beside the runner
//! kube-proxy and CoreDNS make Services work. What it leaves out: NetworkPolicy, seccomp, preStop and postStart
//! hooks, cpu limits, `shareProcessNamespace`, and the API server's way to logs and exec (logs are files in the
//! state directory).

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};
use nix::unistd::geteuid;
use tokio::{sync::watch, time::sleep};

use crate::{api, plan::Plan};
use container::Stop;
use network::Addresses;

mod bundle;
mod container;
mod environment;
mod image;
mod network;
mod node;
mod pod;
mod probe;
mod status;
mod volumes;
mod writer;

/// Pods with this label are run.
const SELECTOR: &str = "app.kubernetes.io/managed-by=mail-operator";
const PAUSE: Duration = Duration::from_millis(250);
/// Addresses of the pods.
pub const NETWORK: &str = "10.88.0.0/24";
/// State of runc and the writable layers; memory of the private machine.
const RUN: &str = "/run/testbed";

/// Whether pods can be run here.
pub fn available() -> bool {
    geteuid().is_root() && Path::new("/run/netns").exists()
}

/// Runs pods of one namespace, or of all, until it is killed.
pub fn serve(state: &Path, namespace: Option<&str>) -> Result<()> {
    ensure!(available(), "pods can be run only as root, inside `testbed run --tier 1`");
    let plan = Plan::read(state)?;
    std::fs::create_dir_all(RUN)?;
    remove_leftovers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = api::client(&plan.kubeconfig()).await?;
        node::register(&client, &plan).await?;
        tokio::spawn(node::heartbeat(client.clone(), plan.name.clone()));
        let pods = match namespace {
            Some(name) => Api::namespaced(client.clone(), name),
            None => Api::all(client.clone()),
        };
        let mut runner = Runner { plan, client, pods, running: HashMap::new(), addresses: Addresses::default() };
        loop {
            if let Err(error) = runner.pass().await {
                eprintln!("{error:#}");
            }
            sleep(PAUSE).await;
        }
    })
}

/// Containers of a runner that was killed.
fn remove_leftovers() {
    let Ok(list) = Command::new("runc").args(["--root", bundle::RUNC, "list", "-q"]).output() else {
        return;
    };
    for id in String::from_utf8_lossy(&list.stdout).lines() {
        let _ = Command::new("runc").args(["--root", bundle::RUNC, "delete", "--force", id]).status();
    }
}

struct Runner {
    plan: Plan,
    client: Client,
    pods: Api<Pod>,
    /// By uid: how to stop the pod's task.
    running: HashMap<String, watch::Sender<Stop>>,
    addresses: Addresses,
}

impl Runner {
    /// One look at all pods.
    async fn pass(&mut self) -> Result<()> {
        let list = self.pods.list(&ListParams::default().labels(SELECTOR)).await?;
        let mut seen = BTreeSet::new();
        for pod in list {
            let Some(uid) = pod.uid() else { continue };
            seen.insert(uid.clone());
            let deleted = pod.metadata.deletion_timestamp.is_some();
            match self.running.get(&uid) {
                Some(stop) if deleted => raise(stop, Stop::Term),
                Some(_) => {}
                None if self.is_ours(&pod) => self.start(pod, uid, deleted).await?,
                None => {}
            }
        }
        // A pod that is no longer there was deleted by force.
        for (uid, stop) in &self.running {
            if !seen.contains(uid) {
                raise(stop, Stop::Kill);
            }
        }
        self.running.retain(|_, stop| !stop.is_closed());
        Ok(())
    }

    fn is_ours(&self, pod: &Pod) -> bool {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let over = matches!(phase, Some("Succeeded" | "Failed"));
        !over && node.is_none_or(|node| node.is_empty() || node == self.plan.name)
    }

    async fn start(&mut self, pod: Pod, uid: String, deleted: bool) -> Result<()> {
        if !deleted {
            node::bind(&self.client, &pod, &self.plan.name).await?;
        }
        let (stop, stopped) = watch::channel(if deleted { Stop::Term } else { Stop::No });
        let address = self.addresses.take();
        eprintln!("{}/{} at {address}", pod.namespace().unwrap_or_default(), pod.name_any());
        let task = pod::Task::new(&self.plan, self.client.clone(), pod, address)?;
        tokio::spawn(task.run(stopped));
        self.running.insert(uid, stop);
        Ok(())
    }
}

/// Asks to stop, never less urgently than before.
fn raise(stop: &watch::Sender<Stop>, to: Stop) {
    stop.send_if_modified(|now| {
        let more = *now < to;
        if more {
            *now = to;
        }
        more
    });
}
