//! `kubectl mail validate`: strict reading of a folder of YAML, offline. Unknown fields are refused here; the API server
//! only warns of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::api::{Agency, GROUP, MailSystem, Mailbox, QuotaPolicy};
use crate::domain::naming::{self, LocalPart, NameError, StructuredName};
use crate::domain::quota::Bytes;

/// Files that are read at most, and the size of one.
const MAX_FILES: usize = 200_000;
const MAX_BYTES: u64 = 1 << 20;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// File, as it was named.
    pub file: String,
    /// Line where the document starts, or where reading failed.
    pub line: usize,
    /// Column, 1 where it is not known.
    pub column: usize,
    /// Field.
    pub path: String,
    /// Stable code.
    pub code: String,
    /// Article or decision; empty where it is a matter of YAML.
    pub rule: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The same in Vietnamese.
    pub message_vi: String,
}

/// A file or folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Unreadable {
    path: String,
    message: String,
}

/// Everything that is wrong below `root`, and how many objects were read.
pub fn validate(root: &Path) -> Result<(Vec<Finding>, usize), Unreadable> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let (mut findings, mut objects) = (Vec::new(), 0);
    for file in files {
        let fail = |message: String| Unreadable { path: file.display().to_string(), message };
        if fs::metadata(&file).map_err(|e| fail(e.to_string()))?.len() > MAX_BYTES {
            return Err(fail("larger than 1 MiB".into()));
        }
        let text = fs::read(&file).map_err(|e| fail(e.to_string()))?;
        objects += check_file(&file.display().to_string(), &String::from_utf8_lossy(&text), &mut findings);
    }
    Ok((findings, objects))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Unreadable> {
    let fail = |message: String| Unreadable { path: path.display().to_string(), message };
    if path.is_file() {
        files.push(path.into());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(|e| fail(e.to_string()))? {
        let entry = entry.map_err(|e| fail(e.to_string()))?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && !name.to_string_lossy().starts_with('.') {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(fail(format!("more than {MAX_FILES} files")));
        }
    }
    Ok(())
}

/// Where a document stands.
struct Place<'a> {
    file: &'a str,
    line: usize,
}

impl Place<'_> {
    fn error(&self, path: &str, code: &str, rule: &str, message: String, message_vi: String) -> Finding {
        Finding {
            severity: "error",
            file: self.file.into(),
            line: self.line,
            column: 1,
            path: path.into(),
            code: code.into(),
            rule: rule.into(),
            message,
            message_vi,
        }
    }

    fn name(&self, error: NameError) -> Finding {
        self.error(&error.path, error.code, error.rule, error.message, error.message_vi)
    }
}

