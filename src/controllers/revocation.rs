//! Revocations of Mailboxes that are gone (D-14) and of those whose last day has come (R5.4.b), behind the brake (D-15): a wrong
//! prune of a Git tree, or a wrong date in it, must not refuse the mail of a province. They are looked at together, a moment after the
//! last one came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::{info, warn};

use super::context::Ctx;
use super::status;
use crate::api::Reason;
use crate::backend::Account;
use crate::domain::brake::Brake;
use crate::domain::events::{Event, Severity};

/// Annotation of the MailSystem that releases what is held: the word that its condition names, good for exactly these.
pub(super) const ACKNOWLEDGE: &str = "mail.gialai.gov.vn/acknowledge-revocations";
/// As long as others come within this time, they are seen together, at most so long.
const TOGETHER: Duration = Duration::from_secs(2);
const AT_MOST: Duration = Duration::from_secs(10);
/// Who is named in one event; a note has 1,024 bytes.
const NAMED: usize = 8;

/// What is asked for, what was done, what is held.
#[derive(Default)]
pub(crate) struct Revocations {
    asked: BTreeMap<String, Instant>,
    brake: Brake<String>,
    /// Whether an earlier leader held some; looked up when the first one is asked for.
    held_before: Option<bool>,
    held: Option<Held>,
}

/// What the brake holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// How many.
    pub count: usize,
    /// Some of them.
    pub names: Vec<String>,
    /// What confirms exactly these: their number and a digest of who they are.
    pub token: String,
}

/// Asks for the revocation of a Mailbox that is gone or over.
pub(super) fn ask(ctx: &Ctx, mailbox: &str) {
    let held = was_held(ctx);
    let mut state = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
    state.held_before.get_or_insert(held);
    state.asked.entry(mailbox.into()).or_insert_with(Instant::now);
}

/// What is held by the brake.
pub(super) fn held(ctx: &Ctx) -> Option<Held> {
    ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner).held.clone()
}

/// Whether the brake holds this one.
pub(super) fn holds(ctx: &Ctx, mailbox: &str) -> bool {
    let state = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
    state.held.is_some() && state.asked.contains_key(mailbox)
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    loop {
        let pause = if held(&ctx).is_some() { TOGETHER } else { Duration::from_millis(500) };
        tokio::time::sleep(pause).await;
        // Before the server told what it has, each revocation of old would look like a new one.
        if !*ctx.synced.borrow() || !ctx.syncer.projection().met() || !due(&ctx) {
            continue;
        }
        let before = held(&ctx);
        let revoked = pass(&ctx);
        let now = held(&ctx);
        if let Some(held) = now.as_ref().filter(|_| now != before) {
            warn!(held = held.count, "the brake holds revocations (D-15)");
        }
        if before != now
            && let Some(system) = ctx.system()
        {
            ctx.triggers.systems.fire(&system.name_any()).await;
        }
        // Those that are over and still there say it themselves.
        let changed = if before == now { revoked } else { [revoked, asked(&ctx)].concat() };
        for mailbox in changed.iter().filter(|mailbox| ctx.mailbox(mailbox).is_some()) {
            ctx.triggers.mailboxes.fire(mailbox).await;
        }
    }
}

fn due(ctx: &Ctx) -> bool {
    let state = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = state.asked.values().max().map(Instant::elapsed);
    let oldest = state.asked.values().min().map(Instant::elapsed);
    newest.is_some_and(|t| t >= TOGETHER)
        || oldest.is_some_and(|t| t >= AT_MOST)
        || (state.held.is_some() && state.asked.is_empty())
}

fn asked(ctx: &Ctx) -> Vec<String> {
    let state = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
    state.asked.keys().cloned().collect()
}

