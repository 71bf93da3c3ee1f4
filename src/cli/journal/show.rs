//! Entries as a table that fits the terminal, or as JSON.

use std::collections::BTreeSet;
use std::io::{self, Write};

use k8s_openapi::jiff::Timestamp;
use unicode_normalization::UnicodeNormalization;

use super::super::output::{Format, Lang, Said, columns, printable_whole};
use super::SourceArgs;
use super::source::{Source, Unreadable};
use crate::domain::calendar;
use crate::domain::journal::{Entry, Known, Verifier, read};

/// Columns of time, mailbox, action, rule and change, by the width of the terminal; the rest is for the reason.
const COLUMNS: [(usize, [usize; 5]); 3] =
    [(0, [16, 14, 12, 6, 12]), (100, [16, 20, 16, 7, 20]), (150, [16, 40, 18, 7, 40])];

/// Blanks before what goes on below.
const INDENT: usize = 4;

/// Names that are offered for one that is mistyped.
const NEAR: usize = 3;

/// Which entries.
pub(super) struct Wanted {
    /// Name or address of a mailbox.
    pub mailbox: Option<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
}

/// Names that the journal has beside the one that is asked for, and whether it has that.
#[derive(Default)]
struct Names {
    found: bool,
    near: BTreeSet<String>,
}

impl Names {
    fn look(&mut self, name: &str, entry: &Entry) {
        let of = [&entry.event.mailbox, &entry.event.address];
        self.found |= of.contains(&&name.to_string());
        let near = of.into_iter().filter(|other| !other.is_empty() && self.near.len() < NEAR && is_near(name, other));
        let near: Vec<String> = near.cloned().collect();
        self.near.extend(near);
    }

    fn told(&self, name: &str) -> Said {
        let (near, near_vi) = if self.near.is_empty() {
            Default::default()
        } else {
            let (or, or_vi) = (
                self.near.iter().cloned().collect::<Vec<_>>().join(" or "),
                self.near.iter().cloned().collect::<Vec<_>>().join(" hoặc "),
            );
            (format!(" (did you mean {or}?)"), format!(" (có phải ý là {or_vi}?)"))
        };
        Said::new(
            format!("no entry of this journal names the mailbox '{name}'{near}"),
            format!("không mục nào của nhật ký này ghi hộp thư '{name}'{near_vi}"),
        )
    }
}

/// Whether a few letters differ.
fn is_near(name: &str, other: &str) -> bool {
    let (name, other) = (name.to_lowercase(), other.to_lowercase());
    let far = (name.chars().count() / 4).clamp(1, 3);
    name.chars().count().abs_diff(other.chars().count()) <= far && strsim::damerau_levenshtein(&name, &other) <= far
}

impl Wanted {
    fn has(&self, entry: &Entry) -> bool {
        let of = |name: &String| *name == entry.event.mailbox || *name == entry.event.address;
        self.mailbox.as_ref().is_none_or(of) && self.since.is_none_or(|since| entry.event.at >= since)
    }
}

/// Prints them; 1 if the journal is damaged, or names nobody of whom was asked, which is said on standard error.
pub(super) fn show(args: SourceArgs, wanted: &Wanted, format: Format, lang: Lang) -> Result<u8, Unreadable> {
    let mut out = io::stdout().lock();
    let json = format == Format::Json;
    let width = columns().filter(|_| format != Format::Wide);
    let mut shown = 0_u64;
    let table = |cells: &[String; 6]| row(cells, width) + "\n";
    let (mut verifier, mut names) = (Verifier::new(Known::default()), Names::default());
    Source::of(args)?.each(|text, place, whole| {
        let entry = verifier.line(text, place, whole).or_else(|| verifier.failed().then(|| read(text).ok()).flatten());
        entry.iter().zip(&wanted.mailbox).for_each(|(entry, name)| names.look(name, entry));
        let Some(entry) = entry.filter(|entry| wanted.has(entry)) else { return Ok(()) };
        let line = match (json, shown) {
            (true, 0) => format!("{BEGIN}{}", object(&entry)),
            (true, _) => format!(",\n{}", object(&entry)),
            (false, 0) => table(&heads(lang)) + &table(&cells(&entry)),
            (false, _) => table(&cells(&entry)),
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
    let nobody = wanted.mailbox.as_ref().filter(|_| !names.found);
    nobody.iter().for_each(|name| eprintln!("kubectl mail: {}", printable_whole(names.told(name).pick(lang))));
    let Err(bad) = verifier.finish() else { return Ok(u8::from(nobody.is_some())) };
    eprintln!("{}", super::line(&bad, lang));
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

/// One entry of the table: one line where no width is given, or where it fits. Else what is too long goes on below, and nothing is cut;
/// the reason, which is the longest, then has the width of the terminal.
fn row(cells: &[String; 6], width: Option<usize>) -> String {
    let texts = cells.clone().map(|cell| printable_whole(&cell).nfc().collect::<String>());
    let fits = |(least, _): &&(usize, _)| width.unwrap_or(100) >= *least;
    let columns = COLUMNS.iter().rfind(fits).map_or([0; 5], |(_, columns)| *columns);
    let taken: usize = columns.iter().map(|columns| columns + 1).sum();
    let Some(width) = width else { return line(&texts.each_ref().map(String::as_str), &columns) };
    let [first @ .., why] = &texts;
    let below = taken + why.chars().count() > width;
    let broken: Vec<Vec<String>> = first.iter().zip(columns).map(|(text, columns)| broken(text, columns)).collect();
    let height = broken.iter().map(Vec::len).max().unwrap_or(1);
    let mut lines = Vec::with_capacity(height);
    for i in 0..height {
        let mut parts: Vec<&str> = broken.iter().map(|of| of.get(i).map_or("", String::as_str)).collect();
        parts.push(if i == 0 && !below { why } else { "" });
        lines.push(line(&parts, &columns));
    }
    if below {
        lines.extend(self::broken(why, width - INDENT).into_iter().map(|part| format!("{:INDENT$}{part}", "")));
    }
    lines.join("\n")
}

/// Cells side by side.
fn line(cells: &[&str], columns: &[usize; 5]) -> String {
    let columns = columns.iter().copied().chain([0]);
    let parts = cells.iter().zip(columns).map(|(text, columns)| format!("{text:<columns$}"));
    parts.collect::<Vec<_>>().join(" ").trim_end().into()
}

/// A text in parts of at most so many characters: broken at blanks, and within a word where that is longer.
fn broken(text: &str, most: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for (i, piece) in letters.chunks(most).enumerate() {
            let used = parts.last().map_or(0, |part| part.chars().count());
            let blank = usize::from(used > 0 && i == 0);
            if used + blank + piece.len() > most {
                parts.push(String::new());
            }
            let Some(part) = parts.last_mut() else { continue };
            if i == 0 && !part.is_empty() {
                part.push(' ');
            }
            part.extend(piece);
        }
    }
    parts
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
            let narrow = row(&cells, Some(width));
            assert!(narrow.lines().all(|line| line.chars().count() <= width) && !narrow.contains('\u{1b}'), "{narrow}");
            assert_eq!(narrow.matches('đ').count(), 300, "nothing is cut: {narrow}");
            let whole = row(&cells, None);
            assert!(whole.ends_with(&"đ".repeat(300)), "{whole}");
            assert!(whole.lines().count() == 1 && !whole.contains('\u{1b}'), "{whole}");
        }
    }
}
