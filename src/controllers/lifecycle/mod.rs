//! The life of all accounts of a MailSystem together, behind the brake (D-15): what clocks, last days and deleted files lead to is
//! decided here, and done by the Mailbox's own pass, or here for those whose Mailbox is gone. What a document or a person decides for
//! one account waits for none of this.
//!
//! Nothing of it lives in memory alone but what a pass released a moment ago: who was locked or revoked, and when, stands in status and
//! AddressClaims, what is held in the status of the MailSystem.

mod effects;
mod facts;
mod figures;
mod stopped;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::{info, warn};

pub(super) use facts::{life, rules};
pub(super) use stopped::why;

use super::context::Ctx;
use crate::api::{HeldAction, HeldStatus, MailSystem, Reason, acted, brake_limits};
use crate::domain::brake::Deed;
use crate::domain::lifecycle::{self, Account, Key, Pass};

/// Annotation of the MailSystem that releases what is held: the token of `status.held`, good for exactly these.
pub(super) const ACKNOWLEDGE: &str = "mail.gialai.gov.vn/acknowledge-held";
/// As long as others come within this time, they are seen together, at most so long.
const TOGETHER: Duration = Duration::from_secs(2);
const AT_MOST: Duration = Duration::from_secs(10);
/// Clocks run out by themselves; this often somebody looks.
const EVERY: Duration = Duration::from_secs(30);
/// Actions that the status lists.
const LISTED: usize = 100;
/// For how long somebody counts as acted on.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// What was released is done within this.
const MOMENTS: SignedDuration = SignedDuration::from_mins(10);
/// Who is named in a message.
const NAMED: usize = 8;

/// What was asked for, released and held.
#[derive(Default)]
pub(crate) struct Life(Mutex<State>);

#[derive(Default)]
struct State {
    /// Since when, and when last, somebody asked for a look.
    asked: Option<(Instant, Instant)>,
    looked: Option<Instant>,
    /// What may be done, and since when; gone when it is done, or wanted no more.
    released: BTreeMap<Key, Timestamp>,
    held: BTreeSet<Key>,
    shown: Option<HeldStatus>,
    /// Why clocks lead to nothing, as of the last look.
    stopped: Option<Reason>,
    /// Accounts of the last word: what a person released is not what automation did by itself.
    confirmed: BTreeMap<String, Timestamp>,
    /// Whether the status of the MailSystem was looked at for what an earlier leader held.
    begun: bool,
}

impl Life {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may be due that only a look at all decides.
    pub fn ask(&self) {
        let (mut state, now) = (self.state(), Instant::now());
        state.asked = Some((state.asked.map_or(now, |(first, _)| first), now));
    }

    /// Whether a pass over all released this.
    pub fn releases(&self, key: &Key) -> bool {
        self.state().released.contains_key(key)
    }

    /// Of a Mailbox that is there only this is due: what was released otherwise was so for another time.
    pub fn due(&self, mailbox: &str, due: &BTreeSet<Key>) {
        self.state().released.retain(|key, _| key.account() != mailbox || due.contains(key));
    }

    /// Whether the brake holds it.
    pub fn holds(&self, key: &Key) -> bool {
        self.state().held.contains(key)
    }

    /// What the MailSystem says of what is held: what an earlier leader said, until this one looked.
    pub fn held(&self, system: Option<&MailSystem>) -> Option<HeldStatus> {
        let state = self.state();
        if state.begun { state.shown.clone() } else { system?.status.as_ref()?.held.clone() }
    }

    fn is_due(&self) -> bool {
        let state = self.state();
        let asked = state.asked.is_some_and(|(first, last)| last.elapsed() >= TOGETHER || first.elapsed() >= AT_MOST);
        let pause = if state.held.is_empty() { EVERY } else { TOGETHER };
        asked || state.looked.is_none_or(|looked| looked.elapsed() >= pause)
    }
}

/// Names for a sentence.
pub(super) fn named(held: &HeldStatus) -> String {
    let names: BTreeSet<&str> = held.actions.iter().map(|action| action.mailbox.as_str()).collect();
    let more = if held.count > 0 && held.count.unsigned_abs() as usize > NAMED { ", …" } else { "" };
    format!("{}{more}", names.into_iter().take(NAMED).collect::<Vec<_>>().join(", "))
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Before the server told what it has, each revocation of old would look like a new one.
        if *ctx.synced.borrow() && ctx.syncer.projection().met() && is_ready(&ctx) && ctx.life.is_due() {
            look(&ctx).await;
        }
    }
}

