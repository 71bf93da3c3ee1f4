//! What is kept of revoked accounts is removed when its time is over, once, and never of anybody else (D-14, D-15, D-19). The real agent,
//! with a mail store of its own; time is moved.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use mail_operator::api::{AddressClaim, AddressUse, MailboxState, MailboxStatus, REFUSED_BECAUSE};
use mail_operator::backend::{MailBackend, Purge, Purged};
use mail_operator::domain::journal::{self, Event};
use serde_json::json;

use super::days::Days;
use super::journal::printed;
use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator, agent_client};
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};

mod refused;

const NAME: &str = "Trần Đình Nguyên";
const LOCAL: &str = "nguyentd.stttt";
const REVOKED: &str = ", state: Revoked";
const HOLD: &str = ", hold: {basis: {number: 5/TA, date: '2026-03-01', issuer: Tòa án}}";
/// More than twelve months, and than 24.
const YEAR: i64 = 372;
const TWO_YEARS: i64 = 740;
/// All accounts are looked at each half minute.
const LOOKED: Duration = Duration::from_secs(75);

struct Kept {
    world: World,
    operator: Operator,
    agent: Agent,
    days: Days,
}

impl Kept {
    async fn new(name: &str) -> Option<Self> {
        let world = World::new(name).await?;
        apply(&world.systems, SYSTEM).await.expect("system");
        apply(&world.agencies, AGENCY).await.expect("agency");
        let days = Days::default();
        let operator = days.operator(&world);
        let agent = Agent::start(&world.client, &world.namespace).await;
        wait_ready(&world.mailboxes, "agency-stttt", SOON).await;
        Some(Self { world, operator, agent, days })
    }

    async fn end(self) {
        self.operator.stop().await;
        self.world.end().await;
    }

    fn pass(&self, days: i64) {
        self.days.pass(days);
    }

    /// A Mailbox that is ready, with mail.
    async fn person(&self, name: &str, full_name: &str, more: &str) -> PathBuf {
        self.world.person(name, full_name, more).await;
        wait_ready(&self.world.mailboxes, name, SOON).await;
        let folder = self.folder(name);
        std::fs::create_dir_all(folder.join("mail/cur")).expect("mail");
        std::fs::write(folder.join("mail/cur/1"), "Subject: x").expect("a mail");
        folder
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.agent.folder.path().join("vmail").join(name)
    }

    async fn delete(&self, name: &str) {
        self.world.mailboxes.delete(name, &DeleteParams::default()).await.expect("deleted");
    }

    async fn claim(&self, local: &str) -> Option<AddressClaim> {
        self.world.claims.get_opt(local).await.expect("claims")
    }

    async fn claim_is(&self, local: &str, what: &str, is: impl Fn(&AddressClaim) -> bool) -> AddressClaim {
        eventually(&format!("{local}: {what}"), LOOKED, || async {
            let claim = self.claim(local).await.ok_or("no claim")?;
            if is(&claim) { Ok(claim) } else { Err(format!("{:?}", claim.spec)) }
        })
        .await
    }

