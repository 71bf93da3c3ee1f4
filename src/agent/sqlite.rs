//! SQLite files of the agent that can be made anew: one that is damaged is put aside, and nothing stands still for it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode, Result, ffi};
use tracing::warn;

/// Ending of a file that was put aside; an earlier one goes.
pub(super) const DAMAGED: &str = ".damaged";

/// What of a commit has to outlive a power cut.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// All of it: nothing else knows it.
    Surely,
    /// What is lost is read again from other files: a commit waits for no disk.
    Elsewhere,
}

/// Whether the file is no database any more, or one with holes.
pub(super) fn is_damaged(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Opens or makes a file and looks at every page of it: what is damaged is found here, and not in the middle of a write.
pub(super) fn open(path: &Path, schema: &str, kept: Kept) -> Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    let (mode, synchronous) = match kept {
        Kept::Surely => ("DELETE", "FULL"),
        Kept::Elsewhere => ("WAL", "NORMAL"),
    };
    db.pragma_update(None, "journal_mode", mode)?;
    db.pragma_update(None, "synchronous", synchronous)?;
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
    if found != "ok" {
        return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found)));
    }
    db.execute_batch(schema)?;
    Ok(db)
}

/// The same; a damaged file is put aside and begun anew. Whether it was.
pub(super) fn open_or_anew(path: &Path, schema: &str, kept: Kept) -> Result<(Connection, bool)> {
    match open(path, schema, kept) {
        Err(error) if is_damaged(&error) => {
            warn!(file = %path.display(), %error, "a damaged file is put aside and made anew");
            Ok((anew(path, schema, kept)?, true))
        }
        other => other.map(|db| (db, false)),
    }
}

/// Puts the file aside and begins an empty one.
pub(super) fn anew(path: &Path, schema: &str, kept: Kept) -> Result<Connection> {
    // Its own log first: it would be played back into the new file.
    for ending in ["-journal", "-wal", "-shm", ""] {
        let to = with_ending(path, &format!("{DAMAGED}{ending}"));
        match std::fs::rename(with_ending(path, ending), to) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), Some(error.to_string())));
            }
            _ => {}
        }
    }
    open(path, schema, kept)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Writes garbage over all pages but the first ones of a file, or over all of it.
#[cfg(test)]
pub(super) fn damage(path: &Path, whole: bool) {
    let mut bytes = std::fs::read(path).expect("file");
    let from = if whole { 0 } else { bytes.len().min(4096) };
    bytes[from..].fill(0x5a);
    std::fs::write(path, bytes).expect("written");
}
