//! The life of a pod: network, volumes, init containers, containers, and its end.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::Value;
use tokio::{
    sync::{Mutex, watch},
    time::{sleep, timeout},
};

use super::{
    container::{Phase, Restart, Runner, Stop, View},
    network::{Address, GATEWAY, Network},
    status::{Conditions, Facts, is_sidecar, now, status},
    volumes::Volumes,
};
use crate::plan::Plan;

const TICK: Duration = Duration::from_millis(100);
/// How often ConfigMaps and Secrets are looked at.
const REFRESH: Duration = Duration::from_millis(500);
/// A pod may take this long over SIGTERM, whatever its grace period.
const GRACE: i64 = 10;

/// What the containers of a pod share.
pub struct Context {
    /// Beginning of the containers' identities.
    pub id: String,
    /// For environment variables out of objects.
    pub client: Client,
    /// The pod.
    pub pod: Pod,
    /// Its specification.
    pub spec: PodSpec,
    /// Its address.
    pub address: String,
    /// Its host name.
    pub hostname: String,
    /// Path of its network namespace.
    pub network: String,
    /// Its volumes.
    pub volumes: Mutex<Volumes>,
    /// Files that every container gets.
    pub files: Vec<(&'static str, PathBuf)>,
    /// Where its logs go.
    pub logs: PathBuf,
}

/// A container that has been started.
struct Started {
    stop: watch::Sender<Stop>,
    view: watch::Receiver<View>,
}

/// A pod that is being run.
pub struct Task {
    context: Arc<Context>,
    _network: Network,
    api: Api<Pod>,
    uid: String,
    init: Vec<Option<Started>>,
    main: Vec<Option<Started>>,
    conditions: Conditions,
    since: String,
    reported: Value,
    refreshed: Instant,
    initialized: bool,
    etc: PathBuf,
}

impl Task {
    /// Makes the pod's network; nothing runs yet.
    pub fn new(plan: &Plan, client: Client, pod: Pod, address: Address) -> Result<Self> {
        let network = Network::create(address)?;
        let address = network.address.to_string();
        let namespace = pod.namespace().unwrap_or_default();
        let name = pod.name_any();
        let uid = pod.uid().context("a pod without uid")?;
        let spec = pod.spec.clone().unwrap_or_default();
        let hostname = spec.hostname.clone().unwrap_or_else(|| name.clone());
        let etc = plan.path("podetc").join(&uid);
        let files = etc_files(&etc, &namespace, &spec, &hostname, &address)?;
        let logs = plan.path("pods").join(format!("{namespace}_{name}"));
        fs::create_dir_all(&logs)?;
        let context = Context {
            id: format!("{namespace}-{name}-{}", &uid[..uid.len().min(8)]),
            client: client.clone(),
            volumes: Mutex::new(Volumes::new(client.clone(), &plan.state, &pod)),
            network: network.path(),
            pod,
            address,
            hostname,
            files,
            logs,
            spec,
        };
        let count = |list: Option<&[Container]>| list.map_or(0, <[_]>::len);
        let none = |count: usize| (0..count).map(|_| None).collect();
        Ok(Self {
            init: none(count(context.spec.init_containers.as_deref())),
            main: none(context.spec.containers.len()),
            context: Arc::new(context),
            _network: network,
            api: Api::namespaced(client, &namespace),
            uid,
            conditions: Conditions::new(),
            since: now(),
            reported: Value::Null,
            refreshed: Instant::now(),
            initialized: false,
            etc,
        })
    }

    /// Runs the pod until it is stopped, and removes it then.
    pub async fn run(mut self, mut stop: watch::Receiver<Stop>) {
        // Each trouble is told once, though it is met ten times a second.
        let mut said = None;
        while *stop.borrow() == Stop::No {
            let error = self.step().await.err().map(|error| format!("{error:#}"));
            if let Some(error) = error.as_ref().filter(|_| error != said) {
                eprintln!("{}: {error}", self.context.id);
            }
            said = error;
            tokio::select! {
                () = sleep(TICK) => {}
                _ = stop.changed() => {}
            }
        }
        if let Err(error) = self.end(&mut stop).await {
            eprintln!("{}: {error:#}", self.context.id);
        }
    }

    /// One step forward: volumes, containers that are due, the status.
    async fn step(&mut self) -> Result<()> {
        let due = self.reported.is_null() || self.refreshed.elapsed() > REFRESH;
        let mut volumes = Ok(());
        if due {
            self.refreshed = Instant::now();
            let context = &self.context;
            let mut guard = context.volumes.lock().await;
            volumes = guard.refresh(&context.pod, &context.address).await;
        }
        let started = self.main.iter().any(Option::is_some);
        if volumes.is_ok() && !started {
            self.start_due();
        }
        self.report().await?;
        volumes
    }

