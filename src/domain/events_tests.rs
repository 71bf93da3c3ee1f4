use super::*;

fn view(ready: bool, reason: &str) -> View {
    View {
        ready: Some(ready),
        reason: reason.into(),
        message: format!("because of {reason}"),
        in_force: true,
        ..View::default()
    }
}

fn stalled(reason: &str) -> View {
    View { stalled: true, ..view(false, reason) }
}

fn mailbox(access: Access, reason: &str) -> View {
    View { access: Some(access), ..view(true, reason) }
}

/// Severity and reason of every event of a change.
fn told(subject: Subject, before: &View, after: &View) -> Vec<(Severity, String)> {
    transitions(subject, before, after).into_iter().map(|e| (e.severity, e.reason)).collect()
}

fn one(severity: Severity, reason: &str) -> Vec<(Severity, String)> {
    vec![(severity, reason.to_string())]
}

#[test]
fn the_first_issue_of_a_mailbox_writes_no_event() {
    let issued = mailbox(Access::Open, "Issued");
    let must_change = mailbox(Access::MustChange, "MustChangePassword");
    for first in [View::default(), view(false, "AgencyNotFound"), view(false, "Starting")] {
        assert_eq!(told(Subject::Other, &first, &issued), []);
        assert_eq!(told(Subject::Other, &first, &must_change), []);
    }
    assert_eq!(told(Subject::Other, &View::default(), &view(false, "AgencyNotFound")), [], "waiting");
}

#[test]
fn an_object_that_stalls_warns_once_and_its_recovery_is_told() {
    let (conflict, issued) = (stalled("Conflict"), mailbox(Access::Open, "Issued"));
    let events = transitions(Subject::Other, &View::default(), &conflict);
    let expected = Event {
        severity: Severity::Warning,
        reason: "Conflict".into(),
        action: "Reconcile",
        note: "because of Conflict".into(),
    };
    assert_eq!(events, [expected]);
    let other_words = View { message: "in other words".into(), ..conflict.clone() };
    assert_eq!(told(Subject::Other, &conflict, &other_words), [], "the reason is the same");
    assert_eq!(told(Subject::Other, &conflict, &stalled("InvalidName")), one(Severity::Warning, "InvalidName"));
    assert_eq!(told(Subject::Other, &conflict, &issued), one(Severity::Normal, "Issued"));
    assert_eq!(told(Subject::Other, &issued, &issued), []);
}

#[test]
fn a_call_that_fails_for_long_warns_although_it_may_heal() {
    let failing = view(false, "ApplyFailed");
    assert_eq!(told(Subject::Other, &View::default(), &failing), one(Severity::Warning, "ApplyFailed"));
    assert_eq!(told(Subject::Other, &failing, &stalled("ApplyFailed")), []);
    assert_eq!(told(Subject::Other, &failing, &view(true, "Ready")), one(Severity::Normal, "Ready"));
}

#[test]
fn a_ready_object_that_a_person_should_look_at_warns() {
    let renamed = mailbox(Access::Open, "NameChanged");
    let issued = mailbox(Access::Open, "Issued");
    assert_eq!(told(Subject::Other, &issued, &renamed), one(Severity::Warning, "NameChanged"));
    assert_eq!(told(Subject::Other, &renamed, &issued), one(Severity::Normal, "Issued"));
    let kept = view(true, "AddressKept");
    assert_eq!(told(Subject::Other, &view(true, "Ready"), &kept), [], "D-02: nothing to do");
}

#[test]
fn r6_1_locks_and_r6_3_unlocks_are_told_once_each() {
    let open = mailbox(Access::Open, "Issued");
    let locked = View { locks: "Compromised (6.2.b) by 9/CV".into(), ..mailbox(Access::Locked, "Locked") };
    let events = transitions(Subject::Other, &open, &locked);
    assert_eq!(told(Subject::Other, &open, &locked), one(Severity::Normal, "Locked"));
    assert!(events[0].note.contains("Compromised (6.2.b) by 9/CV") && !events[0].note.contains("not in force"));
    assert_eq!(told(Subject::Other, &View::default(), &locked), one(Severity::Normal, "Locked"), "from the start");
    assert_eq!(told(Subject::Other, &locked, &open), one(Severity::Normal, "Unlocked"));
    let must_change = mailbox(Access::MustChange, "MustChangePassword");
    assert_eq!(told(Subject::Other, &locked, &must_change), one(Severity::Normal, "Unlocked"));
    assert_eq!(told(Subject::Other, &must_change, &open), one(Severity::Normal, "Active"));
    assert_eq!(told(Subject::Other, &open, &must_change), one(Severity::Normal, "MustChangePassword"));
}

