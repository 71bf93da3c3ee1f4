use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::effects::keep_unsaid;
use crate::api::{AddressClaim, MailboxStatus};
use crate::controllers::fixture;

#[tokio::test]
async fn r6_2_b_a_pass_waits_until_its_cache_shows_a_lock_that_could_not_be_written_down() {
    let now = "2026-05-10T00:00:00Z".parse().expect("a time");
    let ctx = fixture::ctx(now);
    let claim: AddressClaim = serde_json::from_value(json!({
        "metadata": {"name": "anl.stttt", "namespace": "mail", "resourceVersion": "1"},
        "spec": {"use": "Primary", "ownerRef": {"kind": "Mailbox", "name": "nv-1", "uid": "u-1"}, "ownerName": "Lê An"}}))
    .expect("a claim");
    let basis = json!({"number": "9/CV", "date": "2026-02-05", "issuer": "STTTT"});
    let status: MailboxStatus = serde_json::from_value(json!({"issuedAt": Time(now),
        "locks": [{"reason": "Compromised", "rule": "6.2.b", "since": Time(now), "basis": basis}]}))
    .expect("a status");
    keep_unsaid(&claim, &status, &ctx).await.expect("written");
    assert!(ctx.written.is_just_newer_than(&claim), "the cache is behind what was written");
}
