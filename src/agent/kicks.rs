//! Ends sessions of accounts that were locked, revoked or changed: at once, and again for a login that was under way, which may have read
//! its row before the change and become a session after a wait for its hash, or after the pause of one that failed before (15 s). Tried
//! again while Dovecot does not answer.
//!
//! Nothing of it is kept: at each start of the agent it begins anew for everybody who may not log in (`Table::closed`). For a password or
//! an address that changed in the last minute before that, it does not.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use super::doveadm::{Doveadm, DoveadmError};

/// Pauses between one end and the next: at once, after 2 s, 10 s, 60 s.
const PAUSES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(50)];
/// How often in all.
const TIMES: u8 = PAUSES.len() as u8 + 1;
/// Users in one request: Dovecot starts a process for each, and that takes longer than to end the sessions of a user.
const TOGETHER: usize = 16;
/// Requests at the same time: of many who are locked together nobody waits for all the others.
const AT_ONCE: usize = 4;

/// How many sessions of each user ended, in their order.
type Kicked = Result<Vec<Result<u64, DoveadmError>>, DoveadmError>;

/// Who ends sessions.
pub(crate) trait Door: Sync {
    /// Ends every session of the users, in one request.
    fn kick<'a>(&'a self, users: &'a [String]) -> BoxFuture<'a, Kicked>;
}

impl Door for Doveadm {
    fn kick<'a>(&'a self, users: &'a [String]) -> BoxFuture<'a, Kicked> {
        Box::pin(Doveadm::kick(self, users))
    }
}

/// When a user's sessions are ended next.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    times: u8,
    /// A request for several failed: this one is asked about for itself, so that nobody hides another.
    alone: bool,
}

/// Users whose sessions must end, and when to do it next. Bounded by the number of accounts.
#[derive(Default)]
pub(crate) struct Kicks {
    due: Mutex<BTreeMap<String, Due>>,
    changed: Notify,
}

impl Kicks {
    /// Ends the sessions of `users` now and again.
    pub fn push(&self, users: impl IntoIterator<Item = String>) {
        self.push_times(users, TIMES);
    }

    /// Ends the sessions that `users` have now; what was begun for them goes on.
    pub fn push_once(&self, users: impl IntoIterator<Item = String>) {
        self.push_times(users, 1);
    }

    fn push_times(&self, users: impl IntoIterator<Item = String>, times: u8) {
        let at = Instant::now();
        let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for user in users {
            let one = due.entry(user).or_insert(Due { at, times, alone: false });
            *one = Due { at, times: one.times.max(times), alone: false };
        }
        drop(due);
        self.changed.notify_one();
    }

    /// Those whose time has come, as they are asked about together in so many requests at most; when the next one's comes. Those who were
    /// not asked about yet come first, then whoever waits longest.
    fn take_due(&self, now: Instant, room: usize) -> (Vec<Vec<(String, Due)>>, Option<Instant>) {
        let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut ready: Vec<(&String, Due)> =
            due.iter().filter(|(_, one)| one.at <= now).map(|(user, one)| (user, *one)).collect();
        let turn = |one: &(&String, Due)| (one.1.alone || one.1.times < TIMES, one.1.at);
        // Of all accounts no more are looked at than there can be room for.
        let most = room * TOGETHER;
        if (1..ready.len()).contains(&most) {
            ready.select_nth_unstable_by_key(most, turn);
            ready.truncate(most);
        }
        ready.sort_by_key(turn);
        let (mut requests, mut open): (Vec<Vec<(String, Due)>>, Option<usize>) = (Vec::new(), None);
        for (user, one) in ready {
            let joins = open.filter(|n| !one.alone && requests[*n].len() < TOGETHER);
            match joins {
                Some(n) => requests[n].push((user.clone(), one)),
                None if requests.len() == room => {}
                None => {
                    open = (!one.alone).then_some(requests.len()).or(open);
                    requests.push(vec![(user.clone(), one)]);
                }
            }
        }
        for (user, _) in requests.iter().flatten() {
            due.remove(user);
        }
        (requests, due.values().map(|one| one.at).min())
    }

    /// Whoever has more before him stays.
    fn put_back(&self, user: String, next: Due) {
        let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let one = due.entry(user).or_insert(next);
        if next.times > one.times {
            *one = next;
        }
    }

