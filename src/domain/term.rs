//! Terms of months (D-09): the first day is not counted, and a term ends at the end of the corresponding day of the last month, or
//! of that month's last day where there is none. What happens then happens at 00:00 of the day after.
//!
//! The province's zone has no summer time, so a fixed offset is enough. Weekends and holidays come with the WorkCalendar.

use k8s_openapi::jiff::civil::Time;
use k8s_openapi::jiff::tz::{Offset, TimeZone};
use k8s_openapi::jiff::{Span, Timestamp};

/// Hours of `Asia/Ho_Chi_Minh` before UTC.
const ZONE: i8 = 7;

/// The moment at which a term of `months` that began at `from` is over. A time that no calendar has stands for itself.
pub fn over(from: Timestamp, months: u16) -> Timestamp {
    let zone = TimeZone::fixed(Offset::constant(ZONE));
    let last = from.to_zoned(zone.clone()).date().checked_add(Span::new().months(i32::from(months)));
    let next = last.and_then(|day| day.tomorrow());
    next.and_then(|day| day.to_datetime(Time::midnight()).to_zoned(zone)).map_or(from, |moment| moment.timestamp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn d_09_a_term_ends_with_the_corresponding_day_in_the_zone_of_the_province() {
        assert_eq!(over(at("2026-02-02T09:30:00+07:00"), 12), at("2027-02-03T00:00:00+07:00"));
        // Half past midnight there is the day before in UTC.
        assert_eq!(over(at("2026-02-02T00:30:00+07:00"), 1), at("2026-03-03T00:00:00+07:00"));
    }

    #[test]
    fn d_09_a_month_without_that_day_ends_it_on_its_last_one() {
        assert_eq!(over(at("2026-08-31T12:00:00+07:00"), 6), at("2027-03-01T00:00:00+07:00"));
        assert_eq!(over(at("2027-08-31T12:00:00+07:00"), 6), at("2028-03-01T00:00:00+07:00"));
    }
}
