//! What is so: every account of the system, from the caches.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::super::context::{Credentials, Ctx};
use super::effects::revoked_row;
use super::former;
use super::stopped::{calendar, is_unknown, stopped};
use crate::api::{self, Mailbox, MailboxState};
use crate::domain::calendar::day;
use crate::domain::lifecycle::{self, Account, By, Rules};

/// How the regulation is set here, and whether clocks lead to anything now.
pub(crate) fn rules(ctx: &Ctx) -> Rules {
    let Some(system) = ctx.system() else { return Rules::default() };
    let rules = api::rules(&system.spec.regulation, calendar(&system, ctx).as_deref());
    let stopped = stopped(rules.stopped, ctx);
    Rules { stopped, ..rules }
}

/// The facts of the life of one Mailbox: what its status says, or, where that is new, what stands beside its address.
pub(crate) fn life(mailbox: &Mailbox, ctx: &Ctx, now: Timestamp) -> Account {
    life_with(mailbox, ctx.credentials(&mailbox.name_any()).as_ref(), ctx, now)
}

/// The same with the credentials that the caller knows: a second look at the cache may find others.
pub(crate) fn life_with(mailbox: &Mailbox, credentials: Option<&Credentials>, ctx: &Ctx, now: Timestamp) -> Account {
    let name = mailbox.name_any();
    let claim = ctx.primary_claim(&name);
    let remembered = mailbox.remembered(claim.as_deref());
    let mailbox = remembered.as_ref().unwrap_or(mailbox);
    let mut account = mailbox.life(ctx.activity(&name));
    account.hold |= ctx.is_rehearsal();
    account.purged = ctx.is_purged(mailbox);
    account.begun = is_unknown(ctx).then(|| had_access(mailbox));
    for lock in claim.iter().flat_map(|claim| mailbox.unsaid_locks(claim)) {
        let known = lifecycle::Lock { since: lock.since.0, by: By::Person, also_clock: lock.by_term };
        account.locks.entry(lock.reason.into()).or_insert(known);
    }
    let changed = mailbox.status.as_ref().and_then(|status| status.password_changed_at.as_ref()).map(|at| at.0);
    (account.password_changed_at, account.password_made_at) = match credentials {
        Some(credentials) if credentials.initial => (None, credentials.made_at),
        Some(credentials) => (Some(credentials.changed_at.or(changed).unwrap_or(now)), None),
        // It is made by this pass.
        None => (None, Some(now)),
    };
    account
}

/// Whether its first day came before, by what its status says. Of a revoked one nobody knows; one that was made again says no state, and
/// was issued on its first day or later, or before.
fn had_access(mailbox: &Mailbox) -> bool {
    use MailboxState::{Active, Locked, MustChangePassword, RevocationProposed};
    let status = mailbox.status.as_ref();
    let issued = status.and_then(|status| status.issued_at.as_ref()).map(|at| day(at.0));
    match status.and_then(|status| status.state) {
        Some(state) => matches!(state, MustChangePassword | Active | Locked | RevocationProposed),
        None => issued
            .is_some_and(|issued| mailbox.spec.starts_on.as_ref().is_none_or(|first| *first <= issued.to_string())),
    }
}

/// Every account: that of each Mailbox, and of each who is gone.
pub(super) fn accounts(ctx: &Ctx, now: Timestamp) -> Vec<Account> {
    let mailboxes = ctx.stores.mailboxes.state();
    let mut names: BTreeSet<String> = ctx.index().owners().into_iter().collect();
    names.extend(ctx.syncer.projection().names());
    let gone = names.iter().filter_map(|name| gone(name, ctx, now));
    mailboxes.iter().map(|mailbox| life(mailbox, ctx, now)).chain(gone).collect()
}

/// The account of somebody who is gone: the Mailbox is, or it is somebody else's now; or nothing is left of both Mailbox and address,
/// and the mail server has the account all the same.
pub(super) fn gone(owner: &str, ctx: &Ctx, now: Timestamp) -> Option<Account> {
    let there = ctx.mailbox(owner);
    let claim = if there.is_some() { ctx.primary_claim(owner) } else { ctx.kept_claim(owner) };
    if there.is_none() && claim.is_none() {
        let left = ctx.syncer.projection().has(owner);
        let issued_at = Some(Timestamp::UNIX_EPOCH);
        return left.then(|| Account { id: owner.into(), issued_at, gone: true, ..Account::default() });
    }
    let (id, claim) = former::gone(owner, there.as_deref(), claim)?;
    // What the Mailbox said last; wherever it stands, it holds: also in that of somebody who may be the same, written otherwise.
    let held = there.is_some_and(|there| there.spec.hold.is_some());
    let hold = held || ctx.is_rehearsal() || ctx.claims_of(owner).iter().any(|claim| claim.spec.hold.is_some());
    let written = claim.spec.revoked_at.as_ref().map(|at| at.0);
    // One that was revoked before times were written down.
    let known = || revoked_row(ctx, owner).is_some_and(|row| ctx.syncer.projection().is_revoked(&row)).then_some(now);
    Some(Account {
        id,
        issued_at: claim.issued_at().map(|at| at.0),
        gone: true,
        hold,
        revoked_at: written.or_else(known),
        ..Account::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::fixture;

    #[tokio::test]
    async fn r5_2_r9_1_a_pass_looks_for_the_password_once() {
        let at = |text: &str| text.parse::<Timestamp>().expect(text);
        let (now, changed_at) = (at("2026-03-02T00:00:00Z"), Some(at("2026-03-01T00:00:00Z")));
        let ctx = fixture::ctx(now);
        let known = Credentials { changed_at, ..Credentials::default() };
        let basis = serde_json::json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"});
        let spec = serde_json::json!({"agencyRef": {"name": "stttt"}, "fullName": "Trần Đình Nguyên", "basis": basis});
        let mailbox = Mailbox::new("nv-1", serde_json::from_value(spec).expect("a spec"));
        // The caches have none any more.
        assert_eq!(ctx.credentials("nv-1").map(drop), None);
        assert_eq!(life_with(&mailbox, Some(&known), &ctx, now).password_changed_at, changed_at);
        assert_eq!(life(&mailbox, &ctx, now).password_made_at, Some(now), "it is made by this pass");
    }

    #[test]
    fn one_that_was_made_again_had_access_if_its_first_day_came_before_its_issue() {
        let had = |first: Option<&str>, state: Option<&str>| {
            let basis = serde_json::json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"});
            let spec = serde_json::json!({"agencyRef": {"name": "stttt"}, "fullName": "Lê An", "basis": basis, "startsOn": first});
            let status = serde_json::json!({"issuedAt": "2026-03-02T00:00:00Z", "state": state});
            let all = serde_json::json!({"metadata": {"name": "nv-1"}, "spec": spec, "status": status});
            had_access(&serde_json::from_value(all).expect("a Mailbox"))
        };
        assert!(had(None, None) && had(Some("2026-03-02"), None) && !had(Some("2026-03-03"), None));
        assert!(had(Some("2026-03-03"), Some("Locked")) && !had(Some("2026-03-01"), Some("Pending")));
    }
}
