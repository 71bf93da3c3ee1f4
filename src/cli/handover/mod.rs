//! `kubectl mail handover`: the first password of a person on a sheet of paper, once. The Secret is marked before anything is
//! printed, so nobody has a second sheet; what was marked and not printed is said.

mod mark;
mod sheet;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;

use super::forbidden;
use super::life::cluster::{self, Cluster, Failure};
use super::life::{Holder, Life, World, words};
use super::output::{Lang, Said, cell, printable, wrap};
use super::place::Place;
use super::tree::Unreadable;
use crate::api::{
    Agency, GROUP, HANDED_OVER_ANNOTATION, HANDOVER_RUN_ANNOTATION, HOLDER_ANNOTATION, Mailbox, PASSWORD_CHANGED_AT,
    VERSION,
};
use crate::domain::calendar::{day, rfc3339};
use crate::domain::lifecycle::{self, Account, Cause, Kind, LockReason, State};
use crate::domain::naming::same_name;
use mark::{Mark, Unmarked};
use sheet::Sheet;

/// Sheets of one run: whoever wants more names a smaller agency.
const MOST: usize = 500;
/// Between two looks at a mark whose answer was lost.
const PAUSE: Duration = Duration::from_secs(1);

/// Who gets a sheet.
#[derive(Clone, Debug)]
pub enum Whom {
    /// Mailboxes by name.
    Named(Vec<String>),
    /// Everybody of an Agency who has none yet.
    Agency(String),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who gets one.
    pub whom: Whom,
    /// The file, which must not be there yet; `-` is standard output.
    pub out: PathBuf,
    /// Whom a holder asks; the agency and the postmaster when not said.
    pub contact: Option<String>,
    /// The password page; that of the server's name when not said.
    pub page: Option<String>,
}

/// What became of one Mailbox.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    mailbox: String,
    handed_over: bool,
    at: Option<String>,
    /// Nobody refused it: it went wrong.
    #[serde(skip)]
    failed: bool,
    #[serde(flatten)]
    says: Said,
}

/// What became of all.
#[derive(Debug, Default)]
pub struct Outcome {
    items: Vec<Item>,
    agency: bool,
    /// Why there is nobody to give a sheet to, where that is a mistake of who asks.
    nobody: Option<Said>,
    /// What people should know of the reading.
    pub notes: Vec<Said>,
}

impl Outcome {
    /// Whether somebody who was named got no sheet, or something went wrong.
    pub fn refused(&self) -> bool {
        self.nobody.is_some() || self.items.iter().any(|item| item.failed || (!self.agency && !item.handed_over))
    }

    /// One JSON document (kind `Handover`), without any password.
    pub fn json(&self) -> String {
        let mut document = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Handover", "items": self.items});
        if let Some(nobody) = &self.nobody {
            document["problem"] = json!(nobody);
        }
        format!("{document}\n")
    }

    /// As text, without any password.
    pub fn text(&self, out: &Path, lang: Lang) -> String {
        let mut text = String::new();
        let done = self.items.iter().filter(|item| item.handed_over).count();
        let out = out.display();
        text += &match lang {
            Lang::En if done == 0 => "no sheet was made\n".to_string(),
            Lang::Vi if done == 0 => "chưa in phiếu nào\n".to_string(),
            Lang::En => {
                let sheets = if done == 1 { "sheet" } else { "sheets" };
                format!("{done} {sheets} in {out}: print it, hand each to its person, then remove the file\n")
            }
            Lang::Vi => format!("{done} phiếu trong {out}: in ra, giao tận tay từng người rồi xóa tệp này\n"),
        };
        if let Some(nobody) = &self.nobody {
            wrap(&mut text, &printable(nobody.pick(lang)), 0);
        }
        for item in &self.items {
            wrap(&mut text, &format!("{} {}", cell(&item.mailbox, 16), printable(item.says.pick(lang))), 2);
        }
        text
    }
}

/// Marks, then prints.
pub fn handover(place: &Place, request: &Request, now: Timestamp) -> Result<Outcome, Unreadable> {
    cluster::ask(place, |cluster| async move { all(&cluster, request, now).await })
}

