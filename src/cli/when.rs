//! Days and moments as people write them on a command line, and what is wrong with one that is none.

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;

use super::validate::date::{NoDay, look};
use crate::domain::calendar;

/// A day, `YYYY-MM-DD`.
pub fn day(text: &str) -> Result<Date, String> {
    let example = "write a day of the province as YYYY-MM-DD, for example 2026-06-01";
    look(text).map_err(|wrong| why(wrong, example))?;
    text.parse().map_err(|_| example.into())
}

/// The day of a document, which has come by `now`.
pub fn document_day(text: &str, now: Timestamp) -> Result<String, String> {
    let today = calendar::day(now);
    if day(text)? > today { Err(format!("a document of a day to come (today is {today})")) } else { Ok(text.into()) }
}

/// A moment: RFC 3339 with its zone, or a day for its 00:00 in the province.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let example =
        "write RFC 3339 with its zone, for example 2026-06-16T08:00:00+07:00, or a day, for example 2026-06-16";
    let wrong = || {
        let (of_day, of_time) = text.split_once(['T', 't', ' ']).map_or((text, None), |(day, time)| (day, Some(time)));
        match (look(of_day), of_time) {
            (Err(NoDay::Otherwise(_)), Some(_)) | (Ok(()), _) => example.into(),
            (Err(wrong), _) => why(wrong, example),
        }
    };
    calendar::moment(text).ok_or_else(wrong)
}

fn why(wrong: NoDay, example: &str) -> String {
    match wrong {
        NoDay::Impossible((why, _)) => format!("{why}; {example}"),
        NoDay::Otherwise(right) => format!("write {right}"),
        NoDay::Unreadable => example.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_does_not_exist_is_told_with_the_length_of_its_month_and_an_example() {
        for text in ["2026-11-31", "31/11/2026", "2026-11-31T08:00:00+07:00"] {
            let said = moment(text).unwrap_err();
            let expected = format!(
                "the day '{}' does not exist, November 2026 has 30 days; write ",
                text.split('T').next().unwrap()
            );
            assert!(said.starts_with(&expected) && said.contains("for example 2026-06-16"), "{said}");
        }
        assert_eq!(
            day("2026-02-29").unwrap_err(),
            "the day '2026-02-29' does not exist, February 2026 has 28 days; write a day of the \
            province as YYYY-MM-DD, for example 2026-06-01"
        );
        assert_eq!(day("30/11/2026").unwrap_err(), "write 2026-11-30");
        for text in ["yesterday", "", "2026-06-16T25:00:00Z", "20260616"] {
            assert!(moment(text).unwrap_err().starts_with("write RFC 3339"), "{text}");
        }
        assert!(day("2026-06-01").is_ok() && moment("2026-06-01").is_ok());
        let now = "2026-06-16T00:00:00+07:00".parse().unwrap();
        assert_eq!(document_day("2026-06-17", now).unwrap_err(), "a document of a day to come (today is 2026-06-16)");
        assert_eq!(document_day("2026-06-16", now).as_deref(), Ok("2026-06-16"));
    }
}
