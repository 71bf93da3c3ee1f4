use super::*;

fn account(mailbox: &str) -> Account {
    Account {
        mailbox: mailbox.into(),
        address: format!("{mailbox}@x.vn"),
        aliases: vec![],
        password_hash: String::new(),
        access: Access::Open,
        quota_bytes: 1,
        max_message_bytes: 1,
        forward: None,
        issued: None,
    }
}

fn met(accounts: &[Account]) -> Projection {
    let mut p = Projection::default();
    p.set_system(System { domain: "x.vn".into(), postmaster: None });
    let system = p.system.clone();
    p.meet(Digests {
        revision: 1,
        accounts: accounts.iter().map(|a| (a.mailbox.clone(), a.digest())).collect(),
        system,
    });
    p
}

fn ok() -> ApplyResponse {
    ApplyResponse { revision: 2, refused: vec![] }
}

#[test]
fn nothing_is_sent_before_the_server_told_what_it_has() {
    let mut p = Projection::default();
    p.set_system(System { domain: "x.vn".into(), postmaster: None });
    assert_eq!(p.set(account("a")), Standing::Pending);
    assert!(p.batch().is_none());
}

#[test]
fn an_account_that_the_server_has_costs_no_request() {
    let mut p = met(&[account("a")]);
    assert_eq!(p.set(account("a")), Standing::Synced);
    assert!(p.batch().is_none());
}

#[test]
fn a_change_is_sent_once_and_wakes_who_gave_up_waiting() {
    let mut p = met(&[]);
    assert_eq!(p.set(account("a")), Standing::Pending);
    p.tell_later("a");
    let batch = p.batch().expect("one account to send");
    assert_eq!(p.applied(batch, &ok()), ["a"]);
    assert_eq!(p.standing("a"), Standing::Synced);
    assert!(p.batch().is_none());
}

fn sent(p: &Projection) -> Vec<String> {
    p.batch().expect("something to send").request.upsert.into_iter().map(|account| account.mailbox).collect()
}

#[test]
fn r6_1_who_is_to_be_shut_out_goes_first_then_who_there_is_then_who_is_new() {
    let there: Vec<Account> = (0..BATCH).map(|n| account(&format!("m-{n:04}"))).collect();
    let mut p = met(&[there.as_slice(), &[account("z")]].concat());
    for n in 0..BATCH {
        p.set(account(&format!("a-{n:04}")));
    }
    assert_eq!(sent(&p)[0], "a-0000");
    for account in there {
        p.set(Account { password_hash: "other".into(), ..account });
    }
    p.set(Account { access: Access::Locked, ..account("z") });
    let sent = sent(&p);
    assert_eq!((sent.len(), sent[0].as_str(), sent[1].as_str()), (BATCH, "z", "m-0000"));
    assert!(sent.iter().all(|mailbox| !mailbox.starts_with("a-")), "those wait: {sent:?}");
}

#[test]
fn r6_1_while_the_server_has_no_room_each_comes_in_its_turn_and_who_is_to_be_shut_out_at_once() {
    let there: Vec<Account> = (0..3 * BATCH).map(|n| account(&format!("m-{n:04}"))).collect();
    let mut p = met(&[there.as_slice(), &[account("z")]].concat());
    for account in &there {
        p.set(Account { quota_bytes: 9, ..account.clone() });
    }
    let mut seen: BTreeSet<String> = sent(&p).into_iter().collect();
    assert_eq!(seen.len(), BATCH);
    for _ in 0..4 {
        p.next_turn();
        seen.extend(sent(&p));
    }
    assert_eq!(seen.len(), 3 * BATCH, "nobody is left out");
    p.next_turn();
    p.set(Account { access: Access::Locked, ..account("z") });
    assert_eq!(sent(&p)[0], "z");
}

#[test]
fn a_change_during_a_request_is_sent_after_it() {
    let mut p = met(&[]);
    p.set(account("a"));
    p.tell_later("a");
    let batch = p.batch().expect("first");
    p.set(Account { access: Access::Locked, ..account("a") });
    assert!(p.applied(batch, &ok()).is_empty(), "the newer one is not there yet");
    assert_eq!(p.batch().expect("second").request.upsert[0].access, Access::Locked);
}

