//! Who of a tree gets which address: pins first and alike ones together, then what the rules give, as the operator does it.

use std::collections::{BTreeMap, HashMap, HashSet};

use k8s_openapi::jiff::Timestamp;

use super::claims::{Claims, Known};
use super::subjects::{Found, Subject, groups, subjects};
use super::words::{self, Told};
use super::{Brake, Item, Outcome, Plan, Revoked};
use crate::api::{AddressUse, Agency, own_mailbox_name};
use crate::cli::agencies::Agencies;
use crate::cli::tree::{Node, Object, Tree};
use crate::cli::{Code, Finding, Severity};
use crate::domain::brake;
use crate::domain::naming::moving::{self, Cause as Move};
use crate::domain::naming::normalise::{Alphabet, clean};
use crate::domain::naming::{
    self, AgencyAddress, AgencyProblem, Cause, Conflict, Grant, LocalPart, Request, Step, Wish, Written, allocate,
    holdings,
};

/// The domain of a tree that has no MailSystem.
const DOMAIN: &str = "gialai.gov.vn";
/// Disambiguators that are offered.
const SUGGESTED: usize = 3;

/// What is decided about somebody.
#[derive(Debug)]
struct Decided {
    outcome: Outcome,
    local: Option<LocalPart>,
    former: Option<String>,
    steps: Vec<Step>,
    warnings: Vec<Told>,
    errors: Vec<Told>,
}

impl Decided {
    fn new(outcome: Outcome, local: Option<LocalPart>) -> Self {
        Self { outcome, local, former: None, steps: Vec::new(), warnings: Vec::new(), errors: Vec::new() }
    }

    fn refused(outcome: Outcome, told: Told) -> Self {
        Self { errors: vec![told], ..Self::new(outcome, None) }
    }
}

/// How somebody stands before others are looked at.
enum Standing {
    Settled(Box<Decided>),
    /// Nothing is issued, and this is written down.
    Pinned(LocalPart),
    /// The address that it has and why it moves, and what the rules give.
    Asks(Option<(LocalPart, Move)>, Wish),
}

type Resolved = Result<(std::sync::Arc<Agency>, AgencyAddress), AgencyProblem>;

