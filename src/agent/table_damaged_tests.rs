//! A table that is not complete, or was damaged: what readers see, and what becomes of it.

use super::tests::{account, request, table};
use super::*;

/// A look of Dovecot or Postfix at an address: what is found, or the error.
fn asked(reader: &Connection, address: &str) -> Result<Option<String>, String> {
    let query = "SELECT address FROM served_accounts WHERE address = ?1 AND NOT revoked";
    // A reader prepares its query well before it looks.
    let mut query = reader.prepare(query).expect("it can be prepared, whatever is missing");
    query.query_row([address], |r| r.get(0)).optional().map_err(|error| error.to_string())
}

fn copies(folder: &tempfile::TempDir) -> usize {
    let names =
        std::fs::read_dir(folder.path()).expect("folder").filter_map(|e| e.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with("mail.sqlite.damaged-")).count()
}

#[test]
fn nobody_is_unknown_while_the_table_is_not_complete() {
    let (folder, mut table) = table();
    let reader = Connection::open(folder.path().join("mail.sqlite")).expect("a reader");
    let error = asked(&reader, "a@x.vn").expect_err("a new volume");
    assert!(error.contains("the account table is not complete yet"), "{error}");
    table.apply(&request(vec![account("nv-1", "a")])).expect("applied");
    assert!(asked(&reader, "a@x.vn").is_err() && asked(&reader, "b@x.vn").is_err(), "others are still to come");
    table.set_complete(1).expect("complete");
    assert_eq!(asked(&reader, "a@x.vn"), Ok(Some("a@x.vn".into())));
    assert_eq!(asked(&reader, "b@x.vn"), Ok(None), "now it is known");
    drop(table);
    // Also after a version that had no views.
    reader.execute_batch("DROP VIEW served_accounts").expect("dropped");
    Table::open(&folder.path().join("mail.sqlite")).expect("again");
    assert_eq!(asked(&reader, "a@x.vn"), Ok(Some("a@x.vn".into())));
}

/// The queries of Postfix, as the pod has them.
fn queries() -> Vec<(&'static str, String)> {
    [
        ("mailboxes", include_str!("../resources/mail/op-mailboxes.cf")),
        ("aliases", include_str!("../resources/mail/op-aliases.cf")),
        ("senders", include_str!("../resources/mail/op-senders.cf")),
        ("sasl", include_str!("../resources/mail/op-sasl.cf")),
        ("recipients", include_str!("../resources/mail/op-recipients.cf")),
        ("forwarders", include_str!("../resources/mail/op-forwarders.cf")),
    ]
    .map(|(name, text)| (name, text.split_once("query = ").expect("a query").1.replace("'%s'", "'a@x.vn'")))
    .into()
}

#[test]
fn every_query_of_postfix_waits_for_the_complete_table_and_dies_of_nothing() {
    let (folder, mut table) = table();
    let reader = Connection::open(folder.path().join("mail.sqlite")).expect("a reader");
    let look =
        |query: &str| reader.prepare(query).expect("prepared").query_row([], |r| r.get::<_, String>(0)).optional();
    let waits = |found: &rusqlite::Result<Option<String>>| {
        found.as_ref().is_ok_and(|text| text.as_ref().is_some_and(|text| text.starts_with("450 4.3.0")))
    };
    let mut revoked = request(vec![Account::revoked("nv-9", "a@x.vn")]);
    for _ in 0..2 {
        for (name, query) in queries() {
            let found = look(&query);
            assert!(
                if name == "recipients" { waits(&found) } else { found.is_err() },
                "{name} of a table that is not complete: {found:?}"
            );
        }
        // Also of somebody who is refused for good later.
        table.apply(&revoked).expect("applied");
    }
    (revoked.upsert, revoked.remove) = (vec![], vec!["nv-9".into()]);
    table.apply(&revoked).expect("removed");
    table.apply(&request(vec![account("nv-1", "a")])).expect("applied");
    table.set_complete(1).expect("complete");
    for (name, query) in queries() {
        assert!(look(&query).is_ok(), "{name}");
    }
    let dovecot = include_str!("../resources/mail/10-auth.conf").replace('\\', " ");
    assert!(dovecot.matches("FROM served_accounts").count() == 3 && !dovecot.contains("FROM accounts"));
}

#[test]
fn a_table_that_is_damaged_at_the_start_is_put_aside_and_begun_anew() {
    for (whole, times) in [(true, 1), (false, 7)] {
        let (folder, mut table) = table();
        let path = folder.path().join("mail.sqlite");
        for _ in 0..times {
            table.apply(&request(vec![account("nv-1", "a")])).expect("applied");
            table.set_complete(1).expect("complete");
            drop(table);
            crate::agent::sqlite::damage(&path, whole);
            table = Table::open(&path).expect("it begins");
            assert!(!table.is_complete().expect("read") && table.digests().expect("digests").accounts.is_empty());
            assert!(table.take_news() && !table.take_news(), "told once");
        }
        let now = Timestamp::now();
        assert!(table.lost_at(now).expect("read").is_some());
        let later = now.checked_add(k8s_openapi::jiff::SignedDuration::from_hours(24 * 8)).expect("a time");
        assert_eq!(table.lost_at(later).expect("read"), None, "not for ever");
        assert_eq!(copies(&folder), times.min(5), "what was damaged is kept, within a bound");
    }
}

