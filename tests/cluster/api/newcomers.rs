//! Several who would get one address (R4.2.b, R4.2.c, D-02 to D-07, D-22), on a real API server.

use kube::api::DeleteParams;
use serde_json::json;

use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, wait_ready, wait_reason};

const TIEN: &str = "Trương Hoàng Tiến Minh";
const TAN: &str = "Trần Huỳnh Tấn Minh";

/// Waits until nothing keeps a contested address closed any more.
async fn opened(world: &World, local: &str) {
    eventually("the contested address is free again", SOON, || async {
        match world.claims.get_opt(local).await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_03_d_22_two_who_come_together_both_take_rule_b_and_a_third_later_the_common_form() {
    let Some((world, operator, _agent)) = World::running("together").await else { return };
    tokio::join!(world.person("nv-1", TIEN, ""), world.person("nv-2", TAN, ""));
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("tienminhth.stttt@gialai.gov.vn"));
    assert_eq!(world.address("nv-2").await.as_deref(), Some("tanminhth.stttt@gialai.gov.vn"));
    opened(&world, "minhtht.stttt").await;
    world.person("nv-3", "Trịnh Hữu Thế Minh", "").await;
    wait_ready(&world.mailboxes, "nv-3", SOON).await;
    assert_eq!(world.address("nv-3").await.as_deref(), Some("minhtht.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_03_an_operator_that_was_killed_between_two_gives_the_second_what_it_would_have_got() {
    let Some(world) = World::new("between").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    world.person("nv-1", TIEN, "").await;
    world.person("nv-2", TAN, "").await;
    // As it stands after the address was closed and the first of the two was claimed.
    let claim = |name: &str, address_use: &str, kind: &str, owner: &str, full: &str, labels: serde_json::Value| {
        let spec = json!({"use": address_use, "ownerRef": {"kind": kind, "name": owner}, "ownerName": full});
        json!({"metadata": {"name": name, "labels": labels}, "spec": spec}).to_string()
    };
    let contested = json!({"mail.gialai.gov.vn/contested": "true"});
    apply(&world.claims, &claim("minhtht.stttt", "Reserved", "MailSystem", "gialai", "", contested))
        .await
        .expect("closed");
    apply(&world.claims, &claim("tienminhth.stttt", "Primary", "Mailbox", "nv-1", TIEN, json!({})))
        .await
        .expect("first");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let _agent = Agent::start(&world.client, &world.namespace).await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("tienminhth.stttt@gialai.gov.vn"));
    assert_eq!(world.address("nv-2").await.as_deref(), Some("tanminhth.stttt@gialai.gov.vn"));
    opened(&world, "minhtht.stttt").await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_2_c_d_07_one_full_name_twice_waits_for_a_disambiguator_and_is_told_which_are_free() {
    let Some((world, operator, _agent)) = World::running("same-name").await else { return };
    world.person("nv-1", "Lê Thị Hoà", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.person("nv-2", "Lê Thị Hòa", "").await;
    let why = wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    for part in ["4.2.c", "nv-1", "hoalt.stttt@gialai.gov.vn", "spec.disambiguator", "2, 3, 4"] {
        assert!(why.contains(part), "{why}");
    }
    world.person("nv-2", "Lê Thị Hòa", ", disambiguator: '2'").await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    assert_eq!(world.address("nv-2").await.as_deref(), Some("hoalt2.stttt@gialai.gov.vn"));
    assert_eq!(world.address("nv-1").await.as_deref(), Some("hoalt.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_2_c_of_two_of_one_name_the_other_gets_the_address_once_one_is_gone() {
    let Some((world, operator, _agent)) = World::running("one-gone").await else { return };
    tokio::join!(world.person("nv-1", TAN, ""), world.person("nv-2", TAN, ""));
    wait_reason(&world.mailboxes, "nv-1", "Conflict", SOON).await;
    wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    world.mailboxes.delete("nv-2", &DeleteParams::default()).await.expect("deleted");
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("minhtht.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_1_d_05_two_agencies_of_the_same_initials_wait_for_a_person_to_decide() {
    let Some((world, operator, _agent)) = World::running("initials").await else { return };
    let agency = |name: &str, full: &str, more: &str| {
        format!(
            "metadata: {{name: {name}}}\nspec: {{systemRef: {{name: gialai}}, level: Province, name: {full}{more}, basis: {{number: 01/QĐ, date: '2026-01-05', issuer: UBND tỉnh}}}}"
        )
    };
    let (one, two) = (agency("snv", "Sở Nội vụ", ""), agency("sngv", "Sở Ngoại vụ", ""));
    let (a, b) = tokio::join!(apply(&world.agencies, &one), apply(&world.agencies, &two));
    a.expect("agency");
    b.expect("agency");
    wait_reason(&world.mailboxes, "agency-snv", "Conflict", SOON).await;
    let why = wait_reason(&world.mailboxes, "agency-sngv", "Conflict", SOON).await;
    assert!(why.contains("snv@gialai.gov.vn") && why.contains("spec.initials"), "{why}");
    apply(&world.agencies, &agency("sngv", "Sở Ngoại vụ", ", initials: sngv")).await.expect("decided");
    wait_ready(&world.mailboxes, "agency-sngv", SOON).await;
    wait_ready(&world.mailboxes, "agency-snv", SOON).await;
    assert_eq!(world.address("agency-snv").await.as_deref(), Some("snv@gialai.gov.vn"));
    assert_eq!(world.address("agency-sngv").await.as_deref(), Some("sngv@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}
