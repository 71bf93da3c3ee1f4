//! Passwords (Điều 9 khoản 2): the rule for those that people choose, and the initial ones that we generate.

use rand::RngCore;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

/// The characters that count as special. Others are allowed and do not count (D-18).
pub const SPECIAL: [char; 7] = ['!', '@', '#', '%', '$', '*', '&'];

/// The fewest Unicode characters of the NFC form.
pub const MIN_CHARACTERS: usize = 8;

const RULE: &str = "9.2";

/// The example printed in the regulation: it satisfies the rule, and everybody knows it.
const PUBLIC_EXAMPLE: &str = "Matkhou@123";

/// One reason why a password is refused. It never quotes the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordFailure {
    /// Stable PascalCase code.
    pub code: &'static str,
    /// The article.
    pub rule: &'static str,
    /// What is missing.
    pub message: &'static str,
    /// The same in Vietnamese.
    pub message_vi: &'static str,
}

/// What can be wrong, in the order in which it is told: code, English, Vietnamese.
pub const FAILURES: [(&str, &str, &str); 6] = [
    (
        "TooShort",
        "the password has fewer than 8 characters; make it longer",
        "Mật khẩu có ít hơn 8 ký tự; vui lòng đặt mật khẩu dài hơn.",
    ),
    (
        "NoUpper",
        "the password has no upper-case letter; add one",
        "Mật khẩu chưa có chữ in hoa; vui lòng thêm ít nhất một chữ in hoa.",
    ),
    (
        "NoLower",
        "the password has no lower-case letter; add one",
        "Mật khẩu chưa có chữ in thường; vui lòng thêm ít nhất một chữ in thường.",
    ),
    ("NoDigit", "the password has no digit; add one", "Mật khẩu chưa có chữ số; vui lòng thêm ít nhất một chữ số."),
    (
        "NoSpecial",
        "the password has none of the characters ! @ # % $ * &; add one",
        "Mật khẩu chưa có ký tự đặc biệt; vui lòng thêm ít nhất một trong các ký tự ! @ # % $ * &.",
    ),
    (
        "PublicExample",
        "the password is the example printed in the regulation and known to everybody; choose another one",
        "Đây là mật khẩu ví dụ in trong Quy chế nên ai cũng biết; vui lòng chọn mật khẩu khác.",
    ),
];

/// Every reason why a password is refused; none means it may be used (R9.2, D-18).
pub fn check(password: &str) -> Vec<PasswordFailure> {
    let characters: Vec<char> = password.nfc().collect();
    let has = |test: fn(&char) -> bool| characters.iter().any(test);
    let failed = [
        characters.len() < MIN_CHARACTERS,
        !has(|c| c.is_uppercase()),
        !has(|c| c.is_lowercase()),
        !has(char::is_ascii_digit),
        !has(|c| SPECIAL.contains(c)),
        characters.iter().copied().eq(PUBLIC_EXAMPLE.chars()),
    ];
    let failures = failed.into_iter().zip(FAILURES).filter(|(failed, _)| *failed);
    failures.map(|(_, (code, message, message_vi))| PasswordFailure { code, rule: RULE, message, message_vi }).collect()
}

/// Letters and digits that nobody takes for one another: no 0 O o, no 1 l I.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
/// Special characters that look like nothing else.
const SEPARATORS: &[u8] = b"@#%*";
const GROUPS: usize = 3;
const GROUP: usize = 5;

/// An initial password such as `kT4mx@9RwB7@npq3H`: three groups of five with one special character between them.
///
/// Every one of 56 characters is equally likely, and a password without an upper-case letter, lower-case letter or digit
/// is drawn anew as a whole, so those that satisfy R9.2 stay equally likely: 15 × log2 56 + 2 − 0.3 > 88 bits.
pub fn generate(rng: &mut impl RngCore) -> String {
    loop {
        let separator = pick(rng, SEPARATORS);
        let groups: Vec<String> = (0..GROUPS).map(|_| (0..GROUP).map(|_| pick(rng, ALPHABET)).collect()).collect();
        let password = groups.join(separator.encode_utf8(&mut [0; 4]));
        if check(&password).is_empty() {
            return password;
        }
    }
}