    async fn status(&self, name: &str, what: &str, is: impl Fn(&MailboxStatus) -> bool) -> MailboxStatus {
        eventually(&format!("{name}: {what}"), LOOKED, || async {
            let found = self.world.mailboxes.get(name).await.map_err(|e| e.to_string())?;
            let status = found.status.unwrap_or_default();
            if is(&status) { Ok(status) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    async fn is_purged(&self, name: &str) -> MailboxStatus {
        self.status(name, "Purged", |status| status.state == Some(MailboxState::Purged)).await
    }

    async fn has_secret(&self, name: &str) -> bool {
        let api: Api<Secret> = Api::namespaced(self.world.client.clone(), &self.world.namespace);
        api.get_opt(&format!("{name}-credentials")).await.expect("secrets").is_some()
    }

    /// All accounts were looked at after this moment: somebody who vanishes is revoked by such a look.
    async fn looked(&self, name: &str) {
        self.person(name, "Phạm Văn Cảnh", &format!(", localPart: {name}.stttt")).await;
        self.delete(name).await;
        let query = format!("SELECT mailbox FROM accounts WHERE mailbox = '{name}' AND revoked");
        eventually(&query, LOOKED, || async {
            let found = self.agent.rows(&query);
            if found == [name] { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        self.claim_is(&format!("{name}.stttt"), "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    }

    /// Entries of the journal about a mailbox.
    fn entries(&self, mailbox: &str, action: &str) -> Vec<Event> {
        let entries = printed(&self.agent);
        let entries = entries.lines().filter_map(|line| journal::read(line).ok()).map(|entry| entry.event);
        entries.filter(|event| event.mailbox == mailbox && event.action == action).collect()
    }

    /// Its address says so a moment before the journal does.
    async fn refusal_is_written_down(&self, mailbox: &str) {
        eventually("it is written down", SOON, || async {
            let entries = self.entries(mailbox, "PurgeRefused");
            if entries.len() == 1 { Ok(()) } else { Err(format!("{entries:?}")) }
        })
        .await;
    }

    fn row(&self, mailbox: &str) -> Vec<String> {
        self.agent.rows(&format!("SELECT mailbox FROM accounts WHERE mailbox = '{mailbox}'"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_d_19_a_deleted_mailbox_is_purged_after_its_months_and_a_new_one_of_its_name_is_fresh() {
    let Some(kept) = Kept::new("purge").await else { return };
    let world = &kept.world;
    let mail = kept.person("nv-1", NAME, "").await;
    let other = kept.person("nv-2", "Lê Thị Hoa", "").await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    // The last guard: whoever is open is not removed, whatever a leader asks.
    let agent = agent_client(&world.client, &world.namespace, (kept.agent.address, 8443).into(), 1).await;
    let asked = vec![Purge { mailbox: "nv-2".into(), address: "hoalt.stttt@gialai.gov.vn".into(), finish: false }];
    let outcomes = agent.purge(asked).await.expect("an answer");
    assert!(matches!(outcomes.as_slice(), [Purged::Refused(_)]), "{outcomes:?}");
    assert!(other.exists());
    kept.delete("nv-1").await;
    kept.claim_is(LOCAL, "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    kept.pass(360);
    kept.looked("p1").await;
    assert!(mail.exists() && kept.has_secret("nv-1").await && kept.entries("nv-1", "Purge").is_empty());
    kept.pass(YEAR - 360);
    let claim = kept.claim_is(LOCAL, "a tombstone", |claim| claim.spec.address_use == AddressUse::Tombstone).await;
    assert!(claim.spec.purged_at.is_some(), "{:?}", claim.spec);
    assert!(!mail.exists() && other.exists() && !kept.has_secret("nv-1").await);
    assert_eq!(kept.row("nv-1"), Vec::<String>::new());
    let entries = kept.entries("nv-1", "Purge");
    assert_eq!((entries.len(), entries[0].rule.as_str(), entries[0].after.as_str()), (1, "D-14", "Purged"));
    // The same person under the same name: no mail, another password, and the address is nobody's (D-19).
    world.person("nv-1", NAME, "").await;
    wait_reason(&world.mailboxes, "nv-1", "Conflict", SOON).await;
    assert_eq!(world.address("nv-1").await, None);
    world.person("nv-1", NAME, ", disambiguator: '2'").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let address = world.address("nv-1").await.expect("an address");
    assert_ne!(address, format!("{LOCAL}@gialai.gov.vn"));
    assert_ne!(initial_password(&world.client, &world.namespace, "nv-1").await, password);
    let found = std::fs::read_dir(&mail).expect("a folder of its own").flatten();
    let names: Vec<_> = found.map(|entry| entry.file_name()).collect();
    assert_eq!((names, kept.row("nv-1")), (vec![".holder".into()], vec!["nv-1".to_string()]));
    // Its own pass ends no tombstone that is not its own, and nobody waits for it.
    kept.pass(TWO_YEARS);
    eventually("the tombstone ended", LOOKED, || async {
        kept.claim(LOCAL).await.map_or(Ok(()), |claim| Err(format!("{:?}", claim.spec)))
    })
    .await;
    assert_eq!((kept.entries("nv-1", "Purge").len(), world.address("nv-1").await), (1, Some(address)));
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_a_hold_survives_the_deletion_and_a_purged_mailbox_stays_purged() {
    let Some(mut kept) = Kept::new("hold").await else { return };
    let mail = kept.person("nv-1", NAME, HOLD).await;
    let held = |claim: &AddressClaim| claim.spec.hold.as_ref().is_some_and(|hold| hold.contains("5/TA"));
    kept.claim_is(LOCAL, "held", held).await;
    kept.delete("nv-1").await;
    kept.claim_is(LOCAL, "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    kept.pass(YEAR);
    kept.looked("p1").await;
    assert!(mail.exists() && kept.claim(LOCAL).await.is_some_and(|claim| held(&claim)));
    // It is lifted by the Mailbox itself; its time is over.
    kept.world.person("nv-1", NAME, REVOKED).await;
    kept.claim_is(LOCAL, "held no more", |claim| claim.spec.hold.is_none()).await;
    let status = kept.is_purged("nv-1").await;
    assert!(!mail.exists() && status.purged_at.is_some() && status.address.is_none() && status.revoked_at.is_some());
    assert_eq!(status.former_address, Some(format!("{LOCAL}@gialai.gov.vn")));
    assert_eq!(kept.entries("nv-1", "Purge").len(), 1);
    wait_ready(&kept.world.mailboxes, "nv-1", SOON).await;
    // Nobody opens it again, and it says what to do.
    kept.world.person("nv-1", NAME, "").await;
    let why = wait_reason(&kept.world.mailboxes, "nv-1", "Purged", SOON).await;
    eventually("it says what to do", SOON, || async {
        let why = wait_reason(&kept.world.mailboxes, "nv-1", "Purged", SOON).await;
        if why.contains("delete this Mailbox and create it again") { Ok(()) } else { Err(why) }
    })
    .await;
    assert!(!why.contains('@'), "{why}");
    // Nor does who loses its status, nor one who comes to it when tombstone and status are gone.
    kept.operator.stop().await;
    let wiped = json!({"status": null});
    let (name, how) = ("nv-1", PatchParams::default());
    kept.world.mailboxes.patch_status(name, &how, &Patch::Merge(&wiped)).await.expect("wiped");
    kept.operator = kept.days.operator(&kept.world);
    kept.is_purged("nv-1").await;
    kept.operator.stop().await;
    kept.world.person("nv-1", NAME, REVOKED).await;
    kept.world.claims.delete(LOCAL, &DeleteParams::default()).await.expect("deleted");
    kept.world.mailboxes.patch_status(name, &how, &Patch::Merge(&wiped)).await.expect("wiped");
    kept.operator = kept.days.operator(&kept.world);
    let revoked = |status: &MailboxStatus| {
        status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True" && c.reason == "Revoked")
    };
    kept.status("nv-1", "revoked, without an address", revoked).await;
    kept.looked("p3").await;
    assert!(kept.world.address("nv-1").await.is_none() && kept.claim(LOCAL).await.is_none());
    assert!(!kept.has_secret("nv-1").await);
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_who_had_the_name_of_a_mailbox_before_is_purged_in_time_while_that_stands() {
    let Some(kept) = Kept::new("former").await else { return };
    let folder = kept.person("nv-1", NAME, "").await;
    kept.delete("nv-1").await;
    kept.claim_is(LOCAL, "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    kept.world.person("nv-1", "Lê Thị Hoa", "").await;
    wait_reason(&kept.world.mailboxes, "nv-1", "HolderMismatch", SOON).await;
    kept.looked("p1").await;
    assert!(folder.exists());
    kept.pass(YEAR);
    kept.claim_is(LOCAL, "a tombstone", |claim| claim.spec.address_use == AddressUse::Tombstone).await;
    assert_eq!(kept.entries("nv-1", "Purge").len(), 1);
    // Now the name is hers, with a mail store of her own.
    wait_ready(&kept.world.mailboxes, "nv-1", LOOKED).await;
    assert_eq!(kept.world.address("nv-1").await.as_deref(), Some("hoalt.stttt@gialai.gov.vn"));
    assert!(!folder.join("mail/cur/1").exists());
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_r5_4_c_who_has_a_successor_is_purged_in_time_as_all_others() {
    let Some(kept) = Kept::new("heir").await else { return };
    let alias = ", aliases: [thuky.stttt]";
    let (folder, heir) = (kept.person("nv-1", NAME, alias).await, kept.person("nv-2", "Lê Thị Hoa", "").await);
    kept.world.person("nv-1", NAME, &format!("{alias}{REVOKED}, successorRef: {{name: nv-2}}")).await;
    let leads = |status: &MailboxStatus| status.forwarding.as_ref().is_some_and(|forwarding| forwarding.to.is_some());
    kept.status("nv-1", "mail goes to the successor", leads).await;
    kept.looked("p1").await;
    assert!(folder.exists());
    kept.pass(YEAR);
    kept.is_purged("nv-1").await;
    assert!(!folder.exists() && heir.exists());
    assert_eq!((kept.entries("nv-1", "Purge").len(), kept.entries("nv-1", "PurgeRefused").len()), (1, 0));
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_more_purges_than_the_brake_allows_wait_for_a_person() {
    let Some(kept) = Kept::new("mass").await else { return };
    let names: Vec<(String, String)> =
        (0..22).map(|i| (format!("nv-{i}"), format!(", localPart: m{i}.stttt"))).collect();
    for (name, pin) in &names {
        kept.person(name, "Trần Văn Minh", pin).await;
    }
    for (name, pin) in &names {
        kept.world.person(name, "Trần Văn Minh", &format!("{pin}{REVOKED}")).await;
    }
    for (name, _) in &names {
        kept.status(name, "revoked", |status| status.revoked_at.is_some()).await;
    }
    kept.pass(YEAR);
    let held = eventually("22 are held", LOOKED, || async {
        let system = kept.world.systems.get("gialai").await.map_err(|e| e.to_string())?;
        let held = system.status.and_then(|status| status.held).ok_or("nothing is held")?;
        let purges = held.actions.iter().filter(|action| action.action == "Purge").count();
        if purges == 22 { Ok(held) } else { Err(format!("{held:?}")) }
    })
    .await;
    assert!(names.iter().all(|(name, _)| kept.folder(name).exists()));
    assert!(kept.entries("nv-3", "Purge").is_empty());
    let word = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-held": held.token}}});
    kept.world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&word)).await.expect("said");
    for (name, _) in &names {
        kept.is_purged(name).await;
        assert_eq!((kept.folder(name).exists(), kept.entries(name, "Purge").len()), (false, 1), "{name}");
    }
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_killed_at_any_moment_it_purges_once_and_writes_it_down_once() {
    let Some(mut kept) = Kept::new("purge-kills").await else { return };
    let names: Vec<(String, String)> =
        (0..4).map(|i| (format!("nv-{i}"), format!(", localPart: m{i}.stttt"))).collect();
    for (name, pin) in &names {
        kept.person(name, "Trần Văn Minh", pin).await;
    }
    // Two of them are revoked by a document, two are gone.
    for (name, pin) in &names[..2] {
        kept.world.person(name, "Trần Văn Minh", &format!("{pin}{REVOKED}")).await;
        kept.status(name, "revoked", |status| status.revoked_at.is_some()).await;
    }
    for (i, (name, _)) in names.iter().enumerate().skip(2) {
        kept.delete(name).await;
        kept.claim_is(&format!("m{i}.stttt"), "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    }
    kept.operator.stop().await;
    kept.days.pass(YEAR);
    for _ in 0..25 {
        let operator = kept.days.operator(&kept.world);
        tokio::time::sleep(Duration::from_millis(600 + rand::random::<u64>() % 1_600)).await;
        operator.kill().await;
    }
    kept.operator = kept.days.operator(&kept.world);
    for (i, (name, _)) in names.iter().enumerate() {
        kept.claim_is(&format!("m{i}.stttt"), "purged", |claim| claim.spec.purged_at.is_some()).await;
        assert!(!kept.folder(name).exists() && !kept.has_secret(name).await, "{name}");
        assert_eq!((kept.entries(name, "Purge").len(), kept.entries(name, "PurgeRefused").len()), (1, 0), "{name}");
    }
    for (name, _) in &names[..2] {
        kept.is_purged(name).await;
    }
    eventually("no row is left", SOON, || async {
        let rows = kept.agent.rows("SELECT mailbox FROM accounts WHERE mailbox LIKE 'nv-%'");
        if rows.is_empty() { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_who_is_taken_back_at_the_last_moment_keeps_everything() {
    let Some(mut kept) = Kept::new("undo").await else { return };
    let mail = kept.person("nv-1", NAME, "").await;
    kept.world.person("nv-1", NAME, REVOKED).await;
    kept.status("nv-1", "revoked", |status| status.revoked_at.is_some()).await;
    kept.operator.stop().await;
    kept.days.pass(YEAR);
    // Its time is over, and a moment before anybody looks a person writes that it is open.
    kept.world.person("nv-1", NAME, "").await;
    kept.operator = kept.days.operator(&kept.world);
    kept.status("nv-1", "open", |status| status.revoked_at.is_none() && status.state.is_some()).await;
    kept.looked("p1").await;
    assert!(mail.exists() && kept.has_secret("nv-1").await && kept.entries("nv-1", "Purge").is_empty());
    kept.end().await;
}

/// The removal is begun by a leader that ends there: `asked` says whether the mail server was asked. Then somebody comes under the name.
async fn begun(world: &World, agent: &Agent, (name, local, asked): (&str, &str, bool)) {
    let claim = world.claims.get(local).await.expect("a claim");
    let life = claim.spec.life.as_ref().and_then(|life| life.revoked_at.clone());
    let revoked_at = claim.spec.revoked_at.clone().or(life).expect("revoked");
    let mark = json!({"spec": {"purging": {"revokedAt": revoked_at, "attempt": 1}}});
    world.claims.patch(local, &PatchParams::default(), &Patch::Merge(&mark)).await.expect("begun");
    if asked {
        let client = agent_client(&world.client, &world.namespace, (agent.address, 8443).into(), 1).await;
        let asked = vec![Purge { mailbox: name.into(), address: format!("{local}@gialai.gov.vn"), finish: false }];
        assert_eq!(client.purge(asked).await.expect("an answer"), [Purged::Done]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_who_is_created_while_a_former_account_is_removed_gets_nothing_of_it() {
    let Some(mut kept) = Kept::new("purge-again").await else { return };
    kept.person("nv-1", NAME, ", localPart: m1.stttt").await;
    let old = initial_password(&kept.world.client, &kept.world.namespace, "nv-1").await;
    kept.delete("nv-1").await;
    kept.claim_is("m1.stttt", "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    kept.operator.stop().await;
    kept.days.pass(YEAR);
    begun(&kept.world, &kept.agent, ("nv-1", "m1.stttt", true)).await;
    // The same person, under the same name.
    kept.world.person("nv-1", NAME, ", localPart: new1.stttt").await;
    kept.operator = kept.days.operator(&kept.world);
    let claim = kept.claim_is("m1.stttt", "a tombstone", |claim| claim.spec.purged_at.is_some()).await;
    assert_eq!((claim.spec.address_use, claim.spec.purging), (AddressUse::Tombstone, None));
    wait_ready(&kept.world.mailboxes, "nv-1", LOOKED).await;
    assert_eq!(kept.world.address("nv-1").await, Some("new1.stttt@gialai.gov.vn".into()));
    assert!(!kept.folder("nv-1").join("mail/cur/1").exists(), "mail of the former account");
    assert_ne!(initial_password(&kept.world.client, &kept.world.namespace, "nv-1").await, old);
    assert_eq!((kept.entries("nv-1", "Purge").len(), kept.entries("nv-1", "Reinstate").len()), (1, 0));
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_a_removal_that_was_begun_and_touched_nothing_heeds_who_comes_back_and_a_hold() {
    let Some(mut kept) = Kept::new("purge-begun").await else { return };
    for (name, pin) in [("nv-1", ", localPart: m1.stttt"), ("nv-2", ", localPart: m2.stttt")] {
        kept.person(name, NAME, pin).await;
    }
    let old = initial_password(&kept.world.client, &kept.world.namespace, "nv-1").await;
    kept.delete("nv-1").await;
    kept.claim_is("m1.stttt", "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    kept.world.person("nv-2", NAME, &format!(", localPart: m2.stttt{REVOKED}")).await;
    kept.status("nv-2", "revoked", |status| status.revoked_at.is_some()).await;
    kept.operator.stop().await;
    kept.days.pass(YEAR);
    for (name, local) in [("nv-1", "m1.stttt"), ("nv-2", "m2.stttt")] {
        begun(&kept.world, &kept.agent, (name, local, false)).await;
    }
    // Before the mail server was asked, the one comes back, and a document holds the other.
    kept.world.person("nv-1", NAME, ", localPart: m1.stttt").await;
    kept.world.person("nv-2", NAME, &format!(", localPart: m2.stttt{REVOKED}{HOLD}")).await;
    kept.operator = kept.days.operator(&kept.world);
    let refused = |claim: &AddressClaim| claim.spec.purging.as_ref().is_some_and(|purging| purging.refused);
    for (name, local) in [("nv-1", "m1.stttt"), ("nv-2", "m2.stttt")] {
        let claim = kept.claim_is(local, "kept", refused).await;
        assert!(claim.spec.purged_at.is_none() && kept.folder(name).join("mail/cur/1").exists(), "{name}");
        kept.refusal_is_written_down(name).await;
    }
    kept.status("nv-1", "open again", |status| status.revoked_at.is_none() && status.address.is_some()).await;
    assert_eq!(initial_password(&kept.world.client, &kept.world.namespace, "nv-1").await, old);
    kept.claim_is("m2.stttt", "held", |claim| claim.spec.hold.is_some()).await;
    kept.looked("p1").await;
    assert!(kept.folder("nv-2").join("mail/cur/1").exists() && kept.has_secret("nv-2").await);
    assert_eq!(kept.entries("nv-2", "Hold").len(), 1);
    kept.end().await;
}
