//! What the real Dovecot tells of use (D-10), and the proof that nothing of it is missing (D-16).

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Api;
use mail_operator::api::{MailboxActivity, MailboxActivityStatus};
use mail_operator::backend::{Delivery, MailBackend};
use mail_operator::domain::calendar::day;

use crate::notices::{Agent, mail};
use crate::support::eventually;
use crate::support::mail::{Sieve, Smtp};
use crate::volume::Volume;
use crate::world::{SOON, World, let_in};

/// It is asked for twice a minute, and proven once a minute.
const A_WHILE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn d_10_d_16_logins_sends_and_deliveries_are_told_and_proven_complete() {
    let Some(world) = World::on(&[1, 2]).await else { return };
    let begin = Timestamp::now();
    let (one, secret) = world.person("nv-use1", "Trịnh Thị Lụa").await;
    let (other, _) = world.person("nv-use2", "Đoàn Văn Thơ").await;
    let (nobody, _) = world.person("nv-use3", "Mạc Thị Im").await;
    let mut smtp = Smtp::submission(&world.host).await.expect("587");
    assert!(smtp.login(&one, &secret).await.expect("login").starts_with("235"));
    assert!(smtp.send(&one, &other, "xin chao", "x").await.expect("sent").starts_with("250"));
    let (_imap, answer) = world.login(&one, &secret).await;
    assert!(let_in(&answer), "{answer}");
    // A login that fails is no use.
    assert!(!let_in(&world.login(&nobody, "Khong-dung-1!").await.1));
    let activities: Api<MailboxActivity> = Api::namespaced(world.client.clone(), world.namespace);
    let told = async |name: &str| {
        eventually(name, A_WHILE, || async {
            let found = activities.get_opt(name).await.map_err(|e| e.to_string())?;
            found.and_then(|activity| activity.status).ok_or_else(|| "nothing".to_string())
        })
        .await
    };
    let today = |day_of: &Option<String>| {
        day_of
            .as_ref()
            .is_some_and(|text| *text == day(begin).to_string() || *text == day(Timestamp::now()).to_string())
    };
    let first: MailboxActivityStatus = told("nv-use1").await;
    assert!(today(&first.last_login) && today(&first.last_send) && first.last_receive.is_none(), "{first:?}");
    let second = told("nv-use2").await;
    assert!(today(&second.last_receive) && second.last_login.is_none() && second.last_send.is_none(), "{second:?}");
    let complete = eventually("it is proven complete", A_WHILE, || async {
        let status = world.systems.get("gialai").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        status.activity.ok_or_else(|| "not yet".to_string())
    })
    .await;
    assert!(complete.complete_from.0 <= complete.complete_through.0);
    assert!(activities.get_opt("nv-use3").await.expect("get").is_none());
}

/// Mail whose envelope has no sender, as systems write it by themselves.
async fn without_sender(world: &World, to: &str, from: &str, subject: &str) {
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    let text = format!(
        "From: {from}\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{:016x}@example.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 \
         +0700\r\n\r\nx\r\n.",
        rand::random::<u64>()
    );
    for (command, good) in
        [("MAIL FROM:<>", "250"), (&format!("RCPT TO:<{to}>"), "250"), ("DATA", "354"), (&text, "250")]
    {
        let answer = smtp.command(command).await.expect("answer");
        assert!(answer.starts_with(good), "{command}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d_10_mail_that_a_system_makes_by_itself_is_no_use_and_a_persons_mail_is() {
    let Some(world) = World::on(&[1]).await else { return };
    let begin = Timestamp::now();
    let name = "Siu Thị Hơ Lan";
    let (address, secret) = world.person("nv-auto1", name).await;
    let (refuses, refusing) = world.person("nv-auto2", "Ksor Văn Từ Chối").await;
    let (after, _) = world.person("nv-auto3", "Nay Thị Sau").await;
    // A bounce of another server, a report that is none by its From, a refusal of our own, and a notice.
    without_sender(&world, &address, "Mail Delivery System <MAILER-DAEMON@example.org>", "bounce").await;
    without_sender(&world, &address, "Postmaster <postmaster@example.org>", "report").await;
    let mut sieve = Sieve::login(&world.host, &refuses, &refusing).await.expect("ManageSieve");
    sieve.activate("require [\"reject\"];\nreject \"khong nhan\";\n").await.expect("a script");
    let mut smtp = Smtp::submission(&world.host).await.expect("587");
    assert!(smtp.login(&address, &secret).await.expect("login").starts_with("235"));
    assert!(smtp.send(&address, &refuses, "xin chao", "x").await.expect("sent").starts_with("250"));
    let notice = mail("nv-auto1", name, &address, "d-10/nv-auto1");
    let delivered = Agent::of(&world).await.client.notices(vec![notice]).await;
    assert_eq!(delivered, Ok(vec![Delivery::Delivered]));
    eventually("all four are there", SOON, || async {
        let (mut imap, answer) = world.login(&address, &secret).await;
        if !let_in(&answer) {
            return Err(answer);
        }
        let all = imap.headers().await.map_err(|e| e.to_string())?;
        if all.len() >= 4 { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
    // What is told of a later mail is told of all before.
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    let send = async |smtp: &mut Smtp, to: &str| {
        let answer = smtp.send("nguoi.viet@example.org", to, "xin chao", "x").await.expect("sent");
        assert!(answer.starts_with("250"), "{answer}");
    };
    send(&mut smtp, &after).await;
    let activities: Api<MailboxActivity> = Api::namespaced(world.client.clone(), world.namespace);
    let received = async |name: &str| {
        eventually(&format!("{name} received"), A_WHILE, || async {
            let found = activities.get_opt(name).await.map_err(|e| e.to_string())?;
            found.and_then(|activity| activity.status?.last_receive).ok_or_else(|| "nothing".to_string())
        })
        .await
    };
    received("nv-auto3").await;
    // Those of one page are written side by side.
    let status = eventually("a login", SOON, || async {
        let found = activities.get("nv-auto1").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        if found.last_login.is_some() { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert!(status.last_receive.is_none(), "{status:?}");
    // Long after the first one: Postfix waits ten seconds for the next mail while it has much to do.
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    send(&mut smtp, &address).await;
    let received = received("nv-auto1").await;
    assert!([day(begin), day(Timestamp::now())].iter().any(|day| day.to_string() == received), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d_16_who_fails_to_log_in_under_the_name_of_a_beat_writes_nothing() {
    let Some(world) = World::on(&[1]).await else { return };
    let events = Volume::of(&world.client, world.namespace).await.path.join("activity/events.jsonl");
    let read = || std::fs::read_to_string(&events).map_err(|e| e.to_string());
    for word in ["of-a-stranger-1", "of-a-stranger-2"] {
        assert!(!let_in(&world.login(&format!("_beat-{word}"), "Khong-dung-1!").await.1));
    }
    let before = read().unwrap_or_default().matches("_beat-").count();
    // What Dovecot tells comes in its order: with a later beat of the agent there is all that came before.
    let text = eventually("the agent's next beats", A_WHILE, || async {
        let text = read()?;
        if text.matches("_beat-").count() >= before + 2 { Ok(text) } else { Err(format!("{before} beats")) }
    })
    .await;
    assert!(!text.contains("of-a-stranger"), "whoever can reach the port writes into the file");
}