/// One of fewer than 256 characters, each equally likely: numbers beyond the last are drawn anew, since a remainder
/// would favour the first.
fn pick(rng: &mut impl RngCore, from: &[u8]) -> char {
    let mask = from.len().next_power_of_two() as u32 - 1;
    loop {
        if let Some(byte) = from.get((rng.next_u32() & mask) as usize) {
            return char::from(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn codes(password: &str) -> Vec<&'static str> {
        check(password).iter().map(|failure| failure.code).collect()
    }

    #[test]
    fn r9_2_what_satisfies_the_rule_has_no_failures() {
        for special in SPECIAL {
            assert!(codes(&format!("Matkhau{special}1")).is_empty(), "{special}");
        }
    }

    #[test]
    fn r9_2_each_missing_class_has_its_code() {
        assert_eq!(codes("Ab1@xyz"), ["TooShort"]);
        assert_eq!(codes("matkhau@1"), ["NoUpper"]);
        assert_eq!(codes("MATKHAU@1"), ["NoLower"]);
        assert_eq!(codes("Matkhau@x"), ["NoDigit"]);
        assert_eq!(codes("Matkhau12"), ["NoSpecial"]);
        assert_eq!(codes(""), ["TooShort", "NoUpper", "NoLower", "NoDigit", "NoSpecial"]);
    }

    #[test]
    fn r9_2_the_public_example_is_refused() {
        assert_eq!(codes("Matkhou@123"), ["PublicExample"]);
        assert!(codes("Matkhou@124").is_empty());
    }

    #[test]
    fn d_18_other_special_characters_are_allowed_and_do_not_count() {
        assert_eq!(codes("Mat-khau^1?\\"), ["NoSpecial"]);
        assert!(codes("Mật khẩu-1&").is_empty());
    }

    #[test]
    fn d_18_length_counts_unicode_characters_of_the_nfc_form() {
        let nfd: String = "Ế1@ễẫộự".nfd().collect();
        assert!(nfd.chars().count() >= MIN_CHARACTERS);
        assert_eq!(codes(&nfd), ["TooShort"]);
        let nfd: String = "Ế1@ễẫộựx".nfd().collect();
        assert!(codes(&nfd).is_empty());
    }

    #[test]
    fn r9_2_failures_are_serialised_as_the_contract_says() {
        let json = serde_json::to_value(check("Matkhau@x")).unwrap();
        let keys: Vec<_> = json[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(BTreeSet::from_iter(keys), BTreeSet::from(["code", "message", "messageVi", "rule"]));
        assert_eq!((json[0]["code"].as_str(), json[0]["rule"].as_str()), (Some("NoDigit"), Some("9.2")));
    }

    #[test]
    fn r9_2_generated_passwords_satisfy_the_rule_and_differ() {
        let mut rng = StdRng::seed_from_u64(341);
        let passwords: BTreeSet<String> = (0..2000).map(|_| generate(&mut rng)).collect();
        assert_eq!(passwords.len(), 2000);
        for password in &passwords {
            assert!(check(password).is_empty(), "{password}");
            assert_eq!(password.len(), 17, "{password}");
            assert!(!password.contains(['0', 'O', 'o', '1', 'l', 'I', '!', '|']), "{password}");
            let separator = password.chars().nth(5).unwrap();
            assert!(SPECIAL.contains(&separator));
            assert!(password.split(separator).all(|group| group.len() == 5), "{password}");
        }
    }

    #[test]
    fn r9_2_generated_passwords_have_at_least_80_bits() {
        let alphabet: BTreeSet<_> = ALPHABET.iter().collect();
        assert_eq!(alphabet.len(), ALPHABET.len());
        let bits = (GROUPS * GROUP) as f64 * (alphabet.len() as f64).log2();
        // Fewer than half of all draws are refused, which costs less than one bit.
        let mut rng = StdRng::seed_from_u64(1);
        let drawn = (0..1000).filter(|_| {
            let draw: String = (0..GROUPS * GROUP).map(|_| pick(&mut rng, ALPHABET)).collect();
            check(&format!("{draw}@")).is_empty()
        });
        assert!(drawn.count() > 500);
        assert!(bits - 1.0 >= 80.0, "{bits}");
    }

    #[test]
    fn r9_2_every_character_is_equally_likely() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut counts: BTreeMap<char, u32> = BTreeMap::new();
        for _ in 0..56_000 {
            *counts.entry(pick(&mut rng, ALPHABET)).or_default() += 1;
        }
        assert_eq!(counts.len(), 56);
        assert!(counts.values().all(|n| (850..1150).contains(n)), "{counts:?}");
    }
}