async fn all(cluster: &Cluster, request: &Request, now: Timestamp) -> Result<Outcome, Failure> {
    let mut world = cluster::frame(cluster).await?;
    let mut outcome = Outcome { agency: matches!(request.whom, Whom::Agency(_)), ..Outcome::default() };
    world.mailboxes = mailboxes(cluster, &request.whom, &mut outcome).await?;
    if world.mailboxes.len() > MOST {
        let many = world.mailboxes.len();
        return Err(Said::new(
            format!("{many} mailboxes at once, at most {MOST}: name fewer"),
            format!("{many} hộp thư cùng lúc, tối đa {MOST}: vui lòng ghi ít hơn."),
        )
        .into());
    }
    bodies(cluster, &mut world).await;
    let (lives, notes) = world.lives(now);
    outcome.notes = world.notes.iter().cloned().chain(notes).collect();
    let Some(life) = lives.first().filter(|life| !life.holders.is_empty()) else { return Ok(outcome) };
    let secrets: Api<Secret> = cluster.api();
    let (mut printer, run) = (Printer::new(&request.out)?, format!("{:016x}", rand::random::<u64>()));
    for (holder, account) in life.holders.iter().zip(&life.accounts) {
        let one = one(&secrets, life, (holder, account), (request, &run), now).await;
        let item = match one {
            Ok(ready) => printed(&mut printer, &ready, now)?,
            Err(refused) => refused,
        };
        outcome.items.push(item);
    }
    printer.end()?;
    Ok(outcome)
}

async fn mailboxes(cluster: &Cluster, whom: &Whom, outcome: &mut Outcome) -> Result<Vec<Mailbox>, Failure> {
    match whom {
        Whom::Agency(agency) => {
            let all = cluster.all::<Mailbox>().await?;
            let all: Vec<_> = all.into_iter().filter(|mailbox| &mailbox.spec.agency_ref.name == agency).collect();
            if all.is_empty() {
                outcome.nobody = Some(nobody(cluster, agency).await);
            }
            Ok(all)
        }
        Whom::Named(names) => {
            let (api, mut found) = (cluster.api::<Mailbox>(), Vec::<Mailbox>::new());
            for name in names {
                match api.get_opt(name).await? {
                    Some(mailbox) if found.iter().any(|other| other.name_any() == mailbox.name_any()) => {}
                    Some(mailbox) => found.push(mailbox),
                    None => outcome.items.push(refused(name, "there is no such Mailbox", "không có Mailbox này.")),
                }
            }
            Ok(found)
        }
    }
}

/// Why no Mailbox is of an Agency.
async fn nobody(cluster: &Cluster, agency: &str) -> Said {
    let namespace = &cluster.namespace;
    match cluster.api::<Agency>().get_opt(agency).await {
        Ok(None) => Said::new(
            format!(
                "there is no Agency '{agency}' in namespace '{namespace}'; 'kubectl get agency -n {namespace}' lists all by name"
            ),
            format!(
                "namespace '{namespace}' không có Agency '{agency}'; 'kubectl get agency -n {namespace}' liệt kê tên của tất cả."
            ),
        ),
        _ => Said::new(
            format!(
                "no Mailbox in namespace '{namespace}' names the Agency '{agency}' in spec.agencyRef; 'kubectl get mbx -n {namespace}' lists all"
            ),
            format!(
                "không Mailbox nào trong namespace '{namespace}' ghi Agency '{agency}' ở spec.agencyRef; 'kubectl get mbx -n {namespace}' liệt kê tất cả."
            ),
        ),
    }
}

/// The names of the agencies, for the sheets.
async fn bodies(cluster: &Cluster, world: &mut World) {
    let names: std::collections::BTreeSet<String> =
        world.mailboxes.iter().map(|mailbox| mailbox.spec.agency_ref.name.clone()).collect();
    for name in names {
        world.agencies.extend(cluster.agency(&name).await);
    }
}

fn refused(mailbox: &str, en: impl Into<String>, vi: impl Into<String>) -> Item {
    Item { mailbox: mailbox.into(), handed_over: false, at: None, failed: false, says: Said::new(en, vi) }
}

fn failed(name: &str, error: &kube::Error) -> Item {
    let (en, vi) = told(error);
    Item { failed: true, ..refused(name, format!("the Secret: {en}"), format!("Secret: {vi}")) }
}

