//! Revocations of deleted Mailboxes (D-14), behind the brake (D-15): a wrong prune of a Git tree must not refuse the mail of a
//! province. They are looked at together, a moment after the last one came.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tracing::{info, warn};

use super::context::Ctx;
use crate::api::AddressUse;
use crate::backend::Account;
use crate::domain::brake;

/// Annotation of the MailSystem that releases what is held: the number that its condition names.
pub(super) const ACKNOWLEDGE: &str = "mail.gialai.gov.vn/acknowledge-revocations";
/// As long as others come within this time, they are seen together, at most so long.
const TOGETHER: Duration = Duration::from_secs(2);
const AT_MOST: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);

/// What is asked for, what was done, what is held.
#[derive(Default)]
pub(crate) struct Revocations {
    asked: BTreeMap<String, Instant>,
    done: Vec<(Instant, usize)>,
    held: usize,
}

/// Asks for the revocation of a Mailbox that is gone.
pub(super) fn ask(ctx: &Ctx, mailbox: &str) {
    let mut state = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
    state.asked.entry(mailbox.into()).or_insert_with(Instant::now);
}

/// How many are held by the brake.
pub(super) fn held(ctx: &Ctx) -> usize {
    ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner).held
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    loop {
        let pause = if held(&ctx) > 0 { TOGETHER } else { Duration::from_millis(500) };
        tokio::time::sleep(pause).await;
        if !*ctx.synced.borrow() || !due(&ctx) {
            continue;
        }
        let before = held(&ctx);
        pass(&ctx);
        let now = held(&ctx);
        if now > 0 && now != before {
            warn!(held = now, "the brake holds revocations (D-15)");
        }
        if before != now
            && let Some(system) = ctx.system()
        {
            ctx.triggers.systems.fire(&system.name_any()).await;
        }
    }
}

fn due(ctx: &Ctx) -> bool {
    let state = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = state.asked.values().max().map(Instant::elapsed);
    let oldest = state.asked.values().min().map(Instant::elapsed);
    newest.is_some_and(|t| t >= TOGETHER)
        || oldest.is_some_and(|t| t >= AT_MOST)
        || (state.held > 0 && state.asked.is_empty())
}

fn pass(ctx: &Ctx) {
    let asked: Vec<String> = {
        let state = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.keys().cloned().collect()
    };
    let rows: Vec<Account> = asked.iter().filter_map(|mailbox| row(ctx, mailbox)).collect();
    let (known, new): (Vec<_>, Vec<_>) = {
        let projection = ctx.syncer.projection();
        rows.into_iter().partition(|row| projection.is_revoked(row))
    };
    let total = ctx.index().owners().len();
    let acknowledged = acknowledged(ctx);
    let mut state = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
    state.done.retain(|(at, _)| at.elapsed() < DAY);
    let done: usize = state.done.iter().map(|(_, n)| n).sum();
    let free = brake::allows(brake::Limits::default(), new.len() + done, total) || acknowledged == Some(new.len());
    state.held = if free { 0 } else { new.len() };
    if free {
        state.asked.clear();
        if !new.is_empty() {
            state.done.push((Instant::now(), if acknowledged.is_some() { 0 } else { new.len() }));
        }
    } else {
        // Held ones are looked at again; those whose Mailbox came back are not asked for any more.
        let names: Vec<&str> = new.iter().map(|r| r.mailbox.as_str()).collect();
        state.asked.retain(|mailbox, _| names.contains(&mailbox.as_str()));
    }
    drop(state);
    for row in known.into_iter().chain(if free { new } else { Vec::new() }) {
        info!(mailbox = row.mailbox, "revoked: its Mailbox is gone; mail, address and password are kept (D-14)");
        ctx.syncer.want(row);
    }
}

fn acknowledged(ctx: &Ctx) -> Option<usize> {
    ctx.system()?.annotations().get(ACKNOWLEDGE)?.parse().ok()
}

/// The row of a Mailbox that is gone and whose address stays claimed; `None` when it is there again.
fn row(ctx: &Ctx, mailbox: &str) -> Option<Account> {
    if ctx.mailbox(mailbox).is_some() {
        return None;
    }
    revoked_row(ctx, mailbox)
}

/// Nobody under this resource name may use the account: what was issued to somebody else is kept for them.
pub(super) fn close(ctx: &Ctx, mailbox: &str) {
    if let Some(row) = revoked_row(ctx, mailbox) {
        ctx.syncer.want(row);
    }
}

fn revoked_row(ctx: &Ctx, mailbox: &str) -> Option<Account> {
    let system = ctx.system()?;
    let held = ctx.index().claims_of(mailbox);
    let claims =
        held.iter().filter_map(|local| ctx.stores.claims.get(&ObjectRef::new(local).within(ctx.io.namespace())));
    let claim = claims.into_iter().find(|c| c.spec.address_use == AddressUse::Primary)?;
    Some(Account::revoked(mailbox, &format!("{}@{}", claim.name_any(), system.spec.domain)))
}
