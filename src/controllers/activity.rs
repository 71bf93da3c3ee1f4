//! What the mail server tells of use (D-10, D-16): asked twice a minute for all, written down to the day, for each mailbox whose day
//! changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tracing::warn;

use super::context::Ctx;
use super::runner::Error;
use crate::api::{
    self, Completeness, MailSystem, MailSystemStatus, MailboxActivity, MailboxActivitySpec, MailboxActivityStatus,
};
use crate::backend::{MailBackend, Usage, UsagePage};
use crate::domain::lifecycle;
use crate::kube_io::Created;

/// Time between two questions.
const EVERY: Duration = Duration::from_secs(30);
/// While nothing is known, or proven, yet, or what is proven is old.
const SOON: Duration = Duration::from_secs(2);
/// What the mail server proves is younger than this while it proves it each minute.
const FRESH: SignedDuration = SignedDuration::from_mins(3);
/// Pages of one look, at most; what is left comes with the next one.
const PAGES: usize = 200;
/// MailboxActivities that are written at the same time.
const WRITES: usize = 4;
/// The status of the MailSystem follows in steps of this, so that a quiet system writes next to nothing.
const STEP: SignedDuration = SignedDuration::from_hours(12);

/// What is known of use in a namespace.
#[derive(Default)]
pub(crate) struct Activities(Mutex<Book>);

#[derive(Default)]
struct Book {
    complete: Option<Completeness>,
    known: bool,
    revision: u64,
    rows: HashMap<String, Usage>,
}

impl Activities {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the mail server was asked.
    pub fn known(&self) -> bool {
        self.book().known
    }

    /// Whether the mail server proves anything complete, through a moment that is not long ago.
    fn is_proven(&self, now: Timestamp) -> bool {
        self.book().complete.as_ref().is_some_and(|complete| now.duration_since(complete.complete_through.0) < FRESH)
    }

    /// Use of a mailbox; `own` is what was written down.
    pub fn of(&self, mailbox: &str, own: Option<MailboxActivityStatus>) -> Option<lifecycle::Activity> {
        let book = self.book();
        let own = match book.rows.get(mailbox) {
            Some(row) => Some(joined(row, own.unwrap_or_default())),
            None => own,
        };
        api::activity(own.as_ref(), book.complete.as_ref())
    }

    /// Bytes in use.
    pub fn used(&self, mailbox: &str) -> Option<u64> {
        self.book().rows.get(mailbox).and_then(|row| row.used_bytes)
    }

    /// Nothing is left of a mailbox: what is known of its use is nobody's.
    pub fn forget(&self, mailbox: &str) {
        self.book().rows.remove(mailbox);
    }

    /// Through which moment use is proven complete (D-16): what the mail server told, or what an earlier leader wrote down.
    pub fn complete_through(&self, system: &MailSystem) -> Option<Timestamp> {
        let told = self.book().complete.clone();
        let written = || system.status.as_ref()?.activity.clone();
        told.or_else(written).map(|complete| complete.complete_through.0)
    }

    /// What the status of the MailSystem is to show: what it shows, until that is old or a gap came.
    pub fn to_show(&self, system: Option<&MailSystem>) -> Option<Completeness> {
        let new = self.book().complete.clone()?;
        let old = system.and_then(|system| system.status.as_ref()?.activity.clone());
        let same = |old: &Completeness| {
            let age = new.complete_through.0.duration_since(old.complete_through.0);
            old.complete_from == new.complete_from && age < STEP && !age.is_negative()
        };
        Some(old.filter(same).unwrap_or(new))
    }

    /// What is lost of a proof that was shown, if it began anew: since when it holds now.
    pub fn gap(shown: Option<&MailSystemStatus>, now: Option<&Completeness>) -> Option<(Timestamp, Timestamp)> {
        let before = shown?.activity.as_ref()?.complete_from.0;
        let after = now?.complete_from.0;
        (after > before).then_some((before, after))
    }

    fn note(&self, page: UsagePage) -> Vec<Usage> {
        let mut book = self.book();
        let time = |seconds: i64| Timestamp::from_second(seconds).ok().map(Time);
        let complete = page.complete.and_then(|(from, through)| Some((time(from)?, time(through)?)));
        // What a page says is complete with the last one alone: the newest use comes last.
        if !page.more {
            book.complete =
                complete.map(|(from, through)| Completeness { complete_from: from, complete_through: through });
        }
        book.revision = page.revision;
        book.known |= !page.more;
        for row in &page.rows {
            book.rows.insert(row.mailbox.clone(), row.clone());
        }
        page.rows
    }

