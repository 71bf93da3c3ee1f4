//! Accounts live by clocks and documents (Điều 5, 6, 9; D-09 to D-16), on the real API server, with the clock moved.

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::ListParams;
use mail_operator::api::{LockReason, MailboxActivityStatus, MailboxState, MailboxStatus};
use mail_operator::domain::calendar::day;

use super::SOON;
use super::days::{ADDRESS, COMPROMISED, LOCKED, Lives, OPEN, restore};
use crate::support::{eventually, initial_password, wait_ready};

const HASH: &str = "SELECT password FROM accounts WHERE mailbox = 'nv-1'";

fn ready_message(status: &MailboxStatus) -> String {
    status.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.message.clone()).unwrap_or_default()
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
    lives.used("nv-1", later, MailboxActivityStatus::default()).await;
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
    lives.person(COMPROMISED).await;
    lives.until("nv-1", "both", |status| status.locks.len() == 2).await;
    let document = restore("8/CV", lives.days.now());
    lives.person(&format!("{COMPROMISED}{document}")).await;
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
    lives.person(COMPROMISED).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    lives.state("nv-1", MailboxState::Locked).await;
    lives.person(&format!("{COMPROMISED}{}", restore("7/CV", lives.days.now()))).await;
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
    let lives = lives.next_leader().await;
    lives.pass(7, &["nv-1"]).await;
    lives.until("nv-1", "overdue", |status| status.restored.as_ref().is_some_and(|restored| restored.overdue)).await;
    assert_eq!(told().await.len(), 1);
    lives.end().await;
}