    /// Starts the next init container when the ones before it are through, in the end all containers.
    fn start_due(&mut self) {
        let specs = self.context.spec.init_containers.clone().unwrap_or_default();
        for (index, container) in specs.into_iter().enumerate() {
            let sidecar = is_sidecar(&container);
            let Some(started) = &self.init[index] else {
                let restart = if sidecar { Restart::Always } else { self.restart(true) };
                self.init[index] = Some(self.start(container, restart));
                return;
            };
            let view = started.view.borrow();
            let through = if sidecar { view.started } else { view.phase == Phase::Ended(0) };
            if !through {
                return;
            }
        }
        self.initialized = true;
        for index in 0..self.main.len() {
            let container = self.context.spec.containers[index].clone();
            self.main[index] = Some(self.start(container, self.restart(false)));
        }
    }

    fn restart(&self, init: bool) -> Restart {
        match self.context.spec.restart_policy.as_deref() {
            Some("Never") => Restart::Never,
            Some("OnFailure") => Restart::OnFailure,
            _ if init => Restart::OnFailure,
            _ => Restart::Always,
        }
    }

    fn start(&self, container: Container, restart: Restart) -> Started {
        let (stop, stopped) = watch::channel(Stop::No);
        let (view, seen) = watch::channel(View::new());
        let runner = Runner { pod: Arc::clone(&self.context), container, restart, stop: stopped, view };
        tokio::spawn(runner.run());
        Started { stop, view: seen }
    }

    /// Tells the API server, if there is something new.
    async fn report(&mut self) -> Result<()> {
        let views = |list: &[Option<Started>]| -> Vec<View> {
            let view = |one: &Option<Started>| match one {
                Some(one) => one.view.borrow().clone(),
                None => View::new(),
            };
            list.iter().map(view).collect()
        };
        let facts = Facts {
            spec: &self.context.spec,
            address: &self.context.address,
            started: &self.since,
            init: &views(&self.init),
            main: &views(&self.main),
            initialized: self.initialized,
        };
        let status = status(&facts, &mut self.conditions);
        if status == self.reported {
            return Ok(());
        }
        let name = self.context.pod.name_any();
        let params = PatchParams::default();
        let patch = Patch::Merge(&status);
        self.api.patch_status(&name, &params, &patch).await?;
        self.reported = status;
        Ok(())
    }

    /// Stops all containers, the sidecars last, then lets the pod go.
    async fn end(&mut self, stop: &mut watch::Receiver<Stop>) -> Result<()> {
        let wanted = self.context.spec.termination_grace_period_seconds;
        let grace = wanted.unwrap_or(GRACE).clamp(0, GRACE);
        let deadline = Instant::now() + Duration::from_secs(grace.unsigned_abs());
        halt(&self.main, deadline, stop).await;
        halt(&self.init, deadline, stop).await;
        self.context.volumes.lock().await.remove();
        let _ = fs::remove_dir_all(&self.etc);
        let mut params = DeleteParams::default().grace_period(0);
        params.preconditions = Some(Preconditions { uid: Some(self.uid.clone()), resource_version: None });
        match self.api.delete(&self.context.pod.name_any(), &params).await {
            // Another pod of the same name may be there already.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            other => other.map(drop).context("cannot delete the pod"),
        }
    }
}

/// SIGTERM to all, and SIGKILL to those that are still there at the deadline, or when there is a hurry.
async fn halt(list: &[Option<Started>], deadline: Instant, stop: &mut watch::Receiver<Stop>) {
    let urgent = *stop.borrow() == Stop::Kill;
    let started: Vec<&Started> = list.iter().flatten().collect();
    for one in &started {
        one.stop.send_replace(if urgent { Stop::Kill } else { Stop::Term });
    }
    let all_over = async {
        for one in &started {
            let mut view = one.view.clone();
            let _ = view.wait_for(|view| view.over).await;
        }
    };
    tokio::pin!(all_over);
    let hurry = async {
        let left = deadline.saturating_duration_since(Instant::now());
        let _ = timeout(left, stop.wait_for(|stop| *stop == Stop::Kill)).await;
    };
    tokio::select! {
        () = &mut all_over => return,
        () = hurry => {}
    }
    for one in &started {
        one.stop.send_replace(Stop::Kill);
    }
    // A killed container is gone at once; should one not be, the pod must not stay for ever.
    let _ = timeout(Duration::from_secs(10), all_over).await;
}

fn etc_files(
    dir: &std::path::Path,
    namespace: &str,
    spec: &PodSpec,
    hostname: &str,
    address: &str,
) -> Result<Vec<(&'static str, PathBuf)>> {
    fs::create_dir_all(dir)?;
    let full = spec
        .subdomain
        .as_ref()
        .map_or_else(String::new, |subdomain| format!("{hostname}.{subdomain}.{namespace}.svc.cluster.local\t"));
    let hosts = format!("127.0.0.1\tlocalhost\n::1\tlocalhost\n{address}\t{full}{hostname}\n");
    let resolver = format!(
        "nameserver {GATEWAY}\nsearch {namespace}.svc.cluster.local svc.cluster.local cluster.local\n\
         options ndots:5\n"
    );
    let mut files = Vec::new();
    for (path, name, text) in [
        ("/etc/hosts", "hosts", hosts),
        ("/etc/resolv.conf", "resolv.conf", resolver),
        ("/etc/hostname", "hostname", format!("{hostname}\n")),
    ] {
        let file = dir.join(name);
        fs::write(&file, text)?;
        files.push((path, file));
    }
    Ok(files)
}
