//! Validated input → Kubernetes objects. Pure and infallible.

mod cert_manager;
mod config;
mod dns;
mod network;
mod portal;
mod postfix;
#[cfg(test)]
mod queries;
mod secrets;
mod sessions;
mod stateful_set;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::{ExposureType, PodSecurity};
use crate::domain::quota::Bytes;

pub use cert_manager::{Certificate, certificate};
pub use config::{config_map, superseded};
pub use dns::records;
pub use network::{PORTS, disruption_budget, network_policy, services};
pub use portal::{PORTAL_PORT, portal_deployment, portal_disruption_budget, portal_network_policy, portal_service};
pub use secrets::{
    AGENT_NAME_PREFIX, agent_authority, agent_tls, credentials, dkim, doveadm, doveadm_mark, new_password, server_tls,
};
pub use stateful_set::stateful_set;

/// Value of `app.kubernetes.io/managed-by` on everything that the operator makes.
pub const MANAGED_BY: &str = "mail-operator";
/// Label that names the MailSystem.
pub const SYSTEM_LABEL: &str = "mail.gialai.gov.vn/system";
/// Label of credentials Secrets; the operator watches no other Secret.
pub const CREDENTIALS_LABEL: &str = "mail.gialai.gov.vn/credentials";
/// Annotation of a credentials Secret: which unlock its initial password was made for, so that each makes one (R6.3).
pub const MADE_FOR_ANNOTATION: &str = "mail.gialai.gov.vn/password-made-for";
/// DKIM selector.
pub const DKIM_SELECTOR: &str = "mail";
/// Container of the agent, whose image is the operator's own.
pub const AGENT: &str = "agent";
/// Port of the agent (mutual TLS).
pub const AGENT_PORT: i32 = 8443;
/// Port of the agent's probes.
pub const PROBE_PORT: i32 = 8090;

/// A MailSystem whose input is known to be good.
#[derive(Clone, Debug)]
pub struct SystemPlan {
    /// Name of the MailSystem; its children are named after it.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// uid of the MailSystem, for owner references.
    pub uid: String,
    /// Mail domain.
    pub domain: String,
    /// Name of the server.
    pub hostname: String,
    /// Image of Dovecot, Postfix and rspamd.
    pub mail_image: String,
    /// Image of the agent: the operator's own.
    pub agent_image: String,
    /// Size of the volume.
    pub storage: String,
    /// StorageClass.
    pub storage_class: Option<String>,
    /// Type of the Services.
    pub exposure: ExposureType,
    /// Annotations of the Services.
    pub exposure_annotations: BTreeMap<String, String>,
    /// The Pod Security Standard that the pod meets.
    pub pod_security: PodSecurity,
    /// IMAP sessions that do something at one time.
    pub sessions: u32,
    /// Largest message that Postfix takes.
    pub message_limit: Bytes,
    /// Months for which logs and journal are kept (R7.2).
    pub log_months: u16,
    /// Days by which a rehearsal is ahead; 0 on a system with people.
    pub days_ahead: u16,
    /// Host that takes outgoing mail.
    pub relay_host: Option<String>,
    /// Secrets with which the kubelet pulls the images.
    pub pull_secrets: Vec<String>,
    /// Pods that may reach the agent: namespace and label `app.kubernetes.io/name` of the operator.
    pub operator_namespace: String,
    /// The password page, if there is one.
    pub portal: Option<PortalPlan>,
}

/// The password page of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalPlan {
    /// Number of pods.
    pub replicas: i32,
    /// ServiceAccount of its pods; the chart makes it in each served namespace, with a Role.
    pub service_account: String,
    /// Networks of proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<String>,
}

impl SystemPlan {
    /// Labels of every child.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let pairs = [
            ("app.kubernetes.io/name", "mail"),
            ("app.kubernetes.io/instance", &self.name),
            ("app.kubernetes.io/managed-by", MANAGED_BY),
            (SYSTEM_LABEL, &self.name),
        ];
        pairs.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    /// Labels that choose the mail pods.
    pub fn selector(&self) -> BTreeMap<String, String> {
        let pairs = [("app.kubernetes.io/name", "mail"), ("app.kubernetes.io/instance", self.name.as_str())];
        pairs.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    /// Metadata of a child that goes with the MailSystem.
    pub fn owned(&self, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta { owner_references: Some(vec![self.owner()]), ..self.kept(name) }
    }

    /// Metadata of a child that outlives the MailSystem: keys that a rebuilt system needs again.
    pub fn kept(&self, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            ..ObjectMeta::default()
        }
    }

    fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: format!("{}/{}", crate::api::GROUP, crate::api::VERSION),
            kind: "MailSystem".into(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }

    /// Secret with the certificate that is served: made here, or a copy of one that was given and found good.
    pub fn served_tls(&self) -> String {
        self.child("tls")
    }

    /// Secret that cert-manager writes.
    pub fn issued_tls(&self) -> String {
        self.child("issued-tls")
    }

    /// Names of Secrets and Services.
    pub fn child(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }
}

#[cfg(test)]
pub(crate) fn example() -> SystemPlan {
    SystemPlan {
        name: "gialai".into(),
        namespace: "thu-cong-vu".into(),
        uid: "u".into(),
        domain: "gialai.gov.vn".into(),
        hostname: "mail.gialai.gov.vn".into(),
        mail_image: "mail-node:1".into(),
        agent_image: "mail-operator:1".into(),
        storage: "10Gi".into(),
        storage_class: None,
        exposure: ExposureType::ClusterIP,
        exposure_annotations: BTreeMap::new(),
        pod_security: PodSecurity::Restricted,
        sessions: 500,
        message_limit: Bytes(1000),
        log_months: 6,
        days_ahead: 0,
        relay_host: None,
        pull_secrets: vec![],
        operator_namespace: "mail-operator".into(),
        portal: Some(PortalPlan {
            replicas: 1,
            service_account: "mail-operator-portal".into(),
            trusted_proxies: vec!["10.0.0.0/8".into()],
        }),
    }
}
