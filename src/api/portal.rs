//! The password page of a MailSystem.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::common::one;

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

/// Where people open the password page: `spec.portal.url`, or the mail server's name.
pub fn password_page(url: Option<&str>, hostname: &str) -> String {
    url.map_or_else(|| format!("https://{hostname}/"), String::from)
}
