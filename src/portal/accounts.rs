//! What the page must know of mailboxes, and the one Secret that it writes; a real store and one in memory stand behind.

use futures::future::BoxFuture;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::api::{Basis, LockReason, LockStatus, Mailbox, MailboxState, Office, PASSWORD_CHANGED_AT};

/// One reason of a lock, for the page of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The reason, with its point of the regulation.
    pub reason: LockReason,
    /// Since when; absent while the operator has not seen it yet.
    pub since: Option<Timestamp>,
    /// The document.
    pub basis: String,
}

/// A mailbox as the page sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Name of the Mailbox.
    pub mailbox: String,
    /// Every address in force, the primary one first.
    pub addresses: Vec<String>,
    /// Whether nobody may log in.
    pub locked: bool,
    /// Why.
    pub locks: Vec<Locked>,
    /// Name of the agency, which asks for a restore (R6.3).
    pub agency: String,
    /// The body that runs the mail system, which gets the document.
    pub office: Office,
}

/// The MailSystem that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its domain.
    pub domain: String,
    /// The host name of the page: that of `spec.portal.url`, or of the mail server.
    pub hostname: String,
}

/// Why the store did not do it. Never holds what was read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else wrote in between.
    #[error("somebody else wrote the Secret")]
    Conflict,
    /// It was not done: the API server did not answer what was asked, or refused it.
    #[error("{0}")]
    Unavailable(String),
    /// It may have been done: the answer was lost.
    #[error("{0}")]
    Lost(String),
}

/// Mailboxes by address, and their credentials.
pub trait Accounts: Send + Sync {
    /// The MailSystem, once everything was read.
    fn served(&self) -> Option<Served>;
    /// Whose address it is, if an account stands behind it at `now`: one that was not issued yet or was revoked is none.
    fn find(&self, address: &str, now: Timestamp) -> Option<Account>;
    /// The credentials of a mailbox. `None` reads as much and finds nothing, so that it takes as long.
    fn read<'a>(&'a self, mailbox: Option<&'a str>) -> BoxFuture<'a, Result<Option<Secret>, StoreError>>;
    /// Writes credentials if they are still what was read.
    fn write<'a>(&'a self, credentials: &'a Secret) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// What the Mailbox says of its account at `now`, if there is one.
pub fn account(mailbox: &Mailbox, agency: Option<&str>, now: Timestamp) -> Option<Account> {
    let status = mailbox.status.as_ref()?;
    let state = status.state?;
    let open = !matches!(state, MailboxState::Pending | MailboxState::Revoked | MailboxState::Purged);
    if !open || mailbox.ended(now).is_some() || mailbox.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let primary = status.address.clone()?;
    let locks = locks(mailbox);
    Some(Account {
        mailbox: mailbox.metadata.name.clone()?,
        addresses: std::iter::once(primary).chain(status.aliases.iter().cloned()).collect(),
        locked: state == MailboxState::Locked || !locks.is_empty(),
        locks,
        agency: agency.unwrap_or(&mailbox.spec.agency_ref.name).into(),
        office: Office::default(),
    })
}

/// Locks of the status, and those of the spec that the operator has not seen yet.
fn locks(mailbox: &Mailbox) -> Vec<Locked> {
    let seen = mailbox.status.iter().flat_map(|status| &status.locks);
    let mut locks: Vec<Locked> =
        seen.map(|lock| Locked { reason: lock.reason, since: Some(lock.since.0), basis: document(lock) }).collect();
    if let Some(lock) = &mailbox.spec.lock {
        for reason in &lock.reasons {
            if !locks.iter().any(|known| known.reason == *reason) {
                locks.push(Locked { reason: *reason, since: None, basis: lock.basis.cited() });
            }
        }
    }
    locks
}

/// The document of a lock that people wrote, the rule of one that a clock set.
fn document(lock: &LockStatus) -> String {
    lock.basis.as_ref().map_or_else(|| lock.rule.clone(), Basis::cited)
}

/// Name of the Secret of a mailbox.
pub fn secret_name(mailbox: &str) -> String {
    format!("{mailbox}-credentials")
}

/// The hash that stands in a Secret.
pub fn hash_of(credentials: &Secret) -> Option<SecretString> {
    let hash = credentials.data.as_ref()?.get("hash")?;
    std::str::from_utf8(&hash.0).ok().map(SecretString::from)
}

/// How a write that was not confirmed stands, by what is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landed {
    /// It is there.
    Yes,
    /// It is not, and never will be: what it was to be written over is gone.
    No,
    /// It is not there yet. Written once more over the same it can land once at most.
    NotYet,
}

/// Whether a write of `hash` over `version` landed. Each hash has a salt of its own, so another one is another password's.
pub fn landed(found: Option<&Secret>, hash: &str, version: Option<&str>) -> Landed {
    let Some(found) = found else { return Landed::No };
    if hash_of(found).is_some_and(|there| there.expose_secret() == hash) {
        return Landed::Yes;
    }
    let same = version.is_some() && found.metadata.resource_version.as_deref() == version;
    if same { Landed::NotYet } else { Landed::No }
}

