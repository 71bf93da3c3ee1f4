//! What of the life of an account outlives its Mailbox: it stands beside the address, so that a Mailbox that is deleted and made again
//! is as it was (D-14), its locks among it (R6.3).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{KubeSchema, ResourceExt};
use serde::{Deserialize, Serialize};

use super::common::whole_second;
use super::{AddressClaim, AddressUse, LockStatus, Mailbox, MailboxStatus, Relieved, Restored};

/// A claim whose age is so far from that of its account was made for another address, or for somebody else.
const FAR: SignedDuration = SignedDuration::from_hours(1);

/// What of a Mailbox's status stands beside its address as well. Most accounts have a moment of issue only: the others are written
/// with the first lock, unlock, proposal, revocation or absence.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptLife {
    /// When the account was issued, which may be before it got this address; where it is not told, with the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,
    /// When the last lock was taken away (D-12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlocked_at: Option<Time>,
    /// Since when its revocation is proposed (8.3.đ).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_at: Option<Time>,
    /// When it was revoked by `spec.state` or `spec.endsOn` of its Mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// The last day of notified absences that were in force (6.2.a).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub absent_until: Option<String>,
    /// Every lock in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub locks: Vec<LockStatus>,
    /// Reasons that a document took away while others stayed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub relieved: Vec<Relieved>,
    /// The last document that asked for the account back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
}

impl KeptLife {
    /// Of a status; none where nothing of it has to outlive the Mailbox. `issued_at` where the address does not tell it.
    pub fn of(status: &MailboxStatus, issued_at: Option<&Time>) -> Option<Self> {
        let status = status.in_whole_seconds();
        let kept = Self {
            issued_at: issued_at.map(whole_second),
            unlocked_at: status.unlocked_at,
            proposed_at: status.proposed_at,
            revoked_at: status.revoked_at,
            absent_until: status.absent_until,
            locks: status.locks,
            relieved: status.relieved,
            restored: status.restored,
        };
        (kept != Self::default()).then_some(kept)
    }
}

impl AddressClaim {
    /// What is to stand beside this address of an account with this status.
    pub fn to_keep(&self, status: &MailboxStatus) -> Option<KeptLife> {
        let known = self.spec.life.as_ref().and_then(|life| life.issued_at.as_ref());
        let made = self.creation_timestamp();
        let other = |issued: &&Time| made.as_ref().is_some_and(|made| made.0.duration_since(issued.0).abs() > FAR);
        KeptLife::of(status, known.or_else(|| status.issued_at.as_ref().filter(other)))
    }

    /// Since when its holder has it, as a Primary address.
    pub fn issued_at(&self) -> Option<Time> {
        let told = self.spec.life.as_ref().and_then(|life| life.issued_at.clone());
        told.or_else(|| self.creation_timestamp())
    }

    /// The moment of issue that it was told. It stays with the account through renames, transfers and a Mailbox that is made again.
    pub fn told_issued_at(&self) -> Option<Timestamp> {
        self.spec.life.as_ref()?.issued_at.as_ref().map(|at| at.0)
    }

    /// Whether the Mailbox was made again since the address was issued to its holder.
    pub fn is_of_earlier(&self, mailbox: &Mailbox) -> bool {
        let uid = mailbox.metadata.uid.as_deref();
        self.spec.owner_ref.uid.as_deref() != uid && self.is_of(uid, &mailbox.spec.full_name)
    }
}

impl Mailbox {
    /// The Mailbox with the life of its account in its status, if it was made again, or lost its status: `claim` is that of its
    /// address. Nothing where the status is the newest that is known.
    pub fn remembered(&self, claim: Option<&AddressClaim>) -> Option<Self> {
        let issued = self.status.as_ref().is_some_and(|status| status.issued_at.is_some());
        let claim = claim.filter(|claim| !issued && claim.spec.address_use == AddressUse::Primary)?;
        let spec = &claim.spec;
        if !claim.is_of(self.metadata.uid.as_deref(), &self.spec.full_name) {
            return None;
        }
        // The address of a Mailbox that is new is its own, and says nothing yet.
        let kept = spec.life.clone().unwrap_or_default();
        let says_nothing = KeptLife { issued_at: None, ..kept.clone() } == KeptLife::default();
        if spec.owner_ref.uid == self.metadata.uid && says_nothing && spec.revoked_at.is_none() {
            return None;
        }
        let mut known = self.clone();
        let status = known.status.get_or_insert_default();
        status.issued_at = claim.issued_at();
        status.unlocked_at = kept.unlocked_at;
        status.proposed_at = kept.proposed_at;
        // Revoked since the first of the two: by its file, or with it.
        let revoked = [kept.revoked_at, spec.revoked_at.clone()];
        status.revoked_at = revoked.into_iter().flatten().min_by_key(|at| at.0);
        status.absent_until = kept.absent_until;
        (status.locks, status.relieved, status.restored) = (kept.locks, kept.relieved, kept.restored);
        Some(known)
    }

