//! What operator and agent say to each other: JSON over mutual TLS, `/v1/…` on the agent's port.

use serde::{Deserialize, Serialize};

use super::account::Account;
use crate::domain::journal::{Event, Head};

/// Header of each request: the term of the leader that sends it. A write of an older term than one seen is refused, so that a
/// leader that was stopped in the middle, and was replaced, cannot undo what the new one did.
pub const TERM_HEADER: &str = "mail-operator-term";

/// What is the same for the whole system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// The mail domain.
    pub domain: String,
    /// Address that gets mail for postmaster and abuse; `None`: the system's own store.
    pub postmaster: Option<String>,
}

/// `POST /v1/accounts`: changes to the account table, in one transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// What is the same for the whole system.
    pub system: System,
    /// Accounts to write.
    pub upsert: Vec<Account>,
    /// Mailboxes whose rows go; their mail stays.
    pub remove: Vec<String>,
}

/// An account that the table refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Name of the Mailbox.
    pub mailbox: String,
    /// Why.
    pub message: String,
    /// Its row is written, and waits: the folder of its name holds the mail of another account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub folder: bool,
}

/// Accounts that wait because the folder of their name holds the mail of another account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFolders {
    /// How many.
    pub count: u64,
    /// Names of the first of them, by name.
    pub some: Vec<String>,
}

/// Answer to `POST /v1/accounts`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplyResponse {
    /// Revision of the table after it.
    pub revision: u64,
    /// What was refused; all else is written.
    pub refused: Vec<Refused>,
}

/// `POST /v1/complete`: every account has been sent; Postfix may start (before, an unknown address is not final).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Complete {
    /// Number of accounts that the operator sent.
    pub accounts: u64,
}

/// `GET /v1/state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Version of the agent.
    pub version: String,
    /// Changes at each start of the agent.
    pub instance: String,
    /// Counts changes of the table.
    pub revision: u64,
    /// Whether the table was complete once.
    pub complete: bool,
    /// When a damaged account table was put aside and begun anew, in Unix seconds; told for a week.
    #[serde(default)]
    pub table_lost: Option<i64>,
    /// Who waits because of his folder.
    #[serde(default)]
    pub held: HeldFolders,
    /// Free bytes of the volume.
    pub free_bytes: u64,
    /// Size of the volume.
    pub total_bytes: u64,
    /// What is wrong with the server certificate that is mounted.
    pub certificate_error: Option<String>,
    /// The time of the agent's clock of the wall, in Unix seconds: a witness for the operator's.
    #[serde(default)]
    pub now: Option<i64>,
}

/// `GET /v1/digests`: what the table holds, without hashes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Digests {
    /// Revision of the table.
    pub revision: u64,
    /// Mailbox and digest of its account.
    pub accounts: Vec<(String, String)>,
    /// What is the same for the whole system, as the table has it.
    pub system: Option<System>,
}

/// Use of one mailbox, as the mail server saw it. Days are those of the province, `YYYY-MM-DD`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Name of the Mailbox.
    pub mailbox: String,
    /// Day of the last login by any protocol, submission among them.
    pub last_login: Option<String>,
    /// Day of the last login for sending.
    pub last_send: Option<String>,
    /// Day of the last delivery; mail that the system itself made is none (D-10).
    pub last_receive: Option<String>,
    /// Bytes of storage in use.
    pub used_bytes: Option<u64>,
}

/// `GET /v1/usage?after=REVISION`: what changed after a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePage {
    /// From when and through when nothing is missing (D-16), in Unix seconds; `None` while that is not proven for any time.
    pub complete: Option<(i64, i64)>,
    /// What to ask after next.
    pub revision: u64,
    /// What changed, at most [`USAGE_PAGE`].
    pub rows: Vec<Usage>,
    /// Whether there is more.
    pub more: bool,
}

/// Rows of one [`UsagePage`].
pub const USAGE_PAGE: usize = 5_000;

/// `POST /v1/journal`: decisions to write down, in their order; at most `journal::MOST_EVENTS`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JournalRequest {
    /// The decisions. What was written before (by its key) is not written again.
    pub events: Vec<Event>,
}

/// Answer to `POST /v1/journal`: all of it is on the disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JournalResponse {
    /// Where the chain ends.
    pub head: Head,
}

/// Answer to `GET /v1/journal?noted=NUMBER:HASH`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEnd {
    /// Where the chain ends.
    pub head: Head,
    /// Whether the entry that was noted elsewhere is there; true when none was asked for.
    pub holds: bool,
}

/// A notice to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeMail {
    /// Stable name of the cause: a key is delivered once, however often it is sent.
    pub key: String,
    /// Name of the Mailbox that gets it.
    pub mailbox: String,
    /// Its address.
    pub address: String,
    /// The message (RFC 5322), with the Message-ID that belongs to the key.
    pub message: String,
}

/// `POST /v1/notices`: notices for the INBOX of their mailboxes; at most `notice::MOST_NOTICES`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoticeRequest {
    /// The notices.
    pub notices: Vec<NoticeMail>,
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// It is in the mailbox now.
    Delivered,
    /// It was delivered before.
    Already,
    /// There is no such account, or it is revoked.
    Unknown,
    /// It was not, and why; to be sent again.
    Failed(String),
}

/// Answer to `POST /v1/notices`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoticeResponse {
    /// What became of each, in their order.
    pub deliveries: Vec<Delivery>,
}

/// Mailboxes of one [`PurgeRequest`].
pub const MOST_PURGES: usize = 200;

/// A mailbox of which nothing is to be left (D-14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// Name of the Mailbox.
    pub mailbox: String,
    /// The address that it is known to have: another one is somebody else's.
    pub address: String,
    /// It is not to be removed any more: only a removal that was begun is brought to its end. Who has mail is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finish: bool,
}

/// `POST /v1/purge`: mailboxes whose mail and row go for good; at most [`MOST_PURGES`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeRequest {
    /// The mailboxes.
    pub mailboxes: Vec<Purge>,
}

/// What became of a mailbox that was to be purged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purged {
    /// Nobody can reach anything of it any more: it was removed now or before.
    Done,
    /// It is as it was, and why.
    Refused(String),
}

/// Answer to `POST /v1/purge`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeResponse {
    /// What became of each, in their order.
    pub outcomes: Vec<Purged>,
}

/// Why the agent could not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorCode {
    /// The volume is full.
    VolumeFull,
    /// The database cannot be read or written.
    Database,
    /// A later leader has written.
    Superseded,
    /// The journal cannot be read or written.
    Journal,
    /// The request is not one that can be done.
    Invalid,
}

/// Body of an answer that is not 2xx. It never holds what was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What.
    pub code: ErrorCode,
    /// A sentence.
    pub message: String,
}
