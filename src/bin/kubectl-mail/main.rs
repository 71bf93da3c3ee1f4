//! `kubectl mail`: the plugin. Exit codes: 0 as wished, 1 findings or conflicts, 2 wrong use, 3 a file or the cluster cannot be read.

mod acts;
mod help;
mod life;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use k8s_openapi::jiff::Timestamp;
use mail_operator::cli::output::{self, Findings, Format, Lang, Plain, Plan, put, put_line};
use mail_operator::cli::place::Place;
use mail_operator::cli::validate::{Options, Report};
use mail_operator::cli::{Finding, Severity, journal, password, pin, plan, tree, validate};
use mail_operator::domain::calendar;
use mail_operator::domain::naming::{self, NameError};
use serde_json::json;

/// The rules of the mail system on files: for pull requests and for people who ask why.
#[derive(Parser)]
#[command(name = "kubectl mail", version, max_term_width = 100, after_help = help::EXIT_CODES)]
struct Cli {
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
    #[command(after_help = help::unbroken(help::VALIDATE))]
    Validate {
        #[command(flatten)]
        tree: TreeArgs,
        #[command(flatten)]
        output: Findings,
    },
    /// Writes the address that the operator would issue into each Mailbox and Agency that has none (D-21).
    ///
    /// A cluster that is rebuilt from pinned files has the same addresses, whatever the order. Files with errors are refused.
    #[command(after_help = help::unbroken(help::PIN))]
    Pin {
        #[command(flatten)]
        tree: TreeArgs,
        /// Only say what is not pinned; exit code 1 if there is something.
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        claims: ClaimsArgs,
        #[command(flatten)]
        output: Findings,
    },
    /// Says what a merge would do: who gets which address, what changes, what is revoked, and who has to decide (Điều 4).
    ///
    /// The rules are those of the operator, for all of the tree at once: written addresses first, then what the names give; of
    /// several who would get one address all go on to their next one, and two of one full name wait for a person. Nothing is
    /// written anywhere.
    #[command(after_help = help::unbroken(help::PLAN))]
    Plan {
        #[command(flatten)]
        tree: TreeArgs,
        /// The paths are a part of the tree: who has an address and is not among them stays.
        #[arg(long, requires = "claims")]
        partial: bool,
        #[command(flatten)]
        claims: ClaimsArgs,
        #[command(flatten)]
        output: Plan,
    },
    /// Explains how a name becomes an address (Điều 4), without asking whether somebody has it.
    #[command(after_help = help::unbroken(help::NAME))]
    Name {
        /// Full name in Vietnamese.
        full_name: String,
        /// What stands after the dot: the suffix of the agency.
        #[arg(long)]
        suffix: String,
        #[command(flatten)]
        output: Plain,
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
    #[command(after_help = help::unbroken(help::PASSWORD))]
    Check {
        #[command(flatten)]
        output: Plain,
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
    #[command(flatten)]
    cluster: Place,
}

impl ClaimsArgs {
    fn source(self) -> plan::Source {
        let wrong = |message: &str| Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
        match self.claims {
            Some(word) if word.as_os_str() == "cluster" => plan::Source::Cluster(self.cluster),
            _ if self.cluster.is_named() => wrong(
                "--namespace, --context, --kubeconfig and --as go with --claims cluster; claims of a file name theirs",
            ),
            None => plan::Source::Nothing,
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
    let cli = Cli::try_parse().unwrap_or_else(|error| help::or_wrong_use(&error));
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()));
    let default = if locale.is_some_and(|l| l.starts_with("vi")) { Lang::Vi } else { Lang::En };
    let lang = cli.lang.unwrap_or(default);
    match cli.command {
        Command::Validate { tree, output } => validate_all(&tree, output.form, lang),
        Command::Pin { tree, check, claims, output } => pin_all(&tree, &claims.source(), check, output.form, lang),
        Command::Plan { tree, partial, claims, output } => {
            plan_all(&tree, &claims.source(), partial, output.form, lang)
        }
        Command::Life(command) => command.run(lang),
        Command::Name { full_name, suffix, output } => name(&full_name, &suffix, output.form, lang),
        Command::Journal { command } => ExitCode::from(journal::run(command, lang)),
        Command::Password { command: PasswordCommand::Check { output, written } } => {
            if !written.is_empty() {
                let message = lang.pick(
                    "the password is read from standard input: on a command line everybody on the machine sees it",
                    "mật khẩu được đọc từ đầu vào chuẩn: ghi trên dòng lệnh thì mọi người dùng máy này đều thấy.",
                );
                eprintln!("kubectl mail: {message}");
                return ExitCode::from(2);
            }
            check_password(output.form, lang)
        }
    }
}

fn plan_all(args: &TreeArgs, source: &plan::Source, partial: bool, output: Format, lang: Lang) -> ExitCode {
    let options = args.options();
    let plan = match plan::plan(&args.paths, &options, source, partial) {
        Ok(plan) => plan,
        Err(error) => return unreadable(&error, lang),
    };
    plan.note.iter().for_each(|note| eprintln!("{}", note.pick(lang)));
    // In the text it stands on top; what goes into a file or a comment is read by somebody else.
    if output != Format::Text {
        plan.doubt.iter().for_each(|doubt| eprintln!("kubectl mail: {}", doubt.pick(lang)));
    }
    let text = match output {
        Format::Json => plan.json(),
        Format::Markdown => plan::markdown(&plan, lang),
        _ => plan::text(&plan, lang),
    };
    put(&text);
    if plan.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A root that is not there.
fn unreadable(error: &tree::Unreadable, lang: Lang) -> ExitCode {
    eprintln!("kubectl mail: {}", error.text(lang));
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
        Err(error) => return unreadable(&error, lang),
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
    put(&output::findings(&findings, output, lang, &summary));
    exit(&findings)
}

fn pin_all(args: &TreeArgs, source: &plan::Source, check: bool, output: Format, lang: Lang) -> ExitCode {
    let options = args.options();
    let pin::Outcome { findings, pinned, refused, note } = match pin::pin(&args.paths, &options, source, check) {
        Ok(outcome) => outcome,
        Err(error) => return unreadable(&error, lang),
    };
    note.iter().for_each(|note| eprintln!("{}", note.pick(lang)));
    if output == Format::Text {
        pinned.iter().for_each(|(object, local_part)| put_line(&format!("{object}: {local_part}")));
    }
    let summary = match (lang, refused) {
        (Lang::En, true) => {
            format!("nothing was written in any file: mend the errors first, in {}", bad_files(&findings, lang))
        }
        (Lang::Vi, true) => {
            format!("chưa ghi vào tệp nào: vui lòng sửa lỗi trước, trong {}", bad_files(&findings, lang))
        }
        (Lang::En, false) => format!("{} pinned, {} left", pinned.len(), counts(&findings).0),
        (Lang::Vi, false) => format!("đã ghim {}, còn lại {}", pinned.len(), counts(&findings).0),
    };
    put(&output::findings(&findings, output, lang, &summary));
    exit(&findings)
}

/// Files that are named where one bad file keeps all from being written.
const NAMED: usize = 5;

/// The files with errors, as they were named.
fn bad_files(findings: &[Finding], lang: Lang) -> String {
    let bad = findings.iter().filter(|f| f.severity == Severity::Error).map(|f| f.file.as_str());
    let bad: std::collections::BTreeSet<&str> = bad.collect();
    let more = match (bad.len().saturating_sub(NAMED), lang) {
        (0, _) => String::new(),
        (more, Lang::En) => format!(" and {more} more"),
        (more, Lang::Vi) => format!(" và {more} tệp khác"),
    };
    let names: Vec<&str> = bad.into_iter().take(NAMED).collect();
    output::printable(&(names.join(", ") + &more))
}

fn name(full_name: &str, suffix: &str, output: Format, lang: Lang) -> ExitCode {
    let derived = naming::person_name(full_name, None)
        .and_then(|name| naming::person_local_part(&name, suffix).map(|derived| (name, derived)));
    match derived {
        Ok((name, derived)) => {
            if output == Format::Json {
                let item = json!({"address": derived.local_part.address("gialai.gov.vn"), "storedName": name.stored(),
                    "derivation": derived.steps, "warnings": derived.warnings, "errors": []});
                put_line(&item.to_string());
            } else {
                put_line(&derived.local_part.address("gialai.gov.vn"));
                for step in &derived.steps {
                    put_line(&format!("  {:<8} {:<28} {}", step.rule, step.step, step.value));
                }
                for warning in &derived.warnings {
                    put_line(&format!("  ! {} ({})", lang.pick(&warning.message, &warning.message_vi), warning.rule));
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => refused(&error, output, lang),
    }
}

fn check_password(output: Format, lang: Lang) -> ExitCode {
    let password = match password::read(lang) {
        Ok(password) => password,
        Err(error) => {
            eprintln!("kubectl mail: {error}");
            return ExitCode::from(3);
        }
    };
    let (text, ok) = password::check(&password, output == Format::Json, lang);
    put(&text);
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn refused(error: &NameError, output: Format, lang: Lang) -> ExitCode {
    if output == Format::Json {
        put_line(&json!({"address": null, "derivation": [], "warnings": [], "errors": [error]}).to_string());
    } else {
        let text = if lang == Lang::Vi { &error.message_vi } else { &error.message };
        put_line(&format!("{text} ({})", error.rule));
    }
    ExitCode::FAILURE
}
