//! The journal as lines, for whoever verifies it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tracing::warn;

use super::{INDEX, JournalError, meta, names};
use crate::domain::journal::{self, Known};

/// Prints every line, oldest first, after one that says what the index knows.
pub fn print(folder: &Path, out: &mut impl Write) -> Result<(), JournalError> {
    // First: entries that come meanwhile are more than the index said, not less.
    let known = known(folder)?;
    writeln!(out, "{}", journal::preamble(&known).map_err(|e| JournalError::Other(e.to_string()))?)?;
    let names = names(folder)?;
    for (n, name) in names.iter().enumerate() {
        let mut file = File::open(folder.join(name))?;
        let mut last = copy(&mut file, out)?;
        if last.is_some_and(|byte| byte != b'\n') && n + 1 == names.len() {
            // Perhaps it is just being written.
            std::thread::sleep(Duration::from_millis(300));
            last = copy(&mut file, out)?.or(last);
        }
        if last.is_some_and(|byte| byte != b'\n') && n + 1 < names.len() {
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// Copies the rest of a file; its last byte.
fn copy(file: &mut File, out: &mut impl Write) -> io::Result<Option<u8>> {
    let (mut buffer, mut last) = (vec![0; 1 << 16], None);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(last);
        }
        out.write_all(&buffer[..read])?;
        last = Some(buffer[read - 1]);
    }
}

/// What the index knows; nothing where it is not there, just being made, or damaged: then it is made anew with the next entry.
fn known(folder: &Path) -> Result<Known, JournalError> {
    match indexed(&folder.join(INDEX)) {
        Err(JournalError::Damaged(why)) => {
            warn!(why, "the index of the journal is damaged; the files are printed without what it knows");
            Ok(Known::default())
        }
        known => known,
    }
}

fn indexed(path: &Path) -> Result<Known, JournalError> {
    if !path.exists() {
        return Ok(Known::default());
    }
    let index = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    index.busy_timeout(Duration::from_secs(5))?;
    // Its tables come one after the other.
    if !index.table_exists(None, "files")? || !index.table_exists(None, "meta")? {
        warn!("the index of the journal is just being made; the files are printed without what it knows");
        return Ok(Known::default());
    }
    let first: Option<i64> = index.query_row("SELECT min(first) FROM files", [], |r| r.get(0))?;
    let head = meta(&index, "head")?.and_then(|head| head.parse().ok());
    Ok(Known { first: first.and_then(|n| u64::try_from(n).ok()), heads: head.into_iter().collect(), noted: None })
}
