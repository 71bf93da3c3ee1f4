//! What a test bed consists of, written to its state directory so that every stage of the start reads the same.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How much of Kubernetes is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Tier {
    /// etcd, kube-apiserver and kube-controller-manager.
    #[value(name = "1")]
    Api,
    /// A whole node.
    #[value(name = "2")]
    Node,
}

impl Tier {
    /// The number that users know the tier by.
    pub fn number(self) -> &'static str {
        match self {
            Self::Api => "1",
            Self::Node => "2",
        }
    }
}

/// Ports of the control plane.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ports {
    /// etcd's clients.
    pub etcd: u16,
    /// etcd's peers; nobody connects, but etcd insists on listening.
    pub peer: u16,
    /// The API server.
    pub api: u16,
}

impl Ports {
    /// The usual ports; free in every network namespace of our own.
    pub const USUAL: Self = Self { etcd: 2379, peer: 2380, api: 6443 };
}

/// Everything the stages have to agree on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the test bed; also the node's name.
    pub name: String,
    /// Which components run.
    pub tier: Tier,
    /// State directory.
    pub state: PathBuf,
    /// Directories with the Kubernetes programs.
    pub tools: Vec<PathBuf>,
    /// Image archives to import into the node.
    pub images: Vec<PathBuf>,
    /// Whether tier 1 runs pods with the pod runner.
    pub pods: bool,
    /// Whether there is a machine of our own (namespaces) around it.
    pub private: bool,
    /// Ports of the control plane.
    pub ports: Ports,
    /// Milliseconds since the epoch at the start, for the progress lines of all stages.
    pub started: u64,
}

/// Longest path that still leaves room for the longest socket name below it: a unix socket path has at most
/// 107 bytes.
const LONGEST_STATE: usize = 70;

impl Plan {
    /// Reads the plan of a state directory.
    pub fn read(state: &Path) -> Result<Self> {
        let path = state.join("plan.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Writes the plan into its state directory.
    pub fn write(&self) -> Result<()> {
        check_name(&self.name)?;
        ensure!(
            self.state.as_os_str().len() <= LONGEST_STATE,
            "the state directory {} is too long for unix sockets below it ({LONGEST_STATE} bytes at most): \
             set TESTBED_STATE_DIR or choose a shorter --name",
            self.state.display()
        );
        let text = serde_json::to_vec_pretty(self)?;
        fs::write(self.state.join("plan.json"), text)?;
        Ok(())
    }

    /// Path of a file in the state directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// Path of a certificate, key or kubeconfig.
    pub fn pki(&self, name: &str) -> PathBuf {
        self.state.join("pki").join(name)
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.pki("admin.kubeconfig")
    }

    /// A program among the tools.
    pub fn tool(&self, name: &str) -> Result<PathBuf> {
        let found = self.tools.iter().map(|dir| dir.join(name));
        let Some(path) = found.into_iter().find(|path| path.is_file()) else {
            bail!("{name} is in none of {:?}", self.tools);
        };
        Ok(path)
    }

    /// Prints a line of progress with the time since the start.
    pub fn progress(&self, what: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let passed = now.map_or(0, |now| now.as_millis() as u64);
        let passed = Duration::from_millis(passed.saturating_sub(self.started));
        eprintln!("testbed {} [{:6.2} s] {what}", self.name, passed.as_secs_f32());
    }

    /// The address of the node, or the gateway of the pod runner's pods.
    pub fn address(&self) -> &'static str {
        match (self.private, self.tier) {
            (false, _) => "127.0.0.1",
            (true, Tier::Api) => "10.88.0.1",
            (true, Tier::Node) => "10.0.0.10",
        }
    }
}

/// The name becomes a host name, a cgroup and a directory.
pub fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edges = name.starts_with('-') || name.ends_with('-');
    ensure!(
        !name.is_empty() && name.len() <= 30 && name.chars().all(good) && !edges,
        "'{name}' is no name for a test bed: 1 to 30 of a-z, 0-9 and '-', the latter not at the ends"
    );
    Ok(())
}

/// Milliseconds since the epoch.
pub fn now_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}
