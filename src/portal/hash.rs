//! Argon2 off the async runtime, with a bound on memory, and with one cost whatever stands in the Secret.
//!
//! Passwords that people chose cost m=19 MiB, t=2, p=1; those that we generated m=64 KiB, t=1; an unknown address has none at all. So each attempt
//! computes one of either cost: the one that is asked for, and the other for nothing.

use std::hint::black_box;
use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization;

use crate::backend::{HASH_SCHEME, check_hash};

/// Computations at once; each takes up to 64 MiB.
const AT_ONCE: usize = 2;
/// Attempts that wait for one of those places. Whoever comes then is told to come again.
const WAITING: usize = 64;
/// KiB, passes and lanes of a password that somebody chose.
const CHOSEN: (u32, u32, u32) = (19_456, 2, 1);
/// Of one that we generated.
const GENERATED: (u32, u32, u32) = (64, 1, 1);
/// More KiB and passes than this are not computed: somebody put a hash there to keep us busy.
const LARGEST: (u32, u32, u32) = (65_536, 6, 4);

/// Nothing was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComputed {
    /// Too many attempts at once.
    #[error("too many attempts at once")]
    Busy,
    /// A bug, or no memory.
    #[error("argon2 failed")]
    Failed,
}

/// Bounded places to compute in.
#[derive(Clone)]
pub struct Hasher {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::new(Semaphore::new(WAITING)) }
    }
}

/// A place among those who wait; it is taken before anything is read, so that a flood reads nothing.
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Hasher {
    /// A turn, or `Busy` at once.
    pub fn turn(&self) -> Result<Turn, NotComputed> {
        self.waiting.clone().try_acquire_owned().map(|permit| Turn { _permit: permit }).map_err(|_| NotComputed::Busy)
    }

    /// Whether `password` is the one of `hash`; without a hash never, after the same time.
    pub async fn verify(
        &self,
        turn: Turn,
        hash: Option<SecretString>,
        password: &SecretString,
    ) -> Result<bool, NotComputed> {
        let password = password.clone();
        self.compute(turn, move || verify(hash.as_ref(), &password)).await
    }

    /// A new hash of full cost, with its scheme.
    pub async fn make(&self, password: &SecretString) -> Result<String, NotComputed> {
        let password = password.clone();
        self.compute(self.turn()?, move || make(&password)).await?.ok_or(NotComputed::Failed)
    }

    async fn compute<T: Send + 'static>(
        &self,
        _turn: Turn,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotComputed> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| NotComputed::Failed)?;
        // The place is given back by the computation itself: it goes on when the client has left.
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|_| NotComputed::Failed)
    }
}

fn argon((memory, passes, lanes): (u32, u32, u32)) -> Option<Argon2<'static>> {
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory, passes, lanes, None).ok()?))
}

fn nfc(password: &SecretString) -> SecretString {
    SecretString::from(password.expose_secret().nfc().collect::<String>())
}

/// Computes for nothing.
fn burn(cost: (u32, u32, u32), password: &SecretString) {
    let mut out = [0; 32];
    if let Some(argon) = argon(cost) {
        let _ = black_box(argon.hash_password_into(password.expose_secret().as_bytes(), &[0; 16], &mut out));
    }
    black_box(out);
}

/// KiB, passes and lanes.
type Cost = (u32, u32, u32);

/// What is computed for nothing beside a hash of this cost, or beside none: all in all it is one chosen and one generated.
fn for_nothing(cost: Option<Cost>) -> Vec<Cost> {
    let whole = |(m, t, _): Cost| u64::from(m) * u64::from(t);
    match cost {
        None => vec![CHOSEN, GENERATED],
        Some(cost) if whole(cost) > whole(CHOSEN) / 2 => vec![GENERATED],
        Some(_) => vec![CHOSEN],
    }
}

/// A hash that is computed, and its cost; one that is none, or too large, is not.
fn computed(hash: Option<&SecretString>) -> Option<(PasswordHash<'_>, Cost)> {
    let phc = hash.map(ExposeSecret::expose_secret).filter(|hash| check_hash(hash).is_ok())?;
    let parsed = PasswordHash::new(phc.strip_prefix(HASH_SCHEME)?).ok()?;
    let cost = Params::try_from(&parsed).ok().map(|p| (p.m_cost(), p.t_cost(), p.p_cost()))?;
    (cost.0 <= LARGEST.0 && cost.1 <= LARGEST.1 && cost.2 <= LARGEST.2).then_some((parsed, cost))
}

