//! What is written down of documents that no status remembers (R5.2): holds, notified absences, and that of an end that came without
//! one. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{AddressClaim, Basis, ConditionType, Mailbox, MailboxStatus, Papers};
use crate::domain::calendar::day;
use crate::domain::journal::Event;
use crate::domain::lifecycle::Cause;

use super::record::said;

/// What stands where people decided something without a document.
pub(super) const NONE: &str = "no document is named (R5.2)";

/// What the journal has last, by what stands beside the address. A claim of an earlier version, which says no moment of issue, remembers
/// neither absences nor ends: those of a file that was seen since its last change are taken as known, and so are all of an issued
/// account whose claim is gone.
pub(super) fn known(mailbox: &Mailbox, claim: Option<&AddressClaim>) -> Papers {
    let nothing = MailboxStatus::default();
    let status = mailbox.status.as_ref().unwrap_or(&nothing);
    let named = Papers::of(mailbox, status.revoked_at.is_some());
    let Some(claim) = claim else {
        return if status.issued_at.is_some() { named } else { Papers::default() };
    };
    let papers = claim.spec.papers();
    let earlier = claim.spec.life.as_ref().is_none_or(|life| life.issued_at.is_none());
    let seen = status.issued_at.is_some() && status.observed_generation == mailbox.metadata.generation;
    // What could not be written down was seen, and is still to be.
    let said = !status.conditions.iter().any(|c| c.type_ == ConditionType::Synced.as_str() && c.status == "False");
    if !(earlier && seen && said) {
        return papers;
    }
    Papers { absence: papers.absence.or(named.absence), ending: papers.ending.or(named.ending), ..papers }
}

/// What changed between the documents that stand beside the address and those of the Mailbox.
pub(super) fn events(
    mailbox: &Mailbox,
    known: &Papers,
    (before, after): (&MailboxStatus, &MailboxStatus),
    base: &Event,
) -> Vec<Event> {
    let wanted = Papers::of(mailbox, after.revoked_at.is_some());
    // The revocation itself names its document.
    let revoked = before.revoked_at.is_some() && after.revoked_at.is_some();
    let spec = &mailbox.spec;
    let all = [
        held(&known.hold, &wanted.hold),
        absent(&known.absence, &wanted.absence, &day(base.at).to_string()).map(|event| {
            let document = spec.absence.as_ref().map(|absence| absence.basis.cited());
            Event { document, ..event }
        }),
        ended(&known.ending, &wanted.ending, spec.ends_by().map(Basis::cited)).filter(|_| revoked),
    ];
    let generation = mailbox.metadata.generation.unwrap_or(0);
    let uid = mailbox.uid().unwrap_or_default();
    let told = |event: Event| Event {
        key: format!("{uid}/{}/{}", event.action, said(generation, &format!("{}\n{}", event.before, event.after))),
        at: base.at,
        actor: base.actor.clone(),
        mailbox: base.mailbox.clone(),
        address: base.address.clone(),
        ..event
    };
    all.into_iter().flatten().map(told).collect()
}

/// An entry for what changed from one document to another.
fn change(known: &Option<String>, wanted: &Option<String>, say: (&str, &str, &str)) -> Option<Event> {
    let (action, rule, note) = say;
    (known != wanted).then(|| Event {
        action: action.into(),
        rule: rule.into(),
        before: known.clone().unwrap_or_default(),
        after: wanted.clone().unwrap_or_default(),
        document: wanted.clone(),
        note: note.into(),
        ..Event::default()
    })
}

/// What is kept for a document's sake is so from now on, or no more (D-14).
fn held(known: &Option<String>, wanted: &Option<String>) -> Option<Event> {
    let say = match (known, wanted) {
        (Some(_), Some(_)) => ("Hold", "D-14", "another document keeps it from being purged"),
        (None, _) => ("Hold", "D-14", "nothing of it is purged while this stands"),
        (_, None) => (
            "EndHold",
            "D-14",
            "no document is named (R5.2); nothing keeps it any more from being purged when it is revoked and its time is over",
        ),
    };
    change(known, wanted, say)
}

/// A notified absence, or what is no more one: the clock of silence asks for it (6.2.a).
fn absent(known: &Option<String>, wanted: &Option<String>, today: &str) -> Option<Event> {
    // As Papers tells it: "FROM to TO: document".
    let last = known.as_deref().and_then(|text| text.split_once(" to ")?.1.split_once(": ")).map(|(last, _)| last);
    let say = match (known, wanted) {
        (_, None) if last.is_some_and(|last| last < today) => {
            ("EndAbsence", "6.2.a", "it was over; its days count as before")
        }
        (_, None) => ("EndAbsence", "6.2.a", "days of it that are over count, later ones no more"),
        (_, Some(_)) => ("Absence", "6.2.a", "three months of silence begin anew with its last day"),
    };
    change(known, wanted, say)
}

/// The document of an end that is there already: the account was revoked without one, or by another.
fn ended(known: &Option<String>, wanted: &Option<String>, counts: Option<String>) -> Option<Event> {
    let note = match (known, wanted, &counts) {
        (_, Some(_), _) => "the document on which the account ended",
        (_, None, Some(_)) => "spec.ending is out of the file; what counts is the document of the account",
        (_, None, None) => NONE,
    };
    let event = change(known, wanted, ("Document", Cause::Approved.rule(), note))?;
    Some(Event { cause: "Ending".into(), document: counts, ..event })
}

/// What is undone with a revocation: the file names no document for that, and what ended is to be known.
pub(super) fn undone(known: &Papers, revoked_at: Option<Timestamp>) -> String {
    let since = revoked_at.map(|at| format!(" of {}", day(at))).unwrap_or_default();
    match &known.ending {
        Some(ending) => format!("{NONE}; what ends is the revocation{since} by {ending}"),
        None => format!("{NONE}; what ends is the revocation{since}, which named none in spec.ending either"),
    }
}
