//! MailSystem: one domain, the mail server that serves it and how the regulation is set for it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Basis, NameRef};
use super::conditions::conditions_schema;
use super::mail_system_status::{JournalStatus, ReleasedStatus};
use super::office::Office;
use super::regulation::Regulation;

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
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
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
}

fn one() -> i32 {
    1
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

/// Storage and largest attachment of a mailbox that no QuotaPolicy covers.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultQuota {
    /// Storage, for example `2Gi`.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9]([0-9]{0,5}(k|M|G|T|Ki|Mi|Gi|Ti)|[0-9]{0,17})$')")
        .message("spec.defaultQuota.storage is a quantity without fraction: write for example 2Gi"))]
    pub storage: String,
    /// Largest attachment in decoded bytes, for example `20M`.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9]([0-9]{0,5}(k|M|G|T|Ki|Mi|Gi|Ti)|[0-9]{0,17})$')")
        .message("spec.defaultQuota.maxAttachment is a quantity without fraction: write for example 20M"))]
    pub max_attachment: String,
}

impl Default for DefaultQuota {
    fn default() -> Self {
        Self { storage: "2Gi".into(), max_attachment: "20M".into() }
    }
}

/// A person's word for what the brake holds (D-15).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledge {
    /// `status.held.token`: exactly these actions, nothing that comes later.
    #[schemars(length(min = 1, max = 40))]
    pub held: String,
    /// The document it rests on (R5.2).
    pub basis: Basis,
}

/// The web page on which holders change their password (R9.1, R9.2).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Portal {
    /// Whether it runs. With `firstAccess: ChangePassword` nobody gets in without it, unless passwords are changed by other means.
    #[serde(default = "yes")]
    #[schemars(default = "yes")]
    pub enabled: bool,
    /// Number of pods, 1 to 5. Each counts wrong passwords for itself.
    #[serde(default = "one")]
    #[schemars(default = "one")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 5")
        .message("spec.portal.replicas is 1 to 5; to have no password page write spec.portal.enabled: false"))]
    pub replicas: i32,
    /// Networks of proxies in front of the page, for example `10.0.0.0/8`: from there X-Forwarded-For is believed, so that wrong
    /// passwords count for who typed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 43)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(n, n.matches('^[0-9a-fA-F:.]+/[0-9]{1,3}$'))")
        .message("spec.portal.trustedProxies lists networks: write for example 10.0.0.0/8"))]
    pub trusted_proxies: Vec<String>,
    /// Where people open the page, in notices and on the sheets of `kubectl mail handover`; `https://<spec.hostname>/` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 200))]
    #[x_kube(validation = Rule::new("self.matches('^https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?(/[a-zA-Z0-9._~/-]*)?$')")
        .message("spec.portal.url is the address at which people open the page: write for example https://matkhau.gialai.gov.vn/"))]
    pub url: Option<String>,
}

impl Default for Portal {
    fn default() -> Self {
        Self { enabled: yes(), replicas: one(), trusted_proxies: Vec::new(), url: None }
    }
}

fn yes() -> bool {
    true
}

/// One mail system of one domain.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[kube(
    group = "mail.gialai.gov.vn",
    version = "v1alpha1",
    kind = "MailSystem",
    plural = "mailsystems",
    singular = "mailsystem",
    shortname = "msys",
    category = "mail",
    namespaced,
    status = "MailSystemStatus",
    derive = "PartialEq",
    doc = "One mail domain, the server that the operator deploys for it and how the regulation is set. One per namespace.",
    validation = Rule::new("!has(self.spec.tls) || !has(self.spec.tls.secretRef) || self.spec.tls.secretRef.name != self.metadata.name + '-tls'")
        .message("spec.tls.secretRef: the Secret <name>-tls is the operator's own copy; give yours another name"),
    validation = Rule::new("self.metadata.name.size() <= 40 && !self.metadata.name.contains('.')")
        .message("the name of a MailSystem has at most 40 characters and no dot, since Services are named after it"),
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Mailboxes", type_ = "integer", json_path = ".status.mailboxes"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MailSystemSpec {
    /// The mail domain. It cannot change: every issued address carries it.
    #[schemars(length(min = 3, max = 253))]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("spec.domain cannot change, every issued address carries it; make another MailSystem in another namespace"))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$')")
        .message("spec.domain is a lower-case domain name: write for example gialai.gov.vn"))]
    pub domain: String,
    /// The name of the mail server: MX, certificate, greeting.
    #[schemars(length(min = 3, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$')")
        .message("spec.hostname is a lower-case host name: write for example mail.gialai.gov.vn"))]
    pub hostname: String,
    /// Dovecot + Postfix + rspamd.
    pub dovecot: Dovecot,
    /// How clients reach it.
    #[serde(default)]
    #[schemars(default)]
    pub exposure: Exposure,
    /// Where the server certificate comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The web page on which holders change their password.
    #[serde(default)]
    #[schemars(default)]
    pub portal: Portal,
    /// The body that runs the mail system: whom notices and the password page name.
    #[serde(default)]
    #[schemars(default)]
    pub office: Office,
    /// How the regulation is set.
    #[serde(default)]
    #[schemars(default)]
    pub regulation: Regulation,
    /// Storage and largest attachment where no QuotaPolicy covers a mailbox.
    #[serde(default)]
    #[schemars(default)]
    pub default_quota: DefaultQuota,
    /// Largest attachment that any policy may give, in decoded bytes; Postfix takes no larger message.
    #[serde(default = "largest")]
    #[schemars(default = "largest", length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9]([0-9]{0,5}(k|M|G|T|Ki|Mi|Gi|Ti)|[0-9]{0,17})$')")
        .message("spec.maxAttachment is a quantity without fraction: write for example 50M"))]
    pub max_attachment: String,
    /// The Mailbox that gets mail for postmaster and abuse; without it the system keeps that mail in a store of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postmaster_ref: Option<NameRef>,
    /// Confirms what the brake holds (D-15). It is good for exactly what `status.held` names now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Acknowledge>,
    /// Host that takes all outgoing mail, `host:port`; without it MX records are followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 260))]
    #[x_kube(validation = Rule::new("self.matches('^[][a-zA-Z0-9.:-]+$')")
        .message("spec.relayHost is a host and optional port: write for example [relay.gialai.gov.vn]:587"))]
    pub relay_host: Option<String>,
}

