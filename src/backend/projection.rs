//! What the mail server shall have beside what it is known to have: pure, so that every order of events can be tested.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::account::{Access, Account};
use super::wire::{ApplyRequest, ApplyResponse, Digests, Refused, System};
use crate::domain::brake;

/// Accounts in one request.
const BATCH: usize = 500;

/// How an account stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The server has it as it is wanted.
    Synced,
    /// Not yet.
    Pending,
    /// The server refuses it.
    Refused(String),
    /// The server has it and lets nobody in: the folder of its name is another one's.
    Held(String),
}

/// Desired and known accounts of one system.
#[derive(Default)]
pub struct Projection {
    system: Option<System>,
    system_known: Option<System>,
    desired: HashMap<String, (Account, String)>,
    known: HashMap<String, String>,
    refused: HashMap<String, (String, Refused)>,
    dirty: BTreeSet<String>,
    /// The server told what it has.
    met: bool,
    /// Every mailbox of the cluster was decided once: what is not desired now is not wanted.
    settled: bool,
    waiting: BTreeSet<String>,
    /// Mailboxes of the cluster and holders of addresses: their rows are never unwanted.
    protected: HashSet<String>,
    /// Holders of addresses of whom nothing is wanted, with rows for a server that has none of them.
    places: Vec<Account>,
    /// Purged, or let go: their rows are unwanted whoever has that name, until one is wanted again.
    dismissed: HashSet<String>,
    /// Revoked, and nobody holds their address any more.
    freed: HashSet<String>,
    /// Where the next request begins among those that are not the most urgent.
    turn: usize,
    /// Known and not desired; kept, because it is asked for at each batch.
    extra: BTreeSet<String>,
}

/// One request and what it is about.
#[derive(Debug)]
pub struct Batch {
    /// What to send.
    pub request: ApplyRequest,
    digests: BTreeMap<String, String>,
}

/// What goes when nobody holds the address any more: a revoked account, and a place that was kept, of which nothing else is known.
fn goes(account: &Account) -> bool {
    account.access == Access::Revoked || account.is_unknown()
}

impl Projection {
    /// What is the same for the whole system.
    pub fn set_system(&mut self, system: System) -> bool {
        let changed = self.system.as_ref() != Some(&system);
        self.system = Some(system);
        changed
    }

    /// Wants an account; tells how it stands now.
    pub fn set(&mut self, account: Account) -> Standing {
        let digest = account.digest();
        let mailbox = account.mailbox.clone();
        self.extra.remove(&mailbox);
        self.dismissed.remove(&mailbox);
        self.freed.remove(&mailbox);
        if self.desired.get(&mailbox).is_none_or(|(_, old)| *old != digest) {
            self.desired.insert(mailbox.clone(), (account, digest));
            self.refused.remove(&mailbox);
        }
        self.note(&mailbox);
        self.standing(&mailbox)
    }

    /// Who gives up waiting for an account is told when it stands.
    pub fn tell_later(&mut self, mailbox: &str) {
        self.waiting.insert(mailbox.to_string());
    }

    /// Wants an account no more, also one whose name is protected: it is purged (D-14), or it was decided that nothing is left of it.
    /// Whether the server may have a row of it.
    pub fn dismiss(&mut self, mailbox: &str) -> bool {
        let wanted = self.desired.remove(mailbox).is_some();
        self.dirty.remove(mailbox);
        self.refused.remove(mailbox);
        self.waiting.remove(mailbox);
        self.dismissed.insert(mailbox.to_string());
        let known = self.known.contains_key(mailbox);
        if known {
            self.extra.insert(mailbox.to_string());
        }
        known || wanted
    }

    /// Mailboxes of the cluster and holders of addresses. A revoked account of neither is wanted no more: somebody freed its
    /// address on purpose. `places` are for holders of whom nothing is wanted: see [`keep_places`](Self::keep_places).
    pub fn protect(&mut self, names: HashSet<String>, places: Vec<Account>) {
        self.places = places;
        let gone = |(mailbox, (account, _)): &(&String, &(Account, String))| !names.contains(*mailbox) && goes(account);
        let freed: Vec<String> = self.desired.iter().filter(gone).map(|(mailbox, _)| mailbox.clone()).collect();
        for mailbox in &freed {
            self.desired.remove(mailbox);
            self.dirty.remove(mailbox);
        }
        self.freed.extend(freed);
        self.protected = names;
        self.find_extra();
    }

