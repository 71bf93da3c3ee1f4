//! The unpacked root file systems of images.

use std::{
    env,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;
use tar::Archive;

use crate::images;

/// An unpacked image.
#[derive(Debug, Default)]
pub struct Image {
    /// Root file system; not to be written to.
    pub root: PathBuf,
    /// Command of the image, if it has one.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub arguments: Vec<String>,
    /// `uid:gid`.
    pub user: String,
    /// Environment, `NAME=VALUE` each.
    pub environment: Vec<String>,
}

/// Finds an image by name: in `$TESTBED_IMAGES` (`NAME=DIR`, separated by colons; NAME may have colons), else
/// among those that the test bed has built.
pub fn find(name: &str) -> Result<Image> {
    let list = env::var("TESTBED_IMAGES").unwrap_or_default();
    let root = named(&list, name)
        .or_else(|| images::root_of(name))
        .with_context(|| format!("image {name} is neither in TESTBED_IMAGES nor in the cache"))?;
    let root = root.canonicalize().with_context(|| format!("no root file system {}", root.display()))?;
    let mut image = Image::default();
    if let Some(archive) = archive_of(&root) {
        read_config(&archive, &mut image).with_context(|| format!("cannot read {}", archive.display()))?;
    }
    image.root = root;
    Ok(image)
}

fn named(list: &str, name: &str) -> Option<PathBuf> {
    // Not split at colons, because names have them; directories of the list must not.
    let start = list.match_indices(name).map(|(start, _)| start).find(|&start| {
        let before = start == 0 || list[..start].ends_with(':');
        before && list[start + name.len()..].starts_with('=')
    })?;
    let rest = &list[start + name.len() + 1..];
    rest.split(':').next().map(PathBuf::from)
}

/// The archive lies in the cache beside the root file system.
fn archive_of(root: &Path) -> Option<PathBuf> {
    let name = root.file_name()?.to_str()?;
    let archive = root.parent()?.parent()?.join("images").join(format!("{name}.tar"));
    archive.is_file().then_some(archive)
}

fn read_config(archive: &Path, image: &mut Image) -> Result<()> {
    let index = json_in(archive, "index.json")?;
    let manifest = json_in(archive, &blob(&index["manifests"][0])?)?;
    let config = json_in(archive, &blob(&manifest["config"])?)?;
    let config = &config["config"];
    let strings = |name: &str| {
        let all = config[name].as_array().cloned().unwrap_or_default();
        let all = all.into_iter();
        all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    image.entrypoint = strings("Entrypoint");
    image.arguments = strings("Cmd");
    image.environment = strings("Env");
    image.user = config["User"].as_str().unwrap_or_default().to_owned();
    Ok(())
}

fn blob(descriptor: &Value) -> Result<String> {
    let digest = descriptor["digest"].as_str().context("no digest")?;
    Ok(format!("blobs/{}", digest.replacen(':', "/", 1)))
}

fn json_in(archive: &Path, path: &str) -> Result<Value> {
    let mut archive = Archive::new(File::open(archive)?);
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        if entry.path()?.as_ref() == Path::new(path) {
            let mut text = Vec::new();
            entry.read_to_end(&mut text)?;
            return Ok(serde_json::from_slice(&text)?);
        }
    }
    anyhow::bail!("{path} is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_colons() {
        let list = "localhost:5000/a:1=/roots/a:b:2=/roots/b";
        assert_eq!(named(list, "localhost:5000/a:1"), Some("/roots/a".into()));
        assert_eq!(named(list, "b:2"), Some("/roots/b".into()));
        assert_eq!(named(list, "a:1"), None);
    }
}
