//! What is kept of use: one row a mailbox, days only. A file of the agent alone: Dovecot and Postfix do not see it.

use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tracing::warn;

use crate::agent::TableError;
use crate::agent::sqlite::{self, Kept};
use crate::backend::{USAGE_PAGE, Usage, UsagePage};
use crate::domain::activity::Complete;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS places (inode INTEGER PRIMARY KEY, offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS usage (
  mailbox TEXT PRIMARY KEY,
  last_login TEXT,
  last_send TEXT,
  last_receive TEXT,
  used_bytes INTEGER,
  revision INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS usage_revision ON usage (revision);
";
/// Files whose place is remembered: that of Dovecot, and the one that was put aside.
const PLACES: i64 = 4;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    Login,
    Send,
    Receive,
}

impl Sign {
    fn column(self) -> &'static str {
        match self {
            Self::Login => "last_login",
            Self::Send => "last_send",
            Self::Receive => "last_receive",
        }
    }
}

/// How far a file was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub inode: u64,
    pub offset: u64,
}

/// A beat that was sent, and whether it showed up.
struct Awaited {
    word: String,
    seen: bool,
}

/// The store.
pub(crate) struct Store {
    path: PathBuf,
    db: Connection,
    /// The beat that is waited for.
    beat: Option<Awaited>,
}

