//! What people are told when an address cannot be given: who is in the way, by which rule, and what to write.

use super::allocate::{Cause, Conflict, Purged, Rival};
use crate::domain::calendar::day;

/// Rivals that are named at most.
const NAMED: usize = 3;

/// A problem in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The article or decision.
    pub rule: &'static str,
    /// Field to write to.
    pub path: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// The same in Vietnamese.
    pub message_vi: String,
}

/// Words for `conflict`. `suggestions` are disambiguators that are free (D-07), or none where they do not help; `body`: it is an
/// agency, which has other fields to decide by.
pub fn explain(conflict: &Conflict, domain: &str, suggestions: &[String], body: bool) -> Explained {
    let (local, rivals) = conflict.tried.last().map(|(l, r)| (l.as_str(), r.as_slice())).unwrap_or_default();
    let address = format!("{local}@{domain}");
    let (who, who_vi) = named(rivals);
    match conflict.cause {
        Cause::Reserved => Explained {
            rule: "D-05",
            path: "spec.localPart",
            message: format!("{address} is reserved for the system (D-05); write another one in spec.localPart"),
            message_vi: format!(
                "{address} là địa chỉ dành riêng cho hệ thống (D-05); vui lòng ghi địa chỉ khác vào spec.localPart."
            ),
        },
        Cause::SameName => same_name(&address, was(rivals), (&who, &who_vi), suggestions),
        Cause::Exhausted => exhausted(conflict, domain, suggestions),
        Cause::Taken | Cause::Together => {
            let (field, field_vi) = if body {
                ("spec.initials or spec.localPart of the Agency", "spec.initials hoặc spec.localPart của Agency")
            } else {
                ("spec.localPart", "spec.localPart")
            };
            let (verb, verb_vi) = match conflict.cause {
                Cause::Taken if was(rivals) => ("was the address of", "trước đây là địa chỉ của"),
                Cause::Taken => ("belongs to", "đã cấp cho"),
                _ => ("is wanted at the same time by", "đồng thời được đề nghị cho"),
            };
            let rule = if conflict.cause == Cause::Taken { "D-02" } else { "D-21" };
            Explained {
                rule,
                path: "spec.localPart",
                message: format!("{rule}, D-05: {address} {verb} {who}; write another one in {field}"),
                message_vi: format!(
                    "{rule}, D-05: {address} {verb_vi} {who_vi}; vui lòng ghi địa chỉ khác vào {field_vi}."
                ),
            }
        }
    }
}

fn same_name(address: &str, was: bool, (who, who_vi): (&str, &str), suggestions: &[String]) -> Explained {
    let verb = if was { "was the address of" } else { "belongs to or is wanted by" };
    let (offer, offer_vi) = match suggestions {
        [] => (String::new(), String::new()),
        some => (format!(", for example {}", some.join(", ")), format!(", ví dụ {}", some.join(", "))),
    };
    Explained {
        rule: "4.2.c",
        path: "spec.disambiguator",
        message: format!(
            "R4.2.c, D-07: {address} {verb} {who} of the same full name; write spec.disambiguator (1 to 8 of a-z, 0-9){offer}"
        ),
        message_vi: format!(
            "Điều 4.2.c, D-07: {address} trùng họ tên với {who_vi}; vui lòng ghi thêm spec.disambiguator (1 đến 8 ký tự a-z, 0-9){offer_vi}."
        ),
    }
}

fn exhausted(conflict: &Conflict, domain: &str, suggestions: &[String]) -> Explained {
    let tried: Vec<String> =
        conflict.tried.iter().map(|(local, rivals)| format!("{local} ({})", named(rivals).0)).collect();
    let tried_vi: Vec<String> =
        conflict.tried.iter().map(|(local, rivals)| format!("{local} ({})", named(rivals).1)).collect();
    let offer = suggestions.first().map(|s| format!(" or spec.disambiguator, for example {s}")).unwrap_or_default();
    let offer_vi = suggestions.first().map(|s| format!(" hoặc spec.disambiguator, ví dụ {s}")).unwrap_or_default();
    Explained {
        rule: "D-04",
        path: "spec.localPart",
        message: format!(
            "D-04: every address @{domain} that the rules give belongs to or is wanted by somebody: {}; write spec.localPart{offer}",
            tried.join(", ")
        ),
        message_vi: format!(
            "D-04: mọi địa chỉ @{domain} theo quy tắc đều đã có người dùng hoặc có người khác cùng xin: {}; vui lòng ghi spec.localPart{offer_vi}.",
            tried_vi.join(", ")
        ),
    }
}

