//! When a certificate is renewed, and when one that was given is not used.

/// Times of a certificate, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second it is good for.
    pub not_before: i64,
    /// Last second it is good for.
    pub not_after: i64,
}

impl Validity {
    /// The moment from which a new one is made: when a third of its life is left.
    pub fn renew_at(self) -> i64 {
        self.not_after - (self.not_after - self.not_before) / 3
    }

    /// Whether a new one is due at `now`.
    pub fn renewal_due(self, now: i64) -> bool {
        now < self.not_before || now >= self.renew_at()
    }
}

/// Why a certificate that was given is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It names other hosts, these.
    OtherNames(Vec<String>),
    /// It is not good before this second.
    NotYet(i64),
    /// It was good up to this second.
    Ended(i64),
}

/// What keeps a certificate with these DNS names from serving `host` at `now`, in seconds since 1970.
pub fn fault(validity: Validity, names: &[String], host: &str, now: i64) -> Option<Fault> {
    if !names.iter().any(|name| covers(name, host)) {
        return Some(Fault::OtherNames(names.to_vec()));
    }
    if now < validity.not_before {
        return Some(Fault::NotYet(validity.not_before));
    }
    (now >= validity.not_after).then_some(Fault::Ended(validity.not_after))
}

/// A wildcard stands for the first label alone (RFC 9525 §6.3).
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        None => name.eq_ignore_ascii_case(host),
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_certificate_must_name_the_host_and_be_good_now() {
        let validity = Validity { not_before: 10, not_after: 20 };
        let check = |names: &[&str], now| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            fault(validity, &names, "mail.x.vn", now)
        };
        assert_eq!(check(&["mail.x.vn"], 10), None);
        assert_eq!(check(&["web.x.vn", "*.x.vn"], 19), None);
        assert_eq!(check(&["mail.x.vn"], 9), Some(Fault::NotYet(10)));
        assert_eq!(check(&["mail.x.vn"], 20), Some(Fault::Ended(20)));
        for other in ["x.vn", "*.vn", "*.mail.x.vn", "imap.x.vn"] {
            assert_eq!(check(&[other], 15), Some(Fault::OtherNames(vec![other.into()])), "{other}");
        }
        assert_eq!(check(&[], 15), Some(Fault::OtherNames(vec![])));
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
        let validity = Validity { not_before: 0, not_after: 90 };
        assert!(!validity.renewal_due(59));
        assert!(validity.renewal_due(60));
        assert!(validity.renewal_due(200));
        assert!(validity.renewal_due(-1), "not good yet: the clock jumped");
    }
}