/// Looks at all that are asked for; who is revoked now.
fn pass(ctx: &Ctx) -> Vec<String> {
    let asked = asked(ctx);
    let rows: Vec<Account> = asked.iter().filter_map(|mailbox| row(ctx, mailbox)).collect();
    let (known, new): (Vec<_>, Vec<_>) = {
        let projection = ctx.syncer.projection();
        rows.into_iter().partition(|row| projection.is_revoked(row) || projection.desired(&row.mailbox) == Some(row))
    };
    let waiting = judge(&asked, &new, ctx);
    known.into_iter().for_each(|row| ctx.syncer.want(row));
    // Those that came back in between are not.
    let free = |new: &Account| !waiting.contains(&new.mailbox) && row(ctx, &new.mailbox).is_some();
    let done: Vec<Account> = new.into_iter().filter(free).collect();
    tell(&done, ctx);
    let want = |row: Account| {
        let (mailbox, gone) = (row.mailbox.clone(), ctx.mailbox(&row.mailbox).is_none());
        info!(mailbox, gone, "revoked: its Mailbox is gone or over; mail, address and password are kept (D-14)");
        ctx.syncer.want(row);
        mailbox
    };
    done.into_iter().map(want).collect()
}

/// Asks the brake; who waits for a person.
fn judge(asked: &[String], new: &[Account], ctx: &Ctx) -> BTreeSet<String> {
    let wanted: BTreeSet<String> = new.iter().map(|row| row.mailbox.clone()).collect();
    let total = ctx.index().owners().len();
    let token = token(new, ctx);
    let acknowledged = acknowledged(ctx).is_some_and(|said| said == token);
    let mut guard = ctx.revocations.lock().unwrap_or_else(PoisonError::into_inner);
    let state = &mut *guard;
    if state.held_before.replace(false) == Some(true) {
        state.brake.held.extend(wanted.iter().cloned());
    }
    if acknowledged {
        state.brake.held.clear();
    } else {
        state.brake.judge(&wanted, |_| true, total, ctx.now());
    }
    let waiting = state.brake.held.clone();
    let held = || Held { count: waiting.len(), names: waiting.iter().take(NAMED).cloned().collect(), token };
    state.held = (!waiting.is_empty()).then(held);
    // Held ones are looked at again, and so is who was asked for meanwhile; those whose Mailbox came back are not.
    for mailbox in asked.iter().filter(|mailbox| !waiting.contains(*mailbox)) {
        state.asked.remove(mailbox);
    }
    waiting
}

fn was_held(ctx: &Ctx) -> bool {
    let held = |c: &Condition| c.reason == Reason::RevocationHeld.as_str();
    ctx.system().and_then(|s| s.status.clone()).is_some_and(|status| status.conditions.iter().any(held))
}

/// One event for all that are revoked together: who is gone has no object of its own to look at.
fn tell(revoked: &[Account], ctx: &Ctx) {
    let gone: Vec<&Account> = revoked.iter().filter(|row| ctx.mailbox(&row.mailbox).is_none()).collect();
    let Some(system) = ctx.system().filter(|_| !gone.is_empty()) else { return };
    let who: Vec<String> = gone.iter().take(NAMED).map(|row| format!("{} ({})", row.mailbox, row.address)).collect();
    let more = match gone.len() - who.len() {
        0 => String::new(),
        more => format!(", and {more} more: the addresses (addr) whose ownerRef is no Mailbox"),
    };
    let note = format!(
        "{} revoked, no Mailbox names the address any more; mail, address and password are kept (D-14): {}{more}",
        gone.len(),
        who.join(", ")
    );
    status::tell(&*system, Event::new(Severity::Normal, "Revoked", "Revoke", &note), ctx);
}

fn acknowledged(ctx: &Ctx) -> Option<String> {
    ctx.system()?.annotations().get(ACKNOWLEDGE).cloned()
}

/// The word for exactly these: an old confirmation says nothing of others, nor of the same ones after they came back.
fn token(rows: &[Account], ctx: &Ctx) -> String {
    let mut names: Vec<&str> = rows.iter().map(|row| row.mailbox.as_str()).collect();
    names.sort_unstable();
    let mut digest = Sha256::new();
    for name in names {
        let holder = ctx.primary_claim(name).and_then(|claim| claim.spec.owner_ref.uid.clone()).unwrap_or_default();
        digest.update(format!("{name} {holder}\n"));
    }
    let digest: String = digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", rows.len())
}

/// The row of a Mailbox that is gone or over and whose address stays claimed; `None` when it is there again.
fn row(ctx: &Ctx, mailbox: &str) -> Option<Account> {
    if ctx.mailbox(mailbox).is_some_and(|mailbox| mailbox.ended(ctx.now()).is_none()) {
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
    let claim = ctx.primary_claim(mailbox)?;
    Some(Account::revoked(mailbox, &format!("{}@{}", claim.name_any(), system.spec.domain)))
}
