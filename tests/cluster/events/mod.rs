//! Tier 1: what people are told without the operator's log: events of transitions, and refusals of the API server in the
//! status of the object that needed the call.

mod refusals;
mod rights;

use std::time::Duration;

use k8s_openapi::api::core::v1::Event as OldEvent;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use mail_operator::api::{AddressClaim, AddressClaimSpec, AddressUse, Agency, MailSystem, Mailbox, OwnerRef};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::operator::{Agent, Operator};
use crate::support::{
    apply, drop_namespace, eventually, initial_password, namespace, put, tier, wait_ready, wait_reason,
};
use crate::world::{AGENCY, SYSTEM, person};

/// Longer than the 30 s after which the operator looks again by itself.
const SOON: Duration = Duration::from_secs(45);
/// A refused call is tried again after 20 s, spread by a fifth.
const HEALED: Duration = Duration::from_secs(60);

struct World {
    client: Client,
    namespace: String,
    systems: Api<MailSystem>,
    agencies: Api<Agency>,
    mailboxes: Api<Mailbox>,
    events: Api<Event>,
    operator: Operator,
    _agent: Agent,
}

impl World {
    /// A system that is served, by an operator that may do what `as_operator` may.
    async fn running(client: &Client, namespace: &str, as_operator: Client) -> Self {
        let systems = Api::namespaced(client.clone(), namespace);
        let agencies = Api::namespaced(client.clone(), namespace);
        apply(&systems, SYSTEM).await.expect("system");
        apply(&agencies, AGENCY).await.expect("agency");
        let operator = Operator::start(as_operator, namespace);
        let agent = Agent::start(client, namespace).await;
        let mailboxes = Api::namespaced(client.clone(), namespace);
        wait_ready(&mailboxes, "agency-stttt", SOON).await;
        Self {
            systems,
            agencies,
            mailboxes,
            events: Api::namespaced(client.clone(), namespace),
            client: client.clone(),
            namespace: namespace.into(),
            operator,
            _agent: agent,
        }
    }

    async fn new(name: &str) -> Option<Self> {
        let client = tier(&[1]).await?;
        let namespace = namespace(&client, name).await;
        Some(Self::running(&client, &namespace, client.clone()).await)
    }

    async fn person(&self, name: &str, full_name: &str, more: &str) {
        apply(&self.mailboxes, &person(name, full_name, more)).await.expect(name);
    }

    /// `type reason` of every event about an object of ours, in their order.
    async fn told(&self, kind: &str, name: &str) -> Vec<String> {
        let mut all = self.events.list(&ListParams::default()).await.expect("events").items;
        all.retain(|e| {
            let about = e.regarding.clone().unwrap_or_default();
            about.kind.as_deref() == Some(kind) && about.name.as_deref() == Some(name)
        });
        all.sort_by_key(|e| e.event_time.as_ref().map(|t| t.0));
        let text =
            |e: &Event| format!("{} {}", e.type_.clone().unwrap_or_default(), e.reason.clone().unwrap_or_default());
        all.iter().map(text).collect()
    }