#[test]
fn a_refused_account_is_not_sent_again_until_it_changes() {
    let mut p = met(&[]);
    p.set(account("a"));
    p.tell_later("a");
    let batch = p.batch().expect("first");
    let refused = vec![Refused { mailbox: "a".into(), message: "no".into(), folder: false }];
    assert_eq!(p.applied(batch, &ApplyResponse { refused, ..ok() }), ["a"]);
    assert_eq!(p.set(account("a")), Standing::Refused("no".into()));
    assert!(p.batch().is_none());
    assert_eq!(p.set(Account { quota_bytes: 2, ..account("a") }), Standing::Pending);
    assert!(p.batch().is_some());
}

#[test]
fn d_14_a_deleted_mailbox_is_revoked_and_keeps_its_row() {
    let mut p = met(&[account("a")]);
    p.set(account("a"));
    let revoked = Account::revoked("a", "a@x.vn");
    assert!(!p.is_revoked(&revoked));
    p.set(revoked.clone());
    let batch = p.batch().expect("revocation");
    assert_eq!(batch.request.upsert[0].access, Access::Revoked);
    assert!(batch.request.remove.is_empty());
    p.applied(batch, &ok());
    assert!(p.is_revoked(&revoked));
}

#[test]
fn rows_of_mailboxes_and_of_holders_of_addresses_are_never_removed() {
    let mut p = met(&[account("a"), account("b")]);
    p.protect(["a".to_string()].into(), Vec::new());
    p.settle();
    assert_eq!(p.unwanted(), Vec::<String>::new(), "nobody decided anything");
    p.dismiss("b");
    assert_eq!(p.unwanted(), ["b"]);
}

#[test]
fn d_14_who_is_wanted_or_known_and_has_no_mailbox_is_an_account_until_its_end_is_decided() {
    let mut p = met(&[account("a"), account("b"), account("c"), account("d")]);
    p.settle();
    p.set(account("a"));
    p.set(Account::revoked("c", "c@x.vn"));
    p.set(Account::unknown("d", "d@x.vn", Vec::new()));
    p.set(account("new"));
    // The addresses of all of them were deleted with their Mailboxes.
    p.protect(HashSet::new(), Vec::new());
    assert_eq!(Vec::from_iter(p.names()), ["a", "b", "new"]);
    assert!(p.desired("a").is_some_and(|account| account.access == Access::Open), "it goes on");
    assert_eq!(p.unwanted(), ["c", "d"], "those ended before");
    assert!(p.mark("b").is_some() && p.mark("nobody").is_none());
    p.dismiss("b");
    assert!(!p.has("b") && p.unwanted() == ["b", "c", "d"]);
    // The server restarts with an old table.
    p.forget();
    let old = ["b", "c"].map(|m| (m.to_string(), account(m).digest()));
    p.meet(Digests { revision: 9, accounts: old.into(), system: None });
    assert!(!p.has("b") && !p.has("c") && p.unwanted() == ["b", "c"]);
    p.set(account("b"));
    assert!(p.has("b"));
}

#[test]
fn d_15_who_holds_an_address_and_is_wanted_nowhere_keeps_a_place_on_a_new_table_and_an_old_row_goes_on() {
    let place = |mailbox: &str| Account::unknown(mailbox, &format!("{mailbox}@x.vn"), Vec::new());
    let places = vec![place("a"), place("b"), place("c"), place("gone")];
    let mut p = met(&[account("b")]);
    p.dismiss("gone");
    p.protect(["a", "b", "c", "gone"].map(String::from).into(), places);
    p.set(account("c"));
    p.settle();
    assert!(p.keep_places());
    let sent = p.batch().expect("to be sent").request.upsert;
    let sent: Vec<(&str, Access)> = sent.iter().map(|account| (account.mailbox.as_str(), account.access)).collect();
    assert_eq!(sent, [("a", Access::Pending), ("c", Access::Open)], "neither an old row nor what is purged");
    assert!(!p.keep_places(), "once");
    // Where its address is freed by hand, the place goes, too.
    p.applied(p.batch().expect("to be sent"), &ok());
    p.protect(["b", "c"].map(String::from).into(), Vec::new());
    assert_eq!(p.unwanted(), ["a"]);
    // What is known of it later counts.
    p.set(account("a"));
    assert!(p.desired("a").is_some_and(|account| account.access == Access::Open));
}