    /// Wants a row of each who holds an address and of whom nothing else is wanted, where the server has none: a deletion that the brake
    /// holds, credentials that hold nothing. An old row goes on; on an empty table nobody would be known there, and mail refused for good.
    /// Whether there is something to send.
    pub fn keep_places(&mut self) -> bool {
        let has = |mailbox: &String| {
            self.desired.contains_key(mailbox) || self.known.contains_key(mailbox) || self.dismissed.contains(mailbox)
        };
        let missing: Vec<Account> = self.places.iter().filter(|place| !has(&place.mailbox)).cloned().collect();
        let any = !missing.is_empty();
        for place in missing {
            self.set(place);
        }
        any
    }

    /// Whether the server has the account as revoked already.
    pub fn is_revoked(&self, account: &Account) -> bool {
        account.access == Access::Revoked && self.known.get(&account.mailbox) == Some(&account.digest())
    }

    /// The account that is wanted.
    pub fn desired(&self, mailbox: &str) -> Option<&Account> {
        self.desired.get(mailbox).map(|(account, _)| account)
    }

    /// Whether there is an account of this name, as far as is known, that nobody ended: neither purged, nor revoked with an address
    /// that nobody holds any more.
    pub fn has(&self, mailbox: &str) -> bool {
        match self.desired.get(mailbox) {
            Some((account, _)) => !goes(account),
            None => {
                let ended = self.dismissed.contains(mailbox) || self.freed.contains(mailbox);
                self.known.contains_key(mailbox) && !ended
            }
        }
    }

    /// Every account that there is in this sense, whoever wants it: a Mailbox, or nobody any more.
    pub fn names(&self) -> BTreeSet<String> {
        self.desired.keys().chain(self.known.keys()).filter(|mailbox| self.has(mailbox)).cloned().collect()
    }

    /// What tells an account from itself at another time, as far as the server is known to have it.
    pub fn mark(&self, mailbox: &str) -> Option<&str> {
        self.known.get(mailbox).or_else(|| self.desired.get(mailbox).map(|(_, digest)| digest)).map(String::as_str)
    }

    /// How many accounts are wanted that are not revoked.
    pub fn live(&self) -> usize {
        self.desired.values().filter(|(a, _)| a.access != Access::Revoked).count()
    }

    /// How many accounts are wanted and can stand.
    pub fn accounts(&self) -> u64 {
        self.desired.keys().filter(|m| self.known.contains_key(*m)).count() as u64
    }

    /// How an account stands.
    pub fn standing(&self, mailbox: &str) -> Standing {
        let Some((_, wanted)) = self.desired.get(mailbox) else { return Standing::Pending };
        if self.known.get(mailbox) == Some(wanted) {
            return Standing::Synced;
        }
        match self.refused.get(mailbox) {
            Some((digest, told)) if digest == wanted && told.folder => Standing::Held(told.message.clone()),
            Some((digest, told)) if digest == wanted => Standing::Refused(told.message.clone()),
            _ => Standing::Pending,
        }
    }

    /// Whether the server told what it has.
    pub fn met(&self) -> bool {
        self.met
    }

    /// Whether every mailbox of the cluster was decided once.
    pub fn settled(&self) -> bool {
        self.settled
    }

    /// From now on what is not desired is not wanted.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    /// The server was lost sight of: ask again what it has before anything is sent.
    pub fn forget(&mut self) {
        self.met = false;
    }

    /// The server told what it has. Returns the mailboxes whose standing changed and that somebody waits for.
    pub fn meet(&mut self, digests: Digests) -> Vec<String> {
        self.met = true;
        self.known = digests.accounts.into_iter().collect();
        self.find_extra();
        self.system_known = digests.system;
        self.dirty.clear();
        self.refused.clear();
        let keys: Vec<String> = self.desired.keys().cloned().collect();
        for mailbox in &keys {
            self.note(mailbox);
        }
        self.done_waiting(keys)
    }

    /// Accounts that the server has and that ended, once that is sure. One that merely has no Mailbox is gone, and what becomes of it is
    /// decided as for all who are (D-14, D-15).
    pub fn unwanted(&self) -> Vec<String> {
        if !self.settled || !self.met {
            return Vec::new();
        }
        self.extra.iter().filter(|m| self.dismissed.contains(*m) || self.is_freed(m)).cloned().collect()
    }

