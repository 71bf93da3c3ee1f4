//! Entries as a table that fits the terminal, or as JSON.

use std::io::{self, IsTerminal, Write};

use k8s_openapi::jiff::Timestamp;
use rustix::termios::tcgetwinsize;
use unicode_normalization::UnicodeNormalization;

use super::super::output::{Format, Lang, printable};
use super::source::{Source, Unreadable};
use super::{SourceArgs, line};
use crate::domain::calendar;
use crate::domain::journal::{Entry, Known, Verifier, read};

/// Columns where nobody says how wide the terminal is.
const WIDTH: usize = 100;
/// Columns of time, mailbox, action, rule and change; the rest is for the reason.
const COLUMNS: [usize; 5] = [16, 20, 16, 7, 20];
/// The same on a narrow terminal.
const NARROW: [usize; 5] = [16, 14, 12, 6, 12];

/// Which entries.
pub(super) struct Wanted {
    /// Name or address of a mailbox.
    pub mailbox: Option<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
}

impl Wanted {
    fn has(&self, entry: &Entry) -> bool {
        let of = |name: &String| *name == entry.event.mailbox || *name == entry.event.address;
        self.mailbox.as_ref().is_none_or(of) && self.since.is_none_or(|since| entry.event.at >= since)
    }
}

/// Prints them; 1 if the journal is damaged, which is said on standard error.
pub(super) fn show(args: SourceArgs, wanted: &Wanted, format: Format, lang: Lang) -> Result<u8, Unreadable> {
    let mut out = io::stdout().lock();
    let json = format == Format::Json;
    let width = width();
    let mut shown = 0_u64;
    let mut verifier = Verifier::new(Known::default());
    Source::of(args)?.each(|text, place, whole| {
        let entry = verifier.line(text, place, whole).or_else(|| verifier.failed().then(|| read(text).ok()).flatten());
        let Some(entry) = entry.filter(|entry| wanted.has(entry)) else { return Ok(()) };
        let line = match (json, shown) {
            (true, 0) => format!("{BEGIN}{}", object(&entry)),
            (true, _) => format!(",\n{}", object(&entry)),
            (false, 0) => row(&heads(lang), width) + "\n" + &row(&cells(&entry), width) + "\n",
            (false, _) => row(&cells(&entry), width) + "\n",
        };
        shown += 1;
        out.write_all(line.as_bytes()).map_err(|e| Unreadable::output(&e))
    })?;
    let end = match (json, shown) {
        (true, 0) => format!("{BEGIN}]}}\n"),
        (true, _) => "]}\n".into(),
        (false, 0) => format!("{}\n", lang.pick("no such entry", "Không có mục nào phù hợp.")),
        (false, _) => String::new(),
    };
    out.write_all(end.as_bytes()).map_err(|e| Unreadable::output(&e))?;
    let Err(bad) = verifier.finish() else { return Ok(0) };
    eprintln!("{}", line(&bad, lang));
    Ok(1)
}

const BEGIN: &str = r#"{"apiVersion":"mail.gialai.gov.vn/v1alpha1","kind":"Journal","entries":["#;

fn object(entry: &Entry) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

fn heads(lang: Lang) -> [String; 6] {
    match lang {
        Lang::En => ["TIME", "MAILBOX", "ACTION", "RULE", "CHANGE", "WHY, DOCUMENT, BY"],
        Lang::Vi => ["THỜI ĐIỂM", "HỘP THƯ", "VIỆC", "ĐIỀU", "THAY ĐỔI", "LÝ DO, VĂN BẢN, NGƯỜI QUYẾT ĐỊNH"],
    }
    .map(String::from)
}

fn cells(entry: &Entry) -> [String; 6] {
    let event = &entry.event;
    let change = match (event.before.as_str(), event.after.as_str()) {
        ("", "") => String::new(),
        ("", after) => format!("→ {after}"),
        (before, "") => format!("{before} →"),
        (before, after) => format!("{before} → {after}"),
    };
    let texts = [event.cause.as_str(), event.document.as_deref().unwrap_or_default(), &event.actor, &event.note];
    let why: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    [
        calendar::local(event.at).strftime("%Y-%m-%d %H:%M").to_string(),
        if event.mailbox.is_empty() { "-".into() } else { event.mailbox.clone() },
        event.action.clone(),
        event.rule.clone(),
        change,
        why.join("; "),
    ]
}

/// One line of the table; what does not fit is cut.
fn row(cells: &[String; 6], width: usize) -> String {
    let all = if width < WIDTH { NARROW } else { COLUMNS };
    let taken: usize = all.iter().map(|columns| columns + 1).sum();
    let rest = width.saturating_sub(taken).max(10);
    let mut line = String::new();
    for (n, cell) in cells.iter().enumerate() {
        let columns = all.get(n).copied().unwrap_or(rest);
        let text: Vec<char> = printable(cell).nfc().collect();
        if text.len() > columns {
            line.extend(text[..columns - 1].iter().chain(&['…']));
        } else {
            line.extend(&text);
            line.extend(std::iter::repeat_n(' ', columns - text.len()));
        }
        line.push(' ');
    }
    line.trim_end().into()
}

fn width() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = || {
        let out = io::stdout();
        out.is_terminal().then(|| tcgetwinsize(out).ok()).flatten().map(|size| usize::from(size.ws_col))
    };
    said.or_else(asked).filter(|columns| *columns >= 40).unwrap_or(WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fits_the_terminal_whatever_stands_in_it() {
        for width in [80, 100, 120, 200] {
            let cells = [
                "Đề nghị\u{1b}[31m\n".repeat(30),
                String::new(),
                "Lock".into(),
                "6.2.a".into(),
                "a → b".into(),
                "đ".repeat(300),
            ];
            let row = row(&cells, width);
            assert!(row.chars().count() <= width, "{row}");
            assert!(row.lines().count() == 1 && !row.contains('\u{1b}'), "{row}");
        }
    }
}
