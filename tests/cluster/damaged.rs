//! Tier 1, on the real Dovecot and Postfix: an account table that is damaged while everything runs. Nobody is unknown, nobody is shut out
//! for good, and no mail is sent back.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use kube::Api;
use mail_operator::api::{Agency, MailSystem};
use mail_operator::controllers::Clock;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::mail::{Imap, Smtp};
use crate::support::{apply, eventually, wait_ready};
use crate::volume::Volume;
use crate::world::{AGENCY, DAMAGED, START, SYSTEM, World, let_in, run_operator_here};

/// The agent looks at every page each half minute.
const FOUND: Duration = Duration::from_secs(90);
/// Not yet complete, as `agent/table/served.rs` says it.
const NOT_YET: &str = "json_extract('{}', 'the account table is not complete yet')";

async fn send(world: &World, to: &str, subject: &str) -> std::io::Result<String> {
    Smtp::server(&world.mx).await?.send("a@example.org", to, subject, "x").await
}

/// Whether the answer may come again later otherwise.
fn is_for_now(answer: &str) -> bool {
    !answer.starts_with('5')
}

/// Every view as it is while the table is not complete.
fn not_yet() -> String {
    let views = [
        (
            "served_accounts",
            "mailbox address password locked must_change revoked pending quota_bytes max_message_bytes held",
        ),
        ("served_aliases", "source mailbox destination"),
    ];
    let view = |(name, columns): (&str, &str)| {
        let each: Vec<String> = columns.split(' ').map(|column| format!("{NOT_YET} AS {column}")).collect();
        format!("DROP VIEW {name}; CREATE VIEW {name} AS SELECT {};", each.join(", "))
    };
    format!("{}DROP VIEW served_waiting; CREATE VIEW served_waiting AS SELECT 1 AS waiting;", views.map(view).concat())
}

/// The agent that has this table open: files of a pod are seen through its processes.
fn agent_of(table: &Path) -> Option<Pid> {
    let wanted = std::fs::metadata(table).expect("the table");
    let is_it = |pid: i32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let seen = std::fs::metadata(format!("/proc/{pid}/root/srv/db/mail.sqlite")).ok()?;
        let agent = arguments.split(|byte| *byte == 0).nth(1) == Some(b"agent");
        (agent && (seen.dev(), seen.ino()) == (wanted.dev(), wanted.ino())).then_some(pid)
    };
    let mut all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.find_map(|entry| is_it(entry.file_name().to_str()?.parse().ok()?)).and_then(Pid::from_raw)
}

/// However the agent ends, whoever reads the table does so on, before the next one is there and after.
async fn outlives_its_agent(world: &World, (address, password): &(String, String), table: &Path) {
    let mut times = 0;
    for signal in [Signal::KILL, Signal::TERM, Signal::KILL] {
        let ended = agent_of(table).expect("an agent");
        kill_process(ended, signal).expect("ended");
        let begun = Instant::now();
        while agent_of(table).is_none_or(|now| now == ended) {
            // The first process of a container does not hear what it has no ear for yet.
            let _ = kill_process(ended, signal);
            let answer = send(world, address, "without the agent").await.expect("an answer");
            assert!(answer.starts_with("250"), "{signal:?}: {answer}");
            let (_, answer) = Imap::login(&world.host, address, password).await.expect("an answer");
            assert!(let_in(&answer), "{signal:?}: {answer}");
            times += 1;
            assert!(begun.elapsed() < FOUND, "no agent comes");
        }
    }
    println!("{times} mails and logins without an agent");
}

