//! Operator and agent come and go.

use std::time::Duration;

use super::journal::printed;
use super::{SOON, World};
use crate::support::operator::Agent;
use crate::support::operator::Operator;
use crate::support::{eventually, ready, wait_ready, wait_reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_operator_writes_nothing_and_changes_no_account() {
    let Some((world, operator, agent)) = World::running("restart").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.agencies, "stttt", SOON).await;
    eventually("both are counted", SOON, || async {
        let status = world.systems.get("gialai").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        if status.mailboxes == Some(2) { Ok(()) } else { Err(format!("{:?}", status.mailboxes)) }
    })
    .await;
    operator.rests().await;
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

/// Writes garbage over all pages of the table but the first one, or over all of them.
fn damage(agent: &Agent, whole: bool) {
    let path = agent.folder.path().join("mail.sqlite");
    let mut bytes = std::fs::read(&path).expect("the table");
    bytes[if whole { 0 } else { 4096 }..].fill(0x5a);
    std::fs::write(path, bytes).expect("damaged");
}

fn copies(agent: &Agent) -> usize {
    let found =
        std::fs::read_dir(agent.folder.path()).expect("folder").filter_map(|e| e.ok()?.file_name().into_string().ok());
    // Beside each stands what was in its log.
    found.filter(|name| name.starts_with("mail.sqlite.damaged-") && name.ends_with('Z')).count()
}

/// People, as Dovecot and Postfix look for them.
fn served(agent: &Agent) -> Result<Vec<String>, String> {
    let db = rusqlite::Connection::open(agent.folder.path().join("mail.sqlite")).expect("database");
    let query = "SELECT mailbox FROM served_accounts WHERE mailbox LIKE 'nv-%' ORDER BY mailbox";
    let mut query = db.prepare(query).map_err(|error| error.to_string())?;
    let rows = query.query_map([], |r| r.get(0)).map_err(|error| error.to_string())?;
    rows.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

async fn until_served(agent: &Agent, expected: &[&str]) {
    eventually("they are found", SOON, || async {
        let found = served(agent)?;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_account_table_is_put_aside_and_every_account_comes_again() {
    let Some((world, operator, mut agent)) = World::running("damaged").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    until_served(&agent, &["nv-1"]).await;
    // At its start, while the operator is away: nobody is unknown.
    agent.kill();
    operator.stop().await;
    damage(&agent, true);
    agent.start_again();
    eventually("it is begun anew", SOON, || async {
        if copies(&agent) == 1 { Ok(()) } else { Err("not yet".to_string()) }
    })
    .await;
    let error = eventually("it can be looked at", SOON, || async {
        match served(&agent) {
            Err(error) if error.contains("not complete yet") => Ok(error),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(!error.contains("no such table"), "{error}");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    until_served(&agent, &["nv-1"]).await;
    let told = |system: &mail_operator::api::MailSystem| {
        let all = system.status.iter().flat_map(|status| status.conditions.clone());
        all.into_iter().find(|c| c.reason == "AccountTableDamaged").map(|c| c.message)
    };
    world.pod_is_ready().await;
    eventually("it is said", SOON, || async {
        told(&world.systems.get("gialai").await.expect("system")).ok_or("not yet".to_string())
    })
    .await;
    // While it runs.
    damage(&agent, false);
    world.person("nv-2", "Lê Thị Hoa", "").await;
    // The agent looks at every page each half minute.
    eventually("it is begun anew once more", Duration::from_secs(75), || async {
        if copies(&agent) == 2 { Ok(()) } else { Err("not yet".to_string()) }
    })
    .await;
    until_served(&agent, &["nv-1", "nv-2"]).await;
    eventually("both are written down", SOON, || async {
        let found = printed(&agent).matches("\"action\":\"RebuildTable\"").count();
        if found == 2 { Ok(()) } else { Err(format!("{found}")) }
    })
    .await;
    operator.stop().await;
    world.end().await;
}