impl MailSystemSpec {
    /// Where people open the password page.
    pub fn password_page(&self) -> String {
        password_page(self.portal.url.as_deref(), &self.hostname)
    }

    /// The host name of the password page, without a port.
    pub fn page_host(&self) -> &str {
        let authority = self.portal.url.as_deref().and_then(|url| url.strip_prefix("https://")?.split('/').next());
        authority.map_or(self.hostname.as_str(), |authority| authority.split(':').next().unwrap_or_default())
    }
}

/// Where people open the password page: `spec.portal.url`, or the mail server's name.
pub fn password_page(url: Option<&str>, hostname: &str) -> String {
    url.map_or_else(|| format!("https://{hostname}/"), String::from)
}

fn largest() -> String {
    "50M".into()
}

/// One DNS record that is to be published.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsRecord {
    /// Owner name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// `MX`, `TXT`, …
    #[serde(rename = "type")]
    #[schemars(length(max = 10))]
    pub record_type: String,
    /// Value.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// One way in.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// `imaps`, `submission`, …
    #[schemars(length(max = 20))]
    pub protocol: String,
    /// Host inside the cluster.
    #[schemars(length(max = 300))]
    pub host: String,
    /// Port.
    pub port: i32,
}

/// An action that the brake holds.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldAction {
    /// Name of the Mailbox.
    #[schemars(length(max = 253))]
    pub mailbox: String,
    /// `Lock`, `Revoke` or `Purge`.
    #[schemars(length(max = 30))]
    pub action: String,
    /// Why it would be done.
    #[schemars(length(max = 30))]
    pub reason: String,
    /// The point of the regulation, or the decision.
    #[schemars(length(max = 20))]
    pub rule: String,
}

/// What the brake holds (D-15).
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldStatus {
    /// How many actions.
    pub count: i64,
    /// What confirms exactly these: `spec.acknowledge.held`, or `kubectl mail acknowledge`.
    #[schemars(length(max = 40))]
    pub token: String,
    /// The first 100 of them.
    #[schemars(length(max = 100))]
    pub actions: Vec<HeldAction>,
}

/// For which time nothing is missing.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Completeness {
    /// From when.
    pub complete_from: Time,
    /// Through when.
    pub complete_through: Time,
}

/// What the operator decided and saw of a MailSystem.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailSystemStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Mailboxes with an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailboxes: Option<i64>,
    /// The image in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub image: Option<String>,
    /// The pod that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub pod: Option<String>,
    /// End of the server certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_not_after: Option<Time>,
    /// Ways in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub endpoints: Vec<Endpoint>,
    /// DNS records to publish (MX, SPF, DKIM, DMARC).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub dns_records: Vec<DnsRecord>,
    /// What the brake holds until a person says so (D-15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldStatus>,
    /// What a person released of it, for a day and until all of it is done (D-15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<ReleasedStatus>,
    /// Where the journal of decisions ended (7.2); brought up to date with the rest of the status, by itself six times an hour at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalStatus>,
    /// From when and through which moment nothing is missing in what the mail server tells of use (D-16); brought up to date twice a
    /// day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Completeness>,
    /// What holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9_1_the_page_is_where_people_open_it_and_else_at_the_mail_server() {
        let spec = |url: Option<&str>| MailSystemSpec {
            domain: "gialai.gov.vn".into(),
            hostname: "mail.gialai.gov.vn".into(),
            dovecot: Dovecot::default(),
            exposure: Exposure::default(),
            tls: None,
            portal: Portal { url: url.map(String::from), ..Portal::default() },
            regulation: Regulation::default(),
            default_quota: DefaultQuota::default(),
            max_attachment: largest(),
            postmaster_ref: None,
            acknowledge: None,
            relay_host: None,
            office: Office::default(),
        };
        for (url, page, host) in [
            (None, "https://mail.gialai.gov.vn/", "mail.gialai.gov.vn"),
            (Some("https://matkhau.gialai.gov.vn"), "https://matkhau.gialai.gov.vn", "matkhau.gialai.gov.vn"),
            (Some("https://a.vn:8443/mat-khau"), "https://a.vn:8443/mat-khau", "a.vn"),
        ] {
            assert_eq!((spec(url).password_page().as_str(), spec(url).page_host()), (page, host));
        }
    }
}
