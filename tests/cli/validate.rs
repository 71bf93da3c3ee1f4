//! The rules, each with the place of its field.

use super::*;

fn with(from: &str, to: &str) -> Folder {
    assert!(MAILBOX.contains(from));
    Folder::new().with("m.yaml", MAILBOX.replace(from, to))
}

fn name(name: &str) -> Found {
    with("Hoàng Thị Như Quỳnh", name).only()
}

#[test]
fn r3_4_d_08_names_are_told_at_the_name_with_position_and_character() {
    for (text, code, parts) in [
        ("Нoàng An", "NotLatinLetter", ["U+041D", "position 1", "Cyrillic"].as_slice()),
        ("Lê Αn", "NotLatinLetter", &["U+0391", "position 4", "Greek"]),
        ("Lê An 2", "DigitInName", &["'2'", "position 7"]),
        ("Lê An (Văn phòng)", "BracketInName", &["'('", "position 7"]),
        ("\"TrÇn §×nh Nguyªn\"", "LegacyEncoding", &["TCVN3", "Trần Đình Nguyên"]),
        ("Traàn Ñình Nguyeân", "LegacyEncoding", &["VNI", "Trần Đình Nguyên"]),
        ("\"' - '\"", "EmptyName", &["no letters"]),
        ("\"\"", "EmptyName", &["no letters"]),
    ] {
        let found = name(text);
        found.is(code, "m.yaml:7:13", "spec.fullName");
        assert!(parts.iter().all(|part| found.message.contains(part)), "{found:?}");
    }
}

#[test]
fn r3_4_invisible_characters_are_a_warning_and_no_failure() {
    let folder = with("Như", "Nh\u{200b}ư");
    let found = folder.only();
    found.is("InvisibleCharacterDropped", "m.yaml:7:13", "spec.fullName");
    assert_eq!((found.severity.as_str(), folder.validate(&[]).1), ("warning", 0));
    assert!(found.vi.contains("U+200B"));
}

#[test]
fn rfc_5321_a_name_that_is_too_long_gets_a_suggestion() {
    let found = name(&format!("Lê {}", "an".repeat(40)));
    found.is("LocalPartTooLong", "m.yaml:7:13", "spec.fullName");
    let shorter = format!("for example {}a.stttt", "an".repeat(13));
    assert!(found.message.ends_with(&shorter), "{}", found.message);
}

#[test]
fn d_08_structured_names_are_told_at_their_part() {
    let found = with("  basis", "  structuredName: {family: Hoàng, given: Quỳnh1}\n  basis").only();
    found.is("DigitInName", "m.yaml:8:42", "spec.structuredName.given");
}

#[test]
fn r5_2_a_document_of_a_day_to_come_is_a_warning() {
    // Of the province, which is seven hours ahead of UTC.
    let today = time::OffsetDateTime::now_utc().to_offset(time::UtcOffset::from_hms(7, 0, 0).unwrap()).date();
    assert_eq!(with("2026-02-02", &today.to_string()).validate(&[]).0, []);
    // The day after tomorrow, should midnight pass meanwhile.
    let later = (today + time::Duration::days(2)).to_string();
    let found = with("2026-02-02", &later).only();
    found.is("DateToCome", "m.yaml:8:38", "spec.basis.date");
    assert!(found.message.contains(&later) && found.vi.contains("chưa tới"), "{found:?}");
}

#[test]
fn d_21_pins_and_aliases_are_checked_by_the_rule_of_addresses_once() {
    let found = with("  basis", "  localPart: Quynh_htn\n  basis").only();
    found.is("LocalPartCharacter", "m.yaml:8:14", "spec.localPart");
    assert!(found.message.contains("lower case; and then: '_' at position 6"), "{}", found.message);
    let found = with("  basis", "  localPart: Postmaster\n  basis").only();
    found.is("LocalPartCharacter", "m.yaml:8:14", "spec.localPart");
    assert!(found.message.contains("postmaster is reserved"), "{}", found.message);
    let found = with("  basis", "  localPart: postmaster\n  basis").only();
    found.is("ReservedLocalPart", "m.yaml:8:14", "spec.localPart");
    let found = with("  basis", "  aliases: [quynh.stttt, quynh@x]\n  basis").only();
    found.is("LocalPartCharacter", "m.yaml:8:26", "spec.aliases[1]");
    let found = with("  basis", "  aliases: [quynh.stttt, quynh.stttt]\n  basis").only();
    found.is("DuplicateValue", "m.yaml:8:26", "spec.aliases");
}

