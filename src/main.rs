//! `mail-operator`: subcommands only.

use std::io::Write;

use clap::{Parser, Subcommand};
use mail_operator::{agent, operator, portal, telemetry};

/// The caches hold 20,000 of each kind: in glibc's allocator what was freed between them stays with the process (docs/adr/0020).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Makes a province's official mail system declarative.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// Log lines as JSON.
    #[arg(long, global = true, env = "MAIL_OPERATOR_LOG_JSON")]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The controllers, behind one leader Lease.
    Run(operator::RunArgs),
    /// Beside the mail server in its pod: holds the account table, answers readiness, ends sessions.
    Agent(agent::AgentArgs),
    /// The journal of decisions, in the agent's container.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// The web page on which holders change their password.
    Portal(portal::PortalArgs),
    /// Prints the CustomResourceDefinitions as YAML, or writes them into a folder, one file a kind.
    Crds {
        /// Folder to write into.
        #[arg(long)]
        dir: Option<std::path::PathBuf>,
    },
    /// Prints the table of reasons of `docs/reference/codes.md`.
    #[command(hide = true)]
    Codes,
}

#[derive(Subcommand)]
enum JournalCommand {
    /// Prints every entry, one JSON object a line, oldest first.
    Print {
        /// Its folder.
        #[arg(long, default_value = agent::JOURNAL)]
        folder: std::path::PathBuf,
    },
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Journal(JournalCommand::Print { folder }) => {
            agent::print_journal(&folder, &mut std::io::stdout().lock()).map_err(Failure::from)
        }
        Command::Crds { dir } => crds(dir.as_deref()),
        Command::Codes => {
            print!("{}", mail_operator::cli::codes_table());
            Ok(())
        }
        Command::Run(args) => {
            telemetry::init(cli.log_json);
            runtime(operator::run(args))
        }
        Command::Agent(args) => {
            telemetry::init(cli.log_json);
            mail_operator::tls::install_provider();
            runtime(agent::run(args))
        }
        Command::Portal(args) => {
            telemetry::init(cli.log_json);
            runtime(portal::run(args))
        }
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mail-operator: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

fn crds(dir: Option<&std::path::Path>) -> Result<(), Failure> {
    for (name, yaml) in mail_operator::cli::crd_files()? {
        match dir {
            Some(dir) => std::fs::write(dir.join(&name), yaml)?,
            // A reader that closes early (head) is no error.
            None if writeln!(std::io::stdout(), "---\n{}", yaml.trim_end()).is_err() => return Ok(()),
            None => {}
        }
    }
    Ok(())
}
