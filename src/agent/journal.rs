//! The journal on the system's volume (R7.2): a file a month, append and fsync, each key once, old files away after the retention.
//!
//! An index (SQLite) beside the files remembers keys and head. The files come first: what a crash kept out of the index is read
//! from them at the next start, a line that was half written is cut there, and an index that is damaged is made anew from them.

mod files;
mod print;

use std::collections::{HashSet, VecDeque};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tracing::{info, warn};

use self::files::{holds, names, put, read_from};
use super::sqlite::{self, Kept};
use crate::backend::JournalEnd;
use crate::domain::calendar;
use crate::domain::journal::{self, Event, Head, MOST_EVENTS, Unfit};

pub use print::print;

const INDEX: &str = "index.sqlite";

/// Entries that are known to be there: whoever notes them asks for one of the last.
const FOUND: usize = 64;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, file TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_file ON keys (file);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, first INTEGER NOT NULL) WITHOUT ROWID;
";

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// No room.
    #[error("the volume is full: nothing can be written to the journal; make room or enlarge the volume")]
    VolumeFull,
    /// An event that cannot be an entry.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// More events than one request may have.
    #[error("more than {MOST_EVENTS} events in one request")]
    TooMany,
    /// The index is no database any more, or one with holes; it is made anew.
    #[error("the index of the journal is damaged: {0}")]
    Damaged(String),
    /// Anything else.
    #[error("journal: {0}")]
    Other(String),
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            _ if sqlite::is_full(&error) => Self::VolumeFull,
            _ if sqlite::is_damaged(&error) => Self::Damaged(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::VolumeFull,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// What was written.
#[derive(Debug)]
pub struct Appended {
    /// Where the chain ends now.
    pub head: Head,
    /// The new lines, for stdout; none for what was there.
    pub lines: Vec<String>,
}

/// The open journal. After an error it is to be opened anew.
pub struct Journal {
    folder: PathBuf,
    months: u16,
    index: Connection,
    head: Head,
    /// File that is written, and how much of it the index knows.
    file: String,
    length: u64,
    /// Lines that a crash had kept out of the index, and perhaps from stdout: one request, at most.
    late: Vec<String>,
    /// Entries that this process wrote, or found in the files, and told of: the last ones.
    found: VecDeque<Head>,
    /// Number of the first entry that this process wrote into that file: of earlier ones its length says nothing.
    ours: u64,
    /// The file of the month in which old ones were looked for last.
    tidied: String,
}

impl Journal {
    /// Opens or makes the journal of a folder. Files are kept for `months` months, six at least.
    pub fn open(folder: &Path, months: u16) -> Result<Self, JournalError> {
        fs::create_dir_all(folder)?;
        // One fsync an append, that of the file: what a crash or a power cut keeps out of the index is read from there.
        let (index, anew) = sqlite::open_or_anew(&folder.join(INDEX), SCHEMA, Kept::Elsewhere)?;
        Self::with(index, folder, months, anew)
    }

    /// `anew`: the index was there and is empty now; what the files hold was told before.
    fn with(index: Connection, folder: &Path, months: u16, anew: bool) -> Result<Self, JournalError> {
        let meta = |key| meta(&index, key);
        let (file, length) = (meta("file")?.unwrap_or_default(), meta("length")?.and_then(|l| l.parse().ok()));
        let head = meta("head")?.and_then(|head| head.parse().ok()).unwrap_or_default();
        let mut journal = Self {
            folder: folder.into(),
            months,
            index,
            head,
            file,
            length: length.unwrap_or(0),
            late: Vec::new(),
            found: VecDeque::new(),
            ours: u64::MAX,
            tidied: String::new(),
        };
        journal.catch_up()?;
        if anew {
            journal.late.clear();
        }
        Ok(journal)
    }

    /// Makes the index anew from the files.
    fn mend(&mut self) -> Result<(), JournalError> {
        // Closed first: SQLite removes the log of what it closes by its name, which is that of the new one, too.
        self.index = Connection::open_in_memory()?;
        let index = sqlite::anew(&self.folder.join(INDEX), SCHEMA, Kept::Elsewhere)?;
        let new = Self::with(index, &self.folder, self.months, true)?;
        let (late, found) = (std::mem::take(&mut self.late), std::mem::take(&mut self.found));
        *self = Self { late, found, ..new };
        Ok(())
    }

    /// Lines that a crash had kept out of the index, for stdout; told once.
    pub fn recovered(&mut self) -> Appended {
        Appended { head: self.head.clone(), lines: std::mem::take(&mut self.late) }
    }

    /// Where the chain ends.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Reads what the index does not know yet, and cuts a line that was half written.
    fn catch_up(&mut self) -> Result<(), JournalError> {
        let (mut head, mut file, mut length) = (self.head.clone(), self.file.clone(), self.length);
        let (mut late, mut count) = (VecDeque::new(), 0_u64);
        let tx = self.index.transaction()?;
        for name in names(&self.folder)?.into_iter().filter(|name| *name >= self.file) {
            let from = if name == self.file { self.length } else { 0 };
            let end = read_from(&self.folder.join(&name), from, |line| {
                let Ok(entry) = journal::read(&line) else {
                    warn!(file = name, "the journal has a line that is no entry: verify it");
                    return Ok(());
                };
                if entry.sequence != head.sequence + 1 || entry.prev != head.hash {
                    warn!(file = name, sequence = entry.sequence, "the journal has a gap: verify it");
                }
                if entry.sequence > head.sequence {
                    head = Head { sequence: entry.sequence, hash: entry.hash };
                }
                remember(&tx, &name, &entry.event.key, entry.sequence)?;
                count += 1;
                late.push_back(line);
                if late.len() > MOST_EVENTS {
                    late.pop_front();
                }
                Ok(())
            })?;
            (file, length) = (name, end);
        }
        if (&head, &file, length) == (&self.head, &self.file, self.length) {
            return Ok(());
        }
        write_head(&tx, &head, &file, length)?;
        tx.commit()?;
        if count > 0 {
            info!(entries = count, "entries of the journal that its index did not know");
        }
        self.late.extend(late);
        (self.head, self.file, self.length) = (head, file, length);
        Ok(())
    }

    fn remember(&mut self, head: Head) {
        if !self.found.contains(&head) {
            self.found.push_back(head);
        }
        if self.found.len() > FOUND {
            self.found.pop_front();
        }
    }

    /// Where the chain ends, and whether the files hold an entry that was noted elsewhere.
    pub fn end(&mut self, noted: Option<&Head>) -> Result<JournalEnd, JournalError> {
        let written = fs::metadata(self.folder.join(&self.file)).map_or(0, |found| found.len());
        let holds = match noted {
            None => true,
            Some(noted) if noted.sequence >= self.ours && self.found.contains(noted) && written == self.length => true,
            Some(noted) => holds(&self.folder, noted)?,
        };
        if let Some(noted) = noted.filter(|_| holds) {
            self.remember(noted.clone());
        }
        Ok(JournalEnd { head: self.head.clone(), holds })
    }

    /// Writes what was not written before, all or nothing.
    pub fn append(&mut self, events: &[Event], now: Timestamp) -> Result<Appended, JournalError> {
        match self.add(events, now) {
            Err(JournalError::Damaged(why)) => {
                warn!(why, "the index of the journal is damaged and made anew from the files");
                self.mend()?;
                self.add(events, now)
            }
            done => done,
        }
    }

    fn add(&mut self, events: &[Event], now: Timestamp) -> Result<Appended, JournalError> {
        if events.len() > MOST_EVENTS {
            return Err(JournalError::TooMany);
        }
        let mut fresh = Vec::new();
        let mut seen = HashSet::new();
        for event in events {
            let event = event.clone().fit()?;
            if !self.knows(&event.key)? && seen.insert(event.key.clone()) {
                fresh.push(event);
            }
        }
        if !fresh.is_empty() {
            // A clock that went back does not go back to an older file.
            let file = journal::file_name(calendar::day(now)).max(self.file.clone());
            self.write(&fresh, file)?;
        }
        self.tidy(now);
        Ok(self.recovered())
    }

    fn knows(&self, key: &str) -> Result<bool, JournalError> {
        let mut query = self.index.prepare_cached("SELECT 1 FROM keys WHERE key = ?1")?;
        Ok(query.exists([key])?)
    }

    fn write(&mut self, events: &[Event], name: String) -> Result<(), JournalError> {
        let mut head = self.head.clone();
        let mut lines = Vec::with_capacity(events.len());
        for event in events {
            let (line, next) = journal::seal(&head, event).map_err(|e| JournalError::Other(e.to_string()))?;
            head = next;
            lines.push(line);
        }
        let path = self.folder.join(&name);
        let new = !path.exists();
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        let before = file.metadata()?.len();
        let text = lines.iter().fold(String::new(), |all, line| all + line + "\n");
        let length = before + text.len() as u64;
        let written = put(&mut file, &text, new.then_some(self.folder.as_path()))
            .map_err(JournalError::from)
            .and_then(|()| self.index_lines(events, &head, &name, length));
        if let Err(error) = written {
            // Nothing half written; what cannot even be cut now is cut at the next start.
            let _ = file.set_len(before).and_then(|()| file.sync_all());
            return Err(error);
        }
        self.late.extend(lines);
        self.remember(head.clone());
        if self.ours == u64::MAX || name != self.file {
            self.ours = self.head.sequence + 1;
        }
        (self.head, self.file, self.length) = (head, name, length);
        Ok(())
    }

    fn index_lines(&mut self, events: &[Event], head: &Head, name: &str, length: u64) -> Result<(), JournalError> {
        let tx = self.index.transaction()?;
        for (n, event) in events.iter().enumerate() {
            remember(&tx, name, &event.key, self.head.sequence + 1 + n as u64)?;
        }
        write_head(&tx, head, name, length)?;
        Ok(tx.commit()?)
    }

    /// Removes files that are older than the retention: once a month, and once after each start.
    fn tidy(&mut self, now: Timestamp) {
        let month = journal::file_name(calendar::day(now));
        if std::mem::replace(&mut self.tidied, month.clone()) == month {
            return;
        }
        if let Err(error) = self.remove_outdated(now) {
            warn!(%error, "files of the journal that are older than the retention cannot be removed");
        }
    }

    fn remove_outdated(&mut self, now: Timestamp) -> Result<(), JournalError> {
        let outdated = journal::outdated(&names(&self.folder)?, now, self.months);
        if outdated.is_empty() {
            return Ok(());
        }
        // This has no file to be read from again.
        self.index.pragma_update(None, "synchronous", "FULL")?;
        let removed = self.remove(&outdated);
        self.index.pragma_update(None, "synchronous", "NORMAL")?;
        removed
    }

    fn remove(&mut self, outdated: &[String]) -> Result<(), JournalError> {
        for name in outdated {
            // The index first, on the disk: it may not miss what is gone.
            let tx = self.index.transaction()?;
            tx.execute("DELETE FROM keys WHERE file = ?1", [name])?;
            tx.execute("DELETE FROM files WHERE name = ?1", [name])?;
            tx.commit()?;
            fs::remove_file(self.folder.join(name))?;
            info!(file = name, months = self.months, "a file of the journal is older than the retention");
        }
        Ok(())
    }
}

fn meta(index: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    index.query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0)).optional()
}

fn remember(tx: &Transaction<'_>, file: &str, key: &str, sequence: u64) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO keys VALUES (?1, ?2)")?.execute([key, file])?;
    tx.prepare_cached("INSERT OR IGNORE INTO files VALUES (?1, ?2)")?.execute(params![file, sequence as i64])?;
    Ok(())
}

fn write_head(tx: &Transaction<'_>, head: &Head, file: &str, length: u64) -> rusqlite::Result<()> {
    let length = length.to_string();
    for (key, value) in [("head", head.to_string().as_str()), ("file", file), ("length", &length)] {
        tx.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value])?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
