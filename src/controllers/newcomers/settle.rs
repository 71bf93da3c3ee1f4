//! One look at everybody without an address: the whole of the claims and wishes, so off the threads that serve others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::{StreamExt, stream};
use kube::ResourceExt;
use tracing::{error, info, warn};

use super::super::context::Ctx;
use super::super::mailbox;
use super::{Decision, Outcome, QUIET, is_mark, marks, same};
use crate::api::{Mailbox, own_mailbox_name};
use crate::domain::naming::{Allocation, Held, LocalPart, Request, Use, Written, allocate, holdings};

/// Marks that are written at the same time.
const AT_ONCE: usize = 8;

/// What a look gives.
struct Thought {
    /// Everybody without an address.
    requests: Vec<Request>,
    /// Whose earlier grant still stands.
    granted: BTreeSet<String>,
    allocation: Allocation,
}

/// Looks at everybody without an address together.
pub(super) async fn settle(ctx: &Arc<Ctx>) {
    let arrived = ctx.newcomers.with(|state| {
        (state.first, state.last) = (None, None);
        std::mem::take(&mut state.arrived)
    });
    let shared = ctx.clone();
    let Ok(thought) = tokio::task::spawn_blocking(move || think(&shared)).await else {
        error!("a bug was caught while newcomers were looked at; they are looked at again");
        tokio::time::sleep(QUIET).await;
        return ctx.newcomers.with(|state| {
            state.arrived.extend(arrived);
            state.stir();
        });
    };
    let later = write_down(ctx, &thought.allocation).await;
    marks::clear(ctx, &thought.requests).await;
    for mailbox in keep(ctx, thought, later, arrived) {
        ctx.triggers.mailboxes.fire(&mailbox).await;
    }
}

fn think(ctx: &Ctx) -> Thought {
    let requests = requests(ctx);
    let granted = granted(ctx, &requests);
    let held = held(ctx, &granted);
    let open: Vec<Request> = requests.iter().filter(|r| !granted.contains(&r.id)).cloned().collect();
    let allocation = allocate(&open, |local_part| held.get(local_part));
    Thought { requests, granted, allocation }
}

/// Everybody who is to get an address beside others.
fn requests(ctx: &Ctx) -> Vec<Request> {
    let mut left = marks::left(ctx);
    let mailboxes = ctx.stores.mailboxes.state();
    let asked = mailboxes.iter().filter_map(|m| mailbox::request(m, ctx));
    let to_come = mailboxes_to_come(ctx);
    let asked = asked.chain(to_come.iter().filter_map(|m| mailbox::request(m, ctx)));
    asked.map(|request| Request { left: left.remove(&request.id).unwrap_or_default(), ..request }).collect()
}

/// The own mailboxes of agencies, where the operator has yet to make them: they come with their agencies.
fn mailboxes_to_come(ctx: &Ctx) -> Vec<Mailbox> {
    let agencies = ctx.stores.agencies.state();
    let own = agencies.iter().filter(|a| a.spec.has_mailbox && a.metadata.deletion_timestamp.is_none());
    let own = own.map(|a| (own_mailbox_name(&a.name_any()), a)).filter(|(name, _)| ctx.mailbox(name).is_none());
    own.map(|(name, a)| Mailbox::new(&name, a.spec.own_mailbox(&a.name_any()))).collect()
}

/// Those whose grant stands, because they ask for the same as then and have not claimed it yet.
fn granted(ctx: &Ctx, requests: &[Request]) -> BTreeSet<String> {
    ctx.newcomers.with(|state| {
        let stands = |r: &&Request| {
            state.decisions.get(&r.id).is_some_and(|known| known.outcome.is_grant() && same(&known.request, r))
        };
        requests.iter().filter(stands).map(|r| r.id.clone()).collect()
    })
}

/// What is taken: claims, what was given here and is not claimed yet, and what people wrote down (D-21: before derivations).
fn held(ctx: &Ctx, granted: &BTreeSet<String>) -> HashMap<LocalPart, Held> {
    let mailboxes = ctx.stores.mailboxes.state();
    let written = mailboxes.iter().filter(|m| !mailbox::has_nothing(m, ctx)).map(|m| Written {
        owner: m.metadata.name.as_deref().unwrap_or_default(),
        name: &m.spec.full_name,
        local_parts: m.spec.local_part.iter().chain(&m.spec.aliases).map(String::as_str).collect(),
    });
    let given = ctx.newcomers.with(|state| {
        let stands = |(mailbox, decision): (&String, &Decision)| {
            let grant = decision.outcome.grant().filter(|_| granted.contains(mailbox))?;
            let name = decision.request.name.clone();
            Some((
                grant.local_part.clone(),
                Held { owner: mailbox.clone(), name, address_use: Use::Primary, purged: None },
            ))
        };
        state.decisions.iter().filter_map(stands).collect::<Vec<_>>()
    });
    let claims = ctx.stores.claims.state();
    let claimed = claims.iter().filter(|c| !is_mark(c));
    let claimed = claimed.filter_map(|c| LocalPart::parse(&c.name_any(), "").ok().map(|local| (local, c.held())));
    holdings(written, given.into_iter().chain(claimed))
}

/// Writes down who left which address; who could not be written down gets nothing yet, and is told why.
async fn write_down(ctx: &Ctx, allocation: &Allocation) -> BTreeMap<String, String> {
    let written: Vec<_> = stream::iter(allocation.contested.clone())
        .map(|(local_part, left)| async move { (marks::mark(ctx, &local_part, &left).await, local_part, left) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut later = BTreeMap::new();
    for (result, local_part, left) in written {
        let Err(error) = result else { continue };
        warn!(%local_part, %error, "it cannot be written down who left a contested address; they wait");
        let why = format!("D-03: several want {local_part}, and it cannot be written down yet: {error}");
        later.extend(left.iter().map(|mailbox| (mailbox.clone(), why.clone())));
    }
    later
}

/// Keeps what was decided; who is to be looked at therefore.
fn keep(
    ctx: &Ctx,
    thought: Thought,
    mut later: BTreeMap<String, String>,
    arrived: BTreeSet<String>,
) -> BTreeSet<String> {
    let Thought { requests, granted, mut allocation } = thought;
    let mut changed = arrived;
    if !allocation.contested.is_empty() {
        info!(contested = allocation.contested.len(), "several want one address (D-03)");
    }
    ctx.newcomers.with(|state| {
        // Who has an address by now, or is gone, wants nothing.
        let open: BTreeSet<&str> = requests.iter().map(|r| r.id.as_str()).collect();
        state.decisions.retain(|mailbox, _| open.contains(mailbox.as_str()));
        for request in requests.into_iter().filter(|r| !granted.contains(&r.id)) {
            let Some(outcome) = allocation.outcomes.remove(&request.id) else { continue };
            let outcome = later.remove(&request.id).map_or(Outcome::Decided(outcome), Outcome::Later);
            let id = request.id.clone();
            let decision = Decision { request, outcome: outcome.clone() };
            if state.decisions.insert(id.clone(), decision).is_none_or(|known| known.outcome != outcome) {
                changed.insert(id);
            }
        }
    });
    changed
}
