//! What the operator decided and saw of a Mailbox.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Basis, whole_second};
use super::conditions::conditions_schema;
use super::mailbox::LockReason;

/// The state of an account.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum MailboxState {
    /// No account yet.
    Pending,
    /// Only a change of the password is allowed (R9.1); mail is received.
    MustChangePassword,
    /// Log in, send, receive.
    Active,
    /// No access by any protocol; mail is received (R6.1).
    Locked,
    /// Unused for six months: a person decides whether it is revoked (8.3.đ, D-11). Locks that it has go on.
    RevocationProposed,
    /// No access, mail is refused; mail, address and password are kept (D-14).
    Revoked,
    /// What was kept is removed; the address is a tombstone (D-14, D-19).
    Purged,
}

/// The quota in force.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveQuota {
    /// The QuotaPolicy it comes from; absent when the system's default holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub policy: Option<String>,
    /// Why this one: `Mailbox`, `Agency`, `Selector` or `SystemDefault`, in this order of precedence.
    #[schemars(length(max = 20))]
    pub source: String,
    /// Storage.
    #[schemars(length(max = 20))]
    pub storage: String,
    /// Largest attachment, in decoded bytes (R7.3.b).
    #[schemars(length(max = 20))]
    pub max_attachment: String,
    /// What the holder was told of its use last (D-17); absent when it was below 75 % since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<QuotaTold>,
}

/// A warning of a mailbox that fills.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaTold {
    /// The threshold that was crossed.
    pub percent: i32,
    /// When.
    pub at: Time,
}

/// One lock in force.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockStatus {
    /// The reason.
    pub reason: LockReason,
    /// The point of the regulation.
    #[schemars(length(max = 20))]
    pub rule: String,
    /// Since when.
    pub since: Time,
    /// The document of a lock that people wrote; absent where a clock ran out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// Whether a clock had locked what people lock now: when they take theirs out, it stays for a document (R6.3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_term: bool,
}

/// Something that will happen to the account by itself.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// `Lock`, `RestoreDue`, `ProposeRevocation`, `Revoke` or `Purge`.
    #[schemars(length(max = 30))]
    pub action: String,
    /// Why: `Inactive`, `DefaultPassword`, `Unused`, `EndsOn`, …
    #[schemars(length(max = 30))]
    pub reason: String,
    /// When.
    pub at: Time,
    /// The point of the regulation, or the decision.
    #[schemars(length(max = 20))]
    pub rule: String,
}

/// A reason that a document took away while others stayed: its clock began anew then.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Relieved {
    /// The reason.
    pub reason: LockReason,
    /// When.
    pub at: Time,
}

/// The last `spec.restore` that was looked at (R6.3: each document is handled once).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Number, day and issuer of the document.
    #[schemars(length(max = 400))]
    pub document: String,
    /// When it was received.
    pub received_at: Time,
    /// When the account was given back; absent while something keeps it locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_at: Option<Time>,
    /// Whether the end of the three working days was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
    /// Whether half of them was told, which is once for each document.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half_told: bool,
}

/// Where mail of a revoked account goes.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forwarding {
    /// Address of the successor; absent while there is nobody who receives, and mail is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub to: Option<String>,
    /// Since when.
    pub since: Time,
}

/// What the operator decided for a Mailbox.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailboxStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The address in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub address: Option<String>,
    /// Further addresses in force, former ones among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40), inner(length(max = 320)))]
    pub aliases: Vec<String>,
    /// The state of the account: `Pending` (no account yet), `MustChangePassword` (only a change of the password is allowed, mail
    /// is received, R9.1), `Active`, `Locked` (no access by any protocol, mail is received, R6.1), `RevocationProposed` (unused for
    /// six months, a person decides, 8.3.đ), `Revoked` (no access, mail is refused, everything is kept, D-14), `Purged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MailboxState>,
    /// When the address was issued; the same when a deleted Mailbox comes back (D-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,
    /// When the holder changed the password; absent while the default password stands (R9.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_changed_at: Option<Time>,
    /// When the present default password was made, where that was later than issue and last unlock: the month of 6.2.d begins with
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_password_at: Option<Time>,
    /// When the last lock was taken away: every clock began anew then (D-12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlocked_at: Option<Time>,
    /// The last day of notified absences that were in force: silence counts from then on (6.2.a), whatever became of them in the
    /// file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub absent_until: Option<String>,
    /// Since when its revocation is proposed (8.3.đ).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_at: Option<Time>,
    /// When it was revoked by `spec.state` or `spec.endsOn`; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// When what was kept of it was removed (D-14); absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<Time>,
    /// The address that it had until it was purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub former_address: Option<String>,
    /// Where mail of the revoked account goes (`spec.successorRef`); absent while it never went anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<Forwarding>,
    /// Every lock in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub locks: Vec<LockStatus>,
    /// Reasons that a document took away while others stayed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub relieved: Vec<Relieved>,
    /// The last document that asked for the account back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// What happens by itself within 45 days if nobody does anything, the soonest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub due: Vec<Due>,
    /// The quota in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<EffectiveQuota>,
    /// What holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

impl MailboxStatus {
    /// The life of the account as the API server gives it back, which keeps whole seconds.
    pub fn in_whole_seconds(&self) -> Self {
        let mut status = self.clone();
        let alone = [
            &mut status.issued_at,
            &mut status.password_changed_at,
            &mut status.unlocked_at,
            &mut status.proposed_at,
            &mut status.revoked_at,
        ];
        let locks = status.locks.iter_mut().map(|lock| &mut lock.since);
        let relieved = status.relieved.iter_mut().map(|relieved| &mut relieved.at);
        let forwarding = status.forwarding.iter_mut().map(|forwarding| &mut forwarding.since);
        let restored = status.restored.iter_mut();
        let restored = restored.flat_map(|r| std::iter::once(&mut r.received_at).chain(&mut r.handled_at));
        let alone = alone.into_iter().flatten();
        for time in alone.chain(locks).chain(relieved).chain(forwarding).chain(restored) {
            *time = whole_second(time);
        }
        status
    }
}
