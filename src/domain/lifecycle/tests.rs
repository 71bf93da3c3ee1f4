//! Each rule by an example.

use std::collections::BTreeSet;

use k8s_openapi::jiff::ToSpan;

use super::forecast::{Forecast, forecast};
use super::*;
use crate::domain::calendar;

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
    together(vec![account], Brake::default(), at(now), at(until))
}

fn together(accounts: Vec<Account>, brake: Brake, now: Timestamp, until: Timestamp) -> Forecast {
    forecast(&Rules::default(), accounts, brake, &BTreeSet::new(), now, until)
}

fn by_clock(since: Timestamp) -> Lock {
    Lock { since, by: By::Clock, also_clock: false }
}

fn by_person(since: Timestamp) -> Lock {
    Lock { since, by: By::Person, also_clock: false }
}

/// A document that was received on this day and asks for all.
fn document(text: &str) -> Option<Restore> {
    Some(Restore { received_at: at(text), ..Restore::default() })
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
    let evening = "2026-03-07T23:59:59+07:00".parse().unwrap();
    let before = together(vec![leaving.clone()], Brake::default(), evening, evening);
    assert_eq!((done(&before), before.standings[0].state), (vec![], State::Active));
    let after = look(leaving.clone(), "2026-03-08", "2026-03-08");
    assert_eq!(done(&after), [entry(Kind::Revoke, "EndsOn", "2026-03-08")], "a Sunday");
    // A leader whose clock is behind does not open it again.
    let revoked = Account { revoked_at: Some(at("2026-03-08")), ..leaving };
    assert_eq!(done(&together(vec![revoked], Brake::default(), evening, evening)), []);
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
    locked.locks = [(LockReason::Inactive, by_clock(since)), (LockReason::DefaultPassword, by_clock(since))].into();
    let part = document("2026-05-06").map(|d| Restore { reasons: BTreeSet::from([LockReason::Inactive]), ..d });
    let mut accounts = vec![Account { restore: part, ..locked.clone() }];
    let first = pass(&Rules::default(), &mut accounts, &mut Brake::default(), &BTreeSet::new(), at("2026-05-06"));
    assert_eq!(first.act.iter().map(|(_, a)| a.kind).collect::<Vec<_>>(), [Kind::Relieve]);
    let account = accounts.remove(0);
    assert_eq!(account.locks.keys().collect::<Vec<_>>(), [&LockReason::DefaultPassword]);
    // Its clock began anew with that, whatever becomes of the document in the file.
    let tidied = Account { restore: None, ..account };
    assert_eq!(look(tidied, "2026-08-06", "2026-08-07").actions.last().unwrap().1.at, at("2026-08-07"));
    let answer = look(Account { restore: document("2026-05-06"), ..locked.clone() }, "2026-05-06", "2026-08-30");
    assert_eq!(answer.standings[0].state, State::MustChangePassword, "a new password, which must be changed (R6.3)");
    let expected = [
        entry(Kind::Unlock, "Restore", "2026-05-06"),
        // 6 June is a Saturday, 6 August a Thursday.
        entry(Kind::Lock, "DefaultPassword", "2026-06-09"),
        entry(Kind::Lock, "Inactive", "2026-08-07"),
    ];
    assert_eq!(done(&answer)[..3], expected);
    // A lock that came later needs a document of its own.
    assert_eq!(done(&look(Account { restore: document("2026-05-04"), ..locked }, "2026-05-06", "2026-05-06")), []);
}