    /// Works for ever. Who is pushed while others are being asked about waits for none of them.
    pub async fn run(&self, door: &impl Door) {
        let mut running = FuturesUnordered::new();
        loop {
            let (requests, next) = self.take_due(Instant::now(), AT_ONCE - running.len());
            running.extend(requests.into_iter().map(|some| self.kick(some, door)));
            let room = running.len() < AT_ONCE;
            let comes = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(()) = running.next() => {},
                () = self.changed.notified(), if room => {},
                () = comes, if room => {},
            }
        }
    }

    async fn kick(&self, some: Vec<(String, Due)>, door: &impl Door) {
        let users: Vec<String> = some.iter().map(|(user, _)| user.clone()).collect();
        let outcomes = match door.kick(&users).await {
            Ok(outcomes) => outcomes,
            Err(error) => users.iter().map(|_| Err(error.clone())).collect(),
        };
        let now = Instant::now();
        for ((user, due), outcome) in some.into_iter().zip(outcomes) {
            match outcome {
                Ok(count) => {
                    if count > 0 {
                        info!(user, sessions = count, "sessions ended");
                    }
                    let done = usize::from(TIMES.saturating_sub(due.times));
                    if let Some(pause) = PAUSES.get(done) {
                        self.put_back(user, Due { at: now + *pause, times: due.times - 1, alone: false });
                    }
                }
                Err(error) => {
                    warn!(user, %error, "sessions not ended yet; trying again");
                    self.put_back(user, Due { at: now + Duration::from_secs(1), alone: true, ..due });
                }
            }
        }
    }
}