/// Nothing is printed: whose mark it is, or what to do where nobody knows.
fn not_marked(holder: &Holder<'_>, unmarked: &Unmarked, run: &str) -> Item {
    let name = holder.name.as_str();
    let item = match unmarked {
        Unmarked::Refused(error) => return failed(name, error),
        Unmarked::Theirs(secret) => match may(secret, holder) {
            Err(item) => return item,
            Ok(_) => refused(name, "somebody else marked it", "người khác đã đánh dấu."),
        },
        Unmarked::Changed => refused(
            name,
            "somebody else changed the Secret at this moment; nothing is marked, do it again",
            "Secret vừa được thay đổi; chưa đánh dấu gì, vui lòng làm lại.",
        ),
        Unmarked::Unknown => refused(
            name,
            format!(
                "the API server did not answer, so it is not known whether it is marked as handed over; no sheet was made, nobody has seen the password. Do it again; if that says that it was handed over and 'kubectl get secret {name}-credentials -o yaml' shows {HANDOVER_RUN_ANNOTATION}: {run}, the mark is the one of this run: take it away with 'kubectl annotate secret {name}-credentials {HANDED_OVER_ANNOTATION}-' and do it once more"
            ),
            format!(
                "máy chủ API không trả lời nên không rõ đã đánh dấu đã giao hay chưa; chưa in phiếu, chưa ai thấy mật khẩu. Vui lòng làm lại; nếu khi đó báo đã giao và 'kubectl get secret {name}-credentials -o yaml' ghi {HANDOVER_RUN_ANNOTATION}: {run} thì đó là dấu của lần này: bỏ dấu bằng 'kubectl annotate secret {name}-credentials {HANDED_OVER_ANNOTATION}-' rồi làm lại."
            ),
        ),
    };
    Item { failed: true, ..item }
}

/// A sheet whose Secret is marked.
struct Ready<'w> {
    holder: &'w Holder<'w>,
    sheet: Sheet,
    password: SecretString,
}

/// Looks whether somebody may get a sheet, and marks the Secret.
async fn one<'w>(
    secrets: &Api<Secret>,
    life: &Life<'_>,
    (holder, account): (&'w Holder<'w>, &Account),
    (request, run): (&Request, &str),
    now: Timestamp,
) -> Result<Ready<'w>, Item> {
    let name = holder.name.as_str();
    if holder.mailbox.is_some_and(behind) {
        return Err(refused(
            name,
            "the operator has not looked at the last change of this Mailbox yet: its address or its holder may be another in a moment. Nothing is marked; do it again, and if this stays, 'kubectl mail status' tells whether the operator runs",
            "hệ thống chưa xử lý thay đổi gần nhất của Mailbox này: địa chỉ hoặc người dùng có thể sắp khác đi. Chưa đánh dấu gì; vui lòng làm lại, nếu vẫn vậy thì xem 'kubectl mail status' để biết operator có chạy không.",
        ));
    }
    let state = account.state(&life.rules.terms, now);
    let over = matches!(state, State::Revoked | State::Purged);
    if over || !account.locks.is_empty() || holder.address.is_none() {
        let (en, vi) = words::state(state).0;
        return Err(refused(
            name,
            format!("the account is {en}: no sheet"),
            format!("tài khoản ở trạng thái “{vi}” nên không in phiếu."),
        ));
    }
    let secret = secrets.get(&format!("{name}-credentials")).await.map_err(|error| failed(name, &error))?;
    let (password, at) = (may(&secret, holder)?, rfc3339(now));
    let marked = mark::mark(secrets, &secret, &Mark { at: &at, run }, PAUSE).await;
    marked.map_err(|unmarked| not_marked(holder, &unmarked, run))?;
    Ok(Ready { holder, sheet: Sheet::new(life, holder, request, until(life, account, now), now), password })
}

/// Whether the status is of an older spec: a sheet would carry an address that is not in force any more.
fn behind(mailbox: &Mailbox) -> bool {
    mailbox.status.as_ref().and_then(|status| status.observed_generation) != mailbox.metadata.generation
}

/// The end of the term of the default password (6.2.d): its last day.
fn until(life: &Life<'_>, account: &Account, now: Timestamp) -> Option<String> {
    let default = |action: &lifecycle::Action| {
        action.kind == Kind::Lock
            && action.cause == Cause::Locks(LockReason::DefaultPassword)
            && action.at < Timestamp::MAX
    };
    let at = lifecycle::due(&life.rules, account, now).into_iter().find(default)?.at;
    Some(words::date(day(at).yesterday().ok()?, Lang::Vi))
}

/// The sentence of an error, without the object.
fn told(error: &kube::Error) -> (String, String) {
    let both = |en: &str, vi: &str| (en.to_string(), vi.to_string());
    if let Some(said) = forbidden::told(error) {
        return both(said.pick(Lang::En), said.pick(Lang::Vi));
    }
    match error {
        kube::Error::Api(status) if status.code == 409 => both(
            "somebody else changed it at this moment; try again",
            "vừa được người khác thay đổi; vui lòng làm lại.",
        ),
        kube::Error::Api(status) => {
            let code = format!("HTTP {} {}", status.code, status.reason);
            both(&code, &code)
        }
        _ => both("the API server did not answer", "máy chủ API không trả lời."),
    }
}

