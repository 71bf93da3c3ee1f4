//! What of the life of an account outlives its Mailbox (D-14), and what clocks do not do while something is not known.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp, ToSpan};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use mail_operator::api::{AddressUse, MailboxActivityStatus, MailboxState, WorkCalendar};
use mail_operator::domain::calendar::day;

use super::days::{ADDRESS, COMPROMISED, Days, LOCKED, Lives, NAME, OPEN, restore};
use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually, initial_password, wait_ready, wait_reason};

const ROW: &str = "SELECT locked || revoked FROM accounts WHERE mailbox = 'nv-1'";

impl Lives {
    async fn delete(&self) {
        self.world.mailboxes.delete("nv-1", &DeleteParams::default()).await.expect("deleted");
    }

    /// How often an action stands in the journal for nv-1.
    pub fn written(&self, action: &str) -> usize {
        self.all_written([action])[0]
    }

    /// The same of several, at one time.
    pub fn all_written<'a>(&self, actions: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
        let text = super::journal::printed(&self.agent);
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("\"nv-1\"")).collect();
        let count = |action| lines.iter().filter(|line| line.contains(&format!("\"action\":\"{action}\""))).count();
        actions.into_iter().map(count).collect()
    }

    async fn revoked(&self) {
        self.agent.until("SELECT address FROM accounts WHERE mailbox = 'nv-1' AND revoked", &[ADDRESS]).await;
        eventually("the claim says so", SOON, || async {
            let claim = self.world.claims.get("nguyentd.stttt").await.map_err(|e| e.to_string())?;
            claim.spec.revoked_at.map(drop).ok_or("not yet".to_string())
        })
        .await;
    }
}

