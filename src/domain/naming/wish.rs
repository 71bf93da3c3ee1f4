//! From what stands in a Mailbox to the addresses it may get: the one place where pins, disambiguators, bodies and people are
//! told apart.

use super::{
    AgencyAddress, Candidate, LocalPart, NameError, StructuredName, Wish, candidates, person_name, with_disambiguator,
};

/// What of a Mailbox decides its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailboxNaming<'a> {
    /// `spec.localPart` (D-21).
    pub local_part: Option<&'a str>,
    /// Whether it is an agency's own.
    pub body: bool,
    /// `spec.fullName`.
    pub full_name: &'a str,
    /// `spec.structuredName` (D-08).
    pub structured: Option<StructuredName>,
    /// `spec.disambiguator` (D-07).
    pub disambiguator: Option<&'a str>,
}

impl MailboxNaming<'_> {
    /// The pin, which needs no agency.
    pub fn pin(&self) -> Option<Result<Wish, NameError>> {
        self.local_part.map(|pin| LocalPart::parse(pin, "spec.localPart").map(Wish::Pinned))
    }

    /// What the rules give below an agency of this address, `pinned` if that was decided by hand.
    pub fn derived(&self, agency: &AgencyAddress, pinned: bool) -> Result<Wish, NameError> {
        if self.body {
            let local_part = agency.local_part.clone();
            if pinned {
                return Ok(Wish::Pinned(local_part));
            }
            let rule = agency.steps.last().map_or("4.1", |step| step.rule);
            return Ok(Wish::Decided(Candidate { rule, local_part, steps: agency.steps.clone() }));
        }
        let name = person_name(self.full_name, self.structured.as_ref())?;
        match self.disambiguator {
            Some(extra) => {
                let derived = with_disambiguator(&name, &agency.suffix, extra)?;
                let (local_part, steps) = (derived.local_part, derived.steps);
                Ok(Wish::Decided(Candidate { rule: "4.2.c", local_part, steps }))
            }
            None => Ok(Wish::Ranked(candidates(&name, &agency.suffix)?)),
        }
    }
}

impl Wish {
    /// Every address that would do, best first.
    pub fn local_parts(&self) -> Vec<&LocalPart> {
        match self {
            Self::Pinned(local_part) => vec![local_part],
            Self::Decided(candidate) => vec![&candidate.local_part],
            Self::Ranked(candidates) => candidates.iter().map(|c| &c.local_part).collect(),
        }
    }
}
