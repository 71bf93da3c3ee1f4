//! The life of all accounts of a MailSystem together, behind the brake (D-15): what clocks, last days and deleted files lead to is
//! decided here, and done by the Mailbox's own pass, or here for those whose Mailbox is gone. Mail is removed here alone. What a document
//! or a person decides for one account waits for none of this.
//!
//! Nothing of it lives in memory alone but what a pass released by itself a moment ago: who was locked or revoked, and when, stands in
//! status and AddressClaims, what is held, and what a person released, in the status of the MailSystem.

mod effects;
mod facts;
mod figures;
mod former;
mod lost;
mod purge;
mod refused;
mod released;
mod stopped;
mod tombstones;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use tokio::time::Instant;
use tracing::{info, warn};

pub(super) use facts::{life, life_with, rules};
pub(super) use stopped::is_unknown;
pub(super) use stopped::why;
pub(super) use words::line;

use self::released::{Facts, Released};
use super::context::Ctx;
use crate::api::{
    self, HeldAction, HeldStatus, MailSystem, Mailbox, MailboxState, Reason, ReleasedStatus, acted, brake_limits,
};
use crate::domain::brake::Deed;
use crate::domain::calendar::midnight;
use crate::domain::lifecycle::{self, Account, Key, Kind, Pass};

/// Annotation of the MailSystem that releases what is held: the token of `status.held`, good for exactly these.
const ACKNOWLEDGE: &str = "mail.gialai.gov.vn/acknowledge-held";
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
    /// What a person released: it is done once the status says so.
    word: Option<ReleasedStatus>,
    /// Why clocks lead to nothing, as of the last look.
    stopped: Option<Reason>,
    /// Accounts of the last word: what a person released is not what automation did by itself.
    confirmed: BTreeMap<String, Timestamp>,
    /// Whether the status of the MailSystem was looked at for what an earlier leader held.
    begun: bool,
    /// What is being removed: the Mailbox's own pass waits.
    purging: BTreeSet<String>,
    /// Whose removal came to nothing, and when.
    refused: BTreeMap<String, refused::Refusal>,
    /// What is said of those of whom the mail server alone knows.
    lost: Option<String>,
    /// Whether it was said that a rehearsal removes nothing.
    told: bool,
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
        // Removals are no part of its own pass: the next look at all says whether they are due.
        let stays = |key: &Key| key.account() != mailbox || key.1 == Kind::Purge || due.contains(key);
        self.state().released.retain(|key, _| stays(key));
    }

    /// Whether the brake holds it.
    pub fn holds(&self, key: &Key) -> bool {
        self.state().held.contains(key)
    }

    /// Whether what is kept of it is being removed.
    pub fn is_purging(&self, mailbox: &str) -> bool {
        self.state().purging.contains(mailbox)
    }

    /// What the MailSystem says of removals that the mail server refuses.
    pub fn refused(&self) -> Option<String> {
        refused::told(&self.state().refused)
    }

    /// What the MailSystem says of those of whom neither Mailbox nor address is there.
    pub fn lost(&self) -> Option<String> {
        self.state().lost.clone()
    }

    /// What the MailSystem says of what is held: what an earlier leader said, until this one looked.
    pub fn held(&self, system: Option<&MailSystem>) -> Option<HeldStatus> {
        let state = self.state();
        if state.begun { state.shown.clone() } else { system?.status.as_ref()?.held.clone() }
    }

    /// What the MailSystem says of what a person released.
    pub fn released(&self, system: Option<&MailSystem>) -> Option<ReleasedStatus> {
        let state = self.state();
        if state.begun { state.word.clone() } else { system?.status.as_ref()?.released.clone() }
    }

    fn is_due(&self) -> bool {
        let state = self.state();
        let asked = state.asked.is_some_and(|(first, last)| last.elapsed() >= TOGETHER || first.elapsed() >= AT_MOST);
        let pause = if state.held.is_empty() { EVERY } else { TOGETHER };
        asked || state.looked.is_none_or(|looked| looked.elapsed() >= pause)
    }
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Before the server told what it has, each revocation of old would look like a new one.
        if *ctx.synced.borrow() && ctx.syncer.projection().met() && is_ready(&ctx) && ctx.life.is_due() {
            let start = Instant::now();
            look(&ctx).await;
            ctx.metrics.reconciled("lifecycle", "ok", start.elapsed().as_secs_f64());
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
        state.held = former::renamed(std::mem::take(&mut state.held), ctx);
        let released = std::mem::take(&mut state.released).into_iter();
        state.released = released.map(|((id, kind, why), at)| ((former::present(id, ctx), kind, why), at)).collect();
        (state.asked, state.looked) = (None, Some(Instant::now()));
        (state.held.clone(), state.released.keys().cloned().collect::<BTreeSet<_>>())
    };
    let wanted = decide(ctx, &accounts, now);
    figures::tell(ctx, &accounts, now);
    let (held, released, shown, word) = {
        let state = ctx.life.state();
        let released = state.released.keys().cloned().collect::<BTreeSet<_>>();
        (state.held.clone(), released, state.shown.clone(), state.word.clone())
    };
    if before.0 != held {
        warn!(held = held.len(), "what the brake holds changed (D-15)");
    }
    let said = system.status.as_ref().map(|status| (status.held.clone(), status.released.clone())).unwrap_or_default();
    let word = write_down(&system, said.1.as_ref(), word, now, ctx).await;
    let stopped = why(ctx).map(|(reason, _)| reason);
    let known = std::mem::replace(&mut ctx.life.state().stopped, stopped);
    let taken = lost::claim_again(&accounts, ctx).await;
    let lost = lost::told(&accounts, &taken, ctx);
    let said_lost = std::mem::replace(&mut ctx.life.state().lost, lost.clone());
    if said != (shown, word) || known != stopped || said_lost != lost {
        ctx.triggers.systems.fire(&system.name_any()).await;
    }
    effects::keep_closed(&accounts, now, ctx).await;
    effects::revoke_gone(&released, &taken, now, ctx).await;
    purge::purge(&released, now, ctx).await;
    tombstones::end(now, ctx).await;
    let changed = held.symmetric_difference(&before.0).chain(released.symmetric_difference(&before.1));
    // What the brake does not count, such as a proposal, is done by the Mailbox's own pass as well: use may have been proven since the
    // last one (D-16), and nobody else would ask for it.
    let opens = accounts.iter().filter(|account| waits_to_open(account, now, ctx)).map(|account| account.id.as_str());
    let news: BTreeSet<&str> =
        changed.map(Deed::account).chain(wanted.iter().map(String::as_str)).chain(opens).collect();
    for mailbox in news.into_iter().filter(|mailbox| ctx.mailbox(mailbox).is_some()) {
        ctx.triggers.mailboxes.fire(mailbox).await;
    }
}

