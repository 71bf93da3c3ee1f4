//! The CEL rules of a kind, evaluated by the text that stands in its CustomResourceDefinition: one place for each rule.

use kube_cel::ErrorKind;

use crate::cli::kinds::Kind;
use crate::cli::tree::Object;
use crate::cli::{Code, Finding};

use super::vietnamese;

/// Every rule that an object breaks. Rules about a change (`oldSelf`) need the object of the cluster and are left out.
/// `sound` says that the schema had nothing against it: then a rule that cannot be evaluated is told as well.
pub fn check(kind: &Kind, object: &Object, sound: bool, findings: &mut Vec<Finding>) {
    let Err(errors) = kube_cel::validate_compiled(&kind.rules, &object.node.json(), None) else { return };
    for error in errors.into_iter().filter(|e| sound || e.kind == ErrorKind::ValidationFailure) {
        let (rule, text) = split(&error.message);
        let vi = vietnamese::of(&error.message);
        findings.push(
            Finding::error(&object.file, Code::RuleBroken, text, vi)
                .at(object.node.place(&error.field_path))
                .field(error.field_path)
                .by(rule),
        );
    }
}

/// `R5.2: a basis names …` → (`R5.2`, `a basis names …`); a message that begins with a field has no rule.
fn split(message: &str) -> (&str, &str) {
    let is_rule = |word: &str| {
        let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let article = digit(word) && word.contains('.');
        article || word.strip_prefix('R').is_some_and(digit) || word.strip_prefix("D-").is_some_and(digit)
    };
    match message.split_once(": ") {
        Some((rules, text)) if rules.split(", ").all(is_rule) || rules.starts_with("RFC ") => (rules, text),
        _ => ("", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_taken_off_the_message() {
        assert_eq!(split("R4.1.c, R4.1.d: a Commune"), ("R4.1.c, R4.1.d", "a Commune"));
        assert_eq!(split("6.2.a: an absence"), ("6.2.a", "an absence"));
        assert_eq!(split("D-21: a local part"), ("D-21", "a local part"));
        assert_eq!(split("RFC 5321 4.5.3.1.1: a local part"), ("RFC 5321 4.5.3.1.1", "a local part"));
        assert_eq!(split("spec.tls: write one"), ("", "spec.tls: write one"));
    }
}
