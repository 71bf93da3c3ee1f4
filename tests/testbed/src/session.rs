//! Brings a test bed up around a command, and takes it down again.

use std::{
    env,
    ffi::OsString,
    fs,
    path::PathBuf,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{
    bed, cgroups,
    children::code,
    images, machine, pki,
    plan::{Plan, Ports, Tier, now_millis},
    ports, state, tools,
};

/// Exit code for "the test bed itself failed", as container engines use it.
pub const FAILED: i32 = 125;
/// After Ctrl-C the command may tidy up for this long.
const GRACE: Duration = Duration::from_secs(10);

/// What the user wants.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much of Kubernetes.
    pub tier: Tier,
    /// A name, else one is made up.
    pub name: Option<String>,
    /// Image archives for the node.
    pub images: Vec<PathBuf>,
    /// Whether to keep the logs of a run that went well.
    pub keep_logs: bool,
    /// Whether tier 1 runs pods.
    pub pods: bool,
    /// The command; empty means to stay until a signal comes.
    pub command: Vec<OsString>,
}

/// Brings a test bed up, runs the command, takes it down. Gives the command's exit code.
pub fn run(options: &Options) -> Result<i32> {
    let started = now_millis();
    let private = geteuid().is_root();
    if options.tier == Tier::Node && !private {
        bail!("tier 2 needs root; tier 1 does not");
    }
    let images = wanted_images(options)?;
    let pods = options.pods && private && options.tier == Tier::Api;
    let tools = tools::find(options.tier, pods)?;
    let claim = state::claim(options.name.as_deref())?;
    let plan = Plan {
        name: claim.name.clone(),
        tier: options.tier,
        state: claim.dir.clone(),
        tools,
        images,
        pods,
        private,
        ports: if private { Ports::USUAL } else { ports::free()? },
        started,
    };
    let outcome = bring_up(&plan, options);
    if private {
        cgroups::sweep(&plan.name);
    }
    let good = matches!(outcome, Ok(0)) || options.command.is_empty() && outcome.is_ok();
    claim.finish(options.keep_logs || !good);
    outcome
}

fn wanted_images(options: &Options) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    if options.tier == Tier::Node {
        all.push(images::pause()?.tar);
    }
    for image in &options.images {
        let absolute = fs::canonicalize(image).with_context(|| format!("no image archive {}", image.display()))?;
        all.push(absolute);
    }
    Ok(all)
}

fn bring_up(plan: &Plan, options: &Options) -> Result<i32> {
    plan.write()?;
    fs::write(plan.path("supervisor.pid"), std::process::id().to_string())?;
    pki::write(plan)?;
    plan.progress("certificates written");
    if !plan.private {
        if options.pods {
            plan.progress("not root: pods stay Pending");
        }
        return bed::run(plan, &options.command);
    }
    cgroups::create(&plan.name)?;
    let signals = Signals::new()?;
    let child = Command::new(env::current_exe()?)
        .args(machine::stage("__enter", &plan.state, &options.command))
        .envs(environment(plan)?)
        .spawn()
        .context("cannot start the stage __enter")?;
    // The stage becomes unshare, whose child is process 1; `exec` looks for it.
    fs::write(plan.path("unshare.pid"), child.id().to_string())?;
    attend(plan, child, &signals)
}

fn attend(plan: &Plan, mut child: Child, signals: &Signals) -> Result<i32> {
    let mut deadline = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(code(status));
        }
        if signals.end.load(Ordering::Relaxed) {
            deadline = Some(Instant::now());
        } else if signals.interrupt.load(Ordering::Relaxed) && deadline.is_none() {
            // From the keyboard it reached the command as well; before there is one, nothing needs time.
            let grace = if plan.path("ready").exists() { GRACE } else { Duration::ZERO };
            deadline = Some(Instant::now() + grace);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            child.kill()?;
            child.wait()?;
            return Ok(128 + SIGTERM);
        }
        sleep(Duration::from_millis(20));
    }
}

/// Flags that signals raise.
pub struct Signals {
    interrupt: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
}

impl Signals {
    /// From now on SIGINT, SIGTERM and SIGHUP only raise flags.
    pub fn new() -> Result<Self> {
        let interrupt = Arc::new(AtomicBool::new(false));
        let end = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, Arc::clone(&interrupt))?;
        for signal in [SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&end))?;
        }
        Ok(Self { interrupt, end })
    }

    /// Whether a signal to end came.
    pub fn any(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed) || self.end.load(Ordering::Relaxed)
    }
}

/// What commands inside a test bed find in their environment.
pub fn environment(plan: &Plan) -> Result<Vec<(&'static str, OsString)>> {
    let mut all = vec![
        ("PATH", tools::path_with(&plan.tools)?),
        ("KUBECONFIG", plan.kubeconfig().into()),
        ("TESTBED_TIER", plan.tier.number().into()),
        ("TESTBED_STATE", plan.state.clone().into()),
    ];
    if plan.tier == Tier::Node {
        all.push(("CONTAINERD_ADDRESS", plan.path("containerd.sock").into()));
    }
    Ok(all)
}
