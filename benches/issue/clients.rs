//! Mail clients beside the mail server, and how what they saw is told.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client};

use super::{Failure, NAMESPACE, mail};

/// Where the mail server is. From now on each connection comes from another address: Dovecot slows one down after each failed login.
pub(super) async fn host(client: &Client) -> Result<String, Failure> {
    mail::use_ports_of_the_pod();
    let added = std::process::Command::new("ip").args(["address", "add", "10.99.0.1/16", "dev", "lo"]).status()?;
    if !added.success() {
        return Err("10.99.0.1/16 cannot be added to the loopback device".into());
    }
    mail::use_many_sources();
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    Ok(pods.get("gialai-0").await?.status.and_then(|s| s.pod_ip).ok_or("no address")?)
}

pub(super) fn user(i: usize) -> String {
    format!("m{i}.stttt@gialai.gov.vn")
}

pub(super) async fn password(client: &Client, i: usize) -> Result<String, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let secret = secrets.get(&format!("nv-{i}-credentials")).await?;
    Ok(String::from_utf8(secret.data.ok_or("data")?["initialPassword"].0.clone())?)
}

/// The command that logs a mailbox in.
pub(super) async fn login(client: &Client, i: usize) -> Result<String, Failure> {
    Ok(format!("LOGIN \"{}\" \"{}\"", user(i), password(client, i).await?))
}

/// `NAME_p50_ms=… NAME_p99_ms=… NAME_max_ms=…`.
pub(super) fn percentiles(name: &str, times: &mut [Duration]) -> String {
    times.sort();
    let at = |p: usize| times.get((times.len() * p / 100).min(times.len().saturating_sub(1)));
    let ms = |p: usize| at(p).map_or(0, Duration::as_millis);
    format!("{name}_p50_ms={} {name}_p99_ms={} {name}_max_ms={}", ms(50), ms(99), ms(100))
}
