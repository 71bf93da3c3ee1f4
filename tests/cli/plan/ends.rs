//! Who is revoked, by a file or since none is there, and who gets no address.

use super::*;

#[test]
fn r5_4_who_is_revoked_by_the_file_is_told() {
    let tree = [
        person("nv-1", "stttt", "Lê An", "  state: Revoked\n"),
        person("nv-2", "stttt", "Trần Bình", "  endsOn: \"2020-01-31\"\n"),
        person("nv-3", "stttt", "Phạm Cúc", "  endsOn: \"2999-01-31\"\n"),
    ];
    let claims =
        claim("anl.stttt", "Primary", "nv-1", "Lê An", "") + &claim("binht.stttt", "Primary", "nv-2", "Trần Bình", "");
    let folder = Folder::new().with("m.yaml", tree.concat()).with(".claims/all.yaml", claims);
    let beside = ["--claims", ".claims/all.yaml"];
    let planned = plan(&folder, &beside);
    let ended = |name: &str| planned.item("Mailbox", name)["ended"].clone();
    assert_eq!([ended("nv-1"), ended("nv-2"), ended("nv-3")], ["Approved".into(), "EndsOn".into(), Value::Null]);
    let run = |more: &[&str]| String::from_utf8(folder.run(&[&["plan", "."], &beside, more].concat()).stdout).unwrap();
    let text = run(&[]);
    assert!(text.lines().next().unwrap().ends_with("2 revoked") && text.contains("spec.endsOn (5.4) (2)"), "{text}");
    let page = run(&["-o", "markdown"]);
    assert!(page.contains("revoked by their files"), "{page}");
    let ending = "  ending: {basis: {number: 2/x, date: \"2026-01-01\", issuer: x}}\n";
    let wrong =
        folder.with("m.yaml", person("nv-1", "stttt", "Lê An", &format!("  endsOn: \"2026-02-30\"\n{ending}"))).only();
    wrong.is("InvalidDate", "m.yaml:7:11", "spec.endsOn");
}

#[test]
fn r5_4_who_is_revoked_and_has_no_address_gets_none_and_is_no_address_that_stays() {
    let tree = [
        person("nv-1", "stttt", "Lê An", "  state: Revoked\n"),
        person("nv-2", "stttt", "Trần Bình", "  endsOn: \"2020-01-31\"\n"),
        // What who gets nothing has pinned keeps nobody from it.
        person("nv-3", "stttt", "Phạm Cúc", "  state: Revoked\n  localPart: dungl.stttt\n"),
        person("nv-4", "stttt", "Lê Dung", ""),
    ];
    let folder = Folder::new().with("m.yaml", tree.concat());
    let planned = plan(&folder, &[]);
    for (name, path) in [("nv-1", "spec.state"), ("nv-2", "spec.endsOn"), ("nv-3", "spec.state")] {
        let (item, why) = (planned.item("Mailbox", name), &planned.item("Mailbox", name)["noAddress"]);
        assert_eq!((&item["outcome"], &item["address"]), (&"Kept".into(), &Value::Null), "{item:#}");
        assert_eq!((&why["code"], &why["rule"], &why["path"]), (&"Revoked".into(), &"R5.4".into(), &path.into()));
    }
    assert_eq!(planned.item("Mailbox", "nv-4")["noAddress"], Value::Null);
    planned.is("nv-4", "Issued", "dungl.stttt");
    let counts = &planned.0["counts"];
    assert_eq!((&counts["noAddress"], &counts["kept"], &counts["revoked"]), (&3.into(), &0.into(), &0.into()));
    for (lang, first, title, why) in [
        (
            "en",
            "0 kept, 3 without an address, 0 locked, 0 revoked",
            "get no address (3)",
            "revoked by spec.state and no address",
        ),
        (
            "vi",
            "0 giữ nguyên, 3 không được cấp địa chỉ, 0 khóa, 0 thu hồi",
            "không được cấp địa chỉ (3)",
            "đã thu hồi theo spec.state",
        ),
    ] {
        let run =
            |form: &str| String::from_utf8(folder.run(&["plan", ".", "--lang", lang, "-o", form]).stdout).unwrap();
        let (text, page) = (run("text"), run("markdown"));
        for shown in [&text, &page] {
            assert!(shown.contains(first) && shown.contains(title) && shown.contains(why), "{shown}");
            let old = ["addresses that stay", "địa chỉ giữ nguyên", "revoked by their files", "thu hồi theo tệp: spec"];
            assert!(!old.iter().any(|title| shown.contains(title)), "{shown}");
        }
    }
}

