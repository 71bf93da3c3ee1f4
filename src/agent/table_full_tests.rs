//! A volume on which there is no room: who is to be shut out is (R6.1). The volume itself is filled in tests/cluster/volume.rs.

use std::fs;
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

#[test]
fn r6_1_on_a_full_volume_locks_and_new_passwords_are_written_and_all_else_waits() {
    let people: Vec<Account> = (1..=4).map(|n| account(&format!("nv-{n}"), &format!("a{n}"))).collect();
    let (_folder, mut table, _) = table(&people);
    no_more_pages(&table);
    let locked = Account { access: Access::Locked, ..people[0].clone() };
    let password = Account { password_hash: people[1].password_hash.replace("MDEy", "MTEy"), ..people[1].clone() };
    let revoked = Account::revoked("nv-3", "a3@x.vn");
    let quota = Account { quota_bytes: 99, ..people[3].clone() };
    let mut all: Vec<Account> = (0..500).map(|n| account(&format!("new-{n}"), &format!("b{n}"))).collect();
    all.extend([locked.clone(), password.clone(), revoked.clone(), quota]);
    let applied = table.apply(&request(all)).expect("what closes is written");
    assert!(applied.full, "and the rest is told to wait");
    assert_eq!(applied.kick, ["a1@x.vn", "a2@x.vn", "a3@x.vn"]);
    let expected: Vec<(String, String)> =
        [&locked, &password, &revoked, &people[3]].map(|account| (account.mailbox.clone(), account.digest())).into();
    let mut digests = table.digests().expect("digests");
    digests.accounts.sort_unstable();
    assert_eq!((digests.revision, digests.accounts), (2, expected));
}

#[test]
fn a_full_volume_changes_nothing_where_nobody_is_shut_out() {
    let people = [account("nv-1", "a1")];
    let (_folder, mut table, reserve) = table(&people);
    no_more_pages(&table);
    let kept = bytes(&reserve);
    let new: Vec<Account> = (0..500).map(|n| account(&format!("new-{n}"), &format!("b{n}"))).collect();
    assert!(table.apply(&request(new)).expect("told").full);
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
