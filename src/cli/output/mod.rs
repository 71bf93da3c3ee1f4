//! How findings are printed: for people, for scripts, for code hosts.

mod sarif;

use std::fmt::Write;

use serde_json::json;

use super::{Finding, Severity};

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON document.
    Json,
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

impl Finding {
    fn text(&self, lang: Lang) -> &str {
        lang.pick(&self.message, &self.message_vi)
    }
}

/// Findings in one form; the summary stands only in text for people.
pub fn findings(findings: &[Finding], format: Format, lang: Lang, summary: &str) -> String {
    match format {
        Format::Text => text(findings, lang) + summary + "\n",
        Format::Json => {
            let document =
                json!({"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "Findings", "findings": findings});
            format!("{document}\n")
        }
        Format::Sarif => format!("{}\n", sarif::log(findings, lang)),
        Format::Github => findings.iter().map(|f| annotation(f, lang)).collect(),
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
        let field =
            if f.path.is_empty() || f.text(lang).contains(&f.path) { String::new() } else { format!("{}: ", f.path) };
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
        message(f.text(lang))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Code;

    #[test]
    fn github_annotations_are_escaped() {
        let finding = Finding::error("a,b:c.yaml", Code::NotYaml, "100 %\nbad", "x").by("R5.2");
        let line = "::error file=a%2Cb%3Ac.yaml,line=1,col=1,title=NotYaml (R5.2)::100 %25%0Abad\n";
        assert_eq!(annotation(&finding, Lang::En), line);
    }
}
