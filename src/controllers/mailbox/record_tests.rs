use super::*;
use crate::domain::lifecycle::{self, LockReason, Rules};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

fn mailbox(generation: i64, spec: serde_json::Value) -> Mailbox {
    let basis = json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"});
    let mut all = json!({"agencyRef": {"name": "stttt"}, "fullName": "Trần Đình Nguyên", "basis": basis});
    all.as_object_mut().expect("a map").extend(spec.as_object().cloned().expect("a map"));
    let metadata = json!({"name": "nv-1", "uid": "u-1", "generation": generation,
        "managedFields": [{"manager": "flux", "operation": "Apply", "time": "2026-02-03T00:00:00Z"},
            {"manager": "mail-operator", "operation": "Apply", "subresource": "status", "time": "2026-03-03T00:00:00Z"}]});
    let status = json!({"issuedAt": "2026-02-02T00:00:00Z", "address": "nguyentd.stttt@x.vn", "state": "Active"});
    serde_json::from_value(json!({"metadata": metadata, "spec": all, "status": status})).expect("a Mailbox")
}

fn told(mailbox: &Mailbox, now: &str) -> Vec<Event> {
    let (rules, now) = (Rules::default(), now.parse().expect("a time"));
    let life = super::super::life::decide(&rules, mailbox.life(None), |_| true, now);
    let mut after = mailbox.status.clone().expect("status");
    life.show(&mut after, mailbox, &rules, true, now);
    events(mailbox, &after, &life, &Known::default(), now)
}

#[test]
fn r5_2_who_took_a_lock_out_and_left_no_trace_of_it_is_not_said_to_be_the_one_before() {
    let basis = json!({"number": "9/CV", "date": "2026-02-05", "issuer": "STTTT"});
    let unlocked = |since: &str| {
        let lock = json!({"reason": "Compromised", "rule": "6.2.b", "since": since, "basis": basis});
        let locked = with(mailbox(5, json!({})), json!({"state": "Locked", "locks": [lock]}));
        let events = told(&locked, "2026-02-10T00:00:00Z");
        let unlock = events.into_iter().find(|event| event.action == "Unlock").expect("an unlock");
        (unlock.cause, unlock.actor)
    };
    // flux wrote at 00:00:00 of the third.
    let said = |who: &str| ("Withdrawn".to_string(), who.to_string());
    assert_eq!(unlocked("2026-02-05T00:00:00Z"), said("unknown"));
    assert_eq!(unlocked("2026-02-02T00:00:00Z"), said("flux"));
    assert_eq!(unlocked("2026-02-03T00:00:00.7Z"), said("flux"), "managedFields has whole seconds");
}

#[test]
fn r5_2_a_lock_of_people_names_its_document_and_who_wrote_it() {
    let lock = json!({"lock": {"reasons": ["Compromised"], "basis": {"number": "9/CV", "date": "2026-02-05", "issuer": "STTTT"}}});
    let events = told(&mailbox(4, lock.clone()), "2026-02-06T00:00:00Z");
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.actor.as_str(), event.rule.as_str(), event.cause.as_str()), ("flux", "6.2.b", "Compromised"));
    assert!(event.document.as_ref().is_some_and(|document| document.contains("9/CV")));
    assert_eq!((event.before.as_str(), event.after.as_str()), ("Active", "Locked"));
    // A moment later, before the status was written: the same decision.
    assert_eq!(told(&mailbox(4, lock.clone()), "2026-02-06T00:05:00Z")[0].key, event.key);
    assert_ne!(told(&mailbox(5, lock.clone()), "2026-02-06T00:05:00Z")[0].key, event.key);
    // The API server was restored from a backup, and people lock again by another document: the same generation.
    let other = json!({"lock": {"reasons": ["Compromised"], "basis": {"number": "10/CV", "date": "2026-02-05", "issuer": "STTTT"}}});
    assert_ne!(told(&mailbox(4, other), "2026-02-06T00:00:00Z")[0].key, event.key);
}

