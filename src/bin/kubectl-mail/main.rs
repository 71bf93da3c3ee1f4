//! `kubectl mail`: the plugin. Exit codes: 0 as wished, 1 findings or conflicts, 2 wrong use, 3 a file or the cluster cannot be read.

mod help;
mod life;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use k8s_openapi::jiff::Timestamp;
use mail_operator::cli::output::{self, Format, Lang};
use mail_operator::cli::validate::{Options, Report};
use mail_operator::cli::{Finding, Severity, journal, password, pin, plan, tree, validate};
use mail_operator::domain::calendar;
use mail_operator::domain::naming::{self, NameError};
use serde_json::json;

/// The rules of the mail system on files: for pull requests and for people who ask why.
#[derive(Parser)]
#[command(name = "kubectl mail", version, max_term_width = 100, after_help = help::EXIT_CODES)]
struct Cli {
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value = "text")]
    output: Format,
    /// Language of the text; from the locale when not given.
    #[arg(long, global = true, value_enum)]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says everything that is wrong with files or folders of YAML, with file, line and column, without a cluster.
    ///
    /// Fields and types, the rules of the kinds, names and addresses (Điều 4), dates, objects that stand twice, references.
    /// Objects of other groups are skipped.
    #[command(after_help = help::VALIDATE)]
    Validate {
        #[command(flatten)]
        tree: TreeArgs,
    },
    /// Writes the address that the operator would issue into each Mailbox and Agency that has none (D-21).
    ///
    /// A cluster that is rebuilt from pinned files has the same addresses, whatever the order. Files with errors are refused.
    #[command(after_help = help::PIN)]
    Pin {
        #[command(flatten)]
        tree: TreeArgs,
        /// Only say what is not pinned; exit code 1 if there is something.
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        claims: ClaimsArgs,
    },
    /// Says what a merge would do: who gets which address, what changes, what is revoked, and who has to decide (Điều 4).
    ///
    /// The rules are those of the operator, for all of the tree at once: written addresses first, then what the names give; of
    /// several who would get one address all go on to their next one, and two of one full name wait for a person. Nothing is
    /// written anywhere.
    #[command(after_help = help::PLAN)]
    Plan {
        #[command(flatten)]
        tree: TreeArgs,
        #[command(flatten)]
        claims: ClaimsArgs,
    },
    /// Explains how a name becomes an address (Điều 4), without asking whether somebody has it.
    #[command(after_help = help::NAME)]
    Name {
        /// Full name in Vietnamese.
        full_name: String,
        /// What stands after the dot: the suffix of the agency.
        #[arg(long)]
        suffix: String,
    },
    /// The journal of every decision: who decided what, by which article and document, and what changed (R5.2, R7.2).
    Journal {
        #[command(subcommand)]
        command: journal::JournalCommand,
    },
    #[command(flatten)]
    Life(life::Command),
    /// Checks a password by the rule of Điều 9.
    Password {
        #[command(subcommand)]
        command: PasswordCommand,
    },
}

#[derive(Subcommand)]
enum PasswordCommand {
    /// Reads a password from standard input, up to the first end of a line, and says what is missing (R9.2, D-18).
    #[command(after_help = help::PASSWORD)]
    Check {
        /// Nothing: what stands on a command line can be read by everybody on the machine.
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        written: Vec<std::ffi::OsString>,
    },
}

#[derive(clap::Args)]
struct TreeArgs {
    /// Files or folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// An object that the cluster has and the files need not have; repeatable, * for all of a kind.
    #[arg(long, value_name = "KIND/NAME", value_parser = kind_and_name)]
    allow_missing: Vec<String>,
}

impl TreeArgs {
    fn options(&self) -> Options {
        Options { allow_missing: self.allow_missing.clone(), today: Some(calendar::day(Timestamp::now())) }
    }
}

#[derive(clap::Args)]
struct ClaimsArgs {
    /// Addresses that are issued already: a file of AddressClaims (YAML or JSON), or `cluster`; none when not given.
    #[arg(long, value_name = "FILE|cluster")]
    claims: Option<PathBuf>,
    /// With `--claims cluster`: the namespace of objects that name none; the kubeconfig's own when not given.
    #[arg(short, long, value_name = "NAME", requires = "claims")]
    namespace: Option<String>,
}

impl ClaimsArgs {
    fn source(self) -> plan::Source {
        match self.claims {
            None => plan::Source::Nothing,
            Some(word) if word.as_os_str() == "cluster" => plan::Source::Cluster(self.namespace),
            Some(_) if self.namespace.is_some() => {
                let message = "--namespace goes with --claims cluster; claims of a file name theirs";
                Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit()
            }
            Some(file) => plan::Source::File(file),
        }
    }
}

fn kind_and_name(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(text.into()),
        _ => Err("write KIND/NAME, for example Agency/stttt or Agency/*".into()),
    }
}

