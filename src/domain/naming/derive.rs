//! From the parts of a name to the address of a person (Điều 4 khoản 2).

use super::fold::initial;
use super::{Derivation, LocalPart, NameError, PersonName, Step, Warning};

/// An address and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The address before the `@`.
    pub local_part: LocalPart,
    /// How it came about.
    pub steps: Vec<Step>,
    /// What was accepted and should be looked at.
    pub warnings: Vec<Warning>,
}

impl Derived {
    /// Steps and warnings alone.
    pub fn derivation(&self) -> Derivation {
        Derivation { steps: self.steps.clone(), warnings: self.warnings.clone() }
    }
}

/// One of the addresses a person may get, in the order in which they are tried (D-04).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// `4.2.a`, `4.2.b`, or `D-04` for the two fallbacks.
    pub rule: &'static str,
    /// The address before the `@`.
    pub local_part: LocalPart,
    /// How it came about.
    pub steps: Vec<Step>,
}

/// The common form (R4.2.a): given name, initial of the family name, initials of the middle names, dot, suffix.
pub fn person_local_part(name: &PersonName, suffix: &str) -> Result<Derived, NameError> {
    check_suffix(suffix, "suffix")?;
    let base = base(name);
    let (local_part, steps) = with_suffix(name, "4.2.a", "given+initials", &base, suffix)?;
    Ok(Derived { local_part, steps, warnings: name.warnings().to_vec() })
}

/// Every address a person may get without a disambiguator, each once, best first (R4.2.a, R4.2.b, D-04): the common
/// form; nearest middle name + given name + initials; F1 with the family name in full; F2 with all words in full.
/// Fallbacks longer than 64 octets are left out. Which of them may be used depends on who is there already.
pub fn candidates(name: &PersonName, suffix: &str) -> Result<Vec<Candidate>, NameError> {
    let common = person_local_part(name, suffix)?;
    let mut found = vec![Candidate { rule: "4.2.a", local_part: common.local_part, steps: common.steps }];
    for (rule, step, base) in fallbacks(name) {
        let Ok((local_part, steps)) = with_suffix(name, rule, step, &base, suffix) else {
            continue;
        };
        if found.iter().all(|candidate| candidate.local_part != local_part) {
            found.push(Candidate { rule, local_part, steps });
        }
    }
    Ok(found)
}

/// The common form plus an extra component, for people of the same full name (R4.2.c, D-07).
pub fn with_disambiguator(name: &PersonName, suffix: &str, disambiguator: &str) -> Result<Derived, NameError> {
    check_suffix(suffix, "suffix")?;
    check_disambiguator(disambiguator)?;
    let base = format!("{}{disambiguator}", base(name));
    let (local_part, steps) = with_suffix(name, "4.2.c", "given+initials+disambiguator", &base, suffix)?;
    Ok(Derived { local_part, steps, warnings: name.warnings().to_vec() })
}

/// Disambiguators that are free, smallest number first, to be offered to a person (D-07: never chosen for them).
pub fn disambiguator_suggestions(
    name: &PersonName,
    suffix: &str,
    is_taken: impl Fn(&LocalPart) -> bool,
    count: usize,
) -> Vec<String> {
    (2..1000)
        .map(|number: u32| number.to_string())
        .filter(|text| with_disambiguator(name, suffix, text).is_ok_and(|derived| !is_taken(&derived.local_part)))
        .take(count)
        .collect()
}

fn base(name: &PersonName) -> String {
    format!("{}{}{}", name.given(), name.family_initial(), initials(name.middle()))
}

fn initials(words: &[String]) -> String {
    words.iter().map(|word| initial(word)).collect()
}

fn fallbacks(name: &PersonName) -> Vec<(&'static str, &'static str, String)> {
    let (family, given) = (name.family(), name.given());
    let mut found = Vec::new();
    let (nearest, rest) = match name.middle().split_last() {
        Some((nearest, rest)) => {
            let rest = initials(rest);
            found.push(("4.2.b", "middle+given+initials", format!("{nearest}{given}{}{rest}", name.family_initial())));
            (nearest.as_str(), rest)
        }
        None => ("", String::new()),
    };
    found.push(("D-04", "F1 family in full", format!("{nearest}{given}{family}{rest}")));
    found.push(("D-04", "F2 all in full", format!("{given}{family}{}", name.middle().concat())));
    found
}

fn with_suffix(
    name: &PersonName,
    rule: &'static str,
    step: &'static str,
    base: &str,
    suffix: &str,
) -> Result<(LocalPart, Vec<Step>), NameError> {
    let local_part = LocalPart::parse(&format!("{base}.{suffix}"), "spec.fullName")?;
    let mut steps = name.steps();
    steps.push(Step::new(rule, step, base));
    steps.push(Step::new("4.2.a", "suffix", suffix));
    steps.push(Step::new(rule, "localPart", local_part.as_str()));
    Ok((local_part, steps))
}

