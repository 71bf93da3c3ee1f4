//! The node of tier 2: containerd, kubelet, kube-proxy, scheduler, DNS and NetworkPolicy.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{
    api::Api,
    children::Children,
    control_plane::{PODS, SERVICES},
    node_config,
    plan::Plan,
};

/// Address of the DNS Service.
pub const DNS: &str = "10.96.0.10";

/// Writes the node's files and starts containerd.
pub fn start_containerd(plan: &Plan, children: &mut Children) -> Result<()> {
    node_config::write(plan)?;
    let containerd = Path::new("containerd");
    let config = plan.path("containerd.toml");
    children.start("containerd", containerd, [Path::new("-c"), &config])
}

/// Imports the images of the plan, once containerd answers.
pub fn import_images(plan: &Plan, children: &mut Children) -> Result<()> {
    let socket = plan.path("containerd.sock");
    let limit = Duration::from_secs(60);
    children.wait("containerd", "containerd", limit, || std::os::unix::net::UnixStream::connect(&socket).is_ok())?;
    load(&plan.state, &plan.images)?;
    plan.progress(&format!("{} images imported", plan.images.len()));
    Ok(())
}

/// Imports image archives into the node with this state directory; call it inside.
pub fn load(state: &Path, images: &[impl AsRef<Path>]) -> Result<()> {
    for image in images {
        let output = Command::new("ctr")
            .arg("--address")
            .arg(state.join("containerd.sock"))
            .args(["-n", "k8s.io", "image", "import"])
            .arg(image.as_ref())
            .output()
            .context("cannot start ctr (package containerd)")?;
        ensure!(
            output.status.success(),
            "cannot import {}: {}",
            image.as_ref().display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Starts everything that needs a ready API server.
pub fn start_rest(plan: &Plan, children: &mut Children, api: &Api) -> Result<()> {
    let admin = format!("--kubeconfig={}", plan.kubeconfig().display());
    let scheduler = [&admin, "--leader-elect=false", "--bind-address=127.0.0.1"];
    children.start("scheduler", &plan.tool("kube-scheduler")?, scheduler)?;
    let kubelet = [
        format!("--kubeconfig={}", plan.pki("kubelet.kubeconfig").display()),
        format!("--config={}", plan.path("kubelet.yaml").display()),
        format!("--root-dir={}", plan.path("kubelet").display()),
        format!("--cert-dir={}", plan.path("kubelet-pki").display()),
        format!("--hostname-override={}", plan.name),
        format!("--node-ip={}", plan.address()),
    ];
    children.start("kubelet", &plan.tool("kubelet")?, kubelet)?;
    start_services(plan, children, PODS)?;
    dns_objects(plan, api)
}

/// Starts what makes Services work: kube-proxy for their addresses, CoreDNS for their names.
pub fn start_services(plan: &Plan, children: &mut Children, pods: &str) -> Result<()> {
    let proxy = [
        format!("--kubeconfig={}", plan.kubeconfig().display()),
        format!("--hostname-override={}", plan.name),
        "--proxy-mode=nftables".to_owned(),
        format!("--cluster-cidr={pods}"),
        // Zero: leave the machine's own limit alone, it cannot be changed from a namespace.
        "--conntrack-max-per-core=0".to_owned(),
    ];
    children.start("kube-proxy", &plan.tool("kube-proxy")?, proxy)?;
    let corefile = node_config::write_corefile(plan)?;
    let dns = [Path::new("-conf"), &corefile];
    children.start("coredns", &plan.tool("coredns")?, dns)
}

/// Waits for the node, then starts what enforces NetworkPolicies.
pub fn wait_ready(plan: &Plan, children: &mut Children, api: &Api) -> Result<()> {
    let path = format!("/api/v1/nodes/{}", plan.name);
    let limit = Duration::from_secs(90);
    children.wait("the node to be Ready", "kubelet", limit, || {
        let node = api.get_json(&path).unwrap_or_default();
        let conditions = node["status"]["conditions"].as_array();
        let ready = json!("Ready");
        conditions.is_some_and(|all| all.iter().any(|one| one["type"] == ready && one["status"] == "True"))
    })?;
    plan.progress("node Ready");
    let router = [
        "--run-router=false".to_owned(),
        "--run-firewall=true".to_owned(),
        "--run-service-proxy=false".to_owned(),
        format!("--kubeconfig={}", plan.kubeconfig().display()),
        format!("--hostname-override={}", plan.name),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--health-port=0".to_owned(),
    ];
    children.start("kube-router", &plan.tool("kube-router")?, router)
}

/// CoreDNS is a process beside the node, so its Service has no selector.
fn dns_objects(plan: &Plan, api: &Api) -> Result<()> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": DNS, "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ]},
    });
    api.create("/api/v1/namespaces/kube-system/services", &service)?;
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": "kube-dns-1", "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "endpoints": [{"addresses": [plan.address()]}],
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ],
    });
    let slices = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices";
    api.create(slices, &slice)
}
