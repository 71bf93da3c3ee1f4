//! Documents that stand beside an address because no status remembers them: what changes of them is written down (R5.2), and what keeps
//! mail from being purged outlives its Mailbox (D-14).

use super::{AddressClaimSpec, Mailbox, MailboxSpec};

/// What a Mailbox names, each as its journal cites it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Papers {
    /// What keeps the account from being purged: `spec.hold` (D-14).
    pub hold: Option<String>,
    /// A notified absence with its days: `spec.absence` (6.2.a).
    pub absence: Option<String>,
    /// The document on which a revoked account ended: `spec.ending` (R5.2, 5.4).
    pub ending: Option<String>,
}

impl Papers {
    /// What is to stand there. The end of an account that goes on needs no document yet.
    pub fn of(mailbox: &Mailbox, revoked: bool) -> Self {
        let spec = &mailbox.spec;
        Self {
            hold: spec.hold.as_ref().map(|hold| hold.basis.cited()),
            absence: spec.absence_notified(),
            ending: spec.ending.as_ref().filter(|_| revoked).map(|ending| ending.basis.cited()),
        }
    }
}

impl MailboxSpec {
    /// The days of a notified absence, and its document.
    fn absence_notified(&self) -> Option<String> {
        let absence = self.absence.as_ref()?;
        Some(format!("{} to {}: {}", absence.from, absence.to, absence.basis.cited()))
    }
}

impl AddressClaimSpec {
    /// What stands there.
    pub fn papers(&self) -> Papers {
        Papers { hold: self.hold.clone(), absence: self.absence.clone(), ending: self.ending.clone() }
    }

    /// The same with these.
    #[must_use]
    pub fn with_papers(self, papers: Papers) -> Self {
        let Papers { hold, absence, ending } = papers;
        Self { hold, absence, ending, ..self }
    }
}
