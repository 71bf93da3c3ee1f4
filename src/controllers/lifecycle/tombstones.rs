//! Tombstones end (D-19): those of accounts that were purged, and of Mailboxes that are gone. A Mailbox that is there ends its own.

use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tracing::{info, warn};

use super::super::context::Ctx;
use super::stopped::is_unknown;
use crate::api::AddressClaim;

/// Claims that one look deletes at most.
const MOST: usize = 100;
/// Deletions at the same time.
const AT_ONCE: usize = 4;

/// Frees the addresses whose time is over; none while nobody knows what time it is.
pub(super) async fn end(now: Timestamp, ctx: &Ctx) {
    if is_unknown(ctx) {
        return;
    }
    let claims = ctx.stores.claims.state();
    let nobodys =
        |claim: &AddressClaim| claim.spec.purged_at.is_some() || ctx.mailbox(&claim.spec.owner_ref.name).is_none();
    let over = claims.into_iter().filter(|claim| claim.is_over(now) && nobodys(claim)).take(MOST);
    stream::iter(over)
        .for_each_concurrent(AT_ONCE, |claim| async move {
            // Whoever took it over meanwhile keeps it.
            match ctx.io.delete_exactly(&*claim).await {
                Ok(()) => info!(address = claim.name_any(), "a tombstone ended: the address is free again (D-19)"),
                Err(error) => warn!(address = claim.name_any(), %error, "a tombstone does not end yet; trying again"),
            }
        })
        .await;
}
