//! Who belongs to whom: answers that would else need a scan of everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::jiff::Timestamp;
use kube::Resource;

use super::heirs::Heirs;
use crate::api::{AddressClaim, Mailbox};

/// Indexes of one namespace.
#[derive(Default)]
pub struct Index {
    claims: HashMap<String, BTreeSet<String>>,
    owner_of: HashMap<String, String>,
    /// uid of a Mailbox whose account was purged → its addresses, and when.
    purged: HashMap<String, BTreeMap<String, Timestamp>>,
    purged_of: HashMap<String, String>,
    by_agency: HashMap<String, BTreeSet<String>>,
    agency_of: HashMap<String, String>,
    waiting: HashMap<String, BTreeSet<String>>,
    pinned: HashMap<String, BTreeSet<String>>,
    pin_of: HashMap<String, String>,
    policy_of: HashMap<String, Option<String>>,
    /// Successors of revoked accounts.
    pub heirs: Heirs,
}

impl Index {
    /// A claim is there.
    pub fn claim(&mut self, local_part: &str, claim: &AddressClaim) {
        self.unclaim(local_part);
        if claim.spec.owner_ref.kind != Mailbox::kind(&()) {
            return;
        }
        if let Some(at) = &claim.spec.purged_at {
            // It is not of whoever has that name now.
            if let Some(uid) = &claim.spec.owner_ref.uid {
                self.purged.entry(uid.clone()).or_default().insert(local_part.into(), at.0);
                self.purged_of.insert(local_part.into(), uid.clone());
            }
            return;
        }
        self.claims.entry(claim.spec.owner_ref.name.clone()).or_default().insert(local_part.into());
        self.owner_of.insert(local_part.into(), claim.spec.owner_ref.name.clone());
    }

    /// A claim is gone.
    pub fn unclaim(&mut self, local_part: &str) {
        if let Some(uid) = self.purged_of.remove(local_part)
            && let Some(addresses) = self.purged.get_mut(&uid)
        {
            addresses.remove(local_part);
            if addresses.is_empty() {
                self.purged.remove(&uid);
            }
        }
        if let Some(owner) = self.owner_of.remove(local_part)
            && let Some(set) = self.claims.get_mut(&owner)
        {
            set.remove(local_part);
            if set.is_empty() {
                self.claims.remove(&owner);
            }
        }
    }

