//! The three working days of a document that asks for an account back (R6.3).

use k8s_openapi::jiff::Timestamp;

use super::{Account, Rules};

/// The term of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When half of it is over.
    pub half: Timestamp,
    /// When all of it is.
    pub end: Timestamp,
}

/// The term that runs for an account: a document asks for it back, was not handled, and a lock is left that it would take away. A lock of
/// a later day than its receipt needs a document of its own.
pub fn asked(rules: &Rules, account: &Account) -> Option<Asked> {
    let restore = account.asked_back().filter(|_| !account.purged)?;
    let end = rules.calendar.over_working_days(restore.received_at, rules.terms.restore_days);
    Some(Asked { half: restore.received_at + end.duration_since(restore.received_at) / 2, end })
}

/// Notes that half of the term is over, once for each document; whether that is news.
pub fn tell_half_time(rules: &Rules, account: &mut Account, now: Timestamp) -> bool {
    let over = asked(rules, account).is_some_and(|asked| asked.half <= now);
    let news = account.restore.as_mut().filter(|restore| over && !restore.half_told);
    news.map(|restore| restore.half_told = true).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lifecycle::{By, Lock, LockReason, Restore};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn locked(since: &str, by: By) -> Account {
        // Received on a Wednesday at 9: over at the end of Monday; half of that is Saturday at 4:30.
        let restore = Restore { received_at: at("2026-03-11T02:00:00Z"), ..Restore::default() };
        let locks = [(LockReason::Compromised, Lock { since: at(since), by, also_clock: false })].into();
        let issued_at = Some(at("2026-01-05T02:00:00Z"));
        Account { id: "nv-1".into(), issued_at, locks, restore: Some(restore), ..Account::default() }
    }

    #[test]
    fn r6_3_half_of_the_term_is_told_once_for_each_document() {
        let (rules, mut account) = (Rules::default(), locked("2026-03-04T03:00:00Z", By::Person));
        let tell = |account: &mut Account, now| tell_half_time(&rules, account, at(now));
        assert!(!tell(&mut account, "2026-03-13T21:29:59Z"));
        assert!(tell(&mut account, "2026-03-13T21:30:00Z"));
        assert!(!tell(&mut account, "2026-03-13T21:30:00Z"), "once");
        assert!(!tell(&mut account, "2026-03-30T00:00:00Z"), "nor when it is overdue");
        // Another document.
        account.restore = Some(Restore { received_at: at("2026-03-16T02:00:00Z"), ..Restore::default() });
        assert!(!tell(&mut account, "2026-03-16T03:00:00Z"));
        // Nobody looked for days: it is told all the same, and once.
        assert!(tell(&mut account, "2026-03-30T00:00:00Z"));
        assert!(!tell(&mut account, "2026-03-30T00:00:00Z"));
    }

    #[test]
    fn r6_3_no_term_runs_for_what_the_document_does_not_ask_for_or_is_over() {
        let rules = Rules::default();
        let end = |account: &Account| asked(&rules, account).map(|asked| asked.end);
        let account = locked("2026-03-04T03:00:00Z", By::Person);
        assert_eq!(end(&account), Some(at("2026-03-16T17:00:00Z")));
        assert_eq!(end(&locked("2026-03-12T03:00:00Z", By::Clock)), None, "locked after the receipt");
        let with = |change: fn(&mut Restore)| {
            let mut account = account.clone();
            account.restore.iter_mut().for_each(change);
            account
        };
        assert_eq!(end(&with(|restore| restore.handled = true)), None);
        assert_eq!(end(&with(|restore| restore.reasons = [LockReason::ProhibitedUse].into())), None);
        assert_eq!(end(&Account { locks: Default::default(), ..account.clone() }), None, "given back");
        assert_eq!(end(&Account { revoked_at: Some(at("2026-03-12T00:00:00Z")), ..account }), None);
    }
}
