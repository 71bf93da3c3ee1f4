//! QuotaPolicy → for how many mailboxes it is in force, and whether it can be used at all.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::context::Ctx;
use super::runner::{Error, Next};
use super::status::say;
use crate::api::{MailSystem, Outlook, QuotaPolicy, QuotaPolicyStatus, Reason, summarise};
use crate::domain::quota::{Bytes, QuantityError};

/// One pass over one QuotaPolicy.
pub(super) fn reconcile(policy: Arc<QuotaPolicy>, ctx: Arc<Ctx>) -> BoxFuture<'static, Result<Next, Error>> {
    async move {
        let name = policy.name_any();
        let mailboxes = ctx.index().policy_counts().get(&name).copied().unwrap_or(0);
        let status = status(&policy, ctx.system().as_deref(), mailboxes, ctx.now());
        say(policy.as_ref(), &status, &ctx).await?;
        Ok(Next::Change)
    }
    .boxed()
}

fn status(policy: &QuotaPolicy, system: Option<&MailSystem>, mailboxes: i64, now: Timestamp) -> QuotaPolicyStatus {
    let generation = policy.metadata.generation.unwrap_or(0);
    let conditions = policy.status.as_ref().map(|s| s.conditions.clone()).unwrap_or_default();
    let mut status =
        QuotaPolicyStatus { observed_generation: Some(generation), mailboxes: Some(mailboxes), conditions };
    let (outlook, reason, message) = verdict(policy, system);
    summarise(&mut status.conditions, outlook, reason, message, generation, now);
    status
}

fn verdict(policy: &QuotaPolicy, system: Option<&MailSystem>) -> (Outlook, Reason, String) {
    let Some(system) = system else {
        return (
            Outlook::Waiting,
            Reason::SystemNotFound,
            "there is no MailSystem in this namespace; apply one".into(),
        );
    };
    let served = system.name_any();
    if policy.spec.system_ref.name != served {
        let message = format!(
            "spec.systemRef: '{}' is not the MailSystem of this namespace; write '{served}'",
            policy.spec.system_ref.name
        );
        return (Outlook::Waiting, Reason::SystemNotFound, message);
    }
    match limits(policy, system) {
        Err(error) => (Outlook::Stalled, Reason::InvalidQuota, format!("R7.3: {error}")),
        Ok((attachment, largest)) if attachment > largest => {
            let message = format!(
                "R7.3.b: spec.maxAttachment {attachment} is more than the system takes, so {largest} holds; raise spec.maxAttachment of MailSystem {served}"
            );
            (Outlook::Ready, Reason::InvalidQuota, message)
        }
        Ok(_) => (Outlook::Ready, Reason::Ready, "in force".into()),
    }
}

fn limits(policy: &QuotaPolicy, system: &MailSystem) -> Result<(Bytes, Bytes), QuantityError> {
    Bytes::parse(&policy.spec.storage, "spec.storage")?;
    let attachment = Bytes::parse(&policy.spec.max_attachment, "spec.maxAttachment")?;
    Ok((attachment, Bytes::parse(&system.spec.max_attachment, "MailSystem spec.maxAttachment")?))
}
