//! A volume on which there is no room: who is to be shut out is (R6.1). The volume itself is filled in tests/cluster/volume.rs.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use super::tests::{account, request};
use super::*;

/// A table with these people, and the room that is kept beside it.
fn table(people: &[Account]) -> (tempfile::TempDir, Table, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let mut table = Table::open(&folder.path().join("mail.sqlite")).expect("table");
    table.apply(&request(people.to_vec())).expect("applied");
    let reserve = folder.path().join("reserve");
    (folder, table, reserve)
}

fn bytes(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

/// SQLite tells it as it tells a full volume.
fn no_more_pages(table: &Table) {
    let pages: i64 = table.db.query_row("PRAGMA page_count", [], |r| r.get(0)).expect("pages");
    table.db.pragma_update(None, "max_page_count", pages).expect("limit");
}

fn many_new() -> Vec<Account> {
    (0..500).map(|n| account(&format!("new-{n}"), &format!("b{n}"))).collect()
}

/// What readers are told of each: locked, has to change the password, has another one than at first.
fn told(table: &Table) -> Vec<(String, [bool; 3])> {
    let query = "SELECT mailbox, locked, must_change, password IS NOT ?1 FROM accounts WHERE mailbox LIKE 'nv-%' ORDER BY mailbox";
    let mut query = table.db.prepare(query).expect("query");
    let first = account("nv-1", "a1").password_hash;
    let rows = query.query_map([first], |r| Ok((r.get(0)?, [r.get(1)?, r.get(2)?, r.get(3)?]))).expect("rows");
    rows.map(|row| row.expect("row")).collect()
}

fn other_password() -> String {
    account("nv-1", "a1").password_hash.replace("MDEy", "MTEy")
}

#[test]
fn r6_1_on_a_full_volume_who_is_to_be_shut_out_is_and_all_else_waits() {
    let people: Vec<Account> = (1..=5).map(|n| account(&format!("nv-{n}"), &format!("a{n}"))).collect();
    let (_folder, mut table, _) = table(&people);
    no_more_pages(&table);
    let mut all = many_new();
    all.push(Account { access: Access::Locked, ..people[0].clone() });
    all.push(Account { password_hash: other_password(), ..people[1].clone() });
    all.push(Account::revoked("nv-3", "a3@x.vn"));
    all.push(Account { access: Access::MustChange, ..people[3].clone() });
    all.push(Account { quota_bytes: 99, ..people[4].clone() });
    let applied = table.apply(&request(all.clone())).expect("what closes is written");
    assert!(applied.full, "and the rest is told to wait");
    assert_eq!(applied.kick, ["a1@x.vn", "a2@x.vn", "a3@x.vn", "a4@x.vn"]);
    let expected = [[true, false, false], [false, false, true], [true, false, false], [false, true, false], [false; 3]];
    assert_eq!(told(&table).into_iter().map(|(_, told)| told).collect::<Vec<_>>(), expected);
    let known: Vec<(String, String)> = table.digests().expect("digests").accounts;
    assert_eq!(known.len(), 5);
    assert!(
        known.iter().all(|(mailbox, digest)| digest.is_empty() == (mailbox != "nv-5")),
        "they are sent again: {known:?}"
    );
    assert_eq!(table.foreign().expect("looked").map(|f| f.mailboxes), None, "nobody else wrote it");
    // Sent again as long as there is no room, nothing is written any more.
    let revision = table.revision().expect("revision");
    let again = table.apply(&request(all.clone())).expect("told");
    assert_eq!((again.full, again.kick.len(), again.revision), (true, 0, revision));
    // With room everything is as it was sent.
    table.db.pragma_update(None, "max_page_count", 1_000_000).expect("limit");
    assert!(!table.apply(&request(all)).expect("applied").full);
    assert!(table.digests().expect("digests").accounts.iter().all(|(_, digest)| !digest.is_empty()));
}

#[test]
fn r6_1_what_else_a_lock_comes_with_does_not_keep_it_from_coming_into_force() {
    let holder = Account { aliases: vec!["info@x.vn".into()], ..account("nv-2", "a2") };
    let mut people: Vec<Account> = (10..60).map(|n| account(&format!("nv-{n}"), &format!("a{n}"))).collect();
    people.extend([account("nv-1", "a1"), holder]);
    let (_folder, mut table, _) = table(&people);
    no_more_pages(&table);
    // An alias that the other one gives up in what waits; and more than are written at once.
    let mut all = many_new();
    let locked = |account: &Account| Account { access: Access::Locked, ..account.clone() };
    all.extend(people[..50].iter().map(locked));
    all.push(Account { aliases: vec!["info@x.vn".into()], ..locked(&people[50]) });
    all.push(Account { quota_bytes: 99, ..account("nv-2", "a2") });
    let applied = table.apply(&request(all)).expect("written");
    assert_eq!((applied.full, applied.kick.len()), (true, 51));
    let open: Vec<String> = told(&table).into_iter().filter(|(_, told)| !told[0]).map(|(mailbox, _)| mailbox).collect();
    assert_eq!(open, ["nv-2"]);
    let aliases: String = table
        .db
        .query_row("SELECT group_concat(mailbox) FROM aliases WHERE source = 'info@x.vn'", [], |r| r.get(0))
        .expect("one");
    assert_eq!(aliases, "nv-2", "it stays where it is");
}

#[test]
fn r6_3_on_a_full_volume_nobody_is_let_in_and_no_room_is_spent_on_it() {
    let shut = [Access::Locked, Access::Pending, Access::Revoked, Access::MustChange];
    let people: Vec<Account> =
        (0..4).map(|n| Account { access: shut[n], ..account(&format!("nv-{n}"), &format!("a{n}")) }).collect();
    let (_folder, mut table, reserve) = table(&people);
    no_more_pages(&table);
    let (before, kept) = (told(&table), bytes(&reserve));
    let opened = people.iter().map(|account| Account {
        access: Access::Open,
        password_hash: other_password(),
        ..account.clone()
    });
    let applied = table.apply(&request(many_new().into_iter().chain(opened.take(3)).collect())).expect("told");
    assert!(applied.full && applied.kick.is_empty(), "{applied:?}");
    assert_eq!((told(&table), bytes(&reserve)), (before, kept));
}

#[test]
fn a_full_volume_changes_nothing_where_nobody_is_shut_out() {
    let people = [account("nv-1", "a1")];
    let (_folder, mut table, reserve) = table(&people);
    no_more_pages(&table);
    let kept = bytes(&reserve);
    assert!(table.apply(&request(many_new())).expect("told").full);
    assert_eq!((table.revision().expect("revision"), bytes(&reserve)), (1, kept), "no room is spent on it");
}

#[test]
fn room_is_kept_given_step_by_step_and_taken_back() {
    let (_folder, mut table, reserve) = table(&[]);
    let whole = bytes(&reserve);
    assert!(whole > 0, "room is kept from the first start");
    assert!(fs::metadata(&reserve).expect("file").blocks() * 512 >= whole, "holes keep nothing");
    let mut left = Vec::new();
    let done = table.pressing(|_| {
        left.push(bytes(&reserve));
        if left.len() < 3 { Err(TableError::VolumeFull) } else { Ok("written") }
    });
    assert_eq!(done.expect("in the end"), "written");
    assert!(left[0] == whole && left[0] > left[1] && left[1] > left[2] && left[2] > 0, "{left:?}");
    table.mend(Ok(())).expect("mended");
    assert_eq!(bytes(&reserve), whole, "what is free is kept again");
    let never: Result<(), TableError> = table.pressing(|_| Err(TableError::VolumeFull));
    assert!(matches!(never, Err(TableError::VolumeFull)));
    assert_eq!(bytes(&reserve), 0, "it ends when there is none left");
    let refused: Result<(), TableError> = table.pressing(|_| Err(TableError::Incomplete));
    assert!(matches!(refused, Err(TableError::Incomplete)));
}

#[test]
fn room_that_was_restored_with_holes_is_made_anew_at_the_next_start() {
    let (folder, table, reserve) = table(&[]);
    let whole = bytes(&reserve);
    drop(table);
    fs::write(&reserve, "").and_then(|()| File::options().write(true).open(&reserve)?.set_len(whole)).expect("holes");
    let _table = Table::open(&folder.path().join("mail.sqlite")).expect("again");
    assert_eq!(bytes(&reserve), whole);
    assert!(fs::metadata(&reserve).expect("file").blocks() * 512 >= whole);
}
