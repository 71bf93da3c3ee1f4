//! The life of a container: started, probed, stopped, started again.

use std::{fs::File, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Container;
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::sleep,
};

use super::{
    bundle::{Bundle, RUNC, Recipe},
    environment, image,
    pod::Context as PodContext,
    probe::{Probes, Verdict},
    status::now,
};

/// Between the end of a container and its next start.
const BACK_OFF: Duration = Duration::from_secs(1);

/// How urgently something shall stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not at all.
    No,
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not running, with the reason.
    Waiting(String),
    /// Running.
    Running,
    /// Ended with this exit code.
    Ended(i32),
}

/// What the status tells about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What it is doing.
    pub phase: Phase,
    /// Whether the startup probe has succeeded.
    pub started: bool,
    /// Whether it may get traffic.
    pub ready: bool,
    /// How often it was started again.
    pub restarts: i32,
    /// Identity for runc.
    pub id: Option<String>,
    /// When it was started.
    pub since: Option<String>,
    /// When it ended.
    pub ended: Option<String>,
    /// Exit code of the life before this one.
    pub last: Option<i32>,
    /// Whether it will not be started again.
    pub over: bool,
}

impl View {
    /// A container that has not been started.
    pub fn new() -> Self {
        Self {
            phase: Phase::Waiting("not started yet".to_owned()),
            started: false,
            ready: false,
            restarts: 0,
            id: None,
            since: None,
            ended: None,
            last: None,
            over: false,
        }
    }
}

/// Whether a container that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Always,
    /// Unless it ended well.
    OnFailure,
    /// Never.
    Never,
}

/// A container of a pod.
pub struct Runner {
    /// What it shares with the pod's other containers.
    pub pod: Arc<PodContext>,
    /// Its specification.
    pub container: Container,
    /// When it is started again.
    pub restart: Restart,
    /// Says when to stop.
    pub stop: watch::Receiver<Stop>,
    /// Says what is going on.
    pub view: watch::Sender<View>,
}

impl Runner {
    /// Runs the container until it is over.
    pub async fn run(mut self) {
        while *self.stop.borrow() == Stop::No {
            let ended = self.live().await;
            let again = match (&ended, self.restart) {
                (_, Restart::Always) | (Err(_), _) => true,
                (Ok(code), Restart::OnFailure) => *code != 0,
                (Ok(_), Restart::Never) => false,
            };
            let stopping = *self.stop.borrow() != Stop::No;
            self.view.send_modify(|view| {
                (view.ready, view.started) = (false, false);
                view.ended = Some(now());
                view.phase = match &ended {
                    Ok(code) => Phase::Ended(*code),
                    Err(error) => Phase::Waiting(format!("{error:#}")),
                };
            });
            if !again || stopping {
                break;
            }
            tokio::select! {
                () = sleep(BACK_OFF) => {}
                _ = self.stop.changed() => {}
            }
            self.view.send_modify(|view| {
                if let Phase::Ended(code) = view.phase {
                    view.restarts += 1;
                    view.last = Some(code);
                }
            });
        }
        self.view.send_modify(|view| view.over = true);
    }

    /// One life of the container; gives its exit code.
    async fn live(&mut self) -> Result<i32> {
        let id = format!("{}-{}", self.pod.id, self.container.name);
        let bundle = self.bundle(&id).await?;
        let mut child = self.spawn(&id, &bundle)?;
        let mut probes = Probes::new(&self.container, &self.pod.address, &id);
        self.view.send_modify(|view| {
            view.phase = Phase::Running;
            view.since = Some(now());
            view.id = Some(id.clone());
            view.started = probes.starts_at_once();
            view.ready = view.started && probes.ready_at_once();
        });
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                changed = self.stop.changed() => {
                    let stop = *self.stop.borrow();
                    // Without its sender nobody is interested any more.
                    let kill = changed.is_err() || stop == Stop::Kill;
                    signal(&id, if kill { "KILL" } else { "TERM" }).await;
                    if changed.is_err() {
                        break child.wait().await?;
                    }
                }
                verdict = probes.next() => self.take(verdict, &id, &probes).await,
            }
        };
        delete(&id).await;
        drop(bundle);
        Ok(crate::children::code(status))
    }

    async fn take(&mut self, verdict: Verdict, id: &str, probes: &Probes) {
        match verdict {
            Verdict::Started => self.view.send_modify(|view| {
                view.started = true;
                view.ready = probes.ready_at_once();
            }),
            Verdict::Ready(ready) => {
                self.view.send_if_modified(|view| std::mem::replace(&mut view.ready, ready) != ready);
            }
            Verdict::Unhealthy => {
                eprintln!("{id}: unhealthy, killed");
                signal(id, "KILL").await;
            }
        }
    }

    async fn bundle(&self, id: &str) -> Result<Bundle> {
        let (pod, container) = (&self.pod, &self.container);
        let image = image::find(container.image.as_deref().unwrap_or_default())?;
        let variables = environment::environment(&pod.client, &pod.pod, &pod.address, container, &image).await?;
        let command = environment::command(container, &image, &variables)?;
        let volumes = pod.volumes.lock().await;
        Bundle::create(&Recipe {
            id,
            spec: &pod.spec,
            container,
            image: &image,
            variables: &variables,
            command: &command,
            hostname: &pod.hostname,
            network: &pod.network,
            volumes: &volumes,
            files: &pod.files,
        })
    }

    fn spawn(&self, id: &str, bundle: &Bundle) -> Result<Child> {
        let log: PathBuf = self.pod.logs.join(format!("{}.log", self.container.name));
        let out = File::options().create(true).append(true).open(&log)?;
        Command::new("runc")
            .args(["--root", RUNC, "run", "--bundle"])
            .arg(bundle.dir())
            .arg(id)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // The kernel's signals to our group are not for containers.
            .process_group(0)
            .spawn()
            .context("cannot start runc (package runc)")
    }
}

async fn signal(id: &str, signal: &str) {
    runc(&["kill", id, signal]).await;
}

/// What a killed `runc run` leaves.
async fn delete(id: &str) {
    runc(&["delete", "--force", id]).await;
}

async fn runc(args: &[&str]) {
    let _ = Command::new("runc").args(["--root", RUNC]).args(args).output().await;
}
