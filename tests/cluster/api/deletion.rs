//! What vanishes is revoked and kept, and comes back whole (D-14, D-15).

use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{SOON, World};
use crate::support::operator::Operator;
use crate::support::{eventually, initial_password, wait_ready, wait_reason};

#[tokio::test(flavor = "multi_thread")]
async fn d_14_a_deletion_revokes_and_keeps_and_the_same_person_gets_it_back() {
    let Some((world, operator, agent)) = World::running("delete").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    agent
        .until("SELECT address FROM accounts WHERE mailbox = 'nv-1' AND revoked", &["nguyentd.stttt@gialai.gov.vn"])
        .await;
    world.claims.get("nguyentd.stttt").await.expect("the claim stays");
    // Somebody else under the same resource name gets nothing of it.
    world.person("nv-1", "Lê Thị Hoa", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "HolderMismatch", SOON).await;
    assert!(why.contains("Trần Đình Nguyên"), "{why}");
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE mailbox = 'nv-1' AND revoked"), ["nv-1"]);
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    // The same person does.
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
    assert_eq!(initial_password(&world.client, &world.namespace, "nv-1").await, password);
    agent
        .until(
            "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND NOT revoked AND password IS NOT NULL",
            &["nguyentd.stttt@gialai.gov.vn"],
        )
        .await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_a_deletion_while_the_operator_is_down_is_found_by_the_claim() {
    let Some((world, operator, agent)) = World::running("down").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    world.person("nv-2", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    operator.stop().await;
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    agent.until("SELECT mailbox FROM accounts WHERE revoked", &["nv-1"]).await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE NOT revoked AND mailbox LIKE 'nv-%'"), ["nv-2"]);
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_somebody_else_under_a_name_that_was_deleted_while_the_operator_was_down_gets_nothing() {
    let Some((world, operator, agent)) = World::running("swap").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    operator.stop().await;
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    world.person("nv-1", "Lê Thị Hoa", "").await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    wait_reason(&world.mailboxes, "nv-1", "HolderMismatch", SOON).await;
    agent.until("SELECT mailbox FROM accounts WHERE mailbox = 'nv-1' AND revoked", &["nv-1"]).await;
    // Nor does she when the claim is deleted by hand: folder and password are his.
    operator.stop().await;
    world.claims.delete("nguyentd.stttt", &DeleteParams::default()).await.expect("deleted");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let why = wait_reason(&world.mailboxes, "nv-1", "HolderMismatch", SOON).await;
    assert!(why.contains("Trần Đình Nguyên"), "{why}");
    assert_eq!(world.address("nv-1").await, None);
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_a_prune_of_everything_is_held_until_it_is_confirmed() {
    let Some((world, operator, agent)) = World::running("prune").await else { return };
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    for i in 0..25 {
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
    }
    let persons = ListParams::default().fields("spec.agencyRef.name=stttt");
    world.mailboxes.delete_collection(&DeleteParams::default(), &persons).await.expect("pruned");
    // The agency's own mailbox is made again at once.
    // The word that confirms exactly what is held.
    let held = async |count: usize| {
        eventually(&format!("{count} are held"), SOON, || async {
            let why = wait_reason(&world.systems, "gialai", "HeldByBrake", SOON).await;
            match why.split_once("acknowledge-held=") {
                Some((_, token)) if token.starts_with(&format!("{count}-")) => Ok(token.trim_matches('"').to_string()),
                _ => Err(why),
            }
        })
        .await
    };
    let confirm = async |word: &str| {
        let patch = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-held": word}}});
        world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("confirmed");
    };
    let of_all = held(25).await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE revoked"), Vec::<String>::new());
    // Those whose files come back are not asked for any more. The rest is fewer than would have passed, and stays held, also by the
    // next leader, until it is confirmed.
    for i in 0..6 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    held(19).await;
    operator.stop().await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let rest = held(19).await;
    confirm(&of_all).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(
        agent.rows("SELECT mailbox FROM accounts WHERE revoked"),
        Vec::<String>::new(),
        "an old word says nothing"
    );
    confirm(&rest).await;
    agent.until("SELECT count(*) || '' FROM accounts WHERE revoked", &["19"]).await;
    // The same ones come back and vanish again: what was confirmed then is not confirmed now.
    let again: Vec<String> = (0..25).map(|i| format!("nv-{i}")).collect();
    for (i, name) in again.iter().enumerate() {
        world.person(name, "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    for name in &again {
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    agent.until("SELECT count(*) || '' FROM accounts WHERE revoked", &["0"]).await;
    for name in &again {
        world.mailboxes.delete(name, &DeleteParams::default()).await.expect("pruned again");
    }
    assert_ne!(held(25).await, of_all);
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE revoked"), Vec::<String>::new());
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_system_keeps_volume_claims_and_the_dkim_key() {
    let Some((world, operator, _agent)) = World::running("gone").await else { return };
    world.systems.delete("gialai", &DeleteParams::default()).await.expect("deleted");
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    // The garbage collector learns of new kinds each half minute.
    eventually("children are collected", Duration::from_secs(90), || async {
        match secrets.get_opt("gialai-agent-tls").await.expect("get") {
            None => Ok(()),
            Some(_) => Err("there".into()),
        }
    })
    .await;
    let volumes: Api<PersistentVolumeClaim> = Api::namespaced(world.client.clone(), &world.namespace);
    volumes.get("data-gialai-0").await.expect("the volume claim stays");
    secrets.get("gialai-dkim").await.expect("the DKIM key stays");
    world.claims.get("stttt").await.expect("the address stays");
    assert_eq!(world.mailboxes.get("agency-stttt").await.expect("stays").name_any(), "agency-stttt");
    operator.stop().await;
    world.end().await;
}
