//! Several who would get one address (R4.2.b, R4.2.c, D-02 to D-07, D-22), on a real API server.

use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, wait_ready, wait_reason};

const TIEN: &str = "Trương Hoàng Tiến Minh";
const TAN: &str = "Trần Huỳnh Tấn Minh";

impl World {
    /// It is written down that these left an address to several.
    async fn left(&self, local: &str, names: &str) {
        let metadata = json!({"name": local, "labels": {"mail.gialai.gov.vn/contested": "true"},
            "annotations": {"mail.gialai.gov.vn/left-by": names}});
        let owner = json!({"kind": "MailSystem", "name": "gialai"});
        let spec = json!({"use": "Reserved", "ownerRef": owner, "ownerName": ""});
        apply(&self.claims, &json!({"metadata": metadata, "spec": spec}).to_string()).await.expect("left");
    }
}

/// Waits until nothing is left of the contest for an address.
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
    world.left("minhtht.stttt", "nv-1,nv-2").await;
    let spec = json!({"use": "Primary", "ownerRef": {"kind": "Mailbox", "name": "nv-1"}, "ownerName": TIEN});
    let first = json!({"metadata": {"name": "tienminhth.stttt"}, "spec": spec}).to_string();
    apply(&world.claims, &first).await.expect("first");
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
async fn d_03_who_left_no_address_takes_it_over_by_pin_or_by_name() {
    let Some(world) = World::new("over").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    world.person("nv-1", TIEN, "").await;
    // As if the operator had been killed before the others, who left these too, had theirs.
    world.left("minhtht.stttt", "nv-1").await;
    world.left("hoalt.stttt", "nv-1").await;
    world.person("nv-2", TAN, ", localPart: minhtht.stttt").await;
    world.person("nv-3", "Lê Thị Hoa", "").await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let _agent = Agent::start(&world.client, &world.namespace).await;
    for (name, address) in [("nv-1", "tienminhth.stttt"), ("nv-2", "minhtht.stttt"), ("nv-3", "hoalt.stttt")] {
        wait_ready(&world.mailboxes, name, SOON).await;
        assert_eq!(world.address(name).await, Some(format!("{address}@gialai.gov.vn")), "{name}");
    }
    let claim = world.claims.get("minhtht.stttt").await.expect("claim");
    assert_eq!((claim.spec.owner_ref.name.as_str(), claim.annotations().len()), ("nv-2", 0));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_2_c_who_waits_keeps_the_common_form_though_a_third_left_it() {
    let people = [("nv-1", TAN), ("nv-2", TAN), ("nv-3", TIEN)];
    let Some((world, operator, _agent)) = World::running_with("third", &people).await else { return };
    wait_ready(&world.mailboxes, "nv-3", SOON).await;
    assert_eq!(world.address("nv-3").await.as_deref(), Some("tienminhth.stttt@gialai.gov.vn"));
    wait_reason(&world.mailboxes, "nv-1", "Conflict", SOON).await;
    wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    world.person("nv-2", TAN, ", disambiguator: '2'").await;
    for (name, address) in [("nv-1", "minhtht.stttt"), ("nv-2", "minhtht2.stttt")] {
        wait_ready(&world.mailboxes, name, SOON).await;
        assert_eq!(world.address(name).await, Some(format!("{address}@gialai.gov.vn")), "{name}");
    }
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_21_two_pins_on_one_address_wait_until_one_is_changed() {
    let Some(world) = World::new("pins").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    world.person("nv-1", TIEN, ", localPart: minh.stttt").await;
    world.person("nv-2", TAN, ", localPart: minh.stttt").await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let _agent = Agent::start(&world.client, &world.namespace).await;
    wait_reason(&world.mailboxes, "nv-1", "Conflict", SOON).await;
    let why = wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    assert!(why.contains("D-21") && why.contains("minh.stttt@gialai.gov.vn") && why.contains("nv-1"), "{why}");
    world.person("nv-2", TAN, ", localPart: tan.stttt").await;
    for (name, address) in [("nv-1", "minh.stttt"), ("nv-2", "tan.stttt")] {
        wait_ready(&world.mailboxes, name, SOON).await;
        assert_eq!(world.address(name).await, Some(format!("{address}@gialai.gov.vn")), "{name}");
    }
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
    let people = [("nv-1", TAN), ("nv-2", TAN)];
    let Some((world, operator, _agent)) = World::running_with("one-gone", &people).await else { return };
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
    let Some(world) = World::new("initials").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    let agency = |name: &str, full: &str, more: &str| {
        format!(
            "metadata: {{name: {name}}}\nspec: {{systemRef: {{name: gialai}}, level: Province, name: {full}{more}, basis: {{number: 01/QĐ, date: '2026-01-05', issuer: UBND tỉnh}}}}"
        )
    };
    for agency in [agency("snv", "Sở Nội vụ", ""), agency("sngv", "Sở Ngoại vụ", "")] {
        apply(&world.agencies, &agency).await.expect("agency");
    }
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let _agent = Agent::start(&world.client, &world.namespace).await;
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