    async fn until_told(&self, kind: &str, name: &str, expected: &[&str]) {
        eventually(&format!("events of {name}"), SOON, || async {
            let found = self.told(kind, name).await;
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }

    async fn end(self) {
        self.operator.stop().await;
        drop_namespace(&self.client, &self.namespace).await;
    }
}

const LOCK: &str = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_lock_and_a_conflict_are_told_once_and_an_issue_is_not() {
    let Some(world) = World::new("events").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.person("nv-2", "Trần Đình Nguyên", "").await;
    wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    world.until_told("Mailbox", "nv-2", &["Warning Conflict"]).await;
    world.person("nv-1", "Trần Đình Nguyên", LOCK).await;
    world.until_told("Mailbox", "nv-1", &["Normal Locked"]).await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    world.until_told("Mailbox", "nv-1", &["Normal Locked", "Normal Unlocked"]).await;
    world.person("nv-2", "Trần Đình Nguyên", ", localPart: nguyentd2.stttt").await;
    world.until_told("Mailbox", "nv-2", &["Warning Conflict", "Normal Issued"]).await;
    // Looked at again, nothing is told again.
    for name in ["nv-1", "nv-2"] {
        let again = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/reconcile-requested-at": "now"}}});
        world.mailboxes.patch(name, &PatchParams::default(), &Patch::Merge(&again)).await.expect(name);
    }
    world.person("nv-3", "Lê Văn Tám", "").await;
    wait_ready(&world.mailboxes, "nv-3", SOON).await;
    assert_eq!(world.told("Mailbox", "nv-1").await.len(), 2);
    assert_eq!(world.told("Mailbox", "nv-2").await.len(), 2);
    assert_eq!(world.told("Mailbox", "nv-3").await, Vec::<String>::new(), "the issue");
    let all = serde_json::to_string(&world.events.list(&ListParams::default()).await.expect("events").items);
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    assert!(all.is_ok_and(|text| !text.contains("argon2") && !text.contains(&password)), "R3.1");
    // What `kubectl describe` asks for.
    let old: Api<OldEvent> = Api::namespaced(world.client.clone(), &world.namespace);
    let uid = world.mailboxes.get("nv-1").await.expect("nv-1").metadata.uid.expect("uid");
    let fields = format!("involvedObject.name=nv-1,involvedObject.kind=Mailbox,involvedObject.uid={uid}");
    let described = old.list(&ListParams::default().fields(&fields)).await.expect("events").items;
    let locked = described.iter().find(|e| e.reason.as_deref() == Some("Locked")).expect("Locked");
    assert!(locked.message.as_deref().is_some_and(|m| m.contains("Compromised (6.2.b) by 9/CV")), "{locked:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agencies_and_systems_tell_of_what_a_person_must_do() {
    let Some(world) = World::new("events-system").await else { return };
    let circle = AGENCY.replace("stttt", "vong").replace("level: Province", "level: Unit, parentRef: {name: vong}");
    apply(&world.agencies, &circle).await.expect("agency");
    world.until_told("Agency", "vong", &["Warning ParentCycle"]).await;
    let second = SYSTEM.replace("name: gialai", "name: kontum").replace("gialai.gov.vn", "kontum.gov.vn");
    apply(&world.systems, &second).await.expect("system");
    world.until_told("MailSystem", "kontum", &["Warning AnotherSystemInNamespace"]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_d_15_revocations_and_the_brake_are_told_as_events_of_the_system() {
    let Some(mut world) = World::new("events-brake").await else { return };
    let names: Vec<String> = (0..25).map(|i| format!("nv-{i}")).collect();
    for name in &names {
        world.person(name, "Trần Đình Nguyên", &format!(", localPart: {name}.stttt")).await;
    }
    for name in &names {
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    // One alone is revoked, and told at the system: it has no object of its own any more.
    world.person("nv-gone", "Lê Văn Tám", "").await;
    wait_ready(&world.mailboxes, "nv-gone", SOON).await;
    world.mailboxes.delete("nv-gone", &DeleteParams::default()).await.expect("nv-gone");
    eventually("the revocation is told", SOON, || async {
        let events = world.events.list(&ListParams::default()).await.map_err(|e| e.to_string())?.items;
        let told = events.iter().find(|e| e.reason.as_deref() == Some("Revoked")).and_then(|e| e.note.clone());
        told.filter(|note| note.contains("nv-gone (tamlv.stttt@gialai.gov.vn)") && note.contains("D-14"))
            .map(drop)
            .ok_or_else(|| format!("{} events", events.len()))
    })
    .await;
    // Once: not by each look, nor by the next leader, which sees all the others gone at once.
    world.operator.stop().await;
    for name in &names {
        world.mailboxes.delete(name, &DeleteParams::default()).await.expect(name);
    }
    world.operator = Operator::start(world.client.clone(), &world.namespace);
    eventually("the brake is told", SOON, || async {
        let found = world.told("MailSystem", "gialai").await;
        if found.iter().any(|e| e == "Warning HeldByBrake") { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert_eq!(world.told("Mailbox", "nv-3").await, Vec::<String>::new(), "what is deleted");
    let told = world.told("MailSystem", "gialai").await;
    assert_eq!(told.iter().filter(|e| *e == "Normal Revoked").count(), 1, "{told:?}");
    world.end().await;
}
