//! When a certificate is renewed.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
        let validity = Validity { not_before: 0, not_after: 90 };
        assert!(!validity.renewal_due(59));
        assert!(validity.renewal_due(60));
        assert!(validity.renewal_due(200));
        assert!(validity.renewal_due(-1), "not good yet: the clock jumped");
    }
}