#[test]
fn r6_1_a_lock_that_did_not_arrive_says_so_and_is_not_told_again_when_it_does() {
    let open = mailbox(Access::Open, "Issued");
    let decided = View { access: Some(Access::Locked), in_force: false, ..view(false, "AgentUnavailable") };
    let events = transitions(Subject::Other, &open, &decided);
    assert_eq!(events.len(), 1);
    assert!(events[0].note.ends_with("not in force yet: because of AgentUnavailable"), "{}", events[0].note);
    assert_eq!(told(Subject::Other, &decided, &mailbox(Access::Locked, "Locked")), []);
}

#[test]
fn r5_4_c_where_mail_of_a_revoked_account_goes_is_told_with_the_revocation_and_when_it_changes() {
    let to = |to: Option<&str>| View { forwarded_to: to.map(String::from), ..mailbox(Access::Revoked, "Revoked") };
    let open = mailbox(Access::Open, "Issued");
    let note = |before: &View, after: &View| transitions(Subject::Other, before, after).pop().map(|event| event.note);
    assert!(note(&open, &to(Some("b@x.vn"))).is_some_and(|note| note.contains("forwarded to b@x.vn")));
    assert!(note(&open, &to(None)).is_some_and(|note| note.contains("mail is refused")));
    assert_eq!(told(Subject::Other, &to(None), &to(Some("b@x.vn"))), one(Severity::Normal, "ForwardingChanged"));
    assert_eq!(told(Subject::Other, &to(Some("b@x.vn")), &to(None)), one(Severity::Normal, "ForwardingChanged"));
    assert_eq!(told(Subject::Other, &to(Some("b@x.vn")), &to(Some("b@x.vn"))), []);
    assert_eq!(told(Subject::Other, &to(Some("b@x.vn")), &open), one(Severity::Normal, "Reinstated"));
}

#[test]
fn r6_3_half_of_the_three_working_days_warns_once_for_each_document() {
    let half = |document: &str, due: &str| View {
        half_told: Some((document.into(), due.into())),
        ..mailbox(Access::Locked, "Locked")
    };
    let (locked, first) = (mailbox(Access::Locked, "Locked"), half("8/STTTT", "it is due by the end of 2026-06-18"));
    assert_eq!(told(Subject::Other, &locked, &first), one(Severity::Warning, "RestoreHalfTime"));
    let event = transitions(Subject::Other, &locked, &first).remove(0);
    assert!(event.note.contains("8/STTTT") && event.note.contains("by the end of 2026-06-18"), "{}", event.note);
    assert_eq!(told(Subject::Other, &first, &half("8/STTTT", "it is overdue")), []);
    assert_eq!(told(Subject::Other, &first, &half("9/STTTT", "")), one(Severity::Warning, "RestoreHalfTime"));
}

#[test]
fn d_15_the_brake_warns_and_its_end_is_told() {
    let (ready, held) = (view(true, "Ready"), stalled("HeldByBrake"));
    assert_eq!(told(Subject::System, &ready, &held), one(Severity::Warning, "HeldByBrake"));
    assert_eq!(told(Subject::System, &view(false, "PodStarting"), &held), one(Severity::Warning, "HeldByBrake"));
    assert_eq!(told(Subject::System, &held, &ready), one(Severity::Normal, "Ready"));
}

#[test]
fn a_system_that_is_no_longer_ready_is_told_at_once_and_a_rollout_is_no_warning() {
    let (ready, down) = (view(true, "Ready"), view(false, "AgentUnavailable"));
    assert_eq!(told(Subject::System, &ready, &down), one(Severity::Warning, "AgentUnavailable"));
    assert_eq!(told(Subject::Other, &ready, &down), [], "of mailboxes there are many");
    assert_eq!(told(Subject::System, &ready, &view(false, "PodStarting")), one(Severity::Normal, "PodStarting"));
    assert_eq!(told(Subject::System, &view(false, "PodStarting"), &down), [], "it was not ready before");
    assert_eq!(told(Subject::System, &down, &ready), one(Severity::Normal, "Ready"));
    assert_eq!(told(Subject::System, &View::default(), &view(false, "PodStarting")), []);
}

#[test]
fn a_certificate_that_ends_later_was_renewed() {
    let ends = |second| View { certificate_ends: Timestamp::from_second(second).ok(), ..view(true, "Ready") };
    assert_eq!(told(Subject::System, &ends(1), &ends(2)), one(Severity::Normal, "CertificateRenewed"));
    for (before, after) in [(ends(2), ends(2)), (ends(2), ends(1)), (view(true, "Ready"), ends(1))] {
        assert_eq!(told(Subject::System, &before, &after), []);
    }
}

#[test]
fn a_note_fits_into_an_event() {
    let long = Event::new(Severity::Warning, "Conflict", "Reconcile", &"Sở Y tế ".repeat(500));
    assert!(long.note.len() <= NOTE && long.note.ends_with('…'));
}

#[test]
fn reasons_of_events_stand_in_order() {
    assert!(ONLY_EVENTS.is_sorted_by_key(|(reason, _)| *reason));
}
