//! The Certificate of cert-manager, as far as we write it.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SystemPlan;
use crate::api::IssuerRef;

/// `spec` of cert-manager's Certificate.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "cert-manager.io", version = "v1", kind = "Certificate", namespaced)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSpec {
    secret_name: String,
    dns_names: Vec<String>,
    issuer_ref: IssuerRef,
}

/// The server certificate of a system by an issuer of cert-manager.
pub fn certificate(plan: &SystemPlan, issuer: &IssuerRef) -> Certificate {
    let spec = CertificateSpec {
        secret_name: plan.issued_tls(),
        dns_names: vec![plan.hostname.clone()],
        issuer_ref: issuer.clone(),
    };
    Certificate { metadata: plan.owned(plan.served_tls()), spec }
}
