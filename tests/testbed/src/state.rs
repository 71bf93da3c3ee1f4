//! State directories: one for each test bed, with a lock beside it that tells whether it is in use.

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::geteuid;

use crate::{cgroups, plan::check_name};

/// Logs of unnamed test beds are kept for this long.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Directories that hold logs; all else but `*.log` goes when a test bed ends.
const LOG_DIRS: [&str; 2] = ["varlog", "pods"];

/// Where the state directories are.
pub fn base() -> PathBuf {
    let chosen = env::var_os("TESTBED_STATE_DIR").map(PathBuf::from);
    if let Some(dir) = chosen.filter(|dir| dir.is_absolute()) {
        return dir;
    }
    if geteuid().is_root() {
        return "/var/tmp/mail-operator".into();
    }
    format!("/var/tmp/mail-operator-{}", geteuid()).into()
}

/// The state directory of a name.
pub fn dir(name: &str) -> PathBuf {
    base().join(name)
}

/// Where a kept test bed writes what it says.
pub fn supervisor_log(name: &str) -> PathBuf {
    base().join(format!("{name}.log"))
}

/// A state directory that is ours as long as this lives.
pub struct Claim {
    /// Name of the test bed.
    pub name: String,
    /// The directory, empty at first.
    pub dir: PathBuf,
    /// Whether the name was made up.
    unnamed: bool,
    _lock: File,
}

/// Takes a name, or makes one up, and tidies up after killed test beds.
pub fn claim(name: Option<&str>) -> Result<Claim> {
    let base = base();
    ensure!(
        !["/run", "/var/log"].iter().any(|dir| base.starts_with(dir)),
        "{} will not do: the private machine has its own /run and /var/log",
        base.display()
    );
    let unnamed = name.is_none();
    let name = match name {
        Some(name) => name.to_owned(),
        None => format!("r{}", std::process::id()),
    };
    check_name(&name)?;
    let _global = global_lock()?;
    sweep(&base)?;
    let path = base.join(format!("{name}.lock"));
    let lock = File::create(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("a test bed named '{name}' is running"),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let dir = base.join(&name);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir(&dir)?;
    Ok(Claim { name, dir, unnamed, _lock: lock })
}

impl Claim {
    /// Removes the state, or all of it but the logs.
    pub fn finish(self, keep_logs: bool) {
        if keep_logs {
            prune(&self.dir);
            eprintln!("testbed {}: logs kept in {}", self.name, self.dir.display());
            return;
        }
        let _ = fs::remove_dir_all(&self.dir);
        if self.unnamed {
            let _ = fs::remove_file(self.dir.with_extension("lock"));
        }
    }
}

/// Whether a test bed of this name is alive.
pub fn is_running(name: &str) -> Result<bool> {
    let _global = global_lock()?;
    Ok(is_locked(&base().join(format!("{name}.lock"))))
}

/// Names of the test beds that are alive.
pub fn running() -> Result<Vec<String>> {
    let _global = global_lock()?;
    let mut names = names(&base())?;
    names.retain(|name| is_locked(&base().join(format!("{name}.lock"))));
    Ok(names)
}

fn is_locked(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Asking whether a lock is held takes it for a moment; this one keeps the askers apart.
fn global_lock() -> Result<File> {
    let base = base();
    fs::create_dir_all(&base).with_context(|| format!("cannot make {}", base.display()))?;
    let lock = File::create(base.join(".lock")).with_context(|| format!("cannot write in {}", base.display()))?;
    lock.lock()?;
    Ok(lock)
}

fn names(base: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(base)? {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".lock"));
        names.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Removes what killed test beds left: cgroups, big files, and old logs of unnamed ones.
fn sweep(base: &Path) -> Result<()> {
    for name in names(base)? {
        let lock = base.join(format!("{name}.lock"));
        if is_locked(&lock) {
            continue;
        }
        if geteuid().is_root() {
            cgroups::sweep(&name);
        }
        let dir = base.join(&name);
        prune(&dir);
        let number = name.strip_prefix('r').map(str::parse::<u32>);
        if matches!(number, Some(Ok(_))) && is_old(&lock) {
            let _ = fs::remove_dir_all(&dir);
            let _ = fs::remove_file(&lock);
        }
    }
    Ok(())
}

fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|data| data.modified());
    let age = modified.map(|time| SystemTime::now().duration_since(time));
    matches!(age, Ok(Ok(age)) if age > KEPT)
}

/// Removes everything but logs.
fn prune(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_log_dir = LOG_DIRS.iter().any(|name| path.ends_with(name));
        if is_dir && !is_log_dir {
            let _ = fs::remove_dir_all(&path);
        } else if !is_dir && path.extension().is_none_or(|end| end != "log") {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Tidies up after test beds that were killed.
pub fn sweep_dead() -> Result<()> {
    let _global = global_lock()?;
    sweep(&base())
}