impl Store {
    /// Opens or makes the file; a damaged one is put aside and begun anew.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let (db, anew) = sqlite::open_or_anew(path, SCHEMA, Kept::Surely)?;
        let mut store = Self { path: path.into(), db, beat: None };
        if anew {
            store.begin()?;
        }
        Ok(store)
    }

    /// Passes on what came of a use of the store. If the file turned out to be damaged it is begun anew, and the caller comes again:
    /// nothing is proven complete any more (D-16), and what is left of the events is read once more.
    pub fn mend<T>(&mut self, result: Result<T, TableError>) -> Result<T, TableError> {
        if let Err(TableError::Damaged(why)) = &result {
            warn!(why, "what is kept of use is damaged and begun anew; clocks that rest on use stand still (D-16)");
            self.db = sqlite::anew(&self.path, SCHEMA, Kept::Surely)?;
            self.begin()?;
        }
        result
    }

    /// The operator asks for what changed after a revision that it knows: every one of the new file is later.
    fn begin(&mut self) -> Result<(), TableError> {
        let tx = self.db.transaction()?;
        set(&tx, "revision", &Timestamp::now().as_millisecond().to_string())?;
        Ok(tx.commit()?)
    }

    /// How far the file of this inode was read.
    pub(super) fn place(&self, inode: u64) -> Result<u64, TableError> {
        let found =
            self.db.query_row("SELECT offset FROM places WHERE inode = ?1", [signed(inode)], |r| r.get::<_, i64>(0));
        Ok(found.optional()?.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0))
    }

    /// Keeps days and the place in one transaction: what was read is folded once. With `nothing` new nothing is written.
    pub(super) fn fold(
        &mut self,
        rows: &[(String, Sign, Date)],
        beat: bool,
        place: Place,
        nothing: bool,
    ) -> Result<(), TableError> {
        if nothing {
            return Ok(());
        }
        let tx = self.db.transaction()?;
        let mut revision = revision(&tx)?;
        for (mailbox, sign, day) in rows {
            let column = sign.column();
            let sql = format!(
                "INSERT INTO usage (mailbox, {column}, revision) VALUES (?1, ?2, ?3) ON CONFLICT (mailbox) DO UPDATE \
                 SET {column} = ?2, revision = ?3 WHERE {column} IS NULL OR {column} < ?2"
            );
            let changed = tx.prepare_cached(&sql)?.execute(params![mailbox, day.to_string(), signed(revision + 1)])?;
            revision += u64::from(changed > 0);
        }
        set(&tx, "revision", &revision.to_string())?;
        tx.execute("INSERT OR REPLACE INTO places VALUES (?1, ?2)", [signed(place.inode), signed(place.offset)])?;
        tx.execute("DELETE FROM places WHERE rowid NOT IN (SELECT rowid FROM places WHERE inode = ?1 UNION SELECT * FROM (SELECT rowid FROM places ORDER BY rowid DESC LIMIT ?2))", [signed(place.inode), PLACES])?;
        tx.commit()?;
        if let Some(awaited) = self.beat.as_mut().filter(|_| beat) {
            awaited.seen = true;
        }
        Ok(())
    }

    /// From now on this beat is waited for, and no other one.
    pub(super) fn await_beat(&mut self, word: &str) {
        self.beat = Some(Awaited { word: word.into(), seen: false });
    }

    /// Whether it is the word that is waited for: anybody can fail to log in under the name of another one.
    pub(super) fn is_awaited(&self, word: &str) -> bool {
        self.beat.as_ref().is_some_and(|beat| beat.word == word)
    }

    /// Whether the beat that is waited for was found, and all before it folded.
    pub(super) fn beat_seen(&self) -> bool {
        self.beat.as_ref().is_some_and(|beat| beat.seen)
    }

    /// Bytes in use of a mailbox that is known.
    pub(super) fn used(&mut self, mailbox: &str, bytes: u64) -> Result<(), TableError> {
        let tx = self.db.transaction()?;
        let revision = revision(&tx)? + 1;
        let changed = tx.execute(
            "UPDATE usage SET used_bytes = ?2, revision = ?3 WHERE mailbox = ?1 AND used_bytes IS NOT ?2",
            params![mailbox, signed(bytes), signed(revision)],
        )?;
        if changed > 0 {
            set(&tx, "revision", &revision.to_string())?;
            tx.commit()?;
        }
        Ok(())
    }

    /// Forgets mailboxes of which nothing is left.
    pub fn forget(&mut self, mailboxes: &[&str]) -> Result<(), TableError> {
        let tx = self.db.transaction()?;
        for mailbox in mailboxes {
            tx.prepare_cached("DELETE FROM usage WHERE mailbox = ?1")?.execute([mailbox])?;
        }
        tx.commit()?;
        Ok(())
    }

    /// For which time nothing is missing.
    pub(super) fn complete(&self) -> Result<Option<Complete>, TableError> {
        let time = |key: &str| -> Result<Option<Timestamp>, TableError> {
            let text: Option<String> =
                self.db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0)).optional()?;
            Ok(text.and_then(|text| text.parse().ok()))
        };
        let (from, through) = (time("complete_from")?, time("complete_through")?);
        Ok(from.zip(through).map(|(from, through)| Complete { from, through }))
    }

    pub(super) fn set_complete(&mut self, complete: Option<Complete>) -> Result<(), TableError> {
        let tx = self.db.transaction()?;
        match complete {
            Some(complete) => {
                set(&tx, "complete_from", &complete.from.to_string())?;
                set(&tx, "complete_through", &complete.through.to_string())?;
            }
            None => {
                tx.execute("DELETE FROM meta WHERE key IN ('complete_from', 'complete_through')", [])?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    /// What changed after a revision.
    pub fn page(&self, after: u64) -> Result<UsagePage, TableError> {
        let newest = self.revision()?;
        // Somebody who knows more than there is met another volume.
        let after = if after > newest { 0 } else { after };
        let mut query = self.db.prepare_cached(
            "SELECT mailbox, last_login, last_send, last_receive, used_bytes, revision FROM usage WHERE revision > ?1 \
             ORDER BY revision LIMIT ?2",
        )?;
        let limit = i64::try_from(USAGE_PAGE).unwrap_or(i64::MAX);
        let found = query.query_map([signed(after), limit], |r| {
            let used: Option<i64> = r.get(4)?;
            let row = Usage {
                mailbox: r.get(0)?,
                last_login: r.get(1)?,
                last_send: r.get(2)?,
                last_receive: r.get(3)?,
                used_bytes: used.and_then(|bytes| u64::try_from(bytes).ok()),
            };
            Ok((row, r.get::<_, i64>(5)?))
        })?;
        let rows: Vec<(Usage, i64)> = found.collect::<Result<_, _>>()?;
        let more = rows.len() == USAGE_PAGE;
        let last = rows.last().and_then(|(_, revision)| u64::try_from(*revision).ok()).filter(|_| more);
        let complete = self.complete()?.map(|c| (c.from.as_second(), c.through.as_second()));
        let rows = rows.into_iter().map(|(row, _)| row).collect();
        Ok(UsagePage { complete, revision: last.unwrap_or(newest), rows, more })
    }

    fn revision(&self) -> Result<u64, TableError> {
        let text: Option<String> =
            self.db.query_row("SELECT value FROM meta WHERE key = 'revision'", [], |r| r.get(0)).optional()?;
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
    }
}

fn revision(tx: &Transaction<'_>) -> Result<u64, TableError> {
    let text: Option<String> =
        tx.query_row("SELECT value FROM meta WHERE key = 'revision'", [], |r| r.get(0)).optional()?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn set(tx: &Transaction<'_>, key: &str, value: &str) -> Result<(), TableError> {
    tx.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value])?;
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