fn forwarded(generation: i64, observed: i64, known: Option<(&str, &str)>, to: Option<&str>) -> Vec<Event> {
    let ending = json!({"basis": {"number": "44/QĐ", "date": "2026-02-20", "issuer": "STTTT"}});
    let spec = json!({"state": "Revoked", "successorRef": {"name": "nv-2"}, "ending": ending});
    let mut mailbox = mailbox(generation, spec);
    let at = |text: &str| Time(text.parse().expect(text));
    if let Some(status) = &mut mailbox.status {
        (status.state, status.revoked_at) = (Some(MailboxState::Revoked), Some(at("2026-03-01T00:00:00Z")));
        status.observed_generation = Some(observed);
        status.forwarding = known.map(|(to, since)| Forwarding { to: Some(to.into()), since: at(since) });
    }
    let now = "2026-03-05T00:00:00Z".parse().expect("a time");
    let life = super::super::life::decide(&Rules::default(), mailbox.life(None), |_| true, now);
    let mut after = mailbox.status.clone().expect("status");
    super::super::life::show_forward(&mut after, to.map(String::from).as_ref(), now);
    events(&mailbox, &after, &life, &Known::default(), now)
}

#[test]
fn r5_2_r5_4_c_where_mail_of_a_revoked_account_goes_is_written_down() {
    // With the revocation.
    let spec = json!({"state": "Revoked", "successorRef": {"name": "nv-2"}});
    let note = told(&mailbox(2, spec), "2026-03-01T00:00:00Z")[0].note.clone();
    assert!(note.contains("nv-2") && note.contains("refused"), "{note}");
    // Another one, by people or by what became of the successor.
    assert_eq!(forwarded(2, 2, None, None), []);
    assert_eq!(forwarded(2, 2, Some(("b@x.vn", "2026-03-02T00:00:00Z")), Some("b@x.vn")), []);
    let by_people = &forwarded(3, 2, None, Some("b@x.vn"))[0];
    assert_eq!((by_people.action.as_str(), by_people.actor.as_str()), ("Forward", "flux"));
    assert!(
        by_people.document.as_ref().is_some_and(|cited| cited.contains("44/QĐ")) && by_people.note.contains("b@x.vn"),
        "{by_people:?}"
    );
    let by_itself = &forwarded(3, 3, Some(("b@x.vn", "2026-03-02T00:00:00Z")), None)[0];
    assert_eq!((by_itself.actor.as_str(), by_itself.document.as_ref()), ("mail-operator", None));
    assert_eq!((by_itself.before.as_str(), by_itself.after.as_str()), ("b@x.vn", ""));
    // The same change of a later time is another one.
    let later = &forwarded(3, 3, Some(("b@x.vn", "2026-03-04T00:00:00Z")), None)[0];
    assert!(later.key != by_itself.key && later.key.starts_with("u-1/Forward/"), "{}", later.key);
}

fn held_of(mailbox: &Mailbox, known: Option<&str>) -> Vec<Event> {
    let now = "2026-02-10T00:00:00Z".parse().expect("a time");
    let life = super::super::life::decide(&Rules::default(), mailbox.life(None), |_| true, now);
    let after = mailbox.status.clone().expect("status");
    let papers = Papers { hold: known.map(String::from), ..Papers::default() };
    events(mailbox, &after, &life, &Known { kept: true, papers, ..Known::default() }, now)
}

