//! From a name to an address (Điều 4): pure rules over text.
//!
//! | Article | Where |
//! |---|---|
//! | 4.1.a–d, D-01, D-23: addresses of bodies | [`agency`] |
//! | 4.1.c, 4.1.d: up the chain of parents | [`resolve_agency`] |
//! | 4.2.a: the address of a person | [`person_local_part`] |
//! | 4.2.b, D-04: the address of a newcomer whose address is taken | [`candidates`] |
//! | 4.2.c, D-06, D-07: two people of one name | [`with_disambiguator`], [`same_name()`] |
//! | D-08: the parts of a personal name | [`person_name`] |
//! | R3.4: Unicode, NFC, legacy encodings refused | [`normalise`] |
//! | RFC 5321, D-05, D-21: what a local part may be | [`LocalPart`], [`is_reserved`] |
//!
//! Nothing here knows which addresses are taken: callers bring that.

pub mod agency;
pub mod allocate;
pub mod chain;
pub mod conflict;
pub mod derive;
pub mod fold;
pub mod holdings;
pub mod legacy;
pub mod local_part;
pub mod moving;
pub mod normalise;
pub mod person;
pub mod reserved;
pub mod same_name;
pub mod sticky;
pub mod wish;

#[cfg(test)]
mod agency_tests;
#[cfg(test)]
mod normalise_tests;
#[cfg(test)]
mod properties;

use serde::Serialize;

pub use agency::{AgencyAddress, AgencyNaming, Form, Level, Profile, agency_address};
pub use allocate::{Allocation, Cause, Conflict, Grant, Held, Purged, RIVALS, Request, Rival, Use, Wish, allocate};
pub use chain::{AgencyProblem, NamedAgency, resolve_agency};
pub use derive::{Candidate, Derived, candidates, disambiguator_suggestions, person_local_part, with_disambiguator};
pub use holdings::{Written, holdings};
pub use local_part::LocalPart;
pub use moving::{Former, Retention, former};
pub use person::{PersonName, StructuredName, person_name};
pub use reserved::{is_reserved, refuse_reserved};
pub use same_name::same_name;
pub use wish::MailboxNaming;

/// One step from a name to an address, for people who ask why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The article or decision, for example `4.2.a`.
    pub rule: &'static str,
    /// What was done, for example `given+initials`.
    pub step: &'static str,
    /// What came out.
    pub value: String,
}

impl Step {
    /// A step of `rule` that gave `value`.
    pub fn new(rule: &'static str, step: &'static str, value: impl Into<String>) -> Self {
        Self { rule, step, value: value.into() }
    }
}

/// Something that was accepted and that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// Stable PascalCase code.
    pub code: &'static str,
    /// The article or decision.
    pub rule: &'static str,
    /// Field, for example `spec.fullName`.
    pub path: String,
    /// What was seen and what to do about it.
    pub message: String,
    /// The same in Vietnamese.
    pub message_vi: String,
}

/// How an address came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Derivation {
    /// The steps in their order.
    pub steps: Vec<Step>,
    /// What was accepted with a warning.
    pub warnings: Vec<Warning>,
}

/// A name or an address that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{path}: {message}")]
#[serde(rename_all = "camelCase")]
pub struct NameError {
    /// Stable PascalCase code.
    pub code: &'static str,
    /// The article or decision, for example `D-08`.
    pub rule: &'static str,
    /// Field, for example `spec.fullName`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
    /// The same in Vietnamese.
    pub message_vi: String,
}

impl NameError {
    pub(crate) fn new(
        code: &'static str,
        rule: &'static str,
        path: &str,
        message: impl Into<String>,
        message_vi: impl Into<String>,
    ) -> Self {
        Self { code, rule, path: path.into(), message: message.into(), message_vi: message_vi.into() }
    }
}