/// What a row said while something was going on, each value once.
fn watched(agent: &Agent) -> (std::thread::JoinHandle<Vec<String>>, std::sync::mpsc::Sender<()>) {
    let (path, (stop, stopped)) = (agent.folder.path().join("mail.sqlite"), std::sync::mpsc::channel());
    let task = std::thread::spawn(move || {
        let db = rusqlite::Connection::open(path).expect("database");
        let mut seen: Vec<String> = Vec::new();
        while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            let row = db.query_row(ROW, [], |row| row.get::<_, String>(0)).unwrap_or_default();
            if seen.last() != Some(&row) {
                seen.push(row);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        seen
    });
    (task, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn d_14_r6_3_a_lock_of_a_clock_outlives_the_mailbox_and_no_moment_opens_the_account() {
    let Some(lives) = Lives::new("kept-lock").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    lives.pass(40, &["nv-1"]).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    let before = lives.state("nv-1", MailboxState::Locked).await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    let (task, stop) = watched(&lives.agent);
    // Before anybody saw that it was gone, and after it was revoked.
    for revoked in [false, true] {
        lives.delete().await;
        if revoked {
            lives.revoked().await;
        }
        lives.person("").await;
        lives.agent.until(LOCKED, &[ADDRESS]).await;
        let after = lives.state("nv-1", MailboxState::Locked).await;
        assert_eq!((after.locks, after.issued_at), (before.locks.clone(), before.issued_at.clone()));
        assert_eq!(after.unlocked_at.is_some(), revoked, "an undone revocation begins all clocks anew (D-12)");
    }
    drop(stop);
    let seen = task.join().expect("seen");
    assert!(seen.iter().all(|row| row != "00"), "{seen:?}");
    assert_eq!((lives.written("Issue"), lives.written("Reinstate"), lives.written("Lock")), (1, 2, 1));
    // It takes the document of R6.3, and that is kept as well.
    lives.person(&restore("7/CV", lives.days.now())).await;
    lives.agent.until(OPEN, &[ADDRESS]).await;
    let open = lives.state("nv-1", MailboxState::Active).await;
    let second = initial_password(&world.client, &world.namespace, "nv-1").await;
    assert_ne!(second, password);
    lives.delete().await;
    lives.revoked().await;
    lives.person(&restore("7/CV", lives.days.now() - SignedDuration::from_hours(1))).await;
    let again = lives.until("nv-1", "as it was", |status| status.restored.is_some()).await;
    assert_eq!((again.state, initial_password(&world.client, &world.namespace, "nv-1").await), (open.state, second));
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_12_d_14_who_comes_back_months_later_is_not_locked_for_the_time_between() {
    let Some(lives) = Lives::new("kept-back").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    lives.delete().await;
    lives.revoked().await;
    lives.pass(120, &[]).await;
    lives.person("").await;
    lives.agent.until(OPEN, &[ADDRESS]).await;
    let status = lives.state("nv-1", MailboxState::Active).await;
    let unlocked = status.unlocked_at.expect("a baseline").0;
    assert!(lives.days.now().duration_since(unlocked) < SignedDuration::from_hours(1));
    let due = lives.until("nv-1", "due", |status| !status.due.is_empty()).await.due;
    assert!(due[0].at.0 > lives.days.now() + SignedDuration::from_hours(24 * 27), "{due:?}");
    let claim = world.claims.get("nguyentd.stttt").await.expect("claim").spec;
    assert_eq!((claim.revoked_at, claim.life.and_then(|life| life.unlocked_at).map(|at| at.0)), (None, Some(unlocked)));
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_2_d_a_new_first_password_has_a_month_of_its_own() {
    let Some(lives) = Lives::new("kept-first").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let first = initial_password(&world.client, &world.namespace, "nv-1").await;
    lives.change_password("nv-1").await;
    lives.until("nv-1", "changed", |status| status.password_changed_at.is_some()).await;
    lives.pass(60, &["nv-1"]).await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    secrets.delete("nv-1-credentials", &DeleteParams::default()).await.expect("deleted");
    let status = lives.until("nv-1", "a new one", |status| status.initial_password_at.is_some()).await;
    let due = lives.until("nv-1", "due", |status| !status.due.is_empty()).await.due;
    assert_eq!((due[0].reason.as_str(), status.locks.len()), ("DefaultPassword", 0));
    assert!(due[0].at.0 > lives.days.now() + SignedDuration::from_hours(24 * 27), "{due:?}");
    assert_ne!(initial_password(&world.client, &world.namespace, "nv-1").await, first);
    assert_eq!(lives.written("NewPassword"), 1, "R5.2");
    // Nor does a look at all of them lock it.
    world.person("nv-2", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    assert_eq!(lives.agent.rows(OPEN), [ADDRESS]);
    lives.pass(35, &["nv-1"]).await;
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_3_dd_a_proposal_that_fell_due_while_nobody_looked_is_made() {
    let Some(lives) = Lives::new("kept-proposal").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    lives.change_password("nv-1").await;
    lives.until("nv-1", "changed", |status| status.password_changed_at.is_some()).await;
    let later = |days: i64| Timestamp::now() + SignedDuration::from_hours(24 * days);
    let received = Some(day(later(180)).to_string());
    let more = MailboxActivityStatus { last_receive: received, ..MailboxActivityStatus::default() };
    lives.used("nv-1", later(300), more).await;
    lives.until("nv-1", "looked at", |status| status.due.is_empty()).await;
    // Nobody has it looked at.
    lives.pass(190, &[]).await;
    eventually("it is proposed", std::time::Duration::from_secs(60), || async {
        let status = world.mailboxes.get("nv-1").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        if status.proposed_at.is_some() { Ok(()) } else { Err(format!("{:?}", status.state)) }
    })
    .await;
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_09_a_work_calendar_that_is_not_there_stops_clocks_and_not_people() {
    let system = SYSTEM.replace("regulation: {", "regulation: {workCalendarRef: {name: lich}, ");
    let Some(lives) = Lives::with("kept-calendar", &system).await else { return };
    let world = &lives.world;
    lives.person("").await;
    let why = wait_reason(&world.systems, "gialai", "WorkCalendarNotFound", std::time::Duration::from_secs(60)).await;
    assert!(why.contains("'lich'") && why.contains("workCalendarRef"), "{why}");
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    lives.pass(40, &["nv-1"]).await;
    world.person("nv-2", "Lê Thị Hoa", COMPROMISED).await;
    lives.agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'", &["nv-2"]).await;
    let calendars: Api<WorkCalendar> = Api::namespaced(world.client.clone(), &world.namespace);
    apply(&calendars, "metadata: {name: lich}\nspec: {holidays: []}").await.expect("calendar");
    lives.agent.until(LOCKED, &[ADDRESS]).await;
    lives.state("nv-1", MailboxState::Locked).await;
    eventually("the MailSystem is as it was", SOON, || async {
        let system = world.systems.get("gialai").await.map_err(|e| e.to_string())?;
        let reason = system.status.iter().flat_map(|s| &s.conditions).find(|c| c.reason == "WorkCalendarNotFound");
        reason.map_or(Ok(()), |reason| Err(reason.message.clone()))
    })
    .await;
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_2_b_a_lock_that_was_never_written_down_ends_with_a_new_password_also_with_the_next_leader() {
    let Some(lives) = Lives::new("kept-unsaid").await else { return };
    let world = &lives.world;
    lives.person("").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let leaked = initial_password(&world.client, &world.namespace, "nv-1").await;
    // A journal that cannot be written, and that the agent does not have open.
    let Lives { world, operator, mut agent, days } = lives;
    agent.without_journal();
    world.person("nv-1", NAME, COMPROMISED).await;
    agent.until(LOCKED, &[ADDRESS]).await;
    eventually("the claim knows", SOON, || async {
        let life = world.claims.get("nguyentd.stttt").await.map_err(|e| e.to_string())?.spec.life;
        life.filter(|life| life.locks.len() == 1).map(drop).ok_or("not yet".to_string())
    })
    .await;
    let status = world.mailboxes.get("nv-1").await.expect("nv-1").status.expect("status");
    assert_eq!(status.locks.len(), 0, "what is not written down is not said");
    operator.stop().await;
    world.person("nv-1", NAME, "").await;
    agent.with_journal_again();
    let operator = days.operator(&world);
    let lives = Lives { world, operator, agent, days };
    lives.until("nv-1", "given back", |status| status.unlocked_at.is_some()).await;
    lives.agent.until(OPEN, &[ADDRESS]).await;
    assert_ne!(initial_password(&lives.world.client, &lives.world.namespace, "nv-1").await, leaked);
    let claim = lives.world.claims.get("nguyentd.stttt").await.expect("claim").spec.life.expect("kept");
    assert_eq!((claim.locks.len(), claim.unlocked_at.is_some()), (0, true));
    assert_eq!(lives.written("Unlock"), 1);
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_4_b_a_clock_that_is_days_ahead_ends_nobody() {
    let Some(world) = World::new("kept-ahead").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    // The clock of the operator's node, which somebody sets.
    let ahead = Days::default();
    let operator = Operator::start_at(world.client.clone(), &world.namespace, ahead.clock());
    let agent = Agent::start(&world.client, &world.namespace).await;
    let soon = day(Timestamp::now()).checked_add(2.days()).expect("a day");
    world.person("nv-1", NAME, &format!(", endsOn: '{soon}'")).await;
    // Another one is to begin then, and one has begun.
    world.person("nv-4", "Trịnh Tư", &format!(", startsOn: '{soon}'")).await;
    world.person("nv-5", "Đinh Năm", &format!(", startsOn: '{}'", day(Timestamp::now()))).await;
    for name in ["nv-1", "nv-4", "nv-5"] {
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    ahead.set(4);
    let why = wait_reason(&world.systems, "gialai", "ClocksDiffer", std::time::Duration::from_secs(90)).await;
    assert!(why.contains("4 days ahead") && why.contains("NTP"), "{why}");
    // What people write is done, and when that is, a look at all would have released the others.
    world.person("nv-3", "Phạm Cúc", COMPROMISED).await;
    agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'", &["nv-3"]).await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE revoked"), Vec::<String>::new());
    for name in ["nv-4", "nv-5"] {
        world.look_again(name).await;
    }
    let told = async |reason: &str| {
        eventually(reason, SOON, || async {
            let status = world.mailboxes.get("nv-4").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            let ready = status.conditions.into_iter().find(|c| c.type_ == "Ready").ok_or("nothing yet")?;
            if ready.reason == reason { Ok(ready.message) } else { Err(ready.reason) }
        })
        .await
    };
    let why = told("ClocksDiffer").await;
    assert!(why.contains(&soon.to_string()) && why.contains("one time"), "{why}");
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE pending"), ["nv-4"]);
    // The same as far behind: who has begun goes on.
    ahead.set(-4);
    for name in ["nv-4", "nv-5"] {
        world.look_again(name).await;
    }
    told("NotStarted").await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE pending"), ["nv-4"]);
    ahead.set(0);
    eventually("the MailSystem is as it was", std::time::Duration::from_secs(90), || async {
        let system = world.systems.get("gialai").await.map_err(|e| e.to_string())?;
        let reason = system.status.iter().flat_map(|s| &s.conditions).find(|c| c.reason == "ClocksDiffer");
        reason.map_or(Ok(()), |reason| Err(reason.message.clone()))
    })
    .await;
    operator.stop().await;
    world.end().await;
}

/// A clock that is far behind believes that no day has come; one that is far ahead, that every term is over.
#[tokio::test(flavor = "multi_thread")]
async fn d_19_no_former_address_changes_by_a_clock_that_nobody_believes() {
    let Some(world) = World::new("kept-former").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    let snv = AGENCY.replace("{name: stttt}", "{name: snv}").replace("Sở Thông tin và Truyền thông", "Sở Nội vụ");
    apply(&world.agencies, &snv).await.expect("agency");
    // The clock by which certificates are made is wrong by a day: one that is years off makes none that are good.
    let (ahead, wall) = (Days::default(), Days::default());
    let operator = Operator::start_with(world.client.clone(), &world.namespace, ahead.clock(), wall.clock());
    let agent = Agent::start(&world.client, &world.namespace).await;
    let moved = async |name: &str, full_name: &str| {
        let document = super::person(name, full_name, "").replace("{name: stttt}", "{name: snv}");
        apply(&world.mailboxes, &document).await.expect(name);
    };
    for (name, full_name) in [("nv-1", NAME), ("nv-2", "Phạm Cúc"), ("nv-3", "Trịnh Tư")] {
        world.person(name, full_name, "").await;
        wait_ready(&world.mailboxes, name, SOON).await;
    }
    // One was moved before, and one whose tombstone stands is gone.
    moved("nv-1", NAME).await;
    let aliases = "SELECT source FROM aliases WHERE mailbox LIKE 'nv-%' ORDER BY source";
    agent.until(aliases, &[ADDRESS]).await;
    let mut tombstone = world.claims.get("tut.stttt").await.expect("claim");
    tombstone.metadata.name = Some("xua.stttt".into());
    (tombstone.metadata.uid, tombstone.metadata.resource_version) = (None, None);
    tombstone.spec.address_use = AddressUse::Tombstone;
    tombstone.spec.owner_ref.name = "nv-9".into();
    tombstone.spec.until = Some(Time(Timestamp::now() + SignedDuration::from_hours(24)));
    world.claims.create(&PostParams::default(), &tombstone).await.expect("a tombstone");
    // In this order: never 2,000 days ahead by clocks that agree.
    wall.set(1);
    ahead.set(2_000);
    moved("nv-2", "Phạm Cúc").await;
    world.look_again("nv-1").await;
    eventually("nv-2 has its new address", SOON, || async {
        let address = world.address("nv-2").await;
        if address.as_deref() == Some("cucp.snv@gialai.gov.vn") { Ok(()) } else { Err(format!("{address:?}")) }
    })
    .await;
    // All accounts were looked at meanwhile: a deletion is no clock.
    world.mailboxes.delete("nv-3", &DeleteParams::default()).await.expect("deleted");
    agent.until("SELECT mailbox FROM accounts WHERE revoked", &["nv-3"]).await;
    // Mail to the former addresses arrives.
    let both = ["cucp.stttt@gialai.gov.vn", ADDRESS];
    agent.until(aliases, &both).await;
    assert_eq!(world.claims.get("nguyentd.stttt").await.expect("claim").spec.address_use, AddressUse::Alias);
    assert_eq!(world.claims.get("cucp.stttt").await.expect("claim").spec.until, None);
    world.claims.get("xua.stttt").await.expect("the tombstone stands");
    // Nor is anything kept for less time than it is owed.
    let revoked = eventually("the claim says since when", SOON, || async {
        let claim = world.claims.get("tut.stttt").await.map_err(|e| e.to_string())?;
        claim.spec.revoked_at.ok_or_else(|| "not yet".to_string())
    })
    .await;
    assert!(revoked.0 > Timestamp::now() - SignedDuration::from_hours(1));
    // When the time is known, it gets the end that it is to have.
    ahead.set(0);
    wall.set(0);
    let until = eventually("it ends in time", std::time::Duration::from_secs(120), || async {
        let claim = world.claims.get("cucp.stttt").await.map_err(|e| e.to_string())?;
        let until = claim.spec.until.filter(|_| claim.spec.address_use == AddressUse::Alias);
        until.map(|until| until.0).ok_or_else(|| "not yet".to_string())
    })
    .await;
    assert!(until > Timestamp::now() + SignedDuration::from_hours(24 * 300), "{until}");
    assert!(until < Timestamp::now() + SignedDuration::from_hours(24 * 800), "{until}");
    agent.until(aliases, &both).await;
    operator.stop().await;
    world.end().await;
}

/// What is issued, given back or revoked while the operator's clock is months behind is not locked, nor removed, when somebody sets it.
#[tokio::test(flavor = "multi_thread")]
async fn d_12_r6_2_d_no_term_begins_before_what_it_counts_from() {
    let Some(world) = World::new("kept-behind").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    let (clock, wall) = (Days::default(), Days::default());
    clock.set(-500);
    wall.set(-1);
    let begin = Timestamp::now() - SignedDuration::from_secs(2);
    let operator = Operator::start_with(world.client.clone(), &world.namespace, clock.clock(), wall.clock());
    let agent = Agent::start(&world.client, &world.namespace).await;
    world.person("nv-1", NAME, "").await;
    world.person("nv-2", "Phạm Cúc", COMPROMISED).await;
    world.person("nv-3", "Trịnh Tư", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.mailboxes, "nv-3", SOON).await;
    agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'", &["nv-2"]).await;
    world.person("nv-2", "Phạm Cúc", "").await;
    agent.until("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'", &[]).await;
    let ending = ", state: Revoked, ending: {basis: {number: 3/QĐ, date: '2026-03-01', issuer: STTTT}}";
    world.person("nv-3", "Trịnh Tư", ending).await;
    agent.until("SELECT mailbox FROM accounts WHERE revoked", &["nv-3"]).await;
    let status = async |name: &str, is: &dyn Fn(&mail_operator::api::MailboxStatus) -> bool| {
        eventually(name, SOON, || async {
            let status = world.mailboxes.get(name).await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            if is(&status) { Ok(status) } else { Err(format!("{status:?}")) }
        })
        .await
    };
    let later = |at: Option<Time>| at.is_some_and(|at| at.0 >= begin);
    let issued = status("nv-1", &|status| status.issued_at.is_some()).await;
    assert!(later(issued.issued_at.clone()), "{:?}", issued.issued_at);
    let unlocked = status("nv-2", &|status| status.unlocked_at.is_some()).await;
    assert!(later(unlocked.unlocked_at.clone()), "{:?}", unlocked.unlocked_at);
    let revoked = status("nv-3", &|status| status.revoked_at.is_some()).await;
    assert!(later(revoked.revoked_at.clone()), "{:?}", revoked.revoked_at);
    // Somebody sets the clock.
    clock.set(0);
    wall.set(0);
    eventually("the MailSystem believes it", std::time::Duration::from_secs(90), || async {
        let system = world.systems.get("gialai").await.map_err(|e| e.to_string())?;
        let reason = system.status.iter().flat_map(|s| &s.conditions).find(|c| c.reason == "ClocksDiffer");
        reason.map_or(Ok(()), |reason| Err(reason.message.clone()))
    })
    .await;
    world.person("nv-4", "Đinh Năm", "").await;
    wait_ready(&world.mailboxes, "nv-4", SOON).await;
    world.mailboxes.delete("nv-4", &DeleteParams::default()).await.expect("deleted");
    agent.until("SELECT mailbox FROM accounts WHERE revoked ORDER BY mailbox", &["nv-3", "nv-4"]).await;
    assert_eq!(agent.rows("SELECT mailbox FROM accounts WHERE locked AND mailbox LIKE 'nv-%'"), Vec::<String>::new());
    operator.stop().await;
    world.end().await;
}
