//! Automation acts once: the operator is killed a hundred times, at any moment, while accounts are locked and given back.

use std::collections::BTreeSet;
use std::time::Duration;

use mail_operator::api::{MailboxState, MailboxStatus};
use mail_operator::domain::journal;

use super::days::{Days, restore};
use super::journal::printed;
use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::Agent;
use crate::support::{apply, eventually, initial_password, wait_ready};

/// Of each of the two: lock and give back.
const KILLS: usize = 50;
const PEOPLE: usize = 4;
/// The caches are filled, the mail server is met, all accounts are looked at and each is brought to what was decided within this.
const MOMENTS: u64 = 1_600;

fn people() -> impl Iterator<Item = (String, String)> {
    (0..PEOPLE).map(|i| (format!("nv-{i}"), format!(", localPart: m{i}.stttt")))
}

struct Kills {
    world: World,
    agent: Agent,
    days: Days,
}

impl Kills {
    async fn status(&self, name: &str) -> MailboxStatus {
        self.world.mailboxes.get(name).await.expect(name).status.unwrap_or_default()
    }

    /// Kills it again and again, each time somewhere else, and lets the last one come to its end.
    async fn killed(&self, seen: &mut BTreeSet<String>, until: MailboxState) {
        for _ in 0..KILLS {
            let operator = self.days.operator(&self.world);
            tokio::time::sleep(Duration::from_millis(rand::random::<u64>() % MOMENTS)).await;
            operator.kill().await;
            for (name, _) in people() {
                seen.insert(format!(
                    "{name} {}",
                    initial_password(&self.world.client, &self.world.namespace, &name).await
                ));
            }
        }
        let operator = self.days.operator(&self.world);
        for (name, _) in people() {
            eventually(&format!("{name} is {until:?}"), SOON, || async {
                let state = self.status(&name).await.state;
                if state == Some(until) { Ok(()) } else { Err(format!("{state:?}")) }
            })
            .await;
        }
        operator.stop().await;
    }

    /// How often each action stands in the journal.
    fn entries(&self, action: &str, mailbox: &str) -> usize {
        let text = printed(&self.agent);
        let entries = text.lines().filter_map(|line| journal::read(line).ok());
        entries.filter(|entry| entry.event.action == action && entry.event.mailbox == mailbox).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_r5_2_killed_a_hundred_times_it_locks_once_makes_one_password_and_writes_each_decision_once() {
    let Some(world) = World::new("kills").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    let days = Days::default();
    let first = days.operator(&world);
    let agent = Agent::start(&world.client, &world.namespace).await;
    let kills = Kills { world, agent, days };
    for (name, pin) in people() {
        kills.world.person(&name, "Trần Văn Minh", &pin).await;
    }
    for (name, _) in people() {
        wait_ready(&kills.world.mailboxes, &name, SOON).await;
    }
    first.stop().await;
    // The default password stands for too long (6.2.d).
    kills.days.set(40);
    let mut passwords = BTreeSet::new();
    kills.killed(&mut passwords, MailboxState::Locked).await;
    assert_eq!(passwords.len(), PEOPLE, "nobody got another password");
    for (name, _) in people() {
        assert_eq!((kills.entries("Issue", &name), kills.entries("Lock", &name)), (1, 1), "{name}");
        assert_eq!(kills.status(&name).await.locks.len(), 1);
    }
    let document = restore("7/CV", kills.days.now());
    for (name, pin) in people() {
        kills.world.person(&name, "Trần Văn Minh", &format!("{pin}{document}")).await;
    }
    kills.killed(&mut passwords, MailboxState::Active).await;
    for (name, _) in people() {
        assert_eq!((kills.entries("Lock", &name), kills.entries("Unlock", &name)), (1, 1), "{name}");
        passwords
            .insert(format!("{name} {}", initial_password(&kills.world.client, &kills.world.namespace, &name).await));
    }
    assert_eq!(passwords.len(), 2 * PEOPLE, "each got one new password");
    kills.world.end().await;
}
