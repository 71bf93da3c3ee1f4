//! A repository to try things on: `testbed sample DIR`. The same seed gives the same files.
//!
//! The layout is that of `docs/gitops.md`: one folder an agency, one file a person, no address pinned. Names and bodies are
//! plausible and invented; people of one full name under one suffix are told apart as clerks do it, by year of birth (D-07).

mod bodies;
mod people;

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use fastrand::Rng;
use unicode_normalization::UnicodeNormalization;

use bodies::Body;
use people::Name;

/// `kubectl mail` reads 200,000 files at most.
const MAX_MAILBOXES: u32 = 190_000;

/// What is wanted.
#[derive(Args, Clone, Debug)]
pub struct Sample {
    /// Folder to fill; new or empty
    pub dir: PathBuf,
    /// Agencies
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub agencies: u32,
    /// People
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_MAILBOXES)))]
    pub mailboxes: u32,
    /// The same number gives the same files
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Writes the repository; says what it has.
pub fn write(sample: &Sample) -> Result<()> {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/gialai");
    let bodies = bodies::bodies(&manifests.join("agencies"), sample.agencies as usize)?;
    fs::create_dir_all(&sample.dir).with_context(|| sample.dir.display().to_string())?;
    let empty = fs::read_dir(&sample.dir)?.next().is_none();
    ensure!(empty, "{} is not empty; name a new folder", sample.dir.display());
    fs::copy(manifests.join("system.yaml"), sample.dir.join("system.yaml"))?;
    for body in &bodies {
        let folder = folder(&sample.dir, body);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("agency.yaml"), &body.yaml)?;
    }
    let told_apart = write_people(sample, &bodies)?;
    println!(
        "{}: {} agencies, {} people, {told_apart} of them with a disambiguator",
        sample.dir.display(),
        bodies.len(),
        sample.mailboxes
    );
    Ok(())
}

fn folder(dir: &Path, body: &Body) -> PathBuf {
    dir.join("agencies").join(&body.name)
}

fn write_people(sample: &Sample, bodies: &[Body]) -> Result<u32> {
    let mut random = Rng::with_seed(sample.seed);
    let lots: Vec<&Body> = bodies.iter().flat_map(|body| (0..body.weight).map(move |_| body)).collect();
    let mut seen = Seen::default();
    let mut told_apart = 0;
    for number in 0..sample.mailboxes {
        // Nobody is without people, as far as they go.
        let body = bodies.get(number as usize).unwrap_or_else(|| lots[random.usize(0..lots.len())]);
        let name = people::name(&mut random);
        let extra = seen.tell_apart(&body.suffix, &name, &mut random);
        told_apart += u32::from(extra.is_some());
        let code = format!("nv-{:06}", number + 1);
        let yaml = mailbox(&code, body, &name, extra.as_deref(), number);
        fs::write(folder(&sample.dir, body).join(format!("{code}.yaml")), yaml)?;
    }
    Ok(told_apart)
}

/// Who is there already, by suffix and name.
#[derive(Default)]
struct Seen {
    years: HashMap<(String, String), HashSet<u32>>,
}

impl Seen {
    /// A year of birth for the second and later ones of a name.
    fn tell_apart(&mut self, suffix: &str, name: &Name, random: &mut Rng) -> Option<String> {
        // Names that differ in diacritics alone may share an address as well; those are left to rules b and D-04.
        let key = (suffix.to_owned(), name.full.nfc().collect());
        let years = self.years.entry(key).or_default();
        let first = years.is_empty();
        let mut year = random.u32(1966..2004);
        while !years.insert(year) {
            year += 1;
        }
        (!first).then(|| year.to_string())
    }
}

fn mailbox(code: &str, body: &Body, name: &Name, extra: Option<&str>, number: u32) -> String {
    let mut yaml = format!(
        "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata:\n  name: {code}\nspec:\n  agencyRef: {{name: {}}}\n  fullName: {}\n",
        body.name, name.full
    );
    if let Some((family, middle, given)) = &name.structured {
        let middle = if middle.is_empty() { String::new() } else { format!("middle: {middle}, ") };
        yaml.push_str(&format!("  structuredName: {{family: {family}, {middle}given: \"{given}\"}}\n"));
    }
    if let Some(extra) = extra {
        yaml.push_str(&format!("  disambiguator: \"{extra}\"\n"));
    }
    let (day, month) = (number % 28 + 1, number / 28 % 12 + 1);
    yaml.push_str(&format!(
        "  basis: {{number: {}/TCCB, date: \"2025-{month:02}-{day:02}\", issuer: \"{}\"}}\n",
        number / 20 + 1,
        body.words
    ));
    yaml
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
