//! Agency → its address, its suffix, its own mailbox.

mod decide;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::context::Ctx;
use super::runner::{Error, Next};
use super::status::say;
use crate::api::{Agency, Mailbox, own_mailbox_name};
use crate::resources::MANAGED_BY;
use crate::store::{profile, resolve};

const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// One pass over one Agency.
pub(super) fn reconcile(agency: Arc<Agency>, ctx: Arc<Ctx>) -> BoxFuture<'static, Result<Next, Error>> {
    async move { pass(&agency, &ctx).await }.boxed()
}

async fn pass(agency: &Agency, ctx: &Ctx) -> Result<Next, Error> {
    let name = agency.name_any();
    let system = ctx.system();
    let naming = profile(system.as_ref().map(|s| s.spec.regulation.naming_profile).unwrap_or_default());
    let resolved = resolve(&ctx.stores.agencies, ctx.io.namespace(), &name, naming);
    let own = ctx.stores.mailboxes.get(&ObjectRef::new(&own_mailbox_name(&name)).within(ctx.io.namespace()));
    let facts = decide::Facts { system: system.as_deref(), resolved: resolved.as_ref(), mailbox: own.as_deref() };
    let decision = decide::decide(agency, &facts);
    if decision.make_mailbox {
        keep_mailbox(agency, own.as_deref(), ctx).await?;
    }
    let status = decide::status(agency, &decision, ctx.now());
    say(agency, &status, ctx).await?;
    Ok(if decision.waiting() { Next::After(LOOK_AGAIN) } else { Next::Change })
}

/// The agency's own Mailbox. It has no owner reference: it outlives the Agency (R5.3.b: none is lost silently).
async fn keep_mailbox(agency: &Agency, own: Option<&Mailbox>, ctx: &Ctx) -> Result<(), Error> {
    let spec = agency.spec.own_mailbox(&agency.name_any());
    let same = own.is_some_and(|m| {
        let known = &m.spec;
        known.agency_ref == spec.agency_ref
            && known.holder == spec.holder
            && known.full_name == spec.full_name
            && known.basis == spec.basis
            && known.rename == spec.rename
            && known.supersedes == spec.supersedes
    });
    if same {
        return Ok(());
    }
    let metadata = ObjectMeta {
        name: Some(own_mailbox_name(&agency.name_any())),
        namespace: Some(ctx.io.namespace().into()),
        labels: Some([("app.kubernetes.io/managed-by".to_string(), MANAGED_BY.to_string())].into()),
        ..ObjectMeta::default()
    };
    ctx.io.apply(&Mailbox { metadata, spec, status: None }).await?;
    Ok(())
}
