//! `docs/naming.md`: each row of each table, each box of YAML and each command is an example, and each is run.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use mail_operator::api::MailboxSpec;
use mail_operator::cli::agencies::{self, Agencies};
use mail_operator::cli::validate::{Options, check};
use mail_operator::cli::{Finding, tree};
use mail_operator::domain::naming::reserved::RESERVED;

use crate::examples::{self, Bodies, Verdict, same};
use crate::markdown::{Block, Row, Table, parse};
use crate::{read, root};

const PATH: &str = "docs/naming.md";

/// Kinds of examples, and how many of each there are at least.
const KINDS: [(&str, usize); 10] = [
    ("bodies", 15),
    ("people", 10),
    ("ranked", 5),
    ("together", 15),
    ("alike", 5),
    ("accepted", 15),
    ("printed", 2),
    ("yaml", 2),
    ("console", 2),
    ("reserved", 1),
];

/// What was found in a document.
#[derive(Default)]
struct Report {
    seen: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Report {
    fn add(&mut self, kind: &'static str, line: usize, verdict: Verdict) {
        *self.seen.entry(kind).or_default() += 1;
        if let Err(error) = verdict {
            self.wrong.push(format!("{PATH}:{line}: {error}"));
        }
    }
}

fn check_document(text: &str) -> Report {
    let (tables, blocks) = parse(text);
    let mut report = Report::default();
    let mut bodies = Bodies::new();
    let mut issued = Vec::new();
    for table in &tables {
        check_table(table, &mut bodies, &mut issued, &mut report);
    }
    for block in &blocks {
        check_block(block, &mut report);
    }
    for (kind, least) in KINDS {
        let seen = report.seen.get(kind).copied().unwrap_or_default();
        if seen < least {
            report.wrong.push(format!("{PATH}: only {seen} examples of the kind '{kind}', {least} are known"));
        }
    }
    report
}

fn check_table<'t>(table: &'t Table<'t>, bodies: &mut Bodies, issued: &mut Vec<&'t str>, report: &mut Report) {
    let rows = table.rows.iter();
    match table.header.cells[..] {
        ["Level", "Name", "Parent", "Fields", "Rule", "Address", "People"] => rows.for_each(|row| {
            issued.push(row.cells[5]);
            report.add("bodies", row.line, examples::body(row, bodies));
        }),
        ["Full name", "Suffix", "Address", "Note"] => rows.for_each(|row| {
            issued.push(row.cells[2]);
            report.add("people", row.line, examples::person(row));
        }),
        ["Full name", "Suffix", "4.2.a", "4.2.b", "F1 (D-04)", "F2 (D-04)"] => {
            rows.for_each(|row| report.add("ranked", row.line, examples::ranked(row)));
        }
        ["Mailbox", "Full name", "Suffix", "Has", "Writes", "Gets", "Rule"] => {
            rows.zip(examples::together(&table.rows))
                .for_each(|(row, verdict)| report.add("together", row.line, verdict));
        }
        ["Full name", "Other full name", "Same"] => {
            rows.for_each(|row| report.add("alike", row.line, examples::alike(row)));
        }
        ["Field", "Written", "Result", "Rule"] => {
            rows.for_each(|row| report.add("accepted", row.line, examples::accepted(row)));
        }
        ["Article", "It prints", "Issued", "Because"] => {
            rows.for_each(|row| report.add("printed", row.line, printed(row, issued)));
        }
        _ => report.add("unknown", table.header.line, Err("nothing checks a table with this header".into())),
    }
}

/// What the regulation prints is given to nobody in this document; what is issued instead stands in a table above.
fn printed(row: &Row, issued: &[&str]) -> Verdict {
    let [_, prints, given, _] = row.cells[..] else { return Err("4 cells".into()) };
    match (issued.contains(&prints), issued.contains(&given)) {
        (false, true) => Ok(()),
        (true, _) => Err(format!("{prints} is issued in a table above")),
        (_, false) => Err(format!("{given} is issued in no table above")),
    }
}

fn check_block(block: &Block, report: &mut Report) {
    match block.language {
        "yaml" => report.add("yaml", block.line, yaml(block)),
        "console" => console(block, report),
        "text" => {
            let text = block.lines.join(" ");
            let said: Vec<&str> = text.split_whitespace().collect();
            report.add("reserved", block.line, same("reserved", &said.join(" "), &RESERVED.join(" ")));
        }
        other => report.add("unknown", block.line, Err(format!("nothing checks a block of '{other}'"))),
    }
}

