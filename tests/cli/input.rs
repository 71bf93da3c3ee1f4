//! Files that people really send.

use super::*;

fn mailbox(from: &str, to: &str) -> Folder {
    assert!(MAILBOX.contains(from));
    Folder::new().with("m.yaml", MAILBOX.replace(from, to))
}

#[test]
fn tabs_in_the_indentation_are_named() {
    let found = mailbox("  fullName", "\tfullName").only();
    found.is("TabIndentation", "m.yaml:7:1", "");
    assert!(found.message.contains("blanks"));
}

#[test]
fn a_key_that_stands_twice_names_the_first() {
    let found = mailbox("  basis", "  fullName: Lê An\n  basis").only();
    found.is("DuplicateKey", "m.yaml:8:3", "spec.fullName");
    assert!(found.message.contains("line 7"));
}

#[test]
fn a_word_that_yaml_takes_for_a_boolean_is_to_be_quoted() {
    for word in ["no", "Yes", "on", "TRUE"] {
        let found = mailbox("Hoàng Thị Như Quỳnh", word).only();
        found.is("UnquotedWord", "m.yaml:7:13", "spec.fullName");
        assert!(found.message.contains(&format!("quote it: \"{word}\"")), "{}", found.message);
    }
    // And nobody is called so, with quotes either.
    mailbox("Hoàng Thị Như Quỳnh", "\"no\"").only().is("RuleBroken", "m.yaml:7:13", "spec.fullName");
}

#[test]
fn a_number_where_text_belongs_is_to_be_quoted() {
    let found = mailbox("12/STTTT-VP", "12").only();
    found.is("WrongType", "m.yaml:8:19", "spec.basis.number");
    assert_eq!(found.rule, "R5.2");
}

#[test]
fn an_empty_field_is_told_at_its_key() {
    mailbox("Hoàng Thị Như Quỳnh", "").only().is("MissingField", "m.yaml:7:3", "spec.fullName");
}

#[test]
fn r5_2_dates_that_do_not_exist_or_are_turned_round() {
    for (date, part) in [("2026-02-30", "28 days"), ("30/2/2026", "28 days"), ("02/03/2026", "write 2026-03-02")] {
        for date in [date.to_string(), format!("\"{date}\"")] {
            let found = mailbox("\"2026-02-02\"", &date).only();
            found.is("InvalidDate", "m.yaml:8:38", "spec.basis.date");
            assert!(found.message.contains(part) && found.rule == "R5.2", "{found:?}");
        }
    }
    assert_eq!(mailbox("\"2026-02-02\"", "2026-02-02").validate(&[]), (vec![], 0));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine_and_places_stay_right() {
    let windows = format!("\u{feff}{}", MAILBOX.replace('\n', "\r\n"));
    assert_eq!(Folder::new().with("m.yaml", &windows).validate(&[]), (vec![], 0));
    let found = Folder::new().with("m.yaml", windows.replace("Quỳnh", "Quỳnh 2")).only();
    found.is("DigitInName", "m.yaml:7:13", "spec.fullName");
}

#[test]
fn unknown_fields_offer_the_right_one() {
    for (from, to, place, path, hint) in [
        ("  agencyRef", "  agencyref", "m.yaml:6:3", "spec.agencyref", "agencyRef"),
        ("issuer:", "isuer:", "m.yaml:8:52", "spec.basis.isuer", "issuer"),
        ("  name: nv-1", "  name: nv-1\n  label: {}", "m.yaml:5:3", "metadata.label", "labels"),
    ] {
        let (findings, code) = mailbox(from, to).validate(&[]);
        let found = findings.iter().find(|f| f.code == "UnknownField").unwrap();
        found.is("UnknownField", place, path);
        assert!(found.message.contains(&format!("did you mean {hint}?")) && code == 1, "{found:?}");
    }
    let strange = mailbox("  basis", "  zzzz: 1\n  basis").only();
    assert!(!strange.message.contains("did you mean"));
}

#[test]
fn what_is_no_yaml_is_told_where_and_later_documents_are_read() {
    let text = format!("kind: [\n---\n{}", MAILBOX.replace("Quỳnh", "Quỳnh (2)"));
    let (findings, code) = Folder::new().with("m.yaml", text).validate(&[]);
    assert_eq!(findings[0].code, "NotYaml");
    findings[1].is("BracketInName", "m.yaml:9:13", "spec.fullName");
    assert_eq!((findings.len(), code), (2, 1));
}

#[test]
fn utf_16_is_told_by_name() {
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(MAILBOX.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    Folder::new().with("m.yaml", &utf16).only().is("Utf16", "m.yaml:1:1", "");
    Folder::new().with("m.yaml", &utf16[2..]).only().is("Utf16", "m.yaml:1:1", "");
}

#[test]
fn binary_files_are_told_where() {
    Folder::new().with("m.yaml", b"a: 1\nPK\x03\x00\x01\x00\x00\x07".as_slice()).only().is(
        "BinaryFile",
        "m.yaml:2:4",
        "",
    );
}

#[test]
fn r3_4_broken_utf_8_is_told_where_and_old_encodings_by_name() {
    let broken = [MAILBOX.replace("Hoàng Thị Như Quỳnh", "Ho").trim_end().as_bytes(), b"\xc3\n"].concat();
    let found = Folder::new().with("m.yaml", broken).only();
    assert_eq!((found.code.as_str(), found.rule.as_str()), ("NotUtf8", "R3.4"));
    assert!(found.message.contains("0xC3") && found.place.starts_with("m.yaml:8:"), "{found:?}");
    let tcvn3: Vec<u8> = MAILBOX
        .replace("Hoàng Thị Như Quỳnh", "TrÇn §×nh Nguyªn")
        .lines()
        .take(7)
        .flat_map(|l| l.chars().map(|c| c as u8).chain([b'\n']).collect::<Vec<u8>>())
        .collect();
    let found = Folder::new().with("m.yaml", tcvn3).only();
    found.is("LegacyEncoding", "m.yaml:7:15", "");
    assert!(found.message.contains("TCVN3") && found.message.contains("Trần Đình Nguyên"));
}

#[test]
fn aliases_that_would_fill_the_memory_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..9 {
        let items = vec![format!("*a{}", i - 1); 10].join(", ");
        text += &format!("a{i}: &a{i} [{items}]\n");
    }
    assert_eq!(Folder::new().with("m.yaml", text).only().code, "DocumentTooLarge");
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert_eq!(Folder::new().with("m.yaml", deep).only().code, "DocumentTooLarge");
}

#[test]
fn anchors_and_merges_are_read_as_kubectl_reads_them() {
    let text = MAILBOX
        .replace("spec:\n", "spec:\n  <<: {title: A, fullName: Lê}\n")
        .replace("  name: nv-1", "  name: &n nv-1\n  labels: {x: *n}");
    assert_eq!(Folder::new().with("m.yaml", text).validate(&[]), (vec![], 0));
}
