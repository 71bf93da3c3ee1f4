//! A mail folder that a restore of the volume brought back, whose name is somebody else's by now (D-14).

use mail_operator::api::{ConditionType, MailSystem, Mailbox};

use super::*;
use crate::support::{eventually, initial_password};

/// What a condition of an object says.
fn said(
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    kind: ConditionType,
) -> (String, String) {
    let found = conditions.iter().find(|c| c.type_ == kind.as_str());
    found.map(|c| (c.reason.clone(), c.message.clone())).unwrap_or_default()
}

fn ready(mailbox: &Mailbox) -> (String, String) {
    said(&mailbox.status.clone().unwrap_or_default().conditions, ConditionType::Ready)
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_nobody_is_let_into_the_folder_of_a_former_account_and_it_is_said_what_to_do() {
    let Some((world, _operator, mut agent)) = World::running("folders").await else { return };
    let home = |name: &str| agent.folder.path().join("vmail").join(name);
    let mark = |name: &str| std::fs::read_to_string(home(name).join(".holder"));
    // What was restored: mail of somebody who had that name, and is purged.
    let former = home("nv-7");
    std::fs::create_dir_all(former.join("mail/cur")).expect("mail");
    std::fs::write(former.join("mail/cur/1"), "Subject: x").expect("a mail");
    std::fs::write(former.join(".holder"), "2020-01-02T03:04:05Z\n").expect("a mark");
    world.person("nv-7", "Trần Đình Nguyên", "").await;
    world.person("nv-8", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-8", SOON).await;
    let issued =
        world.claims.get("hoalt.stttt").await.expect("claim").spec.life.expect("life").issued_at.expect("told");
    assert_eq!(mark("nv-8").expect("a mark").trim(), issued.0.to_string(), "a new folder says whose it is");
    let held = || async {
        let mailbox = world.mailboxes.get("nv-7").await.map_err(|e| e.to_string())?;
        let (reason, message) = ready(&mailbox);
        if reason == "FolderOfAnother" { Ok(message) } else { Err(format!("{reason}: {message}")) }
    };
    let message = eventually("nv-7 is held", SOON, held).await;
    for part in [
        "2020-01-02T03:04:05Z",
        "exec gialai-0",
        "mv /srv/vmail/nv-7 /srv/vmail/.nv-7.former",
        "/srv/vmail/nv-7/.holder",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    agent.until("SELECT mailbox FROM served_accounts WHERE pending AND held", &["nv-7"]).await;
    assert_eq!(mark("nv-7").expect("a mark").trim(), "2020-01-02T03:04:05Z");
    // The system says it as well, and goes on.
    world.pod_is_ready().await;
    eventually("the system says it", SOON, || async {
        let system: MailSystem = world.systems.get("gialai").await.map_err(|e| e.to_string())?;
        let (reason, message) = said(&system.status.unwrap_or_default().conditions, ConditionType::Ready);
        if reason == "FolderOfAnother" && message.contains("nv-7") {
            Ok(())
        } else {
            Err(format!("{reason}: {message}"))
        }
    })
    .await;
    // It outlives the agent.
    agent.kill();
    agent.start_again();
    world.look_again("nv-7").await;
    eventually("nv-7 is held still", SOON, held).await;
    assert_eq!(agent.rows("SELECT mailbox FROM served_accounts WHERE pending AND held"), ["nv-7"]);
    // A person moves it away: the account opens by itself, with an empty folder of its own.
    let home = |name: &str| agent.folder.path().join("vmail").join(name);
    std::fs::rename(home("nv-7"), home(".nv-7.former")).expect("moved");
    wait_ready(&world.mailboxes, "nv-7", SOON).await;
    agent.until("SELECT mailbox FROM served_accounts WHERE pending OR held", &[]).await;
    assert!(home("nv-7/.holder").exists() && !home("nv-7/mail").exists());
    assert!(!initial_password(&world.client, &world.namespace, "nv-7").await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_d_02_a_holder_keeps_his_folder_through_a_transfer_and_a_mailbox_that_is_made_again() {
    let Some((world, _operator, mut agent)) = World::running("folders-kept").await else { return };
    let other = AGENCY.replace("name: stttt", "name: snv").replace("Sở Thông tin và Truyền thông", "Sở Nội vụ");
    apply(&world.agencies, &other).await.expect("agency");
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let path = agent.folder.path().join("vmail/nv-1/.holder");
    let mark = std::fs::read_to_string(&path).expect("a mark");
    // Later than the second in which it was issued.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.mailboxes.delete("nv-1", &kube::api::DeleteParams::default()).await.expect("deleted");
    agent.until("SELECT mailbox FROM accounts WHERE mailbox = 'nv-1' AND revoked", &["nv-1"]).await;
    // Made again, in another agency.
    let again = person("nv-1", "Trần Đình Nguyên", "").replace("name: stttt", "name: snv");
    apply(&world.mailboxes, &again).await.expect("again");
    agent
        .until(
            "SELECT address FROM served_accounts WHERE mailbox = 'nv-1' AND NOT revoked AND NOT pending",
            &["nguyentd.snv@gialai.gov.vn"],
        )
        .await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    // Also for an agent that looks at all of them.
    agent.kill();
    agent.start_again();
    world.look_again("nv-1").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE held"), Vec::<String>::new());
    assert_eq!(std::fs::read_to_string(&path).expect("a mark"), mark);
    world.end().await;
}
