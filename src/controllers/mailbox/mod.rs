//! Mailbox → address, credentials, account. Three API writes for a new one (claim, Secret, status), none when nothing
//! changed.

mod decide;
mod effects;
mod facts;
mod foreign;
mod life;
mod nothing;
mod record;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use self::decide::{Address, Decided, Problem};
use self::facts::Facts;
pub(super) use self::foreign::Lives;
use self::life::Life;
pub(super) use self::nothing::has_nothing;
use super::context::Ctx;
use super::newcomers;
use super::runner::{Error, Next};
use super::slots::Slot;
use super::status::say;
use crate::api::{
    AddressUse, ConditionType, Mailbox, MailboxState, MailboxStatus, Outlook, Reason, set_condition, summarise,
};
use crate::backend::{Access, Health};
use crate::domain::lifecycle::{self, Key, Kind};
use crate::domain::naming::{self, Former, LocalPart, Request, Wish};
use crate::domain::notice::REARM;
use crate::domain::quota::Bytes;

/// A safety net behind the watches, for problems that may end by themselves.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
const SAFETY: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// One pass over one Mailbox.
pub(super) fn reconcile(mailbox: Arc<Mailbox>, ctx: Arc<Ctx>) -> BoxFuture<'static, Result<Next, Error>> {
    async move {
        let name = mailbox.name_any();
        let result = pass(&mailbox, &ctx).await;
        if ctx.mailbox(&name).is_none_or(|now| now.metadata.uid != mailbox.metadata.uid) {
            // It was deleted meanwhile: what this pass wanted is not wanted.
            ctx.life.ask();
        }
        ctx.decided(&name);
        result
    }
    .boxed()
}

/// What came out of a pass, for the status.
#[derive(Default)]
struct Outcome {
    local: Option<String>,
    /// The address was issued anew in this pass, and a document of a rename stands there.
    renamed: bool,
    claimed_at: Option<Time>,
    /// Those who come with it are waited for; nothing is said meanwhile. An account that it has goes on.
    gathering: bool,
    aliases: Vec<String>,
    decided: Option<Decided>,
    synced: Option<Result<(), Problem>>,
    problem: Option<Problem>,
    /// Why another address cannot be issued yet; the account goes on with the one it has.
    staying: Option<Problem>,
    life: Life,
    /// It was made again since its address was issued.
    came_back: bool,
    /// The decision could not be written down yet: the status keeps what it said.
    unsaid: bool,
    /// When a former address changes, or a clock runs out.
    next: Option<Timestamp>,
}

/// A status that somebody else changed is put back first: what it said then decides nothing.
async fn pass(mailbox: &Mailbox, ctx: &Ctx) -> Result<Next, Error> {
    let Some(corrected) = foreign::undone(mailbox, ctx) else { return decide_and_do(mailbox, ctx).await };
    if ctx.journal.write(vec![foreign::entry(mailbox, ctx.now())]).await.is_err() {
        // What the spec asks for waits for none of this: a lock of people is wanted all the same. The status is put back when that
        // can be written down.
        let mut slot = ctx.slots.take().await;
        perform(&corrected, &facts::gather(&corrected, ctx), &mut slot, ctx).await?;
        return Ok(Next::After(LOOK_AGAIN));
    }
    ctx.io.replace_status(&corrected).await?;
    Ok(Next::After(Duration::from_secs(1)))
}

