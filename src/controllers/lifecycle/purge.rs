//! What was kept of revoked accounts is removed when its time is over (D-14): the one act that nobody can undo.
//!
//! In this order, so that whoever is killed in between is continued by the next one: what is to be removed is read anew from the API
//! server; it is written down; the mail server removes mail and row, or refuses; Secret and use go; the further addresses become
//! tombstones, and last of all the one by which the account is known. Until then nobody else gets name or address.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::super::context::Ctx;
use super::super::runner::Error;
use super::super::status;
use super::facts::{gone, is_rehearsal, life, rules};
use super::{Life, NAMED};
use crate::api::{AddressClaim, HOLDER_ANNOTATION, Mailbox, MailboxActivity};
use crate::backend::{MOST_PURGES, Purge, Purged};
use crate::domain::calendar::{Calendar, day};
use crate::domain::events::{Event, Severity};
use crate::domain::journal;
use crate::domain::lifecycle::{self, Account, Cause, Key, Kind};
use crate::kube_io::Object;
use crate::resources::CREDENTIALS_LABEL;

/// Calls to the API server at the same time.
const AT_ONCE: usize = 8;
/// Deletions of one object that others change meanwhile.
const TIMES: usize = 3;
/// Whom the mail server refused is asked for again after this.
const AGAIN: Duration = Duration::from_secs(600);

/// Somebody of whom nothing is to be left.
struct Target {
    mailbox: String,
    address: String,
    /// The claim of the address, as the API server has it.
    claim: AddressClaim,
    /// The Mailbox, as the API server has it; none: it is gone.
    object: Option<Mailbox>,
    revoked_at: Timestamp,
}

/// Those that are being removed; their own passes wait until it is dropped.
struct Purging<'a>(&'a Life);

impl<'a> Purging<'a> {
    fn begin(life: &'a Life, names: &[String]) -> Self {
        life.state().purging = names.iter().cloned().collect();
        Self(life)
    }
}

impl Drop for Purging<'_> {
    fn drop(&mut self) {
        self.0.state().purging.clear();
    }
}

/// Removes those that a pass released.
pub(super) async fn purge(released: &BTreeSet<Key>, now: Timestamp, ctx: &Ctx) {
    if is_rehearsal(ctx) {
        if !std::mem::replace(&mut ctx.life.state().told, true) {
            info!(days_ahead = ctx.settings.days_ahead, "a rehearsal: no mail is ever removed here, whatever is due");
        }
        return;
    }
    let names = due(released, ctx);
    if names.is_empty() || !ctx.syncer.projection().settled() {
        return;
    }
    let purging = Purging::begin(&ctx.life, &names);
    let found = stream::iter(names).map(|name| target(name, now, ctx)).buffered(AT_ONCE).collect::<Vec<_>>().await;
    let targets: Vec<Target> = found.into_iter().flatten().collect();
    let done = remove(targets, now, ctx).await;
    drop(purging);
    for mailbox in done {
        ctx.triggers.mailboxes.fire(&mailbox).await;
    }
}

/// Whose turn it is in this look.
fn due(released: &BTreeSet<Key>, ctx: &Ctx) -> Vec<String> {
    let state = ctx.life.state();
    let lately = |mailbox: &String| state.refused.get(mailbox).is_some_and(|(at, _)| at.elapsed() < AGAIN);
    let purges = released.iter().filter(|(_, kind, cause)| (*kind, *cause) == (Kind::Purge, Cause::RetentionOver));
    let names = purges.map(|(mailbox, ..)| mailbox).filter(|mailbox| !lately(mailbox));
    names.take(MOST_PURGES).cloned().collect()
}

/// Somebody whose time of keeping is over by what the API server has now, whatever the caches say.
async fn target(mailbox: String, now: Timestamp, ctx: &Ctx) -> Option<Target> {
    match read(&mailbox, now, ctx).await {
        Ok(target) => target,
        Err(error) => {
            warn!(mailbox, %error, "what is kept of it cannot be removed yet; trying again");
            None
        }
    }
}

