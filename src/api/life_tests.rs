//! From what people write to what the rules of Điều 5, 6 and 9 make of it.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::CustomResourceExt;

use super::{FirstAccess, Mailbox, MailboxSpec, MailboxStatus, Regulation, rules};
use crate::domain::lifecycle::{Access, Account, Activity, Brake, Cause, Kind, LockReason, State, pass};

const PERSON: &str = "agencyRef: {name: stttt}\nfullName: Hoàng Thị Như Quỳnh\n\
    basis: {number: 12/STTTT-VP, date: \"2026-02-02\", issuer: STTTT}\n";

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

/// A Mailbox that was issued on 2 February 2026, with more lines of its spec.
fn mailbox(more: &str) -> Mailbox {
    let mut mailbox =
        Mailbox::new("nv-000123", serde_yaml::from_str::<MailboxSpec>(&format!("{PERSON}{more}")).expect("spec"));
    mailbox.status =
        Some(MailboxStatus { issued_at: Some(Time(at("2026-02-02T01:00:00Z"))), ..MailboxStatus::default() });
    mailbox
}

/// One look at one account.
fn look(account: &mut Account, now: Timestamp) -> Vec<(Kind, Cause)> {
    let rules = rules(&Regulation::default(), None);
    let mut accounts = [account.clone()];
    let done = pass(&rules, &mut accounts, &mut Brake::default(), &BTreeSet::new(), now);
    assert!(done.held.is_empty());
    [*account] = accounts;
    done.act.iter().map(|(_, action)| (action.kind, action.cause)).collect()
}

#[test]
fn r1_a_mailbox_belongs_to_exactly_one_agency() {
    let schema = Mailbox::crd().spec.versions[0].schema.clone().and_then(|s| s.open_api_v3_schema).expect("schema");
    let spec = &schema.properties.expect("properties")["spec"];
    assert!(spec.required.iter().flatten().any(|field| field == "agencyRef"));
    let reference = &spec.properties.as_ref().expect("properties")["agencyRef"];
    assert_eq!(reference.type_.as_deref(), Some("object"), "one, not a list");
    assert_eq!(reference.required.as_deref(), Some(["name".to_string()].as_slice()));
}

#[test]
fn r6_2_b_r6_2_c_r6_1_what_people_write_locks_at_once_at_any_hour_and_by_its_rule() {
    let cases = [
        ("Compromised", LockReason::Compromised, "6.2.b"),
        ("LostPassword", LockReason::LostPassword, "6.2.b"),
        ("SpamOrMalware", LockReason::SpamOrMalware, "6.2.b"),
        ("ProhibitedUse", LockReason::ProhibitedUse, "6.2.c"),
    ];
    // The night from Saturday to Sunday.
    let now = at("2026-02-07T20:00:00Z");
    for (written, reason, rule) in cases {
        let lock =
            format!("lock: {{reasons: [{written}], basis: {{number: 9/CV, date: \"2026-02-07\", issuer: STTTT}}}}\n");
        let mut account = mailbox(&lock).life(None);
        assert_eq!(look(&mut account, now), [(Kind::Lock, Cause::Locks(reason))]);
        assert_eq!(reason.rule(), rule);
        let terms = rules(&Regulation::default(), None).terms;
        assert_eq!((account.state(&terms, now), account.access(&terms, now)), (State::Locked, Access::None));
    }
}

#[test]
fn r9_1_the_default_password_is_good_for_nothing_but_its_change() {
    let must = Regulation { first_access: FirstAccess::ChangePassword, ..Regulation::default() };
    let (terms, now) = (rules(&must, None).terms, at("2026-02-03T01:00:00Z"));
    let mut account = mailbox("").life(None);
    assert_eq!(account.state(&terms, now), State::MustChangePassword);
    assert_eq!(account.access(&terms, now), Access::ChangePassword);
    account.password_changed_at = Some(now);
    assert_eq!((account.state(&terms, now), account.access(&terms, now)), (State::Active, Access::Full));
}

#[test]
fn r5_4_c_r8_3_dd_d_11_six_months_without_login_are_a_proposal_and_a_document_ends_the_account() {
    let used = |day: &str| Activity {
        last_login: Some(day.parse().expect(day)),
        last_send: None,
        last_receive: Some("2026-09-01".parse().expect("a day")),
        complete_from: at("2026-01-01T00:00:00Z"),
        complete_through: at("2026-12-01T00:00:00Z"),
    };
    let mut account = mailbox("").life(Some(used("2026-03-02")));
    account.password_changed_at = Some(at("2026-02-03T01:00:00Z"));
    // 2 September is a Wednesday; it has to be over.
    assert_eq!(look(&mut account, at("2026-09-02T16:59:59Z")), []);
    assert_eq!(look(&mut account, at("2026-09-02T17:00:00Z")), [(Kind::ProposeRevocation, Cause::Unused)]);
    account.revoke = mailbox("state: Revoked\n").life(None).revoke;
    assert_eq!(look(&mut account, at("2026-09-03T01:00:00Z")), [(Kind::Revoke, Cause::Approved)]);
    assert_eq!(Cause::Approved.rule(), "5.4.c");
}
