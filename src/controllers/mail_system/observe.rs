//! What is to be seen of a MailSystem: facts of pod, agent and certificate → conditions that say what to do.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::secrets::Material;
use super::{FAST, SLOW, journal};
use crate::api::{
    Completeness, ConditionType, Endpoint, HeldStatus, MailSystemStatus, Outlook, PodSecurity, Reason, ReleasedStatus,
    set_condition, summarise,
};
use crate::backend::{BackendError, Health, JournalEnd};
use crate::controllers::context::Ctx;
use crate::controllers::lifecycle;
use crate::domain::certificate::Validity;
use crate::resources::{AGENT, PORTAL_PORT, SystemPlan, records};

/// A volume with less room than this part of it is as good as full.
const FULL: u64 = 50;

/// Bytes below which a volume counts as full. Postfix answers 452 to all mail while less than 1.5 times its message limit is free
/// (smtpd, queue_minfree); on a small volume that is more than the part.
fn least_free(total: u64, plan: &SystemPlan) -> u64 {
    (total / FULL).max(plan.message_limit.0.saturating_mul(3).div_ceil(2))
}
const WEEK: i64 = 7 * 86_400;

/// Facts of a pass.
pub(super) struct Seen {
    pub pod: Option<Arc<Pod>>,
    pub ready: bool,
    pub health: Health,
    pub mailboxes: i64,
    pub held: Option<(usize, usize)>,
    /// What the brake holds.
    pub waits: Option<HeldStatus>,
    /// What a person released of it.
    pub released: Option<ReleasedStatus>,
    /// Where the journal ends, and whether it holds what was noted of it.
    pub journal: Option<JournalEnd>,
    /// For which time nothing is missing in what is known of use (D-16).
    pub activity: Option<Completeness>,
    /// Why clocks lead to nothing.
    pub stopped: Option<(Reason, String)>,
    /// Of whom neither Mailbox nor address is there.
    pub lost: Option<String>,
    /// Whose removal the mail server refuses.
    pub purge_refused: Option<String>,
    /// What is wrong with the province's own texts of notices.
    pub notices_wrong: Option<String>,
    /// Why a child could not be applied.
    pub refused: Option<String>,
    /// Why there is no pod, in the API server's words.
    pub pod_refused: Option<String>,
    /// Why mail for postmaster goes to nobody.
    pub postmaster_missing: Option<String>,
}

pub(super) fn gather(plan: &SystemPlan, ctx: &Ctx) -> Seen {
    let set = ctx.stores.sets.state().into_iter().find(|s| s.name_any() == plan.name);
    let projection = ctx.syncer.projection();
    let (live, held) = (projection.live(), projection.held());
    drop(projection);
    Seen {
        pod: ctx.stores.pods.state().into_iter().find(|p| p.name_any() == format!("{}-0", plan.name)),
        ready: set.and_then(|s| s.status.as_ref().and_then(|s| s.ready_replicas)).is_some_and(|n| n > 0),
        health: ctx.syncer.health().borrow().clone(),
        mailboxes: i64::try_from(live).unwrap_or(i64::MAX),
        held,
        waits: ctx.life.held(ctx.system().as_deref()),
        released: ctx.life.released(ctx.system().as_deref()),
        journal: None,
        activity: ctx.activities.to_show(ctx.system().as_deref()),
        stopped: lifecycle::why(ctx),
        lost: ctx.life.lost(),
        purge_refused: ctx.life.refused(),
        notices_wrong: ctx.notices.wrong(),
        refused: None,
        pod_refused: None,
        postmaster_missing: None,
    }
}

/// When to look again: before a certificate is due, soon while something is not well.
pub(super) fn next(material: &Material, seen: &Seen, now: i64) -> Duration {
    if !seen.ready || material.certificate.problem.is_some() || !matches!(seen.health, Health::Reachable(_)) {
        return FAST;
    }
    let ours = material.certificate.served.filter(|_| material.certificate.self_signed);
    let due = ours.map_or(i64::MAX, Validity::renew_at).min(material.agent.renew_at());
    Duration::from_secs(u64::try_from((due - now).max(1)).unwrap_or(1)).min(SLOW)
}

