//! Agency: a body of the province, its own address and the suffix of its people's addresses (R4.1).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Basis, NO_YAML_WORD, NO_YAML_WORD_MESSAGE, NameRef};
use super::conditions::conditions_schema;
use super::mailbox::{Holder, MailboxSpec, Rename, WantedState};
use crate::domain::naming::{AgencyAddress, AgencyNaming, Form, Level, NamedAgency};

/// Where a body stands (R4.1.a–d).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema)]
pub enum AgencyLevel {
    /// A department or body of the province (R4.1.a).
    Province,
    /// The People's Committee of a district, town or city (R4.1.b).
    District,
    /// The People's Committee of a commune, ward or township (R4.1.c).
    Commune,
    /// A unit of a department or of a district (R4.1.d).
    Unit,
}

/// How a unit's address is formed (R4.1.d, D-23).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum AgencyForm {
    /// Initials of every word: `ccbvmt.stnmt`.
    Initials,
    /// The name in full without Phòng or Ban: `tuphap.iagrai`.
    FullName,
}

/// A body of the province.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[kube(
    group = "mail.gialai.gov.vn",
    version = "v1alpha1",
    kind = "Agency",
    plural = "agencies",
    singular = "agency",
    category = "mail",
    namespaced,
    status = "AgencyStatus",
    derive = "PartialEq",
    doc = "A body of the province: its own address and the suffix of its people's addresses (Điều 4 khoản 1).",
    validation = Rule::new("self.metadata.name.size() <= 56")
        .message("the name of an Agency has at most 56 characters, since its mailbox is named agency-<name>"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(name = "Suffix", type_ = "string", json_path = ".status.suffix"),
    printcolumn(name = "Level", type_ = "string", json_path = ".spec.level"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Body", type_ = "string", json_path = ".spec.name", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.level == 'Province' || self.level == 'District' || has(self.parentRef)")
    .message("R4.1.c, R4.1.d: a Commune or Unit needs spec.parentRef: {name: <Agency of its district or department>}"))]
#[x_kube(validation = Rule::new("!has(self.parentRef) || self.level != 'Province'")
    .message("R4.1.a: an agency of the province has no parent; remove spec.parentRef or write level: Unit"))]
pub struct AgencySpec {
    /// The MailSystem that serves it.
    pub system_ref: NameRef,
    /// Where it stands: `Province` (a department or body of the province, R4.1.a), `District` (the People's Committee of a
    /// district, town or city, R4.1.b), `Commune` (that of a commune, ward or township, R4.1.c), `Unit` (a unit of a department or
    /// of a district, R4.1.d).
    pub level: AgencyLevel,
    /// Official name in Vietnamese, with its type word: `Sở Thông tin và Truyền thông`.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = Rule::new(NO_YAML_WORD).message(NO_YAML_WORD_MESSAGE))]
    pub name: String,
    /// The Agency above it; needed for communes and units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<NameRef>,
    /// Initials decided by hand where those of the name would clash: `sngv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]+$')")
        .message("R4.1: initials are lower-case letters a-z and digits without diacritics, for example sngv"))]
    pub initials: Option<String>,
    /// How a unit's address is formed, where the rule of D-23 is to be overridden: `Initials` (`ccbvmt.stnmt`) or `FullName`
    /// without Phòng or Ban (`tuphap.iagrai`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<AgencyForm>,
    /// The whole local part of the agency's address, decided by hand (D-21).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')")
        .message("D-21: a local part is lower-case a-z, 0-9, dots and hyphens between them, for example ccbvmt.stnmt"))]
    pub local_part: Option<String>,
    /// What stands after the dot in its people's addresses, decided by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]+$')")
        .message("R4.2.a: a suffix is lower-case letters a-z and digits, for example stttt"))]
    pub suffix: Option<String>,
    /// The QuotaPolicy of its mailboxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_policy_ref: Option<NameRef>,
    /// Whether the agency has a mailbox of its own; true when absent.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    #[schemars(default = "yes")]
    pub has_mailbox: bool,
    /// Asks for the address that its name, initials, form or localPart give now for its own mailbox, as in a Mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rename: Option<Rename>,
    /// Addresses of former bodies that its own mailbox takes over (D-19), as in a Mailbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub supersedes: Vec<String>,
    /// The document it rests on (R5.2).
    pub basis: Basis,
}

impl AgencySpec {
    /// The spec of the own Mailbox of the agency `name`.
    pub fn own_mailbox(&self, name: &str) -> MailboxSpec {
        MailboxSpec {
            agency_ref: NameRef { name: name.into() },
            holder: Holder::Agency,
            full_name: self.name.clone(),
            structured_name: None,
            title: None,
            local_part: None,
            disambiguator: None,
            aliases: Vec::new(),
            quota_policy_ref: None,
            lock: None,
            rename: self.rename.clone(),
            supersedes: self.supersedes.clone(),
            starts_on: None,
            absence: None,
            restore: None,
            hold: None,
            ending: None,
            ends_on: None,
            state: WantedState::Active,
            successor_ref: None,
            basis: self.basis.clone(),
        }
    }
}

/// Name of the own Mailbox of an agency.
pub fn own_mailbox_name(agency: &str) -> String {
    format!("agency-{agency}")
}

impl NamedAgency for Agency {
    fn parent(&self) -> Option<&str> {
        self.spec.parent_ref.as_ref().map(|parent| parent.name.as_str())
    }

    fn naming<'a>(&'a self, parent: Option<&'a AgencyAddress>) -> AgencyNaming<'a> {
        AgencyNaming {
            level: match self.spec.level {
                AgencyLevel::Province => Level::Province,
                AgencyLevel::District => Level::District,
                AgencyLevel::Commune => Level::Commune,
                AgencyLevel::Unit => Level::Unit,
            },
            name: &self.spec.name,
            initials: self.spec.initials.as_deref(),
            form: self.spec.form.map(|form| match form {
                AgencyForm::Initials => Form::Initials,
                AgencyForm::FullName => Form::FullName,
            }),
            local_part: self.spec.local_part.as_deref(),
            suffix: self.spec.suffix.as_deref(),
            parent,
        }
    }
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// One step from a name to an address.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DerivationStep {
    /// The article, for example `4.1.a`.
    #[schemars(length(max = 20))]
    pub rule: String,
    /// What was done.
    #[schemars(length(max = 60))]
    pub step: String,
    /// What came out.
    #[schemars(length(max = 253))]
    pub value: String,
}

/// What the operator decided for an Agency.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgencyStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The agency's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub address: Option<String>,
    /// What stands after the dot in its people's addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub suffix: Option<String>,
    /// How the address came about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub derivation: Vec<DerivationStep>,
    /// What holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}
