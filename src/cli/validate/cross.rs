//! What only the tree as a whole can tell: objects that stand twice, references to what is not there, one address for two.

use std::collections::HashMap;

use crate::cli::agencies::same_namespace;
use crate::cli::tree::{At, Node, Object, Tree};
use crate::cli::{Code, Finding};
use crate::domain::successor::{Heir, Nobody, follow};

use super::schema::did_you_mean;
use super::{Options, life};

/// Field, the kind it names, and the rule that wants it.
type Reference = (&'static str, &'static str, &'static str);

/// The references of a kind.
fn references(kind: &str) -> &'static [Reference] {
    match kind {
        "Mailbox" => &[
            ("spec.agencyRef.name", "Agency", "R1"),
            ("spec.quotaPolicyRef.name", "QuotaPolicy", "R7.3.a"),
            ("spec.successorRef.name", "Mailbox", "R5.4.c"),
        ],
        "Agency" => &[
            ("spec.systemRef.name", "MailSystem", ""),
            ("spec.parentRef.name", "Agency", "R4.1.d"),
            ("spec.quotaPolicyRef.name", "QuotaPolicy", "R7.3.a"),
        ],
        "QuotaPolicy" => &[("spec.systemRef.name", "MailSystem", ""), ("spec.selector.agencies", "Agency", "R7.3.a")],
        "MailSystem" => &[
            ("spec.postmasterRef.name", "Mailbox", ""),
            ("spec.regulation.workCalendarRef.name", "WorkCalendar", "D-09"),
        ],
        _ => &[],
    }
}

/// Everything that is wrong between the objects of a tree.
pub fn check(tree: &Tree, options: &Options, findings: &mut Vec<Finding>) {
    duplicates(tree, findings);
    addresses(tree, findings);
    successors(tree, options, findings);
    let mut names: HashMap<&str, HashMap<&str, Vec<&str>>> = HashMap::new();
    for object in &tree.objects {
        names.entry(&object.kind).or_default().entry(&object.name).or_default().push(&object.namespace);
    }
    for object in &tree.objects {
        for &(path, kind, rule) in references(&object.kind) {
            for (path, at, name) in named(object, path) {
                // A tree without MailSystem is usual: it stands in another one.
                let no_system = kind == "MailSystem" && !names.contains_key(kind);
                let own_mailbox = kind == "Mailbox" && name.starts_with("agency-");
                let there = names.get(kind).and_then(|n| n.get(name));
                let there = there.is_some_and(|n| n.iter().any(|n| same_namespace(n, &object.namespace)));
                if there || no_system || own_mailbox || options.allows(kind, name) {
                    continue;
                }
                let known = names.get(kind).into_iter().flat_map(|n| n.keys().copied());
                findings.push(missing(object, (&path, at), (kind, name), did_you_mean(name, known)).by(rule));
            }
        }
    }
}

/// The names at a path, with their fields and places.
fn named<'a>(object: &'a Object, path: &str) -> Vec<(String, At, &'a str)> {
    let Some(node) = object.node.find(path) else { return Vec::new() };
    match node.items() {
        Some(items) => {
            let names = items.iter().enumerate().filter_map(|(i, item)| item.text().map(|name| (i, item.at, name)));
            names.map(|(i, at, name)| (format!("{path}[{i}]"), at, name)).collect()
        }
        None => node.text().map(|name| (path.to_string(), node.at, name)).into_iter().collect(),
    }
}

fn missing(object: &Object, (path, at): (&str, At), (kind, name): (&str, &str), hint: (String, String)) -> Finding {
    let message = format!(
        "{path}: no {kind} '{name}' stands in these files{}; add it, or if the cluster has it: --allow-missing {kind}/{name}",
        hint.0
    );
    let vi = format!(
        "{path}: không có {kind} '{name}' trong các tệp này{}; vui lòng bổ sung, hoặc nếu đã có trên cụm thì thêm --allow-missing {kind}/{name}",
        hint.1
    );
    Finding::error(&object.file, Code::ReferenceNotFound, message, vi).at(at).field(path).as_warning()
}

fn duplicates(tree: &Tree, findings: &mut Vec<Finding>) {
    let mut first: HashMap<(&str, &str, &str), &Object> = HashMap::new();
    for object in tree.objects.iter().filter(|o| !o.name.is_empty()) {
        let key = (object.kind.as_str(), object.namespace.as_str(), object.name.as_str());
        if let Some(other) = first.get(&key) {
            let (kind, name, place) = (&object.kind, &object.name, at(other));
            let message =
                format!("{kind} '{name}' stands already in {place}; remove one, or give one another metadata.name");
            let vi = format!("{kind} '{name}' đã có ở {place}; vui lòng bỏ một, hoặc đặt metadata.name khác.");
            let finding = Finding::error(&object.file, Code::DuplicateObject, message, vi);
            findings.push(finding.at(object.node.place("metadata.name")).field("metadata.name"));
        } else {
            first.insert(key, object);
        }
    }
}

