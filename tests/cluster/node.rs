//! Tier 2, and any cluster that KUBECONFIG names: what only a kubelet and a release of our chart can show.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};
use mail_operator::api::{AddressClaim, MailSystem};
use serde_json::Value;

use crate::support::mail::{Imap, Smtp};
use crate::support::{apply, eventually, ready, wait_ready, wait_reason};
use crate::volume::Volume;
use crate::world::{BROKEN, NAMESPACE, SOON, START, SYSTEM, World, helm, let_in, run, tier_number};

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_system_from_starting_is_said() {
    let Some(world) = World::alone_on(&[2, 3]).await else { return };
    let systems: Api<MailSystem> = Api::namespaced(world.client.clone(), BROKEN);
    let broken = |image: &str, size: &str| {
        SYSTEM.replace("storage: {size: 1Gi}", &format!("image: '{image}', storage: {{size: {size}}}"))
    };
    apply(&systems, &broken("registry.invalid/nothing:1", "1Gi")).await.expect("system");
    let why = wait_reason(&systems, "gialai", "ImagePullFailed", START).await;
    for needle in ["registry.invalid/nothing:1", "spec.dovecot.image"] {
        assert!(why.contains(needle), "{needle}: {why}");
    }
    let warned = told(&world.client, "Warning", "ImagePullFailed").await;
    assert!(warned.contains("registry.invalid/nothing:1"), "{warned}");
    // Mended, it starts: a StatefulSet alone would wait for the broken pod for ever.
    let good = std::env::var("MAIL_OPERATOR_MAIL_IMAGE").expect("MAIL_OPERATOR_MAIL_IMAGE");
    apply(&systems, &broken(&good, "1Gi")).await.expect("mended");
    wait_ready(&systems, "gialai", START).await;
    told(&world.client, "Normal", "Ready").await;
}

/// Waits for an event of the broken system; its note.
async fn told(client: &Client, severity: &str, reason: &str) -> String {
    let events: Api<Event> = Api::namespaced(client.clone(), BROKEN);
    eventually(&format!("event {reason}"), SOON, || async {
        let fields = format!("regarding.kind=MailSystem,regarding.name=gialai,type={severity},reason={reason}");
        let found = events.list(&ListParams::default().fields(&fields)).await.map_err(|e| e.to_string())?;
        found.items.into_iter().next().and_then(|e| e.note).ok_or_else(|| "none".to_string())
    })
    .await
}

/// What `kubectl mail` says on this cluster: its output, what it complains of, its exit code.
fn mail(args: &[&str]) -> (String, String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    command.args(args).args(["-n", NAMESPACE]).env("LANG", "C").env_remove("LC_ALL").env_remove("LC_MESSAGES");
    let output = command.output().expect("kubectl mail");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code().expect("an exit code"))
}

/// The same for what answers with a JSON document.
fn document(args: &[&str]) -> (Value, i32) {
    let (out, complaint, code) = mail(&[args, &["-o", "json"]].concat());
    (serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?}: {e}: {out} {complaint}")), code)
}

/// Somebody writes another number of the document into an entry of the journal, on the volume: one byte.
struct Forged {
    file: File,
    at: u64,
}

impl Forged {
    async fn of(client: &Client, mailbox: &str) -> Self {
        let folder = Volume::of(client, NAMESPACE).await.path.join("journal");
        let whose = format!("\"mailbox\":\"{mailbox}\"");
        for path in fs::read_dir(&folder).expect("the journal").flatten().map(|entry| entry.path()) {
            let text =
                if path.extension().is_some_and(|e| e == "jsonl") { fs::read(&path).expect("text") } else { vec![] };
            let text = String::from_utf8(text).expect("UTF-8");
            let line = text.lines().find(|line| line.contains(&whose) && line.contains("\"action\":\"Lock\""));
            let Some(line) = line else { continue };
            let at = line.as_ptr() as usize - text.as_ptr() as usize + line.find("9/CV").expect("its document");
            let file = File::options().write(true).open(&path).expect("a file");
            file.write_all_at(b"8", at as u64).expect("written");
            return Self { file, at: at as u64 };
        }
        panic!("no entry of {mailbox} in {}", folder.display());
    }

