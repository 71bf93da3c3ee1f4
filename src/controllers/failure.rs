//! What a pass that failed writes into the status of its object, so that nobody needs the operator's log to see why.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use tracing::{debug, warn};

use super::context::Ctx;
use super::runner::Error;
use super::status::{Kind, say};
use crate::api::{ConditionType, ObjectStatus, Outlook, Reason, summarise};
use crate::domain::refusal::{self, Failure};
use crate::kube_io::Class;

/// Tells of a failure in the object's status, if it is more than a blip.
pub(super) async fn report<K: Kind>(
    controller: &'static str,
    tried: &K,
    error: &Error,
    attempt: u32,
    store: &Store<K>,
    ctx: &Ctx,
) where
    ObjectRef<K>: std::hash::Hash + Eq,
{
    if !refusal::tell(error.failure(), attempt) {
        return;
    }
    if cannot_be_written(error) {
        return ctx.metrics.status_failed(controller);
    }
    // As it is now: the pass may have written, and what is gone or was changed is not spoken of.
    let Some(object) = store.get(&ObjectRef::from_obj(tried)) else { return };
    if object.meta().uid != tried.meta().uid || object.meta().generation != tried.meta().generation {
        return;
    }
    let Some(status) = failed(object.as_ref(), error, ctx.now()) else { return };
    match say(object.as_ref(), &status, ctx).await {
        Ok(()) => {}
        Err(error) if error.class() == Class::Conflict => debug!(object = object.name_any(), %error, "status"),
        Err(error) => {
            warn!(controller, object = object.name_any(), %error, "a failure cannot be written into the status");
            ctx.metrics.status_failed(controller);
        }
    }
}

/// It was the status itself that could not be written, for a reason that holds for a shorter one as well.
fn cannot_be_written(error: &Error) -> bool {
    matches!(error, Error::Kube(e) if e.call().verb == "patch/status" && e.class() != Class::Invalid)
}

/// The status that tells of a failure; `None` if it does already.
fn failed<K: Kind>(object: &K, error: &Error, now: Timestamp) -> Option<K::Status> {
    let mut status = object.status().cloned().unwrap_or_default();
    let known = status.conditions().iter().find(|c| c.type_ == ConditionType::Ready.as_str());
    let generation = object.meta().generation.unwrap_or(0);
    // A controller that told of it by itself said more.
    if known.is_some_and(|c| {
        c.reason == Reason::ApplyFailed.as_str()
            && c.observed_generation == Some(generation)
            && c.message.contains(&error.to_string())
    }) {
        return None;
    }
    let (outlook, message) = words(error);
    status.observe(generation);
    summarise(status.conditions_mut(), outlook, Reason::ApplyFailed, message, generation, now);
    Some(status)
}

/// What to say of a failure, and whether it may end by itself.
fn words(error: &Error) -> (Outlook, String) {
    match (error, error.failure()) {
        (Error::Kube(kube), Failure::Refused) => {
            let remedy = refusal::remedy(&kube.said());
            let message =
                format!("the API server refuses this: {error}. To do: {remedy}; it is tried again every few minutes");
            (Outlook::Stalled, message)
        }
        // The text of a panic may hold anything: it stays in the log.
        (_, Failure::Bug) => {
            let message =
                "a bug of the operator was caught here; it is tried again. To do: report it with the operator's log";
            (Outlook::Stalled, message.into())
        }
        _ => {
            let message = format!(
                "this fails again and again: {error}. It is tried again by itself and nothing is lost. To do, if it stays: look at \
                 the API server (kubectl get --raw /readyz?verbose) and at the operator's log"
            );
            (Outlook::Waiting, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Mailbox, MailboxState, MailboxStatus, is_true};
    use crate::kube_io::{self, Call};

    fn error(verb: &'static str, code: u16, message: &str) -> Error {
        let status = kube::core::Status { code, message: message.into(), ..kube::core::Status::default() };
        let call = Call { verb, kind: "Secret".into(), name: "nv-1-credentials".into() };
        Error::Kube(kube_io::Error::Api { call, source: Box::new(kube::Error::Api(Box::new(status))) })
    }

    fn mailbox() -> Mailbox {
        let spec = serde_json::json!({"agencyRef": {"name": "stttt"}, "fullName": "Trần Đình Nguyên",
            "basis": {"number": "1", "date": "2026-01-01", "issuer": "x"}});
        let mut mailbox = Mailbox::new("nv-1", serde_json::from_value(spec).expect("spec"));
        mailbox.metadata.generation = Some(7);
        mailbox
    }

    fn told(mailbox: &Mailbox, error: &Error) -> MailboxStatus {
        failed(mailbox, error, Timestamp::UNIX_EPOCH).expect("a status")
    }

    fn ready(status: &MailboxStatus) -> (&str, &str, &str) {
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready").expect("Ready");
        (&ready.status, &ready.reason, &ready.message)
    }

    #[test]
    fn a_refusal_stalls_and_says_call_answer_and_remedy() {
        let status = told(&mailbox(), &error("create", 403, "secrets is forbidden: exceeded quota: few"));
        let (ready, reason, message) = ready(&status);
        assert_eq!((ready, reason), ("False", "ApplyFailed"));
        for needle in ["create Secret nv-1-credentials", "exceeded quota: few", "raise that ResourceQuota"] {
            assert!(message.contains(needle), "{needle}: {message}");
        }
        assert!(is_true(&status.conditions, ConditionType::Stalled));
        assert_eq!((status.observed_generation, status.state), (Some(7), Some(MailboxState::Pending)));
    }

    #[test]
    fn what_may_pass_is_waited_for_and_a_panic_keeps_its_text_in_the_log() {
        let status = told(&mailbox(), &error("create", 503, "overloaded"));
        assert!(is_true(&status.conditions, ConditionType::Reconciling));
        assert!(ready(&status).2.contains("overloaded"));
        let status = told(&mailbox(), &Error::Panic("hunter2".into()));
        assert!(!ready(&status).2.contains("hunter2"), "{:?}", ready(&status));
    }

    #[test]
    fn what_was_issued_stays_in_the_status_and_the_same_failure_is_written_once() {
        let (mut mailbox, refused) = (mailbox(), error("update", 403, "no"));
        mailbox.status = Some(MailboxStatus {
            address: Some("nguyentd.stttt@gialai.gov.vn".into()),
            state: Some(MailboxState::Locked),
            ..MailboxStatus::default()
        });
        let status = told(&mailbox, &refused);
        assert_eq!(status.address.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
        assert_eq!(status.state, Some(MailboxState::Locked));
        mailbox.status = Some(status);
        assert_eq!(failed(&mailbox, &refused, Timestamp::UNIX_EPOCH), None);
        assert!(failed(&mailbox, &error("update", 403, "another no"), Timestamp::UNIX_EPOCH).is_some());
        mailbox.metadata.generation = Some(8);
        assert_eq!(told(&mailbox, &refused).observed_generation, Some(8), "kstatus waits for it");
    }

    #[test]
    fn a_status_that_cannot_be_written_is_not_tried_twice_unless_it_was_its_content() {
        assert!(cannot_be_written(&error("patch/status", 403, "no")));
        assert!(cannot_be_written(&error("patch/status", 503, "no")));
        assert!(!cannot_be_written(&error("patch/status", 422, "too long")));
        assert!(!cannot_be_written(&error("create", 403, "no")));
    }
}