/// While it is not complete. The agent stands still meanwhile: one that has just begun looks at the views, and puts them right.
async fn keeps_all_waiting(world: &World, (address, password): &(String, String), table: &Path) {
    let mut db = rusqlite::Connection::open(table).expect("the table");
    // Nobody else is in the middle of a write now, who would keep the table for himself as long as he stands still.
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).expect("the table for us");
    let agent = agent_of(table).expect("an agent");
    kill_process(agent, Signal::STOP).expect("stopped");
    let whole: Vec<(String, String)> = {
        let mut query = tx.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'view'").expect("query");
        let rows = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).expect("rows");
        rows.map(|row| row.expect("a view")).collect()
    };
    tx.execute_batch(&not_yet()).expect("not complete");
    tx.commit().expect("not complete");
    for to in [address.as_str(), "nobody@gialai.gov.vn"] {
        let answer = send(world, to, "not yet").await.expect("an answer");
        assert!(answer.starts_with("450 4.3.0"), "{to}: {answer}");
    }
    let (_, answer) = Imap::login(&world.host, address, password).await.expect("an answer");
    assert!(answer.contains("[UNAVAILABLE]"), "{answer}");
    let back: String = whole.iter().map(|(name, sql)| format!("DROP VIEW {name}; {sql};")).collect();
    db.execute_batch(&format!("BEGIN; {back} COMMIT;")).expect("complete");
    kill_process(agent, Signal::CONT).expect("goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_account_table_refuses_nobody_for_good() {
    let Some(client) = World::on(&[1]).await.map(|world| world.client) else { return };
    run_operator_here(DAMAGED, Clock::system());
    let systems: Api<MailSystem> = Api::namespaced(client.clone(), DAMAGED);
    apply(&systems, SYSTEM).await.expect("system");
    apply(&Api::<Agency>::namespaced(client.clone(), DAMAGED), AGENCY).await.expect("agency");
    wait_ready(&systems, "gialai", START).await;
    let world = World::of(client.clone(), DAMAGED).await;
    let (address, password) = world.person("nv-1", "Trần Đình Nguyên").await;
    assert!(send(&world, &address, "before").await.expect("an answer").starts_with("250"));
    world.arrives(&address, &password, "before").await;
    let folder = Volume::of(&client, DAMAGED).await.path.join("db");
    let table = folder.join("mail.sqlite");
    outlives_its_agent(&world, &(address.clone(), password.clone()), &table).await;

    keeps_all_waiting(&world, &(address.clone(), password.clone()), &table).await;
    // Dovecot rests for some seconds after an error of its database.
    eventually("mail is taken again", FOUND, || async {
        let answer = send(&world, &address, "in between").await.map_err(|error| error.to_string())?;
        assert!(is_for_now(&answer), "{answer}");
        if answer.starts_with("250") { Ok(()) } else { Err(answer) }
    })
    .await;

    // The disk damages it.
    let mut bytes = std::fs::read(&table).expect("the table");
    bytes.fill(0x5a);
    std::fs::write(&table, bytes).expect("damaged");
    let (begun, mut deferred) = (Instant::now(), 0);
    loop {
        if let Ok(answer) = send(&world, &address, "after").await {
            assert!(is_for_now(&answer), "{answer}");
            deferred += usize::from(!answer.starts_with("250"));
            // Its log may stand beside the copy.
            let names = std::fs::read_dir(&folder).expect("folder").flatten().map(|entry| entry.file_name());
            let is_copy = |name: &str| name.starts_with("mail.sqlite.damaged-") && name.ends_with('Z');
            let aside = names.filter(|name| is_copy(&name.to_string_lossy())).count();
            if answer.starts_with("250") && aside == 1 {
                break;
            }
        }
        if let Ok((_, answer)) = Imap::login(&world.host, &address, &password).await {
            assert!(let_in(&answer) || answer.contains("[UNAVAILABLE]"), "{answer}");
        }
        assert!(begun.elapsed() < FOUND, "it is not made anew");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{deferred} times told to try again");
    // What was taken a moment before waits in the queue until Postfix tries again, twice perhaps.
    for subject in ["in between", "after"] {
        world.arrives_within(START, &address, &password, subject).await;
    }
    let unknown = send(&world, "nobody@gialai.gov.vn", "x").await.expect("an answer");
    assert!(unknown.starts_with("550 5.1.1"), "{unknown}");
}
