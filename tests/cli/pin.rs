//! `kubectl mail pin` (D-21).

use super::*;

fn pin(folder: &Folder, more: &[&str]) -> (Vec<Found>, i32) {
    let run = folder.run(&[&["pin", ".", "-o", "json"], more].concat());
    assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    (found(&run.stdout), run.status.code().unwrap())
}

const COMMENTED: &str = "\
# Staff of the department
---
apiVersion: mail.gialai.gov.vn/v1alpha1
kind: Mailbox
metadata:
    name: nv-2   # staff code

spec:
    # where she works
    agencyRef:   {name: stttt}
    fullName: 'Trần Đình  Nguyên'   # as in the decision
    # the decision
    basis:
        issuer: Sở
        number: 1/x
        date: 2026-01-01
# end
";

#[test]
fn d_21_one_line_is_written_and_every_other_byte_stays() {
    let folder = Folder::new().with("m.yaml", COMMENTED);
    let run = folder.run(&["pin", "."]);
    let said = String::from_utf8(run.stdout).unwrap();
    assert_eq!(said, "Agency stttt: stttt\nMailbox nv-2: nguyentd.stttt\n2 pinned, 0 left\n");
    let name = "# as in the decision\n";
    assert_eq!(folder.read("m.yaml"), COMMENTED.replace(name, &format!("{name}    localPart: nguyentd.stttt\n")));
    let name = "  name: Sở Thông tin và Truyền thông\n";
    assert_eq!(folder.read("agency.yaml"), AGENCY.replace(name, &format!("{name}  localPart: stttt\n")));
}

#[test]
fn d_21_a_second_run_changes_nothing() {
    let folder = Folder::new().with("m.yaml", COMMENTED);
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    let first = (folder.read("m.yaml"), fs::metadata(folder.path().join("m.yaml")).unwrap().modified().unwrap());
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    assert_eq!(pin(&folder, &["--check"]), (vec![], 0));
    let second = (folder.read("m.yaml"), fs::metadata(folder.path().join("m.yaml")).unwrap().modified().unwrap());
    assert_eq!(first, second);
    assert_eq!(folder.validate(&[]), (vec![], 0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside the files");
}

#[test]
fn d_21_check_says_what_is_missing_and_writes_nothing() {
    let folder = Folder::new().with("m.yaml", COMMENTED);
    let (findings, code) = pin(&folder, &["--check"]);
    assert_eq!((findings.len(), code), (2, 1));
    findings[1].is("NotPinned", "m.yaml:8:1", "spec.localPart");
    assert!(findings[1].message.contains("nguyentd.stttt") && findings[1].rule == "D-21");
    assert_eq!(folder.read("m.yaml"), COMMENTED);
}

#[test]
fn d_21_line_ends_byte_order_mark_and_a_missing_last_line_end_are_kept() {
    let windows = format!("\u{feff}{}", COMMENTED.replace('\n', "\r\n"));
    let folder = Folder::new().with("m.yaml", &windows);
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    let name = "# as in the decision\r\n";
    assert_eq!(folder.read("m.yaml"), windows.replace(name, &format!("{name}    localPart: nguyentd.stttt\r\n")));
    let (head, tail) = MAILBOX.split_once("  fullName: Hoàng Thị Như Quỳnh\n").unwrap();
    for line_break in ["\n", "\r\n"] {
        let last = format!("{head}{tail}  fullName: Hoàng Thị Như Quỳnh").replace('\n', line_break);
        let folder = Folder::new().with("m.yaml", &last);
        assert_eq!(pin(&folder, &[]), (vec![], 0));
        assert_eq!(folder.read("m.yaml"), format!("{last}{line_break}  localPart: quynhhtn.stttt"));
    }
}

#[test]
fn d_21_flow_style_json_and_names_of_several_lines_are_handled() {
    let basis = "basis: {number: 1/x, date: 2026-01-01, issuer: x}";
    let head = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-1}\n";
    for (old, new) in [
        (
            format!("{head}spec: {{agencyRef: {{name: stttt}}, fullName: Lê An, {basis}}} # x\n"),
            "fullName: Lê An, localPart: anl.stttt, basis",
        ),
        (
            format!("{head}spec: {{\n  {basis},\n  agencyRef: {{name: stttt}},\n  fullName: \"Lê An\"\n}}\n"),
            "fullName: \"Lê An\", localPart: anl.stttt\n}",
        ),
        (
            format!("{head}spec:\n  agencyRef: {{name: stttt}}\n  fullName: >-\n    Lê\n    An\n  {basis}\n"),
            "    An\n  localPart: anl.stttt\n  basis",
        ),
        (
            format!("{head}spec:\n  agencyRef: {{name: stttt}}\n  fullName: Lê\n    An\n  {basis}\n"),
            "    An\n  localPart: anl.stttt\n  basis",
        ),
    ] {
        let folder = Folder::new().with("m.yaml", &old);
        assert_eq!(pin(&folder, &[]), (vec![], 0), "{old}");
        let text = folder.read("m.yaml");
        assert!(text.contains(new), "{text}");
        let added = if new.contains(", local") { ", localPart: anl.stttt" } else { "  localPart: anl.stttt\n" };
        assert_eq!(text.replacen(added, "", 1), old);
    }
    let json = r#"{"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "Mailbox", "metadata": {"name": "nv-1"},
 "spec": {"agencyRef": {"name": "stttt"}, "fullName": "Lê An", "basis": {"number": "1/x", "date": "2026-01-01", "issuer": "x"}}}"#;
    let folder = Folder::new().with("m.json", json);
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    let text = folder.read("m.json");
    assert_eq!(text, json.replace("\"Lê An\"", "\"Lê An\", \"localPart\": \"anl.stttt\""));
    assert!(serde_json::from_str::<Value>(&text).is_ok());
}

