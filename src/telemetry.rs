//! Logs and metrics. Labels are bounded: never the name of a mailbox.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Starts logging: text for people, JSON with `--log-json`. `RUST_LOG` chooses the level.
pub fn init(json: bool) {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,kube=warn,hyper=warn".into());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { builder.json().init() } else { builder.with_ansi(false).init() }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    verb: &'static str,
    kind: String,
    ok: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reconcile {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct System {
    namespace: String,
    system: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Watch {
    kind: String,
}

/// Every metric of the operator.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<Request, Counter>,
    reconciles: Family<Reconcile, Counter>,
    seconds: Family<Controller, Histogram>,
    watch_errors: Family<Watch, Counter>,
    leader: Gauge,
    mailboxes: Family<System, Gauge>,
    agent_up: Family<System, Gauge>,
    panics: Family<Controller, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("mail_operator");
        let requests = Family::default();
        registry.register("kube_requests", "Requests to the API server, watches apart", requests.clone());
        let reconciles = Family::default();
        registry.register("reconcile", "Reconciles by result", reconciles.clone());
        let seconds: Family<Controller, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 14)));
        registry.register("reconcile_time_seconds", "Time of a reconcile", seconds.clone());
        let watch_errors = Family::default();
        registry.register("watch_errors", "Watches that failed and were started again", watch_errors.clone());
        let leader = Gauge::default();
        registry.register("leader", "1 while this replica leads", leader.clone());
        let mailboxes = Family::default();
        registry.register("mailboxes", "Mailboxes with an account", mailboxes.clone());
        let agent_up = Family::default();
        registry.register("agent_up", "1 while the agent of the mail pod answers", agent_up.clone());
        let panics = Family::default();
        registry.register("panics", "Panics that were caught", panics.clone());
        Self(Arc::new(Inner {
            registry,
            requests,
            reconciles,
            seconds,
            watch_errors,
            leader,
            mailboxes,
            agent_up,
            panics,
        }))
    }
}

impl Metrics {
    /// A request to the API server.
    pub fn api_request(&self, verb: &'static str, kind: &str, ok: bool) {
        let ok = if ok { "true" } else { "false" };
        self.0.requests.get_or_create(&Request { verb, kind: kind.into(), ok }).inc();
    }

    /// A reconcile that ended.
    pub fn reconciled(&self, controller: &'static str, result: &'static str, seconds: f64) {
        self.0.reconciles.get_or_create(&Reconcile { controller, result }).inc();
        self.0.seconds.get_or_create(&Controller { controller }).observe(seconds);
    }

    /// A panic that was caught.
    pub fn panicked(&self, controller: &'static str) {
        self.0.panics.get_or_create(&Controller { controller }).inc();
    }

    /// A watch that failed.
    pub fn watch_failed(&self, kind: &str) {
        self.0.watch_errors.get_or_create(&Watch { kind: kind.into() }).inc();
    }

    /// Whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }

    /// How a system is.
    pub fn system(&self, namespace: &str, system: &str, mailboxes: i64, agent_up: bool) {
        let labels = System { namespace: namespace.into(), system: system.into() };
        self.0.mailboxes.get_or_create(&labels).set(mailboxes);
        self.0.agent_up.get_or_create(&labels).set(i64::from(agent_up));
    }

    /// OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}
