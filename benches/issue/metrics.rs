//! What the operator's own metrics say.

use std::collections::BTreeMap;

use super::Failure;

/// Where it serves them.
pub(super) const ADDRESS: &str = "127.0.0.1:8081";

/// Requests of the operator that write, the Lease apart.
pub(super) async fn writes() -> Result<u64, Failure> {
    Ok(writes_by_kind().await?.values().sum())
}

/// The same by the kind that is written.
pub(super) async fn writes_by_kind() -> Result<BTreeMap<String, u64>, Failure> {
    let verbs = ["create", "patch", "patch/status", "update", "delete"];
    let writes = |line: &&str| {
        let verb = verbs.iter().any(|v| line.contains(&format!("verb=\"{v}\"")));
        verb && line.contains("kube_requests_total") && !line.contains("kind=\"Lease\"")
    };
    let text = http_get("/metrics").await?;
    let mut kinds = BTreeMap::new();
    for line in text.lines().filter(writes) {
        let kind = line.split_once("kind=\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(kind, _)| kind);
        *kinds.entry(kind.to_string()).or_insert(0) += value(line).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(kinds)
}

/// `KIND=…,KIND=…`: what came since.
pub(super) fn since(new: &BTreeMap<String, u64>, old: &BTreeMap<String, u64>) -> String {
    let more = new.iter().map(|(kind, n)| (kind, n - old.get(kind).unwrap_or(&0).min(n))).filter(|(_, n)| *n > 0);
    more.map(|(kind, n)| format!("{kind}={n}")).collect::<Vec<_>>().join(",")
}

/// Looks at all accounts so far, and how many seconds they took together.
pub(super) async fn looks() -> Result<(u64, f64), Failure> {
    let text = http_get("/metrics").await?;
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name) && line.contains("controller=\"lifecycle\""));
        line.and_then(|line| value(line)?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let name = "mail_operator_reconcile_time_seconds";
    Ok((of(&format!("{name}_count")) as u64, of(&format!("{name}_sum"))))
}

/// Whether its caches are filled. An operator that does not listen yet is not ready.
pub(super) async fn is_ready() -> bool {
    http_get("/readyz").await.is_ok_and(|answer| answer.contains(" 200 "))
}

fn value(line: &str) -> Option<&str> {
    line.rsplit(' ').next()
}

async fn http_get(path: &str) -> Result<String, Failure> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(ADDRESS).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
