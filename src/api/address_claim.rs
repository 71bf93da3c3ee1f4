//! AddressClaim: one object per address ever issued; its name is the local part, so that the API server itself
//! guarantees that an address has one holder (D-05).

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::KeptLife;
use crate::domain::naming::moving::{Issued, Left};
use crate::domain::naming::{Held, Purged, Use, same_name};

/// Label of a claim that holds an address for nobody, because several wanted it (D-03).
pub const CONTESTED: &str = "mail.gialai.gov.vn/contested";
/// Annotation of such a claim with the names of the Mailboxes that left the address.
pub const LEFT_BY: &str = "mail.gialai.gov.vn/left-by";
/// Annotation of one that somebody deleted and the operator made again, until that is written down (R5.2).
pub const MADE_AGAIN: &str = "mail.gialai.gov.vn/made-again";
/// Annotation: why the mail server removed nothing in the last attempt, until that is written down (R5.2, D-14).
pub const REFUSED_BECAUSE: &str = "mail.gialai.gov.vn/refused-because";

/// What an address is used for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum AddressUse {
    /// The address of a mailbox.
    #[default]
    Primary,
    /// A further address of a mailbox.
    Alias,
    /// The address of a purged or renamed mailbox, kept free of new holders (D-19).
    Tombstone,
    /// Kept for the system itself.
    Reserved,
}

/// The holder of an address.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerRef {
    /// Kind of the holder, `Mailbox` today.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the holder.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// uid of the object that holds it now. After a deletion and a new object of the same name it differs: then the
    /// names of the holders are compared (D-06, D-14) before the mail is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
}

/// The removal of what is kept of an account (D-14). It begins with this: whoever continues it needs nothing else, and whoever comes
/// under the same name meanwhile gets nothing of it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Purging {
    /// Since when the account was revoked.
    pub revoked_at: Time,
    /// Which attempt this is, from 1.
    #[schemars(range(min = 1))]
    pub attempt: i64,
    /// The mail server removed nothing in this attempt; until then nobody knows whether it did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// One address ever issued. Written by the operator alone.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, PartialEq, KubeSchema)]
