//! What Dovecot and Postfix ask of the account table, on a table like the agent's.

use rusqlite::{Connection, OptionalExtension, Result};

/// Lines of a file from `begin` on, up to a line that continues nothing.
fn query(text: &str, begin: &str) -> String {
    let from = text.find(begin).expect("its place");
    let query = text[from..].split_once("query = ").expect("a query").1;
    let mut lines = Vec::new();
    for line in query.lines() {
        let goes_on = line.ends_with('\\');
        lines.push(line.trim_end_matches('\\').trim().to_string());
        if begin.contains('{') && !goes_on {
            break;
        }
    }
    lines.join(" ")
}

fn dovecot(begin: &str, protocol: &str, user: &str) -> String {
    let query = query(include_str!("mail/10-auth.conf"), begin);
    query.replace("%{protocol}", protocol).replace("%{user}", user)
}

fn postfix(file: &str, key: &str) -> String {
    query(file, "query").replace("%s", key)
}

/// `new` was `old`, `left` is revoked and has the successor `new`, `gone` has none, `after` has `gone`; `locked` and `pending` are that.
fn table() -> Connection {
    let db = Connection::open_in_memory().expect("a table");
    db.execute_batch(
        "CREATE TABLE accounts (mailbox TEXT PRIMARY KEY, address TEXT NOT NULL UNIQUE, password TEXT, locked INTEGER DEFAULT 0,
           must_change INTEGER DEFAULT 0, revoked INTEGER DEFAULT 0, pending INTEGER DEFAULT 0, held INTEGER DEFAULT 0, quota_bytes INTEGER DEFAULT 10,
           max_message_bytes INTEGER DEFAULT 20);
         CREATE TABLE aliases (source TEXT PRIMARY KEY, mailbox TEXT NOT NULL, destination TEXT NOT NULL);
         CREATE VIEW served_accounts AS SELECT * FROM accounts;
         CREATE VIEW served_aliases AS SELECT * FROM aliases;
         CREATE VIEW served_waiting AS SELECT 1 AS waiting WHERE 0;
         INSERT INTO accounts (mailbox, address, password) VALUES ('nv-1', 'new@x.vn', 'p');
         INSERT INTO accounts (mailbox, address, revoked) VALUES ('nv-2', 'left@x.vn', 1), ('nv-3', 'gone@x.vn', 1), ('nv-4', 'after@x.vn', 1);
         INSERT INTO accounts (mailbox, address, locked) VALUES ('nv-5', 'locked@x.vn', 1), ('_postmaster', 'postmaster@x.vn', 1);
         INSERT INTO accounts (mailbox, address, pending) VALUES ('nv-6', 'pending@x.vn', 1);
         INSERT INTO aliases VALUES ('old@x.vn', 'nv-1', 'new@x.vn'), ('left@x.vn', 'nv-2', 'new@x.vn'), ('after@x.vn', 'nv-4', 'gone@x.vn'),
           ('soon@x.vn', 'nv-6', 'pending@x.vn'), ('postmaster@x.vn', '_postmaster', 'new@x.vn'), ('abuse@x.vn', '_postmaster', 'gone@x.vn');",
    )
    .expect("rows");
    db
}

/// The first column of the first row.
fn ask(db: &Connection, query: &str) -> Result<Option<String>> {
    db.query_row(query, [], |row| row.get(0)).optional()
}

#[test]
fn d_02_r5_4_c_a_delivery_is_for_whoever_has_the_address_and_nothing_else_is() {
    let db = table();
    let user = |protocol: &str, user: &str| ask(&db, &dovecot("userdb sql {", protocol, &format!("{user}@x.vn")));
    let found = |address: &str| Ok(Some(format!("{address}@x.vn")));
    for protocol in ["lmtp", "quota-status"] {
        for (asked, holder) in [
            ("new", "new"),
            ("old", "new"),
            ("left", "new"),
            ("postmaster", "new"),
            ("locked", "locked"),
            ("pending", "pending"),
        ] {
            assert_eq!(user(protocol, asked), found(holder), "{protocol} {asked}");
        }
        for nobody in ["gone", "unknown"] {
            assert_eq!(user(protocol, nobody), Ok(None), "{protocol} {nobody}");
        }
        // No word that would send mail back.
        for waits in ["after", "abuse"] {
            assert!(user(protocol, waits).is_err(), "{protocol} {waits}");
        }
    }
    for protocol in ["imap", "pop3", "sieve", "smtp", "doveadm", "imap-hibernate"] {
        assert_eq!(user(protocol, "new"), found("new"), "{protocol}");
        assert_eq!(user(protocol, "postmaster"), found("postmaster"), "{protocol}");
        assert_eq!(ask(&db, &dovecot("passdb sql {", protocol, "old@x.vn")), Ok(None), "{protocol}");
        for nobody in ["old", "left", "gone", "after", "abuse"] {
            assert_eq!(user(protocol, nobody), Ok(None), "{protocol} {nobody}");
        }
    }
}

#[test]
fn a_delivery_looks_at_no_row_but_its_own() {
    let plan = format!("EXPLAIN QUERY PLAN {}", dovecot("userdb sql {", "lmtp", "old@x.vn"));
    let db = table();
    let mut plan = db.prepare(&plan).expect("a plan");
    let steps: Vec<String> = plan.query_map([], |row| row.get("detail")).expect("steps").flatten().collect();
    assert!(!steps.is_empty() && !steps.iter().any(|step| step.starts_with("SCAN")), "{steps:?}");
}

#[test]
fn r6_1_only_who_may_log_in_now_goes_on_in_an_open_session() {
    let db = table();
    let refused = |login: &str| {
        let answer = ask(&db, &postfix(include_str!("mail/op-sasl.cf"), login)).expect("an answer");
        answer.is_some_and(|answer| answer.starts_with("REJECT "))
    };
    assert!(!refused("new@x.vn"));
    for login in ["old@x.vn", "left@x.vn", "locked@x.vn", "pending@x.vn", "postmaster@x.vn", "unknown@x.vn", ""] {
        assert!(refused(login), "{login}");
    }
}

#[test]
fn d_14_a_revoked_recipient_is_refused_and_one_whose_reader_receives_nothing_yet_is_tried_again() {
    let db = table();
    let answer =
        |to: &str| ask(&db, &postfix(include_str!("mail/op-recipients.cf"), &format!("{to}@x.vn"))).expect("an answer");
    for to in ["new", "old", "left", "locked", "postmaster", "unknown"] {
        assert_eq!(answer(to), None, "{to}");
    }
    for (to, begin) in [
        ("gone", "550 5.2.1"),
        ("after", "450 4.2.1"),
        ("abuse", "450 4.2.1"),
        ("pending", "450 4.2.1"),
        ("soon", "450 4.2.1"),
    ] {
        assert!(answer(to).is_some_and(|answer| answer.starts_with(begin)), "{to}: {:?}", answer(to));
    }
}
