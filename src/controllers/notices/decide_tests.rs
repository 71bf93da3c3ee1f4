use serde_json::{Value, json};

use super::*;
use crate::domain::lifecycle::Activity;

fn mailbox(status: Value) -> Mailbox {
    let basis = json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"});
    let spec = json!({"agencyRef": {"name": "stttt"}, "fullName": "Trần Đình Nguyên", "basis": basis});
    let mut all = json!({"issuedAt": "2026-02-02T00:00:00Z", "address": "nguyentd.stttt@x.vn", "state": "Active"});
    all.as_object_mut().expect("a map").extend(status.as_object().cloned().expect("a map"));
    serde_json::from_value(json!({"metadata": {"name": "nv-1", "uid": "u"}, "spec": spec, "status": all}))
        .expect("a Mailbox")
}

fn agency() -> Agency {
    let reader = Reader { mailbox: "agency-snv".into(), address: "snv@x.vn".into(), name: "Sở Nội vụ".into() };
    Agency { name: "Sở Nội vụ".into(), reader: Some(reader) }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn told(mailbox: &Mailbox, now: &str) -> Vec<(String, String)> {
    let complete = Activity {
        last_login: None,
        last_send: None,
        last_receive: None,
        complete_from: at("2026-01-01T00:00:00Z"),
        complete_through: at(now),
    };
    let life = mailbox.life(Some(complete));
    let all = wanted(mailbox, &life, true, &agency(), &Rules::default(), "https://mail.x.vn/", at(now));
    all.into_iter().map(|wanted| (wanted.mailbox, wanted.key)).collect()
}

/// A changed password: only silence counts, from 2 February on, and locks on 5 May (2 May is a Saturday).
fn silent() -> Mailbox {
    mailbox(json!({"passwordChangedAt": "2026-02-02T00:00:00Z"}))
}

#[test]
fn r6_2_a_a_holder_is_told_on_each_day_once_and_nothing_of_days_that_passed_unseen() {
    let key = |days: u8| format!("u/before-lock/Inactive/2026-05-04T17:00:00Z/{days}");
    assert_eq!(told(&silent(), "2026-04-20T00:00:00Z"), []);
    assert_eq!(told(&silent(), "2026-04-21T00:00:00Z"), [("nv-1".into(), key(14))]);
    assert_eq!(told(&silent(), "2026-04-27T00:00:00Z"), [("nv-1".into(), key(14))]);
    assert_eq!(told(&silent(), "2026-04-28T00:00:00Z"), [("nv-1".into(), key(7))]);
    assert_eq!(told(&silent(), "2026-05-04T00:00:00Z"), [("nv-1".into(), key(1))]);
    assert_eq!(told(&silent(), "2026-05-04T17:00:00Z"), [], "it is locked now");
}

#[test]
fn r6_2_a_a_notice_that_comes_late_says_how_many_days_are_left() {
    let left = |now: &str| {
        let complete = Activity {
            last_login: None,
            last_send: None,
            last_receive: None,
            complete_from: at("2026-01-01T00:00:00Z"),
            complete_through: at(now),
        };
        let mailbox = silent();
        let life = mailbox.life(Some(complete));
        let all = wanted(&mailbox, &life, true, &agency(), &Rules::default(), "https://mail.x.vn/", at(now));
        match all.as_slice() {
            [Wanted { letter: Letter { notice: Notice::BeforeLock { days_left, .. }, .. }, .. }] => *days_left,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(left("2026-04-20T17:00:00Z"), 14);
    assert_eq!(left("2026-04-23T01:00:00Z"), 12);
    assert_eq!(left("2026-05-04T16:59:00Z"), 1);
}

#[test]
fn r6_a_mailbox_that_nobody_can_open_is_read_by_nobody() {
    let read = |status: Value| is_read(mailbox(status).status.as_ref().expect("status"));
    assert!(
        read(json!({})) && read(json!({"state": "MustChangePassword"})) && read(json!({"state": "RevocationProposed"}))
    );
    let locks = json!([{"reason": "Inactive", "rule": "6.2.a", "since": "2026-05-04T17:00:00Z"}]);
    for state in ["Locked", "RevocationProposed"] {
        assert!(!read(json!({"state": state, "locks": locks})), "{state}");
    }
    for state in ["Revoked", "Pending", "Purged"] {
        assert!(!read(json!({"state": state})), "{state}");
    }
}

#[test]
fn r9_1_who_cannot_read_mail_yet_is_told_by_the_agency() {
    let found = told(&mailbox(json!({"state": "MustChangePassword"})), "2026-02-25T00:00:00Z");
    assert_eq!(found.len(), 1);
    assert!(found[0].0 == "agency-snv" && found[0].1.contains("DefaultPassword"), "{found:?}");
}

#[test]
fn r6_a_lock_is_told_to_the_agency_and_a_restore_to_both() {
    let locks = json!([{"reason": "Inactive", "rule": "6.2.a", "since": "2026-05-05T00:00:00Z"}]);
    let locked = mailbox(json!({"state": "Locked", "locks": locks, "passwordChangedAt": "2026-02-02T00:00:00Z"}));
    assert_eq!(told(&locked, "2026-05-05T01:00:00Z"), [("agency-snv".into(), "u/locked/2026-05-05T00:00:00Z".into())]);
    assert_eq!(told(&locked, "2026-05-13T00:00:00Z"), [], "long ago");
    let restored = mailbox(json!({"unlockedAt": "2026-05-06T00:00:00Z"}));
    let to: Vec<String> = told(&restored, "2026-05-06T01:00:00Z").into_iter().map(|(mailbox, _)| mailbox).collect();
    assert_eq!(to, ["nv-1", "agency-snv"]);
    // Nobody made another password: a revocation was undone.
    let (life, now) = (restored.life(None), at("2026-05-06T01:00:00Z"));
    assert_eq!(wanted(&restored, &life, false, &agency(), &Rules::default(), "https://mail.x.vn/", now), []);
}

#[test]
fn d_17_a_full_mailbox_is_told_what_the_status_says() {
    let quota = |percent: u8| {
        json!({"passwordChangedAt": "2026-02-02T00:00:00Z", "quota": {"source": "SystemDefault", "storage": "2Gi",
            "maxAttachment": "20M", "told": {"percent": percent, "at": "2026-03-01T00:00:00Z"}}})
    };
    assert_eq!(
        told(&mailbox(quota(90)), "2026-03-01T01:00:00Z"),
        [("nv-1".into(), "u/quota/90/2026-03-01T00:00:00Z".into())]
    );
    assert_eq!(told(&mailbox(quota(90)), "2026-03-20T01:00:00Z"), []);
}

#[test]
fn d_14_who_receives_no_mail_is_told_nothing() {
    let revoked = mailbox(json!({"state": "Revoked", "unlockedAt": "2026-05-06T00:00:00Z"}));
    assert_eq!(told(&revoked, "2026-05-06T01:00:00Z"), []);
}