#[test]
fn who_reads_a_table_that_is_begun_anew_sees_that_and_not_the_old_one() {
    let (folder, mut table) = table();
    let path = folder.path().join("mail.sqlite");
    table.apply(&request(vec![account("nv-1", "a"), account("nv-2", "b")])).expect("applied");
    table.set_complete(2).expect("complete");
    // As Dovecot and Postfix have it open, with its pages in their memory.
    let reader = Connection::open(&path).expect("a reader");
    assert_eq!(asked(&reader, "a@x.vn"), Ok(Some("a@x.vn".into())));
    let known = table.begun_anew();
    crate::agent::sqlite::damage(&path, false);
    table.look_now();
    let found = table.check();
    assert!(matches!(found, Err(TableError::Damaged(_))), "{found:?}");
    assert!(table.mend(found).is_err() && table.begun_anew() == known + 1 && copies(&folder) == 1);
    assert!(asked(&reader, "a@x.vn").expect_err("not yet").contains("not complete yet"));
    let locked = Account { access: Access::Locked, ..account("nv-1", "a") };
    let applied = table.apply(&request(vec![locked, account("nv-2", "b")])).expect("applied");
    assert_eq!(applied.kick, ["a@x.vn"], "R6.1: who was locked meanwhile may have a session");
    table.set_complete(2).expect("complete");
    assert_eq!(asked(&reader, "b@x.vn"), Ok(Some("b@x.vn".into())));
    let now_locked: bool =
        reader.query_row("SELECT locked FROM served_accounts WHERE mailbox = 'nv-1'", [], |r| r.get(0)).expect("a row");
    assert!(now_locked);
    assert_eq!(table.check().ok(), Some(()));
}

#[test]
fn r6_1_on_a_new_volume_nobody_has_a_session_that_must_end() {
    let (_folder, mut table) = table();
    let locked = Account { access: Access::Locked, ..account("nv-1", "a") };
    assert!(table.apply(&request(vec![locked])).expect("applied").kick.is_empty());
}

#[test]
fn a_page_of_an_index_whose_write_was_lost_is_damage_though_every_page_is_good() {
    let (folder, mut table) = table();
    let path = folder.path().join("mail.sqlite");
    let people = |range: std::ops::Range<u32>| -> Vec<Account> {
        range.map(|i| account(&format!("nv-{i}"), &format!("a{:08}", i.wrapping_mul(2_654_435_761)))).collect()
    };
    table.apply(&request(people(0..300))).expect("applied");
    table.mend(Ok(())).expect("as after each request");
    let before = std::fs::read(&path).expect("file");
    table.apply(&request(people(300..330))).expect("applied");
    table.mend(Ok(())).expect("as after each request");
    drop(table);
    let after = std::fs::read(&path).expect("file");
    let says = |pragma: &str| -> String {
        let db = Connection::open(&path).expect("a database");
        db.query_row(&format!("PRAGMA {pragma}(1)"), [], |r| r.get(0)).unwrap_or_else(|error| error.to_string())
    };
    let mut quiet = 0;
    for page in (0..before.len()).step_by(4096).filter(|at| before[*at..at + 4096] != after[*at..at + 4096]) {
        let mut bytes = after.clone();
        bytes[page..page + 4096].copy_from_slice(&before[page..page + 4096]);
        std::fs::write(&path, &bytes).expect("written");
        if says("quick_check") != "ok" {
            continue;
        }
        assert!(anew::check(&path).is_err(), "page {} is of before", page / 4096);
        quiet += 1;
    }
    assert!(quiet > 0, "there are such pages");
}

#[test]
fn a_disk_that_cannot_be_read_for_a_moment_costs_nobody_the_account() {
    let (folder, mut table) = table();
    table.apply(&request(vec![account("nv-1", "a")])).expect("applied");
    table.set_complete(1).expect("complete");
    // SQLite has one word for this and for damage (SQLITE_IOERR_CORRUPTFS).
    let told = table.mend(Err::<(), _>(TableError::Damaged("unable to get the page. error code=10".into())));
    assert!(matches!(&told, Err(TableError::Other(why)) if why.contains("is sound")), "{told:?}");
    assert!(table.mend(Ok(())).is_ok() && table.is_complete().expect("read"));
    assert_eq!((table.digests().expect("digests").accounts.len(), copies(&folder)), (1, 0));
    assert!(!table.take_news() && table.lost_at(Timestamp::now()).expect("read").is_none());
}

#[test]
fn r6_1_an_agent_that_was_ended_between_the_empty_file_and_its_first_line_knows_that_one_was_lost() {
    let (folder, mut table) = table();
    let path = folder.path().join("mail.sqlite");
    table.apply(&request(vec![account("nv-1", "a")])).expect("applied");
    table.mend(Ok(())).expect("as after each request");
    drop(table);
    crate::agent::sqlite::damage(&path, false);
    anew::begin(&path, "damaged", Timestamp::now()).expect("an empty file");
    let mut table = Table::open(&path).expect("it begins");
    assert!(table.lost_at(Timestamp::now()).expect("read").is_some() && table.take_news());
    let locked = Account { access: Access::Locked, ..account("nv-1", "a") };
    assert_eq!(table.apply(&request(vec![locked])).expect("applied").kick, ["a@x.vn"]);
    drop(table);
    assert!(!Table::open(&path).expect("again").take_news(), "told once");
}

#[test]
fn work_that_fails_on_the_connection_to_a_file_that_is_gone_goes_on_with_the_next() {
    let (folder, mut table) = table();
    let path = folder.path().join("mail.sqlite");
    table.apply(&request(vec![account("nv-1", "a")])).expect("applied");
    crate::agent::sqlite::damage(&path, false);
    anew::begin(&path, "damaged", Timestamp::now()).expect("an empty file");
    table.torn = true; // as when making the new tables came to nothing
    let first = table.revision();
    assert!(table.mend(first).is_err(), "no such table");
    assert_eq!(table.revision().expect("read"), 0);
    assert!(table.take_news());
}
