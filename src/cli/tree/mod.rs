//! A folder of YAML read into objects that know file, line and column: what `validate` and `pin` work on, offline.
//!
//! | File | From → to |
//! |---|---|
//! | `walk` | folders → files |
//! | `text` | bytes → text |
//! | `yaml`, `scalar` | text → values with places |
//! | `object` | documents → objects of our group |

mod node;
mod object;
mod scalar;
mod text;
mod walk;
mod yaml;

use std::fs;
use std::path::{Path, PathBuf};

pub use node::{At, Entry, Mapping, Node, Scalar, ScalarKind, Value};
pub use object::Object;
pub use scalar::{is_ambiguous, resolve};
pub use text::BOM;

use super::output::{Lang, Said};
use super::{Code, Finding};

/// How much of one file is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a file.
    pub bytes: u64,
    /// Values in one document, those of aliases counted each time.
    pub nodes: usize,
}

impl Limits {
    /// Of files that people write, some thirty values each; the API server takes no object above 1.5 MiB.
    pub const WRITTEN: Self = Self { bytes: 1 << 20, nodes: 200_000 };
    /// Of a list that somebody took out of a cluster: 20,000 objects in one file and more.
    pub const EXPORTED: Self = Self { bytes: 256 << 20, nodes: 20_000_000 };
}

/// A folder or file that was named and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Unreadable {
    path: String,
    message: Said,
}

impl Unreadable {
    /// What the system or the API server says, in its language.
    pub(crate) fn new(path: &Path, message: &str) -> Self {
        Self::said(path, Said::new(message, message))
    }

    /// What we say.
    pub(crate) fn said(path: &Path, message: Said) -> Self {
        Self { path: path.display().to_string(), message }
    }

    /// In a language.
    pub fn text(&self, lang: Lang) -> String {
        format!("{}: {}", self.path, self.message.pick(lang))
    }
}

/// What a tree holds.
#[derive(Debug, Default)]
pub struct Tree {
    /// Objects of our group, in the order of files and lines.
    pub objects: Vec<Object>,
    /// What is wrong with files and documents themselves.
    pub findings: Vec<Finding>,
    /// Files that were read.
    pub files: usize,
}

/// Reads files and folders. What is wrong inside them is a finding; only a root that is not there is an error.
pub fn read(roots: &[PathBuf]) -> Result<Tree, Unreadable> {
    read_up_to(roots, Limits::WRITTEN)
}

/// The same with other limits.
pub fn read_up_to(roots: &[PathBuf], limits: Limits) -> Result<Tree, Unreadable> {
    let mut tree = Tree::default();
    let files = walk::files(roots, &mut tree.findings)?;
    tree.files = files.len();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = files.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = files.chunks(share).map(|files| scope.spawn(move || read_files(files, limits))).collect();
        for part in parts {
            match part.join() {
                Ok(part) => {
                    tree.objects.extend(part.objects);
                    tree.findings.extend(part.findings);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    Ok(tree)
}

fn read_files(files: &[PathBuf], limits: Limits) -> Tree {
    let mut part = Tree::default();
    for path in files {
        let name = walk::shown(path);
        match bytes(path, &name, limits) {
            Ok(bytes) => part.take_up_to(&name, &bytes, limits),
            Err(finding) => part.findings.push(*finding),
        }
    }
    part
}

fn bytes(path: &Path, name: &str, limits: Limits) -> Result<Vec<u8>, Box<Finding>> {
    let most = limits.bytes;
    let size = fs::metadata(path).map_err(|e| walk::unreadable(path, &e))?.len();
    if size > most {
        let message = format!("the file has {size} bytes, at most {most} are read; split it, best one object a file");
        let vi = format!("tệp có {size} byte, tối đa {most}; vui lòng chia nhỏ, tốt nhất mỗi đối tượng một tệp.");
        return Err(Box::new(Finding::error(name, Code::FileTooLarge, message, vi)));
    }
    fs::read(path).map_err(|e| Box::new(walk::unreadable(path, &e)))
}

impl Tree {
    /// Adds one file that is in memory; `name` stands in findings.
    pub fn take(&mut self, name: &str, bytes: &[u8]) {
        self.take_up_to(name, bytes, Limits::WRITTEN);
    }

    fn take_up_to(&mut self, name: &str, bytes: &[u8], limits: Limits) {
        let text = match text::decode(name, bytes) {
            Ok(text) => text,
            Err(finding) => return self.findings.push(*finding),
        };
        for document in yaml::documents_up_to(name, text, limits.nodes, &mut self.findings) {
            object::objects(name, document, &mut self.objects, &mut self.findings);
        }
    }
}
