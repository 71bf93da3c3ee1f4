use super::*;
use crate::backend::{Access, Account, ApplyRequest, System};
use std::path::Path;

struct Store {
    folder: tempfile::TempDir,
    table: Table,
    purger: Purger,
}

impl Store {
    fn new(rows: Vec<Account>) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let mut table = Table::open(&folder.path().join("mail.sqlite")).expect("table");
        let system = System { domain: "x.vn".into(), postmaster: None };
        table.apply(&ApplyRequest { system, upsert: rows, remove: vec![] }).expect("applied");
        let root = folder.path().join("vmail");
        std::fs::create_dir(&root).expect("root");
        Self { purger: Purger::new(root, 0), folder, table }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("vmail")
    }

    fn mail(&self, mailbox: &str) -> std::path::PathBuf {
        let folder = self.root().join(mailbox).join("mail/cur");
        std::fs::create_dir_all(&folder).expect("mail");
        std::fs::write(folder.join("1"), "Subject: x").expect("a mail");
        self.root().join(mailbox)
    }

    fn purge(&mut self, mailbox: &str, address: &str) -> Purged {
        let wanted = [Purge { mailbox: mailbox.into(), address: address.into(), finish: false }];
        self.purger.purge(&mut self.table, &wanted).expect("answered").remove(0)
    }

    fn rows(&self) -> Vec<String> {
        self.table.digests().expect("digests").accounts.into_iter().map(|(mailbox, _)| mailbox).collect()
    }
}

fn open(mailbox: &str) -> Account {
    Account {
        access: Access::Open,
        quota_bytes: 1,
        max_message_bytes: 1,
        ..Account::revoked(mailbox, &format!("{mailbox}@x.vn"))
    }
}

fn revoked(mailbox: &str) -> Account {
    Account::revoked(mailbox, &format!("{mailbox}@x.vn"))
}

fn is_refused(outcome: &Purged) -> bool {
    matches!(outcome, Purged::Refused(_))
}

/// What lies aside.
fn aside(root: &Path) -> usize {
    std::fs::read_dir(root.join(ASIDE)).map_or(0, Iterator::count)
}

fn clear(root: &Path) {
    while remove_one(root).expect("removed") {}
}

#[test]
fn d_14_r5_4_c_who_has_a_successor_goes_as_all_others_and_who_was_led_elsewhere_by_somebody_does_not() {
    // As the operator sorts them: by local part.
    let forwarded = |mailbox: &str| {
        let aliases = ["a", "b", "b.c"].map(|local| format!("{mailbox}.{local}@x.vn")).to_vec();
        Account { aliases, ..open(mailbox) }.forwarded(Some("nv-9@x.vn".into()))
    };
    let mut store = Store::new(vec![forwarded("nv-1"), forwarded("nv-2"), open("nv-9")]);
    let mail = store.mail("nv-1");
    assert_eq!(store.purge("nv-1", "nv-1@x.vn"), Purged::Done);
    assert!(!mail.exists());
    let other = rusqlite::Connection::open(store.folder.path().join("mail.sqlite")).expect("another writer");
    other.execute("UPDATE aliases SET destination = 'x@y.vn' WHERE mailbox = 'nv-2'", []).expect("led elsewhere");
    assert!(is_refused(&store.purge("nv-2", "nv-2@x.vn")));
    assert_eq!(store.rows(), ["nv-2", "nv-9"]);
}

#[test]
fn d_14_mail_and_row_of_a_revoked_account_go_and_all_others_stay() {
    let mut store = Store::new(vec![revoked("nv-1"), open("nv-2"), revoked("nv-3")]);
    let [first, second, third] = ["nv-1", "nv-2", "nv-3"].map(|mailbox| store.mail(mailbox));
    let revision = store.table.revision().expect("revision");
    assert_eq!(store.purge("nv-1", "nv-1@x.vn"), Purged::Done);
    assert!(!first.exists() && second.exists() && third.exists());
    assert_eq!(store.rows(), ["nv-2", "nv-3"]);
    assert!(store.table.revision().expect("revision") > revision, "the operator sees that it changed");
    assert_eq!(aside(&store.root()), 1);
    clear(&store.root());
    assert_eq!(aside(&store.root()), 0);
    // Asked again it is as it was, and the table is not touched.
    let revision = store.table.revision().expect("revision");
    assert_eq!(store.purge("nv-1", "nv-1@x.vn"), Purged::Done);
    assert_eq!(store.table.revision().expect("revision"), revision);
}

#[test]
fn d_14_nothing_is_removed_of_whoever_is_open_or_has_another_address_or_no_row() {
    let locked = Account { access: Access::Locked, ..open("nv-2") };
    let mut store = Store::new(vec![open("nv-1"), locked, revoked("nv-3")]);
    let all = ["nv-1", "nv-2", "nv-3", "nv-4"].map(|mailbox| store.mail(mailbox));
    for (mailbox, address) in
        [("nv-1", "nv-1@x.vn"), ("nv-2", "nv-2@x.vn"), ("nv-3", "old@x.vn"), ("nv-4", "nv-4@x.vn")]
    {
        let outcome = store.purge(mailbox, address);
        assert!(is_refused(&outcome), "{mailbox}: {outcome:?}");
    }
    assert!(all.iter().all(|folder| folder.join("mail/cur/1").exists()));
    assert_eq!(store.rows(), ["nv-1", "nv-2", "nv-3"]);
    // One that is refused keeps nobody else from it.
    let wanted = ["nv-1", "nv-3"].map(|m| Purge { mailbox: m.into(), address: format!("{m}@x.vn"), finish: false });
    let outcomes = store.purger.purge(&mut store.table, &wanted).expect("answered");
    assert!(is_refused(&outcomes[0]) && outcomes[1] == Purged::Done, "{outcomes:?}");
    assert_eq!(store.rows(), ["nv-1", "nv-2"]);
}