#[test]
fn r5_2_d_14_a_hold_and_its_end_are_written_down() {
    let hold = |number: &str| json!({"hold": {"basis": {"number": number, "date": "2026-03-01", "issuer": "TA"}}});
    let begun = held_of(&mailbox(2, hold("5/TA")), None);
    let [event] = begun.as_slice() else { panic!("{begun:?}") };
    let cited = event.document.clone().expect("a document");
    assert_eq!((event.action.as_str(), event.rule.as_str(), event.after.as_str()), ("Hold", "D-14", cited.as_str()));
    assert_eq!((event.actor.as_str(), event.before.as_str()), ("flux", ""));
    assert!(event.note.contains("nothing of it is purged"), "{}", event.note);
    assert_eq!(held_of(&mailbox(3, hold("5/TA")), Some(&cited)), [], "it stands");
    let mut new = mailbox(2, hold("5/TA"));
    new.status.get_or_insert_default().issued_at = None;
    let (now, after) = ("2026-02-10T00:00:00Z".parse().expect("a time"), new.status.clone().expect("status"));
    let life = super::super::life::decide(&Rules::default(), new.life(None), |_| true, now);
    assert_eq!(events(&new, &after, &life, &Known::default(), now), [], "there is nothing to keep");
    let other = held_of(&mailbox(3, hold("6/TA")), Some(&cited));
    assert!(other[0].key != event.key && other[0].before == cited && other[0].after.contains("6/TA"), "{other:?}");
    assert!(other[0].note.contains("another document"), "{}", other[0].note);
    let ended = held_of(&mailbox(4, json!({})), Some(&cited));
    assert_eq!(
        (ended[0].action.as_str(), ended[0].before.as_str(), &ended[0].document),
        ("EndHold", cited.as_str(), &None)
    );
    assert!(ended[0].after.is_empty() && ended[0].note.contains("no document is named"), "{:?}", ended[0]);
    assert_ne!(held_of(&mailbox(6, json!({})), Some(&cited))[0].key, ended[0].key, "it was held again in between");
}

/// What is written down while these documents stand beside the address.
fn told_beside(mailbox: &Mailbox, papers: &Papers, now: &str) -> Vec<Event> {
    let now = now.parse().expect("a time");
    let life = super::super::life::decide(&Rules::default(), mailbox.life(None), |_| true, now);
    let mut after = mailbox.status.clone().expect("status");
    life.show(&mut after, mailbox, &Rules::default(), true, now);
    events(mailbox, &after, &life, &Known { kept: true, papers: papers.clone(), ..Known::default() }, now)
}

#[test]
fn r5_2_r6_2_a_an_absence_its_change_and_its_end_are_written_down_once() {
    let away = |to: &str| json!({"absence": {"from": "2026-03-01", "to": to, "basis": {"number": "7/CV", "date": "2026-02-20", "issuer": "STTTT"}}});
    let told = |mailbox: &Mailbox, papers: &Papers| told_beside(mailbox, papers, "2026-02-10T00:00:00Z");
    let first = mailbox(2, away("2026-06-30"));
    let begun = told(&first, &Papers::default());
    let [event] = begun.as_slice() else { panic!("{begun:?}") };
    assert_eq!((event.action.as_str(), event.rule.as_str(), event.actor.as_str()), ("Absence", "6.2.a", "flux"));
    assert!(event.after.contains("2026-06-30") && event.document.as_ref().is_some_and(|cited| cited.contains("7/CV")));
    assert!(!event.document.as_ref().is_some_and(|cited| cited.contains("2026-06-30")), "a document is one alone");
    let known = Papers::of(&first, false);
    assert_eq!(told(&mailbox(3, away("2026-06-30")), &known), [], "another change of the file is none of it");
    let longer = told(&mailbox(4, away("2026-07-31")), &known);
    assert_eq!((longer[0].before.as_str(), longer.len()), (event.after.as_str(), 1));
    // It is taken out, and comes again with the same words: each is a decision.
    let ended = told(&mailbox(5, json!({})), &known);
    let [end] = ended.as_slice() else { panic!("{ended:?}") };
    assert_eq!((end.action.as_str(), end.before.as_str(), &end.document), ("EndAbsence", event.after.as_str(), &None));
    let again = told(&mailbox(6, away("2026-06-30")), &Papers::default());
    assert_ne!(again[0].key, event.key);
    let mut new = mailbox(5, away("2026-06-30"));
    new.status.get_or_insert_default().issued_at = None;
    let nobody = Known { kept: false, ..Known::default() };
    let (now, after) = ("2026-02-10T00:00:00Z".parse().expect("a time"), new.status.clone().expect("status"));
    let life = super::super::life::decide(&Rules::default(), new.life(None), |_| true, now);
    assert_eq!(events(&new, &after, &life, &nobody, now), [], "nobody is away from an account that is not there");
}

