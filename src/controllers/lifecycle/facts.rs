//! What is so: every account of the system, from the caches.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::super::context::Ctx;
use super::effects::revoked_row;
use super::stopped::{calendar, stopped};
use crate::api::{self, Mailbox};
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
    let name = mailbox.name_any();
    let claim = ctx.primary_claim(&name);
    let remembered = mailbox.remembered(claim.as_deref());
    let mailbox = remembered.as_ref().unwrap_or(mailbox);
    let mut account = mailbox.life(ctx.activity(&name));
    account.hold |= is_rehearsal(ctx);
    account.purged = ctx.is_purged(mailbox);
    for lock in claim.iter().flat_map(|claim| mailbox.unsaid_locks(claim)) {
        let known = lifecycle::Lock { since: lock.since.0, by: By::Person, also_clock: lock.by_term };
        account.locks.entry(lock.reason.into()).or_insert(known);
    }
    let changed = mailbox.status.as_ref().and_then(|status| status.password_changed_at.as_ref()).map(|at| at.0);
    (account.password_changed_at, account.password_made_at) = match ctx.credentials(&name) {
        Some(credentials) if credentials.initial => (None, credentials.made_at),
        Some(credentials) => (Some(credentials.changed_at.or(changed).unwrap_or(now)), None),
        // It is made by this pass.
        None => (None, Some(now)),
    };
    account
}

/// Every account: that of each Mailbox, and of each holder of an address whose Mailbox is gone.
pub(super) fn accounts(ctx: &Ctx, now: Timestamp) -> Vec<Account> {
    let mailboxes = ctx.stores.mailboxes.state();
    let there: BTreeSet<String> = mailboxes.iter().map(|mailbox| mailbox.name_any()).collect();
    let owners = ctx.index().owners();
    let gone = owners.into_iter().filter(|owner| !there.contains(owner)).filter_map(|owner| gone(&owner, ctx, now));
    mailboxes.iter().map(|mailbox| life(mailbox, ctx, now)).chain(gone).collect()
}

/// In a rehearsal nothing is ever removed: the mail is real, only the time is not.
pub(super) fn is_rehearsal(ctx: &Ctx) -> bool {
    ctx.settings.days_ahead > 0
}

/// The account of a holder of an address whose Mailbox is gone.
pub(super) fn gone(owner: &str, ctx: &Ctx, now: Timestamp) -> Option<Account> {
    let claim = ctx.primary_claim(owner)?;
    // What the Mailbox said last; wherever it stands, it holds.
    let hold = is_rehearsal(ctx) || ctx.claims_of(owner).iter().any(|claim| claim.spec.hold.is_some());
    let written = claim.spec.revoked_at.as_ref().map(|at| at.0);
    // One that was revoked before times were written down.
    let known = || revoked_row(ctx, owner).is_some_and(|row| ctx.syncer.projection().is_revoked(&row)).then_some(now);
    Some(Account {
        id: owner.into(),
        issued_at: claim.creation_timestamp().map(|at| at.0),
        gone: true,
        hold,
        revoked_at: written.or_else(known),
        ..Account::default()
    })
}
