//! A private machine out of namespaces: fixed ports are free, everything is reachable from inside, and the
//! end of its first process is the end of all of it.
//!
//! The stages are runs of this program: `__enter` joins the cgroups and becomes `unshare`, which starts
//! `__init` as process 1, which starts `__node` and reaps whatever is left to it.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sys::{
        prctl,
        signal::Signal,
        statfs::{OVERLAYFS_SUPER_MAGIC, statfs},
        wait::{WaitStatus, wait},
    },
    unistd::{Pid, getppid, sethostname},
};

use crate::{cgroups, plan::Plan, plan::Tier};

/// Stage 1, still outside: joins the cgroups and becomes `unshare`. Returns only when that fails.
pub fn enter(state: &Path, command: &[OsString]) -> Result<()> {
    die_with_parent()?;
    let plan = Plan::read(state)?;
    cgroups::join(&plan.name)?;
    let error = Command::new("unshare")
        .args(["--mount", "--net", "--uts", "--ipc", "--cgroup", "--pid"])
        .args(["--fork", "--kill-child=KILL", "--mount-proc"])
        .args(["--propagation", "private"])
        .arg(env::current_exe()?)
        .args(stage("__init", state, command))
        .exec();
    Err(error).context("cannot start unshare (package util-linux)")
}

/// The arguments that make this program run a stage.
pub fn stage(name: &str, state: &Path, command: &[OsString]) -> Vec<OsString> {
    let mut args = vec![name.into(), state.into()];
    if !command.is_empty() {
        args.push("--".into());
        args.extend_from_slice(command);
    }
    args
}

/// Stage 2, process 1 of the private machine: starts the next stage and reaps. Gives the exit code.
pub fn init(state: &Path, command: &[OsString]) -> Result<i32> {
    let child = Command::new(env::current_exe()?)
        .args(stage("__node", state, command))
        .spawn()
        .context("cannot start the stage __node")?;
    let main = Pid::from_raw(i32::try_from(child.id())?);
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => return Ok(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => {
                return Ok(128 + signal as i32);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("process 1 cannot wait for its children"),
        }
    }
}

/// Has the kernel kill this process when the one that started it ends.
pub fn die_with_parent() -> Result<()> {
    let parent = getppid();
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    ensure!(getppid() == parent, "the parent process has ended");
    Ok(())
}

/// Makes mounts and network of the private machine.
pub fn prepare(plan: &Plan) -> Result<()> {
    sethostname(&plan.name)?;
    mounts(plan)?;
    network(plan)
}

fn mounts(plan: &Plan) -> Result<()> {
    let hierarchies = cgroups::hierarchies()?;
    special("sysfs", Path::new("/sys"), None)?;
    cgroups::mount_own(&hierarchies)?;
    special("tmpfs", Path::new("/run"), Some("mode=755"))?;
    for dir in ["/run/netns", "/run/lock"] {
        fs::create_dir_all(dir)?;
    }
    let etcd = plan.path("etcd");
    fs::create_dir_all(&etcd)?;
    special("tmpfs", &etcd, Some("size=1g"))?;
    // The kubelet writes to /var/log; below the state directory it can be kept.
    let log = plan.path("varlog");
    for dir in ["pods", "containers"] {
        fs::create_dir_all(log.join(dir))?;
    }
    let none: Option<&str> = None;
    mount(Some(&log), "/var/log", none, MsFlags::MS_BIND, none)?;
    if statfs(&plan.state)?.filesystem_type() == OVERLAYFS_SUPER_MAGIC {
        // An overlay cannot be the upper layer of containerd's overlays.
        let root = plan.path("cd-root");
        fs::create_dir_all(&root)?;
        special("tmpfs", &root, None)?;
    }
    let shared = MsFlags::MS_SHARED | MsFlags::MS_REC;
    mount(none, "/", none, shared, none).context("cannot make / a shared mount")
}

fn special(kind: &str, dir: &Path, options: Option<&str>) -> Result<()> {
    mount(Some(kind), dir, Some(kind), MsFlags::empty(), options)
        .with_context(|| format!("cannot mount {kind} at {}", dir.display()))
}

fn network(plan: &Plan) -> Result<()> {
    let (bridge, nowhere) = match plan.tier {
        Tier::Api => ("pods0", "10.88.0.254"),
        Tier::Node => ("node0", "10.0.0.1"),
    };
    let address = plan.address();
    // A bridge, because not every kernel has the dummy device. Nothing answers at the default route, but
    // without one there is no way to the addresses of Services.
    let batch = format!(
        "link set lo up\nlink add {bridge} type bridge\naddress add {address}/24 dev {bridge}\n\
         link set {bridge} up\nroute add default via {nowhere} dev {bridge}\n"
    );
    ip_batch(&batch)?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot set ip_forward")
}

/// Runs several commands of `ip` in one process.
pub fn ip_batch(commands: &str) -> Result<()> {
    ip(&[], commands)
}

/// The same, in a named network namespace.
pub fn ip_batch_in(namespace: &str, commands: &str) -> Result<()> {
    ip(&["-netns", namespace], commands)
}

fn ip(options: &[&str], commands: &str) -> Result<()> {
    use std::io::Write;
    let mut child = Command::new("ip")
        .args(options)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start ip (package iproute2)")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(commands.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "ip failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
