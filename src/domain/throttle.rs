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
//! **All addresses of a mailbox share what it allows**, and nobody is told that they do: the first and the third are kept twice, by the
//! address as it was typed (in its one form) and by the mailbox behind it. What the first kind says is said, and is the same for an
//! address that nobody has. What the second kind says is not: the attempt is answered like a wrong one after the same work, and its
//! password is not looked at. Otherwise two addresses that wait together would be known to exist, and to be one person's.
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
//! was right, or when nobody looked at it in the end (the API server did not answer, too many were waiting): that told nothing, so it
//! is no guess. Counters stand in tables of fixed size, found by three keyed hashes of which the lowest level counts: **nothing is ever
//! put out to make room**, so nobody can have a counter forgotten by filling the memory, and without the key nobody can aim
//! at somebody else's. Strangers who share all three cells of a holder by chance make that holder wait; with 10,000
//! waiting attackers at once that hits one in 280.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
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

/// An attempt that was let through and counted. It ends as `succeeded` or `unseen`; one that is dropped was wrong.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    /// Further attempts have to wait from now on, by this counter; to be logged.
    pub lockout: Option<By>,
    /// Whether the password may be looked at. If not, the answer is that of a wrong one, after the same work.
    pub looked_at: bool,
    source: Charge,
    pairs: Vec<Charge>,
    addresses: Vec<Charge>,
    /// Of who is known by the right password.
    proof: u64,
}

impl Ticket {
    /// The counter by which the next attempt has to wait.
    fn waits(&self) -> Option<By> {
        let any = |charges: &[Charge]| charges.iter().any(|charge| charge.waits);
        let all = [(By::Source, self.source.waits), (By::Pair, any(&self.pairs)), (By::Address, any(&self.addresses))];
        all.into_iter().find(|(_, waits)| *waits).map(|(by, _)| by)
    }
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

/// One attempt in one table.
#[derive(Clone, Copy, Debug)]
struct Charge {
    places: Places,
    added: [f32; ROWS],
    until: u64,
    /// The next one has to wait.
    waits: bool,
}

/// Whose password somebody tries.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The address in its one form.
    pub typed: &'a str,
    /// Name of the mailbox that has it, if there is one.
    pub mailbox: Option<&'a str>,
}

/// What a counter is of.
#[derive(Clone, Copy, Debug, Hash)]
enum Of<'a> {
    Typed(&'a str),
    Mailbox(&'a str),
}

impl<'a> Target<'a> {
    fn typed(&self) -> Of<'a> {
        Of::Typed(self.typed)
    }

    /// Who gives the right password by one address is known by every other one.
    fn whole(&self) -> Of<'a> {
        self.mailbox.map_or(self.typed(), Of::Mailbox)
    }
}

impl Table {
    fn new(limits: Limits) -> Self {
        Self { limits, rows: vec![Cell::default(); CELLS * ROWS] }
    }

    fn until(&self, places: &Places) -> u64 {
        places.iter().map(|at| self.rows[*at].until).min().unwrap_or(0)
    }

    /// Counts one.
    fn charge(&mut self, places: Places, now: u64) -> Charge {
        let limits = self.limits;
        for at in places {
            self.rows[at].sink(now, &limits);
        }
        let level = places.iter().map(|at| self.rows[*at].level).fold(f32::MAX, f32::min) + 1.0;
        let beyond = f64::from(level) - limits.free;
        // Levels above that of the longest wait would only take longer to sink.
        let top = limits.free as f32 + 12.0;
        let until = now + wait(&limits, beyond).as_millis() as u64;
        let added = places.map(|at| {
            let cell = &mut self.rows[at];
            let before = cell.level;
            cell.level = before.max(level.min(top));
            cell.until = cell.until.max(until);
            cell.level - before
        });
        Charge { places, added, until, waits: until > now }
    }

    /// Gives one back, with the wait that it began: while that lasted nobody else was let in who could have earned it.
    fn refund(&mut self, charge: &Charge, now: u64) {
        let limits = self.limits;
        for (at, added) in charge.places.into_iter().zip(charge.added) {
            let cell = &mut self.rows[at];
            cell.sink(now, &limits);
            cell.level = (cell.level - added).max(0.0);
            if cell.until == charge.until {
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

/// The network that counts as one source: an IPv4 address, also where IPv6 carries it (mapped, RFC 4291 2.5.5.2; translated, RFC
/// 6052 2.1), or the /64 that one customer of IPv6 has.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
            [a, b, c, d, ..] => IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)),
        },
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

    /// Whether an attempt on `target` from `source` may be made; it is counted if so.
    pub fn admit(&mut self, target: Target<'_>, source: IpAddr, now: Duration) -> Result<Ticket, Wait> {
        let now = millis(now);
        let from = self.places(source);
        let (pair, typed) = (self.places((target.typed(), source)), self.places(target.typed()));
        let proof = self.hash(ROWS, (target.whole(), source));
        let known = self.proven.get(&proof).is_some_and(|at| now.saturating_sub(*at) < millis(PROOF));
        let waits = [
            (By::Source, self.sources.until(&from)),
            (By::Pair, self.pairs.until(&pair)),
            (By::Address, if known { 0 } else { self.addresses.until(&typed) }),
        ];
        if let Some((by, until)) = waits.into_iter().filter(|(_, until)| *until > now).max_by_key(|(_, until)| *until) {
            return Err(Wait { until: Duration::from_millis(until), by });
        }
        let mut ticket = Ticket {
            lockout: None,
            looked_at: true,
            source: self.sources.charge(from, now),
            pairs: vec![self.pairs.charge(pair, now)],
            // Who is known here spends nothing of what strangers have.
            addresses: (!known).then(|| self.addresses.charge(typed, now)).into_iter().collect(),
            proof,
        };
        if target.mailbox.is_some() {
            self.share(&mut ticket, target, source, known, now);
        }
        ticket.lockout = ticket.waits();
        Ok(ticket)
    }

    /// What all addresses of a mailbox share: counted beside the address, and refused without a word.
    fn share(&mut self, ticket: &mut Ticket, target: Target<'_>, source: IpAddr, known: bool, now: u64) {
        let (pair, whole) = (self.places((target.whole(), source)), self.places(target.whole()));
        ticket.looked_at = self.pairs.until(&pair) <= now && (known || self.addresses.until(&whole) <= now);
        if ticket.looked_at {
            ticket.pairs.push(self.pairs.charge(pair, now));
            ticket.addresses.extend((!known).then(|| self.addresses.charge(whole, now)));
        }
    }

    /// The attempt was right: it is given back, the pair begins anew, and the source is known for this mailbox.
    pub fn succeeded(&mut self, ticket: Ticket, now: Duration) {
        let now = millis(now);
        self.sources.refund(&ticket.source, now);
        for charge in &ticket.addresses {
            self.addresses.refund(charge, now);
        }
        for charge in &ticket.pairs {
            self.pairs.clear(&charge.places);
        }
        if self.proven.len() >= PROVEN
            && let Some(oldest) = self.proven.iter().min_by_key(|(_, at)| **at).map(|(hash, _)| *hash)
        {
            self.proven.remove(&oldest);
        }
        self.proven.insert(ticket.proof, now);
    }

    /// Nobody looked at the password, and nothing was told of it: it is given back.
    pub fn unseen(&mut self, ticket: Ticket, now: Duration) {
        let now = millis(now);
        self.sources.refund(&ticket.source, now);
        for charge in &ticket.pairs {
            self.pairs.refund(charge, now);
        }
        for charge in &ticket.addresses {
            self.addresses.refund(charge, now);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
