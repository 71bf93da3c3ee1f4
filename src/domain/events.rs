//! Which changes of a status people are told of by a Kubernetes Event: transitions that somebody acts on or asks about later,
//! never the routine (the first issue of a mailbox, waiting for something that comes later in the same commit).

use k8s_openapi::jiff::Timestamp;

use super::text::cut;

/// The API server takes no longer note, in bytes.
pub const NOTE: usize = 1024;

/// Reasons of events that are no reasons of conditions, with what they mean, for `docs/reference/codes.md`.
pub const ONLY_EVENTS: &[(&str, &str)] = &[
    ("Active", "Mail protocols are open: the initial password was changed, or need not be changed any more."),
    (
        "ActivityGap",
        "What is proven of use began anew: clocks that rest on use wait for their whole term from now on (D-16).",
    ),
    (
        "AddressChanged",
        "A transfer or a rename gave another address; mail to the old one still arrives for a time (D-02, D-19).",
    ),
    ("CertificateRenewed", "Another server certificate is in use, which ends later."),
    ("ForwardingChanged", "Mail of a revoked account goes to another successor, or to nobody any more."),
    ("PodReplaced", "The operator deleted a mail pod of an old revision that did not become ready."),
    ("Reinstated", "A revocation was taken back: the same mail, address and password (D-14)."),
    (
        "RestoreHalfTime",
        "Half of the three working days is over for a document that asks for a locked account back (R6.3); once for each document.",
    ),
    ("Unlocked", "The lock was taken away."),
];

/// Reasons of a Ready that is true of which nobody has to be told.
const GOOD: &[&str] = &["Ready", "Issued", "Locked", "MustChangePassword", "AddressKept", "Revoked"];
/// Reasons for which a mail system is not ready in the course of a rollout.
const ROUTINE: &[&str] = &["PodStarting", "Starting"];
/// A call that fails for long is told of, although it may heal by itself.
const FAILING: &str = "ApplyFailed";

/// What kind of object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A MailSystem: each time it comes to be ready or not is told.
    System,
    /// Anything of which there are many: waiting is not told.
    Other,
}

/// Whether somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// To be known.
    Normal,
    /// To be looked at.
    Warning,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Open,
    /// Only change the initial password.
    MustChange,
    /// Nothing; mail is received.
    Locked,
    /// Nothing; mail is refused.
    Revoked,
}

impl Access {
    /// One word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::MustChange => "must change the password",
            Self::Locked => "locked",
            Self::Revoked => "revoked",
        }
    }
}

/// What a status says, as far as events go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Status of condition Ready; absent before the first look.
    pub ready: Option<bool>,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// Whether a person must act.
    pub stalled: bool,
    /// What the account of a mailbox may do, once there is one.
    pub access: Option<Access>,
    /// Reasons and documents of its locks.
    pub locks: String,
    /// Where mail of a revoked account goes.
    pub forwarded_to: Option<String>,
    /// The document of a restore of whose term half was told, and by when it is due.
    pub half_told: Option<(String, String)>,
    /// Whether the mail server has the account as decided.
    pub in_force: bool,
    /// End of a system's server certificate.
    pub certificate_ends: Option<Timestamp>,
}

/// An event to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether somebody has to look.
    pub severity: Severity,
    /// Stable, PascalCase.
    pub reason: String,
    /// What the operator did or could not do.
    pub action: &'static str,
    /// The sentence, at most [`NOTE`] bytes.
    pub note: String,
}

impl Event {
    /// An event; its note is cut to what fits.
    pub fn new(severity: Severity, reason: &str, action: &'static str, note: &str) -> Self {
        Self { severity, reason: reason.into(), action, note: cut(note, NOTE) }
    }
}

/// The events of a change of status: none when only a message changed.
pub fn transitions(subject: Subject, before: &View, after: &View) -> Vec<Event> {
    let all = [access(before, after), forwarding(before, after), half_time(before, after), certificate(before, after)];
    let mut events: Vec<Event> = all.into_iter().flatten().collect();
    let outlook = outlook(subject, before, after).filter(|e| events.iter().all(|known| known.reason != e.reason));
    events.extend(outlook);
    events
}

