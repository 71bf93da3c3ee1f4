//! From the bytes of a file to text, or to a finding that says what the file is instead.

use crate::cli::{Code, Finding};
use crate::domain::naming::normalise;

use super::At;

/// The byte-order mark that some editors put before UTF-8.
pub const BOM: &str = "\u{feff}";

/// The text of a file without its byte-order mark.
pub fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Box<Finding>> {
    if is_utf16(bytes) {
        let message = "the file is UTF-16; save it as UTF-8 (in Notepad: Save as, Encoding UTF-8)";
        let vi = "tệp dùng bảng mã UTF-16; vui lòng lưu lại bằng UTF-8 (Notepad: Save as, Encoding: UTF-8).";
        return Err(Box::new(Finding::error(file, Code::Utf16, message, vi).by("R3.4")));
    }
    if let Some(zero) = bytes.iter().position(|b| *b == 0) {
        let message = "the file is no text: a zero byte stands here; remove it from the folder or write YAML";
        let vi =
            "tệp không phải văn bản: có byte 0 ở vị trí này; vui lòng bỏ tệp khỏi thư mục hoặc viết lại bằng YAML.";
        return Err(Box::new(Finding::error(file, Code::BinaryFile, message, vi).at(at(bytes, zero))));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix(BOM).unwrap_or(text)),
        Err(error) => Err(Box::new(not_utf8(file, bytes, error.valid_up_to()))),
    }
}

fn is_utf16(bytes: &[u8]) -> bool {
    let every_other_is_zero =
        |from: usize| bytes.len() >= 8 && bytes[..8].iter().skip(from).step_by(2).all(|b| *b == 0);
    bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || every_other_is_zero(0)
        || every_other_is_zero(1)
}

/// Names the old encoding where the line shows it (R3.4).
fn not_utf8(file: &str, bytes: &[u8], bad: usize) -> Finding {
    let start = bytes[..bad].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let end = bytes[bad..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| bad + i);
    let place = at(bytes, bad);
    match normalise::decode(&bytes[start..end], "") {
        Err(error) if error.code == "LegacyEncoding" => Finding::refused(file, place, error),
        _ => {
            let byte = bytes.get(bad).copied().unwrap_or_default();
            let message =
                format!("the byte 0x{byte:02X} is not UTF-8; save the file as UTF-8 and type the letter again");
            let vi =
                format!("byte 0x{byte:02X} không đúng UTF-8; vui lòng lưu tệp bằng UTF-8 và gõ lại chữ ở vị trí này.");
            Finding::error(file, Code::NotUtf8, message, vi).at(place).by("R3.4")
        }
    }
}

/// Line and column of a byte; what is not UTF-8 before it counts as one character a byte.
fn at(bytes: &[u8], byte: usize) -> At {
    let before = &bytes[..byte];
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    At { line, column: 1 + String::from_utf8_lossy(&before[start..]).chars().count(), byte }
}
