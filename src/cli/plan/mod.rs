//! `kubectl mail plan`: what a merge would do. Every object of a tree is decided by the rules that the operator follows, beside
//! the addresses that are issued already.
//!
//! | File | What it does |
//! |---|---|
//! | `claims` | what is issued: a file or a cluster |
//! | `subjects` | who of the tree asks for an address; what of it is refused before |
//! | `unquoted` | words that are text for Flux and no text for kubectl |
//! | `decide` | who gets which one, all at once |
//! | `standing` | what one asks for, and what comes of it |
//! | `item` | what is told of an object |
//! | `words` | why not, in two languages |
//! | `text`, `markdown` | for a terminal, for a pull request |

mod claims;
mod decide;
mod item;
mod markdown;
mod standing;
mod subjects;
mod text;
mod unquoted;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

pub use claims::Known;
pub use markdown::markdown;
pub use text::text;
pub use words::Told;
pub(super) use words::never_issued;

use super::output::Said;
use super::place::Place;
use super::tree::{self, Tree, Unreadable};
use super::validate::{self, Options};
use super::{Finding, Severity};
use crate::api::{GROUP, VERSION};
use crate::domain::naming::{LocalPart, Step};

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Outcome {
    /// A person has to decide; no address, or the issued one, until then.
    Conflict,
    /// A rule refuses it.
    Rejected,
    /// Something that it needs is not there yet.
    Waiting,
    /// It gets another address; the old one becomes an alias (D-02, D-19).
    Changed,
    /// It gets an address. An Agency without a mailbox needs none, and is as good as issued.
    Issued,
    /// It has an address, and that stays (D-02).
    Kept,
}

impl Outcome {
    /// All, in the order in which people should look at them.
    pub const ALL: [Self; 6] = [Self::Conflict, Self::Rejected, Self::Waiting, Self::Changed, Self::Issued, Self::Kept];
}

/// One object and what becomes of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`, empty where it stands in no file.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// File, as it was named.
    pub file: String,
    /// Line on which it begins, from 1.
    pub line: usize,
    /// What becomes of it.
    pub outcome: Outcome,
    /// The address in force afterwards, with its domain.
    pub address: Option<String>,
    /// The address that gives way to it.
    pub former_address: Option<String>,
    /// Further addresses whose mail arrives, with their domain.
    pub aliases: Vec<String>,
    /// Whether the address stands in the file (D-21).
    pub pinned: bool,
    /// Whether a person locked it (R6).
    pub locked: bool,
    /// Why it is to have no address (R5.4, D-14): its outcome is `Kept` then, since nothing becomes of it.
    pub no_address: Option<Told>,
    /// Why the account is over: `Approved` (spec.state, 5.4.c), `EndsOn` (spec.endsOn has come, 5.4.b).
    pub ended: Option<&'static str>,
    /// The name in NFC, as it stands in the directory (R3.4).
    pub stored_name: Option<String>,
    /// How the address came about.
    pub derivation: Vec<Step>,
    /// What is accepted and should be looked at.
    pub warnings: Vec<Told>,
    /// What has to be mended or decided.
    pub errors: Vec<Told>,
    /// Its place in the tree.
    #[serde(skip)]
    pub(super) index: usize,
    /// The local part that it has afterwards, which `pin` writes.
    #[serde(skip)]
    pub(super) granted: Option<LocalPart>,
}

impl Item {
    /// The article or decision that gave the address; what comes after that step is about other things.
    pub fn rule(&self) -> Option<&'static str> {
        let gives = |step: &&Step| ["localPart", "spec.localPart"].contains(&step.step);
        self.derivation.iter().rfind(gives).map(|step| step.rule)
    }

    /// Why it is to have no address, and what has to be mended or decided: each once.
    fn refusals(&self) -> impl Iterator<Item = &Told> {
        self.no_address.iter().filter(|told| !self.errors.contains(told)).chain(&self.errors)
    }
}

/// A Mailbox that is not in the tree any more, and its address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Revoked {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub mailbox: String,
    /// Its address; it is kept (D-14).
    pub address: String,
    /// Who had it.
    pub holder: String,
}

/// More would be revoked at once than the brake lets pass (D-15).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Brake {
    /// The namespace whose Mailboxes they are.
    pub namespace: String,
    /// How many would be revoked.
    pub count: usize,
    /// How many pass without a person's word.
    pub limit: usize,
}

/// What a merge would do.
#[derive(Debug, Default)]
pub struct Plan {
    /// Every Mailbox and Agency, and what else is refused, in the order of the tree.
    pub items: Vec<Item>,
    /// Mailboxes that would be revoked (D-14).
    pub revoked: Vec<Revoked>,
    /// Where the brake would hold them.
    pub brakes: Vec<Brake>,
    /// What is wrong with files rather than with objects.
    pub findings: Vec<Finding>,
    /// Files that were read.
    pub files: usize,
    /// Where the plan may be wrong: a part of the tree was probably read, or the claims do not tell enough.
    pub doubt: Vec<Said>,
    /// What people should know of the claims.
    pub note: Option<Said>,
}

