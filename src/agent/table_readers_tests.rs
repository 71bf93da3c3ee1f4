//! Dovecot and Postfix read the table while it is written, and while nobody is there who could write.

use rusqlite::{OpenFlags, TransactionBehavior};

use super::tests::{account, request, table};
use super::*;
use crate::agent::sqlite::{LOG, with_ending};

/// As Postfix opens it: it may not write, and waits for no lock.
fn reader(path: &Path) -> Connection {
    let name = format!("file:{}?readonly_shm=1", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let reader = Connection::open_with_flags(name, flags).expect("a reader");
    reader.busy_timeout(Duration::ZERO).expect("set");
    reader
}

/// Whether somebody may not log in, as it is told to readers; or the error.
fn locked(reader: &Connection, mailbox: &str) -> rusqlite::Result<bool> {
    reader.query_row("SELECT locked FROM served_accounts WHERE mailbox = ?1", [mailbox], |r| r.get(0))
}

fn complete() -> (tempfile::TempDir, Table, PathBuf) {
    let (folder, mut table) = table();
    let people: Vec<Account> = (0..300).map(|i| account(&format!("nv-{i}"), &format!("a{i}"))).collect();
    table.apply(&request(people)).expect("applied");
    table.set_complete(300).expect("complete");
    let path = folder.path().join("mail.sqlite");
    (folder, table, path)
}

fn lock(table: &mut Table, mailbox: &str) {
    let address = mailbox.replace("nv-", "a");
    let account = Account { access: Access::Locked, ..account(mailbox, &address) };
    table.apply(&request(vec![account])).expect("applied");
}

fn log_bytes(path: &Path) -> u64 {
    std::fs::metadata(with_ending(path, LOG)).expect("the log is always there").len()
}

/// The table and its log, as they are in this moment, where nobody writes.
fn as_it_is(path: &Path, endings: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let to = folder.path().join("mail.sqlite");
    for ending in endings {
        std::fs::copy(with_ending(path, ending), with_ending(&to, ending)).expect(ending);
    }
    (folder, to)
}

#[test]
fn r6_1_a_change_that_is_written_keeps_nobody_waiting_and_is_seen_at_once_after() {
    let (_folder, mut table, path) = complete();
    let reader = reader(&path);
    let tx = table.db.transaction_with_behavior(TransactionBehavior::Exclusive).expect("begun");
    tx.execute("UPDATE accounts SET locked = 1 WHERE mailbox = 'nv-1'", []).expect("locked");
    assert_eq!(locked(&reader, "nv-1"), Ok(false), "not yet");
    tx.commit().expect("committed");
    assert_eq!(locked(&reader, "nv-1"), Ok(true));
}

#[test]
fn an_agent_that_is_killed_while_it_writes_keeps_nobody_from_reading() {
    let (_folder, mut table, path) = complete();
    lock(&mut table, "nv-1");
    // What does not fit its memory goes into the log before the commit.
    table.db.pragma_update(None, "cache_size", 1).expect("set");
    let tx = table.db.transaction().expect("begun");
    tx.execute("UPDATE accounts SET locked = 1, password = hex(randomblob(200))", []).expect("changed");
    assert!(log_bytes(&path) > 10_000, "half of a change");
    let (_killed, copy) = as_it_is(&path, &["", LOG, "-shm"]);
    drop(tx);
    let reader = reader(&copy);
    assert_eq!((locked(&reader, "nv-1"), locked(&reader, "nv-2")), (Ok(true), Ok(false)));
    drop(reader);
    // The next one.
    let mut table = Table::open(&copy).expect("again");
    assert_eq!((table.digests().expect("digests").accounts.len(), log_bytes(&copy)), (300, 0));
    assert_eq!(table.foreign().expect("a look"), None);
}

#[test]
fn the_log_stays_when_the_agent_ends_and_holds_nothing_that_the_file_does_not() {
    let (_folder, mut table, path) = complete();
    lock(&mut table, "nv-1");
    table.mend(Ok(())).expect("as after each request");
    assert_eq!(log_bytes(&path), 0);
    drop(table);
    assert!(log_bytes(&path) == 0 && with_ending(&path, "-shm").exists());
    assert_eq!(locked(&reader(&path), "nv-1"), Ok(true), "nobody is there who could make the log");
    // A copy of the file alone is whole.
    let (_backup, copy) = as_it_is(&path, &[""]);
    assert_eq!(Table::open(&copy).expect("restored").digests().expect("digests").accounts.len(), 300);
}

#[test]
fn what_is_left_in_the_log_makes_no_damaged_table_a_sound_one() {
    let (_folder, mut table, path) = complete();
    let reader = reader(&path);
    assert_eq!(locked(&reader, "nv-1"), Ok(false));
    lock(&mut table, "nv-1");
    drop(table);
    assert_eq!(locked(&reader, "nv-1"), Ok(true));
    assert!(log_bytes(&path) > 0, "as whoever is killed after a commit leaves it: all of it is in the file, too");
    crate::agent::sqlite::damage(&path, true);
    let table = Table::open(&path).expect("it begins");
    assert!(table.begun_anew() == 1 && table.digests().expect("digests").accounts.is_empty());
    let error = locked(&reader, "nv-1").expect_err("not yet").to_string();
    assert!(error.contains("not complete yet"), "{error}");
}

#[test]
fn a_folder_that_shares_no_memory_has_a_table_as_before() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("mail.sqlite");
    // Nobody opens a folder as the memory that is shared.
    std::fs::create_dir(with_ending(&path, ".probe-shm")).expect("in its place");
    let table = Table::open(&path).expect("opened");
    let mode: String = table.db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("a mode");
    assert_eq!((mode.as_str(), with_ending(&path, ".probe").exists()), ("delete", false));
    assert_eq!(table.revision().expect("readable"), 0);
}

