//! A simple model of the rules, day by day, against which random lives are held: written from the regulation, not from the code.

use std::collections::BTreeSet;

use k8s_openapi::jiff::civil::{Date, Weekday};
use k8s_openapi::jiff::{Timestamp, ToSpan};

use super::forecast::{Forecast, forecast};
use super::{Absence, Account, Activity, Brake, By, Kind, Lock, LockReason, Restore, Rules, pass};
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

/// The day after so many days that are worked, the first not counted.
fn after_working_days(calendar: &Calendar, from: Date, count: usize) -> Date {
    let mut last = from;
    for _ in 0..count {
        // A term of no months ends with the next day that is worked.
        last = last_day(calendar, next(last), 0);
    }
    next(last)
}

/// One life: what happens at 00:00 of each day, nobody doing anything after `now`.
struct Model<'a> {
    rules: &'a Rules,
    account: Account,
    /// The days of which all is known.
    known: Option<(Date, Date)>,
    told: Vec<(Date, Kind, &'static str)>,
}

impl Model<'_> {
    fn begin(&self, reason: Option<LockReason>) -> Date {
        let a = &self.account;
        let relieved = reason.and_then(|r| a.relieved.get(&r).copied()).map(day);
        [a.issued_at.map(day), a.unlocked_at.map(day), a.starts_on, relieved].into_iter().flatten().max().unwrap()
    }

    /// Whether silence that began after `from` has lasted for the term at 00:00 of `today`, and that is known.
    fn silent(&self, from: Date, months: u16, absence: Option<Absence>, today: Date) -> bool {
        let Some((since, through)) = self.known else { return false };
        // The first day is not counted, so it need not be known.
        let mut from = if next(from) <= since { since } else { from };
        if let Some(absence) = absence
            && absence.to > from
            && (from..=last_day(&self.rules.calendar, from, months)).contains(&absence.from.max(from))
        {
            from = absence.to;
        }
        let over = next(last_day(&self.rules.calendar, from, months));
        over <= today && over <= through
    }

    fn say(&mut self, today: Date, kind: Kind, cause: &'static str) {
        self.told.push((today, kind, cause));
    }

    /// Takes locks away; whether that was all of them.
    fn take(&mut self, gone: &[LockReason], today: Date, cause: &'static str) {
        for reason in gone {
            self.account.locks.remove(reason);
            self.account.relieved.insert(*reason, midnight(today));
        }
        let open = self.account.locks.is_empty();
        self.say(today, if open && self.account.wanted_locks.is_empty() { Kind::Unlock } else { Kind::Relieve }, cause);
        if open {
            self.account.relieved.clear();
            self.account.unlocked_at = Some(midnight(today));
            self.account.password_changed_at = None;
            self.account.proposed = false;
        }
    }

    fn day(&mut self, today: Date) {
        // As long as one thing leads to another.
        while self.account.revoked_at.is_none() && (self.ends(today) || self.opens(today) || self.locks(today)) {}
        if let Some(at) = self.account.revoked_at
            && !self.account.hold
            && !self.account.purged
            && last_day(&self.rules.calendar, day(at), self.rules.terms.revoked_months) < today
        {
            self.account.purged = true;
            self.say(today, Kind::Purge, "RetentionOver");
        }
    }

    fn ends(&mut self, today: Date) -> bool {
        let ended = self.account.ends_on.is_some_and(|end| end <= today);
        let cause = if self.account.revoke { "Approved" } else { "EndsOn" };
        if self.account.revoke || ended {
            self.account.revoked_at = Some(midnight(today));
            self.say(today, Kind::Revoke, cause);
        }
        self.account.revoked_at.is_some()
    }

    fn opens(&mut self, today: Date) -> bool {
        let a = &self.account;
        let asks = a.restore.clone().filter(|r| !r.handled && r.received_at <= midnight(today));
        let named = |r: &Restore, l: LockReason| r.reasons.is_empty() || r.reasons.contains(&l);
        let by_document: Vec<LockReason> = asks
            .iter()
            .flat_map(|r| {
                let old = |(l, lock): (&LockReason, &Lock)| {
                    lock.by == By::Clock && named(r, *l) && day(lock.since) <= day(r.received_at)
                };
                a.locks.iter().filter(move |(l, lock)| old((*l, *lock))).map(|(l, _)| *l).collect::<Vec<_>>()
            })
            .collect();
        let of_people = |(l, lock): &(&LockReason, &Lock)| lock.by == By::Person && !a.wanted_locks.contains(l);
        let (to_clock, by_people): (Vec<_>, Vec<_>) = a.locks.iter().filter(of_people).partition(|(_, l)| l.also_clock);
        let names = |all: Vec<(&LockReason, &Lock)>| all.into_iter().map(|(l, _)| *l).collect::<Vec<LockReason>>();
        let (to_clock, by_people) = (names(to_clock), names(by_people));
        if !by_document.is_empty() {
            self.take(&by_document, today, "Restore");
        } else if !by_people.is_empty() || !to_clock.is_empty() {
            for reason in &to_clock {
                *self.account.locks.get_mut(reason).unwrap() =
                    Lock { by: By::Clock, also_clock: false, ..self.account.locks[reason] };
            }
            self.take(&by_people, today, "Withdrawn");
        }
        !by_document.is_empty() || !by_people.is_empty() || !to_clock.is_empty()
    }

    fn locks(&mut self, today: Date) -> bool {
        let a = self.account.clone();
        let terms = &self.rules.terms;
        let open = |reason: LockReason| !a.locks.contains_key(&reason) && !a.wanted_locks.contains(&reason);
        let activity = a.activity.as_ref();
        let used = |days: Option<Date>, begin: Date| days.map_or(begin, |day| day.max(begin));
        let last = activity.and_then(|x| [x.last_login, x.last_send, x.last_receive].into_iter().flatten().max());
        let silent_since = used(last, self.begin(Some(LockReason::Inactive)));
        let unused_since = used(activity.and_then(|x| x.last_login), self.begin(None));
        let default = self.begin(Some(LockReason::DefaultPassword)).max(a.password_made_at.map_or(Date::MIN, day));
        let people = a.wanted_locks.iter().find(|l| a.locks.get(l).is_none_or(|lock| lock.by == By::Clock));
        let (mut lock, mut by) = (None, By::Clock);
        if let Some(reason) = people {
            (lock, by) = (Some(*reason), By::Person);
        } else if open(LockReason::DefaultPassword)
            && a.password_changed_at.is_none()
            && last_day(&self.rules.calendar, default, terms.default_password_months) < today
        {
            lock = Some(LockReason::DefaultPassword);
        } else if open(LockReason::Inactive) && self.silent(silent_since, terms.inactive_months, a.absence, today) {
            lock = Some(LockReason::Inactive);
        }
        if let Some(reason) = lock {
            let known = a.locks.get(&reason);
            let since = known.map_or(midnight(today), |known| known.since);
            let also_clock = by == By::Person && known.is_some();
            self.account.locks.insert(reason, Lock { since, by, also_clock });
            self.say(today, Kind::Lock, reason.as_str());
            return true;
        }
        if !a.proposed && self.silent(unused_since, terms.unused_months, None, today) {
            self.account.proposed = true;
            self.say(today, Kind::ProposeRevocation, "Unused");
            return true;
        }
        self.reminds(today)
    }

    fn reminds(&mut self, today: Date) -> bool {
        let locks = self.account.locks.clone();
        let Some(r) = self.account.restore.as_mut().filter(|r| !r.told) else { return false };
        let waits = locks.iter().any(|(l, lock)| {
            lock.by == By::Person
                && (r.reasons.is_empty() || r.reasons.contains(l))
                && day(lock.since) <= day(r.received_at)
        });
        let days = usize::from(self.rules.terms.restore_days);
        if !waits || after_working_days(&self.rules.calendar, day(r.received_at), days) > today {
            return false;
        }
        r.told = true;
        self.say(today, Kind::RestoreDue, "Restore");
        true
    }
}

