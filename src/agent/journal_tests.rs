use super::*;
use crate::domain::journal::{Fault, Known, verify};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

const NOW: &str = "2026-06-16T01:00:00Z";

fn event(key: &str) -> Event {
    Event { key: key.into(), at: at(NOW), actor: "mail-operator".into(), action: "Lock".into(), ..Event::default() }
}

fn events(keys: &[&str]) -> Vec<Event> {
    keys.iter().map(|key| event(key)).collect()
}

fn open(folder: &Path) -> Journal {
    Journal::open(folder, 6).expect("journal")
}

fn printed(folder: &Path) -> String {
    let mut out = Vec::new();
    print(folder, &mut out).expect("printed");
    String::from_utf8(out).expect("text")
}

fn keys(folder: &Path) -> Vec<String> {
    printed(folder).lines().filter_map(|line| journal::read(line).ok()).map(|entry| entry.event.key).collect()
}

fn file(folder: &Path) -> PathBuf {
    folder.join("journal-2026-06.jsonl")
}

#[test]
fn r7_2_the_journal_is_printed_while_its_index_is_being_made() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    journal.append(&events(&["a"]), at(NOW)).expect("written");
    drop(journal);
    let index = folder.path().join(INDEX);
    let tables: Vec<&str> = SCHEMA.split(';').map(str::trim).filter(|table| !table.is_empty()).collect();
    for made in 0..=tables.len() {
        fs::remove_file(&index).expect("no index");
        let db = rusqlite::Connection::open(&index).expect("a new one");
        db.execute_batch(&format!("{};", tables[..made].join(";"))).expect("begun");
        fs::OpenOptions::new().append(true).create(true).open(&index).expect("a file without tables, too");
        assert_eq!(keys(folder.path()), ["a"], "{made} of its statements");
    }
}

#[test]
fn r7_2_a_key_is_one_entry_across_restarts() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    let first = journal.append(&events(&["a", "b", "a"]), at(NOW)).expect("written");
    assert_eq!((first.head.sequence, first.lines.len()), (2, 2));
    let length = fs::metadata(file(folder.path())).expect("file").len();
    let mut journal = open(folder.path());
    assert_eq!(journal.head(), &first.head);
    let again = journal.append(&events(&["b", "a"]), at(NOW)).expect("known");
    assert_eq!((again.head, again.lines.len()), (first.head, 0), "nothing is told twice");
    assert_eq!(fs::metadata(file(folder.path())).expect("file").len(), length);
    journal.append(&events(&["b", "c"]), at(NOW)).expect("written");
    assert_eq!(keys(folder.path()), ["a", "b", "c"]);
    assert_eq!(verify("f", &printed(folder.path()), Known::default()).expect("good").entries, 3);
}

#[test]
fn r7_2_a_crash_in_the_middle_of_a_write_loses_only_the_half_line_and_writes_nothing_twice() {
    let folder = tempfile::tempdir().expect("folder");
    open(folder.path()).append(&events(&["a"]), at(NOW)).expect("written");
    let index = fs::read(folder.path().join(INDEX)).expect("index");
    open(folder.path()).append(&events(&["b", "c"]), at(NOW)).expect("written");
    let whole = fs::read_to_string(file(folder.path())).expect("file");
    let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
    let places = (ends[0]..whole.len()).step_by(61).chain(ends.iter().flat_map(|end| [end - 1, *end]));
    for cut in places.filter(|cut| *cut >= ends[0]) {
        // The index had not been written; of the batch a part had.
        fs::write(folder.path().join(INDEX), &index).expect("index");
        fs::write(file(folder.path()), &whole[..cut]).expect("file");
        let half = verify("f", &printed(folder.path()), Known::default());
        match half {
            Ok(_) => assert!(ends.contains(&cut), "{cut}"),
            Err(bad) => assert_eq!(bad.fault, Fault::CutOff, "{cut}"),
        }
        let told = open(folder.path()).append(&events(&["b", "c", "d"]), at(NOW)).expect("written").lines.len();
        assert_eq!((keys(folder.path()).join(""), told), ("abcd".into(), 3), "{cut}");
        assert_eq!(verify("f", &printed(folder.path()), Known::default()).expect("good").entries, 4, "{cut}");
    }
}