/// `# → address`, then a Mailbox of one of the agencies of the province; it has no finding.
fn yaml(block: &Block) -> Verdict {
    let said = block.lines[0].strip_prefix("# → ").ok_or("the first line is '# → ADDRESS'")?;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mailbox.yaml"), block.lines.join("\n")).unwrap();
    let all = tree::read(&[root().join("manifests/gialai"), folder.path().into()]).map_err(|e| e.to_string())?;
    let findings = check(&all, &Options::default());
    if !findings.is_empty() {
        return Err(findings.iter().map(|f: &Finding| f.message.clone()).collect::<Vec<_>>().join("; "));
    }
    let own = all.objects.iter().rfind(|o| o.file.ends_with("mailbox.yaml")).ok_or("no object")?;
    let spec: MailboxSpec = agencies::spec(own).ok_or("no Mailbox")?;
    let (_, agency) = Agencies::of(&all).resolve("", &spec.agency_ref.name).map_err(|p| format!("{p:?}"))?;
    same("address", said, &examples::address(&spec, &agency)?)
}

/// `$ kubectl mail …` and what it prints, run with the real program.
fn console(block: &Block, report: &mut Report) {
    let starts: Vec<usize> = (0..block.lines.len()).filter(|i| block.lines[*i].starts_with("$ ")).collect();
    for (n, start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).copied().unwrap_or(block.lines.len());
        let printed = block.lines[start + 1..end].join("\n");
        let line = block.lines[*start];
        let verdict = line
            .strip_prefix("$ kubectl mail ")
            .ok_or_else(|| format!("'{line}' is no kubectl mail"))
            .and_then(|arguments| same("output", &printed, run(arguments).trim_end()));
        report.add("console", block.line + start, verdict);
    }
}

fn run(arguments: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    command.args(crate::markdown::words(arguments));
    command.env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "C");
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn r4_every_example_of_the_document_is_what_the_rules_give() {
    let report = check_document(&read(PATH));
    assert!(report.wrong.is_empty(), "\n{}", report.wrong.join("\n"));
}

#[test]
fn a_wrong_example_is_told_with_its_line() {
    let text = read(PATH);
    for (right, wrong) in [
        ("| quynhhtn.stttt | three", "| quynhtn.stttt | three"),
        (
            "| tuphap.iagrai | iagrai |\n| Unit | Phòng Tư pháp huyện",
            "| ptp.iagrai | iagrai |\n| Unit | Phòng Tư pháp huyện",
        ),
        ("| stttt | | | tienminhth.stttt | 4.2.b |", "| stttt | | | minhtht.stttt | 4.2.b |"),
        ("| tienminhtruongh.stttt |", "| tienminht.stttt |"),
        ("| Trần Thị Thủy | Trần Thị Thùy | no |", "| Trần Thị Thủy | Trần Thị Thùy | yes |"),
        ("| DigitInName | D-08 |", "| DigitInName | D-01 |"),
        ("# → hlank.iagrai@", "# → ksorh.iagrai@"),
        ("  4.2.a    suffix                       stttt", "  4.2.a    suffix                       sttt"),
        ("tlsrpt quantri", "tlsrpt"),
        ("| 4.1.a | sttt | stttt |", "| 4.1.a | sttt | sttttt |"),
    ] {
        let line = 1 + text.split_once(right).unwrap_or_else(|| panic!("{right}")).0.matches('\n').count();
        let report = check_document(&text.replacen(right, wrong, 1));
        let [told] = report.wrong.as_slice() else { panic!("{wrong}: {:#?}", report.wrong) };
        let told: usize = told.split(':').nth(1).unwrap().parse().unwrap();
        // A box is told by its first line, the lists of reserved names and of steps too.
        assert!(told <= line && line - told < 10, "{wrong}: line {line}, told {told}");
        assert!(line == told || !wrong.starts_with('|'), "{wrong}: line {line}, told {told}");
    }
}

#[test]
fn a_document_without_examples_is_wrong() {
    assert_eq!(check_document("# Nothing\n").wrong.len(), KINDS.len());
    let report = check_document("| A | B |\n|---|---|\n| 1 | 2 |\n");
    assert!(report.wrong[0].contains("nothing checks a table"), "{:?}", report.wrong);
}
