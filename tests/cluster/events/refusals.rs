//! The API server refuses a write (quota, policy, webhook): it is said where a person looks, and heals by itself.

use super::*;
use crate::support::closed::Closed;

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_the_namespace_is_said_by_the_mailbox_and_heals() {
    let Some(world) = World::new("refused-quota").await else { return };
    let quotas: Api<k8s_openapi::api::core::v1::ResourceQuota> =
        Api::namespaced(world.client.clone(), &world.namespace);
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
        "spec": {"hard": {"count/secrets": "1"}}});
    put(&quotas, &quota).await;
    eventually("the quota is in force", SOON, || async {
        let quota = quotas.get("few").await.map_err(|e| e.to_string())?;
        quota
            .status
            .and_then(|s| s.used)
            .filter(|u| u.contains_key("count/secrets"))
            .ok_or("not yet".into())
            .map(|_| ())
    })
    .await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    let why = wait_reason(&world.mailboxes, "nv-1", "ApplyFailed", SOON).await;
    for needle in ["create Secret nv-1-credentials", "exceeded quota: few", "ResourceQuota"] {
        assert!(why.contains(needle), "{needle}: {why}");
    }
    world.until_told("Mailbox", "nv-1", &["Warning ApplyFailed"]).await;
    quotas.delete("few", &DeleteParams::default()).await.expect("deleted");
    let mailbox = wait_ready(&world.mailboxes, "nv-1", HEALED).await;
    let left = mailbox.status.expect("status").conditions;
    assert!(left.iter().all(|c| c.reason != "ApplyFailed"), "{left:?}");
    world.until_told("Mailbox", "nv-1", &["Warning ApplyFailed", "Normal Issued"]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_denies_is_said_by_mailbox_and_agency_and_heals() {
    let Some(world) = World::new("refused-policy").await else { return };
    // Claims of people, and mailboxes of agencies.
    let denied = "!(object.kind == 'AddressClaim' || object.metadata.name.startsWith('agency-'))";
    let closed = Closed::to(&world.client, &world.namespace, &["addressclaims", "mailboxes"], denied).await;
    let probe: Mailbox = serde_json::from_value(json!({"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": "Mailbox",
        "metadata": {"name": "agency-probe"}, "spec": {"agencyRef": {"name": "stttt"}, "fullName": "Thử", "holder": "Agency",
        "basis": {"number": "1", "date": "2026-01-01", "issuer": "x"}}}))
    .expect("a mailbox");
    closed.until_refused(&world.mailboxes, &probe).await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    apply(&world.agencies, &AGENCY.replace("stttt", "sxd").replace("Sở Thông tin và Truyền thông", "Sở Xây dựng"))
        .await
        .expect("agency");
    let why = wait_reason(&world.mailboxes, "nv-1", "ApplyFailed", SOON).await;
    assert!(why.contains("create AddressClaim nguyentd.stttt") && why.contains("closed for the year's end"), "{why}");
    let why = wait_reason(&world.agencies, "sxd", "ApplyFailed", SOON).await;
    assert!(why.contains("patch Mailbox agency-sxd") && why.contains("change that policy"), "{why}");
    closed.open().await;
    wait_ready(&world.mailboxes, "nv-1", HEALED).await;
    wait_ready(&world.agencies, "sxd", HEALED).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_does_not_answer_is_said_only_when_it_lasts_and_heals() {
    use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
    let Some(world) = World::new("refused-hook").await else { return };
    let name = format!("dead-{}", world.namespace);
    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(world.client.clone());
    // Nobody listens there.
    let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name}, "webhooks": [{"name": "dead.example.org", "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/"}, "timeoutSeconds": 1,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        "rules": [{"apiGroups": ["mail.gialai.gov.vn"], "apiVersions": ["*"], "operations": ["CREATE"],
            "resources": ["addressclaims"]}]}]});
    put(&hooks, &hook).await;
    let claims: Api<AddressClaim> = Api::namespaced(world.client.clone(), &world.namespace);
    let owner_ref = OwnerRef { kind: "Mailbox".into(), name: "nobody".into(), uid: None };
    let spec = AddressClaimSpec {
        address_use: AddressUse::Reserved,
        owner_ref,
        owner_name: "Thử".into(),
        ..AddressClaimSpec::default()
    };
    let probe = AddressClaim::new("probe", spec);
    eventually("the webhook is in force", SOON, || async {
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        match claims.create(&dry, &probe).await {
            Err(error) if error.to_string().contains("dead.example.org") => Ok(()),
            other => Err(format!("{:?}", other.map(drop))),
        }
    })
    .await;
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    eventually("a first attempt", SOON, || async {
        let failed = r#"reconcile_total{controller="mailbox",result="error"}"#;
        if world.operator.metrics.text().contains(failed) { Ok(()) } else { Err("none".into()) }
    })
    .await;
    let status = world.mailboxes.get("nv-1").await.expect("nv-1").status.expect("its default");
    assert!(status.conditions.is_empty(), "a blip is not written");
    let why = wait_reason(&world.mailboxes, "nv-1", "ApplyFailed", HEALED).await;
    assert!(why.contains("create AddressClaim nguyentd.stttt") && why.contains("again and again"), "{why}");
    hooks.delete(&name, &DeleteParams::default()).await.expect("deleted");
    wait_ready(&world.mailboxes, "nv-1", HEALED).await;
    world.end().await;
}