#[test]
fn cel_rules_of_the_kinds_are_checked_offline() {
    let found = with("number: 12/STTTT-VP", "number: ' '").only();
    found.is("RuleBroken", "m.yaml:8:3", "spec.basis");
    assert_eq!(found.rule, "R5.2");
    assert!(found.vi.contains("căn cứ"));
    let found = with("name: nv-1", "name: agency-x").only();
    assert!(found.code == "RuleBroken" && found.message.contains("agency-"), "{found:?}");
    let unit = AGENCY.replace("name: stttt", "name: u").replace("Province", "Unit");
    let found = Folder::new().with("u.yaml", unit).only();
    found.is("RuleBroken", "u.yaml:5:1", "spec");
    assert_eq!(found.rule, "R4.1.c, R4.1.d");
}

#[test]
fn a_rule_says_nothing_where_the_fields_it_rests_on_are_wrong() {
    let found =
        Folder::new().with("u.yaml", AGENCY.replace("name: stttt", "name: u").replace("Province", "Provinc")).only();
    found.is("NotAllowed", "u.yaml:7:10", "spec.level");
    let empty = with("{number: 12/STTTT-VP, ", "{").only();
    empty.is("MissingField", "m.yaml:8:3", "spec.basis.number");
}

#[test]
fn schemas_of_the_kinds_are_checked_offline() {
    let policy = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: QuotaPolicy\nmetadata: {name: p}\nspec:\n  systemRef: {name: gialai}\n  storage: 5Gi\n  maxAttachment: 25M\n  warnAtPercent: [80, 101]\n  priority: x\n";
    let (findings, _) = Folder::new().with("p.yaml", policy).validate(&[]);
    findings[0].is("OutOfRange", "p.yaml:8:23", "spec.warnAtPercent[1]");
    findings[1].is("WrongType", "p.yaml:9:13", "spec.priority");
    let policy = policy.replace("101", "95").replace("x\n", "1\n").replace("5Gi", "5.5Gi");
    let found = Folder::new().with("p.yaml", policy.clone()).only();
    found.is("RuleBroken", "p.yaml:6:12", "spec.storage");
    // Above the percentage that arms a warning again, also where one of the two is the default (D-17).
    for wrong in ["[70, 90]", "[80, 90]\n  rearmBelowPercent: 80"] {
        let policy = policy.replace("5.5Gi", "5Gi").replace("[80, 95]", wrong);
        let found = Folder::new().with("p.yaml", policy).only();
        assert_eq!(found.code, "RuleBroken");
        assert!(found.message.contains("rearmBelowPercent"), "{}", found.message);
    }
    let good = policy.replace("5.5Gi", "5Gi").replace("[80, 95]", "[60, 90]\n  rearmBelowPercent: 50");
    assert!(Folder::new().with("p.yaml", good).validate(&[]).0.is_empty());
    let found =
        with("  basis", "  lock: {reasons: [Inactiv], basis: {number: 1/x, date: 2026-01-01, issuer: x}}\n  basis")
            .only();
    found.is("NotAllowed", "m.yaml:8:20", "spec.lock.reasons[0]");
    assert!(found.message.contains("did you mean Inactive?"));
    // A word that is misspelt is not missing as well.
    with("  basis", "  basi").only().is("UnknownField", "m.yaml:8:3", "spec.basi");
    let (findings, _) = with("  basis", "  comment").validate(&[]);
    let missing = findings.iter().find(|f| f.code == "MissingField").unwrap();
    missing.is("MissingField", "m.yaml:5:1", "spec.basis");
    assert_eq!(missing.rule, "R5.2");
    assert_eq!(missing.message, "spec.basis is missing; write it (The document of its issue)");
    with("name: nv-1", "name: NV 1").only().is("InvalidObjectName", "m.yaml:4:9", "metadata.name");
}

