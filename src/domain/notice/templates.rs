//! The texts of notices: a folder of templates, each of which a province can override. The first line is the subject.

use std::collections::BTreeMap;

use k8s_openapi::jiff::civil::Date;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use unicode_normalization::UnicodeNormalization;

use super::{Letter, Notice, Office, Party, line};
use crate::domain::lifecycle::LockReason;
use crate::domain::quota::Bytes;

/// Name and text of each template.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("before-lock.vi.txt", include_str!("templates/before-lock.vi.txt")),
    ("locked.vi.txt", include_str!("templates/locked.vi.txt")),
    ("restored.vi.txt", include_str!("templates/restored.vi.txt")),
    ("quota.vi.txt", include_str!("templates/quota.vi.txt")),
    ("over-quota.vi.txt", include_str!("templates/over-quota.vi.txt")),
];
/// Bytes of a template, at most.
pub const LONGEST_TEMPLATE: usize = 32 << 10;
/// Characters of a subject, at most.
const LONGEST_SUBJECT: usize = 200;
/// Steps of a template, at most: one that never ends is a bad one.
const FUEL: u64 = 50_000;

/// An override that is not used; the built-in text stands in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct TemplateError {
    /// Name of the file.
    pub file: String,
    /// From 1 on.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// The texts in force.
#[derive(Debug)]
pub struct Templates {
    built_in: Environment<'static>,
    overrides: Environment<'static>,
}

impl Default for Templates {
    fn default() -> Self {
        Self::new(&BTreeMap::new()).0
    }
}

impl Templates {
    /// The built-in texts under `overrides` (file name → text). Those that are bad are named and not used.
    pub fn new(overrides: &BTreeMap<String, String>) -> (Self, Vec<TemplateError>) {
        let mut templates = Self { built_in: environment(), overrides: environment() };
        for (name, text) in BUILT_IN {
            // A test renders each.
            let _ = templates.built_in.add_template(name, text);
        }
        let mut bad = Vec::new();
        for (file, text) in overrides {
            if let Err(error) = templates.take(file, text) {
                templates.overrides.remove_template(file);
                bad.push(error);
            }
        }
        (templates, bad)
    }

    fn take(&mut self, file: &str, text: &str) -> Result<(), TemplateError> {
        let wrong = |line, message: String| TemplateError { file: file.into(), line, message };
        if !BUILT_IN.iter().any(|(name, _)| *name == file) {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(wrong(1, format!("there is no such template; there are {}", names.join(", "))));
        }
        if text.len() > LONGEST_TEMPLATE {
            return Err(wrong(1, format!("the text has {} bytes, at most {LONGEST_TEMPLATE} are taken", text.len())));
        }
        let at = |error: &minijinja::Error| wrong(error.line().unwrap_or(1), what(error));
        self.overrides.add_template_owned(file.to_string(), text.to_string()).map_err(|e| at(&e))?;
        for letter in samples().iter().filter(|letter| letter.notice.template() == file) {
            let facts = letter.facts(&Office::default());
            let rendered = render(&self.overrides, file, &facts).map_err(|e| at(&e))?;
            split(&rendered).map_err(|message| wrong(1, message.into()))?;
        }
        Ok(())
    }

    /// Subject and body of a letter, in NFC. A text that fails after all gives way to the built-in one.
    pub fn render(&self, letter: &Letter, office: &Office) -> Option<(String, String)> {
        let (name, facts) = (letter.notice.template(), letter.facts(office));
        [&self.overrides, &self.built_in].into_iter().find_map(|texts| {
            let rendered = render(texts, name, &facts).ok()?;
            split(&rendered).ok()
        })
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // Lines of blocks leave none behind.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(FUEL));
    environment
}

fn render(texts: &Environment<'_>, name: &str, facts: &Value) -> Result<String, minijinja::Error> {
    texts.get_template(name)?.render(facts)
}

fn what(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Subject and body.
fn split(rendered: &str) -> Result<(String, String), &'static str> {
    let text: String = rendered.nfc().collect();
    let (subject, body) = text.split_once('\n').unwrap_or((&text, ""));
    let (subject, body) = (line(subject), body.trim());
    if subject.is_empty() || subject.chars().count() > LONGEST_SUBJECT {
        return Err("the first line is the subject: it has 1 to 200 characters");
    }
    if body.is_empty() {
        return Err("there is no text after the first line");
    }
    Ok((subject, body.replace("\r\n", "\n") + "\n"))
}

/// Letters of every kind, with all facts and with as few as there may be: an override has to do for each.
fn samples() -> Vec<Letter> {
    let day = Date::constant(2026, 6, 16);
    let storage = Bytes(2 << 30);
    let reasons = LockReason::ALL;
    let document = Some("12/STTTT-VP ngày 2/2/2026 của Sở Thông tin và Truyền thông".to_string());
    let mut notices: Vec<Notice> =
        reasons.into_iter().map(|reason| Notice::BeforeLock { reason, day, days_left: 7 }).collect();
    notices.extend([
        Notice::Locked { reasons: reasons.to_vec(), day, document: document.clone() },
        Notice::Locked { reasons: vec![LockReason::Inactive], day, document: None },
        Notice::Restored { day, document },
        Notice::Restored { day, document: None },
        Notice::Quota { percent: 90, storage, day },
        Notice::OverQuota { percent: 100, storage, day },
    ]);
    let letter = |notice: &Notice, some: bool| Letter {
        to: Party { name: "Hoàng Thị Như Quỳnh".into(), address: "quynhhtn.stttt@gialai.gov.vn".into() },
        about: Party { name: "Hoàng Thị Như Quỳnh".into(), address: "quynhhtn.stttt@gialai.gov.vn".into() },
        agency: "Sở Thông tin và Truyền thông".into(),
        agency_address: some.then(|| "stttt@gialai.gov.vn".into()),
        password_url: some.then(|| "https://mail.gialai.gov.vn/mat-khau".into()),
        notice: notice.clone(),
    };
    notices.iter().flat_map(|notice| [letter(notice, true), letter(notice, false)]).collect()
}

#[cfg(test)]
pub(super) fn all_samples() -> Vec<Letter> {
    samples()
}
