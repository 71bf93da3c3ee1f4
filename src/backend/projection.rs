//! What the mail server shall have beside what it is known to have: pure, so that every order of events can be tested.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::account::{Access, Account};
use super::wire::{ApplyRequest, ApplyResponse, Digests, System};
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
}

/// Desired and known accounts of one system.
#[derive(Default)]
pub struct Projection {
    system: Option<System>,
    system_known: Option<System>,
    desired: HashMap<String, (Account, String)>,
    known: HashMap<String, String>,
    refused: HashMap<String, (String, String)>,
    dirty: BTreeSet<String>,
    /// The server told what it has.
    met: bool,
    /// Every mailbox of the cluster was decided once: what is not desired now is not wanted.
    settled: bool,
    waiting: BTreeSet<String>,
    /// Mailboxes of the cluster and holders of addresses: their rows are never unwanted.
    protected: HashSet<String>,
    /// Purged: their rows are unwanted whoever has that name, until one is wanted again.
    dismissed: HashSet<String>,
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
        if self.desired.get(&mailbox).is_none_or(|(_, old)| *old != digest) {
            self.desired.insert(mailbox.clone(), (account, digest));
            self.refused.remove(&mailbox);
        }
        self.mark(&mailbox);
        self.standing(&mailbox)
    }

    /// Who gives up waiting for an account is told when it stands.
    pub fn tell_later(&mut self, mailbox: &str) {
        self.waiting.insert(mailbox.to_string());
    }

    /// Wants an account no more, also one whose name is protected: it is purged (D-14). Whether the server may have a row of it.
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
    /// address on purpose.
    pub fn protect(&mut self, names: HashSet<String>) {
        self.desired.retain(|mailbox, (account, _)| account.access != Access::Revoked || names.contains(mailbox));
        self.protected = names;
        self.find_extra();
    }

    /// Whether the server has the account as revoked already.
    pub fn is_revoked(&self, account: &Account) -> bool {
        account.access == Access::Revoked && self.known.get(&account.mailbox) == Some(&account.digest())
    }

    /// The account that is wanted.
    pub fn desired(&self, mailbox: &str) -> Option<&Account> {
        self.desired.get(mailbox).map(|(account, _)| account)
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
            Some((digest, message)) if digest == wanted => Standing::Refused(message.clone()),
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
            self.mark(mailbox);
        }
        self.done_waiting(keys)
    }

    /// Accounts that the server has and nobody wants, once that is sure.
    pub fn unwanted(&self) -> Vec<String> {
        if !self.settled || !self.met {
            return Vec::new();
        }
        let unwanted = |m: &&String| !self.protected.contains(*m) || self.dismissed.contains(*m);
        self.extra.iter().filter(unwanted).cloned().collect()
    }

    fn find_extra(&mut self) {
        self.extra = self.known.keys().filter(|m| !self.desired.contains_key(*m)).cloned().collect();
    }

    /// Whether the brake (D-15) holds removals back: how many, of how many.
    pub fn held(&self) -> Option<(usize, usize)> {
        let (unwanted, total) = (self.unwanted().len(), self.known.len());
        (!brake::allows(brake::Limits::default(), unwanted, total)).then_some((unwanted, total))
    }

    /// The next request; `None` when the server has everything as it is wanted.
    pub fn batch(&self) -> Option<Batch> {
        let system = self.system.clone().filter(|_| self.met)?;
        let mut digests = BTreeMap::new();
        let mut upsert = Vec::new();
        for mailbox in self.dirty.iter().take(BATCH) {
            if let Some((account, digest)) = self.desired.get(mailbox) {
                digests.insert(mailbox.clone(), digest.clone());
                upsert.push(account.clone());
            }
        }
        let remove = if self.held().is_none() { self.unwanted() } else { Vec::new() };
        let news = !upsert.is_empty() || !remove.is_empty() || self.system_known.as_ref() != Some(&system);
        news.then_some(Batch { request: ApplyRequest { system, upsert, remove }, digests })
    }

    /// The server did a request. Returns the mailboxes that somebody waits for.
    pub fn applied(&mut self, batch: Batch, response: &ApplyResponse) -> Vec<String> {
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
                self.refused.insert(refused.mailbox.clone(), (digest.clone(), refused.message.clone()));
            }
        }
        let keys: Vec<String> = batch.digests.keys().cloned().collect();
        for (mailbox, digest) in batch.digests {
            if self.refused.get(&mailbox).is_none_or(|(d, _)| *d != digest) {
                self.known.insert(mailbox.clone(), digest);
            }
            match self.desired.contains_key(&mailbox) {
                true => self.mark(&mailbox),
                // It was purged, or given up, while the request was under way.
                false => drop(self.extra.insert(mailbox)),
            }
        }
        self.system_known = Some(batch.request.system);
        self.done_waiting(keys)
    }

    fn mark(&mut self, mailbox: &str) {
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
mod tests {
    use super::*;
    use crate::backend::wire::Refused;

    fn account(mailbox: &str) -> Account {
        Account {
            mailbox: mailbox.into(),
            address: format!("{mailbox}@x.vn"),
            aliases: vec![],
            password_hash: String::new(),
            access: Access::Open,
            quota_bytes: 1,
            max_message_bytes: 1,
            forward: None,
        }
    }

    fn met(accounts: &[Account]) -> Projection {
        let mut p = Projection::default();
        p.set_system(System { domain: "x.vn".into(), postmaster: None });
        let system = p.system.clone();
        p.meet(Digests {
            revision: 1,
            accounts: accounts.iter().map(|a| (a.mailbox.clone(), a.digest())).collect(),
            system,
        });
        p
    }

    fn ok() -> ApplyResponse {
        ApplyResponse { revision: 2, refused: vec![] }
    }

    #[test]
    fn nothing_is_sent_before_the_server_told_what_it_has() {
        let mut p = Projection::default();
        p.set_system(System { domain: "x.vn".into(), postmaster: None });
        assert_eq!(p.set(account("a")), Standing::Pending);
        assert!(p.batch().is_none());
    }

    #[test]
    fn an_account_that_the_server_has_costs_no_request() {
        let mut p = met(&[account("a")]);
        assert_eq!(p.set(account("a")), Standing::Synced);
        assert!(p.batch().is_none());
    }

    #[test]
    fn a_change_is_sent_once_and_wakes_who_gave_up_waiting() {
        let mut p = met(&[]);
        assert_eq!(p.set(account("a")), Standing::Pending);
        p.tell_later("a");
        let batch = p.batch().expect("one account to send");
        assert_eq!(p.applied(batch, &ok()), ["a"]);
        assert_eq!(p.standing("a"), Standing::Synced);
        assert!(p.batch().is_none());
    }

    #[test]
    fn a_change_during_a_request_is_sent_after_it() {
        let mut p = met(&[]);
        p.set(account("a"));
        p.tell_later("a");
        let batch = p.batch().expect("first");
        p.set(Account { access: Access::Locked, ..account("a") });
        assert!(p.applied(batch, &ok()).is_empty(), "the newer one is not there yet");
        assert_eq!(p.batch().expect("second").request.upsert[0].access, Access::Locked);
    }

    #[test]
    fn a_refused_account_is_not_sent_again_until_it_changes() {
        let mut p = met(&[]);
        p.set(account("a"));
        p.tell_later("a");
        let batch = p.batch().expect("first");
        let refused = vec![Refused { mailbox: "a".into(), message: "no".into() }];
        assert_eq!(p.applied(batch, &ApplyResponse { refused, ..ok() }), ["a"]);
        assert_eq!(p.set(account("a")), Standing::Refused("no".into()));
        assert!(p.batch().is_none());
        assert_eq!(p.set(Account { quota_bytes: 2, ..account("a") }), Standing::Pending);
        assert!(p.batch().is_some());
    }

    #[test]
    fn d_14_a_deleted_mailbox_is_revoked_and_keeps_its_row() {
        let mut p = met(&[account("a")]);
        p.set(account("a"));
        let revoked = Account::revoked("a", "a@x.vn");
        assert!(!p.is_revoked(&revoked));
        p.set(revoked.clone());
        let batch = p.batch().expect("revocation");
        assert_eq!(batch.request.upsert[0].access, Access::Revoked);
        assert!(batch.request.remove.is_empty());
        p.applied(batch, &ok());
        assert!(p.is_revoked(&revoked));
    }

    #[test]
    fn rows_of_mailboxes_and_of_holders_of_addresses_are_never_removed() {
        let mut p = met(&[account("a"), account("b")]);
        p.protect(["a".to_string()].into());
        p.settle();
        assert_eq!(p.unwanted(), ["b"]);
    }

    #[test]
    fn d_19_an_address_that_was_freed_on_purpose_can_be_given_to_somebody_else() {
        let mut p = met(&[]);
        p.set(Account::revoked("a", "x@x.vn"));
        let batch = p.batch().expect("revoked");
        p.applied(batch, &ok());
        p.settle();
        p.protect(HashSet::new());
        assert_eq!(p.unwanted(), ["a"]);
    }

    #[test]
    fn d_14_what_is_purged_is_never_sent_again_and_a_row_that_was_under_way_goes() {
        let revoked = Account::revoked("a", "a@x.vn");
        let mut p = met(&[revoked.clone(), account("b")]);
        p.protect(["a".to_string(), "b".to_string()].into());
        p.settle();
        p.set(account("b"));
        p.set(revoked.clone());
        // Somebody wants it again while the server removes it.
        p.set(Account { address: "old@x.vn".into(), ..revoked });
        let batch = p.batch().expect("under way");
        assert!(p.dismiss("a"));
        p.applied(batch, &ok());
        assert_eq!(p.batch().expect("it goes").request.remove, ["a"]);
        // The server restarts and tells what it has.
        p.forget();
        let system = p.system.clone();
        p.meet(Digests { revision: 9, accounts: vec![("b".into(), account("b").digest())], system });
        assert!(p.batch().is_none() && p.desired("a").is_none());
        // A new account of that name is one as any other.
        p.set(account("a"));
        let request = p.batch().expect("new").request;
        assert_eq!((request.upsert, request.remove), (vec![account("a")], vec![]));
    }

    #[test]
    fn nothing_is_removed_before_every_mailbox_was_decided() {
        let mut p = met(&[account("a"), account("b")]);
        p.set(account("a"));
        assert!(p.batch().is_none());
        p.settle();
        assert_eq!(p.batch().expect("removal").request.remove, ["b"]);
    }

    #[test]
    fn d_15_the_brake_holds_a_mass_removal() {
        let many: Vec<Account> = (0..100).map(|i| account(&format!("m{i}"))).collect();
        let mut p = met(&many);
        p.settle();
        assert_eq!(p.held(), Some((100, 100)));
        assert!(p.batch().is_none());
        for account in many.into_iter().take(80) {
            p.set(account);
        }
        assert_eq!(p.held(), None);
        assert_eq!(p.batch().expect("twenty may go").request.remove.len(), 20);
    }

    #[test]
    fn a_server_that_lost_its_table_gets_everything_again() {
        let mut p = met(&[]);
        p.set(account("a"));
        let batch = p.batch().expect("first");
        p.applied(batch, &ok());
        p.forget();
        assert!(p.batch().is_none());
        p.meet(Digests { revision: 0, accounts: vec![], system: None });
        assert_eq!(p.batch().expect("again").request.upsert.len(), 1);
    }
}
