//! Who of a tree asks for an address: its Mailboxes, and the own mailboxes of its Agencies. And what is refused before anybody
//! asks.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::api::{ACKNOWLEDGE_SUPERSEDES, AgencySpec, Mailbox, MailboxSpec, own_mailbox_name};
use crate::cli::agencies::spec;
use crate::cli::tree::{Node, Object, Tree};
use crate::cli::{Code, Finding, Severity};

/// Somebody who has an address or asks for one.
#[derive(Debug)]
pub struct Subject {
    /// As the operator sees it.
    pub mailbox: Mailbox,
    /// Whether the address stands in the file, of the Mailbox or of the Agency.
    pub pinned: bool,
}

impl Subject {
    /// What stands in it.
    pub fn spec(&self) -> &MailboxSpec {
        &self.mailbox.spec
    }
}

/// What was found about each object of the tree, by its place there, and about files.
#[derive(Debug)]
pub struct Found {
    /// By object.
    pub of_objects: Vec<Vec<Finding>>,
    /// About no object.
    pub of_files: Vec<Finding>,
    /// What of an object the API server itself refuses; the rest is refused by the operator.
    schema: HashSet<&'static str>,
}

impl Found {
    /// Gives each finding to the object that it speaks of.
    pub fn of(tree: &Tree, findings: Vec<Finding>) -> Self {
        let place = |f: &Finding| (f.file.clone(), f.line, f.column, f.code);
        let of_files: HashSet<_> =
            tree.findings.iter().filter(|f| f.code != Code::DuplicateKey.as_str()).map(place).collect();
        let mut starts: BTreeMap<(&str, usize, usize), usize> = BTreeMap::new();
        for (index, object) in tree.objects.iter().enumerate() {
            starts.insert((&object.file, object.node.at.line, object.node.at.column), index);
        }
        let by_operator = [Code::Conflict, Code::ReservedLocalPart, Code::ParentCycle];
        let schema = Code::ALL.iter().filter(|(code, _)| !by_operator.contains(code)).map(|(code, _)| code.as_str());
        let mut found =
            Self { of_objects: vec![Vec::new(); tree.objects.len()], of_files: Vec::new(), schema: schema.collect() };
        for finding in findings {
            let before = starts.range(..=(finding.file.as_str(), finding.line, finding.column)).next_back();
            match before.filter(|((file, ..), _)| *file == finding.file && !of_files.contains(&place(&finding))) {
                Some((_, index)) => found.of_objects[*index].push(finding),
                None => found.of_files.push(finding),
            }
        }
        found
    }

    /// Whether a rule refuses the object. Who gets a disputed address is decided later.
    pub fn refuses(&self, index: usize) -> bool {
        let wrong = |f: &Finding| f.severity == Severity::Error && f.code != Code::Conflict.as_str();
        self.of_objects[index].iter().any(wrong)
    }

    /// Whether it never comes into the cluster.
    pub fn is_lost(&self, index: usize) -> bool {
        self.of_objects[index].iter().any(|f| f.severity == Severity::Error && self.schema.contains(f.code))
    }
}

/// Namespaces of a tree, each on its own; an empty one is decided elsewhere.
pub fn namespaces(tree: &Tree) -> Vec<String> {
    groups(tree).into_keys().collect()
}

/// Objects by namespace. What has none goes with the only one that there is.
pub fn groups(tree: &Tree) -> BTreeMap<String, Vec<usize>> {
    let named: BTreeSet<&str> =
        tree.objects.iter().map(|o| o.namespace.as_str()).filter(|name| !name.is_empty()).collect();
    let only = if named.len() == 1 { named.first().copied().unwrap_or_default() } else { "" };
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, object) in tree.objects.iter().enumerate() {
        let namespace = if object.namespace.is_empty() { only } else { &object.namespace };
        groups.entry(namespace.into()).or_default().push(index);
    }
    groups
}

/// Everybody of a group who asks, by the name of the Mailbox.
pub fn subjects(tree: &Tree, group: &[usize], found: &Found) -> BTreeMap<String, Subject> {
    let mut all: BTreeMap<String, Subject> = BTreeMap::new();
    let sound = || group.iter().filter(|index| !found.refuses(**index)).map(|index| &tree.objects[*index]);
    for object in sound().filter(|o| o.kind == "Mailbox") {
        let Some(spec) = spec::<MailboxSpec>(object) else { continue };
        let pinned = spec.local_part.is_some();
        all.entry(object.name.clone()).or_insert(Subject { mailbox: mailbox(object, spec), pinned });
    }
    for object in sound().filter(|o| o.kind == "Agency") {
        let Some(agency) = spec::<AgencySpec>(object).filter(|agency| agency.has_mailbox) else { continue };
        let (id, own) = (own_mailbox_name(&object.name), agency.own_mailbox(&object.name));
        match all.get_mut(&id) {
            // What stands in a file beside what the operator writes stays.
            Some(subject) => {
                let spec = &mut subject.mailbox.spec;
                (spec.agency_ref, spec.holder, spec.full_name) = (own.agency_ref, own.holder, own.full_name);
                (spec.rename, spec.supersedes, spec.basis) = (own.rename, own.supersedes, own.basis);
                subject.pinned |= agency.local_part.is_some();
            }
            None => {
                let pinned = agency.local_part.is_some();
                all.insert(id.clone(), Subject { mailbox: Mailbox::new(&id, own), pinned });
            }
        }
    }
    all
}

fn mailbox(object: &Object, spec: MailboxSpec) -> Mailbox {
    let mut mailbox = Mailbox::new(&object.name, spec);
    let said =
        object.node.find("metadata.annotations").and_then(|a| a.get(ACKNOWLEDGE_SUPERSEDES)).and_then(Node::text);
    if let Some(said) = said {
        mailbox.metadata.annotations = Some([(ACKNOWLEDGE_SUPERSEDES.to_string(), said.to_string())].into());
    }
    mailbox
}
