//! What the real Dovecot tells of use (D-10), and the proof that nothing of it is missing (D-16).

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Api;
use mail_operator::api::{MailboxActivity, MailboxActivityStatus};
use mail_operator::domain::calendar::day;

use crate::support::eventually;
use crate::support::mail::Smtp;
use crate::world::{World, let_in};

/// It is asked for twice a minute, and proven once a minute.
const A_WHILE: Duration = Duration::from_secs(150);

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
