//! One attempt to change a password, from what was typed to what the page says.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::accounts::{Account, Accounts, Landed, StoreError, changed, hash_of, landed};
use super::hash::{Hasher, NotComputed, Turn};
use super::index;
use super::typed::{Attempt, HOLDS_ADDRESS, Trouble, holds_local_part, troubles};
use crate::domain::throttle::{self, By, Target, Throttle};
use crate::telemetry::Metrics;

/// Tries to write, when somebody else writes at the same time or an answer is lost.
const WRITES: usize = 2;
/// Looks at what became of a write.
const LOOKS: usize = 3;

/// Tells the time. Tests move it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The clock of this machine.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// Any other one.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The new password is written.
    Changed,
    /// Something has to be typed differently; nothing was looked at.
    Invalid(Vec<Trouble>),
    /// Unknown, wrong, revoked or not issued yet: nobody is told which.
    Wrong,
    /// Too many attempts; come again after so long.
    Wait(Duration),
    /// The password is right and the account locked.
    Locked(Account),
    /// Too many at once, or the API server does not answer; nothing was changed.
    Unavailable,
    /// The answer to the write was lost, and what became of it cannot be read.
    Unclear,
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Invalid(_) => "invalid",
            Self::Wrong => "wrong",
            Self::Wait(_) => "throttled",
            Self::Locked(_) => "locked",
            Self::Unavailable => "unavailable",
            Self::Unclear => "unclear",
        }
    }
}

/// Where attempts are decided.
pub struct Desk {
    accounts: Arc<dyn Accounts>,
    throttle: Mutex<Throttle>,
    hasher: Hasher,
    metrics: Metrics,
    clock: Clock,
    floor: Duration,
}

impl Desk {
    /// Over these accounts; a wrong answer takes at least `floor`.
    pub fn new(accounts: Arc<dyn Accounts>, metrics: Metrics, clock: Clock, floor: Duration) -> Self {
        let throttle = Mutex::new(Throttle::new(rand::random()));
        Self { accounts, throttle, hasher: Hasher::default(), metrics, clock, floor }
    }

