//! One sub-cgroup for each test bed, in every hierarchy of the machine (cgroup v1, v2, or both).

use std::{
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};

/// Processes of a test bed on cgroup v2 live in this leaf: a group with children may not have processes of
/// its own there.
const LEAF: &str = "testbed";
const ROOT: &str = "/sys/fs/cgroup";

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// The options that mount the same hierarchy again; none for version 2.
    pub options: Option<String>,
}

/// The hierarchies that are mounted on this machine.
pub fn hierarchies() -> Result<Vec<Hierarchy>> {
    let all = parse(&fs::read_to_string("/proc/self/mountinfo")?);
    ensure!(!all.is_empty(), "no cgroup hierarchy is mounted: mount one at {ROOT}");
    Ok(all)
}

fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let line = |line: &str| {
        let (mount, source) = line.split_once(" - ")?;
        let mut source = source.split(' ');
        let kind = source.next()?;
        let options = source.nth(1)?;
        let options = match kind {
            "cgroup" => Some(controllers(options)),
            "cgroup2" => None,
            _ => return None,
        };
        let mountpoint = PathBuf::from(mount.split(' ').nth(4)?);
        Some(Hierarchy { mountpoint, options })
    };
    mountinfo.lines().filter_map(line).collect()
}

fn controllers(options: &str) -> String {
    let about_mount = |option: &str| {
        ["rw", "ro", "xattr", "noprefix", "clone_children"].contains(&option) || option.starts_with("release_agent=")
    };
    let wanted = options.split(',').filter(|option| !about_mount(option));
    let wanted: Vec<&str> = wanted.collect();
    match wanted.as_slice() {
        [name] if name.starts_with("name=") => format!("none,{name}"),
        _ => wanted.join(","),
    }
}

fn group(name: &str) -> String {
    format!("testbed-{name}")
}

/// Makes the groups of a test bed.
pub fn create(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let dir = hierarchy.mountpoint.join(group(name));
        fs::create_dir(&dir).with_context(|| {
            format!(
                "cannot make the cgroup {} (if it exists, a test bed of this name runs from another state \
                 directory; in a container cgroups must be writable: --privileged)",
                dir.display()
            )
        })?;
        if hierarchy.options.is_none() {
            delegate(&hierarchy.mountpoint);
        }
        if dir.join("cpuset.cpus").exists() && hierarchy.options.is_some() {
            // No process may enter a new cpuset before it has cpus and memory nodes.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let value = fs::read_to_string(hierarchy.mountpoint.join(file))?;
                fs::write(dir.join(file), value)?;
            }
            fs::write(dir.join("cgroup.clone_children"), "1")?;
        }
    }
    Ok(())
}

/// Gives the children of a version 2 group all controllers that can be given.
fn delegate(dir: &Path) {
    let available = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    for controller in available.split_whitespace() {
        // One by one: a controller that is refused must not keep the others out.
        let _ = fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// Moves this process into the groups of a test bed.
pub fn join(name: &str) -> Result<()> {
    let pid = std::process::id().to_string();
    for hierarchy in hierarchies()? {
        let dir = hierarchy.mountpoint.join(group(name));
        let leaf = dir.join(LEAF);
        let dir = if leaf.is_dir() { leaf } else { dir };
        fs::write(dir.join("cgroup.procs"), &pid)
            .with_context(|| format!("cannot enter the cgroup {}", dir.display()))?;
    }
    Ok(())
}

/// Mounts the hierarchies once more, now with this cgroup namespace's view. Call it after `/sys` is mounted.
pub fn mount_own(hierarchies: &[Hierarchy]) -> Result<()> {
    let pure_v2 = hierarchies.iter().all(|one| one.options.is_none());
    if pure_v2 {
        mount_one("cgroup2", Path::new(ROOT), None)?;
        return settle_in_leaf(Path::new(ROOT));
    }
    let options = Some("mode=755");
    mount(Some("cgroup"), ROOT, Some("tmpfs"), MsFlags::empty(), options)?;
    for Hierarchy { mountpoint, options } in hierarchies {
        let (Some(options), Some(name)) = (options, mountpoint.file_name()) else {
            continue; // with version 1 in use the mixed-in version 2 hierarchy has nothing to offer
        };
        let dir = Path::new(ROOT).join(name);
        fs::create_dir(&dir)?;
        mount_one("cgroup", &dir, Some(options))?;
    }
    Ok(())
}

fn mount_one(kind: &str, dir: &Path, options: Option<&str>) -> Result<()> {
    mount(Some(kind), dir, Some(kind), MsFlags::empty(), options)
        .with_context(|| format!("cannot mount {kind} ({options:?}) at {}", dir.display()))
}

fn settle_in_leaf(root: &Path) -> Result<()> {
    let leaf = root.join(LEAF);
    fs::create_dir_all(&leaf)?;
    for pid in fs::read_to_string(root.join("cgroup.procs"))?.lines() {
        // A process may have ended meanwhile.
        let _ = fs::write(leaf.join("cgroup.procs"), pid);
    }
    delegate(root);
    Ok(())
}

/// Removes the groups of a test bed whose processes are gone, trying for a second.
pub fn sweep(name: &str) {
    let Ok(hierarchies) = hierarchies() else {
        return;
    };
    for _ in 0..20 {
        let mut left = false;
        for hierarchy in &hierarchies {
            let dir = hierarchy.mountpoint.join(group(name));
            remove_tree(&dir);
            left |= dir.exists();
        }
        if !left {
            return;
        }
        sleep(Duration::from_millis(50));
    }
}

fn remove_tree(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_both_versions() {
        let text = "25 23 0:22 / /proc rw - proc proc rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = parse(text);
        let options: Vec<_> = found.iter().map(|one| one.options.as_deref()).collect();
        assert_eq!(options, [Some("cpu,cpuacct"), Some("none,name=systemd"), None]);
        assert_eq!(found[2].mountpoint, Path::new("/sys/fs/cgroup/unified"));
    }
}
