//! An address, an account and a password for each holder, and what that costs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::api::DeleteParams;

use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};

#[tokio::test(flavor = "multi_thread")]
async fn r4_2_a_a_commit_becomes_an_address_an_account_and_a_password() {
    let Some((world, operator, agent)) = World::running("issue").await else { return };
    world.person("nv-000123", "Hoàng Thị Như Quỳnh", "").await;
    let mailbox = wait_ready(&world.mailboxes, "nv-000123", SOON).await;
    assert_eq!(mailbox.status.and_then(|s| s.address).as_deref(), Some("quynhhtn.stttt@gialai.gov.vn"));
    let claim = world.claims.get("quynhhtn.stttt").await.expect("claim");
    assert_eq!(claim.spec.owner_ref.name, "nv-000123");
    let password = initial_password(&world.client, &world.namespace, "nv-000123").await;
    assert_eq!(mail_operator::domain::password::check(&password), [], "R9.2");
    agent
        .until(
            "SELECT address FROM accounts WHERE mailbox = 'nv-000123' AND locked = 0",
            &["quynhhtn.stttt@gialai.gov.vn"],
        )
        .await;
    operator.stop().await;
    world.end().await;
}

/// kstatus takes an object without status for finished.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_looked_at_yet_says_so() {
    let Some(world) = World::new("fresh").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    world.person("nv-1", "Hoàng Thị Như Quỳnh", "").await;
    let mailbox = world.mailboxes.get("nv-1").await.expect("mailbox").status.expect("its default");
    assert_eq!((mailbox.observed_generation, mailbox.conditions.len()), (Some(-1), 0));
    let agency = world.agencies.get("stttt").await.expect("agency").status.expect("its default");
    assert_eq!(agency.observed_generation, Some(-1));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issuing_a_mailbox_costs_three_writes_and_rest_costs_none() {
    let Some((world, operator, _agent)) = World::running("writes").await else { return };
    wait_ready(&world.agencies, "stttt", SOON).await;
    operator.rests().await;
    let (before, begun) = (counted(&operator), Instant::now());
    for i in 0..20 {
        world.person(&format!("nv-{i}"), &format!("Trần Văn {}", word(i)), "").await;
    }
    for i in 0..20 {
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    let after = counted(&operator);
    let cost = |what: (&str, &str)| {
        let key = (what.0.to_string(), what.1.to_string());
        after.get(&key).unwrap_or(&0) - before.get(&key).unwrap_or(&0)
    };
    for what in [("create", "AddressClaim"), ("create", "Secret"), ("patch/status", "Mailbox")] {
        assert_eq!(cost(what), 20, "{what:?}: {:#?}", operator.requests());
    }
    for what in [("patch", "AddressClaim"), ("patch", "Secret"), ("patch", "Mailbox"), ("delete", "AddressClaim")] {
        assert_eq!(cost(what), 0, "{what:?}: {:#?}", operator.requests());
    }
    // The children of the MailSystem may be applied once more meanwhile: nothing else is written for each of the twenty.
    let all = after.values().sum::<u64>() - before.values().sum::<u64>();
    assert!(all < 60 + 20, "{all} writes for 20 mailboxes: {:#?}", operator.requests());
    // The counts of the MailSystem are written each 5 s at most, not per mailbox.
    let most = 2 + begun.elapsed().as_secs() / 5;
    assert!(cost(("patch/status", "MailSystem")) <= most, "{:#?}", operator.requests());
    operator.stop().await;
    world.end().await;
}

/// Requests that write, by verb and kind.
fn counted(operator: &Operator) -> BTreeMap<(String, String), u64> {
    let field = |line: &str, name: &str| {
        line.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_string()
    };
    let one = |line: String| {
        let count = line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a count");
        ((field(&line, "verb"), field(&line, "kind")), count)
    };
    operator.requests().into_iter().map(one).collect()
}

/// Different given names without collisions.
fn word(i: usize) -> String {
    let letters = [
        "An", "Bình", "Chi", "Dũng", "Giang", "Hà", "Khoa", "Lan", "Minh", "Nam", "Oanh", "Phúc", "Quang", "Sơn",
        "Tâm", "Uyên", "Vân", "Xuân", "Yến", "Đạt",
    ];
    letters[i].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_that_comes_later_is_waited_for() {
    let Some(world) = World::new("later").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let agent = Agent::start(&world.client, &world.namespace).await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "AgencyNotFound", SOON).await;
    assert!(why.contains("spec.agencyRef") && why.contains("stttt"), "{why}");
    apply(&world.agencies, AGENCY).await.expect("agency");
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
    agent.until("SELECT address FROM accounts WHERE mailbox = 'nv-1'", &["nguyentd.stttt@gialai.gov.vn"]).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_d_05_a_newcomer_yields_and_who_pins_a_taken_address_is_told_who_holds_it() {
    let Some((world, operator, _agent)) = World::running("conflict").await else { return };
    world.person("nv-1", "Trần Huỳnh Tấn Minh", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.person("nv-2", "Trương Hoàng Tiến Minh", ", localPart: minhtht.stttt").await;
    let why = wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    assert!(why.contains("minhtht.stttt") && why.contains("Trần Huỳnh Tấn Minh") && why.contains("nv-1"), "{why}");
    assert_eq!(world.address("nv-1").await.as_deref(), Some("minhtht.stttt@gialai.gov.vn"));
    // Without the pin the rules give it another one (R4.2.b).
    world.person("nv-2", "Trương Hoàng Tiến Minh", "").await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    assert_eq!(world.address("nv-2").await.as_deref(), Some("tienminhth.stttt@gialai.gov.vn"));
    // An alias of somebody else's is refused and harms nothing.
    world
        .person(
            "nv-2",
            "Trương Hoàng Tiến Minh",
            ", localPart: tienminhth.stttt, aliases: [minhtht.stttt, minh2.stttt]",
        )
        .await;
    let why = wait_reason(&world.mailboxes, "nv-2", "AliasConflict", SOON).await;
    assert!(why.contains("spec.aliases[0]"), "{why}");
    assert_eq!(world.address("nv-2").await.as_deref(), Some("tienminhth.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_an_issued_address_is_claimed_again_when_its_claim_was_deleted() {
    let Some((world, operator, _agent)) = World::running("reclaim").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.person("nv-1", "Trần Đình Nguyện", "").await;
    eventually("the new name is said", SOON, || async {
        let conditions = world.mailboxes.get("nv-1").await.expect("nv-1").status.unwrap_or_default().conditions;
        let reason = conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.reason.clone());
        if reason.as_deref() == Some("NameChanged") { Ok(()) } else { Err(format!("{reason:?}")) }
    })
    .await;
    world.claims.delete("nguyentd.stttt", &DeleteParams::default()).await.expect("deleted");
    eventually("claimed again", SOON, || async {
        world.claims.get("nguyentd.stttt").await.map(drop).map_err(|e| e.to_string())
    })
    .await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}
