//! What keeps somebody from coming back to an address that was left to several (D-03), whenever the operator is killed: an
//! AddressClaim of the system that names who left it. Whoever else wants the address takes the claim over.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tracing::warn;

use super::super::context::Ctx;
use super::super::runner::Error;
use crate::api::{AddressClaim, AddressClaimSpec, AddressUse, CONTESTED, LEFT_BY, OwnerRef};
use crate::domain::naming::{LocalPart, Request};
use crate::kube_io::Created;
use crate::resources::MANAGED_BY;

/// Whether a claim holds an address for nobody.
pub(in super::super) fn is_mark(claim: &AddressClaim) -> bool {
    claim.left_by().is_some()
}

/// The same claim, to be somebody's.
pub(in super::super) fn unmarked(mut claim: AddressClaim) -> AddressClaim {
    claim.labels_mut().remove(CONTESTED);
    claim.annotations_mut().remove(LEFT_BY);
    claim
}

/// Addresses that each Mailbox left to several.
pub(super) fn left(ctx: &Ctx) -> BTreeMap<String, BTreeSet<LocalPart>> {
    let mut left: BTreeMap<String, BTreeSet<LocalPart>> = BTreeMap::new();
    for claim in ctx.stores.claims.state() {
        let (Some(names), Ok(local_part)) = (claim.left_by(), LocalPart::parse(&claim.name_any(), "")) else {
            continue;
        };
        for name in names {
            left.entry(name).or_default().insert(local_part.clone());
        }
    }
    left
}

/// Writes down who left an address. One that somebody has by now needs no mark: it is taken.
pub(super) async fn mark(ctx: &Ctx, local_part: &LocalPart, left: &BTreeSet<String>) -> Result<(), Error> {
    let name = local_part.as_str();
    let known = ctx.stores.claims.get(&ObjectRef::new(name).within(ctx.io.namespace()));
    if known.is_some_and(|c| c.left_by().is_some_and(|by| left.is_subset(&by))) {
        return Ok(());
    }
    if let Created::New(_) = ctx.io.create(&new(ctx, name, left)).await? {
        return Ok(());
    }
    let Some(mut claim) = ctx.io.get::<AddressClaim>(name).await? else { return Ok(()) };
    let Some(by) = claim.left_by() else { return Ok(()) };
    let names = left.iter().cloned().chain(by).collect::<BTreeSet<_>>();
    claim.annotations_mut().insert(LEFT_BY.into(), joined(&names));
    ctx.io.replace(&claim).await?;
    Ok(())
}

fn new(ctx: &Ctx, name: &str, left: &BTreeSet<String>) -> AddressClaim {
    let system = ctx.system().map(|s| s.name_any()).unwrap_or_default();
    let owner_ref = OwnerRef { kind: "MailSystem".into(), name: system, uid: None };
    let spec = AddressClaimSpec { address_use: AddressUse::Reserved, owner_ref, ..AddressClaimSpec::default() };
    let mut claim = AddressClaim::new(name, spec);
    claim.metadata.namespace = Some(ctx.io.namespace().into());
    claim.labels_mut().insert("app.kubernetes.io/managed-by".into(), MANAGED_BY.into());
    claim.labels_mut().insert(CONTESTED.into(), "true".into());
    claim.annotations_mut().insert(LEFT_BY.into(), joined(left));
    claim
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// Takes away each mark that keeps nobody of `requests`, who have no address yet, from anything.
pub(super) async fn clear(ctx: &Ctx, requests: &[Request]) {
    for claim in ctx.stores.claims.state() {
        let (name, Some(left)) = (claim.name_any(), claim.left_by()) else { continue };
        let wants = |r: &Request| left.contains(&r.id) && r.wish.local_parts().iter().any(|l| l.as_str() == name);
        if !requests.iter().any(wants)
            && let Err(error) = ctx.io.delete_exactly(claim.as_ref()).await
        {
            warn!(address = name, %error, "a mark of a contested address cannot be taken away yet");
        }
    }
}
