//! Whom revoked accounts name as successors, the other way round: a change of one is a change for those who name it, and for those who
//! name these.

use std::collections::{BTreeSet, HashMap};

use crate::domain::successor::{Heir, MOST};

/// Successors and who names them.
#[derive(Default)]
pub struct Heirs {
    named_by: HashMap<String, BTreeSet<String>>,
    /// What each Mailbox was last that is named by somebody, or names somebody.
    known: HashMap<String, Heir>,
}

impl Heirs {
    /// A mailbox is this now, or gone. Those whose mail may go elsewhere because of it; nobody when nothing of it changed.
    pub fn set(&mut self, mailbox: &str, heir: Option<Heir>) -> BTreeSet<String> {
        let heir = heir.filter(|heir| heir.successor.is_some() || self.named_by.contains_key(mailbox));
        let old = self.known.get(mailbox);
        // One that is gone may be in no cache that it was in before, so its absence is always news to who names it.
        if heir.is_some() && old == heir.as_ref() {
            return BTreeSet::new();
        }
        let before = old.and_then(|old| old.successor.clone());
        let after = heir.as_ref().and_then(|heir| heir.successor.clone());
        if before != after {
            self.unname(mailbox, before.as_deref());
            if let Some(after) = after {
                self.named_by.entry(after).or_default().insert(mailbox.into());
            }
        }
        match heir {
            Some(heir) => self.known.insert(mailbox.into(), heir),
            None => self.known.remove(mailbox),
        };
        self.who_name(mailbox)
    }

    /// Everybody who is named, for a look after a list that tells of no deletions.
    pub fn named(&self) -> Vec<String> {
        self.named_by.keys().cloned().collect()
    }

    fn unname(&mut self, mailbox: &str, successor: Option<&str>) {
        if let Some(successor) = successor
            && let Some(set) = self.named_by.get_mut(successor)
        {
            set.remove(mailbox);
            if set.is_empty() {
                self.named_by.remove(successor);
            }
        }
    }

    /// Who names it, and who names these, as far as successors are followed.
    fn who_name(&self, mailbox: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut names = vec![mailbox.to_string()];
        for _ in 0..MOST {
            let next = names.iter().filter_map(|name| self.named_by.get(name)).flatten();
            names = next.filter(|name| name.as_str() != mailbox).cloned().collect();
            names.retain(|name| all.insert(name.clone()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heir(address: &str, revoked: bool, successor: Option<&str>) -> Option<Heir> {
        Some(Heir { address: Some(address.into()), revoked, successor: successor.map(String::from) })
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn r5_4_c_whoever_names_a_successor_follows_its_changes_and_nobody_else_does() {
        let mut heirs = Heirs::default();
        assert_eq!(heirs.set("a", heir("a", true, Some("b"))), names(&[]));
        assert_eq!(heirs.set("z", heir("z", false, None)), names(&[]));
        assert_eq!(heirs.set("b", heir("b", false, None)), names(&["a"]), "it is there now");
        assert_eq!(heirs.set("b", heir("b", false, None)), names(&[]), "nothing changed");
        assert_eq!(heirs.set("b", heir("b2", false, None)), names(&["a"]), "another address");
        assert_eq!(heirs.set("b", heir("b2", true, Some("c"))), names(&["a"]), "revoked");
        assert_eq!(heirs.set("c", heir("c", false, None)), names(&["a", "b"]), "and theirs");
        assert_eq!(heirs.set("a", heir("a", true, None)), names(&[]));
        assert_eq!(heirs.set("c", None), names(&["b"]), "gone");
        assert_eq!(heirs.named(), ["c"]);
        heirs.set("b", None);
        assert!(heirs.named().is_empty());
    }

    #[test]
    fn r5_4_c_a_successor_that_was_there_before_anybody_named_it_is_followed_too() {
        let mut heirs = Heirs::default();
        assert_eq!(heirs.set("b", heir("b", false, None)), names(&[]));
        assert!(heirs.known.is_empty(), "of most nobody is anybody's successor");
        heirs.set("a", heir("a", true, Some("b")));
        assert_eq!(heirs.set("b", None), names(&["a"]));
        heirs.set("b", heir("b", false, None));
        assert_eq!(heirs.set("b", heir("b", true, None)), names(&["a"]));
    }

    #[test]
    fn r5_4_c_circles_end_and_so_do_long_chains() {
        let mut heirs = Heirs::default();
        heirs.set("a", heir("a", true, Some("b")));
        heirs.set("b", heir("b", true, Some("a")));
        assert_eq!(heirs.set("a", heir("a", false, Some("b"))), names(&["b"]));
        let mut heirs = Heirs::default();
        for i in 1..=2 * MOST {
            heirs.set(&format!("n{i:02}"), heir("x", true, Some(&format!("n{:02}", i - 1))));
        }
        assert_eq!(heirs.set("n00", heir("x", false, None)).len(), MOST);
    }
}
