//! What a look at all accounts counts, for the metrics: pure but for [`tell`].

use std::collections::{BTreeMap, HashMap, HashSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::super::context::Ctx;
use super::facts::rules;
use super::former;
use crate::domain::lifecycle::{Account, Cause, Kind, LockReason, Rules, State, asked, due};
use crate::telemetry::LifeFigures;

/// What is due within this time is due soon.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A proposal that was not decided for so long.
const LONG: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A source of use that told nothing for so long proves nothing soon (D-16).
const FRESH: SignedDuration = SignedDuration::from_hours(24);

const STATES: [State; 7] = [
    State::Pending,
    State::MustChangePassword,
    State::Active,
    State::Locked,
    State::RevocationProposed,
    State::Revoked,
    State::Purged,
];
/// Actions that take something away, or that a person has to do.
const ACTIONS: [Kind; 5] = [Kind::Lock, Kind::RestoreDue, Kind::ProposeRevocation, Kind::Revoke, Kind::Purge];

/// What is known of an account beside the facts of its life.
#[derive(Clone, Copy, Debug, Default)]
struct About<'a> {
    /// Its agency, if that is there.
    agency: Option<&'a str>,
    /// Since when its revocation is proposed.
    proposed_at: Option<Timestamp>,
}

/// Counts. `about` tells of an account by the name of its Mailbox.
fn count<'a>(
    rules: &Rules,
    accounts: &[Account],
    about: impl Fn(&str) -> About<'a>,
    held: usize,
    complete_through: Option<Timestamp>,
    now: Timestamp,
) -> LifeFigures {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut figures = LifeFigures {
        states: STATES.map(|state| (state.as_str(), 0)).into(),
        due_soon: ACTIONS.map(|kind| (kind.as_str(), 0)).into(),
        held_actions: number(held),
        activity_age: complete_through.map(|through| now.duration_since(through).as_secs().max(0)),
        ..LifeFigures::default()
    };
    let mut agencies: BTreeMap<(Option<&str>, &'static str), i64> = BTreeMap::new();
    for account in accounts {
        let (state, about) = (account.state(&rules.terms, now).as_str(), about(&account.id));
        *figures.states.entry(state).or_default() += 1;
        *agencies.entry((about.agency, state)).or_default() += 1;
        restores(&mut figures, rules, account, now);
        if account.proposed && account.revoked_at.is_none() {
            figures.proposals += 1;
            let long = about.proposed_at.is_some_and(|at| now.duration_since(at) >= LONG);
            figures.proposals_waiting += i64::from(long);
        }
        for kind in due_soon(rules, account, now) {
            *figures.due_soon.entry(kind.as_str()).or_default() += 1;
        }
    }
    let owned = |((agency, state), count): ((Option<&str>, _), _)| ((agency.map(str::to_owned), state), count);
    figures.agencies = agencies.into_iter().map(owned).collect();
    figures
}

/// A document that was received and did not give the account back yet (R6.3).
fn restores(figures: &mut LifeFigures, rules: &Rules, account: &Account, now: Timestamp) {
    let Some(term) = asked(rules, account) else { return };
    figures.restores_open += 1;
    figures.restores_half_time += i64::from(now >= term.half);
    figures.restores_overdue += i64::from(now >= term.end);
}

/// Each action that comes by itself within a week, once: not what rests on use that nobody tells of (D-16).
fn due_soon(rules: &Rules, account: &Account, now: Timestamp) -> impl Iterator<Item = Kind> {
    let fresh = |through: Timestamp| now.duration_since(through) <= FRESH;
    let told = account.activity.as_ref().is_some_and(|activity| fresh(activity.complete_through));
    let rests = |cause| matches!(cause, Cause::Unused | Cause::Locks(LockReason::Inactive));
    let end = now.checked_add(SOON).unwrap_or(Timestamp::MAX);
    let all = due(rules, account, now);
    let soon: Vec<Kind> = all
        .into_iter()
        .filter(|action| action.at > now && action.at <= end && (told || !rests(action.cause)))
        .map(|action| action.kind)
        .collect();
    ACTIONS.into_iter().filter(move |kind| soon.contains(kind))
}

/// Tells the metrics what a look at `accounts` counts.
pub(super) fn tell(ctx: &Ctx, accounts: &[Account], now: Timestamp) {
    let agencies: HashSet<String> = ctx.stores.agencies.state().iter().map(|agency| agency.name_any()).collect();
    let there = |name: &str| agencies.get(name).map(String::as_str);
    let mailboxes = ctx.stores.mailboxes.state();
    let mut known: HashMap<String, About<'_>> = HashMap::with_capacity(accounts.len());
    for mailbox in &mailboxes {
        let proposed_at = mailbox.status.as_ref().and_then(|status| status.proposed_at.as_ref()).map(|at| at.0);
        known.insert(mailbox.name_any(), About { agency: there(&mailbox.spec.agency_ref.name), proposed_at });
    }
    for gone in accounts.iter().filter(|account| account.gone) {
        let agency = ctx.kept_claim(former::mailbox(&gone.id)).and_then(|claim| there(claim.spec.agency.as_deref()?));
        known.insert(gone.id.clone(), About { agency, proposed_at: None });
    }
    let about = |name: &str| known.get(name).copied().unwrap_or_default();
    let Some(system) = ctx.system() else { return };
    let through = ctx.activities.complete_through(&system);
    let figures = count(&rules(ctx), accounts, about, ctx.life.state().held.len(), through, now);
    ctx.metrics.life(ctx.io.namespace(), &system.name_any(), &figures);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lifecycle::{Activity, By, Lock, Restore};

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    fn issued(id: &str) -> Account {
        let (issued_at, password_changed_at) = (Some(at("2026-03-02T03:00:00Z")), Some(at("2026-03-03T03:00:00Z")));
        Account { id: id.into(), issued_at, password_changed_at, ..Account::default() }
    }

    fn locked(id: &str, restore: Option<&str>) -> Account {
        let lock = Lock { since: at("2026-03-04T03:00:00Z"), by: By::Person, also_clock: false };
        let restore = restore.map(|received| Restore { received_at: at(received), ..Restore::default() });
        let wanted_locks = [LockReason::Compromised].into();
        Account { locks: [(LockReason::Compromised, lock)].into(), wanted_locks, restore, ..issued(id) }
    }

    fn counted(accounts: &[Account], now: &str) -> LifeFigures {
        count(&Rules::default(), accounts, |_| About::default(), 0, None, at(now))
    }

    #[test]
    fn accounts_are_counted_by_state_and_agency_and_every_state_has_a_series() {
        let accounts = [issued("a"), locked("b", None), issued("c"), Account { id: "d".into(), ..Account::default() }];
        let agency = |id: &str| if id == "c" { None } else { Some("stttt") };
        let about = |id: &str| About { agency: agency(id), proposed_at: None };
        let through = Some(at("2026-03-05T00:00:00Z"));
        let figures = count(&Rules::default(), &accounts, about, 7, through, at("2026-03-05T01:00:00Z"));
        assert_eq!((figures.states["Active"], figures.states["Locked"], figures.states["Pending"]), (2, 1, 1));
        assert_eq!((figures.states.len(), figures.states["Purged"]), (7, 0));
        let stttt = |state| figures.agencies[&(Some("stttt".to_string()), state)];
        assert_eq!((stttt("Active"), stttt("Locked"), figures.agencies[&(None, "Active")]), (1, 1, 1));
        assert_eq!((figures.held_actions, figures.activity_age), (7, Some(3600)));
    }

    #[test]
    fn r6_3_requests_are_open_then_past_half_time_then_overdue_and_handled_ones_are_none() {
        // Received on a Wednesday at 9: over at the end of Monday; half of that is Saturday at 4:30.
        let account = locked("a", Some("2026-03-11T02:00:00Z"));
        let of = |account: &Account, now| {
            let figures = counted(std::slice::from_ref(account), now);
            (figures.restores_open, figures.restores_half_time, figures.restores_overdue)
        };
        assert_eq!(of(&account, "2026-03-13T21:29:59Z"), (1, 0, 0));
        assert_eq!(of(&account, "2026-03-13T21:30:00Z"), (1, 1, 0));
        assert_eq!(of(&account, "2026-03-16T16:59:59Z"), (1, 1, 0));
        assert_eq!(of(&account, "2026-03-16T17:00:00Z"), (1, 1, 1));
        let mut handled = account.clone();
        handled.restore.iter_mut().for_each(|restore| restore.handled = true);
        assert_eq!(of(&handled, "2026-03-20T00:00:00Z"), (0, 0, 0));
        let revoked = Account { revoked_at: Some(at("2026-03-12T00:00:00Z")), ..account };
        assert_eq!(of(&revoked, "2026-03-20T00:00:00Z"), (0, 0, 0));
    }

    #[test]
    fn r8_3_dd_proposals_are_counted_and_those_of_30_days() {
        let accounts = [Account { proposed: true, ..issued("a") }, Account { proposed: true, ..issued("b") }];
        let about = |id: &str| About {
            agency: None,
            proposed_at: Some(at(if id == "a" { "2026-10-01T00:00:00Z" } else { "2026-10-20T00:00:00Z" })),
        };
        let at = at("2026-10-31T00:00:00Z");
        let figures = count(&Rules::default(), &accounts, about, 0, None, at);
        assert_eq!((figures.proposals, figures.proposals_waiting, figures.activity_age), (2, 1, None));
    }

    #[test]
    fn what_comes_within_a_week_is_due_soon_and_d_16_not_what_nobody_can_prove() {
        let ends = Account { ends_on: Some("2026-06-05".parse().expect("a day")), ..issued("a") };
        let default = Account { password_changed_at: None, issued_at: Some(at("2026-05-02T03:00:00Z")), ..issued("b") };
        let silent = |through: &str| Account {
            activity: Some(Activity {
                last_login: Some("2026-03-03".parse().expect("a day")),
                last_send: None,
                last_receive: None,
                complete_from: at("2026-03-01T00:00:00Z"),
                complete_through: at(through),
            }),
            ..issued("c")
        };
        // Silence since 3 March: locked on 4 June.
        let soon = |account: Account| {
            let figures = counted(&[account], "2026-05-31T00:00:00Z");
            figures.due_soon.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>()
        };
        assert_eq!(soon(ends.clone()), [("Revoke", 1)]);
        assert_eq!(soon(default), [("Lock", 1)]);
        assert_eq!(soon(silent("2026-05-30T23:00:00Z")), [("Lock", 1)]);
        assert_eq!(soon(silent("2026-05-29T00:00:00Z")), []);
        let later = Account { ends_on: Some("2026-06-08".parse().expect("a day")), ..ends };
        assert_eq!(soon(later), []);
    }
}
