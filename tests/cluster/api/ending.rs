//! Accounts end by a document or on their official day (5.4), never before, and come back as they were (D-14).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use mail_operator::api::{Mailbox, MailboxState};
use mail_operator::controllers::Clock;
use mail_operator::domain::calendar::day;

use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};

const OPEN: &str = "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND NOT revoked AND password IS NOT NULL";
const REVOKED: &str = "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND revoked AND password IS NULL";

/// A clock that tests move, in minutes from now.
fn clock() -> (Arc<AtomicI64>, Clock) {
    let minutes = Arc::new(AtomicI64::new(0));
    let moved = minutes.clone();
    let now = move || Timestamp::now() + SignedDuration::from_mins(moved.load(Ordering::Relaxed));
    (minutes, Clock::new(now))
}

impl World {
    async fn is(&self, name: &str, state: MailboxState) -> Mailbox {
        eventually(&format!("{name} is {state:?}"), SOON, || async {
            let mailbox = self.mailboxes.get(name).await.map_err(|e| e.to_string())?;
            let now = mailbox.status.as_ref().and_then(|s| s.state);
            if now == Some(state) { Ok(mailbox) } else { Err(format!("{now:?}")) }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d_11_d_14_a_document_revokes_at_once_and_taking_it_back_gives_the_same_account() {
    let Some((world, operator, agent)) = World::running("revoke").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    let hash = agent.rows("SELECT password FROM accounts WHERE mailbox = 'nv-1'");
    world.person("nv-1", "Trần Đình Nguyên", ", state: Revoked").await;
    agent.until(REVOKED, &["nguyentd.stttt@gialai.gov.vn"]).await;
    let status = world.is("nv-1", MailboxState::Revoked).await.status.expect("status");
    assert!(status.revoked_at.is_some() && status.address.as_deref() == Some("nguyentd.stttt@gialai.gov.vn"));
    let why = status.conditions.iter().find(|c| c.type_ == "Ready").expect("Ready");
    assert_eq!((why.status.as_str(), why.reason.as_str()), ("True", "Revoked"));
    assert!(why.message.contains("R5.4.c") && why.message.contains("D-14"), "{why:?}");
    // The next leader knows it, too.
    operator.stop().await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    world.person("nv-2", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    assert_eq!(agent.rows(REVOKED), ["nguyentd.stttt@gialai.gov.vn"]);
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    agent.until(OPEN, &["nguyentd.stttt@gialai.gov.vn"]).await;
    let status = world.is("nv-1", MailboxState::Active).await.status.expect("status");
    assert_eq!((status.revoked_at, agent.rows("SELECT password FROM accounts WHERE mailbox = 'nv-1'")), (None, hash));
    assert_eq!(initial_password(&world.client, &world.namespace, "nv-1").await, password);
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_4_b_the_official_day_ends_an_account_and_never_before() {
    let Some(world) = World::new("ends").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    let (minutes, clock) = clock();
    let operator = Operator::start_with(world.client.clone(), &world.namespace, clock, Clock::system());
    let agent = Agent::start(&world.client, &world.namespace).await;
    let now = Timestamp::now();
    let tomorrow = day(now).tomorrow().expect("a day");
    world.person("nv-1", "Trần Đình Nguyên", &format!(", endsOn: '{tomorrow}'")).await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    agent.until(OPEN, &["nguyentd.stttt@gialai.gov.vn"]).await;
    let left = mail_operator::domain::calendar::midnight(tomorrow).duration_since(now).as_mins();
    // A minute or two before; a test that runs into midnight itself has nothing to say.
    if left > 5 {
        minutes.store(left - 2, Ordering::Relaxed);
        world.look_again("nv-1").await;
        world.person("nv-2", "Lê Thị Hoa", "").await;
        wait_ready(&world.mailboxes, "nv-2", SOON).await;
        assert_eq!(agent.rows(OPEN), ["nguyentd.stttt@gialai.gov.vn"]);
    }
    minutes.store(left + 1, Ordering::Relaxed);
    world.look_again("nv-1").await;
    agent.until(REVOKED, &["nguyentd.stttt@gialai.gov.vn"]).await;
    let status = world.is("nv-1", MailboxState::Revoked).await.status.expect("status");
    let why = status.conditions.iter().find(|c| c.type_ == "Ready").expect("Ready");
    assert!(why.message.contains("spec.endsOn") && why.message.contains("R5.4.b"), "{why:?}");
    // A leader whose clock is behind does not open it.
    minutes.store(-10, Ordering::Relaxed);
    world.look_again("nv-1").await;
    world.person("nv-3", "Phạm Cúc", "").await;
    wait_ready(&world.mailboxes, "nv-3", SOON).await;
    assert_eq!(agent.rows(REVOKED), ["nguyentd.stttt@gialai.gov.vn"]);
    minutes.store(left + 1, Ordering::Relaxed);
    // A later day gives it back.
    world.person("nv-1", "Trần Đình Nguyên", ", endsOn: '2999-12-31'").await;
    agent.until(OPEN, &["nguyentd.stttt@gialai.gov.vn"]).await;
    world.is("nv-1", MailboxState::Active).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_a_wrong_day_in_many_files_is_held_and_mending_them_is_enough() {
    let Some((world, operator, agent)) = World::running("many-end").await else { return };
    let wrong = |i: usize| format!(", localPart: m{i}.stttt, endsOn: '2020-01-01'");
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    for i in 0..25 {
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
    }
    // All of one commit: the next leader sees them together.
    operator.stop().await;
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &wrong(i)).await;
    }
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let why = wait_reason(&world.systems, "gialai", "HeldByBrake", SOON).await;
    assert!(why.contains("25"), "{why}");
    for i in [0, 24] {
        let why = wait_reason(&world.mailboxes, &format!("nv-{i}"), "HeldByBrake", SOON).await;
        assert!(why.contains("D-15") && why.contains("goes on"), "{why}");
    }
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE revoked"), Vec::<String>::new());
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    for i in 0..25 {
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
    }
    eventually("nothing is held", SOON, || async {
        let system = world.systems.get("gialai").await.map_err(|e| e.to_string())?;
        let held = system.status.iter().flat_map(|s| &s.conditions).find(|c| c.reason == "HeldByBrake");
        held.map_or(Ok(()), |c| Err(c.message.clone()))
    })
    .await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE revoked"), Vec::<String>::new());
    operator.stop().await;
    world.end().await;
}
