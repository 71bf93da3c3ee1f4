//! Which files are read, and what a tree is.

use std::os::unix::fs::symlink;

use super::*;

const BAD: &str = "Quỳnh (2)";

#[test]
fn lists_and_several_documents_are_read_with_their_places() {
    let item: String = MAILBOX.replace("Quỳnh", BAD).lines().map(|l| format!("  {l}\n")).collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", item.trim_start());
    let two = format!("# one\n{MAILBOX}---\n{}---\n# nothing\n", MAILBOX.replace("nv-1", "nv-2").replace("Quỳnh", BAD));
    let (findings, _) =
        Folder::new().with("list.yaml", list.replace("nv-1", "nv-3")).with("two.yaml", two).validate(&[]);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    findings[0].is("BracketInName", "list.yaml:10:15", "spec.fullName");
    findings[1].is("BracketInName", "two.yaml:17:13", "spec.fullName");
}

#[test]
fn other_groups_and_what_is_no_object_are_skipped_silently() {
    let folder = Folder::new()
        .with("kustomization.yaml", "resources: [agency.yaml]\nnamespace: thu-cong-vu\n")
        .with("flux.yml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {path: ., path: .}\n")
        .with("cm.yaml", "apiVersion: v1\nkind: ConfigMap\ndata: {no: yes}\n")
        .with("values.yaml", "- a\n- b\n")
        .with("empty.yaml", "# nothing\n")
        .with("notes.txt", "kind: [")
        .with(".git/x.yaml", "kind: [")
        .with("chart/Chart.yaml", "name: x\n")
        .with("chart/templates/x.yaml", "{{ .Values }}: [");
    assert_eq!(folder.validate(&[]), (vec![], 0));
}

#[test]
fn a_wrong_version_or_group_of_ours_is_told() {
    for version in ["mail.gialai.gov.vn/v1", "mail.gialai.gov/v1alpha1", "v1alpha1"] {
        let text = MAILBOX.replace("mail.gialai.gov.vn/v1alpha1", version);
        let found = Folder::new().with("m.yaml", text).only();
        found.is("UnknownVersion", "m.yaml:1:13", "apiVersion");
    }
    let cert = "apiVersion: other.example/v1\nkind: Mailbox\nspec: {}\n";
    assert_eq!(Folder::new().with("m.yaml", cert).validate(&[]), (vec![], 0));
}

#[test]
fn a_kind_that_does_not_exist_or_is_the_operators_is_told() {
    for (kind, hint) in [("MailBox", "did you mean Mailbox?"), ("AddressClaim", "written by the operator")] {
        let found = Folder::new().with("m.yaml", MAILBOX.replace("Mailbox", kind)).only();
        found.is("UnknownKind", "m.yaml:2:7", "kind");
        assert!(found.message.contains(hint), "{found:?}");
    }
}

#[test]
fn a_symlink_loop_is_a_warning_and_each_file_is_read_once() {
    let folder = Folder::new().with("a/m.yaml", MAILBOX);
    symlink("..", folder.path().join("a/up")).unwrap();
    symlink("a", folder.path().join("again")).unwrap();
    symlink("self", folder.path().join("self")).unwrap();
    symlink("gone", folder.path().join("gone")).unwrap();
    let (findings, code) = folder.validate(&[]);
    let told: Vec<_> = findings.iter().map(|f| (f.code.as_str(), f.severity.as_str(), f.place.as_str())).collect();
    let warned = |place| ("SymlinkLoop", "warning", place);
    assert_eq!((told, code), (vec![warned("a/up:1:1"), warned("gone:1:1"), warned("self:1:1")], 0));
}

#[test]
fn a_link_to_nothing_and_a_file_that_is_too_large_are_findings_and_the_rest_is_read() {
    let large = "#".repeat((1 << 20) + 1);
    let folder = Folder::new().with("large.yaml", large).with("m.yaml", MAILBOX.replace("Quỳnh", BAD));
    symlink("nothing", folder.path().join("link.yaml")).unwrap();
    let (findings, code) = folder.validate(&[]);
    let codes: Vec<_> = findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!((codes, code), (vec!["FileTooLarge", "FileUnreadable", "BracketInName"], 1));
}

#[test]
fn a_folder_that_is_not_there_is_told_and_ends_with_3() {
    let run = Folder::new().run(&["validate", "nowhere"]);
    let error = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(3));
    assert!(error.contains("nowhere: No such file or directory"), "{error}");
    assert!(run.stdout.is_empty());
}

#[test]
fn wrong_use_ends_with_2() {
    for args in [
        ["validate"].as_slice(),
        &["validat", "."],
        &["validate", ".", "--allow-missing", "x"],
        &["name", "A", "--suffix", "a", "-o", "sarif"],
    ] {
        assert_eq!(Folder::new().run(args).status.code(), Some(2), "{args:?}");
    }
}
