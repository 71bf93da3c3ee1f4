//! What of a pass is written down (R5.2): issue, another address, and each action on the life of the account. Pure. A key names the
//! cause and not the moment, so that a pass that comes again has the same one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::api::{Basis, Forwarding, Mailbox, MailboxState, MailboxStatus, Papers, whole_second};
use crate::controllers::journal::{author, author_since};
use crate::domain::journal::Event;
use crate::domain::lifecycle::{Action, By, Cause, ISSUE, Kind};

use super::life::Life;
use super::papers;

/// Who decides where nobody was asked.
const OPERATOR: &str = "mail-operator";

/// What stands beside the address before the pass.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// The Mailbox was made again since its address was issued, which is no issue (D-14).
    pub came_back: bool,
    /// What the Mailbox says will stand there after it.
    pub kept: bool,
    /// The password is one that we made.
    pub initial_password: bool,
    /// The documents that it names.
    pub papers: Papers,
    /// The document of `spec.rename` for which the address was issued that the Mailbox had until now.
    pub rename: Option<String>,
    /// Names the claim of its address, if somebody deleted the one before it and nobody wrote that down yet.
    pub made_again: Option<String>,
}

/// The decisions between the status that is there and the one that is to be written.
pub(super) fn events(
    mailbox: &Mailbox,
    after: &MailboxStatus,
    life: &Life,
    known: &Known,
    now: Timestamp,
) -> Vec<Event> {
    let came_back = known.came_back;
    let before = mailbox.status.clone().unwrap_or_default();
    let uid = mailbox.uid().unwrap_or_default();
    let state = |status: &MailboxStatus| status.state.map(|state| format!("{state:?}")).unwrap_or_default();
    let base = Event {
        at: now,
        actor: author(mailbox),
        mailbox: mailbox.name_any(),
        address: after.address.clone().unwrap_or_default(),
        document: Some(mailbox.spec.basis.cited()),
        before: state(&before),
        after: state(after),
        ..Event::default()
    };
    let mut events = Vec::new();
    if after.issued_at.is_some() && before.issued_at.is_none() {
        // A Mailbox is issued once, and a pass that comes again may take another moment for it.
        let key = format!("{uid}/Issue");
        let note = format!("{} gets {}", mailbox.spec.full_name, base.address);
        events.push(Event { key, action: "Issue".into(), rule: ISSUE.into(), note, ..base.clone() });
    }
    if came_back {
        let note =
            format!("the Mailbox of {} is there again: the same mail, address and password", mailbox.spec.full_name);
        let (key, action) = (format!("{uid}/Reinstate"), "Reinstate".to_string());
        events.push(Event { key, action, rule: "D-14".into(), note, ..base.clone() });
    }
    events.extend(another_address(mailbox, &before, known, &base));
    // What was undone with the file is said by that.
    let done = life.done.iter().filter(|action| !came_back || action.cause != Cause::Undone);
    events.extend(done.map(|action| of(mailbox, action, life, known, &base)));
    if let Some(revoked) = events.iter_mut().find(|event| event.action == Kind::Revoke.as_str()) {
        let successor = mailbox.spec.successor_ref.as_ref().map(|successor| successor.name.as_str());
        if let Some(name) = successor {
            let bare = if revoked.note.is_empty() { String::new() } else { format!("{}; ", revoked.note) };
            revoked.note = bare + &goes(name, after);
        }
    }
    events.extend(redirected(mailbox, &before, after, &base));
    events.extend(new_password(&uid, known, &before, after, life, &base));
    if known.kept {
        events.extend(known.made_again.as_ref().map(|claim| made_again(&uid, claim, &base)));
        // The address of a new account names them before anything is written down.
        let issued = before.issued_at.is_some();
        let papers = if issued { known.papers.clone() } else { Papers::default() };
        events.extend(papers::events(mailbox, &papers, (&before, after), &base));
    }
    events
}

