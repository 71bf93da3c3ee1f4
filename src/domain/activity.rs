//! For which time it is proven that nothing is missing in what the mail server tells of use (D-16). Clocks that rest on use run out only
//! where this covers their whole term.
//!
//! The proof is a beat: a login that fails on purpose and has to show up where logins are told. Between two beats nothing was lost when
//! the same process told both, or when they are close together, or when no mail server ran in between.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Two beats that are no further apart prove the time between them, whatever was restarted.
pub const CLOSE: SignedDuration = SignedDuration::from_mins(15);
/// A clock that was set by more than this.
pub const JUMP: SignedDuration = SignedDuration::from_mins(5);
/// The mail server starts at most so long before who watches it, when both start together.
const TOGETHER: SignedDuration = SignedDuration::from_mins(1);

/// A time in which nothing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complete {
    /// From when.
    pub from: Timestamp,
    /// Through when.
    pub through: Timestamp,
}

/// One beat that the mail server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When it was sent, by the clock of the wall.
    pub sent_at: Timestamp,
    /// Whether it showed up.
    pub seen: bool,
    /// When the process that tells of logins was started; unknown where it does not say.
    pub teller_started: Option<Timestamp>,
    /// When the watcher was started.
    pub watcher_started: Timestamp,
    /// Whether the clock of the wall was set since the last beat.
    pub jumped: bool,
}

/// What is proven after a beat.
pub fn after(known: Option<Complete>, beat: &Beat) -> Option<Complete> {
    if !beat.seen {
        return None;
    }
    let anew = Complete { from: beat.sent_at, through: beat.sent_at };
    let Some(known) = known.filter(|_| !beat.jumped) else { return Some(anew) };
    let gap = beat.sent_at.duration_since(known.through);
    let same_teller = beat.teller_started.is_some_and(|at| at <= known.through);
    let begins = beat.watcher_started.checked_sub(TOGETHER).unwrap_or(Timestamp::MIN);
    let came_together = beat.teller_started.is_some_and(|at| at >= begins && beat.watcher_started >= known.through);
    let proven = gap >= -JUMP && (gap <= CLOSE || same_teller || came_together);
    Some(if proven { Complete { through: known.through.max(beat.sent_at), ..known } } else { anew })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    fn beat(minutes: i64) -> Beat {
        Beat { sent_at: at(minutes), seen: true, teller_started: None, watcher_started: at(-100), jumped: false }
    }

    fn known() -> Complete {
        Complete { from: at(0), through: at(60) }
    }

    #[test]
    fn d_16_beats_that_follow_one_another_prove_the_time_between_them() {
        assert_eq!(after(None, &beat(5)), Some(Complete { from: at(5), through: at(5) }));
        assert_eq!(after(Some(known()), &beat(61)), Some(Complete { from: at(0), through: at(61) }));
        assert_eq!(after(Some(known()), &beat(75)), Some(Complete { from: at(0), through: at(75) }));
        assert_eq!(after(Some(known()), &beat(76)), Some(Complete { from: at(76), through: at(76) }));
    }

    #[test]
    fn d_16_a_beat_that_does_not_show_up_ends_what_was_proven() {
        assert_eq!(after(Some(known()), &Beat { seen: false, ..beat(61) }), None);
    }

    #[test]
    fn d_16_a_watcher_that_was_away_lost_nothing_if_the_same_process_told_all_the_time() {
        let away = Beat { watcher_started: at(500), ..beat(501) };
        assert_eq!(after(Some(known()), &Beat { teller_started: Some(at(30)), ..away }).unwrap().from, at(0));
        // One that was started in between, and not with the watcher, may have told of something before.
        assert_eq!(after(Some(known()), &Beat { teller_started: Some(at(400)), ..away }).unwrap().from, at(501));
        assert_eq!(after(Some(known()), &Beat { teller_started: None, ..away }).unwrap().from, at(501));
    }

    #[test]
    fn d_16_a_pod_that_was_down_as_a_whole_lost_nothing() {
        let back = Beat { watcher_started: at(500), teller_started: Some(at(500)), ..beat(501) };
        assert_eq!(after(Some(known()), &back).unwrap(), Complete { from: at(0), through: at(501) });
    }

    #[test]
    fn d_16_a_clock_that_was_set_proves_nothing_of_the_time_before() {
        assert_eq!(after(Some(known()), &Beat { jumped: true, ..beat(61) }).unwrap().from, at(61));
        assert_eq!(after(Some(known()), &beat(50)).unwrap().from, at(50));
        assert_eq!(after(Some(known()), &beat(58)).unwrap(), known());
    }
}
