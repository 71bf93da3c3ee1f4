//! Where the address of a mailbox comes from: it has one, it pins one, or it gets one beside those who come with it.

use kube::ResourceExt;

use super::decide::{self, Address, Problem};
use super::facts::{self, Facts};
use super::pass::LOOK_AGAIN;
use super::perform::Outcome;
use super::{effects, has_nothing};
use crate::api::{AddressClaim, AddressUse, Mailbox, Reason};
use crate::controllers::context::Ctx;
use crate::controllers::runner::Error;
use crate::controllers::{lifecycle, newcomers};
use crate::domain::naming::{Request, Wish};

/// What a Mailbox asks for that has no address, or is to get another one.
pub(in super::super) fn request(mailbox: &Mailbox, ctx: &Ctx) -> Option<Request> {
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
) -> Result<Option<Result<AddressClaim, Problem>>, Error> {
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
        Ok(claim) => Ok(Some(Ok(claim))),
        Err(problem) => {
            // Somebody was faster, by a way that the caches have not told yet: it is decided anew beside who has it.
            ctx.newcomers.forget(&mailbox.name_any());
            Ok(Some(Err(Problem { waiting: true, ..problem })))
        }
    }
}

/// The address of a claim that became its own in this pass.
fn taken(claim: &AddressClaim, outcome: &mut Outcome) -> String {
    outcome.claimed_at = claim.issued_at();
    outcome.made_again = claim.made_again();
    outcome.issued = claim.told_issued_at();
    claim.name_any()
}

/// The address of a mailbox, issued here if it has none. Without one the outcome says why.
pub(super) async fn address(
    mailbox: &Mailbox,
    facts: &Facts,
    outcome: &mut Outcome,
    ctx: &Ctx,
) -> Result<Option<String>, Error> {
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
                    let new = new.name_any();
                    let document = mailbox.spec.rename.as_ref().map(|rename| rename.basis.cited());
                    let handled = facts.claim.as_ref().and_then(|claim| claim.spec.rename.as_ref());
                    outcome.renamed = document.is_some() && document.as_ref() != handled;
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
                Ok(claim) => return Ok(Some(taken(&claim, outcome))),
                Err(problem) => {
                    ctx.index().wait_for(&name, wanted.as_str());
                    outcome.problem = Some(problem);
                }
            }
        }
        Ok(Address::Derived(wish)) => match derived(mailbox, facts, wish, ctx).await? {
            Some(Ok(claim)) => return Ok(Some(taken(&claim, outcome))),
            Some(Err(problem)) => outcome.problem = Some(problem),
            None => outcome.gathering = true,
        },
        Err(problem) => {
            if problem.reason == Reason::HolderMismatch && !lifecycle::close_former(ctx, &name) {
                outcome.next = ctx.now().checked_add(LOOK_AGAIN).ok();
            }
            outcome.problem = Some(problem);
        }
    }
    Ok(None)
}
