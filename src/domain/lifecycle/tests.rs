//! Each rule by an example.

use std::collections::BTreeSet;

use super::forecast::{Forecast, forecast};
use super::*;
use crate::domain::brake::Limits;

fn at(text: &str) -> Timestamp {
    format!("{text}T00:00:00+07:00").parse().unwrap()
}

fn on(text: &str) -> Option<Date> {
    Some(text.parse().unwrap())
}

/// Issued on 2 February 2026, password changed the day after; everything is known.
fn account(id: &str) -> Account {
    let activity = Activity {
        last_login: None,
        last_send: None,
        last_receive: None,
        complete_from: at("2026-01-01"),
        complete_through: Timestamp::MAX,
    };
    Account {
        id: id.into(),
        issued_at: Some(at("2026-02-02")),
        password_changed_at: Some(at("2026-02-03")),
        activity: Some(activity),
        ..Account::default()
    }
}

fn used(login: Option<&str>, send: Option<&str>, receive: Option<&str>) -> Account {
    let mut account = account("nv-1");
    let activity = account.activity.as_mut().unwrap();
    let day = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    (activity.last_login, activity.last_send, activity.last_receive) = (day(login), day(send), day(receive));
    account
}

fn look(account: Account, now: &str, until: &str) -> Forecast {
    forecast(&Rules::default(), vec![account], Limits::default(), 0, at(now), at(until))
}

/// What is done but for warnings: kind, cause, day.
fn done(answer: &Forecast) -> Vec<(Kind, &'static str, String)> {
    let acts = answer.actions.iter().filter(|(_, action)| action.kind != Kind::Warn);
    acts.map(|(_, action)| (action.kind, action.cause.as_str(), calendar::day(action.at).to_string())).collect()
}

fn entry(kind: Kind, cause: &'static str, day: &str) -> (Kind, &'static str, String) {
    (kind, cause, day.into())
}

#[test]
fn r6_2_d_the_default_password_locks_after_a_month_and_a_changed_one_does_not() {
    let unchanged = Account { password_changed_at: None, ..used(None, None, Some("2026-03-01")) };
    let answer = look(unchanged.clone(), "2026-03-02", "2026-03-02");
    assert_eq!((answer.standings[0].state, done(&answer)), (State::MustChangePassword, vec![]));
    assert_eq!(answer.standings[0].next_due, Some(at("2026-03-03")));
    let answer = look(unchanged, "2026-03-03", "2026-03-03");
    assert_eq!(done(&answer), [entry(Kind::Lock, "DefaultPassword", "2026-03-03")]);
    assert_eq!(answer.standings[0].state, State::Locked);
    assert_eq!(done(&look(account("nv-1"), "2026-03-03", "2026-04-30")), []);
}

#[test]
fn r6_2_a_d_10_login_send_and_receive_keep_an_account_open_for_three_months() {
    for (login, send, receive) in
        [(Some("2026-03-16"), None, None), (None, Some("2026-03-16"), None), (None, None, Some("2026-03-16"))]
    {
        let account = used(login, send, receive);
        assert_eq!(done(&look(account.clone(), "2026-06-16", "2026-06-16")), [], "{account:?}");
        let locked = look(account, "2026-06-17", "2026-06-17");
        assert_eq!(done(&locked), [entry(Kind::Lock, "Inactive", "2026-06-17")]);
        assert_eq!(locked.actions[0].1.cause.rule(), "6.2.a");
    }
}

#[test]
fn d_10_d_11_login_alone_counts_for_six_months_and_what_follows_is_a_proposal() {
    let account = used(Some("2026-02-10"), None, Some("2026-08-10"));
    let answer = look(account.clone(), "2026-08-11", "2026-08-11");
    assert_eq!(done(&answer), [entry(Kind::ProposeRevocation, "Unused", "2026-08-11")]);
    assert_eq!((answer.standings[0].state, answer.held.len()), (State::RevocationProposed, 0));
    let mut back = Account { proposed: true, ..account };
    back.activity.as_mut().unwrap().last_login = on("2026-08-12");
    assert_eq!(look(back, "2026-08-13", "2026-08-13").standings[0].state, State::Active, "who logs in is off the list");
}