    /// The accounts.
    pub fn accounts(&self) -> &dyn Accounts {
        self.accounts.as_ref()
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Counts what was refused before it came here.
    pub fn refused(&self) {
        self.metrics.portal_attempt("forbidden");
    }

    /// Decides one attempt from `client`.
    pub async fn attempt(&self, attempt: &Attempt, client: IpAddr) -> Outcome {
        let outcome = self.decide(attempt, client).await;
        self.metrics.portal_attempt(outcome.name());
        outcome
    }

    async fn decide(&self, attempt: &Attempt, client: IpAddr) -> Outcome {
        let start = Instant::now();
        let Some(served) = self.accounts.served() else { return Outcome::Unavailable };
        let address = index::form(&attempt.address, &served.domain);
        let troubles = troubles(attempt, address.as_deref());
        let Some(address) = address.filter(|_| troubles.is_empty()) else { return Outcome::Invalid(troubles) };
        let source = throttle::source(client);
        let account = self.accounts.find(&address, self.now());
        let mailbox = account.as_ref().map(|account| account.mailbox.as_str());
        // Counted before the password is looked at: a thousand at once are a thousand.
        let admitted = self.throttle().admit(Target { typed: &address, mailbox }, source, self.since_epoch());
        let ticket = match admitted {
            Ok(ticket) => ticket,
            Err(wait) => return Outcome::Wait(wait.until.saturating_sub(self.since_epoch())),
        };
        // What waits without a word is looked for nowhere, which takes as long.
        let verified = self.verify(mailbox.filter(|_| ticket.looked_at), attempt).await;
        let (account, secret) = match (account, verified) {
            (_, Err(unavailable)) => {
                self.throttle().unseen(ticket, self.since_epoch());
                return unavailable;
            }
            (Some(account), Ok(Some(secret))) => (account, secret),
            (account, _) => {
                if let Some(by) = ticket.lockout {
                    self.tell(by, source, account.as_ref().map(|account| account.mailbox.as_str()));
                }
                tokio::time::sleep_until(start + self.floor).await;
                return Outcome::Wrong;
            }
        };
        self.throttle().succeeded(ticket, self.since_epoch());
        if account.locked {
            info!(mailbox = account.mailbox, "a locked holder was told why");
            return Outcome::Locked(account);
        }
        if account.addresses.iter().any(|address| holds_local_part(&attempt.new, address)) {
            return Outcome::Invalid(vec![HOLDS_ADDRESS]);
        }
        self.write(&account, secret, attempt, client).await
    }

    /// Says that further attempts have to wait. What was typed as an address may be a password: only names of mailboxes that
    /// exist are logged.
    fn tell(&self, by: By, source: IpAddr, mailbox: Option<&str>) {
        let mailbox = mailbox.filter(|_| by != By::Source).unwrap_or("-");
        warn!(by = by.as_str(), mailbox, %source, "too many wrong passwords; further attempts have to wait");
        self.metrics.portal_lockout(by.as_str());
    }

    /// The Secret, if the current password is the one of its hash. `Err`: nobody looked at the password.
    async fn verify(&self, mailbox: Option<&str>, attempt: &Attempt) -> Result<Option<Secret>, Outcome> {
        let turn = self.hasher.turn().map_err(not_computed)?;
        let secret = self.accounts.read(mailbox).await.map_err(|error| unavailable(&error))?;
        self.opened(turn, secret, attempt).await
    }

    async fn opened(&self, turn: Turn, secret: Option<Secret>, attempt: &Attempt) -> Result<Option<Secret>, Outcome> {
        let hash = secret.as_ref().and_then(hash_of);
        let right = self.hasher.verify(turn, hash, &attempt.current).await.map_err(not_computed)?;
        Ok(secret.filter(|_| right))
    }

    /// One write over what was read; once more, from anew, if somebody else wrote in between. What became of a write whose answer
    /// was lost is read.
    async fn write(&self, account: &Account, secret: Secret, attempt: &Attempt, client: IpAddr) -> Outcome {
        let hash = match self.hasher.make(&attempt.new).await {
            Ok(hash) => hash,
            Err(error) => return not_computed(error),
        };
        let (mut secret, mut lost) = (secret, false);
        for _ in 0..WRITES {
            let version = secret.metadata.resource_version.clone();
            let written = self.accounts.write(&changed(secret, &hash, self.now())).await;
            match &written {
                Ok(()) => return self.done(account, client),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Lost(error)) => {
                    warn!(mailbox = account.mailbox, error, "the answer to a change was lost; it is read again");
                    lost = true;
                }
                Err(error) => return if lost { unclear(account) } else { unavailable(error) },
            }
            let found = match self.look(&account.mailbox).await {
                Ok(found) => found,
                Err(error) => return if lost { unclear(account) } else { unavailable(&error) },
            };
            match landed(found.as_ref(), &hash, version.as_deref()) {
                Landed::Yes => return self.done(account, client),
                Landed::NotYet => {}
                Landed::No => lost = false,
            }
            // It may be another password by now: then this one changes nothing.
            let again = match self.hasher.turn() {
                Ok(turn) => self.opened(turn, found, attempt).await,
                Err(error) => Err(not_computed(error)),
            };
            secret = match again {
                Ok(Some(secret)) => secret,
                Ok(None) => return Outcome::Wrong,
                Err(_) if lost => return unclear(account),
                Err(outcome) => return outcome,
            };
        }
        if lost { unclear(account) } else { Outcome::Unavailable }
    }

    fn done(&self, account: &Account, client: IpAddr) -> Outcome {
        info!(mailbox = account.mailbox, source = %throttle::source(client), "the holder changed the password");
        Outcome::Changed
    }

    /// What stands there now, asked for a few times.
    async fn look(&self, mailbox: &str) -> Result<Option<Secret>, StoreError> {
        let mut found = self.accounts.read(Some(mailbox)).await;
        for _ in 1..LOOKS {
            if found.is_ok() {
                break;
            }
            tokio::time::sleep(self.floor).await;
            found = self.accounts.read(Some(mailbox)).await;
        }
        found
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_epoch(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().as_millisecond()).unwrap_or(0))
    }
}

fn unavailable(error: &StoreError) -> Outcome {
    error!(%error, "credentials can be neither read nor written");
    Outcome::Unavailable
}

fn unclear(account: &Account) -> Outcome {
    error!(mailbox = account.mailbox, "whether the password was changed cannot be read");
    Outcome::Unclear
}

fn not_computed(error: NotComputed) -> Outcome {
    warn!(%error, "a password was not looked at");
    Outcome::Unavailable
}
