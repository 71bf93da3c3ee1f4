//! What a mail server is asked to do: a projection of accounts, in bulk.
//!
//! The wire types between operator and agent live here too, so that both sides speak of the same thing.

mod account;
pub mod dovecot;
pub mod memory;
mod projection;
mod syncer;
mod wire;

use futures::future::BoxFuture;

use crate::domain::journal::{Event, Head};

pub use account::{Access, Account, HASH_SCHEME, InvalidHash, check_hash};
pub use projection::{Projection, Standing};
pub use syncer::{Health, Syncer};
pub use wire::{
    ApplyRequest, ApplyResponse, Complete, Delivery, Digests, ErrorBody, ErrorCode, HeldFolders, JournalEnd,
    JournalRequest, JournalResponse, MOST_PURGES, NoticeMail, NoticeRequest, NoticeResponse, Purge, PurgeRequest,
    PurgeResponse, Purged, Refused, State, System, TERM_HEADER, USAGE_PAGE, Usage, UsagePage,
};

/// Why a backend did not do it. Never holds what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// It cannot be reached; tried again.
    #[error("{0}")]
    Unavailable(String),
    /// Its volume is full; tried again.
    #[error("{0}")]
    VolumeFull(String),
    /// It has seen a later leader and does nothing for this one.
    #[error("{0}")]
    Superseded(String),
    /// It answered, but did not do it.
    #[error("{0}")]
    Refused(String),
}

/// A mail server, bulk first: one request per system, not one per mailbox.
pub trait MailBackend: Send + Sync {
    /// How it is.
    fn state(&self) -> BoxFuture<'_, Result<State, BackendError>>;
    /// What accounts it has.
    fn digests(&self) -> BoxFuture<'_, Result<Digests, BackendError>>;
    /// Writes and removes accounts, all in one transaction.
    fn apply<'a>(&'a self, request: &'a ApplyRequest) -> BoxFuture<'a, Result<ApplyResponse, BackendError>>;
    /// What changed in the use of mailboxes after a revision.
    fn usage(&self, after: u64) -> BoxFuture<'_, Result<UsagePage, BackendError>>;
    /// Says that all accounts were sent.
    fn complete(&self, request: Complete) -> BoxFuture<'_, Result<State, BackendError>>;
    /// Writes decisions down, each key once, all or nothing; where the journal ends. At most `journal::MOST_EVENTS` at a time.
    fn journal(&self, events: Vec<Event>) -> BoxFuture<'_, Result<Head, BackendError>>;
    /// Where the journal ends, and whether it holds an entry that was noted elsewhere.
    fn journal_end(&self, noted: Option<Head>) -> BoxFuture<'_, Result<JournalEnd, BackendError>>;
    /// Delivers notices, each key at most once, even into full and locked mailboxes; what became of each, in their order. At
    /// most `notice::MOST_NOTICES` at a time.
    fn notices(&self, notices: Vec<NoticeMail>) -> BoxFuture<'_, Result<Vec<Delivery>, BackendError>>;
    /// Removes all that is kept of revoked accounts, for good; what became of each, in their order. One that is not revoked, or has
    /// another address, is refused. At most [`MOST_PURGES`] at a time; asked again it says what it said.
    fn purge(&self, mailboxes: Vec<Purge>) -> BoxFuture<'_, Result<Vec<Purged>, BackendError>>;
}
