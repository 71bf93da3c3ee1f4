//! `kubectl mail forecast`: who will be locked, proposed, revoked and purged, and when. The answer is that of
//! `domain::lifecycle::forecast`; here it is only put into words.

mod text;

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

pub use text::text;

use super::life::{Holder, Life, World, words};
use crate::api::{GROUP, VERSION};
use crate::cli::output::{Lang, Said};
use crate::domain::calendar::rfc3339;
use crate::domain::lifecycle::forecast::Standing;
use crate::domain::lifecycle::{Action, Held, Kind, State, Unknown};

/// How an account stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stands {
    mailbox: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    state: &'static str,
    reasons: Vec<&'static str>,
    next_due: Option<String>,
    #[serde(skip)]
    kind: State,
}

/// Something that is done.
#[derive(Debug, Serialize)]
pub struct Acts {
    mailbox: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    action: &'static str,
    reason: &'static str,
    rule: &'static str,
    at: String,
    #[serde(skip)]
    what: Action,
    #[serde(skip)]
    holder: String,
}

/// Something that the brake holds (D-15).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waits {
    mailbox: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    action: &'static str,
    by: &'static str,
    reason: &'static str,
    rule: &'static str,
    at: String,
    message: String,
    message_vi: String,
    #[serde(skip)]
    what: Action,
    #[serde(skip)]
    holder: String,
}

/// A clock that cannot be read (D-16).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    mailbox: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    clock: &'static str,
    message: String,
    message_vi: String,
}

/// The answer.
#[derive(Debug)]
pub struct Answer {
    now: Timestamp,
    until: Timestamp,
    states: Vec<Stands>,
    actions: Vec<Acts>,
    held: Vec<Waits>,
    unknown: Vec<Unread>,
    /// How they were reckoned, for people.
    pub notes: Vec<Said>,
}

/// What holds at `now`, and what will happen until `until`.
pub fn forecast(world: &World, now: Timestamp, until: Timestamp) -> Answer {
    let (lives, notes) = world.lives(now);
    let mut answer = Answer { now, until, states: vec![], actions: vec![], held: vec![], unknown: vec![], notes };
    // One MailSystem is the rule, and then nobody needs to be told its namespace.
    let many = lives.iter().filter(|life| !life.holders.is_empty()).count() > 1;
    for life in &lives {
        answer.add(life, many.then(|| life.namespace.clone()));
    }
    answer.states.sort_by(|a, b| (&a.mailbox, &a.namespace).cmp(&(&b.mailbox, &b.namespace)));
    answer.actions.sort_by(|a, b| (a.what.at, &a.mailbox).cmp(&(b.what.at, &b.mailbox)));
    answer.held.sort_by(|a, b| (a.what.at, &a.mailbox).cmp(&(b.what.at, &b.mailbox)));
    answer.unknown.sort_by(|a, b| a.mailbox.cmp(&b.mailbox));
    answer
}

impl Answer {
    fn add(&mut self, life: &Life<'_>, namespace: Option<String>) {
        let forecast = life.forecast(self.now, self.until);
        for (index, standing) in forecast.standings.iter().enumerate() {
            let holder = &life.holders[index];
            self.states.push(stands(holder, standing, namespace.clone()));
            let unknown = standing.unknown.iter().map(|unknown| {
                let (message, message_vi) = untold(unknown, life, index);
                let (mailbox, namespace) = (holder.name.clone(), namespace.clone());
                Unread { mailbox, namespace, clock: unknown.clock.as_str(), message, message_vi }
            });
            self.unknown.extend(unknown);
        }
        for (index, action) in forecast.actions {
            self.actions.push(acts(&life.holders[index], action, namespace.clone()));
        }
        let limit = life.limit();
        for held in forecast.held {
            self.held.push(waits(&life.holders[held.account], &held, limit, namespace.clone()));
        }
    }

