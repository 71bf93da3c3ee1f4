//! What the controllers of a namespace share, in front of an API server that does as it is told: for tests.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::context::{Clock, Ctx, Settings};
use super::namespace::{caches, triggers};
use super::readiness::Readiness;
use crate::backend::Syncer;
use crate::kube_io::Io;
use crate::telemetry::Metrics;

/// An API server that takes whatever is written and gives it the resourceVersion 2.
fn taking() -> Client {
    let service = tower::service_fn(|request: axum::http::Request<Body>| async move {
        let body = request.into_body().collect_bytes().await?;
        let mut object: Value = serde_json::from_slice(&body).unwrap_or_default();
        object["metadata"]["resourceVersion"] = "2".into();
        Ok::<_, kube::Error>(axum::http::Response::new(Body::from(object.to_string().into_bytes())))
    });
    Client::new(service, "mail")
}

/// An API server that holds one object, whose status is written by those who read it as it is: 409 for all others.
fn holding(object: Value) -> Client {
    let live = Arc::new(Mutex::new(object));
    let service = tower::service_fn(move |request: axum::http::Request<Body>| {
        let live = live.clone();
        async move {
            let body = request.into_body().collect_bytes().await?;
            let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
            let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
            let mut answer = axum::http::Response::builder();
            let read = &sent["metadata"]["resourceVersion"];
            if sent.is_object() && *read != live["metadata"]["resourceVersion"] {
                answer = answer.status(409);
                let refused = json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409});
                return Ok::<_, kube::Error>(
                    answer.body(Body::from(refused.to_string().into_bytes())).expect("an answer"),
                );
            }
            if sent.is_object() {
                live["status"] = sent["status"].clone();
            }
            Ok(answer.body(Body::from(live.to_string().into_bytes())).expect("an answer"))
        }
    });
    Client::new(service, "mail")
}

/// In front of an API server that holds this object.
pub(super) fn ctx_holding<K: Serialize>(object: &K, now: Timestamp) -> Ctx {
    ctx_of(holding(serde_json::to_value(object).expect("JSON")), now)
}

/// With empty caches, a mail server that is not there, and a clock that stands still.
pub(super) fn ctx(now: Timestamp) -> Ctx {
    ctx_of(taking(), now)
}

fn ctx_of(client: Client, now: Timestamp) -> Ctx {
    let metrics = Metrics::default();
    let io = Io::new(client, "mail", metrics.clone());
    let clock = Clock::new(move || now);
    let settings = Settings {
        readiness: Readiness::default(),
        identity: "tests".into(),
        mail_image: "mail".into(),
        agent_image: "agent".into(),
        portal_account: "portal".into(),
        pull_secrets: Vec::new(),
        operator_namespace: "mail".into(),
        concurrency: 1,
        term: 1,
        clock: clock.clone(),
        days_ahead: 0,
        wall: clock,
    };
    let (stores, ..) = caches(&io);
    let syncer = Arc::new(Syncer::new(mpsc::channel(8).0));
    Ctx::new(io, settings, stores, triggers("mail").0, syncer, metrics)
}