/// A suffix is `[a-z0-9]+` (requirements §1).
pub(super) fn check_suffix(suffix: &str, path: &str) -> Result<(), NameError> {
    if is_plain(suffix) {
        return Ok(());
    }
    let shown = suffix.escape_debug();
    Err(NameError::new(
        "SuffixInvalid",
        "4.2.a",
        path,
        format!(
            "the suffix '{shown}' is not made of lower-case letters a-z and digits; write one like stttt or iagrai"
        ),
        format!(
            "Phần sau dấu chấm “{shown}” phải gồm chữ thường a-z không dấu và chữ số; vui lòng ghi lại, ví dụ stttt hoặc iagrai."
        ),
    ))
}

pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn check_disambiguator(text: &str) -> Result<(), NameError> {
    const PATH: &str = "spec.disambiguator";
    if !is_plain(text) || text.len() > 8 {
        let shown = text.escape_debug();
        return Err(NameError::new(
            "DisambiguatorInvalid",
            "D-07",
            PATH,
            format!(
                "'{shown}' is not made of 1 to 8 lower-case letters a-z and digits; write something like 2 or pleiku"
            ),
            format!(
                "“{shown}” phải gồm từ 1 đến 8 chữ thường a-z không dấu hoặc chữ số; vui lòng ghi lại, ví dụ 2 hoặc pleiku."
            ),
        ));
    }
    if is_full_date(text) {
        return Err(NameError::new(
            "DisambiguatorIsBirthDate",
            "D-07",
            PATH,
            format!(
                "'{text}' reads as a full date of birth, and addresses are public; write the year alone or something else"
            ),
            format!(
                "“{text}” giống ngày sinh đầy đủ, trong khi địa chỉ thư là công khai; vui lòng chỉ ghi năm sinh hoặc thành phần khác."
            ),
        ));
    }
    Ok(())
}

