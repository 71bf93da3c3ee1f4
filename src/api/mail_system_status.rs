//! What a MailSystem remembers for the operator: what a person released, and where the journal ended.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

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
