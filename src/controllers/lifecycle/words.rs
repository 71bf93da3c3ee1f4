//! What the MailSystem says of what the brake holds: one line that tells who, why, how to undo and how to confirm. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{ACKNOWLEDGE, NAMED};
use crate::api::{HeldStatus, MailSystem};
use crate::controllers::journal::author;
use crate::domain::journal::Event;
use crate::domain::lifecycle::Cause;

/// Letters of all names together: with more of them the command at the end would not fit an event.
const LETTERS: usize = 190;

/// Whether a person said this word: in the spec with a document, or as an annotation. An old one in the one place hides no new one
/// in the other: what Git keeps in the spec does not go away by itself.
pub(super) fn is_said(system: &MailSystem, token: &str) -> bool {
    let spec = system.spec.acknowledge.as_ref().map(|acknowledge| acknowledge.held.as_str());
    spec == Some(token) || system.annotations().get(ACKNOWLEDGE).is_some_and(|said| said == token)
}

/// The entry of the journal for a word (R5.2): who said it, by which document, and what it released.
pub(super) fn entry(system: &MailSystem, token: &str, held: &HeldStatus, now: Timestamp) -> Event {
    let spec = system.spec.acknowledge.as_ref().filter(|acknowledge| acknowledge.held == token);
    let without = if spec.is_none() { "; no document is named (R5.2)" } else { "" };
    Event {
        key: format!("{}/Acknowledge/{token}", system.uid().unwrap_or_default()),
        at: now,
        actor: author(system),
        action: "Acknowledge".into(),
        rule: "D-15".into(),
        document: spec.map(|acknowledge| acknowledge.basis.cited()),
        note: format!("released {token}: {}{without}", who(held)),
        ..Event::default()
    }
}

/// The line. It ends with the command that confirms exactly this, so that it can be copied to the end.
pub(in crate::controllers) fn line(held: &HeldStatus, namespace: &str, system: &str) -> String {
    let count = match held.count {
        1 => "1 action is".to_string(),
        more => format!("{more} actions are"),
    };
    format!(
        "D-15: {count} held, more came at once than pass by themselves: {}. None of them is touched: logins and mail go on. To undo: {}. To \
         confirm by a document (R5.2): kubectl mail acknowledge {token} -n {namespace} --number … --date … --issuer …. To confirm without one, \
         which the journal says: kubectl -n {namespace} annotate --overwrite msys {system} {ACKNOWLEDGE}={token}",
        who(held),
        undo(held),
        token = held.token
    )
}

/// What would be done to whom, and why: `Revoke (Deleted, D-14): nv-1, nv-2, …`.
fn who(held: &HeldStatus) -> String {
    let mut groups: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    for action in &held.actions {
        let group = (action.action.as_str(), action.reason.as_str(), action.rule.as_str());
        groups.entry(group).or_default().insert(&action.mailbox);
    }
    let (mut text, mut names, mut letters) = (String::new(), 0, 0);
    for ((action, reason, rule), mailboxes) in &groups {
        let separator = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{separator}{action} ({reason}, {rule}):");
        let mut named = Vec::new();
        for mailbox in mailboxes {
            if names == NAMED || letters + mailbox.len() > LETTERS {
                named.push("…");
                break;
            }
            (names, letters) = (names + 1, letters + mailbox.len());
            named.push(mailbox);
        }
        let _ = write!(text, " {}", named.join(", "));
    }
    let listed = held.actions.len();
    if usize::try_from(held.count).is_ok_and(|count| count > listed) && !text.ends_with('…') {
        text.push_str(", …");
    }
    text
}

