//! Probes: HTTP, TCP and programs in the container.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    time::{Instant, sleep_until, timeout},
};

use super::bundle::RUNC;

/// What a probe found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The startup probe has succeeded.
    Started,
    /// The readiness probe says yes or no.
    Ready(bool),
    /// The container must be restarted.
    Unhealthy,
}

/// A probe and when it is due.
struct Timed {
    probe: Probe,
    period: Duration,
    next: Instant,
    failures: i32,
}

impl Timed {
    fn new(probe: &Probe, longest: Duration) -> Self {
        let seconds =
            |value: Option<i32>, usual| Duration::from_secs(u64::try_from(value.unwrap_or(usual)).unwrap_or_default());
        Self {
            probe: probe.clone(),
            period: seconds(probe.period_seconds, 10).clamp(Duration::from_millis(250), longest),
            next: Instant::now() + seconds(probe.initial_delay_seconds, 0),
            failures: 0,
        }
    }

    /// Waits until the probe is due and runs it. Tells whether it was good, and whether it has now failed
    /// as often as it may.
    async fn run(&mut self, target: &Target) -> (bool, bool) {
        sleep_until(self.next).await;
        let seconds = self.probe.timeout_seconds.unwrap_or(1).max(1);
        let limit = Duration::from_secs(seconds.unsigned_abs().into());
        let good = matches!(timeout(limit, target.ask(&self.probe)).await, Ok(Ok(())));
        self.next = Instant::now() + self.period;
        self.failures = if good { 0 } else { self.failures + 1 };
        (good, self.failures >= self.probe.failure_threshold.unwrap_or(3))
    }
}

/// All probes of a container.
pub struct Probes {
    target: Target,
    startup: Option<Timed>,
    readiness: Option<Timed>,
    liveness: Option<Timed>,
}

impl Probes {
    /// The probes of a container that has just been started.
    pub fn new(container: &Container, address: &str, id: &str) -> Self {
        let ports = container.ports.iter().flatten();
        let ports = ports.filter_map(|port| Some((port.name.clone()?, port.container_port)));
        let target = Target { address: address.to_owned(), id: id.to_owned(), ports: ports.collect() };
        // Tests should not wait for probes that are meant to be gentle.
        let second = Duration::from_secs(1);
        let often = |probe: &Option<Probe>| probe.as_ref().map(|probe| Timed::new(probe, second));
        let hour = Duration::from_secs(3600);
        Self {
            target,
            startup: often(&container.startup_probe),
            readiness: often(&container.readiness_probe),
            liveness: container.liveness_probe.as_ref().map(|probe| Timed::new(probe, hour)),
        }
    }

    /// Whether the container counts as started at once.
    pub fn starts_at_once(&self) -> bool {
        self.startup.is_none()
    }

    /// Whether a started container counts as ready at once.
    pub fn ready_at_once(&self) -> bool {
        self.readiness.is_none()
    }

    /// The next verdict; never, if there is nothing to ask. It may be dropped at any time.
    pub async fn next(&mut self) -> Verdict {
        loop {
            if let Some(startup) = &mut self.startup {
                match startup.run(&self.target).await {
                    (true, _) => {
                        self.startup = None;
                        return Verdict::Started;
                    }
                    (_, true) => return Verdict::Unhealthy,
                    _ => continue,
                }
            }
            let due = |timed: &Option<Timed>| timed.as_ref().map(|timed| timed.next);
            let (ready, live) = (due(&self.readiness), due(&self.liveness));
            if let Some(live) = live.filter(|live| ready.is_none_or(|ready| *live < ready)) {
                sleep_until(live).await;
                if let Some(liveness) = &mut self.liveness
                    && liveness.run(&self.target).await.1
                {
                    return Verdict::Unhealthy;
                }
                continue;
            }
            let Some(readiness) = &mut self.readiness else {
                return std::future::pending().await;
            };
            match readiness.run(&self.target).await {
                (true, _) => return Verdict::Ready(true),
                (_, true) => return Verdict::Ready(false),
                _ => continue,
            }
        }
    }
}

/// Where to ask.
struct Target {
    address: String,
    id: String,
    ports: HashMap<String, i32>,
}

impl Target {
    async fn ask(&self, probe: &Probe) -> Result<()> {
        if let Some(get) = &probe.http_get {
            return self.http(get).await;
        }
        if let Some(socket) = &probe.tcp_socket {
            let host = socket.host.as_deref().unwrap_or(&self.address);
            let port = self.port(&socket.port)?;
            TcpStream::connect((host, port)).await?;
            return Ok(());
        }
        if let Some(exec) = &probe.exec {
            let status = Command::new("runc")
                .args(["--root", RUNC, "exec", &self.id])
                .args(exec.command.iter().flatten())
                .kill_on_drop(true)
                .output()
                .await?
                .status;
            ensure!(status.success(), "{status}");
            return Ok(());
        }
        bail!("a probe of an unknown kind")
    }

    fn port(&self, port: &IntOrString) -> Result<u16> {
        let number = match port {
            IntOrString::Int(number) => *number,
            IntOrString::String(name) => *self.ports.get(name).with_context(|| format!("no port named {name}"))?,
        };
        Ok(u16::try_from(number)?)
    }

    async fn http(&self, get: &HTTPGetAction) -> Result<()> {
        let host = get.host.as_deref().unwrap_or(&self.address);
        let port = self.port(&get.port)?;
        let mut stream = TcpStream::connect((host, port)).await?;
        let path = get.path.as_deref().unwrap_or("/");
        let mut text = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n");
        for header in get.http_headers.iter().flatten() {
            text.push_str(&format!("{}: {}\r\n", header.name, header.value));
        }
        text.push_str("User-Agent: kube-probe/testbed\r\n\r\n");
        stream.write_all(text.as_bytes()).await?;
        let mut head = Vec::new();
        while head.len() < 12 {
            let mut buffer = [0; 512];
            let read = stream.read(&mut buffer).await?;
            ensure!(read > 0, "no answer");
            head.extend_from_slice(&buffer[..read]);
        }
        let head = String::from_utf8_lossy(&head);
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code: u16 = code.context("no HTTP")?;
        ensure!((200..400).contains(&code), "status {code}");
        Ok(())
    }
}
