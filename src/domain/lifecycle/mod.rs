//! The life of an account (Điều 5, 6 and 9, D-09 to D-16): what is due when, by which rule, and what it leads to. Pure: facts and
//! the time are arguments.
//!
//! | File | What it decides |
//! |---|---|
//! | `account` | its state, and what an action makes of it |
//! | `clocks` | when which term of one account is over |
//! | `restore` | how far the three working days of a document are (R6.3) |
//! | `pass` | what is done now for all accounts of a system together, and what the brake holds (D-15) |
//! | `forecast` | what will happen until a day if nobody does anything |

mod account;
mod clocks;
pub mod forecast;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod model;
mod pass;
mod restore;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;

pub use clocks::{Unknown, due, ended, unknown, warnings};
pub use pass::{Brake, Held, Key, Pass, advance, pass};
pub use restore::{Asked, asked, tell_half_time};

use super::calendar::Calendar;

/// The point by which an account is issued: on a written document (5.2). That only the managing department does so is 5.1.
pub const ISSUE: &str = "5.2";

/// Why an account is locked (Điều 6 khoản 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockReason {
    /// No login, send or receive for three months (6.2.a).
    Inactive,
    /// The password is known to others (6.2.b).
    Compromised,
    /// The password is lost (6.2.b).
    LostPassword,
    /// A source of spam or malware (6.2.b).
    SpamOrMalware,
    /// Prohibited use (6.2.c).
    ProhibitedUse,
    /// The default password was not changed (6.2.d).
    DefaultPassword,
}

impl LockReason {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Inactive,
        Self::Compromised,
        Self::LostPassword,
        Self::SpamOrMalware,
        Self::ProhibitedUse,
        Self::DefaultPassword,
    ];

    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "Inactive",
            Self::Compromised => "Compromised",
            Self::LostPassword => "LostPassword",
            Self::SpamOrMalware => "SpamOrMalware",
            Self::ProhibitedUse => "ProhibitedUse",
            Self::DefaultPassword => "DefaultPassword",
        }
    }

    /// The point of the regulation.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Inactive => "6.2.a",
            Self::Compromised | Self::LostPassword | Self::SpamOrMalware => "6.2.b",
            Self::ProhibitedUse => "6.2.c",
            Self::DefaultPassword => "6.2.d",
        }
    }
}

/// How the regulation is set for a system. Months are terms of D-09.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Silence until the lock of 6.2.a.
    pub inactive_months: u16,
    /// Months without a login until a revocation is proposed (5.4.c, 8.3.đ).
    pub unused_months: u16,
    /// Months with the default password until the lock of 6.2.d.
    pub default_password_months: u16,
    /// Months for which a revoked account is kept (D-14).
    pub revoked_months: u16,
    /// Working days in which a restore is to be done (R6.3).
    pub restore_days: u16,
    /// Days before a lock on which the holder is told.
    pub warn_days: BTreeSet<u16>,
    /// Whether the default password is good for nothing but to be changed (R9.1).
    pub must_change: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            inactive_months: 3,
            unused_months: 6,
            default_password_months: 1,
            revoked_months: 12,
            restore_days: 3,
            warn_days: BTreeSet::from([14, 7, 1]),
            must_change: true,
        }
    }
}

/// What terms are reckoned by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How long they are.
    pub terms: Terms,
    /// Which days are worked.
    pub calendar: Calendar,
    /// Why clocks lead to nothing now; what people decide goes on.
    pub stopped: Option<Stopped>,
}

/// What is not known of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stopped {
    /// Which days are worked (D-09): no term is over. An official last day is none.
    Calendar,
    /// What time it is: no term is over, and no day has come.
    Time,
}

/// Use of an account, as the mail server tells it (D-10): days in the province. Mail of the system itself is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Last login by any protocol.
    pub last_login: Option<Date>,
    /// Last message sent.
    pub last_send: Option<Date>,
    /// Last message received.
    pub last_receive: Option<Date>,
    /// From when on nothing can be missing in this.
    pub complete_from: Timestamp,
    /// Through which moment.
    pub complete_through: Timestamp,
}

/// Days of which a reason for silence was notified (6.2.a), both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The first.
    pub from: Date,
    /// The last.
    pub to: Date,
}

/// The last document that asks for an unlock (R6.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restore {
    /// When it was received.
    pub received_at: Timestamp,
    /// The reasons that it takes away; empty: all.
    pub reasons: BTreeSet<LockReason>,
    /// Whether it was handled: each document is once.
    pub handled: bool,
    /// Whether somebody was told that it is due.
    pub told: bool,
    /// Whether somebody was told that half of its term is over.
    pub half_told: bool,
}

/// Who locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// A clock; it is for a document to take that away.
    Clock,
    /// A person, in the spec; it is for people to take that out.
    Person,
}

/// A lock in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Since when.
    pub since: Timestamp,
    /// Who locked.
    pub by: By,
    /// Whether a clock had locked what people lock now: it stays when they take theirs out.
    pub also_clock: bool,
}

