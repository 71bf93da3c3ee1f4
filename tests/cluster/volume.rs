//! Tiers 1 and 2: a mail system whose volume is filled. It is said, mail waits, and with room everything heals by itself.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::DeleteParams;
use kube::{Api, Client};
use mail_operator::api::{Agency, MailSystem};
use mail_operator::controllers::Clock;

use crate::support::mail::Smtp;
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};
use crate::world::{AGENCY, SMALL, SOON, START, SYSTEM, World, let_in, person, run, run_operator_here, tier_number};

/// Bytes of the mail that is under way when the volume becomes full.
const MAIL: usize = 600_000;
/// Bytes left then: the queue can be kept, no mail of that size can be stored, and Postfix takes none.
const LEFT: u64 = 300_000;

fn system() -> String {
    SYSTEM
        .replace("storage: {size: 1Gi}", "storage: {size: 128Mi, storageClassName: limited}")
        .replace("dovecot:", "maxAttachment: 1M, defaultQuota: {storage: 50M, maxAttachment: 1M}, dovecot:")
}

/// The volume of a mail pod, as its node sees it.
pub struct Volume {
    pub path: PathBuf,
}

impl Volume {
    pub async fn of(client: &Client, namespace: &str) -> Self {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
        let claim = claims.get("data-gialai-0").await.expect("claim").spec.expect("spec");
        let volumes: Api<PersistentVolume> = Api::all(client.clone());
        let volume = volumes.get(&claim.volume_name.expect("bound")).await.expect("volume");
        let local = volume.spec.and_then(|s| s.local).expect("a local volume");
        Self { path: local.path.into() }
    }

    fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.path).expect("statvfs");
        found.f_bavail * found.f_frsize
    }

    /// Bytes of what is in a folder.
    fn holds(&self, folder: &str) -> usize {
        let found = run("du", &["-sb", &self.path.join(folder).to_string_lossy()]);
        found.split_whitespace().next().and_then(|n| n.parse().ok()).expect("bytes")
    }

    /// Fills it until only this much is left.
    fn fill(&self, left: u64) {
        let mut filler = File::options().create(true).append(true).open(self.path.join("filler")).expect("a file");
        let mut missing = self.free().saturating_sub(left);
        while missing > 0 {
            let piece = vec![0; usize::try_from(missing.min(1 << 20)).expect("a size")];
            match filler.write(&piece) {
                Ok(written) => missing -= written as u64,
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Whatever becomes free is taken, until the answer is dropped.
    fn stay_full(&self) -> Full {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let volume = Self { path: self.path.clone() };
        let task = std::thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
                volume.fill(0);
            }
        });
        Full { stop: Some(stop), task: Some(task) }
    }

    fn clear(&self) {
        fs::remove_file(self.path.join("filler")).expect("removed");
    }
}

/// A volume that stays full.
struct Full {
    stop: Option<Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Drop for Full {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.task.take().map(JoinHandle::join);
    }
}

/// A mail of which all but the end was sent.
async fn begin(world: &World, to: &str, subject: &str) -> Smtp {
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    for command in ["MAIL FROM:<a@example.org>", &format!("RCPT TO:<{to}>"), "DATA"] {
        let answer = smtp.command(command).await.expect("answer");
        assert!(answer.starts_with('2') || answer.starts_with("354"), "{command}: {answer}");
    }
    let head = "From: <a@example.org>\r\nMessage-ID: <1@example.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0700";
    let body = format!("{}\r\n", "x".repeat(76)).repeat(MAIL / 78);
    smtp.say(&format!("{head}\r\nTo: <{to}>\r\nSubject: {subject}\r\n\r\n{body}")).await.expect("sent");
    smtp
}

/// Waits until somebody is not let in any more.
async fn refused(world: &World, address: &str, password: &str) {
    eventually(&format!("{address} is locked"), SOON, || async {
        let (_, answer) = world.login(address, password).await;
        if let_in(&answer) { Err(answer) } else { Ok(()) }
    })
    .await;
}

/// The mail pod is replaced, and its successor is ready.
async fn restart(world: &World) {
    let old = world.pods.get("gialai-0").await.expect("pod").metadata.uid;
    world.pods.delete("gialai-0", &DeleteParams::default()).await.expect("deleted");
    eventually("another pod is ready", START, || async {
        let pod = world.pods.get("gialai-0").await.map_err(|e| e.to_string())?;
        let conditions = pod.status.and_then(|s| s.conditions).unwrap_or_default();
        let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        if ready && pod.metadata.uid != old { Ok(()) } else { Err(format!("{conditions:?}")) }
    })
    .await;
}

