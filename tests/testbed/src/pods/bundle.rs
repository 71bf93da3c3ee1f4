//! What runc needs for a container: a root file system and `config.json`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    api::core::v1::{Container, PodSpec, VolumeMount},
    apimachinery::pkg::api::resource::Quantity,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};

use super::{RUN, image::Image, volumes::Volumes, writer::make_dir};

/// Where runc keeps its state.
pub const RUNC: &str = "/run/testbed/runc";
/// What containerd gives a container that asks for nothing.
const CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// Everything about a container that is known before it starts.
pub struct Recipe<'a> {
    /// Identity for runc.
    pub id: &'a str,
    /// The pod.
    pub spec: &'a PodSpec,
    /// The container.
    pub container: &'a Container,
    /// Its image.
    pub image: &'a Image,
    /// Its environment.
    pub variables: &'a BTreeMap<String, String>,
    /// Its command line.
    pub command: &'a [String],
    /// Host name.
    pub hostname: &'a str,
    /// Path of the network namespace.
    pub network: &'a str,
    /// Volumes of the pod.
    pub volumes: &'a Volumes,
    /// Files that every container gets: path in the container, file here.
    pub files: &'a [(&'static str, PathBuf)],
}

/// A bundle on disk; unmounted and removed when dropped.
pub struct Bundle {
    dir: PathBuf,
}

impl Bundle {
    /// Lays a fresh root file system over the image and writes `config.json`.
    pub fn create(recipe: &Recipe) -> Result<Self> {
        let bundle = Self { dir: Path::new(RUN).join("bundles").join(recipe.id) };
        let dirs = ["upper", "work", "root"].map(|name| bundle.dir.join(name));
        for dir in &dirs {
            fs::create_dir_all(dir)?;
        }
        let [upper, work, root] = dirs.map(|dir| dir.display().to_string());
        let lower = recipe.image.root.display();
        // Even under a read-only root runc makes missing mountpoints; they must not get into the image.
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let kind = Some("overlay");
        mount(kind, root.as_str(), kind, MsFlags::empty(), Some(options.as_str()))
            .with_context(|| format!("cannot lay an overlay over {lower}"))?;
        let config = config(recipe, &root)?;
        fs::write(bundle.dir.join("config.json"), serde_json::to_vec_pretty(&config)?)?;
        Ok(bundle)
    }

    /// The directory that runc is given.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = umount2(&self.dir.join("root"), MntFlags::MNT_DETACH);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn config(recipe: &Recipe, root: &str) -> Result<Value> {
    let container = recipe.container;
    let security = container.security_context.clone().unwrap_or_default();
    let privileged = security.privileged == Some(true);
    let escalation = security.allow_privilege_escalation.unwrap_or(true);
    let namespaces = json!([
        {"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "ipc"},
        {"type": "network", "path": recipe.network},
    ]);
    let variables = recipe.variables.iter();
    let environment: Vec<String> = variables.map(|(name, value)| format!("{name}={value}")).collect();
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": user(recipe)?,
            "args": recipe.command,
            "env": environment,
            "cwd": container.working_dir.as_deref().unwrap_or("/"),
            "capabilities": capabilities(container, privileged),
            "noNewPrivileges": !escalation && !privileged,
        },
        "root": {"path": root, "readonly": security.read_only_root_filesystem == Some(true)},
        "hostname": recipe.hostname,
        "mounts": mounts(recipe)?,
        "linux": {
            "namespaces": namespaces,
            "cgroupsPath": format!("/pods/{}", recipe.id),
            "resources": {
                "devices": [{"allow": privileged, "access": "rwm"}],
                "memory": memory(container)?,
            },
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    }))
}

fn user(recipe: &Recipe) -> Result<Value> {
    let own = recipe.container.security_context.clone().unwrap_or_default();
    let pod = recipe.spec.security_context.clone().unwrap_or_default();
    let of_image = |part: usize| {
        let text = recipe.image.user.split(':').nth(part);
        text.and_then(|text| text.parse::<i64>().ok())
    };
    let uid = own.run_as_user.or(pod.run_as_user).or(of_image(0)).unwrap_or(0);
    let gid = own.run_as_group.or(pod.run_as_group).or(of_image(1)).unwrap_or(0);
    let not_root = own.run_as_non_root.or(pod.run_as_non_root) == Some(true);
    ensure!(uid != 0 || !not_root, "container has runAsNonRoot and image will run as root");
    let mut groups = pod.supplemental_groups.unwrap_or_default();
    groups.extend(pod.fs_group);
    Ok(json!({"uid": uid, "gid": gid, "additionalGids": groups}))
}

