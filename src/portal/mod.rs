//! `mail-operator portal`: the web page on which a holder changes the password (R9.1, R9.2, R6.3, D-18). It works without a script,
//! on a phone, with a keyboard and with a screen reader.
//!
//! It knows who has which address from a watch, reads and writes one credentials Secret per attempt, and nothing else. What a
//! changed hash means for the mail server is the operator's work.

mod accounts;
mod change;
mod client;
mod csrf;
#[cfg(test)]
mod form_tests;
mod hash;
mod index;
mod kube;
mod lang;
#[cfg(test)]
mod limits_tests;
mod memory;
mod pages;
mod routes;
#[cfg(test)]
mod routes_tests;
mod server;
mod typed;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::kube::Client;
use tracing::info;

pub use self::accounts::{Account, Accounts, Landed, Locked, Served, StoreError};
pub use self::change::{Clock, Desk};
pub use self::client::Proxies;
pub use self::csrf::Csrf;
pub use self::hash::{Hasher, Turn, make as new_hash};
pub use self::kube::KubeAccounts;
pub use self::memory::{Lost, MemoryAccounts};
pub use self::routes::{Peer, Web, routes};
pub use self::server::serve as serve_tls;

use crate::kube_io::Io;
use crate::telemetry::Metrics;
use crate::{signals, telemetry, tls};

/// Wrong answers take at least this long, so that what the API server took for a Secret does not show.
pub const FLOOR: Duration = Duration::from_millis(700);
/// What is under way may take this long after SIGTERM.
const DRAIN: Duration = Duration::from_secs(10);

/// Settings of the password page.
#[derive(Clone, Debug, clap::Args)]
pub struct PortalArgs {
    /// Namespace of the MailSystem.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// Name of the MailSystem.
    #[arg(long)]
    pub system: String,
    /// Folder with the mail server's tls.crt and tls.key.
    #[arg(long, default_value = "/etc/portal/tls")]
    pub tls: PathBuf,
    /// Address for people (HTTPS).
    #[arg(long, default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics (HTTP).
    #[arg(long, default_value = "0.0.0.0:8090")]
    pub probes: SocketAddr,
    /// Network of proxies whose X-Forwarded-For is believed, for example 10.0.0.0/8; may be repeated. Without it the client is
    /// who connects.
    #[arg(long = "trusted-proxy", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,
}

/// Runs until SIGTERM.
pub async fn run(args: PortalArgs) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    tls::install_provider();
    let metrics = Metrics::default();
    let mut config = ::kube::Config::infer().await?;
    config.default_retry = false;
    let client = Client::try_from(config)?;
    let io = Io::new(client, &args.namespace, metrics.clone());
    let accounts = KubeAccounts::start(io, &args.system, &metrics);
    let csrf = Arc::new(Csrf::default());
    let desk = Desk::new(accounts.clone(), metrics.clone(), Clock::system(), FLOOR);
    let web = Arc::new(Web::new(desk, csrf.clone(), Proxies::of(&args.trusted_proxies))?);
    info!(namespace = args.namespace, system = args.system, address = %args.listen, "the password page is served");
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    // Ready when every cache was filled once.
    let reading = move || {
        let why = "mailboxes are being read, or there is no such MailSystem";
        accounts.served().is_none().then(|| why.to_string())
    };
    tokio::select! {
        result = server::serve(listener, args.tls, routes(web), csrf, drain()) => result?,
        () = telemetry::serve(args.probes, metrics, reading) => return Err("probes and metrics cannot be served".into()),
    }
    Ok(())
}

/// Ends at SIGTERM; connections have `DRAIN` from then.
async fn drain() -> Duration {
    signals::terminated().await;
    DRAIN
}
