//! Which address each object of a tree gets: pure, by the rules that the operator follows.

use std::collections::HashMap;

use crate::api::{AgencySpec, Holder, MailboxSpec};
use crate::cli::agencies::{Agencies, same_namespace, spec};
use crate::cli::tree::{Object, Tree};
use crate::cli::{Code, Finding};
use crate::domain::naming::{self, AgencyProblem, LocalPart, StructuredName};

/// An address that is to be written into an object.
#[derive(Debug)]
pub struct Pin<'t> {
    /// The object.
    pub object: &'t Object,
    /// The address before the `@`.
    pub local_part: LocalPart,
}

/// Who wants an address: the body of an agency is one, whether its Agency or its Mailbox speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body<'t> {
    Agency(&'t str),
    Mailbox(&'t str),
}

/// One address that is written in the tree or would be.
struct Claim<'t> {
    object: &'t Object,
    body: Body<'t>,
}

/// The pins that are missing, in the order of the tree. What cannot be pinned is told in `findings`.
pub fn pins<'t>(tree: &'t Tree, findings: &mut Vec<Finding>) -> Vec<Pin<'t>> {
    let agencies = Agencies::of(tree);
    let mut claims: HashMap<String, Vec<Claim<'t>>> = HashMap::new();
    let mut wanted = Vec::new();
    for object in &tree.objects {
        let decided = match object.kind.as_str() {
            "Agency" => spec::<AgencySpec>(object).map(|s| of_agency(object, &s, &agencies)),
            "Mailbox" => spec::<MailboxSpec>(object).map(|s| of_mailbox(object, &s, &agencies)),
            _ => None,
        };
        let Some(decided) = decided else { continue };
        for local in &decided.written {
            claims.entry(local.clone()).or_default().push(Claim { object, body: decided.body });
        }
        match decided.missing {
            Ok(None) => {}
            Ok(Some(local_part)) => {
                let claim = Claim { object, body: decided.body };
                claims.entry(local_part.to_string()).or_default().push(claim);
                wanted.push((Pin { object, local_part }, decided.body));
            }
            Err(finding) => findings.push(*finding),
        }
    }
    let mut pins = Vec::new();
    for (pin, body) in wanted {
        let others = claims.get(pin.local_part.as_str()).into_iter().flatten();
        let other =
            others.filter(|c| c.body != body).find(|c| same_namespace(&c.object.namespace, &pin.object.namespace));
        match other {
            None => pins.push(pin),
            Some(other) => findings.push(conflict(&pin, other.object)),
        }
    }
    pins
}

struct Decided<'t> {
    body: Body<'t>,
    /// Addresses that stand in the file.
    written: Vec<String>,
    /// The address that does not stand there yet.
    missing: Result<Option<LocalPart>, Box<Finding>>,
}

fn of_agency<'t>(object: &'t Object, spec: &AgencySpec, agencies: &Agencies) -> Decided<'t> {
    let missing = match agencies.resolve(&object.namespace, &object.name) {
        _ if spec.local_part.is_some() || !spec.has_mailbox => Ok(None),
        Ok((_, address)) => Ok(Some(address.local_part)),
        Err(problem) => Err(Box::new(unknown(object, &problem))),
    };
    Decided { body: Body::Agency(&object.name), written: spec.local_part.iter().cloned().collect(), missing }
}

fn of_mailbox<'t>(object: &'t Object, spec: &MailboxSpec, agencies: &Agencies) -> Decided<'t> {
    let agency = agencies.resolve(&object.namespace, &spec.agency_ref.name);
    let own = object.node.find("spec.agencyRef.name").and_then(|n| n.text()).unwrap_or_default();
    let is_own = spec.holder == Holder::Agency && object.name == format!("agency-{own}");
    let missing = match agency {
        _ if spec.local_part.is_some() => Ok(None),
        Err(problem) => Err(Box::new(unknown(object, &problem))),
        Ok((_, address)) if spec.holder == Holder::Agency => Ok(Some(address.local_part)),
        Ok((_, address)) => {
            let structured = spec.structured_name.as_ref().map(|s| StructuredName {
                family: s.family.clone(),
                middle: s.middle.clone(),
                given: s.given.clone(),
            });
            naming::person_name(&spec.full_name, structured.as_ref())
                .and_then(|name| naming::person_local_part(&name, &address.suffix))
                .map(|derived| Some(derived.local_part))
                .map_err(|e| Box::new(Finding::refused(&object.file, object.node.place("spec.fullName"), e)))
        }
    };
    let body = if is_own { Body::Agency(own) } else { Body::Mailbox(&object.name) };
    let written = spec.local_part.iter().chain(&spec.aliases).cloned().collect();
    let missing = missing.and_then(|local| match local {
        Some(local) if naming::is_reserved(&local) => Err(Box::new(reserved(object, &local))),
        local => Ok(local),
    });
    Decided { body, written, missing }
}

fn reserved(object: &Object, local: &LocalPart) -> Finding {
    let message = format!("{local} is reserved for the system itself; write another address in spec.localPart");
    let vi = format!("{local} dành riêng cho hệ thống; vui lòng tự ghi địa chỉ khác vào spec.localPart.");
    let finding = Finding::error(&object.file, Code::ReservedLocalPart, message, vi);
    finding.at(object.node.place("spec.fullName")).field("spec.fullName").by("D-05")
}

/// The agency that gives the suffix is not in the tree, or has no address itself.
fn unknown(object: &Object, problem: &AgencyProblem) -> Finding {
    let (why, why_vi) = match problem {
        AgencyProblem::NotFound(name) | AgencyProblem::ParentNotFound(name) => (
            format!("the Agency '{name}' is not in these files"),
            format!("không có Agency '{name}' trong các tệp này"),
        ),
        AgencyProblem::ParentCycle => {
            ("its agencies form a circle".into(), "các cơ quan cấp trên tạo thành vòng".into())
        }
        AgencyProblem::Name(error) => (error.message.clone(), error.message_vi.clone()),
    };
    let message =
        format!("not pinned: {why}, so its address cannot be known; add the Agency, or write spec.localPart by hand");
    let vi =
        format!("chưa ghim được: {why_vi} nên chưa biết địa chỉ; vui lòng thêm Agency hoặc tự ghi spec.localPart.");
    let path = if object.kind == "Agency" { "spec.parentRef" } else { "spec.agencyRef" };
    Finding::error(&object.file, Code::NotPinnable, message, vi).at(object.node.place(path)).field(path).by("D-21")
}

fn conflict(pin: &Pin, other: &Object) -> Finding {
    let (local, line) = (&pin.local_part, other.node.place("metadata.name").line);
    let holder = format!("{} '{}' ({}:{line})", other.kind, other.name, other.file);
    let message = format!(
        "not pinned: {holder} wants {local} too; decide by rule 4.2.b and write spec.localPart in one of the two"
    );
    let vi = format!(
        "chưa ghim: {holder} cũng nhận {local}; vui lòng áp dụng Điều 4 khoản 2 điểm b và ghi spec.localPart cho một trong hai."
    );
    let path = if pin.object.kind == "Agency" { "spec.name" } else { "spec.fullName" };
    let finding = Finding::error(&pin.object.file, Code::Conflict, message, vi);
    finding.at(pin.object.node.place(path)).field(path).by("D-05")
}
