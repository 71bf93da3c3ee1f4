//! `mail-operator agent`: beside the mail server in its pod. It holds the account table that Dovecot and Postfix read,
//! answers readiness for all containers, ends sessions of locked accounts and has new certificates read. It keeps the journal of
//! decisions and delivers notices.
//!
//! It opens the table first thing and changes it in place, never by rename: running processes would keep the old file.

mod api;
mod certificate;
mod doveadm;
mod folders;
mod foreign;
mod journal;
mod kicks;
mod notices;
mod probes;
mod purge;
mod reserve;
mod server;
mod sqlite;
mod table;
mod usage;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::backend::JournalEnd;
use crate::domain::journal::{Event, Head, LEAST_MONTHS, for_stdout};

pub use journal::{Appended, Journal, JournalError, print as print_journal};
pub use table::{Table, TableError};

/// Folder of the journal of decisions in the pod.
pub const JOURNAL: &str = "/srv/journal";

/// Where things are in the pod.
#[derive(Clone, Debug, clap::Args)]
pub struct AgentArgs {
    /// The account table (SQLite); its folder is mounted read-only by Dovecot and Postfix.
    #[arg(long, default_value = "/srv/db/mail.sqlite")]
    pub database: PathBuf,
    /// The file to which Dovecot appends logins and deliveries.
    #[arg(long, default_value = "/srv/activity/events.jsonl")]
    pub events: PathBuf,
    /// The folder in which each mailbox has its own.
    #[arg(long, default_value = "/srv/vmail")]
    pub mail: PathBuf,
    /// What is kept of use (SQLite); nobody else mounts its folder.
    #[arg(long, default_value = "/srv/state/usage.sqlite")]
    pub usage: PathBuf,
    /// Folder with tls.crt, tls.key and ca.crt for the operator's connections.
    #[arg(long, default_value = "/etc/agent/tls")]
    pub tls: PathBuf,
    /// Folder with the mail server's tls.crt and tls.key.
    #[arg(long, default_value = "/etc/dovecot/ssl")]
    pub mail_tls: PathBuf,
    /// File with the key of Dovecot's HTTP API.
    #[arg(long, default_value = "/srv/auth/api_key")]
    pub doveadm_key: PathBuf,
    /// Folder of the journal of decisions.
    #[arg(long, default_value = JOURNAL)]
    pub journal: PathBuf,
    /// Months for which logs and journal are kept; at least 6 (R7.2).
    #[arg(long, default_value_t = LEAST_MONTHS, value_parser = clap::value_parser!(u16).range(6..=120))]
    pub log_months: u16,
    /// Rehearsal: use is told as if it were so many days later.
    #[arg(long, default_value_t = 0)]
    pub days_ahead: u16,
    /// Address for the operator (mutual TLS).
    #[arg(long, default_value = "0.0.0.0:8443")]
    pub listen: std::net::SocketAddr,
    /// Address for the kubelet's probes (HTTP).
    #[arg(long, default_value = "0.0.0.0:8090")]
    pub probes: std::net::SocketAddr,
}

/// What the parts of the agent share.
pub(crate) struct Shared {
    pub table: std::sync::Mutex<Table>,
    pub usage: std::sync::Mutex<usage::Store>,
    pub instance: String,
    pub database: PathBuf,
    pub journal: JournalSlot,
    pub notices: notices::Records,
    pub doveadm: doveadm::Doveadm,
    pub kicks: kicks::Kicks,
    pub purge: purge::Purger,
    pub certificate_error: watch::Receiver<Option<String>>,
}

/// The journal, opened when it is needed: one that cannot be opened keeps nobody from his mail.
pub(crate) struct JournalSlot {
    folder: PathBuf,
    months: u16,
    open: std::sync::Mutex<Option<Journal>>,
}

impl JournalSlot {
    pub fn new(folder: PathBuf, months: u16) -> Self {
        Self { folder, months, open: std::sync::Mutex::default() }
    }

    /// The journal for one writer.
    pub fn lock(&self) -> std::sync::MutexGuard<'_, Option<Journal>> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes into the journal that `lock` gave; one that failed is opened anew the next time.
    pub fn append(&self, slot: &mut Option<Journal>, events: Vec<Event>) -> Result<Appended, JournalError> {
        self.with(slot, |journal| journal.append(&events, Timestamp::now()))
    }

    /// Where it ends, and whether it holds an entry that was noted elsewhere.
    pub fn end(&self, noted: Option<&Head>) -> Result<JournalEnd, JournalError> {
        self.with(&mut self.lock(), |journal| journal.end(noted))
    }

    fn with<T>(
        &self,
        slot: &mut Option<Journal>,
        work: impl FnOnce(&mut Journal) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let mut journal = match slot.take() {
            Some(journal) => journal,
            None => {
                let mut journal = Journal::open(&self.folder, self.months)?;
                tell(&journal.recovered());
                journal
            }
        };
        let done = work(&mut journal)?;
        *slot = Some(journal);
        Ok(done)
    }
}

/// Runs until SIGTERM; every task that ends before is an error.
pub async fn run(args: AgentArgs) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut table = Table::open(&args.database)?;
    // Before anybody reads them: Dovecot starts later.
    let looked = table.watch_folders(args.mail.clone());
    table.mend(looked)?;
    info!(revision = table.revision()?, complete = table.is_complete()?, "account table open");
    let closed = table.closed()?;
    let doveadm = doveadm::Doveadm::new(args.doveadm_key.clone());
    let (certificate_error, certificate_errors) = watch::channel(None);
    let shared = Arc::new(Shared {
        table: std::sync::Mutex::new(table),
        usage: std::sync::Mutex::new(usage::Store::open(&args.usage)?),
        instance: format!("{:016x}", rand::random::<u64>()),
        database: args.database.clone(),
        journal: JournalSlot::new(args.journal.clone(), args.log_months),
        notices: notices::Records::new(args.journal.join("notices.sqlite"), args.log_months),
        doveadm: doveadm.clone(),
        kicks: kicks::Kicks::default(),
        purge: purge::Purger::new(args.mail.clone(), args.days_ahead),
        certificate_error: certificate_errors,
    });
    shared.kicks.push(closed);
    if let Err(error) = shared.journal.append(&mut shared.journal.lock(), Vec::new()).map(|done| tell(&done)) {
        warn!(%error, "the journal cannot be opened yet");
    }
    let stop = crate::signals::terminated();
    let certificates = certificate::watch(args.mail_tls.clone(), doveadm.clone(), certificate_error);
    let watch = usage::Watch::new(shared.clone(), doveadm.clone(), args.events.clone(), args.days_ahead);
    tokio::select! {
        () = watch.run() => error!("the watch of use ended"),
        result = server::serve_tls(args.listen, args.tls.clone(), api::routes(shared.clone())) => result?,
        result = probes::serve(args.probes, shared.clone()) => result?,
        () = certificates => error!("the watch of the certificates ended"),
        () = shared.kicks.run(&doveadm) => error!("the kicker ended"),
        () = shared.purge.run() => error!("the removal of purged folders ended"),
        () = stop => { info!("stopping"); tokio::time::sleep(Duration::from_millis(50)).await; return Ok(()) }
    }
    Err("a part of the agent ended".into())
}

/// New entries on stdout: a copy that leaves the volume with the logs.
fn tell(appended: &Appended) {
    let mut out = std::io::stdout().lock();
    for line in &appended.lines {
        let _ = writeln!(out, "{}", for_stdout(line));
    }
    let _ = out.flush();
}
