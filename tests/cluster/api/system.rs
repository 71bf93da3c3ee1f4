//! Tier 1: what a MailSystem makes, renews and says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use mail_operator::controllers::Clock;
use serde_json::json;

use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, wait_ready, wait_reason};

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_certificates_are_renewed_by_the_clock_and_keys_stay() {
    let Some(world) = World::new("clock").await else { return };
    let behind = Arc::new(AtomicI64::new(300 * 86_400));
    let clock = {
        let behind = behind.clone();
        Clock::new(move || Timestamp::now() - SignedDuration::from_secs(behind.load(Ordering::Relaxed)))
    };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    let operator = Operator::start_at(world.client.clone(), &world.namespace, clock);
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let data = async |name: &str| {
        let read = || async { secrets.get(name).await.map(|s| s.data).map_err(|e| e.to_string()) };
        eventually(name, SOON, read).await
    };
    let (renewed, kept) = (["gialai-tls", "gialai-agent-tls"], ["gialai-agent-ca", "gialai-dkim", "gialai-doveadm"]);
    let (old, same) = (
        [data(renewed[0]).await, data(renewed[1]).await],
        [data(kept[0]).await, data(kept[1]).await, data(kept[2]).await],
    );
    behind.store(0, Ordering::Relaxed);
    let look = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/reconcile-requested-at": "now"}}});
    world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&look)).await.expect("annotated");
    for (name, old) in renewed.iter().zip(old) {
        eventually(&format!("{name} is renewed"), SOON, || async {
            if data(name).await == old { Err("as it was".to_string()) } else { Ok(()) }
        })
        .await;
    }
    for (name, same) in kept.iter().zip(same) {
        assert!(data(name).await == same, "{name} changed");
    }
    // Both sides of the new certificates meet.
    let _agent = Agent::start(&world.client, &world.namespace).await;
    wait_ready(&world.mailboxes, "agency-stttt", SOON).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_its_namespace_refuses_is_said_with_what_to_do() {
    let Some(world) = World::new("refused").await else { return };
    let baseline = SYSTEM.replace("dovecot: {", "dovecot: {podSecurity: Baseline, ");
    apply(&world.systems, &baseline).await.expect("system");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let why = wait_reason(&world.systems, "gialai", "PodRefused", SOON).await;
    for part in ["spec.dovecot.podSecurity", "enforce=baseline", "violates PodSecurity", "SETUID"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    // Either remedy heals it: a pod is made.
    apply(&world.systems, SYSTEM).await.expect("restricted");
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), &world.namespace);
    eventually("a pod", SOON, || async { pods.get("gialai-0").await.map(drop).map_err(|e| e.to_string()) }).await;
    // The pod has no address, since nothing runs it here.
    wait_reason(&world.systems, "gialai", "Starting", SOON).await;
    operator.stop().await;
    world.end().await;
}

/// Reason of a condition.
async fn reason(world: &World, kind: &str) -> Option<String> {
    let status = world.systems.get("gialai").await.expect("system").status?;
    status.conditions.into_iter().find(|c| c.type_ == kind).map(|c| c.reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_child_is_the_reason_before_a_refused_pod_and_they_do_not_take_turns() {
    let Some(world) = World::new("refused-twice").await else { return };
    let baseline = SYSTEM.replace("dovecot: {", "dovecot: {podSecurity: Baseline, ");
    let no_annotation = baseline.replace("hostname:", "exposure: {annotations: {'not a key': x}}, hostname:");
    apply(&world.systems, &baseline).await.expect("system");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    wait_reason(&world.systems, "gialai", "PodRefused", SOON).await;
    apply(&world.systems, &no_annotation).await.expect("system");
    let why = wait_reason(&world.systems, "gialai", "ApplyFailed", SOON).await;
    assert!(why.contains("patch Service gialai") && why.contains("not a key"), "{why}");
    let refused = || {
        let text = operator.metrics.text();
        let line = text.lines().find(|l| l.contains(r#"reconcile_total{controller="mailsystem",result="invalid"}"#));
        line.and_then(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    for pass in 0..3 {
        let before = refused();
        let look =
            json!({"metadata": {"annotations": {"mail.gialai.gov.vn/reconcile-requested-at": pass.to_string()}}});
        world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&look)).await.expect("annotated");
        eventually("another pass", SOON, || async {
            if refused() > before { Ok(()) } else { Err(operator.metrics.text()) }
        })
        .await;
    }
    assert_eq!(reason(&world, "Available").await.as_deref(), Some("PodRefused"), "it keeps its own condition");
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let told = async |reason: &str| {
        let fields = format!("regarding.kind=MailSystem,reason={reason}");
        events.list(&ListParams::default().fields(&fields)).await.expect("events").items
    };
    for reason in ["PodRefused", "ApplyFailed"] {
        let found = told(reason).await;
        assert!(found.len() == 1 && found[0].series.is_none(), "once: {found:?}");
    }
    apply(&world.systems, &baseline).await.expect("mended");
    wait_reason(&world.systems, "gialai", "PodRefused", SOON).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_doveadm_key_rolls_the_pod_and_a_broken_one_is_completed() {
    let Some((world, operator, _agent)) = World::running("doveadm").await else { return };
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let sets: Api<StatefulSet> = Api::namespaced(world.client.clone(), &world.namespace);
    let mark = async || {
        let set = sets.get("gialai").await.expect("set").spec.expect("spec");
        let annotations = set.template.metadata.and_then(|m| m.annotations).unwrap_or_default();
        annotations.get("mail.gialai.gov.vn/doveadm").cloned()
    };
    let first = mark().await;
    assert!(first.is_some());
    let change = async |patch: serde_json::Value| {
        secrets.patch("gialai-doveadm", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
        let look =
            json!({"metadata": {"annotations": {"mail.gialai.gov.vn/reconcile-requested-at": patch.to_string()}}});
        world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&look)).await.expect("annotated");
    };
    let key = "0123456789abcdef0123456789abcdef";
    change(json!({"stringData": {"api_key": key}})).await;
    let second = eventually("another mark", SOON, || async {
        let found = mark().await;
        if found == first { Err("the same".to_string()) } else { Ok(found) }
    })
    .await;
    assert!(!second.unwrap_or_default().contains(&key[..5]), "R3.1");
    // Dovecot's half follows the agent's.
    change(json!({"data": {"90-secrets.conf": null}})).await;
    eventually("completed", SOON, || async {
        let data = secrets.get("gialai-doveadm").await.expect("secret").data.expect("data");
        let config = data.get("90-secrets.conf").map(|c| String::from_utf8_lossy(&c.0).contains(key));
        if config == Some(true) { Ok(()) } else { Err(format!("{config:?}")) }
    })
    .await;
    operator.stop().await;
    world.end().await;
}
