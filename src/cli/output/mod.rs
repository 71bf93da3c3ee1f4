//! How findings are printed: for people, for scripts, for code hosts.

mod forms;
mod sarif;
mod table;

use std::fmt::Write;
use std::io::Write as _;

use serde::Serialize;
use serde_json::json;

pub use forms::{Findings, HARD_BLANK, Plain, Plan, Proposals, Wide, unbroken};
pub(super) use table::{Columns, cell, columns, cut, wrap};

use super::{Finding, Severity};

/// Writes to the standard output. Whoever reads no more of it (`| head`) has seen enough.
pub fn put(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        eprintln!("kubectl mail: the answer cannot be written: {error}");
    }
}

/// The same, and the end of the line.
pub fn put_line(text: &str) {
    put(&format!("{text}\n"));
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// The same, with everything that does not fit the terminal.
    Wide,
    /// Markdown, for a comment of a pull request.
    Markdown,
    /// One JSON document.
    Json,
    /// A table for a spreadsheet.
    Csv,
    /// SARIF 2.1.0, which code hosts show beside the lines of a change.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// The language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// Vietnamese.
    Vi,
    /// English.
    En,
}

impl Lang {
    /// The one of two texts.
    pub fn pick<'a>(self, en: &'a str, vi: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Vi => vi,
        }
    }
}

/// A sentence in two languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    pub(super) message: String,
    pub(super) message_vi: String,
}

impl Said {
    /// The two texts.
    pub fn new(en: impl Into<String>, vi: impl Into<String>) -> Self {
        Self { message: en.into(), message_vi: vi.into() }
    }

    /// The one of two texts.
    pub fn pick(&self, lang: Lang) -> &str {
        lang.pick(&self.message, &self.message_vi)
    }
}

/// For who asks for no language: English.
impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Said {}

/// Characters of a message that are shown; JSON has all.
const SHOWN: usize = 600;

impl Finding {
    /// The message as a terminal may show it: what stood in the file cannot steer it.
    fn text(&self, lang: Lang) -> String {
        printable(lang.pick(&self.message, &self.message_vi))
    }
}

/// Text as a terminal may show it: what stood in a file cannot steer it.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    text.chars().take(SHOWN).for_each(|c| show(&mut out, c));
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// The same of a text that is shown whole.
pub(super) fn printable_whole(text: &str) -> String {
    let mut out = String::new();
    text.chars().for_each(|c| show(&mut out, c));
    out
}

fn show(out: &mut String, c: char) {
    if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
}

/// Findings in one form; the summary stands in text for people, who also read the log of a pipeline.
pub fn findings(findings: &[Finding], format: Format, lang: Lang, summary: &str) -> String {
    match format {
        // Nothing but `plan` writes Markdown; the lines of text are good Markdown, too, as a block of code.
        Format::Text | Format::Wide | Format::Markdown | Format::Csv => text(findings, lang) + summary + "\n",
        Format::Json => {
            let document =
                json!({"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "Findings", "findings": findings});
            format!("{document}\n")
        }
        Format::Sarif => format!("{}\n", sarif::log(findings, lang)),
        Format::Github => findings.iter().map(|f| annotation(f, lang)).collect::<String>() + summary + "\n",
    }
}

fn text(findings: &[Finding], lang: Lang) -> String {
    let mut out = String::new();
    for f in findings {
        let severity = match (lang, f.severity) {
            (Lang::En, severity) => severity.as_str(),
            (Lang::Vi, Severity::Error) => "lỗi",
            (Lang::Vi, Severity::Warning) => "cảnh báo",
        };
        let rule = if f.rule.is_empty() { f.code.to_string() } else { format!("{}, {}", f.rule, f.code) };
        let field = if f.path.is_empty() || f.text(lang).starts_with(&f.path) {
            String::new()
        } else {
            format!("{}: ", printable(&f.path))
        };
        let _ = writeln!(out, "{}:{}:{}: {severity}: {field}{} [{rule}]", f.file, f.line, f.column, f.text(lang));
    }
    out
}

/// `::error file=…,line=…,col=…,title=…::message`, escaped as the runner wants it.
fn annotation(f: &Finding, lang: Lang) -> String {
    let message = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| message(text).replace(':', "%3A").replace(',', "%2C");
    let title = if f.rule.is_empty() { f.code.to_string() } else { format!("{} ({})", f.code, f.rule) };
    format!(
        "::{} file={},line={},col={},title={}::{}\n",
        f.severity.as_str(),
        property(&f.file),
        f.line,
        f.column,
        property(&title),
        message(&f.text(lang))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Code;

    #[test]
    fn github_annotations_are_escaped() {
        let finding = Finding::error("a,b:c.yaml", Code::NotYaml, "100 % bad", "x").by("R5.2");
        let line = "::error file=a%2Cb%3Ac.yaml,line=1,col=1,title=NotYaml (R5.2)::100 %25 bad\n";
        assert_eq!(annotation(&finding, Lang::En), line);
    }

    #[test]
    fn what_stands_in_a_file_cannot_steer_a_terminal() {
        let finding = Finding::error("a", Code::NotYaml, format!("\u{1b}[31m\n::set{}", "x".repeat(1000)), "x");
        for out in [text(std::slice::from_ref(&finding), Lang::En), annotation(&finding, Lang::En)] {
            assert!(out.contains("\\u{1b}[31m\\n::set") && out.ends_with('\n') && out.lines().count() == 1, "{out}");
            assert!(out.contains('…') && out.len() < 700, "{out}");
        }
    }
}
