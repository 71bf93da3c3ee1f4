//! Objects → the facts of `domain::lifecycle`: one `Life` for each MailSystem, or namespace without one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{self, AddressClaim, AddressUse, FirstAccess, Mailbox, MailboxState, Regulation, WorkCalendar};
use crate::cli::agencies::same_namespace;
use crate::cli::output::Said;
use crate::domain::calendar::midnight;
use crate::domain::lifecycle::{self, Account, Brake, By, Key, LockReason, Rules};

use super::{Body, System, World};

/// Who an account belongs to.
#[derive(Clone, Debug, Default)]
pub struct Holder<'w> {
    /// Name of the Mailbox.
    pub name: String,
    /// Full name.
    pub full_name: String,
    /// The address in force, or the one that is kept, or was until the account was purged.
    pub address: Option<String>,
    /// Name of the Agency.
    pub agency: String,
    /// What it is called, where that is known.
    pub agency_title: String,
    /// The document that keeps it from being purged, where the Mailbox is gone; else the Mailbox names it.
    pub hold: Option<String>,
    /// The Mailbox; none where it is gone.
    pub mailbox: Option<&'w Mailbox>,
}

/// All accounts of one MailSystem, with what decides about them.
#[derive(Debug)]
pub struct Life<'w> {
    /// The namespace; empty where no file says it.
    pub namespace: String,
    /// The MailSystem.
    pub system: Option<&'w System>,
    /// How the regulation is set.
    pub rules: Rules,
    /// By the name of the Mailbox.
    pub holders: Vec<Holder<'w>>,
    /// Of each holder.
    pub accounts: Vec<Account>,
    /// The memory of the brake.
    pub brake: Brake,
    /// What a person released.
    pub acknowledged: BTreeSet<Key>,
}

impl Life<'_> {
    /// What will happen until a day.
    pub fn forecast(&self, now: Timestamp, until: Timestamp) -> lifecycle::forecast::Forecast {
        let (accounts, brake) = (self.accounts.clone(), self.brake.clone());
        lifecycle::forecast::forecast(&self.rules, accounts, brake, &self.acknowledged, now, until)
    }

    /// How many accounts automation may act on within a day (D-15).
    pub fn limit(&self) -> usize {
        let there = self.accounts.iter().filter(|account| account.issued_at.is_some() && !account.purged);
        self.brake.limits.limit(there.count())
    }
}

impl World {
    /// The accounts of each MailSystem at `now`, and what is to be known of how they were reckoned.
    pub fn lives(&self, now: Timestamp) -> (Vec<Life<'_>>, Vec<Said>) {
        let mut groups: BTreeMap<String, Vec<&Mailbox>> = BTreeMap::new();
        let only = self.only_namespace();
        let within = |namespace: &str| if namespace.is_empty() { only.clone() } else { namespace.to_string() };
        for system in &self.systems {
            groups.entry(within(&system.namespace)).or_default();
        }
        for mailbox in &self.mailboxes {
            let namespace = within(mailbox.metadata.namespace.as_deref().unwrap_or_default());
            groups.entry(namespace).or_default().push(mailbox);
        }
        for claim in self.claims.iter().filter(|claim| claim.spec.revoked_at.is_some()) {
            groups.entry(within(claim.metadata.namespace.as_deref().unwrap_or_default())).or_default();
        }
        let mut notes = Vec::new();
        let lives = groups.into_iter().map(|(namespace, mailboxes)| self.life(namespace, mailboxes, now, &mut notes));
        (lives.collect(), notes)
    }

    /// Where objects belong whose files name no namespace: to the only one that any file names.
    fn only_namespace(&self) -> String {
        let systems = self.systems.iter().map(|system| system.namespace.as_str());
        let mailboxes = self.mailboxes.iter().filter_map(|mailbox| mailbox.metadata.namespace.as_deref());
        let named: BTreeSet<&str> = systems.chain(mailboxes).filter(|namespace| !namespace.is_empty()).collect();
        let mut named = named.into_iter();
        match (named.next(), named.next()) {
            (Some(only), None) => only.into(),
            _ => String::new(),
        }
    }

