//! The account table: one SQLite file, written here, read by Dovecot and Postfix through read-only mounts.
//!
//! journal_mode is DELETE, not WAL: readers without write permission cannot open a WAL database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use k8s_openapi::jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::foreign::{self, Foreign};
use crate::backend::{Access, Account, ApplyRequest, Digests, Refused, System, check_hash};
use crate::domain::lease::Term;

/// Key of the store that keeps mail for postmaster and abuse; no Mailbox can have that name.
const POSTMASTER: &str = "_postmaster";
/// Storage of that store.
const POSTMASTER_BYTES: u64 = 1 << 30;

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
  pending INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS aliases (source TEXT PRIMARY KEY, mailbox TEXT NOT NULL, destination TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS aliases_mailbox ON aliases (mailbox);
";

/// Why the table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// No room for the change; the old table stands.
    #[error("the volume is full: the account table cannot be changed; make room or enlarge the volume")]
    VolumeFull,
    /// The writer leads no more.
    #[error(
        "a leader of a later term has written here ({}, this one is of {}); it must stop. If no other one runs (a clock was ahead, \
         or the Lease was deleted): kubectl -n <namespace of the operator> patch lease mail-operator --type merge -p \
         '{{\"spec\":{{\"holderIdentity\":\"\",\"acquireTime\":\"{}\"}}}}'", time(*.seen), time(*.term), time(*.seen)
    )]
    Superseded {
        /// Of the writer.
        term: Term,
        /// The latest.
        seen: Term,
    },
    /// The file is no database any more, or one with holes.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// Anything else.
    #[error("account table: {0}")]
    Other(String),
}

/// A term as the Lease shows it.
fn time(term: Term) -> String {
    Timestamp::from_microsecond(term).map_or_else(|_| term.to_string(), |time| format!("{time:.6}"))
}

