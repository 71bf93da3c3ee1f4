//! The kinds of `mail.gialai.gov.vn/v1alpha1`: what people write and what the operator answers.
//!
//! One file a kind; no logic beyond accessors. Rules that one object can be checked for are CEL rules here, and each says
//! in its message what to write instead.

mod address_claim;
mod agency;
mod common;
mod conditions;
mod mail_system;
mod mailbox;
mod quota_policy;
mod status;

pub use address_claim::{AddressClaim, AddressClaimSpec, AddressUse, CONTESTED, LEFT_BY, OwnerRef};
pub use agency::{Agency, AgencyForm, AgencyLevel, AgencySpec, AgencyStatus, DerivationStep, own_mailbox_name};
pub use common::{Basis, GROUP, NameRef, VERSION};
pub use conditions::{ConditionType, Outlook, Reason, condition, is_true, set_condition, summarise};
pub use mail_system::{
    CertManager, DefaultQuota, DnsRecord, Dovecot, Endpoint, Exposure, ExposureType, FirstAccess, IssuerRef,
    MailSystem, MailSystemSpec, MailSystemStatus, NamingProfile, PodSecurity, Portal, Regulation, Retention, Storage,
    Tls,
};
pub use mailbox::{
    ACKNOWLEDGE_SUPERSEDES, EffectiveQuota, Holder, Lock, LockReason, LockStatus, Mailbox, MailboxSpec, MailboxState,
    MailboxStatus, PASSWORD_CHANGED_AT, Rename, StructuredName, WantedState,
};
pub use quota_policy::{QuotaPolicy, QuotaPolicySpec, QuotaPolicyStatus, QuotaSelector};
pub use status::ObjectStatus;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;
use serde_json::json;

/// Every CustomResourceDefinition of the operator, in the order in which `crds/` lists them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [MailSystem::crd(), Agency::crd(), Mailbox::crd(), QuotaPolicy::crd(), AddressClaim::crd()].map(unobserved).into()
}

/// kstatus takes an object without status for finished. A fresh one says by default that no generation was looked at yet, so that
/// Flux waits for the operator.
fn unobserved(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas =
        crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for status in schemas.filter_map(|schema| schema.properties.as_mut()?.get_mut("status")) {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
    crd
}

/// kubectl warns of a format that it does not know.
pub(super) fn whole_number(schema: &mut schemars::Schema) {
    schema.remove("format");
}
