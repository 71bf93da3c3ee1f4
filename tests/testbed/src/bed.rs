//! The components of a test bed, started in the order that is fastest, and the command beside them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::Path,
    process::Command,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    api::Api,
    children::{Children, code},
    control_plane, machine, node,
    plan::{Plan, Tier},
    pods, provisioner, session,
};

/// Stage 3, inside the private machine.
pub fn stage(state: &Path, command: &[OsString]) -> Result<i32> {
    machine::die_with_parent()?;
    let plan = Plan::read(state)?;
    machine::prepare(&plan)?;
    run(&plan, command)
}

/// Starts the components, runs the command (or waits for a signal), and kills the components.
pub fn run(plan: &Plan, command: &[OsString]) -> Result<i32> {
    let mut children = Children::new(&plan.state);
    control_plane::start(plan, &mut children)?;
    if plan.tier == Tier::Node {
        node::start_containerd(plan, &mut children)?;
        node::import_images(plan, &mut children)?;
    }
    let api = Api::new(&plan.kubeconfig())?;
    control_plane::finish(plan, &mut children, &api)?;
    if plan.tier == Tier::Node {
        node::start_rest(plan, &mut children, &api)?;
    }
    if plan.private {
        provisioner::storage_classes(plan, &api)?;
        let state = plan.state.as_os_str();
        start_self(&mut children, "provisioner", ["__provision".as_ref(), state])?;
    }
    if plan.pods {
        let state = plan.state.as_os_str();
        let args = ["pods".as_ref(), "--state".as_ref(), state];
        start_self(&mut children, "pod-runner", args)?;
        node::start_services(plan, &mut children, pods::NETWORK)?;
    }
    if plan.tier == Tier::Node {
        node::wait_ready(plan, &mut children, &api)?;
    }
    control_plane::wait_for_account(plan, &mut children, &api)?;
    fs::write(plan.path("ready"), "")?;
    if command.is_empty() { attend(&mut children) } else { run_command(plan, &mut children, command) }
}

fn start_self<const N: usize>(children: &mut Children, name: &str, args: [&OsStr; N]) -> Result<()> {
    children.start(name, &env::current_exe()?, args)
}

fn attend(children: &mut Children) -> Result<i32> {
    let signals = session::Signals::new()?;
    while !signals.any() {
        children.report_dead();
        sleep(Duration::from_millis(200));
    }
    Ok(0)
}

fn run_command(plan: &Plan, children: &mut Children, command: &[OsString]) -> Result<i32> {
    let (program, args) = command.split_first().context("no command")?;
    // Ctrl-C reaches the command too; the cluster must be there while it tidies up.
    let _signals = session::Signals::new()?;
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program)
        .args(args)
        .envs(session::environment(plan)?)
        .spawn()
        .context("cannot start setpriv (package util-linux)")?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        children.report_dead();
        sleep(Duration::from_millis(20));
    };
    plan.progress(&format!("the command ended: {status}"));
    Ok(code(status))
}
