//! Which documents are objects of ours: those of our group, out of lists too. Other groups, Kustomization and Flux files and
//! what is no object at all are none of our business.

use crate::api::{GROUP, VERSION};
use crate::cli::{Code, Finding, kinds};

use super::node::Node;
use super::yaml::Document;

/// An object of our group, whatever its kind.
#[derive(Clone, Debug)]
pub struct Object {
    /// File, as it was named.
    pub file: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`, empty where a Kustomization or the command line decides it.
    pub namespace: String,
    /// `metadata.name`, empty where it is missing.
    pub name: String,
    /// The whole object.
    pub node: Node,
    /// Whether it stands in a list.
    pub in_list: bool,
}

/// Lists in lists are refused by the API server, too; one level is enough.
const LIST_DEPTH: usize = 2;

/// Takes a document apart. Keys that stand twice are told only where something of ours was found.
pub fn objects(file: &str, document: Document, found: &mut Vec<Object>, findings: &mut Vec<Finding>) {
    let before = (found.len(), findings.len());
    take(file, document.root, found, findings, 0);
    if before != (found.len(), findings.len()) {
        findings.extend(document.duplicates);
    }
}

fn take(file: &str, node: Node, found: &mut Vec<Object>, findings: &mut Vec<Finding>, depth: usize) {
    let text = |path: &str| node.find(path).and_then(Node::text).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let group = version.split_once('/').map_or("", |(group, _)| group);
    if kind.ends_with("List") && (version == "v1" || group == GROUP) && depth < LIST_DEPTH {
        let items = node.get("items").and_then(Node::items).unwrap_or_default();
        items.iter().for_each(|item| take(file, item.clone(), found, findings, depth + 1));
        return;
    }
    if group != GROUP || version != format!("{GROUP}/{VERSION}") {
        if group == GROUP || (kinds::find(kind).is_some() && is_slip(&node, group)) {
            findings.push(unknown_version(file, &node, version));
        }
        return;
    }
    let (kind, name, namespace) = (kind.to_string(), text("metadata.name").into(), text("metadata.namespace").into());
    found.push(Object { file: file.into(), kind, namespace, name, node, in_list: depth > 0 });
}

/// Whether one of our kinds has no group or one that looks like ours.
fn is_slip(node: &Node, group: &str) -> bool {
    node.get("spec").is_some() && (group.is_empty() || strsim::levenshtein(group, GROUP) <= 4)
}

fn unknown_version(file: &str, node: &Node, version: &str) -> Finding {
    let message = format!("apiVersion is '{version}'; write {GROUP}/{VERSION}");
    let vi = format!("apiVersion là '{version}'; vui lòng ghi {GROUP}/{VERSION}.");
    Finding::error(file, Code::UnknownVersion, message, vi).at(node.place("apiVersion")).field("apiVersion")
}
