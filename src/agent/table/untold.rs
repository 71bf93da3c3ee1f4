//! What the journal is to say of the table: kept beside it, from the transaction that makes it so until the journal has it. An agent that is
//! killed in between says it after its next start.

use k8s_openapi::jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};
use tracing::warn;

use super::{Table, TableError};
use crate::agent::foreign::Foreign;
use crate::domain::journal::Event;

/// Mailboxes that an entry names.
const NAMED: usize = 20;
/// Entries that wait for a journal that cannot be written.
const MOST: usize = 100;

/// Keeps an entry for the journal; with too many the earlier ones tell most.
pub(super) fn add(tx: &Transaction<'_>, event: &Event) -> Result<(), TableError> {
    let text = serde_json::to_string(event).map_err(|error| TableError::Other(error.to_string()))?;
    let query = "INSERT INTO untold (event) SELECT ?1 WHERE (SELECT count(*) FROM untold) < ?2";
    tx.execute(query, params![text, i64::try_from(MOST).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// An entry of its own, whatever was said before.
fn event(what: &str, action: &str) -> Event {
    Event {
        key: format!("table/{what}/{:016x}", rand::random::<u64>()),
        at: Timestamp::now(),
        actor: "mail-operator".into(),
        action: action.into(),
        rule: "5.1".into(),
        ..Event::default()
    }
}

/// Somebody changed the account table. The operator corrects it, also where the journal cannot be written.
pub(super) fn changed(foreign: &Foreign) -> Event {
    let names = foreign.mailboxes.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let count = foreign.mailboxes.len();
    warn!(count, names, "the account table was changed by somebody else; the operator sends it anew");
    // Rows that are gone, new or forged with their digest contradict nothing here: the operator finds them.
    let which = if count == 0 { "rows".into() } else { format!("{count} rows ({names})") };
    let note = format!("{which} of the account table were changed behind the operator and are corrected");
    Event { actor: "unknown".into(), note, ..event("changed", "ChangeTable") }
}

/// The account table was damaged and is begun anew.
pub(super) fn begun_anew() -> Event {
    let note = "the account table was damaged; it is put aside and made anew from the cluster".into();
    Event { note, ..event("anew", "RebuildTable") }
}

/// Nobody is let into a mail folder, or its holder is again.
pub(super) fn folder(mailbox: &str, address: &str, why: Option<&str>) -> Event {
    let (action, note) = match why {
        Some(why) => ("HoldFolder", format!("{why}; nobody logs in and senders are told to try again")),
        None => ("FreeFolder", "its mail folder is its own".into()),
    };
    Event { mailbox: mailbox.into(), address: address.into(), rule: "D-14".into(), note, ..event("folder", action) }
}

impl Table {
    /// What the journal does not say yet, in its order.
    pub fn untold(&self) -> Result<Vec<(i64, Event)>, TableError> {
        let mut query = self.db.prepare_cached("SELECT number, event FROM untold ORDER BY number LIMIT ?1")?;
        let limit = i64::try_from(MOST).unwrap_or(i64::MAX);
        let rows = query.query_map([limit], |r| Ok((r.get(0)?, r.get::<_, String>(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        Ok(rows.into_iter().filter_map(|(number, text)| Some((number, serde_json::from_str(&text).ok()?))).collect())
    }

    /// The journal says it now.
    pub fn told(&mut self, numbers: &[i64]) -> Result<(), TableError> {
        let tx = self.db.transaction()?;
        for number in numbers {
            tx.prepare_cached("DELETE FROM untold WHERE number = ?1")?.execute([number])?;
        }
        Ok(tx.commit()?)
    }

    /// Whether there was something to tell, which is told now.
    #[cfg(test)]
    pub fn take_news(&mut self) -> bool {
        let numbers: Vec<i64> = self.untold().expect("read").into_iter().map(|(number, _)| number).collect();
        self.told(&numbers).expect("told");
        !numbers.is_empty()
    }
}

/// What the journal is to say, in a table of its own.
pub(super) fn prepare(db: &Connection) -> Result<(), TableError> {
    Ok(db.execute_batch(
        "CREATE TABLE IF NOT EXISTS untold (number INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL)",
    )?)
}