fn verify(hash: Option<&SecretString>, password: &SecretString) -> bool {
    let password = nfc(password);
    let hash = computed(hash);
    let cost = hash.as_ref().map(|(_, cost)| *cost);
    let right = hash.is_some_and(|(parsed, cost)| {
        argon(cost).is_some_and(|argon| argon.verify_password(password.expose_secret().as_bytes(), &parsed).is_ok())
    });
    for_nothing(cost).into_iter().for_each(|cost| burn(cost, &password));
    right
}

/// A hash of full cost, with its scheme and a salt of its own (D-18: of the NFC form).
pub fn make(password: &SecretString) -> Option<String> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).ok()?;
    let hash = argon(CHOSEN)?.hash_password(nfc(password).expose_secret().as_bytes(), &salt).ok()?;
    Some(format!("{HASH_SCHEME}{hash}"))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn cheap(password: &str) -> SecretString {
        let salt = SaltString::encode_b64(&[1; 16]).expect("salt");
        let hash = argon(GENERATED).expect("argon2").hash_password(password.as_bytes(), &salt).expect("hash");
        secret(&format!("{HASH_SCHEME}{hash}"))
    }

    #[test]
    fn a_chosen_password_costs_19_mib_and_two_passes() {
        let hash = make(&secret("Mật khẩu@1")).expect("hash");
        assert!(hash.starts_with("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"), "{}", &hash[..40]);
        assert_eq!(check_hash(&hash), Ok(()));
    }

    #[test]
    fn d_18_what_is_typed_in_nfd_is_the_same_password() {
        let (composed, apart) = ("Mậtkhẩu@1", "Ma\u{323}\u{302}tkha\u{302}\u{309}u@1");
        assert_ne!(composed, apart);
        let hash = secret(&make(&secret(apart)).expect("hash"));
        for typed in [composed, apart] {
            assert!(verify(Some(&hash), &secret(typed)));
        }
        assert!(!verify(Some(&hash), &secret("Matkhau@1")));
    }

    #[test]
    fn a_generated_password_and_a_chosen_one_are_recognised_and_nothing_else() {
        let chosen = secret(&make(&secret("Abc@12345")).expect("hash"));
        for hash in [chosen, cheap("Abc@12345")] {
            assert!(verify(Some(&hash), &secret("Abc@12345")));
            assert!(!verify(Some(&hash), &secret("abc@12345")));
        }
        let plain = [secret("Abc@12345"), secret("{PLAIN}Abc@12345"), secret("")];
        for hash in plain.iter().map(Some).chain([None]) {
            assert!(!verify(hash, &secret("Abc@12345")));
        }
        let huge = "{ARGON2ID}$argon2id$v=19$m=4000000,t=9,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
        assert!(computed(Some(&secret(huge))).is_none(), "it is not computed");
        assert!(!verify(Some(&secret(huge)), &secret("Abc@12345")));
    }

    #[test]
    fn unknown_generated_and_chosen_cost_the_same() {
        let (chosen, generated) = (secret(&make(&secret("Abc@12345")).expect("hash")), cheap("Abc@12345"));
        let all = |hash: Option<&SecretString>| {
            let own = computed(hash).map(|(_, cost)| cost);
            let mut all: Vec<Cost> = own.into_iter().chain(for_nothing(own)).collect();
            all.sort_unstable();
            all
        };
        for hash in [Some(&chosen), Some(&generated), None] {
            assert_eq!(all(hash), [GENERATED, CHOSEN]);
        }
    }

    #[tokio::test]
    async fn more_than_can_wait_are_sent_away_at_once() {
        let hasher = Hasher::default();
        let password = secret("x");
        let turns: Vec<_> = (0..WAITING + 9).map(|_| hasher.turn()).collect();
        assert_eq!(turns.iter().filter(|turn| turn.is_err()).count(), 9);
        drop(turns);
        let turn = hasher.turn().expect("and then it goes on");
        assert_eq!(hasher.verify(turn, None, &password).await, Ok(false));
    }
}
