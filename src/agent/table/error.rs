//! Why work on the table, or on another file of the agent, came to nothing.

use k8s_openapi::jiff::Timestamp;

use crate::agent::sqlite;
use crate::domain::lease::Term;

/// Why the table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// No room for the change; the old table stands.
    #[error(
        "the volume is full: locks and new passwords come into force, all else waits; make room or enlarge the volume"
    )]
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
    /// Not every account is in the table yet, so who is not in it may be somebody.
    #[error("the account table is not complete yet; tried again when the operator has sent every account")]
    Incomplete,
    /// Anything else.
    #[error("account table: {0}")]
    Other(String),
}

impl TableError {
    /// Of another file: its damage is none of the account table.
    pub(in crate::agent) fn of_another(self) -> Self {
        match self {
            Self::Damaged(why) => Self::Other(why),
            other => other,
        }
    }
}

/// A term as the Lease shows it.
fn time(term: Term) -> String {
    Timestamp::from_microsecond(term).map_or_else(|_| term.to_string(), |time| format!("{time:.6}"))
}

impl From<rusqlite::Error> for TableError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            _ if sqlite::is_full(&error) => Self::VolumeFull,
            _ if sqlite::is_damaged(&error) => Self::Damaged(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}