#[test]
fn r5_2_what_an_earlier_version_wrote_down_is_not_written_again_and_nothing_later_is_left_out() {
    use super::super::papers;
    let absence = json!({"from": "2026-01-01", "to": "2026-01-31", "basis": {"number": "7/CV", "date": "2026-02-20", "issuer": "STTTT"}});
    let away = |observed: i64| with(mailbox(3, json!({"absence": absence})), json!({"observedGeneration": observed}));
    let claim = |life: serde_json::Value| -> crate::api::AddressClaim {
        let owner = json!({"kind": "Mailbox", "name": "nv-1", "uid": "u-1"});
        let spec = json!({"use": "Primary", "ownerRef": owner, "ownerName": "Trần Đình Nguyên", "life": life});
        serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec})).expect("a claim")
    };
    let (old, new) = (claim(json!(null)), claim(json!({"issuedAt": "2026-02-02T00:00:00Z"})));
    let told = |mailbox: &Mailbox, claim: Option<&crate::api::AddressClaim>| {
        told_beside(mailbox, &papers::known(mailbox, claim), "2026-02-10T00:00:00Z").len()
    };
    assert_eq!((told(&away(3), Some(&old)), told(&away(3), None)), (0, 0), "it was seen by the earlier version");
    assert_eq!(told(&away(2), Some(&old)), 1, "the file was changed since");
    assert_eq!(told(&away(3), Some(&new)), 1, "it could not be written down yet");
    let failed = json!({"observedGeneration": 3, "conditions": [{"type": "Synced", "status": "False", "reason": "AgentUnavailable",
        "message": "", "lastTransitionTime": "2026-02-03T00:00:00Z"}]});
    assert_eq!(told(&with(away(3), failed), Some(&old)), 1);
    // What is over says so when it is taken out.
    let known = Papers::of(&away(3), false);
    let gone = told_beside(&mailbox(4, json!({})), &known, "2026-02-10T00:00:00Z").remove(0);
    assert!(gone.note.starts_with("it was over"), "{}", gone.note);
}

#[test]
fn r5_2_r5_4_the_end_of_an_account_has_a_document_of_its_own() {
    let ending = json!({"basis": {"number": "44/QĐ", "date": "2026-02-20", "issuer": "STTTT"}});
    let of = |spec: serde_json::Value| told(&mailbox(2, spec), "2026-03-01T00:00:00Z").remove(0);
    let cites = |spec| of(spec).document.expect("a document");
    assert!(cites(json!({"state": "Revoked", "ending": ending})).contains("44/QĐ"));
    assert!(cites(json!({"endsOn": "2026-02-25", "ending": ending})).contains("44/QĐ"));
    assert!(cites(json!({"endsOn": "2026-02-25"})).contains("12/VP"), "its last day was set with the account");
    let bare = of(json!({"state": "Revoked", "successorRef": {"name": "nv-2"}}));
    assert_eq!((bare.action.as_str(), &bare.document), ("Revoke", &None));
    assert!(bare.note.starts_with("no document is named (R5.2); ") && bare.note.contains("nv-2"), "{}", bare.note);
}