#[test]
fn d_14_whose_mail_was_removed_gets_no_address_while_its_mailbox_stands() {
    let tomb = claim("anl.stttt", "Tombstone", "nv-1", "Lê An", "  purgedAt: \"2026-01-01T00:00:00Z\"\n");
    let mailbox = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-1, uid: u-nv-1}\n";
    let folder = |more: &str| Folder::new().with("m.yaml", person("nv-1", "stttt", "Lê An", more));
    for (more, said) in [("", "delete this Mailbox"), ("  state: Revoked\n", "was removed after the time of keeping")] {
        let planned = beside(folder(more), &format!("{tomb}{mailbox}"));
        let item = planned.item("Mailbox", "nv-1");
        assert_eq!((&item["address"], &item["noAddress"]["code"]), (&Value::Null, &"Purged".into()), "{item:#}");
        assert!(item["noAddress"]["message"].as_str().unwrap().contains(said), "{item:#}");
    }
    // One that was made anew has another uid and a new account.
    let anew = beside(folder(""), &format!("{tomb}{}", mailbox.replace("u-nv-1", "u-2")));
    assert_eq!(anew.item("Mailbox", "nv-1")["noAddress"], Value::Null);
}

#[test]
fn d_14_who_was_purged_is_known_by_its_status_and_who_wants_it_back_decides() {
    let mailbox = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-1, uid: u-nv-1}\n";
    let purged = format!("{mailbox}status: {{state: Purged, formerAddress: anl.stttt@gialai.gov.vn}}\n---\n");
    let folder = |more: &str| Folder::new().with("m.yaml", person("nv-1", "stttt", "Lê An", more));
    let tomb = claim("anl.stttt", "Tombstone", "nv-1", "Lê An", "  purgedAt: \"2026-01-01T00:00:00Z\"\n");
    // The tombstone is over, or there.
    for claims in [purged.clone(), format!("{tomb}{mailbox}")] {
        let planned = beside(folder(""), &claims);
        assert_eq!((planned.got("nv-1"), planned.1), (("Kept".into(), "-".into()), 1), "{:#}", planned.0);
        assert_eq!((planned.error("nv-1").0, planned.error("nv-1").1), ("Purged", "D-14"));
        assert_eq!(planned.item("Mailbox", "nv-1")["noAddress"]["code"], "Purged");
        let planned = beside(folder("  state: Revoked\n"), &claims);
        let item = planned.item("Mailbox", "nv-1");
        assert_eq!(
            (&item["noAddress"]["code"], &item["errors"], planned.1),
            (&"Purged".into(), &Value::Array(vec![]), 0)
        );
    }
    // It is told once.
    let folder = folder("").with(".claims/all.yaml", &purged);
    for form in ["text", "markdown"] {
        let run = folder.run(&["plan", ".", "--claims", ".claims/all.yaml", "-o", form]);
        let text = String::from_utf8(run.stdout).unwrap();
        assert_eq!((text.matches("Purged").count(), run.status.code()), (1, Some(1)), "{text}");
    }
    // What has an address was not purged, whatever a status says; another state is none.
    let held = claim("anl.stttt", "Primary", "nv-1", "Lê An", "  agency: stttt\n");
    for (claims, outcome) in [(format!("{held}{purged}"), "Kept"), (purged.replace("Purged", "Active"), "Issued")] {
        let folder = Folder::new().with("m.yaml", person("nv-1", "stttt", "Lê An", ""));
        let planned = beside(folder, &claims);
        planned.is("nv-1", outcome, "anl.stttt");
        assert_eq!(planned.1, 0);
    }
}

