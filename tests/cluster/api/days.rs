//! A world whose time a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use mail_operator::api::{MailboxActivity, MailboxActivitySpec, MailboxActivityStatus, MailboxState, MailboxStatus};
use mail_operator::controllers::Clock;
use mail_operator::domain::calendar::day;
use serde_json::json;

use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually};

pub const NAME: &str = "Trần Đình Nguyên";
pub const ADDRESS: &str = "nguyentd.stttt@gialai.gov.vn";
pub const OPEN: &str =
    "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND NOT locked AND NOT revoked AND NOT pending";
pub const LOCKED: &str = "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND locked";
pub const COMPROMISED: &str =
    ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";

/// A clock that a test moves, in days from now.
#[derive(Clone, Default)]
pub struct Days(Arc<AtomicI64>);

impl Days {
    pub fn clock(&self) -> Clock {
        let days = self.clone();
        Clock::new(move || days.now())
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_hours(24 * self.0.load(Ordering::Relaxed))
    }

    pub fn pass(&self, days: i64) {
        self.0.fetch_add(days, Ordering::Relaxed);
    }

    /// So many days from now, whatever it was.
    pub fn set(&self, days: i64) {
        self.0.store(days, Ordering::Relaxed);
    }

    /// An operator that lives by it.
    pub fn operator(&self, world: &World) -> Operator {
        Operator::start_with(world.client.clone(), &world.namespace, self.clock(), Clock::system())
    }
}

pub struct Lives {
    pub world: World,
    pub operator: Operator,
    pub agent: Agent,
    pub days: Days,
}

impl Lives {
    pub async fn new(name: &str) -> Option<Self> {
        Self::with(name, SYSTEM).await
    }

    pub async fn with(name: &str, system: &str) -> Option<Self> {
        let world = World::new(name).await?;
        apply(&world.systems, system).await.expect("system");
        apply(&world.agencies, AGENCY).await.expect("agency");
        let days = Days::default();
        let operator = days.operator(&world);
        let agent = Agent::start(&world.client, &world.namespace).await;
        Some(Self { world, operator, agent, days })
    }

    /// Another operator takes over.
    pub async fn next_leader(self) -> Self {
        self.operator.stop().await;
        let operator = self.days.operator(&self.world);
        Self { operator, ..self }
    }

    pub async fn person(&self, more: &str) {
        self.world.person("nv-1", NAME, more).await;
    }

    pub async fn end(self) {
        self.operator.stop().await;
        self.world.end().await;
    }

    /// Moves the clock and has the mailboxes looked at.
    pub async fn pass(&self, days: i64, names: &[&str]) {
        self.days.pass(days);
        for name in names {
            self.world.look_again(name).await;
        }
    }

    pub async fn until(&self, name: &str, what: &str, is: impl Fn(&MailboxStatus) -> bool) -> MailboxStatus {
        eventually(&format!("{name}: {what}"), SOON, || async {
            let status = self.world.mailboxes.get(name).await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            if is(&status) { Ok(status) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    pub async fn state(&self, name: &str, state: MailboxState) -> MailboxStatus {
        self.until(name, &format!("{state:?}"), |status| status.state == Some(state)).await
    }

    /// Somebody used the mailbox today, nothing will be missing until `through`, and `more` days are known.
    pub async fn used(&self, name: &str, through: Timestamp, more: MailboxActivityStatus) {
        let api: Api<MailboxActivity> = Api::namespaced(self.world.client.clone(), &self.world.namespace);
        let begin = Timestamp::now() - SignedDuration::from_hours(48);
        let status = MailboxActivityStatus {
            last_login: Some(day(Timestamp::now()).to_string()),
            complete_from: Some(Time(begin)),
            complete_through: Some(Time(through)),
            ..more
        };
        let new = MailboxActivity::new(name, MailboxActivitySpec {});
        if api.get_opt(name).await.expect("get").is_none() {
            api.create(&PostParams::default(), &new).await.expect("created");
        }
        let patch = json!({"status": status});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("status");
    }

    /// As the password page does it.
    pub async fn change_password(&self, name: &str) {
        let api: Api<Secret> = Api::namespaced(self.world.client.clone(), &self.world.namespace);
        let now = self.days.now().to_string();
        let patch = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/password-changed-at": now}},
            "data": {"initialPassword": null}});
        api.patch(&format!("{name}-credentials"), &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("changed");
    }
}

/// `spec.restore` by a document that was received then.
pub fn restore(number: &str, received_at: Timestamp) -> String {
    format!(
        ", restore: {{basis: {{number: {number}, date: '2026-03-01', issuer: STTTT}}, receivedAt: '{received_at:.0}'}}"
    )
}
