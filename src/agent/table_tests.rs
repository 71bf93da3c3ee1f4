use super::*;
use crate::backend::System;

const HASH: &str = "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";

pub(super) fn account(mailbox: &str, local: &str) -> Account {
    Account {
        mailbox: mailbox.into(),
        address: format!("{local}@x.vn"),
        aliases: vec![],
        password_hash: HASH.into(),
        access: Access::Open,
        quota_bytes: 10,
        max_message_bytes: 5,
        forward: None,
        issued: None,
    }
}

pub(super) fn request(upsert: Vec<Account>) -> ApplyRequest {
    ApplyRequest { system: System { domain: "x.vn".into(), postmaster: None }, upsert, remove: vec![] }
}

pub(super) fn table() -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().expect("folder");
    let table = Table::open(&folder.path().join("mail.sqlite")).expect("table");
    (folder, table)
}

fn one(table: &Table, query: &str) -> Option<String> {
    table.db.query_row(query, [], |r| r.get(0)).optional().expect(query)
}

#[test]
fn postmaster_and_abuse_are_there_on_a_fresh_system_and_nobody_logs_in_as_them() {
    let (_folder, mut table) = table();
    table.apply(&request(vec![])).expect("applied");
    assert_eq!(
        one(&table, "SELECT address FROM accounts WHERE locked AND password IS NULL").as_deref(),
        Some("postmaster@x.vn")
    );
    assert_eq!(
        one(&table, "SELECT destination FROM aliases WHERE source = 'abuse@x.vn'").as_deref(),
        Some("postmaster@x.vn")
    );
    assert!(table.digests().expect("digests").accounts.is_empty(), "the operator does not know of it");
    let mut to_a_person = request(vec![]);
    to_a_person.system.postmaster = Some("a@x.vn".into());
    table.apply(&to_a_person).expect("applied");
    for source in ["postmaster", "abuse"] {
        let query = format!("SELECT destination FROM aliases WHERE source = '{source}@x.vn'");
        assert_eq!(one(&table, &query).as_deref(), Some("a@x.vn"), "{source}");
    }
}

#[test]
fn what_was_written_is_told_by_its_digest_and_survives_a_restart() {
    let (folder, mut table) = table();
    let a = account("nv-1", "a");
    table.apply(&request(vec![a.clone()])).expect("applied");
    drop(table);
    let table = Table::open(&folder.path().join("mail.sqlite")).expect("again");
    assert_eq!(table.digests().expect("digests").accounts, [("nv-1".to_string(), a.digest())]);
    assert_eq!(table.revision().expect("revision"), 1);
}

#[test]
fn r6_1_a_lock_a_new_password_and_a_new_address_end_sessions_and_a_quota_does_not() {
    let (_folder, mut table) = table();
    table.apply(&request(vec![account("nv-1", "a")])).expect("applied");
    let once = std::cell::RefCell::new(Vec::new());
    let mut kicks = |changed: Account| {
        let applied = table.apply(&request(vec![changed])).expect("applied");
        once.replace(applied.kick_once);
        applied.kick
    };
    assert!(kicks(Account { quota_bytes: 99, ..account("nv-1", "a") }).is_empty());
    assert_eq!(kicks(Account { access: Access::Locked, ..account("nv-1", "a") }), ["a@x.vn"]);
    assert!(kicks(account("nv-1", "a")).is_empty(), "an unlock ends nothing");
    let other = HASH.replace("MDEy", "MTEy");
    assert_eq!(kicks(Account { password_hash: other.clone(), ..account("nv-1", "a") }), ["a@x.vn"]);
    let must_change = Account { access: Access::MustChange, ..account("nv-1", "a") };
    assert_eq!(kicks(must_change), ["a@x.vn"]);
    assert!(
        kicks(Account { password_hash: other, ..account("nv-1", "a") }).is_empty(),
        "R9.1: his first sessions are left alone"
    );
    assert_eq!(*once.borrow(), ["a@x.vn"], "one that was overlooked ends all the same");
    assert_eq!(kicks(account("nv-1", "b")), ["a@x.vn"]);
}

#[test]
fn r6_1_d_14_at_a_start_sessions_end_of_all_who_may_not_log_in_with_a_password_or_without() {
    let (_folder, mut table) = table();
    let with = |name: &str, access: Access| Account { access, ..account(&format!("nv-{name}"), name) };
    let bare = |name: &str, access: Access| Account { password_hash: String::new(), ..with(name, access) };
    let all = vec![
        with("open", Access::Open),
        with("locked", Access::Locked),
        with("must-change", Access::MustChange),
        bare("bare", Access::Locked),
        Account::revoked("nv-revoked", "revoked@x.vn"),
    ];
    assert_eq!(table.apply(&request(all)).expect("applied").refused, []);
    let mut closed = table.closed().expect("closed");
    closed.sort();
    assert_eq!(closed, ["bare@x.vn", "locked@x.vn", "must-change@x.vn", "revoked@x.vn"]);
}

