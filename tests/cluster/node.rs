//! Tier 2, and any cluster that KUBECONFIG names: what only a kubelet and a release of our chart can show.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};
use mail_operator::api::{AddressClaim, MailSystem};

use crate::support::mail::{Imap, Smtp};
use crate::support::{apply, eventually, ready, wait_ready, wait_reason};
use crate::world::{BROKEN, NAMESPACE, SOON, START, SYSTEM, World, helm, let_in, run};

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_system_from_starting_is_said() {
    let Some(world) = World::on(&[2, 3]).await else { return };
    let systems: Api<MailSystem> = Api::namespaced(world.client.clone(), BROKEN);
    let broken = |image: &str, size: &str| {
        SYSTEM.replace("storage: {size: 1Gi}", &format!("image: '{image}', storage: {{size: {size}}}"))
    };
    apply(&systems, &broken("registry.invalid/nothing:1", "1Gi")).await.expect("system");
    let why = wait_reason(&systems, "gialai", "ImagePullFailed", Duration::from_secs(60)).await;
    for needle in ["registry.invalid/nothing:1", "spec.dovecot.image"] {
        assert!(why.contains(needle), "{needle}: {why}");
    }
    let warned = told(&world.client, "Warning", "ImagePullFailed").await;
    assert!(warned.contains("registry.invalid/nothing:1"), "{warned}");
    // Mended, it starts: a StatefulSet alone would wait for the broken pod for ever.
    let good = std::env::var("MAIL_OPERATOR_MAIL_IMAGE").expect("MAIL_OPERATOR_MAIL_IMAGE");
    apply(&systems, &broken(&good, "1Gi")).await.expect("mended");
    wait_ready(&systems, "gialai", START).await;
    told(&world.client, "Normal", "Ready").await;
}

/// Waits for an event of the broken system; its note.
async fn told(client: &Client, severity: &str, reason: &str) -> String {
    let events: Api<Event> = Api::namespaced(client.clone(), BROKEN);
    eventually(&format!("event {reason}"), SOON, || async {
        let fields = format!("regarding.kind=MailSystem,regarding.name=gialai,type={severity},reason={reason}");
        let found = events.list(&ListParams::default().fields(&fields)).await.map_err(|e| e.to_string())?;
        found.items.into_iter().next().and_then(|e| e.note).ok_or_else(|| "none".to_string())
    })
    .await
}

/// Last, since it disturbs the others: the pod, the operator and the release come and go; no mail is lost.
#[tokio::test(flavor = "multi_thread")]
async fn z_mail_goes_on_without_the_operator_and_survives_pod_and_release() {
    let Some(world) = World::on(&[2, 3]).await else { return };
    let (address, password) = world.person("nv-life", "Ngô Văn Sơn").await;
    let send = async |subject: &str| {
        let mut smtp = Smtp::server(&world.mx).await.expect("25");
        let answer = smtp.send("a@example.org", &address, subject, "x").await.expect("sent");
        assert!(answer.starts_with("250"), "{answer}");
    };
    send("one").await;
    // The release goes: no operator, no claim lost, logins and mail go on.
    run("helm", &["uninstall", "mail-operator", "--namespace", "mail-operator", "--wait"]);
    send("two").await;
    world.arrives(&address, &password, "two").await;
    let claims: Api<AddressClaim> = Api::namespaced(world.client.clone(), NAMESPACE);
    let local = address.split('@').next().expect("local part");
    claims.get(local).await.expect("the claim stays");
    // The pod goes meanwhile: its table is complete, so it starts without the operator.
    let old = world.pods.get("gialai-0").await.expect("pod").uid();
    world.pods.delete("gialai-0", &DeleteParams::default()).await.expect("deleted");
    eventually("a new pod", START, || async {
        let pod = world.pods.get("gialai-0").await.map_err(|e| e.to_string())?;
        let status = pod.status.clone().unwrap_or_default();
        let is_ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        if pod.uid() != old && is_ready { Ok(()) } else { Err(format!("{:?}", status.phase)) }
    })
    .await;
    eventually("login", SOON, || async {
        match Imap::login(&world.host, &address, &password).await {
            Ok((_, answer)) if let_in(&answer) => Ok(()),
            other => Err(other.map(|(_, a)| a).unwrap_or_else(|e| e.to_string())),
        }
    })
    .await;
    world.arrives(&address, &password, "one").await;
    world.arrives(&address, &password, "two").await;
    // The release comes back: everything is as it was.
    helm(&[]);
    let (again, same) = world.person("nv-life", "Ngô Văn Sơn").await;
    assert_eq!((again, same), (address, password));
    let system = wait_ready(&world.systems, "gialai", START).await;
    assert_eq!(ready(&system), Ok(()));
}
