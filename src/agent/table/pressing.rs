//! What waits for no room on the volume. Mail may have filled it; whoever is to be shut out is, and another password counts, all the same
//! (R6.1), with the room that is kept for that (agent/reserve.rs). All else waits until somebody made room.

use tracing::warn;

use super::rows::{Row, close};
use super::{Applied, Table, TableError};
use crate::backend::{Account, ApplyRequest};

/// Accounts that are closed at once: with a page each they find room in one step of the reserve.
pub(super) const AT_ONCE: usize = 16;

impl Table {
    /// Writes all of a request in one transaction. An account that cannot stand is refused and its old row stays. Where the volume has no
    /// room for it, whoever is to be shut out is, and the rest is to be sent again ([`Applied::full`]).
    pub fn apply(&mut self, request: &ApplyRequest) -> Result<Applied, TableError> {
        match self.write(request) {
            Err(TableError::VolumeFull) => self.close(request),
            done => done,
        }
    }

    /// Takes access away, and nothing else: addresses and mail stay where they are, so nothing can be refused. Nobody gets any.
    fn close(&mut self, request: &ApplyRequest) -> Result<Applied, TableError> {
        let closing = self.closing(request)?;
        let mut kick = Vec::new();
        for accounts in closing.chunks(AT_ONCE) {
            match self.pressing(|table| table.write_closed(accounts)) {
                Ok(addresses) => kick.extend(addresses),
                Err(TableError::VolumeFull) => break,
                Err(error) if kick.is_empty() => return Err(error),
                Err(error) => {
                    // Those that are closed have sessions to end; the rest is sent again.
                    warn!(%error, "not every account could be closed");
                    break;
                }
            }
        }
        Ok(Applied { revision: self.revision()?, kick, full: true, ..Applied::default() })
    }

    /// Accounts of a request who may do less than now.
    fn closing<'a>(&self, request: &'a ApplyRequest) -> Result<Vec<&'a Account>, TableError> {
        let mut closing = Vec::new();
        for account in &request.upsert {
            if Row::of(&self.db, &account.mailbox)?.is_some_and(|row| row.is_closed_by(account)) {
                closing.push(account);
            }
        }
        Ok(closing)
    }

    fn write_closed(&mut self, accounts: &[&Account]) -> Result<Vec<String>, TableError> {
        let revision = self.revision()? + 1;
        let tx = self.db.transaction()?;
        let addresses = accounts.iter().map(|account| close(&tx, account)).collect::<Result<_, _>>()?;
        tx.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?1)", [revision.to_string()])?;
        tx.commit()?;
        Ok(addresses)
    }

    /// Does what cannot wait, step by step with the room that is kept for it.
    pub(super) fn pressing<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, TableError>,
    ) -> Result<T, TableError> {
        loop {
            match work(self) {
                Err(TableError::VolumeFull) if self.reserve.give() => {}
                done => return done,
            }
        }
    }
}
