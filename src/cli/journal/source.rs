//! Where the lines of a journal come from; in bounded memory, since a journal of years is large.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;

use super::SourceArgs;
use crate::cli::forbidden;
use crate::cli::life::cluster::none_in;
use crate::cli::output::{Lang, Said};
use crate::cli::place::Access;
use crate::domain::journal::{Head, Place};

/// Bytes of a line that are read; an entry has some 8,000 at most.
const LONGEST_LINE: u64 = 1 << 20;

/// Bytes of what kubectl says that are kept.
const KEPT: usize = 4096;
/// The kind, as kubectl is asked for it.
const MAIL_SYSTEMS: &str = "mailsystems.mail.gialai.gov.vn";
const NAMESPACE: &str = "--namespace=";

/// A journal that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Unreadable {
    name: String,
    message: Said,
}

impl Unreadable {
    /// What the system says, in its language.
    fn new(name: impl Into<String>, message: impl ToString) -> Self {
        Self::said(name, message.to_string(), message.to_string())
    }

    fn said(name: impl Into<String>, en: impl Into<String>, vi: impl Into<String>) -> Self {
        Self { name: name.into(), message: Said::new(en, vi) }
    }

    /// In a language.
    pub fn text(&self, lang: Lang) -> String {
        format!("{}: {}", self.name, self.message.pick(lang))
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
        let flags = flags(args.namespace.as_deref(), &args.access);
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
                let said = Told::of(&mut child);
                let out = child.stdout.take().ok_or_else(|| Unreadable::new("kubectl exec", "no output"))?;
                let read = lines(BufReader::new(out), &pod, &mut take);
                let status = child.wait().map_err(|e| Unreadable::new("kubectl exec", e))?;
                read?;
                if status.success() {
                    return Ok(());
                }
                let why = "the journal cannot be read there (see above)";
                Err(said.failed(pod, Said::new(why, "không đọc được nhật ký ở đó (xem ở trên)")))
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

fn flags(namespace: Option<&str>, access: &Access) -> Vec<String> {
    namespace.map(|name| format!("{NAMESPACE}{name}")).into_iter().chain(access.flags()).collect()
}

fn start(flags: &[String], args: &[&str]) -> Result<Child, Unreadable> {
    let mut command = Command::new("kubectl");
    command.args(flags).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
        .spawn()
        .map_err(|e| Unreadable::said("kubectl", format!("it cannot be started: {e}"), format!("không chạy được: {e}")))
}

/// Name, entries, head and time of each MailSystem on a line; what is not there is empty.
const LINES: &str = "jsonpath={range .items[*]}{.metadata.name} {.status.journal.entries}:{.status.journal.head} {.status.journal.at}{\"\\n\"}{end}";

/// The one MailSystem of the namespace, and what it noted.
fn system(flags: &[String]) -> Result<(String, Option<Noted>), Unreadable> {
    let name = "kubectl get mailsystems";
    let mut child = start(flags, &["get", MAIL_SYSTEMS, "-o", LINES])?;
    let said = Told::of(&mut child);
    let output = child.wait_with_output().map_err(|e| Unreadable::new(name, e))?;
    if !output.status.success() {
        return Err(said.failed(name, Said::new("it failed (see above)", "lệnh thất bại (xem ở trên)")));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut systems = text.lines().filter(|line| !line.trim().is_empty());
    match (systems.next(), systems.next()) {
        (Some(line), None) => Ok(told(line)),
        (None, _) => Err(Unreadable { name: name.into(), message: none_in(&namespace(flags), elsewhere(flags)) }),
        (Some(_), Some(_)) => Err(Unreadable::said(
            name,
            "there is more than one MailSystem in the namespace",
            "có nhiều hơn một MailSystem trong namespace",
        )),
    }
}

/// The namespace that was meant: the kubeconfig's own when none was named.
fn namespace(flags: &[String]) -> String {
    let named = flags.iter().find_map(|flag| flag.strip_prefix(NAMESPACE)).map(String::from);
    let own = || {
        let args = ["config", "view", "--minify", "-o", "jsonpath={.contexts[0].context.namespace}"];
        Some(quietly(flags, &args)).filter(|name| !name.trim().is_empty())
    };
    named.or_else(own).unwrap_or_else(|| "default".into())
}

/// Namespaces that have a MailSystem, where these may be listed.
fn elsewhere(flags: &[String]) -> BTreeSet<String> {
    let every = ["get", MAIL_SYSTEMS, "-A", "-o", "jsonpath={range .items[*]}{.metadata.namespace}{\"\\n\"}{end}"];
    let flags: Vec<String> = flags.iter().filter(|flag| !flag.starts_with(NAMESPACE)).cloned().collect();
    quietly(&flags, &every).split_whitespace().map(String::from).collect()
}

/// What kubectl prints; nothing where it fails.
fn quietly(flags: &[String], args: &[&str]) -> String {
    let output = Command::new("kubectl").args(flags).args(args).stdin(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default()
}

/// What kubectl says on standard error: it is passed on, and its begin kept.
struct Told(Option<JoinHandle<String>>);

impl Told {
    fn of(child: &mut Child) -> Self {
        let copy = |err: ChildStderr| {
            std::thread::spawn(move || {
                let mut kept = String::new();
                for line in BufReader::new(err).lines().map_while(Result::ok) {
                    // A right that is missing is said in other words.
                    if forbidden::of_message(&line).is_none() {
                        eprintln!("{line}");
                    }
                    if kept.len() < KEPT {
                        kept += &(line + "\n");
                    }
                }
                kept
            })
        };
        Self(child.stderr.take().map(copy))
    }

    /// Why it failed: the right that is missing, else `otherwise`.
    fn failed(self, name: impl Into<String>, otherwise: Said) -> Unreadable {
        let kept = self.0.and_then(|copy| copy.join().ok()).unwrap_or_default();
        let message = kept.lines().find_map(forbidden::of_exec).unwrap_or(otherwise);
        Unreadable { name: name.into(), message }
    }
}

/// A line of [`LINES`].
fn told(line: &str) -> (String, Option<Noted>) {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default().to_string();
    let head = words.next().and_then(|word| word.parse().ok());
    (name, head.map(|head| Noted { head, at: words.next().unwrap_or_default().into() }))
}
