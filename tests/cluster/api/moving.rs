//! An issued address gives way to another one at a transfer and on request (D-02, D-19), on a real API server.

use kube::api::{DeleteParams, Patch, PatchParams};
use mail_operator::api::AddressUse;
use serde_json::json;

use super::days::Days;
use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};

const SNV: &str = "metadata: {name: snv}\nspec: {systemRef: {name: gialai}, level: Province, name: Sở Nội vụ, basis: {number: 01/QĐ, date: '2026-01-05', issuer: UBND tỉnh}}";
const SYT: &str = "metadata: {name: syt}\nspec: {systemRef: {name: gialai}, level: Province, name: Sở Y tế, basis: {number: 01/QĐ, date: '2026-01-05', issuer: UBND tỉnh}}";
const RENAME: &str = ", rename: {basis: {number: 7/SNV, date: '2026-05-04', issuer: SNV}}";

impl World {
    /// A mailbox of an agency.
    async fn of(&self, agency: &str, name: &str, full_name: &str, more: &str) {
        let document = super::person(name, full_name, more).replace("{name: stttt}", &format!("{{name: {agency}}}"));
        apply(&self.mailboxes, &document).await.expect(name);
    }

    /// Waits for an address.
    async fn has(&self, name: &str, address: &str) {
        eventually(&format!("{name} has {address}"), SOON, || async {
            let now = self.address(name).await;
            if now.as_deref() == Some(address) { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    }

    /// Waits for the use of a claim; `None`: nobody has the address.
    async fn used(&self, local: &str, as_what: Option<AddressUse>) {
        eventually(&format!("{local} is {as_what:?}"), SOON, || async {
            let now = self.claims.get_opt(local).await.expect("claim").map(|c| c.spec.address_use);
            if now == as_what { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_a_transfer_gives_the_new_suffix_and_keeps_password_and_every_former_address_in_one_hop() {
    let Some((world, operator, agent)) = World::running("transfer").await else { return };
    apply(&world.agencies, SNV).await.expect("agency");
    apply(&world.agencies, SYT).await.expect("agency");
    world.person("nv-1", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    let hash = agent.rows("SELECT password FROM accounts WHERE mailbox = 'nv-1'");
    for (agency, aliases) in [
        ("snv", vec!["hoalt.stttt"]),
        ("syt", vec!["hoalt.snv", "hoalt.stttt"]),
        ("snv", vec!["hoalt.stttt", "hoalt.syt"]),
    ] {
        world.of(agency, "nv-1", "Lê Thị Hoa", "").await;
        let address = format!("hoalt.{agency}@gialai.gov.vn");
        world.has("nv-1", &address).await;
        let wanted: Vec<String> = aliases.iter().map(|a| format!("{a}@gialai.gov.vn|{address}")).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        agent
            .until("SELECT source || '|' || destination FROM aliases WHERE mailbox = 'nv-1' ORDER BY source", &wanted)
            .await;
        assert_eq!(agent.rows("SELECT address FROM accounts WHERE mailbox = 'nv-1'"), [address]);
        for alias in aliases {
            world.used(alias, Some(AddressUse::Alias)).await;
        }
    }
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    assert_eq!(agent.rows("SELECT password FROM accounts WHERE mailbox = 'nv-1'"), hash);
    assert_eq!(initial_password(&world.client, &world.namespace, "nv-1").await, password);
    // Whoever has the same name there now yields.
    world.person("nv-2", "Lê Thị Hoa", "").await;
    let why = wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    assert!(why.contains("hoalt.stttt@gialai.gov.vn") && why.contains("nv-1"), "{why}");
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_who_goes_back_gets_the_address_that_they_had_there_and_not_the_form_that_nobody_was_to_get() {
    // Both give minhtht, which nobody gets (4.2.b, D-03).
    let people = [("nv-1", "Trần Hữu Tiến Minh"), ("nv-2", "Trần Hữu Tấn Minh")];
    let Some((world, operator, agent)) = World::running_with("back", &people).await else { return };
    apply(&world.agencies, SNV).await.expect("agency");
    world.has("nv-1", "tienminhth.stttt@gialai.gov.vn").await;
    world.has("nv-2", "tanminhth.stttt@gialai.gov.vn").await;
    world.of("snv", "nv-1", "Trần Hữu Tiến Minh", "").await;
    world.has("nv-1", "minhtht.snv@gialai.gov.vn").await;
    world.used("tienminhth.stttt", Some(AddressUse::Alias)).await;
    world.person("nv-1", "Trần Hữu Tiến Minh", "").await;
    world.has("nv-1", "tienminhth.stttt@gialai.gov.vn").await;
    world.used("minhtht.snv", Some(AddressUse::Alias)).await;
    world.used("minhtht.stttt", None).await;
    let claim = world.claims.get("tienminhth.stttt").await.expect("claim");
    assert_eq!((claim.spec.address_use, claim.spec.until), (AddressUse::Primary, None));
    agent
        .until(
            "SELECT source || '|' || destination FROM aliases WHERE mailbox = 'nv-1'",
            &["minhtht.snv@gialai.gov.vn|tienminhth.stttt@gialai.gov.vn"],
        )
        .await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_06_d_14_a_transfer_takes_nobody_to_another_name_without_a_document() {
    let Some((world, operator, agent)) = World::running("transfer-name").await else { return };
    apply(&world.agencies, SNV).await.expect("agency");
    // The document of a rename that is long over still stands in the file.
    world.person("nv-1", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.person("nv-1", "Lê Thị Huệ", RENAME).await;
    world.has("nv-1", "huelt.stttt@gialai.gov.vn").await;
    // In one commit: another Agency, and somebody else.
    world.of("snv", "nv-1", "Trần Đình Nguyên", RENAME).await;
    let why = eventually("it says why", SOON, || async {
        let status = world.mailboxes.get("nv-1").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        let said = status.conditions.iter().find(|condition| condition.reason == "NameChanged");
        said.map(|condition| condition.message.clone()).ok_or_else(|| format!("{:?}", status.conditions))
    })
    .await;
    assert!(why.contains("issued to 'Lê Thị Huệ'") && why.contains("at a transfer as well"), "{why}");
    assert_eq!(world.address("nv-1").await.as_deref(), Some("huelt.stttt@gialai.gov.vn"));
    assert!(world.claims.get_opt("nguyentd.snv").await.expect("claims").is_none());
    let claim = world.claims.get("huelt.stttt").await.expect("its claim");
    assert_eq!(claim.spec.owner_name, "Lê Thị Huệ");
    assert_eq!(
        agent.rows("SELECT address FROM accounts WHERE mailbox = 'nv-1'"),
        ["huelt.stttt@gialai.gov.vn".to_string()]
    );
    // A new document says that it is the same person.
    world.of("snv", "nv-1", "Trần Đình Nguyên", &RENAME.replace("7/SNV", "8/SNV")).await;
    world.has("nv-1", "nguyentd.snv@gialai.gov.vn").await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_a_transfer_to_an_agency_that_is_not_there_yet_waits_and_the_account_goes_on() {
    let Some((world, operator, agent)) = World::running("wait").await else { return };
    world.person("nv-1", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.of("snv", "nv-1", "Lê Thị Hoa", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "AgencyNotFound", SOON).await;
    assert!(why.contains("hoalt.stttt@gialai.gov.vn stays"), "{why}");
    assert_eq!(
        agent.rows("SELECT address FROM accounts WHERE mailbox = 'nv-1' AND NOT locked AND NOT revoked"),
        ["hoalt.stttt@gialai.gov.vn"]
    );
    // An operator that was killed between the two claims of a transfer goes on where it was.
    operator.stop().await;
    apply(&world.agencies, SNV).await.expect("agency");
    let uid = world.mailboxes.get("nv-1").await.expect("mailbox").metadata.uid;
    let owner = json!({"kind": "Mailbox", "name": "nv-1", "uid": uid});
    let spec = json!({"use": "Primary", "ownerRef": owner, "ownerName": "Lê Thị Hoa", "agency": "snv"});
    let half = json!({"metadata": {"name": "hoalt.snv"}, "spec": spec}).to_string();
    apply(&world.claims, &half).await.expect("claim");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    world.has("nv-1", "hoalt.snv@gialai.gov.vn").await;
    world.used("hoalt.stttt", Some(AddressUse::Alias)).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_19_a_renamed_holder_keeps_the_old_address_as_alias_then_it_is_a_tombstone_then_free() {
    let Some(world) = World::new("rename").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    let days = Days::default();
    let operator = days.operator(&world);
    let _agent = Agent::start(&world.client, &world.namespace).await;
    world.person("nv-1", "Lê Thị Hoa", "").await;
    world.used("hoalt.stttt", Some(AddressUse::Primary)).await;
    // A new name alone changes nothing; the document does, once.
    world.person("nv-1", "Lê Thị Huệ", "").await;
    world.has("nv-1", "hoalt.stttt@gialai.gov.vn").await;
    world.person("nv-1", "Lê Thị Huệ", RENAME).await;
    world.has("nv-1", "huelt.stttt@gialai.gov.vn").await;
    world.used("hoalt.stttt", Some(AddressUse::Alias)).await;
    world.person("nv-1", "Lê Thị Hồng", RENAME).await;
    let look = async |days_later: i64| {
        days.set(days_later);
        world.look_again("nv-1").await;
    };
    look(380).await;
    world.used("hoalt.stttt", Some(AddressUse::Tombstone)).await;
    world.has("nv-1", "huelt.stttt@gialai.gov.vn").await;
    look(380 + 740).await;
    world.used("hoalt.stttt", None).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_19_a_tombstone_goes_to_another_body_only_by_supersedes_and_its_confirmation() {
    let Some((world, operator, agent)) = World::running("supersede").await else { return };
    let owner = json!({"kind": "Mailbox", "name": "agency-old"});
    let spec = json!({"use": "Tombstone", "ownerRef": owner, "ownerName": "Sở Nội vụ cũ"});
    let tombstone = json!({"metadata": {"name": "snv"}, "spec": spec}).to_string();
    apply(&world.claims, &tombstone).await.expect("tombstone");
    apply(&world.agencies, SNV).await.expect("agency");
    wait_reason(&world.mailboxes, "agency-snv", "Conflict", SOON).await;
    apply(&world.agencies, &SNV.replace("level:", "supersedes: [snv], level:")).await.expect("agency");
    let why = wait_reason(&world.mailboxes, "agency-snv", "SupersedesHeld", SOON).await;
    assert!(
        why.contains("D-19") && why.contains("Sở Nội vụ cũ") && why.contains("acknowledge-supersedes=snv"),
        "{why}"
    );
    assert!(agent.rows("SELECT address FROM accounts WHERE address LIKE 'snv@%'").is_empty());
    let confirm = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-supersedes": "snv"}}});
    world.mailboxes.patch("agency-snv", &PatchParams::default(), &Patch::Merge(&confirm)).await.expect("confirmed");
    wait_ready(&world.mailboxes, "agency-snv", SOON).await;
    // The folder is named after the new Mailbox: nothing of the old body's mail is in it.
    assert_eq!(
        agent.rows("SELECT mailbox FROM accounts WHERE address = 'snv@gialai.gov.vn'"),
        ["agency-snv".to_string()]
    );
    // Its clocks begin with its issue, and not with the address of the old body: also for a Mailbox that is made again at once.
    let issued = || async { world.mailboxes.get("agency-snv").await.expect("it").status.and_then(|s| s.issued_at) };
    let claim = world.claims.get("snv").await.expect("claim");
    let before = claim.spec.life.and_then(|life| life.issued_at);
    assert_eq!((issued().await, before.is_some()), (before.clone(), true));
    world.mailboxes.delete("agency-snv", &DeleteParams::default()).await.expect("deleted");
    wait_ready(&world.mailboxes, "agency-snv", SOON).await;
    assert_eq!(issued().await, before);
    operator.stop().await;
    world.end().await;
}
