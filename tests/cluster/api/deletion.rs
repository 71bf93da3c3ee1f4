//! What vanishes is revoked and kept, and comes back whole (D-14, D-15).

use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use mail_operator::api::AddressClaim;
use serde_json::json;

use super::{SOON, SYSTEM, World};
use crate::support::operator::Operator;
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};

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
    // His end is a decision as any other (R5.2), though a Mailbox of that name is there.
    eventually("the claim says since when", Duration::from_secs(60), || async {
        let claim = world.claims.get("nguyentd.stttt").await.map_err(|e| e.to_string())?;
        claim.spec.revoked_at.map(drop).ok_or("not yet".to_string())
    })
    .await;
    let text = super::journal::printed(&agent);
    let told = text.lines().filter(|line| line.contains("\"action\":\"Revoke\"") && line.contains("Trần Đình Nguyên"));
    assert_eq!(told.count(), 1, "{text}");
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

/// A journal's entries of this action about a mailbox.
fn told(agent: &crate::support::operator::Agent, action: &str, mailbox: &str) -> usize {
    let (action, mailbox) = (format!("\"action\":\"{action}\""), format!("\"mailbox\":\"{mailbox}\""));
    super::journal::printed(agent).lines().filter(|line| line.contains(&action) && line.contains(&mailbox)).count()
}

/// A list whose names lost their diacritics is applied with `kubectl replace --force`: each Mailbox is another object, of somebody else
/// (D-06). Whoever had the account is gone, as if the file alone were.
#[tokio::test(flavor = "multi_thread")]
async fn d_15_former_holders_of_mailboxes_made_again_under_other_names_are_held_by_the_brake() {
    let Some((world, operator, agent)) = World::running("respelled").await else { return };
    let small = SYSTEM.replace("MailAllowed}", "MailAllowed, brake: {max: 1, percent: 0}}");
    apply(&world.systems, &small).await.expect("a small brake");
    // Of two who vanish one is held, whenever somebody looks; then whatever comes waits.
    for name in ["x-1", "x-2"] {
        world.person(name, "Phạm Cúc", &format!(", localPart: {name}.stttt")).await;
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    for name in ["x-1", "x-2"] {
        world.mailboxes.delete(name, &DeleteParams::default()).await.expect("deleted");
    }
    let names: Vec<String> = (0..5).map(|i| format!("nv-{i}")).collect();
    let pin = |i: usize| format!(", localPart: m{i}.stttt");
    for (i, name) in names.iter().enumerate() {
        world.person(name, "Trần Văn Minh", &pin(i)).await;
    }
    for name in &names {
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    // Which of ours are held, when all of them are.
    let held = async |gone: &[&str]| {
        eventually("5 are held", SOON, || async {
            let status = world.systems.get("gialai").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            let held = status.held.ok_or("nothing")?;
            let ours: Vec<_> = held.actions.iter().filter(|action| action.mailbox.starts_with("nv-")).collect();
            let deleted = ours.iter().all(|action| (&*action.action, &*action.reason) == ("Revoke", "Deleted"));
            let called = |i: usize| match gone.contains(&&*format!("nv-{i}")) {
                true => format!("nv-{i}"),
                false => format!("nv-{i}/m{i}.stttt"),
            };
            let all = ours.iter().map(|action| action.mailbox.clone()).eq((0..5).map(called));
            if deleted && all { Ok(held.token) } else { Err(format!("{:?}", held.actions)) }
        })
        .await
    };
    eventually("something is held", SOON, || async {
        let status = world.systems.get("gialai").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        status.held.map(drop).ok_or("nothing".to_string())
    })
    .await;
    let replaced = names.iter().enumerate().map(|(i, name)| {
        let (world, pin) = (&world, pin(i));
        async move {
            world.mailboxes.delete(name, &DeleteParams::default()).await.expect("deleted");
            world.person(name, "Tran Van Minh", &pin).await;
        }
    });
    futures::future::join_all(replaced).await;
    for name in &names {
        wait_reason(&world.mailboxes, name, "HolderMismatch", SOON).await;
    }
    held(&[]).await;
    // Nobody's mail is refused, nobody is shut out, and nothing is written down.
    let open =
        "SELECT count(*) || '' FROM accounts WHERE mailbox LIKE 'nv-%' AND NOT revoked AND NOT locked AND NOT pending";
    assert_eq!(agent.rows(open), ["5"]);
    assert!(names.iter().all(|name| told(&agent, "Revoke", name) == 0));
    // Who goes out of the list for good is not let through by that, and the next leader holds all of them.
    world.mailboxes.delete("nv-4", &DeleteParams::default()).await.expect("deleted");
    held(&["nv-4"]).await;
    operator.stop().await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let token = held(&["nv-4"]).await;
    assert_eq!(agent.rows(open), ["5"]);
    // What is confirmed is done once, and written down once.
    let word = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-held": token}}});
    world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&word)).await.expect("confirmed");
    agent.until("SELECT count(*) || '' FROM accounts WHERE revoked", &["7"]).await;
    for (i, name) in names.iter().enumerate() {
        eventually(&format!("the claim of {name} says since when"), SOON, || async {
            let claim = world.claims.get(&format!("m{i}.stttt")).await.map_err(|e| e.to_string())?;
            claim.spec.revoked_at.map(drop).ok_or("not yet".to_string())
        })
        .await;
        assert_eq!(told(&agent, "Revoke", name), 1, "{name}");
    }
    // Whose name is mended has everything again.
    world.person("nv-0", "Trần Văn Minh", &pin(0)).await;
    wait_ready(&world.mailboxes, "nv-0", SOON).await;
    agent.until("SELECT mailbox FROM accounts WHERE mailbox = 'nv-0' AND NOT revoked", &["nv-0"]).await;
    operator.stop().await;
    world.end().await;
}

