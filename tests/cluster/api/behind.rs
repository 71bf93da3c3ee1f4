//! What somebody changes behind the operator is put back and written down, on the real API server, with the clock moved.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use mail_operator::api::MailboxState;
use serde_json::json;

use super::SOON;
use super::days::{ADDRESS, COMPROMISED, LOCKED, Lives};
use super::journal::printed;
use crate::support::{eventually, wait_ready};

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_who_opens_an_account_behind_the_operator_is_corrected_and_written_down() {
    let Some(lives) = Lives::new("foreign").await else { return };
    lives.person(COMPROMISED).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    lives.state("nv-1", MailboxState::Locked).await;
    let table = rusqlite::Connection::open(lives.agent.folder.path().join("mail.sqlite")).expect("the table");
    table.execute("UPDATE accounts SET locked = 0 WHERE mailbox = 'nv-1'", []).expect("opened");
    eventually("it is locked again", Duration::from_secs(25), || async {
        let rows = lives.agent.rows(LOCKED);
        if rows == [ADDRESS] { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    assert!(printed(&lives.agent).contains("\"action\":\"ChangeTable\""));
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_3_d_12_a_status_that_somebody_edits_is_put_back_and_written_down() {
    let Some(lives) = Lives::new("edited").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    lives.pass(40, &["nv-1"]).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    let before = lives.state("nv-1", MailboxState::Locked).await;
    // No lock, and a baseline that would keep the clock from running out again.
    let edit = json!({"status": {"locks": [], "state": "Active", "unlockedAt": lives.days.now().to_string()}});
    world.mailboxes.patch_status("nv-1", &PatchParams::default(), &Patch::Merge(&edit)).await.expect("edited");
    let after =
        lives.until("nv-1", "as it was", |status| !status.locks.is_empty() && status.unlocked_at.is_none()).await;
    assert_eq!((&after.locks, after.state), (&before.locks, before.state));
    assert_eq!(lives.agent.rows(LOCKED), [ADDRESS]);
    eventually("it is written down", SOON, || async {
        let text = printed(&lives.agent);
        if text.contains("\"action\":\"EditStatus\"") { Ok(()) } else { Err("not yet".to_string()) }
    })
    .await;
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_2_d_02_a_claim_that_somebody_deletes_is_made_again_and_written_down_once_each_time() {
    let Some(mut lives) = Lives::new("claimless").await else { return };
    lives.person("").await;
    wait_ready(&lives.world.mailboxes, "nv-1", SOON).await;
    for times in 1..=2 {
        let local = "nguyentd.stttt";
        let before = lives.world.claims.get(local).await.expect("a claim").metadata.uid;
        lives.world.claims.delete(local, &DeleteParams::default()).await.expect("deleted");
        let (claims, agent) = (&lives.world.claims, &lives.agent);
        eventually("it is there again, and that is written down", SOON, || async {
            let claim = claims.get(local).await.map_err(|e| e.to_string())?;
            let written = printed(agent).matches("\"action\":\"DeleteClaim\"").count();
            let marked = claim.made_again().is_some();
            let done = claim.metadata.uid != before && !marked && written == times;
            if done { Ok(()) } else { Err(format!("marked: {marked}, {written} entries")) }
        })
        .await;
        // The next leader has nothing to add.
        lives.operator.stop().await;
        lives.operator = lives.days.operator(&lives.world);
        lives.world.look_again("nv-1").await;
    }
    let written = ["DeleteClaim", "Issue", "ChangeAddress"].map(|action| lives.written(action));
    assert_eq!(written, [2, 1, 0]);
    lives.end().await;
}
