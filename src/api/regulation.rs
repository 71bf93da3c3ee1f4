//! How the regulation is set for a MailSystem.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::NameRef;
use crate::domain::journal::LEAST_MONTHS;
use crate::domain::naming::Profile;

/// Which naming rules are in force.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum NamingProfile {
    /// Province, districts, communes: the rules of 2022.
    #[default]
    GiaLai2022,
    /// Province and communes, since 1 July 2025.
    TwoTier2025,
}

impl From<NamingProfile> for Profile {
    fn from(profile: NamingProfile) -> Self {
        match profile {
            NamingProfile::GiaLai2022 => Self::GiaLai2022,
            NamingProfile::TwoTier2025 => Self::TwoTier2025,
        }
    }
}

/// What the initial password is good for (R9.1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum FirstAccess {
    /// Mail protocols refuse until the password is changed; mail is received.
    #[default]
    ChangePassword,
    /// Mail protocols work with the initial password: for systems where passwords are changed by other means.
    MailAllowed,
}

/// How the regulation is set for this system.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Regulation {
    /// Which naming rules are in force.
    #[serde(default)]
    #[schemars(default)]
    pub naming_profile: NamingProfile,
    /// What the initial password is good for.
    #[serde(default)]
    #[schemars(default)]
    pub first_access: FirstAccess,
    /// The clock of silence (6.2.a) and that of non-use (5.4.c, 8.3.đ).
    #[serde(default)]
    #[schemars(default)]
    pub inactivity: Inactivity,
    /// The clock of the default password (6.2.d).
    #[serde(default)]
    #[schemars(default)]
    pub default_password: DefaultPassword,
    /// For how long what ended is kept.
    #[serde(default)]
    #[schemars(default)]
    pub retention: Retention,
    /// How much automation may do in a day by itself (D-15).
    #[serde(default)]
    #[schemars(default)]
    pub brake: BrakeLimits,
    /// The WorkCalendar by which terms are reckoned (D-09); without one, or while it is not there, only weekends are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_calendar_ref: Option<NameRef>,
}

/// The clock of silence and that of non-use.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inactivity {
    /// Months without login, send or receive until an account is locked (6.2.a).
    #[serde(default = "inactive_months")]
    #[schemars(default = "inactive_months", range(min = 1, max = 120), transform = super::whole_number)]
    pub lock_after_months: u16,
    /// Months without login until a revocation is proposed (5.4.c, 8.3.đ).
    #[serde(default = "unused_months")]
    #[schemars(default = "unused_months", range(min = 1, max = 120), transform = super::whole_number)]
    pub propose_revocation_after_months: u16,
}

impl Default for Inactivity {
    fn default() -> Self {
        Self { lock_after_months: inactive_months(), propose_revocation_after_months: unused_months() }
    }
}

fn inactive_months() -> u16 {
    3
}

fn unused_months() -> u16 {
    6
}

/// The clock of the default password.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultPassword {
    /// Months after issue, or unlock, until an account whose default password stands is locked (6.2.d).
    #[serde(default = "default_password_months")]
    #[schemars(default = "default_password_months", range(min = 1, max = 120), transform = super::whole_number)]
    pub lock_after_months: u16,
}

impl Default for DefaultPassword {
    fn default() -> Self {
        Self { lock_after_months: default_password_months() }
    }
}

fn default_password_months() -> u16 {
    1
}

/// More than `max(max, percent % of all)` mailboxes that automation would newly lock, revoke or remove within 24 hours are held
/// until a person acknowledges (D-15).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrakeLimits {
    /// So many are always allowed.
    #[serde(default = "brake_max")]
    #[schemars(default = "brake_max", range(min = 1, max = 100_000), transform = super::whole_number)]
    pub max: u32,
    /// Percent of all mailboxes.
    #[serde(default = "brake_percent")]
    #[schemars(default = "brake_percent", range(min = 0, max = 100), transform = super::whole_number)]
    pub percent: u32,
}

impl Default for BrakeLimits {
    fn default() -> Self {
        Self { max: brake_max(), percent: brake_percent() }
    }
}

fn brake_max() -> u32 {
    20
}

fn brake_percent() -> u32 {
    2
}

/// For how long what ended is kept.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Months in which mail to a former address still arrives, after a transfer or a rename.
    #[serde(default = "alias_months")]
    #[schemars(default = "alias_months", range(min = 1, max = 120), transform = super::whole_number)]
    pub alias_months: u16,
    /// Months for which a revoked account is kept before it is purged (D-14).
    #[serde(default = "revoked_months")]
    #[schemars(default = "revoked_months", range(min = 6, max = 600), transform = super::whole_number)]
    pub revoked_months: u16,
    /// Months after that in which nobody gets it (D-19).
    #[serde(default = "tombstone_months")]
    #[schemars(default = "tombstone_months", range(min = 24, max = 600), transform = super::whole_number)]
    pub tombstone_months: u16,
    /// Months for which logs and the journal of decisions are kept; at least 6 (7.2).
    #[serde(default = "log_months")]
    #[schemars(default = "log_months", range(max = 120), transform = super::whole_number)]
    #[x_kube(validation = Rule::new("self >= 6")
        .message("7.2: logs and journal are kept for at least 6 months; write 6 or more in spec.regulation.retention.logMonths"))]
    pub log_months: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            alias_months: alias_months(),
            revoked_months: revoked_months(),
            tombstone_months: tombstone_months(),
            log_months: log_months(),
        }
    }
}

fn alias_months() -> u16 {
    12
}

fn revoked_months() -> u16 {
    12
}

fn tombstone_months() -> u16 {
    24
}

fn log_months() -> u16 {
    LEAST_MONTHS
}
