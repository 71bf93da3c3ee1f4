//! Forms of output.

use super::*;

fn folder() -> Folder {
    Folder::new().with("dir a/m.yaml", MAILBOX.replace("Quỳnh", "Quỳnh 2").replace("stttt", "khac"))
}

fn print(args: &[&str]) -> (String, Option<i32>) {
    let run = folder().run(&[&["validate", "."], args].concat());
    assert!(run.stderr.is_empty());
    (String::from_utf8(run.stdout).unwrap(), run.status.code())
}

#[test]
fn text_for_people_in_both_languages() {
    let (english, code) = print(&[]);
    let expected = "\
dir a/m.yaml:6:21: warning: spec.agencyRef.name: no Agency 'khac' stands in these files; add it, or if the cluster has it: --allow-missing Agency/khac [R1, ReferenceNotFound]
dir a/m.yaml:7:13: error: spec.fullName: '2' (U+0032) at position 21 is a digit that cannot stand here; write the name alone and tell people of one name apart with spec.disambiguator (D-07) [D-08, DigitInName]
2 files, 2 objects: 1 error, 1 warning
";
    assert_eq!((english.as_str(), code), (expected, Some(1)));
    let (vietnamese, _) = print(&["--lang", "vi"]);
    assert!(vietnamese.contains("dir a/m.yaml:7:13: lỗi: spec.fullName: “2” (U+0032) ở vị trí 21"), "{vietnamese}");
    assert!(vietnamese.ends_with("2 tệp, 2 đối tượng: 1 lỗi, 1 cảnh báo\n"));
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let (json, code) = print(&["-o", "json"]);
    let findings = found(json.as_bytes());
    assert_eq!((findings.len(), code, json.lines().count()), (2, Some(1), 1));
    assert!(json.contains("\"apiVersion\":\"mail.gialai.gov.vn/v1alpha1\""));
}

#[test]
fn github_annotations_stand_at_the_field() {
    let (github, _) = print(&["--output", "github"]);
    let line = "::error file=dir a/m.yaml,line=7,col=13,title=DigitInName (D-08)::'2' (U+0032) at position 21";
    assert!(github.lines().any(|l| l.starts_with(line)), "{github}");
    let (annotations, rest): (Vec<&str>, Vec<&str>) = github.lines().partition(|l| l.starts_with("::"));
    assert_eq!((annotations.len(), rest), (2, vec!["2 files, 2 objects: 1 error, 1 warning"]));
}

/// Required by the schema of SARIF 2.1.0: object → properties.
const REQUIRED: &[(&str, &[&str])] = &[
    ("", &["version", "runs"]),
    ("/runs/0", &["tool"]),
    ("/runs/0/tool", &["driver"]),
    ("/runs/0/tool/driver", &["name"]),
    ("/runs/0/tool/driver/rules/0", &["id"]),
    ("/runs/0/results/0", &["message"]),
    ("/runs/0/results/0/message", &["text"]),
];

#[test]
fn sarif_has_what_its_schema_requires_and_points_at_the_field() {
    let (sarif, code) = print(&["--output", "sarif"]);
    let log: Value = serde_json::from_str(&sarif).unwrap();
    for (object, properties) in REQUIRED {
        let object = log.pointer(object).unwrap_or_else(|| panic!("{object} in {log}"));
        assert!(properties.iter().all(|p| object.get(p).is_some()), "{object}");
    }
    assert_eq!((log["version"].as_str(), code), (Some("2.1.0"), Some(1)));
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
    }
    let place = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "dir%20a/m.yaml");
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&7.into(), &13.into()));
    let clean = Folder::new().run(&["validate", ".", "-o", "sarif"]);
    let log: Value = serde_json::from_slice(&clean.stdout).unwrap();
    assert_eq!(log["runs"][0]["results"], Value::Array(vec![]));
}

#[test]
fn the_language_follows_the_locale() {
    let folder = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    let run = command.args(["validate", "."]).current_dir(folder.path()).env("LC_ALL", "vi_VN.UTF-8").output().unwrap();
    assert!(String::from_utf8(run.stdout).unwrap().contains("cảnh báo"));
}
