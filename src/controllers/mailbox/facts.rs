//! What is so: everything a decision about one Mailbox rests on, from the caches.

use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::{AddressClaim, AddressUse, Holder, MailSystem, Mailbox, QuotaPolicy};
use crate::controllers::context::{Credentials, Ctx};
use crate::domain::naming::{self, LocalPart};
use crate::domain::quota::{Bytes, Limits, Policy, QuantityError, Selector};
use crate::store::{AgencyProblem, ResolvedAgency, profile, resolve};

/// Disambiguators that are offered.
const SUGGESTED: usize = 3;

/// Everything a decision about one Mailbox rests on.
pub(super) struct Facts {
    pub system: Option<SystemFacts>,
    pub agency: Result<ResolvedAgency, AgencyProblem>,
    /// Its Primary claim.
    pub claim: Option<Arc<AddressClaim>>,
    /// Every local part that it holds.
    pub held: Vec<String>,
    pub credentials: Option<Credentials>,
    pub policies: Vec<Policy>,
}

/// What of the MailSystem matters to a mailbox.
pub(super) struct SystemFacts {
    pub system: Arc<MailSystem>,
    pub default: Result<Limits, QuantityError>,
    pub largest: Result<Bytes, QuantityError>,
}

pub(super) fn gather(mailbox: &Mailbox, ctx: &Ctx) -> Facts {
    let name = mailbox.name_any();
    let namespace = ctx.io.namespace();
    let system = ctx.system();
    let naming = profile(system.as_ref().map(|s| s.spec.regulation.naming_profile).unwrap_or_default());
    let held = ctx.index().claims_of(&name);
    let claims = held.iter().filter_map(|local| ctx.stores.claims.get(&ObjectRef::new(local).within(namespace)));
    Facts {
        agency: resolve(&ctx.stores.agencies, namespace, &mailbox.spec.agency_ref.name, naming),
        claim: claims.into_iter().find(|c| c.spec.address_use == AddressUse::Primary),
        held,
        credentials: ctx.credentials(&name),
        policies: ctx.stores.policies.state().iter().filter_map(|p| policy(p)).collect(),
        system: system.map(SystemFacts::of),
    }
}

impl Facts {
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
    Some(Policy { name: policy.name_any(), limits, selector, priority: spec.priority })
}

pub(super) fn holder(holder: Holder) -> &'static str {
    match holder {
        Holder::Person => "Person",
        Holder::Agency => "Agency",
    }
}
