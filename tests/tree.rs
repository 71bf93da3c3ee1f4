//! What the tree promises of itself: arrows between modules, generated files, no leftovers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Module of ours → modules of ours that it may use (design §4).
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("api", &["domain"]),
    ("backend", &["domain"]),
    ("tls", &["domain"]),
    ("signals", &[]),
    ("telemetry", &[]),
    ("resources", &["api", "domain", "tls"]),
    ("kube_io", &["api", "domain", "telemetry"]),
    ("store", &["api", "domain", "backend", "telemetry"]),
    ("agent", &["backend", "domain", "tls", "signals"]),
    ("leader", &["domain", "kube_io"]),
    ("cli", &["api", "domain", "kube_io"]),
    ("portal", &["api", "domain", "backend", "kube_io", "store", "telemetry", "signals", "tls"]),
    ("controllers", &["api", "domain", "backend", "tls", "telemetry", "resources", "kube_io", "store"]),
    ("operator", &["controllers", "kube_io", "leader", "telemetry", "signals", "tls"]),
];

fn used(text: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    let code: Vec<&str> = text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect();
    for line in code.join(" ").split(';') {
        let mut rest = line;
        while let Some(at) = rest.find("crate::") {
            rest = &rest[at + 7..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or_default().split(',').map(str::trim).collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                modules.insert(name);
            }
        }
    }
    modules
}

#[test]
fn the_arrows_between_modules_hold() {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in files {
        let relative = file.strip_prefix(&src).expect("below src");
        let top = relative.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        if ["lib", "main", "bin"].contains(&top.as_str()) {
            continue;
        }
        let allowed = ARROWS.iter().find(|(name, _)| *name == top).unwrap_or_else(|| panic!("{top} has no arrows")).1;
        checked += 1;
        for module in used(&fs::read_to_string(&file).expect("text")) {
            let ours = ARROWS.iter().any(|(name, _)| *name == module);
            if ours && module != top && !allowed.contains(&module.as_str()) {
                wrong.push(format!("{} uses {module}", relative.display()));
            }
        }
    }
    assert!(checked > 40, "only {checked} files were read");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_arrows_sees_lists_paths_and_no_comments() {
    let text = "use crate::{api, domain};\nlet x = crate::backend::Account; // crate::agent\nuse crate::{\n    store,\n    tls::Pair};";
    assert_eq!(used(text), ["api", "backend", "domain", "store", "tls"].map(String::from).into());
}

fn same(path: &str, expected: &str) {
    let found = fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(found == expected, "{path} is not current: run `make generate`");
}

#[test]
fn generated_files_are_current() {
    for (name, yaml) in mail_operator::cli::crd_files().expect("CRDs") {
        same(&format!("crds/{name}"), &yaml);
        same(&format!("charts/mail-operator/files/crds/{name}"), &yaml);
    }
    same("docs/reference/codes.md", &mail_operator::cli::codes_table());
}

#[test]
fn every_test_on_a_cluster_is_run_by_make_test() {
    let made = fs::read_to_string(root().join("Makefile")).expect("Makefile");
    let always = made.split_once("ifdef ALL").expect("what runs where").0;
    let tiers: Vec<&str> = always.lines().filter(|line| line.contains("_TESTS = ")).collect();
    assert_eq!(tiers.len(), 3, "the lists of tests");
    let listed: BTreeSet<&str> = tiers.iter().flat_map(|tier| tier.split_whitespace()).collect();
    let modules = fs::read_to_string(root().join("tests/cluster/main.rs")).expect("main.rs");
    for module in modules.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')) {
        let helps = ["support", "world"].contains(&module);
        assert!(helps || listed.contains(format!("{module}::").as_str()), "no target of the Makefile runs {module}::");
    }
}

/// What `kubectl get mbx` prints for a mailbox of an agency, by the name of the column; states as they are in peace.
fn cell(column: &str, agency: &str) -> String {
    match column {
        "Address" => format!("{}@gialai.gov.vn", agency.replace('-', ".")),
        "State" => "Active".into(),
        "Reason" => "Issued".into(),
        "Ready" => "True".into(),
        "Age" => "365d".into(),
        other => panic!("a new column {other}: does it belong into the table that everybody sees?"),
    }
}

#[test]
fn the_table_of_mailboxes_fits_100_columns_with_the_agencies_of_the_province() {
    let crd = mail_operator::api::crds().into_iter().find(|c| c.spec.names.kind == "Mailbox").expect("Mailbox");
    let columns = crd.spec.versions[0].additional_printer_columns.clone().unwrap_or_default();
    let columns: Vec<_> = columns.into_iter().filter(|c| c.priority.unwrap_or(0) == 0).map(|c| c.name).collect();
    let files = fs::read_dir(root().join("manifests/gialai/agencies")).expect("agencies").flatten();
    let agencies: Vec<String> =
        files.map(|f| f.file_name().to_string_lossy().trim_end_matches(".yaml").to_string()).collect();
    assert!(agencies.len() >= 47, "{}", agencies.len());
    let widest = |header: &str, of: &dyn Fn(&str) -> String| {
        agencies.iter().map(|a| of(a).len()).max().unwrap_or(0).max(header.len()) + 3
    };
    let name = widest("NAME", &|agency| format!("agency-{agency}"));
    let all: usize = columns.iter().map(|column| widest(column, &|agency| cell(column, agency))).sum();
    assert!(name + all <= 100, "{} columns", name + all);
}
