//! The journal of every decision (R5.2, R7.2): who or what decided, for whom, by which article and document, what held before and
//! after. One JSON object a line; each entry carries the hash of the one before, so that whoever changes, removes or moves one
//! breaks the chain at that place.
//!
//! The canonical form of an entry is its line up to, and without, `,"hash":`. Its SHA-256 is the hash. So a later version may add
//! fields, and an auditor can check a line with `sha256sum`.

mod verify;

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::calendar::{self, Calendar};
use super::text::cut;
pub use verify::{Bad, Fault, Known, Place, Summary, Verifier, preamble, verify};

/// Logs and journal are kept for at least so many months (R7.2, Điều 7 khoản 2).
pub const LEAST_MONTHS: u16 = 6;
/// And for at most so many.
pub const MOST_MONTHS: u16 = 120;
/// Bytes of a key, at most.
pub const LONGEST_KEY: usize = 300;
/// Bytes of each other text of an event; what is longer is cut.
pub const LONGEST_TEXT: usize = 700;
/// Events of one request, at most.
pub const MOST_EVENTS: usize = 1_000;
/// What comes before the first entry of all.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// How a line on stdout begins: between it and a closing brace stands the entry, byte by byte.
const STREAM: &str = r#"{"stream":"journal","entry":"#;
/// What stands between the canonical form and the hash.
const SEAL: &str = r#","hash":""#;
/// Characters of a hash.
const HASH: usize = 64;

/// One decision, as it is reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Stable name of the decision: the same key is one entry, however often it is reported.
    pub key: String,
    /// When it was decided.
    pub at: Timestamp,
    /// Who decided: a person, or `mail-operator`.
    pub actor: String,
    /// Name of the Mailbox; empty for what concerns the whole system.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mailbox: String,
    /// Its address at that time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// What was done: `Lock`, `Unlock`, `Issue`, …
    pub action: String,
    /// Why, in a word: `Inactive`, `Compromised`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// The article or decision that says so: `6.2.a`, `D-15`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The document it rests on: number, date, issuer (R5.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// What held before.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub before: String,
    /// What holds since.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub after: String,
    /// What else has to be known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// An event that no journal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Without a key it could be written twice.
    #[error("an event of the journal has no key")]
    NoKey,
    /// The key is too long.
    #[error("the key of an event of the journal has more than {LONGEST_KEY} bytes")]
    LongKey,
    /// Nothing is said.
    #[error("an event of the journal names no action or no actor")]
    Nothing,
}

impl Event {
    /// The event with every text within its bound. Nobody loses an entry for a note that is too long.
    pub fn fit(mut self) -> Result<Self, Unfit> {
        if self.key.is_empty() {
            return Err(Unfit::NoKey);
        }
        if self.key.len() > LONGEST_KEY {
            return Err(Unfit::LongKey);
        }
        if self.action.is_empty() || self.actor.is_empty() {
            return Err(Unfit::Nothing);
        }
        let texts = [&mut self.actor, &mut self.mailbox, &mut self.address, &mut self.action, &mut self.cause];
        let more = [&mut self.rule, &mut self.before, &mut self.after, &mut self.note];
        for text in texts.into_iter().chain(more).chain(self.document.as_mut()) {
            if text.len() > LONGEST_TEXT {
                *text = cut(text, LONGEST_TEXT);
            }
        }
        Ok(self)
    }
}

/// Where a chain ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last entry; 0 before the first.
    pub sequence: u64,
    /// Its hash, hexadecimal.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { sequence: 0, hash: GENESIS.into() }
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (sequence, hash) = text.split_once(':').unwrap_or_default();
        match sequence.parse() {
            Ok(sequence) if is_hash(hash) => Ok(Self { sequence, hash: hash.into() }),
            _ => Err("write NUMBER:HASH, as `kubectl mail journal verify` prints it".into()),
        }
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Number, from 1 on, without a gap.
    pub sequence: u64,
    /// Hash of the entry before.
    pub prev: String,
    /// What was decided.
    #[serde(flatten)]
    pub event: Event,
    /// SHA-256 of the line up to here, hexadecimal.
    pub hash: String,
}

/// The canonical form, without its closing brace.
#[derive(Serialize)]
struct Unsealed<'a> {
    sequence: u64,
    prev: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

fn hash(canonical: &[u8]) -> String {
    Sha256::digest(canonical).iter().map(|b| format!("{b:02x}")).collect()
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The line (without its end) of the next entry after `head`, and the new head.
pub fn seal(head: &Head, event: &Event) -> Result<(String, Head), serde_json::Error> {
    let sequence = head.sequence + 1;
    let mut line = serde_json::to_string(&Unsealed { sequence, prev: &head.hash, event })?;
    line.pop();
    let hash = hash(line.as_bytes());
    line.push_str(SEAL);
    line.push_str(&hash);
    line.push_str("\"}");
    Ok((line, Head { sequence, hash }))
}

/// Why a line is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It does not end as an entry does.
    Cut,
    /// It is no JSON, or has no number and no hash before.
    NotJson,
    /// Its hash does not fit.
    Changed,
}

/// The entry of a line, which may be one of stdout.
pub fn read(line: &str) -> Result<Entry, Unread> {
    let line = line.strip_prefix(STREAM).and_then(|rest| rest.strip_suffix('}')).unwrap_or(line);
    let body = line.strip_suffix("\"}").ok_or(Unread::Cut)?;
    let entry = serde_json::from_str::<Entry>(line).map_err(|_| Unread::NotJson)?;
    let canonical = body.len().checked_sub(SEAL.len() + HASH).and_then(|at| Some((body.get(..at)?, body.get(at..)?)));
    match canonical {
        Some((canonical, seal))
            if seal.strip_prefix(SEAL) == Some(entry.hash.as_str()) && hash(canonical.as_bytes()) == entry.hash =>
        {
            Ok(entry)
        }
        _ => Err(Unread::Changed),
    }
}

/// The same line for stdout, where it stands beside the log.
pub fn for_stdout(line: &str) -> String {
    format!("{STREAM}{line}}}")
}

/// Name of the file for entries written on a day.
pub fn file_name(day: Date) -> String {
    format!("journal-{:04}-{:02}.jsonl", day.year(), day.month())
}

/// The first day of the month whose entries a file holds.
pub fn month_of(name: &str) -> Option<Date> {
    let month = name.strip_prefix("journal-")?.strip_suffix(".jsonl")?;
    let (year, month) = month.split_once('-')?;
    let (year, month) = (year.parse().ok()?, month.parse().ok()?);
    let first = Date::new(year, month, 1).ok()?;
    (file_name(first) == name).then_some(first)
}

/// Which of some files may go (R7.2): every entry is older than `months`, and so many newer files and one more are there. The
/// second keeps a clock that jumped ahead from emptying the journal.
pub fn outdated(names: &[String], now: Timestamp, months: u16) -> Vec<String> {
    let mut all: Vec<(Date, &String)> = names.iter().filter_map(|name| Some((month_of(name)?, name))).collect();
    all.sort_unstable();
    let months = months.max(LEAST_MONTHS);
    let spared = usize::from(months) + 1;
    let candidates = all.len().saturating_sub(spared);
    let over = |first: Date| calendar::day(now) > Calendar::default().last_day(first.last_of_month(), months);
    all.into_iter().take(candidates).take_while(|(first, _)| over(*first)).map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