#[test]
fn d_19_an_address_that_was_freed_on_purpose_can_be_given_to_somebody_else() {
    let mut p = met(&[]);
    p.set(Account::revoked("a", "x@x.vn"));
    let batch = p.batch().expect("revoked");
    p.applied(batch, &ok());
    p.settle();
    p.protect(HashSet::new(), Vec::new());
    assert_eq!(p.unwanted(), ["a"]);
}

#[test]
fn d_14_what_is_purged_is_never_sent_again_and_a_row_that_was_under_way_goes() {
    let revoked = Account::revoked("a", "a@x.vn");
    let mut p = met(&[revoked.clone(), account("b")]);
    p.protect(["a".to_string(), "b".to_string()].into(), Vec::new());
    p.settle();
    p.set(account("b"));
    p.set(revoked.clone());
    // Somebody wants it again while the server removes it.
    p.set(Account { address: "old@x.vn".into(), ..revoked });
    let batch = p.batch().expect("under way");
    assert!(p.dismiss("a"));
    p.applied(batch, &ok());
    assert_eq!(p.batch().expect("it goes").request.remove, ["a"]);
    // The server restarts and tells what it has.
    p.forget();
    let system = p.system.clone();
    p.meet(Digests { revision: 9, accounts: vec![("b".into(), account("b").digest())], system });
    assert!(p.batch().is_none() && p.desired("a").is_none());
    // A new account of that name is one as any other.
    p.set(account("a"));
    let request = p.batch().expect("new").request;
    assert_eq!((request.upsert, request.remove), (vec![account("a")], vec![]));
}

#[test]
fn nothing_is_removed_before_every_mailbox_was_decided() {
    let mut p = met(&[account("a"), account("b")]);
    p.set(account("a"));
    p.dismiss("b");
    assert!(p.batch().is_none());
    p.settle();
    assert_eq!(p.batch().expect("removal").request.remove, ["b"]);
}

#[test]
fn d_15_the_brake_holds_a_mass_removal() {
    let many: Vec<Account> = (0..100).map(|i| Account::revoked(&format!("m{i:02}"), &format!("m{i}@x.vn"))).collect();
    let mut p = met(&many);
    p.settle();
    for account in many.iter().cloned() {
        p.set(account);
    }
    p.protect(HashSet::new(), Vec::new());
    assert_eq!(p.held(), Some((100, 100)));
    assert!(p.batch().is_none());
    // What was decided goes all the same.
    p.dismiss("m99");
    assert_eq!((p.held(), p.batch().expect("one").request.remove), (Some((99, 100)), vec!["m99".to_string()]));
    for account in many.into_iter().take(80) {
        p.set(account);
    }
    assert_eq!(p.held(), None);
    assert_eq!(p.batch().expect("twenty may go").request.remove.len(), 20);
}

#[test]
fn a_server_that_lost_its_table_gets_everything_again() {
    let mut p = met(&[]);
    p.set(account("a"));
    let batch = p.batch().expect("first");
    p.applied(batch, &ok());
    p.forget();
    assert!(p.batch().is_none());
    p.meet(Digests { revision: 0, accounts: vec![], system: None });
    assert_eq!(p.batch().expect("again").request.upsert.len(), 1);
}

#[test]
fn d_14_an_account_whose_folder_is_another_ones_has_a_row_and_is_asked_for_again_when_the_server_is_met() {
    let mut projection = met(&[]);
    let system = projection.system.clone();
    projection.set(account("a"));
    projection.tell_later("a");
    let batch = projection.batch().expect("news");
    let refused = vec![Refused { mailbox: "a".into(), message: "no".into(), folder: true }];
    assert_eq!(projection.applied(batch, &ApplyResponse { revision: 1, refused }), ["a"]);
    assert_eq!((projection.standing("a"), projection.accounts()), (Standing::Held("no".into()), 1));
    assert!(projection.batch().is_none(), "not again and again");
    // The folder was moved away: the row is as it is wanted.
    projection.tell_later("a");
    let accounts = vec![("a".to_string(), account("a").digest())];
    assert_eq!(projection.meet(Digests { revision: 2, accounts, system: system.clone() }), ["a"]);
    assert_eq!(projection.standing("a"), Standing::Synced);
    // The agent says of one that waits that it has none.
    projection.meet(Digests { revision: 3, accounts: vec![("a".to_string(), String::new())], system });
    assert_eq!(projection.batch().expect("asked again").request.upsert.len(), 1);
}
