//! Who leads: a pure decision over the Lease as it was read and the local time since it last changed.
//!
//! Expiry is judged by our own clock since we saw the last change, never by the other host's time stamps.

use std::time::Duration;

/// How long a lease holds and when it is renewed.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// A leader that did not renew for this long is gone.
    pub duration: Duration,
    /// A leader that could not renew for this long stops acting.
    pub renew_deadline: Duration,
    /// Time between two looks.
    pub retry: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(12),
            renew_deadline: Duration::from_secs(8),
            retry: Duration::from_secs(2),
        }
    }
}

/// The Lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed<'a> {
    /// Who holds it; empty when it was given back.
    pub holder: &'a str,
    /// Time since we saw it change.
    pub unchanged_for: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write ourselves into it, if nobody was faster (resourceVersion).
    Acquire,
    /// Write our renewal.
    Renew,
    /// Somebody else leads; look again.
    Wait,
}

/// The next step of the candidate `me`.
pub fn decide(me: &str, lease: Option<&Observed<'_>>, terms: &Terms) -> Step {
    match lease {
        None => Step::Acquire,
        Some(lease) if lease.holder == me => Step::Renew,
        Some(lease) if lease.holder.is_empty() || lease.unchanged_for >= terms.duration => Step::Acquire,
        Some(_) => Step::Wait,
    }
}

/// A time of leadership, in microseconds since 1970: the Lease's `acquireTime`. Later leaders have greater ones.
pub type Term = i64;

/// The term of a new leader: later than every term before it, whatever the clocks say. Who is
/// asked to write refuses a term that is older than one it has seen (fencing).
pub fn term(now: Term, previous: Option<Term>) -> Term {
    previous.map_or(now, |previous| now.max(previous.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(holder: &str, seconds: u64) -> Observed<'_> {
        Observed { holder, unchanged_for: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_live_lease_of_another_is_never_taken() {
        let terms = Terms::default();
        assert_eq!(decide("a", Some(&seen("b", 11)), &terms), Step::Wait);
        assert_eq!(decide("a", Some(&seen("b", 12)), &terms), Step::Acquire);
    }

    #[test]
    fn a_term_is_later_than_the_one_before_it_though_the_clock_went_back() {
        assert_eq!(term(1_000, None), 1_000);
        assert_eq!(term(1_000, Some(400)), 1_000);
        assert_eq!(term(1_000, Some(5_000)), 5_001);
    }

    #[test]
    fn a_missing_or_released_lease_is_taken_and_an_own_one_renewed() {
        let terms = Terms::default();
        assert_eq!(decide("a", None, &terms), Step::Acquire);
        assert_eq!(decide("a", Some(&seen("", 0)), &terms), Step::Acquire);
        assert_eq!(decide("a", Some(&seen("a", 99)), &terms), Step::Renew);
    }
}
