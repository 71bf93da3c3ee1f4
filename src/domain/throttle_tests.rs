//! What guessing costs, told by time alone.

use super::*;

const VICTIM: &str = "quynhhtn.stttt@gialai.gov.vn";

/// Everybody but the holder is made up.
fn to(address: &str) -> Target<'_> {
    Target { typed: address, mailbox: address.contains("quynh").then_some("nv-1") }
}

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
    (0..time.as_secs()).filter(|s| t.admit(to(VICTIM), source(*s), secs(*s)).is_ok()).count()
}

#[test]
fn one_outsider_has_five_attempts_and_then_ever_fewer() {
    let mut t = throttle();
    assert_eq!(through(&mut t, secs(10), |_| ip(1)), 6, "the sixth begins the first wait");
    let wait = t.admit(to(VICTIM), ip(1), secs(10)).expect_err("a wait");
    assert_eq!((wait.by, wait.until), (By::Pair, secs(35)));
    let mut t = throttle();
    let day = through(&mut t, minutes(24 * 60), |_| ip(1));
    assert!(day < 110, "{day} in a day");
}

#[test]
fn a_holder_elsewhere_is_not_kept_out_by_one_outsider() {
    let mut t = throttle();
    for second in 0..3600 * 4 {
        let _ = t.admit(to(VICTIM), ip(1), secs(second));
        if second % 600 == 599 {
            let holder = t.admit(to(VICTIM), ip(2), secs(second)).expect("the holder, from another place");
            t.succeeded(holder, secs(second));
        }
    }
}

#[test]
fn many_sources_share_what_one_address_allows() {
    let mut t = throttle();
    let hours = through(&mut t, minutes(600), |second| ip(10 + second as u32));
    assert!(hours < 80, "{hours} attempts of 36,000 sources in ten hours");
    let wait = t.admit(to(VICTIM), ip(9), minutes(600)).expect_err("a wait");
    assert_eq!(wait.by, By::Address);
    assert!(wait.until <= minutes(600) + ADDRESS.longest, "no longer than a quarter of an hour");
}

#[test]
fn a_holder_from_a_known_place_comes_through_an_attack_by_many() {
    let mut t = throttle();
    let holder = t.admit(to(VICTIM), ip(1), secs(0)).expect("the holder");
    t.succeeded(holder, secs(0));
    through(&mut t, minutes(60), |second| ip(10 + second as u32));
    let _ = t.admit(to(VICTIM), ip(1), minutes(60)).expect("the holder again");
    assert!(t.admit(to(VICTIM), ip(2), minutes(60)).is_err(), "anybody else waits");
    // Being known is no licence to guess.
    let guesses = (0..100).filter(|_| t.admit(to(VICTIM), ip(1), minutes(60)).is_ok()).count();
    assert!(guesses <= 5, "{guesses}");
}

#[test]
fn one_source_cannot_try_one_password_of_everybody() {
    let mut t = throttle();
    let tried = (0..20_000).filter(|n| t.admit(to(&format!("a{n}@x.vn")), ip(1), secs(1)).is_ok()).count();
    assert_eq!(tried, 41);
    assert_eq!(t.admit(to("b@x.vn"), ip(1), secs(1)).expect_err("a wait").by, By::Source);
    let _ = t.admit(to("b@x.vn"), ip(2), secs(1)).expect("another source");
}

#[test]
fn a_counter_cannot_be_washed_out_by_a_flood_of_others() {
    let mut t = throttle();
    for second in 0..6 {
        let _ = t.admit(to(VICTIM), ip(1), secs(second));
    }
    for n in 0..100_000 {
        let _ = t.admit(to(&format!("made-up-{n}@x.vn")), ip(1000 + n), secs(6));
    }
    assert_eq!(t.admit(to(VICTIM), ip(1), secs(7)).expect_err("still").by, By::Pair);
    let _ = t.admit(to("somebody.else@x.vn"), ip(5), secs(7)).expect("and nobody else is hit");
}

#[test]
fn a_thousand_at_once_are_counted_before_they_are_looked_at() {
    let mut t = throttle();
    assert_eq!((0..1000).filter(|_| t.admit(to(VICTIM), ip(1), secs(1)).is_ok()).count(), 6);
}

