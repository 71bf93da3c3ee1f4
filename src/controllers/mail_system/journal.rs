//! What the status says of the journal (7.2): it stands on the volume that it speaks of, so its end is noted outside. Pure but for
//! [`look`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::{JournalStatus, MailSystem, whole_second};
use crate::backend::{Health, JournalEnd};
use crate::controllers::context::Ctx;
use crate::domain::calendar;
use crate::domain::journal::Head;
use crate::resources::SystemPlan;

/// Nothing else to write: so long it waits.
const ALONE: SignedDuration = SignedDuration::from_mins(10);

/// Where the journal ends, as far as the agent was asked lately.
pub(super) async fn look(system: &MailSystem, ctx: &Ctx) -> Option<JournalEnd> {
    let reachable = matches!(&*ctx.syncer.health().borrow(), Health::Reachable(_));
    let noted = system.status.as_ref().and_then(|status| status.journal.as_ref()).and_then(head);
    if reachable { ctx.journal.end(noted, &ctx.syncer).await } else { None }
}

fn head(noted: &JournalStatus) -> Option<Head> {
    Some(Head { sequence: u64::try_from(noted.entries).ok()?, hash: noted.head.clone() })
}

/// What is to be noted: a later end with a status that is written anyway (`otherwise`), or alone after a while. Never one of a
/// journal that does not hold what was noted before: that would be the proof gone.
pub(super) fn noted(
    old: Option<JournalStatus>,
    end: Option<&JournalEnd>,
    otherwise: bool,
    now: Timestamp,
) -> Option<JournalStatus> {
    let Some(end) = end.filter(|end| end.holds && end.head.sequence > 0) else { return old };
    if old.as_ref().and_then(head).as_ref() == Some(&end.head) {
        return old;
    }
    let age = old.as_ref().map(|old| now.duration_since(old.at.0));
    // A clock that went back waits for nothing.
    let due = age.is_none_or(|age| age >= ALONE || age.is_negative());
    if !due && !otherwise {
        return old;
    }
    Some(JournalStatus {
        entries: i64::try_from(end.head.sequence).unwrap_or(i64::MAX),
        head: end.head.hash.clone(),
        at: whole_second(&Time(now)),
    })
}

/// The sentence for a journal that does not hold what was noted.
pub(super) fn lost(noted: &JournalStatus, plan: &SystemPlan) -> String {
    let SystemPlan { namespace, name, .. } = plan;
    format!(
        "7.2: the journal does not hold entry {} any more, which was its last one at {}: its end was cut off, it was exchanged, or the \
         volume is a restored one. Mail goes on. kubectl mail journal verify -n {namespace} names the place; the logs of container \
         agent have a copy of each entry. When that is settled: kubectl -n {namespace} patch msys {name} --subresource=status \
         --type=merge -p '{{\"status\":{{\"journal\":null}}}}' has its present end noted",
        noted.entries,
        calendar::local(noted.at.0).strftime("%Y-%m-%d %H:%M")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).expect("a time")
    }

    fn end(sequence: u64, holds: bool) -> JournalEnd {
        JournalEnd { head: Head { sequence, hash: format!("{sequence:064x}") }, holds }
    }

    fn entries(old: &Option<JournalStatus>, end: &JournalEnd, otherwise: bool, minutes: i64) -> Option<(i64, bool)> {
        let new = noted(old.clone(), Some(end), otherwise, at(minutes));
        let changed = new != *old;
        new.map(|new| (new.entries, changed))
    }

    #[test]
    fn r7_2_the_end_is_noted_with_what_is_written_anyway_or_after_ten_minutes_and_only_when_it_moved() {
        assert_eq!(noted(None, Some(&end(0, true)), true, at(0)), None, "no entry yet");
        let old = noted(None, Some(&end(3, true)), false, at(0));
        assert_eq!(old.as_ref().map(|old| old.entries), Some(3), "the first one at once");
        assert_eq!(entries(&old, &end(4, true), false, 9), Some((3, false)));
        assert_eq!(entries(&old, &end(4, true), true, 9), Some((4, true)));
        assert_eq!(entries(&old, &end(4, true), false, 10), Some((4, true)));
        assert_eq!(entries(&old, &end(4, true), false, -1), Some((4, true)));
        assert_eq!(entries(&old, &end(3, true), true, 99), Some((3, false)), "a quiet journal writes nothing");
        assert_eq!(noted(old.clone(), None, true, at(99)), old, "nobody was asked");
    }

    #[test]
    fn r7_2_what_was_noted_stays_while_the_journal_does_not_hold_it() {
        let old = noted(None, Some(&end(9, true)), false, at(0));
        for now in [end(4, false), end(900, false)] {
            assert_eq!(entries(&old, &now, true, 99), Some((9, false)));
        }
        let text = lost(old.as_ref().expect("noted"), &crate::resources::example());
        for needle in
            ["entry 9 ", "2027-01-15 15:00", "kubectl mail journal verify -n thu-cong-vu", "patch msys gialai"]
        {
            assert!(text.contains(needle), "{needle}: {text}");
        }
    }
}
