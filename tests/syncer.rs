//! The loop that brings a mail server in step, against a server with fault knobs, with time that is moved.

use std::sync::Arc;
use std::time::Duration;

use mail_operator::backend::memory::Memory;
use mail_operator::backend::{
    Access, Account, BackendError, Delivery, Health, MailBackend, NoticeMail, Purge, Purged, Standing, Syncer, System,
};
use mail_operator::domain::journal::Event;
use tokio::sync::mpsc;

fn account(mailbox: &str) -> Account {
    Account {
        mailbox: mailbox.into(),
        address: format!("{mailbox}@x.vn"),
        aliases: vec![],
        password_hash: String::new(),
        access: Access::Open,
        quota_bytes: 1,
        max_message_bytes: 1,
        forward: None,
        issued: None,
    }
}

fn start() -> (Arc<Syncer>, Arc<Memory>, mpsc::Receiver<String>) {
    let (news, told) = mpsc::channel(16);
    let syncer = Arc::new(Syncer::new(news));
    let server = Arc::new(Memory::default());
    syncer.set_system(System { domain: "x.vn".into(), postmaster: None });
    let runs = syncer.clone();
    tokio::spawn(async move { runs.run().await });
    (syncer, server, told)
}

async fn reach(syncer: &Syncer, server: &Arc<Memory>) {
    let backend: Arc<dyn MailBackend> = server.clone();
    syncer.set_backend(Some(backend));
    let mut health = syncer.health();
    health.wait_for(|h| matches!(h, Health::Reachable(_))).await.expect("reachable");
}

