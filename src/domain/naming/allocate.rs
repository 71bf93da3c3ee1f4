//! Who gets which address when several want one (R4.2.b, R4.2.c, D-02 to D-07, D-21, D-22): pure, and the same whatever
//! the order of who wants.
//!
//! Pins are settled first, then what has no second choice (bodies, names with a disambiguator), then people, round by round:
//! who is alone with a free address gets it; of several with different names all go on to their next one, and who shares
//! a full name with another waits for a person to decide.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::jiff::Timestamp;

use super::same_name::key;
use super::{Candidate, LocalPart, is_reserved};

/// How an address is used (D-05): whatever it is, nobody else gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Somebody's address.
    Primary,
    /// Somebody's further or former address.
    Alias,
    /// The address of a purged or renamed account (D-19).
    Tombstone,
    /// Kept for the system itself (D-05).
    Reserved,
}

/// That the account of a holder was purged: the address is nobody's, and for a time nobody gets it (D-14, D-19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Purged {
    /// Since when the address may be issued again, if that is known.
    pub free_from: Option<Timestamp>,
}

/// Who has an address already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Name of the Mailbox.
    pub owner: String,
    /// Full name of the holder, for D-06.
    pub name: String,
    /// How it is used.
    pub address_use: Use,
    /// Whether the account of the owner was purged.
    pub purged: Option<Purged>,
}

impl Held {
    /// Whether it is held for the Mailbox of this name. Who is called as a purged one was has no more right to it than anybody else.
    pub fn is_of(&self, mailbox: &str) -> bool {
        self.owner == mailbox && self.purged.is_none()
    }
}

/// What somebody without an address wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// This address and no other (D-21).
    Pinned(LocalPart),
    /// This address and no other, though it was derived: a body (R4.1), or a name with a disambiguator (R4.2.c).
    Decided(Candidate),
    /// The first of these that is free and that nobody else wants (R4.2.a, R4.2.b, D-04); never empty.
    Ranked(Vec<Candidate>),
}

/// Somebody without an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Name of the Mailbox.
    pub id: String,
    /// Full name (D-06).
    pub name: String,
    /// What it wants.
    pub wish: Wish,
    /// Tombstones that it may take over (D-19).
    pub supersedes: BTreeSet<LocalPart>,
    /// Addresses that it left because several wanted them: it never comes back to these (D-03).
    pub left: BTreeSet<LocalPart>,
}

/// An address that is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `D-21` for a pin, else the rule that gave it.
    pub rule: &'static str,
    /// The address before the `@`.
    pub local_part: LocalPart,
    /// Which of the wishes it is, from 0.
    pub choice: usize,
}

/// Rivals that a conflict names at most; messages say of more that there are more.
pub const RIVALS: usize = 4;

/// Somebody in the way of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rival {
    /// Name of the Mailbox.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Whether it has the address; else it wants it too.
    pub holds: bool,
    /// Whether its account was purged: it had the address.
    pub purged: Option<Purged>,
}

/// Why an address cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The one address that is wanted is somebody's (D-02, D-05).
    Taken,
    /// Several want the one address that will do for each (D-21, R4.1).
    Together,
    /// Somebody of the same full name has or wants it (R4.2.c, D-07).
    SameName,
    /// The name is reserved (D-05).
    Reserved,
    /// Every address that the rules give is taken (D-04).
    Exhausted,
}

/// An address that a person has to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Why.
    pub cause: Cause,
    /// What was tried, best first, and who was in the way: at most [`RIVALS`] each, by name.
    pub tried: Vec<(LocalPart, Vec<Rival>)>,
}

/// Who gets what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// By the name of the Mailbox.
    pub outcomes: BTreeMap<String, Result<Grant, Conflict>>,
    /// Addresses that several wanted, and who got another one therefore. Until these have theirs, that must be remembered, or the
    /// last of them would get it after a restart (D-03).
    pub contested: BTreeMap<LocalPart, BTreeSet<String>>,
}

/// Settles every request, beside what is `held` already. Who got nothing is looked at again beside what was given, until that gives
/// nothing more: another look later, with these addresses issued, says the same.
pub fn allocate<'a>(requests: &[Request], held: impl Fn(&LocalPart) -> Option<&'a Held>) -> Allocation {
    let mut result = once(requests, &held);
    let mut given = HashMap::new();
    let mut open: Vec<Request> = requests.iter().filter(|r| result.is_refused(&r.id)).cloned().collect();
    let mut granted = if open.is_empty() { 0 } else { note_grants(requests, &result, &mut given) };
    while granted > 0 && !open.is_empty() {
        let again = once(&open, &|local_part: &LocalPart| given.get(local_part).or_else(|| held(local_part)));
        granted = note_grants(&open, &again, &mut given);
        result.outcomes.extend(again.outcomes);
        for (local_part, left) in again.contested {
            result.contested.entry(local_part).or_default().extend(left);
        }
        open.retain(|request| result.is_refused(&request.id));
    }
    result.keep_who_left_for_another();
    result
}