/// Another address, on the document that is new with it: one that was handled before says nothing of a later transfer, of which a
/// Mailbox names none.
fn another_address(mailbox: &Mailbox, before: &MailboxStatus, known: &Known, base: &Event) -> Option<Event> {
    let (old, new) = (before.address.clone()?, base.address.clone());
    if old == new || new.is_empty() {
        return None;
    }
    let renamed = mailbox.spec.rename.as_ref().map(|rename| rename.basis.cited());
    let document = renamed.filter(|document| known.rename.as_ref() != Some(document));
    let bare = || {
        let (agency, account) = (&mailbox.spec.agency_ref.name, mailbox.spec.basis.cited());
        format!("{}; Agency {agency} (spec.agencyRef), and the document of the account is {account}", papers::NONE)
    };
    let note = if document.is_none() { bare() } else { String::new() };
    let (uid, generation) = (mailbox.uid().unwrap_or_default(), mailbox.metadata.generation.unwrap_or(0));
    Some(Event {
        key: format!("{uid}/ChangeAddress/{new}/{generation}"),
        action: "ChangeAddress".into(),
        rule: "D-02".into(),
        document,
        before: old,
        after: new,
        note,
        ..base.clone()
    })
}

/// Somebody deleted the claim of an address that is issued. Who, the API server tells nobody afterwards.
fn made_again(uid: &str, claim: &str, base: &Event) -> Event {
    let note = "the AddressClaim of its address was deleted behind the operator and is made again; the address stays";
    Event {
        key: format!("{uid}/DeleteClaim/{claim}"),
        actor: "unknown".into(),
        action: "DeleteClaim".into(),
        rule: "D-02".into(),
        document: None,
        before: String::new(),
        after: String::new(),
        note: note.into(),
        ..base.clone()
    }
}

/// What people wrote, in a key. An API server that was restored from a backup counts generations anew: what stands in them tells them
/// apart, so that no entry is taken for one that is there.
pub(super) fn said(generation: i64, what: &str) -> String {
    format!("generation {generation} {}", digest(what))
}

/// Tells texts apart in a key, where they would be long.
fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The password that the holder had is gone with its Secret: there is another first one, which no unlock asked for. A key names what it
/// had before.
fn new_password(
    uid: &str,
    known: &Known,
    before: &MailboxStatus,
    after: &MailboxStatus,
    life: &Life,
    base: &Event,
) -> Option<Event> {
    // What is, and not what the status shows of it: that depends on when clocks began.
    let now = life.after.password_made_at.map(|at| whole_second(&Time(at)));
    let made = before.initial_password_at.as_ref().filter(|made| now.as_ref() != Some(*made));
    let first = || {
        let later = before.initial_password_at.is_none() && after.initial_password_at.is_some();
        before.unlocked_at.as_ref().or(before.issued_at.as_ref()).filter(|_| later)
    };
    let was = before.password_changed_at.as_ref().or(made).or_else(first)?;
    if !known.initial_password || life.makes_password() || known.came_back {
        return None;
    }
    let note = "the Secret of its credentials was deleted: a new first password is to be handed over, the former one is worth nothing";
    Some(Event {
        key: format!("{uid}/NewPassword/{}", was.0.as_second()),
        actor: OPERATOR.into(),
        action: "NewPassword".into(),
        cause: "CredentialsGone".into(),
        rule: "9.1".into(),
        document: None,
        note: note.into(),
        ..base.clone()
    })
}

fn goes(successor: &str, after: &MailboxStatus) -> String {
    match after.forwarding.as_ref().and_then(|forwarding| forwarding.to.as_ref()) {
        Some(to) => format!("mail is forwarded to {to} (successor {successor})"),
        None => format!("successor {successor} does not receive: mail is refused"),
    }
}

/// Mail of an account that was revoked before goes elsewhere: people named another successor, or one of those moved, ended or came
/// back. The beginning of the former state tells one change from the next.
fn redirected(mailbox: &Mailbox, before: &MailboxStatus, after: &MailboxStatus, base: &Event) -> Option<Event> {
    let (old, new) = (before.forwarding.as_ref(), after.forwarding.as_ref());
    let to = |forwarding: Option<&Forwarding>| forwarding.and_then(|f| f.to.clone()).unwrap_or_default();
    let stays = before.revoked_at.is_some() && after.state == Some(MailboxState::Revoked);
    if !stays || to(old) == to(new) {
        return None;
    }
    let since = old.map(|old| &old.since).or(before.revoked_at.as_ref())?;
    let by_people = before.observed_generation != mailbox.metadata.generation;
    let note = match &mailbox.spec.successor_ref {
        Some(successor) => goes(&successor.name, after),
        None => "no successor is named: mail is refused".into(),
    };
    Some(Event {
        // Times of a status are whole seconds: what was read tells two changes of one second apart.
        key: format!(
            "{}/Forward/{}/{}/{}",
            mailbox.uid().unwrap_or_default(),
            since.0.as_second(),
            mailbox.resource_version().unwrap_or_default(),
            to(new)
        ),
        actor: if by_people { base.actor.clone() } else { OPERATOR.into() },
        action: "Forward".into(),
        cause: "Successor".into(),
        rule: "5.4.c".into(),
        document: mailbox.spec.ends_by().map(Basis::cited).filter(|_| by_people),
        before: to(old),
        after: to(new),
        note,
        ..base.clone()
    })
}

