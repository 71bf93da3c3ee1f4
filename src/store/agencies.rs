//! From the name of an Agency to its address and suffix, up the chain of parents.

use std::sync::Arc;

use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::{Agency, AgencyForm, AgencyLevel, NamingProfile};
use crate::domain::naming::{self, AgencyAddress, AgencyNaming, Form, Level, NameError, Profile};

/// Agencies above an agency: unit, commune, district; more is a mistake.
const DEPTH: usize = 4;

/// An agency whose address is known.
#[derive(Clone, Debug)]
pub struct ResolvedAgency {
    /// The object.
    pub agency: Arc<Agency>,
    /// Its address and the suffix of its people.
    pub address: AgencyAddress,
}

/// Why an agency has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgencyProblem {
    /// There is no such Agency.
    NotFound(String),
    /// Its parent, or the parent's parent, is not there.
    ParentNotFound(String),
    /// Its parents form a circle or are nested too deep.
    ParentCycle,
    /// Its name, or a parent's name, gives no address.
    Name(Box<NameError>),
}

/// The profile of the domain for what stands in the MailSystem.
pub fn profile(profile: NamingProfile) -> Profile {
    match profile {
        NamingProfile::GiaLai2022 => Profile::GiaLai2022,
        NamingProfile::TwoTier2025 => Profile::TwoTier2025,
    }
}

/// Resolves `name`.
pub fn resolve(
    agencies: &Store<Agency>,
    namespace: &str,
    name: &str,
    profile: Profile,
) -> Result<ResolvedAgency, AgencyProblem> {
    let find = |name: &str| agencies.get(&ObjectRef::new(name).within(namespace));
    resolve_with(&find, name, profile, DEPTH)
}

fn resolve_with(
    find: &dyn Fn(&str) -> Option<Arc<Agency>>,
    name: &str,
    profile: Profile,
    depth: usize,
) -> Result<ResolvedAgency, AgencyProblem> {
    let agency = find(name).ok_or_else(|| AgencyProblem::NotFound(name.into()))?;
    let parent = match &agency.spec.parent_ref {
        None => None,
        Some(_) if depth == 0 => return Err(AgencyProblem::ParentCycle),
        Some(parent) => {
            Some(resolve_with(find, &parent.name, profile, depth - 1).map_err(|problem| match problem {
                AgencyProblem::NotFound(name) => AgencyProblem::ParentNotFound(name),
                other => other,
            })?)
        }
    };
    let spec = &agency.spec;
    let naming = AgencyNaming {
        level: match spec.level {
            AgencyLevel::Province => Level::Province,
            AgencyLevel::District => Level::District,
            AgencyLevel::Commune => Level::Commune,
            AgencyLevel::Unit => Level::Unit,
        },
        name: &spec.name,
        initials: spec.initials.as_deref(),
        form: spec.form.map(|form| match form {
            AgencyForm::Initials => Form::Initials,
            AgencyForm::FullName => Form::FullName,
        }),
        local_part: spec.local_part.as_deref(),
        suffix: spec.suffix.as_deref(),
        parent: parent.as_ref().map(|p| &p.address),
    };
    let address = naming::agency_address(profile, &naming).map_err(|e| AgencyProblem::Name(Box::new(e)))?;
    Ok(ResolvedAgency { agency: agency.clone(), address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AgencySpec, Basis, NameRef};

    fn agency(name: &str, level: AgencyLevel, text: &str, parent: Option<&str>) -> Agency {
        Agency::new(
            name,
            AgencySpec {
                system_ref: NameRef { name: "s".into() },
                level,
                name: text.into(),
                parent_ref: parent.map(|p| NameRef { name: p.into() }),
                initials: None,
                form: None,
                local_part: None,
                suffix: None,
                quota_policy_ref: None,
                has_mailbox: true,
                basis: Basis::default(),
            },
        )
    }

    fn resolve_in(all: &[Agency], name: &str) -> Result<ResolvedAgency, AgencyProblem> {
        let find = |name: &str| all.iter().find(|a| a.metadata.name.as_deref() == Some(name)).cloned().map(Arc::new);
        resolve_with(&find, name, Profile::GiaLai2022, DEPTH)
    }

    #[test]
    fn r4_1_d_a_unit_carries_its_district() {
        let all = [
            agency("iagrai", AgencyLevel::District, "Ủy ban nhân dân huyện Ia Grai", None),
            agency("tuphap", AgencyLevel::Unit, "Phòng Tư pháp", Some("iagrai")),
        ];
        assert_eq!(resolve_in(&all, "tuphap").expect("address").address.local_part.as_str(), "tuphap.iagrai");
    }

    #[test]
    fn a_missing_parent_and_a_circle_are_told_apart() {
        let all = [
            agency("a", AgencyLevel::Unit, "Phòng A", Some("b")),
            agency("b", AgencyLevel::Unit, "Phòng B", Some("a")),
            agency("c", AgencyLevel::Unit, "Phòng C", Some("gone")),
        ];
        assert_eq!(resolve_in(&all, "a").expect_err("circle"), AgencyProblem::ParentCycle);
        assert_eq!(resolve_in(&all, "c").expect_err("parent"), AgencyProblem::ParentNotFound("gone".into()));
        assert_eq!(resolve_in(&all, "x").expect_err("none"), AgencyProblem::NotFound("x".into()));
    }
}
