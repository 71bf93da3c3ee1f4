//! Tier 2: the password page as the chart and the operator deploy it, from its Service to a login with the new password.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::DeleteParams;

use crate::chart::{granted, used};
use crate::support::eventually;
use crate::support::mail::Lines;
use crate::world::{NAMESPACE, START, World, helm, let_in};

const NEW: &str = "Biển-hồ@2026";

/// Sends the form to the Service, as a browser does; the first line of the answer.
async fn change(host: &str, address: &str, current: &str, new: &str) -> std::io::Result<String> {
    let mut lines = Lines::tls(host, 443).await?;
    lines.send("GET / HTTP/1.1\r\nHost: mail.gialai.gov.vn\r\n").await?;
    let page = lines.until(|line| line.contains("<button")).await?;
    let find = |needle: &str| page.iter().find_map(|line| line.split_once(needle)).map(|(_, rest)| rest);
    let cookie = find("set-cookie: ").and_then(|rest| rest.split(';').next()).unwrap_or_default();
    let token = find("name=\"token\" value=\"").and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let escape = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let fields = [("token", token), ("address", address), ("current", current), ("new", new), ("again", new)];
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let body = body.join("&");
    let mut lines = Lines::tls(host, 443).await?;
    let length = body.len();
    lines
        .send(&format!(
            "POST / HTTP/1.1\r\nHost: mail.gialai.gov.vn\r\nOrigin: https://mail.gialai.gov.vn\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
        .await?;
    lines.line().await
}

/// Until the page has changed it and mail takes the new one.
async fn changes(world: &World, (host, address): (&str, &str), current: &str, new: &str) {
    eventually("the password is changed", START, || async {
        let line = change(host, address, current, new).await.map_err(|e| e.to_string())?;
        if line.contains("303") { Ok(()) } else { Err(line) }
    })
    .await;
    eventually("mail takes the new password", START, || async {
        let (_, answer) = world.login(address, new).await;
        if let_in(&answer) { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_1_the_page_that_is_deployed_changes_a_password_with_exactly_its_rights() {
    let Some(world) = World::alone_on(&[2, 3]).await else { return };
    let (address, initial) = world.person("nv-portal", "Siu Thị Hơ Bia").await;
    let deployments: Api<Deployment> = Api::namespaced(world.client.clone(), NAMESPACE);
    eventually("the page is available", START, || async {
        let found = deployments.get("gialai-portal").await.map_err(|e| e.to_string())?;
        let status = found.status.unwrap_or_default();
        if status.available_replicas == Some(1) { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    let services: Api<Service> = Api::namespaced(world.client.clone(), NAMESPACE);
    let host = services.get("gialai-portal").await.expect("a Service").spec.and_then(|s| s.cluster_ip).expect("an IP");
    changes(&world, (&host, &address), &initial, NEW).await;
    assert!(!let_in(&world.login(&address, &initial).await.1), "the old one is refused");
    let roles: Api<Role> = Api::namespaced(world.client.clone(), NAMESPACE);
    let mut granted = granted(&roles.get("mail-operator-portal").await.expect("role"));
    // Watches are not counted as requests.
    granted.retain(|verb| !verb.starts_with("list ") && !verb.starts_with("watch "));
    let used = used(&world, NAMESPACE, "mail-portal", 8090).await;
    let used: std::collections::BTreeSet<String> = used.iter().map(|u| u.replace("Secret", "/secrets")).collect();
    assert_eq!(granted, used);
    // Its account is made anew, as by another release: the tokens that its pods have are worth nothing.
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), NAMESPACE);
    accounts.delete("mail-operator-portal", &DeleteParams::default()).await.expect("deleted");
    helm(&[]);
    accounts.get("mail-operator-portal").await.expect("there again");
    changes(&world, (&host, &address), NEW, "Hồ-biển@2027").await;
}
