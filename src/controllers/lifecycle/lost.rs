//! Accounts whose address was deleted with the Mailbox. An address that was issued has a holder (D-05): it is claimed again for whoever
//! had it, as far as anybody knows that, so that what is gone is revoked and kept as any other (D-14).

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use tracing::{info, warn};

use super::super::context::Ctx;
use super::effects::is_gone;
use super::{NAMED, former};
use crate::api::{AddressClaim, AddressClaimSpec, AddressUse, KeptLife, Mailbox, OwnerRef};
use crate::domain::lifecycle::Account;
use crate::kube_io::{Created, Error};
use crate::resources::MANAGED_BY;

/// Addresses that one look claims again at most.
const MOST: usize = 500;
/// Calls at the same time.
const AT_ONCE: usize = 8;
/// What the address said of documents went with it: nothing is purged before a person looked (D-14). A Mailbox that is put back says anew
/// what holds.
const HELD: &str = "unknown: the address was deleted with its Mailbox (D-14)";
/// Whose name nobody knows: it is like no other, so nobody is given what belongs to them.
const UNKNOWN: &str = "(unknown)";

/// The local part under which the mail server shall have an account that nobody claims any more.
pub(super) fn lost(mailbox: &str, ctx: &Ctx) -> Option<String> {
    if ctx.primary_claim(mailbox).is_some() {
        return None;
    }
    let projection = ctx.syncer.projection();
    let row = projection.desired(mailbox).filter(|_| projection.has(mailbox))?;
    let (local, domain) = row.address.split_once('@')?;
    ctx.system().is_some_and(|system| system.spec.domain == domain).then(|| local.to_string())
}

/// Claims the addresses again; of whom that is not possible, since somebody else has the address.
pub(super) async fn claim_again(accounts: &[Account], ctx: &Ctx) -> BTreeSet<String> {
    let gone = accounts.iter().filter(|account| account.gone).map(|account| former::mailbox(&account.id));
    let lost = gone.filter_map(|mailbox| Some((mailbox.to_string(), lost(mailbox, ctx)?))).take(MOST);
    let claims = stream::iter(lost.collect::<Vec<_>>()).map(|(mailbox, local)| async move {
        match claim(&mailbox, &local, ctx).await {
            Ok(theirs) => (!theirs).then_some(mailbox),
            Err(error) => {
                warn!(mailbox, address = local, %error, "its address is not claimed again yet; trying again");
                None
            }
        }
    });
    claims.buffer_unordered(AT_ONCE).filter_map(|taken| async move { taken }).collect().await
}

/// Whether the address is theirs, or may be.
async fn claim(mailbox: &str, local: &str, ctx: &Ctx) -> Result<bool, Error> {
    if !is_gone(mailbox, ctx).await {
        return Ok(true);
    }
    let holder = ctx.credentials(mailbox).and_then(|credentials| credentials.holder);
    let further = ctx.claims_of(mailbox).into_iter().find(|claim| claim.spec.owner_ref.uid.is_some());
    let named = holder.or_else(|| further.as_ref().map(|claim| claim.spec.owner_name.clone()));
    let uid = further.and_then(|claim| claim.spec.owner_ref.uid.clone());
    // The mail folder goes by it.
    let issued = ctx.syncer.projection().desired(mailbox).and_then(|row| row.issued);
    let issued_at = issued.and_then(|second| Timestamp::from_second(second).ok()).map(Time);
    let spec = AddressClaimSpec {
        address_use: AddressUse::Primary,
        owner_ref: OwnerRef { kind: Mailbox::kind(&()).into(), name: mailbox.into(), uid },
        owner_name: named.unwrap_or_else(|| UNKNOWN.into()),
        hold: Some(HELD.into()),
        life: issued_at.map(|at| KeptLife { issued_at: Some(at), ..KeptLife::default() }),
        ..AddressClaimSpec::default()
    };
    let metadata = ObjectMeta {
        name: Some(local.into()),
        namespace: Some(ctx.io.namespace().into()),
        labels: Some([("app.kubernetes.io/managed-by".to_string(), MANAGED_BY.to_string())].into()),
        ..ObjectMeta::default()
    };
    match ctx.io.create(&AddressClaim { metadata, spec }).await? {
        Created::New(claim) => {
            ctx.index().claim(local, &claim);
            // What is decided of it now is done when the caches show it.
            ctx.life.ask();
            info!(
                mailbox,
                address = local,
                "its address was deleted with its Mailbox, and is claimed again for its holder (D-05)"
            );
            Ok(true)
        }
        Created::Exists => {
            let there = ctx.io.get::<AddressClaim>(local).await?;
            Ok(there.is_none_or(|claim| claim.belongs_to(mailbox)))
        }
    }
}

/// What the MailSystem says of those of whom no address is left, or whose address is somebody else's.
pub(super) fn told(accounts: &[Account], taken: &BTreeSet<String>, ctx: &Ctx) -> Option<String> {
    let gone = accounts.iter().filter(|account| account.gone).map(|account| former::mailbox(&account.id));
    let without = |mailbox: &&str| ctx.kept_claim(mailbox).is_none() && lost(mailbox, ctx).is_none();
    let all: BTreeSet<&str> = gone.filter(|mailbox| taken.contains(*mailbox) || without(mailbox)).collect();
    words(&all)
}

fn words(all: &BTreeSet<&str>) -> Option<String> {
    let named: Vec<&str> = all.iter().take(NAMED).copied().collect();
    let more = if all.len() > NAMED { format!(", and {} more", all.len() - NAMED) } else { String::new() };
    let text = format!(
        "D-14: of {} accounts of the mail server neither Mailbox nor address (addr) is there any more: {}{more}. They go on until the brake \
         (D-15) lets them go; if they were deleted by mistake, put both back",
        all.len(),
        named.join(", ")
    );
    (!all.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_14_who_is_left_to_the_mail_server_alone_is_counted_and_the_first_are_named() {
        assert_eq!(words(&BTreeSet::new()), None);
        let names: Vec<String> = (0..11).map(|i| format!("nv-{i:02}")).collect();
        let text = words(&names.iter().map(String::as_str).collect()).expect("said");
        assert!(
            text.contains("of 11 accounts") && text.contains("nv-00, nv-01") && text.contains("nv-07, and 3 more"),
            "{text}"
        );
        assert!(!text.contains("nv-08"), "{text}");
    }
}
