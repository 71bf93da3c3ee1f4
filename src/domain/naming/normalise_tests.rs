//! Tests of steps 1 to 5 (R3.4).

use unicode_normalization::UnicodeNormalization;

use super::NameError;
use super::normalise::{Alphabet, Cleaned, clean, decode};

fn person(text: &str) -> Result<Cleaned, NameError> {
    clean(text, "spec.fullName", Alphabet::Person)
}

fn code(text: &str) -> &'static str {
    person(text).map_or_else(|e| e.code, |_| "accepted")
}

#[test]
fn r3_4_nfc_and_nfd_are_stored_alike() {
    let nfd: String = "Hoàng Thị Như Quỳnh".nfd().collect();
    assert_ne!(nfd, "Hoàng Thị Như Quỳnh");
    assert_eq!(person(&nfd).unwrap().text, "Hoàng Thị Như Quỳnh");
    assert_eq!(person("Nguyê\u{303}n").unwrap().text, "Nguyễn");
}

#[test]
fn step_1_control_and_bidi_characters_are_refused() {
    for text in ["An\u{0}", "An\u{7}", "An\n", "An\r\nBcc: x", "An\u{7f}", "An\u{85}"] {
        assert_eq!(code(text), "ControlCharacter", "{text:?}");
    }
    for c in ['\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{61c}'] {
        assert_eq!(code(&format!("A{c}n")), "BidiControl", "{c:?}");
    }
    assert_eq!(code("Ho\u{fffd}ng"), "UndecodableText");
    assert!(person("An\u{7}").unwrap_err().message.contains("U+0007) stands at position 3"));
}

#[test]
fn step_1_bytes_are_utf_8_or_refused_by_name() {
    assert_eq!(decode("Hoàng".as_bytes(), "row 2").unwrap(), "Hoàng");
    assert_eq!(decode(b"\xff\xfe", "row 2").unwrap_err().code, "UndecodableText");
    let tcvn3 = decode(b"Ho\xb5ng Th\xde Nh\xad Qu\xfanh", "row 2").unwrap_err();
    assert_eq!(tcvn3.code, "LegacyEncoding");
    assert!(tcvn3.message.contains("TCVN3") && tcvn3.message.contains("'Hoàng Thị Như Quỳnh'"), "{}", tcvn3.message);
    let vni = decode(b"Hoa\xf8ng Th\xf2", "row 2").unwrap_err();
    assert!(vni.message.contains("VNI") && vni.message_vi.contains("VNI"), "{}", vni.message);
}

#[test]
fn step_2_invisible_characters_are_dropped_with_a_warning() {
    for c in ['\u{200b}', '\u{200c}', '\u{200d}', '\u{feff}', '\u{ad}'] {
        let cleaned = person(&format!("Hoàng Quỳ{c}nh")).unwrap();
        assert_eq!(cleaned.text, "Hoàng Quỳnh");
        assert_eq!(cleaned.warnings.len(), 1);
        assert_eq!(
            (cleaned.warnings[0].code, cleaned.warnings[0].path.as_str()),
            ("InvisibleCharacterDropped", "spec.fullName")
        );
        assert!(cleaned.warnings[0].message.contains(&format!("U+{:04X}", u32::from(c))));
    }
    assert!(person("Hoàng Quỳnh").unwrap().warnings.is_empty());
}

#[test]
fn step_2_a_joiner_between_letter_and_mark_does_not_hinder_composition() {
    assert_eq!(person("Hoa\u{200d}\u{300}ng").unwrap().text, "Hoàng");
}

#[test]
fn step_2_every_blank_is_one_space() {
    let text = "\u{a0} Hoàng\u{3000}\u{2003}Thị\t Như\u{202f}Quỳnh\u{2028}";
    assert_eq!(person(text).unwrap().text, "Hoàng Thị Như Quỳnh");
}

#[test]
fn step_3_legacy_text_is_refused_by_name() {
    for (text, name) in [("Hoµng ThÞ Nh\u{ad} Quúnh", "TCVN3 (ABC)"), ("Hoaøng Thò Nhö Quyønh", "VNI")] {
        let error = person(text).unwrap_err();
        assert_eq!((error.code, error.rule), ("LegacyEncoding", "R3.4"));
        assert!(error.message.contains(name) && error.message_vi.contains(name), "{}", error.message);
    }
}

#[test]
fn step_5_look_alikes_are_refused_with_their_position() {
    for (text, script, at) in [
        ("Hоàng Thị", "Cyrillic", "'о' (U+043E) at position 2"),
        ("Νguyễn", "Greek", "'Ν' (U+039D) at position 1"),
        ("Lê Аn", "Cyrillic", "(U+0410) at position 4"),
        ("王 An", "another script", "(U+738B) at position 1"),
        ("Lê 𝐀n", "another script", "at position 4"),
    ] {
        let error = person(text).unwrap_err();
        assert_eq!(error.code, "NotLatinLetter", "{text}");
        assert!(error.message.contains(script) && error.message.contains(at), "{}", error.message);
    }
    let nfd: String = "Lê Аn".nfd().collect();
    assert!(person(&nfd).unwrap_err().message.contains("position 4"), "positions count composed letters");
}

#[test]
fn step_5_a_letter_that_would_vanish_is_refused() {
    assert_eq!(code("ʔan"), "UnsupportedLetter");
}

#[test]
fn d_08_digits_brackets_and_signs_are_refused_in_a_personal_name() {
    for (text, expected) in [
        ("An 2", "DigitInName"),
        ("An ２", "DigitInName"),
        ("An Ⅷ", "DigitInName"),
        ("An (Bé)", "BracketInName"),
        ("An [x]", "BracketInName"),
        ("An, Lê", "SymbolInName"),
        ("V. An", "SymbolInName"),
        ("An@x", "SymbolInName"),
        ("An 😀", "SymbolInName"),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn d_01_digits_and_punctuation_stand_in_the_name_of_a_body() {
    let agency = |text| clean(text, "spec.name", Alphabet::Agency);
    assert!(agency("Sở Lao động – Thương binh (cũ), số 2").is_ok());
    assert_eq!(agency("Sở Y tế 😀").unwrap_err().code, "SymbolInName");
    assert_eq!(agency("Sở Y tе").unwrap_err().code, "NotLatinLetter");
    assert_eq!(agency("Së Th«ng tin").unwrap_err().code, "LegacyEncoding");
}

#[test]
fn step_5_names_of_the_province_are_ordinary_input() {
    for text in
        ["H'Lan Ksor", "H’Ñun", "Hʼ Bia", "Y Brôk Niê", "Ƀŏk", "b\u{306}ok", "Rơ-Châm", "Đinh Kơ̆ĕ", "Ｎguyễn An"]
    {
        assert_eq!(code(text), "accepted", "{text}");
    }
}
