//! Services, NetworkPolicy and PodDisruptionBudget of a system.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{AGENT_PORT, PROBE_PORT, SystemPlan};
use crate::api::ExposureType;

/// Protocol, port of the Service, port in the pod.
pub const PORTS: [(&str, i32, i32); 8] = [
    ("smtp", 25, 10025),
    ("submissions", 465, 10465),
    ("submission", 587, 10587),
    ("imap", 143, 31143),
    ("imaps", 993, 31993),
    ("pop3", 110, 31110),
    ("pop3s", 995, 31995),
    ("sieve", 4190, 34190),
];

pub(super) fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port: number,
        target_port: Some(IntOrString::String(name.into())),
        ..ServicePort::default()
    }
}

/// A Service that is reached as `spec.exposure` says.
pub(super) fn exposed(
    plan: &SystemPlan,
    metadata: ObjectMeta,
    selector: BTreeMap<String, String>,
    ports: Vec<ServicePort>,
) -> Service {
    let annotations = (!plan.exposure_annotations.is_empty()).then(|| plan.exposure_annotations.clone());
    let kind = match plan.exposure {
        ExposureType::ClusterIP => "ClusterIP",
        ExposureType::LoadBalancer => "LoadBalancer",
        ExposureType::NodePort => "NodePort",
    };
    Service {
        metadata: ObjectMeta { annotations, ..metadata },
        spec: Some(ServiceSpec {
            type_: Some(kind.into()),
            selector: Some(selector),
            ports: Some(ports),
            // Spam checks and penalties for failed logins need the client's own address.
            external_traffic_policy: (plan.exposure != ExposureType::ClusterIP).then(|| "Local".into()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// The Service for clients; the one for other servers; and the headless one of the StatefulSet. All lead to the pod while one of its
/// containers is not ready: there is no other that could answer, Postfix queues without Dovecot, and mail is read without rspamd.
pub fn services(plan: &SystemPlan) -> Vec<Service> {
    let outside = |name: &str, ports: Vec<ServicePort>| {
        let mut service = exposed(plan, plan.owned(name), plan.selector(), ports);
        service.spec.get_or_insert_default().publish_not_ready_addresses = Some(true);
        service
    };
    let clients =
        PORTS.iter().filter(|(name, ..)| *name != "smtp").map(|(name, number, _)| port(name, *number)).collect();
    let headless = Service {
        metadata: plan.owned(plan.child("pods")),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            selector: Some(plan.selector()),
            publish_not_ready_addresses: Some(true),
            ports: Some(vec![port("smtp", 25)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    vec![outside(&plan.name, clients), outside(&plan.child("mx"), vec![port("smtp", 25)]), headless]
}

/// Mail ports from everywhere, the agent's port from the operator alone, the probes from the node.
pub fn network_policy(plan: &SystemPlan) -> NetworkPolicy {
    let ports = |numbers: Vec<i32>| {
        Some(
            numbers
                .into_iter()
                .map(|n| NetworkPolicyPort {
                    port: Some(IntOrString::Int(n)),
                    protocol: Some("TCP".into()),
                    ..NetworkPolicyPort::default()
                })
                .collect(),
        )
    };
    let select = |pairs: &[(&str, &str)]| LabelSelector {
        match_labels: Some(pairs.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect()),
        ..LabelSelector::default()
    };
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(select(&[("kubernetes.io/metadata.name", &plan.operator_namespace)])),
        pod_selector: Some(select(&[("app.kubernetes.io/name", "mail-operator")])),
        ..NetworkPolicyPeer::default()
    };
    let mail = NetworkPolicyIngressRule { from: None, ports: ports(PORTS.iter().map(|p| p.2).collect()) };
    let agent = NetworkPolicyIngressRule { from: Some(vec![operator]), ports: ports(vec![AGENT_PORT]) };
    NetworkPolicy {
        metadata: plan.owned(&plan.name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(plan.selector()), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(vec![
                mail,
                agent,
                NetworkPolicyIngressRule { from: None, ports: ports(vec![PROBE_PORT, 9090]) },
            ]),
            ..NetworkPolicySpec::default()
        }),
    }
}

/// One pod serves; a drain may move it (its volume goes along), and a pod that is not ready never blocks one.
pub fn disruption_budget(plan: &SystemPlan) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: plan.owned(&plan.name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector { match_labels: Some(plan.selector()), ..LabelSelector::default() }),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn only_the_operator_reaches_the_agent() {
        let policy = network_policy(&example());
        let rules = policy.spec.expect("spec").ingress.expect("ingress");
        let open: Vec<_> =
            rules.iter().filter(|r| r.from.is_none()).flat_map(|r| r.ports.clone().unwrap_or_default()).collect();
        assert!(open.iter().all(|p| p.port != Some(IntOrString::Int(AGENT_PORT))));
        assert!(
            rules.iter().any(|r| r.from.is_some()
                && r.ports.as_ref().is_some_and(|p| p[0].port == Some(IntOrString::Int(AGENT_PORT))))
        );
    }

    #[test]
    fn every_port_stays_open_while_the_pod_is_not_ready() {
        let services = services(&example());
        let specs: Vec<_> = services.iter().filter_map(|s| s.spec.as_ref()).collect();
        assert!(specs.iter().all(|s| s.publish_not_ready_addresses == Some(true)));
        let of = |wanted: i32| specs.iter().filter(move |s| s.ports.iter().flatten().any(|p| p.port == wanted)).count();
        assert_eq!(PORTS.map(|(_, number, _)| of(number)), [2, 1, 1, 1, 1, 1, 1, 1]);
    }
}
