//! AddressClaim: one object per address ever issued; its name is the local part, so that the API server itself
//! guarantees that an address has one holder (D-05).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an address is used for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum AddressUse {
    /// The address of a mailbox.
    #[default]
    Primary,
    /// A further address of a mailbox.
    Alias,
    /// The address of a purged or renamed mailbox, kept free of new holders (D-19).
    Tombstone,
    /// Kept for the system itself.
    Reserved,
}

/// The holder of an address.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerRef {
    /// Kind of the holder, `Mailbox` today.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the holder.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// uid of the object that holds it now. After a deletion and a new object of the same name it differs: then the
    /// names of the holders are compared (D-06, D-14) before the mail is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
}

/// One address ever issued. Written by the operator alone.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, PartialEq, KubeSchema)]
#[kube(
    group = "mail.gialai.gov.vn",
    version = "v1alpha1",
    kind = "AddressClaim",
    plural = "addressclaims",
    singular = "addressclaim",
    shortname = "addr",
    category = "mail",
    namespaced,
    derive = "PartialEq",
    doc = "One address ever issued; its name is the local part. Written by the operator alone.",
    validation = Rule::new("self.metadata.name.size() <= 64")
        .message("RFC 5321 4.5.3.1.1: a local part has at most 64 octets; use a shorter name"),
    printcolumn(name = "Use", type_ = "string", json_path = ".spec.use"),
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.ownerRef.name"),
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.ownerName"),
    printcolumn(name = "Until", type_ = "date", json_path = ".spec.until", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AddressClaimSpec {
    /// What the address is used for.
    #[serde(rename = "use")]
    pub address_use: AddressUse,
    /// Who holds it.
    pub owner_ref: OwnerRef,
    /// Full name of the holder at the time of issue (for the same-name test of D-06).
    #[schemars(length(max = 400))]
    pub owner_name: String,
    /// The Agency whose suffix it has, while it is a Primary one: another one in the Mailbox is a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub agency: Option<String>,
    /// The document of `spec.rename` on whose request it was issued; each document is handled once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 400))]
    pub rename: Option<String>,
    /// Until when a former address is an alias, or a tombstone (D-19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}
