//! Test beds that stay: `up`, `exec`, `load`, `status`, `down`.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, setsid},
};

use crate::{
    cgroups,
    children::tail,
    plan::{Plan, Tier, check_name},
    session, state,
};

/// Images and programs are built before the clock of `Children::wait` starts; the first build takes long.
const UP: Duration = Duration::from_secs(1800);
const DOWN: Duration = Duration::from_secs(20);

/// Starts a test bed in the background and returns when it is ready.
pub fn up(tier: Tier, name: &str, images: &[PathBuf], pods: bool) -> Result<()> {
    check_name(name)?;
    let ready = state::dir(name).join("ready");
    if state::is_running(name)? {
        wait_ready(name, &ready, || Ok(state::is_running(name)?.then_some(())))?;
        let plan = Plan::read(&state::dir(name))?;
        eprintln!("testbed {name}: is running already (tier {})", plan.tier.number());
        println!("{}", plan.kubeconfig().display());
        return Ok(());
    }
    let log = state::supervisor_log(name);
    let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(env::current_exe()?);
    command.args(["__supervise", "--tier", tier.number(), "--name", name]);
    if !pods {
        command.arg("--no-pods");
    }
    for image in images {
        command.arg("--images").arg(image);
    }
    let mut child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
    let started = Instant::now();
    let _ = fs::remove_file(&ready);
    wait_ready(name, &ready, || Ok(child.try_wait()?.is_none().then_some(())))?;
    let kubeconfig = Plan::read(&state::dir(name))?.kubeconfig();
    let passed = started.elapsed().as_secs_f32();
    eprintln!("testbed {name}: ready after {passed:.1} s; log {}", log.display());
    println!("{}", kubeconfig.display());
    Ok(())
}

fn wait_ready(name: &str, ready: &Path, mut alive: impl FnMut() -> Result<Option<()>>) -> Result<()> {
    let log = state::supervisor_log(name);
    let start = Instant::now();
    while !ready.exists() {
        if alive()?.is_none() {
            bail!("test bed '{name}' did not come up{}", tail(&log));
        }
        ensure!(start.elapsed() < UP, "test bed '{name}' is not ready after {} s{}", UP.as_secs(), tail(&log));
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The background process of `up`: a session of its own, so that no terminal's end reaches it.
pub fn supervise(options: &session::Options) -> Result<i32> {
    setsid().context("cannot start a session")?;
    session::run(options)
}

fn running_plan(name: &str) -> Result<Plan> {
    check_name(name)?;
    ensure!(state::is_running(name)?, "no test bed named '{name}' is running (`testbed status` lists them)");
    Plan::read(&state::dir(name))
}

/// Becomes a command inside a test bed. Returns only when that fails.
pub fn exec(name: &str, command: &[OsString]) -> Result<()> {
    let plan = running_plan(name)?;
    let mut all = Command::new("env");
    if plan.private {
        let first = first_process(&plan)?;
        cgroups::join(name)?;
        all = Command::new("nsenter");
        all.args(["--target", &first.to_string()]);
        all.args(["--mount", "--net", "--uts", "--ipc", "--cgroup", "--pid"]);
        // nsenter's child must not outlive it.
        all.args(["setpriv", "--pdeathsig", "KILL", "env"]);
    }
    // The current directory, entered again: nsenter comes out at the root.
    all.arg("-C").arg(env::current_dir()?).args(command);
    all.envs(session::environment(&plan)?);
    Err(all.exec()).context("cannot start nsenter (package util-linux)")
}

/// The process 1 of the private machine, as it is numbered outside.
fn first_process(plan: &Plan) -> Result<i32> {
    let parent: i32 = fs::read_to_string(plan.path("unshare.pid"))?.parse()?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The program's name, in parentheses, may hold anything; the state and the parent follow it.
        let rest = stat.rsplit_once(") ").map(|(_, rest)| rest);
        let its_parent = rest.and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        if its_parent == Some(parent) {
            return Ok(pid);
        }
    }
    bail!("cannot find the first process of '{}'", plan.name)
}

/// Imports image archives into a kept node.
pub fn load(name: &str, images: &[PathBuf]) -> Result<()> {
    let plan = running_plan(name)?;
    ensure!(plan.tier == Tier::Node, "'{name}' is tier 1: it has no node");
    let mut command = vec![env::current_exe()?.into(), "__load".into()];
    command.push(plan.state.clone().into());
    for image in images {
        let path = fs::canonicalize(image).with_context(|| format!("no image archive {}", image.display()))?;
        command.push(path.into());
    }
    exec(name, &command)
}

/// Ends a test bed and waits until it is gone.
pub fn down(name: &str) -> Result<()> {
    check_name(name)?;
    if !state::is_running(name)? {
        state::sweep_dead()?;
        eprintln!("testbed {name}: is not running");
        return Ok(());
    }
    let pid = fs::read_to_string(state::dir(name).join("supervisor.pid"))?;
    let pid = Pid::from_raw(pid.parse()?);
    let start = Instant::now();
    kill(pid, Signal::SIGTERM)?;
    let mut forced = false;
    while state::is_running(name)? {
        if start.elapsed() > DOWN {
            ensure!(!forced, "test bed '{name}' does not end (process {pid})");
            // Everything dies with the supervisor; only the tidying up is missed.
            forced = true;
            kill(pid, Signal::SIGKILL)?;
            sleep(Duration::from_secs(1));
        }
        sleep(Duration::from_millis(50));
    }
    state::sweep_dead()?;
    let passed = start.elapsed().as_secs_f32();
    eprintln!("testbed {name}: gone after {passed:.1} s");
    Ok(())
}

/// Lists the test beds that are running.
pub fn status() -> Result<()> {
    let running = state::running()?;
    if running.is_empty() {
        println!("no test bed is running");
    }
    for name in running {
        let dir = state::dir(&name);
        let ready = if dir.join("ready").exists() { "ready" } else { "starting" };
        match Plan::read(&dir) {
            Ok(plan) => println!("{name}\ttier {}\t{ready}\t{}", plan.tier.number(), plan.kubeconfig().display()),
            Err(_) => println!("{name}\tstarting"),
        }
    }
    Ok(())
}