#[kube(
    group = "mail.gialai.gov.vn",
    version = "v1alpha1",
    kind = "AddressClaim",
    plural = "addressclaims",
    singular = "addressclaim",
    shortname = "addr",
    category = "mail",
    namespaced,
    derive = "PartialEq",
    doc = "One address ever issued; its name is the local part. Written by the operator alone.",
    validation = Rule::new("self.metadata.name.size() <= 64")
        .message("RFC 5321 4.5.3.1.1: a local part has at most 64 octets; use a shorter name"),
    printcolumn(name = "Use", type_ = "string", json_path = ".spec.use"),
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.ownerRef.name"),
    printcolumn(name = "Holder", type_ = "string", json_path = ".spec.ownerName"),
    printcolumn(name = "Until", type_ = "string", json_path = ".spec.until", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AddressClaimSpec {
    /// What the address is used for.
    #[serde(rename = "use")]
    pub address_use: AddressUse,
    /// Who holds it.
    pub owner_ref: OwnerRef,
    /// Full name of the holder at the time of issue (for the same-name test of D-06).
    #[schemars(length(max = 400))]
    pub owner_name: String,
    /// The Agency whose suffix it has, while it is a Primary one: another one in the Mailbox is a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub agency: Option<String>,
    /// The document of `spec.rename` on whose request it was issued; each document is handled once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 400))]
    pub rename: Option<String>,
    /// Since when the account of a Mailbox that is gone is revoked and kept (D-14); absent while the Mailbox is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// The document that keeps the account from being purged (D-14): that of `spec.hold` of its Mailbox, also when that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 400))]
    pub hold: Option<String>,
    /// The notified absence of its holder that the journal has last: `spec.absence` of its Mailbox (6.2.a).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 440))]
    pub absence: Option<String>,
    /// The document of a revocation that the journal has last: `spec.ending` of its Mailbox (R5.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 400))]
    pub ending: Option<String>,
    /// Where the removal of its holder's account stands, from its begin on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purging: Option<Purging>,
    /// When the account of its holder was purged (D-14): what is issued under that name since then has nothing to do with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<Time>,
    /// What of the life of the account outlives its Mailbox, while the address is a Primary one: with a new Mailbox it is in force
    /// again. Written before the Mailbox's status says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<KeptLife>,
    /// Until when a former address is an alias, or a tombstone (D-19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl AddressClaim {
    /// How it keeps others from its address (D-05).
    pub fn held(&self) -> Held {
        let address_use = match self.spec.address_use {
            AddressUse::Primary => Use::Primary,
            AddressUse::Alias => Use::Alias,
            AddressUse::Tombstone => Use::Tombstone,
            AddressUse::Reserved => Use::Reserved,
        };
        let free_from = self.spec.until.as_ref().map(|until| until.0);
        let purged = self.spec.purged_at.as_ref().map(|_| Purged { free_from });
        let (owner, name) = (self.spec.owner_ref.name.clone(), self.spec.owner_name.clone());
        Held { owner, name, address_use, purged }
    }

    /// Whether it belongs to the account of the Mailbox of this name: nothing does that was purged.
    pub fn belongs_to(&self, mailbox: &str) -> bool {
        let owner = &self.spec.owner_ref;
        owner.kind == "Mailbox" && owner.name == mailbox && self.spec.purged_at.is_none()
    }

    /// Whether what is kept of the account of its holder is being removed: it may be gone already, so nobody gets it back.
    pub fn is_being_purged(&self) -> bool {
        self.spec.purged_at.is_none() && self.spec.purging.as_ref().is_some_and(|purging| !purging.refused)
    }

    /// What names it, if somebody deleted the one before it and that is still to be written down.
    pub fn made_again(&self) -> Option<String> {
        self.annotations().get(MADE_AGAIN).and_then(|_| self.uid())
    }

    /// Whether it is a tombstone whose time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let tombstone = self.spec.address_use == AddressUse::Tombstone && self.spec.owner_ref.kind == "Mailbox";
        tombstone && self.spec.until.as_ref().is_some_and(|until| until.0 <= now)
    }

    /// What becomes of it when the account of its holder is purged `now`: nobody's until `until`, or as long as it is already. It keeps
    /// what keeps others from the address (whose it was, D-06, D-19) and tells of the purge (D-14), and nothing else of the person.
    pub fn buried(&self, uid: Option<String>, now: Timestamp, until: Timestamp) -> AddressClaimSpec {
        let known = self.spec.until.as_ref().filter(|_| self.spec.address_use == AddressUse::Tombstone);
        let until = known.map_or(until, |known| known.0.max(until));
        let owner_ref =
            OwnerRef { uid: uid.or_else(|| self.spec.owner_ref.uid.clone()), ..self.spec.owner_ref.clone() };
        AddressClaimSpec {
            address_use: AddressUse::Tombstone,
            owner_ref,
            owner_name: self.spec.owner_name.clone(),
            until: Some(Time(until)),
            purged_at: Some(Time(now)),
            ..AddressClaimSpec::default()
        }
    }

    /// The Mailboxes that left the address to several, if it is held for nobody but to remember that (D-03).
    pub fn left_by(&self) -> Option<BTreeSet<String>> {
        if self.spec.address_use != AddressUse::Reserved || !self.labels().contains_key(CONTESTED) {
            return None;
        }
        let names = self.annotations().get(LEFT_BY).map(String::as_str).unwrap_or_default();
        Some(names.split(',').filter(|name| !name.is_empty()).map(String::from).collect())
    }

    /// What its address was issued for.
    pub fn issued(&self) -> Issued<'_> {
        Issued {
            local_part: self.metadata.name.as_deref().unwrap_or_default(),
            agency: self.spec.agency.as_deref(),
            rename: self.spec.rename.as_deref(),
            name: &self.spec.owner_name,
        }
    }

    /// What it is to a holder who left its address, while mail to it arrives.
    pub fn left(&self) -> Option<Left<'_>> {
        let (agency, until) = (self.spec.agency.as_deref()?, self.spec.until.as_ref()?.0);
        let local_part = self.metadata.name.as_deref().filter(|_| self.spec.address_use == AddressUse::Alias)?;
        Some(Left { local_part, agency, name: &self.spec.owner_name, until })
    }

    /// What the account of its holder is called where a Mailbox of that name is somebody else's: no name of an object has such a letter.
    pub fn former(&self) -> String {
        format!("{}/{}", self.spec.owner_ref.name, self.metadata.name.as_deref().unwrap_or_default())
    }

    /// Whether the Mailbox of its holder's name is its holder: the same object, or one of the same person (D-06, D-14).
    pub fn is_of(&self, uid: Option<&str>, full_name: &str) -> bool {
        let same_object = uid.is_some() && self.spec.owner_ref.uid.as_deref() == uid;
        same_object || same_name(&self.spec.owner_name, full_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    fn claim(address_use: AddressUse, until: Option<&str>) -> AddressClaim {
        let owner_ref = OwnerRef { kind: "Mailbox".into(), name: "nv-1".into(), uid: Some("u-1".into()) };
        let until = until.map(|until| Time(at(until)));
        let (owner_name, hold) = ("Lê An".to_string(), Some("1/TA".to_string()));
        AddressClaim::new(
            "anl.x",
            AddressClaimSpec { address_use, owner_ref, owner_name, until, hold, ..AddressClaimSpec::default() },
        )
    }

    #[test]
    fn d_19_what_is_purged_is_nobodys_for_its_time_and_no_tombstone_ends_sooner() {
        let (now, until) = (at("2027-03-01T00:00:00Z"), at("2029-03-01T00:00:00Z"));
        let buried = |claim: &AddressClaim| AddressClaim::new("anl.x", claim.buried(Some("u-2".into()), now, until));
        for (claim, end) in [
            (claim(AddressUse::Primary, None), until),
            (claim(AddressUse::Alias, Some("2027-05-01T00:00:00Z")), until),
            (claim(AddressUse::Tombstone, Some("2028-01-01T00:00:00Z")), until),
            (claim(AddressUse::Tombstone, Some("2029-08-01T00:00:00Z")), at("2029-08-01T00:00:00Z")),
        ] {
            let buried = buried(&claim);
            assert_eq!(
                (buried.spec.address_use, buried.spec.until.as_ref().map(|at| at.0)),
                (AddressUse::Tombstone, Some(end))
            );
            assert_eq!((buried.spec.owner_ref.uid.as_deref(), &buried.spec.hold), (Some("u-2"), &None));
            assert!(claim.belongs_to("nv-1") && !buried.belongs_to("nv-1") && !buried.held().is_of("nv-1"));
            assert!(claim.held().is_of("nv-1") && buried.held().purged == Some(Purged { free_from: Some(end) }));
            assert!(!buried.is_over(at("2029-02-28T00:00:00Z")) && buried.is_over(end));
        }
        assert!(!claim(AddressUse::Alias, Some("2020-05-01T00:00:00Z")).is_over(now));
    }
    #[test]
    fn d_14_d_19_a_tombstone_of_somebody_who_was_purged_keeps_nothing_of_locks_documents_and_body() {
        let (now, until) = (at("2027-03-01T00:00:00Z"), at("2029-03-01T00:00:00Z"));
        let basis = json!({"number": "9/CV", "date": "2026-03-01", "issuer": "STTTT"});
        let lock = json!({"reason": "Compromised", "rule": "6.2.b", "since": "2026-07-01T00:00:00Z", "basis": basis});
        let known: AddressClaim = serde_json::from_value(json!({"metadata": {"name": "anl.x"}, "spec": {
            "use": "Primary", "ownerRef": {"kind": "Mailbox", "name": "nv-1", "uid": "u-1"}, "ownerName": "Lê An",
            "agency": "x", "rename": "2/CV", "hold": "1/TA", "absence": "2026-03-01 to 2026-06-30: 7/CV", "ending": "3/QĐ", "revokedAt": "2026-08-01T00:00:00Z", "life": {"locks": [lock]}}}))
        .expect("a claim");
        let left = json!({"use": "Tombstone", "ownerRef": {"kind": "Mailbox", "name": "nv-1", "uid": "u-1"},
            "ownerName": "Lê An", "purgedAt": "2027-03-01T00:00:00Z", "until": "2029-03-01T00:00:00Z"});
        assert_eq!(json!(known.buried(None, now, until)), left);
        // Whoever is called the same has the address in the way like everybody else, and is told whose it was.
        let held = AddressClaim::new("anl.x", known.buried(None, now, until)).held();
        assert_eq!((held.name.as_str(), held.address_use), ("Lê An", Use::Tombstone));
    }
}
