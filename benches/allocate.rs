//! What `docs/benchmarks.md` reports of who gets which address: N people who come together, on one core, few names for many.
//!   cargo bench --bench allocate -- N

use std::collections::BTreeSet;
use std::time::Instant;

use mail_operator::domain::naming::{Request, Wish, allocate, candidates, person_name};

const FAMILIES: [&str; 10] = ["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Rơ Châm", "Ksor", "Đỗ", "Tô"];
const MIDDLES: [&str; 10] = ["Thị Như", "Văn", "Đình", "Thị", "Minh", "H'", "Hữu", "Hoàng", "Đức", "Thanh"];
const GIVENS: [&str; 10] = ["Quỳnh", "Nguyên", "An", "Bình", "Thủy", "Đạt", "Hạnh", "Hòa", "Tiến Minh", "Tấn Minh"];
/// Agencies; each has some hundred people, of whom many want one address.
const AGENCIES: usize = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(100_000);
    for _ in 0..3 {
        let start = Instant::now();
        let requests = (0..number).map(request).collect::<Result<Vec<_>, _>>()?;
        let derived = start.elapsed();
        let allocation = allocate(&requests, |_| None);
        let seconds = start.elapsed();
        let granted = allocation.outcomes.values().filter(|outcome| outcome.is_ok()).count();
        let further = allocation.outcomes.values().flatten().filter(|grant| grant.choice > 0).count();
        println!(
            "allocate n={number} derive_seconds={:.2} all_seconds={:.2} granted={granted} not_first_choice={further} conflicts={}",
            derived.as_secs_f64(),
            seconds.as_secs_f64(),
            allocation.outcomes.len() - granted
        );
    }
    Ok(())
}

fn request(i: usize) -> Result<Request, Box<dyn std::error::Error>> {
    // Knuth's multiplier: names and agencies are mixed alike in every run.
    let mixed = i.wrapping_mul(2_654_435_761) >> 7;
    let name = format!("{} {} {}", FAMILIES[mixed % 10], MIDDLES[mixed / 10 % 10], GIVENS[mixed / 100 % 10]);
    let read = person_name(&name, None)?;
    let wish = Wish::Ranked(candidates(&read, &format!("a{}", i % AGENCIES))?);
    Ok(Request { id: format!("nv-{i}"), name, wish, supersedes: BTreeSet::new(), left: BTreeSet::new() })
}