/// What an earlier leader held may rest on use: it is not judged before that is known.
fn is_ready(ctx: &Ctx) -> bool {
    let begun = ctx.life.state().begun;
    begun
        || ctx.activities.known()
        || ctx.system().is_none_or(|system| system.status.as_ref().is_none_or(|s| s.held.is_none()))
}

/// One look at all.
async fn look(ctx: &Ctx) {
    let Some(system) = ctx.system() else { return };
    let now = ctx.now();
    let accounts = facts::accounts(ctx, now);
    let before = {
        let mut state = ctx.life.state();
        (state.asked, state.looked) = (None, Some(Instant::now()));
        (state.held.clone(), state.released.keys().cloned().collect::<BTreeSet<_>>())
    };
    let wanted = decide(ctx, &accounts, now);
    figures::tell(ctx, &accounts, now);
    let (held, released, shown) = {
        let state = ctx.life.state();
        (state.held.clone(), state.released.keys().cloned().collect::<BTreeSet<_>>(), state.shown.clone())
    };
    if before.0 != held {
        warn!(held = held.len(), "what the brake holds changed (D-15)");
    }
    let said = system.status.as_ref().and_then(|status| status.held.clone());
    let stopped = why(ctx).map(|(reason, _)| reason);
    let known = std::mem::replace(&mut ctx.life.state().stopped, stopped);
    if said != shown || known != stopped {
        ctx.triggers.systems.fire(&system.name_any()).await;
    }
    effects::keep_closed(&accounts, now, ctx).await;
    effects::revoke_gone(&released, now, ctx).await;
    let changed = held.symmetric_difference(&before.0).chain(released.symmetric_difference(&before.1));
    // What the brake does not count, such as a proposal, is done by the Mailbox's own pass as well: use may have been proven since the
    // last one (D-16), and nobody else would ask for it.
    let news: BTreeSet<&str> = changed.map(Deed::account).chain(wanted.iter().map(String::as_str)).collect();
    for mailbox in news.into_iter().filter(|mailbox| ctx.mailbox(mailbox).is_some()) {
        ctx.triggers.mailboxes.fire(mailbox).await;
    }
}

/// Asks the brake, and notes what is released and what is held. The Mailboxes of which something is to be done now.
fn decide(ctx: &Ctx, accounts: &[Account], now: Timestamp) -> BTreeSet<String> {
    let Some(system) = ctx.system() else { return BTreeSet::new() };
    let (rules, limits) = (rules(ctx), brake_limits(system.spec.regulation.brake));
    let mut guard = ctx.life.state();
    let state = &mut *guard;
    let mut brake = lifecycle::Brake { limits, held: state.held.clone(), acted: acted(accounts, now) };
    state.confirmed.retain(|_, at| now.duration_since(*at) < DAY);
    brake.acted.retain(|(at, account)| !state.confirmed.get(account).is_some_and(|said| is_by_word(*said, *at)));
    let released = state.released.iter().filter(|(key, _)| !state.confirmed.contains_key(key.account()));
    brake.acted.extend(released.map(|(key, at)| (*at, key.account().to_string())));
    let pass = |released: &BTreeSet<Key>, brake: &mut lifecycle::Brake| {
        let mut copy = accounts.to_vec();
        lifecycle::pass(&rules, &mut copy, brake, released, now)
    };
    let mut released: BTreeSet<Key> = state.released.keys().cloned().collect();
    if !std::mem::replace(&mut state.begun, true) && system.status.as_ref().is_some_and(|status| status.held.is_some())
    {
        // An earlier leader held: whatever is due now waits with it.
        let mut closed =
            lifecycle::Brake { limits: crate::domain::brake::Limits { max: 0, percent: 0 }, ..brake.clone() };
        brake.held = keys(accounts, &pass(&released, &mut closed)).1;
    }
    let mut result = pass(&released, &mut brake);
    let (mut due, mut held) = keys(accounts, &result);
    if !held.is_empty() && said(&system).any(|said| said == token(&held, accounts, ctx)) {
        info!(released = held.len(), "a person released what the brake held (D-15)");
        state.confirmed.extend(held.iter().map(|key| (key.account().to_string(), now)));
        released.append(&mut held);
        brake.held.clear();
        result = pass(&released, &mut brake);
        (due, held) = keys(accounts, &result);
    }
    // What clocks led to and waits is not forgotten while they stand still.
    held.extend(state.held.iter().filter(|key| stopped::stands_still(rules.stopped, key)).cloned());
    state.released.retain(|key, _| due.contains(key));
    for key in due {
        state.released.entry(key).or_insert(now);
    }
    state.shown = (!held.is_empty()).then(|| shown(&held, accounts, ctx));
    state.held = held;
    result.act.iter().map(|(index, _)| accounts[*index].id.clone()).collect()
}