#[test]
fn d_05_an_address_of_somebody_else_is_refused_and_changes_nothing() {
    let (_folder, mut table) = table();
    let holder = Account { aliases: vec!["alias@x.vn".into()], ..account("nv-1", "a") };
    table.apply(&request(vec![holder.clone()])).expect("applied");
    for local in ["a", "alias"] {
        let applied = table.apply(&request(vec![account("nv-2", local)])).expect("applied");
        assert_eq!(applied.refused.len(), 1, "{local}");
    }
    assert_eq!(table.digests().expect("digests").accounts, [("nv-1".to_string(), holder.digest())]);
}

#[test]
fn an_address_moves_within_one_request_but_not_to_one_that_is_refused() {
    let (_folder, mut table) = table();
    table.apply(&request(vec![account("nv-1", "a"), account("nv-2", "b")])).expect("applied");
    let swapped = table.apply(&request(vec![account("nv-1", "b"), account("nv-2", "a")])).expect("applied");
    assert!(swapped.refused.is_empty(), "{:?}", swapped.refused);
    // nv-1 cannot have c of nv-3, so it keeps b, so nv-2 cannot have b.
    table.apply(&request(vec![account("nv-3", "c")])).expect("applied");
    let chain = table.apply(&request(vec![account("nv-1", "c"), account("nv-2", "b")])).expect("applied");
    assert_eq!(chain.refused.len(), 2);
    assert_eq!(one(&table, "SELECT mailbox FROM accounts WHERE address = 'b@x.vn'").as_deref(), Some("nv-1"));
}

#[test]
fn d_14_a_revoked_account_keeps_its_address_and_loses_its_aliases() {
    let (_folder, mut table) = table();
    let holder = Account { aliases: vec!["alias@x.vn".into()], ..account("nv-1", "a") };
    table.apply(&request(vec![holder])).expect("applied");
    table.apply(&request(vec![Account::revoked("nv-1", "a@x.vn")])).expect("applied");
    assert_eq!(one(&table, "SELECT address FROM accounts WHERE revoked").as_deref(), Some("a@x.vn"));
    assert_eq!(one(&table, "SELECT source FROM aliases WHERE mailbox = 'nv-1'"), None);
    assert_eq!(table.apply(&request(vec![account("nv-2", "a")])).expect("applied").refused.len(), 1);
}

fn aliases(table: &Table) -> Vec<String> {
    let mut query =
        table.db.prepare("SELECT source || ' > ' || destination FROM aliases ORDER BY source").expect("query");
    let rows = query.query_map([], |r| r.get::<_, String>(0)).expect("rows").map(|row| row.expect("row"));
    rows.filter(|row| !row.starts_with("abuse")).collect()
}

#[test]
fn r5_4_c_every_address_of_a_revoked_account_leads_to_its_successor_until_that_is_undone() {
    let (_folder, mut table) = table();
    let holder = Account { aliases: vec!["alias@x.vn".into()], ..account("nv-1", "a") };
    table.apply(&request(vec![holder.clone(), account("nv-2", "b")])).expect("applied");
    let mut apply = |account: Account| table.apply(&request(vec![account])).expect("applied");
    let forwarded = holder.clone().forwarded(Some("b@x.vn".into()));
    assert_eq!(apply(forwarded.clone()).kick, ["a@x.vn"]);
    let other = apply(holder.clone().forwarded(Some("c@x.vn".into())));
    assert!(other.kick.is_empty() && other.refused.is_empty(), "{other:?}");
    // Nobody else gets an address of it.
    assert_eq!(apply(account("nv-3", "alias")).refused.len(), 1);
    apply(forwarded.clone());
    assert_eq!(aliases(&table), ["a@x.vn > b@x.vn", "alias@x.vn > b@x.vn"]);
    assert_eq!(table.foreign().expect("a look"), None, "all of it is ours");
    let mut apply = |account: Account| table.apply(&request(vec![account])).expect("applied");
    apply(holder.clone());
    assert_eq!(aliases(&table), ["alias@x.vn > a@x.vn"]);
    // Only a revoked one forwards, and not to itself.
    for bad in [
        Account { forward: Some("b@x.vn".into()), ..holder.clone() },
        holder.clone().forwarded(Some("a@x.vn".into())),
        holder.clone().forwarded(Some("alias@x.vn".into())),
        holder.forwarded(Some("a@elsewhere.vn".into())),
    ] {
        assert_eq!(table.apply(&request(vec![bad])).expect("applied").refused.len(), 1);
    }
}

