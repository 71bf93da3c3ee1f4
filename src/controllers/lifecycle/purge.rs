//! What was kept of revoked accounts is removed when its time is over (D-14): the one act that nobody can undo.
//!
//! In this order, so that whoever is killed in between is continued by the next one: what is to be removed is read anew from the API
//! server; it is written down; its address says that it begins; the mail server removes mail and row, or refuses; Secret and use go; the
//! further addresses become tombstones, and last of all the one by which the account is known. Until then nobody else gets name or
//! address, also who is created anew under that name. Who is held or comes back after it began is kept if nothing was removed yet, which
//! the mail server alone knows.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tracing::{info, warn};

use super::super::context::Ctx;
use super::super::runner::Error;
use super::super::status;
use super::facts::{gone, life, rules};
use super::refused::{self, Refusal};
use super::stopped::is_unknown;
use super::{Life, NAMED, former};
use crate::api::{AddressClaim, HOLDER_ANNOTATION, Mailbox, MailboxActivity, Purging, REFUSED_BECAUSE};
use crate::backend::{MOST_PURGES, Purge, Purged};
use crate::domain::calendar::{Calendar, day};
use crate::domain::events::{Event, Severity};
use crate::domain::journal;
use crate::domain::lifecycle::{self, Cause, Key, Kind};
use crate::kube_io::{Class, Object};
use crate::resources::CREDENTIALS_LABEL;

/// Calls to the API server at the same time.
const AT_ONCE: usize = 8;
/// Deletions of one object that others change meanwhile.
const TIMES: usize = 3;
/// Somebody of whom nothing is to be left.
pub(super) struct Target {
    pub mailbox: String,
    pub address: String,
    /// The claim of the address, as the API server has it.
    pub claim: AddressClaim,
    /// The Mailbox, as the API server has it; none: it is gone.
    object: Option<Mailbox>,
    pub purging: Purging,
    /// It was begun before, and is not to be removed any more: only what is removed already is brought to its end.
    finish: bool,
}

/// Those that are being removed; their own passes wait until it is dropped.
struct Closed<'a>(&'a Life);

impl<'a> Closed<'a> {
    fn begin(life: &'a Life, names: &[String]) -> Self {
        life.state().purging = names.iter().cloned().collect();
        Self(life)
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.state().purging.clear();
    }
}

/// Removes those that a pass released.
pub(super) async fn purge(released: &BTreeSet<Key>, now: Timestamp, ctx: &Ctx) {
    if ctx.is_rehearsal() {
        if !std::mem::replace(&mut ctx.life.state().told, true) {
            info!(days_ahead = ctx.settings.days_ahead, "a rehearsal: no mail is ever removed here, whatever is due");
        }
        return;
    }
    let before = refused::told(&ctx.life.state().refused);
    remove_due(released, now, ctx).await;
    let after = refused::told(&ctx.life.state().refused);
    if let Some(system) = ctx.system().filter(|_| before != after) {
        ctx.triggers.systems.fire(&system.name_any()).await;
    }
}

async fn remove_due(released: &BTreeSet<Key>, now: Timestamp, ctx: &Ctx) {
    // What comes next has another number, and is written down after it.
    if !refused::write_unsaid(now, ctx).await {
        return;
    }
    let names = due(released, ctx);
    // What was begun waits as well: a tombstone would end by a clock that nobody believes.
    if names.is_empty() || is_unknown(ctx) || !ctx.syncer.projection().settled() {
        return;
    }
    let closed = Closed::begin(&ctx.life, &names);
    let found = stream::iter(names).map(|name| target(name, now, ctx)).buffered(AT_ONCE).collect::<Vec<_>>().await;
    let targets: Vec<Target> = found.into_iter().flatten().collect();
    let done = remove(targets, now, ctx).await;
    drop(closed);
    for mailbox in done {
        ctx.triggers.mailboxes.fire(&mailbox).await;
    }
}

/// Whose turn it is in this look: those that were begun come first.
fn due(released: &BTreeSet<Key>, ctx: &Ctx) -> Vec<String> {
    let begun = ctx.stores.claims.state().into_iter().filter(|claim| claim.is_being_purged());
    let mut names: BTreeSet<String> = begun.map(|claim| claim.spec.owner_ref.name.clone()).take(MOST_PURGES).collect();
    let mut state = ctx.life.state();
    let purges = released.iter().filter(|(_, kind, cause)| (*kind, *cause) == (Kind::Purge, Cause::RetentionOver));
    let purges: BTreeSet<&str> = purges.map(|(account, ..)| former::mailbox(account)).collect();
    state.refused.retain(|mailbox, _| purges.contains(mailbox.as_str()));
    let waits = |mailbox: &str| state.refused.get(mailbox).is_some_and(Refusal::waits);
    let new = purges.into_iter().filter(|mailbox| !waits(mailbox));
    names.extend(new.take(MOST_PURGES - names.len()).map(String::from));
    names.into_iter().collect()
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
    let begun = ctx.claims_of(mailbox).into_iter().find(|claim| claim.is_being_purged());
    let (Some(known), Some(system)) = (begun.or_else(|| ctx.kept_claim(mailbox)), ctx.system()) else {
        return Ok(None);
    };
    let object = ctx.io.get::<Mailbox>(mailbox).await?;
    let Some(claim) = ctx.io.get::<AddressClaim>(&known.name_any()).await? else { return Ok(None) };
    let same = claim.metadata.resource_version == known.metadata.resource_version && claim.belongs_to(mailbox);
    let over = over(mailbox, object.as_ref(), &claim, now, ctx);
    let begun = claim.spec.purging.clone().filter(|_| claim.is_being_purged());
    let finish = begun.is_some() && over.is_none();
    let purging = begun.or_else(|| over.map(|revoked_at| next(&claim, revoked_at)));
    let Some(purging) = purging.filter(|_| same) else { return Ok(None) };
    let address = format!("{}@{}", claim.name_any(), system.spec.domain);
    Ok(Some(Target { mailbox: mailbox.into(), address, claim, object, purging, finish }))
}

