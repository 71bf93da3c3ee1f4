//! Steps 1 to 5 from a name to an address: what text is accepted, and in what form it is stored (R3.4).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fold::fold;
use super::legacy::{self, Legacy};
use super::{NameError, Warning};

/// What else may stand in a name beside Latin letters, blanks, apostrophes and hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// Nothing (D-08).
    Person,
    /// Digits and punctuation (D-01): `Trạm số 2, xã Ia Dêr`.
    Agency,
}

/// Text as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// NFC, without invisible characters, single spaces, trimmed; may be empty.
    pub text: String,
    /// What was dropped.
    pub warnings: Vec<Warning>,
}

/// Reads bytes as UTF-8; bytes that are not are refused, by the name of their encoding where it is recognised.
pub fn decode<'a>(bytes: &'a [u8], path: &str) -> Result<&'a str, NameError> {
    std::str::from_utf8(bytes).map_err(|_| {
        let latin1: String = bytes.iter().copied().map(char::from).collect();
        legacy::recognise(&latin1).map_or_else(|| undecodable(path), |found| legacy_error(&found, path))
    })
}

/// Steps 1 to 5: refuses what cannot be a name and gives the form that is stored. Positions in errors count from 1 in
/// the composed (NFC) text as it was written.
pub fn clean(text: &str, path: &str, alphabet: Alphabet) -> Result<Cleaned, NameError> {
    let composed: String = text.nfc().collect();
    refuse_controls(&composed, path)?;
    if let Some(found) = legacy::recognise(&composed) {
        return Err(legacy_error(&found, path));
    }
    for (index, c) in composed.chars().enumerate() {
        check_character(c, index + 1, path, alphabet)?;
    }
    let dropped: Vec<char> = composed.chars().filter(|c| is_invisible(*c)).collect();
    let visible: String = composed.chars().filter(|c| !is_invisible(*c)).collect();
    let text: String = visible.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect();
    // What is stored has to be accepted when it is read again.
    if !dropped.is_empty()
        && let Some(found) = legacy::recognise(&text)
    {
        return Err(legacy_error(&found, path));
    }
    Ok(Cleaned { text, warnings: invisible_warning(&dropped, path).into_iter().collect() })
}

/// Apostrophes of every shape, and what is typed in their place.
pub fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\'' | '`' | '´' | '\u{2b9}' | '\u{2bb}'
            ..='\u{2bf}'
                | '\u{2c8}'
                | '\u{2ca}'
                | '\u{2cb}'
                | '\u{2018}'
                | '\u{2019}'
                | '\u{201b}'
                | '\u{2032}'
                | '\u{2035}'
                | '\u{a78b}'
                | '\u{a78c}'
                | '\u{ff07}'
                | '\u{ff40}'
    )
}

/// Hyphens and dashes of every length.
pub fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// Characters without a width that carry no meaning in a name.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_bracket(c: char) -> bool {
    matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '\u{2329}' | '\u{232a}' | '\u{27e6}'..='\u{27ef}')
        || matches!(c, '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301b}' | '（' | '）' | '［' | '］' | '｛' | '｝' | '＜' | '＞')
}

/// Letters of the Latin script, full-width ones and ligatures too; `ª` and `º` are signs here.
fn is_latin(c: char) -> bool {
    c.is_alphabetic()
        && matches!(c,
            'A'..='Z' | 'a'..='z' | 'À'..='\u{2af}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}'
            | '\u{a722}'..='\u{a787}' | '\u{a78d}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab64}' | '\u{fb00}'..='\u{fb06}'
            | 'Ａ'..='Ｚ' | 'ａ'..='ｚ')
}

fn is_latin_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}')
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '０'..='９')
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || is_bracket(c)
        || matches!(c, '«' | '»' | '·' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}')
        || matches!(c, '！'..='／' | '：'..='＠' | '\u{2212}' | '\u{3001}' | '\u{3002}')
}

fn refuse_controls(text: &str, path: &str) -> Result<(), NameError> {
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(undecodable(path));
    }
    let bad = |c: &char| (c.is_control() && *c != '\t') || is_bidi_control(*c);
    let Some((index, c)) = text.chars().enumerate().find(|(_, c)| bad(c)) else {
        return Ok(());
    };
    let (position, code) = (index + 1, u32::from(c));
    let (kind, kind_vi, error) = if c.is_control() {
        ("a control character", "ký tự điều khiển", "ControlCharacter")
    } else {
        ("a character that turns the direction of writing", "ký tự đổi hướng viết", "BidiControl")
    };
    Err(NameError::new(
        error,
        "R3.4",
        path,
        format!("{kind} (U+{code:04X}) stands at position {position}; delete it, or type the text again on one line"),
        format!("Có {kind_vi} (U+{code:04X}) ở vị trí {position}; vui lòng xóa ký tự này hoặc gõ lại trên một dòng."),
    ))
}

