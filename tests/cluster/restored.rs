//! Tier 1, on the real Dovecot and Postfix: a mail folder that a restore of the volume brought back, whose name is somebody else's by now.

use std::os::unix::fs::{MetadataExt, chown};

use mail_operator::api::AddressClaim;
use mail_operator::backend::{Delivery, MailBackend};

use kube::Api;

use crate::notices::{Agent, mail};
use crate::support::mail::Smtp;
use crate::support::{apply, initial_password, wait_reason};
use crate::volume::Volume;
use crate::world::{SOON, World, let_in, person};

#[tokio::test(flavor = "multi_thread")]
async fn d_14_nothing_reads_or_writes_the_folder_of_a_former_account() {
    let Some(world) = World::on(&[1]).await else { return };
    let store = Volume::of(&world.client, world.namespace).await.path.join("mail");
    let (home, name) = (store.join("nv-former"), "Kpă Thị Nguôi");
    let owner = std::fs::metadata(&store).expect("the mail store").gid();
    std::fs::create_dir(&home).expect("a folder");
    std::fs::write(home.join(".holder"), "2020-01-02T03:04:05Z\n").expect("a mark");
    for path in [&home, &home.join(".holder")] {
        chown(path, Some(owner), Some(owner)).expect("Dovecot's");
    }
    apply(&world.mailboxes, &person("nv-former", name, "")).await.expect("person");
    wait_reason(&world.mailboxes, "nv-former", "FolderOfAnother", SOON).await;
    let claims: Api<AddressClaim> = Api::namespaced(world.client.clone(), world.namespace);
    let claim = claims.list(&kube::api::ListParams::default()).await.expect("claims").items;
    let claim = claim.into_iter().find(|claim| claim.spec.owner_ref.name == "nv-former").expect("an address");
    let address = format!("{}@gialai.gov.vn", claim.metadata.name.expect("a name"));
    let password = initial_password(&world.client, world.namespace, "nv-former").await;
    let send = async |subject: &str| {
        let mut smtp = Smtp::server(&world.mx).await.expect("25");
        smtp.send("a@example.org", &address, subject, "x").await.expect("an answer")
    };
    let answer = send("held").await;
    assert!(answer.starts_with("450 4.2.1"), "{answer}");
    assert!(!let_in(&world.login(&address, &password).await.1));
    // Whatever asks Dovecot for the folder is told to try again, and nobody is unknown.
    let notice = mail("nv-former", name, &address, "d-14/nv-former");
    let delivered = Agent::of(&world).await.client.notices(vec![notice]).await.expect("answered");
    assert!(matches!(delivered[0], Delivery::Failed(_)), "{delivered:?}");
    let inside = |home: &std::path::Path| -> Vec<String> {
        let names = std::fs::read_dir(home).expect("folder").map(|entry| entry.expect("entry").file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    assert_eq!(inside(&home), [".holder"]);
    std::fs::rename(&home, store.join(".nv-former.former")).expect("moved away");
    world.person_as("nv-former").await;
    let answer = send("open").await;
    assert!(answer.starts_with("250"), "{answer}");
    world.arrives(&address, &password, "open").await;
    // Dovecot leaves the mark alone, and does not count it.
    assert!(inside(&home).contains(&".holder".to_string()));
}
