//! What waits for no room on the volume. Mail may have filled it; a lock, a revocation and another password come into force all the same, with
//! the room that is kept for them (agent/reserve.rs). All else waits until somebody made room.

use super::rows::Row;
use super::{Applied, Table, TableError};
use crate::backend::{Account, ApplyRequest};

/// Accounts that are written at once then: each commit finds its room beside those before it.
const AT_ONCE: usize = 50;

impl Table {
    /// Writes all of a request in one transaction. An account that cannot stand is refused and its old row stays. Where the volume has no
    /// room for it, what ends somebody's access is written, and the rest is to be sent again ([`Applied::full`]).
    pub fn apply(&mut self, request: &ApplyRequest) -> Result<Applied, TableError> {
        match self.write(request) {
            Err(TableError::VolumeFull) => self.close(request),
            done => done,
        }
    }

    fn close(&mut self, request: &ApplyRequest) -> Result<Applied, TableError> {
        let mut closed = Applied { full: true, ..Applied::default() };
        for accounts in self.closing(request)?.chunks(AT_ONCE) {
            let part = ApplyRequest { system: request.system.clone(), upsert: accounts.to_vec(), remove: Vec::new() };
            match self.pressing(|table| table.write(&part)) {
                Ok(done) => closed.kick.extend(done.kick),
                // What is in force so far ends sessions.
                Err(TableError::VolumeFull) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(closed)
    }

    /// Accounts of a request from which somebody may do less than now.
    fn closing(&self, request: &ApplyRequest) -> Result<Vec<Account>, TableError> {
        let mut closing = Vec::new();
        for account in &request.upsert {
            if Row::of(&self.db, &account.mailbox)?.is_some_and(|row| row.is_closed_by(account)) {
                closing.push(account.clone());
            }
        }
        Ok(closing)
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
