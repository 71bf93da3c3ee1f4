//! Days as the API server takes them: `YYYY-MM-DD`, and only such as there are.

use k8s_openapi::jiff::{Timestamp, civil};
use time::{Date, Month};

use crate::cli::tree::{Node, Object};
use crate::cli::{Code, Finding};

/// Checks a moment as the API server takes it: RFC 3339 with its zone.
pub fn check_time(text: &str) -> Result<(), Complaint> {
    let whole = text.contains(['T', 't']) && text.parse::<Timestamp>().is_ok();
    if whole {
        return Ok(());
    }
    let example = "2026-06-15T09:00:00+07:00";
    Err((
        format!("'{text}' is no time with its zone; write for example {example}"),
        format!("'{text}' không phải thời điểm kèm múi giờ; vui lòng ghi, ví dụ, {example}."),
    ))
}

/// What is wrong with a date, in English and Vietnamese.
pub type Complaint = (String, String);

/// How a text is no day.
pub enum NoDay {
    /// There is no such day; why.
    Impossible(Complaint),
    /// It is written otherwise; the right form.
    Otherwise(String),
    /// It is something else.
    Unreadable,
}

/// Checks a day; a day in the Vietnamese order is recognised and the right form offered.
pub fn check(text: &str) -> Result<(), Complaint> {
    look(text).map_err(|wrong| match wrong {
        NoDay::Unreadable => {
            let message = format!("'{text}' is no date; write YYYY-MM-DD, for example 2026-01-05");
            (message, format!("'{text}' không phải ngày; vui lòng ghi theo dạng YYYY-MM-DD, ví dụ 2026-01-05."))
        }
        NoDay::Impossible((why, why_vi)) => (
            format!("{why}; look at the document again and write YYYY-MM-DD"),
            format!("{why_vi}; vui lòng xem lại văn bản và ghi theo dạng YYYY-MM-DD."),
        ),
        NoDay::Otherwise(right) => (
            format!("'{text}' is not written as YYYY-MM-DD; write {right}"),
            format!("'{text}' chưa đúng dạng YYYY-MM-DD; vui lòng ghi {right}."),
        ),
    })
}

/// Whether the text is a day as the API server takes it.
pub fn look(text: &str) -> Result<(), NoDay> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let numbers: Vec<u32> = parts.iter().filter(|p| digits(p)).filter_map(|p| p.parse().ok()).collect();
    let &[a, b, c] = numbers.as_slice() else { return Err(NoDay::Unreadable) };
    let (year, month, day) = if parts[0].len() == 4 { (a, b, c) } else { (c, b, a) };
    if !(1000..=9999).contains(&year) {
        return Err(NoDay::Unreadable);
    }
    if date(year, month, day).is_none() {
        return Err(NoDay::Impossible(no_such_day(text, year, month)));
    }
    let right = format!("{year:04}-{month:02}-{day:02}");
    if text == right { Ok(()) } else { Err(NoDay::Otherwise(right)) }
}

fn date(year: u32, month: u32, day: u32) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn no_such_day(text: &str, year: u32, month: u32) -> Complaint {
    let last = (28..=31).rev().find(|day| date(year, month, *day).is_some());
    let (why, why_vi) = match last {
        Some(last) => {
            let name = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)).unwrap_or(&"it");
            (format!("{name} {year} has {last} days"), format!("tháng {month} năm {year} có {last} ngày"))
        }
        None => (format!("there is no month {month}"), format!("không có tháng {month}")),
    };
    (format!("the day '{text}' does not exist, {why}"), format!("ngày '{text}' không tồn tại, {why_vi}"))
}

/// Where a document is cited (R5.2).
const DOCUMENTS: [&str; 8] = [
    "spec.basis.date",
    "spec.lock.basis.date",
    "spec.rename.basis.date",
    "spec.absence.basis.date",
    "spec.ending.basis.date",
    "spec.restore.basis.date",
    "spec.hold.basis.date",
    "spec.acknowledge.basis.date",
];

/// Documents that are dated after `today`: mostly a year or a month that was mistyped.
pub fn documents_to_come(object: &Object, today: civil::Date) -> impl Iterator<Item = Finding> + '_ {
    DOCUMENTS.into_iter().filter_map(move |path| {
        let date = object.node.find(path).and_then(Node::text).filter(|text| check(text).is_ok())?;
        // As texts they are in the order of the days.
        (date > today.to_string().as_str()).then(|| {
            let message = format!(
                "the document is dated {date}, which is still to come; look at it again. The operator does not wait for that day"
            );
            let vi = format!("văn bản ghi ngày {date} là ngày chưa tới; vui lòng xem lại. Hệ thống không chờ đến ngày đó.");
            let finding = Finding::error(&object.file, Code::DateToCome, message, vi).at(object.node.place(path));
            finding.field(path).by("R5.2").as_warning()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5_2_days_that_exist_in_the_form_of_the_api_server() {
        assert_eq!(check("2026-02-28"), Ok(()));
        assert_eq!(check("2024-02-29"), Ok(()));
    }

    #[test]
    fn r6_3_times_have_a_day_a_time_and_a_zone() {
        for text in ["2026-06-15T09:00:00+07:00", "2026-06-15T02:00:00Z"] {
            assert_eq!(check_time(text), Ok(()));
        }
        for text in ["2026-06-15", "2026-06-15T09:00:00", "15/6/2026 9:00", "2026-06-31T09:00:00Z"] {
            assert!(check_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn r5_2_days_that_do_not_exist_or_are_written_otherwise() {
        for (text, part) in [
            ("2026-02-30", "February 2026 has 28 days"),
            ("30/2/2026", "February 2026 has 28 days"),
            ("2026-11-31", "November 2026 has 30 days"),
            ("2026-13-01", "there is no month 13"),
            ("05/01/2026", "write 2026-01-05"),
            ("2026-1-5", "write 2026-01-05"),
            ("5.1.2026", "write 2026-01-05"),
            ("hôm nay", "is no date"),
            ("01/02/26", "is no date"),
            ("2026-02", "is no date"),
            ("2026-02-02T00:00:00Z", "is no date"),
        ] {
            let (message, vi) = check(text).expect_err(text);
            assert!(message.contains(part) && !vi.is_empty(), "{text}: {message}");
        }
    }
}