    /// One JSON document (design §9). A reason that is taken away while others stay is no action of the contract: `states` has it.
    pub fn json(&self) -> String {
        let actions: Vec<&Acts> = self.actions.iter().filter(|acts| acts.what.kind != Kind::Relieve).collect();
        let document = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Forecast", "now": rfc3339(self.now),
            "states": self.states, "actions": actions, "held": self.held, "unknown": self.unknown,
        });
        format!("{document}\n")
    }

    fn counts(&self) -> BTreeMap<usize, (State, usize)> {
        let mut counts = BTreeMap::new();
        for (order, state) in words::STATES.into_iter().enumerate() {
            let n = self.states.iter().filter(|stands| stands.kind == state).count();
            counts.insert(order, (state, n));
        }
        counts
    }
}

fn stands(holder: &Holder<'_>, standing: &Standing, namespace: Option<String>) -> Stands {
    Stands {
        mailbox: holder.name.clone(),
        namespace,
        state: standing.state.as_str(),
        reasons: standing.reasons.iter().map(|reason| reason.as_str()).collect(),
        next_due: standing.next_due.map(rfc3339),
        kind: standing.state,
    }
}

fn acts(holder: &Holder<'_>, action: Action, namespace: Option<String>) -> Acts {
    Acts {
        mailbox: holder.name.clone(),
        namespace,
        action: action.kind.as_str(),
        reason: action.cause.as_str(),
        rule: action.cause.rule(),
        at: rfc3339(action.at),
        what: action,
        holder: holder.full_name.clone(),
    }
}

fn waits(holder: &Holder<'_>, held: &Held, limit: usize, namespace: Option<String>) -> Waits {
    let Acts { mailbox, action, reason, rule, at, what, holder, .. } = acts(holder, held.action, None);
    let message = format!(
        "more than {limit} mailboxes would be locked, revoked or purged within 24 hours, or others wait already; all wait for a person's word (D-15)"
    );
    let message_vi = format!(
        "trong 24 giờ có hơn {limit} hộp thư sẽ bị khóa, thu hồi hoặc xóa hẳn, hoặc đã có việc đang bị giữ; tất cả chờ người xác nhận (D-15)."
    );
    Waits { mailbox, namespace, action, by: "Brake", reason, rule, at, message, message_vi, what, holder }
}

/// Why a clock cannot be read.
fn untold(unknown: &Unknown, life: &Life<'_>, index: usize) -> (String, String) {
    let rule = unknown.clock.rule();
    let known = life.accounts[index].activity.as_ref().filter(|activity| activity.complete_through > Timestamp::MIN);
    let (since, proven) = (|lang| words::time(unknown.since, lang), |at, lang| words::time(at, lang));
    let Some(known) = known else {
        return (
            format!(
                "by what is known the term of {rule} is over at {}, but nothing proves that all use is known (D-16)",
                since(Lang::En)
            ),
            format!(
                "theo những gì đã biết thì hạn theo {rule} kết thúc lúc {}, nhưng không có gì chứng minh đã ghi nhận đủ hoạt động (D-16).",
                since(Lang::Vi)
            ),
        );
    };
    let span = |lang| (words::time(known.complete_from, lang), words::time(known.complete_through, lang));
    let ((from, through), (from_vi, through_vi)) = (span(Lang::En), span(Lang::Vi));
    let (then, then_vi) = unknown.proven.map_or_else(Default::default, |at| {
        (
            format!("; it can be proven at {} at the earliest", proven(at, Lang::En)),
            format!("; sớm nhất {} mới đủ căn cứ", proven(at, Lang::Vi)),
        )
    });
    (
        format!(
            "by what is known the term of {rule} is over at {}, but use is known completely only from {from} through {through}{then} (D-16)",
            since(Lang::En)
        ),
        format!(
            "theo những gì đã biết thì hạn theo {rule} kết thúc lúc {}, nhưng hoạt động chỉ được ghi nhận đủ từ {from_vi} đến {through_vi}{then_vi} (D-16).",
            since(Lang::Vi)
        ),
    )
}
