//! The cache: `images/<name>-<hash>.tar` and `roots/<name>-<hash>/`, made once, by one process.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};

use super::{Image, REGISTRY, hash::is_hash, progress};
use crate::oci;

/// Images of one name that are kept, the one in use included.
const KEPT: usize = 3;

/// What identifies an image.
pub(super) struct Recipe<'a> {
    pub(super) name: &'a str,
    /// A fixed tag; without it the hash is the tag.
    pub(super) tag: Option<&'a str>,
    pub(super) hash: String,
}

/// The two folders of the cache.
pub(super) struct Cache {
    images: PathBuf,
    roots: PathBuf,
}

impl Cache {
    pub(super) fn open(dir: PathBuf) -> Result<Self> {
        let cache = Self { images: dir.join("images"), roots: dir.join("roots") };
        for dir in [&cache.images, &cache.roots] {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        Ok(cache)
    }

    /// The image of the recipe. `make` gets the name and the file to write when it is not there yet.
    pub(super) fn get(&self, recipe: &Recipe, make: impl FnOnce(&str, &Path) -> Result<()>) -> Result<Image> {
        let Recipe { name, hash, .. } = recipe;
        let image = Image {
            name: format!("{REGISTRY}{name}:{}", recipe.tag.unwrap_or(hash)),
            tar: self.images.join(format!("{name}-{hash}.tar")),
            root: self.roots.join(format!("{name}-{hash}")),
        };
        let _lock = self.lock(name)?;
        if !image.tar.exists() {
            self.remove_leftovers(name)?;
            eprintln!("image {}: building", image.name);
            let start = Instant::now();
            let new = self.images.join(format!(".{name}-{hash}.tar"));
            make(&image.name, &new).with_context(|| format!("cannot build {}", image.name))?;
            fs::rename(&new, &image.tar)?;
            progress(&image.name, "built", start);
        }
        if !image.root.exists() {
            let start = Instant::now();
            self.unpack(&image)?;
            progress(&image.name, "unpacked", start);
        }
        // The time of the last use decides what is removed.
        File::options().append(true).open(&image.tar)?.set_modified(SystemTime::now())?;
        if let Some(tag) = recipe.tag {
            self.link(&format!("{name}-{tag}"), &image.root)?;
        }
        self.remove_old(name)?;
        Ok(image)
    }

    /// The root of the image with this name, whether its tag is a hash or a fixed one.
    pub(super) fn root_of(&self, image: &str) -> Option<PathBuf> {
        let (name, tag) = image.strip_prefix(REGISTRY)?.rsplit_once(':')?;
        if name.contains('/') || tag.contains('/') {
            return None;
        }
        self.roots.join(format!("{name}-{tag}")).canonicalize().ok()
    }

    fn lock(&self, name: &str) -> Result<File> {
        let path = self.images.join(format!("{name}.lock"));
        let file = File::options().create(true).append(true).open(&path)?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }

    fn unpack(&self, image: &Image) -> Result<()> {
        let name = image.root.file_name().context("a root without a name")?.to_string_lossy();
        let new = self.roots.join(format!(".{name}"));
        if new.exists() {
            remove_tree(&new)?;
        }
        fs::create_dir(&new)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
        oci::unpack(&image.tar, &new, is_root())?;
        fs::rename(&new, &image.root)?;
        Ok(())
    }

    fn link(&self, alias: &str, root: &Path) -> Result<()> {
        let target = Path::new(root.file_name().context("a root without a name")?);
        let path = self.roots.join(alias);
        if fs::read_link(&path).is_ok_and(|old| old == target) {
            return Ok(());
        }
        let new = self.roots.join(format!(".{alias}.link"));
        let _ = fs::remove_file(&new);
        symlink(target, &new)?;
        fs::rename(&new, &path)?;
        Ok(())
    }

    /// Removes what an interrupted build of this image left.
    fn remove_leftovers(&self, name: &str) -> Result<()> {
        for path in list(&self.images)? {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let hash = file.strip_prefix(&format!(".{name}-")).and_then(|rest| rest.split('.').next());
            if hash.is_some_and(is_hash) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn remove_old(&self, name: &str) -> Result<()> {
        let mut tars = Vec::new();
        for path in list(&self.images)? {
            if hash_of(&path, name, ".tar").is_some() {
                tars.push((fs::metadata(&path)?.modified()?, path));
            }
        }
        tars.sort();
        tars.reverse();
        for (_, tar) in tars.iter().skip(KEPT) {
            fs::remove_file(tar)?;
        }
        for root in list(&self.roots)? {
            let Some(hash) = hash_of(&root, name, "") else {
                continue;
            };
            if !self.images.join(format!("{name}-{hash}.tar")).exists() && !is_in_use(&root)? {
                remove_tree(&root)?;
            }
        }
        Ok(())
    }
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        paths.push(entry?.path());
    }
    Ok(paths)
}

/// The hash in `<name>-<hash><suffix>`; the names of other images that begin alike do not match.
fn hash_of(path: &Path, name: &str, suffix: &str) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let hash = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(suffix)?;
    is_hash(hash).then(|| hash.to_owned())
}

/// Whether something is mounted in the folder, or the folder elsewhere.
fn is_in_use(root: &Path) -> Result<bool> {
    let root = root.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Ok(mounts.contains(&*root.to_string_lossy()))
}

/// Removes a folder, but nothing that is mounted in it.
fn remove_tree(root: &Path) -> Result<()> {
    ensure!(!is_in_use(root)?, "something is mounted in {}", root.display());
    fs::remove_dir_all(root).with_context(|| format!("cannot remove {}", root.display()))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, sync::atomic::Ordering, time::Duration};

