//! `kubectl mail`: the plugin. Exit codes: 0 as wished, 1 findings, 2 wrong use, 3 a file cannot be read.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use mail_operator::cli::{Finding, validate};
use mail_operator::domain::naming::{self, NameError};
use serde_json::json;

/// The rules of the mail system, offline: for pull requests and for people who ask why.
#[derive(Parser)]
#[command(name = "kubectl mail", version, about, max_term_width = 100)]
struct Cli {
    /// How to print: text for people, or one JSON document.
    #[arg(short, long, global = true, value_enum, default_value = "text")]
    output: Output,
    /// Language of the text; from the locale when not given.
    #[arg(long, global = true, value_enum)]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum, PartialEq)]
enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, ValueEnum, PartialEq)]
enum Lang {
    Vi,
    En,
}

#[derive(Subcommand)]
enum Command {
    /// Reads files or folders of YAML strictly: unknown fields, wrong types, names that give no address.
    ///
    /// Example: kubectl mail validate manifests/gialai
    Validate {
        /// Files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Explains how a name becomes an address (Điều 4), without asking whether somebody has it.
    ///
    /// Example: kubectl mail name "Hoàng Thị Như Quỳnh" --suffix stttt
    Name {
        /// Full name in Vietnamese.
        full_name: String,
        /// What stands after the dot: the suffix of the agency.
        #[arg(long)]
        suffix: String,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()));
    let default = if locale.is_some_and(|l| l.starts_with("vi")) { Lang::Vi } else { Lang::En };
    let lang = cli.lang.unwrap_or(default);
    match cli.command {
        Command::Validate { paths } => validate_all(&paths, cli.output, lang),
        Command::Name { full_name, suffix } => name(&full_name, &suffix, cli.output, lang),
    }
}

fn validate_all(paths: &[PathBuf], output: Output, lang: Lang) -> ExitCode {
    let (mut findings, mut objects) = (Vec::new(), 0);
    for path in paths {
        match validate(path) {
            Ok((found, read)) => {
                findings.extend(found);
                objects += read;
            }
            Err(error) => {
                eprintln!("kubectl mail: {error}");
                return ExitCode::from(3);
            }
        }
    }
    if output == Output::Json {
        println!("{}", json!({"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "Findings", "findings": findings}));
    } else {
        for Finding { file, line, rule, message, message_vi, .. } in &findings {
            let text = if lang == Lang::Vi { message_vi } else { message };
            let rule = if rule.is_empty() { String::new() } else { format!(" ({rule})") };
            println!("{file}:{line}: {text}{rule}");
        }
        match lang {
            Lang::Vi => println!("{objects} đối tượng, {} lỗi", findings.len()),
            Lang::En => println!("{objects} objects, {} findings", findings.len()),
        }
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn name(full_name: &str, suffix: &str, output: Output, lang: Lang) -> ExitCode {
    let derived = naming::person_name(full_name, None)
        .and_then(|name| naming::person_local_part(&name, suffix).map(|derived| (name, derived)));
    match derived {
        Ok((name, derived)) => {
            if output == Output::Json {
                let item = json!({"address": derived.local_part.address("gialai.gov.vn"), "storedName": name.stored(),
                    "derivation": derived.steps, "warnings": derived.warnings, "errors": []});
                println!("{item}");
            } else {
                println!("{}", derived.local_part.address("gialai.gov.vn"));
                for step in &derived.steps {
                    println!("  {:<8} {:<28} {}", step.rule, step.step, step.value);
                }
                for warning in &derived.warnings {
                    println!("  ! {} ({})", warning.message, warning.rule);
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => refused(&error, output, lang),
    }
}

fn refused(error: &NameError, output: Output, lang: Lang) -> ExitCode {
    if output == Output::Json {
        println!("{}", json!({"address": null, "derivation": [], "warnings": [], "errors": [error]}));
    } else {
        let text = if lang == Lang::Vi { &error.message_vi } else { &error.message };
        println!("{text} ({})", error.rule);
    }
    ExitCode::FAILURE
}
