//! The parts of a personal name (D-08).

use super::fold::{fold, initial};
use super::normalise::{Alphabet, clean, is_apostrophe, is_hyphen};
use super::{NameError, Step, Warning};

const FULL_NAME: &str = "spec.fullName";

/// A name whose parts are told apart by hand; it wins over the text (D-08).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StructuredName {
    /// Family name (họ); one name, however many words: `Tôn Nữ`. May be empty for people who have none.
    pub family: String,
    /// Middle names (tên đệm), separated by blanks.
    pub middle: Option<String>,
    /// Given name (tên).
    pub given: String,
}

/// A personal name that was accepted: the stored text and its folded parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonName {
    stored: String,
    family: String,
    middle: Vec<String>,
    given: String,
    warnings: Vec<Warning>,
}

impl PersonName {
    /// The name in NFC, as it stands in the directory (R3.4).
    pub fn stored(&self) -> &str {
        &self.stored
    }

    /// What was accepted and should be looked at.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The family name in `[a-z0-9]`, empty for a one-word name.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// The middle names in `[a-z0-9]`, in their order.
    pub fn middle(&self) -> &[String] {
        &self.middle
    }

    /// The given name in `[a-z0-9]`.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The initial of the family name, empty for a one-word name.
    pub fn family_initial(&self) -> &str {
        initial(&self.family)
    }

    /// How the name was parsed (D-08).
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.family.is_empty() {
            steps.push(Step::new("D-08", "family", self.family.as_str()));
        }
        if !self.middle.is_empty() {
            steps.push(Step::new("D-08", "middle", self.middle.join(" ")));
        }
        steps.push(Step::new("D-08", "given", self.given.as_str()));
        steps
    }
}

/// Reads a personal name (D-08): a structured name wins; else the first word is the family name and the last the given
/// name, and a single word is the given name.
pub fn person_name(full_name: &str, structured: Option<&StructuredName>) -> Result<PersonName, NameError> {
    let cleaned = clean(full_name, FULL_NAME, Alphabet::Person)?;
    let mut words = fold_words(&cleaned.text);
    let mut warnings = cleaned.warnings;
    if let Some(structured) = structured {
        return structured_name(cleaned.text, &words, warnings, structured);
    }
    let Some(given) = words.pop() else {
        return Err(empty(FULL_NAME));
    };
    if !words.is_empty() && starts_with_marker(&cleaned.text) {
        warnings.push(given_name_first(&cleaned.text));
    }
    let family = if words.is_empty() { String::new() } else { words.remove(0) };
    Ok(PersonName { stored: cleaned.text, family, middle: words, given, warnings })
}

fn structured_name(
    stored: String,
    text_words: &[String],
    mut warnings: Vec<Warning>,
    structured: &StructuredName,
) -> Result<PersonName, NameError> {
    if text_words.is_empty() {
        return Err(empty(FULL_NAME));
    }
    let mut part = |text: &str, field: &str| -> Result<Vec<String>, NameError> {
        let cleaned = clean(text, &format!("spec.structuredName.{field}"), Alphabet::Person)?;
        warnings.extend(cleaned.warnings);
        Ok(fold_words(&cleaned.text))
    };
    let family = part(&structured.family, "family")?.concat();
    let middle = part(structured.middle.as_deref().unwrap_or_default(), "middle")?;
    let given = part(&structured.given, "given")?.concat();
    if given.is_empty() {
        return Err(empty("spec.structuredName.given"));
    }
    let parts = format!("{family}{}{given}", middle.concat());
    if letters(&parts) != letters(&text_words.concat()) {
        warnings.push(Warning {
            code: "StructuredNameDiffers",
            rule: "D-08",
            path: "spec.structuredName".into(),
            message: format!(
                "the structured name has other letters than '{stored}'; the address follows the structured name, the directory shows spec.fullName: make them agree"
            ),
            message_vi: format!(
                "Họ, tên đệm và tên ghi riêng khác với “{stored}”; địa chỉ theo spec.structuredName, danh bạ ghi spec.fullName: vui lòng sửa cho khớp."
            ),
        });
    }
    Ok(PersonName { stored, family, middle, given, warnings })
}

/// Folded words: apostrophes vanish and join a following blank, hyphens join what stands around them.
fn fold_words(text: &str) -> Vec<String> {
    let mut joined = String::with_capacity(text.len());
    let mut joining = false;
    for c in text.chars() {
        if is_apostrophe(c) {
            joining = true;
        } else if is_hyphen(c) {
            joined.truncate(joined.trim_end().len());
            joining = true;
        } else if !(joining && c.is_whitespace()) {
            joining = false;
            joined.push(c);
        }
    }
    joined.split_whitespace().map(fold).filter(|word| !word.is_empty()).collect()
}

fn letters(folded: &str) -> Vec<u8> {
    let mut letters = folded.as_bytes().to_vec();
    letters.sort_unstable();
    letters
}

/// Whether the text begins with `Y ` or `H'`, the markers of men's and women's given names.
fn starts_with_marker(text: &str) -> bool {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('Y' | 'y'), Some(c)) => c == ' ' || is_apostrophe(c) || is_hyphen(c),
        (Some('H' | 'h'), Some(c)) => is_apostrophe(c),
        _ => false,
    }
}

