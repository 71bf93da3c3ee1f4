//! The hash over everything that an image is made of: its identity in the cache.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::Path,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::oci::{Content, Entry};

const LENGTH: usize = 16;

/// A hash over everything that an image is made of.
pub(super) struct Hash(Sha256);

impl Hash {
    pub(super) fn new(format: &[u8]) -> Self {
        let mut hash = Self(Sha256::new());
        hash.part(format);
        hash
    }

    /// Adds bytes, with their number: no two lists of parts give the same stream.
    pub(super) fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds the contents of a file.
    pub(super) fn file(&mut self, path: &Path) -> Result<()> {
        let mut add = || -> io::Result<()> {
            let file = File::open(path)?;
            self.0.update(file.metadata()?.len().to_le_bytes());
            io::copy(&mut BufReader::with_capacity(1 << 16, file), &mut Feed(&mut self.0))?;
            Ok(())
        };
        add().with_context(|| format!("cannot read {}", path.display()))
    }

    /// Adds an entry of an image with its contents.
    pub(super) fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.part(entry.path.as_bytes());
        self.part(&entry.mode.to_le_bytes());
        match &entry.content {
            Content::Directory => self.part(b"directory"),
            Content::Symlink(target) => {
                self.part(b"symlink");
                self.part(target.as_bytes());
            }
            Content::Bytes(bytes) => {
                self.part(b"file");
                self.part(bytes);
            }
            Content::File(path) => {
                self.part(b"file");
                self.file(path)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> String {
        let digest = self.0.finalize();
        digest.iter().take(LENGTH / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}

struct Feed<'a>(&'a mut Sha256);

impl Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the text has the form of a hash.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_tells_the_parts_apart() {
        let hash = |parts: &[&[u8]]| {
            let mut hash = Hash::new(b"");
            parts.iter().for_each(|part| hash.part(part));
            hash.finish()
        };
        assert_eq!(hash(&[b"ab", b"c"]), hash(&[b"ab", b"c"]));
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert!(is_hash(&hash(&[])));
    }
}
