//! The kinds of `mail.gialai.gov.vn/v1alpha1`: what people write and what the operator answers.
//!
//! One file a kind; no logic beyond accessors. Rules that one object can be checked for are CEL rules here, and each says
//! in its message what to write instead.

mod address_claim;
mod agency;
mod common;
mod conditions;
mod kept;
mod life;
#[cfg(test)]
mod life_tests;
mod mail_system;
mod mail_system_status;
mod mailbox;
mod mailbox_activity;
mod mailbox_status;
mod office;
mod papers;
mod portal;
mod quota_policy;
mod regulation;
mod server;
mod status;
mod work_calendar;

pub use address_claim::{
    AddressClaim, AddressClaimSpec, AddressUse, CONTESTED, LEFT_BY, MADE_AGAIN, OwnerRef, Purging, REFUSED_BECAUSE,
};
pub use agency::{Agency, AgencyForm, AgencyLevel, AgencySpec, AgencyStatus, DerivationStep, own_mailbox_name};
pub use common::{
    Basis, GROUP, HANDED_OVER_ANNOTATION, HANDOVER_RUN_ANNOTATION, HOLDER_ANNOTATION, MANAGER, NameRef,
    PASSWORD_CHANGED_AT, PASSWORD_MADE_AT, VERSION, whole_second,
};
pub use conditions::{ConditionType, Outlook, Reason, condition, is_true, set_condition, summarise};
pub use kept::KeptLife;
pub use life::{acted, activity, brake_limits, document, held, purged, rules};
pub use mail_system::{Acknowledge, DefaultQuota, MailSystem, MailSystemSpec};
pub use mail_system_status::{
    Completeness, DnsRecord, Endpoint, HeldAction, HeldStatus, JournalStatus, MailSystemStatus, ReleasedStatus,
};
pub use mailbox::{
    ACKNOWLEDGE_SUPERSEDES, Absence, Ending, Hold, Holder, Lock, LockReason, Mailbox, MailboxSpec, Rename, Restore,
    StructuredName, WantedState,
};
pub use mailbox_activity::{MailboxActivity, MailboxActivitySpec, MailboxActivityStatus};
pub use mailbox_status::{
    Due, EffectiveQuota, Forwarding, LockStatus, MailboxState, MailboxStatus, QuotaTold, Relieved, Restored,
};
pub use office::Office;
pub use papers::Papers;
pub use portal::{Portal, password_page};
pub use quota_policy::{QuotaPolicy, QuotaPolicySpec, QuotaPolicyStatus, QuotaSelector};
pub use regulation::{BrakeLimits, DefaultPassword, FirstAccess, Inactivity, NamingProfile, Regulation, Retention};
pub use server::{CertManager, Dovecot, Exposure, ExposureType, IssuerRef, PodSecurity, Storage, Tls};
pub use status::ObjectStatus;
pub use work_calendar::{WorkCalendar, WorkCalendarSpec};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps,
};
use kube::CustomResourceExt;
use serde_json::json;

/// Every CustomResourceDefinition of the operator, in the order in which `crds/` lists them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [
        MailSystem::crd(),
        Agency::crd(),
        Mailbox::crd(),
        QuotaPolicy::crd(),
        WorkCalendar::crd(),
        AddressClaim::crd(),
        MailboxActivity::crd(),
    ]
    .map(unobserved)
    .into()
}

/// kstatus takes an object without status for finished. A fresh one says by default that no generation was looked at yet, so that
/// Flux waits for the operator.
fn unobserved(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas =
        crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    let observed = |status: &&mut JSONSchemaProps| {
        status.properties.as_ref().is_some_and(|properties| properties.contains_key("observedGeneration"))
    };
    for status in schemas.filter_map(|schema| schema.properties.as_mut()?.get_mut("status")).filter(observed) {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
    crd
}

/// kubectl warns of a format that it does not know.
pub(super) fn whole_number(schema: &mut schemars::Schema) {
    schema.remove("format");
}
