//! What of a pass is written down (R5.2): issue, another address, and each action on the life of the account. Pure. A key names the
//! cause and not the moment, so that a pass that comes again has the same one.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::api::{Forwarding, Mailbox, MailboxState, MailboxStatus};
use crate::controllers::journal::author;
use crate::domain::journal::Event;
use crate::domain::lifecycle::{Action, By, Cause, Kind};

use super::life::Life;

/// Who decides where nobody was asked.
const OPERATOR: &str = "mail-operator";

/// The decisions between the status that is there and the one that is to be written.
/// `came_back`: the Mailbox was made again since its address was issued, which is no issue (D-14).
pub(super) fn events(
    mailbox: &Mailbox,
    after: &MailboxStatus,
    life: &Life,
    came_back: bool,
    now: Timestamp,
) -> Vec<Event> {
    let before = mailbox.status.clone().unwrap_or_default();
    let uid = mailbox.uid().unwrap_or_default();
    let state = |status: &MailboxStatus| status.state.map(|state| format!("{state:?}")).unwrap_or_default();
    let base = Event {
        at: now,
        actor: author(mailbox),
        mailbox: mailbox.name_any(),
        address: after.address.clone().unwrap_or_default(),
        document: Some(mailbox.spec.basis.cited()),
        before: state(&before),
        after: state(after),
        ..Event::default()
    };
    let mut events = Vec::new();
    if after.issued_at.is_some() && before.issued_at.is_none() {
        // A Mailbox is issued once, and a pass that comes again may take another moment for it.
        let key = format!("{uid}/Issue");
        let note = format!("{} gets {}", mailbox.spec.full_name, base.address);
        events.push(Event { key, action: "Issue".into(), rule: "5.1".into(), note, ..base.clone() });
    }
    if came_back {
        let note =
            format!("the Mailbox of {} is there again: the same mail, address and password", mailbox.spec.full_name);
        let (key, action) = (format!("{uid}/Reinstate"), "Reinstate".to_string());
        events.push(Event { key, action, rule: "D-14".into(), note, ..base.clone() });
    }
    if let Some((old, new)) = before.address.as_ref().zip(after.address.as_ref()).filter(|(old, new)| old != new) {
        let key = format!("{uid}/ChangeAddress/{new}/{}", mailbox.metadata.generation.unwrap_or(0));
        let renamed = mailbox.spec.rename.as_ref().map(|rename| rename.basis.cited());
        let change = Event { before: old.clone(), after: new.clone(), ..base.clone() };
        events.push(Event {
            key,
            action: "ChangeAddress".into(),
            rule: "D-02".into(),
            document: renamed.or(base.document.clone()),
            ..change
        });
    }
    // What was undone with the file is said by that.
    let done = life.done.iter().filter(|action| !came_back || action.cause != Cause::Undone);
    events.extend(done.map(|action| of(mailbox, &uid, action, life, &base)));
    if let Some(revoked) = events.iter_mut().find(|event| event.action == Kind::Revoke.as_str()) {
        let successor = mailbox.spec.successor_ref.as_ref().map(|successor| successor.name.as_str());
        revoked.note = successor.map(|name| goes(name, after)).unwrap_or_default();
    }
    events.extend(redirected(mailbox, &before, after, &base));
    events
}

fn goes(successor: &str, after: &MailboxStatus) -> String {
    match after.forwarding.as_ref().and_then(|forwarding| forwarding.to.as_ref()) {
        Some(to) => format!("mail is forwarded to {to} (successor {successor})"),
        None => format!("successor {successor} does not receive: mail is refused"),
    }
}