async fn decide_and_do(mailbox: &Mailbox, ctx: &Ctx) -> Result<Next, Error> {
    if ctx.life.is_purging(&mailbox.name_any()) {
        return Ok(Next::After(Duration::from_secs(1)));
    }
    let mut slot = ctx.slots.take().await;
    let claim = ctx.primary_claim(&mailbox.name_any());
    // One that was made again goes on with the life that stands beside its address.
    let remembered = mailbox.remembered(claim.as_deref());
    let mailbox = remembered.as_ref().unwrap_or(mailbox);
    let facts = facts::gather(mailbox, ctx);
    if let Some(nothing) = nothing::decide(mailbox, facts.life.purged, facts.claim.is_some(), facts.now) {
        return nothing::say(mailbox, &facts, &nothing, ctx).await;
    }
    let mut outcome = perform(mailbox, &facts, &mut slot, ctx).await?;
    outcome.came_back = remembered.is_some() && claim.is_some_and(|claim| claim.is_of_earlier(mailbox));
    outcome.claimed_at = facts.claim.as_ref().and_then(|c| c.metadata.creation_timestamp.clone());
    if outcome.gathering {
        return Ok(Next::Change);
    }
    if kept_for_later(mailbox, &outcome, ctx) {
        return Ok(Next::After(LOOK_AGAIN));
    }
    let now = ctx.now();
    let mut status = status(mailbox, &facts, &outcome, now);
    let events = record::events(mailbox, &status, &outcome.life, outcome.came_back, now);
    if !events.is_empty()
        && let Err(error) = slot.lend(ctx.journal.write(events)).await
    {
        if let Some(claim) = facts.claim.as_ref().filter(|_| is_issued(mailbox) && !outcome.came_back) {
            effects::keep_unsaid(claim, &status, ctx).await?;
        }
        // What is not written down is not said either; what the mail server shall do is wanted all the same.
        outcome.synced = Some(Err(effects::not_written_down(&error)));
        outcome.unsaid = true;
        status = self::status(mailbox, &facts, &outcome, now);
    } else if status.issued_at.is_some() && outcome.decided.is_some() {
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
        Some(_) => Next::After(SAFETY),
    })
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

/// Whether so much use of its storage may be something to tell, or to forget that it was told.
pub(super) fn fills(name: &str, used: u64, ctx: &Ctx) -> bool {
    let Some(mailbox) = ctx.mailbox(name) else { return false };
    let Some(quota) = mailbox.status.as_ref().and_then(|status| status.quota.as_ref()) else { return false };
    let storage = Bytes::parse(&quota.storage, "status.quota.storage").map_or(u64::MAX, |storage| storage.0);
    let found = quota
        .policy
        .as_ref()
        .and_then(|policy| ctx.stores.policies.get(&ObjectRef::new(policy).within(ctx.io.namespace())));
    let rearm = found.map_or(REARM, |policy| policy.spec.rearm_below_percent);
    quota.told.is_some() || u128::from(used) * 100 >= u128::from(storage) * u128::from(rearm)
}

/// Whether what it shows as due is not what is known now.
pub(super) fn is_stale(mailbox: &Mailbox, ctx: &Ctx) -> bool {
    let (rules, now) = (super::lifecycle::rules(ctx), ctx.now());
    life::is_stale(mailbox, &rules, &super::lifecycle::life(mailbox, ctx, now), now)
}

/// What a Mailbox asks for that has no address, or is to get another one.
pub(super) fn request(mailbox: &Mailbox, ctx: &Ctx) -> Option<Request> {
    let claim = ctx.primary_claim(&mailbox.name_any());
    if claim.is_some_and(|claim| mailbox.spec.moves(&claim.issued()).is_none()) {
        return None;
    }
    if has_nothing(mailbox, ctx) {
        return None;
    }
    match decide::address(mailbox, &facts::without_policies(mailbox, ctx)) {
        Ok(Address::Derived(wish)) => Some(mailbox.spec.request(&mailbox.name_any(), wish)),
        Ok(Address::Moving { wish: Ok(wish), .. }) => Some(mailbox.spec.request(&mailbox.name_any(), wish)),
        _ => None,
    }
}

