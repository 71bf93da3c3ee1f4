//! Delivers notices at most once per key, even if the agent is killed between any two steps: first a record says that it may be
//! delivered, then it is, then the record says that it was. Whatever is found half done is looked for in the mailbox before it is
//! delivered again.
//!
//! When the records are lost to damage, a key that is not among the new ones may have been delivered: it counts as half done. So what
//! still lies in the mailbox is not delivered again. What is not found there is: a warning before a lock that never came does more
//! harm (6.2) than the second copy that somebody gets who has deleted the first, and causes are told for a week only.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::jiff::{Span, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::time::Instant;
use tracing::{info, warn};

use super::doveadm::{Doveadm, DoveadmError};
use super::sqlite::{self, Kept};
use super::table::TableError;
use crate::backend::{Delivery, NoticeMail};
use crate::domain::calendar;
use crate::domain::journal::{LEAST_MONTHS, LONGEST_KEY};
use crate::domain::notice::{LONGEST_MESSAGE, message_id};

/// The operator waits for an answer for 10 s.
const TIME: Duration = Duration::from_secs(8);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS notices (key TEXT PRIMARY KEY, done INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notices_at ON notices (at);
CREATE TABLE IF NOT EXISTS lost (at INTEGER NOT NULL);
";

/// Where messages are put.
pub(crate) trait Post: Sync {
    /// Puts one into an INBOX; false if there is no such user.
    fn save<'a>(&'a self, user: &'a str, message: &'a str) -> BoxFuture<'a, Result<bool, DoveadmError>>;
    /// Whether one is there.
    fn has<'a>(&'a self, user: &'a str, message_id: &'a str) -> BoxFuture<'a, Result<bool, DoveadmError>>;
}

impl Post for Doveadm {
    fn save<'a>(&'a self, user: &'a str, message: &'a str) -> BoxFuture<'a, Result<bool, DoveadmError>> {
        Box::pin(Doveadm::save(self, user, message))
    }

    fn has<'a>(&'a self, user: &'a str, message_id: &'a str) -> BoxFuture<'a, Result<bool, DoveadmError>> {
        Box::pin(Doveadm::has(self, user, message_id))
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    New,
    /// It may have been delivered.
    Pending,
    Done,
}

/// What was delivered, on the volume, for as long as the journal.
pub(crate) struct Records {
    file: PathBuf,
    months: u16,
    /// One request at a time: two with one key would both look, and both deliver.
    turn: tokio::sync::Mutex<()>,
    open: Arc<Mutex<Option<Connection>>>,
}

impl Records {
    /// Opened when it is needed.
    pub fn new(file: PathBuf, months: u16) -> Self {
        Self { file, months: months.max(LEAST_MONTHS), turn: tokio::sync::Mutex::default(), open: Arc::default() }
    }

    /// Delivers each notice to the address at which its mailbox receives.
    pub async fn deliver(
        &self,
        notices: Vec<(NoticeMail, Option<String>)>,
        post: &impl Post,
    ) -> Result<Vec<Delivery>, TableError> {
        let _turn = self.turn.lock().await;
        let end = Instant::now() + TIME;
        let before = self.kept_since(Timestamp::now());
        self.on_disk(move |db| {
            db.execute("DELETE FROM notices WHERE at < ?1", [before])?;
            Ok(db.execute("DELETE FROM lost WHERE at < ?1", [before])?)
        })
        .await?;
        let mut deliveries = Vec::with_capacity(notices.len());
        for (notice, receiver) in notices {
            let delivery = match Instant::now() < end {
                true => self.deliver_one(&notice, receiver.as_deref(), post).await?,
                false => Delivery::Failed("no time was left for it; send it again".into()),
            };
            match &delivery {
                Delivery::Failed(why) => warn!(key = notice.key, mailbox = notice.mailbox, why, "notice not delivered"),
                Delivery::Already => {}
                other => info!(key = notice.key, mailbox = notice.mailbox, ?other, "notice"),
            }
            deliveries.push(delivery);
        }
        Ok(deliveries)
    }

