//! What a pass tells in the status of the Mailbox.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::decide::Problem;
use super::facts::Facts;
use super::life;
use super::perform::Outcome;
use crate::api::{ConditionType, Mailbox, MailboxState, MailboxStatus, Outlook, Reason, set_condition, summarise};

/// The status after a pass: what was decided, as far as it is written down, and what holds.
pub(super) fn status(mailbox: &Mailbox, facts: &Facts, outcome: &Outcome, now: Timestamp) -> MailboxStatus {
    let old = mailbox.status.clone().unwrap_or_default();
    let generation = mailbox.metadata.generation.unwrap_or(0);
    let mut status = MailboxStatus {
        observed_generation: Some(generation),
        state: Some(old.state.unwrap_or(MailboxState::Pending)),
        ..old
    };
    if let Some(decided) = outcome.decided.as_ref().filter(|_| !outcome.unsaid) {
        status.address = Some(decided.account.address.clone());
        status.aliases = decided.account.aliases.clone();
        status.quota = Some(decided.quota.clone());
        let synced = matches!(outcome.synced, Some(Ok(())));
        if synced || status.issued_at.is_some() {
            outcome.life.show(&mut status, mailbox, &facts.rules, facts.use_known, now);
            life::show_forward(&mut status, decided.account.forward.as_ref(), now);
        }
        if synced && status.issued_at.is_none() {
            // A Mailbox that was made again was issued when its claim was.
            status.issued_at = Some(outcome.claimed_at.clone().unwrap_or(Time(now)));
        }
    }
    let conditions = &mut status.conditions;
    if let Some(synced) = &outcome.synced {
        let (reason, message) = match synced {
            Ok(()) => (Reason::Ready, "the mail server has the account as decided".to_string()),
            Err(problem) => (problem.reason, problem.message.clone()),
        };
        set_condition(conditions, ConditionType::Synced, synced.is_ok(), reason, message, generation, now);
    }
    let (outlook, reason, message) = ready(outcome, facts, now);
    summarise(conditions, outlook, reason, message, generation, now);
    status
}

/// What Ready says: what keeps the account from its mail, else what the mail server says, else what only wants a look.
fn ready(outcome: &Outcome, facts: &Facts, now: Timestamp) -> (Outlook, Reason, String) {
    let failed = outcome
        .problem
        .as_ref()
        .filter(|p| blocks(p))
        .or_else(|| outcome.synced.as_ref().and_then(|s| s.as_ref().err()));
    match failed.or(outcome.problem.as_ref()).or(outcome.staying.as_ref()) {
        None => {
            let to = outcome.decided.as_ref().and_then(|decided| decided.account.forward.as_deref());
            let (reason, mut message) = life::good(&outcome.life, &facts.rules, to, now);
            if let Some(more) = life::restore_waits(&outcome.life, &facts.rules, now) {
                message = format!("{message}. {more}");
            }
            (Outlook::Ready, reason, message)
        }
        Some(problem) if problem.reason == Reason::NameChanged => {
            (Outlook::Ready, problem.reason, problem.message.clone())
        }
        Some(problem) => {
            let outlook = if problem.waiting { Outlook::Waiting } else { Outlook::Stalled };
            (outlook, problem.reason, problem.message.clone())
        }
    }
}

/// Whether a problem hides one of the mail server.
fn blocks(problem: &Problem) -> bool {
    !matches!(
        problem.reason,
        Reason::QuotaPolicyNotFound
            | Reason::AddressKept
            | Reason::NameChanged
            | Reason::InvalidQuota
            | Reason::SuccessorNotFound
            | Reason::SuccessorCircle
    )
}
