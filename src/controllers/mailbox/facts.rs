//! What is so: everything a decision about one Mailbox rests on, from the caches.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::{AddressClaim, AddressUse, Holder, MailSystem, Mailbox, MailboxState, QuotaPolicy};
use crate::controllers::context::{Credentials, Ctx};
use crate::domain::lifecycle::{self, Rules, Stopped};
use crate::domain::naming::{self, LocalPart, RIVALS, Rival};
use crate::domain::quota::{Bytes, Limits, Policy, QuantityError, Selector};
use crate::domain::successor::{self, Nobody, Target};
use crate::store::{AgencyProblem, ResolvedAgency, profile, resolve};

/// Disambiguators that are offered.
const SUGGESTED: usize = 3;

/// Everything a decision about one Mailbox rests on.
pub(super) struct Facts {
    pub system: Option<SystemFacts>,
    pub agency: Result<ResolvedAgency, AgencyProblem>,
    /// Its Primary claim.
    pub claim: Option<Arc<AddressClaim>>,
    /// Others without an address whose spec has the same local part.
    pub also_pinned: Vec<Rival>,
    /// Every claim that it holds.
    pub held: Vec<Arc<AddressClaim>>,
    pub credentials: Option<Credentials>,
    pub policies: Vec<Policy>,
    /// Who gets its mail when it is revoked, where the spec names somebody.
    pub successor: Option<Result<Target, Nobody>>,
    /// How the regulation is set.
    pub rules: Rules,
    /// The facts of its life.
    pub life: lifecycle::Account,
    /// Bytes in use, where the mail server told them.
    pub used: Option<u64>,
    /// The time of this pass.
    pub now: Timestamp,
    /// Whether the mail server told of use since this process leads.
    pub use_known: bool,
}

/// What of the MailSystem matters to a mailbox.
pub(super) struct SystemFacts {
    pub system: Arc<MailSystem>,
    pub default: Result<Limits, QuantityError>,
    pub largest: Result<Bytes, QuantityError>,
}

pub(super) fn gather(mailbox: &Mailbox, ctx: &Ctx) -> Facts {
    let policies = ctx.stores.policies.state().iter().filter_map(|p| policy(p)).collect();
    Facts { policies, ..without_policies(mailbox, ctx) }
}

/// What the address rests on: no quotas, which make no difference to it.
pub(super) fn without_policies(mailbox: &Mailbox, ctx: &Ctx) -> Facts {
    let name = mailbox.name_any();
    let namespace = ctx.io.namespace();
    let system = ctx.system();
    let naming = profile(system.as_ref().map(|s| s.spec.regulation.naming_profile).unwrap_or_default());
    let held = ctx.claims_of(&name);
    let claim = ctx.primary_claim(&name);
    let credentials = ctx.credentials(&name);
    let pinned = mailbox.spec.local_part.as_deref().filter(|_| claim.is_none());
    Facts {
        agency: resolve(&ctx.stores.agencies, namespace, &mailbox.spec.agency_ref.name, naming),
        claim,
        also_pinned: pinned.map(|local| also_pinned(&name, local, ctx)).unwrap_or_default(),
        held,
        policies: Vec::new(),
        successor: successor(mailbox, ctx),
        rules: super::super::lifecycle::rules(ctx),
        life: super::super::lifecycle::life_with(mailbox, credentials.as_ref(), ctx, ctx.now()),
        credentials,
        used: ctx.activities.used(&name),
        now: ctx.now(),
        use_known: ctx.activities.known(),
        system: system.map(SystemFacts::of),
    }
}

/// What is purged has nothing left to forward: its address is a tombstone.
fn successor(mailbox: &Mailbox, ctx: &Ctx) -> Option<Result<Target, Nobody>> {
    let named = &mailbox.spec.successor_ref.as_ref()?.name;
    let purged = mailbox.status.as_ref().is_some_and(|status| status.state == Some(MailboxState::Purged));
    let heir = |name: &str| ctx.mailbox(name).map(|mailbox| mailbox.heir());
    (!purged).then(|| successor::follow(&mailbox.name_any(), named, heir))
}

/// Others without an address who pin the same one.
fn also_pinned(name: &str, local: &str, ctx: &Ctx) -> Vec<Rival> {
    let others = ctx.index().pinned_by(local);
    let mut rivals = Vec::new();
    for mailbox in others.iter().filter(|other| *other != name).filter_map(|other| ctx.mailbox(other)) {
        let issued = mailbox.status.as_ref().is_some_and(|s| s.address.is_some());
        let has_nothing = super::has_nothing(&mailbox, ctx);
        if !issued
            && !has_nothing
            && mailbox.metadata.deletion_timestamp.is_none()
            && ctx.primary_claim(&mailbox.name_any()).is_none()
        {
            rivals.push(Rival {
                id: mailbox.name_any(),
                name: mailbox.spec.full_name.clone(),
                holds: false,
                purged: None,
            });
        }
        if rivals.len() == RIVALS {
            break;
        }
    }
    rivals
}

