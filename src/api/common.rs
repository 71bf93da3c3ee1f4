//! What several kinds share: references, the document a decision rests on.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// API group of every kind.
pub const GROUP: &str = "mail.gialai.gov.vn";
/// API version of every kind.
pub const VERSION: &str = "v1alpha1";

/// Annotation of a credentials Secret: full name of the person it was made for. The Secret and the mail folder go to nobody
/// else.
pub const HOLDER_ANNOTATION: &str = "mail.gialai.gov.vn/holder";
/// Annotation of a credentials Secret: when the holder changed the password (RFC 3339). Written by the password page.
pub const PASSWORD_CHANGED_AT: &str = "mail.gialai.gov.vn/password-changed-at";
/// Annotation of a credentials Secret: when the initial password was made (RFC 3339): its month begins then (6.2.d).
pub const PASSWORD_MADE_AT: &str = "mail.gialai.gov.vn/password-made-at";
/// Annotation of a credentials Secret: when the initial password was handed over (RFC 3339), which happens once.
pub const HANDED_OVER_ANNOTATION: &str = "mail.gialai.gov.vn/handed-over-at";
/// The run of `kubectl mail handover` that wrote that time: by it a run knows its own mark when the answer to it was lost.
pub const HANDOVER_RUN_ANNOTATION: &str = "mail.gialai.gov.vn/handover-run";

/// Who writes for the operator, in `managedFields`.
pub const MANAGER: &str = "mail-operator";

/// A reference to an object of the same namespace.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')")
        .message("a reference is the metadata.name of an object: letters a-z without diacritics, 0-9, hyphens and dots, for example stttt"))]
    pub name: String,
}

/// The written document a decision rests on (R5.2: number, date, issuer).
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.number.trim() != '' && self.issuer.trim() != ''")
    .message("R5.2: a basis names the document: write number, date (YYYY-MM-DD) and issuer, none of them blank"))]
#[x_kube(validation = Rule::new("self.number.trim() != 'NUMBER' && self.issuer.trim() != 'ISSUER'")
    .message("R5.2: NUMBER and ISSUER are places to fill in: write the number of the document and who issued it"))]
pub struct Basis {
    /// Number and sign of the document, for example `12/STTTT-VP`.
    #[schemars(length(min = 1, max = 100))]
    pub number: String,
    /// Day of the document, `YYYY-MM-DD`.
    #[schemars(length(min = 10, max = 10), extend("format" = "date"))]
    pub date: String,
    /// Who issued it, for example `Sở Thông tin và Truyền thông`.
    #[schemars(length(min = 1, max = 200))]
    pub issuer: String,
}

impl Basis {
    /// Number, day and issuer, as a text that names the document.
    pub fn cited(&self) -> String {
        format!("{} ({}, {})", self.number, self.date, self.issuer)
    }
}

/// A time as the API server gives it back, which keeps whole seconds.
pub fn whole_second(time: &Time) -> Time {
    Time(Timestamp::from_second(time.0.as_second()).unwrap_or(time.0))
}

/// Kustomize reads `fullName: no` as the text "no", kubectl as a boolean: nobody is called that.
pub(super) const NO_YAML_WORD: &str = "!self.matches('^(?i:y|yes|n|no|on|off|true|false|null|~)$')";
pub(super) const NO_YAML_WORD_MESSAGE: &str =
    "R3.4: this is a word that YAML reads as true, false or nothing, not a name; write the full name";

/// How many there are where nobody says.
pub(super) fn one() -> i32 {
    1
}
