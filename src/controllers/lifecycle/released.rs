//! A person's word for what the brake holds (D-15). It is heeded in two steps: first the status of the MailSystem says what was
//! released, then it is done. So what was released stays released, whoever leads when the rest of it is done: the token alone would
//! not say so, since it names the whole, and that is not held any more when a part is done.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::super::context::Ctx;
use super::{DAY, former};
use crate::api::ReleasedStatus;
use crate::domain::brake::Deed;
use crate::domain::lifecycle::{Account, Cause, Key, Kind};

/// Characters of a mark: 48 bits, so that of 20,000 others none is taken for one that was released.
const MARK: usize = 8;
/// Marks that are kept; of more a person releases the rest with another word.
const MOST: usize = 20_000;

/// What tells one account of a name from another, and from itself at another time: it was issued, given back, made anew.
pub(super) struct Facts<'a>(BTreeMap<&'a str, String>);

impl<'a> Facts<'a> {
    /// Of these accounts.
    pub fn new(accounts: &'a [Account], of: &BTreeSet<&str>, ctx: &Ctx) -> Self {
        let some = accounts.iter().filter(|account| of.contains(account.id.as_str()));
        Self(some.map(|account| (account.id.as_str(), fact(account, &holder(&account.id, ctx)))).collect())
    }

    fn of(&self, account: &str) -> &str {
        self.0.get(account).map(String::as_str).unwrap_or_default()
    }
}

fn holder(account: &str, ctx: &Ctx) -> String {
    ctx.primary_claim(former::mailbox(account)).and_then(|claim| claim.spec.owner_ref.uid.clone()).unwrap_or_default()
}

fn fact(account: &Account, holder: &str) -> String {
    format!("{} {:?} {:?} {holder}", account.id, account.issued_at, account.unlocked_at)
}

/// The word for exactly these: an old confirmation says nothing of others, nor of the same ones after they came back or were given
/// back.
pub(super) fn token(held: &BTreeSet<Key>, facts: &Facts<'_>) -> String {
    let mut digest = Sha256::new();
    for key in held {
        digest.update(line(key, facts.of(key.account())));
    }
    let digest: String = digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", held.len())
}

fn line((_, kind, cause): &Key, fact: &str) -> String {
    format!("{fact} {} {}\n", kind.as_str(), cause.as_str())
}

fn mark(key: &Key, fact: &str) -> String {
    let digest = Sha256::digest(line(key, fact));
    let mut text = URL_SAFE_NO_PAD.encode(&digest[..MARK * 6 / 8]);
    text.truncate(MARK);
    text
}

/// What the status is to say that was released: what is held now, and what an earlier word released and is not done yet.
pub(super) fn record(
    token: &str,
    held: &BTreeSet<Key>,
    undone: &BTreeSet<Key>,
    facts: &Facts<'_>,
    now: Timestamp,
) -> ReleasedStatus {
    let of = |key: &Key| mark(key, facts.of(key.account()));
    // Those that were released before come first: nothing takes their place.
    let all: BTreeSet<String> = undone.iter().chain(held.difference(undone)).take(MOST).map(of).collect();
    ReleasedStatus {
        token: token.into(),
        at: Time(Timestamp::from_second(now.as_second()).unwrap_or(now)),
        count: i64::try_from(all.len()).unwrap_or(i64::MAX),
        marks: all.into_iter().collect(),
    }
}

/// What the status says that was released.
pub(super) struct Released<'a> {
    /// When.
    pub at: Timestamp,
    marks: BTreeSet<&'a str>,
}

impl<'a> Released<'a> {
    /// As it stands there.
    pub fn of(status: &'a ReleasedStatus) -> Self {
        let text = &status.marks;
        let marks = (0..text.len() / MARK).filter_map(|n| text.get(n * MARK..(n + 1) * MARK));
        Self { at: status.at.0, marks: marks.take(MOST).collect() }
    }

    /// Whether it is good for this.
    pub fn has(&self, key: &Key, facts: &Facts<'_>) -> bool {
        self.marks.contains(mark(key, facts.of(key.account())).as_str())
    }

    /// Whether something of it was done to this account: then that was a person's word, and not automation by itself.
    pub fn covers(&self, account: &Account, facts: &Facts<'_>) -> bool {
        let locks = account.locks.keys().map(|reason| (Kind::Lock, Cause::Locks(*reason)));
        let ends = [Cause::EndsOn, Cause::Deleted, Cause::Unused].map(|cause| (Kind::Revoke, cause));
        let ends = ends.into_iter().filter(|_| account.revoked_at.is_some());
        locks.chain(ends).any(|(kind, cause)| self.has(&(account.id.clone(), kind, cause), facts))
    }

    /// Whether it is told no more: a day is over, and nothing of it is left to do.
    pub fn is_over(&self, left: bool, now: Timestamp) -> bool {
        !left && now.duration_since(self.at) >= DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lifecycle::LockReason;

    fn key(id: &str) -> Key {
        (id.into(), Kind::Lock, Cause::Locks(LockReason::Inactive))
    }

    fn facts<'a>(ids: &[&'a str], issued: &str) -> Facts<'a> {
        Facts(ids.iter().map(|id| (*id, format!("{id} {issued}"))).collect())
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * 3600).expect("a time")
    }

    #[test]
    fn d_15_what_is_released_is_known_one_by_one_and_nothing_else_is() {
        let all = ["a", "b", "c"];
        let (now, later) = (facts(&all, "2026"), facts(&all, "2027"));
        let held: BTreeSet<Key> = [key("a"), key("b")].into();
        let status = record("2-x", &held, &BTreeSet::new(), &now, at(0));
        assert_eq!((status.count, status.marks.len()), (2, 16));
        let released = Released::of(&status);
        assert!(released.has(&key("a"), &now) && released.has(&key("b"), &now));
        assert!(!released.has(&key("c"), &now), "another account");
        assert!(!released.has(&key("a"), &later), "issued or given back since");
        let other = ("a".to_string(), Kind::Revoke, Cause::EndsOn);
        assert!(!released.has(&other, &now), "something else");
        assert_ne!(token(&held, &now), token(&held, &later));
    }

    #[test]
    fn d_15_a_second_word_takes_nothing_of_the_first_away() {
        let facts = facts(&["a", "b"], "2026");
        let status = record("1-x", &[key("b")].into(), &[key("a")].into(), &facts, at(0));
        let released = Released::of(&status);
        assert!(released.has(&key("a"), &facts) && released.has(&key("b"), &facts));
    }

    #[test]
    fn d_15_what_is_kept_has_a_bound_and_an_end() {
        let ids: Vec<String> = (0..MOST + 5).map(|i| format!("nv-{i}")).collect();
        let names: Vec<&str> = ids.iter().map(String::as_str).collect();
        let held: BTreeSet<Key> = ids.iter().map(|id| key(id)).collect();
        let status = record("x", &held, &BTreeSet::new(), &facts(&names, "2026"), at(0));
        assert_eq!(status.marks.len(), MOST * MARK);
        let released = Released::of(&status);
        assert!(!released.is_over(false, at(23)) && released.is_over(false, at(24)) && !released.is_over(true, at(99)));
        let broken = ReleasedStatus { marks: "đđđđđđ".into(), ..status };
        assert!(!Released::of(&broken).has(&key("nv-0"), &facts(&names, "2026")));
    }
}
