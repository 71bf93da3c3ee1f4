//! What was typed, and what of it has to be typed differently (R9.2, D-18). Pure.

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

use crate::domain::password;

/// The longest password, in Unicode characters; mail programs and servers stop somewhere.
const MAX_CHARACTERS: usize = 128;
/// A local part shorter than this may stand in a password.
const SHORTEST_LOCAL_PART: usize = 3;

/// What was typed.
pub struct Attempt {
    /// Address, or local part.
    pub address: String,
    /// The password as it is.
    pub current: SecretString,
    /// The one that is wanted.
    pub new: SecretString,
    /// The same again.
    pub again: SecretString,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Address.
    Address,
    /// Current password.
    Current,
    /// New password.
    New,
    /// New password again.
    Again,
}

impl Field {
    /// Name and id of its input.
    pub fn id(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Current => "current",
            Self::New => "new",
            Self::Again => "again",
        }
    }
}

/// Something that has to be typed differently. It never quotes what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Where.
    pub field: Field,
    /// In Vietnamese.
    pub vi: &'static str,
    /// In English.
    pub en: &'static str,
}

/// The address stands in it.
pub(super) const HOLDS_ADDRESS: Trouble = Trouble {
    field: Field::New,
    vi: "Mật khẩu mới chứa phần trước dấu @ của địa chỉ thư; vui lòng chọn mật khẩu khác.",
    en: "The new password contains the part of the address before the @; choose another one.",
};

/// Everything that has to be typed differently, as far as it can be told without the account.
pub(super) fn troubles(attempt: &Attempt, address: Option<&str>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut say = |wrong: bool, field, vi, en| {
        if wrong {
            troubles.push(Trouble { field, vi, en });
        }
    };
    let empty = attempt.address.trim().is_empty();
    say(empty, Field::Address, "Vui lòng nhập địa chỉ thư điện tử.", "Enter your e-mail address.");
    say(
        !empty && address.is_none(),
        Field::Address,
        "Địa chỉ thư điện tử chưa đúng dạng; vui lòng nhập phần trước dấu @, dấu @ và tên miền, không có dấu cách.",
        "This is no e-mail address; enter what stands before the @, the @ and the domain, without blanks.",
    );
    let [current, new, again] = [&attempt.current, &attempt.new, &attempt.again].map(nfc);
    say(current.is_empty(), Field::Current, "Vui lòng nhập mật khẩu hiện tại.", "Enter your current password.");
    if new.is_empty() {
        say(true, Field::New, "Vui lòng nhập mật khẩu mới.", "Enter a new password.");
        return troubles;
    }
    for failure in password::check(&new) {
        say(true, Field::New, failure.message_vi, english(failure.code));
    }
    say(
        new.chars().count() > MAX_CHARACTERS,
        Field::New,
        "Mật khẩu mới dài hơn 128 ký tự; vui lòng đặt ngắn hơn.",
        "The new password has more than 128 characters; make it shorter.",
    );
    say(
        new.chars().any(char::is_control),
        Field::New,
        "Mật khẩu mới có ký tự điều khiển (ví dụ dấu Tab); vui lòng gõ lại.",
        "The new password has a control character, such as a tab; type it again.",
    );
    say(
        new == current,
        Field::New,
        "Mật khẩu mới trùng với mật khẩu hiện tại; vui lòng chọn mật khẩu khác.",
        "The new password is the current one; choose another one.",
    );
    say(address.is_some_and(|a| holds_local_part(&attempt.new, a)), Field::New, HOLDS_ADDRESS.vi, HOLDS_ADDRESS.en);
    say(
        new != again,
        Field::Again,
        "Hai lần nhập mật khẩu mới không giống nhau; vui lòng nhập lại.",
        "The two entries of the new password differ; type it again.",
    );
    troubles
}

/// What `password::check` says, as a sentence on a page.
fn english(code: &str) -> &'static str {
    match code {
        "TooShort" => "The new password has fewer than 8 characters; make it longer.",
        "NoUpper" => "The new password has no upper-case letter; add one.",
        "NoLower" => "The new password has no lower-case letter; add one.",
        "NoDigit" => "The new password has no digit; add one.",
        "NoSpecial" => "The new password has none of the characters ! @ # % $ * &; add one.",
        "PublicExample" => "This password is the example printed in the regulation; choose another one.",
        _ => "The new password does not follow Article 9, clause 2; choose another one.",
    }
}

fn nfc(text: &SecretString) -> String {
    text.expose_secret().nfc().collect()
}

/// Whether the part of the address before the @ stands in a password.
pub(super) fn holds_local_part(new: &SecretString, address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    local.chars().count() >= SHORTEST_LOCAL_PART && nfc(new).to_lowercase().contains(&local.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str, current: &str, new: &str, again: &str) -> Attempt {
        let [current, new, again] = [current, new, again].map(SecretString::from);
        Attempt { address: address.into(), current, new, again }
    }

    fn fields(attempt: &Attempt, address: Option<&str>) -> Vec<&'static str> {
        troubles(attempt, address).into_iter().map(|trouble| trouble.field.id()).collect()
    }

    #[test]
    fn r9_2_everything_that_is_missing_is_told_at_once_in_both_languages() {
        let found = troubles(&attempt("a.x@d.vn", "old", "abc", "abcd"), Some("a.x@d.vn"));
        let vi: Vec<&str> = found.iter().map(|t| t.vi).collect();
        assert_eq!(found.len(), 5, "{vi:?}");
        for part in ["8 ký tự", "in hoa", "chữ số", "đặc biệt", "không giống nhau"] {
            assert!(vi.iter().any(|text| text.contains(part)), "{part}: {vi:?}");
        }
        for (code, ..) in password::FAILURES {
            assert!(english(code).starts_with("Th") && !english(code).contains("Article"), "{code}");
        }
        assert_eq!(fields(&attempt("", "", "", ""), None), ["address", "current", "new"]);
        assert_eq!(fields(&attempt("a b", "x", "Abc@12345", "Abc@12345"), None), ["address"]);
    }

    #[test]
    fn d_18_the_new_password_differs_from_the_current_one_in_nfc() {
        let (composed, apart) = ("Mậtkhẩu@1", "Ma\u{323}\u{302}tkha\u{302}\u{309}u@1");
        assert_eq!(fields(&attempt("a.x@d.vn", composed, apart, composed), Some("a.x@d.vn")), ["new"]);
        assert!(
            fields(&attempt("a.x@d.vn", "old", apart, composed), Some("a.x@d.vn")).is_empty(),
            "typed twice, in two forms"
        );
    }

    #[test]
    fn r9_2_a_new_password_is_no_address_no_novel_and_has_no_control_characters() {
        let of = |new: &str| fields(&attempt("x", "old", new, new), Some("quynhhtn.stttt@d.vn"));
        assert_eq!(of("A1@QuynhHTN.stttt"), ["new"]);
        assert_eq!(of(&format!("Ab1@{}", "x".repeat(125))), ["new"]);
        assert!(of(&format!("Ab1@{}", "ế".repeat(124))).is_empty());
        assert_eq!(of("Abc@1\t2345"), ["new"]);
        assert!(!holds_local_part(&"Syt@12345".into(), "yt@d.vn"), "too short to mean anything");
    }
}
