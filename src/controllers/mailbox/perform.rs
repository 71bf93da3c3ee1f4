//! What a pass does, in the order in which nobody is shut out, and nobody let in, by a write that fails: address, what is known of the
//! account, further addresses, password, account.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::address::address;
use super::decide::{self, Decided, Problem};
use super::facts::Facts;
use super::life::{self, Life};
use super::pass::LOOK_AGAIN;
use super::{effects, has_nothing};
use crate::api::{AddressUse, Mailbox, Reason};
use crate::backend::Access;
use crate::controllers::context::{Credentials, Ctx};
use crate::controllers::runner::Error;
use crate::controllers::slots::Slot;
use crate::domain::lifecycle::{self, Key, Stopped};
use crate::domain::naming::{self, Former, LocalPart};

/// What came out of a pass, for the status.
#[derive(Default)]
pub(super) struct Outcome {
    pub local: Option<String>,
    /// The address was issued anew in this pass, and a document of a rename stands there.
    pub renamed: bool,
    /// Since when it has its address.
    pub claimed_at: Option<Time>,
    /// Names the claim of its address, if somebody deleted the one before it.
    pub made_again: Option<String>,
    /// When its account was issued, if its claim tells: of an old one the age of the claim is no sure sign.
    pub issued: Option<Timestamp>,
    /// Those who come with it are waited for; nothing is said meanwhile. An account that it has goes on.
    pub gathering: bool,
    pub aliases: Vec<String>,
    pub decided: Option<Decided>,
    pub synced: Option<Result<(), Problem>>,
    pub problem: Option<Problem>,
    /// Why another address cannot be issued yet; the account goes on with the one it has.
    pub staying: Option<Problem>,
    pub life: Life,
    /// The password is one that we made.
    pub initial_password: bool,
    /// It was made again since its address was issued.
    pub came_back: bool,
    /// The decision could not be written down yet: the status keeps what it said.
    pub unsaid: bool,
    /// When a former address changes, or a clock runs out.
    pub next: Option<Timestamp>,
}

/// Does what is to be done about one Mailbox.
pub(super) async fn perform(
    mailbox: &Mailbox,
    facts: &Facts,
    slot: &mut Slot<'_>,
    ctx: &Ctx,
) -> Result<Outcome, Error> {
    let claimed_at = facts.claim.as_ref().and_then(|claim| claim.issued_at());
    let made_again = facts.claim.as_ref().and_then(|claim| claim.made_again());
    let issued = facts.claim.as_ref().and_then(|claim| claim.told_issued_at());
    let mut outcome = Outcome { claimed_at, made_again, issued, ..Outcome::default() };
    if has_nothing(mailbox, ctx) {
        return Ok(outcome);
    }
    shut(mailbox, facts, ctx);
    let Some(local) = address(mailbox, facts, &mut outcome, ctx).await? else { return Ok(outcome) };
    let Some(system) = &facts.system else {
        let message = "there is no MailSystem in this namespace; apply one, this mailbox goes on by itself then";
        outcome.problem = Some(Problem::waiting(Reason::SystemNotFound, message));
        return Ok(outcome);
    };
    outcome.aliases = facts.aliases(mailbox);
    outcome.local = Some(local.clone());
    let now = ctx.now();
    outcome.life = lives(facts, outcome.claimed_at.as_ref(), now, ctx);
    outcome.life.begin(ctx.begins(mailbox.creation_timestamp().as_ref()), now);
    outcome.next = outcome.life.next(&facts.rules, now);
    if let Some(waits) = &outcome.life.waits {
        ctx.life.ask();
        outcome.problem = ctx.life.holds(waits).then(|| life::held(waits));
    }
    let access = outcome.life.access(&facts.rules, now);
    let moved = facts.claim.as_ref().is_some_and(|c| c.name_any() != local);
    if !moved && !outcome.life.makes_password() {
        want_known(mailbox, facts, (&local, outcome.issued), access, ctx);
    }
    let alias_problem = aliases(mailbox, &mut outcome, ctx).await?;
    keep_former(mailbox, facts, &local, &mut outcome, ctx).await?;
    outcome.aliases.sort();
    outcome.aliases.dedup();
    let credentials = match credentials(mailbox, facts, &outcome, ctx).await? {
        Ok(known) => known,
        // Who is shut out needs no password.
        Err(problem) if access.is_shut() && problem.reason != Reason::HolderMismatch => {
            outcome.problem = outcome.problem.or(Some(problem));
            Credentials::default()
        }
        Err(problem) => {
            outcome.problem = Some(problem);
            return Ok(outcome);
        }
    };
    outcome.initial_password = credentials.initial;
    if facts.credentials.is_none() {
        outcome.life.after.password_made_at = credentials.made_at;
    }
    match decide::account(mailbox, facts, system, &local, &outcome.aliases, &credentials.hash, access) {
        Ok(decided) => {
            // What only wants a look is not said in place of what keeps it from its new address.
            let looked_at = || decide::pinned_elsewhere(mailbox, &local).or_else(|| decide::renamed(mailbox, facts));
            let rest = alias_problem.or_else(|| looked_at().filter(|_| !moved && outcome.staying.is_none()));
            enter(decided, rest, &mut outcome, slot, ctx).await;
        }
        Err(problem) => outcome.problem = Some(problem),
    }
    ctx.index().stop_waiting(&mailbox.name_any());
    Ok(outcome)
}

