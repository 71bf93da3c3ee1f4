//! Input that is refused, by the API server or by a reason.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::json;

use super::{AGENCY, SOON, SYSTEM, World, person};
use crate::support::operator::Operator;
use crate::support::{apply, wait_ready, wait_reason};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_names_path_rule_and_remedy() {
    let Some(world) = World::new("bad").await else { return };
    let refused = |result: Result<_, kube::Error>, needles: &[&str]| {
        let Err(error) = result else { panic!("accepted: {needles:?}") };
        let text = error.to_string();
        for needle in needles {
            assert!(text.contains(needle), "{needle}: {text}");
        }
    };
    refused(
        apply(&world.mailboxes, &person("nv-1", "A B", ", localPart: Quỳnh")).await.map(drop),
        &["spec.localPart", "D-21"],
    );
    let date = person("nv-1", "A B", "").replace("2026-02-02", "2026-02-30");
    refused(apply(&world.mailboxes, &date).await.map(drop), &["spec.basis.date", "type date"]);
    let blank = person("nv-1", "A B", "").replace("12/VP", "' '");
    refused(apply(&world.mailboxes, &blank).await.map(drop), &["spec.basis", "R5.2"]);
    let unit = AGENCY.replace("level: Province", "level: Unit");
    refused(apply(&world.agencies, &unit).await.map(drop), &["R4.1.d", "spec.parentRef"]);
    let two = SYSTEM.replace("replicas: 1", "replicas: 2");
    refused(apply(&world.systems, &two).await.map(drop), &["spec.dovecot.replicas", "write 1"]);
    let domain = SYSTEM.replace("domain: gialai.gov.vn", "domain: Gia_Lai");
    refused(apply(&world.systems, &domain).await.map(drop), &["spec.domain", "gialai.gov.vn"]);
    let relay = |host: &str| SYSTEM.replace("hostname:", &format!("relayHost: '{host}', hostname:"));
    refused(
        apply(&world.systems, &relay("relay gialai")).await.map(drop),
        &["spec.relayHost", "[relay.gialai.gov.vn]:587"],
    );
    apply(&world.systems, &relay("[relay.gialai.gov.vn]:587")).await.expect("good");
    apply(&world.systems, SYSTEM).await.expect("good");
    let other = SYSTEM.replace("domain: gialai.gov.vn", "domain: other.gov.vn");
    refused(apply(&world.systems, &other).await.map(drop), &["spec.domain", "cannot change"]);
    let policy = "metadata: {name: p}\nspec: {systemRef: {name: gialai}, storage: 1.5Gi, maxAttachment: 25M}";
    refused(apply(&world.policies, policy).await.map(drop), &["spec.storage", "R7.3"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_names_are_refused_with_a_reason_and_heal_when_mended() {
    let Some((world, operator, _agent)) = World::running("names").await else { return };
    for (name, full_name, needle) in [("nv-1", "Trần Đình Nguyên 2", "D-08"), ("nv-2", "Nguyеn Van A", "spec.fullName")]
    {
        world.person(name, full_name, "").await;
        let why = wait_reason(&world.mailboxes, name, "InvalidName", SOON).await;
        assert!(why.contains(needle), "{why}");
    }
    world.person("nv-3", "Lê Thị Hoa", ", localPart: postmaster").await;
    wait_reason(&world.mailboxes, "nv-3", "ReservedLocalPart", SOON).await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    // Bad input for an issued mailbox changes nothing of it.
    world.person("nv-1", "'123'", "").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_systems_in_one_namespace_and_certificates_that_cannot_be_read_are_said() {
    let Some(world) = World::new("systems").await else { return };
    apply(&world.systems, &format!("{}\n", SYSTEM.replace("hostname:", "tls: {secretRef: {name: given}}, hostname:")))
        .await
        .expect("system");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let why = wait_reason(&world.systems, "gialai", "CertificateNotFound", SOON).await;
    assert!(why.contains("'given'"), "{why}");
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let bad: Secret = serde_json::from_value(json!({"metadata": {"name": "given"}, "type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "y"}})).expect("secret");
    secrets.create(&Default::default(), &bad).await.expect("created");
    wait_reason(&world.systems, "gialai", "CertificateUnreadable", Duration::from_secs(30)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    apply(
        &world.systems,
        &SYSTEM.replace("name: gialai}", "name: second}").replacen("gialai.gov.vn", "other.gov.vn", 1),
    )
    .await
    .expect("second");
    wait_reason(&world.systems, "second", "AnotherSystemInNamespace", SOON).await;
    operator.stop().await;
    world.end().await;
}
