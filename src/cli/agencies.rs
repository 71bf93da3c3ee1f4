//! The agencies of a tree and the addresses that the rules give them: the same rules that the operator follows.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::api::{Agency, AgencySpec, MailSystemSpec};
use crate::domain::naming::{AgencyAddress, AgencyProblem, Profile, resolve_agency};

use super::tree::{Object, Tree};

/// The spec of an object, if it fits its kind.
pub fn spec<T: DeserializeOwned>(object: &Object) -> Option<T> {
    object.node.get("spec").and_then(|spec| serde_json::from_value(spec.json()).ok())
}

/// Whether two objects can meet: in one namespace, or where a Kustomization still decides the namespace of one.
pub fn same_namespace(a: &str, b: &str) -> bool {
    a == b || a.is_empty() || b.is_empty()
}

/// A MailSystem of a tree.
#[derive(Clone, Debug)]
pub struct System {
    /// Its name.
    pub name: String,
    /// Its mail domain.
    pub domain: String,
    profile: Profile,
}

/// Agencies by name, and the MailSystems that serve them.
#[derive(Debug, Default)]
pub struct Agencies {
    by_name: HashMap<String, Vec<(String, Arc<Agency>)>>,
    systems: Vec<(String, System)>,
}

impl Agencies {
    /// Those of a tree that fit their kind.
    pub fn of(tree: &Tree) -> Self {
        Self::among(tree.objects.iter())
    }

    /// Those of some objects that fit their kind.
    pub fn among<'o>(objects: impl Iterator<Item = &'o Object>) -> Self {
        let mut all = Self::default();
        for object in objects {
            if object.kind == "MailSystem"
                && let Some(system) = spec::<MailSystemSpec>(object)
            {
                let profile = system.regulation.naming_profile.into();
                let system = System { name: object.name.clone(), domain: system.domain, profile };
                all.systems.push((object.namespace.clone(), system));
            }
            if object.kind == "Agency"
                && let Some(spec) = spec::<AgencySpec>(object)
            {
                let agency = Arc::new(Agency::new(&object.name, spec));
                all.by_name.entry(object.name.clone()).or_default().push((object.namespace.clone(), agency));
            }
        }
        all
    }

    /// The MailSystem of a namespace.
    pub fn system(&self, namespace: &str) -> Option<&System> {
        self.systems.iter().find(|(other, _)| same_namespace(other, namespace)).map(|(_, system)| system)
    }

    /// The agency of that name that an object of `namespace` sees.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<Agency>> {
        let named = self.by_name.get(name)?;
        named.iter().find(|(other, _)| same_namespace(other, namespace)).map(|(_, agency)| agency.clone())
    }

    /// The naming profile of the namespace's MailSystem; that of 2022 where the tree has none.
    pub fn profile(&self, namespace: &str) -> Profile {
        self.system(namespace).map_or_else(Profile::default, |system| system.profile)
    }

    /// The address of an agency, by the rules of articles 4.1.a to 4.1.d.
    pub fn resolve(&self, namespace: &str, name: &str) -> Result<(Arc<Agency>, AgencyAddress), AgencyProblem> {
        resolve_agency(&|name: &str| self.find(namespace, name), name, self.profile(namespace))
    }
}
