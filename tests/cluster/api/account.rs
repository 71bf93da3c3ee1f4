//! What an issued account may do: locks, quotas, passwords.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use super::{SOON, World};
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_lock_and_an_unlock_reach_the_table() {
    let Some((world, operator, agent)) = World::running("lock").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let lock = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";
    world.person("nv-1", "Trần Đình Nguyên", lock).await;
    agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'", &["nv-1"]).await;
    let status = wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let shown = eventually("state Locked", SOON, || async {
        let status = world.mailboxes.get("nv-1").await.expect("nv-1").status.unwrap_or_default();
        if status.locks.is_empty() { Err(format!("{:?}", status.state)) } else { Ok(status) }
    })
    .await;
    drop(status);
    assert_eq!(shown.locks[0].rule, "6.2.b");
    assert!(shown.locks[0].basis.as_ref().is_some_and(|basis| basis.number == "9/CV"));
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'", &[]).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_3_the_quota_follows_its_policy_and_says_which() {
    let Some((world, operator, agent)) = World::running("quota").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let quota = "SELECT quota_bytes || '/' || max_message_bytes FROM accounts WHERE mailbox = 'nv-1'";
    agent.until(quota, &["2147483648/27400000"]).await;
    let policy = |name: &str, storage: &str, more: &str| {
        format!(
            "metadata: {{name: {name}}}\nspec: {{systemRef: {{name: gialai}}, storage: {storage}, maxAttachment: 25M{more}}}"
        )
    };
    apply(&world.policies, &policy("people", "5Gi", ", selector: {holders: [Person]}")).await.expect("policy");
    agent.until(quota, &["5368709120/34250000"]).await;
    apply(&world.policies, &policy("leaders", "20Gi", "")).await.expect("policy");
    world.person("nv-1", "Trần Đình Nguyên", ", quotaPolicyRef: {name: leaders}").await;
    agent.until(quota, &["21474836480/34250000"]).await;
    let shown = eventually("source Mailbox", SOON, || async {
        let quota = world.mailboxes.get("nv-1").await.expect("nv-1").status.and_then(|s| s.quota).unwrap_or_default();
        if quota.source == "Mailbox" { Ok(quota) } else { Err(format!("{quota:?}")) }
    })
    .await;
    assert_eq!(shown.policy.as_deref(), Some("leaders"));
    // A reference to nothing falls back, loses nothing and says so.
    world.policies.delete("leaders", &DeleteParams::default()).await.expect("deleted");
    agent.until(quota, &["5368709120/34250000"]).await;
    wait_reason(&world.mailboxes, "nv-1", "QuotaPolicyNotFound", SOON).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_no_password_or_hash_outside_its_secret() {
    let Some((world, operator, _agent)) = World::running("secret").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    let seen = format!(
        "{:?}{:?}{}",
        world.mailboxes.list(&ListParams::default()).await.expect("list"),
        world.claims.list(&ListParams::default()).await.expect("list"),
        operator.metrics.text()
    );
    assert!(!seen.contains(&password) && !seen.contains("argon2id"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_hash_reaches_the_table_and_a_bad_one_locks_nobody_out_of_receiving() {
    let Some((world, operator, agent)) = World::running("hash").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let write = |hash: &'static str| {
        let secrets = secrets.clone();
        async move {
            let patch = json!({"stringData": {"hash": hash}});
            secrets.patch("nv-1-credentials", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
        }
    };
    let good = "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
    write(good).await;
    agent.until("SELECT password FROM accounts WHERE mailbox = 'nv-1'", &[good]).await;
    write("plain").await;
    wait_reason(&world.mailboxes, "nv-1", "InvalidCredentials", SOON).await;
    agent
        .until(
            "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND password IS NULL",
            &["nguyentd.stttt@gialai.gov.vn"],
        )
        .await;
    operator.stop().await;
    world.end().await;
}