impl From<rusqlite::Error> for TableError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::VolumeFull,
            _ if super::sqlite::is_damaged(&error) => Self::Damaged(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// What `Table::apply` did.
#[derive(Debug, Default)]
pub struct Applied {
    /// Revision after it.
    pub revision: u64,
    /// What was refused.
    pub refused: Vec<Refused>,
    /// Addresses whose sessions must end.
    pub kick: Vec<String>,
}

/// The account table.
pub struct Table {
    db: Connection,
    /// Commits of others that were seen; none before the first look.
    foreign: Option<i64>,
}

impl Table {
    /// Opens or makes the file; a journal that a killed writer left is rolled back here, before any reader starts.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let db = Connection::open(path)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        db.pragma_update(None, "journal_mode", "DELETE")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.execute_batch(SCHEMA)?;
        // A table of an earlier version.
        if db.prepare("SELECT pending FROM accounts").is_err() {
            db.execute("ALTER TABLE accounts ADD COLUMN pending INTEGER NOT NULL DEFAULT 0", [])?;
        }
        Ok(Self { db, foreign: None })
    }

    /// What somebody else changed since the last look, or while nobody looked: it counts as a change, and those rows as unknown, so
    /// that the operator sends them anew.
    pub fn foreign(&mut self) -> Result<Option<Foreign>, TableError> {
        let version = foreign::version(&self.db)?;
        let first = self.foreign.is_none();
        if self.foreign.replace(version) == Some(version) {
            return Ok(None);
        }
        let found = foreign::changed(&self.db)?;
        if first && found.mailboxes.is_empty() {
            return Ok(None);
        }
        let revision = self.revision()? + 1;
        let tx = self.db.transaction()?;
        for mailbox in &found.mailboxes {
            tx.execute("UPDATE accounts SET digest = '' WHERE mailbox = ?1", [mailbox])?;
        }
        // Aliases of nobody lead nowhere.
        tx.execute("DELETE FROM aliases WHERE mailbox NOT IN (SELECT mailbox FROM accounts)", [])?;
        tx.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?1)", [revision.to_string()])?;
        tx.commit()?;
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

    /// Marks the table as complete; nothing is written when it was.
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
        self.db.execute("INSERT INTO meta VALUES ('complete', '1')", [])?;
        Ok(())
    }

    /// Lets a leader of this term write; one that was replaced may not any more. Nothing is written while the term stays.
    pub fn admit(&mut self, term: Term) -> Result<(), TableError> {
        let seen = self.meta("term")?.and_then(|v| v.parse::<Term>().ok()).unwrap_or(0);
        if term < seen {
            return Err(TableError::Superseded { term, seen });
        }
        if term > seen {
            self.db.execute("INSERT OR REPLACE INTO meta VALUES ('term', ?1)", [term.to_string()])?;
        }
        Ok(())
    }

    fn meta(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0)).optional()?)
    }

    /// What the table holds.
    pub fn digests(&self) -> Result<Digests, TableError> {
        let mut query =
            self.db.prepare_cached("SELECT mailbox, digest FROM accounts WHERE mailbox NOT LIKE '\\_%' ESCAPE '\\'")?;
        let accounts = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        let system = self.meta("system")?.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Digests { revision: self.revision()?, accounts, system })
    }

    /// Addresses of everybody who may not log in: their sessions end again after each start, since a change may have been
    /// written just before the last end.
    pub fn closed(&self) -> Result<Vec<String>, TableError> {
        let mut query = self.db.prepare(
            "SELECT address FROM accounts WHERE (locked OR revoked OR must_change OR pending) AND password IS NOT NULL",
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
        Ok(row.optional()?.map(|(address, revoked, digest): (String, bool, String)| {
            let same = revoked && Account::revoked(mailbox, &address).digest() == digest;
            (address, same)
        }))
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

    /// Writes all of a request in one transaction. An account that cannot stand is refused and its old row stays.
    pub fn apply(&mut self, request: &ApplyRequest) -> Result<Applied, TableError> {
        let tx = self.db.transaction()?;
        let (accepted, refused) = check(&tx, request)?;
        let mut kick = BTreeSet::new();
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
            insert(&tx, account)?;
            if let Some(row) = old.get(account.mailbox.as_str())
                && row.ends_sessions(account)
            {
                kick.insert(row.address.clone());
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
        Ok(Applied { revision, refused, kick: kick.into_iter().collect() })
    }
}

/// What of an old row decides whether sessions must end.
struct Row {
    address: String,
    password: String,
    open: bool,
}

impl Row {
    fn ends_sessions(&self, new: &Account) -> bool {
        (self.open && new.access != Access::Open) || self.address != new.address || self.password != new.password_hash
    }
}

fn delete(tx: &Transaction<'_>, mailbox: &str) -> Result<Option<Row>, TableError> {
    let row = tx
        .prepare_cached("DELETE FROM accounts WHERE mailbox = ?1 RETURNING address, coalesce(password, ''), locked + must_change + revoked + pending = 0")?
        .query_row([mailbox], |r| Ok(Row { address: r.get(0)?, password: r.get(1)?, open: r.get(2)? }))
        .optional()?;
    tx.prepare_cached("DELETE FROM aliases WHERE mailbox = ?1")?.execute([mailbox])?;
    Ok(row)
}

fn insert(tx: &Transaction<'_>, account: &Account) -> Result<(), TableError> {
    let password = (!account.password_hash.is_empty()).then_some(&account.password_hash);
    tx.prepare_cached("INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?.execute(params![
        account.mailbox,
        account.address,
        password,
        account.access == Access::Locked,
        account.access == Access::MustChange,
        account.access == Access::Revoked,
        account.quota_bytes as i64,
        account.max_message_bytes as i64,
        account.digest(),
        account.access == Access::Pending,
    ])?;
    // Of a revoked account its own address leads to the successor, too; without one nothing leads anywhere.
    let (own, destination) = match (account.access, &account.forward) {
        (Access::Revoked, None) => return Ok(()),
        (Access::Revoked, Some(to)) => (Some(&account.address), to),
        _ => (None, &account.address),
    };
    for source in account.aliases.iter().chain(own) {
        tx.prepare_cached("INSERT INTO aliases VALUES (?1, ?2, ?3)")?.execute([
            source,
            &account.mailbox,
            destination,
        ])?;
    }
    Ok(())
}

/// Domain, postmaster and abuse.
fn write_system(tx: &Transaction<'_>, system: &System) -> Result<(), TableError> {
    let text = serde_json::to_string(system).map_err(|e| TableError::Other(e.to_string()))?;
    let known: Option<String> =
        tx.query_row("SELECT value FROM meta WHERE key = 'system'", [], |r| r.get(0)).optional()?;
    if known.as_deref() == Some(&text) {
        return Ok(());
    }
    delete(tx, POSTMASTER)?;
    tx.execute("DELETE FROM domains", [])?;
    tx.execute("INSERT INTO domains VALUES (?1)", [&system.domain])?;
    let postmaster = format!("postmaster@{}", system.domain);
    let store = Account {
        mailbox: POSTMASTER.into(),
        address: postmaster.clone(),
        aliases: vec![format!("abuse@{}", system.domain)],
        password_hash: String::new(),
        access: Access::Locked,
        quota_bytes: POSTMASTER_BYTES,
        max_message_bytes: POSTMASTER_BYTES,
        forward: None,
    };
    insert(tx, &store)?;
    if let Some(mailbox) = &system.postmaster {
        tx.execute("INSERT OR REPLACE INTO aliases VALUES (?1, ?2, ?3)", [&postmaster, POSTMASTER, mailbox])?;
        tx.execute("UPDATE aliases SET destination = ?1 WHERE mailbox = ?2", [mailbox, POSTMASTER])?;
    }
    tx.execute("INSERT OR REPLACE INTO meta VALUES ('system', ?1)", [text])?;
    Ok(())
}

/// Splits a request into what can stand and what is refused. A refused account keeps its row, and with it its addresses,
/// which may make another one of the same request fail: hence until nothing changes.
fn check<'a>(tx: &Transaction<'_>, request: &'a ApplyRequest) -> Result<(Vec<&'a Account>, Vec<Refused>), TableError> {
    let mut accepted: Vec<&Account> = Vec::with_capacity(request.upsert.len());
    let mut refused = Vec::new();
    let at = format!("@{}", request.system.domain);
    for account in &request.upsert {
        match shape(account, &at) {
            Ok(()) => accepted.push(account),
            Err(message) => refused.push(Refused { mailbox: account.mailbox.clone(), message }),
        }
    }
    loop {
        let moving: BTreeSet<&str> =
            accepted.iter().map(|a| a.mailbox.as_str()).chain(request.remove.iter().map(String::as_str)).collect();
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let mut losers = BTreeMap::new();
        for account in &accepted {
            for address in std::iter::once(&account.address).chain(&account.aliases) {
                let holder = holder(tx, address)?.filter(|holder| !moving.contains(holder.as_str()));
                let other = holder.or_else(|| {
                    taken.insert(address, &account.mailbox).filter(|m| *m != account.mailbox).map(String::from)
                });
                if let Some(other) = other {
                    losers.insert(account.mailbox.clone(), format!("{address} belongs to {other}"));
                }
            }
        }
        if losers.is_empty() {
            return Ok((accepted, refused));
        }
        accepted.retain(|a| !losers.contains_key(&a.mailbox));
        refused.extend(losers.into_iter().map(|(mailbox, message)| Refused { mailbox, message }));
    }
}