/// Mail of an account that was revoked before goes elsewhere: people named another successor, or one of those moved, ended or came
/// back. The beginning of the former state tells one change from the next.
fn redirected(mailbox: &Mailbox, before: &MailboxStatus, after: &MailboxStatus, base: &Event) -> Option<Event> {
    let (old, new) = (before.forwarding.as_ref(), after.forwarding.as_ref());
    let to = |forwarding: Option<&Forwarding>| forwarding.and_then(|f| f.to.clone()).unwrap_or_default();
    let stays = before.revoked_at.is_some() && after.state == Some(MailboxState::Revoked);
    if !stays || to(old) == to(new) {
        return None;
    }
    let since = old.map(|old| &old.since).or(before.revoked_at.as_ref())?;
    let by_people = before.observed_generation != mailbox.metadata.generation;
    let note = match &mailbox.spec.successor_ref {
        Some(successor) => goes(&successor.name, after),
        None => "no successor is named: mail is refused".into(),
    };
    Some(Event {
        // Times of a status are whole seconds: what was read tells two changes of one second apart.
        key: format!(
            "{}/Forward/{}/{}/{}",
            mailbox.uid().unwrap_or_default(),
            since.0.as_second(),
            mailbox.resource_version().unwrap_or_default(),
            to(new)
        ),
        actor: if by_people { base.actor.clone() } else { OPERATOR.into() },
        action: "Forward".into(),
        cause: "Successor".into(),
        rule: "5.4.c".into(),
        document: base.document.clone().filter(|_| by_people),
        before: to(old),
        after: to(new),
        note,
        ..base.clone()
    })
}

fn of(mailbox: &Mailbox, uid: &str, action: &Action, life: &Life, base: &Event) -> Event {
    let generation = mailbox.metadata.generation.unwrap_or(0);
    let (spec, kind) = (&mailbox.spec, action.kind.as_str());
    let by_person = match action.cause {
        Cause::Locks(reason) => life.after.locks.get(&reason).is_some_and(|lock| lock.by == By::Person),
        Cause::Withdrawn | Cause::Approved | Cause::Undone => true,
        Cause::Restore | Cause::Unused | Cause::EndsOn | Cause::Deleted | Cause::RetentionOver => false,
    };
    let document = match action.cause {
        Cause::Locks(_) => spec.lock.as_ref().filter(|_| by_person).map(|lock| lock.basis.cited()),
        Cause::Restore => spec.restore.as_ref().map(|restore| restore.basis.cited()),
        Cause::Withdrawn => spec.restore.as_ref().filter(|_| is_covered(life)).map(|restore| restore.basis.cited()),
        Cause::Approved | Cause::EndsOn => Some(spec.basis.cited()),
        Cause::Unused | Cause::Deleted | Cause::Undone | Cause::RetentionOver => None,
    };
    let which = which(action, by_person, generation, life, document.as_deref());
    let since = (action.kind == Kind::Lock && !by_person).then(|| format!("due {}", action.at));
    let bare =
        (action.cause == Cause::Withdrawn && document.is_none()).then(|| "no document is named (R5.2)".to_string());
    Event {
        key: format!("{uid}/{kind}/{}/{which}", action.cause.as_str()),
        actor: if by_person { base.actor.clone() } else { OPERATOR.into() },
        action: kind.into(),
        cause: action.cause.as_str().into(),
        rule: action.cause.rule().into(),
        document,
        note: since.or(bare).unwrap_or_default(),
        ..base.clone()
    }
}

/// What tells an action from another one of its kind and cause, and is the same whenever its pass comes again: what people wrote, by the
/// generation of the spec; what a document asks for, by that and the locks that it found; what a clock says, by its hour and the moment
/// from which clocks run.
fn which(action: &Action, by_person: bool, generation: i64, life: &Life, document: Option<&str>) -> String {
    let begun = || life.before.unlocked_at.map(|at| format!(" since {}", at.as_second())).unwrap_or_default();
    match action.cause {
        _ if by_person => format!("generation {generation}"),
        Cause::Restore => {
            let asked = format!("{}\n{}", document.unwrap_or_default(), life.unlock());
            let digest: String = Sha256::digest(asked).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("{} {digest}", action.at)
        }
        _ => format!("{}{}", action.at, begun()),
    }
}

/// Whether the document covers a lock that people took back.
fn is_covered(life: &Life) -> bool {
    let Some(restore) = &life.before.restore else { return false };
    let gone = life.before.locks.iter().filter(|(reason, lock)| {
        lock.by == By::Person && life.after.locks.get(*reason).is_none_or(|left| left.by != By::Person)
    });
    gone.into_iter().any(|(reason, lock)| restore.covers(*reason, lock.since))
}

