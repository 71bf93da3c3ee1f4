//! What people's clients see, by TLS, on the real Dovecot and Postfix: as pods (tier 2) and as local processes (tier 1).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kube::api::DeleteParams;

use crate::support::mail::{Imap, Lines, Smtp};
use crate::support::{apply, eventually, wait_ready};
use crate::world::{SOON, World, let_in, person};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_sends_and_receives() {
    let Some(world) = World::get().await else { return };
    sends_and_receives(&world).await;
}

/// Two people who write to each other.
pub async fn sends_and_receives(world: &World) {
    let (quynh, secret) = world.person("nv-000123", "Hoàng Thị Như Quỳnh").await;
    assert_eq!(quynh, "quynhhtn.stttt@gialai.gov.vn");
    let (binh, other) = world.person("nv-000124", "Lê Văn Bình").await;
    let mut smtp = Smtp::submission(&world.host).await.expect("587");
    assert!(smtp.login(&quynh, &secret).await.expect("login").starts_with("235"));
    let sent = smtp.send(&quynh, &binh, "xin chao", "Chào anh Bình").await.expect("sent");
    assert!(sent.starts_with("250"), "{sent}");
    world.arrives(&binh, &other, "xin chao").await;
    let mut smtp = Smtp::submissions(&world.host).await.expect("465");
    assert!(smtp.login(&binh, &other).await.expect("login").starts_with("235"));
    assert!(smtp.send(&binh, &quynh, "tra loi", "Chào chị").await.expect("sent").starts_with("250"));
    world.arrives(&quynh, &secret, "tra loi").await;
    // Nobody sends in somebody else's name.
    let foreign = smtp.send(&quynh, &binh, "gia", "x").await.expect("answer");
    assert!(foreign.starts_with("553"), "{foreign}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_from_outside_arrives_and_unknown_addresses_and_relay_are_refused() {
    let Some(world) = World::get().await else { return };
    takes_and_refuses(&world).await;
}

/// Mail from outside, and what is refused.
pub async fn takes_and_refuses(world: &World) {
    let (address, password) = world.person("nv-in", "Phạm Thị Dung").await;
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    let answer = smtp.send("a@example.org", &address, "from outside", "x").await.expect("sent");
    assert!(answer.starts_with("250"), "{answer}");
    world.arrives(&address, &password, "from outside").await;
    let unknown = smtp.send("a@example.org", "nobody@gialai.gov.vn", "x", "x").await.expect("answer");
    assert!(unknown.starts_with("550 5.1.1"), "{unknown}");
    let relay = smtp.send("a@example.org", "b@example.net", "x", "x").await.expect("answer");
    assert!(relay.starts_with("554"), "{relay}");
    for local in ["postmaster", "abuse"] {
        let answer = smtp.send("a@example.org", &format!("{local}@gialai.gov.vn"), "x", "x").await.expect("answer");
        assert!(answer.starts_with("250"), "{local}: {answer}");
    }
    // R3.1: no login without TLS.
    let mut imap = Lines::plain(&world.host, 143).await.expect("143");
    imap.line().await.expect("greeting");
    imap.send("a LOGIN x y").await.expect("sent");
    let answer = imap.until(|l| l.starts_with("a ")).await.expect("answer").pop().unwrap_or_default();
    assert!(answer.contains("PRIVACYREQUIRED"), "{answer}");
}

/// Answers of every protocol to a login: IMAP, POP3, ManageSieve, both submissions.
async fn logins(host: &str, user: &str, password: &str) -> Vec<(&'static str, String)> {
    use base64::Engine;
    let token = base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"));
    let imap = Imap::login(host, user, password).await.expect("IMAP").1;
    let mut pop = Lines::tls(host, 995).await.expect("POP3");
    pop.line().await.expect("greeting");
    pop.send(&format!("AUTH PLAIN {token}")).await.expect("sent");
    let pop = pop.line().await.expect("answer");
    let mut sieve = Lines::plain(host, 4190).await.expect("ManageSieve");
    sieve.until(|l| l.starts_with("OK")).await.expect("greeting");
    sieve.send("STARTTLS").await.expect("sent");
    sieve.until(|l| l.starts_with("OK")).await.expect("STARTTLS");
    let mut sieve = sieve.upgrade().await.expect("TLS");
    sieve.until(|l| l.starts_with("OK")).await.expect("capabilities");
    sieve.send(&format!("AUTHENTICATE \"PLAIN\" \"{token}\"")).await.expect("sent");
    let sieve =
        sieve.until(|l| l.starts_with("OK") || l.starts_with("NO")).await.expect("answer").pop().unwrap_or_default();
    let submission = Smtp::submission(host).await.expect("587").login(user, password).await.expect("answer");
    let submissions = Smtp::submissions(host).await.expect("465").login(user, password).await.expect("answer");
    vec![("IMAP", imap), ("POP3", pop), ("ManageSieve", sieve), ("587", submission), ("465", submissions)]
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_lock_refuses_every_protocol_ends_sessions_and_mail_still_arrives() {
    let Some(world) = World::get().await else { return };
    let name = "Đỗ Thị Lan";
    let (address, password) = world.person("nv-lock", name).await;
    for (protocol, answer) in logins(&world.host, &address, &password).await {
        assert!(let_in(&answer), "{protocol}: {answer}");
    }
    let (mut session, _) = world.login(&address, &password).await;
    session.command("SELECT INBOX").await.expect("selected");
    let mut open = Smtp::submission(&world.host).await.expect("587");
    assert!(open.login(&address, &password).await.expect("login").starts_with("235"));

    let start = Instant::now();
    world.lock("nv-lock", name).await;
    let bye = session.unsolicited().await.expect("BYE");
    assert!(bye.starts_with("* BYE"), "{bye}");
    assert!(start.elapsed() < Duration::from_secs(5), "R6.1: {:?}", start.elapsed());
    for (protocol, answer) in logins(&world.host, &address, &password).await {
        assert!(!let_in(&answer), "{protocol}: {answer}");
    }
    let answer = open.send(&address, "postmaster@gialai.gov.vn", "x", "x").await.expect("answer");
    assert!(answer.starts_with('5'), "a session that was open before: {answer}");
    let answer = open.send("", "postmaster@gialai.gov.vn", "x", "x").await.expect("answer");
    assert!(answer.starts_with("554"), "nor with an empty sender: {answer}");
    let mut outside = Smtp::server(&world.mx).await.expect("25");
    let answer = outside.send("a@example.org", &address, "while locked", "x").await.expect("sent");
    assert!(answer.starts_with("250"), "{answer}");

    apply(&world.mailboxes, &person("nv-lock", name, "")).await.expect("unlock");
    // With another password: whoever knew the old one gets in no more (R6.3).
    let new = world.given_back("nv-lock", &address).await;
    assert!(new != password && !let_in(&world.login(&address, &password).await.1));
    world.arrives(&address, &new, "while locked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_3_a_a_quota_is_in_force_at_the_next_delivery() {
    let Some(world) = World::get().await else { return };
    let (address, _) = world.person("nv-quota", "Vũ Văn Khoa").await;
    let policy = |storage: &str, attachment: &str| {
        format!(
            "metadata: {{name: small}}\nspec: {{systemRef: {{name: gialai}}, storage: {storage}, maxAttachment: {attachment}}}"
        )
    };
    let deliver = async |size: usize| {
        let mut smtp = Smtp::server(&world.mx).await.expect("25");
        let body = format!("{}\r\n", "x".repeat(76)).repeat(size / 78);
        // SIZE lets Postfix ask before the mail is sent.
        let answer = smtp.command(&format!("MAIL FROM:<a@example.org> SIZE={size}")).await.expect("answer");
        assert!(answer.starts_with("250"), "{answer}");
        let answer = smtp.command(&format!("RCPT TO:<{address}>")).await.expect("answer");
        if !answer.starts_with("250") {
            return answer;
        }
        smtp.command("DATA").await.expect("answer");
        let head = "From: <a@example.org>\r\nTo: <b@gialai.gov.vn>\r\nMessage-ID: <1@example.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0700";
        smtp.command(&format!("{head}\r\nSubject: quota\r\n\r\n{body}.")).await.expect("answer")
    };
    apply(&world.policies, &policy("300k", "200k")).await.expect("policy");
    apply(&world.mailboxes, &person("nv-quota", "Vũ Văn Khoa", ", quotaPolicyRef: {name: small}"))
        .await
        .expect("reference");
    eventually("the small quota", SOON, || async {
        let quota =
            world.mailboxes.get("nv-quota").await.expect("nv-quota").status.and_then(|s| s.quota).unwrap_or_default();
        if quota.source == "Mailbox" { Ok(()) } else { Err(format!("{quota:?}")) }
    })
    .await;
    wait_ready(&world.mailboxes, "nv-quota", SOON).await;
    let too_large = deliver(290_000).await;
    assert!(too_large.starts_with("552"), "larger than the largest message: {too_large}");
    let fits = deliver(200_000).await;
    assert!(fits.starts_with("250"), "{fits}");
    let full = eventually("full", SOON, || async {
        let answer = deliver(200_000).await;
        if answer.starts_with("552") { Ok(answer) } else { Err(answer) }
    })
    .await;
    assert!(full.contains("5.2.2"), "{full}");
    apply(&world.policies, &policy("5M", "2M")).await.expect("raised");
    eventually("raised", SOON, || async {
        let answer = deliver(200_000).await;
        if answer.starts_with("250") { Ok(()) } else { Err(answer) }
    })
    .await;
}

/// How often a quota changes while others write.
const CHANGES: usize = 40;
/// Who write to one address at a time.
const SENDERS: usize = 4;

/// Mails from other servers and logins, one after the other, until `changed`: how many, and the answers that sent somebody away.
async fn uses(world: &World, (address, password): &(String, String), changed: &AtomicBool) -> (usize, Vec<String>) {
    let (mut times, mut away) = (0, Vec::new());
    while !changed.load(Ordering::Relaxed) {
        times += 1;
        let sent = match Smtp::server(&world.mx).await {
            Ok(mut smtp) => smtp.send("a@example.org", address, "busy", "x").await,
            Err(error) => Err(error),
        };
        let login = Imap::login(&world.host, address, password).await.map(|(_, answer)| answer);
        for (answer, good) in [(sent, "250"), (login, "OK")] {
            let answer = answer.unwrap_or_else(|error| error.to_string());
            if !answer.starts_with(good) {
                away.push(answer);
            }
        }
    }
    (times, away)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_accounts_turns_no_sender_away() {
    let Some(world) = World::alone().await else { return };
    let holder = world.person("nv-busy", "Phan Thị Ngân").await;
    let name = "Đoàn Văn Đổi";
    world.person("nv-changed", name).await;
    let policies = ["chan", "le"];
    for (policy, storage) in policies.iter().zip(["300M", "400M"]) {
        let spec = format!("{{systemRef: {{name: gialai}}, storage: {storage}, maxAttachment: 1M}}");
        apply(&world.policies, &format!("metadata: {{name: {policy}}}\nspec: {spec}")).await.expect("policy");
    }
    let changed = AtomicBool::new(false);
    let change = async {
        for policy in policies.iter().cycle().take(CHANGES) {
            let quota = format!(", quotaPolicyRef: {{name: {policy}}}");
            apply(&world.mailboxes, &person("nv-changed", name, &quota)).await.expect("reference");
            eventually("another quota", SOON, || async {
                let found = world.mailboxes.get("nv-changed").await.map_err(|e| e.to_string())?;
                let found = found.status.and_then(|s| s.quota).and_then(|quota| quota.policy);
                if found.as_deref() == Some(policy) { Ok(()) } else { Err(format!("{found:?}")) }
            })
            .await;
        }
        changed.store(true, Ordering::Relaxed);
    };
    let all = futures::future::join_all((0..SENDERS).map(|_| uses(&world, &holder, &changed)));
    let (used, ()) = futures::join!(all, change);
    let times: usize = used.iter().map(|(times, _)| times).sum();
    let away: Vec<String> = used.into_iter().flat_map(|(_, away)| away).collect();
    assert!(away.is_empty(), "{} of {times}: {away:?}", away.len());
    println!("{times} mails and logins while {CHANGES} quotas changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_a_deleted_mailbox_refuses_mail_and_comes_back_with_its_mail_and_password() {
    let Some(world) = World::get().await else { return };
    let name = "Bùi Thị Mai";
    let (address, password) = world.person("nv-delete", name).await;
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    assert!(smtp.send("a@example.org", &address, "before", "x").await.expect("sent").starts_with("250"));
    world.arrives(&address, &password, "before").await;
    world.mailboxes.delete("nv-delete", &DeleteParams::default()).await.expect("deleted");
    eventually("5.2.1", SOON, || async {
        let answer =
            Smtp::server(&world.mx).await.expect("25").send("a@example.org", &address, "x", "x").await.expect("answer");
        if answer.contains("5.2.1") { Ok(()) } else { Err(answer) }
    })
    .await;
    assert!(!let_in(&world.login(&address, &password).await.1));
    let (again, same) = world.person("nv-delete", name).await;
    assert_eq!((again, same), (address.clone(), password.clone()));
    world.arrives(&address, &password, "before").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_begun_yet_is_tried_again_later_by_address_and_alias() {
    let Some(world) = World::get().await else { return };
    let later = person("nv-later", "Đinh Văn Sau", ", startsOn: '2999-01-01', aliases: [sau.sau]");
    apply(&world.mailboxes, &later).await.expect("applied");
    let address = eventually("an address", SOON, || async {
        let status = world.mailboxes.get("nv-later").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        status.address.filter(|_| !status.aliases.is_empty()).ok_or_else(|| "not yet".to_string())
    })
    .await;
    for to in [address.as_str(), "sau.sau@gialai.gov.vn"] {
        // The status may say both a moment before the mail server has heard of them.
        eventually(to, SOON, || async {
            let mut smtp = Smtp::server(&world.mx).await.map_err(|e| e.to_string())?;
            let answer = smtp.send("a@example.org", to, "too early", "x").await.map_err(|e| e.to_string())?;
            assert!(!answer.starts_with("250"), "{to}: {answer}");
            if answer.starts_with("450 4.2.1") { Ok(()) } else { Err(answer) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_4_c_mail_of_a_revoked_account_arrives_at_its_successor_and_nowhere_else() {
    let Some(world) = World::get().await else { return };
    let (name, alias) = ("Nông Văn Đức", "thuky.duc.stttt@gialai.gov.vn");
    let aliases = ", aliases: [thuky.duc.stttt]";
    apply(&world.mailboxes, &person("nv-revoked", name, aliases)).await.expect("an alias");
    let (address, password) = world.person_as("nv-revoked").await;
    let (successor, theirs) = world.person("nv-successor", "Siu Thị H'Lan").await;
    let send = async |to: &str, subject: &str| {
        Smtp::server(&world.mx).await.expect("25").send("a@example.org", to, subject, "x").await.expect("answer")
    };
    let until = async |to: &str, begin: &str| {
        eventually(&format!("{to}: {begin}"), SOON, || async {
            let answer = send(to, "asked").await;
            if answer.starts_with(begin) { Ok(()) } else { Err(answer) }
        })
        .await;
    };
    let revoked = |successor: &str| format!("{aliases}, state: Revoked, successorRef: {{name: {successor}}}");
    apply(&world.mailboxes, &person("nv-revoked", name, &revoked("nv-nobody"))).await.expect("revoked");
    until(&address, "550 5.2.1").await;
    apply(&world.mailboxes, &person("nv-revoked", name, &revoked("nv-successor"))).await.expect("a successor");
    until(&address, "250").await;
    for (to, subject) in [(address.as_str(), "to the address"), (alias, "to the alias")] {
        let answer = send(to, subject).await;
        assert!(answer.starts_with("250"), "{to}: {answer}");
        world.arrives(&successor, &theirs, subject).await;
    }
    assert!(!let_in(&world.login(&address, &password).await.1));
    // The successor reads it and does not write in its name.
    let mut smtp = Smtp::submission(&world.host).await.expect("587");
    assert!(smtp.login(&successor, &theirs).await.expect("login").starts_with("235"));
    for from in [address.as_str(), alias] {
        let foreign = smtp.send(from, "postmaster@gialai.gov.vn", "gia", "x").await.expect("answer");
        assert!(foreign.starts_with("553"), "{from}: {foreign}");
    }
    // A circle: both are refused.
    let back = ", state: Revoked, successorRef: {name: nv-revoked}";
    apply(&world.mailboxes, &person("nv-successor", "Siu Thị H'Lan", back)).await.expect("a circle");
    until(&address, "550 5.2.1").await;
    until(&successor, "550 5.2.1").await;
    // Undone: what is its own arrives, and nothing of what came meanwhile.
    apply(&world.mailboxes, &person("nv-revoked", name, aliases)).await.expect("undone");
    until(&address, "250").await;
    for (to, subject) in [(address.as_str(), "its own again"), (alias, "its alias again")] {
        assert!(send(to, subject).await.starts_with("250"));
        world.arrives(&address, &password, subject).await;
    }
    let subjects = eventually("all subjects", SOON, || async {
        let (mut imap, _) = world.login(&address, &password).await;
        imap.subjects().await.map_err(|e| e.to_string())
    })
    .await;
    assert!(!subjects.iter().any(|subject| subject.starts_with("to the")), "{subjects:?}");
    // And now the successor's mail is its own.
    assert!(send(&successor, "the other way").await.starts_with("250"));
    world.arrives(&address, &password, "the other way").await;
}
