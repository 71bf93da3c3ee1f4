//! SARIF 2.1.0. The part that is needed is small, so it is written here rather than by a crate of the whole standard.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::cli::{Code, Finding};

use super::Lang;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The log of one run.
pub fn log(findings: &[Finding], lang: Lang) -> Json {
    let mut rules: BTreeMap<&str, usize> = findings.iter().map(|f| (f.code, 0)).collect();
    rules.values_mut().enumerate().for_each(|(index, at)| *at = index);
    let described: Vec<Json> =
        rules.keys().map(|code| json!({"id": code, "shortDescription": {"text": meaning(code)}})).collect();
    let results: Vec<Json> = findings.iter().map(|f| result(f, rules.get(f.code).copied(), lang)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kubectl-mail",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": described,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(f: &Finding, rule: Option<usize>, lang: Lang) -> Json {
    json!({
        "ruleId": f.code,
        "ruleIndex": rule,
        "level": f.severity.as_str(),
        "message": {"text": f.text(lang)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri(&f.file)},
                "region": {"startLine": f.line, "startColumn": f.column},
            },
            "logicalLocations": [{"fullyQualifiedName": f.path, "kind": "member"}],
        }],
        "properties": {"regulation": f.rule},
    })
}

fn meaning(code: &str) -> &str {
    let known = Code::ALL.iter().find(|(known, _)| known.as_str() == code);
    known.map_or("A name or an address that the regulation does not allow.", |(_, meaning)| meaning.trim())
}

/// A file as a URI reference (RFC 3986): what is neither unreserved nor a slash is percent-encoded.
fn uri(file: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let relative = file.trim_start_matches("./").bytes();
    let path: String =
        relative.map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    if path.starts_with('/') { format!("file://{path}") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_uri_references() {
        assert_eq!(uri("./a b/ố.yaml"), "a%20b/%E1%BB%91.yaml");
        assert_eq!(uri("/x/y.yaml"), "file:///x/y.yaml");
    }
}
