//! What must not be forgotten, and what must not be done while something is not known.

use super::*;
use crate::domain::calendar::{day, midnight};

fn at(text: &str) -> Timestamp {
    format!("{text}T00:00:00+07:00").parse().unwrap()
}

fn on(text: &str) -> Option<Date> {
    Some(text.parse().unwrap())
}

/// Issued on 1 December 2025, password changed, last login on 31 December; everything is known.
fn account() -> Account {
    let activity = Activity {
        last_login: on("2025-12-31"),
        last_send: None,
        last_receive: None,
        complete_from: at("2025-11-01"),
        complete_through: Timestamp::MAX,
    };
    Account {
        id: "nv-1".into(),
        issued_at: Some(at("2025-12-01")),
        password_changed_at: Some(at("2025-12-02")),
        activity: Some(activity),
        ..Account::default()
    }
}

fn lock(since: &str, by: By) -> Lock {
    Lock { since: at(since), by, also_clock: false }
}

fn all(rules: &Rules, account: &Account, now: &str) -> (Account, Vec<(Kind, &'static str)>) {
    let (after, done) = advance(rules, account, at(now), |_, _| true);
    (after, done.into_iter().map(|action| (action.kind, action.cause.as_str())).collect())
}

fn run(account: &Account, now: &str) -> (Account, Vec<(Kind, &'static str)>) {
    all(&Rules::default(), account, now)
}

#[test]
fn r6_2_a_an_absence_that_was_in_force_counts_when_it_is_taken_out_or_replaced() {
    let absence = Some(Absence { from: "2026-01-01".parse().unwrap(), to: "2026-06-30".parse().unwrap() });
    // Proposals (8.3.đ) are another matter.
    let run = |account: &Account, now: &str| {
        let (after, mut done) = run(account, now);
        done.retain(|(kind, _)| *kind != Kind::ProposeRevocation);
        (Account { proposed: false, ..after }, done)
    };
    let away = Account { absence, ..account() };
    let (seen, done) = run(&away, "2026-03-05");
    assert_eq!((seen.absent_until, done), (on("2026-06-30"), vec![]));
    // The same at each later look: nothing is written each day.
    assert_eq!(run(&seen, "2026-07-01").0, seen);
    let next = Some(Absence { from: "2026-12-01".parse().unwrap(), to: "2026-12-31".parse().unwrap() });
    for absence in [None, next] {
        let back = Account { absence, ..seen.clone() };
        let (still, done) = run(&back, "2026-07-01");
        assert_eq!((still.absent_until, done), (on("2026-06-30"), vec![]));
        // Three months after its last day; 30 September is a Wednesday.
        assert_eq!(run(&still, "2026-09-30").1, []);
        assert_eq!(run(&still, "2026-10-01").1, [(Kind::Lock, "Inactive")]);
    }
    // One that is taken out in the middle ends that day, however late it is looked at.
    let (early, _) = run(&Account { absence: None, ..seen.clone() }, "2026-03-10");
    assert_eq!(early.absent_until, on("2026-03-10"));
    assert_eq!(run(&early, "2026-03-20").0.absent_until, on("2026-03-10"));
    // One that came too late explains nothing, and one that is to come was never in force.
    let late = Absence { from: "2026-04-01".parse().unwrap(), to: "2026-08-01".parse().unwrap() };
    let (locked, done) = run(&Account { absence: Some(late), ..account() }, "2026-04-01");
    assert_eq!((locked.absent_until, done), (None, vec![(Kind::Lock, "Inactive")]));
    assert_eq!(run(&Account { absence: Some(late), ..account() }, "2026-03-01").0.absent_until, None);
}

#[test]
fn r6_2_d_the_clock_of_a_default_password_begins_when_it_was_made() {
    let lost = Account { password_changed_at: None, ..used_lately(account(), "2026-03-01") };
    assert_eq!(run(&lost, "2026-03-05").1, [(Kind::Lock, "DefaultPassword")]);
    let anew = Account { password_made_at: Some(at("2026-03-05")), ..lost };
    assert_eq!(run(&anew, "2026-03-05").1, []);
    // 5 April is a Sunday.
    let due = due(&Rules::default(), &anew, at("2026-03-05"));
    assert!(due.iter().any(|action| (action.kind, day(action.at)) == (Kind::Lock, "2026-04-07".parse().unwrap())));
}

fn used_lately(mut account: Account, login: &str) -> Account {
    account.activity.as_mut().unwrap().last_login = on(login);
    account
}

#[test]
fn d_09_while_nobody_knows_which_days_are_worked_no_term_is_over_and_people_still_decide() {
    let rules = Rules { stopped: Some(Stopped::Calendar), ..Rules::default() };
    let silent = Account { password_changed_at: None, ..account() };
    assert_eq!(all(&rules, &silent, "2026-09-01").1, []);
    assert_eq!(warnings(&rules, &silent, at("2025-12-20")), []);
    assert_eq!(run(&silent, "2026-09-01").1.len(), 3, "with a calendar: two locks and a proposal");
    let kept = Account { revoke: true, revoked_at: Some(at("2020-01-01")), ..account() };
    assert_eq!(all(&rules, &kept, "2026-09-01").1, []);
    let wanted = Account { wanted_locks: [LockReason::Inactive].into(), ..silent.clone() };
    assert_eq!(all(&rules, &wanted, "2026-09-01").1, [(Kind::Lock, "Inactive")]);
    // A day that a document names rests on no calendar.
    let leaving = Account { ends_on: on("2026-08-31"), ..silent };
    assert_eq!(all(&rules, &leaving, "2026-09-01").1, [(Kind::Revoke, "EndsOn")]);
}

#[test]
fn r5_4_b_while_nobody_knows_the_time_no_day_has_come_and_nothing_is_forgotten() {
    let rules = Rules { stopped: Some(Stopped::Time), ..Rules::default() };
    let leaving = Account { ends_on: on("2026-08-31"), ..account() };
    assert_eq!(all(&rules, &leaving, "2026-09-01").1, []);
    let (locks, wanted_locks) = ([(LockReason::Compromised, lock("2026-02-01", By::Person))].into(), BTreeSet::new());
    assert_eq!(
        all(&rules, &Account { locks, wanted_locks, ..account() }, "2026-09-01").1,
        [(Kind::Unlock, "Withdrawn")]
    );
    assert_eq!(all(&rules, &Account { revoke: true, ..account() }, "2026-09-01").1, [(Kind::Revoke, "Approved")]);
    // By a clock that is behind, the proposal would not stand, and the absence would have ended.
    let known = Account { proposed: true, absent_until: on("2026-06-30"), ..account() };
    assert_eq!(all(&rules, &known, "2026-01-02").0, known);
}

#[test]
fn while_nobody_knows_the_time_no_first_day_comes_and_nobody_who_has_access_loses_it() {
    let terms = Rules::default().terms;
    let new = Account { starts_on: on("2026-03-02"), ..account() };
    let state = |begun, now| Account { begun, ..new.clone() }.state(&terms, at(now));
    assert_eq!((state(None, "2026-03-01"), state(None, "2026-03-02")), (State::Pending, State::Active));
    // By a clock that is months ahead, and by one that is years behind.
    assert_eq!(state(Some(false), "2026-09-01"), State::Pending);
    assert_eq!(state(Some(true), "2020-01-01"), State::Active);
    assert_eq!(Account { begun: Some(false), ..new.clone() }.access(&terms, at("2026-09-01")), Access::None);
    // Who has no first day waits for none.
    assert_eq!(Account { begun: Some(false), ..account() }.state(&terms, at("2026-03-01")), State::Active);
}

#[test]
fn r5_4_b_while_nobody_knows_the_time_no_last_day_is_to_come_again() {
    let rules = Rules { stopped: Some(Stopped::Time), ..Rules::default() };
    let over = Account { revoked_at: Some(at("2026-03-01")), ends_on: on("2026-08-31"), ..account() };
    assert_eq!(run(&over, "2026-04-01").1, [(Kind::Unlock, "Undone")]);
    assert_eq!(all(&rules, &over, "2026-04-01").1, []);
    // That it has none any more is people's word.
    assert_eq!(all(&rules, &Account { ends_on: None, ..over }, "2026-04-01").1, [(Kind::Unlock, "Undone")]);
}

#[test]
fn d_13_what_a_clock_locked_stays_when_people_take_back_that_they_locked_it_too() {
    let reason = LockReason::Inactive;
    let locked = Account { locks: [(reason, lock("2026-04-01", By::Clock))].into(), ..account() };
    let (theirs, done) = run(&Account { wanted_locks: [reason].into(), ..locked.clone() }, "2026-04-10");
    assert_eq!((theirs.locks[&reason].by, theirs.locks[&reason].since), (By::Person, at("2026-04-01")));
    assert_eq!(done, [(Kind::Lock, "Inactive")]);
    let (back, done) = run(&Account { wanted_locks: BTreeSet::new(), ..theirs.clone() }, "2026-04-11");
    assert_eq!((&back.locks, back.unlocked_at), (&locked.locks, None), "it takes a document (R6.3)");
    assert_eq!(done, [(Kind::Relieve, "Withdrawn")]);
    assert_eq!(run(&back, "2026-04-12").1, []);
    // With the document in the file, what people give back is what it asks for.
    let restore = Some(Restore { received_at: at("2026-04-10"), ..Restore::default() });
    let (open, done) = run(&Account { wanted_locks: BTreeSet::new(), restore, ..theirs }, "2026-04-11");
    assert_eq!((open.locks.len(), open.restore.unwrap().handled), (0, true));
    assert_eq!(done, [(Kind::Relieve, "Withdrawn"), (Kind::Unlock, "Restore")]);
}

#[test]
fn r6_3_a_document_is_handled_when_no_lock_is_left_that_it_covers() {
    let restore = Some(Restore { received_at: at("2026-04-10"), ..Restore::default() });
    let both = [
        (LockReason::Inactive, lock("2026-04-01", By::Clock)),
        (LockReason::Compromised, lock("2026-04-02", By::Person)),
    ];
    let wanted: BTreeSet<LockReason> = [LockReason::Compromised].into();
    let locked = Account { locks: both.into(), wanted_locks: wanted, restore, ..account() };
    let (half, done) = run(&locked, "2026-04-10");
    assert_eq!(done, [(Kind::Relieve, "Restore")]);
    assert_eq!((half.asked_back().is_some(), half.restore.as_ref().unwrap().handled), (true, false), "still locked");
    assert!(run(&half, "2026-04-20").1.contains(&(Kind::RestoreDue, "Restore")), "and somebody is told");
    // What people take out answers it, too.
    let (open, done) = run(&Account { wanted_locks: BTreeSet::new(), ..half.clone() }, "2026-04-20");
    assert_eq!(done, [(Kind::Unlock, "Withdrawn")]);
    assert_eq!((open.asked_back(), open.restore.as_ref().unwrap().handled), (None, true));
    // A lock of a clock months later has nothing to do with an old document, handled or not.
    let wanted_locks = BTreeSet::new();
    let locks = [(LockReason::Inactive, lock("2026-06-01", By::Clock))].into();
    let later = Account { locks, wanted_locks, ..half };
    assert_eq!((later.asked_back(), run(&later, "2026-06-02").1), (None, vec![]));
    let named = Restore { reasons: [LockReason::Inactive].into(), ..later.restore.clone().unwrap() };
    assert!(!named.covers(LockReason::Compromised, at("2026-04-02")));
}

#[test]
fn d_12_d_14_an_undone_revocation_begins_all_clocks_anew() {
    let back = Account { revoked_at: Some(at("2026-01-10")), password_changed_at: None, ..account() };
    let (open, done) = run(&back, "2026-05-10");
    assert_eq!((open.unlocked_at, done), (Some(at("2026-05-10")), vec![(Kind::Unlock, "Undone")]));
    assert!(midnight(on("2026-06-10").unwrap()) < due(&Rules::default(), &open, at("2026-05-10"))[0].at);
}
