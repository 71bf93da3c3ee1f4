//! `kubectl mail journal`: the journal of every decision (R5.2, R7.2), from files, standard input or the mail pod.

mod show;
mod source;

use std::path::PathBuf;

use k8s_openapi::jiff::civil::Date;
use serde_json::json;

use super::life::words;
use super::output::{Format, Lang, Plain, Wide, printable, put, put_line, unbroken};
use super::place::Access;
use super::when::day;
use crate::domain::calendar;
use crate::domain::journal::{Bad, Head, Known, Summary, Verifier};
use source::{Noted, Source};

const VERIFY: &str = "\
Examples:
  # The journal of the cluster: the first bad entry, or how many are good
  kubectl mail journal verify -n thu-cong-vu

  # A copy, with the end of the chain as it was noted last time: nothing may be missing
  kubectl mail journal verify journal-2026-*.jsonl --head NUMBER:HASH

  # The copy that the logs keep
  kubectl -n thu-cong-vu logs gialai-0 -c agent | grep '^{\"stream\":\"journal\"' |
    kubectl mail journal verify -

The journal of the cluster must hold the entry that the MailSystem noted last (status.journal):
whoever cuts off the end, or exchanges the whole, cannot reach that.
Exit code 1 if an entry is bad.";

const SHOW: &str = "\
Examples:
  # What was decided about somebody; what does not fit the line goes on below
  kubectl mail journal show -n thu-cong-vu --mailbox nv-000123

  # Each entry in one line
  kubectl mail journal show -n thu-cong-vu --mailbox nv-000123 -o wide

  # From a day on, for a script
  kubectl mail journal show --since 2026-06-01 -o json |
    jq '.entries[] | select(.action == \"Lock\")'";

/// `kubectl mail journal …`.
#[derive(clap::Subcommand)]
pub enum JournalCommand {
    /// Follows the chain of hashes and names the first entry that was changed, removed, moved or cut off.
    #[command(after_help = unbroken(VERIFY))]
    Verify {
        /// Where the journal is read.
        #[command(flatten)]
        source: SourceArgs,
        /// An entry that must be there, as an earlier `verify` printed it; repeatable. The one of the MailSystem is not asked for then.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Vec<Head>,
        /// How to print.
        #[command(flatten)]
        output: Plain,
    },
    /// Prints entries, oldest first.
    #[command(after_help = unbroken(SHOW))]
    Show {
        /// Where the journal is read.
        #[command(flatten)]
        source: SourceArgs,
        /// Only those of a Mailbox: its name or its address.
        #[arg(long, value_name = "NAME")]
        mailbox: Option<String>,
        /// Only those from this day on (in the province), for example 2026-06-01.
        #[arg(long, value_name = "DAY", value_parser = day)]
        since: Option<Date>,
        /// How to print.
        #[command(flatten)]
        output: Wide,
    },
}

/// Where the journal is read.
#[derive(clap::Args)]
pub struct SourceArgs {
    /// Files in their order, or - for standard input; the mail pod of the cluster when none is given.
    #[arg(conflicts_with_all = ["context", "kubeconfig", "user", "groups"])]
    files: Vec<PathBuf>,
    /// Namespace of the MailSystem.
    #[arg(short, long, value_name = "NAME", conflicts_with = "files")]
    namespace: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// Does it; the exit code.
pub fn run(command: JournalCommand, lang: Lang) -> u8 {
    let done = match command {
        JournalCommand::Verify { source, head, output } => verify(source, head, output.form, lang),
        JournalCommand::Show { source, mailbox, since, output } => {
            let wanted = show::Wanted { mailbox, since: since.map(calendar::midnight) };
            show::show(source, &wanted, output.form, lang)
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("kubectl mail: {}", error.text(lang));
        3
    })
}

fn verify(args: SourceArgs, heads: Vec<Head>, format: Format, lang: Lang) -> Result<u8, source::Unreadable> {
    let source = Source::of(args)?;
    let asked = heads.is_empty();
    let noted = source.noted().filter(|_| asked).cloned();
    let mut verifier =
        Verifier::new(Known { first: None, heads, noted: noted.as_ref().map(|noted| noted.head.clone()) });
    let cluster = source.is_cluster() && asked;
    source.each(|text, place, whole| {
        verifier.line(text, place, whole);
        Ok(())
    })?;
    let result = verifier.finish();
    match (format, &result) {
        (Format::Json, result) => put_line(&verdict(result, noted.as_ref()).to_string()),
        (_, Ok(summary)) => put(&good(summary, lang)),
        (_, Err(bad)) => put_line(&line(bad, lang)),
    }
    if format != Format::Json && cluster {
        put_line(&outside(noted.as_ref(), &result, lang));
    }
    Ok(u8::from(result.is_err()))
}

/// What the MailSystem knows of the journal.
fn outside(noted: Option<&Noted>, result: &Result<Summary, Bad>, lang: Lang) -> String {
    let Some(Noted { head: Head { sequence, hash }, at }) = noted else {
        let en = "the MailSystem has noted no entry yet: an end that was cut off would not be seen";
        return lang.pick(en, "MailSystem chưa ghi nhận mục nào: nếu phần cuối bị cắt thì không thể phát hiện.").into();
    };
    // As the other commands tell a time: that of the province.
    let at = calendar::moment(at).map_or_else(|| printable(at), |at| words::time(at, lang));
    let hash = hash.get(..12).unwrap_or_default();
    let reached = result.as_ref().err().is_none_or(|bad| bad.sequence > *sequence);
    match (reached, lang) {
        (true, Lang::En) => format!("entry {sequence}, which the MailSystem noted at {at}, is there"),
        (true, Lang::Vi) => format!("Mục {sequence} mà MailSystem đã ghi nhận lúc {at} vẫn còn."),
        (false, Lang::En) => format!(
            "the MailSystem noted entry {sequence} (hash {hash}…) at {at}: the journal held it then, and does not hold it unbroken now"
        ),
        (false, Lang::Vi) => format!(
            "MailSystem đã ghi nhận mục {sequence} (mã băm {hash}…) lúc {at}: khi đó nhật ký có mục này, nay không còn nguyên vẹn."
        ),
    }
}

fn verdict(result: &Result<Summary, Bad>, noted: Option<&Noted>) -> serde_json::Value {
    let (api, kind) = ("mail.gialai.gov.vn/v1alpha1", "JournalVerification");
    let local = |at: &str| calendar::moment(at).map_or_else(|| at.to_string(), calendar::rfc3339);
    let noted = noted.map(|noted| json!({"head": noted.head.to_string(), "at": local(&noted.at)}));
    match result {
        Ok(Summary { entries, first, last, head }) => {
            let first = first.map(|(sequence, at)| json!({"sequence": sequence, "at": calendar::rfc3339(at)}));
            json!({"apiVersion": api, "kind": kind, "ok": true, "entries": entries, "first": first,
                "last": last.map(|at| json!({"sequence": head.sequence, "at": calendar::rfc3339(at)})), "head": head.to_string(),
                "noted": noted})
        }
        Err(bad) => json!({"apiVersion": api, "kind": kind, "ok": false, "bad": bad, "noted": noted}),
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
    let time = |at| words::time(at, lang);
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
