//! Scripts of holders (ManageSieve) on the real Dovecot and Postfix: forwarding, answers, and what is refused.

use crate::support::mail::{Sieve, Smtp};
use crate::support::{apply, eventually};
use crate::world::{SOON, World, let_in, person};

const OUTSIDE: &str = "writer@example.org";

/// A person of the test.
struct Holder {
    name: &'static str,
    full_name: &'static str,
    address: String,
    password: String,
}

impl World {
    async fn holder(&self, name: &'static str, full_name: &'static str) -> Holder {
        let (address, password) = self.person(name, full_name).await;
        Holder { name, full_name, address, password }
    }

    async fn script(&self, holder: &Holder, script: &str) {
        let mut sieve = Sieve::login(&self.host, &holder.address, &holder.password).await.expect("ManageSieve");
        sieve.activate(script).await.expect("a script");
    }

    async fn deliver(&self, sender: &str, to: &Holder, subject: &str) {
        let mut smtp = Smtp::server(&self.mx).await.expect("25");
        let answer = smtp.send(sender, &to.address, subject, "x").await.expect("sent");
        assert!(answer.starts_with("250"), "{answer}");
    }

    /// The header of the mail with a subject, once it is there.
    async fn header(&self, holder: &Holder, subject: &str) -> String {
        eventually(&format!("'{subject}' at {}", holder.address), SOON, || async {
            let (mut imap, answer) = self.login(&holder.address, &holder.password).await;
            if !let_in(&answer) {
                return Err(answer);
            }
            let mails = imap.headers().await.map_err(|e| e.to_string())?;
            let found = mails.iter().find(|m| m.lines().any(|l| l == format!("Subject: {subject}")));
            found.cloned().ok_or_else(|| format!("{} mails", mails.len()))
        })
        .await
    }

    async fn subjects(&self, holder: &Holder) -> Vec<String> {
        let (mut imap, answer) = self.login(&holder.address, &holder.password).await;
        assert!(let_in(&answer), "{answer}");
        imap.subjects().await.expect("subjects")
    }
}

fn vacation(days: u32) -> String {
    format!("require [\"vacation\"];\nvacation :days {days} :subject \"Vang mat\" \"Toi di cong tac.\";\n")
}

