//! Removals that the mail server refuses (D-14): nothing is touched, it is said and written down, and tried again as another decision.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn d_14_what_the_mail_server_refuses_is_kept_and_the_next_try_is_another_decision() {
    let Some(mut kept) = Kept::new("purge-refused").await else { return };
    let mail = kept.person("nv-1", NAME, "").await;
    kept.delete("nv-1").await;
    kept.claim_is(LOCAL, "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    // What stands in the place of its folder is none.
    std::fs::remove_dir_all(&mail).expect("removed");
    std::fs::write(&mail, "").expect("a file");
    kept.pass(YEAR);
    let refused = |claim: &AddressClaim| claim.spec.purging.as_ref().is_some_and(|purging| purging.refused);
    let claim = kept.claim_is(LOCAL, "refused", refused).await;
    assert!(claim.spec.purged_at.is_none() && kept.has_secret("nv-1").await);
    kept.refusal_is_written_down("nv-1").await;
    assert_eq!(kept.entries("nv-1", "Purge").len(), 1);
    kept.world.pod_is_ready().await;
    eventually("it is said", SOON, || async {
        let status = kept.world.systems.get("gialai").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        let said = status.conditions.iter().any(|c| c.reason == "PurgeRefused" && c.message.contains("nv-1"));
        if said { Ok(()) } else { Err(format!("{:?}", status.conditions)) }
    })
    .await;
    kept.operator.stop().await;
    std::fs::remove_file(&mail).expect("removed");
    kept.operator = kept.days.operator(&kept.world);
    kept.claim_is(LOCAL, "a tombstone", |claim| claim.spec.purged_at.is_some()).await;
    assert_eq!((kept.entries("nv-1", "Purge").len(), kept.entries("nv-1", "PurgeRefused").len()), (2, 1));
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_2_d_14_a_refusal_is_written_down_by_the_next_leader_where_the_last_one_ended_before() {
    let Some(mut kept) = Kept::new("purge-unsaid").await else { return };
    kept.person("nv-1", NAME, "").await;
    kept.delete("nv-1").await;
    let claim = kept.claim_is(LOCAL, "revoked", |claim| claim.spec.revoked_at.is_some()).await;
    kept.operator.stop().await;
    // The last leader said beside the address that nothing was removed, and ended there.
    let mark = json!({"metadata": {"annotations": {REFUSED_BECAUSE: "no folder"}},
        "spec": {"purging": {"revokedAt": claim.spec.revoked_at, "attempt": 1, "refused": true}}});
    kept.world.claims.patch(LOCAL, &PatchParams::default(), &Patch::Merge(&mark)).await.expect("refused");
    kept.operator = kept.days.operator(&kept.world);
    for _ in 0..2 {
        kept.claim_is(LOCAL, "said", |claim| !claim.annotations().contains_key(REFUSED_BECAUSE)).await;
        kept.refusal_is_written_down("nv-1").await;
        kept.operator.stop().await;
        kept.operator = kept.days.operator(&kept.world);
    }
    let entry = kept.entries("nv-1", "PurgeRefused").remove(0);
    assert_eq!(
        (entry.note.as_str(), entry.address.as_str()),
        ("nothing was removed: no folder", &*format!("{LOCAL}@gialai.gov.vn"))
    );
    kept.end().await;
}