#[tokio::test(start_paused = true)]
async fn many_accounts_cost_few_requests_and_rest_costs_none_but_looks() {
    let (syncer, server, _told) = start();
    reach(&syncer, &server).await;
    let waits: Vec<_> = (0..1000)
        .map(|i| {
            let syncer = syncer.clone();
            tokio::spawn(async move { syncer.ensure(account(&format!("m{i}")), Duration::from_secs(5)).await })
        })
        .collect();
    for wait in waits {
        assert_eq!(wait.await.expect("done"), Standing::Synced);
    }
    let applies = server.with(|s| s.calls.2);
    assert!(applies <= 10, "{applies} requests for 1,000 accounts");
    tokio::time::sleep(Duration::from_secs(600)).await;
    let (states, _, after) = server.with(|s| s.calls);
    assert_eq!(after, applies, "rest writes nothing");
    assert!(states <= 70, "{states} looks in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_while_the_server_is_down_is_kept_and_told_when_it_is_done() {
    let (syncer, server, mut told) = start();
    reach(&syncer, &server).await;
    server.with(|s| s.failing = Some(BackendError::Unavailable("down".into())));
    assert_eq!(syncer.ensure(account("m"), Duration::from_secs(3)).await, Standing::Pending);
    assert!(matches!(&*syncer.health().borrow(), Health::Failing(_)));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    server.with(|s| s.failing = None);
    assert_eq!(told.recv().await.as_deref(), Some("m"));
    assert_eq!(syncer.projection().standing("m"), Standing::Synced);
    assert!(server.with(|s| s.accounts.contains_key("m")));
}

#[tokio::test(start_paused = true)]
async fn r6_1_a_server_without_room_is_told_of_a_lock_within_seconds_and_says_once_that_it_is_full() {
    let (syncer, server, _told) = start();
    reach(&syncer, &server).await;
    assert_eq!(syncer.ensure(account("leaked"), Duration::from_secs(3)).await, Standing::Synced);
    server.with(|s| s.full = true);
    syncer.want(account("new"));
    let mut health = syncer.health();
    let full = |h: &Health| matches!(h, Health::Failing(BackendError::VolumeFull(_)));
    health.wait_for(full).await.expect("it says so");
    let said = tokio::spawn(async move {
        let mut said = 0;
        while health.changed().await.is_ok() && full(&health.borrow_and_update()) {
            said += 1;
        }
        said
    });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    syncer.want(Account { access: Access::Locked, ..account("leaked") });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(server.with(|s| s.accounts["leaked"].access == Access::Locked));
    assert_eq!(syncer.projection().standing("leaked"), Standing::Synced);
    assert!(syncer.volume().is_some(), "figures of the volume go on while it is full");
    server.with(|s| s.full = false);
    assert_eq!(said.await.expect("ended"), 0, "it was full all the time");
    assert_eq!(syncer.ensure(account("new"), Duration::from_secs(3)).await, Standing::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_restored_to_an_older_table_is_brought_in_step() {
    let (syncer, server, _told) = start();
    reach(&syncer, &server).await;
    assert_eq!(syncer.ensure(account("m"), Duration::from_secs(5)).await, Standing::Synced);
    server.with(|s| {
        s.accounts.clear();
        s.revision = 0;
        s.instance = "after a restore".into();
    });
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(server.with(|s| s.accounts.contains_key("m")));
}

#[tokio::test(start_paused = true)]
async fn the_table_is_complete_only_when_every_mailbox_was_decided() {
    let (syncer, server, _told) = start();
    reach(&syncer, &server).await;
    syncer.ensure(account("m"), Duration::from_secs(5)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!server.with(|s| s.complete));
    // A deletion that the brake holds: nothing is wanted of it, and nobody is to be told that its address is unknown.
    syncer
        .protect(["m".to_string(), "held".to_string()].into(), vec![Account::unknown("held", "held@x.vn", Vec::new())]);
    syncer.settle();
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(server.with(|s| s.complete && s.accounts["held"].access == Access::Pending));
}

#[tokio::test(start_paused = true)]
async fn d_15_an_empty_cluster_does_not_empty_the_table() {
    let (syncer, server, _told) = start();
    server.with(|s| s.accounts.extend((0..100).map(|i| (format!("m{i}"), account(&format!("m{i}"))))));
    syncer.settle();
    reach(&syncer, &server).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(server.with(|s| s.accounts.len()), 100);
    // Who has no Mailbox is looked at as all who are gone, behind the brake.
    let projection = syncer.projection();
    assert_eq!((projection.names().len(), projection.held()), (100, None));
}

#[tokio::test(start_paused = true)]
async fn r7_2_d_17_decisions_and_notices_go_out_in_batches_and_once_however_often_they_are_sent() {
    let (syncer, server, _told) = start();
    let event = |n: usize| Event { key: format!("k{n}"), actor: "x".into(), action: "Lock".into(), ..Event::default() };
    let events: Vec<Event> = (0..2_500).map(event).collect();
    assert!(matches!(syncer.journal(events.clone()).await, Err(BackendError::Unavailable(_))), "nobody is there");
    reach(&syncer, &server).await;
    syncer.ensure(account("nv-1"), Duration::from_secs(5)).await;
    let head = syncer.journal(events.clone()).await.expect("written");
    assert_eq!((head.sequence, syncer.journal(events).await), (2_500, Ok(head)));
    let notice = |n: usize| NoticeMail {
        key: format!("n{n}"),
        mailbox: if n == 0 { "nobody" } else { "nv-1" }.into(),
        address: "nv-1@x.vn".into(),
        message: String::new(),
    };
    let notices: Vec<NoticeMail> = (0..120).map(notice).collect();
    let first = syncer.notices(notices.clone()).await.expect("answered");
    assert_eq!((&first[0], &first[119]), (&Delivery::Unknown, &Delivery::Delivered));
    let again = syncer.notices(notices).await.expect("answered");
    assert!(again[1..].iter().all(|delivery| *delivery == Delivery::Already));
    assert_eq!(server.with(|s| (s.journal.len(), s.notices.len())), (2_500, 119));
}

#[tokio::test(start_paused = true)]
async fn d_14_a_purged_row_is_never_sent_again_also_by_a_server_that_restarts() {
    let (syncer, server, _told) = start();
    reach(&syncer, &server).await;
    let limit = Duration::from_secs(5);
    assert_eq!(syncer.ensure(Account::revoked("a", "a@x.vn"), limit).await, Standing::Synced);
    assert_eq!(syncer.ensure(account("b"), limit).await, Standing::Synced);
    syncer.protect(["a".to_string(), "b".to_string()].into(), Vec::new());
    syncer.settle();
    let purge =
        |mailbox: &str| vec![Purge { mailbox: mailbox.into(), address: format!("{mailbox}@x.vn"), finish: false }];
    assert!(matches!(syncer.purge(purge("b")).await.as_deref(), Ok([Purged::Refused(_)])));
    assert_eq!(syncer.purge(purge("a")).await, Ok(vec![Purged::Done]));
    server.with(|inner| inner.instance = "restarted".into());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let rows: Vec<String> = server.with(|inner| inner.accounts.keys().cloned().collect());
    assert_eq!(rows, ["b"]);
    // A pass that was under way wants it again, then the purge is seen: the row goes.
    syncer.want(Account::revoked("a", "a@x.vn"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    syncer.dismiss("a");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(server.with(|inner| !inner.accounts.contains_key("a") && inner.accounts.contains_key("b")));
}
