//! More at once than the brake allows waits for a person (D-15), on the real API server, with the clock moved.

use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use mail_operator::api::{LockReason, MailSystemStatus, MailboxState};
use serde_json::json;

use super::days::{Lives, NAME};
use super::{SOON, SYSTEM, World};
use crate::support::operator::Operator;
use crate::support::{apply, eventually, wait_ready, wait_reason};

async fn said(world: &World) -> MailSystemStatus {
    world.systems.get("gialai").await.expect("system").status.unwrap_or_default()
}

async fn nothing_is_held(world: &World) {
    eventually("nothing is held", SOON, || async {
        said(world).await.held.map_or(Ok(()), |held| Err(format!("{} {:?}", held.token, held.actions)))
    })
    .await;
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
    let first = said(world).await.held.expect("held");
    assert_eq!((first.count, first.actions.len(), first.actions[0].rule.as_str()), (23, 23, "6.2.d"));
    let lives = lives.next_leader().await;
    let world = &lives.world;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let second = said(world).await.held.expect("held");
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
    nothing_is_held(world).await;
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
    nothing_is_held(world).await;
    assert_eq!(lives.agent.rows(locked), names);
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_what_a_person_released_is_done_by_the_next_leader_although_the_word_fits_no_more() {
    for attempt in 0..3 {
        if is_done_by_the_next_leader(&format!("word-{attempt}")).await {
            return;
        }
    }
    panic!("three times the operator had done all before it was killed");
}

/// Whether the operator was killed before it had done what was released.
async fn is_done_by_the_next_leader(name: &str) -> bool {
    let Some((world, operator, agent)) = World::running(name).await else { return true };
    let person = |i: usize, more: &str| format!("{}{more}", format_args!(", localPart: m{i}.stttt"));
    let over = ", endsOn: '2020-01-01'";
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &person(i, "")).await;
    }
    for i in 0..25 {
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
    }
    // All of one commit: the next leader sees them together.
    operator.stop().await;
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &person(i, over)).await;
    }
    let operator = Operator::start(world.client.clone(), &world.namespace);
    wait_reason(&world.systems, "gialai", "HeldByBrake", SOON).await;
    let held = eventually("25 are held", SOON, || async {
        said(&world).await.held.filter(|held| held.count == 25).ok_or_else(|| "others".to_string())
    });
    let token = held.await.token;
    let word = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-held": token}}});
    world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&word)).await.expect("said");
    // Killed between the word and what follows from it.
    let released = eventually("it is written down", SOON, || async {
        said(&world).await.released.ok_or_else(|| "not yet".to_string())
    })
    .await;
    operator.kill().await;
    assert_eq!((released.token.as_str(), released.count), (token.as_str(), 25));
    let revoked = "SELECT count(*) || '' FROM accounts WHERE revoked";
    let done: usize = agent.rows(revoked)[0].parse().expect("a number");
    if done == 25 {
        world.end().await;
        return false;
    }
    // One of those that are left is not wanted any more: the token of the rest is another one.
    let mailboxes = world.mailboxes.list(&ListParams::default()).await.expect("list");
    let left = mailboxes.iter().filter(|m| m.status.as_ref().is_some_and(|s| s.state == Some(MailboxState::Active)));
    let names: Vec<String> = left.filter_map(|m| m.metadata.name.clone()).filter(|n| n.starts_with("nv-")).collect();
    let mended: usize = names.last().and_then(|name| name.strip_prefix("nv-")?.parse().ok()).expect("one that is left");
    world.person(&format!("nv-{mended}"), "Trần Văn Minh", &person(mended, "")).await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    agent.until(revoked, &["24"]).await;
    nothing_is_held(&world).await;
    let open = format!("SELECT mailbox FROM accounts WHERE NOT revoked AND mailbox = 'nv-{mended}'");
    assert_eq!(agent.rows(&open), [format!("nv-{mended}")]);
    // It was good for these, and for nothing that comes later: one more is no more than the brake allows.
    world.person(&format!("nv-{mended}"), "Trần Văn Minh", &person(mended, over)).await;
    agent.until(revoked, &["25"]).await;
    operator.stop().await;
    world.end().await;
    true
}
