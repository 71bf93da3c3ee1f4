//! A token bucket: so many at once, then so many a minute.

use std::time::Duration;

/// Tokens that are used up and come back with time.
#[derive(Clone, Debug)]
pub struct Bucket {
    size: f64,
    per_minute: f64,
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket of `size` tokens that gets `per_minute` back.
    pub fn new(size: u32, per_minute: u32) -> Self {
        let size = f64::from(size);
        Self { size, per_minute: f64::from(per_minute), tokens: size, at: Duration::ZERO }
    }

    /// Takes a token at `now` (since any fixed moment) if more than `spare` would stay for others.
    pub fn take(&mut self, now: Duration, spare: u32) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.tokens = (self.tokens + passed * self.per_minute / 60.0).min(self.size);
        let taken = self.tokens >= f64::from(spare) + 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, second: u64, spare: u32) -> usize {
        (0..1000).filter(|_| bucket.take(Duration::from_secs(second), spare)).count()
    }

    #[test]
    fn a_burst_is_bounded_and_the_rest_comes_with_time() {
        let mut bucket = Bucket::new(100, 60);
        assert_eq!(taken(&mut bucket, 5, 0), 100);
        assert_eq!(taken(&mut bucket, 5, 0), 0);
        assert_eq!(taken(&mut bucket, 15, 0), 10);
        assert_eq!(taken(&mut bucket, 10, 0), 0, "a clock that goes back gives nothing");
        assert_eq!(taken(&mut bucket, 100_000, 0), 100, "never more than its size");
    }

    #[test]
    fn some_are_spared_for_what_matters_more() {
        let mut bucket = Bucket::new(100, 60);
        assert_eq!(taken(&mut bucket, 0, 20), 80);
        assert_eq!(taken(&mut bucket, 0, 0), 20);
    }
}
