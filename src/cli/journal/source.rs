//! Where the lines of a journal come from; in bounded memory, since a journal of years is large.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::SourceArgs;
use crate::domain::journal::Place;

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

/// A journal.
pub enum Source {
    /// Files, - for standard input.
    Files(Vec<PathBuf>),
    /// The pod of the MailSystem of a namespace.
    Cluster {
        /// Namespace; the kubeconfig's own when not given.
        namespace: Option<String>,
        /// Context; the current one when not given.
        context: Option<String>,
    },
}

impl Source {
    /// What the command line says.
    pub fn of(args: SourceArgs) -> Self {
        if args.files.is_empty() {
            return Self::Cluster { namespace: args.namespace, context: args.context };
        }
        Self::Files(args.files)
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
            Self::Cluster { namespace, context } => {
                let flags = flags(namespace.as_deref(), context.as_deref());
                let pod = format!("{}-0", system(&flags)?);
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

/// Name of the one MailSystem of the namespace.
fn system(flags: &[String]) -> Result<String, Unreadable> {
    let name = "kubectl get mailsystems";
    let child = start(flags, &["get", "mailsystems.mail.gialai.gov.vn", "-o", "name"])?;
    let output = child.wait_with_output().map_err(|e| Unreadable::new(name, e))?;
    if !output.status.success() {
        return Err(Unreadable::new(name, "it failed (see above)"));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut names = text.lines().filter_map(|line| line.split_once('/')).map(|(_, name)| name.to_string());
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        (None, _) => Err(Unreadable::new(name, "there is no MailSystem; --namespace says where one is")),
        (Some(_), Some(_)) => Err(Unreadable::new(name, "there is more than one MailSystem in the namespace")),
    }
}
