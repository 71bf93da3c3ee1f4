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
use crate::api::{Agency, Mailbox, MailboxSpec, own_mailbox_name};
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

/// Keeps the agency's own Mailbox as the Agency says.
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
    ctx.io.apply(&made(agency, ctx.io.namespace(), spec)).await?;
    Ok(())
}

/// The agency's own Mailbox. It has no owner reference: it outlives the Agency (R5.3.b: none is lost silently).
fn made(agency: &Agency, namespace: &str, spec: MailboxSpec) -> Mailbox {
    let metadata = ObjectMeta {
        name: Some(own_mailbox_name(&agency.name_any())),
        namespace: Some(namespace.into()),
        labels: Some([("app.kubernetes.io/managed-by".to_string(), MANAGED_BY.to_string())].into()),
        ..ObjectMeta::default()
    };
    Mailbox { metadata, spec, status: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5_3_b_the_mailbox_of_an_agency_has_no_owner_that_would_take_it_along() {
        let agency = Agency::new("stttt", serde_yaml::from_str(SPEC).expect("spec"));
        let mailbox = made(&agency, "thu-cong-vu", agency.spec.own_mailbox("stttt"));
        assert_eq!(mailbox.metadata.owner_references, None);
        assert_eq!(mailbox.metadata.finalizers, None);
    }

    const SPEC: &str = "systemRef: {name: gialai}\nlevel: Province\nname: Sở Thông tin và Truyền thông\n\
        basis: {number: 1/QĐ, date: \"2026-01-02\", issuer: UBND tỉnh}\n";
}
