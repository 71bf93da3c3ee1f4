//! Mail of a revoked account is refused, or forwarded to its successor (requirements §5), and that follows whatever becomes of the
//! successor.

use kube::api::DeleteParams;
use mail_operator::api::Mailbox;
use mail_operator::domain::journal::Event;

use super::journal::printed;
use super::{SOON, World, person};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, wait_ready, wait_reason};

/// Where mail to each address of nv-1 is led.
const LED: &str = "SELECT source || ' > ' || destination FROM aliases WHERE mailbox = 'nv-1' ORDER BY source";
const REVOKED: &str = "SELECT mailbox FROM accounts WHERE revoked ORDER BY mailbox";
const NGUYEN: &str = "Trần Đình Nguyên";
const HOA: &str = "Lê Thị Hoa";
const CUC: &str = "Phạm Cúc";

/// nv-1 with an alias, and where its spec has its mail go.
const GONE: &str = ", aliases: [thuky.stttt], state: Revoked, successorRef: {name: nv-2}";

fn led(to: &str) -> [String; 2] {
    ["nguyentd.stttt@gialai.gov.vn", "thuky.stttt@gialai.gov.vn"].map(|from| format!("{from} > {to}"))
}

async fn leads(agent: &Agent, to: &str) {
    let [address, alias] = led(to);
    agent.until(LED, &[&address, &alias]).await;
}

fn ready(mailbox: &Mailbox) -> (String, String) {
    let conditions = mailbox.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
    ready.map(|ready| (ready.reason.clone(), ready.message.clone())).unwrap_or_default()
}

