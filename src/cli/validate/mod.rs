//! `kubectl mail validate`: everything that can be said against a folder of YAML before a cluster sees it.
//!
//! | File | What it checks | Where the rule stands |
//! |---|---|---|
//! | `schema`, `date` | fields, types, limits | the schemas of the kinds |
//! | `rules` | CEL | `x-kubernetes-validations` of the kinds |
//! | `names` | names and addresses | `domain::naming` |
//! | `life` | calendars, receipts | here |
//! | `cross` | duplicates, references | here |

mod cross;
pub(super) mod date;
mod life;
mod names;
mod rules;
mod schema;
mod vietnamese;

use std::path::PathBuf;

use k8s_openapi::jiff::civil::Date;

use super::agencies::Agencies;
use super::kinds::{self, Kind};
use super::tree::{self, Node, Object, Tree, Unreadable};
use super::{Code, Finding, Severity};

/// What the person who calls knows better.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Objects that the cluster has and the tree need not have: `Agency/stttt`, `Agency/*`.
    pub allow_missing: Vec<String>,
    /// The day on which it is asked; `None`: no document counts as one of a day to come.
    pub today: Option<Date>,
}

impl Options {
    fn allows(&self, kind: &str, name: &str) -> bool {
        let matches = |allowed: &String| {
            allowed.split_once('/').is_some_and(|(k, n)| k.eq_ignore_ascii_case(kind) && (n == "*" || n == name))
        };
        self.allow_missing.iter().any(matches)
    }
}

/// What was found, in the order of files and lines.
#[derive(Debug)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Objects of our kinds that were read.
    pub objects: usize,
    /// Files that were read.
    pub files: usize,
}

impl Report {
    /// Whether there is an error among the findings.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }
}

/// Reads files and folders and says everything that is wrong with them.
pub fn validate(roots: &[PathBuf], options: &Options) -> Result<Report, Unreadable> {
    let tree = tree::read(roots)?;
    let findings = check(&tree, options);
    Ok(Report { findings, objects: tree.objects.len(), files: tree.files })
}

/// Everything that is wrong with a tree.
pub fn check(tree: &Tree, options: &Options) -> Vec<Finding> {
    let mut findings = tree.findings.clone();
    let agencies = Agencies::of(tree);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = tree.objects.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let each = |objects: &[Object]| objects.iter().flat_map(|o| object(o, &agencies, options)).collect::<Vec<_>>();
        let parts: Vec<_> = tree.objects.chunks(share).map(|part| scope.spawn(move || each(part))).collect();
        for part in parts {
            findings.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    cross::check(tree, options, &mut findings);
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (f.file.clone(), f.line, f.column, f.code);
        key(a).cmp(&key(b))
    });
    findings
}

/// What is wrong with one object alone.
fn object(object: &Object, agencies: &Agencies, options: &Options) -> Vec<Finding> {
    let Some(kind) = kinds::find(&object.kind) else {
        return vec![life::of_the_operator(object).unwrap_or_else(|| unknown_kind(object))];
    };
    let mut findings = Vec::new();
    schema::check(&kind.schema, object, &mut findings);
    object_name(object, &mut findings);
    let sound = findings.iter().all(|f| f.severity == Severity::Warning);
    names::check(object, agencies, &mut findings);
    findings.extend(options.today.into_iter().flat_map(|today| date::documents_to_come(object, today)));
    life::check(object, options.today, &mut findings);
    let mut broken = Vec::new();
    rules::check(kind, object, sound, &mut broken);
    broken.retain(|rule| !rests_on_wrong_fields(rule, &findings));
    findings.extend(broken);
    once(findings)
}

/// Whether a field below the rule's own is missing or has a wrong value: then what the rule says may be wrong, too.
fn rests_on_wrong_fields(rule: &Finding, findings: &[Finding]) -> bool {
    let wrong = [Code::WrongType, Code::UnquotedWord, Code::NotAllowed, Code::MissingField].map(Code::as_str);
    let below =
        |path: &str| path.strip_prefix(&rule.path).is_some_and(|rest| rest.starts_with('.') || rule.path.is_empty());
    findings.iter().any(|f| f.severity == Severity::Error && wrong.contains(&f.code) && below(&f.path))
}

/// Where the rules of names refuse a field they say more than its length or pattern: one finding is enough.
fn once(findings: Vec<Finding>) -> Vec<Finding> {
    let general = |f: &Finding| [Code::RuleBroken, Code::OutOfRange].iter().any(|code| code.as_str() == f.code);
    let better = |f: &Finding| {
        findings.iter().any(|other| other.path == f.path && other.severity == Severity::Error && !general(other))
    };
    let keep: Vec<bool> = findings.iter().map(|f| !general(f) || !better(f)).collect();
    findings.into_iter().zip(keep).filter_map(|(finding, keep)| keep.then_some(finding)).collect()
}

/// Names of objects are DNS subdomains (RFC 1123).
fn object_name(object: &Object, findings: &mut Vec<Finding>) {
    let Some(name) = object.node.find("metadata.name").and_then(Node::text) else { return };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |l: &str| l.starts_with(plain) && l.ends_with(plain) && l.chars().all(|c| plain(c) || c == '-');
    if name.len() > 253 || !name.split('.').all(label) {
        let message =
            format!("'{name}' is no name of an object; use a-z, 0-9, hyphens and dots, for example nv-000123");
        let vi = format!(
            "'{name}' không dùng được làm tên đối tượng; chỉ dùng a-z, 0-9, dấu gạch nối và dấu chấm, ví dụ nv-000123."
        );
        let finding = Finding::error(&object.file, Code::InvalidObjectName, message, vi);
        findings.push(finding.at(object.node.place("metadata.name")).field("metadata.name"));
    }
}

fn unknown_kind(object: &Object) -> Finding {
    let kind = &object.kind;
    let names: Vec<&str> = kinds::all().iter().map(|kind: &Kind| kind.name.as_str()).collect();
    let (hint, hint_vi) = schema::did_you_mean(kind, names.iter().copied());
    let all = names.join(", ");
    let message = format!("kind '{kind}' does not exist or is written by the operator{hint}; write one of: {all}");
    let vi = format!("kind '{kind}' không có hoặc do hệ thống tự ghi{hint_vi}; vui lòng ghi một trong: {all}.");
    Finding::error(&object.file, Code::UnknownKind, message, vi).at(object.node.place("kind")).field("kind")
}