#[test]
fn an_object_that_stands_twice_names_both_files() {
    let folder = Folder::new().with("a.yaml", MAILBOX).with("b/b.yaml", MAILBOX);
    let found = folder.only();
    found.is("DuplicateObject", "b/b.yaml:4:9", "metadata.name");
    assert!(found.message.contains("a.yaml:4"), "{}", found.message);
    let other = MAILBOX.replace("name: nv-1", "name: nv-1\n  namespace: other");
    let here = MAILBOX.replace("name: nv-1", "name: nv-1\n  namespace: here");
    assert_eq!(Folder::new().with("a.yaml", here).with("b.yaml", other).validate(&[]), (vec![], 0));
}

#[test]
fn references_that_are_not_in_the_tree_are_warnings_that_can_be_silenced() {
    let text =
        MAILBOX.replace("{name: stttt}", "{name: sttt}").replace("  basis", "  quotaPolicyRef: {name: big}\n  basis");
    let unit = AGENCY
        .replace("name: stttt", "name: u")
        .replace("level: Province", "level: Unit\n  parentRef: {name: no-such}");
    let folder = Folder::new().with("m.yaml", text).with("u.yaml", unit);
    let (findings, code) = folder.validate(&[]);
    assert_eq!((findings.len(), code), (3, 0), "{findings:#?}");
    assert!(findings.iter().all(|f| f.severity == "warning"));
    findings[0].is("ReferenceNotFound", "m.yaml:6:21", "spec.agencyRef.name");
    assert!(findings[0].message.contains("did you mean stttt?") && findings[0].rule == "R1", "{findings:#?}");
    findings[1].is("ReferenceNotFound", "m.yaml:8:26", "spec.quotaPolicyRef.name");
    findings[2].is("ReferenceNotFound", "u.yaml:8:21", "spec.parentRef.name");
    let flags = ["--allow-missing", "Agency/*", "--allow-missing", "quotapolicy/big"];
    assert_eq!(folder.validate(&flags), (vec![], 0));
}

#[test]
fn r5_4_c_a_successor_is_another_mailbox_and_one_that_is_no_file_is_a_warning() {
    let found = with("  basis", "  successorRef: {name: nv-9}\n  basis").only();
    found.is("ReferenceNotFound", "m.yaml:8:24", "spec.successorRef.name");
    assert_eq!((found.severity.as_str(), found.rule.as_str()), ("warning", "R5.4.c"));
    let found = with("  basis", "  successorRef: {name: nv-1}\n  basis").only();
    assert_eq!((found.code.as_str(), found.severity.as_str()), ("RuleBroken", "error"));
    assert!(
        found.message.contains("nobody is their own successor") && found.vi.contains("người kế nhiệm"),
        "{found:?}"
    );
}

