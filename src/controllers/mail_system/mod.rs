//! MailSystem → keys and certificates, configuration, pod, ways in; and what is to be seen of them.

mod certificate;
mod effects;
mod journal;
mod observe;
mod portal;
mod postmaster;
mod refused;
mod secrets;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::activity::Activities;
use super::context::Ctx;
use super::runner::{Error, Next};
use super::status;
use crate::api::{Completeness, ConditionType, MailSystem, MailSystemStatus, Outlook, Reason, is_true, summarise};
use crate::backend::{BackendError, Health, Syncer, System};
use crate::domain::events::{Event, Severity};
use crate::domain::quota::Bytes;
use crate::resources::{PortalPlan, SystemPlan};
use crate::telemetry::SystemFigures;

/// One pass over one MailSystem.
pub(super) fn reconcile(system: Arc<MailSystem>, ctx: Arc<Ctx>) -> BoxFuture<'static, Result<Next, Error>> {
    async move { pass(&system, &ctx).await }.boxed()
}

async fn pass(system: &MailSystem, ctx: &Ctx) -> Result<Next, Error> {
    let served = ctx.system();
    if served.as_ref().is_some_and(|s| s.uid() != system.uid()) {
        let other = served.map(|s| s.name_any()).unwrap_or_default();
        let message = format!(
            "MailSystem '{other}' is older and is the one of this namespace; put this one into a namespace of its own"
        );
        return say(system, ctx, |status, generation, now| {
            summarise(
                &mut status.conditions,
                Outlook::Stalled,
                Reason::AnotherSystemInNamespace,
                message,
                generation,
                now,
            );
        })
        .await
        .map(|()| Next::Change);
    }
    let plan = match plan(system, ctx) {
        Ok(plan) => plan,
        Err(message) => {
            ctx.metrics.not_ready(ctx.io.namespace(), &system.name_any());
            return say(system, ctx, |status, generation, now| {
                summarise(&mut status.conditions, Outlook::Stalled, Reason::InvalidQuota, message, generation, now);
            })
            .await
            .map(|()| Next::Change);
        }
    };
    tell_syncer(system, ctx, &ctx.syncer);
    let now = ctx.wall();
    let material = secrets::keep(system, &plan, ctx, now.as_second()).await?;
    // The agent first: locks must arrive whatever becomes of the children.
    effects::follow_agent(&plan, &material, ctx).await?;
    let served = material.certificate.served.is_some();
    let children = if served { effects::children(&plan, &material.doveadm_mark, ctx).await } else { Ok(()) };
    let mut seen = observe::gather(&plan, ctx);
    seen.pod_refused = refused::pod(&plan, ctx).await;
    seen.refused = children.as_ref().err().map(ToString::to_string);
    seen.postmaster_missing = postmaster_missing(system, ctx);
    seen.journal = journal::look(system, ctx).await;
    let next = observe::next(&material, &seen, now.as_second());
    if starting(system, &seen, ctx) {
        return Ok(Next::After(FAST));
    }
    let mut ready = false;
    say(system, ctx, |status, generation, _| {
        observe::write(status, &plan, &material, &seen, generation, now);
        let otherwise = system.status.as_ref() != Some(status);
        status.journal = journal::noted(status.journal.take(), seen.journal.as_ref(), otherwise, now);
        ready = is_true(&status.conditions, ConditionType::Ready);
    })
    .await?;
    tell_gap(system, seen.activity.as_ref(), ctx);
    // Series of what was deleted during this pass would stay for ever.
    if ctx.system().is_some_and(|s| s.uid() == system.uid()) {
        ctx.metrics.system(&plan.namespace, &plan.name, &figures(&material, ready, ctx));
    }
    children.map(|()| Next::After(next))
}

/// Says that what is proven of use began anew, once it stands in the status: it puts off every lock for silence, and what is proven is
/// fresh again a minute later.
fn tell_gap(system: &MailSystem, now: Option<&Completeness>, ctx: &Ctx) {
    let Some((before, after)) = Activities::gap(system.status.as_ref(), now) else { return };
    ctx.metrics.activity_gap(ctx.io.namespace(), &system.name_any());
    let note = format!(
        "D-16: use is proven complete from {after} on, no more from {before}: who was silent before is locked (6.2.a) or proposed (8.3.đ) \
         when the whole term is proven again"
    );
    status::tell(system, Event::new(Severity::Warning, "ActivityGap", "Prove", &note), ctx);
}

