//! Whom people turn to.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The body that runs the mail system (5.1): whom agencies and holders turn to. Notices and the password page name it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Office {
    /// Its name, for example `Sở Thông tin và Truyền thông`.
    #[serde(default = "office")]
    #[schemars(default = "office", length(min = 1, max = 200))]
    pub name: String,
    /// Where it is called, for example `0269 3824 000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9+(). -]+$')")
        .message("spec.office.phone is a telephone number of digits, spaces and + ( ) . -"))]
    pub phone: Option<String>,
    /// Where it is written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 254))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+$')")
        .message("spec.office.email is a mail address: write for example hotro@gialai.gov.vn"))]
    pub email: Option<String>,
}

impl Default for Office {
    fn default() -> Self {
        Self { name: office(), phone: None, email: None }
    }
}

fn office() -> String {
    "Sở Thông tin và Truyền thông".into()
}
