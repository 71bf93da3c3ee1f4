//! Who of a tree gets which address: pins first and alike ones together, then what the rules give, as the operator does it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::claims::{Claims, Known, is_own, is_revoked};
use super::standing::{Decided, Standing};
use super::subjects::{Found, Subject, groups, subjects};
use super::{Brake, Item, Plan, Revoked, words};
use crate::api::Agency;
use crate::cli::Finding;
use crate::cli::agencies::Agencies;
use crate::cli::output::Said;
use crate::cli::tree::Tree;
use crate::domain::brake;
use crate::domain::naming::{AgencyAddress, AgencyProblem, LocalPart, Request, Wish, Written, allocate, holdings};

/// The domain of a tree that has no MailSystem.
const DOMAIN: &str = "gialai.gov.vn";

type Resolved = Result<(std::sync::Arc<Agency>, AgencyAddress), AgencyProblem>;

/// Everybody of one namespace.
pub(super) struct Group<'t> {
    pub(super) namespace: &'t str,
    pub(super) domain: String,
    pub(super) system: Option<String>,
    pub(super) agencies: Agencies,
    pub(super) resolved: HashMap<String, Resolved>,
    /// Agencies whose file is wrong.
    pub(super) refused: HashSet<&'t str>,
    pub(super) claims: Claims<'t>,
    pub(super) subjects: BTreeMap<String, Subject>,
}

/// Decides every object of a tree.
pub fn decide(tree: &Tree, findings: Vec<Finding>, known: &Known) -> Plan {
    let found = Found::of(tree, findings);
    let mut plan = Plan { files: tree.files, ..Plan::default() };
    let mut items: Vec<Option<Item>> = tree.objects.iter().map(|_| None).collect();
    for (namespace, indexes) in groups(tree) {
        let mut group = Group::of(tree, &namespace, &indexes, &found, known);
        let decided = group.decide();
        for index in &indexes {
            items[*index] = group.item(&tree.objects[*index], *index, &found, &decided);
        }
        group.revoked(tree, &indexes, &mut plan);
        plan.doubt.extend(group.unsure());
    }
    plan.items = items.into_iter().flatten().collect();
    plan.findings = found.of_files;
    plan
}

impl<'t> Group<'t> {
    fn of(tree: &'t Tree, namespace: &'t str, indexes: &[usize], found: &Found, known: &'t Known) -> Self {
        let here = || indexes.iter().map(|index| (*index, &tree.objects[*index]));
        // An Agency may stand in a namespace that a Kustomization decides.
        let others = tree.objects.iter().enumerate().filter(|(index, _)| !found.is_lost(*index));
        let agencies = Agencies::among(others.map(|(_, object)| object));
        let system = agencies.system(namespace).cloned();
        let lost = here().filter(|(index, o)| o.kind == "Agency" && found.is_lost(*index));
        Self {
            namespace,
            domain: system.as_ref().map_or_else(|| DOMAIN.to_string(), |s| s.domain.clone()),
            system: system.map(|s| s.name),
            agencies,
            resolved: HashMap::new(),
            refused: lost.map(|(_, o)| o.name.as_str()).collect(),
            claims: known.within(namespace),
            subjects: subjects(tree, indexes, found),
        }
    }

