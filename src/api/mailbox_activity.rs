//! MailboxActivity: use of one mailbox. Personal data: a kind of its own, so that it has an RBAC of its own.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Nothing is wished for here.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[kube(
    group = "mail.gialai.gov.vn",
    version = "v1alpha1",
    kind = "MailboxActivity",
    plural = "mailboxactivities",
    singular = "mailboxactivity",
    shortname = "mact",
    namespaced,
    status = "MailboxActivityStatus",
    derive = "PartialEq",
    doc = "Use of the Mailbox of the same name, to the day. Personal data, written by the operator alone; not in category mail.",
    printcolumn(name = "Login", type_ = "string", json_path = ".status.lastLogin"),
    printcolumn(name = "Send", type_ = "string", json_path = ".status.lastSend"),
    printcolumn(name = "Receive", type_ = "string", json_path = ".status.lastReceive"),
    printcolumn(name = "Complete", type_ = "date", json_path = ".status.completeThrough")
)]
#[serde(rename_all = "camelCase")]
pub struct MailboxActivitySpec {}

/// What the mail server told. Days are those of the province (`Asia/Ho_Chi_Minh`).
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailboxActivityStatus {
    /// Day of the last login by any protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub last_login: Option<String>,
    /// Day of the last message sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub last_send: Option<String>,
    /// Day of the last message received; mail that the system itself made is none (D-10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub last_receive: Option<String>,
    /// Bytes of storage in use, as of the last change of a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub used_bytes: Option<i64>,
    /// From when on nothing can be missing in this (D-16).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_from: Option<Time>,
    /// Through which moment. `status.activity` of the MailSystem tells a later one, good for every mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_through: Option<Time>,
}
