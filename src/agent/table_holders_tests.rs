//! A mail folder that is another one's: nobody is let in, and senders try again.

use super::tests::{account, request};
use super::*;

const THEN: i64 = 1_780_000_000;

struct Case {
    folder: tempfile::TempDir,
    table: Table,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("vmail")).expect("the mail store");
        let table = Self::start(&folder);
        Self { folder, table }
    }

    /// As the agent starts.
    fn start(folder: &tempfile::TempDir) -> Table {
        let mut table = Table::open(&folder.path().join("mail.sqlite")).expect("table");
        table.watch_folders(folder.path().join("vmail")).expect("a look");
        table
    }

    fn start_again(&mut self) {
        self.table = Self::start(&self.folder);
    }

    fn home(&self, mailbox: &str) -> PathBuf {
        self.folder.path().join("vmail").join(mailbox)
    }

    fn apply(&mut self, account: Account) -> Applied {
        self.table.apply(&request(vec![account])).expect("applied")
    }

    /// What Dovecot and Postfix read of a row: pending, and whether its folder may be used.
    fn row(&mut self, mailbox: &str) -> (bool, bool) {
        let count = self.table.digests().expect("digests").accounts.len() as u64;
        self.table.set_complete(count).expect("complete");
        let query = "SELECT pending, NOT held FROM served_accounts WHERE mailbox = ?1";
        self.table.db.query_row(query, [mailbox], |r| Ok((r.get(0)?, r.get(1)?))).expect("a row")
    }

    fn digest(&self, mailbox: &str) -> String {
        let all = self.table.digests().expect("digests").accounts;
        all.into_iter().find(|(name, _)| name == mailbox).expect("a row").1
    }
}

fn issued(local: &str, at: i64) -> Account {
    Account { issued: Some(at), ..account("nv-7", local) }
}

const OPEN: (bool, bool) = (false, true);
const WAITS: (bool, bool) = (true, false);

#[test]
fn d_14_who_gets_the_name_of_a_purged_account_is_not_let_into_its_folder_that_a_restore_brought_back() {
    let mut case = Case::new();
    case.apply(issued("a", THEN));
    assert_eq!(case.row("nv-7"), OPEN);
    std::fs::create_dir_all(case.home("nv-7").join("mail/cur")).expect("mail");
    // Purged, and given to somebody else.
    std::fs::rename(case.home("nv-7"), case.folder.path().join("backup")).expect("the folder goes");
    let removal = ApplyRequest { remove: vec!["nv-7".into()], ..request(vec![]) };
    case.table.apply(&removal).expect("the row goes");
    assert!(case.apply(issued("b", THEN + 9)).refused.is_empty());
    assert_eq!(case.row("nv-7"), OPEN);
    assert!(case.home("nv-7").join(".holder").exists());
    // The volume is restored: table and folder are those of before.
    let mut restored = Case::new();
    restored.apply(issued("a", THEN));
    std::fs::create_dir(restored.home("nv-7").join("mail")).expect("mail");
    let applied = restored.apply(issued("b", THEN + 9));
    let told = &applied.refused[0];
    assert!(told.folder && told.message.contains("2026-05-28T20:26:40Z"), "{told:?}");
    assert_eq!((restored.row("nv-7"), restored.digest("nv-7").as_str()), (WAITS, ""));
    assert_eq!(applied.kick, ["a@x.vn"], "whoever is in there is not the new one");
    assert_eq!(restored.table.foreign().expect("a look"), None, "all of it is ours");
    assert_eq!(
        restored.table.held().expect("read"),
        crate::backend::HeldFolders { count: 1, some: vec!["nv-7".into()] }
    );
    // It stays so, whatever happens, until the folder is away.
    restored.start_again();
    assert_eq!(restored.table.foreign().expect("a look"), None, "after a start as well");
    restored.table.look_again().expect("a look");
    assert_eq!((restored.row("nv-7"), restored.apply(issued("b", THEN + 9)).refused.len()), (WAITS, 1));
    let revision = restored.table.revision().expect("revision");
    std::fs::rename(restored.home("nv-7"), restored.home(".nv-7.former")).expect("moved away");
    restored.table.look_again().expect("a look");
    assert_eq!((restored.row("nv-7"), restored.digest("nv-7")), (OPEN, issued("b", THEN + 9).digest()));
    assert_eq!(restored.table.revision().expect("revision"), revision + 1, "the operator asks what there is");
    assert_eq!(restored.table.held().expect("read").count, 0);
}