/// Whether its first day has come and its Mailbox does not say so: it came while nobody knew what time it was.
fn waits_to_open(account: &Account, now: Timestamp, ctx: &Ctx) -> bool {
    let begun = account.begun.is_none() && account.starts_on.is_some_and(|day| midnight(day) <= now);
    let waits = |mailbox: &Mailbox| {
        let status = mailbox.status.as_ref().filter(|status| status.issued_at.is_some());
        status.is_some_and(|status| status.state == Some(MailboxState::Pending))
    };
    begun && ctx.mailbox(&account.id).is_some_and(|mailbox| waits(&mailbox))
}

/// A new word is in the journal before the status says it; the word that may be said.
async fn write_down(
    system: &MailSystem,
    known: Option<&ReleasedStatus>,
    word: Option<ReleasedStatus>,
    now: Timestamp,
    ctx: &Ctx,
) -> Option<ReleasedStatus> {
    let is_new = |word: &&ReleasedStatus| known.is_none_or(|known| known.token != word.token);
    let Some(new) = word.as_ref().filter(is_new) else { return word };
    let held = system.status.as_ref().and_then(|status| status.held.clone()).unwrap_or_default();
    if let Err(error) = ctx.journal.write(vec![words::entry(system, &new.token, &held, now)]).await {
        warn!(%error, "a person's word is not written into the journal yet; nothing is released, trying again");
        ctx.life.state().word = known.cloned();
        return known.cloned();
    }
    word
}

