//! What stands in a status and is decided nowhere else (locks of clocks, baselines, documents that were handled) is written by the
//! operator alone. Somebody else's change of it is undone and written down.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tracing::warn;

use crate::api::{Forwarding, LockStatus, Mailbox, MailboxState, MailboxStatus, Relieved, Restored};
use crate::controllers::context::Ctx;
use crate::domain::journal::Event;

/// What of a status is the life of its account.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    uid: Option<String>,
    state: Option<MailboxState>,
    /// Whose address it is decides who may change its password.
    address: Option<String>,
    aliases: Vec<String>,
    issued_at: Option<Time>,
    password_changed_at: Option<Time>,
    unlocked_at: Option<Time>,
    proposed_at: Option<Time>,
    revoked_at: Option<Time>,
    forwarding: Option<Forwarding>,
    locks: Vec<LockStatus>,
    relieved: Vec<Relieved>,
    restored: Option<Restored>,
    absent_until: Option<String>,
}

impl Kept {
    fn of(mailbox: &Mailbox, status: &MailboxStatus) -> Self {
        let s = status.in_whole_seconds();
        Self {
            uid: mailbox.uid(),
            state: s.state,
            address: s.address,
            aliases: s.aliases,
            issued_at: s.issued_at,
            password_changed_at: s.password_changed_at,
            unlocked_at: s.unlocked_at,
            proposed_at: s.proposed_at,
            revoked_at: s.revoked_at,
            forwarding: s.forwarding,
            locks: s.locks,
            relieved: s.relieved,
            restored: s.restored,
            absent_until: s.absent_until,
        }
    }

    fn put(self, status: &mut MailboxStatus) {
        status.state = self.state;
        status.address = self.address;
        status.aliases = self.aliases;
        status.issued_at = self.issued_at;
        status.password_changed_at = self.password_changed_at;
        status.unlocked_at = self.unlocked_at;
        status.proposed_at = self.proposed_at;
        status.revoked_at = self.revoked_at;
        status.forwarding = self.forwarding;
        status.locks = self.locks;
        status.relieved = self.relieved;
        status.restored = self.restored;
        status.absent_until = self.absent_until;
    }
}

/// What each status said last, as we wrote or first saw it, and what we began to write: nobody knows whether a write whose answer was
/// lost came about.
#[derive(Default)]
pub(crate) struct Lives(Mutex<HashMap<String, (Kept, Option<Kept>)>>);

impl Lives {
    /// It says this now.
    pub(super) fn note(&self, mailbox: &Mailbox, status: &MailboxStatus) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(mailbox.name_any(), (Kept::of(mailbox, status), None));
    }

    /// It is about to say this.
    pub(super) fn intend(&self, mailbox: &Mailbox, status: &MailboxStatus) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(&mailbox.name_any()) {
            known.1 = Some(Kept::of(mailbox, status));
        }
    }

    /// A Mailbox is gone.
    pub fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Whether it says something else than it did, of the same object.
    pub fn is_foreign(&self, mailbox: &Mailbox) -> bool {
        self.known(mailbox).is_some()
    }

    fn known(&self, mailbox: &Mailbox) -> Option<Kept> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, intended) = all.get(&mailbox.name_any()).filter(|(known, _)| known.uid == mailbox.uid())?;
        let shown = Kept::of(mailbox, &mailbox.status.clone().unwrap_or_default());
        (*known != shown && intended.as_ref() != Some(&shown)).then(|| known.clone())
    }
}

/// The Mailbox as we left it, if its status was changed by somebody else.
pub(super) fn undone(mailbox: &Mailbox, ctx: &Ctx) -> Option<Mailbox> {
    // A cache that is behind our own write shows an older one.
    if ctx.written.is_newer_than(mailbox) {
        return None;
    }
    let known = ctx.lives.known(mailbox)?;
    warn!(mailbox = mailbox.name_any(), "its status was changed by somebody else; it is put back");
    let mut corrected = mailbox.clone();
    known.put(corrected.status.get_or_insert_default());
    Some(corrected)
}

/// The entry of the journal.
pub(super) fn entry(mailbox: &Mailbox, now: Timestamp) -> Event {
    let others = mailbox.managed_fields().iter().filter(|entry| entry.subresource.as_deref() == Some("status"));
    let mut who = others.filter_map(|entry| entry.manager.clone()).filter(|manager| manager != crate::kube_io::MANAGER);
    let version = mailbox.resource_version().unwrap_or_default();
    Event {
        key: format!("{}/EditStatus/{version}", mailbox.uid().unwrap_or_default()),
        at: now,
        actor: who.next_back().unwrap_or_else(|| "unknown".into()),
        mailbox: mailbox.name_any(),
        address: mailbox.status.as_ref().and_then(|status| status.address.clone()).unwrap_or_default(),
        action: "EditStatus".into(),
        rule: "5.1".into(),
        note: "the status was changed behind the operator and is put back".into(),
        ..Event::default()
    }
}