#[test]
fn d_14_claims_without_mailboxes_do_not_tell_who_was_purged_and_that_is_said() {
    let purged = "  purgedAt: \"2026-01-01T00:00:00Z\"\n";
    let tombs: String =
        (1..=4).map(|i| claim(&format!("a{i}.stttt"), "Tombstone", &format!("nv-{i}"), "Lê An", purged)).collect();
    let tree = |n: i32| {
        (1..=n)
            .map(|i| {
                person(
                    &format!("nv-{i}"),
                    "stttt",
                    &format!("Lê {}", ["An", "Bình", "Chi", "Dung"][i as usize - 1]),
                    "",
                )
            })
            .collect::<String>()
    };
    let notes = |tree: &str, claims: &str| {
        let planned = beside(Folder::new().with("m.yaml", tree), claims);
        planned.0["notes"].as_array().unwrap().clone()
    };
    let said = notes(&tree(2), &tombs);
    let (en, vi) = (said[0]["message"].as_str().unwrap(), said[0]["messageVi"].as_str().unwrap());
    assert!(said.len() == 1 && en.contains("2 names (nv-1, nv-2)") && en.contains("kubectl get addr,mbx"), "{en}");
    assert!(vi.contains("2 tên (nv-1, nv-2)") && vi.contains("đã bị xóa hẳn"), "{vi}");
    assert!(notes(&tree(4), &tombs)[0]["message"].as_str().unwrap().contains("4 names (nv-1, nv-2, nv-3, …)"));
    // Where Mailboxes are told, of somebody else, who has an address, and who is revoked: nothing is unsure.
    let other = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-9, uid: u-nv-9}\n";
    let held = claim("b.stttt", "Primary", "nv-1", "Lê An", "  agency: stttt\n");
    let revoked = person("nv-1", "stttt", "Lê An", "  state: Revoked\n");
    for (tree, claims) in [
        (tree(1), format!("{tombs}{other}")),
        (person("nv-7", "stttt", "Lê An", ""), tombs.clone()),
        (tree(1), format!("{tombs}{held}")),
        (revoked, tombs.clone()),
        (tree(1), tombs.replace(purged, "")),
    ] {
        assert!(notes(&tree, &claims).is_empty(), "{claims}");
    }
    let folder = Folder::new().with("m.yaml", tree(1)).with(".claims/all.yaml", &tombs);
    let run = folder.run_on("400", &["plan", ".", "--claims", ".claims/all.yaml"]);
    assert!(String::from_utf8(run.stdout).unwrap().contains("! of 1 names (nv-1)"));
}

#[test]
fn d_14_own_mailboxes_of_agencies_and_who_is_revoked_already_are_not_missing() {
    let gone = "  revokedAt: \"2026-01-01T00:00:00Z\"\n";
    let said = "  life: {revokedAt: \"2026-01-01T00:00:00Z\"}\n";
    let claims = [
        claim("anl.stttt", "Primary", "nv-1", "Lê An", ""),
        claim("binhl.stttt", "Primary", "nv-2", "Lê Bình", gone),
        claim("cucl.stttt", "Primary", "nv-3", "Lê Cúc", said),
        claim("stttt", "Primary", "agency-stttt", "Sở Thông tin và Truyền thông", ""),
        claim("snv", "Primary", "agency-snv", "Sở Nội vụ", ""),
    ];
    // Everybody who has an account is there; of a single file nothing is missing either.
    let folder =
        Folder::new().with("m.yaml", person("nv-1", "stttt", "Lê An", "")).with(".claims/all.yaml", claims.concat());
    for path in [".", "m.yaml"] {
        let run = folder.run(&["plan", path, "--claims", ".claims/all.yaml", "-o", "json"]);
        let document: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(
            (&document["revoked"], &document["notes"]),
            (&Value::Array(vec![]), &Value::Array(vec![])),
            "{document:#}"
        );
        assert!(run.stderr.is_empty());
    }
    // One is: one of two, and not one of six.
    let two = claims.concat() + &claim("dungl.stttt", "Primary", "nv-4", "Lê Dung", "");
    let folder = folder.with(".claims/all.yaml", two);
    let run = folder.run(&["plan", "m.yaml", "--claims", ".claims/all.yaml"]);
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(text.contains("1 of 2 Mailboxes with an address count as revoked here"), "{text}");
}

