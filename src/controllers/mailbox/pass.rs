//! One pass over one Mailbox: what is so, what is done about it, and in which order that is written down and said.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::perform::{Outcome, perform};
use super::{effects, facts, foreign, nothing, papers, record, told};
use crate::api::{AddressClaim, Mailbox, MailboxStatus};
use crate::backend::Health;
use crate::controllers::context::Ctx;
use crate::controllers::runner::{Error, Next};
use crate::controllers::status::say;

/// A safety net behind the watches, for problems that may end by themselves.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A cache that is behind shows the newer object sooner, and that is a pass of its own.
const BEHIND: Duration = Duration::from_millis(200);
const SAFETY: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// A status that somebody else changed is put back first: what it said then decides nothing.
pub(super) async fn pass(mailbox: &Mailbox, ctx: &Ctx) -> Result<Next, Error> {
    let removed = ctx.life.is_purging(&mailbox.name_any()) || begun(mailbox, ctx).is_some();
    let Some(corrected) = foreign::undone(mailbox, ctx).filter(|_| !removed) else {
        return decide_and_do(mailbox, ctx).await;
    };
    let written = ctx.journal.write(vec![foreign::entry(mailbox, ctx.now())]).await.is_ok();
    let put = if written { ctx.io.replace_status(&corrected).await.map(drop) } else { Ok(()) };
    if written && put.is_ok() {
        return Ok(Next::After(Duration::from_secs(1)));
    }
    // What the spec asks for waits for none of this: a lock of people is wanted all the same. The status is put back when that can be
    // written down.
    let mut slot = ctx.slots.take().await;
    perform(&corrected, &facts::gather(&corrected, ctx), &mut slot, ctx).await?;
    put?;
    Ok(Next::After(LOOK_AGAIN))
}

async fn decide_and_do(mailbox: &Mailbox, ctx: &Ctx) -> Result<Next, Error> {
    let mut slot = ctx.slots.take().await;
    if ctx.life.is_purging(&mailbox.name_any()) {
        return Ok(Next::After(Duration::from_secs(1)));
    }
    let claim = ctx.primary_claim(&mailbox.name_any());
    let behind = |claim: &Arc<AddressClaim>| ctx.written.is_just_newer_than(&**claim);
    if ctx.written.is_just_newer_than(mailbox) || ctx.claims_of(&mailbox.name_any()).iter().any(behind) {
        // The caches are behind our own writes: what is decided from them would be refused as a conflict.
        return Ok(Next::After(BEHIND));
    }
    if begun(mailbox, ctx).is_some() {
        return nothing::wait(mailbox, ctx).await;
    }
    // One that was made again goes on with the life that stands beside its address.
    let remembered = mailbox.remembered(claim.as_deref());
    let mailbox = remembered.as_ref().unwrap_or(mailbox);
    let facts = facts::gather(mailbox, ctx);
    if let Some(nothing) = nothing::decide(mailbox, facts.life.purged, facts.claim.is_some(), facts.now) {
        return nothing::say(mailbox, &facts, &nothing, ctx).await;
    }
    let mut outcome = perform(mailbox, &facts, &mut slot, ctx).await?;
    outcome.came_back = remembered.is_some() && claim.is_some_and(|claim| claim.is_of_earlier(mailbox));
    if outcome.gathering {
        return Ok(Next::Change);
    }
    if kept_for_later(mailbox, &outcome, ctx) {
        return Ok(Next::After(LOOK_AGAIN));
    }
    let now = ctx.now();
    let mut status = told::status(mailbox, &facts, &outcome, now);
    let kept = status.issued_at.is_some() && outcome.decided.is_some();
    let papers = papers::known(mailbox, facts.claim.as_deref());
    let rename = facts.shown(mailbox).and_then(|claim| claim.spec.rename.clone());
    let (came_back, initial_password) = (outcome.came_back, outcome.initial_password);
    let made_again = outcome.made_again.clone();
    let known = record::Known { came_back, kept, initial_password, papers, rename, made_again };
    let events = record::events(mailbox, &status, &outcome.life, &known, now);
    if !events.is_empty()
        && let Err(error) = slot.lend(ctx.journal.write(events)).await
    {
        if let Some(claim) = facts.claim.as_ref().filter(|_| is_issued(mailbox) && !outcome.came_back) {
            effects::keep_unsaid(claim, &status, ctx).await?;
        }
        // What is not written down is not said either; what the mail server shall do is wanted all the same.
        outcome.synced = Some(Err(effects::not_written_down(&error)));
        outcome.unsaid = true;
        status = told::status(mailbox, &facts, &outcome, now);
    } else if kept {
        let local = outcome.local.as_deref().unwrap_or_default();
        let known = facts.claim.as_deref().filter(|claim| claim.name_any() == local);
        effects::keep(mailbox, (local, known), &status, ctx).await?;
    }
    let new_policy = status.quota.as_ref().and_then(|q| q.policy.clone());
    ctx.index().set_policy(&mailbox.name_any(), new_policy.as_deref());
    ctx.lives.intend(mailbox, &status);
    slot.back().await;
    say(mailbox, &status, ctx).await?;
    ctx.lives.note(mailbox, &status);
    if outcome.life.waits.is_some() {
        return Ok(Next::After(LOOK_AGAIN));
    }
    let problem = outcome.problem.or(outcome.staying).or_else(|| outcome.synced.and_then(Result::err));
    Ok(match problem {
        None => outcome.next.map_or(Next::Change, |next| Next::After(until(next, now))),
        Some(problem) if problem.waiting => Next::After(LOOK_AGAIN),
        Some(_) => Next::After(outcome.next.map_or(SAFETY, |next| until(next, now).min(SAFETY))),
    })
}

/// The address of an account of its name of which the removal was begun.
fn begun(mailbox: &Mailbox, ctx: &Ctx) -> Option<Arc<AddressClaim>> {
    ctx.claims_of(&mailbox.name_any()).into_iter().find(|claim| claim.is_being_purged())
}

fn is_issued(mailbox: &Mailbox) -> bool {
    mailbox.status.as_ref().is_some_and(|status| status.issued_at.is_some())
}

/// At most a day: a timer says nothing of a clock that was set.
fn until(next: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(next.duration_since(now)).unwrap_or_default().clamp(Duration::from_secs(1), DAY)
}

/// While the mail server was never asked, an issued mailbox keeps the status it has, if its address is the same: a start of the operator, or of the
/// pod, writes nothing.
fn kept_for_later(mailbox: &Mailbox, outcome: &Outcome, ctx: &Ctx) -> bool {
    let pending = matches!(&outcome.synced, Some(Err(p)) if p.waiting);
    let shown =
        |s: &MailboxStatus| s.address.as_deref().and_then(|a| a.split_once('@')).map(|(local, _)| local.to_string());
    let current = mailbox.status.as_ref().is_some_and(|s| {
        s.observed_generation == mailbox.metadata.generation && s.address.is_some() && shown(s) == outcome.local
    });
    pending
        && current
        && !ctx.syncer.projection().met()
        && !matches!(&*ctx.syncer.health().borrow(), Health::Failing(_))
}
