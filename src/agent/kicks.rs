//! Ends sessions of accounts that were locked, revoked or changed: at once, and once more two seconds later for a login
//! that was under way; tried again while Dovecot does not answer.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use super::doveadm::Doveadm;

const AGAIN: Duration = Duration::from_secs(2);
/// Users that Dovecot is asked about at the same time: of many who are locked together nobody waits for all the others.
const AT_ONCE: usize = 8;

/// Users whose sessions must end, and when to do it next. Bounded by the number of accounts.
#[derive(Default)]
pub(crate) struct Kicks {
    due: Mutex<BTreeMap<String, (Instant, u8)>>,
    changed: Notify,
}

impl Kicks {
    /// Ends the sessions of `users` now and once more.
    pub fn push(&self, users: impl IntoIterator<Item = String>) {
        let now = Instant::now();
        let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        due.extend(users.into_iter().map(|user| (user, (now, 2))));
        drop(due);
        self.changed.notify_one();
    }

    fn take_due(&self, now: Instant) -> (Vec<(String, u8)>, Option<Instant>) {
        let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ready: Vec<_> = due.iter().filter(|(_, (at, _))| *at <= now).map(|(u, (_, n))| (u.clone(), *n)).collect();
        for (user, _) in &ready {
            due.remove(user);
        }
        (ready, due.values().map(|(at, _)| *at).min())
    }

    fn put_back(&self, user: String, at: Instant, times: u8) {
        let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        due.entry(user).or_insert((at, times));
    }

    /// Works for ever.
    pub async fn run(&self, doveadm: &Doveadm) {
        loop {
            let (ready, next) = self.take_due(Instant::now());
            stream::iter(ready).for_each_concurrent(AT_ONCE, |(user, times)| self.kick(user, times, doveadm)).await;
            let next = if next.is_some() { next } else { self.take_next() };
            match next {
                Some(at) => {
                    tokio::select! { () = tokio::time::sleep_until(at) => {}, () = self.changed.notified() => {} }
                }
                None => self.changed.notified().await,
            }
        }
    }

    async fn kick(&self, user: String, times: u8, doveadm: &Doveadm) {
        match doveadm.kick(std::slice::from_ref(&user)).await {
            Ok(count) => {
                if count > 0 {
                    info!(user, sessions = count, "sessions ended");
                }
                if times > 1 {
                    self.put_back(user, Instant::now() + AGAIN, times - 1);
                }
            }
            Err(error) => {
                warn!(user, %error, "sessions not ended yet; trying again");
                self.put_back(user, Instant::now() + Duration::from_secs(1), times);
            }
        }
    }

    fn take_next(&self) -> Option<Instant> {
        self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner).values().map(|(at, _)| *at).min()
    }
}
