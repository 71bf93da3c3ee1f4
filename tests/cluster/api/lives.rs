//! Accounts live by clocks and documents (Điều 5, 6, 9; D-09 to D-16), on the real API server, with the clock moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use mail_operator::api::{
    LockReason, MailboxActivity, MailboxActivitySpec, MailboxActivityStatus, MailboxState, MailboxStatus,
};
use mail_operator::controllers::Clock;
use mail_operator::domain::calendar::day;
use serde_json::json;

use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};

pub const NAME: &str = "Trần Đình Nguyên";
pub const ADDRESS: &str = "nguyentd.stttt@gialai.gov.vn";
pub const OPEN: &str =
    "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND NOT locked AND NOT revoked AND NOT pending";
pub const LOCKED: &str = "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND locked";
const HASH: &str = "SELECT password FROM accounts WHERE mailbox = 'nv-1'";

/// A clock that a test moves, in days from now.
pub struct Days(Arc<AtomicI64>);

impl Days {
    fn new() -> (Self, Clock) {
        let days = Arc::new(AtomicI64::new(0));
        let moved = days.clone();
        let now = move || Timestamp::now() + SignedDuration::from_hours(24 * moved.load(Ordering::Relaxed));
        (Self(days), Clock::new(now))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_hours(24 * self.0.load(Ordering::Relaxed))
    }
}

pub struct Lives {
    pub world: World,
    pub operator: Operator,
    pub agent: Agent,
    pub days: Days,
    pub clock: Clock,
}

impl Lives {
    pub async fn new(name: &str) -> Option<Self> {
        Self::with(name, SYSTEM).await
    }

