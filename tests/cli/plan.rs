//! `kubectl mail plan`: what a merge would do.

use super::*;

mod ends;
mod unquoted;

/// A person of an agency.
fn person(id: &str, agency: &str, name: &str, more: &str) -> String {
    format!(
        "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {{name: {id}}}\nspec:\n  agencyRef: {{name: {agency}}}\n  \
         fullName: {name}\n{more}  basis: {{number: 1/x, date: \"2026-01-01\", issuer: x}}\n---\n"
    )
}

/// A claim as the operator writes it.
fn claim(local: &str, address_use: &str, owner: &str, name: &str, more: &str) -> String {
    format!(
        "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: AddressClaim\nmetadata: {{name: {local}}}\nspec:\n  use: {address_use}\n  \
         ownerRef: {{kind: Mailbox, name: {owner}, uid: u-{owner}}}\n  ownerName: {name}\n{more}---\n"
    )
}

struct Planned(Value, i32);

impl Planned {
    fn item(&self, kind: &str, name: &str) -> &Value {
        let items = self.0["items"].as_array().unwrap();
        items.iter().find(|i| i["kind"] == kind && i["name"] == name).unwrap_or_else(|| panic!("{name}: {items:#?}"))
    }

    /// Outcome and the local part of the address, `-` for none.
    fn got(&self, name: &str) -> (String, String) {
        let item = self.item("Mailbox", name);
        let address = item["address"].as_str().map_or("-", |a| a.strip_suffix("@gialai.gov.vn").unwrap());
        (item["outcome"].as_str().unwrap().into(), address.into())
    }

    fn is(&self, name: &str, outcome: &str, local: &str) {
        assert_eq!(self.got(name), (outcome.into(), local.into()), "{:#}", self.item("Mailbox", name));
    }

    /// Code, rule, message and Vietnamese message of the only error.
    fn error(&self, name: &str) -> (&str, &str, &str, &str) {
        let item = self.item("Mailbox", name);
        let errors = item["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{item:#}");
        let text = |key: &str| errors[0][key].as_str().unwrap();
        (text("code"), text("rule"), text("message"), text("messageVi"))
    }
}

