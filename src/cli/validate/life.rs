//! What can be said against files about the life of accounts beyond their schema: days of a WorkCalendar that change nothing, a receipt
//! that is still to come.

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::{Date, Weekday};

use crate::cli::tree::{Node, Object};
use crate::cli::{Code, Finding};
use crate::domain::calendar::{day, midnight};
use crate::domain::lifecycle;

/// Everything of that kind.
pub fn check(object: &Object, today: Option<Date>, findings: &mut Vec<Finding>) {
    match object.kind.as_str() {
        "WorkCalendar" => calendar(object, findings),
        "Mailbox" => {
            let of_day = |today| received_later(object, today).into_iter().chain(ended_before(object, today));
            findings.extend(today.into_iter().flat_map(of_day).chain(end_without_document(object)));
        }
        _ => {}
    }
}

fn days<'o>(object: &'o Object, path: &str) -> Vec<(&'o Node, Date)> {
    let items = object.node.find(path).and_then(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| Some((item, item.text()?.parse().ok()?))).collect()
}

/// D-09: a day in both lists is worked; a day of the week is worked anyway.
fn calendar(object: &Object, findings: &mut Vec<Finding>) {
    let holidays = days(object, "spec.holidays");
    for (index, (node, day)) in days(object, "spec.workingDays").into_iter().enumerate() {
        let holiday = holidays.iter().any(|(_, other)| *other == day);
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let (message, vi) = if holiday {
            (
                format!("{day} stands in spec.holidays, too, and counts as worked; remove it from one of the two"),
                format!(
                    "{day} cũng có trong spec.holidays và được tính là ngày làm việc; vui lòng bỏ ở một trong hai."
                ),
            )
        } else if weekend {
            continue;
        } else {
            (
                format!(
                    "{day} is no weekend, so it is worked anyway; write here the weekend days that are worked instead of others"
                ),
                format!("{day} không phải cuối tuần nên vốn là ngày làm việc; ở đây chỉ ghi ngày cuối tuần làm bù."),
            )
        };
        let finding = Finding::error(&object.file, Code::NeedlessDay, message, vi).at(node.at);
        findings.push(finding.field(format!("spec.workingDays[{index}]")).by("D-09").as_warning());
    }
}

/// R6.3: three working days run from the receipt.
fn received_later(object: &Object, today: Date) -> Option<Finding> {
    let path = "spec.restore.receivedAt";
    let node = object.node.find(path)?;
    let received: Timestamp = node.text()?.parse().ok()?;
    (day(received) > today).then(|| {
        let of = day(received);
        let message = format!(
            "the document is said to be received on {of}, which is still to come; nothing is given back before"
        );
        let vi = format!(
            "văn bản ghi nhận ngày {of} là ngày chưa tới; trước đó tài khoản chưa được khôi phục, vui lòng xem lại."
        );
        Finding::error(&object.file, Code::DateToCome, message, vi).at(node.at).field(path).by("R6.3").as_warning()
    })
}

/// R5.4.b: a last day that has come revokes at once, and who has no address by then gets none. An address that was issued stands in
/// the file of who pins (D-21), or in the status of what came out of a cluster.
fn ended_before(object: &Object, today: Date) -> Option<Finding> {
    let path = "spec.endsOn";
    let last: Date = object.node.find(path)?.text()?.parse().ok()?;
    let there = |path: &str| object.node.find(path).is_some_and(|node| !node.is_null());
    let over = lifecycle::ended(false, Some(last), midnight(today)).is_some();
    if !over || there("spec.localPart") || there("status.address") || is_revoked(object) {
        return None;
    }
    let message = format!(
        "spec.endsOn {last} has come (today is {today}): a new account gets no address, and one that is there is revoked at once (5.4.b). \
         If its holder has left, this is right: pin the address that was issued in spec.localPart. Else write a day to come, for \
         example {}, or leave spec.endsOn out",
        later(last, today)
    );
    let vi = format!(
        "spec.endsOn {last} đã đến (hôm nay là {today}): tài khoản mới sẽ không được cấp địa chỉ, tài khoản đang có bị thu hồi ngay \
         (điểm b khoản 4 Điều 5). Nếu người dùng đã nghỉ thì ngày này đúng: vui lòng ghim địa chỉ đã cấp vào spec.localPart. \
         Nếu không, vui lòng ghi một ngày chưa tới, ví dụ {}, hoặc bỏ spec.endsOn.",
        later(last, today)
    );
    let finding = Finding::error(&object.file, Code::EndedBefore, message, vi).at(object.node.place(path)).field(path);
    Some(finding.by("R5.4.b").as_warning())
}

/// R5.2: a revocation by a document cites one of its own, for `spec.basis` is that of the issue. A last day (`spec.endsOn`) came
/// with the issue, and rests on its document.
fn end_without_document(object: &Object) -> Option<Finding> {
    let there = |path: &str| object.node.find(path).is_some_and(|node| !node.is_null());
    if !is_revoked(object) || there("spec.ending") {
        return None;
    }
    let (path, way) = ("spec.state", "spec.ending: {basis: {number: NUMBER, date: \"YYYY-MM-DD\", issuer: ISSUER}}");
    let message = format!(
        "{path} ends the account, and no document of the end is named (R5.2, spec.basis is that of the issue); write {way}"
    );
    let vi = format!(
        "{path} kết thúc tài khoản nhưng chưa ghi văn bản thu hồi (khoản 2 Điều 5; spec.basis là văn bản cấp); vui lòng ghi {way}"
    );
    let finding = Finding::error(&object.file, Code::EndWithoutDocument, message, vi);
    Some(finding.at(object.node.place(path)).field(path).by("R5.2").as_warning())
}

/// Whether the file revokes the account by a document.
fn is_revoked(object: &Object) -> bool {
    object.node.find("spec.state").and_then(Node::text) == Some("Revoked")
}

/// The same day of the first year in which it is still to come: mostly the year was mistyped.
fn later(last: Date, today: Date) -> Date {
    let years = (today.year() - last.year()).max(0);
    let of = |years: i16| last.checked_add(k8s_openapi::jiff::Span::new().years(years)).unwrap_or(last);
    if of(years) > today { of(years) } else { of(years.saturating_add(1)) }
}

/// Whether the file ends the account by `today`.
pub fn is_over(object: &Object, today: Option<Date>) -> bool {
    let last: Option<Date> = object.node.find("spec.endsOn").and_then(Node::text).and_then(|text| text.parse().ok());
    is_revoked(object) || last.zip(today).is_some_and(|(last, today)| last <= today)
}

/// A kind that only the operator writes, and that does no harm in a file that nobody applies.
pub fn of_the_operator(object: &Object) -> Option<Finding> {
    (object.kind == "MailboxActivity").then(|| {
        let message = "the operator writes MailboxActivities, and they are personal data; keep them out of Git";
        let vi = "MailboxActivity do hệ thống tự ghi và là dữ liệu cá nhân; vui lòng không đưa vào Git.";
        let finding = Finding::error(&object.file, Code::WrittenByOperator, message, vi);
        finding.at(object.node.place("kind")).field("kind").as_warning()
    })
}
