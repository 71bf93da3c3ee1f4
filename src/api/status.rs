//! What every status of ours has in common.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;

use super::{AgencyStatus, ConditionType, MailSystemStatus, MailboxState, MailboxStatus, QuotaPolicyStatus, is_true};
use crate::domain::calendar::{by_the_end_of, rfc3339};
use crate::domain::events::{Access, Subject, View};
use crate::domain::lifecycle::Kind;

/// A status with conditions of which Ready is the summary.
pub trait ObjectStatus: Clone + Default + PartialEq + Serialize + Send + Sync {
    /// How loud its events are.
    const SUBJECT: Subject = Subject::Other;

    /// Its conditions.
    fn conditions(&self) -> &Vec<Condition>;

    /// Its conditions, to be changed.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;

    /// It speaks of this generation now.
    fn observe(&mut self, generation: i64);

    /// The address that the object has, for logs.
    fn address(&self) -> Option<&str> {
        None
    }

    /// What events are decided from.
    fn view(&self) -> View {
        summary(self.conditions())
    }
}

fn summary(conditions: &[Condition]) -> View {
    let ready = conditions.iter().find(|c| c.type_ == ConditionType::Ready.as_str());
    View {
        ready: ready.map(|c| c.status == "True"),
        reason: ready.map(|c| c.reason.clone()).unwrap_or_default(),
        message: ready.map(|c| c.message.clone()).unwrap_or_default(),
        stalled: is_true(conditions, ConditionType::Stalled),
        ..View::default()
    }
}

impl ObjectStatus for MailSystemStatus {
    const SUBJECT: Subject = Subject::System;

    fn conditions(&self) -> &Vec<Condition> {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn observe(&mut self, generation: i64) {
        self.observed_generation = Some(generation);
    }

    fn view(&self) -> View {
        View { certificate_ends: self.certificate_not_after.as_ref().map(|t| t.0), ..summary(&self.conditions) }
    }
}

impl ObjectStatus for AgencyStatus {
    fn conditions(&self) -> &Vec<Condition> {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn observe(&mut self, generation: i64) {
        self.observed_generation = Some(generation);
    }

    fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }
}

impl ObjectStatus for MailboxStatus {
    fn conditions(&self) -> &Vec<Condition> {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn observe(&mut self, generation: i64) {
        self.observed_generation = Some(generation);
        self.state.get_or_insert(MailboxState::Pending);
    }

    fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    fn view(&self) -> View {
        let locks = self.locks.iter().map(|l| {
            let basis = l.basis.as_ref().map(|basis| format!(" by {}", basis.cited())).unwrap_or_default();
            format!("{} ({}){basis}", l.reason.as_str(), l.rule)
        });
        View {
            access: match self.state {
                Some(MailboxState::RevocationProposed) if !self.locks.is_empty() => Some(Access::Locked),
                state => state.and_then(access),
            },
            locks: locks.collect::<Vec<_>>().join(", "),
            forwarded_to: self.forwarding.as_ref().and_then(|forwarding| forwarding.to.clone()),
            half_told: self.half_told(),
            in_force: is_true(&self.conditions, ConditionType::Synced),
            ..summary(&self.conditions)
        }
    }
}

impl MailboxStatus {
    /// The document of which half of the three working days was told, and by when it is due.
    fn half_told(&self) -> Option<(String, String)> {
        let restored = self.restored.as_ref().filter(|restored| restored.half_told)?;
        let due = self.due.iter().find(|due| due.action == Kind::RestoreDue.as_str());
        let due = due.map_or("it is overdue".into(), |due| format!("it is due {}", by_the_end_of(due.at.0)));
        Some((format!("{} received {}", restored.document, rfc3339(restored.received_at.0)), due))
    }
}

impl ObjectStatus for QuotaPolicyStatus {
    fn conditions(&self) -> &Vec<Condition> {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn observe(&mut self, generation: i64) {
        self.observed_generation = Some(generation);
    }
}

fn access(state: MailboxState) -> Option<Access> {
    match state {
        MailboxState::Pending => None,
        MailboxState::MustChangePassword => Some(Access::MustChange),
        MailboxState::Active | MailboxState::RevocationProposed => Some(Access::Open),
        MailboxState::Locked => Some(Access::Locked),
        MailboxState::Revoked | MailboxState::Purged => Some(Access::Revoked),
    }
}
