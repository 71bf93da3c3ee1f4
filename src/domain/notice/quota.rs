//! When a mailbox is told that it is nearly full (D-17): once per upward crossing of a threshold, armed again far below.

/// The level of a mailbox that is full.
pub const FULL: u8 = 100;

/// Below this percentage a mailbox is told again, where nothing else is set (D-17).
pub const REARM: u8 = 75;

/// At what use of its storage a mailbox is told, in percent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    warn: Vec<u8>,
    rearm: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { warn: vec![80, 90, 95], rearm: REARM }
    }
}

/// Thresholds that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "D-17: quota thresholds are one to ten different percentages below 100, all above the one that arms them again"
)]
pub struct BadThresholds;

impl Thresholds {
    /// Told at each of `warn`, and when full; armed again below `rearm`.
    pub fn new(mut warn: Vec<u8>, rearm: u8) -> Result<Self, BadThresholds> {
        warn.sort_unstable();
        let different = warn.windows(2).all(|pair| pair[0] < pair[1]);
        let good = (1..=10).contains(&warn.len()) && different && warn[0] > rearm && warn.iter().all(|w| *w < FULL);
        if good && rearm > 0 { Ok(Self { warn, rearm }) } else { Err(BadThresholds) }
    }

    /// `last`: the level told last, 0 for none. The level to tell now, if any, and the one to remember. A jump over several
    /// tells the highest alone.
    pub fn cross(&self, last: u8, percent: u32) -> (Option<u8>, u8) {
        if percent < u32::from(self.rearm) {
            return (None, 0);
        }
        let reached = self.warn.iter().copied().chain([FULL]).rfind(|level| percent >= u32::from(*level)).unwrap_or(0);
        if reached > last { (Some(reached), reached) } else { (None, last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_17_each_threshold_is_told_once_and_a_jump_tells_the_highest() {
        let all = Thresholds::default();
        let mut level = 0;
        let mut told = |percent| {
            let (tell, next) = all.cross(level, percent);
            level = next;
            tell
        };
        let said: Vec<_> = [70, 96, 96, 85, 97, 100, 130, 75, 99].into_iter().filter_map(&mut told).collect();
        assert_eq!(said, [95, 100], "75 does not arm again");
        let said: Vec<_> = [74, 79, 80, 89, 90, 95, 99].into_iter().filter_map(&mut told).collect();
        assert_eq!(said, [80, 90, 95]);
    }

    #[test]
    fn d_17_thresholds_are_settings() {
        let other = Thresholds::new(vec![70, 50], 40).expect("good");
        assert_eq!(other.cross(0, 60), (Some(50), 50));
        for (warn, rearm) in [(vec![], 1), (vec![80, 80], 75), (vec![70], 75), (vec![100], 75), (vec![80], 0)] {
            assert_eq!(Thresholds::new(warn, rearm), Err(BadThresholds));
        }
    }

    #[test]
    fn d_17_between_two_armings_levels_only_rise_and_none_is_told_twice() {
        arbtest::arbtest(|u| {
            let all = Thresholds::default();
            let (mut level, mut highest) = (0, 0);
            for _ in 0..u.int_in_range(1..=60)? {
                let percent = u.int_in_range(0..=130_u32)?;
                let (tell, next) = all.cross(level, percent);
                if percent < 75 {
                    assert_eq!((tell, next), (None, 0));
                    highest = 0;
                } else {
                    // What holds now was told, now or before.
                    assert!(
                        [80, 90, 95, 100].iter().all(|l| percent < u32::from(*l) || next >= *l),
                        "{percent} {next}"
                    );
                    if let Some(told) = tell {
                        assert!(told > highest && percent >= u32::from(told), "{told} after {highest} at {percent}");
                        highest = told;
                    }
                    assert_eq!(next, highest);
                }
                level = next;
            }
            Ok(())
        });
    }
}