#[test]
fn d_11_only_a_document_revokes_and_d_14_what_is_kept_goes_after_its_time_but_never_under_hold() {
    let revoked = Account { revoke: true, ..account("nv-1") };
    let answer = look(revoked.clone(), "2026-03-02", "2027-03-10");
    let expected = [entry(Kind::Revoke, "Approved", "2026-03-02"), entry(Kind::Purge, "RetentionOver", "2027-03-03")];
    assert_eq!((done(&answer), answer.standings[0].state), (expected.to_vec(), State::Revoked));
    let held = look(Account { hold: true, ..revoked.clone() }, "2026-03-02", "2029-01-01");
    assert_eq!(done(&held), expected[..1]);
    // Nobody asks for it any more: the same account is back, and its clocks begin anew.
    let undone = Account { revoke: false, revoked_at: Some(at("2026-03-02")), ..revoked };
    let answer = look(undone, "2026-06-01", "2026-06-01");
    assert_eq!(done(&answer), [entry(Kind::Unlock, "Undone", "2026-06-01")]);
    assert_eq!(answer.standings[0].next_due, Some(at("2026-09-02")));
}

#[test]
fn r5_4_b_access_ends_at_the_beginning_of_the_official_day_and_never_before() {
    let leaving = Account { ends_on: on("2026-03-08"), ..account("nv-1") };
    let before = forecast(
        &Rules::default(),
        vec![leaving.clone()],
        Limits::default(),
        0,
        "2026-03-07T23:59:59+07:00".parse().unwrap(),
        at("2026-03-07"),
    );
    assert_eq!((done(&before), before.standings[0].state), (vec![], State::Active));
    let after = look(leaving, "2026-03-08", "2026-03-08");
    assert_eq!(done(&after), [entry(Kind::Revoke, "EndsOn", "2026-03-08")], "a Sunday");
}

#[test]
fn an_account_is_pending_until_its_first_day_and_its_clocks_begin_with_it() {
    let coming = Account { starts_on: on("2026-05-04"), password_changed_at: None, ..account("nv-1") };
    let answer = look(coming, "2026-05-03", "2026-05-03");
    assert_eq!((answer.standings[0].state, answer.standings[0].next_due), (State::Pending, Some(at("2026-06-05"))));
}

#[test]
fn d_12_d_13_a_document_takes_its_reasons_away_and_with_the_last_one_all_clocks_begin_anew() {
    let mut locked = account("nv-1");
    let since = at("2026-05-05");
    locked.locks = [(LockReason::Inactive, since), (LockReason::DefaultPassword, since)].into();
    let part =
        Restore { received_at: at("2026-05-06"), reasons: BTreeSet::from([LockReason::Inactive]), handled: false };
    let answer = look(Account { restore: Some(part), ..locked.clone() }, "2026-05-06", "2026-05-06");
    assert_eq!(answer.standings[0].state, State::Locked);
    assert_eq!(answer.standings[0].reasons, BTreeSet::from([LockReason::DefaultPassword]));
    let all = Restore { received_at: at("2026-05-06"), reasons: BTreeSet::new(), handled: false };
    let answer = look(Account { restore: Some(all.clone()), ..locked.clone() }, "2026-05-06", "2026-08-30");
    assert_eq!(answer.standings[0].state, State::MustChangePassword, "a new password, which must be changed (R6.3)");
    let expected = [
        entry(Kind::Unlock, "Restore", "2026-05-06"),
        // 6 June is a Saturday, 6 August a Thursday.
        entry(Kind::Lock, "DefaultPassword", "2026-06-09"),
        entry(Kind::Lock, "Inactive", "2026-08-07"),
    ];
    assert_eq!(done(&answer)[..3], expected);
    // A lock that came later needs a document of its own.
    let old = Restore { received_at: at("2026-05-04"), ..all };
    assert_eq!(done(&look(Account { restore: Some(old), ..locked }, "2026-05-06", "2026-05-06")), []);
}

