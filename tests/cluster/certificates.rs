//! The certificate that clients see, on the real Dovecot and Postfix: a good one is served soon, a bad one never.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use mail_operator::tls::{Pair, new_self_signed};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::mail::served_certificate;
use crate::support::{apply, eventually, wait_ready, wait_reason};
use crate::world::{SYSTEM, World};

/// What docs/operations.md promises.
const SERVED: Duration = Duration::from_secs(180);
const HOST: &str = "mail.gialai.gov.vn";
const DAY: i64 = 86_400;

pub fn pair(name: &str, made: i64, days: i64) -> Pair {
    new_self_signed(name, &[name.to_string()], made, days).expect("certificate")
}

/// Applies a Secret with these keys.
pub async fn write(secrets: &Api<Secret>, name: &str, kind: &str, data: Value) {
    let meta = json!({"name": name});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind, "stringData": data});
    secrets.patch(name, &PatchParams::apply("a-person").force(), &Patch::Apply(&secret)).await.expect(name);
}

/// Waits until IMAPS and SMTPS serve a certificate.
pub async fn serves(world: &World, pem: &str) {
    let wanted = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    for port in [993, 465] {
        eventually(&format!("the certificate on {port}"), SERVED, || async {
            let found = served_certificate(&world.host, port).await.map_err(|e| e.to_string())?;
            if found == wanted.as_ref() { Ok(()) } else { Err("another one".into()) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_a_replaced_certificate_is_served_and_a_bad_one_is_named_and_never_served() {
    let Some(world) = World::alone().await else { return };
    let (address, password) = world.person("nv-tls", "Phùng Văn Khóa").await;
    let (mut session, _) = world.login(&address, &password).await;
    session.command("SELECT INBOX").await.expect("selected");
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), world.namespace);
    let now = Timestamp::now().as_second();
    let both = |pair: &Pair| json!({"tls.crt": pair.certificate, "tls.key": pair.key.expose_secret()});
    let (first, second) = (pair(HOST, now, 90), pair("*.gialai.gov.vn", now, 90));
    let other = pair("web.x.vn", now, 90);
    write(&secrets, "given", "Opaque", both(&first)).await;
    apply(&world.systems, &SYSTEM.replace("hostname:", "tls: {secretRef: {name: given}}, hostname:"))
        .await
        .expect("tls");
    serves(&world, &first.certificate).await;
    write(&secrets, "given", "Opaque", both(&second)).await;
    // No hint: it is found within a minute.
    serves(&world, &second.certificate).await;
    let bad = [
        (
            json!({"tls.crt": first.certificate, "tls.key": other.key.expose_secret()}),
            "CertificateUnreadable",
            "do not fit",
        ),
        (json!({"tls.crt": first.certificate, "tls.key": ""}), "CertificateUnreadable", "tls.key"),
        (both(&other), "CertificateNameMismatch", "web.x.vn"),
        (both(&pair(HOST, now - 100 * DAY, 90)), "CertificateExpiring", "ended on"),
    ];
    for (data, reason, needle) in bad {
        write(&secrets, "given", "Opaque", data).await;
        world.look().await;
        eventually(needle, Duration::from_secs(20), || async {
            let why = wait_reason(&world.systems, "gialai", reason, Duration::from_secs(20)).await;
            let all = [needle, "'given'", "served on"].iter().all(|part| why.contains(part));
            if all { Ok(()) } else { Err(why) }
        })
        .await;
        serves(&world, &second.certificate).await;
    }
    let missing = json!({"data": {"tls.key": null}});
    secrets.patch("given", &PatchParams::default(), &Patch::Merge(&missing)).await.expect("a key less");
    world.look().await;
    eventually("a key is missing", Duration::from_secs(20), || async {
        let why = wait_reason(&world.systems, "gialai", "CertificateUnreadable", Duration::from_secs(20)).await;
        if why.contains("needs the keys") { Ok(()) } else { Err(why) }
    })
    .await;
    secrets.delete("given", &DeleteParams::default()).await.expect("deleted");
    world.look().await;
    wait_reason(&world.systems, "gialai", "CertificateNotFound", Duration::from_secs(20)).await;
    serves(&world, &second.certificate).await;
    write(&secrets, "given", "Opaque", both(&first)).await;
    serves(&world, &first.certificate).await;
    let noop = session.command("NOOP").await.expect("a session that was open all the time");
    assert!(noop.last().is_some_and(|l| l.starts_with("OK")), "{noop:?}");
    // R6.1: nor does a reload save a session from a lock.
    world.lock("nv-tls", "Phùng Văn Khóa").await;
    let bye = session.unsolicited().await.expect("BYE");
    assert!(bye.starts_with("* BYE"), "{bye}");
    // Back to the operator's own.
    apply(&world.systems, SYSTEM).await.expect("no tls");
    wait_ready(&world.systems, "gialai", Duration::from_secs(30)).await;
}