/// The address that it gets beside those who come with it; `None` while they are waited for.
async fn derived(
    mailbox: &Mailbox,
    facts: &Facts,
    wish: Wish,
    ctx: &Ctx,
) -> Result<Option<Result<String, Problem>>, Error> {
    let grant = match ctx.newcomers.decision(&mailbox.spec.request(&mailbox.name_any(), wish)) {
        None => return Ok(None),
        Some(newcomers::Outcome::Decided(Ok(grant))) => grant,
        Some(newcomers::Outcome::Later(why)) => return Ok(Some(Err(Problem::waiting(Reason::ApplyFailed, why)))),
        Some(newcomers::Outcome::Decided(Err(conflict))) => {
            let domain = facts.system.as_ref().map(|s| s.system.spec.domain.clone()).unwrap_or_default();
            return Ok(Some(Err(decide::conflict(mailbox, &conflict, &domain, &facts.suggestions(mailbox, ctx)))));
        }
    };
    match effects::claim(mailbox, grant.local_part.as_str(), AddressUse::Primary, ctx).await? {
        Ok(()) => Ok(Some(Ok(grant.local_part.as_str().to_string()))),
        Err(problem) => {
            // Somebody was faster, by a way that the caches have not told yet: it is decided anew beside who has it.
            ctx.newcomers.forget(&mailbox.name_any());
            Ok(Some(Err(Problem { waiting: true, ..problem })))
        }
    }
}

/// The address of a mailbox, issued here if it has none. Without one the outcome says why.
async fn address(mailbox: &Mailbox, facts: &Facts, outcome: &mut Outcome, ctx: &Ctx) -> Result<Option<String>, Error> {
    let name = mailbox.name_any();
    match decide::address(mailbox, facts) {
        Ok(Address::Issued(local)) => {
            ctx.newcomers.forget(&name);
            return Ok(Some(local));
        }
        Ok(Address::Moving { local, why, wish }) => {
            let new = match wish {
                Ok(wish) => derived(mailbox, facts, wish, ctx).await?,
                Err(problem) => Some(Err(problem)),
            };
            let domain = facts.system.as_ref().map(|s| s.system.spec.domain.clone()).unwrap_or_default();
            return Ok(Some(match new {
                Some(Ok(new)) => {
                    outcome.renamed = mailbox.spec.rename.is_some();
                    effects::tell_moved(mailbox, why, &local, &new, &domain, ctx);
                    new
                }
                Some(Err(problem)) => {
                    outcome.staying = Some(decide::stays(problem, why, &local, &domain));
                    local
                }
                None => {
                    outcome.gathering = true;
                    local
                }
            }));
        }
        Ok(Address::Wanted(wanted)) => {
            ctx.newcomers.forget(&name);
            match effects::claim(mailbox, wanted.as_str(), AddressUse::Primary, ctx).await? {
                Ok(()) => return Ok(Some(wanted.as_str().to_string())),
                Err(problem) => {
                    ctx.index().wait_for(&name, wanted.as_str());
                    outcome.problem = Some(problem);
                }
            }
        }
        Ok(Address::Derived(wish)) => match derived(mailbox, facts, wish, ctx).await? {
            Some(Ok(local)) => return Ok(Some(local)),
            Some(Err(problem)) => outcome.problem = Some(problem),
            None => outcome.gathering = true,
        },
        Err(problem) => {
            if problem.reason == Reason::HolderMismatch {
                super::lifecycle::close(ctx, &name);
            }
            outcome.problem = Some(problem);
        }
    }
    Ok(None)
}

/// Former addresses: mail to them arrives for a time, then nobody has them for a time (D-19). The first time at which one of them
/// changes.
async fn keep_former(
    mailbox: &Mailbox,
    facts: &Facts,
    local: &str,
    outcome: &mut Outcome,
    ctx: &Ctx,
) -> Result<(), Error> {
    for (claim, former) in decide::former(mailbox, facts, local, ctx.now()) {
        effects::keep_former(&claim, former, ctx).await?;
        let (Former::Alias(until) | Former::Tombstone(until)) = former else { continue };
        outcome.next = outcome.next.map_or(Some(until), |next| Some(next.min(until)));
        if matches!(former, Former::Alias(_)) {
            outcome.aliases.push(claim.name_any());
        }
    }
    Ok(())
}