/// Since when it is revoked, if its time is over.
fn over(mailbox: &str, object: Option<&Mailbox>, claim: &AddressClaim, now: Timestamp, ctx: &Ctx) -> Option<Timestamp> {
    let account = match object {
        // Somebody else has the name now; what a document keeps under it is kept, whoever is meant.
        Some(there) if there.spec.hold.is_some() && !former::holds(there, claim) => None,
        Some(there) if !former::holds(there, claim) => {
            gone(mailbox, ctx, now).filter(|_| claim.spec.revoked_at.is_some())
        }
        Some(there) if ctx.lives.is_foreign(there) || claim.spec.owner_ref.uid != there.uid() => None,
        Some(there) => Some(life(there, ctx, now)),
        None => gone(mailbox, ctx, now).filter(|_| claim.spec.revoked_at.is_some()),
    }?;
    let all = lifecycle::due(&rules(ctx), &account, now);
    account.revoked_at.filter(|_| all.iter().any(|action| action.kind == Kind::Purge && action.at <= now))
}

/// The attempt that comes now. What was refused is another decision than what comes after it.
fn next(claim: &AddressClaim, revoked_at: Timestamp) -> Purging {
    let before = claim.spec.purging.as_ref().filter(|before| before.revoked_at.0 == revoked_at);
    let attempt = before.map_or(1, |before| before.attempt.saturating_add(1));
    Purging { revoked_at: Time(revoked_at), attempt, refused: false }
}

/// Whether nobody changed his mind since it was read. Of what was begun the mail server knows what is left.
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
    let marked = stream::iter(targets).map(|target| begin(target, ctx)).buffered(AT_ONCE).collect::<Vec<_>>().await;
    let (mut targets, mut refused) = (Vec::new(), Vec::new());
    for begun in marked {
        match begun {
            Ok(Some(target)) => targets.push(target),
            Ok(None) => {}
            Err(target) => refused.push((target, "it was changed at the last moment".to_string())),
        }
    }
    let asked = targets
        .iter()
        .map(|t| Purge { mailbox: t.mailbox.clone(), address: t.address.clone(), finish: t.finish })
        .collect();
    let outcomes = match ctx.syncer.purge(asked).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            warn!(%error, "the mail server does not say that mail was removed; trying again");
            refused::tell(refused, now, ctx).await;
            return Vec::new();
        }
    };
    let mut done = Vec::new();
    for (target, outcome) in targets.into_iter().zip(outcomes) {
        match outcome {
            Purged::Done => done.push(target),
            Purged::Refused(why) => refused.push((target, why)),
        }
    }
    let all = done.iter().chain(refused.iter().map(|(target, _)| target));
    let names = all.map(|target| target.mailbox.clone()).collect();
    refused::tell(refused, now, ctx).await;
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

/// The last look before what cannot be undone, and the word that it begins. An error is who was changed first; nothing: it is tried
/// again as the same attempt.
async fn begin(mut target: Target, ctx: &Ctx) -> Result<Option<Target>, Target> {
    if target.claim.is_being_purged() {
        return Ok(Some(target));
    }
    if !stands(&target, ctx) {
        return Err(target);
    }
    let mut claim = target.claim.clone();
    claim.spec.purging = Some(target.purging.clone());
    claim.annotations_mut().remove(REFUSED_BECAUSE);
    match ctx.io.replace(&claim).await {
        Ok(written) => {
            noted(&written, ctx);
            target.claim = written;
            Ok(Some(target))
        }
        Err(error) if error.class() == Class::Conflict => Err(target),
        Err(error) => {
            warn!(mailbox = target.mailbox, %error, "its removal cannot begin; trying again");
            Ok(None)
        }
    }
}

/// What the caches do not show yet decides all the same.
pub(super) fn noted(written: &AddressClaim, ctx: &Ctx) {
    ctx.written.note(written);
    ctx.index().claim(&written.name_any(), written);
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
    // Whoever is there by now may be somebody new.
    let uid = target.claim.spec.owner_ref.uid.clone();
    let further = ctx.claims_of(name).into_iter().filter(|claim| claim.name_any() != target.claim.name_any());
    // The one by which the account is known comes last: whoever is killed before finds it again.
    for claim in further.map(|claim| (*claim).clone()).chain([target.claim.clone()]) {
        let mut buried = claim;
        buried.spec = buried.buried(uid.clone(), now, until);
        noted(&ctx.io.replace(&buried).await?, ctx);
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
    let (revoked_at, attempt) = (target.purging.revoked_at.0, target.purging.attempt);
    let again = if attempt > 1 { format!("/attempt {attempt}") } else { String::new() };
    journal::Event {
        key: format!("{uid}/{kind}/{}/{revoked_at}{again}", cause.as_str()),
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
            "mail, password and use of {} are removed: revoked since {revoked_at}, kept for {months} months, no hold",
            holder.owner_name
        ),
        ..journal::Event::default()
    }
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
