//! `kubectl mail explain`: why an account is in its state, by which article and document, and what would change it.
//!
//! | File | What it does |
//! |---|---|
//! | `find` | an address of now or of before, or a name → the Mailbox |
//! | `reasons` | what its state rests on |
//! | `remedies` | what would change it |
//! | `text` | for a terminal |

mod find;
mod reasons;
mod remedies;
mod text;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

pub use text::text;

use super::life::{Holder, Life, Origin, World, cluster, words};
use super::tree::Unreadable;
use crate::api::{AddressUse, GROUP, VERSION};
use crate::cli::output::{Lang, Said};
use crate::cli::plan;
use crate::domain::calendar::rfc3339;
use crate::domain::lifecycle::{self, Account, Kind, State};

/// Something that the state rests on.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// `Inactive`, `EndsOn`, …
    code: &'static str,
    /// The point of the regulation, or the decision.
    rule: &'static str,
    /// How it is cited in Vietnamese.
    article: &'static str,
    /// What the article says.
    #[serde(flatten)]
    says: Said,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// `Clock`, `Person` or `Document`.
    by: &'static str,
    /// The document.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    #[serde(skip)]
    at: Option<Timestamp>,
}

/// A condition of the Mailbox that does not hold, in the words of the operator.
#[derive(Clone, Debug, Serialize)]
pub struct Unmet {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

/// A fact that counts.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// The field.
    name: &'static str,
    /// Its value; a time as RFC 3339.
    value: String,
    #[serde(skip)]
    title: (&'static str, &'static str),
    #[serde(skip)]
    at: Option<Timestamp>,
}

/// A document that is cited (R5.2).
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// `issue`, `lock`, `absence`, `restore`, `revocation`, `hold` or `rename`.
    what: &'static str,
    /// Number, day, issuer.
    cited: String,
    #[serde(skip)]
    title: (&'static str, &'static str),
}

/// Something that will happen.
#[derive(Clone, Debug, Serialize)]
pub struct Next {
    action: &'static str,
    reason: &'static str,
    rule: &'static str,
    at: String,
    /// Whether the brake holds it.
    held: bool,
    /// Whether it is due already, and is done at the next look.
    #[serde(skip)]
    past: bool,
    #[serde(skip)]
    what: lifecycle::Action,
}

/// What would change the state.
#[derive(Clone, Debug, Serialize)]
pub struct Remedy {
    /// When, and to what.
    #[serde(flatten)]
    says: Said,
    /// A command that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// The same in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    yaml: Option<String>,
}

/// The explanation of one account.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    mailbox: String,
    namespace: String,
    full_name: String,
    agency: String,
    #[serde(skip)]
    agency_title: String,
    address: Option<String>,
    /// What the address that was asked for is, where it is not the one in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Said>,
    state: &'static str,
    #[serde(rename = "means")]
    means: Said,
    reasons: Vec<Reason>,
    /// Why something of it is not done yet.
    conditions: Vec<Unmet>,
    facts: Vec<Fact>,
    documents: Vec<Document>,
    next: Vec<Next>,
    unknown: Vec<Said>,
    changes: Vec<Remedy>,
    now: String,
    #[serde(skip)]
    what: State,
}

/// What is asked for and what was found of it.
#[derive(Debug)]
pub struct Answer {
    /// The explanation, if there is such an account.
    pub explained: Option<Explanation>,
    /// What was read.
    pub world: World,
    /// How it was reckoned.
    pub notes: Vec<Said>,
}

/// Explains the account of an address, or of a Mailbox by its name.
pub fn explain(asked: &str, origin: &Origin, now: Timestamp) -> Result<Answer, Unreadable> {
    let mut world = match origin {
        Origin::Cluster(place) => {
            let asked = asked.to_string();
            cluster::ask(place, |cluster| async move { find::in_cluster(&cluster, &asked).await })?
        }
        folder @ Origin::Folder(_) => World::of(folder)?,
    };
    let (found, former) = find::find(&world, asked);
    world.keep(&found);
    let (lives, mut notes) = world.lives(now);
    let issued = world.claims.iter().any(|claim| claim.spec.address_use == AddressUse::Primary);
    let of = |life: &Life<'_>| {
        let (_, name) = found.as_ref()?;
        let at = |name: &str| life.holders.iter().position(|holder| holder.name == name);
        let local = asked.split('@').next().unwrap_or_default().to_lowercase();
        let index = at(&format!("{name}/{local}")).or_else(|| at(name))?;
        Some(explanation(life, index, (former.clone(), issued), now))
    };
    let explained = lives.iter().find_map(of);
    drop(lives);
    if explained.is_none() {
        let asked = asked.trim();
        let told =
            |said: Said| Said::new(format!("{asked}: {}", said.message), format!("{asked}: {}", said.message_vi));
        notes.extend(former.map(told));
    }
    Ok(Answer { explained, world, notes })
}

