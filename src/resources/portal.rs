//! The password page of a system: pods of the operator's own image that see mailboxes and credentials, and nothing else.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, KeyToPath, LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    SeccompProfile, SecretVolumeSource, Service, TopologySpreadConstraint, Volume,
};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPort, NetworkPolicySpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::network::{exposed, port};
use super::stateful_set::{container, pause, probe, read_only};
use super::{MANAGED_BY, PROBE_PORT, PortalPlan, SystemPlan};

/// Port of the Service of the password page.
pub const PORTAL_PORT: i32 = 443;
/// The same in the pod.
const INSIDE: i32 = 8443;
const USER: i64 = 65_532;
const TLS: &str = "/etc/portal/tls";

/// Labels that choose its pods. Not those of the mail pods: Services and policies of the two keep apart.
fn selector(plan: &SystemPlan) -> BTreeMap<String, String> {
    let pairs = [("app.kubernetes.io/name", "mail-portal"), ("app.kubernetes.io/instance", plan.name.as_str())];
    pairs.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

/// Metadata of everything that belongs to the page.
fn metadata(plan: &SystemPlan) -> ObjectMeta {
    let mut metadata = plan.owned(plan.child("portal"));
    metadata.labels.get_or_insert_default().extend(selector(plan));
    metadata
}

fn select(plan: &SystemPlan) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(plan)), ..LabelSelector::default() }
}

/// uid of the ServiceAccount on the pods of the page: their tokens are worth nothing once it was made anew, as by a new release, and
/// the kubelet gives others to other pods alone.
const ACCOUNT_ANNOTATION: &str = "mail.gialai.gov.vn/account";

/// The pods. A new one is ready before an old one goes. `account` is the uid of their ServiceAccount, where it is there.
pub fn portal_deployment(plan: &SystemPlan, portal: &PortalPlan, account: Option<String>) -> Deployment {
    let annotations = account.map(|uid| BTreeMap::from([(ACCOUNT_ANNOTATION.to_string(), uid)]));
    let mut labels = selector(plan);
    labels.insert("app.kubernetes.io/managed-by".into(), MANAGED_BY.into());
    Deployment {
        metadata: metadata(plan),
        spec: Some(DeploymentSpec {
            replicas: Some(portal.replicas),
            revision_history_limit: Some(2),
            selector: select(plan),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: Some(IntOrString::Int(1)),
                }),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), annotations, ..ObjectMeta::default() }),
                spec: Some(pod(plan, portal)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod(plan: &SystemPlan, portal: &PortalPlan) -> PodSpec {
    let key = |key: &str| KeyToPath { key: key.into(), path: key.into(), mode: None };
    let tls = SecretVolumeSource {
        secret_name: Some(plan.served_tls()),
        items: Some(vec![key("tls.crt"), key("tls.key")]),
        default_mode: Some(0o440),
        optional: None,
    };
    PodSpec {
        service_account_name: Some(portal.service_account.clone()),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(30),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            fs_group: Some(USER),
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        image_pull_secrets: (!plan.pull_secrets.is_empty())
            .then(|| plan.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect()),
        topology_spread_constraints: Some(vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "kubernetes.io/hostname".into(),
            when_unsatisfiable: "ScheduleAnyway".into(),
            label_selector: Some(select(plan)),
            ..TopologySpreadConstraint::default()
        }]),
        containers: vec![page(plan, portal)],
        volumes: Some(vec![Volume { name: "tls".into(), secret: Some(tls), ..Volume::default() }]),
        ..PodSpec::default()
    }
}

fn page(plan: &SystemPlan, portal: &PortalPlan) -> Container {
    let mut args = vec![
        "portal".into(),
        format!("--namespace={}", plan.namespace),
        format!("--system={}", plan.name),
        format!("--tls={TLS}"),
        format!("--listen=0.0.0.0:{INSIDE}"),
        format!("--probes=0.0.0.0:{PROBE_PORT}"),
    ];
    args.extend(portal.trusted_proxies.iter().map(|network| format!("--trusted-proxy={network}")));
    let named = |name: &str, number| ContainerPort {
        name: Some(name.into()),
        container_port: number,
        ..ContainerPort::default()
    };
    Container {
        args: Some(args),
        ports: Some(vec![named("https", INSIDE), named("probes", PROBE_PORT)]),
        lifecycle: pause(5),
        startup_probe: Some(probe("/livez", 1, 60)),
        liveness_probe: Some(probe("/livez", 10, 3)),
        readiness_probe: Some(Probe { success_threshold: Some(1), ..probe("/readyz", 5, 2) }),
        volume_mounts: Some(vec![read_only("tls", TLS)]),
        // Two passwords at once take 38 MiB, and 20,000 mailboxes about as much.
        ..container("portal", &plan.agent_image, USER, USER, ["20m", "64Mi", "256Mi"])
    }
}