/// Notes what was given; how many that are.
fn note_grants(requests: &[Request], result: &Allocation, given: &mut HashMap<LocalPart, Held>) -> usize {
    let mut count = 0;
    for request in requests {
        let Some(Ok(grant)) = result.outcomes.get(&request.id) else { continue };
        let held =
            Held { owner: request.id.clone(), name: request.name.clone(), address_use: Use::Primary, purged: None };
        given.insert(grant.local_part.clone(), held);
        count += 1;
    }
    count
}

impl Allocation {
    fn is_refused(&self, id: &str) -> bool {
        self.outcomes.get(id).is_some_and(Result::is_err)
    }

    /// Who got another address than a contested one is remembered; who got none may come back to it.
    fn keep_who_left_for_another(&mut self) {
        let outcomes = &self.outcomes;
        self.contested.retain(|local_part, left| {
            let elsewhere = |id: &String| {
                outcomes.get(id).and_then(|o| o.as_ref().ok()).is_some_and(|g| g.local_part != *local_part)
            };
            left.retain(elsewhere);
            !left.is_empty()
        });
    }
}

/// One look at everybody together.
fn once<'a>(requests: &[Request], held: &impl Fn(&LocalPart) -> Option<&'a Held>) -> Allocation {
    let mut round = Allocator {
        requests,
        keys: vec![OnceCell::new(); requests.len()],
        held,
        settled: HashMap::new(),
        blocked: HashMap::new(),
        result: Allocation::default(),
    };
    round.fixed(|wish| match wish {
        Wish::Pinned(local_part) => Some(("D-21", local_part)),
        _ => None,
    });
    round.fixed(|wish| match wish {
        Wish::Decided(candidate) => Some((candidate.rule, &candidate.local_part)),
        _ => None,
    });
    round.ranked();
    round.result
}

struct Allocator<'r, F> {
    requests: &'r [Request],
    /// Names as D-06 compares them; made when somebody is in the way, which is rare.
    keys: Vec<OnceCell<String>>,
    held: F,
    /// Given here, by index.
    settled: HashMap<&'r LocalPart, usize>,
    /// Wanted by several for whom no other will do.
    blocked: HashMap<&'r LocalPart, Vec<usize>>,
    result: Allocation,
}

/// How somebody of a ranked wish stands.
struct Seeker<'r> {
    index: usize,
    choice: usize,
    tried: Vec<(LocalPart, Vec<Rival>)>,
    candidates: &'r [Candidate],
}

/// What is in the way of an address.
enum Obstacle {
    None,
    Reserved,
    /// Somebody; whether of the same full name.
    Rivals(Vec<Rival>, bool),
}

impl<'r, 'h, F: Fn(&LocalPart) -> Option<&'h Held>> Allocator<'r, F> {
    fn key(&self, index: usize) -> &str {
        self.keys[index].get_or_init(|| key(&self.requests[index].name))
    }

    fn rival(&self, index: usize, holds: bool) -> Rival {
        let request = &self.requests[index];
        Rival { id: request.id.clone(), name: request.name.clone(), holds, purged: None }
    }

    fn obstacle(&self, index: usize, local_part: &LocalPart) -> Obstacle {
        let request = &self.requests[index];
        if let Some(held) = (self.held)(local_part)
            && !held.is_of(&request.id)
            && !(held.address_use == Use::Tombstone && request.supersedes.contains(local_part))
        {
            let same = held.address_use != Use::Reserved && key(&held.name) == self.key(index);
            let rival = Rival { id: held.owner.clone(), name: held.name.clone(), holds: true, purged: held.purged };
            return Obstacle::Rivals(vec![rival], same);
        }
        if is_reserved(local_part) {
            return Obstacle::Reserved;
        }
        if let Some(other) = self.settled.get(local_part) {
            return Obstacle::Rivals(vec![self.rival(*other, true)], self.key(*other) == self.key(index));
        }
        match self.blocked.get(local_part) {
            Some(others) => {
                let same = others.iter().any(|o| self.key(*o) == self.key(index));
                Obstacle::Rivals(self.others(others, index), same)
            }
            None => Obstacle::None,
        }
    }

    fn grant(&mut self, index: usize, rule: &'static str, local_part: &'r LocalPart, choice: usize) {
        self.settled.insert(local_part, index);
        let grant = Grant { rule, local_part: local_part.clone(), choice };
        self.result.outcomes.insert(self.requests[index].id.clone(), Ok(grant));
    }

    fn refuse(&mut self, index: usize, cause: Cause, tried: Vec<(LocalPart, Vec<Rival>)>) {
        self.result.outcomes.insert(self.requests[index].id.clone(), Err(Conflict { cause, tried }));
    }

    /// The others of a group that is sorted by name, a few of them.
    fn others(&self, group: &[usize], index: usize) -> Vec<Rival> {
        group.iter().filter(|i| **i != index).take(RIVALS).map(|i| self.rival(*i, false)).collect()
    }