#[test]
fn r5_4_c_successors_in_a_circle_are_told_at_each_of_them_with_the_others() {
    let person = |name: &str, more: &str| {
        MAILBOX.replace("nv-1", name).replace("  basis", &format!("{more}  basis")).replace("Quỳnh", "Quỳnh Mai")
    };
    let next = |name: &str| format!("  successorRef: {{name: {name}}}\n");
    let folder = Folder::new()
        .with("a.yaml", person("nv-1", &next("nv-2")))
        .with("b.yaml", person("nv-2", &next("nv-3")))
        .with("c.yaml", person("nv-3", &next("nv-1")))
        .with("d.yaml", person("nv-4", &next("nv-1")));
    let (findings, code) = folder.validate(&[]);
    assert_eq!((findings.len(), code), (3, 0), "who only leads into it is not in it: {findings:#?}");
    for (found, file) in findings.iter().zip(["a", "b", "c"]) {
        found.is("SuccessorCircle", &format!("{file}.yaml:8:24"), "spec.successorRef.name");
        assert_eq!((found.severity.as_str(), found.rule.as_str()), ("warning", "R5.4.c"));
    }
    let first = &findings[0];
    assert!(first.message.contains("nv-1 → nv-2 → nv-3 → nv-1") && first.vi.contains("tạo thành vòng"), "{first:?}");
    assert!(first.message.contains("(see b.yaml:8, c.yaml:8)") && first.message.contains("once all"), "{first:?}");
    // Once all of them are revoked by their files, it is so today.
    let revoked = |name: &str, to: &str| {
        person(
            name,
            &("  state: Revoked\n  ending: {basis: {number: 2/x, date: \"2026-01-01\", issuer: x}}\n".to_string()
                + &next(to)),
        )
    };
    let folder = Folder::new().with("a.yaml", revoked("nv-1", "nv-2")).with("b.yaml", revoked("nv-2", "nv-1"));
    let (findings, _) = folder.validate(&[]);
    assert!(findings.iter().all(|found| found.message.contains("all of them are revoked, so")), "{findings:#?}");
    // In another namespace somebody else has that name.
    let other = person("nv-2", &next("nv-1")).replace("name: nv-2\n", "name: nv-2\n  namespace: other\n");
    let here = person("nv-1", &next("nv-2")).replace("name: nv-1\n", "name: nv-1\n  namespace: here\n");
    let (findings, _) = Folder::new().with("a.yaml", here).with("b.yaml", other).validate(&[]);
    assert!(findings.iter().all(|found| found.code == "ReferenceNotFound"), "{findings:#?}");
}

#[test]
fn r5_4_b_a_last_day_that_has_come_is_a_warning_where_nothing_says_that_an_account_was_issued() {
    let cited = "  ending: {basis: {number: 2/x, date: \"2020-12-01\", issuer: x}}\n";
    let with_lines = |lines: &str| super::validate::with_lines(&format!("{lines}{cited}"));
    let found = with_lines("  endsOn: \"2020-12-31\"\n").only();
    found.is("EndedBefore", "m.yaml:9:11", "spec.endsOn");
    assert_eq!((found.severity.as_str(), found.rule.as_str()), ("warning", "R5.4.b"));
    assert!(found.message.contains("gets no address") && found.message.contains("5.4.b"), "{}", found.message);
    assert!(found.message.contains("-12-31, or leave spec.endsOn out") && found.vi.contains("đã đến"), "{found:?}");
    let today = time::OffsetDateTime::now_utc().to_offset(time::UtcOffset::from_hms(7, 0, 0).unwrap()).date();
    assert_eq!(with_lines(&format!("  endsOn: \"{today}\"\n")).only().code, "EndedBefore");
    // The day after tomorrow, should midnight pass meanwhile.
    let later = today + time::Duration::days(2);
    for right in [
        format!("  endsOn: \"{later}\"\n"),
        "  endsOn: \"2020-12-31\"\n  localPart: quynhhtn.stttt\n".into(),
        "  endsOn: \"2020-12-31\"\n  state: Revoked\n".into(),
        "  endsOn: \"2020-12-31\"\nstatus: {address: quynhhtn.stttt@gialai.gov.vn}\n".into(),
    ] {
        let (findings, _) = with_lines(&right).validate(&[]);
        assert!(findings.iter().all(|found| found.code != "EndedBefore"), "{right}: {findings:#?}");
    }
}