#[test]
fn d_14_a_part_of_the_tree_revokes_nobody_and_who_reads_one_is_told() {
    let claims: String = (1..=6)
        .map(|i| claim(&format!("a{i}.stttt"), "Primary", &format!("nv-{i}"), "Lê An", "  agency: stttt\n"))
        .collect();
    let people = |n: usize| (1..=n).map(|i| person(&format!("nv-{i}"), "stttt", "Lê An", "")).collect::<String>();
    let run = |folder: &Folder, args: &[&str]| {
        let run = folder.run(&[&["plan"], args, &["--claims", "claims.txt"]].concat());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        (text(run.stdout), text(run.stderr))
    };
    let folder = Folder::new().with("m.yaml", people(5)).with("claims.txt", &claims);
    // One who is gone of a folder is what a plan is for.
    assert!(!run(&folder, &["."]).0.contains("--partial"));
    // A single file is no tree.
    let (text, quiet) = run(&folder, &["m.yaml"]);
    let told = "1 of 6 Mailboxes with an address count as revoked here, since single files were read";
    assert!(text.contains(told) && quiet.is_empty(), "{text}{quiet}");
    let (page, said) = run(&folder, &["m.yaml", "-o", "markdown", "--lang", "vi"]);
    for text in [page, said] {
        assert!(text.contains("1 trong 6 hộp thư") && text.contains("--partial"), "{text}");
    }
    let (json, said) = run(&folder, &["m.yaml", "-o", "json"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    assert!(document["notes"][0]["message"].as_str().unwrap().starts_with("1 of 6") && !said.is_empty(), "{document}");
    let (json, said) = run(&folder, &["m.yaml", "-o", "json", "--partial"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&document["counts"]["revoked"], &document["counts"]["kept"]), (&0.into(), &5.into()));
    assert!(document["notes"] == Value::Array(vec![]) && said.is_empty(), "{document}{said}");
    // Nor is a folder that most of them are not in.
    let folder = folder.with("m.yaml", people(2));
    assert!(run(&folder, &["."]).0.contains("4 of 6 Mailboxes with an address count as revoked here, since most"));
}

#[test]
fn d_14_d_15_revocations_are_told_and_the_brake_too() {
    let claims: String = (1..=30)
        .map(|i| claim(&format!("a{i}.stttt"), "Primary", &format!("nv-{i}"), "Lê An", "  agency: stttt\n"))
        .collect();
    let claims = claims + &claim("cu", "Primary", "agency-cu", "Sở Cũ", "");
    let here = |n: usize| (1..=n).map(|i| person(&format!("nv-{i}"), "stttt", "Lê An", "")).collect::<String>();
    let planned = beside(Folder::new().with("m.yaml", here(9)), &claims);
    assert_eq!(planned.0["revoked"].as_array().unwrap().len(), 21, "the mailbox of an Agency stays");
    assert_eq!(planned.0["brakes"][0]["limit"], 20);
    let planned = beside(Folder::new().with("m.yaml", here(10)), &claims);
    assert_eq!(planned.0["revoked"].as_array().unwrap().len(), 20);
    assert_eq!(planned.0["brakes"], Value::Array(vec![]));
    // Where the file says which Mailboxes there are, one that is gone already is not revoked again.
    let there = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-30, uid: u-nv-30}\n";
    let planned = beside(Folder::new().with("m.yaml", here(9)), &format!("{claims}{there}"));
    assert_eq!(planned.0["revoked"][0]["mailbox"], "nv-30");
    assert_eq!(planned.0["counts"]["revoked"], 1);
}
