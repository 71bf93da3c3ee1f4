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
    let revoked = mailbox(
        "nv-3",
        "  state: Revoked\n",
        &format!("{}, revokedAt: \"2026-05-04T09:00:00+07:00\"", ISSUED.replace("Active", "Revoked")),
    );
    let (said, _) = json(&folder.with("c.yaml", revoked), &["explain", "nv-3", "--now", "2026-06-17"]);
    assert_eq!((&said["state"], &said["reasons"][0]["rule"]), (&"Revoked".into(), &"5.4.c".into()));
    assert_eq!(
        (&said["documents"][0]["what"], &said["next"][0]["at"]),
        (&"revocation".into(), &"2027-05-05T00:00:00+07:00".into())
    );
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
        let screen = text(&folder, &["status", "--now", "2026-06-18", "--lang", lang]);
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
    let terminal = text(&folder, &["proposals", "--now", "2026-09-01"]);
    assert!(
        terminal.starts_with("2 proposed") && terminal.lines().all(|line| line.chars().count() <= 100),
        "{terminal}"
    );
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
