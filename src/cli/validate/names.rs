//! The rules of names and addresses, told at the field where the name stands. The rules themselves are in `domain::naming`.

use crate::cli::agencies::Agencies;
use crate::cli::tree::{Node, Object};
use crate::cli::{Code, Finding};
use crate::domain::naming::normalise::{Alphabet, clean};
use crate::domain::naming::{self, AgencyProblem, LocalPart, NameError, StructuredName};

/// What the rules say about the names of one object.
pub fn check(object: &Object, agencies: &Agencies, findings: &mut Vec<Finding>) {
    match object.kind.as_str() {
        "Mailbox" => mailbox(object, agencies, findings),
        "Agency" => agency(object, agencies, findings),
        _ => {}
    }
}

fn text<'a>(object: &'a Object, path: &str) -> Option<&'a str> {
    object.node.find(path).and_then(Node::text)
}

fn refused(object: &Object, error: NameError) -> Finding {
    Finding::refused(&object.file, object.node.place(&error.path), error)
}

fn mailbox(object: &Object, agencies: &Agencies, findings: &mut Vec<Finding>) {
    let pinned = text(object, "spec.localPart");
    if let Some(pinned) = pinned {
        local_part(object, pinned, "spec.localPart", findings);
    }
    let aliases = object.node.find("spec.aliases").and_then(Node::items).unwrap_or_default();
    for (i, alias) in aliases.iter().enumerate().filter_map(|(i, a)| a.text().map(|a| (i, a))) {
        local_part(object, alias, &format!("spec.aliases[{i}]"), findings);
    }
    let Some(full_name) = text(object, "spec.fullName").filter(|_| text(object, "spec.holder") != Some("Agency"))
    else {
        return;
    };
    let part = |key: &str| text(object, &format!("spec.structuredName.{key}")).map(String::from);
    let structured = part("family").zip(part("given"));
    let structured = structured.map(|(family, given)| StructuredName { family, middle: part("middle"), given });
    let name = match naming::person_name(full_name, structured.as_ref()) {
        Ok(name) => name,
        Err(error) => return findings.push(refused(object, error)),
    };
    for warning in name.warnings() {
        findings.push(Finding::warned(&object.file, object.node.place(&warning.path), warning.clone()));
    }
    let agency = text(object, "spec.agencyRef.name").unwrap_or_default();
    if pinned.is_none()
        && let Ok((_, address)) = agencies.resolve(&object.namespace, agency)
    {
        let derived = match text(object, "spec.disambiguator") {
            Some(more) => naming::with_disambiguator(&name, &address.suffix, more),
            None => naming::person_local_part(&name, &address.suffix),
        };
        findings.extend(derived.err().map(|error| refused(object, error)));
    }
}

fn agency(object: &Object, agencies: &Agencies, findings: &mut Vec<Finding>) {
    // What the schema refuses has no address to look at, but its name can still be read.
    let resolved =
        agencies.find(&object.namespace, &object.name).map(|a| (a, agencies.resolve(&object.namespace, &object.name)));
    match resolved {
        Some((agency, Ok((_, address)))) => {
            for warning in address.warnings {
                findings.push(Finding::warned(&object.file, object.node.place(&warning.path), warning));
            }
            let path = if agency.spec.local_part.is_some() { "spec.localPart" } else { "spec.name" };
            if agency.spec.has_mailbox {
                reserved(object, &address.local_part, path, findings);
            }
        }
        Some((_, Err(AgencyProblem::ParentCycle))) => findings.push(circle(object)),
        Some((agency, Err(AgencyProblem::Name(error)))) => {
            let parent = agency.spec.parent_ref.as_ref().map(|p| agencies.resolve(&object.namespace, &p.name));
            let own = parent.is_none_or(|parent| parent.is_ok());
            // A parent that is missing is told by the rule of the kind.
            findings.extend((own && error.code != "ParentRequired").then(|| refused(object, *error)));
        }
        Some((_, Err(AgencyProblem::NotFound(_) | AgencyProblem::ParentNotFound(_)))) | None => {
            let name = text(object, "spec.name").unwrap_or_default();
            findings.extend(clean(name, "spec.name", Alphabet::Agency).err().map(|e| refused(object, e)));
        }
    }
}

fn local_part(object: &Object, written: &str, path: &str, findings: &mut Vec<Finding>) {
    match LocalPart::parse(written, path) {
        Ok(local) => reserved(object, &local, path, findings),
        Err(error) => findings.push(refused(object, error)),
    }
}

fn reserved(object: &Object, local: &LocalPart, path: &str, findings: &mut Vec<Finding>) {
    findings.extend(naming::refuse_reserved(local, path).err().map(|error| refused(object, error)));
}

fn circle(object: &Object) -> Finding {
    let message =
        "the parents form a circle or are nested too deep; a unit's parent is a department, a commune or a district";
    let vi = "các cơ quan cấp trên tạo thành vòng hoặc quá nhiều cấp; cấp trên của đơn vị là sở, xã hoặc huyện.";
    let path = "spec.parentRef.name";
    Finding::error(&object.file, Code::ParentCycle, message, vi).at(object.node.place(path)).field(path).by("R4.1.d")
}