    fn mend(self) {
        self.file.write_all_at(b"9", self.at).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_2_r5_2_the_journal_is_read_by_exec_in_the_pod_and_one_byte_changed_there_is_found() {
    let Some(world) = World::alone_on(&[2, 3]).await else { return };
    let (address, _) = world.person("nv-entry", "Phan Thị Ghi").await;
    world.lock("nv-entry", "Phan Thị Ghi").await;
    is_locked(&world).await;
    let shown = &["journal", "show", "--mailbox", "nv-entry"];
    let (table, complaint, code) = mail(shown);
    assert_eq!((complaint.as_str(), code), ("", 0), "{table}");
    for words in ["TIME", "nv-entry", "Issue", "Lock", "6.2.b"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let (entries, _) = document(shown);
    let lock = entries["entries"].as_array().expect("entries").iter().find(|entry| entry["action"] == "Lock");
    let lock = lock.expect("the lock").clone();
    assert_eq!(lock["address"], address.as_str());
    assert!(lock["document"].as_str().is_some_and(|document| document.contains("9/CV")), "{lock}");
    let (good, complaint, code) = mail(&["journal", "verify"]);
    assert!(code == 0 && good.contains("every entry is good"), "{good}{complaint}");
    let (explained, _, code) = mail(&["explain", &address]);
    assert!(code == 0 && explained.contains("6.2.b") && explained.contains("9/CV"), "{explained}");
    let (screen, _, code) = mail(&["status"]);
    assert!(code == 0 && screen.contains("gialai"), "{screen}");
    if tier_number() == 3 {
        return;
    }
    let forged = Forged::of(&world.client, "nv-entry").await;
    let (verdict, code) = document(&["journal", "verify"]);
    let (line, _, _) = mail(&["journal", "verify"]);
    let (entries, still) = document(shown);
    forged.mend();
    assert_eq!((code, still), (1, 1));
    assert_eq!((&verdict["bad"]["sequence"], &verdict["bad"]["fault"]), (&lock["sequence"], &"Changed".into()));
    let named = format!("entry {}", lock["sequence"]);
    assert!(line.contains("gialai-0:") && line.contains(&named) && line.contains("[Changed]"), "{line}");
    let shown_still = entries["entries"].as_array().expect("entries").iter().any(|entry| entry["action"] == "Issue");
    assert!(shown_still, "what is good is shown all the same: {entries}");
    assert_eq!(mail(&["journal", "verify"]).2, 0, "mended");
}

async fn is_locked(world: &World) {
    eventually("the lock is written down", SOON, || async {
        let status = world.mailboxes.get("nv-entry").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        if status.locks.is_empty() { Err(format!("{:?}", status.state)) } else { Ok(()) }
    })
    .await;
}

/// Last, since it disturbs the others: the pod, the operator and the release come and go; no mail is lost.
#[tokio::test(flavor = "multi_thread")]
async fn z_mail_goes_on_without_the_operator_and_survives_pod_and_release() {
    let Some(world) = World::alone_on(&[2, 3]).await else { return };
    let (address, password) = world.person("nv-life", "Ngô Văn Sơn").await;
    let send = async |subject: &str| {
        let mut smtp = Smtp::server(&world.mx).await.expect("25");
        let answer = smtp.send("a@example.org", &address, subject, "x").await.expect("sent");
        assert!(answer.starts_with("250"), "{answer}");
    };
    send("one").await;
    // The release goes: no operator, no claim lost, logins and mail go on.
    run("helm", &["uninstall", "mail-operator", "--namespace", "mail-operator", "--wait"]);
    send("two").await;
    world.arrives(&address, &password, "two").await;
    let claims: Api<AddressClaim> = Api::namespaced(world.client.clone(), NAMESPACE);
    let local = address.split('@').next().expect("local part");
    claims.get(local).await.expect("the claim stays");
    // The pod goes meanwhile: its table is complete, so it starts without the operator.
    let old = world.pods.get("gialai-0").await.expect("pod").uid();
    world.pods.delete("gialai-0", &DeleteParams::default()).await.expect("deleted");
    eventually("a new pod", START, || async {
        let pod = world.pods.get("gialai-0").await.map_err(|e| e.to_string())?;
        let status = pod.status.clone().unwrap_or_default();
        let is_ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        if pod.uid() != old && is_ready { Ok(()) } else { Err(format!("{:?}", status.phase)) }
    })
    .await;
    eventually("login", SOON, || async {
        match Imap::login(&world.host, &address, &password).await {
            Ok((_, answer)) if let_in(&answer) => Ok(()),
            other => Err(other.map(|(_, a)| a).unwrap_or_else(|e| e.to_string())),
        }
    })
    .await;
    world.arrives(&address, &password, "one").await;
    world.arrives(&address, &password, "two").await;
    // The release comes back: everything is as it was.
    helm(&[]);
    let (again, same) = world.person("nv-life", "Ngô Văn Sơn").await;
    assert_eq!((again, same), (address, password));
    let system = wait_ready(&world.systems, "gialai", START).await;
    assert_eq!(ready(&system), Ok(()));
}
