//! Changes to bytes.

use fastrand::Rng;

/// Changes `input` in one to four places. `other` is another input, `words` are what the target knows.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], words: &[&str], longest: usize, random: &mut Rng) {
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(0..=input.len());
        let (from, to) = range(input.len(), random);
        match random.u8(0..8) {
            0 if at < input.len() => input[at] ^= 1 << random.u8(0..8),
            1 if at < input.len() => input[at] = random.u8(..),
            2 => drop(input.drain(from..to)),
            3 => {
                let copy = input[from..to].to_vec();
                input.splice(at..at, copy);
            }
            4 => {
                let (from, to) = range(other.len(), random);
                input.splice(at..at, other[from..to].iter().copied());
            }
            5 => {
                let random = char::from_u32(random.u32(0..0x3000)).unwrap_or('\u{fffd}');
                input.splice(at..at, random.to_string().into_bytes());
            }
            6 => drop(input.splice(from..to, words[random.usize(0..words.len())].bytes())),
            _ => drop(input.splice(at..at, words[random.usize(0..words.len())].bytes())),
        }
    }
    input.truncate(longest);
}

/// A range, mostly short.
fn range(length: usize, random: &mut Rng) -> (usize, usize) {
    let from = random.usize(0..=length);
    let most = if random.u8(0..4) == 0 { length - from } else { (length - from).min(8) };
    (from, from + random.usize(0..=most))
}

#[test]
fn the_same_seed_changes_the_same_and_nothing_grows_without_end() {
    let run = || {
        let (mut random, mut input) = (Rng::with_seed(3), b"fullName: L\xc3\xaa An".to_vec());
        for _ in 0..10_000 {
            mutate(&mut input, b"other: input", &["kind", "- "], 256, &mut random);
            assert!(input.len() <= 256);
        }
        input
    };
    assert_eq!(run(), run());
}
