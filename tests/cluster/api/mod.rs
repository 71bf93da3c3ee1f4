//! Tier 1: kinds, operator and agent on a real API server.

mod account;
mod agreement;
mod behind;
mod brake;
mod cli_life;
mod days;
mod deletion;
mod ending;
mod folders;
mod issue;
mod journal;
mod kept;
mod kills;
mod lives;
mod moving;
mod newcomers;
mod papers;
mod people;
mod plan;
mod portal;
mod portal_rights;
mod purge;
mod refused;
mod restart;
mod shut;
mod successor;
mod system;

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use mail_operator::api::{AddressClaim, Agency, MailSystem, Mailbox, QuotaPolicy};
use serde_json::json;

use crate::support::operator::{Agent, Operator};
use crate::support::{apply, drop_namespace, namespace, tier, wait_ready};

/// Longer than the 30 s after which the operator tries again by itself.
const SOON: Duration = Duration::from_secs(45);

const SYSTEM: &str = "metadata: {name: gialai}\nspec: {domain: gialai.gov.vn, hostname: mail.gialai.gov.vn, regulation: {firstAccess: MailAllowed}, dovecot: {replicas: 1, storage: {size: 1Gi}}}";
const AGENCY: &str = "metadata: {name: stttt}\nspec: {systemRef: {name: gialai}, level: Province, name: Sở Thông tin và Truyền thông, basis: {number: 01/QĐ, date: '2026-01-05', issuer: UBND tỉnh}}";

fn person(name: &str, full_name: &str, more: &str) -> String {
    format!(
        "metadata: {{name: {name}}}\nspec: {{agencyRef: {{name: stttt}}, fullName: {full_name}, basis: {{number: 12/VP, date: '2026-02-02', issuer: STTTT}}{more}}}"
    )
}

/// One namespace with what a test needs.
struct World {
    client: Client,
    namespace: String,
    systems: Api<MailSystem>,
    agencies: Api<Agency>,
    mailboxes: Api<Mailbox>,
    policies: Api<QuotaPolicy>,
    claims: Api<AddressClaim>,
}

impl World {
    async fn new(name: &str) -> Option<Self> {
        let client = tier(&[1]).await?;
        let namespace = namespace(&client, name).await;
        Some(Self {
            systems: Api::namespaced(client.clone(), &namespace),
            agencies: Api::namespaced(client.clone(), &namespace),
            mailboxes: Api::namespaced(client.clone(), &namespace),
            policies: Api::namespaced(client.clone(), &namespace),
            claims: Api::namespaced(client.clone(), &namespace),
            client,
            namespace,
        })
    }

    /// With a MailSystem, an Agency, an operator and an agent.
    async fn running(name: &str) -> Option<(Self, Operator, Agent)> {
        Self::running_with(name, &[]).await
    }

    /// The same with people who are there before the operator: it sees them together.
    async fn running_with(name: &str, people: &[(&str, &str)]) -> Option<(Self, Operator, Agent)> {
        let world = Self::new(name).await?;
        apply(&world.systems, SYSTEM).await.expect("system");
        apply(&world.agencies, AGENCY).await.expect("agency");
        for (mailbox, full_name) in people {
            world.person(mailbox, full_name, "").await;
        }
        let operator = Operator::start(world.client.clone(), &world.namespace);
        let agent = Agent::start(&world.client, &world.namespace).await;
        wait_ready(&world.mailboxes, "agency-stttt", SOON).await;
        Some((world, operator, agent))
    }

    async fn person(&self, name: &str, full_name: &str, more: &str) {
        apply(&self.mailboxes, &person(name, full_name, more)).await.expect(name);
    }

    /// Has the Mailbox looked at now.
    async fn look_again(&self, name: &str) {
        let word = json!({"metadata": {"annotations":
            {"mail.gialai.gov.vn/reconcile-requested-at": Timestamp::now().to_string()}}});
        self.mailboxes.patch(name, &PatchParams::default(), &Patch::Merge(&word)).await.expect("annotated");
    }

    async fn address(&self, name: &str) -> Option<String> {
        self.mailboxes.get(name).await.expect(name).status.and_then(|s| s.address)
    }

    /// The mail pod counts as ready, so that the MailSystem says what else there is.
    async fn pod_is_ready(&self) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        pods.patch_status("gialai-0", &PatchParams::default(), &Patch::Merge(&ready)).await.expect("the pod");
    }

    async fn end(self) {
        drop_namespace(&self.client, &self.namespace).await;
    }
}