fn access(before: &View, after: &View) -> Option<Event> {
    let normal = |reason, action, note: &str| {
        let pending = if after.in_force { String::new() } else { format!("; not in force yet: {}", after.message) };
        Some(Event::new(Severity::Normal, reason, action, &format!("{note}{pending}")))
    };
    match (before.access, after.access?) {
        (Some(old), new) if old == new => None,
        (_, Access::Locked) => {
            let note = format!("locked: {}; no access by any protocol, mail is received (R6.1)", after.locks);
            normal("Locked", "Lock", &note)
        }
        (_, Access::Revoked) => {
            let mail = after.forwarded_to.as_ref().map_or("refused".into(), |to| format!("forwarded to {to}"));
            let note = format!("no access, mail is {mail}; mail, address and password are kept (D-14)");
            normal("Revoked", "Revoke", &note)
        }
        (Some(Access::Revoked), _) => normal(
            "Reinstated",
            "Reinstate",
            "the revocation was taken back: the same mail, address and password (D-14)",
        ),
        (Some(Access::Locked), _) => normal("Unlocked", "Unlock", "the lock was taken away (R6.3)"),
        (Some(Access::Open), Access::MustChange) => {
            normal("MustChangePassword", "Restrict", "the initial password must be changed first (R9.1)")
        }
        (Some(Access::MustChange), Access::Open) => normal("Active", "Open", "mail protocols are open"),
        // The first issue.
        (None, _) | (Some(Access::Open | Access::MustChange), _) => None,
    }
}

/// Another successor of an account that was revoked before.
fn forwarding(before: &View, after: &View) -> Option<Event> {
    let stays = (before.access, after.access) == (Some(Access::Revoked), Some(Access::Revoked));
    let to = match &after.forwarded_to {
        _ if !stays || before.forwarded_to == after.forwarded_to => return None,
        Some(to) => format!("its mail is forwarded to {to} now"),
        None => "its mail is forwarded no more, and refused".into(),
    };
    Some(Event::new(Severity::Normal, "ForwardingChanged", "Forward", &to))
}

/// Once for each document (R6.3).
fn half_time(before: &View, after: &View) -> Option<Event> {
    let ((document, due), known) = (after.half_told.as_ref()?, before.half_told.as_ref());
    let note = format!(
        "R6.3: half of the three working days is over for {document}, and the account is still locked: {due}; what it waits for stands \
         in Ready"
    );
    let new = known.is_none_or(|(known, _)| known != document);
    new.then(|| Event::new(Severity::Warning, "RestoreHalfTime", "Restore", &note))
}

fn certificate(before: &View, after: &View) -> Option<Event> {
    let (old, new) = (before.certificate_ends?, after.certificate_ends?);
    let note = format!("the server certificate in use ends {new}, the one before ended {old}");
    (new > old).then(|| Event::new(Severity::Normal, "CertificateRenewed", "RenewCertificate", &note))
}

fn outlook(subject: Subject, before: &View, after: &View) -> Option<Event> {
    if (before.ready, &before.reason) == (after.ready, &after.reason) {
        return None;
    }
    let event = |severity| Some(Event::new(severity, &after.reason, "Reconcile", &after.message));
    let system = subject == Subject::System;
    match after.ready? {
        _ if to_be_looked_at(after) => event(Severity::Warning),
        true if to_be_looked_at(before) || (system && before.ready == Some(false)) => event(Severity::Normal),
        false if system && before.ready == Some(true) => {
            event(if ROUTINE.contains(&after.reason.as_str()) { Severity::Normal } else { Severity::Warning })
        }
        _ => None,
    }
}

fn to_be_looked_at(view: &View) -> bool {
    let reason = view.reason.as_str();
    view.stalled || reason == FAILING || (view.ready == Some(true) && !GOOD.contains(&reason))
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