#[test]
fn r5_2_a_document_that_comes_after_the_end_is_written_down_when_it_comes() {
    let revoked = |generation, spec| {
        with(mailbox(generation, spec), json!({"revokedAt": "2026-03-01T00:00:00Z", "state": "Revoked"}))
    };
    let ending = |number: &str| json!({"state": "Revoked", "ending": {"basis": {"number": number, "date": "2026-02-20", "issuer": "STTTT"}}});
    let told = |mailbox: &Mailbox, papers: &Papers| told_beside(mailbox, papers, "2026-03-05T00:00:00Z");
    let bare = revoked(2, json!({"state": "Revoked"}));
    assert_eq!(told(&bare, &Papers::default()), []);
    let named = revoked(3, ending("44/QĐ"));
    let come = told(&named, &Papers::default());
    let [event] = come.as_slice() else { panic!("{come:?}") };
    assert_eq!((event.action.as_str(), event.cause.as_str(), event.rule.as_str()), ("Document", "Ending", "5.4.c"));
    assert!(event.document.as_ref().is_some_and(|cited| cited.contains("44/QĐ")) && event.before.is_empty());
    let known = Papers::of(&named, true);
    assert_eq!(told(&named, &known), []);
    assert!(told(&revoked(4, ending("45/QĐ")), &known)[0].before.contains("44/QĐ"));
    let gone = told(&revoked(5, json!({"state": "Revoked"})), &known).remove(0);
    assert_eq!((gone.document, gone.note.as_str()), (None, "no document is named (R5.2)"));
    // With the revocation, and for one who is not revoked, there is nothing more to say.
    let both = told(&mailbox(2, ending("44/QĐ")), &Papers::default());
    assert_eq!(both.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["Revoke"]);
    let active = with(
        mailbox(6, json!({"ending": ending("44/QĐ")["ending"]})),
        json!({"passwordChangedAt": "2026-02-03T00:00:00Z"}),
    );
    let back = told(&active, &Papers::default());
    assert_eq!(back, []);
}

#[test]
fn r5_2_an_issue_is_the_same_decision_whenever_the_pass_comes_again() {
    let mut new = mailbox(1, json!({}));
    let mut after = new.status.take().expect("status");
    let told = |after: &MailboxStatus, now: &str| {
        let now = now.parse().expect("a time");
        let life = super::super::life::decide(&Rules::default(), new.life(None), |_| true, now);
        events(&new, after, &life, &Known::default(), now)
    };
    let one = told(&after, "2026-02-02T00:00:00.7Z");
    // The operator was killed before the status was written: now the claim says when it was.
    after.issued_at =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-02-01T23:59:59Z".parse().expect("a time")));
    let again = told(&after, "2026-02-02T00:00:09Z");
    assert_eq!((one.len(), one[0].action.as_str(), one[0].rule.as_str()), (1, "Issue", ISSUE));
    assert_eq!(one[0].key, again[0].key);
}

#[test]
fn r6_2_d_a_lock_of_a_clock_is_the_operators_and_the_same_whenever_it_is_done() {
    let one = told(&mailbox(1, json!({})), "2026-03-20T00:00:00Z");
    let other = told(&mailbox(2, json!({})), "2026-03-27T00:00:00Z");
    assert_eq!((one.len(), one[0].key.as_str()), (1, other[0].key.as_str()));
    assert_eq!((one[0].actor.as_str(), one[0].document.as_ref()), ("mail-operator", None));
    assert_eq!(one[0].cause, lifecycle::LockReason::DefaultPassword.as_str());
    assert_eq!(LockReason::DefaultPassword.rule(), one[0].rule);
}

/// With these lines in its status.
fn with(mut mailbox: Mailbox, status: serde_json::Value) -> Mailbox {
    let mut all = serde_json::to_value(&mailbox.status).expect("status");
    all.as_object_mut().expect("a map").extend(status.as_object().cloned().expect("a map"));
    mailbox.status = serde_json::from_value(all).expect("a status");
    mailbox
}