#[test]
fn d_21_an_address_that_yaml_would_not_read_as_text_is_quoted() {
    let text = AGENCY
        .replace("name: stttt", "name: nv")
        .replace("Sở Thông tin và Truyền thông", "Nội vụ")
        .replace("level: Province", "level: Province\n  initials: \"no\"");
    let folder = Folder::new().with("n.yaml", text);
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    assert!(folder.read("n.yaml").contains("  localPart: \"no\"\n"), "{}", folder.read("n.yaml"));
    assert_eq!(folder.validate(&[]), (vec![], 0));
}

#[test]
fn r4_2_b_several_who_would_get_one_address_get_their_next_one() {
    let other = COMMENTED.replace("nv-2", "nv-3").replace("Trần Đình  Nguyên", "Trần Đức Nguyên");
    let folder = Folder::new().with("a.yaml", COMMENTED).with("b.yaml", &other).with("m.yaml", MAILBOX);
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    assert!(folder.read("a.yaml").contains("    localPart: dinhnguyent.stttt\n"), "{}", folder.read("a.yaml"));
    assert!(folder.read("b.yaml").contains("    localPart: ducnguyent.stttt\n"), "{}", folder.read("b.yaml"));
    assert!(folder.read("m.yaml").contains("localPart: quynhhtn.stttt"));
    assert_eq!((folder.validate(&[]), pin(&folder, &["--check"])), ((vec![], 0), (vec![], 0)));
}

#[test]
fn r4_2_c_two_of_one_full_name_are_left_and_named() {
    let other = COMMENTED.replace("nv-2", "nv-3");
    let decided = COMMENTED.replace("nv-2", "nv-4").replace("    # the decision\n", "    disambiguator: \"2\"\n");
    let folder = Folder::new().with("a.yaml", COMMENTED).with("b.yaml", &other).with("c.yaml", decided);
    let (findings, code) = pin(&folder, &[]);
    assert_eq!((findings.len(), code), (2, 1), "{findings:#?}");
    findings[0].is("Conflict", "a.yaml:11:15", "spec.fullName");
    assert!(findings[0].message.contains("(nv-3)") && findings[0].rule == "4.2.c", "{findings:#?}");
    assert_eq!((folder.read("a.yaml"), folder.read("b.yaml")), (COMMENTED.into(), other));
    assert!(folder.read("c.yaml").contains("    localPart: nguyentd2.stttt\n"), "{}", folder.read("c.yaml"));
}

#[test]
fn d_21_what_another_has_in_writing_is_not_given_to_anybody_else() {
    let alias = MAILBOX.replace("  basis", "  localPart: q.stttt\n  aliases: [nguyentd.stttt]\n  basis");
    let folder = Folder::new().with("a.yaml", COMMENTED).with("m.yaml", alias);
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    assert!(folder.read("a.yaml").contains("    localPart: dinhnguyent.stttt\n"), "{}", folder.read("a.yaml"));
}

