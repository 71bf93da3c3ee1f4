//! Made-up bytes as names and as files: nothing panics, and what holds for good input holds for all.
//!
//! Inputs begin as those in `corpus/` and are changed at random; one that makes the program say something new (another set of
//! codes) is kept and changed further. The same seed does the same. A failure prints seed, number and input; put the input into
//! the corpus, then mend.
//!
//! FUZZ_RUNS   executions of each target (default 3,000; `make fuzz N=…`)
//! FUZZ_SEED   default 1
#![allow(clippy::unwrap_used)]

mod mutate;
mod names;
mod trees;

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;

/// How often a long run says how far it is.
const PROGRESS: Duration = Duration::from_secs(60);

/// Inputs that are kept at most, and bytes of one.
const KEPT: usize = 5_000;
const LONGEST: usize = 4_096;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Runs a target, which says in a few words what it saw.
fn fuzz(name: &str, words: &[&str], target: impl Fn(&[u8]) -> String) {
    let (runs, seed) = (number("FUZZ_RUNS", 3_000), number("FUZZ_SEED", 1));
    let mut random = Rng::with_seed(seed);
    let mut kept = corpus(name);
    assert!(kept.len() >= 10, "the corpus of {name} has {} files", kept.len());
    let (start, begun, mut seen) = (Instant::now(), kept.len(), HashSet::new());
    for input in &kept {
        seen.insert(target(input));
    }
    let mut told = start;
    for run in 0..runs {
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            eprintln!("fuzz target={name} seed={seed} run={run} of {runs}");
        }
        let mut input = kept[random.usize(0..kept.len())].clone();
        let other = &kept[random.usize(0..kept.len())];
        mutate::mutate(&mut input, other, words, LONGEST, &mut random);
        match catch_unwind(AssertUnwindSafe(|| target(&input))) {
            Ok(said) => {
                if kept.len() < KEPT && seen.insert(said) {
                    kept.push(input);
                }
            }
            Err(panic) => {
                eprintln!("{name}, seed {seed}, run {run}: {:?}\n{}", input, String::from_utf8_lossy(&input));
                resume_unwind(panic);
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = runs as f64 / seconds;
    println!(
        "fuzz target={name} seed={seed} runs={runs} seconds={seconds:.1} per_second={rate:.0} corpus={begun} new={}",
        kept.len() - begun
    );
}

#[test]
fn names_never_panic_and_give_valid_addresses() {
    fuzz("names", &names::WORDS, names::target);
}

#[test]
fn files_never_panic_and_findings_have_places() {
    fuzz("trees", &trees::WORDS, trees::target);
}