#[test]
fn a_table_of_an_earlier_version_is_changed_under_its_readers() {
    let (_folder, table, path) = complete();
    drop(table);
    let earlier = Connection::open(&path).expect("opened");
    let mode = |db: &Connection| -> String { db.query_row("PRAGMA journal_mode", [], |r| r.get(0)).expect("a mode") };
    earlier.pragma_update(None, "journal_mode", "DELETE").expect("as it was");
    assert!(mode(&earlier) == "delete" && !with_ending(&path, LOG).exists());
    let reader = reader(&path);
    // While somebody reads on and on, it stays as it was.
    reader.execute_batch("BEGIN").expect("begun");
    assert_eq!(locked(&reader, "nv-1"), Ok(false));
    earlier.busy_timeout(Duration::ZERO).expect("set");
    sqlite::show(&earlier).expect("no reason to fail");
    assert_eq!(mode(&earlier), "delete");
    reader.execute_batch("COMMIT").expect("done");
    drop(earlier);
    let mut table = Table::open(&path).expect("opened");
    assert_eq!(mode(&table.db), "wal");
    assert_eq!(locked(&reader, "nv-1"), Ok(false));
    lock(&mut table, "nv-1");
    assert_eq!(locked(&reader, "nv-1"), Ok(true));
}

#[test]
fn who_reads_for_long_keeps_neither_a_change_nor_a_new_beginning_from_happening() {
    let (_folder, mut table, path) = complete();
    let reader = reader(&path);
    reader.execute_batch("BEGIN").expect("begun");
    assert_eq!(locked(&reader, "nv-1"), Ok(false));
    lock(&mut table, "nv-1");
    table.mend(Ok(())).expect("as after each request");
    assert!(log_bytes(&path) > 0, "the reader needs what was before");
    // What SQLite takes for damage, and is none: the copy is looked at with its log.
    let told = table.mend(Err::<(), _>(TableError::Damaged("unable to get the page".into())));
    assert!(matches!(&told, Err(TableError::Other(why)) if why.contains("is sound")), "{told:?}");
    assert_eq!(table.digests().expect("digests").accounts.len(), 300);
    crate::agent::sqlite::damage(&path, true);
    let found = anew::check(&path).map_err(TableError::from);
    assert!(matches!(found, Err(TableError::Damaged(_))), "{found:?}");
    assert!(table.mend(found).is_err() && table.digests().expect("anew").accounts.is_empty());
    reader.execute_batch("COMMIT").expect("done");
    let error = locked(&reader, "nv-1").expect_err("not yet").to_string();
    assert!(error.contains("not complete yet"), "{error}");
    table.mend(Ok(())).expect("as after each request");
    assert_eq!((log_bytes(&path), anew::copies(&path).expect("copies").len()), (0, 1));
}
