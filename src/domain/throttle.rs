//! How often the current password may be wrong on the password page.
//!
//! Three counters bound guessing, each with some free attempts, a wait that doubles with every further one up to a longest,
//! and a level that sinks with time:
//!
//! | Counter | Stops | Longest wait |
//! |---|---|---|
//! | address from one source | one outsider who tries passwords of one holder | 1 h |
//! | source, all addresses | one outsider who tries one password of many holders | 1 h |
//! | address, all sources | many sources that share the work on one holder | 15 min |
//!
//! **A wait by address must not lock a holder out for ever.** The third counter is the only one that strangers can fill for
//! somebody, and to give it up would let a thousand machines have a thousand times the guesses. So it is weighed like this: it
//! never touches mail itself, which goes on with the password as it is; its wait is a quarter of an hour at most and begins
//! only after twice as many attempts as one source has for free, so one outsider is stopped by the first counter before
//! the third one fills; and a source from which this holder gave the right password within 90 days is not bound by it. Who
//! is kept waiting none the less comes from a new place while an attack is going on, is told for how long, and the log names the
//! mailbox. All attackers together then have some six attempts an hour.
//!
//! An attempt is counted before its password is looked at, so that a thousand at once are a thousand, and given back when it
//! was right. Counters stand in tables of fixed size, found by three keyed hashes of which the lowest level counts: **nothing is ever
//! put out to make room**, so nobody can have a counter forgotten by filling the memory, and without the key nobody can aim
//! at somebody else's. Strangers who share all three cells of a holder by chance make that holder wait; with 10,000
//! waiting attackers at once that hits one in 280.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Cells of a row; a power of two.
const CELLS: usize = 1 << 16;
const ROWS: usize = 3;
/// Sources that holders came from with the right password; only a right password adds one.
const PROVEN: usize = 50_000;
const PROOF: Duration = Duration::from_secs(90 * 86_400);

/// What one counter allows.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Attempts without a wait.
    free: f64,
    /// The wait after the first attempt beyond those.
    first: Duration,
    /// No wait is longer.
    longest: Duration,
    /// Time in which one attempt is forgotten.
    forget: Duration,
}

const PAIR: Limits = Limits { free: 5.0, first: secs(30), longest: secs(3600), forget: secs(900) };
/// An agency behind one address has many who mistype on a Monday.
const SOURCE: Limits = Limits { free: 40.0, first: secs(30), longest: secs(3600), forget: secs(60) };
const ADDRESS: Limits = Limits { free: 10.0, first: secs(60), longest: secs(900), forget: secs(600) };

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Whose attempt has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// This address from this source.
    Pair,
    /// This source.
    Source,
    /// This address, from sources that never gave its password.
    Address,
}

impl By {
    /// For logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pair => "address-from-source",
            Self::Source => "source",
            Self::Address => "address",
        }
    }
}

/// An attempt that was refused before its password was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Until when, since the same moment as `now`.
    pub until: Duration,
    /// Which counter says so.
    pub by: By,
}

/// An attempt that was let through and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Further attempts have to wait from now on, by these counters; to be logged.
    pub lockout: Option<By>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    level: f32,
    /// Milliseconds.
    at: u64,
    until: u64,
}

impl Cell {
    fn sink(&mut self, now: u64, limits: &Limits) {
        let passed = now.saturating_sub(self.at) as f64;
        self.level = (f64::from(self.level) - passed / limits.forget.as_millis() as f64).max(0.0) as f32;
        self.at = self.at.max(now);
    }
}

/// Counters of one kind.
struct Table {
    limits: Limits,
    rows: Vec<Cell>,
}

/// Where the counters of a key are.
type Places = [usize; ROWS];

impl Table {
    fn new(limits: Limits) -> Self {
        Self { limits, rows: vec![Cell::default(); CELLS * ROWS] }
    }

    fn until(&self, places: &Places) -> u64 {
        places.iter().map(|at| self.rows[*at].until).min().unwrap_or(0)
    }

    /// Counts one; tells whether the next has to wait.
    fn charge(&mut self, places: &Places, now: u64) -> bool {
        let limits = self.limits;
        for at in places {
            self.rows[*at].sink(now, &limits);
        }
        let level = places.iter().map(|at| self.rows[*at].level).fold(f32::MAX, f32::min) + 1.0;
        let beyond = f64::from(level) - limits.free;
        // Levels above that of the longest wait would only take longer to sink.
        let top = limits.free as f32 + 12.0;
        let until = now + wait(&limits, beyond).as_millis() as u64;
        for at in places {
            let cell = &mut self.rows[*at];
            cell.level = cell.level.max(level.min(top));
            cell.until = cell.until.max(until);
        }
        until > now
    }

    /// Gives one back.
    fn refund(&mut self, places: &Places, now: u64) {
        let limits = self.limits;
        for at in places {
            let cell = &mut self.rows[*at];
            cell.sink(now, &limits);
            cell.level = (cell.level - 1.0).max(0.0);
            if f64::from(cell.level) <= limits.free {
                cell.until = cell.until.min(now);
            }
        }
    }