    fn revision(&self) -> u64 {
        self.book().revision
    }
}

/// The later of each day.
fn joined(row: &Usage, own: MailboxActivityStatus) -> MailboxActivityStatus {
    let later = |new: &Option<String>, old: Option<String>| new.clone().max(old);
    MailboxActivityStatus {
        last_login: later(&row.last_login, own.last_login),
        last_send: later(&row.last_send, own.last_send),
        last_receive: later(&row.last_receive, own.last_receive),
        used_bytes: row.used_bytes.and_then(|bytes| i64::try_from(bytes).ok()).or(own.used_bytes),
        ..own
    }
}

/// Works for ever.
pub(super) async fn run(ctx: Arc<Ctx>) {
    let mut backends = ctx.syncer.backends();
    loop {
        let pause = if ctx.activities.known() && ctx.activities.is_proven(ctx.now()) { EVERY } else { SOON };
        let changed = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            _ = backends.changed() => true,
        };
        let backend = backends.borrow_and_update().clone();
        if changed {
            // Another pod may have counted anew.
            ctx.activities.book().revision = 0;
        }
        let Some(backend) = backend.filter(|_| *ctx.synced.borrow() && ctx.syncer.projection().met()) else { continue };
        if let Err(error) = ask(backend.as_ref(), &ctx).await {
            warn!(%error, "use is not known; asked again");
        }
    }
}

async fn ask(backend: &dyn MailBackend, ctx: &Ctx) -> Result<(), crate::backend::BackendError> {
    let before = ctx.activities.known();
    for _ in 0..PAGES {
        let page = backend.usage(ctx.activities.revision()).await?;
        let more = page.more;
        let rows = ctx.activities.note(page);
        stream::iter(rows).for_each_concurrent(WRITES, |row| write(row, ctx)).await;
        if !more {
            break;
        }
    }
    if let Some(system) = ctx.system()
        && ctx.activities.to_show(Some(&system)) != system.status.as_ref().and_then(|status| status.activity.clone())
    {
        ctx.triggers.systems.fire(&system.name_any()).await;
    }
    if !before && ctx.activities.known() {
        ctx.life.ask();
        let all = ctx.stores.mailboxes.state();
        for mailbox in all.iter().filter(|mailbox| super::mailbox::is_stale(mailbox, ctx)) {
            ctx.triggers.mailboxes.fire(&mailbox.name_any()).await;
        }
    }
    Ok(())
}

/// Writes a row down if a day of it changed.
async fn write(row: Usage, ctx: &Ctx) {
    if row.used_bytes.is_some_and(|used| super::mailbox::fills(&row.mailbox, used, ctx)) {
        ctx.triggers.mailboxes.fire(&row.mailbox).await;
    }
    let old = ctx.stores.activities.get(&ObjectRef::new(&row.mailbox).within(ctx.io.namespace()));
    let status = old.as_ref().and_then(|old| old.status.clone()).unwrap_or_default();
    let complete = ctx.activities.book().complete.clone();
    let new = joined(&row, status.clone());
    let days = |s: &MailboxActivityStatus| (s.last_login.clone(), s.last_send.clone(), s.last_receive.clone());
    let nobody = MailboxActivityStatus::default();
    if days(&new) == days(&status) || days(&new) == days(&nobody) {
        return;
    }
    let new = MailboxActivityStatus {
        complete_from: complete.as_ref().map(|c| c.complete_from.clone()),
        complete_through: complete.map(|c| c.complete_through),
        ..new
    };
    if let Err(error) = put(&row.mailbox, old.as_deref(), &new, ctx).await {
        warn!(mailbox = row.mailbox, %error, "use is not written down yet; it comes with its next change");
    }
}

async fn put(
    name: &str,
    old: Option<&MailboxActivity>,
    status: &MailboxActivityStatus,
    ctx: &Ctx,
) -> Result<(), Error> {
    let Some(mailbox) = ctx.mailbox(name) else { return Ok(()) };
    let made = match old {
        Some(old) => old.clone(),
        None => {
            let mut new = MailboxActivity::new(name, MailboxActivitySpec {});
            new.metadata.namespace = Some(ctx.io.namespace().into());
            // Personal data goes with the Mailbox; the mail server still knows it when that comes back.
            new.metadata.owner_references = Some(vec![OwnerReference { controller: Some(false), ..owner(&mailbox) }]);
            match ctx.io.create(&new).await? {
                Created::New(new) => new,
                // The cache will show it; the next day of use finds it there.
                Created::Exists => return Ok(()),
            }
        }
    };
    ctx.io.apply_status(&made, status).await?;
    Ok(())
}

