use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const THEN: i64 = 1_780_000_000;

fn wanted(mailbox: &str, issued: i64) -> Vec<(String, i64)> {
    vec![(mailbox.into(), issued)]
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

#[test]
fn d_14_a_folder_says_whose_it_is_from_the_first_look_on() {
    let root = tempfile::tempdir().expect("root");
    let mut folders = Folders::new(root.path().into());
    assert_eq!(folders.look(&wanted("nv-1", THEN)), [Look::Own]);
    let (home, mark) = (root.path().join("nv-1"), root.path().join("nv-1/.holder"));
    assert_eq!(fs::read_to_string(&mark).expect("the mark"), "2026-05-28T20:26:40Z\n");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&home), mode(&mark)), (0o700, 0o600), "as Dovecot makes them");
    // One of before there were marks.
    fs::create_dir_all(root.path().join("nv-2/mail/cur")).expect("mail");
    assert_eq!(folders.look(&wanted("nv-2", THEN)), [Look::Own]);
    // Another agent, that is: after a start.
    let mut folders = Folders::new(root.path().into());
    assert!(!folders.is_known("nv-1", THEN));
    assert_eq!(folders.look(&[wanted("nv-1", THEN), wanted("nv-2", THEN)].concat()), [Look::Own, Look::Own]);
    assert!(folders.is_known("nv-1", THEN) && !folders.is_known("nv-1", THEN + 1));
}

#[test]
fn d_14_a_folder_of_another_account_of_the_same_name_is_nobody_elses_and_stays_as_it_is() {
    let root = tempfile::tempdir().expect("root");
    let mut folders = Folders::new(root.path().into());
    folders.look(&wanted("nv-1", THEN));
    assert_eq!(folders.look(&wanted("nv-1", THEN + 1)), [Look::Anothers(Some(at(THEN)))]);
    assert!(!folders.is_known("nv-1", THEN + 1));
    let mark = root.path().join("nv-1/.holder");
    for unreadable in ["x", "\n", "2026-05-28"] {
        fs::write(&mark, unreadable).expect("written");
        assert_eq!(folders.look(&wanted("nv-1", THEN)), [Look::Anothers(None)], "{unreadable:?}");
        assert_eq!(fs::read_to_string(&mark).expect("there"), unreadable);
    }
    // What a power cut left of one is none.
    fs::write(&mark, [0; 21]).expect("written");
    assert_eq!(folders.look(&wanted("nv-1", THEN)), [Look::Own]);
    assert!(fs::read_to_string(&mark).expect("there").trim().parse::<Timestamp>().is_ok());
    // Nor is it where the mark leads.
    fs::remove_file(&mark).expect("removed");
    let other = root.path().join("other");
    fs::write(&other, "2026-05-28T20:26:40Z\n").expect("written");
    std::os::unix::fs::symlink(&other, &mark).expect("a link");
    assert_eq!(folders.look(&wanted("nv-1", THEN)), [Look::Anothers(None)]);
    // Aside, the name has a folder of its own again.
    fs::rename(root.path().join("nv-1"), root.path().join(".nv-1.former")).expect("aside");
    assert_eq!(folders.look(&wanted("nv-1", THEN + 1)), [Look::Own]);
}

#[test]
fn d_14_a_mark_whose_power_was_cut_is_none() {
    let root = tempfile::tempdir().expect("root");
    fs::create_dir(root.path().join("nv-1")).expect("home");
    fs::write(root.path().join("nv-1/.holder"), "").expect("half of it");
    let mut folders = Folders::new(root.path().into());
    assert_eq!(folders.look(&wanted("nv-1", THEN)), [Look::Own]);
    assert_eq!(Folders::new(root.path().into()).look(&wanted("nv-1", THEN)), [Look::Own]);
}

#[test]
fn many_are_looked_at_in_their_order_and_what_cannot_be_looked_at_is_nobody_elses_fault() {
    let root = tempfile::tempdir().expect("root");
    fs::write(root.path().join("u-050"), "no folder").expect("a file");
    let mut folders = Folders::new(root.path().into());
    folders.look(&wanted("u-070", THEN));
    let all: Vec<(String, i64)> = (0..100).map(|n| (format!("u-{n:03}"), THEN + n)).collect();
    let looks = folders.look(&all);
    for (n, look) in looks.iter().enumerate() {
        let expected = match n {
            50 => Look::Silent,
            70 => Look::Anothers(Some(at(THEN))),
            _ => Look::Own,
        };
        assert_eq!(*look, expected, "{n}");
    }
    assert_eq!(folders.known.len(), 99, "those of 98, and the former one");
    assert_eq!(Folders::new(root.path().join("missing")).look(&wanted("u", THEN)), [Look::Silent]);
}