    fn life<'w>(
        &'w self,
        namespace: String,
        mailboxes: Vec<&'w Mailbox>,
        now: Timestamp,
        notes: &mut Vec<Said>,
    ) -> Life<'w> {
        let here = |other: &str| same_namespace(other, &namespace);
        let system = self.systems.iter().filter(|system| here(&system.namespace)).min_by_key(|system| system.made);
        // A tree without MailSystem is reckoned by the regulation as it stands (R9.1).
        let plain = Regulation { first_access: FirstAccess::ChangePassword, ..Regulation::default() };
        let regulation = system.map_or(&plain, |system| &system.regulation);
        let mut rules = api::rules(regulation, self.calendar(&namespace, regulation, notes));
        // What no file shows may be in the cluster.
        rules.stopped = rules.stopped.filter(|_| self.live);
        let titles: HashMap<&str, &Body> =
            self.agencies.iter().filter(|agency| here(&agency.namespace)).map(|a| (a.name.as_str(), a)).collect();
        let own: HashMap<&str, &AddressClaim> = self.primary_claims(&namespace);
        let there: HashMap<&str, &Mailbox> =
            mailboxes.iter().filter_map(|mailbox| Some((mailbox.metadata.name.as_deref()?, *mailbox))).collect();
        let whole = |claim: &AddressClaim| self.whole || claim.spec.revoked_at.is_some();
        let gone = own.iter().filter(|(_, claim)| whole(claim));
        let gone = gone.filter_map(|(owner, claim)| gone_account(claim, there.get(owner).copied(), system));
        let mut all: Vec<(Holder<'w>, Account)> = gone.collect();
        for mailbox in mailboxes {
            // One that was made again and not looked at yet is what stands beside its address.
            let remembered = mailbox.remembered(own.get(mailbox.name_any().as_str()).copied());
            let known = remembered.as_ref().unwrap_or(mailbox);
            all.push((holder(mailbox, &titles), self.account(known, &namespace, system, now)));
        }
        all.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        let (holders, accounts): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let (brake, acknowledged) = brake(system, regulation, &rules, &accounts, &self.purged(&namespace, now), now);
        Life { namespace, system, rules, holders, accounts, brake, acknowledged }
    }

    /// The WorkCalendar that is named. Where none is, and a folder has exactly one, it is used: people put it there to be reckoned
    /// by. The operator does so only when the MailSystem names it, which is said.
    fn calendar(&self, namespace: &str, regulation: &Regulation, notes: &mut Vec<Said>) -> Option<&WorkCalendar> {
        let here = self.calendars.iter().filter(|(other, _)| same_namespace(other, namespace));
        let here: Vec<&WorkCalendar> = here.map(|(_, calendar)| calendar).collect();
        let Some(named) = &regulation.work_calendar_ref else {
            let [only] = here.as_slice() else {
                if here.len() > 1 {
                    notes.push(Said::new(
                        "several WorkCalendars and no spec.regulation.workCalendarRef: only weekends are free",
                        "có nhiều WorkCalendar mà chưa ghi spec.regulation.workCalendarRef: chỉ tính cuối tuần là ngày nghỉ.",
                    ));
                }
                return None;
            };
            let name = only.name_any();
            if self.live {
                notes.push(Said::new(
                    format!("WorkCalendar '{name}' is not used: name it in spec.regulation.workCalendarRef"),
                    format!("WorkCalendar '{name}' chưa được dùng: vui lòng ghi vào spec.regulation.workCalendarRef."),
                ));
                return None;
            }
            if !self.systems.is_empty() {
                notes.push(Said::new(
                    format!("reckoned with WorkCalendar '{name}'; the operator does so when spec.regulation.workCalendarRef names it"),
                    format!("tính theo WorkCalendar '{name}'; hệ thống chỉ dùng lịch này khi spec.regulation.workCalendarRef ghi tên nó."),
                ));
            }
            return Some(only);
        };
        let found = here.into_iter().find(|calendar| calendar.metadata.name.as_deref() == Some(&named.name));
        if found.is_none() {
            let (so, so_vi) = if self.live {
                ("no term is over until it is (D-09)", "chưa hạn nào kết thúc cho đến khi có (D-09).")
            } else {
                (
                    "only weekends are free; in the cluster no term would be over",
                    "chỉ tính cuối tuần là ngày nghỉ; trên cụm thì chưa hạn nào kết thúc.",
                )
            };
            let name = &named.name;
            notes.push(Said::new(
                format!("WorkCalendar '{name}' is not there: {so}"),
                format!("không có WorkCalendar '{name}': {so_vi}"),
            ));
        }
        found
    }

    fn primary_claims(&self, namespace: &str) -> HashMap<&str, &AddressClaim> {
        let mine = |claim: &&AddressClaim| {
            let primary = claim.spec.address_use == AddressUse::Primary && claim.belongs_to(&claim.spec.owner_ref.name);
            primary && same_namespace(claim.metadata.namespace.as_deref().unwrap_or_default(), namespace)
        };
        self.claims.iter().filter(mine).map(|claim| (claim.spec.owner_ref.name.as_str(), claim)).collect()
    }

    /// Accounts that were purged within the last day.
    fn purged(&self, namespace: &str, now: Timestamp) -> BTreeSet<(Timestamp, String)> {
        let here =
            |claim: &&AddressClaim| same_namespace(claim.metadata.namespace.as_deref().unwrap_or_default(), namespace);
        api::purged(self.claims.iter().filter(here), now)
    }

    fn account(&self, mailbox: &Mailbox, namespace: &str, system: Option<&System>, now: Timestamp) -> Account {
        let name = mailbox.name_any();
        let activity = self.activities.as_ref().and_then(|all| {
            let own = [namespace, ""].iter().find_map(|namespace| all.get(&((*namespace).to_string(), name.clone())));
            api::activity(own, system.and_then(|system| system.status.activity.as_ref()))
        });
        mend(mailbox, mailbox.life(activity), now)
    }
}