impl Facts {
    /// Aliases of the spec that it has.
    pub fn aliases(&self, mailbox: &Mailbox) -> Vec<String> {
        let held = self.held.iter().filter(|c| c.spec.address_use == AddressUse::Alias).map(|c| c.name_any());
        held.filter(|local| mailbox.spec.aliases.contains(local)).collect()
    }

    /// The claim of the address that its status shows, of whatever use by now: an address that came after it may be claimed already.
    pub fn shown(&self, mailbox: &Mailbox) -> Option<&Arc<AddressClaim>> {
        let (local, _) = mailbox.status.as_ref()?.address.as_deref()?.split_once('@')?;
        self.held.iter().find(|claim| claim.name_any() == local)
    }

    /// Those and its former addresses to which mail still arrives at `now`; `local` is its address.
    pub fn every_alias(&self, mailbox: &Mailbox, local: &str, now: Timestamp) -> Vec<String> {
        let mut all = self.aliases(mailbox);
        let former = |c: &&Arc<AddressClaim>| {
            c.spec.address_use == AddressUse::Alias && c.spec.until.as_ref().is_some_and(|until| now < until.0)
        };
        all.extend(self.held.iter().filter(former).map(|c| c.name_any()));
        all.extend(self.unended(local).map(|c| c.name_any()));
        all.sort();
        all.dedup();
        all
    }

    /// Former addresses, while nobody knows what time it is: each stays what it is, and mail to it arrives (D-19). One that was left
    /// meanwhile gets its end when the time is known.
    pub fn unended(&self, local: &str) -> impl Iterator<Item = &Arc<AddressClaim>> {
        let unknown = self.rules.stopped == Some(Stopped::Time);
        let arrives = |c: &AddressClaim| match c.spec.address_use {
            AddressUse::Primary => true,
            AddressUse::Alias => c.spec.until.is_some(),
            _ => false,
        };
        self.held.iter().filter(move |c| unknown && c.metadata.name.as_deref() != Some(local) && arrives(c))
    }

    /// Disambiguators that are free (D-07).
    pub fn suggestions(&self, mailbox: &Mailbox, ctx: &Ctx) -> Vec<String> {
        let Ok(agency) = &self.agency else { return Vec::new() };
        let naming = mailbox.naming();
        let Ok(name) = naming::person_name(naming.full_name, naming.structured.as_ref()) else { return Vec::new() };
        let taken = |local: &LocalPart| {
            ctx.stores.claims.get(&ObjectRef::new(local.as_str()).within(ctx.io.namespace())).is_some()
        };
        naming::disambiguator_suggestions(&name, &agency.address.suffix, taken, SUGGESTED)
    }
}

impl SystemFacts {
    pub fn of(system: Arc<MailSystem>) -> Self {
        let spec = &system.spec;
        let default =
            Bytes::parse(&spec.default_quota.storage, "MailSystem spec.defaultQuota.storage").and_then(|storage| {
                let path = "MailSystem spec.defaultQuota.maxAttachment";
                Ok(Limits { storage, max_attachment: Bytes::parse(&spec.default_quota.max_attachment, path)? })
            });
        let largest = Bytes::parse(&spec.max_attachment, "MailSystem spec.maxAttachment");
        Self { default, largest, system }
    }
}

/// A QuotaPolicy that can be used; one that cannot says so in its own conditions and covers nobody.
fn policy(policy: &QuotaPolicy) -> Option<Policy> {
    let spec = &policy.spec;
    let limits = Limits {
        storage: Bytes::parse(&spec.storage, "spec.storage").ok()?,
        max_attachment: Bytes::parse(&spec.max_attachment, "spec.maxAttachment").ok()?,
    };
    let selector = spec.selector.as_ref().map(|s| Selector {
        levels: s.levels.iter().map(|l| format!("{l:?}")).collect(),
        agencies: s.agencies.clone(),
        holders: s.holders.iter().map(|h| holder(*h).to_string()).collect(),
    });
    let warn_at = spec.warn_at_percent.iter().filter_map(|percent| u8::try_from(*percent).ok()).collect();
    let rearm_below = spec.rearm_below_percent;
    Some(Policy { name: policy.name_any(), limits, selector, priority: spec.priority, warn_at, rearm_below })
}

pub(super) fn holder(holder: Holder) -> &'static str {
    match holder {
        Holder::Person => "Person",
        Holder::Agency => "Agency",
    }
}
