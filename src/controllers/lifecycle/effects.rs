//! What is done about accounts whose Mailbox is gone (D-14): they are revoked and kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tracing::{info, warn};

use super::super::context::Ctx;
use super::super::status;
use super::lost::lost;
use super::{NAMED, former};
use crate::api::{AddressClaim, Mailbox};
use crate::backend::Account;
use crate::domain::events::{Event, Severity};
use crate::domain::journal;
use crate::domain::lifecycle::{self, Cause, Key, Kind};
use crate::kube_io;

/// Claims that are written at the same time.
const WRITES: usize = 8;

/// Revokes those that a pass released and who are gone. `taken` are those whose address, deleted with the Mailbox, is somebody else's.
pub(super) async fn revoke_gone(released: &BTreeSet<Key>, taken: &BTreeSet<String>, now: Timestamp, ctx: &Ctx) {
    let deleted = released.iter().filter(|(_, kind, cause)| (*kind, *cause) == (Kind::Revoke, Cause::Deleted));
    // Those that came back in between are not.
    let gone = deleted.map(|(account, ..)| former::mailbox(account)).filter(|mailbox| !is_back(mailbox, ctx));
    // One whose address is being claimed again waits for that.
    let ready = gone.filter(|mailbox| taken.contains(*mailbox) || lost(mailbox, ctx).is_none());
    let (kept, left): (Vec<String>, Vec<String>) =
        ready.map(String::from).partition(|mailbox| ctx.kept_claim(mailbox).is_some());
    let rows = kept.iter().filter_map(|mailbox| revoked_row(ctx, mailbox));
    let new: Vec<Account> = rows.filter(|row| ctx.syncer.projection().desired(&row.mailbox) != Some(row)).collect();
    let done: Vec<Option<Account>> =
        stream::iter(new).map(|row| revoke(row, now, ctx)).buffered(WRITES).collect().await;
    let gone: Vec<Option<Account>> =
        stream::iter(left).map(|mailbox| let_go(mailbox, now, ctx)).buffered(WRITES).collect().await;
    tell(&done.into_iter().chain(gone).flatten().collect::<Vec<_>>(), ctx);
}

/// Those that are revoked stay so, also after a start; a time that was not written yet is.
pub(super) async fn keep_closed(accounts: &[lifecycle::Account], now: Timestamp, ctx: &Ctx) {
    let closed = accounts.iter().filter(|account| account.gone && account.revoked_at.is_some());
    let rows: Vec<Account> = closed.filter_map(|account| revoked_row(ctx, former::mailbox(&account.id))).collect();
    let written = |row: &Account| ctx.kept_claim(&row.mailbox).is_none_or(|claim| claim.spec.revoked_at.is_some());
    let (known, unwritten): (Vec<_>, Vec<_>) = rows.into_iter().partition(written);
    for row in known {
        let same = ctx.syncer.projection().desired(&row.mailbox) == Some(&row);
        if !same && !is_back(&row.mailbox, ctx) {
            ctx.syncer.want(row);
        }
    }
    stream::iter(unwritten).for_each_concurrent(WRITES, |row| revoke(row, now, ctx).map(drop)).await;
}

/// Whether there is a Mailbox of who is gone, by the cache.
fn is_back(mailbox: &str, ctx: &Ctx) -> bool {
    let theirs = |there: &Mailbox| ctx.primary_claim(mailbox).is_none_or(|claim| former::holds(there, &claim));
    ctx.mailbox(mailbox).is_some_and(|there| theirs(&there))
}

/// Whether its Mailbox is gone, or somebody else's. Mailboxes and claims come by two watches: one that is behind makes an account look
/// left alone.
pub(super) async fn is_gone(mailbox: &str, ctx: &Ctx) -> bool {
    if is_back(mailbox, ctx) {
        return false;
    }
    let gone = match ctx.io.get::<Mailbox>(mailbox).await {
        Ok(None) => Ok(true),
        Ok(Some(there)) => is_of_another(&there, ctx).await,
        Err(error) => Err(error),
    };
    match gone {
        Ok(true) => true,
        Ok(false) => {
            warn!(mailbox, "its Mailbox is there, the cache is behind; nothing is revoked");
            false
        }
        Err(error) => {
            warn!(mailbox, %error, "nobody knows whether its Mailbox is gone; nothing is revoked yet");
            false
        }
    }
}

/// Whether the account of this name is somebody else's than the Mailbox, by what the API server has of both.
async fn is_of_another(there: &Mailbox, ctx: &Ctx) -> Result<bool, kube_io::Error> {
    let name = there.name_any();
    let Some(known) = ctx.primary_claim(&name) else { return Ok(false) };
    let claim = ctx.io.get::<AddressClaim>(&known.name_any()).await?;
    Ok(claim.is_some_and(|claim| claim.belongs_to(&name) && !former::holds(there, &claim)))
}

/// The row that it has now, if it is revoked.
async fn revoke(row: Account, now: Timestamp, ctx: &Ctx) -> Option<Account> {
    let mailbox = row.mailbox.clone();
    if !is_gone(&mailbox, ctx).await {
        return None;
    }
    info!(mailbox, "revoked: its Mailbox is gone, or somebody else's; mail, address and password are kept (D-14)");
    ctx.syncer.want(row.clone());
    let unwritten =
        |claim: &Arc<AddressClaim>| claim.spec.revoked_at.is_none() && !ctx.written.is_just_newer_than(&**claim);
    if let Some(claim) = ctx.kept_claim(&mailbox).filter(unwritten) {
        write_down(&mailbox, (*claim).clone(), now, ctx).await;
    }
    Some(row)
}

