use super::*;
use crate::agent::{JournalSlot, doveadm::Doveadm, kicks::Kicks, notices::Records, purge::Purger, usage};
use crate::backend::{Access, Account, NoticeMail, Purge, System};
use futures::FutureExt;
use tokio::sync::watch;

/// An agent with one revoked account, which is all that it has.
fn agent() -> (tempfile::TempDir, Arc<Shared>) {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::create_dir(folder.path().join("vmail")).expect("the mail store");
    let mut table = Table::open(&folder.path().join("mail.sqlite")).expect("table");
    let system = System { domain: "x.vn".into(), postmaster: None };
    let upsert = vec![Account::revoked("nv-1", "a@x.vn")];
    table.apply(&ApplyRequest { system, upsert, remove: vec![] }).expect("applied");
    let shared = start(&folder);
    (folder, shared)
}

/// The agent on a folder that is there.
fn start(folder: &tempfile::TempDir) -> Arc<Shared> {
    let path = |name: &str| folder.path().join(name);
    let doveadm = Doveadm::new(path("no-key"));
    let mut table = Table::open(&path("mail.sqlite")).expect("table");
    table.watch_folders(path("vmail")).expect("a look");
    Arc::new(Shared {
        table: std::sync::Mutex::new(table),
        usage: std::sync::Mutex::new(usage::Store::open(&path("usage.sqlite")).expect("store")),
        instance: "i".into(),
        database: path("mail.sqlite"),
        journal: JournalSlot::new(path("journal"), 6),
        notices: Records::new(path("notices.sqlite"), 6),
        doveadm,
        kicks: Kicks::default(),
        purge: Purger::new(path("vmail"), 0),
        certificate_error: watch::channel(None).1,
    })
}

/// What the journal says.
fn journal_text(folder: &tempfile::TempDir) -> String {
    let files = std::fs::read_dir(folder.path().join("journal")).expect("journal");
    files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok()).collect()
}

fn complete(shared: &Shared) {
    shared.table.lock().expect("table").set_complete(1).expect("complete");
}

#[tokio::test]
async fn r6_1_sessions_end_although_whoever_asked_for_it_hung_up_meanwhile() {
    let (_folder, shared) = agent();
    let open = Account {
        password_hash: "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg".into(),
        access: Access::Open,
        quota_bytes: 1,
        ..Account::revoked("nv-1", "a@x.vn")
    };
    let request = |account: &Account| ApplyRequest {
        system: System { domain: "x.vn".into(), postmaster: None },
        upsert: vec![account.clone()],
        remove: Vec::new(),
    };
    let asked = |account: &Account| accounts(Extract(shared.clone()), HeaderMap::new(), Json(request(account)));
    assert_eq!(asked(&open).await.expect("applied").0.refused.len(), 0);
    let locked = Account { access: Access::Locked, ..open };
    {
        let _busy = shared.table.lock().expect("table");
        assert!(asked(&locked).now_or_never().is_none(), "it waits for the table");
    }
    let digest = [("nv-1".to_string(), locked.digest())];
    while shared.table.lock().expect("table").digests().expect("digests").accounts != digest {
        tokio::task::yield_now().await;
    }
    assert!(shared.kicks.is_due("a@x.vn"), "it is written, and nobody asks for it again");
}

#[tokio::test]
async fn d_14_who_has_no_row_yet_is_not_refused_for_good() {
    let (_folder, shared) = agent();
    let request =
        || PurgeRequest { mailboxes: vec![Purge { mailbox: "nv-1".into(), address: "a@x.vn".into(), finish: false }] };
    let asked = async |shared: &Arc<Shared>| purge(Extract(shared.clone()), HeaderMap::new(), Json(request())).await;
    let (_, Json(error)) = asked(&shared).await.expect_err("not yet");
    assert_eq!(error.code, ErrorCode::Database, "the operator comes again, and writes down no refusal");
    complete(&shared);
    assert_eq!(asked(&shared).await.expect("answered").0.outcomes, [Purged::Done]);
}

#[tokio::test]
async fn d_17_a_notice_for_somebody_who_is_not_in_the_table_yet_is_sent_again() {
    let (_folder, shared) = agent();
    let text = || "x".to_string();
    let notice = || NoticeMail { key: text(), mailbox: "nv-2".into(), address: "b@x.vn".into(), message: text() };
    let asked = async |shared: &Arc<Shared>| {
        notices(Extract(shared.clone()), HeaderMap::new(), Json(NoticeRequest { notices: vec![notice()] })).await
    };
    assert_eq!(asked(&shared).await.expect_err("not yet").1.0.code, ErrorCode::Database);
    complete(&shared);
    assert_eq!(asked(&shared).await.expect("answered").0.deliveries, [crate::backend::Delivery::Unknown]);
}