/// The password that is still to be handed over, to this person and for the first time.
fn may(secret: &Secret, holder: &Holder<'_>) -> Result<SecretString, Item> {
    let name = holder.name.as_str();
    let annotation = |key: &str| secret.annotations().get(key).map(String::as_str);
    if let Some(at) = annotation(HANDED_OVER_ANNOTATION) {
        let at = at.parse().map_or_else(|_| at.to_string(), rfc3339);
        let mut item = refused(
            name,
            format!(
                "was handed over at {at}, and never is again; if the sheet is lost, lock the account (LostPassword) and restore it by a document (spec.restore): that makes a new password (6.3)"
            ),
            format!(
                "đã giao lúc {at}, không in lại; nếu mất phiếu thì khóa tài khoản (LostPassword) và khôi phục theo văn bản (spec.restore) để có mật khẩu mới (điểm b khoản 3 Điều 6)."
            ),
        );
        item.at = Some(at);
        return Err(item);
    }
    if annotation(HOLDER_ANNOTATION).is_some_and(|other| !same_name(other, &holder.full_name)) {
        return Err(refused(
            name,
            "the password was made for a person of another name; if it is the same person, a document in spec.rename says so, and the operator then hands the password on to the new name. Somebody else needs another Mailbox",
            "mật khẩu được tạo cho người mang tên khác. Nếu vẫn là một người, vui lòng ghi văn bản đổi tên vào spec.rename, hệ thống sẽ ghi tên mới; nếu là người khác, vui lòng tạo Mailbox khác.",
        ));
    }
    let initial = secret.data.as_ref().and_then(|data| data.get("initialPassword"));
    let text = initial.filter(|_| annotation(PASSWORD_CHANGED_AT).is_none());
    let text = text.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).filter(|text| !text.is_empty());
    let none = || {
        refused(
            name,
            "there is no initial password any more: the holder has changed it",
            "không còn mật khẩu ban đầu: chủ hộp thư đã đổi.",
        )
    };
    text.map(SecretString::from).ok_or_else(none)
}

fn printed(printer: &mut Printer, ready: &Ready<'_>, now: Timestamp) -> Result<Item, Failure> {
    let name = &ready.holder.name;
    printer.sheet(&ready.sheet, &ready.password).map_err(|error| {
        let undo = format!("kubectl annotate secret {name}-credentials {HANDED_OVER_ANNOTATION}-");
        Said::new(
            format!(
                "{name} is marked as handed over but its sheet could not be written ({error}); nobody has seen it: take the mark away with '{undo}' and do it again"
            ),
            format!(
                "{name} đã đánh dấu đã giao nhưng không ghi được phiếu ({error}); chưa ai thấy mật khẩu: vui lòng bỏ dấu bằng '{undo}' rồi làm lại."
            ),
        )
    })?;
    let says = Said::new("is on a sheet, and marked as handed over", "đã in phiếu và đánh dấu đã giao.");
    Ok(Item { mailbox: name.clone(), handed_over: true, at: Some(rfc3339(now)), failed: false, says })
}

/// Writes sheets. A file is its owner's alone, and new.
struct Printer {
    out: Box<dyn Write>,
    file: Option<(File, PathBuf)>,
    sheets: usize,
}

impl Printer {
    fn new(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self { out: Box::new(io::stdout()), file: None, sheets: 0 });
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| {
            let what = format!("{}: {error}", path.display());
            Said::new(
                format!("{what}; nothing is marked, --out names another file"),
                format!("{what}; chưa đánh dấu gì, vui lòng ghi tệp khác bằng --out."),
            )
        })?;
        Ok(Self { out: Box::new(file.try_clone()?), file: Some((file, path.into())), sheets: 0 })
    }

    fn sheet(&mut self, sheet: &Sheet, password: &SecretString) -> io::Result<()> {
        if self.sheets == 0 {
            self.out.write_all(sheet::HEAD.as_bytes())?;
        }
        self.sheets += 1;
        sheet.write(&mut self.out, password)?;
        // What was marked is on the disk before the next one is.
        self.out.flush()?;
        self.file.as_ref().map_or(Ok(()), |(file, _)| file.sync_data())
    }

    fn end(mut self) -> io::Result<()> {
        match (self.sheets, self.file) {
            (0, Some((_, path))) => std::fs::remove_file(path),
            (0, None) => Ok(()),
            (_, _) => {
                self.out.write_all(sheet::FOOT.as_bytes())?;
                self.out.flush()
            }
        }
    }
}
