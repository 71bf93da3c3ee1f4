//! `kubectl mail acknowledge`: a person's word, with a document, for exactly what the brake holds (D-15).

use std::fmt::Write;

use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::life::cluster::{self, Cluster, Failure};
use super::life::{Life, System, words};
use super::output::{Columns, Lang, Said, columns, printable, wrap};
use super::place::Place;
use super::tree::Unreadable;
use crate::api::{Acknowledge, Basis, GROUP, HeldAction, HeldStatus, MailSystem, VERSION};

/// Field manager of what is applied here.
const MANAGER: &str = "kubectl-mail";
/// Actions that are shown.
const SHOWN: usize = 100;

/// What is held, and where.
#[derive(Debug)]
pub struct Held {
    /// The namespace of the MailSystem.
    pub namespace: String,
    /// Its name.
    pub system: String,
    /// What is held, all of it where that can be read; none when nothing is.
    pub held: Option<HeldStatus>,
    /// What people should know of the reading.
    pub notes: Vec<Said>,
}

/// What became of a word.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is written; the operator acts within seconds.
    Written,
    /// The API server refused it; why.
    Refused(Said),
    /// Somebody has no right to it.
    Forbidden(Said),
}

/// What the MailSystem of a namespace says is held.
pub fn held(place: &Place, now: Timestamp) -> Result<Held, Unreadable> {
    cluster::ask(place, |cluster| async move {
        let world = cluster::frame(&cluster).await?;
        let Some(oldest) = world.systems.into_iter().min_by_key(|system| system.made) else {
            return Err(cluster::no_system(&cluster).await.into());
        };
        let System { name, status, .. } = oldest;
        let mut held =
            Held { namespace: cluster.namespace.clone(), system: name, held: status.held, notes: Vec::new() };
        held.complete(&cluster, now).await;
        Ok(held)
    })
}

impl Held {
    /// The status names the first hundred; all that wait are what a pass finds.
    async fn complete(&mut self, cluster: &Cluster, now: Timestamp) {
        let Some(status) = self.held.as_mut().filter(|status| left(status) > 0) else { return };
        let why = match cluster::world(cluster).await {
            Ok(world) => {
                let (lives, _) = world.lives(now);
                lives.iter().for_each(|life| add(&mut status.actions, life, now));
                None
            }
            Err(error) => Some(cluster::unreadable(&*error)),
        };
        let (more, newer) = (left(status), status.actions.len().saturating_sub(count(status)));
        if newer > 0 {
            self.notes.push(Said::new(
                format!("{newer} more wait by now; the word for this token may not release them"),
                format!("đến nay có thêm {newer} việc chờ; mã này có thể không xác nhận cho những việc đó."),
            ));
        }
        if more > 0 {
            let told = |lang| why.as_ref().map(|why| format!(": {}", why.text(lang))).unwrap_or_default();
            self.notes.push(Said::new(
                format!("{more} of them cannot be named here{}", told(Lang::En)),
                format!("có {more} việc chưa liệt kê được ở đây{}", told(Lang::Vi)),
            ));
        }
    }
}

/// How many are held and not named.
fn left(status: &HeldStatus) -> usize {
    count(status).saturating_sub(status.actions.len())
}

/// How many are held.
fn count(status: &HeldStatus) -> usize {
    usize::try_from(status.count).unwrap_or(0)
}

/// Those of a life that wait and are not named yet.
fn add(actions: &mut Vec<HeldAction>, life: &Life<'_>, now: Timestamp) {
    for held in life.forecast(now, now).held {
        let action = HeldAction {
            mailbox: life.holders[held.account].name.clone(),
            action: held.action.kind.as_str().into(),
            reason: held.action.cause.as_str().into(),
            rule: held.action.cause.rule().into(),
        };
        let same = |known: &HeldAction| {
            (&known.mailbox, &known.action, &known.reason) == (&action.mailbox, &action.action, &action.reason)
        };
        if !actions.iter().any(same) {
            actions.push(action);
        }
    }
}