/// Whether a mailbox of this name can have a folder.
pub(super) fn is_folder(mailbox: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !mailbox.is_empty() && mailbox.bytes().all(fits) && !mailbox.starts_with('.')
}

fn shape(account: &Account, at: &str) -> Result<(), String> {
    if !is_folder(&account.mailbox) {
        return Err("the name of the mailbox cannot be a folder".into());
    }
    if !account.password_hash.is_empty() {
        check_hash(&account.password_hash).map_err(|e| e.to_string())?;
    }
    if let Some(to) = &account.forward
        && (account.access != Access::Revoked || *to == account.address || account.aliases.contains(to))
    {
        return Err(format!("{to}: only a revoked account forwards its mail, and never to itself"));
    }
    for address in std::iter::once(&account.address).chain(&account.aliases).chain(&account.forward) {
        let local = address.strip_suffix(at).ok_or_else(|| format!("{address} is not of the domain {}", &at[1..]))?;
        if local.is_empty()
            || !local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b))
        {
            return Err(format!("{address} is no address"));
        }
    }
    Ok(())
}

fn holder(tx: &Transaction<'_>, address: &str) -> Result<Option<String>, TableError> {
    Ok(tx
        .prepare_cached(
            "SELECT mailbox FROM accounts WHERE address = ?1 UNION ALL SELECT mailbox FROM aliases WHERE source = ?1",
        )?
        .query_row([address], |r| r.get(0))
        .optional()?)
}

/// Free and all bytes of the volume that holds the table; zeros when it cannot be asked.
pub(super) fn volume(path: &Path) -> (u64, u64) {
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statvfs(folder).map_or((0, 0), |v| (v.f_bavail * v.f_frsize, v.f_blocks * v.f_frsize))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