/// Who is in the way, a few of them by name.
fn named(rivals: &[Rival]) -> (String, String) {
    if rivals.is_empty() {
        return ("reserved".into(), "dành riêng".into());
    }
    let (en, vi): (Vec<String>, Vec<String>) = rivals.iter().take(NAMED).map(one).unzip();
    if rivals.len() > NAMED {
        return (format!("{} and others", en.join(", ")), format!("{} và những người khác", vi.join(", ")));
    }
    (en.join(", "), vi.join(", "))
}

/// Whether nobody has the address any more: it is only kept free for a time.
fn was(rivals: &[Rival]) -> bool {
    !rivals.is_empty() && rivals.iter().all(|rival| rival.purged.is_some())
}

fn one(rival: &Rival) -> (String, String) {
    let (more, more_vi) = rival.purged.map(gone).unwrap_or_default();
    let with = |more: String| match rival.name.as_str() {
        "" => format!("{}{more}", rival.id),
        name => format!("'{name}' ({}{more})", rival.id),
    };
    (with(more), with(more_vi))
}

/// What is said of an account that is purged.
fn gone(purged: Purged) -> (String, String) {
    let Some(from) = purged.free_from.map(day) else {
        return (", purged, its address kept free".into(), ", đã xóa hẳn, địa chỉ chưa cấp lại".into());
    };
    (
        format!(", purged, its address free again from {from}"),
        format!(", đã xóa hẳn, địa chỉ được cấp lại từ {}", from.strftime("%d/%m/%Y")),
    )
}

#[cfg(test)]
mod tests {
    use super::super::LocalPart;
    use super::*;

    fn conflict(cause: Cause, rivals: &[(&str, &str)]) -> Conflict {
        let one =
            |(id, name): &(&str, &str)| Rival { id: (*id).into(), name: (*name).into(), holds: true, purged: None };
        Conflict {
            cause,
            tried: vec![(LocalPart::parse("minhtht.stttt", "").unwrap(), rivals.iter().map(one).collect())],
        }
    }

    #[test]
    fn r4_2_c_the_message_names_the_other_and_offers_what_is_free() {
        let told = explain(
            &conflict(Cause::SameName, &[("nv-1", "Trần Huỳnh Tấn Minh")]),
            "gialai.gov.vn",
            &["2".into(), "3".into()],
            false,
        );
        assert_eq!((told.rule, told.path), ("4.2.c", "spec.disambiguator"));
        for part in ["minhtht.stttt@gialai.gov.vn", "nv-1", "Trần Huỳnh Tấn Minh", "2, 3"] {
            assert!(told.message.contains(part) && told.message_vi.contains(part), "{told:?}");
        }
    }

    #[test]
    fn d_04_the_message_lists_every_address_that_was_tried() {
        let told = explain(&conflict(Cause::Exhausted, &[("nv-1", "A")]), "gialai.gov.vn", &[], false);
        assert!(told.message.contains("minhtht.stttt ('A' (nv-1))"), "{}", told.message);
    }

    #[test]
    fn r4_1_bodies_are_told_of_their_own_fields() {
        let told = explain(&conflict(Cause::Together, &[("agency-b", "Sở B")]), "gialai.gov.vn", &[], true);
        assert!(told.message.contains("spec.initials"), "{}", told.message);
    }

    #[test]
    fn d_14_d_19_the_address_of_an_account_that_was_purged_was_its_and_is_free_again_on_a_day() {
        let told = |cause: Cause, free_from: Option<&str>| {
            let mut conflict = conflict(cause, &[("nv-1", "Lê An")]);
            let free_from = free_from.map(|at| at.parse().unwrap());
            conflict.tried[0].1[0].purged = Some(Purged { free_from });
            explain(&conflict, "gialai.gov.vn", &[], false)
        };
        // 17:00 UTC is the next day in the province.
        let taken = told(Cause::Taken, Some("2029-02-28T17:00:00Z"));
        let en = "was the address of 'Lê An' (nv-1, purged, its address free again from 2029-03-01)";
        let vi = "trước đây là địa chỉ của 'Lê An' (nv-1, đã xóa hẳn, địa chỉ được cấp lại từ 01/03/2029)";
        assert!(taken.message.contains(en) && taken.message_vi.contains(vi), "{taken:?}");
        let same = told(Cause::SameName, None);
        assert!(same.message.contains("was the address of 'Lê An' (nv-1, purged, its address kept free)"), "{same:?}");
        let tried = told(Cause::Exhausted, Some("2029-02-28T17:00:00Z"));
        assert!(
            tried.message.contains("('Lê An' (nv-1, purged, its address free again from 2029-03-01))"),
            "{tried:?}"
        );
    }

    #[test]
    fn a_long_list_of_rivals_is_cut() {
        let many: Vec<(String, String)> = (0..9).map(|i| (format!("nv-{i}"), "A".to_string())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert!(explain(&conflict(Cause::Taken, &many), "x.vn", &[], false).message.contains("and others"));
    }
}