fn of(mailbox: &Mailbox, action: &Action, life: &Life, known: &Known, base: &Event) -> Event {
    let uid = mailbox.uid().unwrap_or_default();
    let generation = mailbox.metadata.generation.unwrap_or(0);
    let (spec, kind) = (&mailbox.spec, action.kind.as_str());
    let by_person = match action.cause {
        Cause::Locks(reason) => life.after.locks.get(&reason).is_some_and(|lock| lock.by == By::Person),
        Cause::Withdrawn | Cause::Approved | Cause::Undone => true,
        Cause::Restore | Cause::Unused | Cause::EndsOn | Cause::Deleted | Cause::RetentionOver => false,
    };
    let document = match action.cause {
        Cause::Locks(_) => spec.lock.as_ref().filter(|_| by_person).map(|lock| lock.basis.cited()),
        Cause::Restore => spec.restore.as_ref().map(|restore| restore.basis.cited()),
        Cause::Withdrawn => spec.restore.as_ref().filter(|_| is_covered(life)).map(|restore| restore.basis.cited()),
        Cause::Approved | Cause::EndsOn => spec.ends_by().map(Basis::cited),
        Cause::Unused | Cause::Deleted | Cause::Undone | Cause::RetentionOver => None,
    };
    let which = which(action, by_person, generation, life, document.as_deref());
    let since = (action.kind == Kind::Lock && !by_person).then(|| format!("due {}", action.at));
    let asks = matches!(action.cause, Cause::Withdrawn | Cause::Approved);
    let early = spec.restore.as_ref().filter(|_| action.cause == Cause::Withdrawn).map(|restore| {
        let cited = restore.basis.cited();
        format!("{}: {cited} in spec.restore was received before the lock, and does not cover it (R6.3)", papers::NONE)
    });
    let bare = (asks && document.is_none()).then(|| early.unwrap_or_else(|| papers::NONE.to_string()));
    let undone = (action.cause == Cause::Undone).then(|| papers::undone(&known.papers, life.before.revoked_at));
    Event {
        key: format!("{uid}/{kind}/{}/{which}", action.cause.as_str()),
        actor: if by_person { author_since(mailbox, ended_since(action, life)) } else { OPERATOR.into() },
        action: kind.into(),
        cause: action.cause.as_str().into(),
        rule: action.cause.rule().into(),
        document,
        note: since.or(bare).or(undone).unwrap_or_default(),
        ..base.clone()
    }
}

/// Since when there was what a person took out of the file: it was not taken out before.
fn ended_since(action: &Action, life: &Life) -> Option<Timestamp> {
    let locks = life.before.locks.values().filter(|lock| lock.by == By::Person).map(|lock| lock.since);
    match action.cause {
        Cause::Withdrawn => locks.max(),
        Cause::Undone => life.before.revoked_at,
        _ => None,
    }
}

/// What tells an action from another one of its kind and cause, and is the same whenever its pass comes again: what people wrote, by the
/// generation of the spec; what a document asks for, by that and the locks that it found; what a clock says, by its hour and the moment
/// from which clocks run.
fn which(action: &Action, by_person: bool, generation: i64, life: &Life, document: Option<&str>) -> String {
    let begun = || life.before.unlocked_at.map(|at| format!(" since {}", at.as_second())).unwrap_or_default();
    match action.cause {
        _ if by_person => said(generation, document.unwrap_or_default()),
        Cause::Restore => {
            let asked = format!("{}\n{}", document.unwrap_or_default(), life.unlock());
            format!("{} {}", action.at, digest(&asked))
        }
        _ => format!("{}{}", action.at, begun()),
    }
}

/// Whether the document covers a lock that people took back.
fn is_covered(life: &Life) -> bool {
    let Some(restore) = &life.before.restore else { return false };
    let gone = life.before.locks.iter().filter(|(reason, lock)| {
        lock.by == By::Person && life.after.locks.get(*reason).is_none_or(|left| left.by != By::Person)
    });
    gone.into_iter().any(|(reason, lock)| restore.covers(*reason, lock.since))
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