fn some<T>(random: &mut fastrand::Rng, of: u8, value: impl FnOnce(&mut fastrand::Rng) -> T) -> Option<T> {
    (random.u8(0..of) == 0).then(|| value(random))
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

const REASONS: [LockReason; 4] =
    [LockReason::Inactive, LockReason::DefaultPassword, LockReason::Compromised, LockReason::ProhibitedUse];

fn activity(random: &mut fastrand::Rng, issued: Date, span: i32, now: Date) -> Activity {
    let mut used = || some(random, 2, |r| date(r, issued, span));
    let (last_login, last_send, last_receive) = (used(), used(), used());
    Activity {
        last_login,
        last_send,
        last_receive,
        complete_from: moment(random, issued.checked_sub(60.days()).unwrap(), 90),
        // The usual lag, or a source that is lost.
        complete_through: midnight(now)
            .checked_sub([0, 0, 3, 20 * 60, 5 * 24 * 60][random.usize(0..5)].minutes())
            .unwrap(),
    }
}

fn life(random: &mut fastrand::Rng, id: usize, issued: Date, now: Date) -> Account {
    let span = now.since(issued).unwrap().get_days().max(1);
    let absence = some(random, 3, |r| {
        let from = date(r, issued, 400);
        Absence { from, to: date(r, from, 200) }
    });
    let reasons = |r: &mut fastrand::Rng, of: u8| -> BTreeSet<LockReason> {
        REASONS.into_iter().filter(|_| r.u8(0..of) == 0).collect()
    };
    let wanted_locks = reasons(random, 16);
    let locks = reasons(random, 10).into_iter().map(|reason| {
        let clock = matches!(reason, LockReason::Inactive | LockReason::DefaultPassword);
        let by = if clock && random.u8(0..3) > 0 { By::Clock } else { By::Person };
        let also_clock = by == By::Person && clock && random.bool();
        (reason, Lock { since: moment(random, issued, span), by, also_clock })
    });
    let locks = locks.collect();
    Account {
        id: format!("nv-{id}"),
        issued_at: Some(moment(random, issued, 1)),
        password_changed_at: some(random, 2, |r| moment(r, issued, span)),
        password_made_at: some(random, 3, |r| moment(r, issued, span)),
        unlocked_at: some(random, 3, |r| moment(r, issued, span)),
        starts_on: some(random, 6, |r| date(r, issued, 60)),
        ends_on: some(random, 3, |r| date(r, issued, 900)),
        absence,
        restore: some(random, 2, |r| Restore {
            received_at: midnight(date(r, now, 200)),
            reasons: reasons(r, 3),
            ..Restore::default()
        }),
        revoke: random.u8(0..20) == 0,
        hold: random.u8(0..4) == 0,
        activity: some(random, 8, |_| ()).is_none().then(|| activity(random, issued, span, now)),
        wanted_locks,
        locks,
        ..Account::default()
    }
}

/// What of a forecast is no warning, by the day on which it is done.
fn done(answer: &Forecast, now: Date) -> Vec<(Date, usize, Kind, &'static str)> {
    let acts = answer.actions.iter().filter(|(_, action)| action.kind != Kind::Warn);
    let mut all: Vec<_> = acts.map(|(i, a)| (day(a.at).max(now), *i, a.kind, a.cause.as_str())).collect();
    all.sort();
    all
}

/// Whatever the life was: what the forecast says for the days after `now` is what the model does day by day.
#[test]
fn d_09_d_12_d_13_d_16_random_lives_end_as_the_model_says() {
    let epoch: Date = "2026-01-01".parse().unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (issued, rules) = (date(&mut random, epoch, 365), rules(&mut random, epoch));
        let now = date(&mut random, next(issued), 300);
        let account = life(&mut random, 1, issued, now);
        let until = now.checked_add(700.days()).unwrap();
        let known = account.activity.as_ref().map(|a| {
            let fresh = a.complete_through > midnight(now.yesterday().unwrap());
            (day(a.complete_from), if fresh { Date::MAX } else { day(a.complete_through) })
        });
        let mut model = Model { rules: &rules, account: account.clone(), known, told: Vec::new() };
        let mut today = now;
        while today <= until {
            model.day(today);
            today = next(today);
        }
        let answer =
            forecast(&rules, vec![account.clone()], Brake::default(), &BTreeSet::new(), midnight(now), midnight(until));
        let told: Vec<_> = done(&answer, now).into_iter().map(|(day, _, kind, cause)| (day, kind, cause)).collect();
        seen.extend(told.iter().map(|(_, kind, cause)| (*kind, *cause)));
        model.told.sort();
        assert_eq!(told, model.told, "seed {seed}, {now}: {account:#?}");
    }
    assert_eq!(seen.len(), 13, "{seen:?}");
}

