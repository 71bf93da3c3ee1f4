//! What is refused to a sender's face, instead of taken and sent back or passed on in somebody else's name.

use std::time::Duration;

use crate::support::mail::{Sieve, Smtp};
use crate::support::{apply, eventually};
use crate::world::{SOON, World, let_in, person, run};

const DOMAIN: &str = "gialai.gov.vn";

/// A mail whose header is exactly this; the first answer that is not as wished, or the one to the mail itself.
async fn raw(smtp: &mut Smtp, from: &str, to: &[&str], header: &str, size: usize) -> String {
    let mut commands = vec![format!("MAIL FROM:<{from}>")];
    commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
    for command in commands.into_iter().chain(["DATA".into()]) {
        let answer = smtp.command(&command).await.expect("answer");
        if !answer.starts_with('2') && !answer.starts_with('3') {
            let _ = smtp.command("RSET").await;
            return answer;
        }
    }
    let id = rand::random::<u64>();
    let more = format!("Message-ID: <{id:016x}@test.invalid>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0700");
    let body = format!("{}\r\n", "x".repeat(76)).repeat(size / 78);
    smtp.command(&format!("{header}\r\n{more}\r\n\r\nx\r\n{body}.")).await.expect("answer")
}

async fn from_outside(world: &World, to: &str, size: usize) -> String {
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    raw(&mut smtp, "a@example.org", &[to], "From: <a@example.org>\r\nSubject: size", size).await
}

