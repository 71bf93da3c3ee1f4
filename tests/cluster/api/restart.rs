//! Operator and agent come and go.

use std::time::Duration;

use super::{SOON, World};
use crate::support::operator::Operator;
use crate::support::{ready, wait_ready, wait_reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_operator_writes_nothing_and_changes_no_account() {
    let Some((world, operator, agent)) = World::running("restart").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.agencies, "stttt", SOON).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    operator.stop().await;
    let revision = agent.rows("SELECT value FROM meta WHERE key = 'revision'");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(agent.rows("SELECT value FROM meta WHERE key = 'revision'"), revision);
    // Children are applied once after a start (8 applies that change nothing); no status, claim or Secret is written.
    let text = operator.metrics.text();
    let written = |needle: &str| text.lines().any(|l| l.contains("kube_requests_total") && l.contains(needle));
    for needle in ["verb=\"patch/status\"", "verb=\"create\"", "kind=\"Mailbox\"", "kind=\"AddressClaim\""] {
        assert!(!written(needle), "{needle}: {text}");
    }
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_lost_its_table_gets_every_account_again() {
    let Some((world, operator, mut agent)) = World::running("lost").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    agent.kill();
    std::fs::remove_file(agent.folder.path().join("mail.sqlite")).expect("lost");
    // A change while the agent is down is kept and said.
    world.person("nv-2", "Lê Thị Hoa", "").await;
    let why = wait_reason(&world.mailboxes, "nv-2", "AgentUnavailable", SOON).await;
    assert!(why.contains("kept"), "{why}");
    assert_eq!(ready(&world.mailboxes.get("nv-1").await.expect("nv-1")), Ok(()), "nothing that is issued changes");
    agent.start_again();
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    agent.until("SELECT mailbox FROM accounts WHERE mailbox LIKE 'nv-%' ORDER BY mailbox", &["nv-1", "nv-2"]).await;
    operator.stop().await;
    world.end().await;
}
