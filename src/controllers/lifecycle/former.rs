//! Who had the name of a Mailbox before: the account that was issued under it is theirs, and that Mailbox is somebody else's (D-06). They
//! are gone as if no Mailbox stood there (D-14), and the brake knows them by another name than the Mailbox (D-15).

use std::collections::BTreeSet;

use super::super::context::Ctx;
use crate::api::{AddressClaim, Mailbox};
use crate::domain::lifecycle::Key;

/// Whether this Mailbox is of whoever holds the address.
pub(super) fn holds(mailbox: &Mailbox, claim: &AddressClaim) -> bool {
    claim.is_of(mailbox.metadata.uid.as_deref(), &mailbox.spec.full_name)
}

/// The name of the Mailbox under which an account was issued, whatever the account is called ([`AddressClaim::former`]).
pub(super) fn mailbox(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}

/// The claim of who is gone under this name, and what the account is called; nothing where the Mailbox is its holder's.
pub(super) fn gone<C: std::ops::Deref<Target = AddressClaim>>(
    name: &str,
    there: Option<&Mailbox>,
    claim: Option<C>,
) -> Option<(String, C)> {
    let claim = claim?;
    match there {
        None => Some((name.into(), claim)),
        Some(there) if holds(there, &claim) => None,
        Some(_) => Some((claim.former(), claim)),
    }
}

/// The same deeds by what their accounts are called now: a Mailbox of that name came, or went.
pub(super) fn renamed(keys: BTreeSet<Key>, ctx: &Ctx) -> BTreeSet<Key> {
    keys.into_iter().map(|(id, kind, cause)| (present(id, ctx), kind, cause)).collect()
}

/// What this account is called now.
pub(super) fn present(id: String, ctx: &Ctx) -> String {
    let name = mailbox(&id);
    let there = ctx.mailbox(name);
    match gone(name, there.as_deref(), ctx.primary_claim(name)) {
        Some((now, _)) => now,
        None => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim() -> AddressClaim {
        serde_json::from_value(json!({"metadata": {"name": "minhtv.stttt"}, "spec": {"use": "Primary",
            "ownerRef": {"kind": "Mailbox", "name": "nv-1", "uid": "u-1"}, "ownerName": "Trần Văn Minh"}}))
        .expect("a claim")
    }

    fn there(uid: &str, full_name: &str) -> Mailbox {
        let basis = json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"});
        let spec = json!({"agencyRef": {"name": "stttt"}, "fullName": full_name, "basis": basis});
        serde_json::from_value(json!({"metadata": {"name": "nv-1", "uid": uid}, "spec": spec})).expect("a Mailbox")
    }

    #[test]
    fn d_06_d_15_who_had_the_name_before_is_another_account_than_who_has_it() {
        let claim = claim();
        let id = |there: Option<&Mailbox>| gone("nv-1", there, Some(&claim)).map(|(id, _)| id);
        assert_eq!(id(None).as_deref(), Some("nv-1"));
        assert_eq!(id(Some(&there("u-2", "Tran Van Minh"))).as_deref(), Some("nv-1/minhtv.stttt"));
        // The same object, and the same person's.
        assert_eq!(id(Some(&there("u-1", "Tran Van Minh"))), None);
        assert_eq!(id(Some(&there("u-2", "Trần Văn Minh"))), None);
        assert!(gone("nv-1", None, None::<&AddressClaim>).is_none());
        assert_eq!((mailbox("nv-1/minhtv.stttt"), mailbox("nv-1")), ("nv-1", "nv-1"));
    }
}