/// Gives the account to the mail system. Of what keeps the Mailbox from what it asks for, the first is told.
async fn enter(mut decided: Decided, rest: Option<Problem>, outcome: &mut Outcome, slot: &mut Slot<'_>, ctx: &Ctx) {
    decided.account = decided.account.since(outcome.issued);
    // The last thing here: from now on it has no slot.
    outcome.synced = Some(slot.lend(effects::account(decided.account.clone(), ctx)).await);
    let held = outcome.problem.take();
    outcome.problem = held.or_else(|| decided.problem.clone()).or(rest);
    outcome.decided = Some(decided);
}

/// What is known already, before any write that may fail makes an issued account look unwanted.
fn want_known(mailbox: &Mailbox, facts: &Facts, (local, issued): (&str, Option<Timestamp>), access: Access, ctx: &Ctx) {
    let (Some(known), Some(system)) = (&facts.credentials, &facts.system) else { return };
    let aliases = facts.every_alias(mailbox, local, ctx.now());
    if let Ok(decided) = decide::account(mailbox, facts, system, local, &aliases, &known.hash, access) {
        ctx.syncer.want(decided.account.since(issued));
    }
}

/// Before any write that may fail: who has an address and is to be locked, or is revoked, is so at once, whatever becomes of the rest.
fn shut(mailbox: &Mailbox, facts: &Facts, ctx: &Ctx) {
    let (Some(claim), Some(system)) = (&facts.claim, &facts.system) else { return };
    if !claim.is_of(mailbox.metadata.uid.as_deref(), &mailbox.spec.full_name) {
        return;
    }
    let now = ctx.now();
    let access = lives(facts, claim.issued_at().as_ref(), now, ctx).access(&facts.rules, now);
    let aliases = facts.every_alias(mailbox, &claim.name_any(), now);
    let hash = facts.credentials.as_ref().map(|known| known.hash.as_str()).unwrap_or_default();
    if access.is_shut()
        && let Ok(decided) = decide::account(mailbox, facts, system, &claim.name_any(), &aliases, hash, access)
    {
        ctx.syncer.want(decided.account.since(claim.told_issued_at()));
    }
}

/// What the holder logs in with: what is there, or the first password; another one after an unlock (R6.3, D-12).
async fn credentials(
    mailbox: &Mailbox,
    facts: &Facts,
    outcome: &Outcome,
    ctx: &Ctx,
) -> Result<Result<Credentials, Problem>, Error> {
    let credentials = match facts.credentials.clone() {
        Some(known) => known,
        None => match effects::credentials(mailbox, ctx).await? {
            Ok(made) => made,
            Err(problem) => return Ok(Err(problem)),
        },
    };
    let renamed = outcome.renamed || facts.claim.as_ref().is_some_and(|claim| decide::is_renamed(mailbox, claim));
    if renamed && credentials.holder.as_deref().is_some_and(|h| !naming::same_name(h, &mailbox.spec.full_name)) {
        effects::follow_name(mailbox, ctx).await?;
    }
    if !outcome.life.makes_password() {
        return Ok(Ok(credentials));
    }
    Ok(Ok(effects::new_password(mailbox, &outcome.life.unlock(), ctx).await?.unwrap_or(credentials)))
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
            Ok(_) => outcome.aliases.push(alias.clone()),
            Err(message) => problem = problem.or(Some(Problem::stalled(Reason::AliasConflict, message))),
        }
    }
    Ok(problem)
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
    if facts.rules.stopped == Some(Stopped::Time) {
        outcome.aliases.extend(facts.unended(local).map(|claim| claim.name_any()));
        // Nothing tells when the time is known but another look.
        let waits = facts.unended(local).next().is_some();
        outcome.next = outcome.next.into_iter().chain(ctx.now().checked_add(LOOK_AGAIN).ok().filter(|_| waits)).min();
        return Ok(());
    }
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

/// The life of an account that has its address: its clocks begin with the issue, which may be this pass.
fn lives(facts: &Facts, claimed_at: Option<&Time>, now: Timestamp, ctx: &Ctx) -> Life {
    let issued_at = facts.life.issued_at.or(claimed_at.map(|at| at.0)).or(Some(now));
    let before = lifecycle::Account { issued_at, ..facts.life.clone() };
    let life = life::decide(&facts.rules, before, |key: &Key| ctx.life.releases(key), now);
    ctx.life.due(&facts.life.id, &life.due());
    life
}