/// A forecast is what looks at every day would do, the brake included.
#[test]
fn d_15_a_forecast_says_what_looks_day_by_day_do() {
    let epoch: Date = "2026-01-01".parse().unwrap();
    let (mut held, nobody) = (0, BTreeSet::new());
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let rules = rules(&mut random, epoch);
        let (issued, now) = (epoch, epoch.checked_add(80.days()).unwrap());
        let mut accounts: Vec<Account> = (0..40).map(|id| life(&mut random, id, issued, now)).collect();
        // Sources that are complete or are not there.
        let complete = |a: &mut Account| a.activity.iter_mut().for_each(|x| x.complete_through = Timestamp::MAX);
        accounts.iter_mut().for_each(complete);
        let limits = Limits { max: random.usize(1..6), percent: 2 };
        let mut brake = Brake { limits, ..Brake::default() };
        let until = now.checked_add(300.days()).unwrap();
        let answer = forecast(&rules, accounts.clone(), brake.clone(), &nobody, midnight(now), midnight(until));
        let (mut today, mut acts, mut waits) = (now, Vec::new(), BTreeSet::new());
        while today <= until {
            let looked = pass(&rules, &mut accounts, &mut brake, &nobody, midnight(today));
            acts.extend(looked.act.into_iter().map(|(i, a)| (today, i, a.kind, a.cause.as_str())));
            waits.extend(looked.held.into_iter().map(|h| (h.account, h.action.kind, h.action.cause)));
            today = next(today);
        }
        acts.sort();
        let said = done(&answer, now);
        let only = |a: &[(Date, usize, Kind, &'static str)], b: &[(Date, usize, Kind, &'static str)]| {
            a.iter().filter(|x| !b.contains(x)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(
            (only(&said, &acts), only(&acts, &said)),
            (vec![], vec![]),
            "seed {seed}: forecast alone, days alone"
        );
        assert_eq!(
            answer.held.iter().map(|h| (h.account, h.action.kind, h.action.cause)).collect::<BTreeSet<_>>(),
            waits
        );
        held += waits.len();
    }
    assert!(held > 50, "{held}");
}
