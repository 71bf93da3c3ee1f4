//! Why clocks lead to nothing now (D-09): the days that are worked are not known, or nobody bears witness of the time. What people
//! decide goes on.

use k8s_openapi::jiff::SignedDuration;
use kube::runtime::reflector::ObjectRef;

use super::super::context::Ctx;
use crate::api::{MailSystem, Reason, WorkCalendar};
use crate::domain::lifecycle::{Cause, Key, Stopped};
use crate::domain::witness;

/// The WorkCalendar that the MailSystem names.
pub(super) fn calendar(system: &MailSystem, ctx: &Ctx) -> Option<std::sync::Arc<WorkCalendar>> {
    let named = system.spec.regulation.work_calendar_ref.as_ref()?;
    ctx.stores.calendars.get(&ObjectRef::new(&named.name).within(ctx.io.namespace()))
}

/// What of the time is not known: `calendar`, or the time itself, which is worse.
pub(super) fn stopped(calendar: Option<Stopped>, ctx: &Ctx) -> Option<Stopped> {
    // The clocks of the wall are compared: those of a rehearsal are ahead on purpose.
    let agrees = ctx.syncer.witness().is_some_and(|theirs| witness::apart(ctx.wall(), theirs).is_none());
    if agrees { calendar } else { Some(Stopped::Time) }
}

/// Whether nobody knows what time it is: no day has come, and none is to be reckoned from it.
pub(in crate::controllers) fn is_unknown(ctx: &Ctx) -> bool {
    stopped(None, ctx) == Some(Stopped::Time)
}

/// Whether a clock that is stopped led to this.
pub(super) fn stands_still(stopped: Option<Stopped>, (_, _, cause): &Key) -> bool {
    match cause {
        Cause::Locks(_) | Cause::RetentionOver => stopped.is_some(),
        Cause::EndsOn => stopped == Some(Stopped::Time),
        _ => false,
    }
}

/// The same for people; nothing while the mail server was not asked for its time yet, which has a condition of its own.
pub(crate) fn why(ctx: &Ctx) -> Option<(Reason, String)> {
    let (system, ours) = (ctx.system()?, ctx.wall());
    if let Some(theirs) = ctx.syncer.witness()
        && let Some(ahead) = witness::apart(ours, theirs)
    {
        return Some((Reason::ClocksDiffer, differ(ahead)));
    }
    let named = system.spec.regulation.work_calendar_ref.as_ref()?;
    calendar(&system, ctx).is_none().then(|| (Reason::WorkCalendarNotFound, missing(&named.name)))
}

fn differ(ahead: SignedDuration) -> String {
    let which = if ahead.is_negative() { "behind" } else { "ahead of" };
    format!(
        "the clock of the operator's node is {} {which} that of the mail pod's: nobody is given access, locked, proposed or revoked by a \
         clock until they agree within {} minutes; what people write is done. Set both by NTP",
        witness::words(ahead),
        witness::APART.as_mins()
    )
}

fn missing(name: &str) -> String {
    format!(
        "D-09: spec.regulation.workCalendarRef: there is no WorkCalendar '{name}', so nobody knows when a term ends: nobody is locked or \
         proposed by a clock; what people write is done. Apply it, or remove the reference to count weekends alone"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lifecycle::{Kind, LockReason};

    #[test]
    fn d_15_what_is_held_stays_so_while_the_clock_that_led_to_it_stands_still() {
        let key = |cause| ("nv-1".to_string(), Kind::Lock, cause);
        let locks = key(Cause::Locks(LockReason::Inactive));
        for (stopped, cause, stays) in [
            (None, locks.clone(), false),
            (Some(Stopped::Calendar), locks.clone(), true),
            (Some(Stopped::Time), locks, true),
            (Some(Stopped::Calendar), key(Cause::EndsOn), false),
            (Some(Stopped::Time), key(Cause::EndsOn), true),
            (Some(Stopped::Time), key(Cause::Deleted), false),
        ] {
            assert_eq!(stands_still(stopped, &cause), stays, "{stopped:?} {cause:?}");
        }
    }
}
