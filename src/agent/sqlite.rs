//! SQLite files of the agent that can be made anew: one that is damaged is put aside, and nothing stands still for it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, Result, ffi};
use tracing::{debug, warn};

/// Ending of a file that was put aside; an earlier one goes.
pub(super) const DAMAGED: &str = ".damaged";

/// For so long a connection waits for others.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ending of the log of a file (WAL).
pub(super) const LOG: &str = "-wal";

/// What of a commit has to outlive a power cut, and who else reads.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// All of it: nothing else knows it.
    Surely,
    /// The same, and others read it beside, who may not write and wait for nobody.
    Shown,
    /// What is lost is read again from other files: a commit waits for no disk.
    Elsewhere,
}

/// Whether the file is no database any more, or one with holes.
pub(super) fn is_damaged(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether there was no room. The index of a log is memory for which room has to be there before.
pub(super) fn is_full(error: &Error) -> bool {
    let index = error.sqlite_error().is_some_and(|e| e.extended_code == ffi::SQLITE_IOERR_SHMSIZE);
    index || matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull))
}

/// Opens or makes a file and looks at every page of it: what is damaged is found here, and not in the middle of a write.
pub(super) fn open(path: &Path, schema: &str, kept: Kept) -> Result<Connection> {
    let db = match kept {
        Kept::Surely | Kept::Elsewhere => Connection::open(path)?,
        Kept::Shown => connect_shown(path)?,
    };
    db.busy_timeout(PATIENCE)?;
    match kept {
        Kept::Surely => db.pragma_update(None, "journal_mode", "DELETE")?,
        Kept::Elsewhere => db.pragma_update(None, "journal_mode", "WAL")?,
        Kept::Shown => show(&db)?,
    }
    let synchronous = if matches!(kept, Kept::Elsewhere) { "NORMAL" } else { "FULL" };
    db.pragma_update(None, "synchronous", synchronous)?;
    look(&db)?;
    db.execute_batch(schema)?;
    Ok(db)
}

/// A connection to a file that others read. The log and its index stay when the last one is closed: readers without write permission need
/// both, and cannot make them. What was committed goes into the file at once, and with it into every copy of the file alone.
pub(super) fn connect_shown(path: &Path) -> Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(PATIENCE)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.pragma_update(None, "wal_autocheckpoint", 1)?;
    Ok(db)
}

/// Lets others read while something is written. With the rollback journal of earlier versions nobody could in the moment of a commit; a file
/// that has it, and is read for so long that it cannot be changed, keeps it until the next start.
pub(super) fn show(db: &Connection) -> Result<()> {
    let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    if let Some(error) = db.path().and_then(|path| shares_memory(Path::new(path)).err()) {
        if is_full(&error) {
            return Err(error);
        }
        warn!(%error, "this file system shares no memory: in the moment of a commit nobody can read the file");
        return Ok(());
    }
    match db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
        Ok(mode) if mode == "wal" => {}
        Ok(mode) => warn!(mode, "in the moment of a commit nobody can read the file"),
        Err(error) if is_damaged(&error) || is_full(&error) => return Err(error),
        // Readers that do not let it.
        Err(error) => warn!(%error, "until the next start nobody can read the file in the moment of a commit"),
    }
    Ok(())
}

/// Whether files of this folder can have a log. Asked of a file of its own: SQLite writes into the first page that there is one before it
/// knows that it cannot be had, and from then on the file cannot be opened.
fn shares_memory(path: &Path) -> Result<()> {
    let probe = with_ending(path, ".probe");
    let remove = || {
        for ending in [LOG, "-shm", ""] {
            let _ = std::fs::remove_file(with_ending(&probe, ending));
        }
    };
    remove();
    let done = Connection::open(&probe).and_then(|db| {
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.execute_batch("CREATE TABLE probe (x)")
    });
    remove();
    done
}

/// Empties the log of a file that others read, unless somebody reads in this moment: what it holds is in the file. An error says that the
/// file has no room to grow; nothing is lost.
pub(super) fn empty_log(db: &Connection, path: &Path) -> Result<()> {
    // Asked by name: opening and closing it would drop the locks of this process (POSIX).
    if std::fs::metadata(with_ending(path, LOG)).map_or(0, |log| log.len()) == 0 {
        return Ok(());
    }
    db.busy_timeout(Duration::ZERO)?;
    let emptied = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    db.busy_timeout(PATIENCE)?;
    match emptied {
        Err(error) if is_full(&error) => Err(error),
        Err(error) => {
            debug!(%error, "the log stays as it is");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Whether somebody else writes just now: that says nothing of the file.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Looks at every page, and whether each index finds every row: a write that the disk lost may leave a file whose pages are all good, in
/// which somebody is not found.
pub(super) fn look(db: &Connection) -> Result<()> {
    let found: String = db.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found))),
    }
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
    for ending in ["-journal", LOG, "-shm", ""] {
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

pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
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
