//! When an issued address gives way to another one: at a transfer, and on request (D-02: for no other reason), and what becomes of
//! the old one (D-19).

use k8s_openapi::jiff::Timestamp;

use super::{Candidate, LocalPart, Step, Wish, same_name};
use crate::domain::calendar::Calendar;

/// What an address was issued for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Issued<'a> {
    /// The local part.
    pub local_part: &'a str,
    /// The Agency whose suffix it has; unknown for one that was issued before that was written down.
    pub agency: Option<&'a str>,
    /// The document on whose request it was issued.
    pub rename: Option<&'a str>,
    /// The full name for which it was issued.
    pub name: &'a str,
}

/// What stands in the spec now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// `spec.agencyRef`.
    pub agency: &'a str,
    /// The document of `spec.rename`.
    pub rename: Option<&'a str>,
    /// `spec.localPart`.
    pub pin: Option<&'a str>,
    /// `spec.fullName`.
    pub name: &'a str,
}

/// Why a mailbox gets another address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It belongs to another Agency now.
    Transfer,
    /// A document asks for it, each document once.
    Rename,
}

/// Whether the issued address is to give way. One that is pinned stays (D-21), and so does one whose holder is called otherwise now (D-06)
/// while no new document says that it is the same person: a transfer would hand mail and password on to another name.
pub fn cause(issued: &Issued<'_>, wanted: &Wanted<'_>) -> Option<Cause> {
    if wanted.pin == Some(issued.local_part) {
        return None;
    }
    let asked = wanted.rename.is_some() && wanted.rename != issued.rename;
    if issued.agency.is_some_and(|agency| agency != wanted.agency) {
        return (asked || same_name(issued.name, wanted.name)).then_some(Cause::Transfer);
    }
    asked.then_some(Cause::Rename)
}

/// A former address to which mail still arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left<'a> {
    /// The local part.
    pub local_part: &'a str,
    /// The Agency whose suffix it has.
    pub agency: &'a str,
    /// The full name for which it was issued.
    pub name: &'a str,
    /// Until when mail to it arrives.
    pub until: Timestamp,
}

/// What somebody wants who goes back to `agency`: the address that they had there last, if they are called as they were then
/// (D-02), so that nobody has two addresses of one Agency.
pub fn back<'a>(cause: Cause, agency: &str, name: &str, left: impl Iterator<Item = Left<'a>>) -> Option<Wish> {
    let theirs = left.filter(|left| cause == Cause::Transfer && left.agency == agency && same_name(left.name, name));
    let last = theirs.max_by_key(|left| (left.until, left.local_part))?;
    let local_part = LocalPart::parse(last.local_part, "spec.agencyRef").ok()?;
    let steps = vec![Step::new("D-02", "localPart", local_part.as_str())];
    Some(Wish::Decided(Candidate { rule: "D-02", local_part, steps }))
}

/// For how long a former address is kept, in months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Mail to it still arrives.
    pub alias_months: u16,
    /// Nobody gets it (D-19).
    pub tombstone_months: u16,
}

/// What a former address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Former {
    /// Mail to it arrives until then.
    Alias(Timestamp),
    /// It is nobody's until then.
    Tombstone(Timestamp),
    /// Anybody may have it.
    Free,
}