/// What a status of another hand leaves out, from what it says.
fn mend(mailbox: &Mailbox, mut account: Account, now: Timestamp) -> Account {
    let state = mailbox.status.as_ref().and_then(|status| status.state);
    account.proposed |= state == Some(MailboxState::RevocationProposed);
    if state == Some(MailboxState::Revoked) && account.revoked_at.is_none() {
        let day = account.ends_on.map(midnight).filter(|day| *day <= now);
        account.revoked_at = Some(day.unwrap_or(now));
    }
    // A clock gives no other reasons than two: what people want and what stands in status without its document is theirs.
    let clocks = [LockReason::Inactive, LockReason::DefaultPassword];
    for (reason, lock) in &mut account.locks {
        if !clocks.contains(reason) && account.wanted_locks.contains(reason) {
            lock.by = By::Person;
        }
    }
    account
}

fn holder<'w>(mailbox: &'w Mailbox, titles: &HashMap<&str, &Body>) -> Holder<'w> {
    let agency = mailbox.spec.agency_ref.name.clone();
    Holder {
        name: mailbox.name_any(),
        full_name: mailbox.spec.full_name.clone(),
        address: mailbox.status.as_ref().and_then(|s| s.address.clone().or_else(|| s.former_address.clone())),
        hold: None,
        agency_title: titles.get(agency.as_str()).map(|body| body.title.clone()).unwrap_or_default(),
        agency,
        mailbox: Some(mailbox),
    }
}

/// An account whose Mailbox is gone: its address says who had it, and since when it is revoked (D-14). One of that name may be there and
/// be somebody else's (D-06), which is told of what the cluster has: a file says no uid.
fn gone_account<'w>(
    claim: &AddressClaim,
    there: Option<&Mailbox>,
    system: Option<&System>,
) -> Option<(Holder<'w>, Account)> {
    let name = match there.map(|there| (there.metadata.uid.as_deref(), &there.spec.full_name)) {
        None => claim.spec.owner_ref.name.clone(),
        Some((uid, full_name)) if uid.is_some() && !claim.is_of(uid, full_name) => claim.former(),
        Some(_) => return None,
    };
    let domain = system.map_or("gialai.gov.vn", |system| system.domain.as_str());
    let account = Account {
        id: name.clone(),
        issued_at: claim.issued_at().or_else(|| claim.spec.revoked_at.clone()).map(|at| at.0),
        gone: true,
        revoked_at: claim.spec.revoked_at.as_ref().map(|at| at.0),
        hold: claim.spec.hold.is_some() || there.is_some_and(|there| there.spec.hold.is_some()),
        ..Account::default()
    };
    let holder = Holder {
        name,
        full_name: claim.spec.owner_name.clone(),
        address: Some(format!("{}@{domain}", claim.name_any())),
        agency: claim.spec.agency.clone().unwrap_or_default(),
        hold: claim.spec.hold.clone(),
        ..Holder::default()
    };
    Some((holder, account))
}

/// What the brake remembers, and what of it a person released: the word that is good for exactly what is held.
fn brake(
    system: Option<&System>,
    regulation: &Regulation,
    rules: &Rules,
    accounts: &[Account],
    purged: &BTreeSet<(Timestamp, String)>,
    now: Timestamp,
) -> (Brake, BTreeSet<Key>) {
    let status = system.and_then(|system| system.status.held.as_ref());
    let held = status.map(api::held).unwrap_or_default();
    let acted = api::acted(accounts, now).into_iter().chain(purged.iter().cloned()).collect();
    let brake = Brake { limits: api::brake_limits(regulation.brake), acted, held };
    let word = system.and_then(|system| system.acknowledge.as_ref());
    if word.is_none_or(|word| status.is_none_or(|status| status.token != word.held)) {
        return (brake, BTreeSet::new());
    }
    // The status names the first hundred; those that wait with them are what a pass finds.
    let mut released = brake.held.clone();
    let (mut copy, mut memory) = (accounts.to_vec(), brake.clone());
    let pass = lifecycle::pass(rules, &mut copy, &mut memory, &BTreeSet::new(), now);
    let key = |held: &lifecycle::Held| (accounts[held.account].id.clone(), held.action.kind, held.action.cause);
    released.extend(pass.held.iter().map(key));
    (Brake { held: BTreeSet::new(), ..brake }, released)
}
