//! One language at a time: what people of the province read holds no English sentence, and the other way round.

use super::forecast::{ISSUED, activity, mailbox};
use super::*;

/// A province with something to say in every command. Names are without diacritics, so that each one that is found is ours.
fn folder() -> Folder {
    let system = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: MailSystem\nmetadata: {name: gialai}\nspec: {domain: gialai.gov.vn, hostname: \
                  mail.gialai.gov.vn, regulation: {workCalendarRef: {name: none}, firstAccess: ChangePassword}}\nstatus:\n  held: {count: 1, token: \
                  1-abcd, actions: [{mailbox: nv-9, action: Revoke, reason: Deleted, rule: D-14}]}\n---\n";
    let lock = "  lock: {reasons: [Compromised], basis: {number: 7/CV, date: \"2026-06-10\", issuer: CA}}\n";
    let locked = format!(
        "{}, locks: [{{reason: Compromised, rule: 6.2.b, since: \"2026-06-10T14:00:00+07:00\"}}]",
        ISSUED.replace("Active", "Locked")
    );
    let revoked = format!("{}, revokedAt: \"2026-05-04T09:00:00+07:00\"", ISSUED.replace("Active", "Revoked"));
    let waiting = "conditions: [{type: Ready, status: \"False\", reason: Conflict, message: xyz, lastTransitionTime: \
                   \"2026-06-01T00:00:00Z\"}]";
    let people = [
        mailbox("nv-1", "", ISSUED) + &activity("nv-1", "lastLogin: \"2026-03-01\""),
        mailbox("nv-2", lock, &locked),
        mailbox("nv-3", "  state: Revoked\n", &revoked),
        mailbox("nv-4", "", waiting),
        mailbox("nv-5", "  endsOn: \"2020-01-31\"\n  successorRef: {name: nv-6}\n", ""),
        mailbox(
            "nv-6",
            "  successorRef: {name: nv-5}\n  hold: {basis: {number: 1/x, date: \"2026-01-01\", issuer: x}}\n",
            ISSUED,
        ),
        mailbox("nv-7", "", ISSUED),
    ];
    let broken = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: nv-8}\nspec: 5\n";
    let text = people.concat().replace("Trần Đình Nguyên", "Tran Dinh Nguyen");
    let folder = Folder::new()
        .with("agency.yaml", AGENCY.replace("Sở Thông tin và Truyền thông", "So Noi Vu").replace("QĐ", "QD"));
    folder.with("s.yaml", system).with("m.yaml", text).with("x.yaml", broken)
}

const COMMANDS: &[&[&str]] = &[
    &["forecast", ".", "--now", "2026-07-01", "--until", "2027-12-01", "--warnings"],
    &["explain", "nv-1", "--dir", ".", "--now", "2026-07-01"],
    &["explain", "nv-2", "--dir", ".", "--now", "2026-07-01"],
    &["explain", "nv-3", "--dir", ".", "--now", "2026-07-01"],
    &["explain", "nv-4", "--dir", ".", "--now", "2026-07-01"],
    &["explain", "nv-6", "--dir", ".", "--now", "2026-07-01"],
    &["explain", "nobody", "--dir", "."],
    &["status", "--dir", ".", "--now", "2026-07-01"],
    &["proposals", "--dir", ".", "--now", "2026-12-01"],
    &["validate", "."],
    &["pin", ".", "--check"],
    &["plan", "."],
    &["plan", ".", "-o", "markdown"],
    &["password", "check"],
];

fn said(folder: &Folder, command: &[&str], lang: &str) -> String {
    let run = folder.run(&[command, &["--lang", lang]].concat());
    let text = [run.stdout, run.stderr].concat();
    String::from_utf8(text).unwrap()
}

#[test]
fn vietnamese_text_holds_no_english_sentence_and_english_text_no_vietnamese_one() {
    let folder = folder();
    let english = ["the", "is", "are", "not", "there", "who", "and", "or", "since", "until", "no", "nothing", "left"];
    for command in COMMANDS {
        let vietnamese = said(&folder, command, "vi");
        // Identifiers and words of files stand in quotes or in code.
        let words = vietnamese.split(|c: char| c.is_whitespace() || ",.;:()".contains(c));
        let found: Vec<&str> = words.filter(|word| english.contains(word)).collect();
        assert!(found.is_empty() && !vietnamese.is_ascii(), "{command:?}: {found:?}\n{vietnamese}");
        let text = said(&folder, command, "en").replace("8.3.đ", "8.3");
        let letters: String = text.chars().filter(|c| c.is_alphabetic() && !c.is_ascii()).collect();
        assert_eq!(letters, "", "{command:?}\n{text}");
    }
}
