//! Which files of a folder are read: YAML and JSON, no hidden folders, no templates of Helm charts, each file once.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cli::output::Said;
use crate::cli::{Code, Finding};

use super::Unreadable;

/// Files that are read at most.
const MAX_FILES: usize = 200_000;

/// Files below `roots` in a stable order. A root that is not there is an error, all else a finding.
pub fn files(roots: &[PathBuf], findings: &mut Vec<Finding>) -> Result<Vec<PathBuf>, Unreadable> {
    let mut walk = Walk { files: Vec::new(), links: Vec::new(), seen: HashSet::new(), findings };
    for root in roots {
        let meta = fs::metadata(root).map_err(|e| Unreadable::new(root, &e.to_string()))?;
        if meta.is_dir() {
            fs::read_dir(root).map_err(|e| Unreadable::new(root, &e.to_string()))?;
        }
        walk.visit(root, &meta, &[]);
        // Links last: a file that is in the tree anyway is named as it is there.
        for (link, above) in std::mem::take(&mut walk.links) {
            walk.follow(&link, &above);
        }
        if walk.files.len() > MAX_FILES {
            let said = Said::new(
                format!("more than {MAX_FILES} files; name a smaller folder"),
                format!("có hơn {MAX_FILES} tệp; vui lòng chọn thư mục nhỏ hơn."),
            );
            return Err(Unreadable::said(root, said));
        }
    }
    walk.files.sort();
    Ok(walk.files)
}

type Identity = (u64, u64);

struct Walk<'a> {
    files: Vec<PathBuf>,
    links: Vec<(PathBuf, Vec<Identity>)>,
    seen: HashSet<Identity>,
    findings: &'a mut Vec<Finding>,
}

impl Walk<'_> {
    /// A file that was named or is of ours, or a folder. `above` are the folders on the way to it.
    fn visit(&mut self, path: &Path, meta: &fs::Metadata, above: &[Identity]) {
        let identity = (meta.dev(), meta.ino());
        if self.files.len() > MAX_FILES || !self.seen.insert(identity) {
            return;
        }
        if !meta.is_dir() {
            // A pipe or device would never end.
            self.files.extend(meta.is_file().then(|| path.into()));
            return;
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.findings.push(unreadable(path, &error)),
        };
        let mut above = above.to_vec();
        above.push(identity);
        let chart = path.join("Chart.yaml").is_file();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let templates = chart && name == "templates";
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_symlink() => self.links.push((path, above.clone())),
                Ok(meta) if meta.is_dir() && (name.starts_with('.') || templates) => {}
                Ok(meta) if meta.is_dir() || is_ours(&path) => self.visit(&path, &meta, &above),
                Ok(_) => {}
                Err(error) => self.findings.push(unreadable(&path, &error)),
            }
        }
    }

    fn follow(&mut self, link: &Path, above: &[Identity]) {
        let meta = match fs::metadata(link) {
            Ok(meta) => meta,
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return self.findings.push(symlink_loop(link));
            }
            Err(error) if is_ours(link) => return self.findings.push(unreadable(link, &error)),
            Err(_) => return,
        };
        if meta.is_dir() && above.contains(&(meta.dev(), meta.ino())) {
            self.findings.push(symlink_loop(link));
        } else if meta.is_dir() || is_ours(link) {
            self.visit(link, &meta, above);
            for (link, above) in std::mem::take(&mut self.links) {
                self.follow(&link, &above);
            }
        }
    }
}

fn is_ours(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
}

/// A file as findings name it: without the `./` that the folder `.` brings.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn symlink_loop(link: &Path) -> Finding {
    let message = "this link leads back to a folder above it and was not followed; remove it";
    let vi = "liên kết này trỏ ngược về thư mục chứa nó nên không được đọc tiếp; vui lòng xóa liên kết.";
    Finding::error(&shown(link), Code::SymlinkLoop, message, vi).as_warning()
}

/// A file or folder of the tree that the system refuses.
pub fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    let message = format!("it cannot be read: {error}; mend its permissions or remove it");
    let vi = format!("không đọc được: {error}; vui lòng sửa quyền truy cập hoặc xóa đi.");
    Finding::error(&shown(path), Code::FileUnreadable, message, vi)
}
