//! The journal of a real agent that is killed again and again.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use mail_operator::api::MailSystemStatus;
use mail_operator::backend::MailBackend;
use mail_operator::domain::journal::{self, Event, Head, Known};
use serde_json::json;

use super::{SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator, agent_client};
use crate::support::{apply, eventually, wait_ready};

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
    let known = Known { first: Some(1), heads: vec![head.clone()], noted: None };
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

/// Has the MailSystem looked at, again and again, until its status is as wished.
async fn until<T>(world: &World, what: &str, is: impl Fn(MailSystemStatus) -> Result<T, String>) -> T {
    eventually(what, Duration::from_secs(40), || async {
        let at = format!("{:x}", rand::random::<u64>());
        let patch = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/reconcile-requested-at": at}}});
        let system = world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&patch)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        is(system.map_err(|e| e.to_string())?.status.unwrap_or_default())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_2_the_mail_system_notes_the_end_of_the_journal_and_says_when_it_is_cut_off_or_exchanged() {
    let Some((world, operator, mut agent)) = World::running("noted").await else { return };
    let noted = until(&world, "noted", |status| status.journal.ok_or_else(|| "nothing".into())).await;
    let text = printed(&agent);
    let entries: Vec<_> = text.lines().filter_map(|line| journal::read(line).ok()).collect();
    assert!(
        entries.iter().any(|entry| entry.hash == noted.head && entry.sequence as i64 == noted.entries),
        "{noted:?}"
    );
    // With another mailbox the status is written anyway, and the later end with it.
    for i in 1.. {
        assert!(i < 8, "the end is not noted");
        world.person(&format!("nv-{i}"), "Trần Đình Nguyên", &format!(", localPart: m{i}.stttt")).await;
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
        let later = until(&world, "noted", |status| status.journal.ok_or_else(|| "nothing".into())).await;
        if later.entries > noted.entries {
            break;
        }
    }
    // Somebody exchanges journal and index, and so does the pod start again.
    agent.kill();
    std::fs::remove_dir_all(agent.folder.path().join("journal")).expect("removed");
    agent.start_again();
    let client = agent_client(&world.client, &world.namespace, (agent.address, 8443).into(), 1).await;
    eventually("another journal", SOON, || async { client.journal(batch(0)).await.map_err(|e| e.to_string()) }).await;
    // With the next decision it is looked at, and not a minute later.
    world.person("nv-9", "Trần Đình Nguyên", ", localPart: m9.stttt").await;
    let why = until(&world, "JournalDamaged", |status| {
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready").cloned();
        ready
            .filter(|c| c.reason == "JournalDamaged")
            .map(|c| c.message)
            .ok_or_else(|| format!("{:?}", status.conditions))
    })
    .await;
    let later = world.systems.get("gialai").await.expect("get").status.expect("status").journal.expect("noted");
    assert!(why.contains(&format!("entry {} ", later.entries)) && why.contains("kubectl mail journal verify"), "{why}");
    let known =
        Known { noted: Some(Head { sequence: later.entries as u64, hash: later.head.clone() }), ..Known::default() };
    let bad = journal::verify("journal", &printed(&agent), known).expect_err("exchanged");
    assert_eq!((bad.sequence, bad.fault), (later.entries as u64, journal::Fault::Changed));
    assert!(later.entries > noted.entries && later.entries < EVENTS as i64, "{later:?} is of the old one");
    // A person settles it.
    let none = json!({"status": {"journal": null}});
    world.systems.patch_status("gialai", &PatchParams::default(), &Patch::Merge(&none)).await.expect("settled");
    operator.stop().await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    until(&world, "noted anew", |status| {
        let ready = status.conditions.iter().any(|c| c.reason == "JournalDamaged");
        status.journal.filter(|now| now.entries >= EVENTS as i64 && !ready).ok_or_else(|| "not yet".into())
    })
    .await;
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