/// The way in for people.
pub fn portal_service(plan: &SystemPlan) -> Service {
    exposed(plan, metadata(plan), selector(plan), vec![port("https", PORTAL_PORT)])
}

/// The page from everywhere, and the probes from the node and from who reads metrics.
pub fn portal_network_policy(plan: &SystemPlan) -> NetworkPolicy {
    let tcp = |number| NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some("TCP".into()),
        ..NetworkPolicyPort::default()
    };
    let open = NetworkPolicyIngressRule { from: None, ports: Some(vec![tcp(INSIDE), tcp(PROBE_PORT)]) };
    NetworkPolicy {
        metadata: metadata(plan),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(select(plan)),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(vec![open]),
            ..NetworkPolicySpec::default()
        }),
    }
}

/// Of several pods one may go at a time; of one none can be kept from going.
pub fn portal_disruption_budget(plan: &SystemPlan, portal: &PortalPlan) -> Option<PodDisruptionBudget> {
    (portal.replicas > 1).then(|| PodDisruptionBudget {
        metadata: metadata(plan),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(select(plan)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::{example, network_policy, services};
    use super::*;

    fn plan() -> (SystemPlan, PortalPlan) {
        let plan = example();
        let portal = plan.portal.clone().expect("a portal");
        (plan, portal)
    }

    #[test]
    fn the_page_is_restricted_and_has_its_certificate_and_its_own_account() {
        let (plan, portal) = plan();
        let pod = portal_deployment(&plan, &portal, None).spec.and_then(|s| s.template.spec).expect("pod");
        assert_eq!(pod.service_account_name.as_deref(), Some("mail-operator-portal"));
        let context = pod.security_context.expect("context");
        assert_eq!(
            (context.run_as_non_root, context.seccomp_profile.map(|p| p.type_)),
            (Some(true), Some("RuntimeDefault".into()))
        );
        let container = &pod.containers[0];
        let own = container.security_context.clone().expect("context");
        assert_eq!((own.read_only_root_filesystem, own.allow_privilege_escalation), (Some(true), Some(false)));
        assert_eq!(own.capabilities.and_then(|c| c.drop), Some(vec!["ALL".to_string()]));
        assert!(own.run_as_user.is_some_and(|user| user != 0));
        assert_eq!(container.image.as_deref(), Some("mail-operator:1"));
        let secret = pod.volumes.expect("volumes").remove(0).secret.expect("a Secret");
        assert_eq!(secret.secret_name, Some(plan.served_tls()));
        assert!(container.args.as_ref().expect("args").contains(&"--trusted-proxy=10.0.0.0/8".to_string()));
        assert_eq!(container.volume_mounts.as_ref().expect("mounts")[0].mount_path, TLS);
    }

    #[test]
    fn pods_with_tokens_of_an_account_that_was_made_anew_are_replaced() {
        let (plan, portal) = plan();
        let template = |uid: &str| {
            let deployment = portal_deployment(&plan, &portal, Some(uid.into()));
            serde_json::to_string(&deployment.spec.map(|spec| spec.template)).expect("JSON")
        };
        assert_eq!(template("u-1"), template("u-1"));
        assert_ne!(template("u-1"), template("u-2"));
    }

    #[test]
    fn services_and_policies_of_page_and_mail_choose_different_pods() {
        let (plan, portal) = plan();
        let labels =
            portal_deployment(&plan, &portal, None).spec.and_then(|s| s.template.metadata?.labels).expect("labels");
        let chooses = |selector: Option<BTreeMap<String, String>>| {
            selector.is_some_and(|s| s.iter().all(|(k, v)| labels.get(k) == Some(v)))
        };
        assert!(chooses(portal_service(&plan).spec.and_then(|s| s.selector)));
        assert!(chooses(portal_network_policy(&plan).spec.and_then(|s| s.pod_selector?.match_labels)));
        for service in services(&plan) {
            assert!(!chooses(service.spec.and_then(|s| s.selector)));
        }
        assert!(!chooses(network_policy(&plan).spec.and_then(|s| s.pod_selector?.match_labels)));
    }

    #[test]
    fn only_several_pods_have_a_budget() {
        let (plan, portal) = plan();
        assert!(portal_disruption_budget(&plan, &portal).is_none());
        assert!(portal_disruption_budget(&plan, &PortalPlan { replicas: 2, ..portal }).is_some());
    }
}
