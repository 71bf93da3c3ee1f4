//! Room on the volume that only the account table may use: where mail has filled the rest, a lock and a new password come into force all the
//! same (R6.1), and the agent starts.

use std::fs::{self, File};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rand::RngCore;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use tracing::{debug, info, warn};

use super::table::volume;

/// Bytes that are kept, on a large volume.
const MOST: u64 = 8 << 20;
/// Of a small volume the table gets this part at most.
const PART: u64 = 64;
/// Bytes that are let go of at a time: what is free for a moment, mail may take.
const STEP: u64 = 256 << 10;
/// Less is not looked for.
const LEAST: u64 = 4 << 10;

/// A file that is nothing but room.
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// In the folder of the file for whose sake it is.
    pub fn beside(path: &Path) -> Self {
        Self { path: path.with_file_name("reserve") }
    }

    /// One that was restored with holes holds less than it is long, and goes. Asked at a start alone: some file systems tell of blocks only a
    /// while after they were written.
    pub fn without_holes(self) -> Self {
        let holes = |file: fs::Metadata| file.blocks().saturating_mul(512) < file.len();
        if fs::metadata(&self.path).is_ok_and(holes)
            && let Err(error) = fs::remove_file(&self.path)
        {
            warn!(%error, "room that was kept has holes");
        }
        self
    }

    /// Bytes that it holds now.
    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// Lets go of one step; false when there is nothing left.
    pub fn give(&self) -> bool {
        let bytes = self.bytes();
        bytes > 0 && self.shrink(bytes.saturating_sub(STEP))
    }

    fn shrink(&self, to: u64) -> bool {
        let done = File::options().write(true).open(&self.path).and_then(|file| file.set_len(to));
        match &done {
            Ok(()) => info!(left = to, "the volume is full: room that was kept is used"),
            Err(error) => warn!(%error, "room that was kept cannot be used"),
        }
        done.is_ok()
    }

    /// Takes what is missing of what is free.
    pub fn fill(&self) {
        let bytes = self.bytes();
        let wanted = MOST.min(volume(&self.path).1 / PART);
        if bytes >= wanted {
            return;
        }
        match self.grow(bytes, wanted) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                debug!(missing = wanted - self.bytes(), "no room to keep");
            }
            Err(error) => warn!(%error, "no room is kept for the account table"),
        }
    }

    fn grow(&self, from: u64, to: u64) -> std::io::Result<()> {
        let mut file = File::options().create(true).truncate(false).write(true).open(&self.path)?;
        let (mut at, mut step) = (from, STEP);
        while at < to {
            let piece = step.min(to - at);
            match fallocate(&file, FallocateFlags::empty(), at, piece) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => write(&mut file, at, piece)?,
                // What is left is less.
                Err(Errno::NOSPC | Errno::DQUOT) if step > LEAST => {
                    step /= 2;
                    continue;
                }
                done => done?,
            }
            at += piece;
        }
        Ok(())
    }
}

/// For file systems that promise no room: bytes that cannot be packed.
fn write(file: &mut File, at: u64, step: u64) -> std::io::Result<()> {
    let mut bytes = vec![0; usize::try_from(step).unwrap_or_default()];
    rand::thread_rng().fill_bytes(&mut bytes);
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&bytes)
}