/// What an address that was an alias until `until`, or a tombstone until then, is at `now`.
pub fn former(alias: bool, until: Timestamp, retention: Retention, calendar: &Calendar, now: Timestamp) -> Former {
    if alias && now < until {
        return Former::Alias(until);
    }
    let end = if alias { calendar.over(until, retention.tombstone_months) } else { until };
    if now < end { Former::Tombstone(end) } else { Former::Free }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: Issued<'static> =
        Issued { local_part: "hoalt.stttt", agency: Some("stttt"), rename: Some("1/QĐ"), name: "Lê Thị Hoà" };
    const SAME: Wanted<'static> = Wanted { agency: "stttt", rename: Some("1/QĐ"), pin: None, name: "Lê Thị Hòa" };

    #[test]
    fn d_02_an_issued_address_stays_while_nobody_asks() {
        assert_eq!(cause(&ISSUED, &SAME), None);
        assert_eq!(cause(&ISSUED, &Wanted { rename: None, ..SAME }), None, "the request may go when it is done");
        assert_eq!(cause(&ISSUED, &Wanted { pin: Some("hoa.stttt"), ..SAME }), None);
        assert_eq!(cause(&Issued { agency: None, ..ISSUED }, &Wanted { agency: "snv", ..SAME }), None);
    }

    #[test]
    fn a_transfer_and_each_new_document_ask_for_another_one() {
        assert_eq!(cause(&ISSUED, &Wanted { agency: "snv", ..SAME }), Some(Cause::Transfer));
        assert_eq!(cause(&ISSUED, &Wanted { rename: Some("2/QĐ"), ..SAME }), Some(Cause::Rename));
    }

    #[test]
    fn d_06_d_14_a_transfer_takes_nobody_to_another_name_without_a_new_document() {
        let other = Wanted { agency: "snv", name: "Lê Thị Huệ", ..SAME };
        assert_eq!(cause(&ISSUED, &other), None, "the document was for what was issued");
        assert_eq!(cause(&ISSUED, &Wanted { rename: None, ..other }), None);
        assert_eq!(cause(&ISSUED, &Wanted { rename: Some("2/QĐ"), ..other }), Some(Cause::Transfer));
        assert_eq!(cause(&ISSUED, &Wanted { agency: "snv", ..SAME }), Some(Cause::Transfer));
    }

    #[test]
    fn d_21_a_pinned_address_is_never_derived_again() {
        let pinned = Wanted { pin: Some("hoalt.stttt"), agency: "snv", rename: Some("2/QĐ"), ..SAME };
        assert_eq!(cause(&ISSUED, &pinned), None);
        assert_eq!(cause(&ISSUED, &Wanted { pin: Some("hoa.snv"), ..pinned }), Some(Cause::Transfer));
    }

    #[test]
    fn d_02_who_goes_back_gets_the_last_address_there_under_the_same_name() {
        let left =
            |local_part, agency, name, until: &str| Left { local_part, agency, name, until: until.parse().unwrap() };
        let all = [
            left("binhpht.stttt", "stttt", "Phạm Hoà Bình", "2027-01-01T00:00:00Z"),
            left("hoabinhp.stttt", "stttt", "Phạm Hòa Bình", "2027-05-01T00:00:00Z"),
            left("binhph.snv", "snv", "Phạm Hòa Bình", "2027-09-01T00:00:00Z"),
        ];
        let wish = |cause, agency, name| match back(cause, agency, name, all.iter().copied()) {
            Some(Wish::Decided(candidate)) => Some(candidate.local_part.as_str().to_string()),
            other => other.map(|_| "something else".into()),
        };
        assert_eq!(wish(Cause::Transfer, "stttt", "Phạm Hòa Bình").as_deref(), Some("hoabinhp.stttt"));
        assert_eq!(wish(Cause::Transfer, "stttt", "Phạm Thái Bình"), None, "another name now");
        assert_eq!(wish(Cause::Transfer, "sct", "Phạm Hòa Bình"), None);
        assert_eq!(wish(Cause::Rename, "stttt", "Phạm Hòa Bình"), None, "a rename asks for another one");
    }

    #[test]
    fn d_19_a_former_address_is_an_alias_then_a_tombstone_then_free() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let calendar = Calendar::default();
        let retention = Retention { alias_months: 12, tombstone_months: 24 };
        let until = at("2027-02-03T00:00:00+07:00");
        // 3 February 2029 is a Saturday.
        let end = at("2029-02-06T00:00:00+07:00");
        assert_eq!(former(true, until, retention, &calendar, at("2027-02-02T23:59:59+07:00")), Former::Alias(until));
        assert_eq!(former(true, until, retention, &calendar, until), Former::Tombstone(end));
        assert_eq!(former(false, end, retention, &calendar, at("2029-02-05T23:59:59+07:00")), Former::Tombstone(end));
        assert_eq!(former(false, end, retention, &calendar, end), Former::Free);
    }
}
