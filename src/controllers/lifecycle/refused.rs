//! Removals that came to nothing: whom the mail server refuses, or who was changed at the last moment, is kept, asked for less and less
//! often, and written down (R5.2, D-14). Why stands beside the address until the journal has it, so that no leader that ends in between
//! leaves an entry of a removal which never came about.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::super::context::Ctx;
use super::super::runner::Error;
use super::super::status;
use super::purge::{Target, noted};
use crate::api::{AddressClaim, Purging, REFUSED_BECAUSE};
use crate::backend::MOST_PURGES;
use crate::domain::events::{Event, Severity};
use crate::domain::journal;
use crate::domain::lifecycle::Cause;

/// Whom the mail server refused is asked for again after this, and then after twice as long each time: each try is two entries of the
/// journal, and what is refused for good would fill it.
const AGAIN: Duration = Duration::from_secs(6 * 3_600);
/// Two weeks and two days, at most.
const DOUBLED: u32 = 6;

/// A removal that came to nothing.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    at: Instant,
    /// Which attempt it was, of all leaders.
    attempt: i64,
    address: String,
    why: String,
}

impl Refusal {
    /// Whether it is not to be tried again yet.
    pub fn waits(&self) -> bool {
        self.at.elapsed() < pause(self.attempt)
    }
}

/// How long nobody asks again after so many attempts.
fn pause(attempt: i64) -> Duration {
    AGAIN * (1 << u32::try_from(attempt.saturating_sub(1)).unwrap_or(DOUBLED).min(DOUBLED))
}

/// Whose removal is refused, for people.
pub(super) fn told(refused: &BTreeMap<String, Refusal>) -> Option<String> {
    let (mailbox, first) = refused.iter().max_by_key(|(_, refusal)| refusal.attempt)?;
    Some(format!(
        "D-14: of {} the time of keeping is over, and the mail server refuses to remove them; {mailbox} ({}), {} times: {}. It is tried again, \
         less and less often, at most every {} days",
        refused.len(),
        first.address,
        first.attempt,
        first.why,
        pause(i64::MAX).as_secs() / 86_400
    ))
}

/// What was written down as removed and was not is written down, too.
pub(super) async fn tell(refused: Vec<(Target, String)>, now: Timestamp, ctx: &Ctx) {
    let Some(system) = ctx.system().filter(|_| !refused.is_empty()) else { return };
    let mut kept = Vec::with_capacity(refused.len());
    for (target, why) in &refused {
        warn!(mailbox = target.mailbox, why, "it is not removed, it is kept");
        match give_up(target, why, ctx).await {
            Ok(claim) => kept.extend(claim),
            Err(error) => {
                // It is tried again as the same attempt: the journal says no more of it until then.
                warn!(mailbox = target.mailbox, %error, "that it is kept is not written beside its address yet; trying again");
                continue;
            }
        }
        let (attempt, address) = (target.purging.attempt, target.address.clone());
        let refusal = Refusal { at: Instant::now(), attempt, address, why: why.clone() };
        ctx.life.state().refused.insert(target.mailbox.clone(), refusal);
    }
    ctx.metrics.purge_refused(ctx.io.namespace(), &system.name_any(), refused.len());
    write_down(kept, now, ctx).await;
    let (target, why) = &refused[0];
    let note = format!(
        "D-14: {} not removed, its time is over; {} ({}): {why}",
        refused.len(),
        target.mailbox,
        target.address
    );
    status::tell(&*system, Event::new(Severity::Warning, "PurgeRefused", "Purge", &note), ctx);
}