impl World {
    /// Waits until `Ready` of nv-1 says this.
    async fn says(&self, reason: &str, part: &str) {
        eventually(&format!("nv-1 says {reason}: {part}"), SOON, || async {
            let told = ready(&self.mailboxes.get("nv-1").await.map_err(|e| e.to_string())?);
            if told.0 == reason && told.1.contains(part) { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_4_c_mail_of_a_revoked_account_goes_to_its_successor_and_follows_it() {
    let Some((world, operator, agent)) = World::running("successor").await else { return };
    world.person("nv-1", NGUYEN, ", aliases: [thuky.stttt], successorRef: {name: nv-2}").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    // Nobody forwards who is not revoked.
    agent.until(LED, &["thuky.stttt@gialai.gov.vn > nguyentd.stttt@gialai.gov.vn"]).await;
    // The successor comes later: until then mail is refused.
    world.person("nv-1", NGUYEN, GONE).await;
    let why = wait_reason(&world.mailboxes, "nv-1", "SuccessorNotFound", SOON).await;
    assert!(why.contains("no Mailbox 'nv-2'") && why.contains("Mail is refused"), "{why}");
    agent.until(LED, &[]).await;
    assert_eq!(agent.rows(REVOKED), ["nv-1"]);
    world.person("nv-2", HOA, "").await;
    leads(&agent, "hoalt.stttt@gialai.gov.vn").await;
    world.says("Revoked", "forwarded to hoalt.stttt@gialai.gov.vn").await;
    // A lock is no obstacle (R6.1), another address is followed.
    let document = "basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}";
    world.person("nv-2", HOA, &format!(", lock: {{reasons: [Compromised], {document}}}")).await;
    agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox = 'nv-2'", &["nv-2"]).await;
    leads(&agent, "hoalt.stttt@gialai.gov.vn").await;
    world.person("nv-2", HOA, &format!(", disambiguator: '2', rename: {{{document}}}")).await;
    leads(&agent, "hoalt2.stttt@gialai.gov.vn").await;
    // One that is revoked hands on to its own, and what a leader forgot is known to the next one.
    world.person("nv-3", CUC, "").await;
    world.person("nv-2", HOA, &format!(", disambiguator: '2', rename: {{{document}}}, state: Revoked")).await;
    let why = wait_reason(&world.mailboxes, "nv-1", "SuccessorNotFound", SOON).await;
    assert!(why.contains("'nv-2' is revoked itself"), "{why}");
    agent.until(LED, &[]).await;
    operator.stop().await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    world.person("nv-2", HOA, ", disambiguator: '2', state: Revoked, successorRef: {name: nv-3}").await;
    leads(&agent, "cucp.stttt@gialai.gov.vn").await;
    // One that is gone and comes back.
    world.mailboxes.delete("nv-3", &DeleteParams::default()).await.expect("deleted");
    world.says("SuccessorNotFound", "no Mailbox 'nv-3'").await;
    agent.until(LED, &[]).await;
    world.person("nv-3", CUC, "").await;
    leads(&agent, "cucp.stttt@gialai.gov.vn").await;
    // Undone: at once the mail is its own again.
    world.person("nv-1", NGUYEN, ", aliases: [thuky.stttt], successorRef: {name: nv-2}").await;
    agent.until(LED, &["thuky.stttt@gialai.gov.vn > nguyentd.stttt@gialai.gov.vn"]).await;
    assert_eq!(agent.rows(REVOKED), ["nv-2"]);
    let status = wait_ready(&world.mailboxes, "nv-1", SOON).await.status.expect("status");
    assert_eq!((status.forwarding, status.aliases), (None, vec!["thuky.stttt@gialai.gov.vn".to_string()]));
    written_down(&agent);
    operator.stop().await;
    world.end().await;
}

/// Who gets whose mail is in the journal (R5.2), each change once.
fn written_down(agent: &Agent) {
    let text = printed(agent);
    let all: Vec<Event> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |action: &str| -> Vec<&Event> {
        all.iter().filter(|event| event.mailbox == "nv-1" && event.action == action).collect()
    };
    let revoked = of("Revoke");
    assert_eq!(revoked.len(), 1, "{text}");
    assert!(revoked[0].note.contains("successor nv-2 does not receive"), "{:?}", revoked[0]);
    let changes: Vec<&str> =
        of("Forward").iter().map(|event| event.after.split('.').next().unwrap_or_default()).collect();
    assert_eq!(changes, ["hoalt", "hoalt2", "", "cucp", "", "cucp"], "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_4_c_nobody_is_their_own_successor_and_a_circle_forwards_nothing() {
    let Some((world, operator, agent)) = World::running("circle").await else { return };
    let own = person("nv-1", NGUYEN, ", successorRef: {name: nv-1}");
    let refused = apply(&world.mailboxes, &own).await.expect_err("refused").to_string();
    assert!(refused.contains("nobody is their own successor"), "{refused}");
    world.person("nv-2", HOA, "").await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    world.person("nv-2", HOA, ", state: Revoked, successorRef: {name: nv-1}").await;
    world.person("nv-1", NGUYEN, "").await;
    let to = "SELECT source || ' > ' || destination FROM aliases WHERE mailbox = 'nv-2'";
    agent.until(to, &["hoalt.stttt@gialai.gov.vn > nguyentd.stttt@gialai.gov.vn"]).await;
    world.person("nv-1", NGUYEN, GONE).await;
    for (name, way) in [("nv-1", "nv-1 → nv-2 → nv-1"), ("nv-2", "nv-2 → nv-1 → nv-2")] {
        let why = wait_reason(&world.mailboxes, name, "SuccessorCircle", SOON).await;
        assert!(why.contains(way), "{why}");
    }
    agent.until(LED, &[]).await;
    agent.until(to, &[]).await;
    assert_eq!(agent.rows(REVOKED), ["nv-1", "nv-2"]);
    // One of them names somebody who receives.
    world.person("nv-3", CUC, "").await;
    world.person("nv-2", HOA, ", state: Revoked, successorRef: {name: nv-3}").await;
    leads(&agent, "cucp.stttt@gialai.gov.vn").await;
    agent.until(to, &["hoalt.stttt@gialai.gov.vn > cucp.stttt@gialai.gov.vn"]).await;
    operator.stop().await;
    world.end().await;
}
