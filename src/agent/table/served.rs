//! What Dovecot and Postfix read of the account table: views. While not every account is in the table, each look at them is an error, and
//! with it a login and a delivery that are tried again; an empty table would say that nobody has that address, which is final (550 5.1.1)
//! and sends queued mail back. Postfix asks first whether that is so (op-recipients.cf) and answers 450: of an error its process dies.

use rusqlite::{Connection, OptionalExtension, Result};

/// View, table, columns that are read.
const VIEWS: [(&str, &str, &[&str]); 2] = [
    (
        "served_accounts",
        "accounts",
        &[
            "mailbox",
            "address",
            "password",
            "locked",
            "must_change",
            "revoked",
            "pending",
            "quota_bytes",
            "max_message_bytes",
            "held",
        ],
    ),
    ("served_aliases", "aliases", &["source", "mailbox", "destination"]),
];

/// Has a row while the table is not complete.
const WAITING: &str = "served_waiting";

/// No row, but an error whose text says this (SQLite: a path that does not begin with `$`). It comes when a row is looked for, not when the
/// query is prepared.
const NOT_YET: &str = "json_extract('{}', 'the account table is not complete yet')";

fn definition((view, table, columns): (&str, &str, &[&str]), complete: bool) -> String {
    if complete {
        return format!("CREATE VIEW {view} AS SELECT {} FROM {table}", columns.join(", "));
    }
    let each: Vec<String> = columns.iter().map(|column| format!("{NOT_YET} AS {column}")).collect();
    format!("CREATE VIEW {view} AS SELECT {}", each.join(", "))
}

/// Lets readers see the table, or keeps them waiting; nothing is written where that is so already.
pub(super) fn show(db: &Connection, complete: bool) -> Result<()> {
    let none = if complete { " WHERE 0" } else { "" };
    let waiting = (WAITING, format!("CREATE VIEW {WAITING} AS SELECT 1 AS waiting{none}"));
    let views = VIEWS.into_iter().map(|view| (view.0, definition(view, complete)));
    for (name, wanted) in views.chain([waiting]) {
        let known: Option<String> = db
            .query_row("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1", [name], |r| r.get(0))
            .optional()?;
        if known.as_ref() != Some(&wanted) {
            db.execute_batch(&format!("DROP VIEW IF EXISTS {name}; {wanted};"))?;
        }
    }
    Ok(())
}
