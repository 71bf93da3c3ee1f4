//! Rows of the account table.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::TableError;
use crate::backend::{Access, Account, System};

/// Key of the store that keeps mail for postmaster and abuse; no Mailbox can have that name.
const POSTMASTER: &str = "_postmaster";
/// Storage of that store.
const POSTMASTER_BYTES: u64 = 1 << 30;

/// What of an old row decides whether sessions must end.
pub(super) struct Row {
    pub address: String,
    password: String,
    open: bool,
    /// Locked or revoked.
    closed: bool,
    must_change: bool,
    /// It waits, and was or will be open.
    pending: bool,
    /// It waited for its folder.
    pub held: bool,
}

/// Which sessions of an account end.
pub(super) enum Ends {
    None,
    /// Those that are there.
    Once,
    /// Also those of logins that are under way.
    ForAMinute,
}

impl Row {
    /// Which sessions must end for what the row becomes, which may have to wait for its folder. Whoever could not log in has none, and his
    /// first ones with the new password are left alone (R9.1); one that was not ended when he was shut out is now, before he knows of it.
    pub fn ends_sessions(&self, new: &Account, waits: bool) -> Ends {
        let other = self.password != new.password_hash;
        if self.address != new.address || (self.open && (other || waits || new.access != Access::Open)) {
            Ends::ForAMinute
        } else if other {
            Ends::Once
        } else {
            Ends::None
        }
    }

    /// Whether somebody may do less from now on: he is to be shut out, or to change his password first, or has another one.
    pub fn is_closed_by(&self, new: &Account) -> bool {
        let less = new.access.is_shut() || (new.access == Access::MustChange && !self.must_change);
        // Whoever waits for his folder may be let in later; whoever has no password yet loses none.
        let other = !self.pending && !self.password.is_empty() && self.password != new.password_hash;
        let waits = self.pending && new.access == Access::Pending;
        !self.closed && !waits && (less || other)
    }
}

/// Columns of a [`Row`].
const COLUMNS: &str = "address, coalesce(password, ''), locked + must_change + revoked + pending = 0, locked OR revoked, must_change, pending, held";

impl Row {
    fn read(r: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            address: r.get(0)?,
            password: r.get(1)?,
            open: r.get(2)?,
            closed: r.get(3)?,
            must_change: r.get(4)?,
            pending: r.get(5)?,
            held: r.get(6)?,
        })
    }

    /// The row of a mailbox.
    pub fn of(db: &Connection, mailbox: &str) -> Result<Option<Self>, TableError> {
        let query = format!("SELECT {COLUMNS} FROM accounts WHERE mailbox = ?1");
        Ok(db.prepare_cached(&query)?.query_row([mailbox], Self::read).optional()?)
    }
}

/// Removes a row and what leads to it.
pub(super) fn delete(tx: &Transaction<'_>, mailbox: &str) -> Result<Option<Row>, TableError> {
    let query = format!("DELETE FROM accounts WHERE mailbox = ?1 RETURNING {COLUMNS}");
    let row = tx.prepare_cached(&query)?.query_row([mailbox], Row::read).optional()?;
    tx.prepare_cached("DELETE FROM aliases WHERE mailbox = ?1")?.execute([mailbox])?;
    Ok(row)
}

/// Takes access from an account that has a row, for as long as there is no room to write it whole; its address. Who is revoked is locked until
/// then: mail that is under way to him is none that is sent back. The operator knows the row as none that it sent.
pub(super) fn close(tx: &Transaction<'_>, account: &Account) -> Result<String, TableError> {
    let query = "UPDATE accounts SET locked = locked OR ?2, must_change = must_change OR ?3, password = iif(?2, password, ?4), digest = '' \
                 WHERE mailbox = ?1 RETURNING address";
    let (shut, must_change) = (account.access.is_shut(), account.access == Access::MustChange);
    let password = (!account.password_hash.is_empty()).then_some(&account.password_hash);
    Ok(tx.prepare_cached(query)?.query_row(params![account.mailbox, shut, must_change, password], |r| r.get(0))?)
}

/// Writes the row of an account, which may have to wait for its folder.
pub(super) fn insert(tx: &Transaction<'_>, account: &Account, waits: bool) -> Result<(), TableError> {
    let password = (!account.password_hash.is_empty()).then_some(&account.password_hash);
    // By name: a later version may have more columns, and this one may be put back.
    let query = "INSERT INTO accounts (mailbox, address, password, locked, must_change, revoked, quota_bytes, max_message_bytes, digest, \
                 pending, issued, held) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    tx.prepare_cached(query)?.execute(params![
        account.mailbox,
        account.address,
        password,
        account.access == Access::Locked,
        account.access == Access::MustChange,
        account.access == Access::Revoked,
        account.quota_bytes as i64,
        account.max_message_bytes as i64,
        account.digest(),
        waits || account.access == Access::Pending,
        account.issued,
        waits,
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
pub(super) fn write_system(tx: &Transaction<'_>, system: &System) -> Result<(), TableError> {
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
        issued: None,
    };
    insert(tx, &store, false)?;
    if let Some(mailbox) = &system.postmaster {
        tx.execute("INSERT OR REPLACE INTO aliases VALUES (?1, ?2, ?3)", [&postmaster, POSTMASTER, mailbox])?;
        tx.execute("UPDATE aliases SET destination = ?1 WHERE mailbox = ?2", [mailbox, POSTMASTER])?;
    }
    tx.execute("INSERT OR REPLACE INTO meta VALUES ('system', ?1)", [text])?;
    Ok(())
}