#[test]
fn r5_4_c_mail_that_somebody_else_led_elsewhere_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("mail.sqlite");
    let mut table = Table::open(&path).expect("table");
    let forwarded =
        Account { aliases: vec!["alias@x.vn".into()], ..account("nv-1", "a") }.forwarded(Some("b@x.vn".into()));
    let silent = Account::revoked("nv-2", "z@x.vn");
    let other = rusqlite::Connection::open(&path).expect("another writer");
    for change in [
        "UPDATE aliases SET destination = 'c@x.vn' WHERE mailbox = 'nv-1'",
        "UPDATE aliases SET destination = 'c@x.vn' WHERE source = 'alias@x.vn'",
        "DELETE FROM aliases WHERE source = 'a@x.vn'",
        "DELETE FROM aliases WHERE source = 'alias@x.vn'",
        "UPDATE accounts SET revoked = 0 WHERE mailbox = 'nv-1'",
    ] {
        table.apply(&request(vec![forwarded.clone(), silent.clone()])).expect("applied");
        assert_eq!(table.foreign().expect("a look"), None, "{change}");
        other.execute(change, []).expect(change);
        assert_eq!(table.foreign().expect("a look").expect(change).mailboxes, ["nv-1"], "{change}");
    }
    other.execute("INSERT INTO aliases VALUES ('z@x.vn', 'nv-2', 'c@x.vn')", []).expect("led elsewhere");
    assert_eq!(table.foreign().expect("a look").expect("found").mailboxes, ["nv-2"]);
}

#[test]
fn bad_rows_are_refused_one_by_one() {
    let (_folder, mut table) = table();
    let bad = [
        Account { password_hash: "plain".into(), ..account("nv-1", "a") },
        Account { address: "a@other.vn".into(), ..account("nv-2", "b") },
        Account { address: "A b@x.vn".into(), ..account("nv-3", "c") },
        account("../../etc", "d"),
        account("", "e"),
    ];
    let mut all = bad.to_vec();
    all.push(account("nv-9", "z"));
    let applied = table.apply(&request(all)).expect("applied");
    assert_eq!(applied.refused.len(), bad.len(), "{:?}", applied.refused);
    assert!(applied.refused.iter().all(|r| !r.message.contains("plain")), "R3.1");
    assert_eq!(table.digests().expect("digests").accounts.len(), 1);
}

#[test]
fn the_table_is_complete_only_with_every_account_and_stays_so() {
    let (_folder, mut table) = table();
    table.apply(&request(vec![account("nv-1", "a")])).expect("applied");
    assert!(table.set_complete(2).is_err());
    assert!(!table.is_complete().expect("read"));
    table.set_complete(1).expect("complete");
    table.apply(&request(vec![account("nv-2", "b")])).expect("applied");
    assert!(table.is_complete().expect("read"));
}

#[test]
fn a_leader_that_was_replaced_may_not_write_any_more_whatever_the_time_between() {
    let (folder, mut table) = table();
    table.admit(100).expect("the first leader");
    table.admit(100).expect("again");
    table.admit(200).expect("its successor");
    let refused = table.admit(100).expect_err("the old one");
    assert!(matches!(refused, TableError::Superseded { term: 100, seen: 200 }), "{refused}");
    drop(table);
    let mut table = Table::open(&folder.path().join("mail.sqlite")).expect("table");
    assert!(table.admit(150).is_err(), "a restart forgets nothing");
}

#[test]
fn r6_1_a_row_that_somebody_else_changes_is_found_and_sent_anew() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("mail.sqlite");
    let mut table = Table::open(&path).expect("table");
    let locked = Account { access: Access::Locked, ..account("a", "a") };
    table.apply(&request(vec![locked, account("b", "b")])).expect("applied");
    assert_eq!(table.foreign().expect("a look"), None, "all of it is ours");
    let other = rusqlite::Connection::open(&path).expect("another writer");
    other.execute("UPDATE accounts SET locked = 0 WHERE mailbox = 'a'", []).expect("opened");
    let revision = table.revision().expect("revision");
    let found = table.foreign().expect("a look").expect("found");
    assert_eq!(found.mailboxes, ["a"]);
    assert_eq!(table.revision().expect("revision"), revision + 1, "the operator asks what there is");
    let digests: Vec<String> =
        table.digests().expect("digests").accounts.into_iter().map(|(_, digest)| digest).collect();
    assert_eq!(digests.iter().filter(|digest| digest.is_empty()).count(), 1);
    assert_eq!(table.foreign().expect("a look"), None, "said once");
    // Nor may mail to an alias lead elsewhere.
    let alias = Account { aliases: vec!["c@x.vn".into()], ..account("c2", "c2") };
    table.apply(&request(vec![alias])).expect("applied");
    assert_eq!(table.foreign().expect("a look"), None);
    other.execute("UPDATE aliases SET destination = 'b@x.vn' WHERE source = 'c@x.vn'", []).expect("led elsewhere");
    assert_eq!(table.foreign().expect("a look").expect("found").mailboxes, ["c2"]);
    // A row that is gone, or forged with its digest, contradicts nothing: that somebody wrote is known all the same.
    other.execute("DELETE FROM accounts WHERE mailbox = 'c2'", []).expect("deleted");
    assert_eq!(table.foreign().expect("a look").expect("found").mailboxes, Vec::<String>::new());
    assert_eq!(table.foreign().expect("a look"), None);
    // While nobody looked.
    other.execute("UPDATE accounts SET password = 'x' WHERE mailbox = 'b'", []).expect("changed");
    drop(table);
    let mut again = Table::open(&path).expect("table");
    assert_eq!(again.foreign().expect("a look").expect("found").mailboxes, ["b"]);
}
