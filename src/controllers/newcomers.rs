//! Mailboxes whose address is derived wait for those that come with them (D-22), so that of several who would get one address
//! the order of arrival decides nothing (D-03). What is given here is given: who comes later yields (D-02).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use super::context::Ctx;
use super::runner::Error;
use crate::api::{AddressClaim, AddressClaimSpec, AddressUse, Mailbox, OwnerRef};
use crate::domain::naming::{Conflict, Grant, Held, LocalPart, Request, Use, Wish, allocate};
use crate::kube_io::Created;
use crate::resources::MANAGED_BY;

/// No further one for this long: those who came are seen together (D-22).
const QUIET: Duration = Duration::from_millis(500);
/// At most so long after the first.
const AT_MOST: Duration = Duration::from_secs(5);
/// Label of a claim that keeps a contested address closed until all who want it have one.
const CONTESTED: &str = "mail.gialai.gov.vn/contested";

/// What was decided about somebody without an address.
struct Decision {
    wish: Wish,
    outcome: Result<Grant, Conflict>,
}

#[derive(Default)]
struct State {
    arrived: BTreeSet<String>,
    first: Option<Instant>,
    last: Option<Instant>,
    decisions: HashMap<String, Decision>,
}

/// Those without an address, and what was decided about them.
#[derive(Default)]
pub(crate) struct Newcomers {
    state: Mutex<State>,
    news: Notify,
}

impl Newcomers {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was decided about this wish; `None`: it waits for those who come with it, and is looked at again by itself.
    pub fn decision(&self, mailbox: &str, wish: &Wish) -> Option<Result<Grant, Conflict>> {
        let known = self.with(|state| {
            let decision = state.decisions.get(mailbox).filter(|d| d.wish == *wish);
            let outcome = decision.map(|d| d.outcome.clone());
            if outcome.is_none() {
                state.decisions.remove(mailbox);
                let now = Instant::now();
                if state.arrived.insert(mailbox.into()) {
                    state.first.get_or_insert(now);
                    state.last = Some(now);
                }
            }
            outcome
        });
        if known.is_none() {
            self.news.notify_one();
        }
        known
    }

    /// Somebody has an address, or wants none any more.
    pub fn forget(&self, mailbox: &str) {
        let waited = self.with(|state| {
            state.arrived.remove(mailbox);
            state.decisions.remove(mailbox).is_some_and(|d| d.outcome.is_err())
        });
        if waited {
            self.again();
        }
    }

    /// Something changed for those who wait: they are looked at again.
    pub fn again(&self) {
        self.with(|state| {
            if state.decisions.values().any(|d| d.outcome.is_err()) {
                state.first.get_or_insert_with(Instant::now);
                state.last.get_or_insert_with(Instant::now);
            }
        });
        self.news.notify_one();
    }

    /// When those who came so far are to be looked at.
    fn due(&self) -> Option<Instant> {
        self.with(|state| Some((state.last? + QUIET).min(state.first? + AT_MOST)))
    }
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    loop {
        let due = ctx.newcomers.due();
        match due {
            None => ctx.newcomers.news.notified().await,
            Some(at) if at > Instant::now() => {
                tokio::select! { () = tokio::time::sleep_until(at) => {}, () = ctx.newcomers.news.notified() => {} }
            }
            Some(_) => settle(&ctx).await,
        }
    }
}

/// Looks at everybody without an address together.
async fn settle(ctx: &Ctx) {
    let arrived = ctx.newcomers.with(|state| {
        (state.first, state.last) = (None, None);
        std::mem::take(&mut state.arrived)
    });
    let requests = requests(ctx);
    let given = given(ctx);
    let open: Vec<Request> = requests.into_iter().filter(|r| !given.owners.contains(&r.id)).collect();
    let allocation = allocate(&open, |local_part| given.held.get(local_part));
    for local_part in &allocation.contested {
        if let Err(error) = close(ctx, local_part).await {
            warn!(%local_part, %error, "a contested address cannot be kept closed; its claimants wait");
            let again = arrived.clone();
            tokio::time::sleep(QUIET).await;
            ctx.newcomers.with(|state| {
                state.arrived.extend(again);
                state.first.get_or_insert_with(Instant::now);
                state.last.get_or_insert_with(Instant::now);
            });
            return;
        }
    }
    let mut changed = arrived;
    ctx.newcomers.with(|state| {
        for (request, outcome) in open.into_iter().filter_map(|r| allocation.outcomes.get(&r.id).map(|o| (r, o))) {
            let decision = Decision { wish: request.wish, outcome: outcome.clone() };
            let known = state.decisions.insert(request.id.clone(), decision);
            if known.is_some_and(|k| k.outcome != *outcome) {
                changed.insert(request.id);
            }
        }
    });
    if !allocation.contested.is_empty() {
        info!(contested = allocation.contested.len(), "several want one address (D-03)");
    }
    open_again(ctx).await;
    for mailbox in changed {
        ctx.triggers.mailboxes.fire(&mailbox).await;
    }
}