    /// Locks of people that were in force and never said: the journal could not be written, or the operator ended. Taking one out is
    /// taking back a lock all the same (R6.3).
    pub fn unsaid_locks<'c>(&self, claim: &'c AddressClaim) -> Vec<&'c LockStatus> {
        let same = claim.spec.owner_ref.uid.is_some() && claim.spec.owner_ref.uid == self.metadata.uid;
        let Some(status) = self.status.as_ref().filter(|status| same && status.issued_at.is_some()) else {
            return Vec::new();
        };
        let after = status.unlocked_at.as_ref().map_or(Timestamp::MIN, |at| at.0);
        let wanted = |lock: &LockStatus| self.spec.lock.iter().any(|wanted| wanted.reasons.contains(&lock.reason));
        let said = |lock: &LockStatus| status.locks.iter().any(|known| known.reason == lock.reason);
        let unsaid = |lock: &&LockStatus| lock.basis.is_some() && lock.since.0 > after && !wanted(lock) && !said(lock);
        claim.spec.life.iter().flat_map(|life| &life.locks).filter(unsaid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn basis() -> Json {
        json!({"number": "9/CV", "date": "2026-03-01", "issuer": "STTTT"})
    }

    fn mailbox(uid: &str, more: &Json, status: &Json) -> Mailbox {
        let mut spec = json!({"agencyRef": {"name": "stttt"}, "fullName": "Trần Đình Nguyên", "basis": basis()});
        spec.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
        serde_json::from_value(json!({"metadata": {"name": "nv-1", "uid": uid}, "spec": spec, "status": status}))
            .expect("a Mailbox")
    }

    fn claim(uid: &str, more: &Json) -> AddressClaim {
        let owner = json!({"kind": "Mailbox", "name": "nv-1", "uid": uid});
        let mut spec = json!({"use": "Primary", "ownerRef": owner, "ownerName": "Trần Đình Nguyên", "agency": "stttt"});
        spec.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
        let metadata = json!({"name": "nguyentd.stttt", "creationTimestamp": "2026-01-02T00:00:00Z"});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).expect("an AddressClaim")
    }

    fn full() -> Json {
        json!({"issuedAt": "2026-01-02T00:00:00Z", "unlockedAt": "2026-02-01T00:00:00Z", "absentUntil": "2026-03-31",
            "proposedAt": "2026-09-01T00:00:00Z", "revokedAt": "2026-10-01T00:00:00Z",
            "locks": [{"reason": "Inactive", "rule": "6.2.a", "since": "2026-07-01T00:00:00Z", "byTerm": true, "basis": basis()}],
            "relieved": [{"reason": "DefaultPassword", "at": "2026-06-01T00:00:00Z"}],
            "restored": {"document": "7/CV", "receivedAt": "2026-05-01T00:00:00Z", "overdue": true}})
    }

    #[test]
    fn d_14_r6_3_what_a_mailbox_that_is_made_again_is_told_is_all_that_its_status_said() {
        let old = mailbox("u-1", &json!({}), &full());
        let status = old.status.clone().expect("status");
        let mut claim = claim("u-1", &json!({}));
        claim.spec.life = claim.to_keep(&status);
        // Through the API server and back.
        let read: AddressClaim = serde_json::from_value(json!(claim)).expect("the same");
        assert_eq!(read.to_keep(&status), read.spec.life, "nothing is written again");
        let new = mailbox("u-2", &json!({}), &json!({}));
        let back = new.remembered(Some(&read)).expect("it is known");
        assert_eq!(back.status, Some(status));
        assert_eq!(back.life(None), Mailbox { metadata: new.metadata, ..old }.life(None));
    }

    #[test]
    fn d_14_an_account_of_which_nothing_happened_costs_no_write() {
        let status =
            json!({"issuedAt": "2026-01-02T00:00:01Z", "passwordChangedAt": "2026-01-03T00:00:00Z", "state": "Active"});
        let issued = mailbox("u-1", &json!({}), &status);
        let claim = claim("u-1", &json!({}));
        assert_eq!(claim.to_keep(issued.status.as_ref().expect("status")), None);
        assert_eq!(issued.remembered(Some(&claim)), None);
        assert_eq!(mailbox("u-1", &json!({}), &json!({})).remembered(Some(&claim)), None, "it is being issued");
        // Of an account with another address than it was issued with, the address is younger.
        let old = MailboxStatus {
            issued_at: Some(Time("2025-06-01T00:00:00Z".parse().expect("a time"))),
            ..MailboxStatus::default()
        };
        assert_eq!(claim.to_keep(&old).and_then(|life| life.issued_at), old.issued_at);
    }

    #[test]
    fn r6_2_d_d_19_an_address_that_somebody_else_had_says_since_when_it_is_its_holders() {
        let later = "2026-07-01T00:00:00Z";
        let taken = claim("u-1", &json!({"life": {"issuedAt": later}}));
        assert_eq!(taken.issued_at(), Some(Time(later.parse().expect("a time"))));
        let new = mailbox("u-1", &json!({}), &json!({}));
        assert_eq!(new.remembered(Some(&taken)), None, "it is being issued");
        let again = mailbox("u-2", &json!({}), &json!({})).remembered(Some(&taken)).expect("it is known");
        assert_eq!(again.life(None).issued_at, Some(later.parse().expect("a time")));
        assert_eq!(taken.to_keep(&again.status.expect("status")), taken.spec.life, "nothing is written again");
        // Of one that was issued before this stood in claims, it is written down where the claim is older by far.
        let status = MailboxStatus { issued_at: taken.issued_at(), ..MailboxStatus::default() };
        assert_eq!(claim("u-1", &json!({})).to_keep(&status), taken.spec.life);
    }

    #[test]
    fn d_14_one_that_was_revoked_with_its_file_is_known_as_revoked_and_nobody_else_gets_its_life() {
        let claim =
            claim("u-1", &json!({"revokedAt": "2026-02-01T00:00:00Z", "life": {"revokedAt": "2026-03-01T00:00:00Z"}}));
        let back = mailbox("u-2", &json!({}), &json!({})).remembered(Some(&claim)).expect("known").life(None);
        assert_eq!(back.revoked_at, Some("2026-02-01T00:00:00Z".parse().expect("a time")));
        assert_eq!(back.issued_at, Some("2026-01-02T00:00:00Z".parse().expect("a time")));
        let other = mailbox("u-2", &json!({"fullName": "Lê Thị Hoa"}), &json!({}));
        assert_eq!((other.remembered(Some(&claim)), claim.is_of_earlier(&other)), (None, false));
    }

    #[test]
    fn r6_2_b_a_lock_that_was_never_said_is_one_until_it_is_taken_back() {
        let status = json!({"issuedAt": "2026-01-02T00:00:00Z", "unlockedAt": "2026-02-01T00:00:00Z"});
        let lock = |since: &str| json!({"life": {"locks": [{"reason": "Compromised", "rule": "6.2.b", "since": since, "basis": basis()}]}});
        let unsaid = claim("u-1", &lock("2026-03-01T00:00:00Z"));
        assert_eq!(mailbox("u-1", &json!({}), &status).unsaid_locks(&unsaid).len(), 1);
        let wanted = json!({"lock": {"reasons": ["Compromised"], "basis": basis()}});
        assert_eq!(mailbox("u-1", &wanted, &status).unsaid_locks(&unsaid).len(), 0, "it will be said");
        let old = claim("u-1", &lock("2026-01-20T00:00:00Z"));
        assert_eq!(mailbox("u-1", &json!({}), &status).unsaid_locks(&old).len(), 0, "a cache that is behind");
    }
}