#[test]
fn d_14_folders_that_were_exchanged_while_the_agent_was_away_are_found_at_its_start() {
    let mut case = Case::new();
    case.apply(issued("a", THEN));
    std::fs::write(case.home("nv-7").join(".holder"), "2020-01-01T00:00:00Z\n").expect("another folder");
    assert!(case.apply(issued("a", THEN)).refused.is_empty(), "nobody looks twice");
    case.start_again();
    assert_eq!((case.row("nv-7"), case.digest("nv-7").as_str()), (WAITS, ""));
    assert_eq!(case.table.closed().expect("read"), ["a@x.vn"], "its sessions end");
    // A lock is one all the same, and does not let him in when the folder is his.
    case.apply(Account { access: Access::Locked, ..issued("a", THEN) });
    assert_eq!(case.row("nv-7"), WAITS);
    std::fs::remove_file(case.home("nv-7").join(".holder")).expect("it is his, a person says");
    case.table.look_again().expect("a look");
    assert_eq!(case.row("nv-7"), OPEN);
    let locked: bool =
        case.table.db.query_row("SELECT locked FROM accounts WHERE mailbox = 'nv-7'", [], |r| r.get(0)).expect("row");
    assert!(locked);
}

#[test]
fn d_14_who_may_do_nothing_and_who_is_not_known_to_be_issued_has_no_mark() {
    let mut case = Case::new();
    case.apply(account("nv-7", "a"));
    case.apply(Account::revoked("nv-8", "b@x.vn"));
    case.apply(Account { access: Access::Pending, issued: Some(THEN), ..account("nv-9", "c") });
    case.start_again();
    for mailbox in ["nv-7", "nv-8", "nv-9"] {
        assert!(!case.home(mailbox).exists(), "{mailbox}");
    }
    // A revoked one goes with its folder, mark and all.
    case.apply(issued("a", THEN));
    case.apply(Account::revoked("nv-7", "a@x.vn"));
    case.start_again();
    assert!(case.home("nv-7").join(".holder").exists());
}

#[test]
fn a_table_of_before_there_were_marks_goes_on() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::create_dir_all(folder.path().join("vmail/nv-7/mail")).expect("mail");
    let path = folder.path().join("mail.sqlite");
    let db = Connection::open(&path).expect("a file");
    db.execute_batch("CREATE TABLE accounts (mailbox TEXT PRIMARY KEY, address TEXT NOT NULL UNIQUE, password TEXT, locked INTEGER NOT NULL, must_change INTEGER NOT NULL, revoked INTEGER NOT NULL, quota_bytes INTEGER NOT NULL, max_message_bytes INTEGER NOT NULL, digest TEXT NOT NULL)").expect("as it was");
    let old = account("nv-7", "a");
    db.execute(
        "INSERT INTO accounts VALUES ('nv-7', 'a@x.vn', ?1, 0, 0, 0, 10, 5, ?2)",
        [&old.password_hash, &old.digest()],
    )
    .expect("a row");
    drop(db);
    let mut case = Case { table: Case::start(&folder), folder };
    assert_eq!((case.row("nv-7"), case.digest("nv-7")), (OPEN, old.digest()));
    assert_eq!(case.table.foreign().expect("a look"), None);
    assert!(case.apply(issued("a", THEN)).refused.is_empty(), "the folder of an older version says nothing");
    assert_eq!(std::fs::read_to_string(case.home("nv-7").join(".holder")).expect("a mark"), "2026-05-28T20:26:40Z\n");
}