async fn logged_in(world: &World, user: &str, password: &str) -> Smtp {
    let mut smtp = Smtp::submission(&world.host).await.expect("587");
    let answer = smtp.login(user, password).await.expect("login");
    assert!(answer.starts_with("235"), "{answer}");
    smtp
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_3_mail_that_does_not_fit_is_refused_by_address_and_alias_with_or_without_its_size() {
    let Some(world) = World::get().await else { return };
    let name = "Rơ Mah Thị Chật";
    let alias = "chat.chat@gialai.gov.vn";
    let policy = "metadata: {name: narrow}\nspec: {systemRef: {name: gialai}, storage: 200k, maxAttachment: 40k}";
    apply(&world.policies, policy).await.expect("policy");
    let more = ", aliases: [chat.chat], quotaPolicyRef: {name: narrow}";
    apply(&world.mailboxes, &person("nv-narrow", name, more)).await.expect("applied");
    let (address, password) = world.person_as("nv-narrow").await;
    let (other, others) = world.person("nv-wide", "Rơ Mah Văn Rộng").await;
    eventually("the alias is open", SOON, || async {
        let answer = from_outside(&world, alias, 0).await;
        if answer.starts_with("250") { Ok(()) } else { Err(answer) }
    })
    .await;
    // Larger than its largest message, which a sender need not say before.
    for to in [address.as_str(), alias] {
        let answer = from_outside(&world, to, 120_000).await;
        assert!(answer.starts_with("552"), "{to}: {answer}");
    }
    let mut smtp = logged_in(&world, &other, &others).await;
    let header = format!("From: <{other}>\r\nSubject: size");
    let answer = raw(&mut smtp, &other, &[&address], &header, 120_000).await;
    assert!(answer.starts_with("552"), "{answer}");
    // Of several recipients none is asked about: who has room for it gets it.
    let answer = raw(&mut smtp, &other, &[&address, &other], &header.replace("size", "for two"), 120_000).await;
    assert!(answer.starts_with("250"), "{answer}");
    world.arrives(&other, &others, "for two").await;
    // Full.
    for size in [30_000, 2_000] {
        eventually("full", SOON, || async {
            let answer = from_outside(&world, &address, size).await;
            if answer.starts_with("552") { Ok(()) } else { Err(answer) }
        })
        .await;
    }
    let answer = from_outside(&world, alias, 2_000).await;
    assert!(answer.starts_with("552"), "its alias is as full: {answer}");
    let (mut imap, answer) = world.login(&address, &password).await;
    assert!(let_in(&answer), "{answer}");
    assert!(!imap.subjects().await.expect("subjects").contains(&"for two".to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_outside_is_a_sender_of_the_domain() {
    let Some(world) = World::get().await else { return };
    let (address, password) = world.person("nv-forged", "Rah Lan Thị Thật").await;
    let header = "From: <a@example.org>\r\nSubject: forged";
    let send = async |from: &str| {
        let mut smtp = Smtp::server(&world.mx).await.expect("25");
        raw(&mut smtp, from, &[&address], header, 0).await
    };
    for from in [&format!("chutich@{DOMAIN}"), &address, "chutich@GiaLai.Gov.VN", "\"chu tich\"@gialai.gov.vn"] {
        let answer = send(from).await;
        assert!(answer.starts_with("550 5.7.1") && answer.contains("587"), "{from}: {answer}");
    }
    // Postfix makes addresses of ours of these.
    for from in [
        "chutich",
        "chutich@gialai.gov.vn.",
        "@example.org:chutich@gialai.gov.vn",
        "chutich%gialai.gov.vn",
        "gialai.gov.vn!chutich",
        "chutich%gialai.gov.vn@gialai.gov.vn",
    ] {
        let answer = send(from).await;
        assert!(answer.starts_with('5'), "{from}: {answer}");
    }
    for from in ["a@example.org", "a@other.gialai.gov.vn", "a@notgialai.gov.vn", ""] {
        let answer = send(from).await;
        assert!(answer.starts_with("250"), "{from}: {answer}");
    }
    // Whoever logs in is.
    let mut smtp = logged_in(&world, &address, &password).await;
    let answer = smtp.send(&address, &address, "own", "x").await.expect("sent");
    assert!(answer.starts_with("250"), "{answer}");
    world.arrives(&address, &password, "own").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_another_name_than_his_own_into_from() {
    let Some(world) = World::get().await else { return };
    let (address, password) = world.person("nv-header1", "Puih Thị Viết").await;
    let (other, others) = world.person("nv-header2", "Puih Văn Khác").await;
    let mut smtp = logged_in(&world, &address, &password).await;
    let own = format!("From: =?utf-8?q?Ch=C3=A1u?= <{}>", address.to_uppercase());
    for from in [address.as_str(), ""] {
        for header in [
            format!("From: <{other}>"),
            "From: Someone <someone@example.org>".to_string(),
            format!("From: <{address}>, <{other}>\r\nSender: <{address}>"),
            format!("From: <{address}>\r\nFrom: <{other}>"),
            format!("From: <{other}>\r\nFrom: <{address}>"),
            format!("From: \"{address}\" <{other}>"),
            format!("From: <{other}> <{address}>"),
            format!("From: {other} <{address}>, {other}"),
            format!("To: <{other}>\r\nFrom : <{other}>\r\nFrom: <{address}>"),
            format!("From: All: <{other}>;"),
            "From: <>".to_string(),
            "From:".to_string(),
            "To: <a@example.org>".to_string(),
        ] {
            let answer = raw(&mut smtp, from, &[&other], &format!("{header}\r\nSubject: forged"), 0).await;
            assert!(answer.starts_with("55") && answer.contains("5.7.1"), "{from}; {header}: {answer}");
        }
        let answer = raw(&mut smtp, from, &[&other], &format!("{own}\r\nSubject: own"), 0).await;
        assert!(answer.starts_with("250"), "{from}: {answer}");
    }
    world.arrives(&other, &others, "own").await;
    let (mut imap, _) = world.login(&other, &others).await;
    let subjects = imap.subjects().await.expect("subjects");
    assert!(!subjects.contains(&"forged".to_string()), "{subjects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_script_is_in_its_holders_name_alone() {
    let Some(world) = World::get().await else { return };
    let (address, password) = world.person("nv-answer1", "Siu Văn Vắng").await;
    let (writer, writers) = world.person("nv-answer2", "Siu Thị Hỏi").await;
    let ask = async |subject: &str| {
        let mut smtp = logged_in(&world, &writer, &writers).await;
        let answer = smtp.send(&writer, &address, subject, "x").await.expect("sent");
        assert!(answer.starts_with("250"), "{answer}");
        world.arrives(&address, &password, subject).await;
    };
    let subjects = async || {
        let (mut imap, _) = world.login(&writer, &writers).await;
        imap.headers().await.expect("headers")
    };
    for (i, from) in ["chutich@gialai.gov.vn", "someone@example.net"].into_iter().enumerate() {
        let mut sieve = Sieve::login(&world.host, &address, &password).await.expect("ManageSieve");
        let forged = format!("vacation :handle \"f{i}\" :subject \"forged\" :from \"{from}\" \"x\";\n");
        sieve.activate(&format!("require [\"vacation\"];\n{forged}")).await.expect("a script");
        ask(&format!("question {i}")).await;
    }
    // Part of what is answered is the script's own text, headers among it.
    let mut sieve = Sieve::login(&world.host, &address, &password).await.expect("ManageSieve");
    let mime = "vacation :handle \"m\" :subject \"forged\" :mime \"From: <chutich@gialai.gov.vn>\r\nContent-Type: text/plain\r\n\r\nx\";\n";
    sieve.activate(&format!("require [\"vacation\"];\n{mime}")).await.expect("a script");
    ask("question of mime").await;
    let mut sieve = Sieve::login(&world.host, &address, &password).await.expect("ManageSieve");
    let own = format!("vacation :handle \"o\" :subject \"own\" :from \"Siu <{address}>\" \"x\";\n");
    sieve.activate(&format!("require [\"vacation\"];\n{own}")).await.expect("a script");
    ask("question for itself").await;
    let mails = eventually("its own answer", SOON, || async {
        let mails = subjects().await;
        if mails.iter().any(|m| m.contains("Subject: own")) { Ok(mails) } else { Err(format!("{mails:?}")) }
    })
    .await;
    let forged = mails.iter().find(|m| m.contains("Subject: forged"));
    assert_eq!(forged, None);
    let own = mails.iter().find(|m| m.contains("Subject: own")).expect("there");
    for needle in ["Return-Path: <>", "Auto-Submitted: auto-replied", "DKIM-Signature:"] {
        assert!(own.contains(needle), "{needle}: {own}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_session_of_an_address_that_is_no_more_sends_nothing() {
    let Some(world) = World::get().await else { return };
    let (old, password) = world.person("nv-before", "Nay Thị Trước").await;
    let mut open = logged_in(&world, &old, &password).await;
    let rename = ", rename: {basis: {number: 7/SNV, date: '2026-05-04', issuer: SNV}}";
    apply(&world.mailboxes, &person("nv-before", "Nay Thị Sau Này", rename)).await.expect("renamed");
    let new = eventually("another address that lets in", SOON, || async {
        let (new, password) = world.person_as("nv-before").await;
        let answer = world.login(&new, &password).await.1;
        if new != old && let_in(&answer) { Ok(new) } else { Err(answer) }
    })
    .await;
    let lock = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";
    apply(&world.mailboxes, &person("nv-before", "Nay Thị Sau Này", &format!("{rename}{lock}"))).await.expect("locked");
    eventually("locked", SOON, || async {
        let answer = world.login(&new, &password).await.1;
        if let_in(&answer) { Err(answer) } else { Ok(()) }
    })
    .await;
    for from in ["", &old, &new] {
        let header = format!("From: <{old}>\r\nSubject: x");
        let answer = raw(&mut open, from, &[&new], &header, 0).await;
        assert!(answer.starts_with("554") || answer.starts_with("553"), "{from}: {answer}");
    }
}

/// From each address, of which Postfix takes half of what it takes of all (50 of 100).
const IDLE: usize = 45;
const SOURCES: [&str; 3] = ["10.99.0.1", "10.99.0.2", "10.99.0.3"];
/// The kubelet asks each five seconds, and twice.
const ASKED: Duration = Duration::from_secs(20);
const HICCUP: Duration = Duration::from_secs(8);

/// Connections to port 25 of the pod that say nothing.
async fn idle(world: &World) -> Vec<tokio::net::TcpStream> {
    let mut held = Vec::new();
    for source in SOURCES {
        run("ip", &["address", "replace", &format!("{source}/32"), "dev", "lo"]);
        for _ in 0..IDLE {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind((source.parse::<std::net::Ipv4Addr>().expect("an address"), 0).into()).expect("a source");
            let pod = format!("{}:10025", world.mx).parse().expect("an address");
            held.push(socket.connect(pod).await.expect("a connection"));
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_port_25_takes_it_from_nobody_who_logs_in() {
    let Some(world) = World::alone_on(&[1]).await else { return };
    let (address, password) = world.person("nv-idle", "Rcom Thị Chờ").await;
    let ready = async || {
        let pod = world.pods.get("gialai-0").await.expect("pod");
        let conditions = pod.status.and_then(|s| s.conditions).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
    };
    let held = idle(&world).await;
    let begin = std::time::Instant::now();
    let mut ready_at = begin;
    while begin.elapsed() < ASKED {
        if ready().await {
            ready_at = std::time::Instant::now();
        }
        // As long as they are held it would not be; a machine that stands still is ready again at the next question.
        assert!(ready_at.elapsed() < HICCUP, "not ready after {:?}", begin.elapsed());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(ready().await, "not ready at the end");
    let answer = world.login(&address, &password).await.1;
    assert!(let_in(&answer), "{answer}");
    logged_in(&world, &address, &password).await;
    drop(held);
}
