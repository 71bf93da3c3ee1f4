//! Finds the Kubernetes programs, and has them built when they are not there.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{images::cache_dir, plan::Tier};

/// Programs that a test bed starts or offers to the command.
fn wanted(tier: Tier, pods: bool) -> Vec<&'static str> {
    let mut all = vec!["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];
    if tier == Tier::Node || pods {
        all.extend(["kube-proxy", "coredns"]);
    }
    if tier == Tier::Node {
        all.extend(["kube-scheduler", "kubelet", "kube-router"]);
    }
    all
}

/// The directories that hold the programs of a tier: those of `$K8S_TEST_BIN` if they have all of them, else
/// those that `tests/k8s-tools/build.sh` makes.
pub fn find(tier: Tier, pods: bool) -> Result<Vec<PathBuf>> {
    let wanted = wanted(tier, pods);
    let mut dirs: Vec<PathBuf> =
        env::var_os("K8S_TEST_BIN").map(|list| env::split_paths(&list).collect()).unwrap_or_default();
    dirs.retain(|dir| dir.is_absolute());
    if missing(&dirs, &wanted).is_empty() {
        return Ok(dirs);
    }
    dirs.extend(build()?);
    let missing = missing(&dirs, &wanted);
    ensure!(missing.is_empty(), "still missing after the build: {missing:?} (looked in {dirs:?})");
    Ok(dirs)
}

fn missing(dirs: &[PathBuf], wanted: &[&'static str]) -> Vec<&'static str> {
    let has = |name: &str| dirs.iter().any(|dir| dir.join(name).is_file());
    wanted.iter().copied().filter(|name| !has(name)).collect()
}

/// Runs the build script; it is quick when everything is in the cache.
fn build() -> Result<Vec<PathBuf>> {
    let script = script()?;
    let output = Command::new(&script)
        .arg(cache_dir())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", script.display()))?;
    ensure!(
        output.status.success(),
        "{} failed ({}): `testbed doctor` says what it needs",
        script.display(),
        output.status
    );
    let lines = String::from_utf8_lossy(&output.stdout);
    Ok(lines.lines().map(PathBuf::from).collect())
}

/// The build script, from the place of this package's source or from the current directory upwards.
fn script() -> Result<PathBuf> {
    const SCRIPT: &str = "tests/k8s-tools/build.sh";
    let here = env::current_dir()?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for dir in here.ancestors().chain([source.as_path()]) {
        let script = dir.join(SCRIPT);
        if script.is_file() {
            return script.canonicalize().with_context(|| format!("cannot resolve {}", script.display()));
        }
    }
    bail!(
        "{SCRIPT} is neither above {} nor in {}: set K8S_TEST_BIN to the directories of the programs",
        here.display(),
        source.display()
    )
}

/// PATH with the given directories in front.
pub fn path_with(dirs: &[PathBuf]) -> Result<std::ffi::OsString> {
    let old = env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    let mut all = dirs.to_vec();
    all.extend(env::split_paths(&old));
    // The programs of a node are in sbin, which an ordinary login does not search.
    for dir in ["/usr/sbin", "/sbin"] {
        if !all.iter().any(|one| one == Path::new(dir)) {
            all.push(dir.into());
        }
    }
    Ok(env::join_paths(all)?)
}