/// Writes everything that is to be seen.
pub(super) fn write(
    status: &mut MailSystemStatus,
    plan: &SystemPlan,
    material: &Material,
    seen: &Seen,
    generation: i64,
    now: Timestamp,
) {
    status.mailboxes = Some(seen.mailboxes);
    status.held = seen.waits.clone();
    status.released = seen.released.clone();
    let lost = status.journal.as_ref().filter(|_| seen.journal.as_ref().is_some_and(|end| !end.holds));
    let lost = lost.map(|noted| journal::lost(noted, plan));
    status.activity = seen.activity.clone().or(status.activity.take());
    status.image = Some(plan.mail_image.clone());
    status.pod = seen.pod.as_ref().map(|p| p.name_any());
    status.endpoints = endpoints(plan);
    status.dns_records = records(&plan.domain, &plan.hostname, material.dkim_public.as_deref());
    let served = material.certificate.served;
    status.certificate_not_after = served.and_then(|v| Timestamp::from_second(v.not_after).ok()).map(Time);
    let certificate = certificate(material, seen, now.as_second());
    let agent = agent(seen, plan);
    let available = available(seen, plan);
    let conditions = &mut status.conditions;
    let all = [
        (ConditionType::CertificatesReady, certificate),
        (ConditionType::AgentReachable, agent),
        (ConditionType::Available, available),
    ];
    let mut first_problem = None;
    for (kind, finding) in all {
        set_condition(conditions, kind, finding.holds, finding.reason, finding.message.clone(), generation, now);
        if !finding.holds && first_problem.as_ref().is_none_or(|p: &Finding| p.waiting && !finding.waiting) {
            first_problem = Some(finding);
        }
    }
    let (outlook, reason, message) = match most_urgent(first_problem, further(seen, plan, lost)) {
        None => (Outlook::Ready, Reason::Ready, "mail is received and read".to_string()),
        Some(f) if f.holds => (Outlook::Ready, f.reason, f.message),
        Some(f) => (if f.waiting { Outlook::Waiting } else { Outlook::Stalled }, f.reason, f.message),
    };
    summarise(conditions, outlook, reason, message, generation, now);
}

/// A refused child comes first: what is wrong with the pod may only follow from it, and stays in a condition of its own. Then what
/// a person must do comes before what ends by itself, and that before what is only to be known.
fn most_urgent(problem: Option<Finding>, further: Option<Finding>) -> Option<Finding> {
    if further.as_ref().is_some_and(|f| f.reason == Reason::ApplyFailed) {
        return further;
    }
    let must = |f: &Option<Finding>| f.as_ref().is_some_and(|f| !f.holds && !f.waiting);
    if must(&problem) || (problem.is_some() && !must(&further)) { problem } else { further }
}

/// What a person should look at although mail flows.
fn further(seen: &Seen, plan: &SystemPlan, lost: Option<String>) -> Option<Finding> {
    if let Some(refused) = &seen.refused {
        return Some(Finding::stalled(Reason::ApplyFailed, format!("{refused}; what runs goes on as it is")));
    }
    if let Some((reason, message)) = &seen.stopped {
        return Some(Finding::stalled(*reason, message));
    }
    if let Some(held) = &seen.waits {
        let message = lifecycle::line(held, &plan.namespace, &plan.name);
        return Some(Finding::stalled(Reason::HeldByBrake, message));
    }
    if let Some(lost) = lost {
        return Some(Finding::stalled(Reason::JournalDamaged, lost));
    }
    if let Some((count, total)) = seen.held {
        let message = format!(
            "D-15: of {count} of {total} accounts, all of them revoked, there is no AddressClaim any more; they stay until the objects are back or fewer are missing"
        );
        return Some(Finding::stalled(Reason::RemovalHeld, message));
    }
    if let Some(lost) = table_lost(seen) {
        let message = format!(
            "the account table was damaged; it was made anew {}, every account is in it again. Look at the disk under the claim data-{}-0: \
             it holds the mail as well. What was damaged is beside the table: mail.sqlite.damaged-…",
            crate::domain::calendar::day(lost),
            plan.name
        );
        return Some(Finding::good(Reason::AccountTableDamaged, message));
    }
    if let Some(held) = folders_held(seen) {
        return Some(Finding::good(Reason::FolderOfAnother, held));
    }
    if let Some(lost) = &seen.lost {
        return Some(Finding::good(Reason::AddressLost, lost));
    }
    if let Some(refused) = &seen.purge_refused {
        return Some(Finding::good(Reason::PurgeRefused, refused));
    }
    if let Some(wrong) = &seen.notices_wrong {
        let message = format!(
            "ConfigMap {}: {wrong}; the built-in text is sent in its place",
            crate::controllers::notices::texts(&plan.name)
        );
        return Some(Finding::good(Reason::NoticeTextInvalid, message));
    }
    let missing = seen.postmaster_missing.clone()?;
    Some(Finding::good(Reason::PostmasterNotFound, missing))
}

