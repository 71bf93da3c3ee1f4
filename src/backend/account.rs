//! One account of the projection.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Log in, send, receive.
    Open,
    /// Receive; mail protocols refuse until the password is changed (R9.1).
    MustChange,
    /// Receive only (R6.1).
    Locked,
    /// Nothing yet: senders are told to try again, 4.2.1.
    Pending,
    /// Nothing: mail is refused for good with 5.2.1, the mail store stays (D-14).
    Revoked,
}

impl Access {
    /// Whether nobody logs in, whatever the password is.
    pub fn is_shut(self) -> bool {
        matches!(self, Self::Locked | Self::Pending | Self::Revoked)
    }
}

/// One account as the mail server shall have it. The key is the name of the Mailbox: people keep it, addresses change.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Name of the Mailbox; also the folder of its mail.
    pub mailbox: String,
    /// Address.
    pub address: String,
    /// Further addresses.
    pub aliases: Vec<String>,
    /// `{ARGON2ID}$argon2id$…`; empty: nobody can log in.
    pub password_hash: String,
    /// What the holder may do.
    pub access: Access,
    /// Storage in bytes.
    pub quota_bytes: u64,
    /// Largest message in bytes.
    pub max_message_bytes: u64,
    /// Of a revoked account: who gets the mail of all its addresses; nobody, and it is refused, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
    /// When the account was issued, in Unix seconds: whatever has its name and another moment is somebody else. Unknown of some that are
    /// old, and of who may do nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<i64>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("mailbox", &self.mailbox)
            .field("address", &self.address)
            .field("aliases", &self.aliases)
            .field("access", &self.access)
            .field("quota_bytes", &self.quota_bytes)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("forward", &self.forward)
            .field("issued", &self.issued)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// The row of a Mailbox that is gone (D-14): nobody logs in, mail is refused, address and mail store stay taken.
    pub fn revoked(mailbox: &str, address: &str) -> Self {
        Self {
            mailbox: mailbox.into(),
            address: address.into(),
            aliases: Vec::new(),
            password_hash: String::new(),
            access: Access::Revoked,
            quota_bytes: 0,
            max_message_bytes: 0,
            forward: None,
            issued: None,
        }
    }

    /// The row of somebody of whom nothing but the addresses is known: nobody logs in, and senders try again.
    pub fn unknown(mailbox: &str, address: &str, aliases: Vec<String>) -> Self {
        Self { access: Access::Pending, aliases, ..Self::revoked(mailbox, address) }
    }

    /// Whether it is such a row.
    pub fn is_unknown(&self) -> bool {
        *self == Self::unknown(&self.mailbox, &self.address, self.aliases.clone())
    }

    /// The same, of an account that was issued then, unless nobody uses its folder.
    pub fn since(self, issued: Option<Timestamp>) -> Self {
        let issued = issued.map(Timestamp::as_second).filter(|_| self.access != Access::Revoked);
        Self { issued, ..self }
    }

    /// The row of a revoked account whose mail goes to `to`: that of its address, and of the aliases that it kept. With nobody to go to
    /// it is refused.
    pub fn forwarded(self, to: Option<String>) -> Self {
        let aliases = if to.is_some() { self.aliases.clone() } else { Vec::new() };
        Self { aliases, forward: to, ..Self::revoked(&self.mailbox, &self.address) }
    }

    /// A digest of everything in the account: equal digests, equal accounts.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let access = format!("{:?}", self.access);
        let (quota, message) = (self.quota_bytes.to_string(), self.max_message_bytes.to_string());
        for part in
            [&self.mailbox, &self.address, &self.aliases.join(","), &self.password_hash, &access, &quota, &message]
        {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        // Digests of what forwards nothing stay what they were.
        if let Some(to) = &self.forward {
            hash.update((to.len() as u64).to_be_bytes());
            hash.update(to.as_bytes());
        }
        // Nor of what is not known to be issued; no address has a blank.
        if let Some(issued) = self.issued {
            let issued = format!("issued {issued}");
            hash.update((issued.len() as u64).to_be_bytes());
            hash.update(issued.as_bytes());
        }
        hash.finalize().iter().take(12).map(|b| format!("{b:02x}")).collect()
    }
}

/// How every hash is written: both backends read that text, and a hash without its scheme would be taken as a plain
/// password by Dovecot.
pub const HASH_SCHEME: &str = "{ARGON2ID}";

/// A password hash that must not be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash does not parse as {{ARGON2ID}}$argon2id$…")]
pub struct InvalidHash;

/// Checks that a hash is what it says; nothing else is ever given to a backend.
pub fn check_hash(hash: &str) -> Result<(), InvalidHash> {
    let phc = hash.strip_prefix(HASH_SCHEME).ok_or(InvalidHash)?;
    let parsed = argon2::PasswordHash::new(phc).map_err(|_| InvalidHash)?;
    let whole = parsed.algorithm == argon2::ARGON2ID_IDENT && parsed.hash.is_some() && parsed.salt.is_some();
    let clean = phc.bytes().all(|b| b.is_ascii_graphic() && b != b'\'');
    (whole && clean).then_some(()).ok_or(InvalidHash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            mailbox: "nv-1".into(),
            address: "a@x.vn".into(),
            aliases: vec!["b@x.vn".into()],
            password_hash: "secret-hash".into(),
            access: Access::Open,
            quota_bytes: 1,
            max_message_bytes: 2,
            forward: None,
            issued: None,
        }
    }

    #[test]
    fn every_field_changes_the_digest() {
        let base = account().digest();
        let changes: [fn(&mut Account); 9] = [
            |a| a.mailbox.push('x'),
            |a| a.address.push('x'),
            |a| a.aliases.clear(),
            |a| a.password_hash.push('x'),
            |a| a.access = Access::Locked,
            |a| a.quota_bytes += 1,
            |a| a.max_message_bytes += 1,
            |a| a.forward = Some("c@x.vn".into()),
            |a| a.issued = Some(1),
        ];
        for change in changes {
            let mut other = account();
            change(&mut other);
            assert_ne!(other.digest(), base, "{other:?}");
        }
        assert_eq!(account().digest(), base);
    }

    #[test]
    fn a_digest_of_before_there_was_forwarding_still_counts() {
        assert_eq!(account().digest(), "48534bf99c6b95e132888c32");
        let old: Account = serde_json::from_value(serde_json::to_value(account()).expect("JSON")).expect("an account");
        let text = serde_json::to_string(&old).expect("JSON");
        assert!(old == account() && !text.contains("forward") && !text.contains("issued"));
    }

    #[test]
    fn r5_4_c_a_revoked_account_keeps_its_aliases_only_while_they_lead_somewhere() {
        let to = account().forwarded(Some("c@x.vn".into()));
        assert_eq!((to.access, to.aliases.len(), to.password_hash.as_str()), (Access::Revoked, 1, ""));
        assert_eq!(account().forwarded(None), Account::revoked("nv-1", "a@x.vn"));
    }

    #[test]
    fn r3_1_debug_prints_no_hash() {
        assert!(!format!("{:?}", account()).contains("secret-hash"));
    }

    #[test]
    fn only_a_whole_argon2id_hash_with_its_scheme_passes() {
        let good = "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
        assert_eq!(check_hash(good), Ok(()));
        for bad in [
            "",
            "plain",
            &good[10..],
            "{ARGON2ID}",
            "{PLAIN}x",
            "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
            "{ARGON2ID}$6$abc$def",
        ] {
            assert_eq!(check_hash(bad), Err(InvalidHash), "{bad}");
        }
    }
}