    /// All claims, after a list.
    pub fn rebuild_claims<'a>(&mut self, claims: impl Iterator<Item = (String, &'a AddressClaim)>) {
        self.claims.clear();
        self.owner_of.clear();
        self.purged.clear();
        self.purged_of.clear();
        for (local_part, claim) in claims {
            self.claim(&local_part, claim);
        }
    }

    /// Local parts that a mailbox holds.
    pub fn claims_of(&self, mailbox: &str) -> Vec<String> {
        self.claims.get(mailbox).map(|set| set.iter().cloned().collect()).unwrap_or_default()
    }

    /// When the account of the Mailbox with this uid was purged, as its tombstones tell it.
    pub fn purged_at(&self, uid: Option<&str>) -> Option<Timestamp> {
        self.purged.get(uid?)?.values().max().copied()
    }

    /// Every holder of an address.
    pub fn owners(&self) -> Vec<String> {
        self.claims.keys().cloned().collect()
    }

    /// A mailbox belongs to an agency.
    pub fn mailbox(&mut self, mailbox: &str, agency: &str) {
        if self.agency_of.get(mailbox).is_some_and(|old| old == agency) {
            return;
        }
        self.forget_agency(mailbox);
        self.agency_of.insert(mailbox.into(), agency.into());
        self.by_agency.entry(agency.into()).or_default().insert(mailbox.into());
    }

    /// A mailbox is gone; others who pin the same address.
    pub fn forget(&mut self, mailbox: &str) -> BTreeSet<String> {
        self.forget_agency(mailbox);
        self.policy_of.remove(mailbox);
        self.stop_waiting(mailbox);
        self.pin(mailbox, None)
    }

    /// A mailbox pins this address in its spec; others who pin it, or the one before it.
    pub fn pin(&mut self, mailbox: &str, local_part: Option<&str>) -> BTreeSet<String> {
        let old = self.pin_of.get(mailbox).cloned();
        if old.as_deref() == local_part {
            return BTreeSet::new();
        }
        let mut others = BTreeSet::new();
        if let Some(old) = old
            && let Some(set) = self.pinned.get_mut(&old)
        {
            set.remove(mailbox);
            others.extend(set.iter().cloned());
            if set.is_empty() {
                self.pinned.remove(&old);
            }
        }
        self.pin_of.remove(mailbox);
        if let Some(new) = local_part {
            let set = self.pinned.entry(new.into()).or_default();
            others.extend(set.iter().cloned());
            set.insert(mailbox.into());
            self.pin_of.insert(mailbox.into(), new.into());
        }
        others
    }

    /// Who pins an address.
    pub fn pinned_by(&self, local_part: &str) -> BTreeSet<String> {
        self.pinned.get(local_part).cloned().unwrap_or_default()
    }

    fn forget_agency(&mut self, mailbox: &str) {
        if let Some(agency) = self.agency_of.remove(mailbox)
            && let Some(set) = self.by_agency.get_mut(&agency)
        {
            set.remove(mailbox);
        }
    }

    /// Mailboxes of an agency.
    pub fn mailboxes_of(&self, agency: &str) -> Vec<String> {
        self.by_agency.get(agency).map(|set| set.iter().cloned().collect()).unwrap_or_default()
    }

    /// A mailbox waits for an address that another one holds.
    pub fn wait_for(&mut self, mailbox: &str, local_part: &str) {
        self.stop_waiting(mailbox);
        self.waiting.entry(local_part.into()).or_default().insert(mailbox.into());
    }

    /// A mailbox waits no more.
    pub fn stop_waiting(&mut self, mailbox: &str) {
        self.waiting.retain(|_, set| {
            set.remove(mailbox);
            !set.is_empty()
        });
    }

    /// Who waits for an address.
    pub fn waiting_for(&self, local_part: &str) -> Vec<String> {
        self.waiting.get(local_part).map(|set| set.iter().cloned().collect()).unwrap_or_default()
    }

    /// The policy that is in force for a mailbox; tells whether that changed.
    pub fn set_policy(&mut self, mailbox: &str, policy: Option<&str>) -> bool {
        let new = policy.map(String::from);
        if self.policy_of.get(mailbox) == Some(&new) {
            return false;
        }
        self.policy_of.insert(mailbox.into(), new);
        true
    }

    /// How many mailboxes each policy is in force for.
    pub fn policy_counts(&self) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for policy in self.policy_of.values().flatten() {
            *counts.entry(policy.clone()).or_insert(0) += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AddressClaimSpec, AddressUse, OwnerRef};

    fn claim(owner: &str) -> AddressClaim {
        let owner_ref = OwnerRef { kind: "Mailbox".into(), name: owner.into(), uid: None };
        AddressClaim::new(
            "x",
            AddressClaimSpec { address_use: AddressUse::Primary, owner_ref, ..AddressClaimSpec::default() },
        )
    }

    #[test]
    fn a_claim_that_changes_its_owner_leaves_the_old_one() {
        let mut index = Index::default();
        index.claim("a.x", &claim("m1"));
        index.claim("a.x", &claim("m2"));
        assert!(index.claims_of("m1").is_empty());
        assert_eq!(index.claims_of("m2"), ["a.x"]);
        assert_eq!(index.owners(), ["m2"]);
        index.unclaim("a.x");
        assert!(index.owners().is_empty());
    }

    #[test]
    fn d_14_what_was_purged_is_of_its_object_and_not_of_its_name() {
        let (mut index, at) = (Index::default(), Timestamp::from_second(1).expect("a time"));
        let mut purged = claim("m1");
        purged.spec.owner_ref.uid = Some("u-1".into());
        index.claim("a.x", &purged);
        assert_eq!((index.claims_of("m1").len(), index.purged_at(Some("u-1"))), (1, None));
        purged.spec = purged.buried(None, at, at);
        index.claim("a.x", &purged);
        assert!(index.claims_of("m1").is_empty() && index.owners().is_empty());
        assert_eq!(
            (index.purged_at(Some("u-1")), index.purged_at(Some("u-2")), index.purged_at(None)),
            (Some(at), None, None)
        );
        index.unclaim("a.x");
        assert_eq!(index.purged_at(Some("u-1")), None);
    }

    #[test]
    fn a_mailbox_that_moves_belongs_to_one_agency() {
        let mut index = Index::default();
        index.mailbox("m", "a");
        index.mailbox("m", "b");
        assert!(index.mailboxes_of("a").is_empty());
        assert_eq!(index.mailboxes_of("b"), ["m"]);
    }

    #[test]
    fn who_waits_is_told_once_and_counts_follow() {
        let mut index = Index::default();
        index.wait_for("m", "a.x");
        index.wait_for("m", "b.x");
        assert!(index.waiting_for("a.x").is_empty());
        assert_eq!(index.waiting_for("b.x"), ["m"]);
        assert!(index.set_policy("m", Some("p")));
        assert!(!index.set_policy("m", Some("p")));
        assert_eq!(index.policy_counts().get("p"), Some(&1));
        index.forget("m");
        assert!(index.policy_counts().is_empty());
    }

    #[test]
    fn d_21_others_who_pin_an_address_are_told_when_one_comes_or_goes() {
        let mut index = Index::default();
        assert!(index.pin("a", Some("x")).is_empty());
        assert_eq!(index.pin("b", Some("x")), ["a".to_string()].into());
        assert!(index.pin("b", Some("x")).is_empty(), "nothing new");
        assert_eq!(index.pin("b", Some("y")), ["a".to_string()].into());
        assert_eq!(index.pinned_by("x"), ["a".to_string()].into());
        index.pin("c", Some("y"));
        assert_eq!(index.forget("b"), ["c".to_string()].into());
        index.forget("c");
        assert!(index.pinned_by("y").is_empty());
    }
}
