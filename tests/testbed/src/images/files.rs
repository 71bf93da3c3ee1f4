//! Images that are put together from files of this machine.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::oci::{Content, Entry};

const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin
vmail:x:1000:1000:mail store:/srv/vmail:/sbin/nologin
nonroot:x:65532:65532:nonroot:/:/sbin/nologin
";
const GROUP: &str = "root:x:0:
vmail:x:1000:
nonroot:x:65532:
";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What the name service of older C libraries loads at run time; newer ones have it built in.
const NAME_SERVICE: &[&str] = &["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];

/// The links to busybox in the image for test pods.
pub(super) const APPLETS: &[&str] = &[
    "awk",
    "base64",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "du",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "grep",
    "head",
    "hostname",
    "httpd",
    "id",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mount",
    "mv",
    "nc",
    "netstat",
    "nslookup",
    "od",
    "ping",
    "printf",
    "ps",
    "pwd",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "tar",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "vi",
    "wc",
    "wget",
    "xargs",
];

/// An image of programs in `/usr/bin` with the shared libraries that they need.
pub(super) fn programs(binaries: &[PathBuf]) -> Result<Vec<Entry>> {
    let mut entries = skeleton();
    let mut libraries = BTreeSet::new();
    for binary in binaries {
        let name = binary.file_name().and_then(OsStr::to_str).context("a program without a name")?;
        entries.push(file(&format!("usr/bin/{name}"), 0o755, binary));
        libraries.extend(shared_libraries(binary)?);
    }
    entries.extend(library_entries(libraries));
    let certificates = Path::new(CERTIFICATES);
    if certificates.exists() {
        entries.push(file(CERTIFICATES, 0o644, certificates));
    }
    Ok(entries)
}

/// An image with busybox and links to it.
pub(super) fn busybox(applets: &[&str]) -> Result<Vec<Entry>> {
    let busybox = find_busybox()?;
    let mut entries = skeleton();
    entries.push(file("bin/busybox", 0o755, &busybox));
    entries.extend(library_entries(shared_libraries(&busybox)?));
    let link = |name: &&str| Entry::new(format!("bin/{name}"), 0o777, Content::Symlink("busybox".to_owned()));
    entries.extend(applets.iter().map(link));
    Ok(entries)
}

fn find_busybox() -> Result<PathBuf> {
    let given = env::var_os("BUSYBOX").map(PathBuf::from);
    let usual = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let candidates: Vec<_> = given.map_or(usual.to_vec(), |path| vec![path]);
    let found = candidates.into_iter().find(|path| path.is_file());
    found.context("no busybox (apt-get install busybox-static, or set BUSYBOX)")
}

/// What every image has: users, name service and the folders that the runtime mounts on.
fn skeleton() -> Vec<Entry> {
    let text = |path: &str, text: &str| Entry::new(path, 0o644, Content::Bytes(text.into()));
    let mut entries = vec![
        Entry::new("tmp", 0o1777, Content::Directory),
        text("etc/passwd", PASSWD),
        text("etc/group", GROUP),
        text("etc/nsswitch.conf", NSSWITCH),
    ];
    for dir in ["proc", "sys", "dev", "run", "etc", "var"] {
        entries.push(Entry::new(dir, 0o755, Content::Directory));
    }
    entries
}

fn file(path: &str, mode: u32, source: &Path) -> Entry {
    Entry::new(path, mode, Content::File(source.to_owned()))
}

/// Libraries keep their paths: the dynamic loader of this machine looks for them there.
fn library_entries(libraries: BTreeSet<PathBuf>) -> Vec<Entry> {
    libraries.iter().map(|path| file(&path.to_string_lossy(), 0o755, path)).collect()
}

/// The shared libraries of a program with the dynamic loader, and what the C library loads itself.
fn shared_libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    ensure!(program.is_file(), "{} does not exist", program.display());
    let output = Command::new("ldd").arg(program).env("LC_ALL", "C").output();
    let output = output.context("cannot start ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !format!("{text}{errors}").contains("not a dynamic executable") {
        bail!("ldd {} failed: {errors}", program.display());
    }
    let mut libraries = parse_ldd(&text)?;
    let libc = libraries.iter().find(|path| path.ends_with("libc.so.6")).cloned();
    if let Some(dir) = libc.as_deref().and_then(Path::parent) {
        libraries.extend(NAME_SERVICE.iter().map(|name| dir.join(name)).filter(|path| path.exists()));
    }
    Ok(libraries)
}

fn parse_ldd(text: &str) -> Result<BTreeSet<PathBuf>> {
    let mut libraries = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim();
        ensure!(!line.ends_with("not found"), "a shared library is missing: {line}");
        let place = line.split_once("=> ").map_or(line, |(_, place)| place);
        if place.starts_with('/') {
            libraries.insert(PathBuf::from(place.split(" (").next().unwrap_or(place)));
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_output_is_understood() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\
            \tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f1)\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f3)\n";
        let expected =
            ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libgcc_s.so.1", "/lib64/ld-linux-x86-64.so.2"];
        let found = parse_ldd(text).unwrap();
        assert_eq!(found, expected.map(PathBuf::from).into());
        assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
        assert!(parse_ldd("\tlibx.so.1 => not found\n").is_err());
    }

    #[test]
    fn an_image_holds_the_program_and_its_libraries() {
        let entries = programs(&[env::current_exe().unwrap()]).unwrap();
        let has = |wanted: &str| entries.iter().any(|entry| entry.path.ends_with(wanted));
        assert!(has("etc/nsswitch.conf"));
        assert!(entries.iter().any(|entry| entry.path.starts_with("usr/bin/")));
        assert!(cfg!(not(target_env = "gnu")) || has("libc.so.6"));
    }

    #[test]
    fn user_of_the_image_has_a_name() {
        assert!(PASSWD.contains("nonroot:x:65532:65532:"));
        assert!(PASSWD.contains("vmail:x:1000:1000:"));
    }
}
