//! `kubectl mail journal`: the journal of every decision (R5.2, R7.2), from files, standard input or the mail pod.

mod show;
mod source;

use std::path::PathBuf;

use k8s_openapi::jiff::civil::Date;
use serde_json::json;

use super::output::{Format, Lang, printable};
use crate::domain::calendar;
use crate::domain::journal::{Bad, Head, Known, Summary, Verifier};
use source::Source;

const VERIFY: &str = "\
Examples:
  # The journal of the cluster: the first bad entry, or how many are good and where the chain ends
  kubectl mail journal verify -n thu-cong-vu

  # A copy, with the end of the chain as it was noted last time: nothing up to there may be missing
  kubectl mail journal verify journal-2026-*.jsonl --head 1234:5f0c…

  # The copy that the logs keep
  kubectl -n thu-cong-vu logs gialai-0 -c agent | grep '^{\"stream\":\"journal\"' |
    kubectl mail journal verify -

Exit code 1 if an entry is bad.";

const SHOW: &str = "\
Examples:
  kubectl mail journal show -n thu-cong-vu --mailbox nv-000123
  kubectl mail journal show --since 2026-06-01 -o json | jq '.entries[] | select(.action == \"Lock\")'";

/// `kubectl mail journal …`.
#[derive(clap::Subcommand)]
pub enum JournalCommand {
    /// Follows the chain of hashes and names the first entry that was changed, removed, moved or cut off.
    #[command(after_help = VERIFY)]
    Verify {
        /// Where the journal is read.
        #[command(flatten)]
        source: SourceArgs,
        /// An entry that must be there, as an earlier `verify` printed it; repeatable.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Vec<Head>,
    },
    /// Prints entries, oldest first.
    #[command(after_help = SHOW)]
    Show {
        /// Where the journal is read.
        #[command(flatten)]
        source: SourceArgs,
        /// Only those of a Mailbox: its name or its address.
        #[arg(long, value_name = "NAME")]
        mailbox: Option<String>,
        /// Only those from this day on (in the province), for example 2026-06-01.
        #[arg(long, value_name = "DAY")]
        since: Option<Date>,
    },
}

/// Where the journal is read.
#[derive(clap::Args)]
pub struct SourceArgs {
    /// Files in their order, or - for standard input; the mail pod of the cluster when none is given.
    files: Vec<PathBuf>,
    /// Namespace of the MailSystem.
    #[arg(short, long, value_name = "NAME", conflicts_with = "files")]
    namespace: Option<String>,
    /// Context of the kubeconfig.
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    context: Option<String>,
}

/// Does it; the exit code.
pub fn run(command: JournalCommand, format: Format, lang: Lang) -> u8 {
    let done = match command {
        JournalCommand::Verify { source, head } => verify(source, head, format, lang),
        JournalCommand::Show { source, mailbox, since } => {
            let wanted = show::Wanted { mailbox, since: since.map(calendar::midnight) };
            show::show(source, &wanted, format, lang)
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("kubectl mail: {error}");
        3
    })
}

fn verify(args: SourceArgs, heads: Vec<Head>, format: Format, lang: Lang) -> Result<u8, source::Unreadable> {
    let mut verifier = Verifier::new(Known { first: None, heads });
    Source::of(args).each(|text, place, whole| {
        verifier.line(text, place, whole);
        Ok(())
    })?;
    let result = verifier.finish();
    match (format, &result) {
        (Format::Json, result) => println!("{}", verdict(result)),
        (_, Ok(summary)) => print!("{}", good(summary, lang)),
        (_, Err(bad)) => println!("{}", line(bad, lang)),
    }
    Ok(u8::from(result.is_err()))
}

fn verdict(result: &Result<Summary, Bad>) -> serde_json::Value {
    let (api, kind) = ("mail.gialai.gov.vn/v1alpha1", "JournalVerification");
    match result {
        Ok(Summary { entries, first, last, head }) => {
            let first = first.map(|(sequence, at)| json!({"sequence": sequence, "at": at}));
            json!({"apiVersion": api, "kind": kind, "ok": true, "entries": entries, "first": first,
                "last": last.map(|at| json!({"sequence": head.sequence, "at": at})), "head": head.to_string()})
        }
        Err(bad) => json!({"apiVersion": api, "kind": kind, "ok": false, "bad": bad}),
    }
}

/// `FILE:LINE: entry … [Fault]`.
fn line(bad: &Bad, lang: Lang) -> String {
    let message = lang.pick(&bad.message, &bad.message_vi);
    format!("{}:{}: {message} [{:?}]", printable(&bad.place.file), bad.place.line, bad.fault)
}

fn good(summary: &Summary, lang: Lang) -> String {
    let Summary { entries, first: Some((first, begin)), last: Some(end), head } = summary else {
        return format!("{}\n", lang.pick("the journal has no entry yet", "Nhật ký chưa có mục nào."));
    };
    let time = |at| calendar::local(at).strftime("%Y-%m-%d %H:%M").to_string();
    let (begin, end, last) = (time(*begin), time(*end), head.sequence);
    let mut text = match lang {
        Lang::En => format!("every entry is good: {entries}, from {first} ({begin}) to {last} ({end})\n"),
        Lang::Vi => format!("Nhật ký toàn vẹn: {entries} mục, từ mục {first} ({begin}) đến mục {last} ({end}).\n"),
    };
    if *first > 1 {
        text += &match lang {
            Lang::En => {
                format!("entries before {first} are not there: removed after the retention, or in another file\n")
            }
            Lang::Vi => format!("Các mục trước mục {first} không có ở đây: đã hết thời hạn lưu hoặc nằm ở tệp khác.\n"),
        };
    }
    text + lang.pick("head ", "mục cuối ") + &head.to_string() + "\n"
}
