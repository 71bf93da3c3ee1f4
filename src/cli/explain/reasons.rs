//! What a state rests on: reasons with their articles, facts, documents.

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;

use super::{Document, Fact, Reason, Said};
use crate::api::{Basis, Mailbox, WantedState};
use crate::cli::life::{Holder, Life, words};
use crate::domain::calendar::{midnight, rfc3339};
use crate::domain::lifecycle::{self, Account, By, Cause, State};

/// Why the account is in its state.
pub fn reasons(holder: &Holder<'_>, account: &Account, state: State, now: Timestamp) -> Vec<Reason> {
    match state {
        State::Revoked | State::Purged => revoked(holder, account, state, now),
        State::MustChangePassword => {
            vec![reason("MustChangePassword", "9.1", account.unlocked_at.or(account.issued_at), "Clock", None)]
        }
        State::Pending => account
            .starts_on
            .map(|day| Reason {
                since: None,
                ..reason("NotStarted", "5.2", Some(midnight(day)), "Document", basis(holder))
            })
            .into_iter()
            .collect(),
        State::Active => vec![reason("Issued", "5.2", account.issued_at, "Document", basis(holder))],
        State::Locked | State::RevocationProposed => {
            let proposed = (state == State::RevocationProposed).then(|| {
                let at = status(holder).and_then(|status| status.proposed_at.as_ref()).map(|at| at.0);
                reason(Cause::Unused.as_str(), Cause::Unused.rule(), at, "Clock", None)
            });
            proposed.into_iter().chain(locks(holder, account)).collect()
        }
    }
}

fn locks(holder: &Holder<'_>, account: &Account) -> Vec<Reason> {
    let of = |(why, lock): (&lifecycle::LockReason, &lifecycle::Lock)| {
        let by = if lock.by == By::Person { "Person" } else { "Clock" };
        let locks = status(holder).map(|status| status.locks.as_slice()).unwrap_or_default();
        let written = locks.iter().find(|lock| lifecycle::LockReason::from(lock.reason) == *why);
        let wanted = holder.mailbox.and_then(|mailbox| mailbox.spec.lock.as_ref()).filter(|_| lock.by == By::Person);
        let document = written.and_then(|lock| lock.basis.as_ref()).or_else(|| wanted.map(|lock| &lock.basis));
        reason(why.as_str(), why.rule(), Some(lock.since), by, document.map(Basis::cited))
    };
    account.locks.iter().map(of).collect()
}

fn revoked(holder: &Holder<'_>, account: &Account, state: State, now: Timestamp) -> Vec<Reason> {
    let ended = lifecycle::ended(account.revoke, account.ends_on, now.max(account.revoked_at.unwrap_or(now)));
    let cause = ended.unwrap_or(if account.gone { Cause::Deleted } else { Cause::Undone });
    let document = (cause == Cause::Approved || cause == Cause::EndsOn).then(|| basis(holder)).flatten();
    let by = if document.is_some() { "Document" } else { "Person" };
    let mut all = vec![reason(cause.as_str(), cause.rule(), account.revoked_at, by, document)];
    if state == State::Purged {
        let at = status(holder).and_then(|status| status.purged_at.as_ref()).map(|at| at.0);
        all.push(reason(Cause::RetentionOver.as_str(), Cause::RetentionOver.rule(), at, "Clock", None));
    }
    all
}

fn reason(
    code: &'static str,
    rule: &'static str,
    at: Option<Timestamp>,
    by: &'static str,
    document: Option<String>,
) -> Reason {
    let article = words::article(rule);
    let says = article.map(|article| Said::new(article.en, article.vi)).unwrap_or_default();
    let cited = article.map(|article| article.cited).unwrap_or_default();
    Reason { code, rule, article: cited, says, since: at.map(rfc3339), by, document, at }
}

fn basis(holder: &Holder<'_>) -> Option<String> {
    holder.mailbox.map(|mailbox| mailbox.spec.basis.cited())
}

fn status<'w>(holder: &Holder<'w>) -> Option<&'w crate::api::MailboxStatus> {
    holder.mailbox.and_then(|mailbox: &'w Mailbox| mailbox.status.as_ref())
}