/// Writes the word. By server-side apply and without force: a field that Git owns is for Git to write.
pub fn write(place: &Place, held: &Held, token: &str, basis: &Basis) -> Result<Outcome, Unreadable> {
    let place = Place { namespace: Some(held.namespace.clone()), ..place.clone() };
    cluster::ask(&place, |cluster| async move { apply(&cluster, held, token, basis).await })
}

async fn apply(cluster: &Cluster, held: &Held, token: &str, basis: &Basis) -> Result<Outcome, Failure> {
    let word = Acknowledge { held: token.into(), basis: basis.clone() };
    let patch = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "MailSystem",
        "metadata": {"name": held.system}, "spec": {"acknowledge": word}});
    let systems = cluster.api::<MailSystem>();
    match systems.patch(&held.system, &PatchParams::apply(MANAGER), &Patch::Apply(&patch)).await {
        Ok(_) => Ok(Outcome::Written),
        Err(error) if cluster::is_any(&error, &[403]) => Ok(Outcome::Forbidden(cluster::why(&error))),
        Err(error) if cluster::is_any(&error, &[409, 422]) => Ok(Outcome::Refused(cluster::why(&error))),
        Err(error) => Err(error.into()),
    }
}

/// What is held, for the eyes of who decides.
pub fn text<'a>(held: &'a Held, lang: Lang) -> String {
    let Some(status) = &held.held else {
        return lang.pick("nothing is held\n", "không có việc nào đang bị giữ lại\n").into();
    };
    let mut out = String::new();
    let head = match lang {
        Lang::En => {
            let actions = if status.count == 1 { "action is" } else { "actions are" };
            let (system, token) = (&held.system, &status.token);
            format!("{} {actions} held by the brake of MailSystem {system} (D-15), token {token}:", status.count)
        }
        Lang::Vi => format!(
            "MailSystem {} đang giữ lại {} việc (D-15), mã xác nhận {}:",
            held.system, status.count, status.token
        ),
    };
    wrap(&mut out, &printable(&head), 0);
    let row = |action: &'a HeldAction| {
        let (what, why) = (words::action_named(&action.action, lang), words::cause_named(&action.reason, lang));
        [action.mailbox.as_str(), what, action.rule.as_str(), why]
    };
    let rows: Vec<[&str; 4]> = status.actions.iter().take(SHOWN).map(row).collect();
    let fit = Columns::of(rows.iter().copied(), 2, columns());
    rows.iter().for_each(|row| _ = writeln!(out, "  {}", fit.row(row)));
    let more = usize::try_from(status.count).unwrap_or(0).saturating_sub(status.actions.len().min(SHOWN));
    if more > 0 {
        let _ = writeln!(
            out,
            "  {}",
            match lang {
                Lang::En => format!("… and {more} more: kubectl mail acknowledge -o json"),
                Lang::Vi => format!("… và {more} việc khác: kubectl mail acknowledge -o json"),
            }
        );
    }
    out
}

/// The same by Git.
pub fn in_git(token: &str, basis: &Basis, lang: Lang) -> String {
    let title =
        lang.pick("In Git, the same is in the file of the MailSystem:", "Nếu dùng Git, ghi vào tệp của MailSystem:");
    let (number, issuer) = (json!(basis.number), json!(basis.issuer));
    format!(
        "{title}\n  spec:\n    acknowledge:\n      held: {token}\n      basis: {{number: {number}, date: \"{}\", issuer: {issuer}}}\n",
        basis.date
    )
}

/// One JSON document (kind `Acknowledgement`).
pub fn json(held: &Held, released: bool, message: &str) -> String {
    let document = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Acknowledgement", "namespace": held.namespace,
        "system": held.system, "held": held.held, "released": released, "message": message});
    format!("{document}\n")
}