    /// Forgets a key.
    fn clear(&mut self, places: &Places) {
        for at in places {
            self.rows[*at] = Cell { at: self.rows[*at].at, ..Cell::default() };
        }
    }
}

fn wait(limits: &Limits, beyond: f64) -> Duration {
    if beyond <= 0.0 {
        return Duration::ZERO;
    }
    let doublings = (beyond.ceil() as u32).saturating_sub(1).min(16);
    limits.first.saturating_mul(1 << doublings).min(limits.longest)
}

/// The network that counts as one source: an IPv4 address, or the /64 that one customer of IPv6 has.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// All counters of a process. `now` is the time since any fixed moment.
pub struct Throttle {
    key: [u8; 16],
    pairs: Table,
    sources: Table,
    addresses: Table,
    /// Hash of address and source → when it was proven, in milliseconds.
    proven: HashMap<u64, u64>,
}

impl Throttle {
    /// Empty counters. Nobody else may know the key.
    pub fn new(key: [u8; 16]) -> Self {
        let (pairs, sources, addresses) = (Table::new(PAIR), Table::new(SOURCE), Table::new(ADDRESS));
        Self { key, pairs, sources, addresses, proven: HashMap::new() }
    }

    fn hash(&self, row: usize, what: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.key, row, what).hash(&mut hasher);
        hasher.finish()
    }

    fn places(&self, what: impl Hash + Copy) -> Places {
        std::array::from_fn(|row| row * CELLS + (self.hash(row, what) as usize & (CELLS - 1)))
    }

    /// Whether an attempt on `address` (in its one form) from `source` may be made; it is counted if so.
    pub fn admit(&mut self, address: &str, source: IpAddr, now: Duration) -> Result<Admitted, Wait> {
        let now = millis(now);
        let (pair, from, whole) = (self.places((address, source)), self.places(source), self.places(address));
        let known = self.is_proven(address, source, now);
        let waits = [
            (By::Source, self.sources.until(&from)),
            (By::Pair, self.pairs.until(&pair)),
            (By::Address, if known { 0 } else { self.addresses.until(&whole) }),
        ];
        if let Some((by, until)) = waits.into_iter().filter(|(_, until)| *until > now).max_by_key(|(_, until)| *until) {
            return Err(Wait { until: Duration::from_millis(until), by });
        }
        let locked = [
            (By::Source, self.sources.charge(&from, now)),
            (By::Pair, self.pairs.charge(&pair, now)),
            // Who is known here spends nothing of what strangers have.
            (By::Address, !known && self.addresses.charge(&whole, now)),
        ];
        Ok(Admitted { lockout: locked.into_iter().find(|(_, locked)| *locked).map(|(by, _)| by) })
    }

    /// The attempt was right: it is given back, the pair begins anew, and the source is known for this address.
    pub fn succeeded(&mut self, address: &str, source: IpAddr, now: Duration) {
        let now = millis(now);
        let (pair, from, whole) = (self.places((address, source)), self.places(source), self.places(address));
        self.sources.refund(&from, now);
        if !self.is_proven(address, source, now) {
            self.addresses.refund(&whole, now);
        }
        self.pairs.clear(&pair);
        if self.proven.len() >= PROVEN
            && let Some(oldest) = self.proven.iter().min_by_key(|(_, at)| **at).map(|(hash, _)| *hash)
        {
            self.proven.remove(&oldest);
        }
        let hash = self.hash(ROWS, (address, source));
        self.proven.insert(hash, now);
    }

    fn is_proven(&self, address: &str, source: IpAddr, now: u64) -> bool {
        let at = self.proven.get(&self.hash(ROWS, (address, source)));
        at.is_some_and(|at| now.saturating_sub(*at) < millis(PROOF))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VICTIM: &str = "quynhhtn.stttt@gialai.gov.vn";

    fn throttle() -> Throttle {
        Throttle::new([7; 16])
    }

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + n))
    }

    fn minutes(n: u64) -> Duration {
        secs(60 * n)
    }

    /// Attempts that come through within `time`, one tried each second.
    fn through(t: &mut Throttle, time: Duration, mut source: impl FnMut(u64) -> IpAddr) -> usize {
        (0..time.as_secs()).filter(|s| t.admit(VICTIM, source(*s), secs(*s)).is_ok()).count()
    }

    #[test]
    fn one_outsider_has_five_attempts_and_then_ever_fewer() {
        let mut t = throttle();
        assert_eq!(through(&mut t, secs(10), |_| ip(1)), 6, "the sixth begins the first wait");
        let wait = t.admit(VICTIM, ip(1), secs(10)).expect_err("a wait");
        assert_eq!((wait.by, wait.until), (By::Pair, secs(35)));
        let mut t = throttle();
        let day = through(&mut t, minutes(24 * 60), |_| ip(1));
        assert!(day < 110, "{day} in a day");
    }

    #[test]
    fn a_holder_elsewhere_is_not_kept_out_by_one_outsider() {
        let mut t = throttle();
        for second in 0..3600 * 4 {
            let _ = t.admit(VICTIM, ip(1), secs(second));
            if second % 600 == 599 {
                t.admit(VICTIM, ip(2), secs(second)).expect("the holder, from another place");
                t.succeeded(VICTIM, ip(2), secs(second));
            }
        }
    }

    #[test]
    fn many_sources_share_what_one_address_allows() {
        let mut t = throttle();
        let hours = through(&mut t, minutes(600), |second| ip(10 + second as u32));
        assert!(hours < 80, "{hours} attempts of 36,000 sources in ten hours");
        let wait = t.admit(VICTIM, ip(9), minutes(600)).expect_err("a wait");
        assert_eq!(wait.by, By::Address);
        assert!(wait.until <= minutes(600) + ADDRESS.longest, "no longer than a quarter of an hour");
    }

    #[test]
    fn a_holder_from_a_known_place_comes_through_an_attack_by_many() {
        let mut t = throttle();
        t.admit(VICTIM, ip(1), secs(0)).expect("the holder");
        t.succeeded(VICTIM, ip(1), secs(0));
        through(&mut t, minutes(60), |second| ip(10 + second as u32));
        t.admit(VICTIM, ip(1), minutes(60)).expect("the holder again");
        assert!(t.admit(VICTIM, ip(2), minutes(60)).is_err(), "anybody else waits");
        // Being known is no licence to guess.
        let guesses = (0..100).filter(|_| t.admit(VICTIM, ip(1), minutes(60)).is_ok()).count();
        assert!(guesses <= 5, "{guesses}");
    }

    #[test]
    fn one_source_cannot_try_one_password_of_everybody() {
        let mut t = throttle();
        let tried = (0..20_000).filter(|n| t.admit(&format!("a{n}@x.vn"), ip(1), secs(1)).is_ok()).count();
        assert_eq!(tried, 41);
        assert_eq!(t.admit("b@x.vn", ip(1), secs(1)).expect_err("a wait").by, By::Source);
        t.admit("b@x.vn", ip(2), secs(1)).expect("another source");
    }

    #[test]
    fn a_counter_cannot_be_washed_out_by_a_flood_of_others() {
        let mut t = throttle();
        for second in 0..6 {
            let _ = t.admit(VICTIM, ip(1), secs(second));
        }
        for n in 0..100_000 {
            let _ = t.admit(&format!("made-up-{n}@x.vn"), ip(1000 + n), secs(6));
        }
        assert_eq!(t.admit(VICTIM, ip(1), secs(7)).expect_err("still").by, By::Pair);
        t.admit("somebody.else@x.vn", ip(5), secs(7)).expect("and nobody else is hit");
    }

    #[test]
    fn a_thousand_at_once_are_counted_before_they_are_looked_at() {
        let mut t = throttle();
        assert_eq!((0..1000).filter(|_| t.admit(VICTIM, ip(1), secs(1)).is_ok()).count(), 6);
    }

    #[test]
    fn who_was_right_begins_anew_and_a_right_password_of_ones_own_buys_no_guesses() {
        let mut t = throttle();
        for _ in 0..4 {
            t.admit(VICTIM, ip(1), secs(1)).expect("mistyped");
        }
        t.admit(VICTIM, ip(1), secs(1)).expect("right");
        t.succeeded(VICTIM, ip(1), secs(1));
        for _ in 0..5 {
            assert_eq!(t.admit(VICTIM, ip(1), secs(2)).expect("all free again").lockout, None);
        }
        // An attacker with an account of their own between guesses at others.
        let mut t = throttle();
        let mut guesses = 0;
        for n in 0..2000 {
            if t.admit("own@x.vn", ip(2), secs(1)).is_ok() {
                t.succeeded("own@x.vn", ip(2), secs(1));
            }
            guesses += u32::from(t.admit(&format!("a{n}@x.vn"), ip(2), secs(1)).is_ok());
        }
        assert!(guesses <= 41, "{guesses}");
    }

    #[test]
    fn waits_double_and_end_at_the_longest() {
        let waits: Vec<u64> = (0..12).map(|n| wait(&PAIR, f64::from(n)).as_secs()).collect();
        assert_eq!(waits, [0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]);
        assert_eq!(wait(&ADDRESS, 1000.0), secs(900));
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_opens_nothing() {
        let mut t = throttle();
        for _ in 0..10 {
            let _ = t.admit(VICTIM, ip(1), minutes(60));
        }
        assert!(t.admit(VICTIM, ip(1), minutes(60)).is_err());
        assert!(t.admit(VICTIM, ip(1), minutes(10)).is_err());
    }

    #[test]
    fn a_customer_of_ipv6_is_one_source_and_a_mapped_address_is_ipv4() {
        let of = |text: &str| source(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
