//! QuotaPolicy: storage and largest attachment together (R7.3.b), and whom they are for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::agency::AgencyLevel;
use super::common::NameRef;
use super::conditions::conditions_schema;
use super::mailbox::Holder;
use crate::domain::notice::REARM;

/// Whom a policy covers: every list that is there must contain the mailbox; an empty selector covers all.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaSelector {
    /// Levels of the agency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub levels: Vec<AgencyLevel>,
    /// Names of Agency objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub agencies: Vec<String>,
    /// Persons or agencies' own mailboxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub holders: Vec<Holder>,
}

/// Storage and largest attachment of mailboxes.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[kube(
    group = "mail.gialai.gov.vn",
    version = "v1alpha1",
    kind = "QuotaPolicy",
    plural = "quotapolicies",
    singular = "quotapolicy",
    shortname = "qp",
    category = "mail",
    namespaced,
    status = "QuotaPolicyStatus",
    derive = "PartialEq",
    doc = "Storage and largest attachment of mailboxes, set together (Điều 7 khoản 3 điểm b).",
    printcolumn(name = "Storage", type_ = "string", json_path = ".spec.storage"),
    printcolumn(name = "Attachment", type_ = "string", json_path = ".spec.maxAttachment"),
    printcolumn(name = "Priority", type_ = "integer", json_path = ".spec.priority"),
    printcolumn(name = "Mailboxes", type_ = "integer", json_path = ".status.mailboxes"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.warnAtPercent) ? self.warnAtPercent : [80, 90, 95]).all(w, w > (has(self.rearmBelowPercent) ? self.rearmBelowPercent : 75))")
    .message("D-17: spec.rearmBelowPercent is less than each of spec.warnAtPercent: write for example warnAtPercent: [80, 90, 95] and rearmBelowPercent: 75"))]
pub struct QuotaPolicySpec {
    /// The MailSystem it speaks of.
    pub system_ref: NameRef,
    /// Storage of each mailbox, for example `5Gi`.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9]([0-9]{0,5}(k|M|G|T|Ki|Mi|Gi|Ti)|[0-9]{0,17})$')")
        .message("R7.3: storage is a quantity without fraction: write for example 5Gi or 500Mi"))]
    pub storage: String,
    /// Largest attachment in decoded bytes, for example `25M` (R7.3.b: the message limit is 37 % more).
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9]([0-9]{0,5}(k|M|G|T|Ki|Mi|Gi|Ti)|[0-9]{0,17})$')")
        .message("R7.3.b: maxAttachment is a quantity without fraction: write for example 25M"))]
    pub max_attachment: String,
    /// Percent of use at which the holder is told by mail, once each time it is crossed upwards (D-17).
    #[serde(default = "warn_at", skip_serializing_if = "Vec::is_empty")]
    #[schemars(default = "warn_at", length(max = 5), inner(range(min = 1, max = 100)))]
    pub warn_at_percent: Vec<i32>,
    /// Percent of use below which the holder is told anew when it rises again (D-17).
    #[serde(default = "rearm_below")]
    #[schemars(default = "rearm_below", range(min = 1, max = 99), transform = super::whole_number)]
    pub rearm_below_percent: u8,
    /// Whom it covers; without selector only mailboxes and agencies that name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<QuotaSelector>,
    /// Among several that cover a mailbox the highest priority wins, then the name.
    #[serde(default)]
    #[schemars(default, range(min = -1000, max = 1000))]
    pub priority: i32,
}

fn warn_at() -> Vec<i32> {
    vec![80, 90, 95]
}

fn rearm_below() -> u8 {
    REARM
}

/// What the operator decided for a QuotaPolicy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaPolicyStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many mailboxes it is in force for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailboxes: Option<i64>,
    /// What holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}
