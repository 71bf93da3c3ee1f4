//! From the name of an Agency to its address and suffix, up the chain of parents.

use std::sync::Arc;

use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::{Agency, NamingProfile};
pub use crate::domain::naming::AgencyProblem;
use crate::domain::naming::{self, AgencyAddress, Profile};

/// An agency whose address is known.
#[derive(Clone, Debug)]
pub struct ResolvedAgency {
    /// The object.
    pub agency: Arc<Agency>,
    /// Its address and the suffix of its people.
    pub address: AgencyAddress,
}

/// The profile of the domain for what stands in the MailSystem.
pub fn profile(profile: NamingProfile) -> Profile {
    profile.into()
}

/// Resolves `name`.
pub fn resolve(
    agencies: &Store<Agency>,
    namespace: &str,
    name: &str,
    profile: Profile,
) -> Result<ResolvedAgency, AgencyProblem> {
    let find = |name: &str| agencies.get(&ObjectRef::new(name).within(namespace));
    resolve_by(&find, name, profile)
}

fn resolve_by(
    find: &dyn Fn(&str) -> Option<Arc<Agency>>,
    name: &str,
    profile: Profile,
) -> Result<ResolvedAgency, AgencyProblem> {
    naming::resolve_agency(find, name, profile).map(|(agency, address)| ResolvedAgency { agency, address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AgencyLevel, AgencySpec, Basis, NameRef};

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
                rename: None,
                supersedes: Vec::new(),
                basis: Basis::default(),
            },
        )
    }

    fn resolve_in(all: &[Agency], name: &str) -> Result<ResolvedAgency, AgencyProblem> {
        let find = |name: &str| all.iter().find(|a| a.metadata.name.as_deref() == Some(name)).cloned().map(Arc::new);
        resolve_by(&find, name, Profile::GiaLai2022)
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
