//! `kubectl mail acknowledge`: a person's word, with a document, for exactly what the brake holds (D-15).

use std::fmt::Write;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::life::System;
use super::life::cluster::{self, Cluster, Failure};
use super::output::{Lang, cell, printable, wrap};
use super::tree::Unreadable;
use crate::api::{Acknowledge, Basis, GROUP, HeldStatus, MailSystem, VERSION};

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
    /// What is held; none when nothing is.
    pub held: Option<HeldStatus>,
}

/// What became of a word.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is written; the operator acts within seconds.
    Written,
    /// The API server refused it; why, and what to do.
    Refused(String),
}

/// What the MailSystem of a namespace says is held.
pub fn held(namespace: Option<&str>) -> Result<Held, Unreadable> {
    cluster::ask(namespace, |cluster| async move {
        let world = cluster::frame(&cluster).await?;
        let oldest = world.systems.into_iter().min_by_key(|system| system.made);
        let System { name, status, .. } =
            oldest.ok_or("there is no MailSystem in this namespace; name another one: -n")?;
        Ok(Held { namespace: cluster.namespace, system: name, held: status.held })
    })
}

/// Writes the word. By server-side apply and without force: a field that Git owns is for Git to write.
pub fn write(held: &Held, token: &str, basis: &Basis) -> Result<Outcome, Unreadable> {
    cluster::ask(Some(&held.namespace), |cluster| async move { apply(&cluster, held, token, basis).await })
}

async fn apply(cluster: &Cluster, held: &Held, token: &str, basis: &Basis) -> Result<Outcome, Failure> {
    let word = Acknowledge { held: token.into(), basis: basis.clone() };
    let patch = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "MailSystem",
        "metadata": {"name": held.system}, "spec": {"acknowledge": word}});
    let systems = cluster.api::<MailSystem>();
    match systems.patch(&held.system, &PatchParams::apply(MANAGER), &Patch::Apply(&patch)).await {
        Ok(_) => Ok(Outcome::Written),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 409 | 422) => {
            Ok(Outcome::Refused(status.message.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is held, for the eyes of who decides.
pub fn text(held: &Held, lang: Lang) -> String {
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
    for action in status.actions.iter().take(SHOWN) {
        let line = format!(
            "  {} {} {} {}",
            cell(&action.mailbox, 24),
            cell(&action.action, 8),
            cell(&action.reason, 16),
            action.rule
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let more = usize::try_from(status.count).unwrap_or(0).saturating_sub(status.actions.len().min(SHOWN));
    if more > 0 {
        let _ = writeln!(
            out,
            "  {}",
            match lang {
                Lang::En => format!("… and {more} more: kubectl mail forecast -o json"),
                Lang::Vi => format!("… và {more} việc khác: kubectl mail forecast -o json"),
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
