//! What stands before the `@` (RFC 5321), which is also the name of an AddressClaim.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::NameError;
use super::reserved::RESERVED;

/// The longest local part, in octets (RFC 5321, 4.5.3.1.1).
pub const MAX_OCTETS: usize = 64;

const RULE: &str = "RFC 5321";

/// A local part that is both an address and the name of a Kubernetes object: lower-case letters, digits, and between
/// them single dots and hyphens, at most 64 octets. An underscore is good mail but no object name, so it is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalPart(String);

impl LocalPart {
    /// Checks `text`; `path` names its field in the error.
    pub fn parse(text: &str, path: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::new(
                "LocalPartEmpty",
                RULE,
                path,
                "the local part is empty; write what stands before the @, for example quynhhtn.stttt",
                "Phần trước dấu @ đang để trống; vui lòng ghi phần này, ví dụ quynhhtn.stttt.",
            ));
        }
        if let Some((local, _)) = text.split_once('@') {
            return Err(NameError::new(
                "LocalPartCharacter",
                RULE,
                path,
                format!("'{text}' is a whole address; write only what stands before the @: {local}"),
                format!("“{text}” là địa chỉ đầy đủ; vui lòng chỉ ghi phần trước dấu @: {local}"),
            ));
        }
        check_characters(text, path)?;
        check_dots_and_hyphens(text, path)?;
        if text.len() > MAX_OCTETS {
            let (length, shorter) = (text.len(), shortened(text));
            return Err(NameError::new(
                "LocalPartTooLong",
                RULE,
                path,
                format!(
                    "'{text}' has {length} characters, at most {MAX_OCTETS} are allowed; decide a shorter one in spec.localPart, for example {shorter}"
                ),
                format!(
                    "“{text}” dài {length} ký tự, tối đa chỉ được {MAX_OCTETS} ký tự; vui lòng chọn tên ngắn hơn và ghi vào spec.localPart, ví dụ {shorter}"
                ),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address in `domain`.
    pub fn address(&self, domain: &str) -> String {
        format!("{}@{domain}", self.0)
    }
}

/// A suggestion: what stands behind the last dot stays, what stands before it is cut.
fn shortened(text: &str) -> String {
    let (name, suffix) = text.rsplit_once('.').filter(|(_, s)| s.len() < MAX_OCTETS / 2).unwrap_or((text, ""));
    let room = MAX_OCTETS / 2 - suffix.len();
    let name = name.get(..room).unwrap_or(name).trim_end_matches(['.', '-']);
    if suffix.is_empty() { name.into() } else { format!("{name}.{suffix}") }
}

fn check_characters(text: &str, path: &str) -> Result<(), NameError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let Some((position, c)) = text.chars().enumerate().find(|(_, c)| !allowed(*c)) else {
        return Ok(());
    };
    let position = position + 1;
    let (hint, hint_vi) = match c {
        '_' => (
            "an underscore cannot stand in an object name: use a hyphen or leave it out".to_owned(),
            "dấu gạch dưới không dùng được trong tên đối tượng: hãy dùng dấu gạch nối hoặc bỏ đi".to_owned(),
        ),
        c if c.is_ascii_uppercase() => in_lower_case(text),
        _ => (
            "use the letters a-z without diacritics, digits, and dots or hyphens between them".to_owned(),
            "chỉ dùng chữ cái a-z không dấu, chữ số, dấu chấm hoặc dấu gạch nối ở giữa".to_owned(),
        ),
    };
    Err(NameError::new(
        "LocalPartCharacter",
        RULE,
        path,
        format!("'{}' at position {position} cannot stand in a local part; {hint}", c.escape_debug()),
        format!("Ký tự “{}” ở vị trí {position} không được phép trong địa chỉ; {hint_vi}.", c.escape_debug()),
    ))
}

/// The whole text in lower case if that is accepted; else what it would be refused for.
fn in_lower_case(text: &str) -> (String, String) {
    let lower = text.to_ascii_lowercase();
    if let Err(next) = LocalPart::parse(&lower, "") {
        return (
            format!("write it in lower case; and then: {}", next.message),
            format!("hãy viết chữ thường; ngoài ra: {}", next.message_vi.trim_end_matches('.')),
        );
    }
    if RESERVED.contains(&lower.as_str()) {
        return (
            format!("and {lower} is reserved for the system itself (D-05): write another one"),
            format!("và {lower} dành riêng cho hệ thống (D-05): hãy chọn tên khác"),
        );
    }
    (format!("write it in lower case: {lower}"), format!("hãy viết chữ thường: {lower}"))
}

fn check_dots_and_hyphens(text: &str, path: &str) -> Result<(), NameError> {
    if text.split('.').any(str::is_empty) {
        return Err(NameError::new(
            "LocalPartDots",
            RULE,
            path,
            format!(
                "'{text}' begins or ends with a dot or has two in a row; put single dots between letters or digits"
            ),
            format!(
                "“{text}” bắt đầu hoặc kết thúc bằng dấu chấm, hoặc có hai dấu chấm liền nhau; vui lòng chỉ đặt từng dấu chấm giữa các chữ cái hoặc chữ số."
            ),
        ));
    }
    if text.split('.').any(|label| label.starts_with('-') || label.ends_with('-')) {
        return Err(NameError::new(
            "LocalPartHyphens",
            RULE,
            path,
            format!("'{text}' has a hyphen at an end or beside a dot; put hyphens between letters or digits"),
            format!(
                "“{text}” có dấu gạch nối ở đầu, ở cuối hoặc cạnh dấu chấm; vui lòng chỉ đặt dấu gạch nối giữa các chữ cái hoặc chữ số."
            ),
        ));
    }
    Ok(())
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for LocalPart {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for LocalPart {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<LocalPart> for String {
    fn from(local_part: LocalPart) -> Self {
        local_part.0
    }
}

impl TryFrom<String> for LocalPart {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text, "localPart")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<String, &'static str> {
        LocalPart::parse(text, "spec.localPart").map(String::from).map_err(|e| e.code)
    }

    #[test]
    fn d_21_good_local_parts_are_kept_as_they_are() {
        for text in ["quynhhtn.stttt", "ubndpleiku", "ubnd1.pleiku", "mailer-daemon", "a", "a.b-c.d"] {
            assert_eq!(code(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn rfc_5321_64_octets_fit_and_65_do_not() {
        assert!(code(&"a".repeat(64)).is_ok());
        assert_eq!(code(&"a".repeat(65)), Err("LocalPartTooLong"));
    }

    #[test]
    fn rfc_5321_dots_stand_alone_and_between() {
        for text in [".a", "a.", "a..b", "."] {
            assert_eq!(code(text), Err("LocalPartDots"), "{text}");
        }
    }

    #[test]
    fn d_21_hyphens_stand_between_as_in_object_names() {
        for text in ["-a", "a-", "a-.b", "a.-b"] {
            assert_eq!(code(text), Err("LocalPartHyphens"), "{text}");
        }
    }

    #[test]
    fn rfc_5321_no_upper_case_blank_diacritics_or_underscore() {
        for text in ["Quynh", "a b", "quỳnh", "a_b", "a+b", "a@gialai.gov.vn", "a\n"] {
            assert_eq!(code(text), Err("LocalPartCharacter"), "{text}");
        }
        assert_eq!(code(""), Err("LocalPartEmpty"));
    }

    #[test]
    fn d_21_errors_name_the_field_the_place_and_the_remedy() {
        let error = LocalPart::parse("quynH", "spec.aliases[1]").unwrap_err();
        assert_eq!(error.path, "spec.aliases[1]");
        assert!(
            error.message.contains("position 5") && error.message.contains("lower case: quynh"),
            "{}",
            error.message
        );
        let whole = LocalPart::parse("an@gialai.gov.vn", "spec.localPart").unwrap_err();
        assert!(whole.message.ends_with("before the @: an"), "{}", whole.message);
    }

    #[test]
    fn d_21_deserialising_checks_too() {
        assert!(serde_json::from_str::<LocalPart>("\"an.stttt\"").is_ok());
        assert!(serde_json::from_str::<LocalPart>("\"An\"").is_err());
    }
}