fn restore(number: &str, received_at: &str) -> serde_json::Value {
    let basis = json!({"number": number, "date": "2026-03-01", "issuer": "STTTT"});
    json!({"restore": {"basis": basis, "receivedAt": received_at}})
}

#[test]
fn r5_2_a_lock_that_people_take_back_names_a_document_only_if_that_covers_it() {
    let basis = json!({"number": "9/CV", "date": "2026-09-05", "issuer": "STTTT"});
    let locks =
        json!({"locks": [{"reason": "Compromised", "rule": "6.2.b", "since": "2026-09-05T00:00:00Z", "basis": basis}]});
    let told_of = |received| {
        let mailbox = with(mailbox(4, restore("3/CV", received)), locks.clone());
        told(&mailbox, "2026-09-20T00:00:00Z").remove(0)
    };
    let march = told_of("2026-03-01T00:00:00Z");
    assert_eq!((march.document, march.note.contains("no document")), (None, true));
    assert!(march.note.contains("3/CV") && march.note.contains("received before the lock"), "{}", march.note);
    assert!(told_of("2026-09-18T00:00:00Z").document.is_some_and(|document| document.contains("3/CV")));
}

#[test]
fn r5_2_each_decision_has_a_key_of_its_own_and_keeps_it() {
    // The same last day, before and after it was undone.
    let ends =
        |status| told(&with(mailbox(2, json!({"endsOn": "2026-02-20"})), status), "2026-02-21T00:00:00Z").remove(0).key;
    let first = ends(json!({}));
    assert_eq!(first, ends(json!({})));
    assert_ne!(first, ends(json!({"unlockedAt": "2026-02-20T01:00:00Z"})));
    // Two documents that were received at one time.
    let locks = json!({"passwordChangedAt": "2026-02-03T00:00:00Z", "locks": [{"reason": "Inactive", "rule": "6.2.a", "since": "2026-02-10T00:00:00Z"}]});
    let gives = |number: &str| {
        let mailbox = with(mailbox(2, restore(number, "2026-02-11T00:00:00Z")), locks.clone());
        told(&mailbox, "2026-02-12T00:00:00Z").remove(0).key
    };
    assert_eq!(gives("7/CV"), gives("7/CV"));
    assert_ne!(gives("7/CV"), gives("8/CV"));
    // And both are due on one day, while people keep it locked.
    let basis = json!({"number": "9/CV", "date": "2026-02-05", "issuer": "STTTT"});
    let locks = json!({"locks": [{"reason": "Compromised", "rule": "6.2.b", "since": "2026-02-05T00:00:00Z", "basis": basis.clone()}]});
    let due = |number: &str| {
        let mut spec = restore(number, "2026-02-11T00:00:00Z");
        spec["lock"] = json!({"reasons": ["Compromised"], "basis": basis.clone()});
        let mailbox = with(mailbox(2, spec), locks.clone());
        told(&mailbox, "2026-02-21T00:00:00Z").into_iter().find(|event| event.action == "RestoreDue").expect("due").key
    };
    assert_eq!(due("7/CV"), due("7/CV"));
    assert_ne!(due("7/CV"), due("8/CV"));
    assert!([first, gives("7/CV"), due("8/CV")].iter().all(|key| key.len() <= crate::domain::journal::LONGEST_KEY));
}