fn plan(folder: &Folder, more: &[&str]) -> Planned {
    let run = folder.run(&[&["plan", ".", "-o", "json"], more].concat());
    let document: Value = serde_json::from_slice(&run.stdout).unwrap();
    let quiet = document["notes"] == Value::Array(vec![]);
    assert_eq!(run.stderr.is_empty(), quiet, "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!((&document["kind"], &document["apiVersion"]), (&"Plan".into(), &"mail.gialai.gov.vn/v1alpha1".into()));
    Planned(document, run.status.code().unwrap())
}

/// Claims in a file outside of the tree, as `.claims/` is skipped.
fn beside(folder: Folder, claims: &str) -> Planned {
    let folder = folder.with(".claims/all.yaml", claims);
    plan(&folder, &["--claims", ".claims/all.yaml"])
}

#[test]
fn r4_2_a_an_item_says_who_gets_what_and_how() {
    let planned = plan(&Folder::new().with("m.yaml", MAILBOX), &[]);
    assert_eq!(planned.1, 0);
    let item = planned.item("Mailbox", "nv-1");
    assert_eq!(item["file"], "m.yaml");
    assert_eq!((&item["line"], &item["outcome"], &item["pinned"]), (&1.into(), &"Issued".into(), &false.into()));
    assert_eq!(
        (&item["address"], &item["storedName"]),
        (&"quynhhtn.stttt@gialai.gov.vn".into(), &"Hoàng Thị Như Quỳnh".into())
    );
    let steps = item["derivation"].as_array().unwrap();
    assert!(
        steps.iter().any(|s| s["step"] == "given+initials" && s["rule"] == "4.2.a" && s["value"] == "quynhhtn"),
        "{steps:?}"
    );
    for list in ["aliases", "warnings", "errors"] {
        assert_eq!(item[list], Value::Array(vec![]), "{list}");
    }
    let agency = planned.item("Agency", "stttt");
    assert_eq!((&agency["outcome"], &agency["address"]), (&"Issued".into(), &"stttt@gialai.gov.vn".into()));
    assert_eq!((&planned.0["counts"]["issued"], &planned.0["counts"]["conflict"]), (&2.into(), &0.into()));
}

#[test]
fn r4_2_b_several_of_different_names_all_go_on_and_two_of_one_name_wait() {
    let tree = [
        person("nv-1", "stttt", "Trần Đình Nguyên", ""),
        person("nv-2", "stttt", "Trần Đức Nguyên", ""),
        person("nv-3", "stttt", "Lê Minh Hoà", ""),
        person("nv-4", "stttt", "Lê Minh Hòa", ""),
        person("nv-5", "stttt", "Phạm Văn An", ""),
        person("nv-6", "stttt", "Phạm Văn An", "  disambiguator: \"2\"\n"),
    ];
    let planned = plan(&Folder::new().with("m.yaml", tree.concat()), &[]);
    planned.is("nv-1", "Issued", "dinhnguyent.stttt");
    planned.is("nv-2", "Issued", "ducnguyent.stttt");
    let rules = |name: &str| planned.item("Mailbox", name)["derivation"].to_string();
    assert!(rules("nv-1").contains("4.2.b"), "{}", rules("nv-1"));
    for name in ["nv-3", "nv-4"] {
        planned.is(name, "Conflict", "-");
        let (code, rule, message, vi) = planned.error(name);
        assert_eq!((code, rule), ("Conflict", "4.2.c"));
        assert!(message.contains("write spec.disambiguator") && message.contains("for example 2"), "{message}");
        assert!(vi.contains("trùng họ tên") && vi.contains("hoalm.stttt"), "{vi}");
    }
    planned.is("nv-5", "Issued", "anpv.stttt");
    planned.is("nv-6", "Issued", "anpv2.stttt");
    assert_eq!(planned.1, 1);
}

#[test]
fn d_21_written_addresses_come_first_and_alike_ones_are_decided_together() {
    let tree = [
        person("nv-1", "stttt", "Lê An", ""),
        person("nv-2", "stttt", "Trần Bình", "  localPart: anl.stttt\n"),
        person("nv-3", "stttt", "Lê Chi", "  localPart: chung.stttt\n"),
        person("nv-4", "stttt", "Lê Dung", "  localPart: chung.stttt\n"),
        person("nv-5", "stttt", "Lê Em", "  aliases: [gl.stttt]\n"),
        person("nv-6", "stttt", "Lê G", ""),
    ];
    let planned = plan(&Folder::new().with("m.yaml", tree.concat()), &[]);
    planned.is("nv-2", "Issued", "anl.stttt");
    assert_eq!(planned.item("Mailbox", "nv-2")["pinned"], true);
    assert_ne!(planned.got("nv-1").1, "anl.stttt");
    for name in ["nv-3", "nv-4"] {
        planned.is(name, "Conflict", "-");
        assert_eq!(planned.error(name).1, "D-21");
    }
    assert_eq!(planned.item("Mailbox", "nv-5")["aliases"][0], "gl.stttt@gialai.gov.vn");
    assert_ne!(planned.got("nv-6").1, "gl.stttt", "an alias in writing is somebody's");
}

#[test]
fn d_02_what_is_issued_stays_and_newcomers_yield() {
    let tree = [person("nv-1", "stttt", "Trần Đình Nguyên", ""), person("nv-2", "stttt", "Trần Đức Nguyên", "")];
    let claims = claim("nguyentd.stttt", "Primary", "nv-2", "Trần Đức Nguyên", "  agency: stttt\n");
    let planned = beside(Folder::new().with("m.yaml", tree.concat()), &claims);
    planned.is("nv-2", "Kept", "nguyentd.stttt");
    assert_eq!(planned.got("nv-1").0, "Issued");
    assert_ne!(planned.got("nv-1").1, "nguyentd.stttt");
    assert_eq!(planned.1, 0);
}

#[test]
fn d_03_who_left_a_contested_address_does_not_come_back_to_it() {
    let mark = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: AddressClaim\nmetadata:\n  name: anl.stttt\n  labels: \
                {mail.gialai.gov.vn/contested: \"true\"}\n  annotations: {mail.gialai.gov.vn/left-by: nv-1}\nspec:\n  use: Reserved\n  \
                ownerRef: {kind: MailSystem, name: gialai}\n  ownerName: \"\"\n";
    let one = || Folder::new().with("m.yaml", person("nv-1", "stttt", "Lê An", ""));
    assert_ne!(beside(one(), mark).got("nv-1").1, "anl.stttt");
    let other = mark.replace("left-by: nv-1", "left-by: nv-7");
    beside(one(), &other).is("nv-1", "Issued", "anl.stttt");
}

#[test]
fn d_02_a_transfer_and_a_rename_change_an_issued_address() {
    let other = AGENCY.replace("name: stttt", "name: snv").replace("Sở Thông tin và Truyền thông", "Sở Nội vụ");
    let rename = "  rename: {basis: {number: 2/x, date: \"2026-02-01\", issuer: x}}\n";
    let tree = [
        person("nv-1", "snv", "Lê An", ""),
        person("nv-2", "stttt", "Lê Thị Hoa", rename),
        person("nv-3", "snv", "Lê Bình", "  localPart: binhl.stttt\n"),
        person("nv-4", "mất", "Lê Chi", "").replace("mất", "mat"),
    ];
    let claims = [
        claim("anl.stttt", "Primary", "nv-1", "Lê An", "  agency: stttt\n"),
        claim("hoat.stttt", "Primary", "nv-2", "Lê Thị Hoa", "  agency: stttt\n"),
        claim("binhl.stttt", "Primary", "nv-3", "Lê Bình", "  agency: stttt\n"),
        claim("chil.stttt", "Primary", "nv-4", "Lê Chi", "  agency: stttt\n"),
    ];
    let folder = Folder::new().with("snv.yaml", other).with("m.yaml", tree.concat());
    let planned = beside(folder, &claims.concat());
    planned.is("nv-1", "Changed", "anl.snv");
    let item = planned.item("Mailbox", "nv-1");
    assert_eq!(
        (&item["formerAddress"], &item["aliases"][0]),
        (&"anl.stttt@gialai.gov.vn".into(), &"anl.stttt@gialai.gov.vn".into())
    );
    planned.is("nv-2", "Changed", "hoalt.stttt");
    planned.is("nv-3", "Kept", "binhl.stttt");
    planned.is("nv-4", "Waiting", "chil.stttt");
    let (code, _, message, vi) = planned.error("nv-4");
    assert!(code == "AgencyNotFound" && message.contains("chil.stttt@gialai.gov.vn stays until then"), "{message}");
    assert!(vi.contains("giữ nguyên"), "{vi}");
}

#[test]
fn d_14_the_address_of_another_person_is_not_given_back() {
    let claims = claim("anl.stttt", "Primary", "nv-1", "Lê An", "  agency: stttt\n");
    let folder = || Folder::new().with("m.yaml", person("nv-1", "stttt", "Trần Văn Bình", ""));
    let planned = beside(folder(), &claims);
    planned.is("nv-1", "Conflict", "-");
    assert_eq!((planned.error("nv-1").0, planned.error("nv-1").1), ("HolderMismatch", "D-14"));
    // The same object in the cluster: somebody married, or wrote the name anew.
    let mailbox = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-1, uid: u-nv-1}\n";
    let planned = beside(folder(), &format!("{claims}{mailbox}"));
    planned.is("nv-1", "Kept", "anl.stttt");
    assert_eq!(planned.item("Mailbox", "nv-1")["warnings"][0]["code"], "NameChanged");
    // Only the place of the tone mark differs.
    let planned = beside(folder(), &claims.replace("Lê An", "TRẦN  VĂN BÌNH"));
    planned.is("nv-1", "Kept", "anl.stttt");
}

#[test]
fn d_19_a_tombstone_is_nobodys_until_it_is_taken_over_with_a_word() {
    let tomb = claim("anl.stttt", "Tombstone", "nv-9", "Lê Ân", "");
    let folder = |more: &str| Folder::new().with("m.yaml", person("nv-1", "stttt", "Lê An", more));
    assert_ne!(beside(folder(""), &tomb).got("nv-1").1, "anl.stttt");
    let supersedes = "  supersedes: [anl.stttt]\n";
    let planned = beside(folder(supersedes), &tomb);
    planned.is("nv-1", "Conflict", "-");
    assert_eq!((planned.error("nv-1").0, planned.error("nv-1").1), ("SupersedesHeld", "D-19"));
    let said = "metadata: {name: nv-1, annotations: {mail.gialai.gov.vn/acknowledge-supersedes: anl.stttt}}";
    let file = person("nv-1", "stttt", "Lê An", supersedes).replace("metadata: {name: nv-1}", said);
    beside(Folder::new().with("m.yaml", file), &tomb).is("nv-1", "Issued", "anl.stttt");
}

#[test]
fn what_waits_and_what_is_refused_is_told_apart() {
    let unit = AGENCY.replace("name: stttt", "name: bad").replace("  level: Province\n", "");
    let tree = [
        person("nv-1", "khac", "Lê An", ""),
        person("nv-2", "stttt", "Lê An 2", ""),
        person("nv-3", "bad", "Lê Chi", ""),
        person("nv-4", "stttt", "Lê Dung", "  localPart: postmaster\n"),
    ];
    let folder = Folder::new().with("bad.yaml", unit).with("m.yaml", tree.concat()).with("q.yaml", "a: [");
    let planned = plan(&folder, &[]);
    planned.is("nv-1", "Waiting", "-");
    assert_eq!(planned.error("nv-1").0, "AgencyNotFound");
    planned.is("nv-2", "Rejected", "-");
    assert_eq!(planned.error("nv-2").0, "DigitInName");
    planned.is("nv-3", "Waiting", "-");
    assert!(planned.error("nv-3").2.contains("'bad' is rejected"), "{}", planned.error("nv-3").2);
    planned.is("nv-4", "Rejected", "-");
    assert_eq!(planned.error("nv-4").0, "ReservedLocalPart");
    assert_eq!(planned.item("Agency", "bad")["outcome"], "Rejected");
    let alone = plan(&Folder::new().with("m.yaml", person("nv-1", "khac", "Lê An", "")), &[]);
    assert_eq!(alone.1, 0, "what waits goes on by itself");
}

#[test]
fn r4_1_bodies_that_want_one_address_are_decided_together_and_an_agency_speaks_for_its_mailbox() {
    let other =
        AGENCY.replace("name: stttt", "name: tttt").replace("Sở Thông tin và Truyền thông", "Sở Thể thao và Tài trợ");
    let other = other.replace("level: Province", "level: Province\n  initials: stttt");
    let none = AGENCY.replace("name: stttt", "name: snv").replace("Sở Thông tin và Truyền thông", "Sở Nội vụ");
    let none = none.replace("level: Province", "level: Province\n  hasMailbox: false");
    let folder = Folder::new().with("b.yaml", other).with("c.yaml", none);
    let planned = plan(&folder, &[]);
    for name in ["stttt", "tttt"] {
        let item = planned.item("Agency", name);
        assert_eq!((&item["outcome"], &item["address"]), (&"Conflict".into(), &Value::Null));
        assert!(item["errors"][0]["message"].as_str().unwrap().contains("spec.initials"), "{item:#}");
    }
    let item = planned.item("Agency", "snv");
    assert_eq!((&item["outcome"], &item["address"]), (&"Issued".into(), &Value::Null));
}

#[test]
fn the_system_of_the_tree_gives_domain_and_profile_and_claims_of_a_list_count() {
    let system = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: MailSystem\nmetadata: {name: gialai}\nspec:\n  domain: x.gov.vn\n  \
                  hostname: mail.x.gov.vn\n  dovecot: {storage: {size: 10Gi}}\n";
    let other =
        AGENCY.replace("name: stttt", "name: xa").replace("systemRef: {name: gialai}", "systemRef: {name: khac}");
    let other = other.replace("Sở Thông tin và Truyền thông", "Sở Nội vụ");
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "AddressClaim",
        "metadata": {"name": "anl.stttt"}, "spec": {"use": "Primary", "ownerRef": {"kind": "Mailbox", "name": "nv-1"}, "ownerName": "Lê An"}}]}"#;
    let tree = [person("nv-1", "stttt", "Lê An", ""), person("nv-2", "xa", "Lê Bình", "")].concat();
    let folder = Folder::new().with("s.yaml", system).with("xa.yaml", other).with("m.yaml", tree);
    let planned = beside(folder, list);
    let item = planned.item("Mailbox", "nv-1");
    assert_eq!((&item["outcome"], &item["address"]), (&"Kept".into(), &"anl.stttt@x.gov.vn".into()), "{item:#}");
    assert_eq!(planned.item("Mailbox", "nv-2")["outcome"], "Waiting");
}