fn capabilities(container: &Container, privileged: bool) -> Value {
    let wanted = container.security_context.as_ref();
    let wanted = wanted.and_then(|security| security.capabilities.clone());
    let wanted = wanted.unwrap_or_default();
    let (add, drop) = (wanted.add.unwrap_or_default(), wanted.drop.unwrap_or_default());
    let listed = |list: &[String], name: &str| list.iter().any(|one| one == name || one == "ALL");
    let mut names: Vec<&str> = CAPABILITIES.to_vec();
    names.retain(|name| privileged || !listed(&drop, name));
    names.extend(add.iter().map(String::as_str).filter(|name| *name != "ALL"));
    let names: Vec<String> = names.iter().map(|name| format!("CAP_{name}")).collect();
    json!({"bounding": names, "effective": names, "permitted": names})
}

fn mounts(recipe: &Recipe) -> Result<Vec<Value>> {
    let special = |path: &str, kind: &str, options: &[&str]| json!({"destination": path, "type": kind, "source": kind, "options": options});
    let careful = ["nosuid", "noexec", "nodev"];
    let with = |more: &[&'static str]| [careful.as_slice(), more].concat();
    let mut all = vec![
        special("/proc", "proc", &careful),
        special("/dev", "tmpfs", &["nosuid", "mode=755", "size=65536k"]),
        special("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        special("/dev/shm", "tmpfs", &with(&["mode=1777", "size=65536k"])),
        special("/dev/mqueue", "mqueue", &careful),
        special("/sys", "sysfs", &with(&["ro"])),
    ];
    for (path, file) in recipe.files {
        all.push(bind(path, file, true));
    }
    let mut own: Vec<&VolumeMount> = recipe.container.volume_mounts.iter().flatten().collect();
    // Outer mounts first.
    own.sort_by_key(|mount| Path::new(&mount.mount_path).components().count());
    for (index, mount) in own.iter().enumerate() {
        let source = recipe.volumes.source(mount)?;
        if let Some((outer, rest)) = outer(&own[..index], &mount.mount_path) {
            make_mountpoint(&recipe.volumes.source(outer)?.join(rest), &source)?;
        }
        all.push(bind(&mount.mount_path, &source, mount.read_only == Some(true)));
    }
    Ok(all)
}

fn bind(path: &str, source: &Path, read_only: bool) -> Value {
    let mode = if read_only { "ro" } else { "rw" };
    json!({
        "destination": path, "type": "bind", "source": source,
        "options": ["rbind", "rprivate", mode],
    })
}

/// The innermost of the mounts that a path is inside of, and the rest of the path.
fn outer<'a>(mounts: &[&'a VolumeMount], path: &str) -> Option<(&'a VolumeMount, PathBuf)> {
    mounts.iter().rev().find_map(|mount| {
        let rest = Path::new(path).strip_prefix(&mount.mount_path).ok()?;
        Some((*mount, rest.to_owned()))
    })
}

/// In a volume that is mounted read-only runc cannot make the place for another mount.
fn make_mountpoint(point: &Path, source: &Path) -> Result<()> {
    if point.exists() {
        return Ok(());
    }
    if source.is_dir() {
        return make_dir(point, None, 0o755);
    }
    fs::write(point, "").with_context(|| format!("cannot make {}", point.display()))
}

fn memory(container: &Container) -> Result<Value> {
    let limits = container.resources.as_ref();
    let limits = limits.and_then(|resources| resources.limits.as_ref());
    match limits.and_then(|limits| limits.get("memory")) {
        Some(quantity) => Ok(json!({"limit": bytes(quantity)?})),
        None => Ok(json!({})),
    }
}

fn bytes(quantity: &Quantity) -> Result<i64> {
    let text = quantity.0.as_str();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: i64 = match &text[digits.len()..] {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        other => anyhow::bail!("unit '{other}' in {text}"),
    };
    let number: f64 = digits.parse().with_context(|| format!("quantity {text}"))?;
    Ok((number * unit as f64) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_become_bytes() {
        let of = |text: &str| bytes(&Quantity(text.to_owned())).ok();
        assert_eq!(of("128Mi"), Some(128 << 20));
        assert_eq!(of("1.5Gi"), Some(3 << 29));
        assert_eq!(of("1000"), Some(1000));
        assert_eq!(of("1Q"), None);
    }
}