#[test]
fn r7_2_what_a_power_cut_keeps_out_of_the_index_is_written_once_all_the_same() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    journal.append(&events(&["a", "b"]), at(NOW)).expect("written");
    let copied = |left_out: &[&str]| {
        let copy = tempfile::tempdir().expect("folder");
        for entry in fs::read_dir(folder.path()).expect("files").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            if !left_out.contains(&name.as_str()) {
                fs::copy(entry.path(), copy.path().join(name)).expect("copied");
            }
        }
        copy
    };
    // Killed, or without power: SQLite's own log of the index may be there, or not, or in part.
    for left_out in [&[][..], &["index.sqlite-shm"], &["index.sqlite-shm", "index.sqlite-wal"]] {
        let copy = copied(left_out);
        let mut again = open(copy.path());
        assert_eq!(again.head().sequence, 2, "{left_out:?}");
        again.append(&events(&["b", "c", "a"]), at(NOW)).expect("written");
        assert_eq!(keys(copy.path()), ["a", "b", "c"], "{left_out:?}");
    }
    let copy = copied(&["index.sqlite-shm"]);
    let log = OpenOptions::new().write(true).open(copy.path().join("index.sqlite-wal")).expect("the log of the index");
    log.set_len(log.metadata().expect("length").len() / 2).expect("cut");
    open(copy.path()).append(&events(&["b", "c"]), at(NOW)).expect("written");
    assert_eq!(keys(copy.path()), ["a", "b", "c"]);
    assert_eq!(verify("f", &printed(copy.path()), Known::default()).expect("good").entries, 3);
}

#[test]
fn r7_2_an_index_that_is_lost_is_made_anew_from_the_files() {
    let folder = tempfile::tempdir().expect("folder");
    let head = open(folder.path()).append(&events(&["a", "b"]), at(NOW)).expect("written").head;
    fs::remove_file(folder.path().join(INDEX)).expect("removed");
    let mut journal = open(folder.path());
    assert_eq!(journal.append(&events(&["a", "b"]), at(NOW)).expect("known").head, head);
}

#[test]
fn r7_2_what_somebody_cut_off_stays_visible_for_ever() {
    let folder = tempfile::tempdir().expect("folder");
    open(folder.path()).append(&events(&["a", "b", "c"]), at(NOW)).expect("written");
    let text = fs::read_to_string(file(folder.path())).expect("file");
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    fs::write(file(folder.path()), &text[..ends[1]]).expect("cut");
    let bad = verify("f", &printed(folder.path()), Known::default()).expect_err("cut");
    assert_eq!((bad.fault, bad.sequence), (Fault::CutOff, 3));
    open(folder.path()).append(&events(&["d"]), at(NOW)).expect("written");
    let bad = verify("f", &printed(folder.path()), Known::default()).expect_err("a gap");
    assert_eq!((bad.fault, bad.sequence), (Fault::Missing, 4), "{}", bad.message);
}

#[test]
fn r7_2_a_full_volume_is_told_as_such_and_nothing_is_half_written() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    journal.append(&events(&["a"]), at(NOW)).expect("written");
    let before = fs::read(file(folder.path())).expect("file");
    let pages: i64 = journal.index.query_row("PRAGMA page_count", [], |r| r.get(0)).expect("pages");
    journal.index.pragma_update(None, "max_page_count", pages).expect("limit");
    let many: Vec<Event> = (0..400).map(|n| event(&format!("{n}-{}", "k".repeat(200)))).collect();
    let error = journal.append(&many, at(NOW)).expect_err("full");
    assert!(matches!(error, JournalError::VolumeFull), "{error}");
    assert_eq!(fs::read(file(folder.path())).expect("file"), before);
    let full = io::Error::from(io::ErrorKind::StorageFull);
    assert!(matches!(JournalError::from(full), JournalError::VolumeFull));
    let head = open(folder.path()).append(&many, at(NOW)).expect("there is room again").head;
    assert_eq!(head.sequence, 401);
}

#[test]
fn r7_2_a_month_has_a_file_and_the_chain_goes_on_in_the_next_one() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    // 30 June 17:30 UTC is 1 July in the province.
    for (key, now) in [("a", "2026-06-30T16:30:00Z"), ("b", "2026-06-30T17:30:00Z"), ("c", "2026-06-30T16:00:00Z")] {
        journal.append(&events(&[key]), at(now)).expect("written");
    }
    let june = fs::read_to_string(file(folder.path())).expect("June");
    let july = fs::read_to_string(folder.path().join("journal-2026-07.jsonl")).expect("July");
    assert_eq!((june.lines().count(), july.lines().count()), (1, 2), "a clock that went back does not");
    assert_eq!(verify("f", &(june + &july), Known::default()).expect("one chain").entries, 3);
}

#[test]
fn r7_2_retention_never_removes_what_is_younger_than_six_months() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    let mut now = at("2026-01-05T00:00:00Z");
    let mut written: Vec<(String, Timestamp)> = Vec::new();
    while now < at("2028-01-01T00:00:00Z") {
        let key = now.to_string();
        journal.append(&events(&[&key]), now).expect("written");
        written.push((key, now));
        let there: HashSet<String> = keys(folder.path()).into_iter().collect();
        for (key, at) in &written {
            let young = calendar::day(now) <= calendar::Calendar::default().last_day(calendar::day(*at), 6);
            assert!(!young || there.contains(key), "{key} is gone at {now}");
        }
        assert!(names(folder.path()).expect("files").len() <= 9, "and it is bounded");
        let summary = verify("f", &printed(folder.path()), Known::default()).expect("good");
        assert_eq!(summary.entries as usize, there.len());
        now += k8s_openapi::jiff::SignedDuration::from_hours(24 * 9);
    }
    let known: i64 = journal.index.query_row("SELECT count(*) FROM keys", [], |r| r.get(0)).expect("keys");
    assert_eq!(known as usize, keys(folder.path()).len(), "keys go with their files");
}