#[test]
fn r5_2_r9_1_another_first_password_that_nobody_asked_for_is_written_down() {
    let told = |status: serde_json::Value, initial_password: bool, spec: serde_json::Value| {
        let mailbox = with(mailbox(2, spec), status);
        let now = "2026-02-20T00:00:00Z".parse().expect("a time");
        let facts = lifecycle::Account { password_changed_at: None, ..mailbox.life(None) };
        let life = super::super::life::decide(&Rules::default(), facts, |_| true, now);
        let mut after = mailbox.status.clone().expect("status");
        life.show(&mut after, &mailbox, &Rules::default(), true, now);
        events(&mailbox, &after, &life, &Known { kept: true, initial_password, ..Known::default() }, now)
    };
    let changed = json!({"passwordChangedAt": "2026-02-03T00:00:00Z"});
    let deleted = told(changed.clone(), true, json!({}));
    let [event] = deleted.as_slice() else { panic!("{deleted:?}") };
    assert_eq!(
        (event.action.as_str(), event.rule.as_str(), event.actor.as_str()),
        ("NewPassword", "9.1", "mail-operator")
    );
    assert_ne!(told(json!({"passwordChangedAt": "2026-02-04T00:00:00Z"}), true, json!({}))[0].key, event.key);
    assert_eq!(told(json!({}), true, json!({})), [], "the first one");
    // Of one that nobody had changed, days after the issue.
    let first = |status: serde_json::Value, made_at: &str| {
        let mailbox = with(mailbox(2, json!({})), status);
        let now = "2026-02-20T00:00:00Z".parse().expect("a time");
        let facts = lifecycle::Account { password_made_at: made_at.parse().ok(), ..mailbox.life(None) };
        let life = super::super::life::decide(&Rules::default(), facts, |_| true, now);
        let mut after = mailbox.status.clone().expect("status");
        life.show(&mut after, &mailbox, &Rules::default(), true, now);
        events(&mailbox, &after, &life, &Known { kept: true, initial_password: true, ..Known::default() }, now)
    };
    let lost = first(json!({}), "2026-02-18T00:00:01.7Z");
    assert_eq!(lost.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["NewPassword"]);
    let shown = json!({"initialPasswordAt": "2026-02-18T00:00:01Z"});
    assert_eq!(first(shown.clone(), "2026-02-18T00:00:01.7Z"), [], "it is known");
    assert_eq!(first(shown.clone(), "2026-02-18T00:00:02Z").len(), 1);
    // A revocation that is undone begins all clocks anew, and the status shows its moment no more: nothing was deleted.
    let back =
        json!({"initialPasswordAt": "2026-02-18T00:00:01Z", "revokedAt": "2026-02-19T00:00:00Z", "state": "Revoked"});
    let back = first(back, "2026-02-18T00:00:01.7Z");
    assert!(!back.is_empty() && back.iter().all(|event| event.action != "NewPassword"), "{back:?}");
    assert_eq!(told(changed.clone(), false, json!({})), [], "a cache that is behind");
    // An unlock asks for one, and is written down itself.
    let locks = json!({"passwordChangedAt": "2026-02-03T00:00:00Z", "locks": [{"reason": "Inactive", "rule": "6.2.a", "since": "2026-02-10T00:00:00Z"}]});
    let unlocked = told(locks, true, restore("7/CV", "2026-02-11T00:00:00Z"));
    assert_eq!(unlocked.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["Unlock"]);
}

#[test]
fn d_14_one_that_was_made_again_is_reinstated_and_not_issued() {
    let back = with(mailbox(1, json!({})), json!({"revokedAt": "2026-02-10T00:00:00Z"}));
    let now = "2026-05-10T00:00:00Z".parse().expect("a time");
    let life = super::super::life::decide(&Rules::default(), back.life(None), |_| true, now);
    assert_eq!(life.after.unlocked_at, Some(now), "all clocks begin anew");
    let told = events(
        &back,
        &back.status.clone().expect("status"),
        &life,
        &Known { came_back: true, kept: true, ..Known::default() },
        now,
    );
    let [event] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(
        (event.action.as_str(), event.rule.as_str(), event.key.as_str()),
        ("Reinstate", "D-14", "u-1/Reinstate")
    );
}