fn at(object: &Object) -> String {
    format!("{}:{}", object.file, object.node.place("metadata.name").line)
}

/// R5.4.c: successors who lead back to where they began. Who are in office may stand in for each other; mail goes to nobody once all
/// of them are revoked. A warning, also then: who left is no reason to refuse a tree.
fn successors(tree: &Tree, options: &Options, findings: &mut Vec<Finding>) {
    let mut mailboxes: HashMap<&str, Vec<&Object>> = HashMap::new();
    for object in tree.objects.iter().filter(|object| object.kind == "Mailbox") {
        mailboxes.entry(&object.name).or_default().push(object);
    }
    for object in tree.objects.iter().filter(|object| object.kind == "Mailbox") {
        let find = |name: &str| {
            let named = mailboxes.get(name)?.iter().copied();
            named.into_iter().find(|other| same_namespace(&other.namespace, &object.namespace))
        };
        let heir = |name: &str| find(name).map(|o| Heir { address: None, revoked: true, successor: next(o) });
        let Some(first) = next(object) else { continue };
        let Err(Nobody::Circle(names)) = follow(&object.name, &first, heir) else { continue };
        // Who only leads into a circle is not in it, and who names itself is refused by the rule of the kind.
        if names.last() != names.first() || first == object.name {
            continue;
        }
        let members: Vec<&Object> = names[1..].iter().filter_map(|name| find(name)).collect();
        findings.push(circle(object, &names, &members, options));
    }
}

fn next(mailbox: &Object) -> Option<String> {
    mailbox.node.find("spec.successorRef.name").and_then(Node::text).map(String::from)
}

fn circle(object: &Object, names: &[String], members: &[&Object], options: &Options) -> Finding {
    let path = "spec.successorRef.name";
    let others = members.iter().filter(|other| other.name != object.name);
    let places: Vec<String> = others.map(|other| format!("{}:{}", other.file, other.node.place(path).line)).collect();
    let (chain, places) = (names.join(" → "), places.join(", "));
    let over = members.iter().all(|member| life::is_over(member, options.today));
    let (then, then_vi) = if over {
        ("all of them are revoked, so their mail is refused", "tất cả đều đã thu hồi nên thư gửi đến bị từ chối")
    } else {
        (
            "once all of them are revoked, their mail is refused",
            "khi tất cả đều bị thu hồi thì thư gửi đến sẽ bị từ chối",
        )
    };
    let message = format!(
        "{path}: the successors {chain} lead in a circle (see {places}); {then}: name somebody outside of it in one of these files"
    );
    let vi = format!(
        "{path}: chuỗi người kế nhiệm {chain} tạo thành vòng (xem {places}); {then_vi}: vui lòng ghi người ngoài vòng vào một trong các tệp này."
    );
    let finding = Finding::error(&object.file, Code::SuccessorCircle, message, vi).at(object.node.place(path));
    finding.field(path).by("R5.4.c").as_warning()
}

/// D-05, D-21: written addresses of the tree, pinned ones and aliases, each with one holder.
fn addresses(tree: &Tree, findings: &mut Vec<Finding>) {
    let mut holders: HashMap<&str, Vec<(&Object, String)>> = HashMap::new();
    for object in tree.objects.iter().filter(|o| o.kind == "Mailbox" || o.kind == "Agency") {
        for path in ["spec.localPart", "spec.aliases"] {
            for (path, at, local) in named(object, path) {
                let before = holders.entry(local).or_default();
                let other = before.iter().find(|(other, _)| {
                    same_namespace(&other.namespace, &object.namespace) && !same_body(other, object)
                });
                if let Some((other, _)) = other {
                    findings.push(taken(object, local, other).at(at).field(path.as_str()));
                }
                before.push((object, path));
            }
        }
    }
}

/// One object, or an agency and its own mailbox.
fn same_body(a: &Object, b: &Object) -> bool {
    let same = std::ptr::eq(a, b) || (a.kind == b.kind && a.namespace == b.namespace && a.name == b.name);
    let own = |agency: &Object, mailbox: &Object| {
        agency.kind == "Agency"
            && mailbox.node.find("spec.holder").and_then(Node::text) == Some("Agency")
            && mailbox.node.find("spec.agencyRef.name").and_then(Node::text) == Some(&agency.name)
    };
    same || own(a, b) || own(b, a)
}

fn taken(object: &Object, local: &str, other: &Object) -> Finding {
    let holder = format!("{} '{}' ({})", other.kind, other.name, at(other));
    let message = format!("{local} is written for {holder} too; an address has one holder: change one of the two");
    let vi = format!("{local} cũng được ghi cho {holder}; mỗi địa chỉ chỉ có một chủ: vui lòng sửa một trong hai.");
    Finding::error(&object.file, Code::Conflict, message, vi).by("D-05")
}
