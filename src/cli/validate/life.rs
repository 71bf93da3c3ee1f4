//! What can be said against files about the life of accounts beyond their schema: days of a WorkCalendar that change nothing, a receipt
//! that is still to come.

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::{Date, Weekday};

use crate::cli::tree::{Node, Object};
use crate::cli::{Code, Finding};
use crate::domain::calendar::day;

/// Everything of that kind.
pub fn check(object: &Object, today: Option<Date>, findings: &mut Vec<Finding>) {
    match object.kind.as_str() {
        "WorkCalendar" => calendar(object, findings),
        "Mailbox" => findings.extend(today.and_then(|today| received_later(object, today))),
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

/// A kind that only the operator writes, and that does no harm in a file that nobody applies.
pub fn of_the_operator(object: &Object) -> Option<Finding> {
    (object.kind == "MailboxActivity").then(|| {
        let message = "the operator writes MailboxActivities, and they are personal data; keep them out of Git";
        let vi = "MailboxActivity do hệ thống tự ghi và là dữ liệu cá nhân; vui lòng không đưa vào Git.";
        let finding = Finding::error(&object.file, Code::WrittenByOperator, message, vi);
        finding.at(object.node.place("kind")).field("kind").as_warning()
    })
}
