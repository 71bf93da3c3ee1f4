//! Tier 1: kinds, operator and agent on a real API server.

use std::time::Duration;

use crate::support::operator::{Agent, Operator};
use crate::support::{
    apply, drop_namespace, eventually, initial_password, namespace, ready, tier, wait_ready, wait_reason,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use mail_operator::api::{AddressClaim, Agency, MailSystem, Mailbox, QuotaPolicy};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

const SYSTEM: &str = "metadata: {name: gialai}\nspec: {domain: gialai.gov.vn, hostname: mail.gialai.gov.vn, dovecot: {replicas: 1, storage: {size: 1Gi}}}";
const AGENCY: &str = "metadata: {name: stttt}\nspec: {systemRef: {name: gialai}, level: Province, name: Sở Thông tin và Truyền thông, basis: {number: 01/QĐ, date: '2026-01-05', issuer: UBND tỉnh}}";

fn person(name: &str, full_name: &str, more: &str) -> String {
    format!(
        "metadata: {{name: {name}}}\nspec: {{agencyRef: {{name: stttt}}, fullName: {full_name}, basis: {{number: 12/VP, date: '2026-02-02', issuer: STTTT}}{more}}}"
    )
}

/// One namespace with what a test needs.
struct World {
    client: Client,
    namespace: String,
    systems: Api<MailSystem>,
    agencies: Api<Agency>,
    mailboxes: Api<Mailbox>,
    policies: Api<QuotaPolicy>,
    claims: Api<AddressClaim>,
}

impl World {
    async fn new(name: &str) -> Option<Self> {
        let client = tier(&[1]).await?;
        let namespace = namespace(&client, name).await;
        Some(Self {
            systems: Api::namespaced(client.clone(), &namespace),
            agencies: Api::namespaced(client.clone(), &namespace),
            mailboxes: Api::namespaced(client.clone(), &namespace),
            policies: Api::namespaced(client.clone(), &namespace),
            claims: Api::namespaced(client.clone(), &namespace),
            client,
            namespace,
        })
    }

    /// With a MailSystem, an Agency, an operator and an agent.
    async fn running(name: &str) -> Option<(Self, Operator, Agent)> {
        let world = Self::new(name).await?;
        apply(&world.systems, SYSTEM).await.expect("system");
        apply(&world.agencies, AGENCY).await.expect("agency");
        let operator = Operator::start(world.client.clone(), &world.namespace);
        let agent = Agent::start(&world.client, &world.namespace).await;
        wait_ready(&world.mailboxes, "agency-stttt", SOON).await;
        Some((world, operator, agent))
    }

    async fn person(&self, name: &str, full_name: &str, more: &str) {
        apply(&self.mailboxes, &person(name, full_name, more)).await.expect(name);
    }

    async fn address(&self, name: &str) -> Option<String> {
        self.mailboxes.get(name).await.expect(name).status.and_then(|s| s.address)
    }

    async fn end(self) {
        drop_namespace(&self.client, &self.namespace).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_2_a_a_commit_becomes_an_address_an_account_and_a_password() {
    let Some((world, operator, agent)) = World::running("issue").await else { return };
    world.person("nv-000123", "Hoàng Thị Như Quỳnh", "").await;
    let mailbox = wait_ready(&world.mailboxes, "nv-000123", SOON).await;
    assert_eq!(mailbox.status.and_then(|s| s.address).as_deref(), Some("quynhhtn.stttt@gialai.gov.vn"));
    let claim = world.claims.get("quynhhtn.stttt").await.expect("claim");
    assert_eq!(claim.spec.owner_ref.name, "nv-000123");
    let password = initial_password(&world.client, &world.namespace, "nv-000123").await;
    assert_eq!(mail_operator::domain::password::check(&password), [], "R9.2");
    agent
        .until(
            "SELECT address FROM accounts WHERE mailbox = 'nv-000123' AND locked = 0",
            &["quynhhtn.stttt@gialai.gov.vn"],
        )
        .await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issuing_a_mailbox_costs_three_writes_and_rest_costs_none() {
    let Some((world, operator, _agent)) = World::running("writes").await else { return };
    wait_ready(&world.agencies, "stttt", SOON).await;
    eventually("rest", SOON, || async {
        let before = operator.writes();
        tokio::time::sleep(Duration::from_secs(6)).await;
        if operator.writes() == before { Ok(()) } else { Err("still writing".into()) }
    })
    .await;
    let before = operator.writes();
    for i in 0..20 {
        world.person(&format!("nv-{i}"), &format!("Trần Văn {}", word(i)), "").await;
    }
    for i in 0..20 {
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
    }
    // The counts of the MailSystem are written once or twice, not per mailbox.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let cost = operator.writes() - before;
    assert!((60..=63).contains(&cost), "{cost} writes for 20 mailboxes: {:#?}", operator.requests());
    operator.stop().await;
    world.end().await;
}

/// Different given names without collisions.
fn word(i: usize) -> String {
    let letters = [
        "An", "Bình", "Chi", "Dũng", "Giang", "Hà", "Khoa", "Lan", "Minh", "Nam", "Oanh", "Phúc", "Quang", "Sơn",
        "Tâm", "Uyên", "Vân", "Xuân", "Yến", "Đạt",
    ];
    letters[i].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_that_comes_later_is_waited_for() {
    let Some(world) = World::new("later").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let agent = Agent::start(&world.client, &world.namespace).await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "AgencyNotFound", SOON).await;
    assert!(why.contains("spec.agencyRef") && why.contains("stttt"), "{why}");
    apply(&world.agencies, AGENCY).await.expect("agency");
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
    agent.until("SELECT address FROM accounts WHERE mailbox = 'nv-1'", &["nguyentd.stttt@gialai.gov.vn"]).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_d_05_a_newcomer_yields_and_is_told_who_holds_the_address() {
    let Some((world, operator, _agent)) = World::running("conflict").await else { return };
    world.person("nv-1", "Trần Huỳnh Tấn Minh", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.person("nv-2", "Trương Hoàng Tiến Minh", "").await;
    let why = wait_reason(&world.mailboxes, "nv-2", "Conflict", SOON).await;
    assert!(why.contains("minhtht.stttt") && why.contains("Trần Huỳnh Tấn Minh") && why.contains("nv-1"), "{why}");
    assert_eq!(world.address("nv-1").await.as_deref(), Some("minhtht.stttt@gialai.gov.vn"));
    // A pin settles it.
    world.person("nv-2", "Trương Hoàng Tiến Minh", ", localPart: tienminhth.stttt").await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    // An alias of somebody else's is refused and harms nothing.
    world
        .person(
            "nv-2",
            "Trương Hoàng Tiến Minh",
            ", localPart: tienminhth.stttt, aliases: [minhtht.stttt, minh2.stttt]",
        )
        .await;
    let why = wait_reason(&world.mailboxes, "nv-2", "AliasConflict", SOON).await;
    assert!(why.contains("spec.aliases[0]"), "{why}");
    assert_eq!(world.address("nv-2").await.as_deref(), Some("tienminhth.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_a_deletion_revokes_and_keeps_and_the_same_person_gets_it_back() {
    let Some((world, operator, agent)) = World::running("delete").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    agent
        .until("SELECT address FROM accounts WHERE mailbox = 'nv-1' AND revoked", &["nguyentd.stttt@gialai.gov.vn"])
        .await;
    world.claims.get("nguyentd.stttt").await.expect("the claim stays");
    // Somebody else under the same resource name gets nothing of it.
    world.person("nv-1", "Lê Thị Hoa", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "HolderMismatch", SOON).await;
    assert!(why.contains("Trần Đình Nguyên"), "{why}");
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE mailbox = 'nv-1' AND revoked"), ["nv-1"]);
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    // The same person does.
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
    assert_eq!(initial_password(&world.client, &world.namespace, "nv-1").await, password);
    agent
        .until(
            "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND NOT revoked AND password IS NOT NULL",
            &["nguyentd.stttt@gialai.gov.vn"],
        )
        .await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_a_deletion_while_the_operator_is_down_is_found_by_the_claim() {
    let Some((world, operator, agent)) = World::running("down").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    world.person("nv-2", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    operator.stop().await;
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    agent.until("SELECT mailbox FROM accounts WHERE revoked", &["nv-1"]).await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE NOT revoked AND mailbox LIKE 'nv-%'"), ["nv-2"]);
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_somebody_else_under_a_name_that_was_deleted_while_the_operator_was_down_gets_nothing() {
    let Some((world, operator, agent)) = World::running("swap").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    operator.stop().await;
    world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    world.person("nv-1", "Lê Thị Hoa", "").await;
    let operator = Operator::start(world.client.clone(), &world.namespace);
    wait_reason(&world.mailboxes, "nv-1", "HolderMismatch", SOON).await;
    agent.until("SELECT mailbox FROM accounts WHERE mailbox = 'nv-1' AND revoked", &["nv-1"]).await;
    // Nor does she when the claim is deleted by hand: folder and password are his.
    operator.stop().await;
    world.claims.delete("nguyentd.stttt", &DeleteParams::default()).await.expect("deleted");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let why = wait_reason(&world.mailboxes, "nv-1", "HolderMismatch", SOON).await;
    assert!(why.contains("Trần Đình Nguyên"), "{why}");
    assert_eq!(world.address("nv-1").await, None);
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_an_issued_address_is_claimed_again_when_its_claim_was_deleted() {
    let Some((world, operator, _agent)) = World::running("reclaim").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    world.person("nv-1", "Trần Đình Nguyện", "").await;
    eventually("the new name is said", SOON, || async {
        let conditions = world.mailboxes.get("nv-1").await.expect("nv-1").status.unwrap_or_default().conditions;
        let reason = conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.reason.clone());
        if reason.as_deref() == Some("NameChanged") { Ok(()) } else { Err(format!("{reason:?}")) }
    })
    .await;
    world.claims.delete("nguyentd.stttt", &DeleteParams::default()).await.expect("deleted");
    eventually("claimed again", SOON, || async {
        world.claims.get("nguyentd.stttt").await.map(drop).map_err(|e| e.to_string())
    })
    .await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_a_prune_of_everything_is_held_until_it_is_confirmed() {
    let Some((world, operator, agent)) = World::running("prune").await else { return };
    for i in 0..25 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    for i in 0..25 {
        wait_ready(&world.mailboxes, &format!("nv-{i}"), SOON).await;
    }
    let persons = ListParams::default().fields("spec.agencyRef.name=stttt");
    world.mailboxes.delete_collection(&DeleteParams::default(), &persons).await.expect("pruned");
    // The agency's own mailbox is made again at once.
    let held = async |count: usize| {
        eventually(&format!("{count} are held"), SOON, || async {
            let why = wait_reason(&world.systems, "gialai", "RevocationHeld", SOON).await;
            if why.contains(&format!("acknowledge-revocations={count}")) { Ok(()) } else { Err(why) }
        })
        .await;
    };
    held(25).await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE revoked"), Vec::<String>::new());
    // Those whose files come back are not asked for any more; the rest is confirmed.
    for i in 0..4 {
        world.person(&format!("nv-{i}"), "Trần Văn Minh", &format!(", localPart: m{i}.stttt")).await;
    }
    held(21).await;
    let confirm = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-revocations": "21"}}});
    world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&confirm)).await.expect("confirmed");
    agent.until("SELECT count(*) || '' FROM accounts WHERE revoked", &["21"]).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_operator_writes_nothing_and_changes_no_account() {
    let Some((world, operator, agent)) = World::running("restart").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.agencies, "stttt", SOON).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    operator.stop().await;
    let revision = agent.rows("SELECT value FROM meta WHERE key = 'revision'");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(agent.rows("SELECT value FROM meta WHERE key = 'revision'"), revision);
    // Children are applied once after a start (8 applies that change nothing); no status, claim or Secret is written.
    let text = operator.metrics.text();
    let written = |needle: &str| text.lines().any(|l| l.contains("kube_requests_total") && l.contains(needle));
    for needle in ["verb=\"patch/status\"", "verb=\"create\"", "kind=\"Mailbox\"", "kind=\"AddressClaim\""] {
        assert!(!written(needle), "{needle}: {text}");
    }
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_lost_its_table_gets_every_account_again() {
    let Some((world, operator, mut agent)) = World::running("lost").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    agent.kill();
    std::fs::remove_file(agent.folder.path().join("mail.sqlite")).expect("lost");
    // A change while the agent is down is kept and said.
    world.person("nv-2", "Lê Thị Hoa", "").await;
    let why = wait_reason(&world.mailboxes, "nv-2", "AgentUnavailable", SOON).await;
    assert!(why.contains("kept"), "{why}");
    assert_eq!(ready(&world.mailboxes.get("nv-1").await.expect("nv-1")), Ok(()), "nothing that is issued changes");
    agent.start_again();
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    agent.until("SELECT mailbox FROM accounts WHERE mailbox LIKE 'nv-%' ORDER BY mailbox", &["nv-1", "nv-2"]).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_1_a_lock_and_an_unlock_reach_the_table() {
    let Some((world, operator, agent)) = World::running("lock").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let lock = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";
    world.person("nv-1", "Trần Đình Nguyên", lock).await;
    agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'", &["nv-1"]).await;
    let status = wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let shown = eventually("state Locked", SOON, || async {
        let status = world.mailboxes.get("nv-1").await.expect("nv-1").status.unwrap_or_default();
        if status.locks.is_empty() { Err(format!("{:?}", status.state)) } else { Ok(status) }
    })
    .await;
    drop(status);
    assert_eq!(shown.locks[0].rule, "6.2.b");
    assert!(shown.locks[0].basis.contains("9/CV"));
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'", &[]).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_3_the_quota_follows_its_policy_and_says_which() {
    let Some((world, operator, agent)) = World::running("quota").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let quota = "SELECT quota_bytes || '/' || max_message_bytes FROM accounts WHERE mailbox = 'nv-1'";
    agent.until(quota, &["2147483648/27400000"]).await;
    let policy = |name: &str, storage: &str, more: &str| {
        format!(
            "metadata: {{name: {name}}}\nspec: {{systemRef: {{name: gialai}}, storage: {storage}, maxAttachment: 25M{more}}}"
        )
    };
    apply(&world.policies, &policy("people", "5Gi", ", selector: {holders: [Person]}")).await.expect("policy");
    agent.until(quota, &["5368709120/34250000"]).await;
    apply(&world.policies, &policy("leaders", "20Gi", "")).await.expect("policy");
    world.person("nv-1", "Trần Đình Nguyên", ", quotaPolicyRef: {name: leaders}").await;
    agent.until(quota, &["21474836480/34250000"]).await;
    let shown = eventually("source Mailbox", SOON, || async {
        let quota = world.mailboxes.get("nv-1").await.expect("nv-1").status.and_then(|s| s.quota).unwrap_or_default();
        if quota.source == "Mailbox" { Ok(quota) } else { Err(format!("{quota:?}")) }
    })
    .await;
    assert_eq!(shown.policy.as_deref(), Some("leaders"));
    // A reference to nothing falls back, loses nothing and says so.
    world.policies.delete("leaders", &DeleteParams::default()).await.expect("deleted");
    agent.until(quota, &["5368709120/34250000"]).await;
    wait_reason(&world.mailboxes, "nv-1", "QuotaPolicyNotFound", SOON).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_names_path_rule_and_remedy() {
    let Some(world) = World::new("bad").await else { return };
    let refused = |result: Result<_, kube::Error>, needles: &[&str]| {
        let Err(error) = result else { panic!("accepted: {needles:?}") };
        let text = error.to_string();
        for needle in needles {
            assert!(text.contains(needle), "{needle}: {text}");
        }
    };
    refused(
        apply(&world.mailboxes, &person("nv-1", "A B", ", localPart: Quỳnh")).await.map(drop),
        &["spec.localPart", "D-21"],
    );
    let date = person("nv-1", "A B", "").replace("2026-02-02", "2026-02-30");
    refused(apply(&world.mailboxes, &date).await.map(drop), &["spec.basis.date", "type date"]);
    let blank = person("nv-1", "A B", "").replace("12/VP", "' '");
    refused(apply(&world.mailboxes, &blank).await.map(drop), &["spec.basis", "R5.2"]);
    let unit = AGENCY.replace("level: Province", "level: Unit");
    refused(apply(&world.agencies, &unit).await.map(drop), &["R4.1.d", "spec.parentRef"]);
    let two = SYSTEM.replace("replicas: 1", "replicas: 2");
    refused(apply(&world.systems, &two).await.map(drop), &["spec.dovecot.replicas", "write 1"]);
    let domain = SYSTEM.replace("domain: gialai.gov.vn", "domain: Gia_Lai");
    refused(apply(&world.systems, &domain).await.map(drop), &["spec.domain", "gialai.gov.vn"]);
    apply(&world.systems, SYSTEM).await.expect("good");
    let other = SYSTEM.replace("domain: gialai.gov.vn", "domain: other.gov.vn");
    refused(apply(&world.systems, &other).await.map(drop), &["spec.domain", "cannot change"]);
    let policy = "metadata: {name: p}\nspec: {systemRef: {name: gialai}, storage: 1.5Gi, maxAttachment: 25M}";
    refused(apply(&world.policies, policy).await.map(drop), &["spec.storage", "R7.3"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_names_are_refused_with_a_reason_and_heal_when_mended() {
    let Some((world, operator, _agent)) = World::running("names").await else { return };
    for (name, full_name, needle) in [("nv-1", "Trần Đình Nguyên 2", "D-08"), ("nv-2", "Nguyеn Van A", "spec.fullName")]
    {
        world.person(name, full_name, "").await;
        let why = wait_reason(&world.mailboxes, name, "InvalidName", SOON).await;
        assert!(why.contains(needle), "{why}");
    }
    world.person("nv-3", "Lê Thị Hoa", ", localPart: postmaster").await;
    wait_reason(&world.mailboxes, "nv-3", "ReservedLocalPart", SOON).await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    // Bad input for an issued mailbox changes nothing of it.
    world.person("nv-1", "'123'", "").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.address("nv-1").await.as_deref(), Some("nguyentd.stttt@gialai.gov.vn"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_no_password_or_hash_outside_its_secret() {
    let Some((world, operator, _agent)) = World::running("secret").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    let seen = format!(
        "{:?}{:?}{}",
        world.mailboxes.list(&ListParams::default()).await.expect("list"),
        world.claims.list(&ListParams::default()).await.expect("list"),
        operator.metrics.text()
    );
    assert!(!seen.contains(&password) && !seen.contains("argon2id"));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_hash_reaches_the_table_and_a_bad_one_locks_nobody_out_of_receiving() {
    let Some((world, operator, agent)) = World::running("hash").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let write = |hash: &'static str| {
        let secrets = secrets.clone();
        async move {
            let patch = json!({"stringData": {"hash": hash}});
            secrets.patch("nv-1-credentials", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
        }
    };
    let good = "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
    write(good).await;
    agent.until("SELECT password FROM accounts WHERE mailbox = 'nv-1'", &[good]).await;
    write("plain").await;
    wait_reason(&world.mailboxes, "nv-1", "InvalidCredentials", SOON).await;
    agent
        .until(
            "SELECT address FROM accounts WHERE mailbox = 'nv-1' AND password IS NULL",
            &["nguyentd.stttt@gialai.gov.vn"],
        )
        .await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_systems_in_one_namespace_and_certificates_that_cannot_be_read_are_said() {
    let Some(world) = World::new("systems").await else { return };
    apply(&world.systems, &format!("{}\n", SYSTEM.replace("hostname:", "tls: {secretRef: {name: given}}, hostname:")))
        .await
        .expect("system");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let why = wait_reason(&world.systems, "gialai", "CertificateNotFound", SOON).await;
    assert!(why.contains("'given'"), "{why}");
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let bad: Secret = serde_json::from_value(json!({"metadata": {"name": "given"}, "type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "y"}})).expect("secret");
    secrets.create(&Default::default(), &bad).await.expect("created");
    wait_reason(&world.systems, "gialai", "CertificateUnreadable", Duration::from_secs(30)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    apply(
        &world.systems,
        &SYSTEM.replace("name: gialai}", "name: second}").replacen("gialai.gov.vn", "other.gov.vn", 1),
    )
    .await
    .expect("second");
    wait_reason(&world.systems, "second", "AnotherSystemInNamespace", SOON).await;
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_system_keeps_volume_claims_and_the_dkim_key() {
    let Some((world, operator, _agent)) = World::running("gone").await else { return };
    world.systems.delete("gialai", &DeleteParams::default()).await.expect("deleted");
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    // The garbage collector learns of new kinds each half minute.
    eventually("children are collected", Duration::from_secs(90), || async {
        match secrets.get_opt("gialai-agent-tls").await.expect("get") {
            None => Ok(()),
            Some(_) => Err("there".into()),
        }
    })
    .await;
    let volumes: Api<PersistentVolumeClaim> = Api::namespaced(world.client.clone(), &world.namespace);
    volumes.get("data-gialai-0").await.expect("the volume claim stays");
    secrets.get("gialai-dkim").await.expect("the DKIM key stays");
    world.claims.get("stttt").await.expect("the address stays");
    assert_eq!(world.mailboxes.get("agency-stttt").await.expect("stays").name_any(), "agency-stttt");
    operator.stop().await;
    world.end().await;
}