async fn perform(mailbox: &Mailbox, facts: &Facts, slot: &mut Slot<'_>, ctx: &Ctx) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    if has_nothing(mailbox, ctx) {
        return Ok(outcome);
    }
    let Some(local) = address(mailbox, facts, &mut outcome, ctx).await? else { return Ok(outcome) };
    let Some(system) = &facts.system else {
        let message = "there is no MailSystem in this namespace; apply one, this mailbox goes on by itself then";
        outcome.problem = Some(Problem::waiting(Reason::SystemNotFound, message));
        return Ok(outcome);
    };
    outcome.aliases = facts.aliases(mailbox);
    outcome.local = Some(local.clone());
    let now = ctx.now();
    outcome.life = lives(facts, now, ctx);
    outcome.next = outcome.life.next(&facts.rules, now);
    if let Some(waits) = &outcome.life.waits {
        ctx.life.ask();
        outcome.problem = ctx.life.holds(waits).then(|| life::held(waits));
    }
    let access = outcome.life.access(&facts.rules, now);
    let moved = facts.claim.as_ref().is_some_and(|c| c.name_any() != local);
    if let Some(known) = facts.credentials.as_ref().filter(|_| !moved && !outcome.life.makes_password()) {
        // First of all what is known already, so that no failing write below can make an issued account look unwanted.
        let aliases = facts.every_alias(mailbox, now);
        if let Ok(decided) = decide::account(mailbox, facts, system, &local, &aliases, &known.hash, access) {
            ctx.syncer.want(decided.account);
        }
    }
    let alias_problem = aliases(mailbox, &mut outcome, ctx).await?;
    keep_former(mailbox, facts, &local, &mut outcome, ctx).await?;
    outcome.aliases.sort();
    outcome.aliases.dedup();
    let credentials = match facts.credentials.clone() {
        Some(known) => known,
        None => match effects::credentials(mailbox, ctx).await? {
            Ok(made) => made,
            Err(problem) => {
                outcome.problem = Some(problem);
                return Ok(outcome);
            }
        },
    };
    let renamed = outcome.renamed || facts.claim.as_ref().is_some_and(|claim| decide::is_renamed(mailbox, claim));
    if renamed && credentials.holder.as_deref().is_some_and(|h| !naming::same_name(h, &mailbox.spec.full_name)) {
        effects::follow_name(mailbox, ctx).await?;
    }
    let credentials = if outcome.life.makes_password() {
        effects::new_password(mailbox, &outcome.life.unlock(), ctx).await?.unwrap_or(credentials)
    } else {
        credentials
    };
    match decide::account(mailbox, facts, system, &local, &outcome.aliases, &credentials.hash, access) {
        Ok(decided) => {
            // The last thing here: from now on it has no slot.
            outcome.synced = Some(slot.lend(effects::account(decided.account.clone(), ctx)).await);
            // What only wants a look is not said in place of what keeps it from its new address.
            let looked_at = || decide::pinned_elsewhere(mailbox, &local).or_else(|| decide::renamed(mailbox, facts));
            let held = outcome.problem.take();
            outcome.problem = held
                .or_else(|| decided.problem.clone())
                .or(alias_problem)
                .or_else(|| looked_at().filter(|_| !moved && outcome.staying.is_none()));
            outcome.decided = Some(decided);
        }
        Err(problem) => outcome.problem = Some(problem),
    }
    ctx.index().stop_waiting(&mailbox.name_any());
    Ok(outcome)
}

/// Takes every alias of the spec that it does not hold yet.
async fn aliases(mailbox: &Mailbox, outcome: &mut Outcome, ctx: &Ctx) -> Result<Option<Problem>, Error> {
    let mut problem = None;
    for (i, alias) in mailbox.spec.aliases.iter().enumerate() {
        if outcome.aliases.contains(alias) || outcome.local.as_ref() == Some(alias) {
            continue;
        }
        let path = format!("spec.aliases[{i}]");
        let written = LocalPart::parse(alias, &path).and_then(|local| naming::refuse_reserved(&local, &path));
        let taken = match written {
            Ok(()) => effects::claim(mailbox, alias, AddressUse::Alias, ctx)
                .await?
                .map_err(|p| format!("{path}: {}", p.message)),
            Err(error) => Err(format!("{}: {} ({})", error.path, error.message, error.rule)),
        };
        match taken {
            Ok(()) => outcome.aliases.push(alias.clone()),
            Err(message) => problem = problem.or(Some(Problem::stalled(Reason::AliasConflict, message))),
        }
    }
    Ok(problem)
}

