//! Whether two clocks tell one time. What clocks lead to (locks, revocations) rests on the operator's; a second one bears witness that
//! it is not months ahead.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Clocks that are further apart than this do not tell one time: NTP keeps them within a second.
pub const APART: SignedDuration = SignedDuration::from_mins(5);

/// By how much `ours` is ahead of `theirs` (behind: negative), if they do not tell one time.
pub fn apart(ours: Timestamp, theirs: Timestamp) -> Option<SignedDuration> {
    let ahead = ours.duration_since(theirs);
    (ahead.abs() > APART).then_some(ahead)
}

/// So much in whole days, hours or minutes: the same text while the difference lasts.
pub fn words(difference: SignedDuration) -> String {
    let hours = difference.as_hours().abs();
    match hours {
        0 | 1 => format!("{} minutes", difference.as_mins().abs()),
        2..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_16_clocks_that_differ_by_more_than_five_minutes_do_not_tell_one_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-03-01T00:00:00Z");
        assert_eq!(apart(now, at("2026-03-01T00:05:00Z")), None);
        assert_eq!(apart(at("2026-03-01T00:05:00Z"), now), None);
        let behind = apart(now, at("2026-03-01T00:05:01Z")).unwrap();
        assert_eq!((behind.is_negative(), words(behind)), (true, "5 minutes".to_string()));
        assert_eq!(words(apart(at("2026-03-01T03:30:00Z"), now).unwrap()), "3 hours");
        assert_eq!(words(apart(at("2026-06-01T00:00:00Z"), now).unwrap()), "92 days");
    }
}
