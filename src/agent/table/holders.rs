//! Accounts whose mail folder is another one's (agent/folders.rs) wait: to Dovecot and Postfix they are as one that is not open yet. Nothing
//! is looked at twice, but for those that wait.

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};
use tracing::{info, warn};

use super::pressing::AT_ONCE;
use super::{Table, TableError, untold};
use crate::agent::folders::{Folders, Look};
use crate::backend::{Access, Account, HeldFolders, Refused};

/// Columns that came after the first version.
const LATER: [(&str, &str); 3] =
    [("pending", "INTEGER NOT NULL DEFAULT 0"), ("issued", "INTEGER"), ("held", "INTEGER NOT NULL DEFAULT 0")];
/// Few wait, and those are looked for often.
const INDEX: &str = "CREATE INDEX IF NOT EXISTS accounts_held ON accounts (mailbox) WHERE held";
/// Accounts that wait and are looked at again in one go.
const AGAIN: usize = 200;
/// Of those that wait so many are named.
const NAMED: u8 = 5;

/// A table of an earlier version gets its columns.
pub(super) fn upgrade(db: &Connection) -> Result<(), TableError> {
    for (column, definition) in LATER {
        if db.prepare(&format!("SELECT {column} FROM accounts")).is_err() {
            db.execute(&format!("ALTER TABLE accounts ADD COLUMN {column} {definition}"), [])?;
        }
    }
    Ok(db.execute_batch(INDEX)?)
}

/// Which of these accounts have to wait, and why: the folder of their name is another one's. Whom nobody lets in is not looked at.
pub(super) fn look(folders: Option<&mut Folders>, accounts: &[&Account]) -> BTreeMap<String, String> {
    let Some(folders) = folders else { return BTreeMap::new() };
    let opens = |account: &&&Account| !matches!(account.access, Access::Pending | Access::Revoked);
    let told = accounts.iter().filter(opens).filter_map(|account| Some((account.mailbox.clone(), account.issued?)));
    let wanted: Vec<(String, i64)> = told.filter(|(mailbox, issued)| !folders.is_known(mailbox, *issued)).collect();
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let looks = folders.look(&wanted);
    wanted.into_iter().zip(looks).filter_map(|((mailbox, issued), look)| Some((mailbox, why(issued, &look)?))).collect()
}

/// The journal is told who begins to wait, and who does not any more.
pub(super) fn tell(
    tx: &Transaction<'_>,
    account: &Account,
    waited: bool,
    why: Option<&String>,
) -> Result<(), TableError> {
    let over = why.is_none() && matches!(account.access, Access::Pending | Access::Revoked);
    if waited == why.is_some() || over {
        return Ok(());
    }
    untold::add(tx, &untold::folder(&account.mailbox, &account.address, why.map(String::as_str)))
}

/// What the operator is told of those that wait.
pub(super) fn refused(held: BTreeMap<String, String>) -> impl Iterator<Item = Refused> {
    held.into_iter().map(|(mailbox, message)| {
        warn!(mailbox, message, "its mail folder is another one's: nobody is let in");
        Refused { mailbox, message, folder: true }
    })
}

fn why(issued: i64, look: &Look) -> Option<String> {
    let Look::Anothers(said) = look else { return None };
    let theirs = said.map_or("that of another account".into(), |at| format!("that of an account issued {at}"));
    let ours = Timestamp::from_second(issued).map(|at| at.to_string()).unwrap_or_default();
    Some(format!("its mail folder is {theirs}, this account was issued {ours}"))
}

impl Table {
    /// From now on nobody is let into a folder that is another one's; those of all rows are looked at, which wait for no account to be sent.
    pub fn watch_folders(&mut self, root: PathBuf) -> Result<(), TableError> {
        self.folders = Some(Folders::new(root));
        let query = "SELECT mailbox, issued, held FROM accounts WHERE issued IS NOT NULL AND NOT revoked AND (held OR NOT pending)";
        self.settle(query)
    }

    /// Looks again at the folders of those that wait.
    pub fn look_again(&mut self) -> Result<(), TableError> {
        // Each in its turn, however many there are.
        self.settle(&format!("SELECT mailbox, issued, held FROM accounts WHERE held ORDER BY random() LIMIT {AGAIN}"))
    }

    /// Looks at the folders of some rows; what it changes counts as a change.
    fn settle(&mut self, query: &str) -> Result<(), TableError> {
        let Some(folders) = self.folders.as_mut() else { return Ok(()) };
        let (wanted, held): (Vec<(String, i64)>, Vec<bool>) = rows(&self.db, query)?.into_iter().unzip();
        if wanted.is_empty() {
            return Ok(());
        }
        let looks = folders.look(&wanted);
        let whys = wanted.iter().zip(looks).map(|((_, issued), look)| why(*issued, &look));
        let all = wanted.iter().zip(held).zip(whys);
        let (begin, end): (Vec<_>, Vec<_>) = all
            .filter(|((_, held), why)| *held != why.is_some())
            .map(|((row, _), why)| (row.0.as_str(), why))
            .partition(|(_, why)| why.is_some());
        for some in begin.chunks(AT_ONCE) {
            self.pressing(|table| table.write_held(some))?;
        }
        for some in end.chunks(AGAIN) {
            match self.write_held(some) {
                // They wait for room, too.
                Err(TableError::VolumeFull) => break,
                done => done?,
            }
        }
        Ok(())
    }

    fn write_held(&mut self, changed: &[(&str, Option<String>)]) -> Result<(), TableError> {
        let revision = self.revision()? + 1;
        let tx = self.db.transaction()?;
        for (mailbox, why) in changed {
            hold(&tx, mailbox, why.as_deref())?;
        }
        tx.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?1)", [revision.to_string()])?;
        Ok(tx.commit()?)
    }

    /// Accounts that wait for their folder.
    pub fn held(&self) -> Result<HeldFolders, TableError> {
        let count: i64 =
            self.db.prepare_cached("SELECT count(*) FROM accounts WHERE held")?.query_row([], |r| r.get(0))?;
        if count == 0 {
            return Ok(HeldFolders::default());
        }
        let mut query = self.db.prepare_cached("SELECT mailbox FROM accounts WHERE held ORDER BY mailbox LIMIT ?1")?;
        let some = query.query_map([NAMED], |r| r.get(0))?.collect::<Result<_, _>>()?;
        Ok(HeldFolders { count: u64::try_from(count).unwrap_or(0), some })
    }
}

/// A mailbox with the second in which its account was issued, and whether it waits.
type Row = ((String, i64), bool);

fn rows(db: &Connection, query: &str) -> Result<Vec<Row>, TableError> {
    let mut query = db.prepare_cached(query)?;
    let rows = query.query_map([], |r| {
        let issued: Option<i64> = r.get(1)?;
        Ok(((r.get(0)?, issued.unwrap_or_default()), r.get::<_, bool>(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Has a row wait, or go on as it was sent. One that waits is known as no account: the operator sends it, and is told why.
fn hold(tx: &Transaction<'_>, mailbox: &str, why: Option<&str>) -> Result<(), TableError> {
    match why {
        Some(why) => warn!(mailbox, why, "its mail folder is another one's: nobody is let in"),
        None => info!(mailbox, "its mail folder is its own now"),
    }
    let query = "UPDATE accounts SET held = ?2, pending = ?2 WHERE mailbox = ?1 RETURNING address";
    let address: String = tx.query_row(query, params![mailbox, why.is_some()], |r| r.get(0))?;
    untold::add(tx, &untold::folder(mailbox, &address, why))
}