/// Nothing of it was removed: its address says so, which attempt that was, and why until the journal has it. Nothing: it is somebody
/// else's by now.
async fn give_up(target: &Target, why: &str, ctx: &Ctx) -> Result<Option<AddressClaim>, Error> {
    let Some(mut claim) = ctx.io.get::<AddressClaim>(&target.claim.name_any()).await? else { return Ok(None) };
    if !claim.belongs_to(&target.mailbox) {
        return Ok(None);
    }
    claim.spec.purging = Some(Purging { refused: true, ..target.purging.clone() });
    claim.annotations_mut().insert(REFUSED_BECAUSE.into(), why.into());
    let written = ctx.io.replace(&claim).await?;
    noted(&written, ctx);
    Ok(Some(written))
}

/// Writes down what an earlier look, or an earlier leader, did not come to; whether nothing is left of it.
pub(super) async fn write_unsaid(now: Timestamp, ctx: &Ctx) -> bool {
    let unsaid = |claim: &Arc<AddressClaim>| claim.annotations().contains_key(REFUSED_BECAUSE);
    let claims = ctx.stores.claims.state().into_iter().filter(unsaid).take(MOST_PURGES);
    let claims: Vec<AddressClaim> = claims.map(|claim| (*claim).clone()).collect();
    claims.iter().all(|claim| !ctx.written.is_just_newer_than(claim)) && write_down(claims, now, ctx).await
}

/// Writes it into the journal, and then that it stands there. The same key is one entry, however often this is tried.
async fn write_down(claims: Vec<AddressClaim>, now: Timestamp, ctx: &Ctx) -> bool {
    let Some(system) = ctx.system() else { return claims.is_empty() };
    let events: Vec<_> = claims.iter().filter_map(|claim| entry(claim, &system.spec.domain, now)).collect();
    if let Err(error) = ctx.journal.write(events).await {
        debug!(%error, "written with the next look");
        return false;
    }
    for mut claim in claims {
        claim.annotations_mut().remove(REFUSED_BECAUSE);
        match ctx.io.replace(&claim).await {
            Ok(written) => noted(&written, ctx),
            Err(error) => debug!(claim = claim.name_any(), %error, "said again with the next look"),
        }
    }
    true
}

/// The entry of the journal. Whoever comes back has the claim as well: it is named by that, and not by the Mailbox.
fn entry(claim: &AddressClaim, domain: &str, now: Timestamp) -> Option<journal::Event> {
    let (purging, why) = (claim.spec.purging.as_ref()?, claim.annotations().get(REFUSED_BECAUSE)?);
    let (uid, revoked_at, attempt) = (claim.uid().unwrap_or_default(), purging.revoked_at.0, purging.attempt);
    Some(journal::Event {
        key: format!("{uid}/PurgeRefused/{revoked_at}/attempt {attempt}"),
        at: now,
        actor: "mail-operator".into(),
        mailbox: claim.spec.owner_ref.name.clone(),
        address: format!("{}@{domain}", claim.name_any()),
        action: "PurgeRefused".into(),
        cause: Cause::RetentionOver.as_str().into(),
        rule: Cause::RetentionOver.rule().into(),
        before: "Revoked".into(),
        after: "Revoked".into(),
        note: format!("nothing was removed: {why}"),
        ..journal::Event::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn d_14_what_is_refused_is_asked_for_less_and_less_often_and_said() {
        assert_eq!(told(&BTreeMap::new()), None);
        let refusal =
            |attempt| Refusal { at: Instant::now(), attempt, address: "a@x.vn".into(), why: "another address".into() };
        let mut tries = 0;
        for attempt in 1..=40 {
            let last = refusal(attempt);
            assert!(last.waits());
            tokio::time::advance(pause(attempt)).await;
            assert!(!last.waits(), "it is tried again");
            tries += usize::from(pause(attempt) < Duration::from_secs(14 * 86_400));
        }
        assert_eq!((pause(1), tries), (AGAIN, 6), "then twice a month at most");
        let text = told(&[("nv-1".to_string(), refusal(1)), ("nv-2".to_string(), refusal(9))].into()).expect("said");
        assert!(text.contains("of 2 ") && text.contains("nv-2 (a@x.vn), 9 times: another address"), "{text}");
    }
}
