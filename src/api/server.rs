//! The mail server that a MailSystem deploys: its volume, its pod, how it is reached, its certificate.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{NameRef, one};

/// The volume of the mail store. It is kept when the MailSystem is deleted.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf")
    .message("spec.dovecot.storage cannot change here: enlarge the claim data-<name>-0 itself (kubectl edit pvc), where its StorageClass allows it"))]
pub struct Storage {
    /// Size, for example `200Gi`.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,5}(Mi|Gi|Ti)$')")
        .message("spec.dovecot.storage.size is a quantity: write for example 200Gi"))]
    pub size: String,
    /// StorageClass; the cluster's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

/// The Pod Security Standard that the mail pod meets; its namespace must admit it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum PodSecurity {
    /// Nothing runs as root, nothing has a capability; Postfix runs under a preloaded library (ADR 2).
    #[default]
    Restricted,
    /// Postfix runs unaided, as root with SETUID and SETGID; all else as with Restricted. The namespace needs
    /// `pod-security.kubernetes.io/enforce: baseline`.
    Baseline,
}

/// Dovecot + Postfix + rspamd, deployed by the operator.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dovecot {
    /// Number of pods: 1.
    #[serde(default = "one")]
    #[schemars(default = "one")]
    #[x_kube(validation = Rule::new("self == 1")
        .message("spec.dovecot.replicas: one Dovecot writes a mail store; write 1"))]
    pub replicas: i32,
    /// The volume of the mail store.
    pub storage: Storage,
    /// Image of Dovecot, Postfix and rspamd; the operator's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300))]
    pub image: Option<String>,
    /// The Pod Security Standard that the pod meets: Restricted, or Baseline where the preload of Postfix is not wanted.
    /// A change replaces the pod; the queue stays.
    #[serde(default)]
    #[schemars(default)]
    pub pod_security: PodSecurity,
    /// IMAP sessions that do something at one time. Four times as many may wait for news besides (IDLE), and a fifth as many may be
    /// POP3. The memory of the pod follows from it. Who comes when all are taken is told to try again. A change replaces the pod.
    #[serde(default = "sessions")]
    #[schemars(default = "sessions", range(min = 50, max = 20000))]
    pub sessions: u32,
}

fn sessions() -> u32 {
    500
}

impl Default for Dovecot {
    fn default() -> Self {
        Self {
            replicas: one(),
            storage: Storage::default(),
            image: None,
            pod_security: PodSecurity::default(),
            sessions: sessions(),
        }
    }
}

/// How clients reach the system.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ExposureType {
    /// Inside the cluster only.
    #[default]
    ClusterIP,
    /// By a load balancer of the cluster.
    LoadBalancer,
    /// By a port of each node.
    NodePort,
}

/// How clients reach the system.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// Type of the Services. With LoadBalancer and NodePort clients keep their addresses (externalTrafficPolicy Local).
    #[serde(default, rename = "type")]
    #[schemars(default)]
    pub service_type: ExposureType,
    /// Annotations of the Services, for the load balancer.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// An issuer of cert-manager.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// Name of the issuer.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// `Issuer` or `ClusterIssuer`.
    #[serde(default = "issuer")]
    #[schemars(default = "issuer", length(max = 63))]
    pub kind: String,
}

fn issuer() -> String {
    "Issuer".into()
}

/// A certificate by cert-manager.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertManager {
    /// The issuer that signs it.
    pub issuer_ref: IssuerRef,
}

/// Where the server certificate comes from; without either the operator makes and renews a self-signed one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.secretRef) && has(self.certManager))")
    .message("spec.tls: write secretRef or certManager, not both"))]
pub struct Tls {
    /// A Secret of type kubernetes.io/tls that somebody else keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<NameRef>,
    /// A cert-manager Certificate, made by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_manager: Option<CertManager>,
}
