//! The life of accounts on the command line: objects of a folder or a cluster become the facts of `domain::lifecycle`. What follows
//! from them is decided there.
//!
//! | File | What it does |
//! |---|---|
//! | `folder` | a tree of YAML → objects |
//! | `cluster` | a namespace of a cluster → objects |
//! | `tolerant` | objects that miss what does not matter here |
//! | `facts` | objects → accounts, rules, the memory of the brake |
//! | `words` | states, actions and articles in two languages |

pub(super) mod cluster;
mod facts;
mod folder;
mod tolerant;
pub(super) mod words;

use std::collections::HashMap;
use std::path::PathBuf;

use k8s_openapi::jiff::Timestamp;

pub use facts::{Holder, Life};

use super::output::{Lang, Said, printable};
use super::place::Place;
use super::tree::Unreadable;
use crate::api::{
    Acknowledge, AddressClaim, MailSystemStatus, Mailbox, MailboxActivityStatus, Office, Regulation, WorkCalendar,
};

/// Where objects are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Files and folders.
    Folder(Vec<PathBuf>),
    /// A namespace of a cluster.
    Cluster(Place),
}

/// A MailSystem, as far as the life of accounts is concerned.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// Its namespace; empty where no file says it.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its mail domain.
    pub domain: String,
    /// The name of its server.
    pub hostname: String,
    /// Where people open the password page.
    pub page: String,
    /// Whom they turn to.
    pub office: Office,
    /// When it was made; the oldest of a namespace is served.
    pub made: Option<Timestamp>,
    /// How the regulation is set.
    pub regulation: Regulation,
    /// A person's word for what the brake holds.
    pub acknowledge: Option<Acknowledge>,
    /// What the operator says of it.
    pub status: MailSystemStatus,
}

/// An Agency by its name.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its namespace.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// What it is called.
    pub title: String,
}

/// Namespace and name of an object.
pub type Id = (String, String);

/// All objects that tell of the life of accounts.
#[derive(Debug, Default)]
pub struct World {
    /// MailSystems.
    pub systems: Vec<System>,
    /// WorkCalendars with their namespaces.
    pub calendars: Vec<(String, WorkCalendar)>,
    /// Agencies.
    pub agencies: Vec<Body>,
    /// Mailboxes.
    pub mailboxes: Vec<Mailbox>,
    /// Use of Mailboxes; none where it may not be read, which proves nothing (D-16).
    pub activities: Option<HashMap<Id, MailboxActivityStatus>>,
    /// Addresses ever issued.
    pub claims: Vec<AddressClaim>,
    /// Whether nothing is missing: a holder of an address without a Mailbox is one whose Mailbox is gone (D-14).
    pub whole: bool,
    /// Whether it is the cluster's: then what the operator does counts, not what people may have meant.
    pub live: bool,
    /// What people should know of the reading; for standard error.
    pub notes: Vec<Said>,
    /// Whether something could not be read; what is told is not the whole truth then.
    pub broken: bool,
}

impl World {
    /// Reads it.
    pub fn of(origin: &Origin) -> Result<Self, Unreadable> {
        match origin {
            Origin::Folder(roots) => folder::read(roots),
            Origin::Cluster(place) => cluster::read(place),
        }
    }

    /// Says on standard error what is to be known of the reading.
    pub fn tell(&self, lang: Lang) {
        self.notes.iter().for_each(|note| eprintln!("{}", printable(note.pick(lang))));
    }
}
