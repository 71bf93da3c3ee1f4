//! What the API server is told about a pod.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::container::{Phase, View};

/// The time of day as Kubernetes writes it.
pub fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}

/// The conditions of a pod, with the time of their last change.
pub struct Conditions(Vec<(&'static str, bool, String)>);

impl Conditions {
    /// A pod that has a node and nothing else.
    pub fn new() -> Self {
        let kinds = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];
        let at = now();
        Self(kinds.map(|kind| (kind, kind == "PodScheduled", at.clone())).to_vec())
    }

    fn set(&mut self, kind: &str, value: bool) {
        for one in &mut self.0 {
            if one.0 == kind && one.1 != value {
                (one.1, one.2) = (value, now());
            }
        }
    }

    fn to_json(&self) -> Value {
        let all = self.0.iter().map(|(kind, value, at)| {
            json!({
                "type": kind, "status": if *value { "True" } else { "False" },
                "lastTransitionTime": at, "lastProbeTime": null,
            })
        });
        all.collect()
    }
}

/// What is known about a pod at a moment.
pub struct Facts<'a> {
    /// Its specification.
    pub spec: &'a PodSpec,
    /// Its address.
    pub address: &'a str,
    /// When it was taken on.
    pub started: &'a str,
    /// Views of the init containers.
    pub init: &'a [View],
    /// Views of the containers.
    pub main: &'a [View],
    /// Whether all ordinary init containers are through.
    pub initialized: bool,
}

/// The status as JSON.
pub fn status(facts: &Facts, conditions: &mut Conditions) -> Value {
    let init = facts.spec.init_containers.as_deref().unwrap_or_default();
    let sidecars = init.iter().zip(facts.init);
    let sidecars_ready = sidecars.filter(|(container, _)| is_sidecar(container)).all(|(_, view)| view.ready);
    let ready = facts.initialized && sidecars_ready && facts.main.iter().all(|view| view.ready);
    conditions.set("Initialized", facts.initialized);
    conditions.set("ContainersReady", ready);
    conditions.set("Ready", ready);
    json!({"status": {
        "phase": phase(facts),
        "hostIP": super::network::GATEWAY,
        "podIP": facts.address,
        "podIPs": [{"ip": facts.address}],
        "startTime": facts.started,
        "conditions": conditions.to_json(),
        "initContainerStatuses": containers(init, facts.init),
        "containerStatuses": containers(&facts.spec.containers, facts.main),
    }})
}

/// An init container that stays.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn phase(facts: &Facts) -> &'static str {
    let over = |view: &View| view.over;
    if facts.main.iter().all(over) && !facts.main.is_empty() {
        let good = facts.main.iter().all(|view| view.phase == Phase::Ended(0));
        return if good { "Succeeded" } else { "Failed" };
    }
    if facts.initialized { "Running" } else { "Pending" }
}

fn containers(specs: &[Container], views: &[View]) -> Value {
    specs.iter().zip(views).map(container).collect()
}

fn container((spec, view): (&Container, &View)) -> Value {
    let ended = |code: i32| {
        let reason = if code == 0 { "Completed" } else { "Error" };
        json!({"terminated": {
            "exitCode": code, "reason": reason, "startedAt": view.since, "finishedAt": view.ended,
        }})
    };
    let state = match &view.phase {
        Phase::Waiting(reason) => json!({"waiting": {"reason": "Waiting", "message": reason}}),
        Phase::Running => json!({"running": {"startedAt": view.since}}),
        Phase::Ended(code) => ended(*code),
    };
    json!({
        "name": spec.name,
        "image": spec.image,
        "imageID": spec.image,
        "containerID": view.id.as_ref().map(|id| format!("runc://{id}")),
        "ready": view.ready,
        "started": view.started,
        "restartCount": view.restarts,
        "state": state,
        "lastState": view.last.map_or_else(|| json!({}), ended),
    })
}
