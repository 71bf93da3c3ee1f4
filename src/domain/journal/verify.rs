//! Follows the chain of a journal and names the first entry that does not fit.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Entry, GENESIS, Head, Unread, read};

/// What is known of a journal from elsewhere: its chain alone cannot tell that its end, or its beginning, was taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Number of the oldest entry that the retention has not removed.
    pub first: Option<u64>,
    /// Entries that must be there, if they are not older than the first one.
    pub heads: Vec<Head>,
    /// An entry that must be there whatever the retention removed: the MailSystem noted it lately.
    #[serde(skip)]
    pub noted: Option<Head>,
}

/// The line before the first entry of what `mail-operator journal print` prints.
#[derive(Serialize, Deserialize)]
struct Preamble {
    known: Known,
}

/// What is known, as a line before the entries.
pub fn preamble(known: &Known) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Preamble { known: known.clone() })
}

/// Where a line stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Name of the file, or of what stands for it.
    pub file: String,
    /// From 1 on.
    pub line: u64,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Fault {
    /// Its text, or its hash, is not what was written; or it is not the one that stood there.
    Changed,
    /// Entries before it are not there.
    Missing,
    /// It stands before or after its place.
    OutOfOrder,
    /// It was there before.
    Duplicate,
    /// It ends in the middle, or the last entries are gone.
    CutOff,
    /// It is no entry at all.
    NotJson,
}

/// The first bad entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Its number, or the one that should stand there.
    pub sequence: u64,
    /// What is wrong.
    pub fault: Fault,
    /// A sentence.
    pub message: String,
    /// The same in Vietnamese.
    #[serde(rename = "messageVi")]
    pub message_vi: String,
}

/// What a good journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Number of entries.
    pub entries: u64,
    /// Number and time of the first; before it stood what the retention removed.
    pub first: Option<(u64, Timestamp)>,
    /// Time of the last.
    pub last: Option<Timestamp>,
    /// Where the chain ends.
    pub head: Head,
}

/// Follows a chain, line by line, in bounded memory.
#[derive(Debug, Default)]
pub struct Verifier {
    summary: Summary,
    place: Place,
    known: Known,
    bad: Option<Bad>,
}

impl Verifier {
    /// A verifier for one journal.
    pub fn new(known: Known) -> Self {
        Self { known, ..Self::default() }
    }

    /// Takes the next line; `whole` is whether it has its end. The entry, if it is one and fits.
    pub fn line(&mut self, text: &str, place: Place, whole: bool) -> Option<Entry> {
        self.place = place;
        // A gap may be a swap: what is missing may come later.
        if let Some(bad) = &mut self.bad {
            let next = self.summary.head.sequence + 1;
            if bad.fault == Fault::Missing && read(text).is_ok_and(|entry| entry.sequence == next) {
                bad.fault = Fault::OutOfOrder;
                (bad.message, bad.message_vi) = says(Fault::OutOfOrder, bad.sequence, next - 1);
            }
            return None;
        }
        if self.summary.entries == 0 && self.take_known(text) {
            return None;
        }
        let entry = match read(text) {
            Ok(entry) if whole => entry,
            Ok(_) | Err(Unread::Cut) if !whole => return self.fail(Fault::CutOff, None),
            Err(Unread::Changed) => return self.fail(Fault::Changed, None),
            Ok(_) | Err(Unread::Cut | Unread::NotJson) => return self.fail(Fault::NotJson, None),
        };
        let sequence = entry.sequence;
        if let Some(fault) = self.follows(&entry) {
            return self.fail(fault, Some(sequence));
        }
        let mut heads = self.known.heads.iter().chain(&self.known.noted);
        if heads.any(|head| head.sequence == sequence && head.hash != entry.hash) {
            return self.fail(Fault::Changed, Some(sequence));
        }
        let summary = &mut self.summary;
        summary.entries += 1;
        summary.first.get_or_insert((sequence, entry.event.at));
        summary.last = Some(entry.event.at);
        summary.head = Head { sequence, hash: entry.hash.clone() };
        Some(entry)
    }

