//! Notices by mail: looked for once a minute, sent once for each cause.

mod decide;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use self::decide::{Agency, Reader, Wanted, is_read, wanted};
use super::context::Ctx;
use super::lifecycle;
use crate::api::{self, Mailbox, own_mailbox_name};
use crate::backend::{BackendError, Delivery, NoticeMail};
use crate::domain::notice::{MOST_NOTICES, Office, Templates, compose};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(20);
/// Looks between two readings of the province's own texts.
const READ: u32 = 15;
/// Keys that are remembered, so that the mail server is not asked again; it knows them all.
const REMEMBERED: usize = 200_000;
/// After this it is tried again to reach somebody whom the mail server did not know.
const WAIT: Duration = Duration::from_secs(600);
/// Agencies above one that are looked at for a mailbox that somebody reads.
const ABOVE: usize = 8;
/// Notices of one look; the rest comes with the next one.
const AT_ONCE: usize = 20 * MOST_NOTICES;

/// What was sent, and what is wrong with the province's own texts.
#[derive(Default)]
pub(crate) struct Notices(Mutex<State>);

#[derive(Default)]
struct State {
    sent: BTreeSet<String>,
    /// Who receives at none of the addresses that the mail server knows; since when they wait.
    waiting: BTreeMap<String, Instant>,
    wrong: Option<String>,
}

impl Notices {
    /// Why a text of the province is not used.
    pub fn wrong(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wrong.clone()
    }

    /// Whether it was sent, or waits for somebody to receive it.
    fn is_done(&self, key: &str) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.sent.contains(key) || state.waiting.get(key).is_some_and(|since| since.elapsed() < WAIT)
    }

    fn wait(&self, key: String) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.retain(|_, since| since.elapsed() < WAIT);
        if state.waiting.len() < REMEMBERED {
            state.waiting.insert(key, Instant::now());
        }
    }

    fn note(&self, key: String) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.sent.len() >= REMEMBERED {
            state.sent.clear();
        }
        state.sent.insert(key);
    }
}

/// Name of the ConfigMap with the texts that a province writes itself.
pub(crate) fn texts(system: &str) -> String {
    format!("{system}-notices")
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    let mut templates = Templates::default();
    let mut looks: u32 = 0;
    loop {
        tokio::time::sleep(EVERY).await;
        // Before use is known, who is active looks silent.
        if !*ctx.synced.borrow() || !ctx.syncer.projection().met() || !ctx.activities.known() {
            continue;
        }
        if looks.is_multiple_of(READ) {
            read(&mut templates, &ctx).await;
        }
        looks = looks.wrapping_add(1);
        if let Err(error) = look(&templates, &ctx).await {
            debug!(%error, "notices are not sent yet; trying again");
        }
    }
}

async fn read(templates: &mut Templates, ctx: &Ctx) {
    let Some(system) = ctx.system() else { return };
    let found = match ctx.io.get::<ConfigMap>(&texts(&system.name_any())).await {
        Ok(found) => found.and_then(|map| map.data).unwrap_or_default(),
        Err(error) => return warn!(%error, "the province's own texts of notices cannot be read"),
    };
    let overrides: BTreeMap<String, String> = found.into_iter().collect();
    let (new, errors) = Templates::new(&overrides);
    *templates = new;
    let wrong = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let changed = {
        let mut state = ctx.notices.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = (!wrong.is_empty()).then_some(wrong);
        std::mem::replace(&mut state.wrong, wrong.clone()) != wrong
    };
    if changed {
        ctx.triggers.systems.fire(&system.name_any()).await;
    }
}

async fn look(templates: &Templates, ctx: &Ctx) -> Result<(), BackendError> {
    let Some(system) = ctx.system() else { return Ok(()) };
    let api::Office { name, phone, email } = system.spec.office.clone();
    let office = Office { domain: system.spec.domain.clone(), manager: name, phone, email, ..Office::default() };
    let (now, page) = (ctx.now(), system.spec.password_page());
    let mut new: Vec<(Wanted, NoticeMail)> = Vec::new();
    for mailbox in ctx.stores.mailboxes.state() {
        for wanted in of(&mailbox, &page, now, ctx) {
            if new.len() < AT_ONCE && !ctx.notices.is_done(&wanted.key) {
                new.extend(mail(wanted, &office, templates, now));
            }
        }
    }
    for batch in new.chunks(MOST_NOTICES) {
        let mails = batch.iter().map(|(_, mail)| mail.clone()).collect();
        let deliveries = ctx.syncer.notices(mails).await?;
        for ((wanted, _), delivery) in batch.iter().zip(deliveries) {
            match delivery {
                Delivery::Failed(why) => warn!(mailbox = wanted.mailbox, why, "a notice is not delivered yet"),
                Delivery::Delivered => {
                    info!(mailbox = wanted.mailbox, notice = wanted.letter.notice.template(), "notice delivered");
                    ctx.notices.note(wanted.key.clone());
                }
                Delivery::Already => ctx.notices.note(wanted.key.clone()),
                Delivery::Unknown => ctx.notices.wait(wanted.key.clone()),
            }
        }
    }
    Ok(())
}

fn of(mailbox: &Mailbox, page: &str, now: Timestamp, ctx: &Ctx) -> Vec<Wanted> {
    let agency = agency(&mailbox.spec.agency_ref.name, ctx);
    let life = lifecycle::life(mailbox, ctx, now);
    let new_password = ctx.credentials(&mailbox.name_any()).is_some_and(|c| c.initial && c.made_for.is_some());
    wanted(mailbox, &life, new_password, &agency, &lifecycle::rules(ctx), page, now)
}

/// An agency, with the mailbox that it reads: its own, or that of the nearest one above.
fn agency(name: &str, ctx: &Ctx) -> Agency {
    let find = |name: &str| ctx.stores.agencies.get(&ObjectRef::new(name).within(ctx.io.namespace()));
    let full = |name: &str| find(name).map_or_else(|| name.to_string(), |agency| agency.spec.name.clone());
    let above = |name: &String| find(name)?.spec.parent_ref.as_ref().map(|parent| parent.name.clone());
    let chain = std::iter::successors(Some(name.to_string()), above).take(ABOVE);
    let read = chain.filter_map(|name| {
        let mailbox = ctx.mailbox(&own_mailbox_name(&name))?;
        let address = mailbox.status.as_ref().filter(|status| is_read(status))?.address.clone()?;
        Some(Reader { mailbox: mailbox.name_any(), address, name: full(&name) })
    });
    let reader = read.take(1).next();
    Agency { name: full(name), reader }
}

fn mail(wanted: Wanted, office: &Office, templates: &Templates, now: Timestamp) -> Option<(Wanted, NoticeMail)> {
    let mail = compose(&wanted.letter, office, templates, &wanted.key, now)?;
    let notice = NoticeMail {
        key: wanted.key.clone(),
        mailbox: wanted.mailbox.clone(),
        address: wanted.letter.to.address.clone(),
        message: mail.text,
    };
    Some((wanted, notice))
}