#[tokio::test]
async fn d_16_no_day_of_use_is_dropped_while_nobody_knows_whose_it_is() {
    let (folder, shared) = agent();
    let events = folder.path().join("events.jsonl");
    let line = r#"{"event":"auth_request_finished","end_time":"2026-03-02T01:00:00Z","fields":{"user":"a@x.vn","protocol":"imap"}}"#;
    std::fs::write(&events, format!("{line}\n")).expect("an event");
    let watch = usage::Watch::new(shared.clone(), shared.doveadm.clone(), events, 0);
    let rows = || shared.usage.lock().expect("usage").page(0).expect("page").rows;
    assert!(watch.collect(&mut std::collections::BTreeSet::new()).await.is_err());
    assert!(rows().is_empty());
    complete(&shared);
    watch.collect(&mut std::collections::BTreeSet::new()).await.expect("collected");
    assert_eq!(rows()[0].last_login.as_deref(), Some("2026-03-02"));
}

#[tokio::test]
async fn a_damaged_table_answers_as_another_server_and_is_written_down() {
    let (folder, shared) = agent();
    complete(&shared);
    let asked = async |shared: &Arc<Shared>| state(Extract(shared.clone())).await.map(|Json(state)| state);
    let before = asked(&shared).await.expect("a state");
    assert!(before.complete && before.table_lost.is_none());
    crate::agent::sqlite::damage(&shared.database, true);
    shared.table.lock().expect("table").look_now();
    // Whoever meets the damage is told to come again.
    assert_eq!(asked(&shared).await.expect_err("damaged").1.0.code, ErrorCode::Database);
    let after = asked(&shared).await.expect("a state");
    assert!(after.instance != before.instance && !after.complete && after.table_lost.is_some());
    assert_eq!(journal_text(&folder).matches("RebuildTable").count(), 1);
}

#[tokio::test]
async fn r5_1_what_was_found_out_of_the_table_is_written_down_though_the_agent_is_killed_before() {
    for action in ["ChangeTable", "RebuildTable", "HoldFolder"] {
        let (folder, shared) = agent();
        complete(&shared);
        let _ = state(Extract(shared.clone())).await.expect("a first look");
        let file = folder.path().join("mail.sqlite");
        match action {
            "ChangeTable" => {
                let other = rusqlite::Connection::open(&file).expect("another writer");
                other.execute("UPDATE accounts SET revoked = 0 WHERE mailbox = 'nv-1'", []).expect("opened");
            }
            "RebuildTable" => {
                crate::agent::sqlite::damage(&file, true);
                shared.table.lock().expect("table").look_now();
                assert!(state(Extract(shared.clone())).await.is_err(), "damaged");
            }
            _ => {
                std::fs::create_dir(folder.path().join("vmail/nv-2")).expect("home");
                std::fs::write(folder.path().join("vmail/nv-2/.holder"), "2020-01-01T00:00:00Z").expect("a mark");
                let system = System { domain: "x.vn".into(), postmaster: None };
                let upsert =
                    vec![Account { access: crate::backend::Access::Open, ..Account::revoked("nv-2", "b@x.vn") }];
                let upsert = upsert.into_iter().map(|account| account.since(Some(Timestamp::UNIX_EPOCH))).collect();
                let request = ApplyRequest { system, upsert, remove: vec![] };
                assert!(shared.table.lock().expect("table").apply(&request).expect("applied").refused[0].folder);
            }
        }
        // It is found, and the journal cannot be written.
        let _ = std::fs::remove_dir_all(folder.path().join("journal"));
        std::fs::write(folder.path().join("journal"), "no folder").expect("a file");
        *shared.journal.lock() = None;
        let _ = state(Extract(shared.clone())).await.expect("a look");
        drop(shared);
        std::fs::remove_file(folder.path().join("journal")).expect("removed");
        let shared = start(&folder);
        for _ in 0..2 {
            let _ = state(Extract(shared.clone())).await.expect("a look");
            assert_eq!(journal_text(&folder).matches(action).count(), 1, "{action}");
        }
        assert!(shared.table.lock().expect("table").untold().expect("read").is_empty(), "{action}");
    }
}
