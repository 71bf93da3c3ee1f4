//! Bytes as the name of a person and of a body.

use std::collections::BTreeSet;

use mail_operator::domain::naming::normalise::decode;
use mail_operator::domain::naming::{
    AgencyNaming, Level, LocalPart, Profile, agency_address, candidates, person_name, same_name,
};
use unicode_normalization::UnicodeNormalization;

/// What names are made of, good and bad.
pub const WORDS: [&str; 24] = [
    "Nguyễn",
    "Thị",
    "Như",
    "Quỳnh",
    "H'",
    "Y ",
    "Rơ-Châm",
    " và ",
    "UBND ",
    "huyện ",
    "xã ",
    "Phòng ",
    "\u{300}",
    "\u{306}",
    "\u{323}",
    "\u{200b}",
    "\u{202e}",
    "\u{ad}",
    "Ð",
    "đ",
    "а",
    "Hoµng",
    "Hoaøng",
    "’",
];

fn is_dot_atom(text: &str) -> bool {
    let good = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 64 && text.split('.').all(good)
}

/// Reads a name; says the codes of errors and warnings.
pub fn target(bytes: &[u8]) -> String {
    let text = match decode(bytes, "spec.fullName") {
        Ok(text) => text,
        Err(error) => return error.code.to_owned(),
    };
    format!("{} | {}", person(text), body(text))
}

fn person(text: &str) -> String {
    let name = match person_name(text, None) {
        Ok(name) => name,
        Err(error) => {
            assert!(!error.message.is_empty() && !error.message_vi.is_empty());
            return error.code.to_owned();
        }
    };
    let stored = name.stored();
    assert!(stored.nfc().eq(stored.chars()), "stored in NFC");
    assert!(same_name(text, stored), "the stored name is the same one");
    let again = person_name(stored, None).expect("what is stored is accepted");
    assert_eq!((again.stored(), again.steps()), (stored, name.steps()));
    let codes: BTreeSet<&str> = name.warnings().iter().map(|w| w.code).collect();
    match candidates(&name, "stttt") {
        Ok(given) => {
            assert!(given.iter().all(|c| is_dot_atom(c.local_part.as_str())), "{given:?}");
            format!("{} {} {codes:?}", given.len(), name.middle().len().min(4))
        }
        Err(error) => error.code.to_owned(),
    }
}

fn body(text: &str) -> String {
    let mut said = Vec::new();
    let above = AgencyNaming {
        level: Level::District,
        name: "UBND huyện Ia Grai",
        initials: None,
        form: None,
        local_part: None,
        suffix: None,
        parent: None,
    };
    let parent = agency_address(Profile::GiaLai2022, &above).expect("a district");
    for level in [Level::Province, Level::District, Level::Commune, Level::Unit] {
        let naming = AgencyNaming { level, name: text, parent: Some(&parent), ..above };
        match agency_address(Profile::GiaLai2022, &naming) {
            Ok(address) => {
                assert!(is_dot_atom(address.local_part.as_str()) && is_dot_atom(&address.suffix), "{address:?}");
                assert_eq!(LocalPart::parse(address.local_part.as_str(), "").as_ref(), Ok(&address.local_part));
                said.push("");
            }
            Err(error) => said.push(error.code),
        }
    }
    said.join(",")
}