fn check_character(c: char, position: usize, path: &str, alphabet: Alphabet) -> Result<(), NameError> {
    if c.is_whitespace() || is_invisible(c) || is_apostrophe(c) || is_hyphen(c) || is_latin_mark(c) {
        return Ok(());
    }
    if is_latin(c) {
        return if fold(c.encode_utf8(&mut [0; 4])).is_empty() {
            Err(unsupported_letter(c, position, path))
        } else {
            Ok(())
        };
    }
    if alphabet == Alphabet::Agency && (is_digit(c) || is_punctuation(c)) {
        return Ok(());
    }
    Err(refused_character(c, position, path, alphabet))
}

fn unsupported_letter(c: char, position: usize, path: &str) -> NameError {
    let code = u32::from(c);
    NameError::new(
        "UnsupportedLetter",
        "R3.4",
        path,
        format!(
            "the letter '{c}' (U+{code:04X}) at position {position} has no letter a-z for the address; write the one it stands for"
        ),
        format!(
            "Chữ “{c}” (U+{code:04X}) ở vị trí {position} không có chữ cái a-z tương ứng cho địa chỉ; vui lòng thay bằng chữ đúng."
        ),
    )
}

fn refused_character(c: char, position: usize, path: &str, alphabet: Alphabet) -> NameError {
    let at = format!("'{c}' (U+{:04X}) at position {position}", u32::from(c));
    let at_vi = format!("“{c}” (U+{:04X}) ở vị trí {position}", u32::from(c));
    let rule = if alphabet == Alphabet::Person { "D-08" } else { "D-01" };
    if is_bracket(c) {
        return NameError::new(
            "BracketInName",
            rule,
            path,
            format!("{at} is a bracket; write the name alone, without notes"),
            format!("{at_vi} là dấu ngoặc; vui lòng chỉ ghi tên, không kèm chú thích."),
        );
    }
    if c.is_numeric() {
        let (remedy, remedy_vi) = match alphabet {
            Alphabet::Person => (
                "write the name alone and tell people of one name apart with spec.disambiguator (D-07)",
                "vui lòng chỉ ghi tên, và phân biệt người trùng tên bằng spec.disambiguator (D-07)",
            ),
            Alphabet::Agency => ("write it with the digits 0-9", "vui lòng ghi bằng các chữ số 0-9"),
        };
        return NameError::new(
            "DigitInName",
            rule,
            path,
            format!("{at} is a digit that cannot stand here; {remedy}"),
            format!("{at_vi} là chữ số không được phép ở đây; {remedy_vi}."),
        );
    }
    if c.is_alphabetic() || is_combining_mark(c) {
        let (script, script_vi) = script(c);
        return NameError::new(
            "NotLatinLetter",
            "R3.4",
            path,
            format!("{at} is {script}, not Latin, even if it looks alike; type the Latin letter in its place"),
            format!(
                "{at_vi} là {script_vi}, không phải chữ Latinh, dù trông giống; vui lòng gõ lại chữ Latinh ở vị trí này."
            ),
        );
    }
    NameError::new(
        "SymbolInName",
        rule,
        path,
        format!("{at} cannot stand in a name; use letters, blanks, apostrophes and hyphens"),
        format!(
            "{at_vi} không được phép trong tên; vui lòng chỉ dùng chữ cái, dấu cách, dấu nháy đơn và dấu gạch nối."
        ),
    )
}

fn script(c: char) -> (&'static str, &'static str) {
    match c {
        'µ' | '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => ("Greek", "chữ Hy Lạp"),
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}' | '\u{a640}'..='\u{a69f}' => {
            ("Cyrillic", "chữ Kirin")
        }
        _ => ("a letter of another script", "chữ của hệ chữ viết khác"),
    }
}

fn undecodable(path: &str) -> NameError {
    NameError::new(
        "UndecodableText",
        "R3.4",
        path,
        "the text is damaged: it is not valid UTF-8, or letters were lost before it came here; type it again in Unicode",
        "Văn bản bị lỗi: không đúng chuẩn UTF-8 hoặc đã mất ký tự; vui lòng gõ lại bằng Unicode.",
    )
}

fn legacy_error(found: &Legacy, path: &str) -> NameError {
    let (encoding, reading) = (found.encoding.name(), &found.reading);
    NameError::new(
        "LegacyEncoding",
        "R3.4",
        path,
        format!("the text is in {encoding}, not Unicode; if it says '{reading}', type it so in Unicode"),
        format!(
            "Văn bản dùng bảng mã {encoding}, không phải Unicode; nếu nội dung là “{reading}”, vui lòng gõ lại bằng Unicode."
        ),
    )
}

fn invisible_warning(dropped: &[char], path: &str) -> Option<Warning> {
    if dropped.is_empty() {
        return None;
    }
    let mut codes: Vec<String> = dropped.iter().map(|c| format!("U+{:04X}", u32::from(*c))).collect();
    codes.dedup();
    Some(Warning {
        code: "InvisibleCharacterDropped",
        rule: "R3.4",
        path: path.into(),
        message: format!("invisible characters were dropped ({}); check that no letter is missing", codes.join(", ")),
        message_vi: format!("Đã bỏ ký tự ẩn ({}); vui lòng kiểm tra xem có thiếu chữ nào không.", codes.join(", ")),
    })
}
