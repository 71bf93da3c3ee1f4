//! MailSystem: one domain, the mail server that serves it and how the regulation is set for it.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::common::{Basis, NameRef};
use super::mail_system_status::MailSystemStatus;
use super::office::Office;
use super::portal::{Portal, password_page};
use super::regulation::Regulation;
use super::server::{Dovecot, Exposure, Tls};

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
    #[x_kube(validation = Rule::new("self.matches('^[a-zA-Z0-9.:\\\\[\\\\]-]+$')")
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

fn largest() -> String {
    "50M".into()
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
