//! Whose mail a folder holds: a file in it says since when the account is issued that it belongs to. A folder is named after the Mailbox, and
//! a name may come to somebody else when its account is purged (D-14). A volume that is restored from before that has the old folder
//! again: nobody may read in it who only has the name.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use k8s_openapi::jiff::Timestamp;
use rustix::fs::{Mode, OFlags, fsync, mkdirat, open, openat, syncfs};
use rustix::io::Errno;
use tracing::warn;

/// The file, beside `mail` in the home of a holder: Dovecot looks for folders and counts bytes in `mail` alone (dovecot.conf, mail_path).
pub(super) const MARK: &str = ".holder";
/// Bytes of it, at most.
const LONGEST: u64 = 64;
/// With more new marks than this the filesystem is asked once to keep them, and not for each.
const FEW: usize = 16;
/// Threads that look at the folders of many.
const AT_ONCE: usize = 8;

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is the folder of this account, and says so.
    Own,
    /// It says nothing, and cannot be made to say so now.
    Silent,
    /// It says that it is another one's: since when that one is issued, if that can be read.
    Anothers(Option<Timestamp>),
}

/// The mail store, as far as folders say whose they are.
pub(super) struct Folders {
    root: PathBuf,
    /// Mailboxes whose folder was seen to be that of the account issued then: nobody looks again before the next start.
    known: HashMap<String, i64>,
}

/// What became of one folder, and whether that is to be kept by the disk.
struct Seen {
    look: Look,
    new: bool,
}

impl Folders {
    pub fn new(root: PathBuf) -> Self {
        Self { root, known: HashMap::new() }
    }

    /// Whether the folder was seen to be that of the account of this name which was issued then, in Unix seconds.
    pub fn is_known(&self, mailbox: &str, issued: i64) -> bool {
        self.known.get(mailbox) == Some(&issued)
    }

    /// Looks at the folders of accounts, in their order; one that says nothing says from now on that it is this account's.
    pub fn look(&mut self, wanted: &[(String, i64)]) -> Vec<Look> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match open(&self.root, how, Mode::empty()) {
            Ok(root) => root,
            // Dovecot does not see it either.
            Err(error) => {
                warn!(%error, "the mail store cannot be opened: nobody knows whose its folders are");
                return vec![Look::Silent; wanted.len()];
            }
        };
        let few = wanted.len() <= FEW;
        let all = |some: &[(String, i64)]| -> Vec<Seen> {
            some.iter().map(|(mailbox, issued)| one(&root, mailbox, *issued, few)).collect()
        };
        let mut seen = if few {
            all(wanted)
        } else {
            std::thread::scope(|scope| {
                let parts = wanted.chunks(wanted.len().div_ceil(AT_ONCE));
                let threads: Vec<_> = parts.map(|part| (part.len(), scope.spawn(move || all(part)))).collect();
                let joined = threads.into_iter().map(|(length, thread)| {
                    let nothing = |_| (0..length).map(|_| Seen { look: Look::Silent, new: false }).collect();
                    thread.join().unwrap_or_else(nothing)
                });
                joined.flatten().collect()
            })
        };
        let new = seen.iter().any(|seen| seen.new);
        let kept = match (new, few) {
            (false, _) => Ok(()),
            (true, true) => fsync(&root),
            (true, false) => syncfs(&root),
        };
        if let Err(error) = kept {
            warn!(%error, "the disk does not keep whose new folders are; it is written again");
            seen.iter_mut().filter(|seen| seen.new).for_each(|seen| seen.look = Look::Silent);
        }
        for ((mailbox, issued), _) in wanted.iter().zip(&seen).filter(|(_, seen)| seen.look == Look::Own) {
            self.known.insert(mailbox.clone(), *issued);
        }
        seen.into_iter().map(|seen| seen.look).collect()
    }
}

/// Looks at one folder; with `keep` the disk has what is new of it afterwards.
fn one(root: &OwnedFd, mailbox: &str, issued: i64, keep: bool) -> Seen {
    let old = |look| Seen { look, new: false };
    let folder = match folder(root, mailbox) {
        Ok(folder) => folder,
        Err(error) => {
            warn!(mailbox, %error, "nobody knows whose the mail folder is");
            return old(Look::Silent);
        }
    };
    match read(&folder) {
        // The power went before it was on the disk.
        Ok(Some(text)) if text.trim_matches('\0').is_empty() => {}
        Ok(Some(text)) => {
            let said: Option<Timestamp> = text.trim().parse().ok();
            let own = said.is_some_and(|said| said.as_second() == issued);
            return old(if own { Look::Own } else { Look::Anothers(said) });
        }
        Ok(None) => {}
        Err(error) => {
            warn!(mailbox, %error, "it cannot be read whose the mail folder is");
            return old(Look::Anothers(None));
        }
    }
    match write(&folder, issued, keep) {
        Ok(()) => Seen { look: Look::Own, new: true },
        Err(error) => {
            warn!(mailbox, %error, "it cannot be written whose the mail folder is; tried again");
            old(Look::Silent)
        }
    }
}

/// The home of a holder, made if it is missing, as Dovecot makes it.
fn folder(root: &OwnedFd, mailbox: &str) -> Result<OwnedFd, Errno> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(root, mailbox, how, Mode::empty()) {
        Err(Errno::NOENT) => {}
        found => return found,
    }
    match mkdirat(root, mailbox, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => openat(root, mailbox, how, Mode::empty()),
        Err(error) => Err(error),
    }
}

/// What a folder says; nothing if it says nothing.
fn read(folder: &OwnedFd) -> std::io::Result<Option<String>> {
    let file = match openat(folder, MARK, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Has a folder say whose it is. One whose power was cut in the middle of that says nothing: its file is empty.
fn write(folder: &OwnedFd, issued: i64, keep: bool) -> std::io::Result<()> {
    let since = Timestamp::from_second(issued).map_err(std::io::Error::other)?;
    let how = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(folder, MARK, how | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR) {
        Err(Errno::EXIST) => openat(folder, MARK, how | OFlags::TRUNC, Mode::empty()),
        made => made,
    };
    let mut file = std::fs::File::from(file?);
    file.write_all(format!("{since}\n").as_bytes())?;
    if keep {
        file.sync_all()?;
        fsync(folder)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "folders_tests.rs"]
mod tests;
