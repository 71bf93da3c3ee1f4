//! A damaged account table is begun anew: all that it holds comes from the cluster, and the operator sends it again.
//!
//! In its place and not by rename: Dovecot and Postfix have it open, and would go on reading the old one, in which nobody is locked
//! any more. What was there is copied aside first.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tracing::warn;

use super::TableError;
use crate::agent::sqlite::{self, DAMAGED, LOG, with_ending};

/// Copies of damaged tables that are kept; with a further one the second oldest goes.
const COPIES: usize = 5;
/// For so long it is told that one was lost: a disk that damages one file damages others.
const TOLD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Puts a copy of the file aside and makes an empty database of it, unless the copy turns out to be sound: then the disk could not be
/// read for a moment, which SQLite tells like damage, and nothing is lost.
pub(super) fn begin(path: &Path, why: &str, now: Timestamp) -> Result<(), TableError> {
    // What of the log came into the file long ago is read by nobody, and would make a sound copy of a damaged file.
    sqlite::empty_log(&for_reset(path)?, path)?;
    let copy = put_aside(path, now).map_err(|error| failed("the damaged account table cannot be put aside", &error))?;
    let aside = path.with_file_name(&copy);
    if Connection::open(&aside).and_then(|db| sqlite::look(&db)).is_ok() {
        remove(&aside).unwrap_or_else(|error| warn!(copy, %error, "a copy stays"));
        return Err(TableError::Other(format!(
            "the account table could not be read ({why}), and is sound: nothing is changed"
        )));
    }
    warn!(
        why,
        copy,
        "the account table is damaged: put aside and begun anew; until the operator sent it again, mail and logins wait"
    );
    let db = for_reset(path)?;
    db.execute_batch("VACUUM")?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
    Ok(())
}

fn failed(what: &str, error: &std::io::Error) -> TableError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => TableError::VolumeFull,
        _ => TableError::Other(format!("{what}: {error}")),
    }
}

/// A connection to a damaged file. Readers have its log open, so the new content has to go through the log; the file does not say any more
/// that it has one, and of an empty log SQLite thinks it is none. Zeros are no entry of it.
fn for_reset(path: &Path) -> Result<Connection, TableError> {
    let log = with_ending(path, LOG);
    if fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
        fs::write(&log, [0; 32]).map_err(|error| failed("the account table's log", &error))?;
    }
    let db = sqlite::connect_shown(path)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
    Ok(db)
}

/// The name of the copy.
fn put_aside(path: &Path, now: Timestamp) -> std::io::Result<String> {
    let (name, folder) = (path.file_name().unwrap_or_default().to_string_lossy(), path.parent().unwrap_or(path));
    let begins = format!("{name}{DAMAGED}-");
    let copy = format!("{begins}{}", now.strftime("%Y%m%dT%H%M%S%3fZ"));
    let to = folder.join(&copy);
    // The first one tells most: it stays, and what makes room is those after it.
    let copies = copies(path)?;
    for old in copies.iter().skip(1).take((copies.len() + 1).saturating_sub(COPIES)) {
        remove(&folder.join(old))?;
    }
    // What of the log did not come into the file yet belongs to it.
    let copied = fs::copy(path, &to).and_then(|_| File::open(&to)?.sync_all()).and_then(|()| {
        match fs::copy(with_ending(path, LOG), with_ending(&to, LOG)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    });
    if let Err(error) = copied {
        let _ = remove(&to);
        return Err(error);
    }
    Ok(copy)
}

/// Removes a copy and what belongs to it.
fn remove(copy: &Path) -> std::io::Result<()> {
    for ending in [LOG, "-shm", ""] {
        match fs::remove_file(with_ending(copy, ending)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Names of the copies, oldest first.
pub(super) fn copies(path: &Path) -> std::io::Result<Vec<String>> {
    let (name, folder) = (path.file_name().unwrap_or_default().to_string_lossy(), path.parent().unwrap_or(path));
    let begins = format!("{name}{DAMAGED}-");
    let found = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut copies: Vec<String> = found.filter(|name| name.starts_with(&begins) && name.ends_with('Z')).collect();
    copies.sort_unstable();
    Ok(copies)
}

/// Looks at the whole file through a connection of its own: the agent's may have sound pages in its memory.
pub(super) fn check(path: &Path) -> rusqlite::Result<()> {
    sqlite::look(&sqlite::connect_shown(path)?)
}

/// Whether it is still to be told that a table was lost then.
pub(super) fn is_told(lost: Timestamp, now: Timestamp) -> bool {
    now.duration_since(lost) < TOLD
}