    fn decide(&mut self) -> BTreeMap<String, Decided> {
        let names: HashSet<String> = self.subjects.values().map(|s| s.spec().agency_ref.name.clone()).collect();
        self.resolved =
            names.into_iter().map(|name| (name.clone(), self.agencies.resolve(self.namespace, &name))).collect();
        let (mut decided, mut pins, mut asks) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut moving = HashMap::new();
        for (id, subject) in &self.subjects {
            match self.standing(id, subject) {
                Standing::Settled(settled) => drop(decided.insert(id.clone(), *settled)),
                Standing::Pinned(local) => pins.push(subject.spec().request(id, Wish::Pinned(local))),
                Standing::Asks(from, wish) => {
                    let request = subject.spec().request(id, wish);
                    let left = self.claims.left.get(id).cloned().unwrap_or_default();
                    asks.push(Request { left, ..request });
                    moving.extend(from.map(|from| (id.clone(), from)));
                }
            }
        }
        let pinned = allocate(&pins, |local| self.claims.held.get(local));
        let held = holdings(self.written(), self.claims.held.iter().map(|(l, h)| (l.clone(), h.clone())));
        let given = allocate(&asks, |local| held.get(local));
        let mut taken: HashSet<LocalPart> = held.into_keys().collect();
        let grants = pinned.outcomes.values().chain(given.outcomes.values()).flatten();
        taken.extend(grants.map(|grant| grant.local_part.clone()));
        let wishes: HashMap<&str, &Wish> = pins.iter().chain(&asks).map(|r| (r.id.as_str(), &r.wish)).collect();
        for (id, outcome) in pinned.outcomes.iter().chain(&given.outcomes) {
            let (Some(subject), Some(wish)) = (self.subjects.get(id), wishes.get(id.as_str())) else { continue };
            let outcome = match outcome {
                Ok(grant) => self.granted(id, subject, grant, wish),
                Err(conflict) => self.conflict(subject, conflict, &taken),
            };
            decided.insert(id.clone(), self.moved(outcome, moving.get(id)));
        }
        decided
    }

    /// Addresses that stand in the files of those who are to have one.
    fn written(&self) -> impl Iterator<Item = Written<'_>> {
        let to_have = self.subjects.iter().filter(|(id, subject)| self.no_address(id, subject).is_none());
        to_have.map(|(id, subject)| Written {
            owner: id,
            name: &subject.spec().full_name,
            local_parts: subject.spec().local_part.iter().chain(&subject.spec().aliases).map(String::as_str).collect(),
        })
    }

    /// Accounts that were purged under names of the tree, where the claims do not tell whether their Mailboxes still stand (D-14).
    fn unsure(&self) -> Option<Said> {
        let wants =
            |id: &str, subject: &Subject| self.claims.may_be_purged(id) && self.no_address(id, subject).is_none();
        let all: Vec<&str> = self.subjects.iter().filter(|(id, s)| wants(id, s)).map(|(id, _)| id.as_str()).collect();
        (!all.is_empty()).then(|| words::maybe_purged(&all))
    }

    /// Mailboxes that have an address and are not in the tree. The own ones of agencies stay when an Agency goes, and who is revoked
    /// already is not revoked again.
    fn revoked(&self, tree: &Tree, indexes: &[usize], plan: &mut Plan) {
        let objects = indexes.iter().map(|index| &tree.objects[*index]);
        let there: HashSet<&str> = objects.filter(|o| o.kind == "Mailbox").map(|o| o.name.as_str()).collect();
        let gone = |id: &str| {
            let stands = self.claims.mailboxes.as_ref().is_none_or(|all| all.contains_key(id));
            stands && !there.contains(id) && !is_own(id)
        };
        let mut revoked: Vec<Revoked> = Vec::new();
        for (id, claim) in self.claims.primary.iter().filter(|(id, claim)| gone(id) && !is_revoked(claim)) {
            revoked.push(Revoked {
                namespace: claim.metadata.namespace.clone().unwrap_or_default(),
                mailbox: (*id).into(),
                address: format!("{}@{}", claim.metadata.name.as_deref().unwrap_or_default(), self.domain),
                holder: claim.spec.owner_name.clone(),
            });
        }
        revoked.sort();
        let (limits, total) = (brake::Limits::default(), self.claims.primary.len());
        if !brake::allows(limits, revoked.len(), total) {
            let limit = limits.limit(total);
            plan.brakes.push(Brake { namespace: self.namespace.into(), count: revoked.len(), limit });
        }
        plan.revoked.extend(revoked);
    }
}