/// The Secret with a new hash, without the initial password and with the time of the change; all else as it was, the
/// resourceVersion too, so that it is written only over what was read.
pub fn changed(mut credentials: Secret, hash: &str, now: Timestamp) -> Secret {
    let data = credentials.data.get_or_insert_default();
    data.remove("initialPassword");
    data.insert("hash".into(), ByteString(hash.as_bytes().to_vec()));
    let annotations = credentials.metadata.annotations.get_or_insert_default();
    // Whole seconds, as every time of Kubernetes.
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    annotations.insert(PASSWORD_CHANGED_AT.into(), second.to_string());
    credentials.metadata.managed_fields = None;
    credentials
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().expect("a time")
    }

    fn mailbox(spec: serde_json::Value, status: serde_json::Value) -> Mailbox {
        let mut all = json!({"agencyRef": {"name": "stttt"}, "fullName": "A",
            "basis": {"number": "1", "date": "2026-01-01", "issuer": "X"}});
        all.as_object_mut().expect("object").extend(spec.as_object().expect("object").clone());
        let object = json!({"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "Mailbox", "metadata": {"name": "nv-1"},
            "spec": all, "status": status});
        serde_json::from_value(object).expect("a Mailbox")
    }

    fn issued(state: &str) -> serde_json::Value {
        json!({"state": state, "address": "a.x@d.vn", "aliases": ["b.x@d.vn"]})
    }

    #[test]
    fn a_write_whose_answer_was_lost_is_told_by_what_stands_there() {
        let secret = |hash: &str, version: &str| {
            let hash = ByteString(hash.as_bytes().to_vec());
            let mut secret = Secret { data: Some([("hash".to_string(), hash)].into()), ..Secret::default() };
            secret.metadata.resource_version = Some(version.into());
            secret
        };
        let of = |found: Option<&Secret>| landed(found, "{ARGON2ID}new", Some("7"));
        assert_eq!(of(Some(&secret("{ARGON2ID}new", "8"))), Landed::Yes);
        assert_eq!(of(Some(&secret("{ARGON2ID}old", "7"))), Landed::NotYet);
        assert_eq!(of(Some(&secret("{ARGON2ID}old", "8"))), Landed::No, "somebody else wrote");
        assert_eq!(of(None), Landed::No);
        assert_eq!(landed(Some(&secret("{ARGON2ID}old", "7")), "{ARGON2ID}new", None), Landed::No);
    }

    #[test]
    fn only_an_account_that_was_issued_and_is_not_over_counts() {
        let found = |spec, state: &str| account(&mailbox(spec, issued(state)), None, now()).is_some();
        for (state, there) in
            [("Active", true), ("MustChangePassword", true), ("Locked", true), ("Pending", false), ("Revoked", false)]
        {
            assert_eq!(found(json!({}), state), there, "{state}");
        }
        assert!(!found(json!({"state": "Revoked"}), "Active"), "decided, not yet in force");
        assert!(!found(json!({"endsOn": "2026-05-31"}), "Active"));
        assert!(found(json!({"endsOn": "2026-07-01"}), "Active"));
        assert!(account(&mailbox(json!({}), json!({"state": "Active"})), None, now()).is_none(), "no address");
    }

    #[test]
    fn r6_2_every_reason_is_told_once_also_one_that_was_just_decided() {
        let mut status = issued("Locked");
        status["locks"] = json!([{"reason": "Inactive", "rule": "6.2.a", "since": "2026-04-01T00:00:00Z"}]);
        let lock = json!({"lock": {"reasons": ["Inactive", "Compromised"],
            "basis": {"number": "9/CV", "date": "2026-03-01", "issuer": "S"}}});
        let locks = account(&mailbox(lock, status), None, now()).expect("an account").locks;
        assert_eq!(locks.iter().map(|l| l.reason).collect::<Vec<_>>(), [LockReason::Inactive, LockReason::Compromised]);
        assert!(locks[0].since.is_some() && locks[1].basis.contains("9/CV"));
    }

    #[test]
    fn r9_1_a_change_takes_the_initial_password_away_and_leaves_all_else() {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": "nv-1-credentials", "resourceVersion": "7", "labels": {"l": "1"},
                "annotations": {"mail.gialai.gov.vn/holder": "A"}},
            "data": {"hash": "b2xk", "initialPassword": "c2VjcmV0", "other": "eA=="}}))
        .expect("a Secret");
        let at: Timestamp = "2026-06-01T08:30:00.123Z".parse().expect("a time");
        let new = changed(secret, "{ARGON2ID}new", at);
        let data = new.data.clone().expect("data");
        assert_eq!(data.keys().map(String::as_str).collect::<Vec<_>>(), ["hash", "other"]);
        assert_eq!(data["hash"].0, b"{ARGON2ID}new");
        assert_eq!(new.metadata.resource_version.as_deref(), Some("7"));
        let annotations = new.metadata.annotations.expect("annotations");
        assert_eq!(annotations[PASSWORD_CHANGED_AT], "2026-06-01T08:30:00Z");
        assert_eq!(annotations["mail.gialai.gov.vn/holder"], "A");
        assert!(new.metadata.labels.is_some());
    }
}
