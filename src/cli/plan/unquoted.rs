//! Words without quotes that YAML 1.1 takes for a boolean (`issuer: Y`, `number: no`). kubectl does so and the API server refuses what it
//! sends, so `validate` has an error; Flux applies them as text, so the object comes into the cluster and a plan goes on with it.

use std::collections::HashSet;

use crate::cli::tree::{At, Node, Scalar, ScalarKind, Tree, Value};
use crate::cli::validate::{self, Options};
use crate::cli::{Code, Finding};

use super::{Item, Told};

/// What is found in the tree once such words are text in it: a rule of the kind may refuse the very word (`fullName: no`). That a word is
/// to be quoted is a warning here; [`tell`] makes it an error again, when everybody is decided. Apart: those errors of kinds that have no
/// address, of which a plan does not speak else.
pub fn taken(tree: &mut Tree, findings: Vec<Finding>, options: &Options) -> (Vec<Finding>, Vec<Finding>) {
    let places: HashSet<_> = findings.iter().filter(|f| f.code == Code::UnquotedWord.as_str()).map(place).collect();
    if places.is_empty() {
        return (findings, Vec::new());
    }
    let (mut quoted, mut others) = (HashSet::new(), HashSet::new());
    for object in &mut tree.objects {
        let file = object.file.clone();
        let asked = |at: At| Some((file.clone(), at.line, at.column)).filter(|place| places.contains(place));
        let mut here = HashSet::new();
        quote(&mut object.node, &asked, &mut here);
        if !here.is_empty() {
            if ["Mailbox", "Agency"].contains(&object.kind.as_str()) { &mut quoted } else { &mut others }.extend(here);
            let text = |path: &str| object.node.find(path).and_then(Node::text).map(String::from);
            object.name = text("metadata.name").unwrap_or_default();
            object.namespace = text("metadata.namespace").unwrap_or_else(|| object.namespace.clone());
        }
    }
    let words = findings.into_iter().filter(|f| f.code == Code::UnquotedWord.as_str());
    let (words, others): (Vec<_>, Vec<_>) = words
        .filter(|f| quoted.contains(&place(f)) || others.contains(&place(f)))
        .partition(|f| quoted.contains(&place(f)));
    let mut all = validate::check(tree, options);
    all.extend(words.into_iter().map(Finding::as_warning));
    (all, others)
}

/// Whether a word is to be quoted.
pub fn is_word(told: &Told) -> bool {
    told.code == Code::UnquotedWord.as_str()
}

/// Says of an object whose words were taken as text that they are to be quoted all the same.
pub fn tell(item: &mut Item) {
    let (words, others) = std::mem::take(&mut item.warnings).into_iter().partition::<Vec<_>, _>(is_word);
    item.warnings = others;
    item.errors.extend(words);
}

/// File, line and column.
type Place = (String, usize, usize);

fn place(finding: &Finding) -> Place {
    (finding.file.clone(), finding.line, finding.column)
}

/// Makes the words of some places text and notes where it did. `true` and `false` are booleans for everybody.
fn quote(node: &mut Node, asked: &impl Fn(At) -> Option<Place>, quoted: &mut HashSet<Place>) {
    let at = node.at;
    match &mut node.value {
        Value::Map(map) => map.entries.iter_mut().for_each(|entry| quote(&mut entry.value, asked, quoted)),
        Value::Seq(items) => items.iter_mut().for_each(|item| quote(item, asked, quoted)),
        Value::Scalar(scalar) if is_text_for_flux(scalar) => {
            if let Some(place) = asked(at) {
                (scalar.kind, scalar.plain) = (ScalarKind::Text, false);
                quoted.insert(place);
            }
        }
        Value::Scalar(_) => {}
    }
}

fn is_text_for_flux(scalar: &Scalar) -> bool {
    let word = scalar.text.to_ascii_lowercase();
    matches!(word.as_str(), "y" | "yes" | "n" | "no" | "on" | "off")
}