#[test]
fn an_event_that_cannot_be_an_entry_stops_the_whole_request() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    let error = journal.append(&[event("a"), event("")], at(NOW)).expect_err("no key");
    assert!(matches!(error, JournalError::Unfit(_)), "{error}");
    let many: Vec<Event> = (0..=MOST_EVENTS).map(|n| event(&n.to_string())).collect();
    assert!(matches!(journal.append(&many, at(NOW)), Err(JournalError::TooMany)));
    assert_eq!(journal.head().sequence, 0);
}

#[test]
fn r7_2_the_agent_refuses_to_keep_the_journal_for_less_than_six_months() {
    use clap::Parser;
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: crate::agent::AgentArgs,
    }
    let months =
        |text: &str| Cli::try_parse_from(["agent", &format!("--log-months={text}")]).map(|c| c.args.log_months);
    assert_eq!((months("6").ok(), months("120").ok()), (Some(6), Some(120)));
    assert!(months("5").is_err() && months("121").is_err());
    assert_eq!(Cli::try_parse_from(["agent"]).map(|c| c.args.log_months).ok(), Some(6));
}

#[test]
fn r7_2_a_damaged_index_is_made_anew_from_the_files_at_the_start_and_in_use() {
    // A running one has what it wrote in its log, and goes on.
    for (whole, reopened) in [(true, true), (false, true), (true, false)] {
        let folder = tempfile::tempdir().expect("folder");
        let many: Vec<Event> = (0..300).map(|n| event(&format!("{n}-{}", "k".repeat(200)))).collect();
        let mut journal = open(folder.path());
        journal.append(&many, at(NOW)).expect("written");
        if !reopened {
            sqlite::damage(&folder.path().join(INDEX), whole);
        } else {
            drop(journal);
            sqlite::damage(&folder.path().join(INDEX), whole);
            journal = open(folder.path());
            assert_eq!(journal.recovered().lines.len(), 0, "nothing is told twice");
        }
        assert_eq!(verify("f", &printed(folder.path()), Known::default()).expect("good").entries, 300);
        let mut both = many.clone();
        both.push(event("new"));
        let done = journal.append(&both, at(NOW)).expect("written");
        assert_eq!((done.head.sequence, done.lines.len()), (301, 1), "{whole} {reopened}");
        let done = open(folder.path()).append(&both, at(NOW)).expect("known");
        assert_eq!((done.head.sequence, done.lines.len()), (301, 0));
        assert_eq!(verify("f", &printed(folder.path()), Known::default()).expect("good").entries, 301);
        assert!(!reopened || folder.path().join(format!("{INDEX}{}", sqlite::DAMAGED)).exists());
    }
}

#[test]
fn r7_2_an_entry_that_was_noted_elsewhere_is_missed_when_it_is_cut_off_or_exchanged() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    let noted = journal.append(&events(&["a", "b"]), at(NOW)).expect("written").head;
    journal.append(&events(&["c"]), at("2026-07-16T01:00:00Z")).expect("written");
    let holds = |journal: &mut Journal| journal.end(Some(&noted)).expect("looked").holds;
    assert!(holds(&mut journal) && holds(&mut open(folder.path())));
    let last = journal.end(None).expect("looked").head;
    assert!(last.sequence == 3 && journal.end(Some(&last)).expect("looked").holds);
    let text = fs::read_to_string(file(folder.path())).expect("file");
    let first = text.split_inclusive('\n').next().expect("a line");
    fs::write(file(folder.path()), first).expect("cut");
    assert!(!holds(&mut journal) && !holds(&mut open(folder.path())));
    // The same number in another journal, which goes on beyond it.
    let other = tempfile::tempdir().expect("folder");
    let mut journal = open(other.path());
    journal.append(&events(&["x", "y", "z", "w"]), at(NOW)).expect("written");
    assert!(!holds(&mut journal));
    // All of it is gone, the index too.
    assert!(!holds(&mut open(tempfile::tempdir().expect("folder").path())));
}

#[test]
fn r7_2_a_cut_behind_the_running_agent_is_seen_although_its_own_memory_is_whole() {
    let folder = tempfile::tempdir().expect("folder");
    let mut journal = open(folder.path());
    let noted = journal.append(&events(&["a", "b"]), at(NOW)).expect("written").head;
    assert!(journal.end(Some(&noted)).expect("looked").holds);
    let text = fs::read_to_string(file(folder.path())).expect("file");
    fs::write(file(folder.path()), text.split_inclusive('\n').next().expect("a line")).expect("cut");
    assert!(!journal.end(Some(&noted)).expect("looked").holds);
}
