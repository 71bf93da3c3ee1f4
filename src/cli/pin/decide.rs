//! Which addresses are to be written, and what keeps the others from it: the plan of the whole tree, object by object.

use super::{Code, Finding, Object};
use crate::cli::plan::{Item, Outcome, Plan};
use crate::cli::tree::Tree;
use crate::domain::naming::LocalPart;

/// An address that is to be written into an object.
#[derive(Debug)]
pub struct Pin<'t> {
    /// The object.
    pub object: &'t Object,
    /// The address before the `@`.
    pub local_part: LocalPart,
}

/// The pins that are missing, in the order of the tree. Who gets no address is told in `findings`.
pub fn pins<'t>(tree: &'t Tree, plan: &Plan, findings: &mut Vec<Finding>) -> Vec<Pin<'t>> {
    let mut pins = Vec::new();
    for item in &plan.items {
        let Some(object) = tree.objects.get(item.index) else { continue };
        let written = object.node.find("spec.localPart").is_some_and(|pin| !pin.is_null());
        match &item.granted {
            Some(local_part) if !written => pins.push(Pin { object, local_part: local_part.clone() }),
            Some(_) => {}
            None => findings.extend(left(object, item)),
        }
    }
    pins
}

/// Why an object is left without an address.
fn left(object: &Object, item: &Item) -> Option<Finding> {
    let told = item.errors.first()?;
    let agency = object.kind == "Agency";
    let (code, path) = match item.outcome {
        Outcome::Conflict if agency => (Code::Conflict, "spec.name"),
        Outcome::Conflict => (Code::Conflict, "spec.fullName"),
        _ if agency => (Code::NotPinnable, "spec.parentRef"),
        _ => (Code::NotPinnable, "spec.agencyRef"),
    };
    let (message, vi) = (format!("not pinned: {}", told.message), format!("chưa ghim: {}", told.message_vi));
    let finding = Finding::error(&object.file, code, message, vi).at(object.node.place(path)).field(path);
    Some(finding.by(told.rule.as_str()))
}