/// Who waits because of his folder.
fn folders_held(seen: &Seen) -> Option<String> {
    let Health::Reachable(state) = &seen.health else { return None };
    let (count, some) = (state.held.count, state.held.some.join(", "));
    let more = if count > state.held.some.len() as u64 { ", …" } else { "" };
    (count > 0).then(|| {
        format!("D-14: {count} accounts wait: the mail folder of their name is that of a former account ({some}{more}); their Mailboxes say what to do")
    })
}

/// When a damaged account table was begun anew, if that was lately.
fn table_lost(seen: &Seen) -> Option<Timestamp> {
    let Health::Reachable(state) = &seen.health else { return None };
    state.table_lost.and_then(|at| Timestamp::from_second(at).ok())
}

#[derive(Clone, Debug)]
struct Finding {
    holds: bool,
    waiting: bool,
    reason: Reason,
    message: String,
}

impl Finding {
    fn good(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: true, waiting: false, reason, message: message.into() }
    }

    fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: false, waiting: true, reason, message: message.into() }
    }

    fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: false, waiting: false, reason, message: message.into() }
    }
}

fn certificate(material: &Material, seen: &Seen, now: i64) -> Finding {
    if let Some(problem) = &material.certificate.problem {
        return Finding::stalled(problem.reason, &problem.message);
    }
    if let Health::Reachable(state) = &seen.health
        && let Some(error) = &state.certificate_error
    {
        return Finding::stalled(Reason::CertificateUnreadable, format!("the pod cannot use its certificate: {error}"));
    }
    if material.certificate.self_signed {
        return Finding::good(Reason::SelfSigned, "made and renewed by the operator; clients must be told to trust it");
    }
    if material.certificate.served.is_some_and(|served| served.not_after - now < WEEK) {
        return Finding::good(Reason::CertificateExpiring, "the certificate of spec.tls ends within a week; renew it");
    }
    Finding::good(Reason::Provided, "the certificate of spec.tls is in use")
}

fn agent(seen: &Seen, plan: &SystemPlan) -> Finding {
    match &seen.health {
        Health::Reachable(state) if state.total_bytes > 0 && state.free_bytes < least_free(state.total_bytes, plan) => {
            Finding::stalled(
                Reason::VolumeFull,
                format!(
                    "the volume is full: {} MiB are left; enlarge the claim data-{}-0 or lower quotas. Senders try again, nothing \
                     is lost",
                    state.free_bytes >> 20,
                    plan.name
                ),
            )
        }
        Health::Reachable(state) if !state.complete && state.table_lost.is_some() => Finding::waiting(
            Reason::AccountTableDamaged,
            "the account table on the volume was damaged and is made anew; until every account is in it again, senders are told to try \
             again and nobody logs in",
        ),
        Health::Reachable(_) => Finding::good(Reason::Ready, "the agent answers"),
        Health::Failing(BackendError::VolumeFull(message)) => Finding::stalled(Reason::VolumeFull, message),
        Health::Failing(error) => {
            Finding::waiting(Reason::AgentUnavailable, format!("{error}; tried again, what is decided is kept"))
        }
        Health::Unknown => Finding::waiting(Reason::Starting, "the mail pod has no address yet"),
    }
}