/// The end of an account that the mail server alone knows: no address is left under which it could be kept, so its row goes when that is
/// written down. Its mail store stays on the volume.
async fn let_go(mailbox: String, now: Timestamp, ctx: &Ctx) -> Option<Account> {
    let mailbox = mailbox.as_str();
    if !is_gone(mailbox, ctx).await {
        return None;
    }
    let (address, mark) = {
        let projection = ctx.syncer.projection();
        let address = projection.desired(mailbox).map(|account| account.address.clone()).unwrap_or_default();
        (address, projection.mark(mailbox).unwrap_or_default().to_string())
    };
    let note =
        "neither its Mailbox nor an address of it is there any more: it has no row; its mail store stays on the volume";
    let event = event(mailbox, address.clone(), format!("{mailbox} {mark}"), note.into(), now);
    if let Err(error) = ctx.journal.write(vec![event]).await {
        warn!(mailbox, %error, "its end is not written into the journal yet; trying again");
        return None;
    }
    if ctx.mailbox(mailbox).is_some() || ctx.kept_claim(mailbox).is_some() {
        // Put back meanwhile: its own pass goes on with it.
        ctx.triggers.mailboxes.fire(mailbox).await;
        return None;
    }
    info!(mailbox, "let go: neither its Mailbox nor an address of it is there any more");
    ctx.syncer.dismiss(mailbox);
    Some(Account::revoked(mailbox, &address))
}

/// The revocation into the journal, then its time into the claim.
async fn write_down(mailbox: &str, mut claim: AddressClaim, now: Timestamp, ctx: &Ctx) {
    let domain = ctx.system().map(|system| system.spec.domain.clone()).unwrap_or_default();
    // One that was claimed again may not know of which object it was.
    let holder = claim.spec.owner_ref.uid.clone().or_else(|| claim.uid()).unwrap_or_default();
    let decision = format!("{holder}/generation {}", claim.metadata.generation.unwrap_or(0));
    let note = format!("its Mailbox is gone; what belongs to {} is kept", claim.spec.owner_name);
    let event = event(mailbox, format!("{}@{domain}", claim.name_any()), decision, note, now);
    if let Err(error) = ctx.journal.write(vec![event]).await {
        warn!(mailbox, %error, "the revocation is not written into the journal yet; trying again");
        return;
    }
    if ctx.mailbox(mailbox).is_some_and(|found| former::holds(&found, &claim)) {
        // Its own pass opens it again.
        return ctx.triggers.mailboxes.fire(mailbox).await;
    }
    claim.spec.revoked_at = Some(Time(ctx.begins(claim.creation_timestamp().as_ref())));
    // Whoever was faster wins; it is looked at again.
    match ctx.io.replace(&claim).await {
        Ok(written) => ctx.written.note(&written),
        Err(error) => warn!(mailbox, %error, "the time of the revocation is not written yet; trying again"),
    }
}

/// The entry of the journal: the deletion of the Mailbox is the decision, and who did it is in the API server's audit log.
fn event(mailbox: &str, address: String, decision: String, note: String, now: Timestamp) -> journal::Event {
    let (kind, cause) = (Kind::Revoke.as_str(), Cause::Deleted);
    let (holder, which) = decision.split_once('/').unwrap_or((&decision, "row"));
    journal::Event {
        key: format!("{holder}/{kind}/{}/{which}", cause.as_str()),
        at: now,
        actor: "mail-operator".into(),
        mailbox: mailbox.into(),
        address,
        action: kind.into(),
        cause: cause.as_str().into(),
        rule: cause.rule().into(),
        after: "Revoked".into(),
        note,
        ..journal::Event::default()
    }
}

/// One event for all that are revoked together: who is gone has no object of its own to look at.
fn tell(gone: &[Account], ctx: &Ctx) {
    let Some(system) = ctx.system().filter(|_| !gone.is_empty()) else { return };
    let who: Vec<String> = gone.iter().take(NAMED).map(|row| format!("{} ({})", row.mailbox, row.address)).collect();
    let more = match gone.len() - who.len() {
        0 => String::new(),
        more => format!(", and {more} more: the addresses (addr) whose ownerRef is no Mailbox of theirs"),
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
    let claim = ctx.kept_claim(mailbox)?;
    Some(Account::revoked(mailbox, &format!("{}@{}", claim.name_any(), system.spec.domain)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::backend::memory::Memory;
    use crate::controllers::{fixture, journal};

    #[tokio::test]
    async fn d_14_a_pass_waits_until_its_cache_shows_a_revocation_that_was_written() {
        let now = "2026-05-10T00:00:00Z".parse().expect("a time");
        let ctx = Arc::new(fixture::ctx(now));
        ctx.syncer.set_backend(Some(Arc::new(Memory::default())));
        tokio::spawn(journal::run(ctx.clone()));
        let claim: AddressClaim = serde_json::from_value(json!({
            "metadata": {"name": "anl.stttt", "namespace": "mail", "resourceVersion": "1"},
            "spec": {"use": "Primary", "ownerRef": {"kind": "Mailbox", "name": "nv-1", "uid": "u-1"}, "ownerName": "Lê An"}}))
        .expect("a claim");
        write_down("nv-1", claim.clone(), now, &ctx).await;
        assert!(ctx.written.is_just_newer_than(&claim), "the cache is behind what was written");
    }
}
