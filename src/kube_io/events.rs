//! Events of `events.k8s.io/v1`, beside the work: an event neither delays nor fails what it tells of. What does not fit into
//! the queue or the rate is dropped and counted.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use super::{Io, LIMIT, MANAGER};
use crate::domain::bucket::Bucket;
use crate::domain::events::{Event, Severity, Subject};

/// Name of the operator in its events.
const CONTROLLER: &str = "mail.gialai.gov.vn/mail-operator";
/// Kind in metrics: not that of the older API.
const KIND: &str = "Event.events.k8s.io";
/// Events that wait to be written.
const QUEUE: usize = 256;
/// Events of a namespace at once, then per minute. A change of thousands of mailboxes is told by a hundred of them.
const BURST: u32 = 100;
const PER_MINUTE: u32 = 60;
/// Of the burst, kept for the MailSystem: what it tells of concerns everybody.
const SPARE: u32 = 20;

/// Takes events of one namespace.
pub struct Recorder {
    io: Io,
    queue: mpsc::Sender<v1::Event>,
    bucket: Mutex<Bucket>,
    start: Instant,
    instance: String,
}

impl Recorder {
    /// A recorder and what writes its events; `instance` is this replica. The writer ends when the recorder is gone and the
    /// queue is empty.
    pub fn new(io: Io, instance: &str) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer = write(io.clone(), waiting);
        let bucket = Mutex::new(Bucket::new(BURST, PER_MINUTE));
        (Self { io, queue, bucket, start: Instant::now(), instance: instance.into() }, writer)
    }

    /// Takes an event about an object, if there is room.
    pub fn record(&self, subject: Subject, about: ObjectReference, event: Event, now: Timestamp) {
        let spare = if subject == Subject::System { 0 } else { SPARE };
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if !bucket.take(self.start.elapsed(), spare) {
            return self.io.metrics.event_dropped("rate");
        }
        drop(bucket);
        if self.queue.try_send(object(event, about, &self.instance, now)).is_err() {
            self.io.metrics.event_dropped("queue");
        }
    }
}

async fn write(io: Io, mut waiting: mpsc::Receiver<v1::Event>) {
    let mut failing = false;
    while let Some(event) = waiting.recv().await {
        let api = io.api::<v1::Event>();
        let done = tokio::time::timeout(LIMIT, api.create(&PostParams::default(), &event)).await;
        let ok = matches!(done, Ok(Ok(_)));
        io.metrics.api_request("create", KIND, ok);
        if !ok {
            io.metrics.event_dropped("error");
        }
        if !ok && !failing {
            // Once, not for each: the counter tells how many.
            warn!(reason = event.reason, why = %why(done), "events cannot be written");
        }
        failing = !ok;
    }
}

fn why(done: Result<kube::Result<v1::Event>, tokio::time::error::Elapsed>) -> String {
    match done {
        Ok(Ok(_)) => String::new(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", Duration::as_secs(&LIMIT)),
    }
}

/// The event as the API server takes it.
fn object(event: Event, about: ObjectReference, instance: &str, now: Timestamp) -> v1::Event {
    let name = about.name.clone().unwrap_or_default();
    v1::Event {
        metadata: ObjectMeta {
            // The API server takes no prefix that ends with a dot.
            generate_name: Some(format!("{name}-")),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        type_: Some(if event.severity == Severity::Warning { "Warning" } else { "Normal" }.into()),
        reason: Some(event.reason),
        action: Some(event.action.into()),
        note: Some(event.note),
        regarding: Some(about),
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(CONTROLLER.into()),
        reporting_instance: Some(if instance.is_empty() { MANAGER.into() } else { instance.into() }),
        ..v1::Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn event() -> Event {
        Event::new(Severity::Warning, "Conflict", "Reconcile", "why")
    }

    #[tokio::test]
    async fn a_flood_of_events_is_bounded_counted_and_never_waited_for() {
        let metrics = Metrics::default();
        let uri = "http://192.0.2.1:1".parse().expect("an address that nobody has");
        let client = kube::Client::try_from(kube::Config::new(uri)).expect("client");
        let (recorder, _writer) = Recorder::new(Io::new(client, "a", metrics.clone()), "pod");
        let about = || ObjectReference { name: Some("nv-1".into()), ..ObjectReference::default() };
        for _ in 0..20_000 {
            recorder.record(Subject::Other, about(), event(), Timestamp::UNIX_EPOCH);
        }
        let waiting = u64::try_from(QUEUE - recorder.queue.capacity()).expect("a number");
        assert!((80..100).contains(&waiting), "{waiting} of 20,000");
        let dropped = format!("events_dropped_total{{why=\"rate\"}} {}", 20_000 - waiting);
        assert!(metrics.text().contains(&dropped), "{}", metrics.text());
        recorder.record(Subject::System, about(), event(), Timestamp::UNIX_EPOCH);
        assert_eq!(
            u64::try_from(QUEUE - recorder.queue.capacity()).expect("a number"),
            waiting + 1,
            "the MailSystem's"
        );
    }

    #[test]
    fn an_event_has_what_the_api_server_asks_for() {
        let about =
            ObjectReference { name: Some("nv-1".into()), namespace: Some("a".into()), ..ObjectReference::default() };
        let event = object(event(), about, "", Timestamp::UNIX_EPOCH);
        assert_eq!(event.metadata.generate_name.as_deref(), Some("nv-1-"));
        assert_eq!(event.metadata.namespace.as_deref(), Some("a"));
        assert_eq!(event.reporting_instance.as_deref(), Some(MANAGER));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
    }
}
