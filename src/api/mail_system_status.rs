//! What the operator decided, saw and remembers of a MailSystem.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::conditions::conditions_schema;

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

/// What a person released of what the brake held (D-15): it stays released, also when the operator starts anew before all of it is
/// done.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedStatus {
    /// The word, as it stood in `spec.acknowledge.held` or the annotation.
    #[schemars(length(max = 40))]
    pub token: String,
    /// When it was heeded.
    pub at: Time,
    /// How many actions.
    pub count: i64,
    /// A mark of eight characters for each of them, in the order of the marks: names of that many accounts would not fit.
    #[schemars(length(max = 160_000))]
    pub marks: String,
}

/// Where the journal of decisions ended: kept here, outside of the volume on which it stands, so that an end that is cut off, or a
/// journal that is exchanged, is noticed (7.2).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct JournalStatus {
    /// Number of the last entry.
    pub entries: i64,
    /// Its hash, hexadecimal.
    #[schemars(length(max = 64))]
    pub head: String,
    /// When it was the last one.
    pub at: Time,
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
