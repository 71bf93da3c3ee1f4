//! Bytes as a file of a repository.

use std::collections::BTreeSet;

use mail_operator::api::{AgencySpec, MailSystemSpec, MailboxSpec, QuotaPolicySpec};
use mail_operator::cli::agencies::spec;
use mail_operator::cli::tree::{Object, Tree};
use mail_operator::cli::validate::{Options, check};
use mail_operator::cli::{Finding, Severity};

/// What files are made of, good and bad.
pub const WORDS: [&str; 30] = [
    "apiVersion: mail.gialai.gov.vn/v1alpha1\n",
    "kind: Mailbox\n",
    "kind: Agency\n",
    "kind: List\nitems:\n",
    "metadata:\n",
    "  name: nv-1\n",
    "spec:\n",
    "  fullName: ",
    "  localPart: ",
    "  parentRef: {name: stttt}\n",
    "---\n",
    "...\n",
    "- ",
    "? ",
    ": ",
    "<<: *a\n",
    "&a ",
    "*a",
    "!!str ",
    "|-\n  ",
    ">\n",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "\t",
    "\r\n",
    "null",
    "\u{feff}",
];

/// Validates the file; says the codes of its findings.
pub fn target(bytes: &[u8]) -> String {
    let mut tree = Tree::default();
    tree.take("file.yaml", bytes);
    let findings =
        check(&tree, &Options { allow_missing: vec!["Agency/*".into(), "MailSystem/*".into()], today: None });
    let lines = bytes.split(|b| matches!(b, b'\n' | b'\r')).count();
    for finding in &findings {
        place(finding, lines);
    }
    let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    assert!(errors || tree.objects.iter().all(is_readable), "no error was told, and an object cannot be read");
    let codes: BTreeSet<&str> = findings.iter().map(|f| f.code).collect();
    format!("{} {codes:?}", tree.objects.len().min(3))
}

fn place(finding: &Finding, lines: usize) {
    assert!(!finding.message.is_empty() && !finding.message_vi.is_empty(), "{finding:?}");
    assert!(finding.line >= 1 && finding.line <= lines + 1 && finding.column >= 1, "{lines} lines: {finding:?}");
}

/// Whether the operator could read it.
fn is_readable(object: &Object) -> bool {
    match object.kind.as_str() {
        "Mailbox" => spec::<MailboxSpec>(object).is_some(),
        "Agency" => spec::<AgencySpec>(object).is_some(),
        "MailSystem" => spec::<MailSystemSpec>(object).is_some(),
        "QuotaPolicy" => spec::<QuotaPolicySpec>(object).is_some(),
        _ => true,
    }
}