fn available(seen: &Seen, plan: &SystemPlan) -> Finding {
    if seen.ready {
        return Finding::good(Reason::Ready, "the mail pod is ready");
    }
    let Some(pod) = &seen.pod else {
        if let Some(why) = &seen.pod_refused {
            return Finding::stalled(Reason::PodRefused, refused_pod(why, plan));
        }
        return Finding::waiting(Reason::PodStarting, "the mail pod does not exist yet");
    };
    pod_problem(pod)
        .unwrap_or_else(|| Finding::waiting(Reason::PodStarting, format!("pod {} is starting", pod.name_any())))
}

/// What to do about a pod that the API server refuses.
fn refused_pod(why: &str, plan: &SystemPlan) -> String {
    let SystemPlan { name, namespace, .. } = plan;
    let remedy = match plan.pod_security {
        PodSecurity::Baseline if why.contains("PodSecurity") => format!(
            "spec.dovecot.podSecurity is Baseline: kubectl label --overwrite namespace {namespace} \
             pod-security.kubernetes.io/enforce=baseline, or write Restricted"
        ),
        _ => "mend what it names (Pod Security, quota, LimitRange, webhook) in the namespace".to_string(),
    };
    format!(
        "the mail pod is refused: {remedy}. Kubernetes tries again within 17 minutes; at once: kubectl -n {namespace} rollout \
         restart statefulset {name}. It said: {why}"
    )
}

/// What keeps a pod from starting, as the kubelet and the scheduler say it.
fn pod_problem(pod: &Pod) -> Option<Finding> {
    let name = pod.name_any();
    let status = pod.status.as_ref()?;
    let unscheduled = status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(condition) = unscheduled {
        let why = condition.message.clone().unwrap_or_default();
        return Some(Finding::stalled(
            Reason::Unschedulable,
            format!("pod {name} finds no place: {why}. Look at its volume claim data-{name} and at the nodes"),
        ));
    }
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    for container in containers {
        let Some(waiting) = container.state.as_ref().and_then(|s| s.waiting.as_ref()) else { continue };
        let detail = waiting.message.clone().unwrap_or_default();
        let container = &container.name;
        match waiting.reason.as_deref() {
            Some("ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull") => {
                return Some(Finding::stalled(Reason::ImagePullFailed, cannot_pull(pod, container, &detail)));
            }
            Some("CrashLoopBackOff") => {
                let message = format!(
                    "container {container} of {name} ends again and again: kubectl logs {name} -c {container} --previous"
                );
                return Some(Finding::stalled(Reason::CrashLooping, message));
            }
            Some("CreateContainerConfigError" | "CreateContainerError") => {
                return Some(Finding::stalled(
                    Reason::MountFailed,
                    format!("container {container} cannot be made: {detail}"),
                ));
            }
            _ => {}
        }
    }
    None
}

/// Which image, and who chose it. The kubelet's own words come last: they differ from one attempt to the next.
fn cannot_pull(pod: &Pod, container: &str, detail: &str) -> String {
    let spec = pod.spec.as_ref();
    let mut containers = spec.iter().flat_map(|s| s.init_containers.iter().flatten().chain(&s.containers));
    let image = containers.find(|c| c.name == container).and_then(|c| c.image.as_deref()).unwrap_or_default();
    let chosen =
        if container == AGENT { "image of the chart" } else { "spec.dovecot.image, or mailImage of the chart" };
    format!(
        "container {container} cannot pull its image {image}: check {chosen}, the registry and its pull secret. The node said: {detail}"
    )
}

fn endpoints(plan: &SystemPlan) -> Vec<Endpoint> {
    let inside = |service: &str| format!("{service}.{}.svc", plan.namespace);
    let endpoint =
        |protocol: &str, service: &str, port| Endpoint { protocol: protocol.into(), host: inside(service), port };
    let mx = plan.child("mx");
    let page = plan.portal.as_ref().map(|_| endpoint("https", &plan.child("portal"), PORTAL_PORT));
    let mail = [
        endpoint("smtp", &mx, 25),
        endpoint("submission", &plan.name, 587),
        endpoint("submissions", &plan.name, 465),
        endpoint("imaps", &plan.name, 993),
        endpoint("pop3s", &plan.name, 995),
        endpoint("sieve", &plan.name, 4190),
    ];
    mail.into_iter().chain(page).collect()
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