fn given_name_first(stored: &str) -> Warning {
    Warning {
        code: "GivenNameFirst",
        rule: "D-08",
        path: FULL_NAME.into(),
        message: format!(
            "'{stored}' begins with a marker of given names, so the given name probably comes first, but the last word was taken for it; write spec.structuredName with family and given to be sure"
        ),
        message_vi: format!(
            "“{stored}” bắt đầu bằng từ chỉ tên riêng nên có lẽ tên đứng trước, nhưng từ cuối đã được coi là tên; vui lòng ghi spec.structuredName gồm family và given."
        ),
    }
}

fn empty(path: &str) -> NameError {
    NameError::new(
        "EmptyName",
        "D-08",
        path,
        "the name has no letters; write it in full, for example Hoàng Thị Như Quỳnh",
        "Tên không có chữ cái nào; vui lòng ghi đầy đủ, ví dụ Hoàng Thị Như Quỳnh.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> PersonName {
        person_name(text, None).unwrap()
    }

    fn parts(text: &str) -> (String, Vec<String>, String) {
        let name = parse(text);
        (name.family, name.middle, name.given)
    }

    fn expect(text: &str, family: &str, middle: &[&str], given: &str) {
        let middle = middle.iter().map(|m| (*m).to_owned()).collect();
        assert_eq!(parts(text), (family.into(), middle, given.into()), "{text}");
    }

    fn codes(name: &PersonName) -> Vec<&'static str> {
        name.warnings().iter().map(|w| w.code).collect()
    }

    #[test]
    fn d_08_first_word_is_the_family_name_and_the_last_the_given_name() {
        expect("Hoàng Thị Như Quỳnh", "hoang", &["thi", "nhu"], "quynh");
        expect("Lê An", "le", &[], "an");
        expect("  đỗ   ĐẠT ", "do", &[], "dat");
    }

    #[test]
    fn d_08_one_word_is_the_given_name() {
        expect("Siu", "", &[], "siu");
        expect("H'Lan", "", &[], "hlan");
        assert!(codes(&parse("H'Lan")).is_empty());
    }

    #[test]
    fn d_08_apostrophes_of_every_shape_vanish_and_join_a_following_blank() {
        for apostrophe in ["'", "’", "‘", "`", "´", "ʼ", "ʻ", "′", "＇", "‛"] {
            expect(&format!("Ksor H{apostrophe}Lan"), "ksor", &[], "hlan");
            expect(&format!("Ksor H{apostrophe} Lan"), "ksor", &[], "hlan");
        }
    }

    #[test]
    fn d_08_a_hyphen_joins_syllables() {
        for hyphen in ["-", "‐", "–", " - ", "- "] {
            expect(&format!("Rơ{hyphen}Châm Anh{hyphen}Thư"), "rocham", &[], "anhthu");
        }
    }

    #[test]
    fn d_08_stored_keeps_the_name_as_written() {
        assert_eq!(parse(" H’ Lan   Ksor").stored(), "H’ Lan Ksor");
        assert_eq!(parse("Rơ-Châm An").stored(), "Rơ-Châm An");
    }

    #[test]
    fn d_08_given_name_first_is_accepted_with_a_warning() {
        for text in ["Y Brôk Niê", "Y Brôk", "H'Lan Ksor", "h’lan Ksor", "H' Lan Ksor"] {
            assert_eq!(codes(&parse(text)), ["GivenNameFirst"], "{text}");
        }
        expect("H'Lan Ksor", "hlan", &[], "ksor");
        for text in ["Ksor H'Lan", "Ý Nhi", "Hà Lan", "Yến Nhi", "Nay Y Brôk", "H' Lan"] {
            assert!(codes(&parse(text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn d_08_a_structured_name_wins_over_the_text() {
        let structured = StructuredName { family: "Ksor".into(), middle: None, given: "H'Lan".into() };
        let name = person_name("H'Lan Ksor", Some(&structured)).unwrap();
        assert_eq!((name.family(), name.given(), name.stored()), ("ksor", "hlan", "H'Lan Ksor"));
        assert!(name.warnings().is_empty());
        let compound =
            StructuredName { family: "Tôn Nữ".into(), middle: Some("Hồng Thị".into()), given: "Hạnh".into() };
        let name = person_name("Tôn Nữ Hồng Thị Hạnh", Some(&compound)).unwrap();
        assert_eq!((name.family(), name.family_initial()), ("tonnu", "t"));
        assert_eq!(name.middle(), ["hong", "thi"]);
    }

    #[test]
    fn d_08_a_structured_name_that_differs_is_warned_of() {
        let structured = StructuredName { family: "Lê".into(), middle: Some(" ".into()), given: "Bình".into() };
        let name = person_name("Lê An", Some(&structured)).unwrap();
        assert_eq!(codes(&name), ["StructuredNameDiffers"]);
        assert!(name.middle().is_empty());
    }

    #[test]
    fn d_08_errors_name_the_part() {
        assert_eq!(person_name(" ", None).unwrap_err().code, "EmptyName");
        assert_eq!(person_name("' -", None).unwrap_err().code, "EmptyName");
        let digits = StructuredName { family: "Lê".into(), middle: Some("Văn2".into()), given: "An".into() };
        assert_eq!(person_name("Lê Văn An", Some(&digits)).unwrap_err().path, "spec.structuredName.middle");
        let no_given = StructuredName { family: "Lê".into(), middle: None, given: " ".into() };
        let error = person_name("Lê An", Some(&no_given)).unwrap_err();
        assert_eq!((error.code, error.path.as_str()), ("EmptyName", "spec.structuredName.given"));
    }
}