#[test]
fn r5_2_an_end_without_its_document_is_a_warning_that_says_how_it_is_named() {
    for (lines, path, place) in [
        ("  state: Revoked\n", "spec.state", "m.yaml:9:10"),
        ("  endsOn: \"2999-12-31\"\n  state: Revoked\n", "spec.state", "m.yaml:10:10"),
    ] {
        let folder = with_lines(lines);
        let found = folder.only();
        found.is("EndWithoutDocument", place, path);
        assert_eq!((found.severity.as_str(), found.rule.as_str(), folder.validate(&[]).1), ("warning", "R5.2", 0));
        let way = "spec.ending: {basis: {number: NUMBER, date: \"YYYY-MM-DD\", issuer: ISSUER}}";
        assert!(found.message.contains("no document of the end is named") && found.message.ends_with(way), "{found:?}");
        assert!(found.vi.contains("chưa ghi văn bản thu hồi") && found.vi.ends_with(way), "{found:?}");
        let cited = format!("{lines}  ending: {{basis: {{number: 2/x, date: \"2026-01-01\", issuer: x}}}}\n");
        assert_eq!(with_lines(&cited).validate(&[]), (vec![], 0));
    }
    // A last day came with the issue: the operator cites its document, spec.basis.
    for lines in ["  state: Active\n", "  endsOn: \"2999-12-31\"\n", "  endsOn: \"2999-12-31\"\n  state: Active\n"] {
        assert_eq!(with_lines(lines).validate(&[]), (vec![], 0), "{lines}");
    }
}

#[test]
fn r4_1_d_parents_in_a_circle_are_told() {
    let unit = |name: &str, parent: &str| {
        let text = AGENCY.replace("name: stttt", &format!("name: {name}"));
        text.replace("level: Province", &format!("level: Unit\n  parentRef: {{name: {parent}}}"))
    };
    let (findings, _) = Folder::new().with("a.yaml", unit("a", "b")).with("b.yaml", unit("b", "a")).validate(&[]);
    findings[0].is("ParentCycle", "a.yaml:8:21", "spec.parentRef.name");
    findings[1].is("ParentCycle", "b.yaml:8:21", "spec.parentRef.name");
}

#[test]
fn d_01_a_derived_address_that_is_reserved_is_told() {
    let text = AGENCY.replace("name: stttt", "name: x").replace("level: Province", "level: Province\n  initials: sttt");
    Folder::new().with("x.yaml", text).only().is("ReservedLocalPart", "x.yaml:9:9", "spec.name");
}

#[test]
fn d_01_the_name_of_an_agency_is_told_once_and_not_at_its_units() {
    let parent = AGENCY.replace("name: stttt", "name: p").replace("Sở Thông tin và Truyền thông\n", "Sở §\n");
    let unit =
        AGENCY.replace("name: stttt", "name: u").replace("level: Province", "level: Unit\n  parentRef: {name: p}");
    let found = Folder::new().with("p.yaml", parent).with("u.yaml", unit).only();
    found.is("SymbolInName", "p.yaml:8:9", "spec.name");
    let mailbox = with("{name: stttt}", "{name: gone}");
    assert_eq!(mailbox.only().code, "ReferenceNotFound", "nothing is said of an address that cannot be known");
}

#[test]
fn d_05_one_written_address_for_two_is_told() {
    let pinned = MAILBOX.replace("  basis", "  localPart: an.stttt\n  basis");
    let alias = MAILBOX.replace("nv-1", "nv-2").replace("  basis", "  aliases: [an.stttt]\n  basis");
    let found = Folder::new().with("a.yaml", pinned).with("b.yaml", alias).only();
    found.is("Conflict", "b.yaml:8:13", "spec.aliases[0]");
    assert!(found.message.contains("Mailbox 'nv-1' (a.yaml:4)"), "{}", found.message);
}

#[test]
fn the_manifests_of_the_province_have_no_findings() {
    let folder = Folder::new();
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/gialai");
    let run = folder.run(&["validate", manifests, "-o", "json"]);
    assert_eq!((found(&run.stdout), run.status.code()), (vec![], Some(0)));
}

