//! `docs/traceability.md`: article → code → tests. The test that checks it is the program that writes it (`make generate`), since
//! it reads sources, which the shipped program does not have.
//!
//! The rules are those of `docs/reference/rules.md`. Where a rule stands in code say the IDs in comments and messages of `src`; which
//! tests cover it say their names: `r6_2_a_…`, `d_15_…`, several IDs in one name, `d_02_to_d_07_…`; a letter đ is written `dd`.

mod render;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::{read, root};

const PAGE: &str = "docs/traceability.md";

/// Rules that the program serves without a test of their own, and why there is none. Rules of Điều 5, 6 and 9 and of D-09 to D-18 stand
/// here only while their test is being written.
const NOT_COVERED: &[(&str, &str)] = &[
    (
        "R4.3",
        "every address and holder stands in AddressClaims and Mailboxes; a directory for address books comes later",
    ),
    (
        "R8.3.b",
        "rspamd and the checks of the pod are tested as parts of the mail server; antivirus and backup come later",
    ),
    (
        "D-20",
        "the WorkCalendar counts the days (R6.3 tests that); the maintenance notice that they are for comes with R8.2",
    ),
];

/// Rules whose part of the program is not there yet, and what it will be.
const NOT_BUILT: &[(&str, &str)] = &[
    ("R7.3.c", "a link of each mailbox with cloud storage space"),
    ("R8.2", "notices of a planned stop, three working days ahead"),
    ("R8.3.d", "incidents with their 24 hours"),
    ("R10.4", "lists of agencies, taken in as files"),
    ("R10.5", "the list of an agency's accounts for its website"),
    ("R10.7", "moving mailboxes in from other systems"),
    ("R12", "periodic, on-demand and yearly reports"),
];

/// A rule of the project.
#[derive(Debug)]
struct Rule {
    /// Heading that it stands under.
    group: String,
    /// `R6.2.a`, `D-15`.
    id: String,
    /// In one line.
    text: String,
}

/// The rules of the project.
struct Rules(Vec<Rule>);

impl Rules {
    fn read(page: &str) -> Self {
        let (mut rules, mut group) = (Vec::new(), String::new());
        for line in page.lines() {
            if let Some(heading) = line.strip_prefix("**").and_then(|l| l.strip_suffix("**")) {
                group = heading.to_owned();
            } else if let Some(heading) = line.strip_prefix("## ") {
                group = heading.to_owned();
            } else if let Some((id, text)) = line.strip_prefix("- R").and_then(|l| l.split_once(' ')) {
                rules.push(Rule { group: group.clone(), id: format!("R{id}"), text: text.to_owned() });
            } else if let Some((id, text)) = line.strip_prefix("| D-").and_then(|l| l.split_once(" | ")) {
                let text = text.trim_end_matches('|').trim().to_owned();
                rules.push(Rule { group: group.clone(), id: format!("D-{id}"), text });
            }
        }
        Self(rules)
    }

    fn has(&self, id: &str) -> bool {
        self.0.iter().any(|rule| rule.id == id)
    }

    /// Whether it is an article or clause of which points are rules.
    fn is_whole(&self, id: &str) -> bool {
        !self.has(id) && self.0.iter().any(|rule| rule.id.starts_with(&format!("{id}.")))
    }
}

/// Where rules stand, by their ID: names of files, and names of tests by file.
#[derive(Default)]
struct Found {
    code: BTreeMap<String, BTreeSet<String>>,
    tests: BTreeMap<String, BTreeSet<(String, String)>>,
    /// IDs that no rule has.
    unknown: Vec<String>,
}

/// Looks at all sources.
fn find(rules: &Rules) -> Found {
    let mut found = Found::default();
    for (path, text) in sources::all(&root()) {
        if path.starts_with("src/") && !sources::is_test(&path) {
            for cited in sources::cited(sources::without_tests(&text), rules) {
                match cited {
                    Ok(id) => drop(found.code.entry(id).or_default().insert(path.clone())),
                    Err(id) => found.unknown.push(format!("{path}: {id}")),
                }
            }
        }
        for name in sources::tests(&text) {
            for covered in sources::covered(&name, rules) {
                match covered {
                    Ok(id) => drop(found.tests.entry(id).or_default().insert((path.clone(), name.clone()))),
                    Err(id) => found.unknown.push(format!("{path}: {name}: {id}")),
                }
            }
        }
    }
    found
}

static PROJECT: LazyLock<(Rules, Found)> = LazyLock::new(|| {
    let rules = Rules::read(&read("docs/reference/rules.md"));
    let found = find(&rules);
    (rules, found)
});

#[test]
fn the_page_is_current() {
    let (rules, found) = &*PROJECT;
    let text = render::page(rules, found);
    if std::env::var_os("GENERATE").is_some() {
        std::fs::write(root().join(PAGE), text).unwrap();
    } else {
        let same = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default() == text;
        assert!(same, "{PAGE} is not current: run `make generate`");
    }
}

#[test]
fn every_id_in_code_and_in_names_of_tests_is_that_of_a_rule() {
    assert_eq!(PROJECT.1.unknown, Vec::<String>::new());
}

#[test]
fn every_rule_has_a_test_or_stands_in_a_list_with_the_reason_why_not() {
    let (rules, found) = &*PROJECT;
    let excused = |id: &str| NOT_COVERED.iter().chain(NOT_BUILT).any(|(known, _)| *known == id);
    for rule in &rules.0 {
        let covered = found.tests.contains_key(&rule.id);
        assert!(covered || excused(&rule.id), "{} has no test: name one after it, or say why there is none", rule.id);
        assert!(!(covered && excused(&rule.id)), "{} has a test: take it out of the list", rule.id);
    }
    for (id, reason) in NOT_COVERED.iter().chain(NOT_BUILT) {
        assert!(rules.has(id) && reason.len() > 20, "{id}: {reason}");
    }
    for (id, _) in NOT_BUILT {
        assert!(!found.code.contains_key(*id), "{id} is said not to be built, and stands in code");
    }
}

#[test]
fn every_rule_of_the_life_of_accounts_stands_in_code() {
    let (rules, found) = &*PROJECT;
    let life = |id: &str| {
        let decision = id.strip_prefix("D-").and_then(|n| n.parse::<u8>().ok()).is_some_and(|n| (9..=18).contains(&n));
        decision || ["R5.", "R6.", "R9."].iter().any(|article| id.starts_with(article))
    };
    let mine: Vec<&str> = rules.0.iter().map(|rule| rule.id.as_str()).filter(|id| life(id)).collect();
    assert_eq!(mine.len(), 5 + 6 + 2 + 10, "{mine:?}");
    for id in mine {
        assert!(found.code.contains_key(id), "{id} stands nowhere in src: name it where it is decided");
    }
}