#[test]
fn files_that_cannot_be_read_are_counted_and_errors_have_their_place() {
    let folder = Folder::new().with("m.yaml", person("nv-1", "stttt", "Lê Аn", "")).with("x.yaml", "a:\n\tb: 1\n");
    let run = folder.run(&["plan", "."]);
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(text.lines().next().unwrap().ends_with("0 revoked, files with errors: 1"), "{text}");
    assert!(text.contains("m.yaml:6:13"), "{text}");
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn text_has_counts_first_at_most_100_columns_and_no_control_characters() {
    let long = "Nguyễn Hoàng Thị Như Quỳnh Anh Thảo Mai Phương Uyên Nhi Trang";
    let tree = [
        person(
            "nv-1",
            "stttt",
            long,
            "  lock: {reasons: [Compromised], basis: {number: 1/x, date: \"2026-01-01\", issuer: x}}\n",
        ),
        person("nv-2", "stttt", "Lê An", ""),
        person("nv-3", "stttt", "Lê An", ""),
        person("nv-4", "stttt", "\"Lê \\e[31mAn\"", ""),
    ];
    let folder = Folder::new().with("m.yaml", tree.concat());
    for (lang, first, conflict) in [
        (
            "en",
            "2 conflicts, 1 rejected, 0 waiting, 0 changed, 2 issued, 0 kept, 1 locked, 0 revoked",
            "conflicts, to be decided",
        ),
        (
            "vi",
            "2 xung đột, 1 từ chối, 0 chờ, 0 thay đổi, 2 cấp mới, 0 giữ nguyên, 1 khóa, 0 thu hồi",
            "cần người quyết định (2)",
        ),
    ] {
        let run = folder.run_on("100", &["plan", ".", "--lang", lang]);
        let text = String::from_utf8(run.stdout).unwrap();
        assert_eq!(text.lines().next(), Some(first), "{text}");
        assert!(text.contains(conflict) && text.contains("spec.disambiguator") && !text.contains('\u{1b}'), "{text}");
        let too_long: Vec<&str> = text.lines().filter(|l| l.chars().count() > 100).collect();
        assert!(too_long.is_empty(), "{too_long:#?}");
        assert_eq!(run.status.code(), Some(1));
    }
}

#[test]
fn markdown_fits_into_a_comment_and_is_not_steered_by_files() {
    let rows: String = (0..2000).map(|i| person(&format!("nv-{i}"), "stttt", "Lê An", "")).collect();
    let folder = Folder::new().with("m.yaml", rows).with("x.yaml", person("nv-x", "stttt", "\"<b>|`@all\"", ""));
    let run = folder.run(&["plan", ".", "-o", "markdown"]);
    let page = String::from_utf8(run.stdout).unwrap();
    assert!(page.len() <= 65_536 && page.contains("more: `kubectl mail plan -o json` has all"), "{}", page.len());
    assert!(page.starts_with("### Mail addresses\n\n2000 conflicts, 1 rejected"), "{}", &page[..200]);
    assert!(page.contains("<details open><summary>conflicts, to be decided by a person (2000)"));
    for bad in ["<b>", "@all"] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
}

#[test]
fn wrong_use_ends_with_2_and_claims_that_cannot_be_read_with_3() {
    let folder = Folder::new().with("bad.txt", "kind: AddressClaim\nspec: 1\n").with("no.txt", "a: [");
    assert_eq!(folder.run(&["plan", ".", "-o", "sarif"]).status.code(), Some(2));
    assert_eq!(folder.run(&["validate", ".", "-o", "markdown"]).status.code(), Some(2));
    for claims in ["gone.yaml", "bad.txt", "no.txt"] {
        let run = folder.run(&["plan", ".", "--claims", claims]);
        assert_eq!((run.status.code(), run.stdout.len()), (Some(3), 0), "{claims}");
        assert!(String::from_utf8(run.stderr).unwrap().contains(claims));
    }
    let help = String::from_utf8(folder.run(&["plan", "--help"]).stdout).unwrap();
    assert!(help.contains("--claims cluster") && help.contains("Outcomes: Issued, Kept"), "{help}");
}

#[test]
fn r4_1_a_the_rule_beside_the_address_of_a_body_is_that_of_bodies() {
    let folder = Folder::new().with("a.yaml", AGENCY).with("m.yaml", MAILBOX);
    let text = String::from_utf8(folder.run(&["plan", "."]).stdout).unwrap();
    let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_string();
    assert!(row("stttt@gialai.gov.vn").contains(" 4.1.a "), "{text}");
    assert!(row("quynhhtn.stttt@gialai.gov.vn").contains(" 4.2.a "), "{text}");
}
