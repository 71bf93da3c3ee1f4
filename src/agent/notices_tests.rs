use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const USER: &str = "a@x.vn";

/// Mailboxes in memory that break down at a chosen call.
#[derive(Default)]
struct Memory {
    saved: Mutex<Vec<(String, String)>>,
    calls: AtomicUsize,
    /// The call that fails, and whether it does its work before.
    breaks: Option<(usize, bool)>,
}

impl Memory {
    fn breaking(&self) -> (bool, bool) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.breaks.map_or((false, true), |(at, works)| (at == call, works))
    }

    fn saved(&self) -> Vec<(String, String)> {
        self.saved.lock().expect("lock").clone()
    }
}

impl Post for Memory {
    fn save<'a>(&'a self, user: &'a str, message: &'a str) -> BoxFuture<'a, Result<bool, DoveadmError>> {
        let (breaks, works) = self.breaking();
        if user == "gone@x.vn" {
            return Box::pin(async { Ok(false) });
        }
        if !breaks || works {
            self.saved.lock().expect("lock").push((user.into(), message.into()));
        }
        Box::pin(async move { if breaks { Err(DoveadmError::test()) } else { Ok(true) } })
    }

    fn has<'a>(&'a self, user: &'a str, id: &'a str) -> BoxFuture<'a, Result<bool, DoveadmError>> {
        let (breaks, _) = self.breaking();
        let found = self.saved().iter().any(|(u, message)| u == user && message.contains(&format!("<{id}>")));
        Box::pin(async move { if breaks { Err(DoveadmError::test()) } else { Ok(found) } })
    }
}

fn notice(key: &str) -> (NoticeMail, Option<String>) {
    let message = format!("Message-ID: <{}>\r\n\r\nx\r\n", message_id(key, "x.vn"));
    (NoticeMail { key: key.into(), mailbox: "nv-1".into(), address: USER.into(), message }, Some(USER.into()))
}

fn records(folder: &tempfile::TempDir) -> Records {
    Records::new(folder.path().join("notices.sqlite"), 6)
}

#[tokio::test]
async fn d_17_a_key_is_delivered_once_across_restarts() {
    let folder = tempfile::tempdir().expect("folder");
    let post = Memory::default();
    let first = records(&folder).deliver(vec![notice("a"), notice("a"), notice("b")], &post).await.expect("done");
    assert_eq!(first, [Delivery::Delivered, Delivery::Already, Delivery::Delivered]);
    let again = records(&folder).deliver(vec![notice("b"), notice("a")], &post).await.expect("done");
    assert_eq!(again, [Delivery::Already, Delivery::Already]);
    assert_eq!(post.saved().len(), 2);
}

#[tokio::test]
async fn d_17_whatever_breaks_between_two_steps_there_is_one_message_in_the_end() {
    for works in [true, false] {
        for at in 0..3 {
            let folder = tempfile::tempdir().expect("folder");
            let post = Memory { breaks: Some((at, works)), ..Memory::default() };
            // Killed before the last record: as when the answer of Dovecot never came.
            for _ in 0..4 {
                let _ = records(&folder).deliver(vec![notice("a")], &post).await.expect("done");
            }
            assert_eq!(post.saved().len(), 1, "call {at} breaks, works: {works}");
            let last = records(&folder).deliver(vec![notice("a")], &post).await.expect("done");
            assert_eq!(last, [Delivery::Already]);
        }
    }
    // Killed after the first record, before the delivery.
    let folder = tempfile::tempdir().expect("folder");
    records(&folder).record("a", false).await.expect("recorded");
    let post = Memory::default();
    let done = records(&folder).deliver(vec![notice("a")], &post).await.expect("done");
    assert_eq!((done, post.saved().len()), (vec![Delivery::Delivered], 1));
    // Killed after the delivery, before the last record.
    records(&folder).record("a", false).await.expect("recorded");
    let done = records(&folder).deliver(vec![notice("a")], &post).await.expect("done");
    assert_eq!((done, post.saved().len()), (vec![Delivery::Already], 1));
}