/// What the clocks run by.
pub fn facts(life: &Life<'_>, holder: &Holder<'_>, account: &Account) -> Vec<Fact> {
    let mut all = Vec::new();
    let mut time = |name, title, at: Option<Timestamp>| {
        all.extend(at.map(|at| Fact { name, value: rfc3339(at), title, at: Some(at) }));
    };
    time("issuedAt", ("issued", "được cấp"), account.issued_at);
    time(
        "passwordChangedAt",
        ("password changed by the holder", "chủ hộp thư đổi mật khẩu"),
        account.password_changed_at,
    );
    time(
        "initialPasswordAt",
        ("default password made anew", "cấp lại mật khẩu mặc định"),
        account.password_made_at.filter(|_| account.password_changed_at.is_none()),
    );
    time(
        "unlockedAt",
        ("last unlocked; all clocks began anew (D-12)", "mở khóa lần cuối; mọi hạn tính lại (D-12)"),
        account.unlocked_at,
    );
    time("revokedAt", ("revoked", "thu hồi"), account.revoked_at);
    if account.issued_at.is_some() && account.password_changed_at.is_none() {
        all.push(Fact {
            name: "defaultPassword",
            value: "true".into(),
            title: ("default password", "mật khẩu mặc định"),
            at: None,
        });
    }
    if account.gone && account.hold {
        all.push(Fact {
            name: "hold",
            value: "true".into(),
            title: ("a document keeps it from being purged", "có văn bản yêu cầu giữ lại, chưa xóa hẳn"),
            at: None,
        });
    }
    let mut day = |name, title, day: Option<Date>| {
        all.extend(day.map(|day| Fact { name, value: day.to_string(), title, at: None }));
    };
    day("startsOn", ("first day", "ngày bắt đầu"), account.starts_on);
    day("endsOn", ("official day of the end", "ngày chính thức kết thúc"), account.ends_on);
    day(
        "absence.from",
        ("notified absence from", "vắng mặt có thông báo từ"),
        account.absence.map(|absence| absence.from),
    );
    day("absence.to", ("notified absence to", "vắng mặt có thông báo đến"), account.absence.map(|absence| absence.to));
    day(
        "absentUntil",
        ("silence counts after the absence, from", "tính thời gian không hoạt động sau khi hết vắng mặt, từ"),
        account.absent_until,
    );
    let activity = account.activity.as_ref();
    day("lastLogin", ("last login", "đăng nhập lần cuối"), activity.and_then(|a| a.last_login));
    day("lastSend", ("last sent", "gửi thư lần cuối"), activity.and_then(|a| a.last_send));
    day("lastReceive", ("last received", "nhận thư lần cuối"), activity.and_then(|a| a.last_receive));
    let complete = activity.filter(|activity| activity.complete_through > Timestamp::MIN);
    let mut time = |name, title, at: Option<Timestamp>| {
        all.extend(at.map(|at| Fact { name, value: rfc3339(at), title, at: Some(at) }));
    };
    time(
        "completeFrom",
        ("use is known completely from", "hoạt động ghi nhận đủ từ"),
        complete.map(|a| a.complete_from),
    );
    time(
        "completeThrough",
        ("use is known completely through", "hoạt động ghi nhận đủ đến"),
        complete.map(|a| a.complete_through),
    );
    let restore = account.asked_back();
    time(
        "restore.receivedAt",
        ("document for the restore received", "nhận văn bản khôi phục"),
        restore.map(|r| r.received_at),
    );
    let due = restore.map(|r| life.rules.calendar.over_working_days(r.received_at, life.rules.terms.restore_days));
    time("restore.due", ("restore is due (6.3)", "hạn khôi phục (6.3)"), due);
    let successor = holder.mailbox.and_then(|mailbox| mailbox.spec.successor_ref.as_ref());
    all.extend(successor.map(|successor| Fact {
        name: "successor",
        value: successor.name.clone(),
        title: ("gets its mail once it is revoked", "nhận thư thay khi đã thu hồi"),
        at: None,
    }));
    all
}

/// Every document that its spec cites, and that of a lock in force.
pub fn documents(holder: &Holder<'_>) -> Vec<Document> {
    let Some(mailbox) = holder.mailbox else { return Vec::new() };
    let spec = &mailbox.spec;
    let mut all = Vec::new();
    let mut cite = |what, title, basis: Option<&Basis>| {
        all.extend(basis.map(|basis| Document { what, cited: basis.cited(), title }));
    };
    // One basis for the account: after the approval it is that of the revocation (R5.4.c).
    match spec.state {
        WantedState::Revoked => cite("revocation", ("revocation", "thu hồi"), Some(&spec.basis)),
        WantedState::Active => cite("issue", ("issue", "cấp tài khoản"), Some(&spec.basis)),
    }
    let locked = status(holder).and_then(|status| status.locks.iter().find_map(|lock| lock.basis.as_ref()));
    cite("lock", ("lock", "tạm khóa"), spec.lock.as_ref().map(|lock| &lock.basis).or(locked));
    cite("absence", ("absence", "vắng mặt"), spec.absence.as_ref().map(|absence| &absence.basis));
    cite("restore", ("restore", "khôi phục"), spec.restore.as_ref().map(|restore| &restore.basis));
    cite("hold", ("hold", "giữ lại"), spec.hold.as_ref().map(|hold| &hold.basis));
    cite("rename", ("rename", "đổi địa chỉ"), spec.rename.as_ref().map(|rename| &rename.basis));
    all
}
