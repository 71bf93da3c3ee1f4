//! Documents that come and go without a change of state are decisions, too (R5.2).

use super::days::{Lives, NAME};
use super::{SOON, World};
use crate::support::{eventually, wait_ready};

const AWAY: &str =
    ", absence: {from: '2026-03-01', to: '2026-06-30', basis: {number: 7/CV, date: '2026-02-20', issuer: STTTT}}";
const HELD: &str = ", hold: {basis: {number: 1/TA, date: '2026-02-20', issuer: TAND}}";
const ENDING: &str = ", ending: {basis: {number: 44/QĐ, date: '2026-02-20', issuer: STTTT}}";

impl Lives {
    async fn says(&self, spec: &str, wanted: &[(&str, usize)]) {
        self.person(spec).await;
        eventually(&format!("{wanted:?} after {spec}"), SOON, || async {
            let found = self.all_written(wanted.iter().map(|(action, _)| *action));
            if found.iter().eq(wanted.iter().map(|(_, times)| times)) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_2_d_14_r6_2_a_documents_that_come_and_go_are_written_down_each_once() {
    let Some(lives) = Lives::new("papers").await else { return };
    let World { mailboxes, claims, .. } = &lives.world;
    lives.says(&format!("{AWAY}{HELD}"), &[("Issue", 1), ("Absence", 1), ("Hold", 1)]).await;
    wait_ready(mailboxes, "nv-1", SOON).await;
    lives.says(HELD, &[("Absence", 1), ("EndAbsence", 1)]).await;
    lives.says(&format!("{AWAY}{HELD}"), &[("Absence", 2), ("EndAbsence", 1), ("Hold", 1)]).await;
    let revoked = ", state: Revoked";
    lives.says(&format!("{revoked}{HELD}"), &[("Revoke", 1), ("EndAbsence", 2), ("Document", 0)]).await;
    lives.says(&format!("{revoked}{HELD}{ENDING}"), &[("Document", 1), ("Revoke", 1)]).await;
    eventually("the address remembers them", SOON, || async {
        let papers = claims.get("nguyentd.stttt").await.map_err(|e| e.to_string())?.spec.papers();
        let known = (papers.hold.is_some(), papers.absence.is_some(), papers.ending.is_some());
        if known == (true, false, true) { Ok(()) } else { Err(format!("{papers:?}")) }
    })
    .await;
    // The next leader has nothing to add, nor has another look.
    lives.world.look_again("nv-1").await;
    lives.says(&format!("{revoked}{ENDING}"), &[("EndHold", 1), ("Hold", 1), ("Document", 1), ("Revoke", 1)]).await;
    let text = super::journal::printed(&lives.agent);
    let bare = text.lines().find(|line| line.contains("\"action\":\"Revoke\"")).expect("it stands there");
    assert!(bare.contains("no document is named (R5.2)") && !bare.contains("\"document\":\""), "{bare}");
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_2_d_02_a_document_that_comes_with_another_address_is_written_down_however_often_that_fails() {
    let Some(lives) = Lives::new("papers-moved").await else { return };
    lives.person(HELD).await;
    wait_ready(&lives.world.mailboxes, "nv-1", SOON).await;
    let Lives { world, operator, mut agent, days } = lives;
    agent.without_journal();
    let rename = ", disambiguator: '2', rename: {basis: {number: 8/CV, date: '2026-02-20', issuer: STTTT}}";
    world.person("nv-1", NAME, &format!("{AWAY}{rename}")).await;
    eventually("it has the other address", SOON, || async {
        world.claims.get("nguyentd2.stttt").await.map(drop).map_err(|e| e.to_string())
    })
    .await;
    world.look_again("nv-1").await;
    agent.until("SELECT address FROM accounts WHERE mailbox = 'nv-1'", &["nguyentd2.stttt@gialai.gov.vn"]).await;
    operator.stop().await;
    agent.with_journal_again();
    let lives = Lives { operator: days.operator(&world), world, agent, days };
    let wanted = [("ChangeAddress", 1), ("Hold", 1), ("EndHold", 1), ("Absence", 1)];
    lives.says(&format!("{AWAY}{rename}"), &wanted).await;
    lives.end().await;
}
