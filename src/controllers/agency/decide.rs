//! What is to be said and made for one Agency: pure.

use k8s_openapi::jiff::Timestamp;

use crate::api::{Agency, AgencyStatus, DerivationStep, Holder, MailSystem, Mailbox, Outlook, Reason, summarise};
use crate::store::{AgencyProblem, ResolvedAgency};

/// What a decision about one Agency rests on.
pub(super) struct Facts<'a> {
    pub system: Option<&'a MailSystem>,
    pub resolved: Result<&'a ResolvedAgency, &'a AgencyProblem>,
    /// Its own mailbox, once it is there.
    pub mailbox: Option<&'a Mailbox>,
}

/// What to do and to say.
#[derive(Debug)]
pub(super) struct Decision {
    pub make_mailbox: bool,
    pub address: Option<String>,
    pub suffix: Option<String>,
    pub derivation: Vec<DerivationStep>,
    pub outlook: Outlook,
    pub reason: Reason,
    pub message: String,
}

impl Decision {
    pub fn waiting(&self) -> bool {
        self.outlook == Outlook::Waiting
    }

    fn refused(outlook: Outlook, reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { make_mailbox: false, address: None, suffix: None, derivation: Vec::new(), outlook, reason, message }
    }
}

/// The decision about one Agency.
pub(super) fn decide(agency: &Agency, facts: &Facts<'_>) -> Decision {
    let Some(system) = facts.system else {
        let message = "there is no MailSystem in this namespace; apply one, this agency goes on by itself then";
        return Decision::refused(Outlook::Waiting, Reason::SystemNotFound, message);
    };
    let served = system.metadata.name.as_deref().unwrap_or_default();
    if agency.spec.system_ref.name != served {
        let message = format!(
            "spec.systemRef: '{}' is not the MailSystem of this namespace; write '{served}'",
            agency.spec.system_ref.name
        );
        return Decision::refused(Outlook::Waiting, Reason::SystemNotFound, message);
    }
    if let Some(other) = facts.mailbox.filter(|m| m.spec.holder != Holder::Agency) {
        let message = format!(
            "R1: the Mailbox '{}' belongs to the person '{}', but that name is kept for this agency's own mailbox; give the person's Mailbox \
             another metadata.name",
            other.metadata.name.as_deref().unwrap_or_default(),
            other.spec.full_name
        );
        return Decision::refused(Outlook::Stalled, Reason::Conflict, message);
    }
    match facts.resolved {
        Ok(resolved) => resolved_decision(agency, system, resolved, facts.mailbox),
        Err(AgencyProblem::ParentNotFound(name) | AgencyProblem::NotFound(name)) => Decision::refused(
            Outlook::Waiting,
            Reason::ParentNotFound,
            format!(
                "spec.parentRef: there is no Agency '{name}' (R4.1.c, R4.1.d); apply it, this agency goes on by itself then"
            ),
        ),
        Err(AgencyProblem::ParentCycle) => {
            let message = "spec.parentRef: the parents form a circle or are nested too deep; a unit's parent is a department, a commune or a district";
            Decision::refused(Outlook::Stalled, Reason::ParentCycle, message)
        }
        Err(AgencyProblem::Name(error)) => Decision::refused(
            Outlook::Stalled,
            Reason::InvalidName,
            format!("{}: {} ({})", error.path, error.message, error.rule),
        ),
    }
}

