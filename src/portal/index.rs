//! From what somebody types to a mailbox.

use std::collections::{BTreeSet, HashMap};

use unicode_normalization::UnicodeNormalization;

/// The longest address (RFC 5321, 4.5.3.1.3).
const MAX_OCTETS: usize = 254;

/// The one form of an address: trimmed, NFC, lower case, with the domain where only the local part was typed.
pub fn form(typed: &str, domain: &str) -> Option<String> {
    let text: String = typed.trim().nfc().collect::<String>().to_lowercase();
    let address = if text.contains('@') { text } else { format!("{text}@{domain}") };
    let (local, host) = address.split_once('@')?;
    let good = !local.is_empty() && !host.is_empty() && !host.contains('@') && address.len() <= MAX_OCTETS;
    (good && !address.contains(|c: char| c.is_whitespace() || c.is_control())).then_some(address)
}

/// Mailboxes by their addresses.
#[derive(Default)]
pub struct Index {
    mailboxes: HashMap<String, BTreeSet<String>>,
    addresses: HashMap<String, Vec<String>>,
}

impl Index {
    /// A mailbox has these addresses and no others.
    pub fn set(&mut self, mailbox: &str, addresses: Vec<String>) {
        if self.addresses.get(mailbox) == Some(&addresses) {
            return;
        }
        self.forget(mailbox);
        for address in &addresses {
            self.mailboxes.entry(address.clone()).or_default().insert(mailbox.into());
        }
        if !addresses.is_empty() {
            self.addresses.insert(mailbox.into(), addresses);
        }
    }

    /// A mailbox is gone.
    pub fn forget(&mut self, mailbox: &str) {
        for address in self.addresses.remove(mailbox).unwrap_or_default() {
            if let Some(set) = self.mailboxes.get_mut(&address) {
                set.remove(mailbox);
                if set.is_empty() {
                    self.mailboxes.remove(&address);
                }
            }
        }
    }

    /// Forgets everybody, before a new list.
    pub fn clear(&mut self) {
        self.mailboxes.clear();
        self.addresses.clear();
    }

    /// Whose address it is. While it goes from one to another, two statuses may name it for a moment: then it is nobody's, since
    /// the password of one must not open the other.
    pub fn mailbox(&self, address: &str) -> Option<&str> {
        let set = self.mailboxes.get(address)?;
        if set.len() == 1 { set.first().map(String::as_str) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r3_4_an_address_is_found_in_any_case_and_form() {
        for typed in ["QuynhHTN.stttt@GiaLai.gov.vn", "  quynhhtn.stttt@gialai.gov.vn \n", "quynhhtn.stttt"] {
            assert_eq!(form(typed, "gialai.gov.vn").as_deref(), Some("quynhhtn.stttt@gialai.gov.vn"), "{typed}");
        }
        assert_eq!(form("Que\u{302}\u{301}@x", "d"), form("quế@x", "d"), "NFD and NFC");
        for typed in ["", "  ", "@x.vn", "a@", "a@b@c", "a b@x.vn", "a\u{0}@x.vn", &"a".repeat(300)] {
            assert_eq!(form(typed, "gialai.gov.vn"), None, "{typed:?}");
        }
    }

    #[test]
    fn aliases_lead_to_their_mailbox_and_follow_it() {
        let mut index = Index::default();
        index.set("nv-1", vec!["a@x".into(), "b@x".into()]);
        assert_eq!((index.mailbox("a@x"), index.mailbox("b@x")), (Some("nv-1"), Some("nv-1")));
        index.set("nv-1", vec!["c@x".into(), "a@x".into()]);
        assert_eq!((index.mailbox("b@x"), index.mailbox("c@x")), (None, Some("nv-1")));
        index.forget("nv-1");
        assert_eq!(index.mailbox("a@x"), None);
        assert!(index.mailboxes.is_empty() && index.addresses.is_empty());
    }

    #[test]
    fn an_address_that_two_statuses_name_is_nobodys_until_one_lets_go() {
        let mut index = Index::default();
        index.set("nv-1", vec!["a@x".into()]);
        index.set("nv-2", vec!["a@x".into()]);
        assert_eq!(index.mailbox("a@x"), None);
        index.forget("nv-1");
        assert_eq!(index.mailbox("a@x"), Some("nv-2"));
    }
}
