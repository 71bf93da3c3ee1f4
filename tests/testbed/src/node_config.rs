//! The configuration files of the node's programs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{node::DNS, plan::Plan};

/// Where distributions put the CNI plugins.
const CNI_DIRS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
/// Image that holds the namespaces of a pod.
const PAUSE: &str = "registry.local/pause:3.10";

/// Writes all of them.
pub fn write(plan: &Plan) -> Result<()> {
    fs::create_dir_all(plan.path("cni.d"))?;
    fs::write(plan.path("containerd.toml"), containerd(plan)?)?;
    fs::write(plan.path("cni.d/10-pods.conflist"), network(plan)?)?;
    fs::write(plan.path("kubelet.yaml"), kubelet(plan)?)?;
    fs::write(plan.path("resolv.conf"), format!("nameserver {DNS}\n"))?;
    Ok(())
}

/// Writes CoreDNS' configuration; without a cache, so that tests see changes at once.
pub fn write_corefile(plan: &Plan) -> Result<PathBuf> {
    let text = format!(
        ".:53 {{\n bind {}\n errors\n kubernetes cluster.local {{\n  kubeconfig {} testbed\n  ttl 1\n }}\n}}\n",
        plan.address(),
        plan.kubeconfig().display()
    );
    let path = plan.path("Corefile");
    fs::write(&path, text)?;
    Ok(path)
}

/// The directory with the CNI plugins of this machine.
pub fn cni_dir() -> Result<&'static str> {
    let dirs = CNI_DIRS.into_iter();
    let mut found = dirs.filter(|dir| Path::new(dir).join("bridge").is_file());
    found.next().with_context(|| format!("no CNI plugins in {CNI_DIRS:?} (package containernetworking-plugins)"))
}

/// Whether this process may lower `oom_score_adj`. Where it may not, runc fails at every sandbox unless
/// containerd is told to leave the score alone.
pub fn may_lower_oom_score() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << CAP_SYS_RESOURCE) != 0)
}

fn containerd_major() -> Result<u32> {
    let output =
        Command::new("containerd").arg("--version").output().context("cannot start containerd (package containerd)")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // "containerd github.com/containerd/containerd/v2 v2.1.9 …" or "… 1.6.20~ds1 …"
    let version = text.split_whitespace().nth(2).unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse().ok()) {
        Some(major) => Ok(major),
        None => bail!("cannot tell the version of containerd from '{}'", text.trim()),
    }
}

fn containerd(plan: &Plan) -> Result<String> {
    let state = plan.state.display();
    let restrict = !may_lower_oom_score();
    let cni = cni_dir()?;
    let snapshotter = "io.containerd.snapshotter.v1";
    let tail = format!("[plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"{state}/opt\"\n");
    let mut off: Vec<String> = ["btrfs", "zfs", "devmapper"].map(|name| format!("{snapshotter}.{name}")).to_vec();
    off.push("io.containerd.internal.v1.tracing".into());
    off.push("io.containerd.tracing.processor.v1.otlp".into());
    let major = containerd_major()?;
    let (version, cri) = if major < 2 {
        off.push(format!("{snapshotter}.aufs"));
        let cri = "io.containerd.grpc.v1.cri";
        let text = format!(
            "[plugins.\"{cri}\"]\n  sandbox_image = \"{PAUSE}\"\n  disable_apparmor = true\n  \
             restrict_oom_score_adj = {restrict}\n\
             [plugins.\"{cri}\".containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\
             [plugins.\"{cri}\".cni]\n  bin_dir = \"{cni}\"\n  conf_dir = \"{state}/cni.d\"\n"
        );
        (2, text)
    } else {
        off.push(format!("{snapshotter}.blockfile"));
        off.push("io.containerd.nri.v1.nri".into());
        let (images, runtime) = ("io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime");
        let text = format!(
            "[plugins.\"{images}\".pinned_images]\n  sandbox = \"{PAUSE}\"\n\
             [plugins.\"{runtime}\"]\n  disable_apparmor = true\n  restrict_oom_score_adj = {restrict}\n\
             [plugins.\"{runtime}\".containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\
             [plugins.\"{runtime}\".cni]\n  bin_dirs = [\"{cni}\"]\n  conf_dir = \"{state}/cni.d\"\n"
        );
        (3, text)
    };
    Ok(format!(
        "version = {version}\nroot = \"{state}/cd-root\"\nstate = \"{state}/cd-state\"\n\
         disabled_plugins = {off:?}\n\
         [grpc]\n  address = \"{state}/containerd.sock\"\n\
         [ttrpc]\n  address = \"{state}/containerd.sock.ttrpc\"\n{cri}{tail}"
    ))
}

fn network(plan: &Plan) -> Result<String> {
    let text = serde_json::to_string_pretty(&json!({
        "cniVersion": "1.0.0", "name": "pods", "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                "ipam": {
                    "type": "host-local", "dataDir": plan.path("ipam"),
                    "ranges": [[{"subnet": "10.99.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    }))?;
    Ok(text)
}

fn kubelet(plan: &Plan) -> Result<String> {
    let socket = plan.path("containerd.sock");
    let text = serde_json::to_string_pretty(&json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "failSwapOn": false,
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
        "authentication": {
            "anonymous": {"enabled": false}, "webhook": {"enabled": true},
            "x509": {"clientCAFile": plan.pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": plan.pki("kubelet.crt"), "tlsPrivateKeyFile": plan.pki("kubelet.key"),
        "clusterDNS": [DNS], "clusterDomain": "cluster.local",
        "resolvConf": plan.path("resolv.conf"),
        // A test machine may be full; evicting pods for that would only puzzle.
        "evictionHard": {
            "imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "memory.available": "100Mi",
        },
        "imageGCHighThresholdPercent": 100,
        // A changed Secret reaches the pods within seconds instead of a minute or more.
        "syncFrequency": "3s",
    }))?;
    Ok(text)
}
