//! `mail-operator run`: the Lease, the namespaces, the probes, an orderly stop.

use std::net::SocketAddr;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::controllers::{self, Clock, Readiness, Settings, stop_when};
use crate::kube_io::Io;
use crate::leader::{Elector, Leadership, Term};
use crate::telemetry::Metrics;
use crate::{signals, telemetry, tls};

/// What is under way may take this long after SIGTERM.
const DRAIN: Duration = Duration::from_secs(20);

/// Settings of the operator.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Namespaces to serve, one MailSystem in each; repeat the option or separate them by commas.
    #[arg(long = "namespace", env = "MAIL_OPERATOR_NAMESPACES", value_delimiter = ',', required = true)]
    pub namespaces: Vec<String>,
    /// Image of Dovecot, Postfix and rspamd for MailSystems that name none.
    #[arg(long, env = "MAIL_OPERATOR_MAIL_IMAGE")]
    pub mail_image: String,
    /// The operator's own image, which the agent in the mail pod runs.
    #[arg(long, env = "MAIL_OPERATOR_IMAGE")]
    pub image: String,
    /// Secret of the served namespace with which the kubelet pulls the images of mail pods; may be repeated.
    #[arg(long = "pull-secret")]
    pub pull_secrets: Vec<String>,
    /// ServiceAccount of the password page, in each served namespace.
    #[arg(long, default_value = "mail-operator-portal")]
    pub portal_account: String,
    /// Namespace of the operator: its Lease is there, and agents let in only its pods.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub own_namespace: String,
    /// Name of this replica in the Lease.
    #[arg(long, env = "POD_NAME", default_value = "mail-operator")]
    pub identity: String,
    /// Name of the Lease.
    #[arg(long, default_value = "mail-operator")]
    pub lease: String,
    /// Mailboxes of a namespace for which the API server is spoken to at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=128))]
    pub concurrency: u16,
    /// Rehearsal, never on a system with people: the regulation is applied as if it were so many days later. Locks and revocations
    /// that come of it are real.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=3660))]
    pub days_ahead: u16,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8081")]
    pub listen: SocketAddr,
}

/// Runs until SIGTERM or until leadership is lost.
pub async fn run(args: RunArgs) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    tls::install_provider();
    let metrics = Metrics::default();
    if args.days_ahead > 0 {
        warn!(days = args.days_ahead, "a rehearsal: the regulation is applied as if it were later");
    }
    let mut config = kube::Config::infer().await?;
    // Retries are ours: per object, with backoff, and seen in its status.
    config.default_retry = false;
    let client = Client::try_from(config)?;
    let readiness = Readiness::of(&args.namespaces);
    let (leadership, following) = watch::channel(Leadership::Standby);
    let why = {
        let (following, readiness) = (following.clone(), readiness.clone());
        move || not_ready(*following.borrow(), &readiness)
    };
    let serving = tokio::spawn(telemetry::serve(args.listen, metrics.clone(), why));
    let terminated = stop_when(signals::terminated());
    let elector =
        Elector::new(Io::new(client.clone(), &args.own_namespace, metrics.clone()), &args.lease, &args.identity);
    let (drained, drain_done) = tokio::sync::oneshot::channel::<()>();
    let electing = tokio::spawn(elector.run(leadership, async move {
        let _ = drain_done.await;
    }));
    let over = lost(following.clone());
    let stop = stop_when({
        let terminated = terminated.clone();
        async move {
            tokio::select! { () = terminated => {}, () = over => {} }
        }
    });
    let mut failed = None;
    tokio::select! {
        () = stop.clone() => {}
        term = leading(following.clone()) => {
            metrics.leads(true);
            // Who lost the Lease stops in the middle: the next leader may be at work.
            tokio::select! {
                result = lead(settings(&args, term, readiness), args.namespaces.clone(), client, &metrics, terminated.clone()) => failed = result.err(),
                () = lost(following.clone()) => {}
            }
            metrics.leads(false);
        }
    }
    let ended = *following.borrow() == Leadership::Lost;
    drop(drained);
    let _ = tokio::time::timeout(Duration::from_secs(6), electing).await;
    serving.abort();
    match failed {
        Some(failed) => Err(failed.into()),
        None if ended => Err("leadership lost".into()),
        None => Ok(()),
    }
}

fn settings(args: &RunArgs, term: Term, readiness: Readiness) -> Settings {
    Settings {
        readiness,
        identity: args.identity.clone(),
        mail_image: args.mail_image.clone(),
        agent_image: args.image.clone(),
        portal_account: args.portal_account.clone(),
        pull_secrets: args.pull_secrets.clone(),
        operator_namespace: args.own_namespace.clone(),
        concurrency: args.concurrency,
        term,
        clock: Clock::ahead(args.days_ahead),
        days_ahead: args.days_ahead,
        wall: Clock::system(),
    }
}

/// Works on every namespace until `stop`, then for a bounded time on what is under way.
///
/// A namespace that ends before, by a bug, ends the process: nobody would see that it stands still.
async fn lead(
    settings: Settings,
    served: Vec<String>,
    client: Client,
    metrics: &Metrics,
    stop: controllers::Stop,
) -> Result<(), controllers::Ended> {
    let mut namespaces = JoinSet::new();
    for namespace in served {
        let (client, settings, metrics, stop) = (client.clone(), settings.clone(), metrics.clone(), stop.clone());
        namespaces.spawn(async move { controllers::run(client, &namespace, settings, metrics, stop).await });
    }
    tokio::select! {
        result = all(&mut namespaces) => result,
        () = async { stop.clone().await; tokio::time::sleep(DRAIN).await } => {
            info!("stopped after {} s", DRAIN.as_secs());
            Ok(())
        }
    }
}

/// Until every namespace ended as it should, or the first did not.
async fn all(namespaces: &mut JoinSet<Result<(), controllers::Ended>>) -> Result<(), controllers::Ended> {
    while let Some(ended) = namespaces.join_next().await {
        ended.unwrap_or_else(|_| Err(controllers::Ended::bug()))?;
    }
    Ok(())
}

/// Until this replica leads; its term.
async fn leading(mut following: watch::Receiver<Leadership>) -> Term {
    loop {
        if let Leadership::Leading(term) = *following.borrow_and_update() {
            return term;
        }
        if following.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Until this replica may lead no more.
async fn lost(mut following: watch::Receiver<Leadership>) {
    if following.wait_for(|l| *l == Leadership::Lost).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Why this replica is not ready. A standby is: it would take over, and fills no cache before.
fn not_ready(leadership: Leadership, readiness: &Readiness) -> Option<String> {
    match leadership {
        Leadership::Standby => None,
        Leadership::Leading(_) => readiness.missing(),
        Leadership::Lost => Some("leadership lost".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_ready_when_its_caches_are_filled_and_a_standby_always() {
        let readiness = Readiness::of(&["thu-cong-vu".into()]);
        assert_eq!(not_ready(Leadership::Standby, &readiness), None);
        assert!(not_ready(Leadership::Leading(1), &readiness).is_some_and(|why| why.contains("thu-cong-vu")));
        assert!(not_ready(Leadership::Lost, &readiness).is_some());
        readiness.follow("thu-cong-vu", watch::Sender::new(true).subscribe());
        assert_eq!(not_ready(Leadership::Leading(1), &readiness), None);
    }
}
