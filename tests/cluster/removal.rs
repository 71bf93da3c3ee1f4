//! Tier 1: what is kept of a revoked account is removed from the real Dovecot when its time is over, and nothing else is (D-14). Time is
//! moved: on a node nobody can.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Secret};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use mail_operator::api::{Agency, MailSystem};
use mail_operator::controllers::Clock;
use serde_json::json;

use crate::support::mail::Smtp;
use crate::support::operator::Operator;
use crate::support::{apply, eventually, wait_ready};
use crate::world::{AGENCY, REMOVAL, SOON, START, SYSTEM, World};

/// All accounts are looked at each half minute.
const LOOKED: Duration = Duration::from_secs(90);

/// The operator of the namespace, in a thread of its own; its days are moved, those of certificates are not.
fn run_operator(days: Arc<AtomicI64>) {
    let now = move || Timestamp::now() + SignedDuration::from_hours(24 * days.load(Ordering::Relaxed));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("runtime").block_on(async {
            let client = Client::try_default().await.expect("KUBECONFIG");
            let _operator = Operator::start_with(client, REMOVAL, Clock::new(now), Clock::system());
            std::future::pending::<()>().await;
        });
    });
}

/// The mail store, as the node sees it.
async fn mail_store(client: &Client) -> PathBuf {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), REMOVAL);
    let claim = claims.get("data-gialai-0").await.expect("claim").spec.expect("spec");
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volume = volumes.get(&claim.volume_name.expect("bound")).await.expect("volume").spec.expect("spec");
    let path = volume.local.map(|local| local.path).or(volume.host_path.map(|host| host.path));
    PathBuf::from(path.expect("a folder of this machine")).join("mail")
}

/// The answer of the MX to a mail.
async fn offer(world: &World, to: &str, subject: &str) -> String {
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    smtp.send("a@example.org", to, subject, "x").await.expect("an answer")
}

/// As the password page does it: no clock runs out for whoever did.
async fn change_password(client: &Client, name: &str) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), REMOVAL);
    let patch = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/password-changed-at": Timestamp::now().to_string()}},
        "data": {"initialPassword": null}});
    secrets
        .patch(&format!("{name}-credentials"), &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_mail_of_a_deleted_mailbox_is_there_until_its_time_is_over_and_gone_after() {
    let Some(client) = World::on(&[1]).await.map(|world| world.client) else { return };
    let days = Arc::new(AtomicI64::new(0));
    run_operator(days.clone());
    let systems: Api<MailSystem> = Api::namespaced(client.clone(), REMOVAL);
    apply(&systems, SYSTEM).await.expect("system");
    apply(&Api::<Agency>::namespaced(client.clone(), REMOVAL), AGENCY).await.expect("agency");
    wait_ready(&systems, "gialai", START).await;
    let world = World::of(client.clone(), REMOVAL).await;
    let store = mail_store(&client).await;
    let (gone, first) = world.person("nv-1", "Trần Đình Nguyên").await;
    let (other, second) = world.person("nv-2", "Lê Thị Hoa").await;
    change_password(&client, "nv-2").await;
    for (address, password) in [(&gone, &first), (&other, &second)] {
        assert!(offer(&world, address, "kept").await.starts_with("250"));
        world.arrives(address, password, "kept").await;
    }
    assert!(store.join("nv-1").is_dir() && store.join("nv-2").is_dir(), "{}", store.display());
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    let refused = async |code: &'static str, limit: Duration| {
        eventually(&format!("{gone}: {code}"), limit, || async {
            let answer = offer(&world, &gone, "late").await;
            if answer.starts_with(code) { Ok(()) } else { Err(answer) }
        })
        .await;
    };
    refused("550 5.2.1", SOON).await;
    // A month before its time is over everything is there.
    days.store(330, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(35)).await;
    refused("550 5.2.1", SOON).await;
    assert!(store.join("nv-1").is_dir());
    days.store(372, Ordering::Relaxed);
    refused("550 5.1.1", LOOKED).await;
    eventually("nothing is left of it", SOON, || async {
        let aside = std::fs::read_dir(store.join(".purged")).map_or(0, Iterator::count);
        if store.join("nv-1").exists() || aside > 0 { Err(format!("{aside} aside")) } else { Ok(()) }
    })
    .await;
    // It stays unknown, also when the operator has looked at the table anew.
    tokio::time::sleep(Duration::from_secs(15)).await;
    refused("550 5.1.1", SOON).await;
    // The other one has all of his mail, and gets more.
    world.arrives(&other, &second, "kept").await;
    assert!(offer(&world, &other, "after").await.starts_with("250"));
    world.arrives(&other, &second, "after").await;
}