    async fn deliver_one(
        &self,
        notice: &NoticeMail,
        receiver: Option<&str>,
        post: &impl Post,
    ) -> Result<Delivery, TableError> {
        let key = notice.key.clone();
        let known = self.on_disk(move |db| known(db, &key)).await?;
        if known == Known::Done {
            return Ok(Delivery::Already);
        }
        let Some(user) = receiver else { return Ok(Delivery::Unknown) };
        let id = match fit(notice, user) {
            Ok(id) => id,
            Err(why) => return Ok(Delivery::Failed(why.into())),
        };
        let mut found = false;
        if known == Known::Pending {
            found = match post.has(user, &id).await {
                Ok(found) => found,
                Err(error) => return Ok(Delivery::Failed(error.to_string())),
            };
        } else {
            self.record(&notice.key, false).await?;
        }
        if !found {
            match post.save(user, &notice.message).await {
                Ok(true) => {}
                Ok(false) => return Ok(Delivery::Unknown),
                Err(error) => return Ok(Delivery::Failed(error.to_string())),
            }
        }
        self.record(&notice.key, true).await?;
        Ok(if found { Delivery::Already } else { Delivery::Delivered })
    }

    async fn record(&self, key: &str, done: bool) -> Result<(), TableError> {
        let (key, now) = (key.to_string(), Timestamp::now().as_second());
        self.on_disk(move |db| {
            db.prepare_cached("INSERT OR REPLACE INTO notices VALUES (?1, ?2, ?3)")?
                .execute(params![key, done, now])?;
            Ok(())
        })
        .await
    }

    /// Records of this second and later are kept: the months of the journal, and some days more.
    fn kept_since(&self, now: Timestamp) -> i64 {
        let span = Span::new().months(i32::from(self.months)).days(7);
        calendar::day(now).checked_sub(span).map_or(i64::MIN, |day| calendar::midnight(day).as_second())
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, TableError> + Send + 'static,
    ) -> Result<T, TableError> {
        let (open, file) = (self.open.clone(), self.file.clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut slot = open.lock().unwrap_or_else(PoisonError::into_inner);
            let db = match slot.take() {
                Some(db) => db,
                None => connect(&file)?,
            };
            let result = work(&db);
            match &result {
                Err(TableError::Damaged(why)) => {
                    warn!(why, "the records of notices are damaged and begun anew");
                    *slot = Some(lost(sqlite::anew(&file, SCHEMA, Kept::Surely)?)?);
                }
                _ => *slot = Some(db),
            }
            result
        });
        done.await.unwrap_or_else(|_| Err(TableError::Other("the work on the records of notices ended".into())))
    }
}

fn connect(file: &std::path::Path) -> Result<Connection, TableError> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|e| TableError::Other(e.to_string()))?;
    }
    match sqlite::open_or_anew(file, SCHEMA, Kept::Surely)? {
        (db, true) => lost(db),
        (db, false) => Ok(db),
    }
}

/// Remembers that there were records before.
fn lost(db: Connection) -> Result<Connection, TableError> {
    db.execute("INSERT INTO lost VALUES (?1)", [Timestamp::now().as_second()])?;
    Ok(db)
}

fn known(db: &Connection, key: &str) -> Result<Known, TableError> {
    let mut query = db.prepare_cached("SELECT done FROM notices WHERE key = ?1")?;
    Ok(match query.query_row([key], |r| r.get::<_, bool>(0)).optional()? {
        None if db.prepare_cached("SELECT 1 FROM lost")?.exists([])? => Known::Pending,
        None => Known::New,
        Some(false) => Known::Pending,
        Some(true) => Known::Done,
    })
}

/// The Message-ID by which the notice is found again, if it can be delivered.
fn fit(notice: &NoticeMail, user: &str) -> Result<String, &'static str> {
    if notice.key.is_empty() || notice.key.len() > LONGEST_KEY {
        return Err("a key has 1 to 300 bytes");
    }
    if notice.message.len() > LONGEST_MESSAGE {
        return Err("the message is too long");
    }
    if notice.address != user {
        return Err("the mailbox has another address now; make the notice anew");
    }
    let domain = user.rsplit_once('@').map_or("", |(_, domain)| domain);
    let id = message_id(&notice.key, domain);
    let header = notice.message.split("\r\n\r\n").next().unwrap_or_default();
    if header.contains(&format!("<{id}>")) { Ok(id) } else { Err("the Message-ID is not the one of the key") }
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
