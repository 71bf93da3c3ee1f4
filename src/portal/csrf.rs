//! That a form was asked for here, by this browser: a cookie with a random seed that no other site's request carries
//! (SameSite=Strict, `__Host-`), and in the form a token that signs seed and time.
//!
//! The key comes from the private key of the certificate, which every replica has, so that it does not matter which of them answers.

use std::sync::{PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::jiff::Timestamp;
use ring::hmac::{self, HMAC_SHA256, Key};
use secrecy::{ExposeSecret, SecretString};

/// Name of the cookie; browsers take `__Host-` only over TLS, for this host alone.
pub const COOKIE: &str = "__Host-mat-khau";
/// A form may stay open for so many seconds.
const OPEN: i64 = 2 * 3600;
const SEED: usize = 24;

/// Signs forms. Without a key nothing it signs is ever right.
#[derive(Default)]
pub struct Csrf {
    /// The newest first, and the one before it: forms that are open stay good when the certificate is renewed.
    keys: RwLock<Vec<([u8; 32], Key)>>,
}

impl Csrf {
    /// The key of the certificate that is served from now on.
    pub fn set(&self, private_key: &SecretString) {
        let root = Key::new(HMAC_SHA256, private_key.expose_secret().as_bytes());
        let tag = hmac::sign(&root, b"mail-operator portal: forms, version 1");
        let Ok(raw) = <[u8; 32]>::try_from(tag.as_ref()) else { return };
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.first().is_some_and(|(known, _)| *known == raw) {
            return;
        }
        keys.insert(0, (raw, Key::new(HMAC_SHA256, &raw)));
        keys.truncate(2);
    }

    /// A new seed, for the cookie.
    pub fn seed() -> String {
        URL_SAFE_NO_PAD.encode(rand::random::<[u8; SEED]>())
    }

    /// The token of a form that is shown at `now`.
    pub fn token(&self, seed: &str, now: Timestamp) -> Option<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let at = now.as_second().to_be_bytes();
        let tag = hmac::sign(&keys.first()?.1, &message(seed, at));
        Some(URL_SAFE_NO_PAD.encode([&at, tag.as_ref()].concat()))
    }

    /// Whether a token was made here for this seed, not too long before `now`.
    pub fn holds(&self, seed: &str, token: &str, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((at, tag)) = bytes.split_first_chunk::<8>() else { return false };
        let age = now.as_second().saturating_sub(i64::from_be_bytes(*at));
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let signed = keys.iter().any(|(_, key)| hmac::verify(key, &message(seed, *at), tag).is_ok());
        signed && is_seed(seed) && (-60..=OPEN).contains(&age)
    }
}

fn message(seed: &str, at: [u8; 8]) -> Vec<u8> {
    [&at, seed.as_bytes()].concat()
}

fn is_seed(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == SEED)
}

/// The seed in a Cookie header, if there is one.
pub fn seed_of(cookies: &str) -> Option<&str> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == COOKIE).map(|(_, seed)| seed).filter(|seed| is_seed(seed))
}

/// The Set-Cookie header of a seed.
pub fn set_cookie(seed: &str) -> String {
    format!("{COOKIE}={seed}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

/// Whether a request to change something comes from our own page: `Origin` names this host, and the browser does not say that
/// another site sent it.
pub fn same_origin(origin: Option<&str>, fetch_site: Option<&str>, host: Option<&str>, hostname: &str) -> bool {
    if fetch_site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(authority) = origin.and_then(|origin| origin.strip_prefix("https://")) else { return false };
    let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
    host == Some(authority) || name == hostname
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).expect("a time")
    }

    fn csrf(key: &str) -> Csrf {
        let csrf = Csrf::default();
        csrf.set(&SecretString::from(key));
        csrf
    }

    #[test]
    fn a_token_is_good_for_its_seed_its_time_and_on_every_replica() {
        let (here, there, seed) = (csrf("key"), csrf("key"), Csrf::seed());
        let token = here.token(&seed, at(0)).expect("a token");
        assert!(there.holds(&seed, &token, at(OPEN)));
        assert!(!there.holds(&seed, &token, at(OPEN + 1)), "too old");
        assert!(!there.holds(&seed, &token, at(-61)), "of the future");
        assert!(!there.holds(&Csrf::seed(), &token, at(0)), "of another browser");
        assert!(!csrf("other").holds(&seed, &token, at(0)), "signed by somebody else");
        let mut forged = token.clone().into_bytes();
        forged[0] ^= 1;
        assert!(!here.holds(&seed, &String::from_utf8_lossy(&forged), at(0)));
        for nonsense in ["", "AAAA", "%%%", &token[..20]] {
            assert!(!here.holds(&seed, nonsense, at(0)), "{nonsense}");
        }
        assert!(!here.holds("", &here.token("", at(0)).expect("a token"), at(0)), "no seed at all");
    }

    #[test]
    fn an_open_form_outlives_one_new_certificate_and_not_two() {
        let (csrf, seed) = (csrf("old"), Csrf::seed());
        let token = csrf.token(&seed, at(0)).expect("a token");
        csrf.set(&SecretString::from("new"));
        csrf.set(&SecretString::from("new"));
        assert!(csrf.holds(&seed, &token, at(1)));
        csrf.set(&SecretString::from("newer"));
        assert!(!csrf.holds(&seed, &token, at(1)));
    }

    #[test]
    fn without_a_key_nothing_is_signed() {
        let csrf = Csrf::default();
        assert_eq!(csrf.token(&Csrf::seed(), at(0)), None);
        assert!(!csrf.holds(&Csrf::seed(), "AAAAAAAAAAAA", at(0)));
    }

    #[test]
    fn the_cookie_is_read_among_others_and_kept_from_scripts_and_other_sites() {
        let seed = Csrf::seed();
        assert_eq!(seed_of(&format!("a=b; {COOKIE}={seed}; c=d")), Some(seed.as_str()));
        assert_eq!(seed_of(&format!("{COOKIE}=short")), None);
        let cookie = set_cookie(&seed);
        for part in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{part}");
        }
    }

    #[test]
    fn only_our_own_page_may_send_the_form() {
        let host = Some("mail.x.vn:8443");
        let good = |origin, site| same_origin(origin, site, host, "mail.x.vn");
        assert!(good(Some("https://mail.x.vn:8443"), Some("same-origin")));
        assert!(good(Some("https://mail.x.vn"), None), "behind a proxy on another port");
        for origin in [
            None,
            Some("null"),
            Some("https://evil.vn"),
            Some("http://mail.x.vn:8443"),
            Some("https://mail.x.vn.evil.vn"),
        ] {
            assert!(!good(origin, None), "{origin:?}");
        }
        assert!(!good(Some("https://mail.x.vn:8443"), Some("cross-site")));
    }
}