#[test]
fn r6_3_what_people_locked_is_due_three_working_days_after_the_document() {
    let restore =
        Restore { received_at: "2026-06-05T16:00:00+07:00".parse().unwrap(), reasons: BTreeSet::new(), handled: false };
    let mut locked = account("nv-1");
    locked.person_locks = BTreeSet::from([LockReason::Compromised]);
    let answer = look(Account { restore: Some(restore), ..used_in_june(locked) }, "2026-06-08", "2026-06-30");
    assert_eq!(done(&answer), [entry(Kind::RestoreDue, "Restore", "2026-06-11")]);
    assert_eq!(answer.standings[0].reasons, BTreeSet::from([LockReason::Compromised]));
}

fn used_in_june(mut account: Account) -> Account {
    account.activity.as_mut().unwrap().last_login = on("2026-06-04");
    account
}

#[test]
fn r6_2_a_a_notified_absence_is_no_silence() {
    let absent = |from: &str, to: &str| {
        let absence = Some(Absence { from: from.parse().unwrap(), to: to.parse().unwrap() });
        let account = Account { absence, ..used(Some("2026-03-16"), None, None) };
        done(&look(account, "2026-03-17", "2027-03-01")).into_iter().find(|(kind, ..)| *kind == Kind::Lock).unwrap().2
    };
    assert_eq!(
        absent("2026-06-10", "2026-07-10"),
        "2026-10-13",
        "three months after its last day; 10 and 11 are a weekend"
    );
    assert_eq!(absent("2026-04-01", "2026-04-02"), "2026-07-03");
    assert_eq!(absent("2026-02-10", "2026-03-10"), "2026-06-17", "it was over before");
    assert_eq!(absent("2026-06-17", "2026-08-01"), "2026-06-17", "it came too late");
}

#[test]
fn d_16_a_clock_does_not_run_out_while_its_source_is_not_proven_complete() {
    let mut silent = used(Some("2026-03-16"), None, None);
    silent.activity.as_mut().unwrap().complete_through = at("2026-06-15");
    let answer = look(silent.clone(), "2026-06-20", "2026-07-20");
    assert_eq!(done(&answer), []);
    let clock = Cause::Locks(LockReason::Inactive);
    let open = Unknown { clock, since: at("2026-06-17"), proven: Some(at("2026-06-17")) };
    assert_eq!((answer.standings[0].state, &answer.standings[0].unknown), (State::Active, &vec![open]));
    // The volume was lost in May: the three months are proven three months later.
    let activity = silent.activity.as_mut().unwrap();
    (activity.complete_from, activity.complete_through) = (at("2026-05-20"), Timestamp::MAX);
    let answer = look(silent.clone(), "2026-06-20", "2026-08-25");
    assert_eq!(done(&answer), [entry(Kind::Lock, "Inactive", "2026-08-21")]);
    let open = Unknown { clock, since: at("2026-06-17"), proven: Some(at("2026-08-21")) };
    assert_eq!(answer.standings[0].unknown, [open]);
    // Nothing is known at all.
    silent.activity = None;
    let answer = look(silent, "2026-06-20", "2027-06-20");
    assert_eq!((done(&answer), answer.standings[0].unknown[0].proven), (vec![], None));
}

#[test]
fn a_holder_is_told_fourteen_seven_and_one_days_before_a_lock() {
    let answer = look(used(Some("2026-03-16"), None, None), "2026-06-01", "2026-06-17");
    let told = answer.actions.iter().filter(|(_, action)| action.kind == Kind::Warn);
    let told: Vec<_> = told.map(|(_, a)| (calendar::day(a.at).to_string(), a.cause.as_str())).collect();
    assert_eq!(told, ["2026-06-03", "2026-06-10", "2026-06-16"].map(|day| (day.to_string(), "Inactive")));
}

