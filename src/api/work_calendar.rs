//! WorkCalendar: which days are worked (D-09), one or a few years of it.

use std::collections::BTreeSet;

use k8s_openapi::jiff::civil::Date;
use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::domain::calendar::Calendar;

/// Holidays, and days of a weekend that are worked instead.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[kube(
    group = "mail.gialai.gov.vn",
    version = "v1alpha1",
    kind = "WorkCalendar",
    plural = "workcalendars",
    singular = "workcalendar",
    shortname = "wcal",
    category = "mail",
    namespaced,
    derive = "PartialEq",
    doc = "Holidays and swapped working days. Terms of the regulation that would end on a day without work end on the next working day (D-09).",
    printcolumn(name = "Holidays", type_ = "string", json_path = ".spec.holidays"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct WorkCalendarSpec {
    /// Days of Monday to Friday on which nobody works, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "days")]
    pub holidays: Vec<String>,
    /// Saturdays and Sundays that are worked in exchange. A day that stands in both lists is worked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "days")]
    pub working_days: Vec<String>,
}

/// Days, each once.
fn days(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 400,
        "x-kubernetes-list-type": "set",
        "items": {"type": "string", "format": "date", "minLength": 10, "maxLength": 10},
    })
}

impl WorkCalendarSpec {
    /// What terms are reckoned by. A day that does not exist is refused by the kind.
    pub fn calendar(&self) -> Calendar {
        let days =
            |texts: &[String]| texts.iter().filter_map(|text| text.parse::<Date>().ok()).collect::<BTreeSet<_>>();
        Calendar { holidays: days(&self.holidays), working_days: days(&self.working_days) }
    }
}