/// Documents of a file with the line where each starts.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut all = vec![(1, String::new())];
    for (i, line) in text.lines().enumerate() {
        if line.trim_end() == "---" {
            all.push((i + 2, String::new()));
        } else if let Some((_, document)) = all.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    all.retain(|(_, d)| d.lines().any(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')));
    all
}

fn check_file(file: &str, text: &str, findings: &mut Vec<Finding>) -> usize {
    let mut objects = 0;
    for (line, document) in documents(text.trim_start_matches('\u{feff}')) {
        let place = Place { file, line };
        match serde_yaml::from_str::<serde_yaml::Value>(&document) {
            Ok(value) => objects += usize::from(check_object(&place, value, findings)),
            Err(error) => {
                let at = error.location();
                let line = at.as_ref().map_or(line, |l| line + l.line().saturating_sub(1));
                let message = format!("this is not YAML: {error}");
                let vi = "tệp này không phải YAML hợp lệ".to_string();
                let column = at.map_or(1, |l| l.column());
                findings.push(Finding { column, ..Place { file, line }.error("", "NotYaml", "", message, vi) });
            }
        }
    }
    objects
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// Whether it is one of our kinds.
fn check_object(place: &Place<'_>, value: serde_yaml::Value, findings: &mut Vec<Finding>) -> bool {
    let Ok(head) = serde_yaml::from_value::<Head>(value.clone()) else { return false };
    if !head.api_version.starts_with(&format!("{GROUP}/")) {
        return false;
    }
    match head.kind.as_str() {
        "Mailbox" => {
            if let Some(mailbox) = decode::<Mailbox>(place, value, findings) {
                check_mailbox(place, &mailbox, findings);
            }
        }
        "Agency" => drop(decode::<Agency>(place, value, findings)),
        "QuotaPolicy" => {
            if let Some(policy) = decode::<QuotaPolicy>(place, value, findings) {
                for (path, text) in
                    [("spec.storage", &policy.spec.storage), ("spec.maxAttachment", &policy.spec.max_attachment)]
                {
                    if let Err(error) = Bytes::parse(text, path) {
                        let vi = format!("{path}: '{text}' không phải là dung lượng hợp lệ, ví dụ 5Gi");
                        findings.push(place.error(path, "InvalidQuota", "R7.3", error.to_string(), vi));
                    }
                }
            }
        }
        "MailSystem" => drop(decode::<MailSystem>(place, value, findings)),
        other => {
            let message = format!(
                "kind '{other}' is written by the operator or does not exist; write MailSystem, Agency, Mailbox or QuotaPolicy"
            );
            let vi = format!("kind '{other}' không dùng được; hãy viết MailSystem, Agency, Mailbox hoặc QuotaPolicy");
            findings.push(place.error("kind", "UnknownKind", "", message, vi));
        }
    }
    true
}

/// Strict: an unknown field is an error, with its path.
fn decode<T: DeserializeOwned>(place: &Place<'_>, value: serde_yaml::Value, findings: &mut Vec<Finding>) -> Option<T> {
    let mut unknown = Vec::new();
    let decoded = serde_ignored::deserialize(value, |path| unknown.push(path.to_string().replace(".?", "")));
    // The type meta is no field of the derived types.
    for path in unknown.into_iter().filter(|p| p != "apiVersion" && p != "kind") {
        let message =
            format!("{path}: there is no such field; remove it or mend its spelling (kubectl explain names all)");
        let vi = format!("{path}: không có trường này; hãy xóa hoặc sửa lại tên trường");
        findings.push(place.error(&path, "UnknownField", "", message, vi));
    }
    decoded
        .map_err(|error: serde_yaml::Error| {
            let vi = "tài liệu thiếu trường hoặc có giá trị sai kiểu".to_string();
            findings.push(place.error("", "InvalidDocument", "", error.to_string(), vi));
        })
        .ok()
}

fn check_mailbox(place: &Place<'_>, mailbox: &Mailbox, findings: &mut Vec<Finding>) {
    let structured = mailbox.spec.structured_name.as_ref().map(|s| StructuredName {
        family: s.family.clone(),
        middle: s.middle.clone(),
        given: s.given.clone(),
    });
    let person = mailbox.spec.holder == crate::api::Holder::Person;
    if person && let Err(error) = naming::person_name(&mailbox.spec.full_name, structured.as_ref()) {
        findings.push(place.name(error));
    }
    if let Some(pinned) = &mailbox.spec.local_part
        && let Err(error) = LocalPart::parse(pinned, "spec.localPart")
    {
        findings.push(place.name(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        check_file("f.yaml", text, &mut findings);
        findings
    }

    const GOOD: &str = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-1}\nspec:\n  agencyRef: {name: stttt}\n  fullName: Trần Đình Nguyên\n  basis: {number: 1, date: '2026-01-01', issuer: x}\n";

    #[test]
    fn a_good_file_and_foreign_kinds_have_no_findings() {
        let good = GOOD.replace("number: 1", "number: '1'");
        assert_eq!(check(&good), []);
        assert_eq!(check("apiVersion: v1\nkind: ConfigMap\nspecial: true\n"), []);
    }

    #[test]
    fn unknown_fields_are_refused_with_their_path() {
        let text = GOOD.replace("number: 1", "number: '1'").replace("  fullName", "  fulName: x\n  fullName");
        let found = check(&text);
        assert_eq!((found[0].code.as_str(), found[0].path.as_str()), ("UnknownField", "spec.fulName"));
    }

    #[test]
    fn what_is_no_yaml_and_what_has_the_wrong_type_is_named_with_its_line() {
        let found = check(&format!("# first\n---\n{}", GOOD.replace("fullName: Trần", "fullName:\tTrần: [")));
        assert_eq!(found[0].code, "NotYaml");
        assert!(found[0].line > 2, "{found:?}");
        assert_eq!(check(&GOOD.replace("Trần Đình Nguyên", "no: [")).first().map(|f| f.code.as_str()), Some("NotYaml"));
        assert_eq!(check(&GOOD.replace("fullName: Trần Đình Nguyên", "fullName: [a]"))[0].code, "InvalidDocument");
    }

    #[test]
    fn d_08_names_are_checked_by_the_rule_in_both_languages() {
        let text = GOOD.replace("number: 1", "number: '1'").replace("Nguyên", "Nguyên 2");
        let found = check(&text);
        assert_eq!((found[0].rule.as_str(), found[0].path.as_str()), ("D-08", "spec.fullName"));
        assert!(!found[0].message_vi.is_empty());
    }
}
