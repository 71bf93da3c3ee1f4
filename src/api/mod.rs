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
    MailSystem, MailSystemSpec, MailSystemStatus, NamingProfile, PodSecurity, Regulation, Retention, Storage, Tls,
};
pub use mailbox::{
    ACKNOWLEDGE_SUPERSEDES, EffectiveQuota, Holder, Lock, LockReason, LockStatus, Mailbox, MailboxSpec, MailboxState,
    MailboxStatus, Rename, StructuredName,
};
pub use quota_policy::{QuotaPolicy, QuotaPolicySpec, QuotaPolicyStatus, QuotaSelector};
pub use status::ObjectStatus;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// Every CustomResourceDefinition of the operator, in the order in which `crds/` lists them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![MailSystem::crd(), Agency::crd(), Mailbox::crd(), QuotaPolicy::crd(), AddressClaim::crd()]
}
