//! Days of the province and terms by the Civil Code (D-09; Bộ luật Dân sự 2015, Điều 147 and 148): the first day is not counted; a
//! term of months ends with the corresponding day of its last month, or with that month's last day where there is none; if that day
//! is a weekend or a holiday, with the next working day. What a term leads to happens at 00:00 of the day after.
//!
//! `Asia/Ho_Chi_Minh` has had no summer time since 1975, so a fixed offset is the zone.

use std::collections::BTreeSet;

use k8s_openapi::jiff::civil::{Date, DateTime, Time, Weekday};
use k8s_openapi::jiff::tz::{Offset, TimeZone};
use k8s_openapi::jiff::{Span, Timestamp, ToSpan};

/// Hours of `Asia/Ho_Chi_Minh` before UTC.
const ZONE: i8 = 7;
/// Days in a row on which nobody works, at most: a calendar that names more is one of mistakes, and its term ends here.
const LONGEST_REST: usize = 366;

fn zone() -> TimeZone {
    TimeZone::fixed(Offset::constant(ZONE))
}

/// The day of a moment in the province.
pub fn day(at: Timestamp) -> Date {
    at.to_zoned(zone()).date()
}

/// Date and time of day of a moment in the province.
pub fn local(at: Timestamp) -> DateTime {
    at.to_zoned(zone()).datetime()
}

/// A moment as RFC 3339 in the zone of the province, whole seconds: `2026-06-16T00:00:00+07:00`.
pub fn rfc3339(at: Timestamp) -> String {
    at.to_zoned(zone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// For people: by when something is to be done that is late at `at`.
pub fn by_the_end_of(at: Timestamp) -> String {
    let day = day(at);
    let last = if midnight(day) == at { day.yesterday().unwrap_or(day) } else { day };
    format!("by the end of {last}")
}

/// A moment that people wrote: RFC 3339 with a zone, or a day for its 00:00 in the province.
pub fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| text.parse::<Date>().ok().filter(|_| text.len() == 10).map(midnight))
}

/// 00:00 of a day in the province. A day that no clock has stands for the last moment there is.
pub fn midnight(day: Date) -> Timestamp {
    day.to_datetime(Time::midnight()).to_zoned(zone()).map_or(Timestamp::MAX, |moment| moment.timestamp())
}

/// Which days are worked: Monday to Friday, but for holidays; and weekend days that are worked instead (R6.3, D-09, D-20).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Days on which nobody works.
    pub holidays: BTreeSet<Date>,
    /// Days of a weekend that are worked.
    pub working_days: BTreeSet<Date>,
}