/// The life of an account that has its address: its clocks begin with the issue, which may be this pass.
fn lives(facts: &Facts, now: Timestamp, ctx: &Ctx) -> Life {
    let claimed = facts.claim.as_ref().and_then(|claim| claim.metadata.creation_timestamp.as_ref()).map(|at| at.0);
    let issued_at = facts.life.issued_at.or(claimed).or(Some(now));
    let before = lifecycle::Account { issued_at, ..facts.life.clone() };
    // One that was deleted and came back as another object has lost its status: what the server has locked stays so, and is no new
    // lock that the brake would count (D-15).
    let name = &facts.life.id;
    let was_locked = facts.life.issued_at.is_none()
        && ctx.syncer.projection().desired(name).is_some_and(|row| row.access == Access::Locked);
    let may = |key: &Key| ctx.life.releases(key) || (was_locked && key.1 == Kind::Lock);
    let life = life::decide(&facts.rules, before, may, now);
    ctx.life.due(&facts.life.id, &life.due());
    life
}

fn status(mailbox: &Mailbox, facts: &Facts, outcome: &Outcome, now: Timestamp) -> MailboxStatus {
    let old = mailbox.status.clone().unwrap_or_default();
    let generation = mailbox.metadata.generation.unwrap_or(0);
    let mut status = MailboxStatus {
        observed_generation: Some(generation),
        state: Some(old.state.unwrap_or(MailboxState::Pending)),
        ..old
    };
    if let Some(decided) = outcome.decided.as_ref().filter(|_| !outcome.unsaid) {
        status.address = Some(decided.account.address.clone());
        status.aliases = decided.account.aliases.clone();
        status.quota = Some(decided.quota.clone());
        let synced = matches!(outcome.synced, Some(Ok(())));
        if synced || status.issued_at.is_some() {
            outcome.life.show(&mut status, mailbox, &facts.rules, facts.use_known, now);
            life::show_forward(&mut status, decided.account.forward.as_ref(), now);
        }
        if synced && status.issued_at.is_none() {
            // A Mailbox that was made again was issued when its claim was.
            status.issued_at = Some(outcome.claimed_at.clone().unwrap_or(Time(now)));
        }
    }
    let conditions = &mut status.conditions;
    if let Some(synced) = &outcome.synced {
        let (reason, message) = match synced {
            Ok(()) => (Reason::Ready, "the mail server has the account as decided".to_string()),
            Err(problem) => (problem.reason, problem.message.clone()),
        };
        set_condition(conditions, ConditionType::Synced, synced.is_ok(), reason, message, generation, now);
    }
    let failed = outcome
        .problem
        .as_ref()
        .filter(|p| blocks(p))
        .or_else(|| outcome.synced.as_ref().and_then(|s| s.as_ref().err()));
    match failed.or(outcome.problem.as_ref()).or(outcome.staying.as_ref()) {
        None => {
            let to = outcome.decided.as_ref().and_then(|decided| decided.account.forward.as_deref());
            let (reason, mut message) = life::good(&outcome.life, &facts.rules, to, now);
            if let Some(more) = life::restore_waits(&outcome.life, &facts.rules, now) {
                message = format!("{message}. {more}");
            }
            summarise(conditions, Outlook::Ready, reason, message, generation, now);
        }
        Some(problem) if problem.reason == Reason::NameChanged => {
            summarise(conditions, Outlook::Ready, problem.reason, &problem.message, generation, now);
        }
        Some(problem) => {
            let outlook = if problem.waiting { Outlook::Waiting } else { Outlook::Stalled };
            summarise(conditions, outlook, problem.reason, &problem.message, generation, now);
        }
    }
    status
}

/// Whether a problem hides one of the mail server.
fn blocks(problem: &Problem) -> bool {
    !matches!(
        problem.reason,
        Reason::QuotaPolicyNotFound
            | Reason::AddressKept
            | Reason::NameChanged
            | Reason::InvalidQuota
            | Reason::SuccessorNotFound
            | Reason::SuccessorCircle
    )
}
