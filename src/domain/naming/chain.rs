//! From a body to its address and suffix, up the chain of the bodies above it (R4.1.c, R4.1.d).

use std::sync::Arc;

use super::{AgencyAddress, AgencyNaming, NameError, Profile, agency_address};

/// Agencies above an agency: unit, commune, district; more is a mistake.
const DEPTH: usize = 4;

/// A body that knows what decides its address.
pub trait NamedAgency {
    /// Name of the body above it.
    fn parent(&self) -> Option<&str>;
    /// What decides its address, given the address of the body above it.
    fn naming<'a>(&'a self, parent: Option<&'a AgencyAddress>) -> AgencyNaming<'a>;
}

impl<A: NamedAgency> NamedAgency for Arc<A> {
    fn parent(&self) -> Option<&str> {
        (**self).parent()
    }

    fn naming<'a>(&'a self, parent: Option<&'a AgencyAddress>) -> AgencyNaming<'a> {
        (**self).naming(parent)
    }
}

impl<A: NamedAgency> NamedAgency for &A {
    fn parent(&self) -> Option<&str> {
        (**self).parent()
    }

    fn naming<'a>(&'a self, parent: Option<&'a AgencyAddress>) -> AgencyNaming<'a> {
        (**self).naming(parent)
    }
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

/// The agency `name` and its address; `find` looks agencies up by name.
pub fn resolve_agency<A: NamedAgency>(
    find: &dyn Fn(&str) -> Option<A>,
    name: &str,
    profile: Profile,
) -> Result<(A, AgencyAddress), AgencyProblem> {
    resolve(find, name, profile, DEPTH)
}

fn resolve<A: NamedAgency>(
    find: &dyn Fn(&str) -> Option<A>,
    name: &str,
    profile: Profile,
    depth: usize,
) -> Result<(A, AgencyAddress), AgencyProblem> {
    let agency = find(name).ok_or_else(|| AgencyProblem::NotFound(name.into()))?;
    let parent = match agency.parent() {
        None => None,
        Some(_) if depth == 0 => return Err(AgencyProblem::ParentCycle),
        Some(parent) => Some(resolve(find, parent, profile, depth - 1).map_err(|problem| match problem {
            AgencyProblem::NotFound(name) => AgencyProblem::ParentNotFound(name),
            other => other,
        })?),
    };
    let above = parent.as_ref().map(|(_, address)| address);
    let address = agency_address(profile, &agency.naming(above)).map_err(|e| AgencyProblem::Name(Box::new(e)))?;
    Ok((agency, address))
}