#[test]
fn d_02_who_has_an_address_gets_that_one_written_and_others_yield() {
    let claim = |local: &str, owner: &str, name: &str| {
        format!(
            "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: AddressClaim\nmetadata: {{name: {local}}}\nspec: {{use: Primary, ownerRef: \
             {{kind: Mailbox, name: {owner}}}, ownerName: {name}}}\n---\n"
        )
    };
    let claims = claim("cu.stttt", "nv-1", "Hoàng Thị Như Quỳnh") + &claim("nguyentd.stttt", "nv-9", "Trần Đức Nguyên");
    let folder = Folder::new().with("a.yaml", COMMENTED).with("m.yaml", MAILBOX).with(".claims", claims);
    assert_eq!(pin(&folder, &["--claims", ".claims"]), (vec![], 0));
    assert!(folder.read("m.yaml").contains("localPart: cu.stttt\n"), "{}", folder.read("m.yaml"));
    assert!(folder.read("a.yaml").contains("localPart: dinhnguyent.stttt\n"), "{}", folder.read("a.yaml"));
}

#[test]
fn r4_1_an_agency_and_its_own_mailbox_are_one_body() {
    let own = MAILBOX.replace("name: nv-1", "name: agency-stttt").replace("spec:", "spec:\n  holder: Agency");
    let folder = Folder::new().with("own.yaml", own);
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    assert!(folder.read("own.yaml").contains("  localPart: stttt\n"));
    let stranger = folder.read("own.yaml").replace("agency-stttt", "nv-9").replace("  localPart: stttt\n", "");
    let folder = folder.with("own.yaml", stranger);
    assert_eq!(pin(&folder, &[]).0[0].code, "Conflict");
}

#[test]
fn d_21_nothing_is_written_while_the_tree_has_errors() {
    let folder = Folder::new().with("a.yaml", COMMENTED).with("m.yaml", MAILBOX.replace("Quỳnh", "Quỳnh 2"));
    let (findings, code) = pin(&folder, &[]);
    assert_eq!((findings[0].code.as_str(), code), ("DigitInName", 1));
    assert_eq!((folder.read("a.yaml"), folder.read("agency.yaml")), (COMMENTED.into(), AGENCY.into()));
    for (lang, last) in [
        ("en", "nothing was written in any file: mend the errors first, in m.yaml\n"),
        ("vi", "chưa ghi vào tệp nào: vui lòng sửa lỗi trước, trong m.yaml\n"),
    ] {
        let run = folder.run(&["pin", ".", "--lang", lang]);
        let said = String::from_utf8(run.stdout).unwrap();
        assert!(said.ends_with(last) && run.status.code() == Some(1), "{said}");
    }
}

#[test]
fn d_21_without_its_agency_an_address_cannot_be_known() {
    let folder = Folder::new().with("m.yaml", MAILBOX.replace("stttt", "khac"));
    let (findings, code) = pin(&folder, &["--allow-missing", "Agency/*"]);
    assert_eq!((findings.len(), code), (1, 1), "{findings:#?}");
    findings[0].is("NotPinnable", "m.yaml:6:3", "spec.agencyRef");
}

#[test]
fn d_21_where_a_line_cannot_be_put_safely_the_file_is_left() {
    let head = MAILBOX.split_once("spec:").unwrap().0;
    let basis = "basis: {number: 1/x, date: 2026-01-01, issuer: x}";
    for spec in [
        format!("spec:\n  <<: {{agencyRef: {{name: stttt}}, fullName: Lê Ba}}\n  {basis}\n"),
        format!("spec:\n  ? fullName\n  : Lê Ba\n  agencyRef: {{name: stttt}}\n  {basis}\n"),
    ] {
        let text = format!("{head}{spec}");
        let folder = Folder::new().with("m.yaml", &text);
        let (findings, code) = pin(&folder, &[]);
        assert_eq!((findings.len(), code), (1, 1), "{findings:#?}");
        findings[0].is("NotPinnable", "m.yaml:5:1", "spec.localPart");
        assert!(findings[0].message.contains("write spec.localPart: bal.stttt by hand"), "{findings:#?}");
        assert_eq!(folder.read("m.yaml"), text);
    }
}

#[test]
fn d_21_a_link_stays_a_link_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new().with(".store/real", COMMENTED);
    let real = folder.path().join(".store/real");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(".store/real", folder.path().join("m.yaml")).unwrap();
    assert_eq!(pin(&folder, &[]), (vec![], 0));
    assert!(fs::symlink_metadata(folder.path().join("m.yaml")).unwrap().is_symlink());
    assert!(folder.read(".store/real").contains("localPart: nguyentd.stttt"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
}
