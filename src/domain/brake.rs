//! The brake (D-15): automation that would act on too many accounts within a day stops, and waits for a person.

use std::collections::BTreeSet;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Limits of the brake: more than `max(max, percent % of all)` is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many are always allowed.
    pub max: usize,
    /// Percent of all accounts that are allowed.
    pub percent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max: 20, percent: 2 }
    }
}

impl Limits {
    /// How many of `total` accounts may be acted on.
    pub fn limit(self, total: usize) -> usize {
        self.max.max(total.saturating_mul(self.percent) / 100)
    }
}

/// Whether `wanted` of `total` accounts may be acted on.
pub fn allows(limits: Limits, wanted: usize, total: usize) -> bool {
    wanted <= limits.limit(total)
}

/// Something that is to be done to an account.
pub trait Deed: Ord + Clone {
    /// The account.
    fn account(&self) -> &str;
}

impl Deed for String {
    fn account(&self) -> &str {
        self
    }
}

/// What the brake remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brake<D> {
    /// What passes in 24 hours.
    pub limits: Limits,
    /// Accounts on which automation acted without a person's word, and when.
    pub acted: Vec<(Timestamp, String)>,
    /// What waits for a person. While there is something, whatever comes waits with it.
    pub held: BTreeSet<D>,
}

impl<D> Default for Brake<D> {
    fn default() -> Self {
        Self { limits: Limits::default(), acted: Vec::new(), held: BTreeSet::new() }
    }
}

impl<D: Deed> Brake<D> {
    /// Lets all of `wanted` pass, or holds all of it with what is held already. `wanted` is all that is wanted of the accounts that are
    /// `looked_at`: what is held of those and not wanted any more is forgotten. What a person released is no part of it.
    pub fn judge(&mut self, wanted: &BTreeSet<D>, looked_at: impl Fn(&str) -> bool, total: usize, now: Timestamp) {
        let begin = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        self.acted.retain(|(at, _)| *at > begin);
        self.held.retain(|deed| wanted.contains(deed) || !looked_at(deed.account()));
        let accounts: BTreeSet<&str> = wanted.iter().map(Deed::account).collect();
        let before = self.acted.iter().map(|(_, account)| account.as_str());
        let together = accounts.iter().copied().chain(before).collect::<BTreeSet<_>>().len();
        if self.held.is_empty() && allows(self.limits, together, total) {
            let new: Vec<_> = accounts.into_iter().map(|account| (now, account.to_owned())).collect();
            self.acted.extend(new);
        } else {
            self.held.extend(wanted.iter().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> BTreeSet<String> {
        range.map(|i| format!("nv-{i}")).collect()
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3600).unwrap()
    }

    #[test]
    fn d_15_twenty_or_two_percent_whichever_is_more() {
        let limits = Limits::default();
        assert!(allows(limits, 20, 100));
        assert!(!allows(limits, 21, 100));
        assert!(allows(limits, 400, 20_000));
        assert!(!allows(limits, 401, 20_000));
    }

    #[test]
    fn d_15_a_day_is_counted_together_and_no_longer() {
        let mut brake = Brake::default();
        brake.judge(&names(0..15), |_| true, 100, at(0));
        brake.judge(&names(20..25), |_| true, 100, at(23));
        assert_eq!((brake.held.len(), brake.acted.len()), (0, 20));
        brake.judge(&names(30..31), |_| true, 100, at(23));
        assert_eq!((brake.held.len(), brake.acted.len()), (1, 20));
        let mut later = Brake { held: BTreeSet::new(), ..brake };
        later.judge(&names(30..31), |_| true, 100, at(24));
        assert_eq!((later.held.len(), later.acted.len()), (0, 6));
    }

    #[test]
    fn d_15_what_is_held_stays_so_when_fewer_are_left_and_what_comes_waits_with_it() {
        let mut brake = Brake::default();
        brake.judge(&names(0..22), |_| true, 100, at(0));
        // Some files came back, and another one vanished.
        let left: BTreeSet<String> = names(3..23);
        brake.judge(&left, |_| true, 100, at(1));
        assert_eq!((brake.held, brake.acted.len()), (left, 0));
    }

    #[test]
    fn d_15_when_nothing_is_held_any_more_the_brake_is_as_before() {
        let mut brake = Brake::default();
        brake.judge(&names(0..22), |_| true, 100, at(0));
        brake.judge(&BTreeSet::new(), |_| true, 100, at(1));
        brake.judge(&names(0..20), |_| true, 100, at(2));
        assert_eq!((brake.held.len(), brake.acted.len()), (0, 20));
    }
}
