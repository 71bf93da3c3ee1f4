//! Logs and metrics, and what a process answers to probes. Labels are bounded: never the name of a mailbox.

mod life;
mod probes;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

pub use life::LifeFigures;
pub use probes::serve;

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
struct Attempt {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Lockout {
    by: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Dropped {
    why: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct System {
    namespace: String,
    system: String,
}

/// How a system is, for its series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemFigures {
    /// Mailboxes with an account.
    pub mailboxes: i64,
    /// Whether the agent of the mail pod answers.
    pub agent_up: bool,
    /// Whether its condition Ready is true.
    pub ready: bool,
    /// Whether the mail server refuses us because it has seen a later leader.
    pub superseded: bool,
    /// End of the certificate that is served, in seconds since 1970.
    pub certificate_ends: Option<i64>,
    /// Free and all bytes of the volume; unknown while the agent does not answer.
    pub volume: Option<(u64, u64)>,
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
    ready: Family<System, Gauge>,
    superseded: Family<System, Gauge>,
    certificate_ends: Family<System, Gauge>,
    volume_free: Family<System, Gauge>,
    volume_size: Family<System, Gauge>,
    life: life::Life,
    purged: Family<System, Counter>,
    purges_refused: Family<System, Counter>,
    activity_gaps: Family<System, Counter>,
    panics: Family<Controller, Counter>,
    status_errors: Family<Controller, Counter>,
    events_dropped: Family<Dropped, Counter>,
    portal_attempts: Family<Attempt, Counter>,
    portal_lockouts: Family<Lockout, Counter>,
    systems: Mutex<BTreeSet<System>>,
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
        let [ready, superseded, certificate_ends, volume_free, volume_size] = systems(&mut registry);
        let life = life::Life::new(&mut registry);
        let purged = Family::default();
        registry.register("purged", "Accounts that were purged after the time of keeping (D-14)", purged.clone());
        let purges_refused = Family::default();
        registry.register("purges_refused", "Accounts that were to be purged and were not", purges_refused.clone());
        let activity_gaps = Family::default();
        registry.register("activity_gaps", "How often what is proven of use began anew (D-16)", activity_gaps.clone());
        let panics = Family::default();
        registry.register("panics", "Panics that were caught", panics.clone());
        let status_errors = Family::default();
        let help = "Failures that could not even be written into the status of their object";
        registry.register("status_errors", help, status_errors.clone());
        let events_dropped = Family::default();
        registry.register("events_dropped", "Events that were not written", events_dropped.clone());
        let portal_attempts = Family::default();
        registry.register("portal_attempts", "Attempts to change a password, by result", portal_attempts.clone());
        let portal_lockouts = Family::default();
        let help = "Times that further attempts to change a password had to wait, by counter";
        registry.register("portal_lockouts", help, portal_lockouts.clone());
        Self(Arc::new(Inner {
            registry,
            requests,
            reconciles,
            seconds,
            watch_errors,
            leader,
            mailboxes,
            agent_up,
            ready,
            superseded,
            certificate_ends,
            volume_free,
            volume_size,
            life,
            purged,
            purges_refused,
            activity_gaps,
            panics,
            status_errors,
            events_dropped,
            portal_attempts,
            portal_lockouts,
            systems: Mutex::default(),
        }))
    }
}

/// Series of a system beside the first ones.
fn systems(registry: &mut Registry) -> [Family<System, Gauge>; 5] {
    let all = [
        ("system_ready", "1 while condition Ready of the MailSystem is true"),
        ("superseded", "1 while the mail server refuses this leader because it has seen a later one"),
        ("certificate_not_after_seconds", "End of the certificate that is served, in seconds since 1970"),
        ("volume_free_bytes", "Free bytes of the volume with mail"),
        ("volume_size_bytes", "Size of the volume with mail"),
    ];
    all.map(|(name, help)| {
        let family = Family::<System, Gauge>::default();
        registry.register(name, help, family.clone());
        family
    })
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
    pub fn system(&self, namespace: &str, system: &str, figures: &SystemFigures) {
        let labels = System { namespace: namespace.into(), system: system.into() };
        let inner = &self.0;
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let all = [
            (&inner.mailboxes, Some(figures.mailboxes)),
            (&inner.agent_up, Some(figures.agent_up.into())),
            (&inner.ready, Some(figures.ready.into())),
            (&inner.superseded, Some(figures.superseded.into())),
            (&inner.certificate_ends, figures.certificate_ends),
            (&inner.volume_free, figures.volume.map(|(free, _)| bytes(free))),
            (&inner.volume_size, figures.volume.map(|(_, size)| bytes(size))),
        ];
        for (family, value) in all {
            match value {
                Some(value) => drop(family.get_or_create(&labels).set(value)),
                None => drop(family.remove(&labels)),
            }
        }
        // There before it counts: the first one would be no increase.
        drop(inner.activity_gaps.get_or_create(&labels));
        self.know(labels);
    }

    /// A system that cannot be looked at as it is written: whatever else was seen of it is old.
    pub fn not_ready(&self, namespace: &str, system: &str) {
        let labels = System { namespace: namespace.into(), system: system.into() };
        self.0.ready.get_or_create(&labels).set(0);
        self.know(labels);
    }

    /// What a look at all accounts of a system counted. Agencies that have none any more end.
    pub fn life(&self, namespace: &str, system: &str, figures: &LifeFigures) {
        let labels = System { namespace: namespace.into(), system: system.into() };
        self.0.life.set(&labels, figures);
        self.know(labels);
    }

    /// So many accounts were purged.
    pub fn purged(&self, namespace: &str, system: &str, count: usize) {
        let labels = System { namespace: namespace.into(), system: system.into() };
        self.0.purged.get_or_create(&labels).inc_by(count as u64);
    }

    /// So many accounts were to be purged and were not.
    pub fn purge_refused(&self, namespace: &str, system: &str, count: usize) {
        let labels = System { namespace: namespace.into(), system: system.into() };
        self.0.purges_refused.get_or_create(&labels).inc_by(count as u64);
    }

    /// What is proven of use began anew.
    pub fn activity_gap(&self, namespace: &str, system: &str) {
        let labels = System { namespace: namespace.into(), system: system.into() };
        self.0.activity_gaps.get_or_create(&labels).inc();
    }

    fn know(&self, labels: System) {
        self.0.systems.lock().unwrap_or_else(PoisonError::into_inner).insert(labels);
    }

    /// Only these systems of a namespace are there: the series of the others end.
    pub fn keep_systems(&self, namespace: &str, there: &[String]) {
        let inner = &self.0;
        inner.systems.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| {
            let keep = known.namespace != namespace || there.contains(&known.system);
            if !keep {
                let all = [&inner.mailboxes, &inner.agent_up, &inner.ready, &inner.superseded];
                let further = [&inner.certificate_ends, &inner.volume_free, &inner.volume_size];
                for family in all.into_iter().chain(further) {
                    family.remove(known);
                }
                inner.life.end(known);
                inner.purged.remove(known);
                inner.purges_refused.remove(known);
                inner.activity_gaps.remove(known);
            }
            keep
        });
    }