fn main() -> ExitCode {
    mail_operator::tls::install_provider();
    let cli = Cli::parse();
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()));
    let default = if locale.is_some_and(|l| l.starts_with("vi")) { Lang::Vi } else { Lang::En };
    let lang = cli.lang.unwrap_or(default);
    let (command, formats): (_, &[Format]) = match cli.command {
        Command::Plan { .. } => ("plan", &[Format::Text, Format::Markdown, Format::Json]),
        Command::Name { .. } => ("name", &[Format::Text, Format::Json]),
        Command::Journal { .. } => ("journal", &[Format::Text, Format::Json]),
        Command::Password { .. } => ("password check", &[Format::Text, Format::Json]),
        Command::Life(ref command) => command.formats(),
        Command::Validate { .. } => ("validate", &[Format::Text, Format::Json, Format::Sarif, Format::Github]),
        Command::Pin { .. } => ("pin", &[Format::Text, Format::Json, Format::Sarif, Format::Github]),
    };
    if !formats.contains(&cli.output) {
        let names: Vec<String> = formats.iter().map(|f| format!("{f:?}").to_lowercase()).collect();
        let message = format!("{command} prints {} only", names.join(", "));
        let _ = Cli::command().error(clap::error::ErrorKind::InvalidValue, message).print();
        return ExitCode::from(2);
    }
    match cli.command {
        Command::Validate { tree } => validate_all(&tree, cli.output, lang),
        Command::Pin { tree, check, claims } => pin_all(&tree, &claims.source(), check, cli.output, lang),
        Command::Plan { tree, claims } => plan_all(&tree, &claims.source(), cli.output, lang),
        Command::Life(command) => command.run(cli.output, lang),
        Command::Name { full_name, suffix } => name(&full_name, &suffix, cli.output, lang),
        Command::Journal { command } => ExitCode::from(journal::run(command, cli.output, lang)),
        Command::Password { command: PasswordCommand::Check { written } } => {
            if !written.is_empty() {
                let message =
                    "the password is read from standard input: on a command line everybody on the machine sees it";
                eprintln!("kubectl mail: {message}");
                return ExitCode::from(2);
            }
            check_password(cli.output, lang)
        }
    }
}

fn plan_all(args: &TreeArgs, source: &plan::Source, output: Format, lang: Lang) -> ExitCode {
    let options = args.options();
    let plan = match plan::plan(&args.paths, &options, source) {
        Ok(plan) => plan,
        Err(error) => return unreadable(&error),
    };
    let text = match output {
        Format::Json => plan.json(),
        Format::Markdown => plan::markdown(&plan, lang),
        _ => plan::text(&plan, lang),
    };
    print!("{text}");
    if plan.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A root that is not there.
fn unreadable(error: &tree::Unreadable) -> ExitCode {
    eprintln!("kubectl mail: {error}");
    ExitCode::from(3)
}

fn exit(findings: &[Finding]) -> ExitCode {
    if findings.iter().any(|f| f.severity == Severity::Error) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn counts(findings: &[Finding]) -> (usize, usize) {
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    (errors, findings.len() - errors)
}

fn validate_all(args: &TreeArgs, output: Format, lang: Lang) -> ExitCode {
    let options = args.options();
    let Report { findings, objects, files } = match validate::validate(&args.paths, &options) {
        Ok(report) => report,
        Err(error) => return unreadable(&error),
    };
    let (errors, warnings) = counts(&findings);
    let summary = match lang {
        Lang::En => format!(
            "{}, {}: {}, {}",
            counted(files, "file"),
            counted(objects, "object"),
            counted(errors, "error"),
            counted(warnings, "warning")
        ),
        Lang::Vi => format!("{files} tệp, {objects} đối tượng: {errors} lỗi, {warnings} cảnh báo"),
    };
    print!("{}", output::findings(&findings, output, lang, &summary));
    exit(&findings)
}

fn pin_all(args: &TreeArgs, source: &plan::Source, check: bool, output: Format, lang: Lang) -> ExitCode {
    let options = args.options();
    let pin::Outcome { findings, pinned, refused } = match pin::pin(&args.paths, &options, source, check) {
        Ok(outcome) => outcome,
        Err(error) => return unreadable(&error),
    };
    if output == Format::Text {
        pinned.iter().for_each(|(object, local_part)| println!("{object}: {local_part}"));
    }
    let summary = match (lang, refused) {
        (Lang::En, true) => "nothing was written: mend the errors first".into(),
        (Lang::Vi, true) => "chưa ghi gì: vui lòng sửa các lỗi trước".into(),
        (Lang::En, false) => format!("{} pinned, {} left", pinned.len(), counts(&findings).0),
        (Lang::Vi, false) => format!("đã ghim {}, còn lại {}", pinned.len(), counts(&findings).0),
    };
    print!("{}", output::findings(&findings, output, lang, &summary));
    exit(&findings)
}

fn name(full_name: &str, suffix: &str, output: Format, lang: Lang) -> ExitCode {
    let derived = naming::person_name(full_name, None)
        .and_then(|name| naming::person_local_part(&name, suffix).map(|derived| (name, derived)));
    match derived {
        Ok((name, derived)) => {
            if output == Format::Json {
                let item = json!({"address": derived.local_part.address("gialai.gov.vn"), "storedName": name.stored(),
                    "derivation": derived.steps, "warnings": derived.warnings, "errors": []});
                println!("{item}");
            } else {
                println!("{}", derived.local_part.address("gialai.gov.vn"));
                for step in &derived.steps {
                    println!("  {:<8} {:<28} {}", step.rule, step.step, step.value);
                }
                for warning in &derived.warnings {
                    println!("  ! {} ({})", lang.pick(&warning.message, &warning.message_vi), warning.rule);
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => refused(&error, output, lang),
    }
}

fn check_password(output: Format, lang: Lang) -> ExitCode {
    let password = match password::read() {
        Ok(password) => password,
        Err(error) => {
            eprintln!("kubectl mail: {error}");
            return ExitCode::from(3);
        }
    };
    let (text, ok) = password::check(&password, output == Format::Json, lang);
    print!("{text}");
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn refused(error: &NameError, output: Format, lang: Lang) -> ExitCode {
    if output == Format::Json {
        println!("{}", json!({"address": null, "derivation": [], "warnings": [], "errors": [error]}));
    } else {
        let text = if lang == Lang::Vi { &error.message_vi } else { &error.message };
        println!("{text} ({})", error.rule);
    }
    ExitCode::FAILURE
}
