//! The account table: one SQLite file, written here, read by Dovecot and Postfix through read-only mounts.
//!
//! journal_mode is WAL, with a log that is always there: Postfix waits for no lock, and would turn senders away in the moment of a commit
//! (docs/adr/0023).

mod anew;
mod check;
mod error;
mod holders;
mod pressing;
mod rows;
mod served;
mod untold;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use tokio::time::Instant;

use self::check::check;
pub(super) use self::check::is_folder;
pub use self::error::TableError;
use self::rows::{Ends, delete, insert, write_system};
use super::folders::Folders;
use super::foreign::{self, Foreign};
use super::reserve::Reserve;
use super::sqlite::{self, Kept};
use crate::backend::{Access, Account, ApplyRequest, Digests, Refused};
use crate::domain::lease::Term;

/// Between two looks at every page of the file.
const CHECK: Duration = Duration::from_secs(30);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS domains (domain TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS accounts (
  mailbox TEXT PRIMARY KEY,
  address TEXT NOT NULL UNIQUE,
  password TEXT,
  locked INTEGER NOT NULL,
  must_change INTEGER NOT NULL,
  revoked INTEGER NOT NULL,
  quota_bytes INTEGER NOT NULL,
  max_message_bytes INTEGER NOT NULL,
  digest TEXT NOT NULL,
  pending INTEGER NOT NULL DEFAULT 0,
  issued INTEGER,
  held INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS aliases (source TEXT PRIMARY KEY, mailbox TEXT NOT NULL, destination TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS aliases_mailbox ON aliases (mailbox);
";

/// What `Table::apply` did.
#[derive(Debug, Default)]
pub struct Applied {
    /// Revision after it.
    pub revision: u64,
    /// What was refused.
    pub refused: Vec<Refused>,
    /// Addresses whose sessions must end, also those of logins that are under way.
    pub kick: Vec<String>,
    /// Addresses of which only those that are there must.
    pub kick_once: Vec<String>,
    /// The volume is full: who is to be shut out is, as far as room is kept for that, and nothing else was written.
    pub full: bool,
}

/// The account table.
pub struct Table {
    path: PathBuf,
    db: Connection,
    /// Commits of others that were seen; none before the first look.
    foreign: Option<i64>,
    /// When every page was looked at last.
    checked: Instant,
    /// How often this process began it anew.
    anew: u32,
    /// What the connection reads may be no more what the file is.
    torn: bool,
    /// Whose the mail folders are, once that is looked at.
    folders: Option<Folders>,
    /// Room on the volume for what cannot wait.
    reserve: Reserve,
}

impl Table {
    /// Opens or makes the file, and its log, before any reader starts; a journal that a killed writer of an earlier version left is rolled
    /// back. A damaged one is put aside and begun anew. On a full volume it uses the room that is kept for it.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let reserve = Reserve::beside(path).without_holes();
        let opened = loop {
            match Self::open_file(path) {
                Err(TableError::VolumeFull) if reserve.give() => {}
                opened => break opened,
            }
        };
        reserve.fill();
        opened
    }

    fn open_file(path: &Path) -> Result<Self, TableError> {
        let db = match sqlite::open(path, SCHEMA, Kept::Shown) {
            Err(error) if sqlite::is_damaged(&error) => {
                anew::begin(path, &error.to_string(), Timestamp::now())?;
                sqlite::open(path, SCHEMA, Kept::Shown)?
            }
            opened => opened?,
        };
        holders::upgrade(&db)?;
        untold::prepare(&db)?;
        let lost = is_begun(path, &db)?;
        let reserve = Reserve::beside(path);
        let path = path.into();
        let checked = Instant::now();
        let mut table = Self { path, db, foreign: None, checked, anew: 0, torn: false, folders: None, reserve };
        let complete = table.is_complete()?;
        let tx = table.db.transaction()?;
        if lost {
            tx.execute("INSERT INTO meta VALUES ('lost', ?1)", [Timestamp::now().to_string()])?;
            untold::add(&tx, &untold::begun_anew())?;
        }
        served::show(&tx, complete)?;
        tx.commit()?;
        sqlite::empty_log(&table.db, &table.path)?;
        Ok(Self { anew: u32::from(lost), ..table })
    }

    /// Looks at every page of the file, if it is time.
    pub fn check(&mut self) -> Result<(), TableError> {
        if self.checked.elapsed() < CHECK {
            return Ok(());
        }
        self.checked = Instant::now();
        match anew::check(&self.path) {
            Err(error) if sqlite::is_busy(&error) => Ok(()),
            done => Ok(done?),
        }
    }

    /// It is time for a look at every page.
    #[cfg(test)]
    pub(super) fn look_now(&mut self) {
        self.checked = Instant::now().checked_sub(CHECK).expect("a time");
    }

    /// Passes on what came of work on the table. If it turned out to be damaged it is begun anew, and the caller comes again.
    pub fn mend<T>(&mut self, result: Result<T, TableError>) -> Result<T, TableError> {
        let mut begun = Ok(());
        if let Err(TableError::Damaged(why)) = &result {
            self.torn = true;
            // Closed first: a copy is made by another descriptor, and whoever closes one loses the locks on all of them (POSIX).
            self.db = Connection::open_in_memory()?;
            begun = loop {
                match anew::begin(&self.path, why, Timestamp::now()) {
                    Err(TableError::VolumeFull) if self.reserve.give() => {}
                    done => break done,
                }
            };
        }
        if self.torn {
            // Also where the last time came to nothing half way: the file is as it is now.
            let anew = self.anew.saturating_add(1);
            let opened = Self::open(&self.path)?;
            *self = Self { anew, folders: self.folders.take(), ..opened };
        }
        begun?;
        match sqlite::empty_log(&self.db, &self.path) {
            // What the file has to grow for was written already, and would stay in the log.
            Err(error) if sqlite::is_full(&error) && self.reserve.give() => {
                drop(sqlite::empty_log(&self.db, &self.path))
            }
            Err(error) if sqlite::is_full(&error) => {}
            done => done?,
        }
        self.reserve.fill();
        result
    }

    /// How often this process began it anew: whoever knew what was in it asks again.
    pub fn begun_anew(&self) -> u32 {
        self.anew
    }

    /// When a damaged one was begun anew, for a week.
    pub fn lost_at(&self, now: Timestamp) -> Result<Option<Timestamp>, TableError> {
        let at: Option<Timestamp> = self.meta("lost")?.and_then(|at| at.parse().ok());
        Ok(at.filter(|at| anew::is_told(*at, now)))
    }

    /// For work that rests on who is not in the table.
    pub fn whole(&self) -> Result<(), TableError> {
        if self.is_complete()? { Ok(()) } else { Err(TableError::Incomplete) }
    }

    /// What somebody else changed since the last look, or while nobody looked: it counts as a change, and those rows as unknown, so
    /// that the operator sends them anew.
    pub fn foreign(&mut self) -> Result<Option<Foreign>, TableError> {
        self.pressing(Self::find_foreign)
    }

    fn find_foreign(&mut self) -> Result<Option<Foreign>, TableError> {
        let version = foreign::version(&self.db)?;
        let first = self.foreign.is_none();
        if self.foreign == Some(version) {
            return Ok(None);
        }
        let found = foreign::changed(&self.db)?;
        if first && found.mailboxes.is_empty() {
            self.foreign = Some(version);
            return Ok(None);
        }
        let revision = self.revision()? + 1;
        let tx = self.db.transaction()?;
        for mailbox in &found.mailboxes {
            tx.execute("UPDATE accounts SET digest = '' WHERE mailbox = ?1", [mailbox])?;
        }
        untold::add(&tx, &untold::changed(&found))?;
        // Aliases of nobody lead nowhere.
        tx.execute("DELETE FROM aliases WHERE mailbox NOT IN (SELECT mailbox FROM accounts)", [])?;
        tx.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?1)", [revision.to_string()])?;
        tx.commit()?;
        self.foreign = Some(version);
        Ok(Some(found))
    }

    /// Counts changes of the table.
    pub fn revision(&self) -> Result<u64, TableError> {
        Ok(self.meta("revision")?.and_then(|v| v.parse().ok()).unwrap_or(0))
    }

    /// Whether all accounts were there once.
    pub fn is_complete(&self) -> Result<bool, TableError> {
        Ok(self.meta("complete")?.is_some())
    }

    /// Marks the table as complete, and lets Dovecot and Postfix see it; nothing is written when it was.
    pub fn set_complete(&mut self, accounts: u64) -> Result<(), TableError> {
        if self.is_complete()? {
            return Ok(());
        }
        let known: i64 =
            self.db.query_row("SELECT count(*) FROM accounts WHERE mailbox NOT LIKE '\\_%' ESCAPE '\\'", [], |r| {
                r.get(0)
            })?;
        if u64::try_from(known) != Ok(accounts) {
            return Err(TableError::Other(format!("{known} accounts in the table, {accounts} were sent")));
        }
        let tx = self.db.transaction()?;
        tx.execute("INSERT INTO meta VALUES ('complete', '1')", [])?;
        served::show(&tx, true)?;
        tx.commit()?;
        Ok(())
    }

    /// Lets a leader of this term write; one that was replaced may not any more. Nothing is written while the term stays.
    pub fn admit(&mut self, term: Term) -> Result<(), TableError> {
        let seen = self.meta("term")?.and_then(|v| v.parse::<Term>().ok()).unwrap_or(0);
        if term < seen {
            return Err(TableError::Superseded { term, seen });
        }
        if term > seen {
            let query = "INSERT OR REPLACE INTO meta VALUES ('term', ?1)";
            self.pressing(|table| Ok(table.db.execute(query, [term.to_string()])?))?;
        }
        Ok(())
    }

    fn meta(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0)).optional()?)
    }

    /// What the table holds.
    pub fn digests(&self) -> Result<Digests, TableError> {
        let mut query = self.db.prepare_cached(
            "SELECT mailbox, iif(held, '', digest) FROM accounts WHERE mailbox NOT LIKE '\\_%' ESCAPE '\\'",
        )?;
        let accounts = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        let system = self.meta("system")?.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Digests { revision: self.revision()?, accounts, system })
    }

    /// Addresses of everybody who may not log in: their sessions end again after each start, since a change may have been
    /// written just before the last end.
    pub fn closed(&self) -> Result<Vec<String>, TableError> {
        let mut query = self.db.prepare(
            "SELECT address FROM accounts WHERE mailbox NOT LIKE '\\_%' ESCAPE '\\' \
             AND (locked OR revoked OR ((must_change OR pending) AND password IS NOT NULL))",
        )?;
        Ok(query.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The mailbox whose address this is.
    pub(super) fn mailbox_of(&self, address: &str) -> Result<Option<String>, TableError> {
        let mut query = self.db.prepare_cached("SELECT mailbox FROM accounts WHERE address = ?1")?;
        Ok(query.query_row([address], |r| r.get(0)).optional()?)
    }

    /// The address at which a mailbox receives; none if there is no such account, or it is revoked.
    pub fn receiver(&self, mailbox: &str) -> Result<Option<String>, TableError> {
        let query =
            "SELECT address FROM accounts WHERE mailbox = ?1 AND NOT revoked AND mailbox NOT LIKE '\\_%' ESCAPE '\\'";
        Ok(self.db.prepare_cached(query)?.query_row([mailbox], |r| r.get(0)).optional()?)
    }

    /// Address of a row, and whether it is exactly what the operator writes for a revoked account.
    pub(super) fn revoked(&self, mailbox: &str) -> Result<Option<(String, bool)>, TableError> {
        let mut query = self.db.prepare_cached("SELECT address, revoked, digest FROM accounts WHERE mailbox = ?1")?;
        let row = query.query_row([mailbox], |r| Ok((r.get::<_, String>(0)?, r.get::<_, bool>(1)?, r.get(2)?)));
        let Some((address, revoked, digest)): Option<(String, bool, String)> = row.optional()? else { return Ok(None) };
        let same = revoked && self.forwarded(mailbox, &address)?.digest() == digest;
        Ok(Some((address, same)))
    }

    /// The row of a revoked account, whose mail may go to a successor.
    fn forwarded(&self, mailbox: &str, address: &str) -> Result<Account, TableError> {
        let mut query = self.db.prepare_cached("SELECT source, destination FROM aliases WHERE mailbox = ?1")?;
        let rows = query.query_map([mailbox], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let leads: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
        let to = leads.first().map(|(_, to)| to.clone());
        let mut aliases: Vec<String> = leads.into_iter().map(|(source, _)| source).filter(|s| s != address).collect();
        // As the operator sorts them.
        aliases.sort_by(|a, b| a.split('@').next().cmp(&b.split('@').next()));
        Ok(Account { aliases, ..Account::revoked(mailbox, address) }.forwarded(to))
    }

    /// Removes rows of revoked accounts in one transaction.
    pub(super) fn remove_revoked(&mut self, mailboxes: &[&str]) -> Result<(), TableError> {
        let revision = self.revision()? + 1;
        let tx = self.db.transaction()?;
        let mut removed = 0;
        for mailbox in mailboxes {
            removed += tx.execute("DELETE FROM accounts WHERE mailbox = ?1 AND revoked", [mailbox])?;
        }
        tx.execute("DELETE FROM aliases WHERE mailbox NOT IN (SELECT mailbox FROM accounts)", [])?;
        if removed > 0 {
            tx.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?1)", [revision.to_string()])?;
        }
        tx.commit()?;
        Ok(())
    }

    fn write(&mut self, request: &ApplyRequest) -> Result<Applied, TableError> {
        // Of whom nothing is known may have sessions that he may not have.
        let unknown = self.meta("lost")?.is_some() && !self.is_complete()?;
        let tx = self.db.transaction()?;
        let (accepted, mut refused) = check(&tx, request)?;
        let held = holders::look(self.folders.as_mut(), &accepted);
        let (mut kick, mut kick_once) = (BTreeSet::new(), Vec::new());
        for mailbox in &request.remove {
            kick.extend(delete(&tx, mailbox)?.map(|old| old.address));
        }
        let mut old = BTreeMap::new();
        for account in &accepted {
            if let Some(row) = delete(&tx, &account.mailbox)? {
                old.insert(account.mailbox.as_str(), row);
            }
        }
        for account in &accepted {
            let waits = held.contains_key(&account.mailbox);
            insert(&tx, account, waits)?;
            let waited = old.get(account.mailbox.as_str()).is_some_and(|row| row.held);
            holders::tell(&tx, account, waited, held.get(&account.mailbox))?;
            match old.get(account.mailbox.as_str()) {
                Some(row) => match row.ends_sessions(account, waits) {
                    Ends::ForAMinute => drop(kick.insert(row.address.clone())),
                    Ends::Once => kick_once.push(row.address.clone()),
                    Ends::None => {}
                },
                None if unknown && (waits || account.access != Access::Open) => {
                    kick.insert(account.address.clone());
                }
                _ => {}
            }
        }
        write_system(&tx, &request.system)?;
        let revision = tx
            .query_row("SELECT value FROM meta WHERE key = 'revision'", [], |r| r.get::<_, String>(0))
            .optional()?
            .and_then(|v| v.parse::<u64>().ok())
            .unwrap_or(0)
            + 1;
        tx.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?1)", [revision.to_string()])?;
        tx.commit()?;
        refused.extend(holders::refused(held));
        Ok(Applied { revision, refused, kick: kick.into_iter().collect(), kick_once, full: false })
    }
}

/// Whether it stands in the place of a damaged one and nothing was written since, wherever the agent was ended in between.
fn is_begun(path: &Path, db: &Connection) -> Result<bool, TableError> {
    let known: i64 = db.query_row("SELECT count(*) FROM meta", [], |r| r.get(0))?;
    let copies =
        anew::copies(path).map_err(|error| TableError::Other(format!("the account table's folder: {error}")))?;
    Ok(known == 0 && !copies.is_empty())
}

/// Free and all bytes of the volume that holds the table; zeros when it cannot be asked.
pub(super) fn volume(path: &Path) -> (u64, u64) {
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statvfs(folder).map_or((0, 0), |v| (v.f_bavail * v.f_frsize, v.f_blocks * v.f_frsize))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "table_damaged_tests.rs"]
mod damaged_tests;

#[cfg(test)]
#[path = "table_readers_tests.rs"]
mod readers_tests;

#[cfg(test)]
#[path = "table_holders_tests.rs"]
mod holders_tests;

#[cfg(test)]
#[path = "table_full_tests.rs"]
mod full_tests;
