//! Writes the files of a volume as the kubelet does: a directory with the time in its name, a symbolic link
//! `..data` to it that is swapped at a change, and a link for each entry.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Component, Path},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};

const DATA: &str = "..data";

/// Files by their path in the volume, with permission bits.
pub type Payload = BTreeMap<String, (Vec<u8>, u32)>;

/// Makes a directory that belongs to root and the group.
pub fn make_dir(dir: &Path, group: Option<u32>, mode: u32) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    chown(dir, Some(0), Some(group.unwrap_or(0)))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Replaces what is in the volume.
pub fn write(volume: &Path, payload: &Payload, group: Option<u32>) -> Result<()> {
    let dir_mode = if group.is_some() { 0o2777 } else { 0o777 };
    make_dir(volume, group, dir_mode)?;
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let name = format!("..{nanos}");
    let dir = volume.join(&name);
    make_dir(&dir, group, dir_mode)?;
    let mut entries = BTreeSet::new();
    for (path, (content, mode)) in payload {
        let first = first_part(path)?;
        entries.insert(first.to_owned());
        let file = dir.join(path);
        if let Some(parent) = file.parent().filter(|parent| *parent != dir) {
            make_dir(parent, group, dir_mode)?;
        }
        fs::write(&file, content)?;
        chown(&file, Some(0), Some(group.unwrap_or(0)))?;
        // Who is in the group must be able to read, whatever the volume's mode is.
        let mode = if group.is_some() { mode | 0o440 } else { *mode };
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
    }
    let old = fs::read_link(volume.join(DATA)).ok();
    let new_link = volume.join("..data_tmp");
    let _ = fs::remove_file(&new_link);
    symlink(&name, &new_link)?;
    fs::rename(&new_link, volume.join(DATA))?;
    links(volume, &entries)?;
    if let Some(old) = old {
        fs::remove_dir_all(volume.join(old))?;
    }
    Ok(())
}

/// A path may not leave the volume; its first part gets the link.
fn first_part(path: &str) -> Result<&str> {
    let mut parts = Path::new(path).components();
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let first = parts.next().and_then(|part| part.as_os_str().to_str());
    ensure!(inside && first.is_some(), "'{path}' is no path in a volume");
    Ok(first.unwrap_or_default())
}

fn links(volume: &Path, entries: &BTreeSet<String>) -> Result<()> {
    for entry in entries {
        let link = volume.join(entry);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(entry), &link)?;
        }
    }
    for entry in fs::read_dir(volume)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if is_link && name != DATA && !entries.contains(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        let file = |(path, text): &(&str, &str)| ((*path).to_owned(), (text.as_bytes().to_vec(), 0o440));
        files.iter().map(file).collect()
    }

    #[test]
    fn a_change_swaps_all_files_and_keeps_foreign_ones() -> Result<()> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(()); // only root may give files away
        }
        let volume = tempfile::tempdir()?;
        let volume = volume.path();
        write(volume, &payload(&[("a", "1"), ("conf.d/b", "2")]), Some(1000))?;
        fs::create_dir(volume.join("ssl"))?;
        let old = fs::read_link(volume.join(DATA))?;
        write(volume, &payload(&[("conf.d/b", "3"), ("c", "4")]), Some(1000))?;
        assert_eq!(fs::read(volume.join("conf.d/b"))?, b"3");
        assert_eq!(fs::read(volume.join("c"))?, b"4");
        assert!(fs::symlink_metadata(volume.join("a")).is_err());
        assert!(volume.join("ssl").is_dir());
        assert!(!volume.join(old).exists());
        Ok(())
    }

    #[test]
    fn a_path_may_not_leave_the_volume() {
        assert!(first_part("../a").is_err());
        assert!(first_part("/a").is_err());
        assert_eq!(first_part("conf.d/a").ok(), Some("conf.d"));
    }
}
