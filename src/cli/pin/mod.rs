//! `kubectl mail pin`: writes into each Mailbox and Agency that has none the address that the operator would issue (D-21), so
//! that a cluster rebuilt from Git has the same addresses. Nothing is written while the tree has errors.

mod decide;
mod edit;

use std::path::PathBuf;

use super::output::Said;
use super::plan::{self, Known, Source};
use super::tree::{self, Object, Unreadable};
use super::validate::{self, Options};
use super::{Code, Finding, Severity};

use decide::Pin;

/// What was done, or with `check` would be done.
#[derive(Debug)]
pub struct Outcome {
    /// What is wrong or was left alone, and with `check` what is not pinned yet.
    pub findings: Vec<Finding>,
    /// Addresses that were written, with their objects: `Mailbox nv-000123`.
    pub pinned: Vec<(String, String)>,
    /// Whether errors of the tree kept everything from being written.
    pub refused: bool,
    /// What people should know of the claims.
    pub note: Option<Said>,
}

/// Pins what is not pinned in files and folders, beside what `source` says is issued; with `check` only says what it would do.
pub fn pin(roots: &[PathBuf], options: &Options, source: &Source, check: bool) -> Result<Outcome, Unreadable> {
    let tree = source.within(tree::read(roots)?);
    let mut known = Known::of(source, &tree)?;
    let note = known.note.take();
    let mut findings = validate::check(&tree, options);
    if findings.iter().any(|f| f.severity == Severity::Error) {
        return Ok(Outcome { findings, pinned: Vec::new(), refused: true, note });
    }
    let plan = plan::of_findings(&tree, findings.clone(), &known);
    let pins = decide::pins(&tree, &plan, &mut findings);
    if check {
        findings.extend(pins.iter().map(not_pinned));
        return Ok(Outcome { findings, pinned: Vec::new(), refused: false, note });
    }
    let mut pinned = Vec::new();
    for of_file in pins.chunk_by(|a, b| a.object.file == b.object.file) {
        match edit::write(of_file) {
            Ok(()) => pinned.extend(of_file.iter().map(|pin| (label(pin.object), pin.local_part.to_string()))),
            Err(why) => findings.extend(of_file.iter().map(|pin| not_pinnable(pin, &why))),
        }
    }
    Ok(Outcome { findings, pinned, refused: false, note })
}

fn label(object: &Object) -> String {
    format!("{} {}", object.kind, object.name)
}

fn not_pinned(pin: &Pin) -> Finding {
    let local = &pin.local_part;
    let message = format!("{} is not pinned; `kubectl mail pin` writes spec.localPart: {local}", label(pin.object));
    let vi = format!("{} chưa được ghim địa chỉ; `kubectl mail pin` sẽ ghi spec.localPart: {local}", label(pin.object));
    Finding::error(&pin.object.file, Code::NotPinned, message, vi)
        .at(pin.object.node.place("spec"))
        .field("spec.localPart")
        .by("D-21")
}

fn not_pinnable(pin: &Pin, (why, why_vi): &edit::Why) -> Finding {
    let local = &pin.local_part;
    let message = format!("{why}; write spec.localPart: {local} by hand");
    let vi = format!("{why_vi}; vui lòng tự ghi spec.localPart: {local}");
    Finding::error(&pin.object.file, Code::NotPinnable, message, vi)
        .at(pin.object.node.place("spec"))
        .field("spec.localPart")
        .by("D-21")
}