fn resolved_decision(
    agency: &Agency,
    system: &MailSystem,
    resolved: &ResolvedAgency,
    mailbox: Option<&Mailbox>,
) -> Decision {
    let derived = resolved.address.local_part.address(&system.spec.domain);
    let suffix = &resolved.address.suffix;
    let issued = mailbox.and_then(|m| m.status.as_ref()).and_then(|s| s.address.clone());
    let conflict = mailbox
        .and_then(|m| m.status.as_ref())
        .and_then(|s| s.conditions.iter().find(|c| c.type_ == "Stalled" && c.status == "True"))
        .filter(|_| issued.is_none());
    let (outlook, reason, message) = match conflict {
        Some(condition) => {
            (Outlook::Stalled, Reason::Conflict, format!("its own mailbox has no address: {}", condition.message))
        }
        None => match &issued {
            Some(issued) if *issued != derived => (
                Outlook::Ready,
                Reason::AddressKept,
                format!(
                    "D-02: {issued} is issued and stays; the name would now give {derived}. Who is issued an address from now on has \
                     .{suffix} in it; spec.suffix keeps another one"
                ),
            ),
            _ => (Outlook::Ready, Reason::Ready, "address and suffix are decided".to_string()),
        },
    };
    let derivation = resolved.address.steps.iter().take(16);
    Decision {
        make_mailbox: agency.spec.has_mailbox,
        address: issued.or_else(|| conflict.is_none().then_some(derived)).filter(|_| agency.spec.has_mailbox),
        suffix: Some(resolved.address.suffix.clone()),
        derivation: derivation
            .map(|s| DerivationStep { rule: s.rule.into(), step: s.step.into(), value: s.value.clone() })
            .collect(),
        outlook,
        reason,
        message,
    }
}

/// The status that says it. What was decided before stays when bad input comes; an address that is somebody else's is not shown.
pub(super) fn status(agency: &Agency, decision: &Decision, now: Timestamp) -> AgencyStatus {
    let old = agency.status.clone().unwrap_or_default();
    let generation = agency.metadata.generation.unwrap_or(0);
    let mut status = AgencyStatus {
        observed_generation: Some(generation),
        address: decision.address.clone().or(old.address.filter(|_| decision.reason != Reason::Conflict)),
        suffix: decision.suffix.clone().or(old.suffix),
        derivation: if decision.derivation.is_empty() { old.derivation } else { decision.derivation.clone() },
        conditions: old.conditions,
    };
    summarise(&mut status.conditions, decision.outlook, decision.reason, &decision.message, generation, now);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::naming::{AgencyNaming, Level, Profile, agency_address};
    use serde_json::{Value, from_value, json};
    use std::sync::Arc;

    fn agency() -> Agency {
        let basis = json!({"number": "1/x", "date": "2026-01-01", "issuer": "x"});
        from_value(json!({"metadata": {"name": "snv"}, "spec": {"systemRef": {"name": "gialai"}, "level": "Province",
            "name": "Sở Nội vụ", "basis": basis}, "status": {"address": "snv@gialai.gov.vn"}}))
        .unwrap()
    }

    fn address(own: Option<Value>) -> Option<String> {
        let system = json!({"metadata": {"name": "gialai"}, "spec": {"domain": "gialai.gov.vn",
            "hostname": "mail.gialai.gov.vn", "dovecot": {"storage": {"size": "1Gi"}}}});
        let system: MailSystem = from_value(system).unwrap();
        let (initials, form, local_part, suffix, parent) = (None, None, None, None, None);
        let name = "Sở Nội vụ";
        let naming = AgencyNaming { level: Level::Province, name, initials, form, local_part, suffix, parent };
        let address = agency_address(Profile::GiaLai2022, &naming).unwrap();
        let resolved = ResolvedAgency { agency: Arc::new(agency()), address };
        let own: Option<Mailbox> = own.map(|status| {
            let spec = json!({"agencyRef": {"name": "snv"}, "holder": "Agency", "fullName": "Sở Nội vụ",
                "basis": agency().spec.basis});
            from_value(json!({"metadata": {"name": "agency-snv"}, "spec": spec, "status": status})).unwrap()
        });
        let facts = Facts { system: Some(&system), resolved: Ok(&resolved), mailbox: own.as_ref() };
        status(&agency(), &decide(&agency(), &facts), Timestamp::UNIX_EPOCH).address
    }

    #[test]
    fn d_05_an_agency_shows_no_address_that_is_somebody_elses() {
        assert_eq!(address(None).as_deref(), Some("snv@gialai.gov.vn"), "the one it is to get");
        assert_eq!(address(Some(json!({"address": "chung@gialai.gov.vn"}))).as_deref(), Some("chung@gialai.gov.vn"));
        let stalled = json!({"type": "Stalled", "status": "True", "reason": "Conflict", "message": "x",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        assert_eq!(address(Some(json!({"conditions": [stalled]}))), None);
    }
}
