//! `kubectl mail forecast` on folders: what the rules of a life lead to, and when.

use serde_json::json;

use super::*;

const MANY: &str = "apiVersion: v1\nkind: List\nitems:\n";

/// A Mailbox with a status, and further lines of its spec.
pub fn mailbox(name: &str, spec: &str, status: &str) -> String {
    format!(
        "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {{name: {name}}}\nspec:\n  agencyRef: {{name: stttt}}\n  \
         fullName: Trần Đình Nguyên\n  basis: {{number: 1/x, date: \"2026-01-01\", issuer: x}}\n{spec}status: {{{status}}}\n---\n"
    )
}

/// Issued on 2 February 2026, with a password of the holder's own.
pub const ISSUED: &str =
    "issuedAt: \"2026-02-02T08:00:00+07:00\", passwordChangedAt: \"2026-02-03T08:00:00+07:00\", state: Active";

/// What is known of its use.
pub fn activity(name: &str, days: &str) -> String {
    format!(
        "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: MailboxActivity\nmetadata: {{name: {name}}}\nspec: {{}}\nstatus: {{{days}, \
         completeFrom: \"2026-02-02T00:00:00+07:00\", completeThrough: \"2026-12-31T00:00:00+07:00\"}}\n---\n"
    )
}

const SYSTEM: &str = "\
apiVersion: mail.gialai.gov.vn/v1alpha1
kind: MailSystem
metadata: {name: gialai}
spec:
  domain: gialai.gov.vn
  regulation:
    firstAccess: ChangePassword
    inactivity: {lockAfterMonths: 2}
    retention: {revokedMonths: 12, tombstoneMonths: 24, logMonths: 6}
";

fn calendar(name: &str, days: &str) -> String {
    format!(
        "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: WorkCalendar\nmetadata: {{name: {name}}}\nspec: {{holidays: [{days}]}}\n---\n"
    )
}

/// The document of `forecast .`, what was said beside it, and the exit code.
fn forecast(folder: &Folder, more: &[&str]) -> (Value, String, i32) {
    let run = folder.run(&[&["forecast", ".", "-o", "json"], more].concat());
    let said = String::from_utf8(run.stderr).unwrap();
    let document: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(
        (&document["kind"], &document["apiVersion"]),
        (&"Forecast".into(), &"mail.gialai.gov.vn/v1alpha1".into())
    );
    (document, said, run.status.code().unwrap())
}