    /// A failure that could not be written into a status.
    pub fn status_failed(&self, controller: &'static str) {
        self.0.status_errors.get_or_create(&Controller { controller }).inc();
    }

    /// An event that was not written: for lack of room in the `queue`, for its `rate`, or after an `error`.
    pub fn event_dropped(&self, why: &'static str) {
        self.0.events_dropped.get_or_create(&Dropped { why }).inc();
    }

    /// An attempt on the password page.
    pub fn portal_attempt(&self, result: &'static str) {
        self.0.portal_attempts.get_or_create(&Attempt { result }).inc();
    }

    /// Attempts on the password page that have to wait from now on.
    pub fn portal_lockout(&self, by: &'static str) {
        self.0.portal_lockouts.get_or_create(&Lockout { by }).inc();
    }

    /// OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_a_system_end_with_it() {
        let metrics = Metrics::default();
        let figures = SystemFigures { certificate_ends: Some(1), volume: Some((2, 3)), ..SystemFigures::default() };
        for (namespace, system) in [("a", "one"), ("b", "two")] {
            metrics.system(namespace, system, &figures);
            metrics.life(namespace, system, &life::example());
        }
        metrics.keep_systems("a", &["one".into()]);
        assert!(metrics.text().contains("\"one\""));
        metrics.keep_systems("a", &[]);
        let text = metrics.text();
        assert!(!text.contains("\"one\"") && text.contains("\"two\""), "{text}");
    }

    #[test]
    fn what_is_not_known_any_more_has_no_series() {
        let metrics = Metrics::default();
        metrics.system("a", "one", &SystemFigures { volume: Some((2, 3)), ready: true, ..SystemFigures::default() });
        assert!(metrics.text().contains("mail_operator_volume_free_bytes{namespace=\"a\",system=\"one\"} 2"));
        metrics.system("a", "one", &SystemFigures::default());
        assert!(!metrics.text().contains("volume_free_bytes{"), "{}", metrics.text());
        assert!(metrics.text().contains("mail_operator_system_ready{namespace=\"a\",system=\"one\"} 0"));
    }
}