#[cfg(test)]
mod tests {
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
        events(mailbox, &after, &life, false, now)
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
        assert_ne!(told(&mailbox(5, lock), "2026-02-06T00:05:00Z")[0].key, event.key);
    }

    fn forwarded(generation: i64, observed: i64, known: Option<(&str, &str)>, to: Option<&str>) -> Vec<Event> {
        let mut mailbox = mailbox(generation, json!({"state": "Revoked", "successorRef": {"name": "nv-2"}}));
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
        events(&mailbox, &after, &life, false, now)
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
        assert!(by_people.document.is_some() && by_people.note.contains("b@x.vn"), "{by_people:?}");
        let by_itself = &forwarded(3, 3, Some(("b@x.vn", "2026-03-02T00:00:00Z")), None)[0];
        assert_eq!((by_itself.actor.as_str(), by_itself.document.as_ref()), ("mail-operator", None));
        assert_eq!((by_itself.before.as_str(), by_itself.after.as_str()), ("b@x.vn", ""));
        // The same change of a later time is another one.
        let later = &forwarded(3, 3, Some(("b@x.vn", "2026-03-04T00:00:00Z")), None)[0];
        assert!(later.key != by_itself.key && later.key.starts_with("u-1/Forward/"), "{}", later.key);
    }

    #[test]
    fn r5_2_an_issue_is_the_same_decision_whenever_the_pass_comes_again() {
        let mut new = mailbox(1, json!({}));
        let mut after = new.status.take().expect("status");
        let told = |after: &MailboxStatus, now: &str| {
            let now = now.parse().expect("a time");
            let life = super::super::life::decide(&Rules::default(), new.life(None), |_| true, now);
            events(&new, after, &life, false, now)
        };
        let one = told(&after, "2026-02-02T00:00:00.7Z");
        // The operator was killed before the status was written: now the claim says when it was.
        after.issued_at =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-02-01T23:59:59Z".parse().expect("a time")));
        let again = told(&after, "2026-02-02T00:00:09Z");
        assert_eq!((one.len(), one[0].action.as_str()), (1, "Issue"));
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
        let locks = json!({"locks": [{"reason": "Compromised", "rule": "6.2.b", "since": "2026-09-05T00:00:00Z", "basis": basis}]});
        let told_of = |received| {
            let mailbox = with(mailbox(4, restore("3/CV", received)), locks.clone());
            told(&mailbox, "2026-09-20T00:00:00Z").remove(0)
        };
        let march = told_of("2026-03-01T00:00:00Z");
        assert_eq!((march.document, march.note.contains("no document")), (None, true));
        assert!(told_of("2026-09-18T00:00:00Z").document.is_some_and(|document| document.contains("3/CV")));
    }

    #[test]
    fn r5_2_each_decision_has_a_key_of_its_own_and_keeps_it() {
        // The same last day, before and after it was undone.
        let ends = |status| {
            told(&with(mailbox(2, json!({"endsOn": "2026-02-20"})), status), "2026-02-21T00:00:00Z").remove(0).key
        };
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
            told(&mailbox, "2026-02-21T00:00:00Z")
                .into_iter()
                .find(|event| event.action == "RestoreDue")
                .expect("due")
                .key
        };
        assert_eq!(due("7/CV"), due("7/CV"));
        assert_ne!(due("7/CV"), due("8/CV"));
        assert!([first, gives("7/CV"), due("8/CV")].iter().all(|key| key.len() <= crate::domain::journal::LONGEST_KEY));
    }

    #[test]
    fn d_14_one_that_was_made_again_is_reinstated_and_not_issued() {
        let back = with(mailbox(1, json!({})), json!({"revokedAt": "2026-02-10T00:00:00Z"}));
        let now = "2026-05-10T00:00:00Z".parse().expect("a time");
        let life = super::super::life::decide(&Rules::default(), back.life(None), |_| true, now);
        assert_eq!(life.after.unlocked_at, Some(now), "all clocks begin anew");
        let told = events(&back, &back.status.clone().expect("status"), &life, true, now);
        let [event] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(
            (event.action.as_str(), event.rule.as_str(), event.key.as_str()),
            ("Reinstate", "D-14", "u-1/Reinstate")
        );
    }
}