impl Calendar {
    /// Whether the day is worked. A day that stands in both lists is worked: somebody swapped it.
    pub fn works(&self, day: Date) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        self.working_days.contains(&day) || (!weekend && !self.holidays.contains(&day))
    }

    /// The day itself if it is worked, else the next that is.
    fn worked(&self, day: Date) -> Date {
        let mut next = std::iter::successors(Some(day), |day| day.tomorrow().ok()).take(LONGEST_REST);
        next.find(|day| self.works(*day)).unwrap_or(day)
    }

    /// The last day of a term of `months` whose first day is `from`. A day that no calendar has stands for the last one.
    pub fn last_day(&self, from: Date, months: u16) -> Date {
        from.checked_add(Span::new().months(i32::from(months))).map_or(Date::MAX, |last| self.worked(last))
    }

    /// The moment at which a term of `months` that began at `from` is over: 00:00 of the day after its last one.
    pub fn over(&self, from: Timestamp, months: u16) -> Timestamp {
        self.after(self.last_day(day(from), months))
    }

    /// The moment at which a term of so many working days that began at `from` is over (R6.3: the day of receipt is not counted).
    pub fn over_working_days(&self, from: Timestamp, days: u16) -> Timestamp {
        let mut last = day(from);
        for _ in 0..days {
            last = last.tomorrow().map_or(last, |next| self.worked(next));
        }
        self.after(last)
    }

    fn after(&self, last: Date) -> Timestamp {
        last.checked_add(1.day()).map_or(Timestamp::MAX, midnight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn days(texts: &[&str]) -> BTreeSet<Date> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn plain() -> Calendar {
        Calendar::default()
    }

    /// Tết 2027 (8 to 12 February) with the Saturday before worked instead.
    fn tet() -> Calendar {
        Calendar {
            holidays: days(&["2027-02-08", "2027-02-09", "2027-02-10", "2027-02-11", "2027-02-12"]),
            working_days: days(&["2027-02-06"]),
        }
    }

    #[test]
    fn d_09_a_term_ends_with_the_corresponding_day_in_the_zone_of_the_province() {
        assert_eq!(plain().over(at("2026-02-02T09:30:00+07:00"), 12), at("2027-02-03T00:00:00+07:00"));
        // Half past midnight there is the day before in UTC.
        assert_eq!(plain().over(at("2026-02-02T00:30:00+07:00"), 1), at("2026-03-03T00:00:00+07:00"));
    }

    #[test]
    fn d_09_a_month_without_that_day_ends_it_on_its_last_one() {
        assert_eq!(plain().over(at("2026-12-31T12:00:00+07:00"), 2), at("2027-03-02T00:00:00+07:00"), "28 is a Sunday");
        assert_eq!(plain().over(at("2027-08-31T12:00:00+07:00"), 6), at("2028-03-01T00:00:00+07:00"), "29 February");
    }

    #[test]
    fn d_09_a_term_that_ends_on_a_weekend_or_holiday_ends_with_the_next_working_day() {
        // 6 June 2026 is a Saturday.
        assert_eq!(plain().over(at("2026-03-06T08:00:00+07:00"), 3), at("2026-06-09T00:00:00+07:00"));
        // Into Tết: the Saturday before is worked, the Sunday is not, and then the whole week and its weekend.
        assert_eq!(tet().over(at("2026-11-06T08:00:00+07:00"), 3), at("2027-02-07T00:00:00+07:00"));
        assert_eq!(tet().over(at("2026-11-07T08:00:00+07:00"), 3), at("2027-02-16T00:00:00+07:00"));
        assert_eq!(tet().over(at("2026-11-10T08:00:00+07:00"), 3), at("2027-02-16T00:00:00+07:00"));
    }

    #[test]
    fn r6_3_working_days_leave_out_the_day_of_receipt_weekends_and_holidays() {
        assert_eq!(plain().over_working_days(at("2026-06-05T16:59:00+07:00"), 3), at("2026-06-11T00:00:00+07:00"));
        assert_eq!(tet().over_working_days(at("2027-02-05T10:00:00+07:00"), 3), at("2027-02-17T00:00:00+07:00"));
    }

    #[test]
    fn a_swapped_day_that_stands_in_both_lists_is_worked() {
        let calendar = Calendar { holidays: days(&["2026-06-05"]), working_days: days(&["2026-06-05"]) };
        assert!(calendar.works("2026-06-05".parse().unwrap()));
    }

    #[test]
    fn moments_are_written_and_read_in_the_zone_of_the_province() {
        assert_eq!(rfc3339(at("2026-06-15T17:00:00.5Z")), "2026-06-16T00:00:00+07:00");
        assert_eq!(moment("2026-06-16"), Some(at("2026-06-16T00:00:00+07:00")));
        assert_eq!(moment("2026-06-16T09:00:00+07:00"), Some(at("2026-06-16T02:00:00Z")));
        for wrong in ["", "16/06/2026", "2026-06-31", "2026-06-16T09:00:00", "20260616"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
        assert!(rfc3339(Timestamp::MAX).starts_with("9999-12-31T"));
    }

    #[test]
    fn what_no_calendar_has_is_never_over() {
        assert_eq!(plain().over(Timestamp::MAX, 600), Timestamp::MAX);
        let never = Calendar {
            holidays: (0..800).map(|n| day(at("2026-01-01T00:00:00Z")).saturating_add(n.days())).collect(),
            ..plain()
        };
        assert_eq!(never.last_day("2026-01-05".parse().unwrap(), 1), "2026-02-05".parse::<Date>().unwrap());
    }
}