#[test]
fn d_07_a_date_of_birth_is_no_disambiguator_for_the_rules_of_names_and_for_the_api_server() {
    let found = |text: &str, more: &str| {
        with("  basis", &format!("{more}  disambiguator: \"{text}\"\n  basis")).validate(&[]).0
    };
    let table = [
        ("12031985", true),
        ("19850312", true),
        ("120385", true),
        ("850312", true),
        ("1985", false),
        ("20001234", false),
        ("39191999", false),
        ("00001999", false),
        ("991385", false),
    ];
    for (text, refused) in table {
        let codes = |more: &str| found(text, more).into_iter().map(|f| f.code).collect::<Vec<_>>();
        let (names, server) = (codes(""), codes("  localPart: quynh\n"));
        let expected = |code: &str| if refused { vec![code.to_string()] } else { vec![] };
        assert_eq!(names, expected("DisambiguatorIsBirthDate"), "{text}");
        // Beside a pin no name is derived: what speaks is the rule of the kind.
        assert_eq!(server, expected("RuleBroken"), "{text}");
    }
}

/// The Mailbox with further lines of its spec.
fn with_lines(lines: &str) -> Folder {
    Folder::new().with("m.yaml", format!("{MAILBOX}{lines}"))
}

#[test]
fn r5_2_r6_3_documents_of_the_life_of_an_account_have_days_that_have_come() {
    let basis = "basis: {number: 1/x, date: \"2999-01-01\", issuer: x}";
    for (lines, path) in [
        (format!("  absence: {{from: \"2026-06-01\", to: \"2026-07-01\", {basis}}}\n"), "spec.absence.basis.date"),
        (format!("  restore: {{receivedAt: \"2026-06-01T09:00:00+07:00\", {basis}}}\n"), "spec.restore.basis.date"),
        (format!("  hold: {{{basis}}}\n"), "spec.hold.basis.date"),
    ] {
        let found = with_lines(&lines).only();
        assert_eq!(
            (found.code.as_str(), found.path.as_str(), found.severity.as_str()),
            ("DateToCome", path, "warning")
        );
    }
    let basis = basis.replace("2999", "2026");
    let restore = |at: &str| with_lines(&format!("  restore: {{receivedAt: {at}, {basis}}}\n"));
    restore("\"2999-06-01T09:00:00+07:00\"").only().is("DateToCome", "m.yaml:9:25", "spec.restore.receivedAt");
    restore("2026-06-01").only().is("InvalidDate", "m.yaml:9:25", "spec.restore.receivedAt");
    assert_eq!(restore("2026-06-01T09:00:00+07:00").validate(&[]), (vec![], 0), "without any lock in the file");
}

#[test]
fn r6_2_a_an_absence_ends_after_it_begins() {
    let found =
        with_lines("  absence: {from: \"2026-07-01\", to: \"2026-06-01\", basis: {number: 1/x, date: \"2026-01-01\", issuer: x}}\n").only();
    found.is("RuleBroken", "m.yaml:9:3", "spec.absence");
    assert!(found.rule == "6.2.a" && found.vi.contains("vắng mặt"), "{found:?}");
}

#[test]
fn d_09_days_of_a_calendar_that_change_nothing_are_warnings() {
    let calendar = |spec: &str| {
        let text = format!(
            "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: WorkCalendar\nmetadata: {{name: vietnam}}\nspec: {{{spec}}}\n"
        );
        Folder::new().with("c.yaml", text)
    };
    assert_eq!(calendar("holidays: [\"2027-02-08\"], workingDays: [\"2027-02-06\"]").validate(&[]), (vec![], 0));
    let (found, code) =
        calendar("holidays: [\"2027-02-08\"], workingDays: [\"2027-02-08\", \"2027-02-09\"]").validate(&[]);
    assert_eq!((found.len(), code), (2, 0));
    found[0].is("NeedlessDay", "c.yaml:4:48", "spec.workingDays[0]");
    assert!(found[1].message.contains("no weekend"), "{found:?}");
    calendar("holidays: [\"2027-02-08\", \"2027-02-08\"]").only().is("DuplicateValue", "c.yaml:4:33", "spec.holidays");
}

#[test]
fn what_the_operator_writes_of_use_is_a_warning_in_a_file() {
    let text = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: MailboxActivity\nmetadata: {name: nv-1}\nstatus: {lastLogin: 2026-01-01}\n";
    let found = Folder::new().with("a.yaml", text).only();
    assert_eq!((found.code.as_str(), found.severity.as_str()), ("WrittenByOperator", "warning"));
}
