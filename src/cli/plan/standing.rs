//! What one of the tree asks for, and what comes of it beside the others.

use std::collections::HashSet;

use k8s_openapi::jiff::Timestamp;

use super::Outcome;
use super::decide::Group;
use super::subjects::Subject;
use super::words::{self, Told};
use crate::domain::naming::moving::{self, Cause as Move};
use crate::domain::naming::{self, AgencyProblem, Cause, Conflict, Grant, LocalPart, Step, Wish};

/// Disambiguators that are offered.
const SUGGESTED: usize = 3;

/// What is decided about somebody.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) outcome: Outcome,
    pub(super) local: Option<LocalPart>,
    pub(super) former: Option<String>,
    /// Why it is to have none.
    pub(super) nothing: Option<Told>,
    pub(super) steps: Vec<Step>,
    pub(super) warnings: Vec<Told>,
    pub(super) errors: Vec<Told>,
}

impl Decided {
    fn new(outcome: Outcome, local: Option<LocalPart>) -> Self {
        Self {
            outcome,
            local,
            former: None,
            nothing: None,
            steps: Vec::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// It gets no address. `wanted`: its file asks for one, so that a person has to decide.
    fn nothing(told: Told, wanted: bool) -> Self {
        let errors = Some(told.clone()).filter(|_| wanted).into_iter().collect();
        Self { nothing: Some(told), errors, ..Self::new(Outcome::Kept, None) }
    }

    fn refused(outcome: Outcome, told: Told) -> Self {
        Self { errors: vec![told], ..Self::new(outcome, None) }
    }
}

/// How somebody stands before others are looked at.
pub(super) enum Standing {
    Settled(Box<Decided>),
    /// Nothing is issued, and this is written down.
    Pinned(LocalPart),
    /// The address that it has and why it moves, and what the rules give.
    Asks(Option<(LocalPart, Move)>, Wish),
}

impl Group<'_> {
    pub(super) fn standing(&self, id: &str, subject: &Subject) -> Standing {
        let spec = subject.spec();
        let pin = spec.local_part.as_ref().map(|pin| LocalPart::parse(pin, "spec.localPart"));
        let Some(claim) = self.claims.primary.get(id) else {
            if let Some(told) = self.no_address(id, subject) {
                return Standing::Settled(Decided::nothing(told, spec.ended(Timestamp::now()).is_none()).into());
            }
            return match pin {
                Some(Ok(local)) => Standing::Pinned(local),
                Some(Err(error)) => Standing::Settled(Decided::refused(Outcome::Rejected, error.into()).into()),
                None => self.derived(subject).map_or_else(Standing::Settled, |wish| Standing::Asks(None, wish)),
            };
        };
        let text = claim.metadata.name.as_deref().unwrap_or_default();
        let Ok(local) = LocalPart::parse(text, "metadata.name") else {
            return Standing::Settled(Decided::new(Outcome::Kept, None).into());
        };
        let holder = &claim.spec.owner_name;
        let uid = self.claims.uid(id);
        if !claim.is_of(uid, &spec.full_name) {
            let told = words::mismatch(text, holder, &spec.full_name);
            return Standing::Settled(Decided::refused(Outcome::Conflict, told).into());
        }
        let Some(why) = spec.moves(&claim.issued()) else {
            let mut kept = Decided::new(Outcome::Kept, Some(local));
            let elsewhere = spec.local_part.as_deref().filter(|pin| *pin != text);
            kept.warnings.extend(elsewhere.map(|pin| words::pinned_elsewhere(pin, text)));
            if !naming::same_name(holder, &spec.full_name) {
                kept.warnings.push(words::renamed(holder, &spec.full_name));
            }
            return Standing::Settled(kept.into());
        };
        let wish = match pin {
            Some(pin) => pin.map(Wish::Pinned).map_err(|e| Decided::refused(Outcome::Rejected, e.into()).into()),
            None => self.derived(subject).map(|wish| self.back(id, subject, why).unwrap_or(wish)),
        };
        let from = (local, why);
        match wish {
            Ok(wish) => Standing::Asks(Some(from), wish),
            Err(refused) => Standing::Settled(self.moved(*refused, Some(&from)).into()),
        }
    }

    /// Why it is to have no address: its account was purged (D-14), or it is revoked and has none.
    pub(super) fn no_address(&self, id: &str, subject: &Subject) -> Option<Told> {
        if self.claims.primary.contains_key(id) {
            return None;
        }
        let over = subject.spec().ended(Timestamp::now());
        if self.claims.is_purged(id) {
            return Some(words::purged(over.is_some()));
        }
        over.map(words::never_issued)
    }

    /// The address that it had at the Agency to which it goes back.
    fn back(&self, id: &str, subject: &Subject, why: Move) -> Option<Wish> {
        let (spec, former) = (subject.spec(), self.claims.aliases.get(id).into_iter().flatten());
        moving::back(why, &spec.agency_ref.name, &spec.full_name, former.filter_map(|claim| claim.left()))
    }

    /// What the rules give it.
    fn derived(&self, subject: &Subject) -> Result<Wish, Box<Decided>> {
        let spec = subject.spec();
        let (agency, address) = match self.resolved.get(&spec.agency_ref.name) {
            Some(Ok(resolved)) => resolved,
            Some(Err(problem)) => return Err(self.no_agency(problem).into()),
            None => return Err(self.no_agency(&AgencyProblem::NotFound(spec.agency_ref.name.clone())).into()),
        };
        let named = &agency.spec.system_ref.name;
        if let Some(served) = self.system.as_ref().filter(|served| *served != named) {
            return Err(Decided::refused(Outcome::Waiting, words::other_system(named, served)).into());
        }
        let wish = spec.naming().derived(address, agency.spec.local_part.is_some());
        wish.map_err(|error| Decided::refused(Outcome::Rejected, error.into()).into())
    }

    pub(super) fn no_agency(&self, problem: &AgencyProblem) -> Decided {
        let refused = match problem {
            AgencyProblem::NotFound(name) | AgencyProblem::ParentNotFound(name) => self.refused.contains(name.as_str()),
            _ => false,
        };
        Decided::refused(Outcome::Waiting, words::agency(problem, refused))
    }

    /// The address is free beside those of the tree; whether the claim that there may be can be taken over, too.
    pub(super) fn granted(&self, id: &str, subject: &Subject, grant: &Grant, wish: &Wish) -> Decided {
        let (local, spec) = (grant.local_part.as_str(), subject.spec());
        if let Some(claim) = self.claims.by_local.get(local) {
            let holder = &claim.spec.owner_name;
            let uid = self.claims.uid(id);
            if !claim.belongs_to(id) && !subject.mailbox.supersedes_acknowledged() {
                return Decided::refused(Outcome::Conflict, words::unacknowledged(&subject.mailbox, local, holder));
            }
            if claim.belongs_to(id) && !claim.is_of(uid, &spec.full_name) {
                return Decided::refused(Outcome::Conflict, words::mismatch(local, holder, &spec.full_name));
            }
        }
        let steps = match wish {
            Wish::Pinned(local) => vec![Step::new("D-21", "spec.localPart", local.as_str())],
            Wish::Decided(candidate) => candidate.steps.clone(),
            Wish::Ranked(candidates) => candidates.get(grant.choice).map(|c| c.steps.clone()).unwrap_or_default(),
        };
        Decided { steps, ..Decided::new(Outcome::Issued, Some(grant.local_part.clone())) }
    }

    pub(super) fn conflict(&self, subject: &Subject, conflict: &Conflict, taken: &HashSet<LocalPart>) -> Decided {
        let told = words::conflict(&subject.mailbox, conflict, &self.domain, &self.suggestions(subject, taken));
        let outcome = if conflict.cause == Cause::Reserved { Outcome::Rejected } else { Outcome::Conflict };
        Decided::refused(outcome, told)
    }

    /// Disambiguators that are free (D-07).
    fn suggestions(&self, subject: &Subject, taken: &HashSet<LocalPart>) -> Vec<String> {
        let naming = subject.spec().naming();
        let Some(Ok((_, address))) = self.resolved.get(&subject.spec().agency_ref.name) else { return Vec::new() };
        match naming::person_name(naming.full_name, naming.structured.as_ref()) {
            Ok(name) if !naming.body => {
                let taken = |local: &LocalPart| taken.contains(local);
                naming::disambiguator_suggestions(&name, &address.suffix, taken, SUGGESTED)
            }
            _ => Vec::new(),
        }
    }

    /// The same of somebody who has an address already.
    pub(super) fn moved(&self, mut decided: Decided, from: Option<&(LocalPart, Move)>) -> Decided {
        let Some((old, why)) = from else { return decided };
        match &decided.local {
            Some(new) if new == old => decided.outcome = Outcome::Kept,
            Some(_) => {
                decided.outcome = Outcome::Changed;
                decided.former = Some(old.to_string());
            }
            None => {
                let stays = |told| words::stays(told, *why, old.as_str(), &self.domain);
                decided.errors = decided.errors.into_iter().map(stays).collect();
                decided.local = Some(old.clone());
            }
        }
        decided
    }
}
