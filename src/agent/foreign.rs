//! Changes of the account table that nobody but the agent may make: found, and undone by the operator, which sends what it wants anew.

use rusqlite::Connection;

use super::table::TableError;
use crate::backend::{Access, Account};

/// What somebody else changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Mailboxes whose row is not as it was written.
    pub mailboxes: Vec<String>,
}

/// Counts commits of others, not of this connection (SQLite, PRAGMA data_version).
pub(super) fn version(db: &Connection) -> Result<i64, TableError> {
    Ok(db.query_row("PRAGMA data_version", [], |r| r.get(0))?)
}

/// Rows that are not what their digest says.
pub(super) fn changed(db: &Connection) -> Result<Foreign, TableError> {
    let mut aliases = db.prepare_cached("SELECT source, destination FROM aliases WHERE mailbox = ?1 ORDER BY rowid")?;
    let mut rows = db.prepare_cached(
        "SELECT mailbox, address, coalesce(password, ''), locked, must_change, revoked, pending AND NOT held, quota_bytes, \
         max_message_bytes, digest, issued \
         FROM accounts WHERE mailbox NOT LIKE '\\_%' ESCAPE '\\'",
    )?;
    let mut found = rows.query([])?;
    let mut foreign = Foreign::default();
    while let Some(row) = found.next()? {
        let mailbox: String = row.get(0)?;
        let flags: [bool; 4] = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
        let access = match flags {
            [false, false, false, false] => Some(Access::Open),
            [true, false, false, false] => Some(Access::Locked),
            [false, true, false, false] => Some(Access::MustChange),
            [false, false, true, false] => Some(Access::Revoked),
            [false, false, false, true] => Some(Access::Pending),
            _ => None,
        };
        let number = |index| -> Result<u64, TableError> { Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0)) };
        let address: String = row.get(1)?;
        let found = aliases.query_map([&mailbox], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let (sources, destinations): (Vec<String>, Vec<String>) =
            found.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        // Of a revoked account every row leads to its successor, that of its own address among them.
        let forwards = access == Some(Access::Revoked) && !sources.is_empty();
        let forward = destinations.first().filter(|_| forwards).cloned();
        let led = forward.as_ref().unwrap_or(&address);
        let elsewhere =
            destinations.iter().any(|destination| destination != led) || forwards != sources.contains(&address);
        let aliases: Vec<String> = sources.into_iter().filter(|source| *source != address).collect();
        let (quota_bytes, max_message_bytes) = (number(7)?, number(8)?);
        let account = |access| -> Result<Account, TableError> {
            Ok(Account {
                mailbox: mailbox.clone(),
                address: address.clone(),
                aliases: aliases.clone(),
                password_hash: row.get(2)?,
                access,
                quota_bytes,
                max_message_bytes,
                forward: forward.clone(),
                issued: row.get(10)?,
            })
        };
        let digest: String = row.get(9)?;
        let same = match access {
            Some(access) => !elsewhere && account(access)?.digest() == digest,
            None => false,
        };
        if !same && !digest.is_empty() {
            foreign.mailboxes.push(mailbox);
        }
    }
    Ok(foreign)
}
