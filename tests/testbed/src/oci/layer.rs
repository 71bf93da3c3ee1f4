//! The layer of an image while it is written, and the OCI layout around it.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder, write::GzEncoder};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::{Config, Packed};

const EPOCH: &str = "1970-01-01T00:00:00Z";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The header of an entry that belongs to root and has no time.
pub(super) fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Passes bytes on and keeps their number and SHA-256.
pub(super) struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }

    fn digest(self) -> (String, u64) {
        (format!("sha256:{}", hex(&self.hash.finalize())), self.size)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) type Gzip = GzEncoder<Hashing<BufWriter<File>>>;

/// The layer while it is written, into a file beside the image.
pub(super) struct Layer {
    pub(super) tar: Builder<BufWriter<Hashing<Gzip>>>,
    path: PathBuf,
}

impl Layer {
    /// Starts the layer of the image `out`.
    pub(super) fn create(out: &Path) -> Result<Self> {
        let path = out.with_added_extension("layer");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let gzip = GzBuilder::new().mtime(0).write(Hashing::new(BufWriter::new(file)), Compression::new(6));
        let plain = BufWriter::with_capacity(1 << 16, Hashing::new(gzip));
        Ok(Self { tar: Builder::new(plain), path })
    }

    /// Ends the layer and writes the image.
    pub(super) fn finish(self, out: &Path, name: &str, config: &Config, entries: usize) -> Result<Packed> {
        let mut plain = self.tar.into_inner()?.into_inner().map_err(|error| error.into_error())?;
        plain.flush()?;
        let Hashing { inner: gzip, hash, size } = plain;
        let diff = format!("sha256:{}", hex(&hash.finalize()));
        let mut packed = gzip.finish()?;
        packed.flush()?;
        let (layer, packed) = packed.digest();
        let digest = write_layout(out, name, config, &diff, (&layer, packed), &self.path);
        std::fs::remove_file(&self.path)?;
        Ok(Packed { digest: digest?, entries, plain: size, packed })
    }
}

fn write_layout(
    out: &Path,
    name: &str,
    config: &Config,
    diff: &str,
    (layer, layer_size): (&str, u64),
    layer_file: &Path,
) -> Result<String> {
    let (_, tag) = name.rsplit_once(':').with_context(|| format!("the image name {name} has no tag"))?;
    let platform = json!({"architecture": architecture(), "os": "linux"});
    let config = serde_json::to_vec(&json!({
        "created": EPOCH, "architecture": architecture(), "os": "linux",
        "config": {"Entrypoint": config.entrypoint, "Env": [PATH], "User": config.user, "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created": EPOCH}],
    }))?;
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": sha256(&config), "size": config.len()},
        "layers": [{"mediaType": LAYER, "digest": layer, "size": layer_size}],
    }))?;
    let digest = sha256(&manifest);
    let index = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": MANIFEST, "digest": digest, "size": manifest.len(), "platform": platform,
            "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag},
        }],
    }))?;
    let file = File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
    let mut tar = Builder::new(BufWriter::new(file));
    let blob = |digest: &str| format!("blobs/{}", digest.replacen(':', "/", 1));
    for (path, bytes) in [
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()),
        ("index.json".to_owned(), &index),
        (blob(&sha256(&config)), &config),
        (blob(&digest), &manifest),
    ] {
        tar.append_data(&mut header(EntryType::Regular, 0o644, bytes.len() as u64), path, bytes)?;
    }
    let data = BufReader::with_capacity(1 << 16, File::open(layer_file)?);
    tar.append_data(&mut header(EntryType::Regular, 0o644, layer_size), blob(layer), data)?;
    tar.into_inner()?.flush()?;
    Ok(digest)
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// The processor of this machine as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