async fn offer(world: &World, to: &str, subject: &str) -> String {
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    smtp.send("a@example.org", to, subject, "x").await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_full_volume_is_said_loses_no_mail_keeps_nobody_from_being_locked_and_heals() {
    // Held to the end: nobody else ends the operator meanwhile.
    let Some(shared) = World::on(&[1, 2]).await else { return };
    let client = shared.client.clone();
    let systems: Api<MailSystem> = Api::namespaced(client.clone(), SMALL);
    if tier_number() == 1 {
        run_operator_here(SMALL, Clock::system());
    }
    apply(&systems, &system()).await.expect("system");
    apply(&Api::<Agency>::namespaced(client.clone(), SMALL), AGENCY).await.expect("agency");
    wait_ready(&systems, "gialai", START).await;
    let world = World::of(client.clone(), SMALL).await;
    let volume = Volume::of(&client, SMALL).await;
    let (address, password) = world.person("nv-1", "Trần Đình Nguyên").await;
    let (locked, locked_password) = world.person("nv-3", "Hoàng Văn Ba").await;
    let (early, early_password) = world.person("nv-4", "Đỗ Thị Tư").await;
    assert!(offer(&world, &address, "before").await.starts_with("250"));
    world.arrives(&address, &password, "before").await;

    let mut under_way = begin(&world, &address, "under way").await;
    eventually("most of it is in the queue", SOON, || async {
        let found = volume.holds("queue/incoming");
        if found > MAIL - 50_000 { Ok(()) } else { Err(format!("{found} bytes")) }
    })
    .await;
    volume.fill(LEFT);
    let answer = under_way.command(".").await.expect("an answer");
    assert!(answer.starts_with("250"), "{answer}");
    // It cannot be stored: it waits, and is neither sent back nor dropped.
    eventually("it waits in the queue", SOON, || async {
        let found = volume.holds("queue/deferred");
        if found > MAIL { Ok(()) } else { Err(format!("{found} bytes")) }
    })
    .await;
    let answer = offer(&world, &address, "offered").await;
    assert!(answer.starts_with("452 4.3.1"), "{answer}");
    let why = wait_reason(&systems, "gialai", "VolumeFull", SOON).await;
    assert!(why.contains("data-gialai-0") && why.contains("nothing is lost"), "{why}");

    // Nothing is left at all: what is there can be read, and a new account waits.
    volume.fill(0);
    let (mut imap, answer) = world.login(&address, &password).await;
    assert!(let_in(&answer), "{answer}");
    assert_eq!(imap.subjects().await.expect("subjects"), ["before"]);
    apply(&world.mailboxes, &person("nv-2", "Lê Văn Tám", "")).await.expect("nv-2");
    let why = wait_reason(&world.mailboxes, "nv-2", "VolumeFull", SOON).await;
    assert!(why.contains("make room or enlarge the volume"), "{why}");
    // A lock does not wait for room, and what is open ends.
    let (mut open, answer) = world.login(&locked, &locked_password).await;
    assert!(let_in(&answer), "{answer}");
    open.idle().await.expect("IDLE");
    world.lock("nv-3", "Hoàng Văn Ba").await;
    refused(&world, &locked, &locked_password).await;
    let end = tokio::time::timeout(SOON, open.unsolicited()).await.expect("its session ends");
    assert!(end.is_err() || end.as_ref().is_ok_and(|line| line.is_empty() || line.contains("BYE")), "{end:?}");

    // Nor does a start, and nobody is let in who was shut out.
    let full = volume.stay_full();
    restart(&world).await;
    let world = World::of(client.clone(), SMALL).await;
    let (mut imap, answer) = world.login(&address, &password).await;
    assert!(let_in(&answer), "{answer}");
    assert_eq!(imap.subjects().await.expect("subjects"), ["before"]);
    let (_, answer) = world.login(&locked, &locked_password).await;
    assert!(!let_in(&answer), "{answer}");
    let (_, answer) = world.login(&early, &early_password).await;
    assert!(let_in(&answer), "{answer}");
    world.lock("nv-4", "Đỗ Thị Tư").await;
    refused(&world, &early, &early_password).await;
    let (_, answer) = world.login(&address, &password).await;
    assert!(let_in(&answer), "{answer}");

    drop(full);
    volume.clear();
    wait_ready(&systems, "gialai", START).await;
    let second = wait_ready(&world.mailboxes, "nv-2", START).await;
    let answer = offer(&world, &address, "offered").await;
    assert!(answer.starts_with("250"), "{answer}");
    world.arrives(&address, &password, "offered").await;
    world.arrives_within(START, &address, &password, "under way").await;
    let second_address = second.status.and_then(|s| s.address).expect("address");
    assert!(offer(&world, &second_address, "welcome").await.starts_with("250"));
    world.arrives(&second_address, &initial_password(&client, SMALL, "nv-2").await, "welcome").await;
}
