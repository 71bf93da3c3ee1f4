use std::io::Write;

use super::*;
use crate::backend::Usage;

struct Case {
    folder: tempfile::TempDir,
    store: Store,
}

fn line(event: &str, user: &str, protocol: &str, time: &str) -> String {
    format!(
        r#"{{"event":"{event}","hostname":"mail","start_time":"{time}","end_time":"{time}","categories":["auth"],"fields":{{"user":"{user}","protocol":"{protocol}"}}}}"#
    )
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(&folder.path().join("usage.sqlite")).expect("store");
        Self { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("events.jsonl")
    }

    fn write(&self, text: &str) {
        let mut file = File::options().create(true).append(true).open(self.path()).expect("file");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn fold(&mut self) -> Folded {
        let path = self.path();
        let known = |address: &str| Ok(address.strip_suffix("@x.vn").map(String::from));
        fold(&path, SignedDuration::ZERO, &mut self.store, known).expect("folded")
    }

    fn rows(&self) -> Vec<Usage> {
        self.store.page(0).expect("page").rows
    }
}

#[test]
fn d_10_logins_sends_and_deliveries_are_kept_by_their_day_in_the_province() {
    let mut case = Case::new();
    // 17:30 UTC is half past midnight of the next day.
    case.write(&format!("{}\n", line("auth_request_finished", "a@x.vn", "imap", "2026-03-02T17:30:00Z")));
    case.write(&format!("{}\n", line("auth_request_finished", "a@x.vn", "imap", "2026-03-01T01:00:00Z")));
    case.write(&format!("{}\n", line("auth_request_finished", "b@x.vn", "smtp", "2026-03-02T01:00:00Z")));
    case.write(&format!("{}\n", line("mail_delivery_finished", "b@x.vn", "lmtp", "2026-03-04T01:00:00Z")));
    case.write(&format!("{}\n", line("mail_delivery_finished", "stranger@y.vn", "lmtp", "2026-03-04T01:00:00Z")));
    case.write("no JSON\n");
    assert_eq!(case.fold().touched, ["a", "b", "b", "b"]);
    let a = Usage { mailbox: "a".into(), last_login: Some("2026-03-03".into()), ..Usage::default() };
    let b = Usage {
        mailbox: "b".into(),
        last_login: Some("2026-03-02".into()),
        last_send: Some("2026-03-02".into()),
        last_receive: Some("2026-03-04".into()),
        used_bytes: None,
    };
    assert_eq!(case.rows(), [a, b]);
}

#[test]
fn a_line_is_folded_once_and_a_half_one_later() {
    let mut case = Case::new();
    let whole = line("auth_request_finished", "a@x.vn", "imap", "2026-03-02T01:00:00Z");
    case.write(&format!("{whole}\n{}", &whole[..40]));
    assert_eq!(case.fold().touched, ["a"]);
    let revision = case.store.page(0).expect("page").revision;
    assert_eq!(case.fold().touched, Vec::<String>::new());
    case.write(&format!("{}\n", &whole[40..]));
    assert_eq!(case.fold().touched, ["a"]);
    assert_eq!(case.store.page(revision).expect("page").rows, [], "the same day is no news");
}

#[test]
fn nothing_is_lost_when_a_long_file_is_put_aside() {
    let mut case = Case::new();
    let on = |who: &str| format!("{}\n", line("auth_request_finished", who, "imap", "2026-03-02T01:00:00Z"));
    case.write(&on("a@x.vn"));
    case.fold();
    assert!(set_aside(&case.path()).expect("aside"));
    // Dovecot goes on writing to the old one until it is told.
    let old = aside(&case.path());
    File::options().append(true).open(&old).expect("old").write_all(on("b@x.vn").as_bytes()).expect("written");
    assert_eq!(case.fold().touched, ["b"]);
    assert!(old.exists(), "there is no new one yet");
    case.write(&on("c@x.vn"));
    assert_eq!(case.fold().touched, ["c"]);
    assert!(!old.exists());
}

#[test]
fn d_10_a_delivery_that_failed_is_none() {
    let mut case = Case::new();
    let failed = line("mail_delivery_finished", "a@x.vn", "lmtp", "2026-03-02T01:00:00Z")
        .replace(r#""protocol":"lmtp""#, r#""protocol":"lmtp","error":"Mailbox is full""#);
    case.write(&format!("{failed}\n"));
    assert_eq!(case.fold().touched, Vec::<String>::new());
}

#[test]
fn a_file_that_ends_in_the_middle_of_a_line_keeps_nothing_from_being_read() {
    let mut case = Case::new();
    let on = |who: &str| format!("{}\n", line("auth_request_finished", who, "imap", "2026-03-02T01:00:00Z"));
    case.write(&format!("{}{}", on("a@x.vn"), &on("b@x.vn")[..30]));
    assert!(set_aside(&case.path()).expect("aside"));
    case.write(&on("c@x.vn"));
    let found: Vec<String> = (0..3).flat_map(|_| case.fold().touched).collect();
    assert_eq!(found, ["a", "c"]);
    assert!(!aside(&case.path()).exists());
}

/// A login that failed, under the name of a beat.
fn beat(word: &str) -> String {
    format!("{}\n", line("auth_request_finished", &format!("_beat-{word}"), "beat", "2026-03-02T01:00:00Z"))
}

#[test]
fn d_16_a_beat_is_found_and_is_nobodys_use() {
    let mut case = Case::new();
    case.write(&beat("12ab"));
    assert_eq!(case.fold().touched, Vec::<String>::new());
    assert!(!case.store.beat_seen(), "none is waited for");
    for n in 0..200_u64 {
        let word = format!("{:032x}", u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        case.store.await_beat(&word);
        assert!(!case.store.beat_seen(), "beat {n}");
        case.write(&beat(&word));
        case.fold();
        assert!(case.store.beat_seen(), "beat {n}");
    }
}

#[test]
fn d_16_who_fails_to_log_in_under_the_name_of_a_beat_neither_hides_one_nor_is_one() {
    let mut case = Case::new();
    case.store.await_beat("12ab");
    let strangers = |case: &Case| (0..100).for_each(|n| case.write(&beat(&format!("x{n}"))));
    strangers(&case);
    case.fold();
    assert!(!case.store.beat_seen());
    case.write(&beat("12ab"));
    strangers(&case);
    case.fold();
    assert!(case.store.beat_seen());
    // What is over proves nothing of the next one.
    case.store.await_beat("34cd");
    case.write(&beat("12ab"));
    case.fold();
    assert!(!case.store.beat_seen());
}

#[test]
fn who_knows_more_than_there_is_gets_everything() {
    let mut case = Case::new();
    case.write(&format!("{}\n", line("auth_request_finished", "a@x.vn", "imap", "2026-03-02T01:00:00Z")));
    case.fold();
    assert_eq!(case.store.page(900).expect("page").rows.len(), 1);
    case.store.used("a", 77).expect("used");
    assert_eq!(case.store.page(1).expect("page").rows[0].used_bytes, Some(77));
    let revision = case.store.page(0).expect("page").revision;
    case.store.used("a", 77).expect("used");
    assert_eq!(case.store.page(0).expect("page").revision, revision);
}

#[test]
fn d_16_a_damaged_store_is_begun_anew_proves_nothing_and_reads_what_is_left_of_the_events() {
    use crate::domain::activity::Complete;
    // A running one has small files in its memory: it meets damage of the first page.
    for (whole, reopened) in [(true, true), (false, true), (true, false)] {
        let mut case = Case::new();
        for n in 0..400 {
            let user = format!("{n}-{}@x.vn", "u".repeat(60));
            case.write(&format!("{}\n", line("auth_request_finished", &user, "imap", "2026-03-02T01:00:00Z")));
        }
        case.fold();
        let at = |text: &str| text.parse().expect("a time");
        let complete = Complete { from: at("2026-01-01T00:00:00Z"), through: at("2026-03-02T02:00:00Z") };
        case.store.set_complete(Some(complete)).expect("kept");
        let known = case.store.page(0).expect("page");
        let file = case.folder.path().join("usage.sqlite");
        crate::agent::sqlite::damage(&file, whole);
        if reopened {
            case.store = Store::open(&file).expect("begun anew");
        } else {
            let path = case.path();
            case.write(&format!("{}\n", line("auth_request_finished", "new@x.vn", "imap", "2026-03-02T01:00:00Z")));
            let user = |address: &str| Ok(address.strip_suffix("@x.vn").map(String::from));
            let failed = fold(&path, SignedDuration::ZERO, &mut case.store, user);
            assert!(matches!(failed, Err(TableError::Damaged(_))), "{failed:?}");
            assert!(case.store.mend(failed).is_err());
        }
        assert_eq!(case.store.complete().expect("read"), None, "{whole} {reopened}");
        case.fold();
        // Who asks for what came after the last revision of the old one gets all of it.
        let page = case.store.page(known.revision).expect("page");
        assert_eq!((page.rows.len(), page.complete), (if reopened { 400 } else { 401 }, None));
    }
}