#[test]
fn d_12_r6_3_a_lock_that_people_take_back_is_an_unlock_too() {
    let mut locked = used(Some("2026-03-10"), None, Some("2026-08-19"));
    locked.locks = [(LockReason::Compromised, by_person(at("2026-03-11")))].into();
    let answer = look(locked.clone(), "2026-08-20", "2026-09-30");
    assert_eq!(
        answer.standings[0].state,
        State::MustChangePassword,
        "the password that others know is no good any more"
    );
    let expected = [entry(Kind::Unlock, "Withdrawn", "2026-08-20"), entry(Kind::Lock, "DefaultPassword", "2026-09-22")];
    assert_eq!(done(&answer), expected, "no proposal: its clock began anew; 20 September is a Sunday");
    // With a lock of a clock beside it, or another one that people want, it is not open yet.
    locked.locks.insert(LockReason::Inactive, by_clock(at("2026-06-12")));
    let answer = look(locked.clone(), "2026-08-20", "2026-08-20");
    assert_eq!(done(&answer), [entry(Kind::Relieve, "Withdrawn", "2026-08-20")]);
    locked.locks.remove(&LockReason::Inactive);
    locked.wanted_locks = BTreeSet::from([LockReason::SpamOrMalware]);
    let answer = look(locked, "2026-08-20", "2026-08-20");
    assert_eq!(answer.standings[0].reasons, BTreeSet::from([LockReason::SpamOrMalware]));
    assert!(answer.actions.iter().all(|(_, action)| action.kind != Kind::Unlock), "{answer:?}");
}

#[test]
fn r6_3_what_people_locked_is_due_three_working_days_after_the_document_once() {
    let restore = Restore { received_at: "2026-06-05T16:00:00+07:00".parse().unwrap(), ..Restore::default() };
    let mut locked = used_in_june(account("nv-1"));
    locked.wanted_locks = BTreeSet::from([LockReason::Compromised]);
    locked.locks = [(LockReason::Compromised, by_person(at("2026-06-05")))].into();
    locked.restore = Some(restore);
    let answer = look(locked.clone(), "2026-06-08", "2026-06-30");
    assert_eq!(done(&answer), [entry(Kind::RestoreDue, "Restore", "2026-06-11")]);
    assert_eq!(answer.standings[0].reasons, BTreeSet::from([LockReason::Compromised]));
    let mut accounts = vec![locked.clone()];
    for expected in [1, 0] {
        let acts =
            pass(&Rules::default(), &mut accounts, &mut Brake::default(), &BTreeSet::new(), at("2026-06-11")).act;
        assert_eq!(acts.len(), expected, "told once");
    }
    // A lock that came after the document has nothing to do with it.
    locked.locks.insert(LockReason::Compromised, by_person(at("2026-06-20")));
    assert_eq!(done(&look(locked, "2026-06-21", "2026-06-30")), []);
}

#[test]
fn a_proposal_opens_no_account_that_is_locked() {
    let rules = Rules::default();
    let mut account = Account { proposed: true, ..used(Some("2026-02-10"), None, None) };
    assert_eq!(account.access(&rules.terms, at("2026-08-20")), Access::Full);
    account.locks.insert(LockReason::Inactive, by_clock(at("2026-05-12")));
    assert_eq!(account.state(&rules.terms, at("2026-08-20")), State::RevocationProposed);
    assert_eq!(account.access(&rules.terms, at("2026-08-20")), Access::None);
    account.locks.clear();
    account.password_changed_at = None;
    assert_eq!(account.access(&rules.terms, at("2026-08-20")), Access::ChangePassword);
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
    assert_eq!(absent("2026-06-16", "2026-08-01"), "2026-11-03", "on the last day; 1 November is a Sunday");
    assert_eq!(absent("2026-04-01", "2026-04-02"), "2026-07-03");
    assert_eq!(absent("2026-02-10", "2026-03-10"), "2026-06-17", "it was over before");
    assert_eq!(absent("2026-06-17", "2026-08-01"), "2026-06-17", "it came too late");
}

