//! The operator as a process of its own: what it takes, what it writes, what it costs at rest.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use mail_operator::api::{Agency, MailSystem};
use serde_json::json;

use super::cpu::{agent_rss, cpu_since, cpu_ticks, rss};
use super::metrics::{ADDRESS, writes};
use super::objects::{basis, document, sizes};
use super::ready::issue;
use super::{Failure, NAMESPACE, SETTLE};

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
        let running = Self::process(c)?;
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

    /// The operator alone, for what is there already.
    pub(super) fn process(c: usize) -> Result<Self, Failure> {
        let program = std::env::var("MAIL_OPERATOR_PROGRAM")?;
        let process = std::process::Command::new(program)
            .args(["run", "--namespace", NAMESPACE, "--concurrency", &c.to_string(), "--listen", ADDRESS])
            .stderr(std::fs::File::create(std::env::temp_dir().join("bench-operator.log"))?)
            .spawn()?;
        Ok(Self { process })
    }

    /// Ends it as the kubelet does: what is under way is done, the Lease is given back.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        for _ in 0..300 {
            if self.process.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the operator does not stop within 30 s".into())
    }

    pub(super) fn memory(&self) -> String {
        format!("operator_rss_mib={} agent_rss_mib={}", rss(&self.process.id().to_string()), agent_rss())
    }
}

pub(super) async fn operator(client: Client, n: usize, c: usize) -> Result<(), Failure> {
    let running = Running::start(&client, c).await?;
    let (before, cpu) = (writes().await?, cpu_ticks());
    let seconds = issue(&client, n, c).await?.as_secs_f64();
    let (cost, cpu) = (writes().await? - before, cpu_since(&cpu));
    let bytes = sizes(&client).await?;
    println!("operator n={n} c={c} seconds={seconds:.2} writes={cost} {} bytes={bytes} cpu={cpu}", running.memory());
    Ok(())
}

pub(super) async fn quiet(client: Client, n: usize, seconds: u64) -> Result<(), Failure> {
    let running = Running::start(&client, 16).await?;
    issue(&client, n, 16).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before = writes().await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    println!("quiet n={n} seconds={seconds} writes={} {}", writes().await? - before, running.memory());
    Ok(())
}