    fn is_freed(&self, mailbox: &str) -> bool {
        self.freed.contains(mailbox) && !self.protected.contains(mailbox) && !self.dismissed.contains(mailbox)
    }

    fn find_extra(&mut self) {
        self.extra = self.known.keys().filter(|m| !self.desired.contains_key(*m)).cloned().collect();
    }

    /// Whether the brake (D-15) holds removals back: how many, of how many. What was decided is none of these.
    pub fn held(&self) -> Option<(usize, usize)> {
        let freed = self.unwanted().iter().filter(|mailbox| self.is_freed(mailbox)).count();
        let total = self.known.len();
        (!brake::allows(brake::Limits::default(), freed, total)).then_some((freed, total))
    }

    /// The next request; `None` when the server has everything as it is wanted.
    pub fn batch(&self) -> Option<Batch> {
        let system = self.system.clone().filter(|_| self.met)?;
        let mut digests = BTreeMap::new();
        let mut upsert = Vec::new();
        for (account, digest) in self.most_urgent() {
            digests.insert(account.mailbox.clone(), digest.clone());
            upsert.push(account.clone());
        }
        let mut remove = self.unwanted();
        if self.held().is_some() {
            remove.retain(|mailbox| !self.is_freed(mailbox));
        }
        let news = !upsert.is_empty() || !remove.is_empty() || self.system_known.as_ref() != Some(&system);
        news.then_some(Batch { request: ApplyRequest { system, upsert, remove }, digests })
    }

    /// The server did a request. Returns the mailboxes that somebody waits for.
    pub fn applied(&mut self, batch: Batch, response: &ApplyResponse) -> Vec<String> {
        self.turn = 0;
        for mailbox in &batch.request.remove {
            self.known.remove(mailbox);
            self.extra.remove(mailbox);
        }
        if !batch.request.remove.is_empty() || response.refused.is_empty() {
            // What stood in the way may be gone.
            self.refused.clear();
        }
        for refused in &response.refused {
            if let Some(digest) = batch.digests.get(&refused.mailbox) {
                self.refused.insert(refused.mailbox.clone(), (digest.clone(), refused.clone()));
                if refused.folder {
                    // It has a row, which is none that is wanted.
                    self.known.insert(refused.mailbox.clone(), String::new());
                }
            }
        }
        let keys: Vec<String> = batch.digests.keys().cloned().collect();
        for (mailbox, digest) in batch.digests {
            if self.refused.get(&mailbox).is_none_or(|(d, _)| *d != digest) {
                self.known.insert(mailbox.clone(), digest);
            }
            match self.desired.contains_key(&mailbox) {
                true => self.note(&mailbox),
                // It was purged, or given up, while the request was under way.
                false => drop(self.extra.insert(mailbox)),
            }
        }
        self.system_known = Some(batch.request.system);
        self.done_waiting(keys)
    }

    /// What goes out next: whoever is to be shut out waits for nobody, whatever there is to send (R6.1); then accounts that there are, for the
    /// sake of passwords, then new ones. Where the server has no room the rest comes in turns: somebody further back may need none.
    fn most_urgent(&self) -> impl Iterator<Item = &(Account, String)> {
        let mut wanted: Vec<_> = self.dirty.iter().filter_map(|mailbox| self.desired.get(mailbox)).collect();
        wanted.sort_by_key(|(account, _)| match self.known.contains_key(&account.mailbox) {
            true => u8::from(!account.access.is_shut()),
            false => 2,
        });
        let rest = wanted.split_off(wanted.len().min(BATCH / 2));
        let from = self.turn.checked_rem(rest.len()).unwrap_or(0);
        let in_turn: Vec<_> = rest[from..].iter().chain(&rest[..from]).copied().take(BATCH - BATCH / 2).collect();
        wanted.into_iter().chain(in_turn)
    }

    /// The server had no room for a request.
    pub fn next_turn(&mut self) {
        self.turn += BATCH - BATCH / 2;
    }

    fn note(&mut self, mailbox: &str) {
        if self.standing(mailbox) == Standing::Pending {
            self.dirty.insert(mailbox.to_string());
        } else {
            self.dirty.remove(mailbox);
        }
    }

    fn done_waiting(&mut self, keys: Vec<String>) -> Vec<String> {
        keys.into_iter().filter(|m| self.standing(m) != Standing::Pending && self.waiting.remove(m)).collect()
    }
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
