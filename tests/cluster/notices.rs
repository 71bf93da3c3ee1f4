//! Notices and the journal by the real agent and the real Dovecot: into full and locked mailboxes, once, past every script.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use mail_operator::backend::dovecot::AgentClient;
use mail_operator::backend::{BackendError, Delivery, MailBackend, NoticeMail};
use mail_operator::domain::journal::Event;
use mail_operator::domain::notice::{self, Letter, Notice, Office, Party, Templates};
use mail_operator::domain::quota::Bytes;

use crate::support::mail::{Sieve, Smtp};
use crate::support::operator::agent_client;
use crate::support::{apply, eventually, initial_password, wait_ready};
use crate::world::{SOON, World, let_in, person};

/// What the operator says to the agent, in its name; only tier 1 lets anybody else speak to it (`World::on(&[1])`).
pub struct Agent {
    pub client: AgentClient,
    old: AgentClient,
}

impl Agent {
    pub async fn of(world: &World) -> Self {
        let address = format!("{}:8443", world.host).parse().expect("an address");
        let client = |term| agent_client(&world.client, world.namespace, address, term);
        // The operator of tier 1 leads in term 1: a later one would be its end.
        Self { client: client(1).await, old: client(0).await }
    }
}

pub fn mail(mailbox: &str, name: &str, address: &str, key: &str) -> NoticeMail {
    let party = Party { name: name.into(), address: address.into() };
    let day = "2026-06-16".parse().expect("a day");
    let letter = Letter {
        to: party.clone(),
        about: party,
        agency: "Sở Thông tin và Truyền thông".into(),
        agency_address: Some("stttt@gialai.gov.vn".into()),
        password_url: None,
        notice: Notice::OverQuota { percent: 100, storage: Bytes(100_000), day },
    };
    let mail = notice::compose(&letter, &Office::default(), &Templates::default(), key, Timestamp::now());
    NoticeMail {
        key: key.into(),
        mailbox: mailbox.into(),
        address: address.into(),
        message: mail.expect("a message").text,
    }
}

/// Headers of the notices in an INBOX that a test sent: the operator sends its own beside them.
async fn notices(world: &World, address: &str, password: &str, keys: &[&str]) -> Vec<String> {
    // Sessions of whoever was locked a moment ago may still be ended.
    let all = eventually("all headers", SOON, || async {
        let (mut imap, answer) = world.login(address, password).await;
        assert!(let_in(&answer), "{answer}");
        imap.headers().await.map_err(|e| e.to_string())
    })
    .await;
    let ids: Vec<String> = keys.iter().map(|key| notice::message_id(key, "gialai.gov.vn")).collect();
    all.into_iter().filter(|header| ids.iter().any(|id| header.contains(id))).collect()
}