/// Everybody whose address is to be derived.
fn requests(ctx: &Ctx) -> Vec<Request> {
    let mailboxes = ctx.stores.mailboxes.state();
    let without = mailboxes.iter().filter(|m| m.metadata.deletion_timestamp.is_none() && primary(m, ctx).is_none());
    without.filter_map(|mailbox| super::mailbox::request(mailbox, ctx)).collect()
}

/// Its Primary claim.
pub(super) fn primary(mailbox: &Mailbox, ctx: &Ctx) -> Option<Arc<AddressClaim>> {
    let namespace = ctx.io.namespace();
    let held = ctx.index().claims_of(&mailbox.name_any());
    let mut claims = held.iter().filter_map(|local| ctx.stores.claims.get(&ObjectRef::new(local).within(namespace)));
    claims.find(|c| c.spec.address_use == AddressUse::Primary)
}

/// What is taken: claims, what was given here and is not claimed yet, and what people wrote down (D-21: before derivations).
struct Given {
    held: HashMap<LocalPart, Held>,
    owners: BTreeSet<String>,
}

fn given(ctx: &Ctx) -> Given {
    let mut held = HashMap::new();
    for mailbox in ctx.stores.mailboxes.state() {
        let (owner, name) = (mailbox.name_any(), &mailbox.spec.full_name);
        for local in mailbox.spec.local_part.iter().chain(&mailbox.spec.aliases) {
            if let Ok(local) = LocalPart::parse(local, "") {
                held.insert(local, Held { owner: owner.clone(), name: name.clone(), address_use: Use::Primary });
            }
        }
    }
    let mut owners = BTreeSet::new();
    ctx.newcomers.with(|state| {
        for (mailbox, decision) in &state.decisions {
            let Ok(grant) = &decision.outcome else { continue };
            let name = ctx.mailbox(mailbox).map(|m| m.spec.full_name.clone()).unwrap_or_default();
            held.insert(grant.local_part.clone(), Held { owner: mailbox.clone(), name, address_use: Use::Primary });
            owners.insert(mailbox.clone());
        }
    });
    for claim in ctx.stores.claims.state() {
        if let Ok(local) = LocalPart::parse(&claim.name_any(), "") {
            held.insert(local, held_by(&claim));
        }
    }
    Given { held, owners }
}

fn held_by(claim: &AddressClaim) -> Held {
    let address_use = match claim.spec.address_use {
        AddressUse::Primary => Use::Primary,
        AddressUse::Alias => Use::Alias,
        AddressUse::Tombstone => Use::Tombstone,
        AddressUse::Reserved => Use::Reserved,
    };
    Held { owner: claim.spec.owner_ref.name.clone(), name: claim.spec.owner_name.clone(), address_use }
}

/// Keeps a contested address closed: after a restart in the middle the others get what they would have got.
async fn close(ctx: &Ctx, local_part: &LocalPart) -> Result<(), Error> {
    let system = ctx.system().map(|s| s.name_any()).unwrap_or_default();
    let owner_ref = OwnerRef { kind: "MailSystem".into(), name: system, uid: None };
    let label = |key: &str, value: &str| (key.to_string(), value.to_string());
    let metadata = ObjectMeta {
        name: Some(local_part.as_str().into()),
        namespace: Some(ctx.io.namespace().into()),
        labels: Some([label("app.kubernetes.io/managed-by", MANAGED_BY), label(CONTESTED, "true")].into()),
        ..ObjectMeta::default()
    };
    let spec = AddressClaimSpec { address_use: AddressUse::Reserved, owner_ref, owner_name: String::new() };
    match ctx.io.create(&AddressClaim { metadata, spec }).await? {
        Created::New(_) | Created::Exists => Ok(()),
    }
}

/// Contested addresses that nobody without an address wants any more are free again.
async fn open_again(ctx: &Ctx) {
    let claims = ctx.stores.claims.state();
    let closed: Vec<_> = claims.iter().filter(|c| c.labels().contains_key(CONTESTED)).collect();
    if closed.is_empty() {
        return;
    }
    let requests = requests(ctx);
    let wanted: BTreeSet<&str> = requests.iter().flat_map(|r| r.wish.local_parts()).map(LocalPart::as_str).collect();
    for claim in closed {
        let name = claim.name_any();
        if !wanted.contains(name.as_str())
            && let Err(error) = ctx.io.delete::<AddressClaim>(&name).await
        {
            warn!(address = name, %error, "a contested address cannot be opened again yet");
        }
    }
}

/// Looks at contested addresses now and then, as long as there are any.
pub(super) fn look_after(ctx: &Ctx) {
    if ctx.stores.claims.state().iter().any(|c| c.labels().contains_key(CONTESTED)) {
        ctx.newcomers.with(|state| {
            state.first.get_or_insert_with(Instant::now);
            state.last.get_or_insert_with(Instant::now);
        });
        ctx.newcomers.news.notify_one();
    }
}