/// Everybody of one namespace.
struct Group<'t> {
    namespace: &'t str,
    domain: String,
    system: Option<String>,
    agencies: Agencies,
    resolved: HashMap<String, Resolved>,
    /// Agencies whose file is wrong.
    refused: HashSet<&'t str>,
    claims: Claims<'t>,
    subjects: BTreeMap<String, Subject>,
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

    /// Addresses that stand in the files.
    fn written(&self) -> impl Iterator<Item = Written<'_>> {
        self.subjects.iter().map(|(id, subject)| Written {
            owner: id,
            name: &subject.spec().full_name,
            local_parts: subject.spec().local_part.iter().chain(&subject.spec().aliases).map(String::as_str).collect(),
        })
    }

    fn standing(&self, id: &str, subject: &Subject) -> Standing {
        let spec = subject.spec();
        let pin = spec.local_part.as_ref().map(|pin| LocalPart::parse(pin, "spec.localPart"));
        let Some(claim) = self.claims.primary.get(id) else {
            // Who is revoked and has no address gets none: it may have been purged (D-14).
            if spec.ended(Timestamp::now()).is_some() {
                return Standing::Settled(Decided::new(Outcome::Kept, None).into());
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
        let uid = self.claims.mailboxes.as_ref().and_then(|all| all.get(id).copied());
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

    fn no_agency(&self, problem: &AgencyProblem) -> Decided {
        let refused = match problem {
            AgencyProblem::NotFound(name) | AgencyProblem::ParentNotFound(name) => self.refused.contains(name.as_str()),
            _ => false,
        };
        Decided::refused(Outcome::Waiting, words::agency(problem, refused))
    }

    /// The address is free beside those of the tree; whether the claim that there may be can be taken over, too.
    fn granted(&self, id: &str, subject: &Subject, grant: &Grant, wish: &Wish) -> Decided {
        let (local, spec) = (grant.local_part.as_str(), subject.spec());
        if let Some(claim) = self.claims.by_local.get(local) {
            let holder = &claim.spec.owner_name;
            let uid = self.claims.mailboxes.as_ref().and_then(|all| all.get(id).copied());
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

    fn conflict(&self, subject: &Subject, conflict: &Conflict, taken: &HashSet<LocalPart>) -> Decided {
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
    fn moved(&self, mut decided: Decided, from: Option<&(LocalPart, Move)>) -> Decided {
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

    /// What is said of one object of the tree; nothing of one that has no address and nothing wrong.
    fn item(&self, object: &Object, index: usize, found: &Found, decided: &BTreeMap<String, Decided>) -> Option<Item> {
        let id = if object.kind == "Agency" { own_mailbox_name(&object.name) } else { object.name.clone() };
        let told = |severity| {
            let of = found.of_objects[index].iter().filter(move |f| f.severity == severity);
            of.map(Told::from).collect::<Vec<_>>()
        };
        let mut item = Item {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            file: object.file.clone(),
            line: object.node.at.line,
            outcome: Outcome::Rejected,
            address: None,
            former_address: None,
            aliases: Vec::new(),
            pinned: object.node.find("spec.localPart").is_some(),
            locked: object.kind == "Mailbox" && object.node.find("spec.lock").is_some_and(|lock| !lock.is_null()),
            ended: None,
            stored_name: stored_name(object),
            derivation: Vec::new(),
            warnings: told(Severity::Warning),
            errors: told(Severity::Error),
            index,
            granted: None,
        };
        let known = ["Mailbox", "Agency"].contains(&object.kind.as_str());
        if found.refuses(index) || !known {
            return (known || !item.errors.is_empty()).then_some(item);
        }
        match (decided.get(&id), self.subjects.get(&id)) {
            (Some(decided), Some(subject)) => self.tell(&mut item, &id, subject, decided),
            _ => self.without_mailbox(&mut item, object),
        }
        Some(item)
    }

    fn tell(&self, item: &mut Item, id: &str, subject: &Subject, decided: &Decided) {
        let disputed = |told: &Told| told.code == Code::Conflict.as_str();
        if decided.outcome == Outcome::Conflict {
            item.errors.retain(|told| !disputed(told));
        }
        (item.outcome, item.pinned) = (decided.outcome, subject.pinned);
        item.ended = subject.mailbox.spec.ended(Timestamp::now()).map(|cause| cause.as_str());
        item.address = decided.local.as_ref().map(|local| local.address(&self.domain));
        item.former_address = decided.former.as_ref().map(|local| format!("{local}@{}", self.domain));
        item.derivation = decided.steps.clone();
        item.warnings.extend(decided.warnings.iter().cloned());
        item.granted = decided.local.clone().filter(|_| decided.errors.is_empty());
        if decided.local.is_some() {
            let in_dispute: HashSet<String> =
                item.errors.iter().filter(|t| disputed(t)).map(|t| t.path.clone()).collect();
            self.aliases(item, id, subject, &in_dispute);
        }
        item.errors.extend(decided.errors.iter().cloned());
    }

    /// Further addresses: those of the file, and former ones while mail to them arrives.
    fn aliases(&self, item: &mut Item, id: &str, subject: &Subject, in_dispute: &HashSet<String>) {
        let mut all: Vec<String> = item.former_address.iter().cloned().collect();
        for (i, alias) in subject.spec().aliases.iter().enumerate() {
            let (path, address) = (format!("spec.aliases[{i}]"), format!("{alias}@{}", self.domain));
            let held = self.claims.held.get(alias.as_str()).filter(|held| held.owner != id);
            let superseded = held.is_some_and(|held| {
                held.address_use == naming::Use::Tombstone
                    && subject.spec().supersedes.contains(alias)
                    && subject.mailbox.supersedes_acknowledged()
            });
            match held.filter(|_| !superseded) {
                Some(held) => item.errors.push(words::alias_taken(&path, &address, &held.name)),
                None if in_dispute.contains(&path) => {}
                None => all.push(address),
            }
        }
        let now = Timestamp::now();
        for claim in self.claims.aliases.get(id).into_iter().flatten() {
            if claim.spec.address_use == AddressUse::Alias
                && claim.spec.until.as_ref().is_some_and(|until| now < until.0)
            {
                all.extend(claim.metadata.name.as_ref().map(|local| format!("{local}@{}", self.domain)));
            }
        }
        all.retain(|address| Some(address) != item.address.as_ref());
        all.sort();
        all.dedup();
        item.aliases = all;
    }

    /// An Agency that has no mailbox needs no address, but its people need its suffix.
    fn without_mailbox(&self, item: &mut Item, object: &Object) {
        match self.agencies.resolve(self.namespace, &object.name) {
            Ok((_, address)) => (item.outcome, item.derivation) = (Outcome::Issued, address.steps),
            Err(problem) => {
                let refused = self.no_agency(&problem);
                item.outcome = refused.outcome;
                item.errors.extend(refused.errors);
            }
        }
    }

    /// Mailboxes that have an address and are not in the tree. The own ones of agencies stay when an Agency goes.
    fn revoked(&self, tree: &Tree, indexes: &[usize], plan: &mut Plan) {
        let objects = indexes.iter().map(|index| &tree.objects[*index]);
        let there: HashSet<&str> = objects.filter(|o| o.kind == "Mailbox").map(|o| o.name.as_str()).collect();
        let gone = |id: &str| {
            let stands = self.claims.mailboxes.as_ref().is_none_or(|all| all.contains_key(id));
            stands && !there.contains(id) && !id.starts_with(&own_mailbox_name(""))
        };
        let mut revoked: Vec<Revoked> = Vec::new();
        for (id, claim) in self.claims.primary.iter().filter(|(id, _)| gone(id)) {
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

/// The name as it stands in the directory, if the rules take it.
fn stored_name(object: &Object) -> Option<String> {
    let text = |path: &str| object.node.find(path).and_then(Node::text);
    let body = object.kind == "Agency" || text("spec.holder") == Some("Agency");
    let alphabet = if body { Alphabet::Agency } else { Alphabet::Person };
    let name = text(if object.kind == "Agency" { "spec.name" } else { "spec.fullName" })?;
    clean(name, "", alphabet).ok().map(|cleaned| cleaned.text)
}