fn redirect(to: &str) -> String {
    format!("redirect \"{to}\";\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_forwards_inside_the_domain_in_its_holders_name() {
    let Some(world) = World::get().await else { return };
    let from = world.holder("nv-fw1", "Lò Thị Chuyển").await;
    let to = world.holder("nv-fw2", "Lò Văn Nhận").await;
    world.script(&from, &redirect(&to.address)).await;
    world.deliver(OUTSIDE, &from, "forwarded").await;
    let header = world.header(&to, "forwarded").await;
    assert!(header.contains(&format!("Return-Path: <{}>", from.address)), "bounces go to the holder: {header}");
    // Somebody outside may write our domain into From: forwarding must not make that ours by a signature.
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    for command in [format!("MAIL FROM:<{OUTSIDE}>"), format!("RCPT TO:<{}>", from.address), "DATA".into()] {
        let answer = smtp.command(&command).await.expect("answer");
        assert!(answer.starts_with('2') || answer.starts_with('3'), "{answer}");
    }
    let forged = format!(
        "From: <{}>\r\nTo: <{}>\r\nSubject: forged\r\nMessage-ID: <f@x>\r\n\r\nx\r\n.",
        to.address, from.address
    );
    assert!(smtp.command(&forged).await.expect("sent").starts_with("250"));
    let header = world.header(&to, "forged").await;
    assert!(!header.contains("DKIM-Signature:"), "{header}");
    assert_eq!(world.subjects(&from).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_nothing_is_forwarded_out_of_the_province_and_the_mail_stays_with_its_holder() {
    let Some(world) = World::get().await else { return };
    let holder = world.holder("nv-fw3", "Mai Thị Ngoài").await;
    world.script(&holder, &redirect("someone@example.net")).await;
    world.deliver(OUTSIDE, &holder, "for outside").await;
    world.header(&holder, "for outside").await;
    // A bounce has no sender, as an answer of a script has none.
    world.deliver("", &holder, "a bounce").await;
    world.header(&holder, "a bounce").await;
    // Nor by a notice.
    let mut sieve = Sieve::login(&world.host, &holder.address, &holder.password).await.expect("ManageSieve");
    let notice = "require [\"enotify\"];\nnotify :message \"x\" \"mailto:someone@example.net\";\n";
    let refused = sieve.activate(notice).await.expect_err("enotify").to_string();
    assert!(refused.contains("enotify"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_forward_to_each_other_lose_no_mail() {
    let Some(world) = World::get().await else { return };
    let one = world.holder("nv-loop1", "Cao Thị Vòng").await;
    let two = world.holder("nv-loop2", "Cao Văn Quanh").await;
    world.script(&one, &redirect(&two.address)).await;
    world.script(&two, &redirect(&one.address)).await;
    world.deliver(OUTSIDE, &one, "round").await;
    eventually("it comes to rest", SOON, || async {
        let found = [world.subjects(&one).await, world.subjects(&two).await].concat();
        if found == ["round"] { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_signed_without_sender_and_comes_once() {
    let Some(world) = World::get().await else { return };
    let away = world.holder("nv-away", "Tạ Thị Vắng").await;
    let writer = world.holder("nv-writer", "Tạ Văn Viết").await;
    // Zero days would answer every mail: RFC 5230 4.2 has the server's minimum.
    world.script(&away, &vacation(0)).await;
    let mut smtp = Smtp::submission(&world.host).await.expect("587");
    assert!(smtp.login(&writer.address, &writer.password).await.expect("login").starts_with("235"));
    for subject in ["first", "second"] {
        assert!(smtp.send(&writer.address, &away.address, subject, "x").await.expect("sent").starts_with("250"));
        world.header(&away, subject).await;
    }
    let answer = world.header(&writer, "Vang mat").await;
    for needle in ["Return-Path: <>", "Auto-Submitted: auto-replied", "DKIM-Signature:", "d=gialai.gov.vn"] {
        assert!(answer.contains(needle), "{needle}: {answer}");
    }
    // A mail of its own after both shows that no second answer is on its way.
    assert!(smtp.send(&writer.address, &writer.address, "last", "x").await.expect("sent").starts_with("250"));
    world.header(&writer, "last").await;
    let answers = world.subjects(&writer).await.iter().filter(|s| *s == "Vang mat").count();
    assert_eq!(answers, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_locked_account_receives_and_its_script_sends_nothing() {
    let Some(world) = World::get().await else { return };
    let mut locked = world.holder("nv-slock", "Đàm Thị Khóa").await;
    let writer = world.holder("nv-swrite", "Đàm Văn Gửi").await;
    let script = format!("{}redirect \"{}\";\n", vacation(1), writer.address);
    world.script(&locked, &script).await;
    world.lock(locked.name, locked.full_name).await;
    eventually("locked", SOON, || async {
        let answer = world.login(&locked.address, &locked.password).await.1;
        if let_in(&answer) { Err(answer) } else { Ok(()) }
    })
    .await;
    let mut smtp = Smtp::submission(&world.host).await.expect("587");
    assert!(smtp.login(&writer.address, &writer.password).await.expect("login").starts_with("235"));
    assert!(smtp.send(&writer.address, &locked.address, "while locked", "x").await.expect("sent").starts_with("250"));
    // What comes after it is there: so it was delivered, while the lock stood.
    for subject in ["after", "later"] {
        assert!(smtp.send(&writer.address, &writer.address, subject, "x").await.expect("sent").starts_with("250"));
        world.header(&writer, subject).await;
    }
    apply(&world.mailboxes, &person(locked.name, locked.full_name, "")).await.expect("unlock");
    locked.password = world.given_back(locked.name, &locked.address).await;
    world.header(&locked, "while locked").await;
    assert_eq!(world.subjects(&writer).await, ["after", "later"], "neither answer nor forward");
    // The script works again.
    assert!(smtp.send(&writer.address, &locked.address, "unlocked", "x").await.expect("sent").starts_with("250"));
    world.header(&writer, "Vang mat").await;
    world.header(&writer, "unlocked").await;
}
