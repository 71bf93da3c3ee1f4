//! A Mailbox that is to have no account: the one that it had was purged (D-14), or it is revoked and never had one. Whatever happens to
//! it, no address is issued to it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::facts::Facts;
use super::pass::LOOK_AGAIN;
use crate::api::{ConditionType, Mailbox, MailboxState, MailboxStatus, Outlook, Reason, set_condition, summarise};
use crate::controllers::context::Ctx;
use crate::controllers::lifecycle;
use crate::controllers::runner::{Error, Next};
use crate::controllers::status;

/// Why there is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nothing {
    outlook: Outlook,
    reason: Reason,
    message: &'static str,
}

const PURGED: &str =
    "its mail was removed after the time of keeping (D-14), and its address is nobody's for a time (D-19)";
const WANTED_BACK: &str = "D-14: its mail was removed after the time of keeping, so nothing can be given back. For a new, empty account \
     with a new address delete this Mailbox and create it again";
pub(super) const REMOVING: &str = "D-14: the removal of what was kept of the former account of this name was begun, and the mail server has not \
     said yet what is left. This mailbox goes on by itself then: as it was if nothing was removed, else as a new account";
const NEVER: &str = "it is revoked by spec.state or spec.endsOn and has no address: it gets none (R5.4)";

/// Whether it is to have nothing. Pure: `purged` and `claimed` say whether its account was purged, and whether it has an address.
pub(super) fn decide(mailbox: &Mailbox, purged: bool, claimed: bool, now: Timestamp) -> Option<Nothing> {
    let over = mailbox.spec.ended(now).is_some();
    if purged {
        let (outlook, message) = if over { (Outlook::Ready, PURGED) } else { (Outlook::Stalled, WANTED_BACK) };
        return Some(Nothing { outlook, reason: Reason::Purged, message });
    }
    let shown = mailbox.status.as_ref().is_some_and(|status| status.address.is_some());
    let never = over && !shown && !claimed;
    never.then_some(Nothing { outlook: Outlook::Ready, reason: Reason::Revoked, message: NEVER })
}

/// Whether it is to have no address, now or ever: its account was purged, or it is revoked and never had one.
pub(in super::super) fn has_nothing(mailbox: &Mailbox, ctx: &Ctx) -> bool {
    let (now, purged) = (ctx.now(), ctx.is_purged(mailbox));
    let claimed = || ctx.primary_claim(&mailbox.name_any()).is_some();
    (purged || mailbox.spec.ended(now).is_some()) && decide(mailbox, purged, claimed(), now).is_some()
}

/// Says so.
pub(super) async fn say(mailbox: &Mailbox, facts: &Facts, nothing: &Nothing, ctx: &Ctx) -> Result<Next, Error> {
    let name = mailbox.name_any();
    ctx.newcomers.forget(&name);
    ctx.index().stop_waiting(&name);
    ctx.index().set_policy(&name, None);
    if nothing.reason == Reason::Purged {
        ctx.syncer.dismiss(&name);
    }
    let status = shown(mailbox, facts, nothing, ctx);
    ctx.lives.intend(mailbox, &status);
    status::say(mailbox, &status, ctx).await?;
    ctx.lives.note(mailbox, &status);
    Ok(Next::Change)
}

/// Waits while the account is removed that is known by this name. Whoever was created under it meanwhile is told so.
pub(super) async fn wait(mailbox: &Mailbox, ctx: &Ctx) -> Result<Next, Error> {
    // Whoever starts anew tells the mail server of every account: this one stays shut.
    lifecycle::close(ctx, &mailbox.name_any());
    let generation = mailbox.metadata.generation.unwrap_or(0);
    let mut status = mailbox.status.clone().unwrap_or_default();
    status.observed_generation = Some(generation);
    status.state = Some(status.state.unwrap_or(MailboxState::Pending));
    summarise(&mut status.conditions, Outlook::Waiting, Reason::Purging, REMOVING, generation, ctx.now());
    ctx.lives.intend(mailbox, &status);
    status::say(mailbox, &status, ctx).await?;
    ctx.lives.note(mailbox, &status);
    Ok(Next::After(LOOK_AGAIN))
}

fn shown(mailbox: &Mailbox, facts: &Facts, nothing: &Nothing, ctx: &Ctx) -> MailboxStatus {
    let generation = mailbox.metadata.generation.unwrap_or(0);
    let mut status =
        MailboxStatus { observed_generation: Some(generation), ..mailbox.status.clone().unwrap_or_default() };
    let conditions = &mut status.conditions;
    if nothing.reason == Reason::Purged {
        let known = ctx.index().purged_at(mailbox.metadata.uid.as_deref()).map(Time);
        status.state = Some(MailboxState::Purged);
        status.purged_at = known.or(status.purged_at);
        status.former_address = status.address.take().or(status.former_address);
        (status.aliases, status.locks, status.due, status.quota) = (vec![], vec![], vec![], None);
        let message = "the mail server has nothing of it";
        set_condition(conditions, ConditionType::Synced, true, Reason::Purged, message, generation, facts.now);
    } else {
        status.state = Some(status.state.unwrap_or(MailboxState::Pending));
    }
    summarise(conditions, nothing.outlook, nothing.reason, nothing.message, generation, facts.now);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mailbox(state: &str, status: serde_json::Value) -> Mailbox {
        let basis = json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"});
        let spec = json!({"agencyRef": {"name": "stttt"}, "fullName": "Lê An", "basis": basis, "state": state});
        serde_json::from_value(json!({"metadata": {"name": "nv-1"}, "spec": spec, "status": status}))
            .expect("a Mailbox")
    }

    fn told(state: &str, status: serde_json::Value, purged: bool, claimed: bool) -> Option<(Outlook, Reason)> {
        let now = "2027-06-01T00:00:00Z".parse().expect("a time");
        decide(&mailbox(state, status), purged, claimed, now).map(|nothing| (nothing.outlook, nothing.reason))
    }

    #[test]
    fn d_14_what_is_purged_stays_so_and_what_is_revoked_gets_no_address() {
        let issued = json!({"address": "anl.stttt@x.vn", "state": "Revoked"});
        assert_eq!(told("Revoked", json!({}), true, false), Some((Outlook::Ready, Reason::Purged)));
        assert_eq!(told("Active", json!({}), true, false), Some((Outlook::Stalled, Reason::Purged)));
        // Claim and status are lost: nobody knows any more that it was purged.
        assert_eq!(told("Revoked", json!({}), false, false), Some((Outlook::Ready, Reason::Revoked)));
        // It is kept, and one of the two tells of it.
        assert_eq!(told("Revoked", json!({}), false, true), None);
        assert_eq!(told("Revoked", issued, false, false), None);
        assert_eq!(told("Active", json!({}), false, false), None);
    }
}