#[test]
fn d_16_a_clock_does_not_run_out_while_its_source_is_not_proven_complete() {
    let mut silent = used(Some("2026-03-16"), None, None);
    let through =
        |account: &mut Account, text: &str| account.activity.as_mut().unwrap().complete_through = text.parse().unwrap();
    // Five days without word of the mail server: nothing is known of those, nor of what comes.
    through(&mut silent, "2026-06-15T00:00:00+07:00");
    let answer = look(silent.clone(), "2026-06-20", "2026-09-20");
    assert_eq!((done(&answer), answer.standings[0].state), (vec![], State::Active));
    let clock = Cause::Locks(LockReason::Inactive);
    let open = |cause, day: &str| Unknown { clock: cause, since: at(day), proven: Some(at(day)) };
    assert_eq!(answer.standings[0].unknown, [open(clock, "2026-06-17"), open(Cause::Unused, "2026-09-17")]);
    // Some minutes are the usual way of things: unknown now, and done as soon as the mail server has told.
    through(&mut silent, "2026-06-16T23:58:00+07:00");
    let now = "2026-06-17T00:02:00+07:00".parse().unwrap();
    let answer = together(vec![silent.clone()], Brake::default(), now, now);
    assert_eq!((done(&answer), &answer.standings[0].unknown), (vec![], &vec![open(clock, "2026-06-17")]));
    let answer = together(vec![silent.clone()], Brake::default(), now, at("2026-07-01"));
    assert_eq!(done(&answer), [entry(Kind::Lock, "Inactive", "2026-06-17")]);
    // The volume was lost in May: the three months are proven three months later.
    let activity = silent.activity.as_mut().unwrap();
    (activity.complete_from, activity.complete_through) = (at("2026-05-20"), Timestamp::MAX);
    let answer = look(silent.clone(), "2026-06-20", "2026-08-25");
    assert_eq!(done(&answer), [entry(Kind::Lock, "Inactive", "2026-08-21")]);
    let open = Unknown { clock, since: at("2026-06-17"), proven: Some(at("2026-08-21")) };
    assert_eq!(answer.standings[0].unknown, [open]);
    // Nothing is known at all.
    silent.activity = None;
    let answer = look(silent, "2026-03-20", "2027-06-20");
    let unknown: Vec<_> = answer.standings[0].unknown.iter().map(|u| (u.clock.as_str(), u.proven)).collect();
    assert_eq!((done(&answer), unknown), (vec![], vec![("Inactive", None), ("Unused", None)]));
}

#[test]
fn a_holder_is_told_fourteen_seven_and_one_days_before_a_lock_that_will_come() {
    let told = |account: Account| {
        let answer = look(account, "2026-06-01", "2026-06-18");
        let told = answer.actions.into_iter().filter(|(_, action)| action.kind == Kind::Warn);
        told.map(|(_, a)| format!("{} {}", calendar::day(a.at), a.cause.as_str())).collect::<Vec<_>>()
    };
    let silent = used(Some("2026-03-16"), None, None);
    assert_eq!(told(silent.clone()), ["2026-06-03 Inactive", "2026-06-10 Inactive", "2026-06-16 Inactive"]);
    assert_eq!(told(Account { ends_on: on("2026-06-12"), ..silent.clone() }), [""; 0], "who leaves before");
    assert_eq!(told(Account { wanted_locks: BTreeSet::from([LockReason::Compromised]), ..silent }), [""; 0]);
}

fn many(count: usize, login: &str) -> Vec<Account> {
    (0..count).map(|i| Account { id: format!("nv-{login}-{i}"), ..used(Some(login), None, None) }).collect()
}

fn acted(count: usize, when: Timestamp) -> Brake {
    Brake { acted: (0..count).map(|i| (when, format!("other-{i}"))).collect(), ..Brake::default() }
}

#[test]
fn d_15_more_locks_than_the_brake_allows_are_all_held_and_documents_are_not() {
    let now = at("2026-06-17");
    let answer = together(many(20, "2026-03-16"), Brake::default(), now, now);
    assert_eq!((answer.held.len(), answer.actions.len()), (0, 20));
    let answer =
        together(many(20, "2026-03-16"), acted(1, at("2026-06-16").checked_add(1.second()).unwrap()), now, now);
    assert_eq!((answer.held.len(), answer.actions.len()), (20, 0), "one more was locked within 24 hours");
    let answer = together(many(20, "2026-03-16"), acted(9, at("2026-06-16")), now, now);
    assert_eq!((answer.held.len(), answer.actions.len()), (0, 20), "those are 24 hours ago");
    let mut accounts = many(21, "2026-03-16");
    accounts[4].revoke = true;
    accounts.push(Account { revoke: true, ..account("nv-21") });
    let answer = together(accounts.clone(), Brake::default(), now, at("2026-07-01"));
    assert!(answer.held.is_empty() && done(&answer).len() == 22, "20 locks and two that documents revoke: {answer:?}");
    accounts.push(Account { id: "nv-22".into(), ..used(Some("2026-03-16"), None, None) });
    let answer = together(accounts, Brake::default(), now, at("2026-07-01"));
    assert!(answer.held.iter().all(|held| held.action.at == now && held.action.kind == Kind::Lock));
    assert_eq!((answer.held.len(), done(&answer).len()), (21, 2));
    assert_eq!(answer.standings.iter().filter(|s| s.state == State::Active).count(), 21);
}