/// Asks the brake, and notes what is released and what is held. The Mailboxes of which something is to be done now.
fn decide(ctx: &Ctx, accounts: &[Account], now: Timestamp) -> BTreeSet<String> {
    let Some(system) = ctx.system() else { return BTreeSet::new() };
    let (rules, limits) = (rules(ctx), brake_limits(system.spec.regulation.brake));
    let known = system.status.as_ref().and_then(|status| status.released.as_ref());
    let word = known.map(Released::of);
    let mut guard = ctx.life.state();
    let state = &mut *guard;
    let mut brake = lifecycle::Brake { limits, held: state.held.clone(), acted: acted(accounts, now) };
    brake.acted.extend(api::purged(ctx.stores.claims.state().iter().map(AsRef::as_ref), now));
    state.confirmed.retain(|_, at| now.duration_since(*at) < DAY);
    if let Some(word) = &word {
        state.confirmed.extend(by_word(word, accounts, &brake, ctx));
    }
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
    let names: BTreeSet<&str> = held.iter().chain(&due).chain(&state.held).map(Deed::account).collect();
    let facts = Facts::new(accounts, &names, ctx);
    let heeded: BTreeSet<Key> =
        held.iter().filter(|key| word.as_ref().is_some_and(|word| word.has(key, &facts))).cloned().collect();
    if let Some(word) = word.as_ref().filter(|_| !heeded.is_empty()) {
        info!(released = heeded.len(), "a person released what the brake held (D-15)");
        state.confirmed.extend(heeded.iter().map(|key| (key.account().to_string(), word.at)));
        brake.held.retain(|key| !heeded.contains(key));
        released.extend(heeded);
        result = pass(&released, &mut brake);
        (due, held) = keys(accounts, &result);
    }
    // What clocks led to and waits is not forgotten while they stand still.
    held.extend(state.held.iter().filter(|key| stopped::stands_still(rules.stopped, key)).cloned());
    let undone: BTreeSet<Key> =
        due.iter().filter(|key| word.as_ref().is_some_and(|word| word.has(key, &facts))).cloned().collect();
    let waiting = state.word.take();
    state.word = known.filter(|_| word.as_ref().is_some_and(|word| !word.is_over(!undone.is_empty(), now))).cloned();
    let token = released::token(&held, &facts);
    if !held.is_empty() && words::is_said(&system, &token) {
        // The status may not say so yet.
        let waiting = waiting.filter(|waiting| waiting.token == token);
        state.word = waiting.or_else(|| Some(released::record(&token, &held, &undone, &facts, now)));
    }
    state.released.retain(|key, _| due.contains(key));
    for key in due {
        state.released.entry(key).or_insert(now);
    }
    state.shown = (!held.is_empty()).then(|| shown(&held, token));
    state.held = held;
    result.act.iter().map(|(index, _)| accounts[*index].id.clone()).collect()
}

/// Accounts to which something was done by a person's word, also under an earlier leader, and when it was said.
fn by_word(word: &Released<'_>, accounts: &[Account], brake: &lifecycle::Brake, ctx: &Ctx) -> Vec<(String, Timestamp)> {
    let names: BTreeSet<&str> = brake.acted.iter().map(|(_, account)| account.as_str()).collect();
    let facts = Facts::new(accounts, &names, ctx);
    let some = accounts.iter().filter(|account| names.contains(account.id.as_str()) && word.covers(account, &facts));
    some.map(|account| (account.id.clone(), word.at)).collect()
}

/// What a pass does that the brake counts, and what is held.
fn keys(accounts: &[Account], pass: &Pass) -> (BTreeSet<Key>, BTreeSet<Key>) {
    let key = |index: usize, action: &lifecycle::Action| (accounts[index].id.clone(), action.kind, action.cause);
    let counts = |(index, action): &&(usize, lifecycle::Action)| accounts[*index].is_braked(action);
    let due = pass.act.iter().filter(counts).map(|(index, action)| key(*index, action)).collect();
    (due, pass.held.iter().map(|held| key(held.account, &held.action)).collect())
}

fn shown(held: &BTreeSet<Key>, token: String) -> HeldStatus {
    let action = |(mailbox, kind, cause): &Key| HeldAction {
        mailbox: mailbox.clone(),
        action: kind.as_str().into(),
        reason: cause.as_str().into(),
        rule: cause.rule().into(),
    };
    HeldStatus {
        count: i64::try_from(held.len()).unwrap_or(i64::MAX),
        token,
        actions: held.iter().take(LISTED).map(action).collect(),
    }
}

/// Whether an act follows from a person's word: it comes within moments of it.
fn is_by_word(said: Timestamp, at: Timestamp) -> bool {
    let passed = at.duration_since(said);
    passed >= -MOMENTS && passed <= MOMENTS
}

/// The Mailbox is somebody else's than the account that was issued under its name: that of its holder is gone, and a look at all decides
/// of it as of any other (D-14, D-15). Until then it goes on: mail arrives, and its holder, who may be the same person written otherwise,
/// logs in with the same password; no rule shuts anybody out for a doubt about a name, and nobody else has that password. Whether the
/// revocation is written down.
pub(super) fn close_former(ctx: &Ctx, mailbox: &str) -> bool {
    let written = ctx.primary_claim(mailbox).is_none_or(|claim| claim.spec.revoked_at.is_some());
    if !written {
        ctx.life.ask();
    }
    written
}

/// Nobody under this resource name may use the account: what was issued to somebody else is kept for them.
pub(super) fn close(ctx: &Ctx, mailbox: &str) {
    if let Some(row) = effects::revoked_row(ctx, mailbox) {
        ctx.syncer.want(row);
    }
}