/// What a pass does that the brake counts, and what is held.
fn keys(accounts: &[Account], pass: &Pass) -> (BTreeSet<Key>, BTreeSet<Key>) {
    let key = |index: usize, action: &lifecycle::Action| (accounts[index].id.clone(), action.kind, action.cause);
    let counts = |(index, action): &&(usize, lifecycle::Action)| accounts[*index].is_braked(action);
    let due = pass.act.iter().filter(counts).map(|(index, action)| key(*index, action)).collect();
    (due, pass.held.iter().map(|held| key(held.account, &held.action)).collect())
}

fn shown(held: &BTreeSet<Key>, accounts: &[Account], ctx: &Ctx) -> HeldStatus {
    let action = |(mailbox, kind, cause): &Key| HeldAction {
        mailbox: mailbox.clone(),
        action: kind.as_str().into(),
        reason: cause.as_str().into(),
        rule: cause.rule().into(),
    };
    HeldStatus {
        count: i64::try_from(held.len()).unwrap_or(i64::MAX),
        token: token(held, accounts, ctx),
        actions: held.iter().take(LISTED).map(action).collect(),
    }
}

/// A person's words: in the spec with a document, and as an annotation. An old one in the one place hides no new one in the other.
fn said(system: &MailSystem) -> impl Iterator<Item = &str> {
    let spec = system.spec.acknowledge.as_ref().map(|acknowledge| acknowledge.held.as_str());
    spec.into_iter().chain(system.annotations().get(ACKNOWLEDGE).map(String::as_str))
}

/// Whether an act follows from a person's word: it comes within moments of it.
fn is_by_word(said: Timestamp, at: Timestamp) -> bool {
    let passed = at.duration_since(said);
    passed >= -MOMENTS && passed <= MOMENTS
}

/// The word for exactly these: an old confirmation says nothing of others, nor of the same ones after they came back or were given
/// back.
fn token(held: &BTreeSet<Key>, accounts: &[Account], ctx: &Ctx) -> String {
    let mut digest = Sha256::new();
    let names: BTreeSet<&str> = held.iter().map(Deed::account).collect();
    let all = accounts.iter().filter(|account| names.contains(account.id.as_str()));
    // In an order of their own: caches have none.
    let times: BTreeMap<&str, _> = all.map(|a| (a.id.as_str(), (a.issued_at, a.unlocked_at))).collect();
    for (id, (issued_at, unlocked_at)) in times {
        digest.update(format!("{id} {issued_at:?} {unlocked_at:?}\n"));
    }
    for (mailbox, kind, cause) in held {
        let holder = ctx.primary_claim(mailbox).and_then(|claim| claim.spec.owner_ref.uid.clone()).unwrap_or_default();
        digest.update(format!("{mailbox} {} {} {holder}\n", kind.as_str(), cause.as_str()));
    }
    let digest: String = digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", held.len())
}

/// Nobody under this resource name may use the account: what was issued to somebody else is kept for them.
pub(super) fn close(ctx: &Ctx, mailbox: &str) {
    if let Some(row) = effects::revoked_row(ctx, mailbox) {
        ctx.syncer.want(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_15_an_old_word_in_the_spec_hides_no_new_one_in_the_annotation() {
        let basis = serde_json::json!({"number": "3/VP", "date": "2026-03-01", "issuer": "STTTT"});
        let system = |annotations: serde_json::Value| -> MailSystem {
            serde_json::from_value(serde_json::json!({"metadata": {"name": "gialai", "annotations": annotations},
                "spec": {"domain": "gialai.gov.vn", "hostname": "mail.gialai.gov.vn", "dovecot": {"storage": {"size": "1Gi"}},
                    "acknowledge": {"held": "30-old", "basis": basis}}}))
            .expect("a system")
        };
        let both = system(serde_json::json!({ACKNOWLEDGE: "46-new"}));
        assert_eq!(said(&both).collect::<Vec<_>>(), ["30-old", "46-new"]);
        assert_eq!(said(&system(serde_json::json!({}))).collect::<Vec<_>>(), ["30-old"]);
    }
}
