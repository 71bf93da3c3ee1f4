//! Who is to be locked is locked, whatever of the rest fails (R6.2.b: at once), on a real API server.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams};
use serde_json::json;

use super::{AGENCY, SOON, World};
use crate::support::closed::Closed;
use crate::support::{apply, eventually, wait_ready, wait_reason};

const LOCK: &str = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-02-05', issuer: STTTT}}";
const LOCKED: &str =
    "SELECT mailbox || ' ' || address FROM accounts WHERE locked AND mailbox LIKE 'nv-%' ORDER BY mailbox";

#[tokio::test(flavor = "multi_thread")]
async fn r6_2_b_a_lock_waits_for_no_secret_and_no_address() {
    let Some((world, operator, agent)) = World::running("shut").await else { return };
    let snv = AGENCY.replace("stttt", "snv").replace("Sở Thông tin và Truyền thông", "Sở Nội vụ");
    apply(&world.agencies, &snv).await.expect("agency");
    wait_ready(&world.agencies, "snv", SOON).await;
    for (name, full_name) in [("nv-1", "Lê Thị Hoa"), ("nv-2", "Trần Đình Nguyên")] {
        world.person(name, full_name, "").await;
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    // A Secret without anything in it.
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let empty = Patch::Merge(json!({"data": null}));
    secrets.patch("nv-1-credentials", &PatchParams::default(), &empty).await.expect("emptied");
    wait_reason(&world.mailboxes, "nv-1", "InvalidCredentials", SOON).await;
    world.person("nv-1", "Lê Thị Hoa", LOCK).await;
    agent.until(LOCKED, &["nv-1 hoalt.stttt@gialai.gov.vn"]).await;
    eventually("it says so", SOON, || async {
        let status = world.mailboxes.get("nv-1").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        if status.locks.len() == 1 { Ok(()) } else { Err(format!("{:?}", status.conditions)) }
    })
    .await;
    // A transfer to an address that cannot be had, and then the lock.
    let closed = Closed::to(&world.client, &world.namespace, &["addressclaims"], "false").await;
    let mut probe = world.claims.get("hoalt.stttt").await.expect("a claim");
    probe.metadata = ObjectMeta { name: Some("probe".into()), ..ObjectMeta::default() };
    closed.until_refused(&world.claims, &probe).await;
    let moved = |more: &str| super::person("nv-2", "Trần Đình Nguyên", more).replace("{name: stttt}", "{name: snv}");
    apply(&world.mailboxes, &moved("")).await.expect("nv-2");
    wait_reason(&world.mailboxes, "nv-2", "ApplyFailed", SOON).await;
    apply(&world.mailboxes, &moved(LOCK)).await.expect("nv-2");
    agent.until(LOCKED, &["nv-1 hoalt.stttt@gialai.gov.vn", "nv-2 nguyentd.stttt@gialai.gov.vn"]).await;
    wait_reason(&world.mailboxes, "nv-2", "ApplyFailed", SOON).await;
    closed.open().await;
    operator.stop().await;
    world.end().await;
}
