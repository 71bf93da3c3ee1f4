//! A system whose Postfix is root with two capabilities, in a namespace that admits Pod Security baseline.

use std::sync::atomic::{AtomicI64, Ordering};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Api, ResourceExt};
use mail_operator::api::{Agency, MailSystem};
use mail_operator::controllers::Clock;
use mail_operator::tls::new_self_signed;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::certificates::{serves, write};
use crate::mail::{sends_and_receives, takes_and_refuses};
use crate::support::{apply, eventually, wait_ready};
use crate::world::{AGENCY, BASELINE, SOON, START, SYSTEM, World, run_operator_here, tier_number};

const DAY: i64 = 86_400;
/// Seconds that the operator's clock of this namespace is behind, on tier 1.
static BEHIND: AtomicI64 = AtomicI64::new(0);

fn system(standard: &str) -> String {
    SYSTEM.replace("dovecot: {", &format!("dovecot: {{podSecurity: {standard}, "))
}

async fn secret(secrets: &Api<Secret>, name: &str) -> Secret {
    secrets.get(name).await.expect(name)
}

fn certificate(secret: &Secret) -> String {
    String::from_utf8(secret.data.as_ref().expect("data")["tls.crt"].0.clone()).expect("text")
}

/// Tier 1: an operator whose clock is 20 days behind, and a certificate that is due in between.
async fn start_behind(secrets: &Api<Secret>) {
    BEHIND.store(20 * DAY, Ordering::Relaxed);
    let names = [
        "mail.gialai.gov.vn".to_string(),
        format!("gialai.{BASELINE}.svc"),
        format!("gialai.{BASELINE}.svc.cluster.local"),
    ];
    let made = Timestamp::now().as_second() - 240 * DAY;
    let old = new_self_signed(&names[0], &names, made, 340).expect("certificate");
    write(
        secrets,
        "gialai-tls",
        "kubernetes.io/tls",
        json!({"tls.crt": old.certificate, "tls.key": old.key.expose_secret()}),
    )
    .await;
    let clock = || Timestamp::now() - SignedDuration::from_secs(BEHIND.load(Ordering::Relaxed));
    run_operator_here(BASELINE, Clock::new(clock));
}

/// The day of renewal comes: a new certificate is made and served, every key that others rely on stays.
async fn r3_1_is_renewed_when_it_is_time(world: &World, secrets: &Api<Secret>) {
    let kept = ["gialai-agent-ca", "gialai-agent-tls", "gialai-dkim", "gialai-doveadm"];
    let mut before = Vec::new();
    for name in kept {
        before.push(secret(secrets, name).await.data);
    }
    let old = certificate(&secret(secrets, "gialai-tls").await);
    serves(world, &old).await;
    BEHIND.store(0, Ordering::Relaxed);
    world.look().await;
    let new = eventually("a new certificate", SOON, || async {
        let found = certificate(&secret(secrets, "gialai-tls").await);
        if found == old { Err("the old one".into()) } else { Ok(found) }
    })
    .await;
    serves(world, &new).await;
    for (name, before) in kept.iter().zip(before) {
        assert!(secret(secrets, name).await.data == before, "{name} changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_with_baseline_serves_as_one_with_restricted_and_each_becomes_the_other() {
    // Held to the end: nobody else ends the operator meanwhile.
    let Some(shared) = World::get().await else { return };
    let client = shared.client.clone();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), BASELINE);
    let systems: Api<MailSystem> = Api::namespaced(client.clone(), BASELINE);
    if tier_number() == 1 {
        start_behind(&secrets).await;
    }
    apply(&systems, &system("Baseline")).await.expect("system");
    apply(&Api::<Agency>::namespaced(client.clone(), BASELINE), AGENCY).await.expect("agency");
    // With a clock that is behind the MailSystem serves, and says ClocksDiffer.
    eventually("Available", START, || async {
        let status = systems.get("gialai").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        let available = status.conditions.iter().any(|c| c.type_ == "Available" && c.status == "True");
        if available { Ok(()) } else { Err(format!("{:?}", status.conditions)) }
    })
    .await;
    let world = World::of(client.clone(), BASELINE).await;
    sends_and_receives(&world).await;
    takes_and_refuses(&world).await;
    if tier_number() == 1 {
        r3_1_is_renewed_when_it_is_time(&world, &secrets).await;
    }
    wait_ready(&systems, "gialai", START).await;
    // Both ways: what one of them leaves in the queue's folder does not stop the other.
    for standard in ["Restricted", "Baseline"] {
        let old = world.pods.get("gialai-0").await.expect("pod").uid();
        apply(&systems, &system(standard)).await.expect("switched");
        eventually("another pod", START, || async {
            let found = world.pods.get("gialai-0").await.map_err(|e| e.to_string())?;
            let conditions = found.status.clone().and_then(|s| s.conditions).unwrap_or_default();
            let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
            if found.uid() != old && ready { Ok(()) } else { Err(format!("{conditions:?}")) }
        })
        .await;
        let world = World::of(client.clone(), BASELINE).await;
        sends_and_receives(&world).await;
        takes_and_refuses(&world).await;
    }
}
