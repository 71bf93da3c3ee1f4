//! Removes what is kept of revoked accounts, for good (D-14).
//!
//! A folder is first renamed into [`ASIDE`], on the same filesystem and at once, so that nobody finds half of it; then its row goes; then
//! it is removed in the background. Whoever is killed in between is finished at the next start, or when the operator asks again.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fsync, mkdirat, open, openat, renameat, statat};
use rustix::io::Errno;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::table::{Table, TableError, is_folder};
use crate::backend::{Purge, Purged};

/// Folder of what is to be removed, beside those of mailboxes: no Mailbox can have that name.
const ASIDE: &str = ".purged";
/// After a folder could not be removed.
const PAUSE: Duration = Duration::from_secs(60);

/// The mail store, as far as it is removed.
pub(crate) struct Purger {
    root: PathBuf,
    days_ahead: u16,
    news: Arc<Notify>,
}

/// Open folders: what happens to their names meanwhile leads nowhere else.
struct Folders {
    root: OwnedFd,
    aside: OwnedFd,
}

impl Purger {
    /// `root` has a folder for each mailbox. A rehearsal, `days_ahead`, removes nothing.
    pub fn new(root: PathBuf, days_ahead: u16) -> Self {
        Self { root, days_ahead, news: Arc::default() }
    }

    /// Puts the folders aside and removes the rows of those that are revoked; what became of each, in their order. The caller holds the
    /// table until it is done.
    pub fn purge(&self, table: &mut Table, wanted: &[Purge]) -> Result<Vec<Purged>, TableError> {
        let failed = |error: Errno| TableError::Other(format!("the mail store cannot be changed: {error}"));
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let folders = Folders::open(&self.root).map_err(failed)?;
        let (mut outcomes, mut gone) = (Vec::with_capacity(wanted.len()), Vec::new());
        for purge in wanted {
            let outcome = match self.refusal(table, &folders, purge)? {
                Some(why) => Purged::Refused(why.into()),
                None => match folders.put_aside(&purge.mailbox) {
                    Ok(_) => Purged::Done,
                    Err(error) => Purged::Refused(format!("its folder cannot be put aside: {error}")),
                },
            };
            match &outcome {
                Purged::Done => gone.push(purge.mailbox.as_str()),
                Purged::Refused(why) => warn!(mailbox = purge.mailbox, why, "not purged"),
            }
            outcomes.push(outcome);
        }
        folders.sync().map_err(failed)?;
        table.remove_revoked(&gone)?;
        for mailbox in &gone {
            // Whatever had it open may have made it anew before its row went.
            if folders.put_aside(mailbox) == Ok(true) {
                folders.sync().map_err(failed)?;
            }
            info!(mailbox, "purged: its mail is out of reach and its row is gone (D-14)");
        }
        Ok(outcomes)
    }

    /// Why nothing of it may be removed.
    fn refusal(&self, table: &Table, folders: &Folders, purge: &Purge) -> Result<Option<&'static str>, TableError> {
        if self.days_ahead > 0 {
            return Ok(Some("a rehearsal removes nothing"));
        }
        if !is_folder(&purge.mailbox) {
            return Ok(Some("the name of the mailbox cannot be a folder"));
        }
        Ok(match table.revoked(&purge.mailbox)? {
            Some((address, _)) if address != purge.address => Some("its row has another address"),
            Some((_, false)) => Some("its row is not that of a revoked account"),
            // The folder goes first.
            Some((_, true)) if purge.finish && folders.has(&purge.mailbox) => {
                Some("it is to be kept, and nothing of it was removed")
            }
            Some((_, true)) => None,
            None if folders.has(&purge.mailbox) => Some("it has a folder, but no row that says whose"),
            None => None,
        })
    }

    /// There may be something to remove.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Removes what was put aside, one folder at a time; works for ever.
    pub async fn run(&self) {
        loop {
            let root = self.root.clone();
            match tokio::task::spawn_blocking(move || remove_one(&root)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => self.news.notified().await,
                Ok(Err(error)) => {
                    warn!(%error, "a purged folder cannot be removed yet; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// Removes one of the folders that were put aside; false if there is none.
fn remove_one(root: &std::path::Path) -> io::Result<bool> {
    let folder = root.join(ASIDE);
    match std::fs::symlink_metadata(&folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(io::Error::other(format!("{ASIDE} is no folder"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let Some(entry) = std::fs::read_dir(&folder)?.next() else { return Ok(false) };
    let entry = entry?;
    // What is a link goes, not where it leads to.
    match entry.file_type()?.is_dir() {
        true => std::fs::remove_dir_all(entry.path())?,
        false => std::fs::remove_file(entry.path())?,
    }
    info!("a purged folder was removed from the disk");
    Ok(true)
}

impl Folders {
    /// Opens both; neither may be a link.
    fn open(root: &std::path::Path) -> Result<Self, Errno> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = open(root, how, Mode::empty())?;
        match mkdirat(&root, ASIDE, Mode::RWXU) {
            Ok(()) => fsync(&root)?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        let aside = openat(&root, ASIDE, how, Mode::empty())?;
        Ok(Self { root, aside })
    }

    fn has(&self, mailbox: &str) -> bool {
        !matches!(statat(&self.root, mailbox, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
    }

    /// Whether there was a folder.
    fn put_aside(&self, mailbox: &str) -> Result<bool, Errno> {
        let found = match statat(&self.root, mailbox, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error),
        };
        if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        renameat(&self.root, mailbox, &self.aside, format!("{:032x}", rand::random::<u128>()))?;
        Ok(true)
    }

    /// What was renamed stays so whatever happens.
    fn sync(&self) -> Result<(), Errno> {
        fsync(&self.aside)?;
        fsync(&self.root)
    }
}

#[cfg(test)]
#[path = "purge_tests.rs"]
mod tests;