/// Whether digits read as a day of a year within a lifetime, in either order.
fn is_full_date(text: &str) -> bool {
    let number = |from: usize, to: usize| text.get(from..to).and_then(|s| s.parse::<u32>().ok()).unwrap_or(0);
    let day = |d: u32, m: u32| (1..=31).contains(&d) && (1..=12).contains(&m);
    let year = |y: u32| (1900..2100).contains(&y);
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    match text.len() {
        8 => {
            (day(number(0, 2), number(2, 4)) && year(number(4, 8)))
                || (year(number(0, 4)) && day(number(6, 8), number(4, 6)))
        }
        6 => day(number(0, 2), number(2, 4)) || day(number(4, 6), number(2, 4)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::super::{StructuredName, person_name};
    use super::*;

    fn name(text: &str) -> PersonName {
        person_name(text, None).unwrap()
    }

    fn local_part(text: &str, suffix: &str) -> String {
        person_local_part(&name(text), suffix).unwrap().local_part.into()
    }

    fn all(text: &str) -> Vec<String> {
        candidates(&name(text), "stttt").unwrap().into_iter().map(|c| format!("{} {}", c.rule, c.local_part)).collect()
    }

    #[test]
    fn r4_2_a_hoang_thi_nhu_quynh_is_quynhhtn_stttt() {
        assert_eq!(local_part("Hoàng Thị Như Quỳnh", "stttt"), "quynhhtn.stttt");
        let nfd: String = "Hoàng Thị Như Quỳnh".nfd().collect();
        assert_eq!(local_part(&nfd, "stttt"), "quynhhtn.stttt");
        assert_eq!(local_part("HOÀNG  THỊ NHƯ QUỲNH", "stttt"), "quynhhtn.stttt");
    }

    #[test]
    fn r4_2_a_tran_dinh_nguyen_is_nguyentd_dakpo() {
        assert_eq!(local_part("Trần Đình Nguyên", "dakpo"), "nguyentd.dakpo");
        assert_eq!(local_part("Trần Ðình Nguyên", "dakpo"), "nguyentd.dakpo");
    }

    #[test]
    fn r4_2_a_names_of_jrai_and_bahnar_people() {
        for (text, expected) in [
            ("Ksor H'Lan", "hlank.iapa"),
            ("Ksor H’ Lan", "hlank.iapa"),
            ("Rơ-Châm Ñŏl", "nolr.iapa"),
            ("Đinh Ƀŏk", "bokd.iapa"),
            ("Siu", "siu.iapa"),
            ("Nay Y Brôk", "brokny.iapa"),
        ] {
            assert_eq!(local_part(text, "iapa"), expected);
        }
        let structured = StructuredName { family: "Niê".into(), middle: None, given: "Y Brôk".into() };
        let name = person_name("Y Brôk Niê", Some(&structured)).unwrap();
        assert_eq!(person_local_part(&name, "iapa").unwrap().local_part.as_str(), "ybrokn.iapa");
    }

    #[test]
    fn r4_2_a_the_derivation_tells_every_step() {
        let derived = person_local_part(&name("Y Brôk Niê"), "iapa").unwrap();
        let steps: Vec<_> = derived.steps.iter().map(|s| (s.rule, s.step, s.value.as_str())).collect();
        assert_eq!(
            steps,
            [
                ("D-08", "family", "y"),
                ("D-08", "middle", "brok"),
                ("D-08", "given", "nie"),
                ("4.2.a", "given+initials", "nieyb"),
                ("4.2.a", "suffix", "iapa"),
                ("4.2.a", "localPart", "nieyb.iapa"),
            ]
        );
        assert_eq!(derived.warnings[0].code, "GivenNameFirst");
        assert_eq!(
            derived.derivation(),
            Derivation { steps: derived.steps.clone(), warnings: derived.warnings.clone() }
        );
    }

    #[test]
    fn r4_2_b_truong_hoang_tien_minh_and_tran_huynh_tan_minh() {
        assert_eq!(local_part("Trương Hoàng Tiến Minh", "stttt"), local_part("Trần Huỳnh Tấn Minh", "stttt"));
        assert_eq!(all("Trương Hoàng Tiến Minh")[..2], ["4.2.a minhtht.stttt", "4.2.b tienminhth.stttt"]);
        assert_eq!(all("Trần Huỳnh Tấn Minh")[..2], ["4.2.a minhtht.stttt", "4.2.b tanminhth.stttt"]);
    }

    #[test]
    fn d_04_fallbacks_follow_in_their_order() {
        assert_eq!(
            all("Trương Hoàng Tiến Minh")[2..],
            ["D-04 tienminhtruongh.stttt", "D-04 minhtruonghoangtien.stttt"]
        );
        assert_eq!(
            all("Lê Thị An"),
            ["4.2.a anlt.stttt", "4.2.b thianl.stttt", "D-04 thianle.stttt", "D-04 anlethi.stttt"]
        );
    }

    #[test]
    fn d_04_without_a_middle_name_rule_b_is_impossible_and_each_address_comes_once() {
        assert_eq!(all("Lê An"), ["4.2.a anl.stttt", "D-04 anle.stttt"]);
        assert_eq!(all("Siu"), ["4.2.a siu.stttt"]);
    }

    #[test]
    fn d_04_a_fallback_that_is_too_long_is_left_out() {
        let long = format!("Lê {} An", "Nghiêng ".repeat(8));
        let rules: Vec<_> = candidates(&name(&long), "stttt").unwrap().iter().map(|c| c.rule).collect();
        assert_eq!(rules, ["4.2.a", "4.2.b", "D-04"]);
    }

    #[test]
    fn rfc_5321_a_name_that_gives_more_than_64_octets_is_refused_with_a_remedy() {
        let error = person_local_part(&name(&format!("Lê {}", "a".repeat(60))), "stttt").unwrap_err();
        assert_eq!(error.code, "LocalPartTooLong");
        assert!(error.message.contains("spec.localPart") && error.message_vi.contains("spec.localPart"));
        assert_eq!(local_part(&format!("Lê {}", "a".repeat(57)), "stttt").len(), 64);
    }

    #[test]
    fn r4_2_c_the_disambiguator_stands_before_the_dot() {
        let derived = with_disambiguator(&name("Hoàng Thị Như Quỳnh"), "stttt", "1985").unwrap();
        assert_eq!(derived.local_part.as_str(), "quynhhtn1985.stttt");
        assert!(derived.steps.contains(&Step::new("4.2.c", "given+initials+disambiguator", "quynhhtn1985")));
    }

    #[test]
    fn d_07_what_a_disambiguator_may_be() {
        let code = |text| with_disambiguator(&name("Lê An"), "stttt", text).map(|_| ()).map_err(|e| e.code);
        for text in ["2", "1985", "pleiku", "abcdefgh", "123456", "99999999"] {
            assert_eq!(code(text), Ok(()), "{text}");
        }
        for text in ["", "abcdefghi", "Ab", "quê", "a.b", "a-b"] {
            assert_eq!(code(text), Err("DisambiguatorInvalid"), "{text}");
        }
        for text in ["01021985", "19850201", "010285", "850201"] {
            assert_eq!(code(text), Err("DisambiguatorIsBirthDate"), "{text}");
        }
    }

    #[test]
    fn d_07_suggestions_are_free() {
        let taken = |local: &LocalPart| local.as_str() == "anl3.stttt";
        assert_eq!(disambiguator_suggestions(&name("Lê An"), "stttt", taken, 3), ["2", "4", "5"]);
    }

    #[test]
    fn r4_2_a_a_suffix_is_plain() {
        for suffix in ["", "st.tt", "Stttt", "sở"] {
            assert_eq!(person_local_part(&name("Lê An"), suffix).unwrap_err().code, "SuffixInvalid", "{suffix}");
        }
    }
}
