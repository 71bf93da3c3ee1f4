//! What the operator knows of the cluster: one watch a kind, pruned, with a handler that tells who must be looked at.

mod agencies;
mod heirs;
mod index;
mod trigger;
mod watch;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::runtime::reflector::Store;

use crate::api::{AddressClaim, Agency, MailSystem, Mailbox, MailboxActivity, QuotaPolicy, WorkCalendar};

pub use agencies::{AgencyProblem, ResolvedAgency, profile, resolve};
pub use heirs::Heirs;
pub use index::Index;
pub use trigger::Trigger;
pub use watch::{Change, Filled, Handler, Watched, watched};

/// Caches of one namespace.
#[derive(Clone)]
pub struct Stores {
    /// MailSystems.
    pub systems: Store<MailSystem>,
    /// Agencies.
    pub agencies: Store<Agency>,
    /// Mailboxes.
    pub mailboxes: Store<Mailbox>,
    /// QuotaPolicies.
    pub policies: Store<QuotaPolicy>,
    /// AddressClaims.
    pub claims: Store<AddressClaim>,
    /// WorkCalendars.
    pub calendars: Store<WorkCalendar>,
    /// MailboxActivities.
    pub activities: Store<MailboxActivity>,
    /// Credentials, without initial passwords.
    pub credentials: Store<Secret>,
    /// Mail pods.
    pub pods: Store<Pod>,
    /// StatefulSets of the operator.
    pub sets: Store<StatefulSet>,
}