#[test]
fn d_15_more_locks_than_the_brake_allows_are_all_held_and_documents_are_not() {
    let many = |count: usize| -> Vec<Account> {
        (0..count).map(|i| Account { id: format!("nv-{i}"), ..used(Some("2026-03-16"), None, None) }).collect()
    };
    let rules = Rules::default();
    let now = at("2026-06-17");
    let answer = forecast(&rules, many(20), Limits::default(), 0, now, now);
    assert_eq!((answer.held.len(), answer.actions.len()), (0, 20));
    let answer = forecast(&rules, many(20), Limits::default(), 1, now, now);
    assert_eq!((answer.held.len(), answer.actions.len()), (20, 0), "one more was locked within a day");
    let mut accounts = many(21);
    accounts[4].revoke = true;
    accounts.push(Account { revoke: true, ..account("nv-21") });
    let answer = forecast(&rules, accounts.clone(), Limits::default(), 0, now, at("2026-07-01"));
    let lock =
        |held: &Held| held.action.kind == Kind::Lock && calendar::day(held.action.at).to_string() == "2026-06-17";
    assert!(answer.held.is_empty() && done(&answer).len() == 22, "20 locks and two that documents revoke: {answer:?}");
    accounts.extend(many(1));
    let answer = forecast(&rules, accounts, Limits::default(), 0, now, at("2026-07-01"));
    assert_eq!((answer.held.iter().filter(|h| lock(h)).count(), answer.held.len()), (21, 21));
    assert_eq!(done(&answer).len(), 2);
    assert!(answer.standings.iter().filter(|s| s.state == State::Active).count() == 21);
}

#[test]
fn d_15_the_brake_holds_what_is_still_to_come_as_well() {
    let accounts = (0..30).map(|i| Account { id: format!("nv-{i}"), ..used(Some("2026-03-16"), None, None) }).collect();
    let answer = forecast(&Rules::default(), accounts, Limits::default(), 0, at("2026-06-01"), at("2026-12-31"));
    assert!(answer.actions.iter().all(|(_, a)| matches!(a.kind, Kind::Warn | Kind::ProposeRevocation)));
    assert_eq!((answer.held.len(), answer.held[0].action.at), (30, at("2026-06-17")));
}

#[test]
fn d_15_a_day_counts_what_automation_did_in_it() {
    let mut accounts: Vec<Account> = (0..4).map(|i| account(&format!("nv-{i}"))).collect();
    accounts[0].locks.insert(LockReason::Inactive, at("2026-06-16"));
    accounts[1].locks.insert(LockReason::Inactive, at("2026-06-15"));
    (accounts[2].revoked_at, accounts[2].ends_on) = (Some(at("2026-06-17")), on("2026-06-17"));
    (accounts[3].revoked_at, accounts[3].revoke) = (Some(at("2026-06-17")), true);
    assert_eq!(done_within_a_day(&accounts, "2026-06-16T23:00:00+07:00".parse().unwrap()), 1);
    assert_eq!(
        done_within_a_day(&accounts, at("2026-06-17")),
        1,
        "24 hours after the first, that one does not count any more"
    );
}

#[test]
fn what_was_done_is_not_done_again() {
    let rules = Rules::default();
    let mut accounts = vec![used(Some("2026-03-16"), None, None), Account { revoke: true, ..account("nv-2") }];
    let now = at("2026-06-17");
    let first = pass(&rules, &mut accounts, Limits::default(), 0, false, now);
    assert_eq!(first.act.len(), 2);
    assert_eq!(pass(&rules, &mut accounts, Limits::default(), 0, false, now), Pass::default());
}