/// What metrics tell of a system.
fn figures(material: &secrets::Material, ready: bool, ctx: &Ctx) -> SystemFigures {
    let health = ctx.syncer.health().borrow().clone();
    SystemFigures {
        mailboxes: i64::try_from(ctx.syncer.projection().live()).unwrap_or(i64::MAX),
        agent_up: matches!(health, Health::Reachable(_) | Health::Failing(BackendError::VolumeFull(_))),
        ready,
        superseded: matches!(health, Health::Failing(BackendError::Superseded(_))),
        certificate_ends: material.certificate.served.map(|served| served.not_after),
        volume: ctx.syncer.volume(),
    }
}

/// After a start of the operator what was seen before holds until the agent was asked and every mailbox was decided.
fn starting(system: &MailSystem, seen: &observe::Seen, ctx: &Ctx) -> bool {
    let current = system
        .status
        .as_ref()
        .is_some_and(|s| s.observed_generation == system.metadata.generation && s.mailboxes.is_some());
    let address = seen.pod.as_ref().and_then(|p| p.status.as_ref().and_then(|s| s.pod_ip.as_ref()));
    let asked = !matches!(seen.health, Health::Unknown) || address.is_none();
    current && !(asked && ctx.syncer.projection().settled())
}

/// Writes the status if it changed.
async fn say(
    system: &MailSystem,
    ctx: &Ctx,
    change: impl FnOnce(&mut MailSystemStatus, i64, Timestamp),
) -> Result<(), Error> {
    let mut status = system.status.clone().unwrap_or_default();
    let generation = system.metadata.generation.unwrap_or(0);
    status.observed_generation = Some(generation);
    change(&mut status, generation, ctx.now());
    Ok(status::say(system, &status, ctx).await?)
}

fn tell_syncer(system: &MailSystem, ctx: &Ctx, syncer: &Syncer) {
    syncer.set_system(System { domain: system.spec.domain.clone(), postmaster: postmaster(system, ctx) });
    ctx.system_seen();
}

/// Address that gets mail for postmaster and abuse; else the system's own store does.
fn postmaster(system: &MailSystem, ctx: &Ctx) -> Option<String> {
    postmaster::find(system, ctx)?.ok()
}

fn postmaster_missing(system: &MailSystem, ctx: &Ctx) -> Option<String> {
    postmaster::find(system, ctx)?.err()
}

fn plan(system: &MailSystem, ctx: &Ctx) -> Result<SystemPlan, String> {
    let spec = &system.spec;
    let largest = Bytes::parse(&spec.max_attachment, "spec.maxAttachment").map_err(|e| format!("R7.3.b: {e}"))?;
    Bytes::parse(&spec.default_quota.storage, "spec.defaultQuota.storage").map_err(|e| format!("R7.3: {e}"))?;
    Bytes::parse(&spec.default_quota.max_attachment, "spec.defaultQuota.maxAttachment")
        .map_err(|e| format!("R7.3.b: {e}"))?;
    let name = system.name_any();
    Ok(SystemPlan {
        pod_security: spec.dovecot.pod_security,
        sessions: spec.dovecot.sessions,
        name,
        namespace: ctx.io.namespace().into(),
        uid: system.uid().unwrap_or_default(),
        domain: spec.domain.clone(),
        hostname: spec.hostname.clone(),
        mail_image: spec.dovecot.image.clone().unwrap_or_else(|| ctx.settings.mail_image.clone()),
        agent_image: ctx.settings.agent_image.clone(),
        storage: spec.dovecot.storage.size.clone(),
        storage_class: spec.dovecot.storage.storage_class_name.clone(),
        exposure: spec.exposure.service_type,
        exposure_annotations: spec.exposure.annotations.clone(),
        message_limit: largest.message_limit(),
        log_months: spec.regulation.retention.log_months,
        days_ahead: ctx.settings.days_ahead,
        relay_host: spec.relay_host.clone(),
        pull_secrets: ctx.settings.pull_secrets.clone(),
        operator_namespace: ctx.settings.operator_namespace.clone(),
        portal: spec.portal.enabled.then(|| PortalPlan {
            replicas: spec.portal.replicas,
            service_account: ctx.settings.portal_account.clone(),
            trusted_proxies: spec.portal.trusted_proxies.clone(),
        }),
    })
}

/// How long a pass may wait for a change that no watch tells of: a Secret of spec.tls, or one of ours.
const SLOW: Duration = Duration::from_secs(60);
const FAST: Duration = Duration::from_secs(10);
