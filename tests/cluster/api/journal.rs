//! The journal of a real agent that is killed again and again.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use mail_operator::backend::MailBackend;
use mail_operator::domain::journal::{self, Event, Head, Known};

use super::{SYSTEM, World};
use crate::support::operator::{Agent, agent_client};
use crate::support::{apply, eventually};

const ROUNDS: usize = 12;
const EVENTS: usize = 150;

fn batch(round: usize) -> Vec<Event> {
    let event = |n: usize| Event {
        key: format!("{round}/{n}"),
        at: Timestamp::now(),
        actor: "mail-operator".into(),
        action: "Lock".into(),
        note: "x".repeat(n * 4),
        ..Event::default()
    };
    (0..EVENTS).map(event).collect()
}

pub(super) fn printed(agent: &Agent) -> String {
    let folder = agent.folder.path().join("journal");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mail-operator"));
    let output = command.args(["journal", "print", "--folder"]).arg(folder).output().expect("printed");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_2_an_agent_killed_while_it_writes_writes_every_decision_once() {
    let Some((world, operator, mut agent)) = World::running("journal").await else { return };
    let address = (agent.address, 8443).into();
    let mut head = Head::default();
    for round in 0..ROUNDS {
        let client = agent_client(&world.client, &world.namespace, address, 1).await;
        let writes = tokio::spawn(async move { client.journal(batch(round)).await });
        tokio::time::sleep(Duration::from_millis(rand::random::<u64>() % 40)).await;
        agent.kill();
        let _ = writes.await.expect("no panic");
        agent.start_again();
        head = eventually("written", Duration::from_secs(20), || async {
            let client = agent_client(&world.client, &world.namespace, address, 1).await;
            client.journal(batch(round)).await.map_err(|e| e.to_string())
        })
        .await;
    }
    let text = printed(&agent);
    let known = Known { first: Some(1), heads: vec![head.clone()] };
    let summary = journal::verify("journal", &text, known).unwrap_or_else(|bad| panic!("{bad:?}"));
    assert_eq!(summary.head, head);
    let all: Vec<String> =
        text.lines().filter_map(|line| journal::read(line).ok()).map(|entry| entry.event.key).collect();
    let keys: BTreeSet<&String> = all.iter().collect();
    assert_eq!(keys.len(), all.len(), "each once");
    let ours = (0..ROUNDS).flat_map(batch).filter(|event| keys.contains(&event.key)).count();
    // Beside them the operator's own: an issue.
    assert_eq!((ours, all.len() > ours), (ROUNDS * EVENTS, true));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_2_the_api_server_refuses_to_keep_the_journal_for_less_than_six_months() {
    let Some(world) = World::new("months").await else { return };
    let with = |months: u16| SYSTEM.replace("firstAccess: MailAllowed", &format!("retention: {{logMonths: {months}}}"));
    let refused = apply(&world.systems, &with(5)).await.expect_err("five").to_string();
    assert!(refused.contains("7.2: logs and journal are kept for at least 6 months"), "{refused}");
    assert!(apply(&world.systems, &with(121)).await.is_err());
    let taken = apply(&world.systems, &with(24)).await.expect("24");
    assert_eq!(taken.spec.regulation.retention.log_months, 24);
    world.end().await;
}