    /// In an order that does not depend on who was looked at first.
    fn sorted(&self, mut group: Vec<usize>) -> Vec<usize> {
        group.sort_unstable_by(|a, b| self.requests[*a].id.cmp(&self.requests[*b].id));
        group
    }

    /// Those for whom one address alone will do.
    fn fixed(&mut self, wanted: impl Fn(&'r Wish) -> Option<(&'static str, &'r LocalPart)>) {
        let mut groups: HashMap<&'r LocalPart, (&'static str, Vec<usize>)> = HashMap::new();
        for (index, request) in self.requests.iter().enumerate() {
            if let Some((rule, local_part)) = wanted(&request.wish) {
                groups.entry(local_part).or_insert((rule, Vec::new())).1.push(index);
            }
        }
        let mut blocked = Vec::new();
        for (local_part, (rule, group)) in groups {
            let mut free = Vec::new();
            for index in group {
                match self.obstacle(index, local_part) {
                    Obstacle::None => free.push(index),
                    Obstacle::Reserved => self.refuse(index, Cause::Reserved, vec![(local_part.clone(), Vec::new())]),
                    Obstacle::Rivals(rivals, _) => self.refuse(index, Cause::Taken, vec![(local_part.clone(), rivals)]),
                }
            }
            match free.as_slice() {
                [] => {}
                [index] => self.grant(*index, rule, local_part, 0),
                _ => {
                    let several = self.sorted(free);
                    for index in &several {
                        let rivals = self.others(&several, *index);
                        self.refuse(*index, Cause::Together, vec![(local_part.clone(), rivals)]);
                    }
                    blocked.push((local_part, several));
                }
            }
        }
        self.blocked.extend(blocked);
    }

    /// People, each with further choices, in rounds: nobody's choice depends on who is looked at first.
    fn ranked(&mut self) {
        let requests = self.requests;
        let mut seekers: Vec<Seeker<'r>> = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            if let Wish::Ranked(candidates) = &request.wish {
                seekers.push(Seeker { index, choice: 0, tried: Vec::new(), candidates });
            }
        }
        while !seekers.is_empty() {
            seekers = self.round(seekers);
        }
    }

    fn round(&mut self, seekers: Vec<Seeker<'r>>) -> Vec<Seeker<'r>> {
        let mut groups: HashMap<&'r LocalPart, Vec<Seeker<'r>>> = HashMap::new();
        for seeker in seekers {
            if let Some((local_part, seeker)) = self.next(seeker) {
                groups.entry(local_part).or_default().push(seeker);
            }
        }
        let mut again = Vec::new();
        for (local_part, mut group) in groups {
            if let [seeker] = group.as_slice() {
                self.grant(seeker.index, seeker.candidates[seeker.choice].rule, local_part, seeker.choice);
                continue;
            }
            let members = self.sorted(group.iter().map(|s| s.index).collect());
            for seeker in &mut group {
                seeker.tried.push((local_part.clone(), self.others(&members, seeker.index)));
                seeker.choice += 1;
            }
            let mut names: HashMap<&str, usize> = HashMap::new();
            for index in &members {
                *names.entry(self.key(*index)).or_insert(0) += 1;
            }
            let (same, different): (Vec<_>, Vec<_>) = group.into_iter().partition(|s| names[self.key(s.index)] > 1);
            for seeker in same {
                self.refuse(seeker.index, Cause::SameName, seeker.tried);
            }
            if !different.is_empty() {
                let left = different.iter().map(|s| self.requests[s.index].id.clone()).collect();
                self.result.contested.insert(local_part.clone(), left);
            }
            // Whoever is left may not come back to it, and nobody else may have it either.
            self.blocked.insert(local_part, members);
            again.extend(different);
        }
        again
    }

    /// The next address that is not somebody else's; without one the seeker is refused here.
    fn next(&mut self, mut seeker: Seeker<'r>) -> Option<(&'r LocalPart, Seeker<'r>)> {
        while let Some(candidate) = seeker.candidates.get(seeker.choice) {
            if self.requests[seeker.index].left.contains(&candidate.local_part) {
                seeker.tried.push((candidate.local_part.clone(), Vec::new()));
                seeker.choice += 1;
                continue;
            }
            match self.obstacle(seeker.index, &candidate.local_part) {
                Obstacle::None => return Some((&candidate.local_part, seeker)),
                Obstacle::Rivals(rivals, same) => {
                    seeker.tried.push((candidate.local_part.clone(), rivals));
                    if same {
                        self.refuse(seeker.index, Cause::SameName, seeker.tried);
                        return None;
                    }
                }
                Obstacle::Reserved => seeker.tried.push((candidate.local_part.clone(), Vec::new())),
            }
            seeker.choice += 1;
        }
        self.refuse(seeker.index, Cause::Exhausted, seeker.tried);
        None
    }
}

#[cfg(test)]
#[path = "allocate_tests.rs"]
mod tests;
