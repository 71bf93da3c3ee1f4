//! Why there is no mail pod, in the API server's words: the StatefulSet's controller passes them on in events.

use std::sync::PoisonError;

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use tracing::warn;

use crate::controllers::context::Ctx;
use crate::resources::SystemPlan;

/// Events of one StatefulSet that are read; the API server keeps them for an hour, and repeats are counted in one.
const EVENTS: u32 = 100;

/// Why the API server refuses the pod; asked only while there is none.
pub(super) async fn pod(plan: &SystemPlan, ctx: &Ctx) -> Option<String> {
    let name = format!("{}-0", plan.name);
    if let Some(pod) = ctx.stores.pods.state().into_iter().find(|p| p.name_any() == name) {
        *ctx.pod_made.lock().unwrap_or_else(PoisonError::into_inner) = pod.creation_timestamp().map(|t| t.0);
        return None;
    }
    let set = ctx.stores.sets.state().into_iter().find(|s| s.name_any() == plan.name)?;
    let uid = set.uid().unwrap_or_default();
    let list = ListParams::default().fields(&format!("involvedObject.uid={uid},reason=FailedCreate")).limit(EVENTS);
    match ctx.io.list::<Event>(&list).await {
        Ok(events) => latest(events, *ctx.pod_made.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(error) => {
            warn!(%error, "why there is no pod is not known");
            None
        }
    }
}

/// What was said last. A refusal that is not younger than a pod was overcome by it; times of events are whole seconds, and the
/// controller tries again within one.
fn latest(events: Vec<Event>, pod_made: Option<Timestamp>) -> Option<String> {
    let at = |e: &Event| e.last_timestamp.as_ref().or(e.metadata.creation_timestamp.as_ref()).map(|t| t.0);
    let events = events.into_iter().filter(|e| pod_made.is_none_or(|made| at(e).is_some_and(|at| at > made)));
    events.max_by_key(at)?.message
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn event(last: Option<i64>, made: Option<i64>, message: &str) -> Event {
        let mut event = Event { message: Some(message.into()), ..Event::default() };
        event.last_timestamp = last.map(|s| Time(second(s)));
        event.metadata.creation_timestamp = made.map(|s| Time(second(s)));
        event
    }

    fn said(pod_made: Option<i64>) -> Option<String> {
        let events = vec![event(Some(100), Some(40), "quota"), event(Some(90), Some(90), "webhook")];
        latest(events, pod_made.map(second))
    }

    #[test]
    fn a_refusal_that_a_pod_has_overcome_is_not_said_again() {
        assert_eq!(said(None).as_deref(), Some("quota"));
        assert_eq!(said(Some(50)).as_deref(), Some("quota"), "repeated since, whenever it began");
        assert_eq!(said(Some(99)).as_deref(), Some("quota"));
        assert_eq!(said(Some(100)), None);
        assert_eq!(said(Some(101)), None);
    }

    #[test]
    fn an_event_without_its_last_time_counts_from_when_it_was_made() {
        let one = || vec![event(None, Some(60), "quota")];
        assert_eq!(latest(one(), Some(second(59))).as_deref(), Some("quota"));
        assert_eq!(latest(one(), Some(second(60))), None);
        assert_eq!(latest(vec![event(None, None, "quota")], Some(second(0))), None);
    }
}