fn owner(mailbox: &api::Mailbox) -> OwnerReference {
    mailbox.controller_owner_ref(&()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(from: i64, through: i64) -> UsagePage {
        let row = Usage { mailbox: "nv-1".into(), last_login: Some("2026-03-02".into()), ..Usage::default() };
        UsagePage { complete: Some((from, through)), revision: 1, rows: vec![row], more: false }
    }

    #[test]
    fn d_16_the_later_day_counts_whoever_tells_it() {
        let book = Activities::default();
        assert!(!book.known());
        book.note(page(0, 1_000));
        let own = MailboxActivityStatus {
            last_login: Some("2026-01-01".into()),
            last_send: Some("2026-02-01".into()),
            ..MailboxActivityStatus::default()
        };
        let found = book.of("nv-1", Some(own)).expect("known");
        assert_eq!(found.last_login, Some("2026-03-02".parse().expect("a day")));
        assert_eq!(found.last_send, Some("2026-02-01".parse().expect("a day")));
        assert_eq!(book.of("nv-2", None).expect("the system's").last_login, None);
    }

    #[test]
    fn d_16_what_is_proven_is_asked_for_soon_again_while_it_is_old() {
        let book = Activities::default();
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        assert!(!book.is_proven(at(1_000)));
        book.note(page(0, 1_000));
        assert!(book.is_proven(at(1_179)) && !book.is_proven(at(1_180)));
    }

    #[test]
    fn d_16_nothing_is_complete_before_the_last_page() {
        let book = Activities::default();
        book.note(UsagePage { more: true, ..page(0, 1_000) });
        assert!(!book.known() && book.of("nv-2", None).is_none(), "somebody of the next page is not known yet");
        book.note(page(0, 1_000));
        assert!(book.known() && book.of("nv-2", None).is_some());
        book.note(UsagePage { more: true, ..page(0, 2_000) });
        let through = |book: &Activities| book.of("nv-2", None).expect("known").complete_through.as_second();
        assert_eq!(through(&book), 1_000, "what was proven stays so");
        book.note(page(0, 2_000));
        assert_eq!(through(&book), 2_000);
    }

    #[test]
    fn a_quiet_system_says_anew_how_complete_it_is_twice_a_day() {
        let book = Activities::default();
        let mut system: MailSystem = serde_json::from_value(serde_json::json!({"metadata": {"name": "gialai"},
            "spec": {"domain": "gialai.gov.vn", "hostname": "mail.gialai.gov.vn", "dovecot": {"storage": {"size": "1Gi"}}}}))
        .expect("a system");
        let shown = |system: &MailSystem, through| {
            book.note(page(0, through));
            book.to_show(Some(system)).expect("known").complete_through.0.as_second()
        };
        assert_eq!(shown(&system, 1_000), 1_000);
        let activity = book.to_show(Some(&system));
        system.status = Some(api::MailSystemStatus { activity, ..api::MailSystemStatus::default() });
        assert_eq!(shown(&system, 40_000), 1_000);
        assert_eq!(shown(&system, 45_000), 45_000);
        // A gap is said at once, and once.
        let gap = |system: &MailSystem, now: Option<&Completeness>| {
            Activities::gap(system.status.as_ref(), now).map(|(from, to)| (from.as_second(), to.as_second()))
        };
        assert_eq!(gap(&system, book.to_show(Some(&system)).as_ref()), None);
        book.note(page(2_000, 40_000));
        let anew = book.to_show(Some(&system));
        assert_eq!(anew.as_ref().map(|complete| complete.complete_from.0.as_second()), Some(2_000));
        assert_eq!((gap(&system, anew.as_ref()), gap(&system, None)), (Some((0, 2_000)), None));
        system.status.get_or_insert_default().activity = anew.clone();
        assert_eq!(gap(&system, anew.as_ref()), None);
        let first = MailSystem { status: None, ..system };
        assert_eq!(gap(&first, anew.as_ref()), None, "the first proof is no gap");
    }
}