fn undo(held: &HeldStatus) -> &'static str {
    let deleted = |reason: &str| reason == Cause::Deleted.as_str();
    let any = held.actions.iter().any(|action| deleted(&action.reason));
    let all = held.actions.iter().all(|action| deleted(&action.reason));
    match (any, all) {
        (true, true) => "put the deleted Mailboxes back (git revert of the commit that took them out)",
        (true, false) => {
            "put the deleted Mailboxes back (git revert of the commit that took them out), and mend the dates or terms of the others"
        }
        _ => "mend what made it due: dates in the files, terms in spec.regulation",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::HeldAction;
    use crate::domain::events::NOTE;

    fn held(actions: &[(&str, &str, &str)]) -> HeldStatus {
        let action = |(mailbox, action, reason): &(&str, &str, &str)| HeldAction {
            mailbox: (*mailbox).into(),
            action: (*action).into(),
            reason: (*reason).into(),
            rule: if *reason == "Deleted" { "D-14" } else { "6.2.d" }.into(),
        };
        let actions: Vec<_> = actions.iter().map(action).collect();
        HeldStatus { count: i64::try_from(actions.len()).expect("few"), token: "2-0123abcd".into(), actions }
    }

    #[test]
    fn d_15_the_line_names_who_why_how_to_undo_and_ends_with_what_confirms() {
        let deleted =
            line(&held(&[("nv-2", "Revoke", "Deleted"), ("nv-1", "Revoke", "Deleted")]), "thu-cong-vu", "gialai");
        assert_eq!(
            deleted,
            "D-15: 2 actions are held, more came at once than pass by themselves: Revoke (Deleted, D-14): nv-1, nv-2. None of \
             them is touched: logins and mail go on. To undo: put the deleted Mailboxes back (git revert of the commit that took them out). \
             To confirm by a document (R5.2): kubectl mail acknowledge 2-0123abcd -n thu-cong-vu --number … --date … --issuer …. \
             To confirm without one, which the journal says: kubectl -n thu-cong-vu annotate --overwrite msys gialai mail.gialai.gov.vn/acknowledge-held=2-0123abcd"
        );
        let clocks = line(&held(&[("nv-1", "Lock", "DefaultPassword")]), "thu-cong-vu", "gialai");
        assert!(clocks.contains("1 action is held") && clocks.contains("spec.regulation"), "{clocks}");
        assert!(!clocks.contains("git revert"), "{clocks}");
        let both = line(&held(&[("a", "Lock", "DefaultPassword"), ("b", "Revoke", "Deleted")]), "n", "s");
        assert!(both.contains("Lock (DefaultPassword, 6.2.d): a; Revoke (Deleted, D-14): b."), "{both}");
        assert!(both.contains("git revert") && both.contains("terms of the others"), "{both}");
    }

    #[test]
    fn d_15_the_command_fits_an_event_whatever_the_names_are() {
        let names: Vec<String> = (0..100).map(|i| format!("{i:0>63}")).collect();
        for reasons in [&["Deleted"][..], &["Deleted", "Inactive", "DefaultPassword", "EndsOn", "RetentionOver"]] {
            let all: Vec<_> =
                names.iter().zip(reasons.iter().cycle()).map(|(n, why)| (n.as_str(), "Revoke", *why)).collect();
            let line = line(&HeldStatus { count: 20_000, ..held(&all) }, &"n".repeat(63), &"s".repeat(40));
            assert!(line.len() <= NOTE, "{}: {line}", line.len());
            assert!(line.contains("…. None") && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn d_15_an_old_word_in_the_one_place_hides_no_new_one_in_the_other() {
        let spec = "{domain: x.vn, hostname: m.x.vn, dovecot: {storage: {size: 1Gi}}, \
            acknowledge: {held: 1-old, basis: {number: 1/x, date: '2026-01-01', issuer: x}}}";
        let mut system = MailSystem::new("gialai", serde_yaml::from_str(spec).expect("spec"));
        assert!(is_said(&system, "1-old") && !is_said(&system, "2-new"));
        system.annotations_mut().insert(ACKNOWLEDGE.into(), "2-new".into());
        assert!(is_said(&system, "1-old") && is_said(&system, "2-new"));
    }
}