#[tokio::test]
async fn who_is_not_there_is_unknown_and_what_does_not_fit_is_not_delivered() {
    let folder = tempfile::tempdir().expect("folder");
    let post = Memory::default();
    let gone = (NoticeMail { address: "gone@x.vn".into(), ..notice("g").0 }, Some("gone@x.vn".to_string()));
    let other_id = (NoticeMail { key: "z".into(), ..notice("y").0 }, Some(USER.into()));
    let moved = (notice("m").0, Some("b@x.vn".to_string()));
    let long = (NoticeMail { message: "x".repeat(LONGEST_MESSAGE + 1), ..notice("l").0 }, Some(USER.into()));
    let all = vec![(notice("n").0, None), gone, other_id, moved, long];
    let done = records(&folder).deliver(all, &post).await.expect("done");
    assert_eq!(done[..2], [Delivery::Unknown, Delivery::Unknown]);
    assert!(done[2..].iter().all(|d| matches!(d, Delivery::Failed(_))), "{done:?}");
    assert_eq!(post.saved(), []);
}

#[tokio::test]
async fn two_requests_with_one_key_deliver_once() {
    let folder = tempfile::tempdir().expect("folder");
    let (records, post) = (records(&folder), Memory::default());
    let all = futures::future::join_all((0..8).map(|_| records.deliver(vec![notice("a")], &post))).await;
    let delivered = all.into_iter().flatten().flatten().filter(|d| *d == Delivery::Delivered).count();
    assert_eq!((delivered, post.saved().len()), (1, 1));
}

#[tokio::test]
async fn records_go_after_the_retention_and_not_before() {
    let folder = tempfile::tempdir().expect("folder");
    let records = records(&folder);
    let old = Timestamp::now() - k8s_openapi::jiff::SignedDuration::from_hours(24 * 200);
    let insert = move |db: &Connection| Ok(db.execute("INSERT INTO notices VALUES ('old', 1, ?1)", [old.as_second()])?);
    records.on_disk(insert).await.expect("inserted");
    let young = Timestamp::now() - k8s_openapi::jiff::SignedDuration::from_hours(24 * 180);
    let insert =
        move |db: &Connection| Ok(db.execute("INSERT INTO notices VALUES ('young', 1, ?1)", [young.as_second()])?);
    records.on_disk(insert).await.expect("inserted");
    let done = records.deliver(vec![notice("old"), notice("young")], &Memory::default()).await.expect("done");
    assert_eq!(done, [Delivery::Delivered, Delivery::Already]);
}

#[tokio::test]
async fn d_17_damaged_records_are_begun_anew_and_what_lies_in_the_mailbox_is_not_delivered_again() {
    for whole in [true, false] {
        let folder = tempfile::tempdir().expect("folder");
        let post = Memory::default();
        let many = || (0..30).map(|n| notice(&format!("{n}-{}", "k".repeat(100)))).collect::<Vec<_>>();
        let running = records(&folder);
        running.deliver(many(), &post).await.expect("done");
        // A running one has small files in its memory: it meets damage of the first page.
        sqlite::damage(&folder.path().join("notices.sqlite"), true);
        // In use: the request fails once, and comes again as it is.
        let _ = running.deliver(many(), &post).await;
        let again = running.deliver(many(), &post).await.expect("done");
        assert!(again.iter().all(|done| *done == Delivery::Already), "{again:?}");
        assert_eq!(post.saved().len(), 30);
        // At the start, with somebody who has deleted the first copy, and a cause that is new.
        sqlite::damage(&folder.path().join("notices.sqlite"), whole);
        post.saved.lock().expect("lock").remove(0);
        let mut all = many();
        all.push(notice("new"));
        let last = records(&folder).deliver(all, &post).await.expect("done");
        assert_eq!(last.iter().filter(|done| **done == Delivery::Delivered).count(), 2);
        assert_eq!(post.saved().len(), 31);
    }
}
