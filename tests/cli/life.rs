//! `explain`, `status` and `proposals` on folders.

use super::forecast::{ISSUED, activity, mailbox};
use super::*;

const SYSTEM: &str = "\
apiVersion: mail.gialai.gov.vn/v1alpha1
kind: MailSystem
metadata: {name: gialai}
spec: {domain: gialai.gov.vn, hostname: mail.gialai.gov.vn, regulation: {firstAccess: ChangePassword}}
status:
  activity: {completeFrom: \"2026-02-02T00:00:00+07:00\", completeThrough: \"2026-06-17T22:00:00+07:00\"}
  held: {count: 1, token: 1-abcd, actions: [{mailbox: nv-9, action: Revoke, reason: Deleted, rule: D-14}]}
  conditions:
  - {type: Ready, status: \"True\", reason: Ready, message: it serves, lastTransitionTime: \"2026-06-01T00:00:00Z\"}
---
";
const LOCK: &str = "basis: {number: 7/CV, date: \"2026-06-10\", issuer: Công an tỉnh}";

/// One whom people locked, and whose document for a restore came on Monday 15 June.
fn locked() -> String {
    let spec = format!(
        "  lock: {{reasons: [Compromised], {LOCK}}}\n  restore: {{receivedAt: \"2026-06-15T09:00:00+07:00\", basis: {{number: 8/STTTT, date: \"2026-06-15\", issuer: STTTT}}}}\n"
    );
    let status = format!(
        "address: nguyentd.stttt@gialai.gov.vn, aliases: [nguyentd.dakpo@gialai.gov.vn], {}, locks: [{{reason: Compromised, rule: 6.2.b, \
         since: \"2026-06-10T14:00:00+07:00\", {LOCK}}}]",
        ISSUED.replace("Active", "Locked")
    );
    mailbox("nv-1", &spec, &status) + &activity("nv-1", "lastLogin: \"2026-06-05\"")
}

fn folder() -> Folder {
    Folder::new().with("system.yaml", SYSTEM).with("a.yaml", locked())
}

fn json(folder: &Folder, args: &[&str]) -> (Value, i32) {
    let run = folder.run(&[args, &["--dir", ".", "-o", "json"]].concat());
    assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    (serde_json::from_slice(&run.stdout).unwrap(), run.status.code().unwrap())
}

fn text(folder: &Folder, args: &[&str]) -> String {
    let run = folder.run(&[args, &["--dir", "."]].concat());
    assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn r6_2_r5_2_explain_names_state_article_document_and_what_gives_the_account_back() {
    let (said, code) = json(&folder(), &["explain", "nv-1", "--now", "2026-06-17"]);
    assert_eq!((said["kind"].as_str(), said["found"].as_bool(), code), (Some("Explanation"), Some(true), 0));
    assert_eq!((&said["state"], &said["address"]), (&"Locked".into(), &"nguyentd.stttt@gialai.gov.vn".into()));
    let reason = &said["reasons"][0];
    let expected = ("Compromised", "6.2.b", "điểm b khoản 2 Điều 6", "Person", "7/CV (2026-06-10, Công an tỉnh)");
    let got = |key: &str| reason[key].as_str().unwrap();
    assert_eq!((got("code"), got("rule"), got("article"), got("by"), got("document")), expected);
    assert!(got("messageVi").contains("lộ lọt") && got("message").contains("leaked"));
    let documents: Vec<&str> =
        said["documents"].as_array().unwrap().iter().map(|d| d["what"].as_str().unwrap()).collect();
    assert_eq!(documents, ["issue", "lock", "restore"]);
    let change = said["changes"][0]["command"].as_str().unwrap();
    assert_eq!(change, "kubectl patch mbx nv-1 --type merge -p '{\"spec\":{\"lock\":null}}'");
    let next: Vec<String> =
        said["next"].as_array().unwrap().iter().map(|n| format!("{} {}", n["action"], n["at"])).collect();
    assert_eq!(next[0], "\"RestoreDue\" \"2026-06-19T00:00:00+07:00\"");
    let vietnamese = text(&folder(), &["explain", "nv-1", "--now", "2026-06-17", "--lang", "vi"]);
    for part in [
        "Tạm khóa: không đăng nhập được",
        "điểm b khoản 2 Điều 6: “Bị chiếm dụng",
        "văn bản: 7/CV",
        "hết ngày 18/06/2026",
    ] {
        assert!(vietnamese.contains(part), "{part}: {vietnamese}");
    }
}

#[test]
fn d_19_explain_takes_addresses_of_now_and_of_before_and_says_so_when_nobody_has_one() {
    let claim = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: AddressClaim\nmetadata: {name: old.dakpo}\nspec: {use: Tombstone, \
                 ownerRef: {kind: Mailbox, name: nv-1}, ownerName: Trần Đình Nguyên, until: \"2028-01-01T00:00:00+07:00\"}\n";
    let folder = folder().with("claim.yaml", claim);
    for (asked, former) in [
        ("nguyentd.stttt@gialai.gov.vn", ""),
        ("NguyenTD.stttt", ""),
        ("nguyentd.dakpo@gialai.gov.vn", "a further or former address"),
        ("old.dakpo@gialai.gov.vn", "a former address, kept free of new holders until 2028-01-01 (D-19)"),
    ] {
        let (said, code) = json(&folder, &["explain", asked, "--now", "2026-06-17"]);
        assert_eq!((&said["mailbox"], code), (&"nv-1".into(), 0), "{asked}");
        assert!(said["asked"]["message"].as_str().unwrap_or_default().starts_with(former), "{asked}: {said}");
    }
    for asked in ["old.dakpo@example.com", "nobody", "nguyentd"] {
        let (said, code) = json(&folder, &["explain", asked]);
        assert_eq!((said["found"].as_bool(), code), (Some(false), 1), "{asked}");
    }
}

#[test]
fn d_14_an_address_that_was_purged_is_not_of_who_has_that_name_now() {
    let claim = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: AddressClaim\nmetadata: {name: gone.stttt}\nspec: {use: Tombstone, \
                 ownerRef: {kind: Mailbox, name: nv-1, uid: u-0}, ownerName: Trần Đình Nguyên, \
                 purgedAt: \"2026-06-01T00:00:00Z\", until: \"2028-06-02T00:00:00+07:00\"}\n";
    let folder = folder().with("claim.yaml", claim);
    let run = folder.run(&["explain", "gone.stttt@gialai.gov.vn", "--now", "2026-06-17", "--dir", ".", "-o", "json"]);
    let said: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!((said["found"].as_bool(), run.status.code()), (Some(false), Some(1)), "{said}");
    let run = folder.run(&["explain", "gone.stttt", "--dir", ".", "--now", "2026-06-17"]);
    let all = [run.stdout, run.stderr].concat();
    let all = String::from_utf8(all).unwrap();
    assert!(all.contains("purged") && all.contains("D-19"), "{all}");
    let (said, _) = json(&folder, &["explain", "nv-1", "--now", "2026-06-17"]);
    assert_eq!(said["state"], "Locked");
}

#[test]
fn r5_4_explain_tells_how_an_account_ends_and_nothing_that_would_come_after() {
    let leaving =
        mailbox("nv-2", "  endsOn: \"2026-07-01\"\n", ISSUED) + &activity("nv-2", "lastLogin: \"2026-06-01\"");
    let folder = folder().with("b.yaml", leaving);
    let next = |now: &str| {
        let (said, _) = json(&folder, &["explain", "nv-2", "--now", now]);
        let next: Vec<String> =
            said["next"].as_array().unwrap().iter().map(|n| n["action"].as_str().unwrap().to_string()).collect();
        (said["state"].as_str().unwrap().to_string(), next)
    };
    assert_eq!(next("2026-06-17"), ("Active".into(), vec!["Revoke".to_string()]));
    let ending = "{basis: {number: 44/QĐ, date: \"2026-05-04\", issuer: STTTT}}";
    let revoked = mailbox(
        "nv-3",
        &format!("  state: Revoked\n  ending: {ending}\n"),
        &format!("{}, revokedAt: \"2026-05-04T09:00:00+07:00\"", ISSUED.replace("Active", "Revoked")),
    );
    let (said, _) = json(&folder.with("c.yaml", revoked), &["explain", "nv-3", "--now", "2026-06-17"]);
    assert_eq!((&said["state"], &said["reasons"][0]["rule"]), (&"Revoked".into(), &"5.4.c".into()));
    assert_eq!(
        (&said["documents"][1]["what"], &said["next"][0]["at"]),
        (&"revocation".into(), &"2027-05-05T00:00:00+07:00".into())
    );
}

#[test]
fn explain_of_who_has_no_address_says_why_in_the_words_of_the_condition() {
    let why = "R4.2.c, D-07: nguyentd.stttt@gialai.gov.vn belongs to 'X' of the same full name";
    let condition = |kind: &str, status: &str| {
        format!(
            "{{type: {kind}, status: \"{status}\", reason: Conflict, message: \"{why}\", lastTransitionTime: \"2026-06-01T00:00:00Z\"}}"
        )
    };
    let status = format!("conditions: [{}, {}]", condition("Ready", "False"), condition("Stalled", "True"));
    let folder = folder().with("b.yaml", mailbox("nv-6", "", &status)).with("c.yaml", mailbox("nv-7", "", ""));
    let (said, code) = json(&folder, &["explain", "nv-6", "--now", "2026-06-17"]);
    assert_eq!((&said["state"], &said["address"], code), (&"Pending".into(), &Value::Null, 0));
    let expected = serde_json::json!([{"type": "Ready", "status": "False", "reason": "Conflict", "message": why}]);
    assert_eq!(said["conditions"], expected);
    assert!(said["changes"][0]["message"].as_str().unwrap().contains("mend that"), "{said}");
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let english = flat(text(&folder, &["explain", "nv-6", "--now", "2026-06-17"]));
    assert!(english.contains(&format!("Not ready Ready False: Conflict {why}")), "{english}");
    let vietnamese = flat(text(&folder, &["explain", "nv-6", "--now", "2026-06-17", "--lang", "vi"]));
    assert!(vietnamese.contains("Chưa sẵn sàng Ready False: Conflict") && vietnamese.contains(why), "{vietnamese}");
    // Nobody has looked at it yet.
    let (said, _) = json(&folder, &["explain", "nv-7", "--now", "2026-06-17"]);
    assert_eq!(said["conditions"], Value::Array(vec![]));
    assert!(said["changes"][0]["message"].as_str().unwrap().contains("not looked at it yet"), "{said}");
    // Of who is in use and well there is nothing to say.
    assert_eq!(json(&folder, &["explain", "nv-1", "--now", "2026-06-17"]).0["conditions"], Value::Array(vec![]));
}

#[test]
fn r5_2_an_issue_rests_on_its_document_and_articles_are_cited_in_the_language_of_the_text() {
    let folder = folder().with("b.yaml", mailbox("nv-2", "", ISSUED) + &activity("nv-2", "lastLogin: \"2026-06-05\""));
    let (said, _) = json(&folder, &["explain", "nv-2", "--now", "2026-06-17"]);
    let reason = &said["reasons"][0];
    assert_eq!((&reason["code"], &reason["rule"]), (&"Issued".into(), &mail_operator::domain::lifecycle::ISSUE.into()));
    assert_eq!(reason["article"], "khoản 2 Điều 5");
    let english = text(&folder, &["explain", "nv-2", "--now", "2026-06-17"]);
    assert!(english.contains("Article 5, clause 2: “Who wants") && !english.contains("khoản"), "{english}");
}

#[test]
fn status_is_one_screen_with_restores_and_what_is_held() {
    let silent = mailbox("nv-5", "", ISSUED) + &activity("nv-5", "lastLogin: \"2026-03-20\"");
    let conflict = mailbox(
        "nv-6",
        "",
        "conditions: [{type: Ready, status: \"False\", reason: Conflict, message: two, lastTransitionTime: \"2026-06-01T00:00:00Z\"}]",
    );
    let folder = folder().with("b.yaml", silent + &conflict);
    let (said, code) = json(&folder, &["status", "--now", "2026-06-18"]);
    let system = &said["systems"][0];
    assert_eq!((said["kind"].as_str(), code), (Some("Status"), 0));
    assert_eq!(
        (&system["states"]["Locked"], &system["states"]["Pending"], &system["mailboxes"]),
        (&1.into(), &1.into(), &3.into())
    );
    assert_eq!((&system["conflicts"], &system["notReady"]["Conflict"]["mailboxes"][0]), (&1.into(), &"nv-6".into()));
    assert_eq!((&system["held"]["token"], &system["activityAgeSeconds"]), (&"1-abcd".into(), &7200.into()));
    // Received on Monday at 09:00, three working days: over with Thursday 18 June.
    let progress =
        |now: &str| json(&folder, &["status", "--now", now]).0["systems"][0]["restores"][0]["progress"].clone();
    assert_eq!(
        (progress("2026-06-16"), progress("2026-06-18"), progress("2026-06-19")),
        ("Open".into(), "HalfTime".into(), "Overdue".into())
    );
    for lang in ["vi", "en"] {
        let run = folder.run_on("80", &["status", "--now", "2026-06-18", "--lang", lang, "--dir", "."]);
        let screen = String::from_utf8(run.stdout).unwrap();
        assert!(screen.lines().count() <= 24 && screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
        assert!(screen.contains("kubectl mail acknowledge 1-abcd") && screen.contains("nv-6"), "{screen}");
    }
    assert!(text(&folder, &["status", "--now", "2026-06-19", "--lang", "vi"]).contains("QUÁ HẠN"));
}

#[test]
fn r8_3_dd_proposals_are_a_list_for_excel_in_which_nothing_is_a_formula() {
    let proposed = |name: &str, holder: &str| {
        let status =
            format!("{}, proposedAt: \"2026-08-20T00:00:00+07:00\"", ISSUED.replace("Active", "RevocationProposed"));
        mailbox(name, "", &status).replace("Trần Đình Nguyên", holder)
    };
    let login = activity("nv-2", "lastLogin: \"2026-02-10\", lastSend: \"2026-08-01\"");
    let folder = Folder::new()
        .with("a.yaml", proposed("nv-2", "Trần Đình Nguyên") + &login + &proposed("nv-3", "'=SUM(A1) \"x\"'"));
    let csv = text(&folder, &["proposals", "--now", "2026-09-01", "-o", "csv"]);
    let lines: Vec<&str> = csv.trim_start_matches('\u{feff}').split("\r\n").collect();
    assert!(csv.starts_with('\u{feff}') && lines[0].starts_with("\"STT\",\"Mã hộp thư\",\"Họ và tên\""), "{csv}");
    assert_eq!(
        lines[1],
        "\"1\",\"nv-2\",\"Trần Đình Nguyên\",\"\",\"Sở Thông tin và Truyền thông\",\"10/02/2026\",\"20/08/2026\",\"Điểm đ khoản 3 Điều 8\""
    );
    assert!(lines[2].contains("\"'=SUM(A1) \"\"x\"\"\"") && lines[2].contains("\"-\",\"20/08/2026\""), "{csv}");
    let (said, _) = json(&folder, &["proposals", "--now", "2026-09-01"]);
    let first = &said["items"][0];
    assert_eq!((&first["lastLogin"], &first["rule"]), (&"2026-02-10".into(), &"8.3.đ".into()));
    let run = folder.run_on("100", &["proposals", "--now", "2026-09-01", "--dir", "."]);
    let terminal = String::from_utf8(run.stdout).unwrap();
    assert!(
        terminal.starts_with("2 proposed") && terminal.lines().all(|line| line.chars().count() <= 100),
        "{terminal}"
    );
}

#[test]
fn where_there_is_no_terminal_nothing_is_cut_and_on_one_its_width_counts() {
    let (name, holder) = ("can-bo-phong-hanh-chinh-tong-hop-000123", "Nguyễn Hoàng Thị Như Quỳnh Anh Thảo Mai");
    let status =
        format!("{}, proposedAt: \"2026-08-20T00:00:00+07:00\"", ISSUED.replace("Active", "RevocationProposed"));
    let proposed =
        mailbox(name, "", &status).replace("Trần Đình Nguyên", holder) + &activity(name, "lastLogin: \"2026-02-10\"");
    let held = SYSTEM.replace("mailbox: nv-1", &format!("mailbox: {name}"));
    let conflict = mailbox(
        "nv-6-",
        "",
        "conditions: [{type: Ready, status: \"False\", reason: Waiting, message: two, lastTransitionTime: \"2026-06-01T00:00:00Z\"}]",
    );
    let many: String =
        (1..5).map(|i| conflict.replace("nv-6-", &format!("{name}-{i}")).replace("---\n---", "---")).collect();
    let folder = Folder::new().with("system.yaml", held).with("a.yaml", proposed + &many);
    let whole = |args: &[&str]| String::from_utf8(folder.run(args).stdout).unwrap();
    let on = |columns: &str, args: &[&str]| String::from_utf8(folder.run_on(columns, args).stdout).unwrap();
    for args in [
        &["proposals", "--now", "2026-09-01", "--dir", "."][..],
        &["forecast", ".", "--now", "2026-09-01", "--until", "2027-12-31"],
        &["status", "--now", "2026-09-01", "--dir", "."],
        &["plan", "."],
    ] {
        let text = whole(args);
        assert!(text.contains(name) && !text.contains('…'), "{args:?}: {text}");
        if args[0] != "status" {
            assert!(text.contains(holder), "{args:?}: {text}");
        }
        let wide = on("300", args);
        assert!(wide.contains(name) && !wide.contains('…'), "{args:?}: {wide}");
        let narrow = on("80", args);
        // The summary stands in one line for scripts; a word of a message that is longer stands alone.
        let fits = |line: &str| line.chars().count() <= 80 || line.starts_with("    ");
        assert!(narrow.lines().skip(1).all(fits) && narrow.contains('…'), "{args:?}: {narrow}");
    }
}

#[test]
fn d_14_explain_of_an_account_that_is_held_names_the_document_also_when_its_mailbox_is_gone() {
    let claim = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: AddressClaim\nmetadata: {name: gone.stttt}\nspec: {use: Primary, \
                 ownerRef: {kind: Mailbox, name: nv-9, uid: u-0}, ownerName: Trần Đình Nguyên, revokedAt: \"2026-03-01T00:00:00Z\", \
                 hold: \"7/TA (2026-03-05, Tòa án nhân dân tỉnh)\"}\n";
    let folder = folder().with("claim.yaml", claim);
    for asked in ["nv-9", "gone.stttt@gialai.gov.vn"] {
        let (said, _) = json(&folder, &["explain", asked, "--now", "2026-06-17"]);
        let expected = serde_json::json!([{"what": "hold", "cited": "7/TA (2026-03-05, Tòa án nhân dân tỉnh)"}]);
        assert_eq!((&said["documents"], said["found"].as_bool()), (&expected, Some(true)), "{said}");
    }
    let vietnamese = text(&folder, &["explain", "nv-9", "--now", "2026-06-17", "--lang", "vi"]);
    assert!(vietnamese.contains("giữ lại        7/TA (2026-03-05, Tòa án nhân dân tỉnh)"), "{vietnamese}");
    let free = folder.with("claim.yaml", claim.replace("hold:", "agency: stttt, rename:"));
    assert_eq!(json(&free, &["explain", "nv-9", "--now", "2026-06-17"]).0["documents"], Value::Array(vec![]));
}

#[test]
fn d_06_d_14_who_had_the_name_of_a_mailbox_before_is_another_account_and_is_gone() {
    let claim = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: AddressClaim\nmetadata: {name: minhtv.stttt}\nspec: {use: Primary, \
                 ownerRef: {kind: Mailbox, name: nv-5, uid: u-0}, ownerName: Trần Văn Minh, revokedAt: \"2026-03-01T00:00:00Z\"}\n";
    let there = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-5, uid: u-1}\nspec: {agencyRef: {name: stttt}, \
                 fullName: Tran Van Minh, basis: {number: 12/VP, date: \"2026-02-02\", issuer: STTTT}}\n";
    let folder = folder().with("claim.yaml", claim).with("there.yaml", there);
    for asked in ["minhtv.stttt@gialai.gov.vn", "nv-5/minhtv.stttt"] {
        let (said, _) = json(&folder, &["explain", asked, "--now", "2026-06-17"]);
        let got = (said["mailbox"].as_str(), said["fullName"].as_str(), said["state"].as_str());
        assert_eq!(got, (Some("nv-5/minhtv.stttt"), Some("Trần Văn Minh"), Some("Revoked")), "{said}");
    }
    let (said, _) = json(&folder, &["explain", "nv-5", "--now", "2026-06-17"]);
    assert_eq!((said["mailbox"].as_str(), said["state"].as_str()), (Some("nv-5"), Some("Pending")), "{said}");
    let run = folder.run(&["forecast", ".", "--now", "2026-06-17", "--until", "2027-06-17", "-o", "json"]);
    let said: Value = serde_json::from_slice(&run.stdout).expect("a forecast");
    // Others wait for a word already, and so does this.
    let purge = said["held"].as_array().unwrap().iter().find(|action| action["action"] == "Purge").expect("in time");
    assert_eq!(purge["mailbox"], "nv-5/minhtv.stttt");
    // The same object under another name, and the same person, are no others.
    let mut folder = folder;
    for same in [there.replace("u-1", "u-0"), there.replace("Tran Van", "Trần Văn")] {
        folder = folder.with("there.yaml", same);
        let (said, _) = json(&folder, &["explain", "minhtv.stttt@gialai.gov.vn", "--now", "2026-06-17"]);
        assert_eq!(said["mailbox"].as_str(), Some("nv-5"), "{said}");
    }
}

#[test]
fn wrong_use_is_told_before_any_cluster_is_asked() {
    let folder = Folder::new();
    for wrong in [
        &["handover"][..],
        &["handover", "nv-1", "--agency", "stttt"],
        &["acknowledge", "--yes"],
        &["acknowledge", "--number", "1/x"],
        &["acknowledge", "--number", "1/x", "--date", "2999-01-01", "--issuer", "x"],
        &["status", "-o", "sarif"],
        &["status", "--dir", ".", "-n", "x"],
        &["handover", "nv-1", "--out", "-", "-o", "json"],
    ] {
        let run = folder.run(wrong);
        assert_eq!((run.status.code(), run.stdout.len()), (Some(2), 0), "{wrong:?}");
    }
}

#[test]
fn a_day_that_does_not_exist_is_told_with_the_length_of_its_month() {
    let folder = Folder::new();
    for (args, day) in [
        (&["status", "--dir", ".", "--now", "2026-11-31"][..], "2026-11-31"),
        (&["forecast", ".", "--until", "2026-11-31T08:00:00+07:00"], "2026-11-31"),
        (&["acknowledge", "--number", "1/x", "--issuer", "x", "--date", "2026-11-31"], "2026-11-31"),
        (&["journal", "show", "-", "--since", "31/11/2026"], "31/11/2026"),
    ] {
        let run = folder.run(args);
        let said = String::from_utf8(run.stderr).unwrap();
        let why = format!("the day '{day}' does not exist, November 2026 has 30 days; write ");
        assert!(said.contains(&why) && said.contains("for example 2026-06-"), "{args:?}: {said}");
        assert_eq!((run.status.code(), run.stdout.len()), (Some(2), 0), "{args:?}");
    }
}

#[test]
fn r5_2_r6_3_who_unlocks_by_hand_is_told_to_name_the_document_in_the_same_commit() {
    let bare = locked().lines().filter(|line| !line.starts_with("  restore:")).collect::<Vec<_>>().join("\n") + "\n";
    let folder = Folder::new().with("system.yaml", SYSTEM).with("a.yaml", bare);
    let (said, _) = json(&folder, &["explain", "nv-1", "--now", "2026-06-17"]);
    let change = &said["changes"][0];
    assert!(change["message"].as_str().unwrap().contains("in one commit"), "{change}");
    assert!(change["messageVi"].as_str().unwrap().contains("trong cùng một lần sửa"), "{change}");
    let command = change["command"].as_str().unwrap();
    assert!(command.contains("\"lock\":null") && command.contains("\"restore\":{\"basis\":{"), "{command}");
    assert!(change["yaml"].as_str().unwrap().contains("# without lock:\n  restore:"), "{change}");
}

#[test]
fn r5_4_c_explain_says_where_mail_of_a_revoked_account_goes() {
    let status =
        |more: &str| format!("{}, revokedAt: \"2026-05-04T09:00:00+07:00\"{more}", ISSUED.replace("Active", "Revoked"));
    let spec = "  state: Revoked\n  successorRef: {name: nv-9}\n";
    let to = ", forwarding: {to: an.stttt@gialai.gov.vn, since: \"2026-05-04T09:00:00+07:00\"}";
    let folder = folder()
        .with("b.yaml", mailbox("nv-2", spec, &status(to)))
        .with("c.yaml", mailbox("nv-3", "  state: Revoked\n", &status("")));
    let (said, _) = json(&folder, &["explain", "nv-2", "--now", "2026-06-17"]);
    assert!(said["means"]["message"].as_str().unwrap().contains("forwarded to an.stttt@gialai.gov.vn"), "{said}");
    assert!(said["means"]["messageVi"].as_str().unwrap().contains("chuyển tiếp đến an.stttt@gialai.gov.vn"), "{said}");
    let facts = said["facts"].as_array().unwrap();
    assert!(facts.iter().any(|fact| fact["name"] == "successor" && fact["value"] == "nv-9"), "{facts:?}");
    let (said, _) = json(&folder, &["explain", "nv-3", "--now", "2026-06-17"]);
    assert!(said["means"]["message"].as_str().unwrap().contains("refused"), "{said}");
    let changes = said["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["yaml"] == "spec:\n  successorRef: {name: MAILBOX}"), "{changes:?}");
}

#[test]
fn r5_4_explain_of_one_whose_end_came_before_its_account_says_that_it_gets_none() {
    let ending = "  ending: {basis: {number: 44/QĐ, date: \"2026-03-02\", issuer: STTTT}}\n";
    for (end, path, code, rule) in [
        ("  endsOn: \"2026-03-01\"\n", "spec.endsOn", "EndsOn", "5.4.b"),
        ("  state: Revoked\n", "spec.state", "Approved", "5.4.c"),
    ] {
        let folder = Folder::new().with("m.yaml", format!("{MAILBOX}{end}{ending}"));
        let (said, _) = json(&folder, &["explain", "nv-1", "--now", "2026-06-17"]);
        let means = said["means"]["message"].as_str().unwrap();
        assert!(means.contains(path) && means.ends_with("it gets none"), "{said:#}");
        let reason = &said["reasons"][0];
        assert_eq!((&reason["code"], &reason["rule"]), (&code.into(), &rule.into()), "{said:#}");
        assert!(reason["document"].as_str().unwrap().contains("44/QĐ"), "{said:#}");
        assert_eq!((&said["state"], said["next"].as_array().map(Vec::len)), (&"Pending".into(), Some(0)), "{said:#}");
        let vietnamese = text(&folder, &["explain", "nv-1", "--now", "2026-06-17", "--lang", "vi"]);
        assert!(vietnamese.contains("không được cấp địa chỉ") && vietnamese.contains(path), "{vietnamese}");
        // Until then it is a new one as others are, and of one that has an address the end is an end.
        let (said, _) = json(&folder, &["explain", "nv-1", "--now", "2026-02-20"]);
        assert_eq!(
            said["means"]["message"].as_str().unwrap().ends_with("it gets none"),
            path == "spec.state",
            "{said:#}"
        );
    }
    let status = "status: {address: quynhhtn.stttt@gialai.gov.vn, issuedAt: \"2026-02-03T00:00:00Z\", state: Active}\n";
    let folder = Folder::new().with("m.yaml", format!("{MAILBOX}  endsOn: \"2026-03-01\"\n{status}"));
    let (said, _) = json(&folder, &["explain", "nv-1", "--now", "2026-06-17"]);
    assert!(!said["means"]["message"].as_str().unwrap().contains("gets none"), "{said:#}");
}

#[test]
fn a_reason_that_has_vietnamese_words_is_told_with_them_and_no_other() {
    let ready = |reason: &str| {
        format!(
            "address: a.stttt@gialai.gov.vn, {ISSUED}, conditions: [{{type: Ready, status: \"False\", reason: {reason}, message: \"m\", \
             lastTransitionTime: \"2026-06-01T00:00:00Z\"}}]"
        )
    };
    let people = mailbox("nv-4", "", &ready("Locked")) + &mailbox("nv-5", "", &ready("ClocksDiffer"));
    let folder = folder().with("b.yaml", people);
    for (lang, locked, other) in [("vi", "Locked (Tạm khóa)", "ClocksDiffer:"), ("en", "Locked", "ClocksDiffer:")] {
        let status = text(&folder, &["status", "--now", "2026-06-17", "--lang", lang]);
        assert!(status.contains(&format!("1 {locked}: nv-4")) && status.contains(other), "{status}");
        let explained = text(&folder, &["explain", "nv-4", "--now", "2026-06-17", "--lang", lang]);
        assert!(explained.contains(&format!("Ready False: {locked}")), "{explained}");
        assert_eq!(explained.contains("(Tạm khóa)"), lang == "vi", "{explained}");
    }
}
