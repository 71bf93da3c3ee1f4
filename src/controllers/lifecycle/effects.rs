//! What is done about accounts whose Mailbox is gone (D-14): they are revoked and kept.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tracing::{info, warn};

use super::super::context::Ctx;
use super::super::status;
use super::NAMED;
use crate::api::{AddressClaim, Mailbox};
use crate::backend::Account;
use crate::domain::events::{Event, Severity};
use crate::domain::journal;
use crate::domain::lifecycle::{self, Cause, Key, Kind};

/// Claims that are written at the same time.
const WRITES: usize = 8;

/// Revokes those that a pass released and whose Mailbox is gone.
pub(super) async fn revoke_gone(released: &BTreeSet<Key>, now: Timestamp, ctx: &Ctx) {
    let deleted = released.iter().filter(|(_, kind, cause)| (*kind, *cause) == (Kind::Revoke, Cause::Deleted));
    // Those that came back in between are not.
    let gone = deleted.filter(|(mailbox, ..)| ctx.mailbox(mailbox).is_none());
    let rows: Vec<Account> = gone.filter_map(|(mailbox, ..)| revoked_row(ctx, mailbox)).collect();
    let new: Vec<Account> =
        rows.into_iter().filter(|row| ctx.syncer.projection().desired(&row.mailbox) != Some(row)).collect();
    let done: Vec<Option<Account>> =
        stream::iter(new).map(|row| revoke(row, now, ctx)).buffered(WRITES).collect().await;
    tell(&done.into_iter().flatten().collect::<Vec<_>>(), ctx);
}

/// Those that are revoked stay so, also after a start; a time that was not written yet is.
pub(super) async fn keep_closed(accounts: &[lifecycle::Account], now: Timestamp, ctx: &Ctx) {
    let closed = accounts.iter().filter(|account| account.gone && account.revoked_at.is_some());
    let rows: Vec<Account> = closed.filter_map(|account| revoked_row(ctx, &account.id)).collect();
    let written = |row: &Account| ctx.primary_claim(&row.mailbox).is_none_or(|claim| claim.spec.revoked_at.is_some());
    let (known, unwritten): (Vec<_>, Vec<_>) = rows.into_iter().partition(written);
    for row in known {
        let same = ctx.syncer.projection().desired(&row.mailbox) == Some(&row);
        if !same && ctx.mailbox(&row.mailbox).is_none() {
            ctx.syncer.want(row);
        }
    }
    stream::iter(unwritten).for_each_concurrent(WRITES, |row| revoke(row, now, ctx).map(drop)).await;
}

/// Whether its Mailbox is gone. Mailboxes and claims come by two watches: one that is behind makes an account look left alone.
async fn is_gone(mailbox: &str, ctx: &Ctx) -> bool {
    if ctx.mailbox(mailbox).is_some() {
        return false;
    }
    match ctx.io.get::<Mailbox>(mailbox).await {
        Ok(None) => true,
        Ok(Some(_)) => {
            warn!(mailbox, "its Mailbox is there, the cache is behind; nothing is revoked");
            false
        }
        Err(error) => {
            warn!(mailbox, %error, "nobody knows whether its Mailbox is gone; nothing is revoked yet");
            false
        }
    }
}

/// The row that it has now, if it is revoked.
async fn revoke(row: Account, now: Timestamp, ctx: &Ctx) -> Option<Account> {
    let mailbox = row.mailbox.clone();
    if !is_gone(&mailbox, ctx).await {
        return None;
    }
    info!(mailbox, "revoked: its Mailbox is gone; mail, address and password are kept (D-14)");
    ctx.syncer.want(row.clone());
    if let Some(claim) = ctx.primary_claim(&mailbox).filter(|claim| claim.spec.revoked_at.is_none()) {
        write_down(&mailbox, (*claim).clone(), now, ctx).await;
    }
    Some(row)
}

/// The revocation into the journal, then its time into the claim.
async fn write_down(mailbox: &str, mut claim: AddressClaim, now: Timestamp, ctx: &Ctx) {
    if let Err(error) = ctx.journal.write(vec![event(mailbox, &claim, now, ctx)]).await {
        warn!(mailbox, %error, "the revocation is not written into the journal yet; trying again");
        return;
    }
    if ctx.mailbox(mailbox).is_some() {
        // Its own pass opens it again.
        ctx.triggers.mailboxes.fire(mailbox).await;
        return;
    }
    claim.spec.revoked_at = Some(Time(now));
    // Whoever was faster wins; it is looked at again.
    if let Err(error) = ctx.io.replace(&claim).await {
        warn!(mailbox, %error, "the time of the revocation is not written yet; trying again");
    }
}

/// The entry of the journal: the deletion of the Mailbox is the decision, and who did it is in the API server's audit log.
fn event(mailbox: &str, claim: &AddressClaim, now: Timestamp, ctx: &Ctx) -> journal::Event {
    let domain = ctx.system().map(|system| system.spec.domain.clone()).unwrap_or_default();
    let holder = claim.spec.owner_ref.uid.clone().unwrap_or_default();
    let (kind, cause) = (Kind::Revoke.as_str(), Cause::Deleted);
    journal::Event {
        key: format!("{holder}/{kind}/{}/generation {}", cause.as_str(), claim.metadata.generation.unwrap_or(0)),
        at: now,
        actor: "mail-operator".into(),
        mailbox: mailbox.into(),
        address: format!("{}@{domain}", claim.name_any()),
        action: kind.into(),
        cause: cause.as_str().into(),
        rule: cause.rule().into(),
        after: "Revoked".into(),
        note: format!("its Mailbox is gone; what belongs to {} is kept", claim.spec.owner_name),
        ..journal::Event::default()
    }
}

/// One event for all that are revoked together: who is gone has no object of its own to look at.
fn tell(gone: &[Account], ctx: &Ctx) {
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

/// The row of an account that nobody uses and whose address stays claimed.
pub(super) fn revoked_row(ctx: &Ctx, mailbox: &str) -> Option<Account> {
    let system = ctx.system()?;
    let claim = ctx.primary_claim(mailbox)?;
    Some(Account::revoked(mailbox, &format!("{}@{}", claim.name_any(), system.spec.domain)))
}
