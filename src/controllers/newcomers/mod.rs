//! Mailboxes whose address is derived wait for those that come with them (D-22), so that of several who would get one address
//! the order of arrival decides nothing (D-03). What is given here is given: who comes later yields (D-02).

mod marks;
mod settle;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::context::Ctx;
use super::mailbox;
use crate::api::Mailbox;
use crate::domain::naming::{Conflict, Grant, Request};

pub(super) use self::marks::{is_mark, unmarked};

/// No further one for this long: those who came are seen together (D-22).
const QUIET: Duration = Duration::from_millis(500);
/// At most so long after the first.
const AT_MOST: Duration = Duration::from_secs(5);

/// What became of somebody without an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Decided.
    Decided(Result<Grant, Conflict>),
    /// What was decided could not be written down; why. It is decided anew when it is asked for again.
    Later(String),
}

impl Outcome {
    fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Decided(Ok(grant)) => Some(grant),
            _ => None,
        }
    }

    fn is_grant(&self) -> bool {
        self.grant().is_some()
    }
}

/// What was decided about somebody without an address.
struct Decision {
    request: Request,
    outcome: Outcome,
}

#[derive(Default)]
struct State {
    arrived: BTreeSet<String>,
    first: Option<Instant>,
    last: Option<Instant>,
    decisions: HashMap<String, Decision>,
}

impl State {
    /// Somebody new: those who came before wait for those who come with it.
    fn arrive(&mut self, mailbox: &str) {
        if self.arrived.insert(mailbox.into()) {
            let now = Instant::now();
            self.first.get_or_insert(now);
            self.last = Some(now);
        }
    }

    /// Something else that has everybody looked at.
    fn stir(&mut self) {
        self.first.get_or_insert_with(Instant::now);
        self.last.get_or_insert_with(Instant::now);
    }
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

    /// A Mailbox without an address was seen.
    pub fn saw(&self, mailbox: &str) {
        self.with(|state| {
            if !state.decisions.contains_key(mailbox) {
                state.arrive(mailbox);
            }
        });
        self.news.notify_one();
    }

    /// What was decided about exactly this request; `None`: it waits for those who come with it, and is looked at again by
    /// itself.
    pub fn decision(&self, request: &Request) -> Option<Outcome> {
        let known = self.with(|state| {
            let outcome =
                state.decisions.get(&request.id).filter(|d| same(&d.request, request)).map(|d| d.outcome.clone());
            if !matches!(outcome, Some(Outcome::Decided(_))) {
                state.decisions.remove(&request.id);
            }
            if outcome.is_none() {
                state.arrive(&request.id);
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
            state.decisions.remove(mailbox).is_some_and(|d| !d.outcome.is_grant())
        });
        if waited {
            self.again();
        }
    }

    /// Something changed for those who wait: they are looked at again.
    pub fn again(&self) {
        self.with(|state| {
            if state.decisions.values().any(|d| !d.outcome.is_grant()) {
                state.stir();
            }
        });
        self.news.notify_one();
    }

    /// When those who came so far are to be looked at.
    fn due(&self) -> Option<Instant> {
        self.with(|state| Some((state.last? + QUIET).min(state.first? + AT_MOST)))
    }
}

/// Whether two requests of one Mailbox ask for the same. What it left follows from the claims, not from it.
fn same(one: &Request, other: &Request) -> bool {
    (&one.name, &one.wish, &one.supersedes) == (&other.name, &other.wish, &other.supersedes)
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    loop {
        match ctx.newcomers.due() {
            None => ctx.newcomers.news.notified().await,
            Some(at) if at > Instant::now() => {
                tokio::select! { () = tokio::time::sleep_until(at) => {}, () = ctx.newcomers.news.notified() => {} }
            }
            Some(_) => settle::settle(&ctx).await,
        }
    }
}

/// Whether it has no address yet and none was written down for it.
pub(super) fn is_new(mailbox: &Mailbox, ctx: &Ctx) -> bool {
    let shown = mailbox.status.as_ref().and_then(|s| s.address.as_ref());
    mailbox.metadata.deletion_timestamp.is_none()
        && shown.is_none()
        && mailbox.spec.local_part.is_none()
        && ctx.primary_claim(&mailbox.name_any()).is_none()
        && !mailbox::has_nothing(mailbox, ctx)
}

/// Looks at contested addresses now and then, as long as there are any.
pub(super) fn look_after(ctx: &Ctx) {
    if ctx.stores.claims.state().iter().any(|c| is_mark(c)) {
        ctx.newcomers.with(State::stir);
        ctx.newcomers.news.notify_one();
    }
}