#[test]
fn r5_2_d_14_a_revocation_that_is_undone_names_what_ends() {
    let mut back = with(mailbox(6, json!({})), json!({"state": "Revoked", "revokedAt": "2026-03-01T00:00:00Z"}));
    back.managed_fields_mut()[0].time = Some(Time("2026-03-04T00:00:00Z".parse().expect("a time")));
    let ending = "44/QĐ, 2026-02-20, STTTT".to_string();
    let told = |ending: Option<String>| {
        let papers = Papers { ending, ..Papers::default() };
        told_beside(&back, &papers, "2026-03-05T00:00:00Z").into_iter().find(|event| event.cause == "Undone")
    };
    let undone = told(Some(ending.clone())).expect("it is undone");
    assert_eq!((undone.before.as_str(), &undone.document, undone.actor.as_str()), ("Revoked", &None, "flux"));
    assert!(
        undone.note.starts_with("no document is named (R5.2); ") && undone.note.ends_with(&ending),
        "{}",
        undone.note
    );
    assert!(undone.note.contains("2026-03-01"), "{}", undone.note);
    let bare = told(None).expect("it is undone").note;
    assert!(bare.contains("2026-03-01") && bare.contains("spec.ending"), "{bare}");
}

#[test]
fn r5_2_d_02_a_transfer_does_not_cite_the_document_of_an_earlier_rename() {
    let basis = json!({"number": "3/ĐT", "date": "2026-02-20", "issuer": "STTTT"});
    let moved = mailbox(7, json!({"agencyRef": {"name": "snv"}, "rename": {"basis": basis}}));
    let now = "2026-03-01T00:00:00Z".parse().expect("a time");
    let told = |mailbox: &Mailbox, rename: Option<String>| {
        let life = super::super::life::decide(&Rules::default(), mailbox.life(None), |_| true, now);
        let after =
            MailboxStatus { address: Some("nguyentd.snv@x.vn".into()), ..mailbox.status.clone().expect("status") };
        let all = events(mailbox, &after, &life, &Known { rename, ..Known::default() }, now);
        all.into_iter().find(|event| event.action == "ChangeAddress").expect("another address")
    };
    let cited = moved.spec.rename.as_ref().expect("a rename").basis.cited();
    let handled = told(&moved, Some(cited.clone()));
    assert_eq!((&handled.document, handled.before.as_str()), (&None, "nguyentd.stttt@x.vn"));
    assert!(
        handled.note.starts_with("no document is named (R5.2)") && handled.note.contains("snv"),
        "{}",
        handled.note
    );
    // New with this change, also after another one.
    for known in [None, Some("1/ĐT, 2026-01-02, STTTT".to_string())] {
        let new = told(&moved, known);
        assert_eq!((new.document.as_ref(), new.note.as_str(), &new.key), (Some(&cited), "", &handled.key));
    }
    assert_eq!(
        told(&mailbox(8, json!({"agencyRef": {"name": "snv"}})), None).document,
        None,
        "that of the account is older"
    );
}

#[test]
fn r5_2_a_claim_that_somebody_deleted_is_written_down_once_it_stands_again() {
    let told = |kept: bool, claim: Option<&str>| {
        let mailbox = with(mailbox(2, json!({})), json!({"passwordChangedAt": "2026-02-03T00:00:00Z"}));
        let now = "2026-02-10T00:00:00Z".parse().expect("a time");
        let life = super::super::life::decide(&Rules::default(), mailbox.life(None), |_| true, now);
        let after = mailbox.status.clone().expect("status");
        let known = Known { kept, made_again: claim.map(String::from), ..Known::default() };
        events(&mailbox, &after, &life, &known, now)
    };
    let first = told(true, Some("c-1"));
    let [event] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((event.action.as_str(), event.actor.as_str(), event.rule.as_str()), ("DeleteClaim", "unknown", "D-02"));
    assert_eq!((&event.document, event.address.as_str()), (&None, "nguyentd.stttt@x.vn"));
    assert_ne!(told(true, Some("c-2"))[0].key, event.key, "it is deleted a second time");
    assert_eq!((told(true, None), told(false, Some("c-1"))), (vec![], vec![]));
}