#[test]
fn d_15_what_is_held_stays_so_until_a_person_says_otherwise_and_whatever_comes_waits_with_it() {
    let rules = Rules::default();
    let mut accounts = many(21, "2026-03-16");
    accounts.extend(many(1, "2026-03-17"));
    let (mut brake, nobody) = (Brake::default(), BTreeSet::new());
    assert_eq!(pass(&rules, &mut accounts, &mut brake, &nobody, at("2026-06-17")).held.len(), 21);
    // One of them logged in: 20 are as many as would have passed.
    accounts[0].activity.as_mut().unwrap().last_login = on("2026-06-17");
    let later = pass(&rules, &mut accounts, &mut brake, &nobody, at("2026-06-19"));
    assert_eq!((later.act.len(), later.held.len()), (0, 21), "20, and the one of the day after");
    // A person releases what was said to be held then, and nothing else.
    let word: BTreeSet<Key> = brake.held.iter().filter(|key| key.0.starts_with("nv-2026-03-16")).cloned().collect();
    let released = pass(&rules, &mut accounts, &mut brake, &word, at("2026-06-19"));
    assert_eq!((released.act.len(), released.held.len()), (20, 1));
    assert!(brake.acted.is_empty(), "what a person said does not use up what automation may do");
}

#[test]
fn d_15_the_brake_counts_accounts_that_lose_something_and_each_once() {
    let rules = Rules::default();
    let (mut brake, nobody, now) = (Brake::default(), BTreeSet::new(), at("2026-06-17"));
    // A further reason changes nothing for who is locked already.
    let mut locked = many(30, "2026-03-16");
    locked.iter_mut().for_each(|a| _ = a.locks.insert(LockReason::DefaultPassword, by_clock(at("2026-03-03"))));
    assert_eq!(pass(&rules, &mut locked, &mut brake, &nobody, now).act.len(), 30);
    assert!(brake.acted.is_empty());
    // Locked and ended on one day is one account.
    let mut leaving = many(20, "2026-03-16");
    leaving.iter_mut().for_each(|a| a.ends_on = on("2026-06-17"));
    assert_eq!(pass(&rules, &mut leaving, &mut brake, &nobody, now).held.len(), 0);
    assert_eq!(brake.acted.len(), 20);
    // What is removed counts as well: the one thing that cannot be undone.
    let kept = |account: Account| Account { revoke: true, revoked_at: Some(at("2025-01-01")), ..account };
    let mut old: Vec<Account> = many(1, "2024-11-11").into_iter().map(kept).collect();
    assert_eq!(pass(&rules, &mut old, &mut brake, &nobody, now).held.len(), 1);
}

#[test]
fn d_15_the_brake_holds_what_is_still_to_come_as_well() {
    let mut accounts = many(30, "2026-03-16");
    accounts.extend(many(5, "2026-03-17"));
    let answer = together(accounts, Brake::default(), at("2026-06-01"), at("2026-12-31"));
    assert!(answer.actions.iter().all(|(_, a)| matches!(a.kind, Kind::Warn | Kind::ProposeRevocation)));
    assert_eq!((answer.held.len(), answer.held[0].action.at), (35, at("2026-06-17")));
}

#[test]
fn what_was_done_is_not_done_again() {
    let rules = Rules::default();
    let mut accounts = vec![used(Some("2026-03-16"), None, None), Account { revoke: true, ..account("nv-2") }];
    accounts
        .push(Account { wanted_locks: BTreeSet::from([LockReason::ProhibitedUse]), ..used_in_june(account("nv-3")) });
    let (now, nobody, mut brake) = (at("2026-06-17"), BTreeSet::new(), Brake::default());
    assert_eq!(pass(&rules, &mut accounts, &mut brake, &nobody, now).act.len(), 3);
    assert_eq!(pass(&rules, &mut accounts, &mut brake, &nobody, now), Pass::default());
}