#[test]
fn who_was_right_begins_anew_and_a_right_password_of_ones_own_buys_no_guesses() {
    let mut t = throttle();
    for _ in 0..4 {
        let _ = t.admit(to(VICTIM), ip(1), secs(1)).expect("mistyped");
    }
    let right = t.admit(to(VICTIM), ip(1), secs(1)).expect("right");
    t.succeeded(right, secs(1));
    for _ in 0..5 {
        assert_eq!(t.admit(to(VICTIM), ip(1), secs(2)).expect("all free again").lockout, None);
    }
    // An attacker with an account of their own between guesses at others.
    let mut t = throttle();
    let mut guesses = 0;
    for n in 0..2000 {
        if let Ok(right) = t.admit(to("own@x.vn"), ip(2), secs(1)) {
            t.succeeded(right, secs(1));
        }
        guesses += u32::from(t.admit(to(&format!("a{n}@x.vn")), ip(2), secs(1)).is_ok());
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
        let _ = t.admit(to(VICTIM), ip(1), minutes(60));
    }
    assert!(t.admit(to(VICTIM), ip(1), minutes(60)).is_err());
    assert!(t.admit(to(VICTIM), ip(1), minutes(10)).is_err());
}

#[test]
fn a_customer_of_ipv6_is_one_source_and_a_mapped_address_is_ipv4() {
    let of = |text: &str| source(text.parse().expect("an address"));
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_eq!(of("64:ff9b::10.0.0.1"), of("10.0.0.1"), "who comes through NAT64 is not everybody");
    assert_ne!(of("64:ff9b::10.0.0.1"), of("64:ff9b::10.0.0.2"));
}

#[test]
fn all_addresses_of_a_mailbox_share_its_guesses_and_an_outsider_sees_no_difference() {
    const ADDRESSES: [&str; 3] = [VICTIM, "quynh.cu@gialai.gov.vn", "quynhhtn.vp@gialai.gov.vn"];
    const NOBODY: [&str; 3] = ["a@gialai.gov.vn", "b@gialai.gov.vn", "c@gialai.gov.vn"];
    let (mut t, mut looked, mut seen) = (throttle(), 0, Vec::new());
    for second in 0..3600 {
        let mine = t.admit(to(ADDRESSES[second as usize % 3]), ip(1), secs(second));
        looked += u32::from(mine.as_ref().is_ok_and(|ticket| ticket.looked_at));
        seen.push(mine.map(drop));
    }
    let one = through(&mut throttle(), secs(3600), |_| ip(1));
    assert!(looked as usize <= one, "{looked} guesses in an hour by three addresses, {one} by one");
    let mut other = throttle();
    let nobody: Vec<_> = (0..3600).map(|s| other.admit(to(NOBODY[s as usize % 3]), ip(1), secs(s)).map(drop)).collect();
    assert!(seen == nobody, "what is let through and what waits is the same for three strangers");
    // Many sources together as well.
    let mut t = throttle();
    let all = (0..36_000u64).filter(|s| {
        let ticket = t.admit(to(ADDRESSES[*s as usize % 3]), ip(10 + *s as u32), secs(*s));
        ticket.is_ok_and(|ticket| ticket.looked_at)
    });
    let all = all.count();
    assert!(all < 80, "{all} guesses of 36,000 sources in ten hours");
}

#[test]
fn who_was_right_by_one_address_is_known_by_the_others() {
    let mut t = throttle();
    let right = t.admit(to(VICTIM), ip(1), secs(0)).expect("the holder");
    t.succeeded(right, secs(0));
    through(&mut t, minutes(60), |second| ip(10 + second as u32));
    assert!(t.admit(to("quynh.cu@gialai.gov.vn"), ip(1), minutes(60)).expect("the holder").looked_at);
    let stranger = t.admit(to("quynh.cu@gialai.gov.vn"), ip(2), minutes(60)).expect("as if nobody had it");
    assert!(!stranger.looked_at);
}

#[test]
fn what_nobody_looked_at_costs_nothing_and_buys_nothing() {
    let mut t = throttle();
    for n in 0..500 {
        let ticket = t.admit(to(VICTIM), ip(1), secs(n)).expect("never a wait");
        t.unseen(ticket, secs(n));
    }
    // Beyond the free ones: the wait that an attempt begins goes with it, and what was earned before stays.
    let mut plain = throttle();
    for t in [&mut t, &mut plain] {
        for _ in 0..6 {
            let _ = t.admit(to(VICTIM), ip(1), secs(600)).expect("a guess");
        }
        assert_eq!(t.admit(to(VICTIM), ip(1), secs(600)).expect_err("a wait").until, secs(630));
    }
    for _ in 0..50 {
        let ticket = t.admit(to(VICTIM), ip(1), secs(631)).expect("let in");
        t.unseen(ticket, secs(631));
    }
    for t in [&mut t, &mut plain] {
        let _ = t.admit(to(VICTIM), ip(1), secs(632)).expect("a guess");
    }
    let waits = [t, plain].map(|mut t| t.admit(to(VICTIM), ip(1), secs(632)).expect_err("a wait").until);
    assert_eq!(waits[0], waits[1]);
}
