//! A simple model of the rules, day by day, against which random lives are held: written from the regulation, not from the code.

use std::collections::BTreeSet;

use k8s_openapi::jiff::civil::{Date, Weekday};
use k8s_openapi::jiff::{Timestamp, ToSpan};

use super::forecast::forecast;
use super::{Absence, Account, Activity, Kind, Restore, Rules, State};
use crate::domain::brake::Limits;
use crate::domain::calendar::{Calendar, day, midnight};

fn next(day: Date) -> Date {
    day.tomorrow().unwrap()
}

/// The last day of a term: the same day of a later month, or its last one; then on to a day that is worked.
fn last_day(calendar: &Calendar, from: Date, months: u16) -> Date {
    let count = i32::from(from.year()) * 12 + i32::from(from.month()) - 1 + i32::from(months);
    let (year, month) = (i16::try_from(count / 12).unwrap(), i8::try_from(count % 12 + 1).unwrap());
    let mut last = (1..=from.day()).rev().find_map(|d| Date::new(year, month, d).ok()).unwrap();
    let rests = |d: Date| {
        let weekend = d.weekday() == Weekday::Saturday || d.weekday() == Weekday::Sunday;
        !calendar.working_days.contains(&d) && (weekend || calendar.holidays.contains(&d))
    };
    while rests(last) {
        last = next(last);
    }
    last
}

/// One life: what happens at 00:00 of each day until `until`, nobody doing anything after `now`.
struct Model<'a> {
    rules: &'a Rules,
    account: Account,
    /// Whether everything is known of each day since the account exists.
    known_since: Option<Date>,
    told: Vec<(Date, Kind, &'static str)>,
}

impl Model<'_> {
    fn begin(&self) -> Date {
        let a = &self.account;
        let unlocked = a.unlocked_at.map(day);
        [a.issued_at.map(day), unlocked, a.starts_on].into_iter().flatten().max().unwrap()
    }

    /// Whether silence that began after `from` has lasted for the term at 00:00 of `today`.
    fn silent(&self, from: Option<Date>, months: u16, absence: Option<Absence>, today: Date) -> bool {
        let Some(since) = self.known_since else { return false };
        let mut from = from.map_or(self.begin(), |day| day.max(self.begin()));
        if next(from) <= since {
            from = since;
        }
        if let Some(absence) = absence.filter(|a| a.to > from && a.from <= last_day(&self.rules.calendar, from, months))
        {
            from = absence.to;
        }
        last_day(&self.rules.calendar, from, months) < today
    }

    fn day(&mut self, today: Date) {
        let now = midnight(today);
        let terms = &self.rules.terms;
        // As long as one thing leads to another.
        for _ in 0..9 {
            let a = self.account.clone();
            let activity = a.activity.as_ref();
            let last = activity.map(|x| [x.last_login, x.last_send, x.last_receive].into_iter().flatten().max());
            let login = activity.and_then(|x| x.last_login);
            let restores = a.restore.as_ref().is_some_and(|r| {
                !r.handled && r.received_at <= now && a.locks.values().any(|since| day(*since) <= day(r.received_at))
            });
            if a.purged {
                return;
            } else if let Some(at) = a.revoked_at {
                if !a.hold && last_day(&self.rules.calendar, day(at), terms.revoked_months) < today {
                    self.account.purged = true;
                    self.told.push((today, Kind::Purge, "RetentionOver"));
                }
                return;
            } else if a.ends_on.is_some_and(|end| end <= today) {
                self.account.revoked_at = Some(now);
                self.told.push((today, Kind::Revoke, "EndsOn"));
            } else if restores {
                let mut restore = self.account.restore.clone().unwrap();
                restore.handled = true;
                self.account.restore = Some(restore.clone());
                self.account.locks.retain(|_, since| day(*since) > day(restore.received_at));
                if self.account.locks.is_empty() {
                    self.account.unlocked_at = Some(now);
                    self.account.password_changed_at = None;
                    self.account.proposed = false;
                }
                self.told.push((today, Kind::Unlock, "Restore"));
            } else if !a.locks.contains_key(&super::LockReason::DefaultPassword)
                && a.password_changed_at.is_none()
                && last_day(&self.rules.calendar, self.begin(), terms.default_password_months) < today
            {
                self.account.locks.insert(super::LockReason::DefaultPassword, now);
                self.told.push((today, Kind::Lock, "DefaultPassword"));
            } else if !a.locks.contains_key(&super::LockReason::Inactive)
                && self.silent(last.flatten(), terms.inactive_months, a.absence, today)
            {
                self.account.locks.insert(super::LockReason::Inactive, now);
                self.told.push((today, Kind::Lock, "Inactive"));
            } else if !a.proposed && self.silent(login, terms.unused_months, None, today) {
                self.account.proposed = true;
                self.told.push((today, Kind::ProposeRevocation, "Unused"));
            }
        }
    }
}

