//! The operator as a process of its own: what it takes, what it writes, what it costs at rest.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use mail_operator::api::{Agency, MailSystem};
use serde_json::json;

use super::cpu::{agent_rss, cpu_since, cpu_ticks, rss};
use super::objects::{basis, document};
use super::{Failure, NAMESPACE, SETTLE, apply_mailboxes, count_ready};

/// The operator as a process of its own, with a system that runs.
pub(super) struct Running {
    process: std::process::Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    pub(super) async fn start(client: &Client, c: usize) -> Result<Self, Failure> {
        let program = std::env::var("MAIL_OPERATOR_PROGRAM")?;
        let process = std::process::Command::new(program)
            .args(["run", "--namespace", NAMESPACE, "--concurrency", &c.to_string(), "--listen", "127.0.0.1:8081"])
            .stderr(std::fs::File::create(std::env::temp_dir().join("bench-operator.log"))?)
            .spawn()?;
        let running = Self { process };
        let parameters = PatchParams::apply("bench").force();
        let systems: Api<MailSystem> = Api::namespaced(client.clone(), NAMESPACE);
        let spec = json!({"domain": "gialai.gov.vn", "hostname": "mail.gialai.gov.vn",
            "regulation": {"firstAccess": "MailAllowed"}, "dovecot": {"storage": {"size": "1Gi"}}});
        systems.patch("gialai", &parameters, &Patch::Apply(document::<MailSystem>("gialai", spec))).await?;
        let agencies: Api<Agency> = Api::namespaced(client.clone(), NAMESPACE);
        let spec = json!({"systemRef": {"name": "gialai"}, "level": "Province", "name": "Sở Thông tin và Truyền thông", "basis": basis()});
        agencies.patch("stttt", &parameters, &Patch::Apply(document::<Agency>("stttt", spec))).await?;
        for _ in 0..1200 {
            let conditions = systems.get("gialai").await?.status.map(|s| s.conditions).unwrap_or_default();
            if conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
                // Dovecot, Postfix and rspamd go on starting for a while, on the same cores.
                tokio::time::sleep(SETTLE).await;
                return Ok(running);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the MailSystem is not Ready within 120 s".into())
    }

    pub(super) fn memory(&self) -> String {
        format!("operator_rss_mib={} agent_rss_mib={}", rss(&self.process.id().to_string()), agent_rss())
    }
}

pub(super) async fn operator(client: Client, n: usize, c: usize) -> Result<(), Failure> {
    let running = Running::start(&client, c).await?;
    let ready = Arc::new(AtomicUsize::new(0));
    let counted = tokio::spawn(count_ready(client.clone(), n, ready));
    let before = writes().await?;
    let (start, cpu) = (Instant::now(), cpu_ticks());
    apply_mailboxes(&client, 0, n, c).await?;
    counted.await??;
    let seconds = start.elapsed().as_secs_f64();
    let (cost, cpu) = (writes().await? - before, cpu_since(&cpu));
    println!("operator n={n} c={c} seconds={seconds:.2} writes={cost} {} cpu={cpu}", running.memory());
    Ok(())
}

pub(super) async fn quiet(client: Client, n: usize, seconds: u64) -> Result<(), Failure> {
    let running = Running::start(&client, 16).await?;
    let counted = tokio::spawn(count_ready(client.clone(), n, Arc::default()));
    apply_mailboxes(&client, 0, n, 16).await?;
    counted.await??;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before = writes().await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    println!("quiet n={n} seconds={seconds} writes={} {}", writes().await? - before, running.memory());
    Ok(())
}

/// Requests of the operator that write, the Lease apart.
async fn writes() -> Result<u64, Failure> {
    let text = http_get("127.0.0.1:8081", "/metrics").await?;
    let verbs = ["create", "patch", "patch/status", "update", "delete"];
    let lines = text.lines().filter(|l| l.contains("kube_requests_total") && !l.contains("kind=\"Lease\""));
    let lines = lines.filter(|l| verbs.iter().any(|v| l.contains(&format!("verb=\"{v}\""))));
    Ok(lines.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

async fn http_get(address: &str, path: &str) -> Result<String, Failure> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