/// Sends mail of a size; the answer says when there is no room for it.
async fn fill(world: &World, address: &str, size: usize) -> String {
    let mut smtp = Smtp::server(&world.mx).await.expect("25");
    smtp.command(&format!("MAIL FROM:<a@example.org> SIZE={size}")).await.expect("answer");
    let answer = smtp.command(&format!("RCPT TO:<{address}>")).await.expect("answer");
    if !answer.starts_with("250") {
        return answer;
    }
    smtp.command("DATA").await.expect("answer");
    let text = format!("{}\r\n", "x".repeat(76)).repeat(size / 78);
    let head = "From: <a@example.org>\r\nMessage-ID: <1@example.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0700";
    smtp.command(&format!("{head}\r\nSubject: fill\r\n\r\n{text}.")).await.expect("answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_3_d_d_17_a_full_mailbox_gets_its_notice_once() {
    let Some(world) = World::on(&[1]).await else { return };
    let agent = Agent::of(&world).await;
    let name = "Rơ Châm Đầy";
    let (address, password) = world.person("nv-full", name).await;
    let policy = "metadata: {name: tiny}\nspec: {systemRef: {name: gialai}, storage: 100k, maxAttachment: 40k}";
    apply(&world.policies, policy).await.expect("policy");
    apply(&world.mailboxes, &person("nv-full", name, ", quotaPolicyRef: {name: tiny}")).await.expect("reference");
    // The last bytes with small ones: then there is no room for the notice either.
    for size in [30_000, 2_000] {
        eventually("full", SOON, || async {
            let answer = fill(&world, &address, size).await;
            if answer.starts_with("552 5.2.2") { Ok(()) } else { Err(answer) }
        })
        .await;
    }
    let notice = || vec![mail("nv-full", name, &address, "over-quota/nv-full/1")];
    assert_eq!(agent.client.notices(notice()).await, Ok(vec![Delivery::Delivered]));
    assert_eq!(agent.client.notices(notice()).await, Ok(vec![Delivery::Already]));
    let found = notices(&world, &address, &password, &["over-quota/nv-full/1"]).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let header = &found[0];
    let id = notice::message_id("over-quota/nv-full/1", "gialai.gov.vn");
    for line in
        ["Auto-Submitted: auto-generated", "Precedence: bulk", "MIME-Version: 1.0", &format!("Message-ID: <{id}>")]
    {
        assert!(header.lines().any(|l| l == line), "{line}: {header}");
    }
    assert!(header.contains("Subject: =?") && header.contains("Reply-To: ") && header.contains("charset="), "{header}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_locked_mailbox_gets_it_and_one_that_is_not_there_is_unknown() {
    let Some(world) = World::on(&[1]).await else { return };
    let agent = Agent::of(&world).await;
    let name = "Siu Thị Khóa";
    let (address, password) = world.person("nv-closed", name).await;
    world.lock("nv-closed", name).await;
    eventually("locked", SOON, || async {
        let answer = world.login(&address, &password).await.1;
        if let_in(&answer) { Err(answer) } else { Ok(()) }
    })
    .await;
    let all = vec![
        mail("nv-closed", name, &address, "locked/nv-closed/1"),
        mail("nv-nobody", name, "nobody@gialai.gov.vn", "locked/nv-nobody/1"),
        mail("nv-closed", name, "other@gialai.gov.vn", "locked/nv-closed/2"),
    ];
    let done = agent.client.notices(all).await.expect("answered");
    assert_eq!(done[..2], [Delivery::Delivered, Delivery::Unknown]);
    assert!(matches!(&done[2], Delivery::Failed(why) if why.contains("another address")), "{done:?}");
    apply(&world.mailboxes, &person("nv-closed", name, "")).await.expect("unlock");
    let new = world.given_back("nv-closed", &address).await;
    assert_eq!(notices(&world, &address, &new, &["locked/nv-closed/1"]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_the_holder_neither_answers_nor_throws_it_away() {
    let Some(world) = World::on(&[1]).await else { return };
    let agent = Agent::of(&world).await;
    let name = "Nay Thị Lọc";
    let (address, password) = world.person("nv-script", name).await;
    let mut sieve = Sieve::login(&world.host, &address, &password).await.expect("ManageSieve");
    sieve.activate("discard;\n").await.expect("a script");
    let notice = mail("nv-script", name, &address, "quota/nv-script/80");
    assert_eq!(agent.client.notices(vec![notice]).await, Ok(vec![Delivery::Delivered]));
    assert_eq!(notices(&world, &address, &password, &["quota/nv-script/80"]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_2_r7_2_a_decision_is_written_down_once_and_not_by_a_leader_that_was_replaced() {
    let Some(world) = World::on(&[1]).await else { return };
    let agent = Agent::of(&world).await;
    let event = |key: &str| Event {
        key: key.into(),
        at: Timestamp::now(),
        actor: "mail-operator".into(),
        mailbox: "nv-000123".into(),
        action: "Lock".into(),
        rule: "6.2.a".into(),
        document: Some("9/CV ngày 1/3/2026, STTTT".into()),
        ..Event::default()
    };
    agent.client.journal(vec![event("test/1"), event("test/2")]).await.expect("written");
    // At once, many times: the connection that answered takes the next request.
    for _ in 0..50 {
        agent.client.journal(vec![event("test/2"), event("test/1")]).await.expect("known");
    }
    let refused = agent.old.journal(vec![event("test/3")]).await;
    assert!(matches!(refused, Err(BackendError::Superseded(_))), "{refused:?}");
    let refused = agent.old.notices(vec![]).await;
    assert!(matches!(refused, Err(BackendError::Superseded(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_lock_is_told_to_the_agency_and_what_is_given_back_to_its_holder_once() {
    let Some(world) = World::get().await else { return };
    let (address, _) = world.person("nv-told", "Lương Thị Nhớ").await;
    let agency = "stttt@gialai.gov.vn";
    let secret = initial_password(&world.client, world.namespace, "agency-stttt").await;
    world.lock("nv-told", "Lương Thị Nhớ").await;
    let locked = format!("Tài khoản {address} đã bị tạm khóa");
    arrives(&world, agency, &secret, &locked).await;
    apply(&world.mailboxes, &person("nv-told", "Lương Thị Nhớ", "")).await.expect("unlocked");
    wait_ready(&world.mailboxes, "nv-told", SOON).await;
    let restored = format!("Tài khoản {address} đã được khôi phục");
    arrives(&world, agency, &secret, &restored).await;
    let new = world.given_back("nv-told", &address).await;
    arrives(&world, &address, &new, &restored).await;
    let all = subjects(&world, agency, &secret).await;
    assert_eq!(all.iter().filter(|subject| **subject == locked).count(), 1, "{all:?}");
}

/// The operator looks for what is to be told three times a minute.
const A_WHILE: Duration = Duration::from_secs(90);

async fn arrives(world: &World, address: &str, password: &str, subject: &str) {
    eventually(subject, A_WHILE, || async {
        let found = subjects(world, address, password).await;
        if found.iter().any(|found| found == subject) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// Subjects of an INBOX as people read them.
async fn subjects(world: &World, address: &str, password: &str) -> Vec<String> {
    let (mut imap, _) = world.login(address, password).await;
    let headers = imap.headers().await.unwrap_or_default();
    let subject = |header: &String| {
        let parsed = mail_parser::MessageParser::default().parse(header.as_bytes())?;
        parsed.subject().map(String::from)
    };
    headers.iter().filter_map(subject).collect()
}
