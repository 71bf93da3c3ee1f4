//! Tier 1, on the real Dovecot: more sessions than there may be, and sessions that wait for news.

use std::time::Duration;

use kube::Api;
use mail_operator::api::{Agency, MailSystem};
use mail_operator::controllers::Clock;

use crate::support::mail::Lines;
use crate::support::{apply, eventually, wait_ready};
use crate::world::{AGENCY, CROWDED, START, SYSTEM, World, let_in, run_operator_here};

/// The least that may be written.
const SESSIONS: usize = 50;
/// Of one holder.
const EACH: usize = 10;
/// Half a minute until a session that waits is put to the others, and some more.
const LATER: Duration = Duration::from_secs(60);

/// Processes of this name below the mail store of this namespace's pod: how many, and their memory in KiB (PSS).
fn processes(name: &str) -> (usize, u64) {
    let mut found = (0, 0);
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(comm) = std::fs::read_to_string(entry.path().join("comm")) else { continue };
        if comm.trim() != name {
            continue;
        }
        let smaps = std::fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
        let pss =
            smaps.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        found = (found.0 + 1, found.1 + pss.unwrap_or(0));
    }
    found
}

fn tell(what: &str) {
    let all = ["imap", "imap-login", "imap-hibernate", "auth", "anvil", "stats"];
    let text: Vec<String> = all.iter().map(|name| format!("{name} {:?}", processes(name))).collect();
    println!("{what}: {}", text.join(", "));
}

/// All that a client is told that logs in, until the connection ends.
async fn refused(host: &str, address: &str, password: &str) -> Vec<String> {
    let mut lines = Lines::tls(host, 993).await.expect("993");
    lines.line().await.expect("a greeting");
    lines.send(&format!("a LOGIN \"{address}\" \"{password}\"")).await.expect("sent");
    let mut told = Vec::new();
    while let Ok(line) = lines.line().await {
        if line.is_empty() {
            break;
        }
        told.push(line);
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_there_may_be_are_told_to_try_again_and_those_that_wait_cost_no_process() {
    let Some(client) = World::on(&[1]).await.map(|world| world.client) else { return };
    run_operator_here(CROWDED, Clock::system());
    let systems: Api<MailSystem> = Api::namespaced(client.clone(), CROWDED);
    let system = SYSTEM.replace("dovecot: {", &format!("dovecot: {{sessions: {SESSIONS}, "));
    apply(&systems, &system).await.expect("system");
    apply(&Api::<Agency>::namespaced(client.clone(), CROWDED), AGENCY).await.expect("agency");
    wait_ready(&systems, "gialai", START).await;
    let world = World::of(client.clone(), CROWDED).await;
    let mut people = Vec::new();
    for i in 0..=SESSIONS / EACH {
        people.push(
            world
                .person(&format!("nv-{i}"), &format!("Trần Văn {}", ["An", "Ba", "Cúc", "Dũng", "Em", "Giang"][i]))
                .await,
        );
    }
    tell("nobody");
    let mut sessions = Vec::new();
    for (address, password) in people.iter().take(SESSIONS / EACH) {
        for _ in 0..EACH {
            let (mut imap, answer) = world.login(address, password).await;
            assert!(let_in(&answer), "{answer}");
            imap.command("SELECT INBOX").await.expect("selected");
            sessions.push(imap);
        }
    }
    tell("fifty that do something");
    let (address, password) = people.last().expect("one more");
    let refused = refused(&world.host, address, password).await;
    println!("one more: {refused:?}");
    assert!(
        !refused.iter().any(|line| let_in(line) || line.contains("AUTHENTICATIONFAILED")),
        "no word of a wrong password: {refused:?}"
    );
    // Those that wait for news make room.
    for imap in &mut sessions {
        imap.idle().await.expect("IDLE");
    }
    eventually("they cost no process", LATER, || async {
        match processes("imap").0 {
            0..20 => Ok(()),
            many => Err(format!("{many} processes")),
        }
    })
    .await;
    tell("fifty that wait");
    let (mut one_more, answer) = world.login(address, password).await;
    assert!(let_in(&answer), "{answer}");
    one_more.command("SELECT INBOX").await.expect("selected");
    // R6.1: a lock ends them within five seconds all the same.
    let mut first = sessions.remove(0);
    world.lock("nv-0", "Trần Văn An").await;
    let mut bye = first.unsolicited().await.expect("BYE");
    // Said every two minutes, for the sake of NAT.
    while bye == "* OK Still here" {
        bye = first.unsolicited().await.expect("BYE");
    }
    assert!(bye.starts_with("* BYE"), "{bye}");
    // And another one goes on where it was.
    let mut last = sessions.pop().expect("a session");
    last.done().await.expect("DONE");
    let answer = last.command("NOOP").await.expect("answer");
    assert!(answer.last().is_some_and(|line| line.starts_with("OK")), "{answer:?}");
}
