//! The brake (D-15): automation that would act on too many accounts at once stops and waits for a person.

/// Limits of the brake: more than `max(max, percent % of all)` is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many are always allowed.
    pub max: usize,
    /// Percent of all accounts that are allowed.
    pub percent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max: 20, percent: 2 }
    }
}

impl Limits {
    /// How many of `total` accounts may be acted on.
    pub fn limit(self, total: usize) -> usize {
        self.max.max(total.saturating_mul(self.percent) / 100)
    }
}

/// Whether `wanted` of `total` accounts may be acted on.
pub fn allows(limits: Limits, wanted: usize, total: usize) -> bool {
    wanted <= limits.limit(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_15_twenty_or_two_percent_whichever_is_more() {
        let limits = Limits::default();
        assert!(allows(limits, 20, 100));
        assert!(!allows(limits, 21, 100));
        assert!(allows(limits, 400, 20_000));
        assert!(!allows(limits, 401, 20_000));
    }
}