/// Where claims come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nothing is issued yet.
    #[default]
    Nothing,
    /// A file.
    File(PathBuf),
    /// A cluster; its namespace is that of objects that name none, else the kubeconfig's.
    Cluster(Place),
}

impl Source {
    /// The tree, with the namespace that was said in every object that names none.
    pub fn within(&self, mut tree: Tree) -> Tree {
        if let Self::Cluster(Place { namespace: Some(namespace), .. }) = self {
            let unnamed = tree.objects.iter_mut().filter(|object| object.namespace.is_empty());
            unnamed.for_each(|object| object.namespace.clone_from(namespace));
        }
        tree
    }
}

/// Decides every object of files and folders beside what `source` says is issued. `partial`: they are a part of the tree, and who
/// is not among them stays.
pub fn plan(roots: &[PathBuf], options: &Options, source: &Source, partial: bool) -> Result<Plan, Unreadable> {
    let mut tree = source.within(tree::read(roots)?);
    let mut known = Known::of(source, &tree)?;
    let findings = validate::check(&tree, options);
    let (findings, words) = unquoted::taken(&mut tree, findings, options);
    let mut plan = of_findings(&tree, findings, &known);
    plan.items.iter_mut().for_each(unquoted::tell);
    plan.findings.extend(words);
    plan.note = known.note.take();
    if partial {
        (plan.revoked, plan.brakes) = (Vec::new(), Vec::new());
    }
    let files_alone = roots.iter().all(|root| root.is_file());
    plan.doubt.extend(doubt(files_alone, plan.revoked.len(), known.in_use()));
    Ok(plan)
}

/// What is said where a part of the tree was probably read: of single files, or where most of who has an address would be revoked.
fn doubt(files_alone: bool, revoked: usize, issued: usize) -> Option<Said> {
    if revoked == 0 || !(files_alone || revoked * 2 > issued) {
        return None;
    }
    let (why, why_vi) = if files_alone {
        ("single files were read", "chỉ đọc từng tệp riêng lẻ")
    } else {
        ("most of them stand in no file", "phần lớn không có trong tệp nào")
    };
    Some(Said::new(
        format!(
            "{revoked} of {issued} Mailboxes with an address count as revoked here, since {why}. If this is a part of the tree, nobody of \
             them is: name the whole folder, or add --partial to leave them out"
        ),
        format!(
            "{revoked} trong {issued} hộp thư đã có địa chỉ bị tính là thu hồi vì {why_vi}. Nếu đây chỉ là một phần thì không ai bị thu hồi: \
             vui lòng ghi cả thư mục, hoặc thêm --partial để không tính."
        ),
    ))
}

/// Decides every object of a tree. `findings` are those of `validate`.
pub fn of_findings(tree: &Tree, findings: Vec<Finding>, known: &Known) -> Plan {
    decide::decide(tree, findings, known)
}

impl Plan {
    /// How many objects have each outcome, in every form of the output: those that are to have no address are counted apart.
    pub fn counts(&self) -> BTreeMap<Outcome, usize> {
        Outcome::ALL.into_iter().map(|outcome| (outcome, self.of(outcome).count())).collect()
    }

    /// Objects of one outcome, but for those that are to have no address.
    pub fn of(&self, outcome: Outcome) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.outcome == outcome && item.no_address.is_none())
    }

    /// Objects that are to have no address.
    pub fn without(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.no_address.is_some())
    }

    /// Objects whose file ends the account (5.4). Who has no address has no account that could end.
    pub fn ended(&self) -> impl Iterator<Item = &Item> {
        let refused = |item: &&Item| item.outcome == Outcome::Rejected || item.no_address.is_some();
        self.items.iter().filter(|item| item.ended.is_some()).filter(move |item| !refused(item))
    }

    /// Objects that a person locked.
    pub fn locked(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.locked && item.outcome != Outcome::Rejected)
    }

    /// Whether a person has something to mend or decide.
    pub fn has_errors(&self) -> bool {
        let refused =
            |item: &Item| matches!(item.outcome, Outcome::Conflict | Outcome::Rejected) || !item.errors.is_empty();
        // What waits goes on by itself; a word that is to be quoted does not.
        let waits = |item: &Item| item.outcome == Outcome::Waiting && !item.errors.iter().any(unquoted::is_word);
        self.items.iter().any(|item| refused(item) && !waits(item)) || self.unread().next().is_some()
    }

    /// What is wrong with files themselves.
    pub fn unread(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// One JSON document (kind `Plan`).
    pub fn json(&self) -> String {
        let lower = |outcome: Outcome| format!("{outcome:?}").to_lowercase();
        let mut counts: BTreeMap<String, usize> = self.counts().into_iter().map(|(o, n)| (lower(o), n)).collect();
        counts.insert("noAddress".into(), self.without().count());
        counts.insert("locked".into(), self.locked().count());
        counts.insert("revoked".into(), self.revoked.len() + self.ended().count());
        let document = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Plan", "counts": counts, "items": self.items,
            "revoked": self.revoked, "brakes": self.brakes, "findings": self.findings,
            "notes": self.doubt,
        });
        format!("{document}\n")
    }
}