    pub async fn with(name: &str, system: &str) -> Option<Self> {
        let world = World::new(name).await?;
        apply(&world.systems, system).await.expect("system");
        apply(&world.agencies, AGENCY).await.expect("agency");
        let (days, clock) = Days::new();
        let operator = Operator::start_with(world.client.clone(), &world.namespace, clock.clone(), Clock::system());
        let agent = Agent::start(&world.client, &world.namespace).await;
        Some(Self { world, operator, agent, days, clock })
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
        self.days.0.fetch_add(days, Ordering::Relaxed);
        for name in names {
            let word = json!({"metadata": {"annotations":
                {"mail.gialai.gov.vn/reconcile-requested-at": Timestamp::now().to_string()}}});
            self.world.mailboxes.patch(name, &PatchParams::default(), &Patch::Merge(&word)).await.expect("annotated");
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

    /// Somebody used the mailbox today, and nothing will be missing until `through`.
    async fn used(&self, name: &str, through: Timestamp) {
        let api: Api<MailboxActivity> = Api::namespaced(self.world.client.clone(), &self.world.namespace);
        let begin = Timestamp::now() - SignedDuration::from_hours(48);
        let status = MailboxActivityStatus {
            last_login: Some(day(Timestamp::now()).to_string()),
            complete_from: Some(Time(begin)),
            complete_through: Some(Time(through)),
            ..MailboxActivityStatus::default()
        };
        let new = MailboxActivity::new(name, MailboxActivitySpec {});
        if api.get_opt(name).await.expect("get").is_none() {
            api.create(&PostParams::default(), &new).await.expect("created");
        }
        let patch = json!({"status": status});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("status");
    }
}

fn ready_message(status: &MailboxStatus) -> String {
    status.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.message.clone()).unwrap_or_default()
}

/// `spec.restore` by a document that was received then.
pub fn restore(number: &str, received_at: Timestamp) -> String {
    format!(
        ", restore: {{basis: {{number: {number}, date: '2026-03-01', issuer: STTTT}}, receivedAt: '{received_at:.0}'}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_2_d_r6_3_d_12_the_default_password_locks_and_a_document_gives_a_new_one_once() {
    let Some(lives) = Lives::new("default").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let first = initial_password(&world.client, &world.namespace, "nv-1").await;
    let due = lives.until("nv-1", "what is due", |status| !status.due.is_empty()).await.due;
    assert_eq!(
        (due[0].action.as_str(), due[0].reason.as_str(), due[0].rule.as_str()),
        ("Lock", "DefaultPassword", "6.2.d")
    );
    // The day before it is due nothing happens.
    let left = due[0].at.0.duration_since(Timestamp::now()).as_hours() / 24;
    lives.pass(left - 1, &["nv-1"]).await;
    world.person("nv-2", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    assert_eq!(lives.agent.rows(OPEN), [ADDRESS]);
    lives.pass(2, &["nv-1"]).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    let status = lives.state("nv-1", MailboxState::Locked).await;
    assert_eq!((status.locks.len(), status.locks[0].reason), (1, LockReason::DefaultPassword));
    assert!(status.locks[0].basis.is_none() && status.locks[0].since.0 > due[0].at.0);
    let why = ready_message(&status);
    assert!(why.contains("6.2.d") && why.contains("spec.restore") && why.contains("R6.1"), "{why}");
    // A document gives it back, with another password that nobody else knows.
    let old = lives.agent.rows(HASH);
    let document = restore("7/CV", lives.days.now());
    lives.person(&document).await;
    lives.agent.until(OPEN, &[ADDRESS]).await;
    let status = lives.state("nv-1", MailboxState::Active).await;
    assert!(status.locks.is_empty() && status.unlocked_at.is_some() && status.password_changed_at.is_none());
    let handled = status.restored.expect("restored");
    assert!(handled.document.contains("7/CV") && handled.handled_at.is_some(), "{handled:?}");
    let second = initial_password(&world.client, &world.namespace, "nv-1").await;
    assert_ne!(first, second);
    assert_ne!(lives.agent.rows(HASH), old);
    // The clock began anew (D-12), and the document was for once.
    lives.pass(20, &["nv-1"]).await;
    world.person("nv-3", "Phạm Cúc", "").await;
    wait_ready(&world.mailboxes, "nv-3", SOON).await;
    assert_eq!(lives.agent.rows(OPEN), [ADDRESS]);
    lives.pass(20, &["nv-1"]).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    lives.state("nv-1", MailboxState::Locked).await;
    lives.pass(0, &["nv-1"]).await;
    assert_eq!(initial_password(&world.client, &world.namespace, "nv-1").await, second);
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_2_a_d_16_silence_locks_where_it_is_proven_and_nowhere_else() {
    let Some(lives) = Lives::new("silent").await else { return };
    let world = &lives.world;
    lives.person("").await;
    world.person("nv-2", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    lives.change_password("nv-1").await;
    lives.change_password("nv-2").await;
    lives.until("nv-1", "changed", |status| status.password_changed_at.is_some()).await;
    lives.until("nv-2", "changed", |status| status.password_changed_at.is_some()).await;
    let later = Timestamp::now() + SignedDuration::from_hours(24 * 100);
    lives.used("nv-1", later).await;
    // Two and a half months later: it is told when it is due.
    lives.pass(75, &["nv-1", "nv-2"]).await;
    let due = lives.until("nv-1", "due", |status| !status.due.is_empty()).await.due;
    assert_eq!((due[0].reason.as_str(), due[0].rule.as_str()), ("Inactive", "6.2.a"));
    assert_eq!(lives.agent.rows(OPEN), [ADDRESS]);
    lives.pass(24, &["nv-1", "nv-2"]).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    let status = lives.state("nv-1", MailboxState::Locked).await;
    assert_eq!(status.locks[0].reason, LockReason::Inactive);
    // Of the other one nothing is known, so nothing happens (D-16).
    let open = "SELECT mailbox FROM accounts WHERE mailbox = 'nv-2' AND NOT locked";
    assert_eq!(lives.agent.rows(open), ["nv-2"]);
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_more_locks_than_the_brake_allows_wait_for_a_document_also_with_the_next_leader() {
    let Some(lives) = Lives::new("brake").await else { return };
    let world = &lives.world;
    let names: Vec<String> = (0..22).map(|i| format!("nv-{i}")).collect();
    for (i, name) in names.iter().enumerate() {
        world.person(name, "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    for name in &names {
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    wait_ready(&world.mailboxes, "agency-stttt", SOON).await;
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    lives.pass(40, &all).await;
    let locked = "SELECT count(*) || '' FROM accounts WHERE locked AND mailbox LIKE 'nv-%'";
    let why = wait_reason(&world.systems, "gialai", "HeldByBrake", SOON).await;
    assert!(why.contains("23") && why.contains("D-15"), "{why}");
    wait_reason(&world.mailboxes, "nv-3", "HeldByBrake", SOON).await;
    let held = |system: mail_operator::api::MailSystem| system.status.and_then(|status| status.held);
    let first = held(world.systems.get("gialai").await.expect("system")).expect("held");
    assert_eq!((first.count, first.actions.len(), first.actions[0].rule.as_str()), (23, 23, "6.2.d"));
    let Lives { world, operator, agent, days, clock } = lives;
    operator.stop().await;
    let operator = Operator::start_with(world.client.clone(), &world.namespace, clock.clone(), Clock::system());
    let lives = Lives { world, operator, agent, days, clock };
    let world = &lives.world;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let second = held(world.systems.get("gialai").await.expect("system")).expect("held");
    assert_eq!(second.token, first.token);
    assert_eq!(lives.agent.rows(locked), ["0"]);
    // A word for others says nothing.
    let word = |token: &str| {
        SYSTEM.replace(
            "dovecot:",
            &format!(
                "acknowledge: {{held: {token}, basis: {{number: 1/TB, date: '2026-03-01', issuer: STTTT}}}}, dovecot:"
            ),
        )
    };
    apply(&world.systems, &word("23-00000000")).await.expect("said");
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(lives.agent.rows(locked), ["0"]);
    apply(&world.systems, &word(&second.token)).await.expect("said");
    lives.agent.until(locked, &["22"]).await;
    for name in &all {
        lives.state(name, MailboxState::Locked).await;
    }
    eventually("nothing is held", SOON, || async {
        let system = world.systems.get("gialai").await.map_err(|e| e.to_string())?;
        held(system).map_or(Ok(()), |held| Err(held.token))
    })
    .await;
    lives.end().await;
}

/// The files come back, and the status with the locks of clocks does not.
#[tokio::test(flavor = "multi_thread")]
async fn d_15_r6_3_who_was_locked_when_the_tree_was_lost_is_locked_when_it_comes_back() {
    let Some(lives) = Lives::new("lost-locked").await else { return };
    let world = &lives.world;
    let names = ["nv-1", "nv-2", "nv-3"];
    let people = async || {
        for (name, full_name) in names.iter().zip([NAME, "Lê Thị Hoa", "Phạm Cúc"]) {
            world.person(name, full_name, "").await;
            wait_ready(&world.mailboxes, name, SOON).await;
        }
    };
    people().await;
    lives.pass(40, &names).await;
    let locked = "SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%' ORDER BY mailbox";
    lives.agent.until(locked, &names).await;
    for name in names {
        lives.state(name, MailboxState::Locked).await;
    }
    let small = SYSTEM.replace("MailAllowed}", "MailAllowed, brake: {max: 1, percent: 0}}");
    apply(&world.systems, &small).await.expect("a small brake");
    for name in names {
        world.mailboxes.delete(name, &DeleteParams::default()).await.expect("deleted");
    }
    wait_reason(&world.systems, "gialai", "HeldByBrake", SOON).await;
    assert_eq!(lives.agent.rows(locked), names);
    people().await;
    for name in names {
        let status = lives.state(name, MailboxState::Locked).await;
        assert_eq!(status.locks[0].reason, LockReason::DefaultPassword);
    }
    eventually("nothing is held", SOON, || async {
        let system = world.systems.get("gialai").await.map_err(|e| e.to_string())?;
        system.status.and_then(|status| status.held).map_or(Ok(()), |held| Err(held.token))
    })
    .await;
    assert_eq!(lives.agent.rows(locked), names);
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_opens_on_its_first_day_and_senders_are_told_to_try_again() {
    let Some(lives) = Lives::new("starts").await else { return };
    let tomorrow = day(Timestamp::now() + SignedDuration::from_hours(24));
    lives.person(&format!(", startsOn: '{tomorrow}'")).await;
    let pending = "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND pending";
    lives.agent.until(pending, &[ADDRESS]).await;
    wait_ready(&lives.world.mailboxes, "nv-1", SOON).await;
    let why = ready_message(&lives.state("nv-1", MailboxState::Pending).await);
    assert!(why.contains(&tomorrow.to_string()), "{why}");
    lives.pass(2, &["nv-1"]).await;
    lives.agent.until(OPEN, &[ADDRESS]).await;
    lives.state("nv-1", MailboxState::Active).await;
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_13_r6_3_a_document_takes_away_what_a_clock_locked_and_people_their_own() {
    let Some(lives) = Lives::new("both").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    lives.pass(40, &["nv-1"]).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    let lock = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";
    lives.person(lock).await;
    lives.until("nv-1", "both", |status| status.locks.len() == 2).await;
    let document = restore("8/CV", lives.days.now());
    lives.person(&format!("{lock}{document}")).await;
    let status = lives.until("nv-1", "one is taken away", |status| status.locks.len() == 1).await;
    assert_eq!((status.locks[0].reason, status.relieved.len()), (LockReason::Compromised, 1));
    assert_eq!(lives.agent.rows(LOCKED), [ADDRESS]);
    let before = initial_password(&world.client, &world.namespace, "nv-1").await;
    lives.person(&document).await;
    lives.agent.until(OPEN, &[ADDRESS]).await;
    lives.state("nv-1", MailboxState::Active).await;
    assert_ne!(initial_password(&world.client, &world.namespace, "nv-1").await, before);
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_3_half_of_the_three_working_days_warns_once_for_each_document() {
    let Some(lives) = Lives::new("half-time").await else { return };
    let lock = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";
    lives.person(lock).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    lives.state("nv-1", MailboxState::Locked).await;
    lives.person(&format!("{lock}{}", restore("7/CV", lives.days.now()))).await;
    let status = lives.until("nv-1", "the request", |status| status.restored.is_some()).await;
    let due = status.due.iter().find(|due| due.action == "RestoreDue").expect("due").at.0;
    let last = day(due).yesterday().expect("a day");
    assert!(ready_message(&status).contains(&format!("by the end of {last}")), "{}", ready_message(&status));
    let events: Api<Event> = Api::namespaced(lives.world.client.clone(), &lives.world.namespace);
    let told = async || {
        let all = events.list(&ListParams::default()).await.expect("events").items;
        all.into_iter().filter(|event| event.reason.as_deref() == Some("RestoreHalfTime")).collect::<Vec<_>>()
    };
    assert_eq!((status.restored.expect("restored").half_told, told().await.len()), (false, 0));
    let half = due.duration_since(lives.days.now()).as_hours() / 48 + 1;
    lives.pass(half, &["nv-1"]).await;
    lives.until("nv-1", "told", |status| status.restored.as_ref().is_some_and(|restored| restored.half_told)).await;
    let event = eventually("the event", SOON, || async { told().await.pop().ok_or("none yet".to_string()) }).await;
    let note = event.note.unwrap_or_default();
    assert!(event.type_.as_deref() == Some("Warning") && note.contains("7/CV"), "{note}");
    // Neither the next leader nor the end of the term says it again.
    let Lives { world, operator, agent, days, clock } = lives;
    operator.stop().await;
    let operator = Operator::start_with(world.client.clone(), &world.namespace, clock.clone(), Clock::system());
    let lives = Lives { world, operator, agent, days, clock };
    lives.pass(7, &["nv-1"]).await;
    lives.until("nv-1", "overdue", |status| status.restored.as_ref().is_some_and(|restored| restored.overdue)).await;
    assert_eq!(told().await.len(), 1);
    lives.end().await;
}

impl Lives {
    /// As the password page does it.
    pub async fn change_password(&self, name: &str) {
        use k8s_openapi::api::core::v1::Secret;
        let api: Api<Secret> = Api::namespaced(self.world.client.clone(), &self.world.namespace);
        let now = self.days.now().to_string();
        let patch = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/password-changed-at": now}},
            "data": {"initialPassword": null}});
        api.patch(&format!("{name}-credentials"), &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_who_opens_an_account_behind_the_operator_is_corrected_and_written_down() {
    let Some(lives) = Lives::new("foreign").await else { return };
    lives.person(", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}").await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    lives.state("nv-1", MailboxState::Locked).await;
    let table = rusqlite::Connection::open(lives.agent.folder.path().join("mail.sqlite")).expect("the table");
    table.execute("UPDATE accounts SET locked = 0 WHERE mailbox = 'nv-1'", []).expect("opened");
    eventually("it is locked again", std::time::Duration::from_secs(25), || async {
        let rows = lives.agent.rows(LOCKED);
        if rows == [ADDRESS] { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    assert!(super::journal::printed(&lives.agent).contains("\"action\":\"ChangeTable\""));
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_3_d_12_a_status_that_somebody_edits_is_put_back_and_written_down() {
    let Some(lives) = Lives::new("edited").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    lives.pass(40, &["nv-1"]).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    let before = lives.state("nv-1", MailboxState::Locked).await;
    // No lock, and a baseline that would keep the clock from running out again.
    let edit = json!({"status": {"locks": [], "state": "Active", "unlockedAt": lives.days.now().to_string()}});
    world.mailboxes.patch_status("nv-1", &PatchParams::default(), &Patch::Merge(&edit)).await.expect("edited");
    let after =
        lives.until("nv-1", "as it was", |status| !status.locks.is_empty() && status.unlocked_at.is_none()).await;
    assert_eq!((&after.locks, after.state), (&before.locks, before.state));
    assert_eq!(lives.agent.rows(LOCKED), [ADDRESS]);
    eventually("it is written down", SOON, || async {
        let text = super::journal::printed(&lives.agent);
        if text.contains("\"action\":\"EditStatus\"") { Ok(()) } else { Err("not yet".to_string()) }
    })
    .await;
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_what_a_person_released_is_done_by_the_next_leader_although_the_word_fits_no_more() {
    let Some(world) = World::new("word").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let agent = Agent::start(&world.client, &world.namespace).await;
    let person = |i: usize, more: &str| format!("{}{more}", format_args!(", localPart: m{i}.stttt"));
    let over = ", endsOn: '2020-01-01'";
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &person(i, "")).await;
    }
    for i in 0..25 {
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
    }
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &person(i, over)).await;
    }
    wait_reason(&world.systems, "gialai", "HeldByBrake", SOON).await;
    let status = async || world.systems.get("gialai").await.expect("system").status.unwrap_or_default();
    let held = eventually("25 are held", SOON, || async {
        status().await.held.filter(|held| held.count == 25).ok_or_else(|| "others".to_string())
    });
    let token = held.await.token;
    let word = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-held": token}}});
    world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&word)).await.expect("said");
    // Killed between the word and what follows from it.
    let released = eventually("it is written down", SOON, || async {
        status().await.released.ok_or_else(|| "not yet".to_string())
    })
    .await;
    operator.kill().await;
    assert_eq!((released.token.as_str(), released.count), (token.as_str(), 25));
    let revoked = "SELECT count(*) || '' FROM accounts WHERE revoked";
    let done: usize = agent.rows(revoked)[0].parse().expect("a number");
    assert!(done < 25, "there is something left to do");
    // One of those that are left is not wanted any more: the token of the rest is another one.
    let mailboxes = world.mailboxes.list(&kube::api::ListParams::default()).await.expect("list");
    let left = mailboxes.iter().filter(|m| m.status.as_ref().is_some_and(|s| s.state == Some(MailboxState::Active)));
    let names: Vec<String> = left.filter_map(|m| m.metadata.name.clone()).filter(|n| n.starts_with("nv-")).collect();
    let mended: usize = names.last().and_then(|name| name.strip_prefix("nv-")?.parse().ok()).expect("one that is left");
    world.person(&format!("nv-{mended}"), "Trần Văn Minh", &person(mended, "")).await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    agent.until(revoked, &["24"]).await;
    eventually("nothing is held", SOON, || async {
        status().await.held.map_or(Ok(()), |held| Err(format!("{} {:?}", held.token, held.actions)))
    })
    .await;
    let open = format!("SELECT mailbox FROM accounts WHERE NOT revoked AND mailbox = 'nv-{mended}'");
    assert_eq!(agent.rows(&open), [format!("nv-{mended}")]);
    // It was good for these, and for nothing that comes later: one more is no more than the brake allows.
    world.person(&format!("nv-{mended}"), "Trần Văn Minh", &person(mended, over)).await;
    agent.until(revoked, &["25"]).await;
    operator.stop().await;
    world.end().await;
}
