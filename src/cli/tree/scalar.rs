//! What Kubernetes takes a plain scalar for. Its reader follows YAML 1.1, so `no` is false: the trap that this module
//! exists for.

use serde_json::Number;

use super::node::ScalarKind;

/// What a scalar without quotes is read as.
pub fn resolve(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarKind::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return ScalarKind::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return ScalarKind::Bool(false),
        _ => {}
    }
    number(text).map_or(ScalarKind::Text, ScalarKind::Number)
}

/// Words that some readers of YAML 1.1 take for a boolean and others for text.
pub fn is_ambiguous(text: &str) -> bool {
    matches!(text, "y" | "Y" | "n" | "N")
}

fn number(text: &str) -> Option<Number> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let radix = |prefix: &str, radix: u32| digits.strip_prefix(prefix).and_then(|d| i64::from_str_radix(d, radix).ok());
    let octal = || {
        let old = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
        old.then(|| i64::from_str_radix(digits, 8).ok()).flatten()
    };
    let decimal = || digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok()).flatten();
    let whole = radix("0x", 16).or_else(|| radix("0b", 2)).or_else(|| radix("0o", 8)).or_else(octal).or_else(decimal);
    if let Some(whole) = whole {
        return Some(Number::from(if negative { -whole } else { whole }));
    }
    let float = digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && !digits.starts_with(['+', '-', 'e', 'E']);
    float.then(|| plain.trim_start_matches('+').parse::<f64>().ok()).flatten().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_read_as_kubernetes_reads_them() {
        for (text, kind) in [
            ("", ScalarKind::Null),
            ("~", ScalarKind::Null),
            ("no", ScalarKind::Bool(false)),
            ("On", ScalarKind::Bool(true)),
            ("12", ScalarKind::Number(12.into())),
            ("1_000", ScalarKind::Number(1000.into())),
            ("012", ScalarKind::Number(10.into())),
            ("0x1F", ScalarKind::Number(31.into())),
            ("-3", ScalarKind::Number((-3).into())),
            ("12/STTTT-VP", ScalarKind::Text),
            ("2026-02-02", ScalarKind::Text),
            ("nO", ScalarKind::Text),
            ("Y Brôk", ScalarKind::Text),
            ("-", ScalarKind::Text),
            ("1.2.3", ScalarKind::Text),
            ("089", ScalarKind::Number(89.into())),
        ] {
            assert_eq!(resolve(text), kind, "{text}");
        }
        assert!(matches!(resolve("1.5e3"), ScalarKind::Number(n) if n.as_f64() == Some(1500.0)));
    }

    #[test]
    fn y_and_n_are_ambiguous() {
        assert!(is_ambiguous("Y") && !is_ambiguous("yes") && !is_ambiguous("Ý"));
    }
}
