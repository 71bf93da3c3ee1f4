//! Says what this machine lacks, and how to get it.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;

use crate::node_config;

/// Programs, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 19] = [
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("nsenter", "util-linux"),
    ("ip", "iproute2"),
    ("sysctl", "procps"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ipset", "ipset"),
    ("busybox", "busybox-static"),
    ("mmdebstrap", "mmdebstrap"),
    ("curl", "curl"),
    ("cc", "gcc"),
    ("flock", "util-linux"),
    ("git", "git"),
    ("chromedriver", "chromium-driver"),
];
/// Letters with every diacritic of Vietnamese, for the pictures of the password page.
const FONT: &str = "/usr/share/fonts/truetype/roboto/unhinted/RobotoTTF/Roboto-Regular.ttf";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const GO: (u32, u32) = (1, 26);
const RUST: (u32, u32) = (1, 91);

/// Checks everything; with `install` gets the missing packages first. Gives 1 when something is missing.
pub fn doctor(install: bool) -> Result<i32> {
    if install {
        let packages = missing_packages();
        if !packages.is_empty() {
            apt(&packages)?;
        }
    }
    let mut bad = 0;
    let mut check = |good: bool, what: &str, remedy: &str| {
        if good {
            println!("ok       {what}");
        } else {
            bad += 1;
            println!("MISSING  {what}: {remedy}");
        }
    };
    check(cfg!(target_os = "linux"), "Linux", "use a Linux machine");
    let root = "run as root; without it there is tier 1 without pods only";
    check(geteuid().is_root(), "root", root);
    for (program, package) in PROGRAMS {
        let remedy = format!("apt-get install {package}");
        check(has_program(program), program, &remedy);
    }
    let remedy = "apt-get install containernetworking-plugins";
    check(node_config::cni_dir().is_ok(), "CNI plugins", remedy);
    let remedy = "apt-get install debian-archive-keyring";
    check(Path::new(KEYRING).exists(), "Debian's keys", remedy);
    check(Path::new(FONT).exists(), "a font for the browser", "apt-get install fonts-roboto-unhinted");
    let go = version("go", "version").is_some_and(|found| found >= GO);
    check(go, "Go 1.26 or newer", "https://go.dev/dl/ (only to build the Kubernetes programs)");
    let rust = version("rustc", "--version").is_some_and(|found| found >= RUST);
    check(rust, "Rust 1.91 or newer", "https://rustup.rs/");
    if !node_config::may_lower_oom_score() {
        println!("note     no CAP_SYS_RESOURCE: oom_score_adj is left alone, limits cannot be raised");
    }
    Ok(i32::from(bad > 0))
}

fn missing_packages() -> Vec<&'static str> {
    let mut packages: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !has_program(program)).map(|(_, package)| *package).collect();
    if node_config::cni_dir().is_err() {
        packages.push("containernetworking-plugins");
    }
    if !Path::new(KEYRING).exists() {
        packages.push("debian-archive-keyring");
    }
    if !Path::new(FONT).exists() {
        packages.push("fonts-roboto-unhinted");
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn apt(packages: &[&str]) -> Result<()> {
    eprintln!("testbed: installing {}", packages.join(" "));
    for args in [vec!["update", "-q"], [&["install", "-q", "-y", "--no-install-recommends"], packages].concat()] {
        let status = Command::new("apt-get")
            .args(&args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status()
            .context("cannot start apt-get: install the packages by your distribution's means")?;
        ensure!(status.success(), "apt-get {} failed ({status})", args.join(" "));
    }
    Ok(())
}

fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = env::split_paths(&path).collect();
    dirs.extend(["/usr/sbin", "/sbin"].map(Into::into));
    dirs.iter().any(|dir| dir.join(name).is_file())
}

/// Major and minor version that a program tells.
fn version(program: &str, arg: &str) -> Option<(u32, u32)> {
    let output = Command::new(program).arg(arg).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let word = text
        .split_whitespace()
        .map(|word| word.trim_start_matches("go"))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = word.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