/// Action, mailbox, reason, rule and time in a row.
fn actions(document: &Value) -> Vec<String> {
    let text = |action: &Value| {
        ["at", "mailbox", "action", "reason", "rule"].map(|key| action[key].as_str().unwrap().to_string()).join(" ")
    };
    document["actions"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn r6_2_a_d_10_the_document_has_the_form_of_the_contract() {
    let silent = mailbox("nv-1", "", ISSUED) + &activity("nv-1", "lastLogin: \"2026-03-16\"");
    let (document, said, code) = forecast(&Folder::new().with("a.yaml", silent), &["--now", "2026-06-17"]);
    let expected = json!({
        "apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "Forecast", "now": "2026-06-17T00:00:00+07:00",
        "states": [{"mailbox": "nv-1", "state": "Locked", "reasons": ["Inactive"], "nextDue": "2026-09-17T00:00:00+07:00"}],
        "actions": [{"mailbox": "nv-1", "action": "Lock", "reason": "Inactive", "rule": "6.2.a", "at": "2026-06-17T00:00:00+07:00"}],
        "held": [], "unknown": [],
    });
    assert_eq!((document, said.as_str(), code), (expected, "", 0));
}

#[test]
fn d_09_the_time_is_rfc_3339_or_a_day_and_until_looks_ahead_with_warnings() {
    let silent = mailbox("nv-1", "", ISSUED) + &activity("nv-1", "lastLogin: \"2026-03-16\"");
    let folder = Folder::new().with("a.yaml", silent);
    let (document, ..) = forecast(&folder, &["--now", "2026-06-15T20:00:00Z", "--until", "2026-06-17"]);
    assert_eq!(document["now"], "2026-06-16T03:00:00+07:00");
    assert_eq!(document["states"][0]["state"], "Active");
    assert_eq!(actions(&document), ["2026-06-17T00:00:00+07:00 nv-1 Lock Inactive 6.2.a"]);
    let (document, ..) = forecast(&folder, &["--now", "2026-06-01", "--until", "2026-06-10"]);
    let warned =
        ["2026-06-03T00:00:00+07:00 nv-1 Warn Inactive 6.2.a", "2026-06-10T00:00:00+07:00 nv-1 Warn Inactive 6.2.a"];
    assert_eq!(actions(&document), warned);
    let text = |more: &[&str]| {
        let run = folder.run(&[&["forecast", ".", "--now", "2026-06-01", "--until", "2026-06-20"], more].concat());
        String::from_utf8(run.stdout).unwrap()
    };
    assert!(text(&[]).contains("2026-06-17 Wednesday\n  nv-1") && !text(&[]).contains("2026-06-10"), "{}", text(&[]));
    assert!(text(&["--warnings"]).contains("2026-06-10 Wednesday"));
    assert!(text(&["--lang", "vi"]).contains("thứ Tư, 17/06/2026\n  nv-1"), "{}", text(&["--lang", "vi"]));
    assert!(text(&["--warnings"]).lines().all(|line| line.chars().count() <= 100));
    for wrong in [["--now", "17/06/2026"], ["--now", "2026-06-17T00:00:00"], ["--until", "2001-01-01"]] {
        assert_eq!(folder.run(&[&["forecast", "."], &wrong[..]].concat()).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn r9_1_a_folder_without_mailsystem_is_reckoned_by_the_regulation_and_one_with_by_its_settings() {
    let new = mailbox("nv-1", "", "issuedAt: \"2026-06-01T08:00:00+07:00\"") + &mailbox("nv-2", "", "state: Pending");
    let silent = mailbox("nv-3", "", ISSUED) + &activity("nv-3", "lastLogin: \"2026-04-15\"");
    let folder = Folder::new().with("a.yaml", new + &silent);
    let (document, ..) = forecast(&folder, &["--now", "2026-06-17"]);
    let expected = json!([
        {"mailbox": "nv-1", "state": "MustChangePassword", "reasons": [], "nextDue": "2026-07-02T00:00:00+07:00"},
        {"mailbox": "nv-2", "state": "Pending", "reasons": [], "nextDue": null},
        {"mailbox": "nv-3", "state": "Active", "reasons": [], "nextDue": "2026-07-16T00:00:00+07:00"},
    ]);
    assert_eq!(document["states"], expected);
    let (document, ..) = forecast(&folder.with("system.yaml", SYSTEM), &["--now", "2026-06-17"]);
    assert_eq!(actions(&document), ["2026-06-16T00:00:00+07:00 nv-3 Lock Inactive 6.2.a"], "after two months");
}

#[test]
fn d_09_the_calendar_that_is_named_counts_or_the_only_one() {
    let silent = mailbox("nv-1", "", ISSUED) + &activity("nv-1", "lastLogin: \"2026-03-16\"");
    let tet = calendar("vietnam", "\"2026-06-16\"");
    let due = |folder: &Folder| {
        let (document, said, _) = forecast(folder, &["--now", "2026-06-01", "--until", "2026-06-30"]);
        (actions(&document).last().unwrap()[..10].to_string(), said)
    };
    let folder = Folder::new().with("a.yaml", silent + &tet);
    assert_eq!(due(&folder), ("2026-06-18".into(), String::new()));
    // The operator would not: that is said.
    let system = SYSTEM.replace("lockAfterMonths: 2", "lockAfterMonths: 3");
    let folder = folder.with("system.yaml", &system);
    assert!(due(&folder).1.contains("spec.regulation.workCalendarRef names it"), "{}", due(&folder).1);
    let named = format!("{system}    workCalendarRef: {{name: vietnam}}\n");
    let folder = folder.with("system.yaml", &named).with("other.yaml", calendar("other", "\"2026-06-17\""));
    assert_eq!(due(&folder), ("2026-06-18".into(), String::new()));
    let folder = folder.with("system.yaml", named.replace("vietnam", "none"));
    let (day, said) = due(&folder);
    assert!(day == "2026-06-17" && said.contains("WorkCalendar 'none' is not there"), "{day} {said}");
}

#[test]
fn several_objects_in_a_file_and_lists_of_any_size_are_read() {
    let item = |i: usize| {
        let text = mailbox(&format!("nv-{i:05}"), "", ISSUED).replace("---\n", "");
        text.lines().enumerate().map(|(n, l)| format!("{}{l}\n", if n == 0 { "- " } else { "  " })).collect::<String>()
    };
    let list = MANY.to_string() + &(0..5_000).map(item).collect::<String>();
    assert!(list.len() > 1 << 20);
    let (document, said, code) = forecast(&Folder::new().with("all.yaml", list), &["--now", "2026-03-01"]);
    assert_eq!((document["states"].as_array().unwrap().len(), said.as_str(), code), (5_000, "", 0));
}

#[test]
fn d_15_more_than_the_brake_allows_are_held_and_what_a_status_holds_stays_held() {
    let silent = |i: usize| {
        let name = format!("nv-{i:02}");
        mailbox(&name, "", ISSUED) + &activity(&name, "lastLogin: \"2026-03-16\"")
    };
    let folder = Folder::new().with("a.yaml", (0..21).map(silent).collect::<String>());
    let (document, _, code) = forecast(&folder, &["--now", "2026-06-17"]);
    let held = document["held"].as_array().unwrap();
    assert_eq!((held.len(), document["actions"].as_array().unwrap().len(), code), (21, 0, 0));
    assert_eq!(
        (&held[0]["mailbox"], &held[0]["action"], &held[0]["by"]),
        (&"nv-00".into(), &"Lock".into(), &"Brake".into())
    );
    assert!(held[0]["message"].as_str().unwrap().contains("more than 20"));
    assert!(document["states"].as_array().unwrap().iter().all(|stands| stands["state"] == "Active"));
    // One alone would pass, if nothing was held yet.
    let held = format!(
        "{SYSTEM}status: {{held: {{count: 1, token: 1-abc, actions: [{{mailbox: nv-00, action: Lock, reason: Inactive, rule: 6.2.a}}]}}}}\n"
    );
    let folder = Folder::new().with("a.yaml", silent(0) + &silent(1)).with("system.yaml", &held);
    let (document, ..) = forecast(&folder, &["--now", "2026-06-17"]);
    assert_eq!(document["held"].as_array().unwrap().len(), 2, "whatever comes waits with it");
    // A person's word releases exactly what the token names.
    let word = |token: &str| {
        let said = format!(
            "  acknowledge: {{held: {token}, basis: {{number: 1/x, date: \"2026-06-17\", issuer: x}}}}\nstatus:"
        );
        let folder = Folder::new().with("a.yaml", silent(0)).with("system.yaml", held.replace("status:", &said));
        forecast(&folder, &["--now", "2026-06-17"]).0["states"][0]["state"].as_str().unwrap().to_string()
    };
    assert_eq!((word("1-abc"), word("1-old")), ("Locked".into(), "Active".into()));
}

#[test]
fn d_15_what_was_locked_within_a_day_counts() {
    let locked = |i: usize| {
        let locks = format!("{ISSUED}, locks: [{{reason: Inactive, since: \"2026-06-16T00:00:01+07:00\"}}]");
        mailbox(&format!("nv-old-{i:02}"), "", &locks)
    };
    let silent = mailbox("nv-1", "", ISSUED) + &activity("nv-1", "lastLogin: \"2026-03-16\"");
    let folder = Folder::new().with("a.yaml", (0..20).map(locked).collect::<String>() + &silent);
    let (document, ..) = forecast(&folder, &["--now", "2026-06-17"]);
    assert_eq!(document["held"].as_array().unwrap().len(), 1);
    let (document, ..) = forecast(&folder, &["--now", "2026-06-18"]);
    assert_eq!(document["held"].as_array().unwrap().len(), 0);
}

#[test]
fn d_16_a_clock_whose_source_proves_nothing_is_unknown_and_nothing_is_done() {
    let folder = Folder::new().with("a.yaml", mailbox("nv-1", "", ISSUED));
    let (document, ..) = forecast(&folder, &["--now", "2026-08-10"]);
    assert_eq!((&document["states"][0]["state"], document["actions"].as_array().unwrap().len()), (&"Active".into(), 0));
    let unknown = document["unknown"].as_array().unwrap();
    let clocks: Vec<&str> = unknown.iter().map(|u| u["clock"].as_str().unwrap()).collect();
    assert_eq!(clocks, ["Inactive", "Unused"]);
    assert!(unknown[0]["message"].as_str().unwrap().contains("D-16"), "{unknown:?}");
    // What the MailSystem tells of is good for all.
    let known = format!(
        "{SYSTEM}status: {{activity: {{completeFrom: \"2026-02-02T00:00:00+07:00\", completeThrough: \"2026-08-10T00:00:00+07:00\"}}}}\n"
    );
    let (document, ..) = forecast(&folder.with("system.yaml", known), &["--now", "2026-08-10"]);
    assert_eq!(actions(&document)[0], "2026-04-03T00:00:00+07:00 nv-1 Lock Inactive 6.2.a");
}

#[test]
fn a_status_that_misses_much_is_read_as_far_as_it_goes() {
    let status = "state: Locked, issuedAt: 2026-02-02, usedPercent: 3, quota: {policy: x}, locks: [{reason: Compromised}], \
                  conditions: [{type: Ready}], due: [{action: x}]";
    let lock = "  lock: {reasons: [Compromised], basis: {number: 9, date: \"2026-03-01\"}}\n";
    let revoked = mailbox("nv-2", "  endsOn: \"2026-05-01\"\n", "state: Revoked, issuedAt: 2026-02-02");
    let proposed = mailbox("nv-3", "", "state: RevocationProposed, issuedAt: 2025-02-02")
        + &activity("nv-3", "lastSend: 2026-08-01");
    let folder = Folder::new().with("a.yaml", mailbox("nv-1", lock, status) + &revoked + &proposed);
    let (document, said, code) = forecast(&folder, &["--now", "2026-08-20", "--until", "2027-06-01"]);
    assert_eq!((said.as_str(), code), ("", 0));
    let states: Vec<&str> =
        document["states"].as_array().unwrap().iter().map(|s| s["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Locked", "Revoked", "RevocationProposed"]);
    assert_eq!(document["states"][0]["reasons"], json!(["Compromised", "DefaultPassword"]));
    let all = actions(&document);
    assert_eq!(
        all.iter().filter(|a| a.contains("nv-1")).collect::<Vec<_>>(),
        ["2026-03-03T00:00:00+07:00 nv-1 Lock DefaultPassword 6.2.d"]
    );
    assert!(all.contains(&"2027-05-04T00:00:00+07:00 nv-2 Purge RetentionOver D-14".to_string()), "{all:?}");
}

#[test]
fn d_14_whose_mailbox_is_gone_is_purged_after_its_time_but_not_while_its_claim_holds_it() {
    let claim = |name: &str, more: &str| {
        format!(
            "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: AddressClaim\nmetadata: {{name: {name}.stttt}}\nspec: {{use: Primary, \
             ownerRef: {{kind: Mailbox, name: {name}}}, ownerName: Lê An, revokedAt: \"2026-02-03T00:00:00Z\"{more}}}\n---\n"
        )
    };
    let folder = Folder::new().with("a.yaml", claim("nv-1", "") + &claim("nv-2", ", hold: 5/TA"));
    let (document, ..) = forecast(&folder, &["--now", "2026-08-20", "--until", "2027-06-01"]);
    assert_eq!(actions(&document), ["2027-02-04T00:00:00+07:00 nv-1 Purge RetentionOver D-14"]);
}

#[test]
fn what_cannot_be_read_is_named_left_out_and_ends_with_1() {
    let broken = mailbox("nv-2", "  restore: {receivedAt: yesterday}\n", ISSUED);
    let folder = Folder::new().with("a.yaml", mailbox("nv-1", "", ISSUED)).with("b.yaml", broken);
    let (document, said, code) = forecast(&folder, &["--now", "2026-03-01"]);
    assert_eq!((document["states"].as_array().unwrap().len(), code), (1, 1));
    assert!(said.contains("b.yaml:1: Mailbox 'nv-2' is left out"), "{said}");
    let none = Folder::new().run(&["forecast", "none", "-o", "json"]);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(3), 0));
}
