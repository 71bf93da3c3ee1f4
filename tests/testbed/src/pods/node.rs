//! The node that the pods are bound to. There is no kubelet behind it, only this runner.

use std::time::Duration;

use anyhow::Result;
use http::Request;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{network::GATEWAY, status::now};
use crate::plan::Plan;

/// Creates the Node object and says that it is ready.
pub async fn register(client: &Client, plan: &Plan) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = serde_json::from_value(json!({
        "metadata": {"name": plan.name, "labels": {
            "kubernetes.io/hostname": plan.name, "kubernetes.io/os": "linux",
        }},
    }))?;
    if nodes.get_opt(&plan.name).await?.is_none() {
        nodes.create(&PostParams::default(), &node).await?;
    }
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": GATEWAY}],
        "capacity": {"cpu": "8", "memory": "16Gi", "pods": "110"},
        "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "PodRunner", "message": "",
            "lastHeartbeatTime": now(), "lastTransitionTime": now(),
        }],
    }});
    let params = PatchParams::default();
    nodes.patch_status(&plan.name, &params, &Patch::Merge(status)).await?;
    Ok(())
}

/// Renews the node's lease; without that the controllers would give it up after 50 seconds.
pub async fn heartbeat(client: Client, name: String) {
    loop {
        if let Err(error) = renew(&client, &name).await {
            eprintln!("lease: {error:#}");
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

async fn renew(client: &Client, name: &str) -> Result<()> {
    let time = now().replace('Z', ".000000Z");
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time},
    });
    let path =
        format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}?fieldManager=pods&force=true");
    let request = Request::patch(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(serde_json::to_vec(&lease)?)?;
    client.request::<Value>(request).await?;
    Ok(())
}

/// Binds a pod to the node, as the scheduler would. Only the deletion of a bound pod is graceful.
pub async fn bind(client: &Client, pod: &Pod, node: &str) -> Result<()> {
    let bound = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    if bound.is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    let name = pod.name_any();
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding",
        "metadata": {"name": name, "uid": pod.uid()},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let namespace = pod.namespace().unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
    let request = Request::post(path).header("content-type", "application/json").body(serde_json::to_vec(&binding)?)?;
    client.request::<Value>(request).await?;
    Ok(())
}
