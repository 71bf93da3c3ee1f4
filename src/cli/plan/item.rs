//! What is decided of an object of the tree, as it is told.

use std::collections::{BTreeMap, HashSet};

use k8s_openapi::jiff::Timestamp;

use super::decide::Group;
use super::standing::Decided;
use super::subjects::{Found, Subject};
use super::words::{self, Told};
use super::{Item, Outcome};
use crate::api::{AddressUse, own_mailbox_name};
use crate::cli::tree::{Node, Object};
use crate::cli::{Code, Severity};
use crate::domain::naming;
use crate::domain::naming::normalise::{Alphabet, clean};

impl Group<'_> {
    /// What is said of one object of the tree; nothing of one that has no address and nothing wrong.
    pub(super) fn item(
        &self,
        object: &Object,
        index: usize,
        found: &Found,
        decided: &BTreeMap<String, Decided>,
    ) -> Option<Item> {
        let id = if object.kind == "Agency" { own_mailbox_name(&object.name) } else { object.name.clone() };
        let told = |severity| {
            let of = found.of_objects[index].iter().filter(move |f| f.severity == severity);
            of.map(Told::from).collect::<Vec<_>>()
        };
        let mut item = Item {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            file: object.file.clone(),
            line: object.node.at.line,
            outcome: Outcome::Rejected,
            address: None,
            former_address: None,
            aliases: Vec::new(),
            pinned: object.node.find("spec.localPart").is_some(),
            locked: object.kind == "Mailbox" && object.node.find("spec.lock").is_some_and(|lock| !lock.is_null()),
            no_address: None,
            ended: None,
            stored_name: stored_name(object),
            derivation: Vec::new(),
            warnings: told(Severity::Warning),
            errors: told(Severity::Error),
            index,
            granted: None,
        };
        let known = ["Mailbox", "Agency"].contains(&object.kind.as_str());
        if found.refuses(index) || !known {
            return (known || !item.errors.is_empty()).then_some(item);
        }
        match (decided.get(&id), self.subjects.get(&id)) {
            (Some(decided), Some(subject)) => self.tell(&mut item, &id, subject, decided),
            _ => self.without_mailbox(&mut item, object),
        }
        Some(item)
    }

    fn tell(&self, item: &mut Item, id: &str, subject: &Subject, decided: &Decided) {
        let disputed = |told: &Told| told.code == Code::Conflict.as_str();
        if decided.outcome == Outcome::Conflict {
            item.errors.retain(|told| !disputed(told));
        }
        (item.outcome, item.pinned) = (decided.outcome, subject.pinned);
        item.ended = subject.mailbox.spec.ended(Timestamp::now()).map(|cause| cause.as_str());
        item.address = decided.local.as_ref().map(|local| local.address(&self.domain));
        item.former_address = decided.former.as_ref().map(|local| format!("{local}@{}", self.domain));
        item.derivation = decided.steps.clone();
        item.no_address.clone_from(&decided.nothing);
        item.warnings.extend(decided.warnings.iter().cloned());
        item.granted = decided.local.clone().filter(|_| decided.errors.is_empty());
        if decided.local.is_some() {
            // Of an account that is there the plan tells the end itself.
            item.warnings.retain(|told| told.code != Code::EndedBefore.as_str());
            let in_dispute: HashSet<String> =
                item.errors.iter().filter(|t| disputed(t)).map(|t| t.path.clone()).collect();
            self.aliases(item, id, subject, &in_dispute);
        }
        item.errors.extend(decided.errors.iter().cloned());
    }

    /// Further addresses: those of the file, and former ones while mail to them arrives.
    fn aliases(&self, item: &mut Item, id: &str, subject: &Subject, in_dispute: &HashSet<String>) {
        let mut all: Vec<String> = item.former_address.iter().cloned().collect();
        for (i, alias) in subject.spec().aliases.iter().enumerate() {
            let (path, address) = (format!("spec.aliases[{i}]"), format!("{alias}@{}", self.domain));
            let held = self.claims.held.get(alias.as_str()).filter(|held| !held.is_of(id));
            let superseded = held.is_some_and(|held| {
                held.address_use == naming::Use::Tombstone
                    && subject.spec().supersedes.contains(alias)
                    && subject.mailbox.supersedes_acknowledged()
            });
            match held.filter(|_| !superseded) {
                Some(held) => item.errors.push(words::alias_taken(&path, &address, &held.name)),
                None if in_dispute.contains(&path) => {}
                None => all.push(address),
            }
        }
        let now = Timestamp::now();
        for claim in self.claims.aliases.get(id).into_iter().flatten() {
            if claim.spec.address_use == AddressUse::Alias
                && claim.spec.until.as_ref().is_some_and(|until| now < until.0)
            {
                all.extend(claim.metadata.name.as_ref().map(|local| format!("{local}@{}", self.domain)));
            }
        }
        all.retain(|address| Some(address) != item.address.as_ref());
        all.sort();
        all.dedup();
        item.aliases = all;
    }

    /// An Agency that has no mailbox needs no address, but its people need its suffix.
    fn without_mailbox(&self, item: &mut Item, object: &Object) {
        match self.agencies.resolve(self.namespace, &object.name) {
            Ok((_, address)) => (item.outcome, item.derivation) = (Outcome::Issued, address.steps),
            Err(problem) => {
                let refused = self.no_agency(&problem);
                item.outcome = refused.outcome;
                item.errors.extend(refused.errors);
            }
        }
    }
}

/// The name as it stands in the directory, if the rules take it.
fn stored_name(object: &Object) -> Option<String> {
    let text = |path: &str| object.node.find(path).and_then(Node::text);
    let body = object.kind == "Agency" || text("spec.holder") == Some("Agency");
    let alphabet = if body { Alphabet::Agency } else { Alphabet::Person };
    let name = text(if object.kind == "Agency" { "spec.name" } else { "spec.fullName" })?;
    clean(name, "", alphabet).ok().map(|cleaned| cleaned.text)
}
