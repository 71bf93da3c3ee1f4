//! Container images without registry and daemon: writes a one-layer image as an OCI layout in a tar,
//! which `ctr image import`, `kind load image-archive` and `skopeo copy oci-archive:…` take.
//!
//! The same input gives the same bytes: entries are sorted, and no time of day gets into the image.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use serde_json::Value;
use tar::{Archive, EntryType};

mod layer;
#[cfg(test)]
mod tests;

use layer::{Layer, header};

/// What the image tells the container runtime to start.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Command and arguments; none means that the pod must name a command.
    pub entrypoint: Vec<String>,
    /// `uid:gid`; empty means root.
    pub user: String,
}

/// What is at a path of the image.
#[derive(Clone, Debug)]
pub enum Content {
    /// A folder.
    Directory,
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A copy of a file of this machine.
    File(PathBuf),
    /// A symbolic link to this target.
    Symlink(String),
}

/// One path of an image that is put together from single files; everything belongs to root.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Path in the image; a leading slash is allowed.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// What is there.
    pub content: Content,
}

impl Entry {
    /// An entry with the given permission bits.
    pub fn new(path: impl Into<String>, mode: u32, content: Content) -> Self {
        Self { path: path.into(), mode, content }
    }
}

/// What came out of packing an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Digest of the manifest, `sha256:…`: the identity of the image.
    pub digest: String,
    /// Number of entries in the layer.
    pub entries: usize,
    /// Bytes of the layer before compression.
    pub plain: u64,
    /// Bytes of the layer after compression.
    pub packed: u64,
}

/// Packs a root file system given as a tar. The contents of `dev`, `var/cache` and `var/log` and the
/// package manager's folders stay out.
pub fn pack_tar(root: &Path, out: &Path, name: &str, config: &Config) -> Result<Packed> {
    let file = File::open(root).with_context(|| format!("cannot open {}", root.display()))?;
    let mut members = read_members(&file).with_context(|| format!("cannot read {}", root.display()))?;
    // A hard link must come after the file that it is a link to.
    members.sort_by(|a, b| (a.kind == EntryType::Link, &a.path).cmp(&(b.kind == EntryType::Link, &b.path)));
    let mut layer = Layer::create(out)?;
    for member in &members {
        let mut header = header(member.kind, member.mode, member.size);
        header.set_uid(member.uid);
        header.set_gid(member.gid);
        match &member.link {
            Some(target) => layer.tar.append_link(&mut header, &member.path, target),
            None => {
                let mut data = &file;
                data.seek(SeekFrom::Start(member.position))?;
                layer.tar.append_data(&mut header, &member.path, BufReader::new(data).take(member.size))
            }
        }
        .with_context(|| format!("cannot pack {}", member.path.display()))?;
    }
    layer.finish(out, name, config, members.len())
}

/// Packs single files; missing parent folders are added. Later entries replace earlier ones.
pub fn pack_entries(entries: &[Entry], out: &Path, name: &str, config: &Config) -> Result<Packed> {
    let all = with_parents(entries)?;
    let mut layer = Layer::create(out)?;
    for (path, entry) in &all {
        match &entry.content {
            Content::Directory => {
                layer.tar.append_data(&mut header(EntryType::Directory, entry.mode, 0), path, io::empty())
            }
            Content::Symlink(target) => {
                layer.tar.append_link(&mut header(EntryType::Symlink, entry.mode, 0), path, target)
            }
            Content::Bytes(bytes) => {
                let mut header = header(EntryType::Regular, entry.mode, bytes.len() as u64);
                layer.tar.append_data(&mut header, path, bytes.as_slice())
            }
            Content::File(source) => {
                let file = File::open(source).with_context(|| format!("cannot open {}", source.display()))?;
                let size = file.metadata()?.len();
                let mut header = header(EntryType::Regular, entry.mode, size);
                layer.tar.append_data(&mut header, path, BufReader::new(file).take(size))
            }
        }
        .with_context(|| format!("cannot pack {}", path.display()))?;
    }
    layer.finish(out, name, config, all.len())
}

/// Unpacks the layers of an image that was written by this module into an existing, empty folder,
/// with owners when called by root.
pub fn unpack(image: &Path, dir: &Path, owners: bool) -> Result<()> {
    let file = File::open(image).with_context(|| format!("cannot open {}", image.display()))?;
    let mut blobs = HashMap::new();
    for entry in Archive::new(&file).entries_with_seek()? {
        let entry = entry?;
        blobs.insert(entry.path()?.to_string_lossy().into_owned(), (entry.raw_file_position(), entry.size()));
    }
    let open = |path: &str| -> Result<_> {
        let &(position, size) = blobs.get(path).with_context(|| format!("{path} is missing in the image"))?;
        let mut data = &file;
        data.seek(SeekFrom::Start(position))?;
        Ok(BufReader::with_capacity(1 << 16, data).take(size))
    };
    let index: Value = serde_json::from_reader(open("index.json")?)?;
    let manifest: Value = serde_json::from_reader(open(&blob_path(&index["manifests"][0])?)?)?;
    for layer in manifest["layers"].as_array().context("the manifest names no layers")? {
        let mut archive = Archive::new(GzDecoder::new(open(&blob_path(layer)?)?));
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(owners);
        archive.unpack(dir).with_context(|| format!("cannot unpack into {}", dir.display()))?;
    }
    Ok(())
}

fn blob_path(descriptor: &Value) -> Result<String> {
    let digest = descriptor["digest"].as_str().context("a descriptor without digest")?;
    Ok(format!("blobs/{}", digest.replacen(':', "/", 1)))
}

/// One entry of the tar that is packed, and where its bytes are.
struct Member {
    path: PathBuf,
    kind: EntryType,
    link: Option<PathBuf>,
    mode: u32,
    uid: u64,
    gid: u64,
    size: u64,
    position: u64,
}

fn read_members(file: &File) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for entry in Archive::new(BufReader::new(file)).entries_with_seek()? {
        let entry = entry?;
        let path = without_dot(&entry.path()?);
        let kind = entry.header().entry_type();
        if path.as_os_str().is_empty() || is_dropped(&path) {
            continue;
        }
        let link = match kind {
            EntryType::Symlink => entry.link_name()?.map(|link| link.into_owned()),
            EntryType::Link => entry.link_name()?.map(|link| without_dot(&link)),
            EntryType::Regular | EntryType::Directory => None,
            other => bail!("{} is neither file, folder nor link ({other:?})", path.display()),
        };
        let size = if kind == EntryType::Regular { entry.size() } else { 0 };
        let header = entry.header();
        members.push(Member {
            kind,
            link,
            mode: header.mode()? & 0o7777,
            uid: header.uid()?,
            gid: header.gid()?,
            size,
            position: entry.raw_file_position(),
            path,
        });
    }
    Ok(members)
}

fn without_dot(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

fn is_dropped(path: &Path) -> bool {
    let below = |dir: &str| path.strip_prefix(dir).is_ok_and(|rest| !rest.as_os_str().is_empty());
    path.starts_with("var/lib/apt")
        || path.starts_with("etc/apt")
        || ["dev", "var/cache", "var/log"].into_iter().any(below)
}

fn with_parents(entries: &[Entry]) -> Result<BTreeMap<PathBuf, Entry>> {
    let mut all = BTreeMap::new();
    for entry in entries {
        let path = without_dot(Path::new(&entry.path));
        ensure!(!path.as_os_str().is_empty(), "an entry without a path");
        for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            all.entry(parent.to_owned()).or_insert_with(|| Entry::new("", 0o755, Content::Directory));
        }
        all.insert(path, entry.clone());
    }
    Ok(all)
}