#[cfg(test)]
impl Kicks {
    /// Whether sessions of the user are to end.
    pub fn is_due(&self, user: &str) -> bool {
        self.due.lock().expect("due").contains_key(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Notes at which second whom it was asked about; fails for whoever is in `failing`, and with them for all who are asked about
    /// together.
    #[derive(Default)]
    struct Noting {
        begun: Mutex<Option<Instant>>,
        asked: Mutex<Vec<(u64, Vec<String>)>>,
        failing: Mutex<BTreeSet<String>>,
        /// Of whom Dovecot says nothing at all.
        silent: Mutex<BTreeSet<String>>,
    }

    impl Noting {
        fn asked(&self) -> Vec<(u64, Vec<String>)> {
            let mut all = std::mem::take(&mut *self.asked.lock().expect("asked"));
            all.sort();
            all
        }
    }

    impl Door for Noting {
        fn kick<'a>(&'a self, users: &'a [String]) -> BoxFuture<'a, Kicked> {
            let begun = *self.begun.lock().expect("begun").get_or_insert_with(Instant::now);
            self.asked.lock().expect("asked").push((begun.elapsed().as_secs(), users.to_vec()));
            let failing = self.failing.lock().expect("failing").clone();
            let all = users.iter().all(|user| !failing.contains(user));
            let silent = self.silent.lock().expect("silent").iter().any(|user| users.contains(user));
            Box::pin(async move {
                if silent {
                    tokio::time::sleep(Duration::from_secs(600)).await;
                }
                if all { Ok(users.iter().map(|_| Ok(1)).collect()) } else { Err(DoveadmError::test()) }
            })
        }
    }

    /// What was asked about within so many seconds.
    async fn within(seconds: u64, kicks: &Kicks, door: &Noting) -> Vec<(u64, Vec<String>)> {
        let _ = tokio::time::timeout(Duration::from_secs(seconds), kicks.run(door)).await;
        door.asked()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn r6_1_sessions_end_at_once_and_for_a_minute_for_a_login_that_was_under_way() {
        let (kicks, door) = (Kicks::default(), Noting::default());
        kicks.push(names(&["an", "binh"]));
        let both = names(&["an", "binh"]);
        let expected = [0, 2, 10, 60].map(|second| (second, both.clone()));
        assert_eq!(within(600, &kicks, &door).await, expected, "and not for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn r6_1_nobody_is_left_in_for_somebody_else_of_whom_dovecot_says_nothing() {
        let (kicks, door) = (Kicks::default(), Noting::default());
        door.failing.lock().expect("failing").insert("binh".into());
        kicks.push(names(&["an", "binh"]));
        let one = |second, name| (second, names(&[name]));
        let known = within(4, &kicks, &door).await;
        assert_eq!(known[0], (0, names(&["an", "binh"])));
        assert_eq!(known[1..3], [one(1, "an"), one(1, "binh")], "each for himself, a second later");
        assert!(known[3..].contains(&one(3, "an")) && known[3..].contains(&one(2, "binh")), "{known:?}");
        // It goes on for as long as it takes, and then as for everybody.
        door.failing.lock().expect("failing").clear();
        let then = within(600, &kicks, &door).await;
        let count = |name: &str| then.iter().filter(|(_, who)| who.contains(&name.into())).count();
        assert_eq!((count("binh"), count("an")), (4, 2), "an had two before: {then:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn r6_1_who_is_locked_while_others_are_waited_for_is_not() {
        let (kicks, door) = (Kicks::default(), Noting::default());
        door.failing.lock().expect("failing").insert("binh".into());
        kicks.push(names(&["binh"]));
        let late = async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            kicks.push(names(&["an"]));
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        tokio::select! { () = kicks.run(&door) => {}, () = late => {} }
        let asked = door.asked();
        assert!(asked.contains(&(1, names(&["an"]))), "before the next time of the others: {asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn r6_1_who_is_locked_while_dovecot_says_nothing_of_another_waits_for_no_answer() {
        let (kicks, door) = (Kicks::default(), Noting::default());
        door.silent.lock().expect("silent").insert("binh".into());
        kicks.push(names(&["binh"]));
        let late = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            kicks.push((0..100).map(|i| format!("u{i:02}")));
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        tokio::select! { () = kicks.run(&door) => {}, () = late => {} }
        let asked = door.asked();
        let at_once: usize = asked.iter().filter(|(second, _)| *second == 3).map(|(_, users)| users.len()).sum();
        assert_eq!(at_once, 100, "in three requests at a time: {asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn r6_1_who_is_locked_again_while_his_sessions_end_has_all_times_before_him() {
        let kicks = Kicks::default();
        kicks.push(names(&["an"]));
        let (ready, _) = kicks.take_due(Instant::now(), 9);
        kicks.push(names(&["an"]));
        for (user, due) in ready.into_iter().flatten() {
            kicks.put_back(user, Due { at: due.at + PAUSES[0], times: 1, alone: false });
        }
        assert_eq!(kicks.due.lock().expect("due")["an"].times, TIMES);
    }

    #[tokio::test(start_paused = true)]
    async fn r6_1_what_is_left_of_an_earlier_lock_takes_nothing_from_a_later_one() {
        let now = Instant::now();
        let left = |times: u8| Due { at: now + PAUSES[0], times, alone: false };
        for (first, second) in [(1, 3), (3, 1)] {
            let kicks = Kicks::default();
            kicks.push(names(&["an"]));
            kicks.take_due(now, 9);
            kicks.put_back("an".into(), left(first));
            kicks.put_back("an".into(), left(second));
            assert_eq!(kicks.due.lock().expect("due")["an"].times, 3, "both are being asked about at one time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn r9_1_sessions_that_are_there_end_once_and_what_was_begun_goes_on() {
        let (kicks, door) = (Kicks::default(), Noting::default());
        kicks.push(names(&["an"]));
        kicks.push_once(names(&["an", "binh"]));
        let expected = [(0, names(&["an", "binh"])), (2, names(&["an"])), (10, names(&["an"])), (60, names(&["an"]))];
        assert_eq!(within(600, &kicks, &door).await, expected);
    }

    #[test]
    fn r6_1_many_are_asked_about_together_and_who_failed_alone() {
        let kicks = Kicks::default();
        kicks.push((0..40).map(|i| format!("u{i:02}")));
        let now = Instant::now();
        let (requests, next) = kicks.take_due(now, 9);
        assert_eq!((requests.iter().map(Vec::len).collect::<Vec<_>>(), next), (vec![16, 16, 8], None));
        let all: std::collections::BTreeSet<_> = requests.iter().flatten().map(|(user, _)| user).collect();
        assert_eq!(all.len(), 40, "nobody is forgotten");
        let back = |user: &str, times: u8, alone: bool| kicks.put_back(user.into(), Due { at: now, times, alone });
        back("u00", 1, false);
        back("u01", 2, true);
        back("u02", 2, true);
        back("u03", 2, false);
        let names = |requests: Vec<Vec<(String, Due)>>| -> Vec<Vec<String>> {
            requests.into_iter().map(|one| one.into_iter().map(|(user, _)| user).collect()).collect()
        };
        assert_eq!(names(kicks.take_due(now, 9).0), [vec!["u00", "u03"], vec!["u01"], vec!["u02"]]);
        assert!(kicks.take_due(now, 9).0.is_empty());
        kicks.push((0..40).map(|i| format!("u{i:02}")));
        assert_eq!(
            kicks.take_due(Instant::now(), 1).0.iter().map(Vec::len).sum::<usize>(),
            16,
            "as many as there is room for"
        );
        assert_eq!(kicks.due.lock().expect("due").len(), 24, "and the others stay");
        let kicks = Kicks::default();
        let later = now + Duration::from_secs(9);
        kicks.put_back("u00".into(), Due { at: now, times: 3, alone: true });
        for i in 1..40 {
            kicks.put_back(format!("u{i:02}"), Due { at: now + Duration::from_secs(1), times: 3, alone: false });
        }
        assert_eq!(names(kicks.take_due(later, 1).0), [vec!["u00"]], "whoever waits longest, also alone");
        kicks.push(["zoe".into()]);
        assert_eq!(names(kicks.take_due(later, 1).0)[0][0], "zoe", "before all who were asked about");
    }
}
