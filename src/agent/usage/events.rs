//! The file of events (resources/mail/40-activity.conf): one JSON object a line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::beat::PREFIX;
use super::store::{Place, Sign, Store};
use crate::agent::TableError;
use crate::domain::calendar::day;

/// Bytes that are folded in one go.
const MOST: u64 = 8 << 20;
/// Bytes of a line, at most; a longer one is none of ours.
const LINE: usize = 16 << 10;

#[derive(Deserialize)]
struct Line {
    event: String,
    end_time: String,
    #[serde(default)]
    fields: Fields,
}

#[derive(Default, Deserialize)]
struct Fields {
    user: Option<String>,
    protocol: Option<String>,
    error: Option<String>,
}

/// What came out of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Folded {
    /// Bytes of the file that Dovecot writes.
    pub length: u64,
    /// Mailboxes that were used.
    pub touched: Vec<String>,
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("old")
}

/// Puts a long file aside; Dovecot is to be told then. Not while an earlier one stands there.
pub(super) fn set_aside(path: &Path) -> Result<bool, TableError> {
    let old = aside(path);
    if old.exists() {
        return Ok(true);
    }
    fs::rename(path, &old).map(|()| true).map_err(|e| failed(path, &e))
}

/// Folds what is new: first of the file that was put aside, which goes when Dovecot writes another one, then of that.
pub(super) fn fold(
    path: &Path,
    ahead: SignedDuration,
    store: &mut Store,
    mailbox_of: impl Fn(&str) -> Result<Option<String>, TableError>,
) -> Result<Folded, TableError> {
    let old = aside(path);
    let mut folded = Folded::default();
    let new_one = path.exists();
    if old.exists() {
        let before = store.place(inode(&old)?)?;
        let whole = part(&old, ahead, store, &mailbox_of, &mut folded)?;
        // Dovecot may have been killed in the middle of its last line: nobody goes on writing there.
        let stuck = new_one && store.place(inode(&old)?)? == before;
        if (whole || stuck) && new_one {
            fs::remove_file(&old).map_err(|e| failed(&old, &e))?;
        } else if !whole {
            return Ok(folded);
        }
    }
    if new_one {
        part(path, ahead, store, &mailbox_of, &mut folded)?;
        folded.length = fs::metadata(path).map_or(0, |found| found.len());
    }
    Ok(folded)
}

fn inode(path: &Path) -> Result<u64, TableError> {
    fs::metadata(path).map(|found| found.ino()).map_err(|e| failed(path, &e))
}

fn failed(path: &Path, error: &std::io::Error) -> TableError {
    match error.kind() {
        ErrorKind::StorageFull => TableError::VolumeFull,
        _ => TableError::Other(format!("{}: {error}", path.display())),
    }
}

/// Folds one file from where it was left; whether that was all of it.
fn part(
    path: &Path,
    ahead: SignedDuration,
    store: &mut Store,
    mailbox_of: &impl Fn(&str) -> Result<Option<String>, TableError>,
    folded: &mut Folded,
) -> Result<bool, TableError> {
    let mut file = File::open(path).map_err(|e| failed(path, &e))?;
    let found = file.metadata().map_err(|e| failed(path, &e))?;
    let known = store.place(found.ino())?;
    // A file that is shorter than what was read is another one.
    let begin = if known <= found.len() { known } else { 0 };
    file.seek(SeekFrom::Start(begin)).map_err(|e| failed(path, &e))?;
    let (mut reader, mut at) = (BufReader::new(file), begin);
    let mut last: BTreeMap<(String, Sign), Timestamp> = BTreeMap::new();
    let mut beat = false;
    let mut bytes = Vec::new();
    while at - begin < MOST {
        bytes.clear();
        let length = reader.read_until(b'\n', &mut bytes).map_err(|e| failed(path, &e))?;
        if length == 0 || bytes.last() != Some(&b'\n') {
            break;
        }
        at += length as u64;
        match read(&bytes) {
            Some(Event::Beat(word)) => beat |= store.is_awaited(&word),
            Some(Event::Use(address, signs, time)) => {
                for sign in signs {
                    let latest = last.entry((address.clone(), *sign)).or_insert(time);
                    *latest = time.max(*latest);
                }
            }
            None => {}
        }
    }
    let mut rows = Vec::new();
    for ((address, sign), time) in last {
        if let Some(mailbox) = mailbox_of(&address)? {
            folded.touched.push(mailbox.clone());
            rows.push((mailbox, sign, day(time + ahead)));
        }
    }
    store.fold(&rows, beat, Place { inode: found.ino(), offset: at }, known == at && rows.is_empty())?;
    Ok(at == fs::metadata(path).map_err(|e| failed(path, &e))?.len())
}

enum Event {
    Beat(String),
    Use(String, &'static [Sign], Timestamp),
}

/// What a line tells; other lines tell nothing.
fn read(line: &[u8]) -> Option<Event> {
    if line.len() > LINE {
        return None;
    }
    let line: Line = serde_json::from_slice(line).ok()?;
    let user = line.fields.user?;
    if let Some(word) = user.strip_prefix(PREFIX) {
        return Some(Event::Beat(word.into()));
    }
    let time = line.end_time.parse().ok()?;
    match (line.event.as_str(), line.fields.protocol.as_deref()) {
        ("auth_request_finished", Some("smtp")) => Some(Event::Use(user, &[Sign::Login, Sign::Send], time)),
        ("auth_request_finished", _) => Some(Event::Use(user, &[Sign::Login], time)),
        // What was not delivered was not received.
        ("mail_delivery_finished", _) if line.fields.error.is_none() => Some(Event::Use(user, &[Sign::Receive], time)),
        _ => None,
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
