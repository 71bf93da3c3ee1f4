//! Where the lines of a journal come from; in bounded memory, since a journal of years is large.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::SourceArgs;
use crate::domain::journal::{Head, Place};

/// Bytes of a line that are read; an entry has some 8,000 at most.
const LONGEST_LINE: u64 = 1 << 20;

/// A journal that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Unreadable {
    name: String,
    message: String,
}

impl Unreadable {
    fn new(name: impl Into<String>, message: impl ToString) -> Self {
        Self { name: name.into(), message: message.to_string() }
    }

    /// What is printed cannot be written.
    pub fn output(error: &io::Error) -> Self {
        Self::new("standard output", error)
    }
}

/// What `status.journal` of a MailSystem says: outside of the volume on which the journal stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The entry that was the last one then.
    pub head: Head,
    /// When, as the API server writes it.
    pub at: String,
}

/// A journal.
pub enum Source {
    /// Files, - for standard input.
    Files(Vec<PathBuf>),
    /// The pod of the MailSystem of a namespace.
    Cluster {
        /// Which cluster and namespace: arguments of kubectl.
        flags: Vec<String>,
        /// Name of the MailSystem.
        system: String,
        /// What it noted of the journal.
        noted: Option<Noted>,
    },
}

impl Source {
    /// What the command line says; the MailSystem is asked before its journal, which is then longer and not shorter.
    pub fn of(args: SourceArgs) -> Result<Self, Unreadable> {
        if !args.files.is_empty() {
            return Ok(Self::Files(args.files));
        }
        let flags = flags(args.namespace.as_deref(), args.context.as_deref());
        let (system, noted) = system(&flags)?;
        Ok(Self::Cluster { flags, system, noted })
    }

    /// Whether it is the one of the cluster.
    pub fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// What the MailSystem noted.
    pub fn noted(&self) -> Option<&Noted> {
        match self {
            Self::Cluster { noted, .. } => noted.as_ref(),
            Self::Files(_) => None,
        }
    }

    /// Gives every line, its place and whether it has its end.
    pub fn each(self, mut take: impl FnMut(&str, Place, bool) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
        match self {
            Self::Files(files) => {
                for file in files {
                    let name = file.display().to_string();
                    let reader = open(&file).map_err(|e| Unreadable::new(&name, e))?;
                    lines(reader, &name, &mut take)?;
                }
                Ok(())
            }
            Self::Cluster { flags, system, .. } => {
                let pod = format!("{system}-0");
                let mut child =
                    start(&flags, &["exec", &pod, "-c", "agent", "--", "/usr/bin/mail-operator", "journal", "print"])?;
                let out = child.stdout.take().ok_or_else(|| Unreadable::new("kubectl exec", "no output"))?;
                let read = lines(BufReader::new(out), &pod, &mut take);
                let status = child.wait().map_err(|e| Unreadable::new("kubectl exec", e))?;
                read?;
                if status.success() {
                    return Ok(());
                }
                Err(Unreadable::new(pod, "the journal cannot be read there (see above)"))
            }
        }
    }
}

fn open(file: &Path) -> io::Result<Box<dyn BufRead>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    Ok(Box::new(BufReader::new(File::open(file)?)))
}

fn lines(
    mut reader: impl BufRead,
    name: &str,
    take: &mut impl FnMut(&str, Place, bool) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes).map_err(|e| Unreadable::new(name, e))?;
        if bytes.is_empty() {
            break;
        }
        let whole = bytes.pop_if(|last| *last == b'\n').is_some();
        take(&String::from_utf8_lossy(&bytes), Place { file: name.into(), line }, whole)?;
    }
    Ok(())
}

fn flags(namespace: Option<&str>, context: Option<&str>) -> Vec<String> {
    let given = [("--namespace", namespace), ("--context", context)];
    given.into_iter().filter_map(|(flag, value)| value.map(|value| format!("{flag}={value}"))).collect()
}

fn start(flags: &[String], args: &[&str]) -> Result<Child, Unreadable> {
    let mut command = Command::new("kubectl");
    command.args(flags).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().map_err(|e| Unreadable::new("kubectl", format!("it cannot be started: {e}")))
}

/// Name, entries, head and time of each MailSystem on a line; what is not there is empty.
const LINES: &str = "jsonpath={range .items[*]}{.metadata.name} {.status.journal.entries}:{.status.journal.head} {.status.journal.at}{\"\\n\"}{end}";

/// The one MailSystem of the namespace, and what it noted.
fn system(flags: &[String]) -> Result<(String, Option<Noted>), Unreadable> {
    let name = "kubectl get mailsystems";
    let child = start(flags, &["get", "mailsystems.mail.gialai.gov.vn", "-o", LINES])?;
    let output = child.wait_with_output().map_err(|e| Unreadable::new(name, e))?;
    if !output.status.success() {
        return Err(Unreadable::new(name, "it failed (see above)"));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut systems = text.lines().filter(|line| !line.trim().is_empty());
    match (systems.next(), systems.next()) {
        (Some(line), None) => Ok(told(line)),
        (None, _) => Err(Unreadable::new(name, "there is no MailSystem; --namespace says where one is")),
        (Some(_), Some(_)) => Err(Unreadable::new(name, "there is more than one MailSystem in the namespace")),
    }
}

/// A line of [`LINES`].
fn told(line: &str) -> (String, Option<Noted>) {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default().to_string();
    let head = words.next().and_then(|word| word.parse().ok());
    (name, head.map(|head| Noted { head, at: words.next().unwrap_or_default().into() }))
}