    use super::*;
    use crate::oci::{Config, Content, Entry};

    fn recipe(number: u8, tag: Option<&'static str>) -> Recipe<'static> {
        Recipe { name: "example", tag, hash: format!("{number:016x}") }
    }

    fn make(name: &str, tar: &Path) -> Result<()> {
        let file = Entry::new("etc/name", 0o644, Content::Bytes(name.into()));
        oci::pack_entries(&[file], tar, name, &Config::default()).map(drop)
    }

    #[test]
    fn image_is_built_once_even_by_two_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let built = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let cache = Cache::open(dir.path().to_owned()).unwrap();
                    let slow = |name: &str, tar: &Path| {
                        built.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(50));
                        make(name, tar)
                    };
                    cache.get(&recipe(1, None), slow).unwrap();
                });
            }
        });
        assert_eq!(built.into_inner(), 1);
    }

    #[test]
    fn root_is_found_by_the_name_of_the_image() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().to_owned()).unwrap();
        let hashed = cache.get(&recipe(1, None), make).unwrap();
        assert_eq!(hashed.name, "registry.local/example:0000000000000001");
        assert_eq!(cache.root_of(&hashed.name).unwrap(), hashed.root.canonicalize().unwrap());
        assert_eq!(fs::read_to_string(hashed.root.join("etc/name")).unwrap(), hashed.name);
        let old = cache.get(&recipe(2, Some("1.0")), make).unwrap();
        let new = cache.get(&recipe(3, Some("1.0")), make).unwrap();
        assert_eq!(old.name, new.name);
        assert_eq!(cache.root_of(&new.name).unwrap(), new.root.canonicalize().unwrap());
        assert_eq!(cache.root_of("registry.local/example:2"), None);
        assert_eq!(cache.root_of("registry.local/../example:2"), None);
    }

    #[test]
    fn only_the_newest_images_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().to_owned()).unwrap();
        let other = dir.path().join("images/example-more-0000000000000001.tar");
        fs::write(&other, "").unwrap();
        for number in [1, 2, 3, 1, 4] {
            cache.get(&recipe(number, None), make).unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        let kept = |number| cache.root_of(&format!("registry.local/example:{number:016x}")).is_some();
        assert_eq!([1, 2, 3, 4].map(kept), [true, false, true, true]);
        assert!(other.exists());
    }

    #[test]
    fn failed_build_leaves_no_image() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().to_owned()).unwrap();
        let fail = |_: &str, tar: &Path| {
            fs::write(tar, "half")?;
            anyhow::bail!("no mirror")
        };
        assert!(cache.get(&recipe(1, None), fail).is_err());
        assert!(cache.get(&recipe(1, None), make).is_ok());
        let hidden = list(&dir.path().join("images")).unwrap();
        assert_eq!(hidden.len(), 2, "the image and the lock, not {hidden:?}");
    }
}