#[test]
fn a_row_that_somebody_else_made_revoked_is_not_one() {
    let mut store = Store::new(vec![open("nv-1")]);
    let mail = store.mail("nv-1");
    let other = rusqlite::Connection::open(store.folder.path().join("mail.sqlite")).expect("the table");
    other.execute("UPDATE accounts SET revoked = 1 WHERE mailbox = 'nv-1'", []).expect("changed");
    assert!(is_refused(&store.purge("nv-1", "nv-1@x.vn")));
    assert!(mail.exists());
}

#[test]
fn d_14_whoever_was_killed_in_between_is_finished() {
    let mut store = Store::new(vec![revoked("nv-1"), revoked("nv-2")]);
    let (first, second) = (store.mail("nv-1"), store.mail("nv-2"));
    // Killed after the rename, before the row went; what was put aside is removed at the next start.
    let folders = Folders::open(&store.root()).expect("open");
    assert!(folders.put_aside("nv-1").expect("put aside"));
    clear(&store.root());
    assert_eq!((aside(&store.root()), store.rows().len()), (0, 2));
    assert_eq!(store.purge("nv-1", "nv-1@x.vn"), Purged::Done);
    assert_eq!(store.rows(), ["nv-2"]);
    assert!(!first.exists() && second.exists());
    // A new account of that name is not touched by what comes late.
    let system = System { domain: "x.vn".into(), postmaster: None };
    store.table.apply(&ApplyRequest { system, upsert: vec![open("nv-1")], remove: vec![] }).expect("applied");
    let new = store.mail("nv-1");
    assert!(is_refused(&store.purge("nv-1", "nv-1@x.vn")));
    assert!(new.exists());
}

#[test]
fn no_name_and_no_link_leads_out_of_the_mail_store() {
    let mut store = Store::new(vec![revoked("nv-1"), revoked("nv-2")]);
    let outside = store.folder.path().join("outside");
    std::fs::create_dir(&outside).expect("folder");
    std::fs::write(outside.join("kept"), "x").expect("file");
    for name in ["", ".", "..", ".purged", "../outside", "nv-1/..", "/etc", "NV-1", "_postmaster"] {
        assert!(is_refused(&store.purge(name, "nv-1@x.vn")), "{name}");
    }
    std::os::unix::fs::symlink(&outside, store.root().join("nv-1")).expect("link");
    assert!(is_refused(&store.purge("nv-1", "nv-1@x.vn")));
    // A link inside of what is removed goes, and what it leads to stays.
    let mail = store.mail("nv-2");
    std::os::unix::fs::symlink(&outside, mail.join("link")).expect("link");
    assert_eq!(store.purge("nv-2", "nv-2@x.vn"), Purged::Done);
    clear(&store.root());
    assert!(outside.join("kept").exists() && !mail.exists());
    // Nor does the folder aside itself.
    std::fs::remove_dir(store.root().join(ASIDE)).expect("empty");
    std::os::unix::fs::symlink(&outside, store.root().join(ASIDE)).expect("link");
    assert!(Folders::open(&store.root()).is_err() && remove_one(&store.root()).is_err());
    assert!(outside.join("kept").exists());
}

#[test]
fn a_rehearsal_and_a_volume_that_is_not_there_remove_nothing() {
    let mut store = Store::new(vec![revoked("nv-1")]);
    let mail = store.mail("nv-1");
    store.purger = Purger::new(store.root(), 400);
    assert!(is_refused(&store.purge("nv-1", "nv-1@x.vn")));
    assert!(mail.exists());
    store.purger = Purger::new(store.folder.path().join("nothing"), 0);
    let wanted = [Purge { mailbox: "nv-1".into(), address: "nv-1@x.vn".into(), finish: false }];
    assert!(store.purger.purge(&mut store.table, &wanted).is_err());
    assert_eq!(store.rows(), ["nv-1"]);
}

#[test]
fn d_14_who_is_to_be_kept_after_all_is_finished_only_if_it_was_begun() {
    let mut store = Store::new(vec![revoked("nv-1"), revoked("nv-2")]);
    let mail = store.mail("nv-1");
    store.mail("nv-2");
    let finish = |mailbox: &str| [Purge { mailbox: mailbox.into(), address: format!("{mailbox}@x.vn"), finish: true }];
    let kept = store.purger.purge(&mut store.table, &finish("nv-1")).expect("answered");
    assert!(is_refused(&kept[0]) && mail.join("mail/cur/1").exists() && store.rows() == ["nv-1", "nv-2"], "{kept:?}");
    // Its folder was put aside, and nobody heard of it.
    let folders = Folders::open(&store.root()).expect("open");
    assert!(folders.put_aside("nv-2").expect("put aside"));
    assert_eq!(store.purger.purge(&mut store.table, &finish("nv-2")).expect("answered"), [Purged::Done]);
    assert_eq!(store.purger.purge(&mut store.table, &finish("nv-2")).expect("answered"), [Purged::Done]);
    assert_eq!(store.rows(), ["nv-1"]);
}