    fn take_known(&mut self, text: &str) -> bool {
        let Ok(Preamble { known }) = serde_json::from_str(text) else { return false };
        self.known.first = self.known.first.or(known.first);
        self.known.heads.extend(known.heads);
        true
    }

    /// What keeps the entry from being the next one.
    fn follows(&mut self, entry: &Entry) -> Option<Fault> {
        let begins = self.summary.entries == 0;
        let oldest = self.known.first.into_iter().chain(self.known.noted.as_ref().map(|head| head.sequence)).min();
        if begins && let Some(first) = oldest {
            self.summary.head.sequence = first.saturating_sub(1).min(entry.sequence.saturating_sub(1));
        }
        let last = &self.summary.head;
        match entry.sequence {
            0 => Some(Fault::NotJson),
            1 if begins => (entry.prev != GENESIS).then_some(Fault::Changed),
            n if begins => (oldest.is_some() && n > last.sequence + 1).then_some(Fault::Missing),
            n if n == last.sequence && entry.hash == last.hash => Some(Fault::Duplicate),
            n if n <= last.sequence => Some(Fault::OutOfOrder),
            n if n > last.sequence + 1 => Some(Fault::Missing),
            _ => (entry.prev != last.hash).then_some(Fault::Changed),
        }
    }

    fn fail(&mut self, fault: Fault, sequence: Option<u64>) -> Option<Entry> {
        let sequence = sequence.unwrap_or(self.summary.head.sequence + 1);
        let (message, message_vi) = says(fault, sequence, self.summary.head.sequence);
        self.bad = Some(Bad { place: self.place.clone(), sequence, fault, message, message_vi });
        None
    }

    /// Whether something bad was seen, after which only the reason is looked for.
    pub fn failed(&self) -> bool {
        self.bad.is_some()
    }

    /// The end of the last line.
    pub fn finish(mut self) -> Result<Summary, Bad> {
        let last = self.summary.head.sequence;
        if self.bad.is_none() && self.known.heads.iter().chain(&self.known.noted).any(|head| head.sequence > last) {
            self.place.line += 1;
            self.fail(Fault::CutOff, None);
        }
        match self.bad {
            Some(bad) => Err(bad),
            None => Ok(self.summary),
        }
    }
}

/// The sentence in English and in Vietnamese.
fn says(fault: Fault, sequence: u64, last: u64) -> (String, String) {
    let next = last + 1;
    match fault {
        Fault::Changed => (
            format!("entry {sequence} is not the one that was written: it, or its hash, was changed"),
            format!("mục {sequence} không đúng với nội dung đã ghi: mục này hoặc mã băm của nó đã bị sửa"),
        ),
        Fault::Missing => (
            format!("entry {next} is missing: after entry {last} comes entry {sequence}"),
            format!("thiếu mục {next}: sau mục {last} là mục {sequence}"),
        ),
        Fault::OutOfOrder => (
            format!("entry {sequence} stands in the wrong place: after entry {last}"),
            format!("mục {sequence} nằm sai vị trí: ngay sau mục {last}"),
        ),
        Fault::Duplicate => {
            (format!("entry {sequence} stands there twice"), format!("mục {sequence} xuất hiện hai lần"))
        }
        Fault::CutOff => (
            format!("entry {sequence} was cut off: the journal ends after entry {last}"),
            format!("mục {sequence} bị cắt: nhật ký kết thúc sau mục {last}"),
        ),
        Fault::NotJson => (
            format!("this line is no entry; entry {sequence} should stand here"),
            format!("dòng này không phải là một mục nhật ký; tại đây phải là mục {sequence}"),
        ),
    }
}

/// Follows the chain of one text.
pub fn verify(file: &str, text: &str, known: Known) -> Result<Summary, Bad> {
    let mut verifier = Verifier::new(known);
    for (n, line) in text.split_inclusive('\n').enumerate() {
        let place = Place { file: file.into(), line: n as u64 + 1 };
        let whole = line.strip_suffix('\n');
        verifier.line(whole.unwrap_or(line), place, whole.is_some());
    }
    verifier.finish()
}
