//! Which addresses are somebody's before newcomers are looked at: claims, and what people wrote down.

use std::collections::HashMap;

use super::{Held, LocalPart, Use};

/// Addresses that somebody wrote into a Mailbox: pinned and further ones (D-21: before derivations).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    /// Name of the Mailbox.
    pub owner: &'a str,
    /// Full name of the holder.
    pub name: &'a str,
    /// Local parts as they were written; what is none is nobody's.
    pub local_parts: Vec<&'a str>,
}

/// Who has which address. What is claimed counts before what is written; of several who wrote one address down, the first by
/// name stands for all, whatever the order: it is nobody else's.
pub fn holdings<'a>(
    written: impl Iterator<Item = Written<'a>>,
    claimed: impl Iterator<Item = (LocalPart, Held)>,
) -> HashMap<LocalPart, Held> {
    let mut held: HashMap<LocalPart, Held> = HashMap::new();
    for Written { owner, name, local_parts } in written {
        for local in local_parts.iter().filter_map(|local| LocalPart::parse(local, "").ok()) {
            let new = || Held { owner: owner.into(), name: name.into(), address_use: Use::Primary, purged: None };
            let known = held.entry(local).or_insert_with(new);
            if owner < known.owner.as_str() {
                *known = new();
            }
        }
    }
    held.extend(claimed);
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_21_what_is_claimed_counts_and_the_order_does_not() {
        let wrote = |owner| Written { owner, name: "Lê An", local_parts: vec!["anl.snv", "no part"] };
        let local = || LocalPart::parse("anl.snv", "").unwrap();
        for order in [["nv-1", "nv-2"], ["nv-2", "nv-1"]] {
            let held = holdings(order.into_iter().map(wrote), std::iter::empty());
            assert_eq!((held.len(), held[&local()].owner.as_str()), (1, "nv-1"));
        }
        let claim = Held { owner: "nv-9".into(), name: "Lê An".into(), address_use: Use::Tombstone, purged: None };
        let held = holdings(["nv-1"].into_iter().map(wrote), [(local(), claim.clone())].into_iter());
        assert_eq!(held[&local()], claim);
    }
}