async fn read(mailbox: &str, now: Timestamp, ctx: &Ctx) -> Result<Option<Target>, Error> {
    let (Some(known), Some(system)) = (ctx.primary_claim(mailbox), ctx.system()) else { return Ok(None) };
    let object = ctx.io.get::<Mailbox>(mailbox).await?;
    let Some(claim) = ctx.io.get::<AddressClaim>(&known.name_any()).await? else { return Ok(None) };
    let same = claim.metadata.resource_version == known.metadata.resource_version && claim.belongs_to(mailbox);
    let account = match &object {
        Some(there) if ctx.lives.is_foreign(there) || claim.spec.owner_ref.uid != there.uid() => None,
        Some(there) => Some(life(there, ctx, now)),
        None => gone(mailbox, ctx, now).filter(|_| claim.spec.revoked_at.is_some()),
    };
    let over = |account: Account| {
        let all = lifecycle::due(&rules(ctx), &account, now);
        account.revoked_at.filter(|_| all.iter().any(|action| action.kind == Kind::Purge && action.at <= now))
    };
    let Some(revoked_at) = account.filter(|_| same).and_then(over) else { return Ok(None) };
    let address = format!("{}@{}", claim.name_any(), system.spec.domain);
    Ok(Some(Target { mailbox: mailbox.into(), address, claim, object, revoked_at }))
}

/// Whether nobody changed his mind since it was read.
fn stands(target: &Target, ctx: &Ctx) -> bool {
    match (&target.object, ctx.mailbox(&target.mailbox)) {
        (None, None) => true,
        (Some(read), Some(seen)) => read.uid() == seen.uid() && seen.metadata.generation <= read.metadata.generation,
        _ => false,
    }
}

/// Removes them; whose own pass is to look now.
async fn remove(targets: Vec<Target>, now: Timestamp, ctx: &Ctx) -> Vec<String> {
    if targets.is_empty() {
        return Vec::new();
    }
    let events = targets.iter().map(|target| entry(target, now, ctx)).collect();
    if let Err(error) = ctx.journal.write(events).await {
        warn!(%error, "removals are not written into the journal yet; nothing is removed, trying again");
        return Vec::new();
    }
    // The last look before what cannot be undone.
    let (targets, changed): (Vec<_>, Vec<_>) = targets.into_iter().partition(|target| stands(target, ctx));
    let asked = targets.iter().map(|t| Purge { mailbox: t.mailbox.clone(), address: t.address.clone() }).collect();
    let outcomes = match ctx.syncer.purge(asked).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            warn!(%error, "the mail server does not say that mail was removed; trying again");
            return Vec::new();
        }
    };
    let why = || "it was changed at the last moment".to_string();
    let mut refused: Vec<(Target, String)> = changed.into_iter().map(|target| (target, why())).collect();
    let mut done = Vec::new();
    for (target, outcome) in targets.into_iter().zip(outcomes) {
        match outcome {
            Purged::Done => done.push(target),
            Purged::Refused(why) => refused.push((target, why)),
        }
    }
    tell_refused(refused, now, ctx).await;
    let names = done.iter().map(|target| target.mailbox.clone()).collect();
    let ended = stream::iter(done).map(|target| async move {
        match bury(&target, now, ctx).await {
            Ok(()) => Some(target),
            Err(error) => {
                warn!(mailbox = target.mailbox, %error, "its mail is removed, the rest is not yet; trying again");
                None
            }
        }
    });
    let buried: Vec<Target> = ended.buffer_unordered(AT_ONCE).filter_map(|t| async move { t }).collect().await;
    tell(&buried, ctx);
    names
}

/// Its mail is away: everything else that is kept of it goes, and its addresses are nobody's.
async fn bury(target: &Target, now: Timestamp, ctx: &Ctx) -> Result<(), Error> {
    let name = target.mailbox.as_str();
    ctx.activities.forget(name);
    let ours = |secret: &Secret| {
        secret.labels().contains_key(CREDENTIALS_LABEL) || secret.annotations().contains_key(HOLDER_ANNOTATION)
    };
    delete(&format!("{name}-credentials"), ours, ctx).await?;
    delete(name, |_: &MailboxActivity| true, ctx).await?;
    let months = ctx.system().map_or(24, |system| system.spec.regulation.retention.tombstone_months);
    let until = Calendar::default().over(now, months);
    let uid = target.object.as_ref().map_or_else(|| target.claim.spec.owner_ref.uid.clone(), |there| there.uid());
    let further = ctx.claims_of(name).into_iter().filter(|claim| claim.name_any() != target.claim.name_any());
    // The one by which the account is known comes last: whoever is killed before finds it again.
    for claim in further.map(|claim| (*claim).clone()).chain([target.claim.clone()]) {
        let mut buried = claim;
        buried.spec = buried.buried(uid.clone(), now, until);
        let written = ctx.io.replace(&buried).await?;
        ctx.index().claim(&written.name_any(), &written);
    }
    info!(mailbox = name, address = target.address, until = %day(until), "purged: nothing of it is kept, its address is a tombstone");
    Ok(())
}

