//! Commands for the life of accounts.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Subcommand};
use k8s_openapi::jiff::Timestamp;
use mail_operator::cli::life::{Origin, World};
use mail_operator::cli::output::{Format, Lang};
use mail_operator::cli::{forecast, tree};
use mail_operator::domain::calendar;

use super::{Cli, help, unreadable};

#[derive(Subcommand)]
pub enum Command {
    /// Says who will be locked, proposed for revocation, revoked and purged, and when (Điều 5, 6, 8, 9).
    ///
    /// Reads a folder of YAML, or the cluster when none is named. What is due by now is counted as done; with --until also what
    /// comes later if nobody does anything. Nothing is written anywhere.
    #[command(after_help = help::FORECAST)]
    Forecast {
        /// Files or folders; the cluster when none is named.
        paths: Vec<PathBuf>,
        #[command(flatten)]
        at: At,
        /// Until when to look ahead: RFC 3339, or a day for its 00:00 in the province; until now when not given.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<Timestamp>,
        /// Lists the warnings that holders get, too; JSON has them always.
        #[arg(long)]
        warnings: bool,
        #[command(flatten)]
        cluster: Cluster,
    },
}

#[derive(clap::Args)]
pub struct At {
    /// The time of asking: RFC 3339, or a day for its 00:00 in the province; now when not given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<Timestamp>,
}

impl At {
    fn time(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }
}

#[derive(clap::Args)]
pub struct Cluster {
    /// The namespace of the cluster; the kubeconfig's own when not given.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = "write RFC 3339 with its zone, for example 2026-06-16T08:00:00+07:00, or a day, for example 2026-06-16";
    calendar::moment(text).ok_or_else(|| wrong.into())
}

impl Command {
    /// Its name, and the forms that it prints.
    pub fn formats(&self) -> (&'static str, &'static [Format]) {
        match self {
            Self::Forecast { .. } => ("forecast", &[Format::Text, Format::Json]),
        }
    }

    /// Does it.
    pub fn run(self, output: Format, lang: Lang) -> ExitCode {
        let done = match self {
            Self::Forecast { paths, at, until, warnings, cluster } => {
                let now = at.time();
                let until = until.unwrap_or(now);
                if until < now {
                    wrong_use("--until is before --now");
                }
                origin(paths, cluster.namespace).and_then(|world| {
                    let answer = forecast::forecast(&world, now, until);
                    told(&world, &answer.notes);
                    let text =
                        if output == Format::Json { answer.json() } else { forecast::text(&answer, warnings, lang) };
                    put(&text);
                    Ok(whole(&world))
                })
            }
        };
        done.unwrap_or_else(|error| unreadable(&error))
    }
}

fn wrong_use(message: &str) -> ! {
    Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit()
}

/// Reads files where some are named, else the cluster.
fn origin(paths: Vec<PathBuf>, namespace: Option<String>) -> Result<World, tree::Unreadable> {
    if !paths.is_empty() && namespace.is_some() {
        wrong_use("--namespace is for the cluster; objects of files name theirs");
    }
    World::of(&if paths.is_empty() { Origin::Cluster(namespace) } else { Origin::Folder(paths) })
}

/// What people should know of the reading, on standard error.
fn told(world: &World, notes: &[String]) {
    world.tell();
    notes.iter().for_each(|note| eprintln!("kubectl mail: {note}"));
}

fn whole(world: &World) -> ExitCode {
    if world.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints; who stops reading has seen enough.
fn put(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
