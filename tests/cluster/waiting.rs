//! Mail that waits in the queue while its address goes to somebody else's account: it arrives there, and is not sent back.

use std::path::Path;
use std::process::Command;

use crate::support::mail::Smtp;
use crate::support::{apply, eventually};
use crate::volume::Volume;
use crate::world::{SOON, START, World, let_in, person};

const QUEUED: &str = "written before";

/// Postfix's queue manager of one mail pod, stopped: mail is taken, and nothing is delivered until this ends.
struct Queue {
    pids: Vec<String>,
}

impl Queue {
    fn stop(volume: &Volume) -> Self {
        let of = |pid: &Path| {
            let is = |file: &str, wanted: &str| {
                std::fs::read_to_string(pid.join(file)).is_ok_and(|text| text.contains(wanted))
            };
            is("comm", "qmgr") && is("mountinfo", &volume.path.to_string_lossy())
        };
        let all = std::fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
        let pids = all.filter(|pid| of(pid)).filter_map(|pid| Some(pid.file_name()?.to_string_lossy().into_owned()));
        let queue = Self { pids: pids.collect() };
        assert_eq!(queue.pids.len(), 1, "one queue manager");
        queue.signal("-STOP");
        queue
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").arg(signal).args(&self.pids).status().expect("kill");
        assert!(done.success() || std::thread::panicking(), "kill {signal}");
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_r5_4_c_mail_in_the_queue_follows_a_rename_and_a_successor() {
    let Some(world) = World::alone_on(&[1]).await else { return };
    let volume = Volume::of(&world.client, world.namespace).await;
    let (old, _) = world.person("nv-queue1", "Kpă Thị Đợi").await;
    let (gone, their) = world.person("nv-queue2", "Kpă Văn Rời").await;
    let (successor, successors) = world.person("nv-queue3", "Kpă Thị Nhận").await;
    let queue = Queue::stop(&volume);
    for to in [&old, &gone] {
        let mut smtp = Smtp::server(&world.mx).await.expect("25");
        let answer = smtp.send("a@example.org", to, QUEUED, "x").await.expect("sent");
        assert!(answer.starts_with("250"), "{answer}");
    }
    let rename = ", rename: {basis: {number: 7/SNV, date: '2026-05-04', issuer: SNV}}";
    apply(&world.mailboxes, &person("nv-queue1", "Kpă Thị Chờ", rename)).await.expect("renamed");
    let revoked = ", state: Revoked, successorRef: {name: nv-queue3}";
    apply(&world.mailboxes, &person("nv-queue2", "Kpă Văn Rời", revoked)).await.expect("revoked");
    let (new, password) = eventually("another address that lets in", SOON, || async {
        let (new, password) = world.person_as("nv-queue1").await;
        let answer = world.login(&new, &password).await.1;
        if new != old && let_in(&answer) { Ok((new, password)) } else { Err(answer) }
    })
    .await;
    eventually("revoked", SOON, || async {
        let answer = world.login(&gone, &their).await.1;
        if let_in(&answer) { Err(answer) } else { Ok(()) }
    })
    .await;
    // Whoever has the address as an alias does not log in by it.
    assert!(!let_in(&world.login(&old, &password).await.1));
    assert!(!let_in(&world.login(&gone, &successors).await.1));
    drop(queue);
    world.arrives_within(START, &new, &password, QUEUED).await;
    world.arrives_within(START, &successor, &successors, QUEUED).await;
    let (mut imap, _) = world.login(&successor, &successors).await;
    assert_eq!(imap.subjects().await.expect("subjects"), [QUEUED], "once");
}