/// Deletes what is there and nothing that comes after it.
async fn delete<K: Object>(name: &str, ours: impl Fn(&K) -> bool, ctx: &Ctx) -> Result<(), Error> {
    let mut gone: Option<Option<String>> = None;
    for _ in 0..TIMES {
        let Some(found) = ctx.io.get::<K>(name).await? else { return Ok(()) };
        let uid = found.meta().uid.clone();
        if !ours(&found) || gone.as_ref().is_some_and(|old| *old != uid) {
            return Ok(());
        }
        ctx.io.delete_exactly(&found).await?;
        gone = Some(uid);
    }
    match ctx.io.get::<K>(name).await? {
        None => Ok(()),
        Some(_) => {
            Err(Error::Other(format!("{} {name} is changed again and again and cannot be deleted", K::kind(&()))))
        }
    }
}

/// The entry of the journal. It is one however often it is tried.
fn entry(target: &Target, now: Timestamp, ctx: &Ctx) -> journal::Event {
    let months = rules(ctx).terms.revoked_months;
    let (kind, cause, holder) = (Kind::Purge.as_str(), Cause::RetentionOver, &target.claim.spec);
    let uid = holder.owner_ref.uid.as_deref().unwrap_or_default();
    // What came to nothing before is another decision.
    let again = ctx.life.state().refused.get(&target.mailbox).map(|(_, times)| format!("/again {times}"));
    let again = again.unwrap_or_default();
    journal::Event {
        key: format!("{uid}/{kind}/{}/{}{again}", cause.as_str(), target.revoked_at),
        at: now,
        actor: "mail-operator".into(),
        mailbox: target.mailbox.clone(),
        address: target.address.clone(),
        action: kind.into(),
        cause: cause.as_str().into(),
        rule: cause.rule().into(),
        before: "Revoked".into(),
        after: "Purged".into(),
        note: format!(
            "mail, password and use of {} are removed: revoked since {}, kept for {months} months, no hold",
            holder.owner_name, target.revoked_at
        ),
        ..journal::Event::default()
    }
}

/// What was written down as removed and was not is written down, too.
async fn tell_refused(refused: Vec<(Target, String)>, now: Timestamp, ctx: &Ctx) {
    let Some(system) = ctx.system().filter(|_| !refused.is_empty()) else { return };
    let mut events = Vec::with_capacity(refused.len());
    for (target, why) in &refused {
        warn!(mailbox = target.mailbox, why, "the mail server refuses to remove it; it is kept");
        let event = entry(target, now, ctx);
        let mut state = ctx.life.state();
        let known = state.refused.entry(target.mailbox.clone()).or_insert((Instant::now(), 0));
        *known = (Instant::now(), known.1.saturating_add(1));
        drop(state);
        let (key, note) = (format!("{}/refused", event.key), format!("nothing was removed: {why}"));
        events.push(journal::Event { key, action: "PurgeRefused".into(), after: "Revoked".into(), note, ..event });
    }
    ctx.metrics.purge_refused(ctx.io.namespace(), &system.name_any(), refused.len());
    if let Err(error) = ctx.journal.write(events).await {
        debug!(%error, "written with the next try");
    }
    let (target, why) = &refused[0];
    let note = format!(
        "D-14: {} not removed, its time is over; {} ({}): {why}",
        refused.len(),
        target.mailbox,
        target.address
    );
    status::tell(&*system, Event::new(Severity::Warning, "PurgeRefused", "Purge", &note), ctx);
}

/// One event for all that are removed together.
fn tell(buried: &[Target], ctx: &Ctx) {
    let Some(system) = ctx.system().filter(|_| !buried.is_empty()) else { return };
    ctx.metrics.purged(ctx.io.namespace(), &system.name_any(), buried.len());
    let who: Vec<String> = buried.iter().take(NAMED).map(|t| format!("{} ({})", t.mailbox, t.address)).collect();
    let more = if buried.len() > NAMED { format!(", and {} more", buried.len() - NAMED) } else { String::new() };
    let note = format!(
        "D-14: {} purged after the time of keeping, their addresses are tombstones: {}{more}",
        buried.len(),
        who.join(", ")
    );
    status::tell(&*system, Event::new(Severity::Normal, "Purged", "Purge", &note), ctx);
}
