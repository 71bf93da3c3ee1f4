//! When to try again: exponential, bounded, with jitter so that many objects do not come back in phase.

use std::time::Duration;

/// `base · 2^(attempt-1)`, at most `cap`, spread by ±20 %; `chance` is uniform in `0.0..1.0`.
pub fn delay(attempt: u32, base: Duration, cap: Duration, chance: f64) -> Duration {
    let doubled = base.saturating_mul(1u32 << attempt.saturating_sub(1).min(20));
    doubled.min(cap).mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_stay_within_a_fifth() {
        let (base, cap) = (Duration::from_secs(1), Duration::from_secs(300));
        assert_eq!(delay(1, base, cap, 0.5), Duration::from_secs(1));
        assert_eq!(delay(4, base, cap, 0.5), Duration::from_secs(8));
        assert_eq!(delay(60, base, cap, 0.0), Duration::from_secs(240));
        assert_eq!(delay(60, base, cap, 1.0), Duration::from_secs(360));
    }
}