fn some<T>(random: &mut fastrand::Rng, value: impl FnOnce(&mut fastrand::Rng) -> T) -> Option<T> {
    random.bool().then(|| value(random))
}

fn date(random: &mut fastrand::Rng, from: Date, days: i32) -> Date {
    from.checked_add(random.i32(0..days).days()).unwrap()
}

/// At some time of day.
fn moment(random: &mut fastrand::Rng, from: Date, days: i32) -> Timestamp {
    midnight(date(random, from, days)).checked_add(random.i64(0..86_400).seconds()).unwrap()
}

fn rules(random: &mut fastrand::Rng, from: Date) -> Rules {
    let mut rules = Rules::default();
    rules.calendar.holidays = (0..random.usize(0..60)).map(|_| date(random, from, 1_500)).collect();
    rules.calendar.working_days = (0..random.usize(0..30)).map(|_| date(random, from, 1_500)).collect();
    rules
}

fn life(random: &mut fastrand::Rng, issued: Date, now: Date) -> Account {
    let issued_at = moment(random, issued, 1);
    let span = now.since(issued).unwrap().get_days().max(1);
    let after = |random: &mut fastrand::Rng| some(random, |r| date(r, issued, span));
    let activity = Activity {
        last_login: after(random),
        last_send: after(random),
        last_receive: after(random),
        complete_from: moment(random, issued.checked_sub(60.days()).unwrap(), 90),
        complete_through: midnight(now),
    };
    let absence = some(random, |r| {
        let from = date(r, issued, 400);
        Absence { from, to: date(r, from, 200) }
    });
    Account {
        id: "nv-1".into(),
        issued_at: Some(issued_at),
        password_changed_at: some(random, |r| moment(r, issued, span)),
        unlocked_at: some(random, |r| moment(r, next(issued), span)),
        ends_on: some(random, |r| date(r, issued, 900)),
        absence,
        restore: some(random, |r| Restore {
            received_at: midnight(date(r, now, 400)),
            reasons: BTreeSet::new(),
            handled: false,
        }),
        hold: random.u8(0..4) == 0,
        activity: (random.u8(0..8) > 0).then_some(activity),
        ..Account::default()
    }
}

/// Whatever the life was: what the forecast says for the days after `now` is what the model does day by day.
#[test]
fn d_09_d_12_d_16_random_lives_end_as_the_model_says() {
    let epoch: Date = "2026-01-01".parse().unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..600 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (issued, rules) = (date(&mut random, epoch, 365), rules(&mut random, epoch));
        let now = date(&mut random, next(issued), 300);
        let account = life(&mut random, issued, now);
        let until = now.checked_add(800.days()).unwrap();
        let known_since = account.activity.as_ref().map(|a| day(a.complete_from));
        let mut model = Model { rules: &rules, account: account.clone(), known_since, told: Vec::new() };
        let mut today = now;
        while today <= until {
            model.day(today);
            today = next(today);
        }
        let answer = forecast(&rules, vec![account.clone()], Limits::default(), 0, midnight(now), midnight(until));
        let told = answer.actions.iter().filter(|(_, action)| action.kind != Kind::Warn);
        let mut told: Vec<_> = told.map(|(_, a)| (day(a.at).max(now), a.kind, a.cause.as_str())).collect();
        told.sort();
        model.told.sort();
        seen.extend(told.iter().map(|(_, kind, cause)| (*kind, *cause)));
        assert_eq!(told, model.told, "seed {seed}: {account:?}");
        let state = answer.standings[0].state;
        assert!(account.ends_on.is_none_or(|end| end > now) || matches!(state, State::Revoked | State::Purged));
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}