/// All that decides about one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Name of the Mailbox.
    pub id: String,
    /// When it was issued; none: it has no account yet.
    pub issued_at: Option<Timestamp>,
    /// When the holder changed the password; none while the default password stands.
    pub password_changed_at: Option<Timestamp>,
    /// When the present default password was made, where that is known.
    pub password_made_at: Option<Timestamp>,
    /// When the last lock was taken away (D-12).
    pub unlocked_at: Option<Timestamp>,
    /// Reasons that a document took away while others stayed, and when: their clocks began anew then.
    pub relieved: BTreeMap<LockReason, Timestamp>,
    /// First day of access.
    pub starts_on: Option<Date>,
    /// Whether the first day has come, while nobody knows what time it is: whether access was given before. None: the time says.
    pub begun: Option<bool>,
    /// Official day of the end: access ends at its 00:00 (5.4.b).
    pub ends_on: Option<Date>,
    /// Days of which a reason for silence was notified.
    pub absence: Option<Absence>,
    /// The last day of absences that were in force, whatever became of them in the file.
    pub absent_until: Option<Date>,
    /// Locks that people want.
    pub wanted_locks: BTreeSet<LockReason>,
    /// Locks in force.
    pub locks: BTreeMap<LockReason, Lock>,
    /// The last document that asks for an unlock.
    pub restore: Option<Restore>,
    /// Whether a document approves the revocation (D-11).
    pub revoke: bool,
    /// Whether the object that wanted it is gone (D-14).
    pub gone: bool,
    /// Whether a revocation is proposed.
    pub proposed: bool,
    /// When it was revoked, if it is.
    pub revoked_at: Option<Timestamp>,
    /// Whether a document keeps it from being purged.
    pub hold: bool,
    /// Whether it is purged: mail is gone, the address a tombstone.
    pub purged: bool,
    /// Use, as far as it is known.
    pub activity: Option<Activity>,
}

/// State of an account (requirements §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No access yet.
    Pending,
    /// Only the change of the default password is allowed (R9.1).
    MustChangePassword,
    /// Log in, send, receive.
    Active,
    /// No access, mail is received (R6.1).
    Locked,
    /// Unused for long; a person decides (D-11). Locks that it has go on.
    RevocationProposed,
    /// No access, no mail; kept (D-14).
    Revoked,
    /// Gone; its address is a tombstone (D-19).
    Purged,
}

impl State {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::MustChangePassword => "MustChangePassword",
            Self::Active => "Active",
            Self::Locked => "Locked",
            Self::RevocationProposed => "RevocationProposed",
            Self::Revoked => "Revoked",
            Self::Purged => "Purged",
        }
    }
}

/// What is done to an account; of what is due at one time, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Access and mail end; everything is kept.
    Revoke,
    /// What was kept is removed.
    Purge,
    /// Access is given back: no lock is left, or the revocation was taken back.
    Unlock,
    /// One of several reasons of a lock is taken away.
    Relieve,
    /// Access ends, mail is received; or it has one more reason.
    Lock,
    /// Put on the list of those whose revocation is proposed.
    ProposeRevocation,
    /// A restore that could not be done is due (R6.3).
    RestoreDue,
    /// The holder is told of a lock to come.
    Warn,
}

impl Kind {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "Warn",
            Self::Relieve => "Relieve",
            Self::Lock => "Lock",
            Self::Unlock => "Unlock",
            Self::RestoreDue => "RestoreDue",
            Self::ProposeRevocation => "ProposeRevocation",
            Self::Revoke => "Revoke",
            Self::Purge => "Purge",
        }
    }
}

/// What leads to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A case of Điều 6 khoản 2.
    Locks(LockReason),
    /// A document asks for it (R6.3).
    Restore,
    /// People took their lock out of the spec.
    Withdrawn,
    /// No login for six months (5.4.c, 8.3.đ).
    Unused,
    /// The official day of the end (5.4.b).
    EndsOn,
    /// A document approves it (D-11).
    Approved,
    /// Nobody wants it any more: its Mailbox was deleted (D-14).
    Deleted,
    /// Nothing asks for the revocation any more (D-14).
    Undone,
    /// The time of keeping is over (D-14).
    RetentionOver,
}

impl Cause {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Locks(reason) => reason.as_str(),
            Self::Restore => "Restore",
            Self::Withdrawn => "Withdrawn",
            Self::Unused => "Unused",
            Self::EndsOn => "EndsOn",
            Self::Approved => "Approved",
            Self::Deleted => "Deleted",
            Self::Undone => "Undone",
            Self::RetentionOver => "RetentionOver",
        }
    }

    /// The point of the regulation, or the decision.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Locks(reason) => reason.rule(),
            Self::Restore | Self::Withdrawn => "6.3",
            Self::Unused => "8.3.đ",
            Self::EndsOn => "5.4.b",
            Self::Approved => "5.4.c",
            Self::Deleted | Self::Undone | Self::RetentionOver => "D-14",
        }
    }
}

/// An action and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action {
    /// When it is due; it may have been earlier than now.
    pub at: Timestamp,
    /// What is done.
    pub kind: Kind,
    /// Why.
    pub cause: Cause,
}

/// What a holder may do (requirements §5). Whether a revocation is proposed makes no difference to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    None,
    /// Only change the password (R9.1).
    ChangePassword,
    /// Everything.
    Full,
}
