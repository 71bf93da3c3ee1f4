//! The images that the tests run, built on this machine and kept in a cache.
//!
//! What an image is made of decides its tag: a changed image has a changed name, and one that is in the
//! cache is not built again. Beside each image there is its unpacked root file system, for tests that
//! start the mail programs without a container runtime. Nothing may be written into it.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};

mod cache;
mod files;
mod hash;

use crate::oci::{self, Config};
use cache::{Cache, Recipe};
use hash::Hash;

const REGISTRY: &str = "registry.local/";
/// To be raised when the way images are put together changes.
const FORMAT: &[u8] = b"1";

/// An image in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Full name with tag, for example `registry.local/mail-node:0123456789abcdef`.
    pub name: String,
    /// The image as an OCI layout in a tar.
    pub tar: PathBuf,
    /// The unpacked root file system; only to be read.
    pub root: PathBuf,
}

/// The image of Dovecot, Postfix and rspamd: Debian 13, built by `images/mail-node/build-root.sh`.
/// The first build needs root, mmdebstrap and a Debian mirror.
pub fn mail_node() -> Result<Image> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/mail-node");
    let epoch = env::var("SOURCE_DATE_EPOCH").unwrap_or_default();
    let mut hash = Hash::new(FORMAT);
    hash.part(env::consts::ARCH.as_bytes());
    hash.part(epoch.as_bytes());
    for name in ["build-root.sh", "users.sh", "prune.sh", "asroot.c", "packages"] {
        hash.file(&scripts.join(name))?;
    }
    let recipe = Recipe { name: "mail-node", tag: None, hash: hash.finish() };
    Cache::open(cache_dir())?.get(&recipe, |name, tar| {
        let root = tar.with_extension("root");
        build_root(&scripts.join("build-root.sh"), &root)?;
        let packing = Instant::now();
        let packed = oci::pack_tar(&root, tar, name, &Config::default());
        fs::remove_file(&root)?;
        let packed = packed?;
        progress(name, &format!("packed {} entries", packed.entries), packing);
        Ok(())
    })
}

fn build_root(script: &Path, out: &Path) -> Result<()> {
    let status = Command::new("nice")
        .arg(script)
        .arg(out)
        .stdin(Stdio::null())
        // The caller's standard output is for results.
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start {}", script.display()))?;
    ensure!(status.success(), "{} failed ({status})", script.display());
    Ok(())
}

/// The image of the operator and the agent: the given programs in `/usr/bin` with the shared libraries
/// that they need. One of them must be called `mail-operator`.
pub fn operator(binaries: &[PathBuf]) -> Result<Image> {
    ensure!(
        binaries.iter().any(|path| path.ends_with("mail-operator")),
        "no program mail-operator among those for the image of the operator"
    );
    let config = Config { entrypoint: vec!["/usr/bin/mail-operator".into()], user: "65532:65532".into() };
    from_files("mail-operator", None, &files::programs(binaries)?, &config)
}

/// The image of one program alone, called `name`; it runs as nobody in particular.
pub fn program(name: &str, binary: &Path) -> Result<Image> {
    let file = binary.file_name().and_then(OsStr::to_str).context("a program without a name")?;
    let config = Config { entrypoint: vec![format!("/usr/bin/{file}")], user: "65532:65532".into() };
    from_files(name, None, &files::programs(&[binary.to_owned()])?, &config)
}

/// The image that holds the namespaces of a pod: `registry.local/pause:3.10`.
pub fn pause() -> Result<Image> {
    let entrypoint = ["/bin/busybox", "sleep", "infinity"].map(str::to_owned).to_vec();
    let config = Config { entrypoint, user: String::new() };
    from_files("pause", Some("3.10"), &files::busybox(&["sleep"])?, &config)
}

/// A small image with a shell for test pods: `registry.local/busybox:1`. Where busybox is linked
/// statically with glibc (Debian's busybox-static), its applets cannot resolve host names.
pub fn busybox() -> Result<Image> {
    let entrypoint = vec!["/bin/sh".to_owned()];
    let config = Config { entrypoint, user: String::new() };
    from_files("busybox", Some("1"), &files::busybox(files::APPLETS)?, &config)
}

fn from_files(name: &str, tag: Option<&str>, entries: &[oci::Entry], config: &Config) -> Result<Image> {
    let mut hash = Hash::new(FORMAT);
    hash.part(format!("{config:?}").as_bytes());
    for entry in entries {
        hash.entry(entry)?;
    }
    let recipe = Recipe { name, tag, hash: hash.finish() };
    Cache::open(cache_dir())?.get(&recipe, |name, tar| oci::pack_entries(entries, tar, name, config).map(drop))
}

/// The unpacked root file system of the image with this name, if it is in the cache.
pub fn root_of(image_name: &str) -> Option<PathBuf> {
    Cache::open(cache_dir()).ok()?.root_of(image_name)
}

/// Builds all images and prints one line for each: name, tar, root.
pub fn cli(operator_binaries: &[PathBuf]) -> Result<()> {
    let mut images = vec![pause()?, busybox()?, mail_node()?];
    if !operator_binaries.is_empty() {
        images.push(operator(operator_binaries)?);
    }
    images.iter().for_each(print);
    Ok(())
}

/// One line: name, archive, root file system.
pub fn print(Image { name, tar, root }: &Image) {
    println!("{name} {} {}", tar.display(), root.display());
}

/// Where built things are kept: `$MAIL_OPERATOR_CACHE`, else `mail-operator` in `$XDG_CACHE_HOME` or
/// in `~/.cache`.
pub fn cache_dir() -> PathBuf {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    variable("MAIL_OPERATOR_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|dir| dir.join("mail-operator")))
        .or_else(|| env::home_dir().map(|dir| dir.join(".cache/mail-operator")))
        .unwrap_or_else(|| env::temp_dir().join("mail-operator"))
}

/// The environment variables that change how images are built, and what each of them means.
pub fn list_env() -> &'static [(&'static str, &'static str)] {
    &[
        ("MAIL_OPERATOR_CACHE", "folder of the built images (absolute path)"),
        ("DEBIAN_MIRROR", "base address of the Debian archive"),
        ("DEBIAN_SECURITY_MIRROR", "base address of Debian's security archive"),
        ("SOURCE_DATE_EPOCH", "the time that the build of mail-node pretends to happen at"),
        ("CC", "C compiler for the preloaded library of mail-node"),
        ("BUSYBOX", "busybox program for the images pause and busybox"),
    ]
}

fn progress(name: &str, what: &str, since: Instant) {
    eprintln!("image {name}: {what} in {:.1} s", since.elapsed().as_secs_f32());
}
