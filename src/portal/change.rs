//! One attempt to change a password, from what was typed to what the page says.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tracing::{error, info, warn};
use unicode_normalization::UnicodeNormalization;

use super::accounts::{Account, Accounts, Landed, StoreError, changed, hash_of, landed};
use super::hash::{Hasher, NotComputed, Turn};
use super::index;
use crate::domain::password;
use crate::domain::throttle::{self, By, Target, Throttle};
use crate::telemetry::Metrics;

/// The longest password, in Unicode characters; mail programs and servers stop somewhere.
const MAX_CHARACTERS: usize = 128;
/// A local part shorter than this may stand in a password.
const SHORTEST_LOCAL_PART: usize = 3;
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

/// What was typed.
pub struct Attempt {
    /// Address, or local part.
    pub address: String,
    /// The password as it is.
    pub current: SecretString,
    /// The one that is wanted.
    pub new: SecretString,
    /// The same again.
    pub again: SecretString,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Address.
    Address,
    /// Current password.
    Current,
    /// New password.
    New,
    /// New password again.
    Again,
}

impl Field {
    /// Name and id of its input.
    pub fn id(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Current => "current",
            Self::New => "new",
            Self::Again => "again",
        }
    }
}

/// Something that has to be typed differently. It never quotes what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Where.
    pub field: Field,
    /// In Vietnamese.
    pub vi: &'static str,
    /// In English.
    pub en: &'static str,
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

const HOLDS_ADDRESS: Trouble = Trouble {
    field: Field::New,
    vi: "Mật khẩu mới chứa phần trước dấu @ của địa chỉ thư; vui lòng chọn mật khẩu khác.",
    en: "The new password contains the part of the address before the @; choose another one.",
};

/// Everything that has to be typed differently, as far as it can be told without the account.
fn troubles(attempt: &Attempt, address: Option<&str>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut say = |wrong: bool, field, vi, en| {
        if wrong {
            troubles.push(Trouble { field, vi, en });
        }
    };
    let empty = attempt.address.trim().is_empty();
    say(empty, Field::Address, "Vui lòng nhập địa chỉ thư điện tử.", "Enter your e-mail address.");
    say(
        !empty && address.is_none(),
        Field::Address,
        "Địa chỉ thư điện tử chưa đúng dạng; vui lòng nhập phần trước dấu @, dấu @ và tên miền, không có dấu cách.",
        "This is no e-mail address; enter what stands before the @, the @ and the domain, without blanks.",
    );
    let [current, new, again] = [&attempt.current, &attempt.new, &attempt.again].map(nfc);
    say(current.is_empty(), Field::Current, "Vui lòng nhập mật khẩu hiện tại.", "Enter your current password.");
    if new.is_empty() {
        say(true, Field::New, "Vui lòng nhập mật khẩu mới.", "Enter a new password.");
        return troubles;
    }
    for failure in password::check(&new) {
        say(true, Field::New, failure.message_vi, english(failure.code));
    }
    say(
        new.chars().count() > MAX_CHARACTERS,
        Field::New,
        "Mật khẩu mới dài hơn 128 ký tự; vui lòng đặt ngắn hơn.",
        "The new password has more than 128 characters; make it shorter.",
    );
    say(
        new.chars().any(char::is_control),
        Field::New,
        "Mật khẩu mới có ký tự điều khiển (ví dụ dấu Tab); vui lòng gõ lại.",
        "The new password has a control character, such as a tab; type it again.",
    );
    say(
        new == current,
        Field::New,
        "Mật khẩu mới trùng với mật khẩu hiện tại; vui lòng chọn mật khẩu khác.",
        "The new password is the current one; choose another one.",
    );
    say(address.is_some_and(|a| holds_local_part(&attempt.new, a)), Field::New, HOLDS_ADDRESS.vi, HOLDS_ADDRESS.en);
    say(
        new != again,
        Field::Again,
        "Hai lần nhập mật khẩu mới không giống nhau; vui lòng nhập lại.",
        "The two entries of the new password differ; type it again.",
    );
    troubles
}

/// What `password::check` says, as a sentence on a page.
fn english(code: &str) -> &'static str {
    match code {
        "TooShort" => "The new password has fewer than 8 characters; make it longer.",
        "NoUpper" => "The new password has no upper-case letter; add one.",
        "NoLower" => "The new password has no lower-case letter; add one.",
        "NoDigit" => "The new password has no digit; add one.",
        "NoSpecial" => "The new password has none of the characters ! @ # % $ * &; add one.",
        "PublicExample" => "This password is the example printed in the regulation; choose another one.",
        _ => "The new password does not follow Article 9, clause 2; choose another one.",
    }
}

fn nfc(text: &SecretString) -> String {
    text.expose_secret().nfc().collect()
}

fn holds_local_part(new: &SecretString, address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    local.chars().count() >= SHORTEST_LOCAL_PART && nfc(new).to_lowercase().contains(&local.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str, current: &str, new: &str, again: &str) -> Attempt {
        let [current, new, again] = [current, new, again].map(SecretString::from);
        Attempt { address: address.into(), current, new, again }
    }

    fn fields(attempt: &Attempt, address: Option<&str>) -> Vec<&'static str> {
        troubles(attempt, address).into_iter().map(|trouble| trouble.field.id()).collect()
    }

    #[test]
    fn r9_2_everything_that_is_missing_is_told_at_once_in_both_languages() {
        let found = troubles(&attempt("a.x@d.vn", "old", "abc", "abcd"), Some("a.x@d.vn"));
        let vi: Vec<&str> = found.iter().map(|t| t.vi).collect();
        assert_eq!(found.len(), 5, "{vi:?}");
        for part in ["8 ký tự", "in hoa", "chữ số", "đặc biệt", "không giống nhau"] {
            assert!(vi.iter().any(|text| text.contains(part)), "{part}: {vi:?}");
        }
        for (code, ..) in password::FAILURES {
            assert!(english(code).starts_with("Th") && !english(code).contains("Article"), "{code}");
        }
        assert_eq!(fields(&attempt("", "", "", ""), None), ["address", "current", "new"]);
        assert_eq!(fields(&attempt("a b", "x", "Abc@12345", "Abc@12345"), None), ["address"]);
    }

    #[test]
    fn d_18_the_new_password_differs_from_the_current_one_in_nfc() {
        let (composed, apart) = ("Mậtkhẩu@1", "Ma\u{323}\u{302}tkha\u{302}\u{309}u@1");
        assert_eq!(fields(&attempt("a.x@d.vn", composed, apart, composed), Some("a.x@d.vn")), ["new"]);
        assert!(
            fields(&attempt("a.x@d.vn", "old", apart, composed), Some("a.x@d.vn")).is_empty(),
            "typed twice, in two forms"
        );
    }

    #[test]
    fn r9_2_a_new_password_is_no_address_no_novel_and_has_no_control_characters() {
        let of = |new: &str| fields(&attempt("x", "old", new, new), Some("quynhhtn.stttt@d.vn"));
        assert_eq!(of("A1@QuynhHTN.stttt"), ["new"]);
        assert_eq!(of(&format!("Ab1@{}", "x".repeat(125))), ["new"]);
        assert!(of(&format!("Ab1@{}", "ế".repeat(124))).is_empty());
        assert_eq!(of("Abc@1\t2345"), ["new"]);
        assert!(!holds_local_part(&"Syt@12345".into(), "yt@d.vn"), "too short to mean anything");
    }
}