impl World {
    /// Leaves out all other Mailboxes, and claims of others.
    fn keep(&mut self, found: &Option<(String, String)>) {
        let Some((namespace, name)) = found else { return };
        let here = |other: &Option<String>| other.as_deref().unwrap_or_default() == namespace;
        self.mailboxes.retain(|m| m.metadata.name.as_ref() == Some(name) && here(&m.metadata.namespace));
        self.claims.retain(|claim| claim.belongs_to(name));
        // It was asked for: whoever had the address and is not there is gone.
        self.whole = true;
    }
}

/// Why it gets no account at all: its file ended it before it ever had an address (5.4), as the operator does.
fn never(holder: &Holder<'_>, account: &Account, issued: bool, now: Timestamp) -> Option<lifecycle::Cause> {
    let new = !issued && holder.address.is_none() && account.issued_at.is_none() && !account.purged;
    holder.mailbox.filter(|_| new)?.ended(now)
}

fn explanation(life: &Life<'_>, index: usize, (asked, issued): (Option<Said>, bool), now: Timestamp) -> Explanation {
    let (holder, account) = (&life.holders[index], &life.accounts[index]);
    let state = account.state(&life.rules.terms, now);
    let never = never(holder, account, issued, now);
    let means = match (state, forwarded(holder)) {
        _ if never.is_some() => never.map(plan::never_issued).map(|told| told.said()).unwrap_or_default(),
        (State::Revoked, Some(to)) => Said::new(
            format!("no login, mail is forwarded to {to}; everything is kept"),
            format!("không đăng nhập, thư được chuyển tiếp đến {to}; dữ liệu còn lưu giữ"),
        ),
        _ => Said::new(words::state(state).1.0, words::state(state).1.1),
    };
    let next = next(life, account, now);
    Explanation {
        mailbox: holder.name.clone(),
        namespace: life.namespace.clone(),
        full_name: holder.full_name.clone(),
        agency: holder.agency.clone(),
        agency_title: holder.agency_title.clone(),
        address: holder.address.clone(),
        asked,
        state: state.as_str(),
        means,
        reasons: match never {
            Some(cause) => vec![reasons::ended(holder, account, cause)],
            None => reasons::reasons(holder, account, state, now),
        },
        conditions: reasons::unmet(holder),
        facts: reasons::facts(life, holder, account),
        documents: reasons::documents(holder),
        unknown: unknown(life, account, now),
        changes: match never {
            Some(cause) => vec![remedies::never(cause)],
            None => remedies::remedies(life, index, state, &next, now),
        },
        next,
        now: rfc3339(now),
        what: state,
    }
}

/// Where mail of a revoked account goes.
fn forwarded<'w>(holder: &Holder<'w>) -> Option<&'w str> {
    holder.mailbox?.status.as_ref()?.forwarding.as_ref()?.to.as_deref()
}

/// What the facts lead to, the soonest first.
fn next(life: &Life<'_>, account: &Account, now: Timestamp) -> Vec<Next> {
    let all = lifecycle::due(&life.rules, account, now);
    // Nothing of it comes after the end of the account.
    let end = all.iter().find(|action| action.kind == Kind::Revoke).map_or(Timestamp::MAX, |action| action.at);
    let due = all.into_iter().filter(|action| action.at < end || (action.kind == Kind::Revoke && action.at == end));
    let told = |action: lifecycle::Action| Next {
        action: action.kind.as_str(),
        reason: action.cause.as_str(),
        rule: action.cause.rule(),
        at: rfc3339(action.at),
        past: action.at <= now,
        held: life.brake.held.contains(&(account.id.clone(), action.kind, action.cause)),
        what: action,
    };
    due.map(told).collect()
}

/// Clocks that ran out by what is known, and nothing is done (D-16).
fn unknown(life: &Life<'_>, account: &Account, now: Timestamp) -> Vec<Said> {
    let told = |unknown: lifecycle::Unknown| {
        let rule = unknown.clock.rule();
        let at = |lang| words::time(unknown.since, lang);
        Said::new(
            format!(
                "{rule}: the term would be over since {}, but use is not known for all of it: nothing is done (D-16)",
                at(Lang::En)
            ),
            format!(
                "{rule}: hạn lẽ ra đã hết từ {}, nhưng hoạt động chưa được ghi nhận đủ nên chưa làm gì (D-16).",
                at(Lang::Vi)
            ),
        )
    };
    lifecycle::unknown(&life.rules, account, now).into_iter().map(told).collect()
}

impl Answer {
    /// One JSON document (kind `Explanation`); `found` says whether there is such an account.
    pub fn json(&self, asked: &str) -> String {
        let mut document = serde_json::to_value(&self.explained).unwrap_or_default();
        if document.is_null() {
            document = json!({});
        }
        document["apiVersion"] = json!(format!("{GROUP}/{VERSION}"));
        document["kind"] = json!("Explanation");
        document["question"] = json!(asked);
        document["found"] = json!(self.explained.is_some());
        format!("{document}\n")
    }
}