/// Mailbox and address are deleted together, before anybody looks at the one without the other.
#[tokio::test(flavor = "multi_thread")]
async fn d_14_who_is_deleted_with_the_address_is_revoked_written_down_and_keeps_it() {
    let Some((world, operator, agent)) = World::running("both").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", ", aliases: [nguyen.td]").await;
    world.person("nv-2", "Lê Thị Hoa", "").await;
    for name in ["nv-1", "nv-2"] {
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    let password = initial_password(&world.client, &world.namespace, "nv-2").await;
    let delete = async |mailbox: &str, local: &str| {
        let how = DeleteParams::default();
        let (mailbox, claim) = tokio::join!(world.mailboxes.delete(mailbox, &how), world.claims.delete(local, &how));
        drop((mailbox.expect("deleted"), claim.expect("deleted")));
    };
    let issued = |claim: &AddressClaim| claim.spec.life.as_ref().and_then(|life| life.issued_at.clone());
    let theirs = issued(&world.claims.get("hoalt.stttt").await.expect("a claim")).expect("a moment");
    delete("nv-1", "nguyentd.stttt").await;
    delete("nv-2", "hoalt.stttt").await;
    agent.until("SELECT mailbox FROM accounts WHERE revoked ORDER BY mailbox", &["nv-1", "nv-2"]).await;
    for (name, local) in [("nv-1", "nguyentd.stttt"), ("nv-2", "hoalt.stttt")] {
        let claim = eventually(&format!("the claim of {name} is there, and says since when"), SOON, || async {
            let claim = world.claims.get(local).await.map_err(|e| e.to_string())?;
            if claim.spec.revoked_at.is_some() { Ok(claim) } else { Err("not yet".to_string()) }
        })
        .await;
        assert_eq!(claim.spec.owner_ref.name, name);
        assert_eq!(told(&agent, "Revoke", name), 1, "{name}");
        // Whether a document kept it from being purged is not known any more; since when it is theirs is. Where the end of the claim was heard
        // before that of its Mailbox, whose pass claimed it again, all of it is.
        let by_its_pass = claim.spec.agency.is_some();
        let unknown = claim.spec.hold.as_ref().is_some_and(|hold| hold.contains("unknown"));
        assert!(unknown != by_its_pass, "{name}: {:?}", claim.spec);
    }
    assert_eq!(issued(&world.claims.get("hoalt.stttt").await.expect("a claim")), Some(theirs.clone()));
    // Somebody else under that name gets nothing of it, and the same person everything.
    world.person("nv-2", "Lê Thị Huệ", "").await;
    wait_reason(&world.mailboxes, "nv-2", "HolderMismatch", SOON).await;
    world.person("nv-2", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    assert_eq!(world.address("nv-2").await.as_deref(), Some("hoalt.stttt@gialai.gov.vn"));
    assert_eq!(initial_password(&world.client, &world.namespace, "nv-2").await, password);
    let claim = world.claims.get("hoalt.stttt").await.expect("a claim");
    assert_eq!((issued(&claim), claim.spec.hold), (Some(theirs), None), "the Mailbox says anew what holds");
    operator.stop().await;
    world.end().await;
}

/// The same while nobody leads: the mail server alone knows of them.
#[tokio::test(flavor = "multi_thread")]
async fn d_14_d_15_who_is_known_to_the_mail_server_alone_is_said_held_and_written_down() {
    let Some((world, operator, agent)) = World::running("lost").await else { return };
    let small = SYSTEM.replace("MailAllowed}", "MailAllowed, brake: {max: 2, percent: 0}}");
    apply(&world.systems, &small).await.expect("a small brake");
    world.pod_is_ready().await;
    world.person("nv-1", "Trần Đình Nguyên", ", aliases: [nguyen.td]").await;
    for (i, name) in ["nv-2", "nv-3", "nv-4"].iter().enumerate() {
        world.person(name, "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    for name in ["nv-1", "nv-2", "nv-3", "nv-4"] {
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    operator.stop().await;
    for (name, local) in [("nv-1", "nguyentd.stttt"), ("nv-2", "m0.stttt"), ("nv-3", "m1.stttt"), ("nv-4", "m2.stttt")]
    {
        world.mailboxes.delete(name, &DeleteParams::default()).await.expect("deleted");
        world.claims.delete(local, &DeleteParams::default()).await.expect("deleted");
    }
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let held = eventually("4 are held", SOON, || async {
        let status = world.systems.get("gialai").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        status.held.filter(|held| held.count == 4).ok_or_else(|| "others".to_string())
    })
    .await;
    let open = "SELECT mailbox FROM accounts WHERE mailbox LIKE 'nv-%' AND NOT revoked ORDER BY mailbox";
    assert_eq!(agent.rows(open), ["nv-1", "nv-2", "nv-3", "nv-4"]);
    let word = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-held": held.token}}});
    world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&word)).await.expect("confirmed");
    // Whose address nobody knows any more has no row; who has a further one is kept by that.
    agent.until("SELECT mailbox || revoked FROM accounts WHERE mailbox LIKE 'nv-%'", &["nv-11"]).await;
    for name in ["nv-1", "nv-2", "nv-3", "nv-4"] {
        assert_eq!(told(&agent, "Revoke", name), 1, "{name}");
    }
    eventually("its further address says since when", SOON, || async {
        let claim = world.claims.get("nguyen.td").await.map_err(|e| e.to_string())?;
        claim.spec.revoked_at.map(drop).ok_or("not yet".to_string())
    })
    .await;
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
