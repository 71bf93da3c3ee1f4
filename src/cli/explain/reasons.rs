//! What a state rests on: reasons with their articles, facts, documents.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;

use super::{Document, Fact, Reason, Said, Unmet};
use crate::api::{Basis, ConditionType, Mailbox};
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
                ..reason("NotStarted", lifecycle::ISSUE, Some(midnight(day)), "Document", basis(holder))
            })
            .into_iter()
            .collect(),
        State::Active => vec![reason("Issued", lifecycle::ISSUE, account.issued_at, "Document", basis(holder))],
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
    let mut all = vec![self::ended(holder, account, cause)];
    if state == State::Purged {
        let at = status(holder).and_then(|status| status.purged_at.as_ref()).map(|at| at.0);
        all.push(reason(Cause::RetentionOver.as_str(), Cause::RetentionOver.rule(), at, "Clock", None));
    }
    all
}

/// The end of an account, with its document.
pub fn ended(holder: &Holder<'_>, account: &Account, cause: Cause) -> Reason {
    let by_file = cause == Cause::Approved || cause == Cause::EndsOn;
    let named = holder.mailbox.filter(|_| by_file).and_then(|mailbox| mailbox.spec.ends_by());
    let document = named.map(Basis::cited);
    let by = if document.is_some() { "Document" } else { "Person" };
    reason(cause.as_str(), cause.rule(), account.revoked_at, by, document)
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

/// Conditions that do not hold, and what `Ready` says of who has no address: also who is to have none is ready. `Reconciling` and `Stalled`
/// hold where something is not well, and say what `Ready` says.
pub fn unmet(holder: &Holder<'_>) -> Vec<Unmet> {
    let conditions = status(holder).map(|status| status.conditions.as_slice()).unwrap_or_default();
    let bad = [ConditionType::Reconciling, ConditionType::Stalled].map(ConditionType::as_str);
    let bare = status(holder).is_some_and(|status| status.address.is_none());
    let tells = |c: &&Condition| c.status != "True" || bare && c.type_ == ConditionType::Ready.as_str();
    let unmet = conditions.iter().filter(tells).filter(|c| !bad.contains(&c.type_.as_str()));
    let one = |c: &Condition| Unmet {
        kind: c.type_.clone(),
        status: c.status.clone(),
        reason: c.reason.clone(),
        message: c.message.clone(),
    };
    unmet.map(one).collect()
}

/// English and Vietnamese.
type Title = (&'static str, &'static str);

fn moment(name: &'static str, title: Title, at: Option<Timestamp>) -> Option<Fact> {
    at.map(|at| Fact { name, value: rfc3339(at), title, at: Some(at) })
}

fn day(name: &'static str, title: Title, day: Option<Date>) -> Option<Fact> {
    day.map(|day| Fact { name, value: day.to_string(), title, at: None })
}

fn yes(name: &'static str, title: Title, is: bool) -> Option<Fact> {
    is.then(|| Fact { name, value: "true".into(), title, at: None })
}

/// What the clocks run by.
pub fn facts(life: &Life<'_>, holder: &Holder<'_>, account: &Account) -> Vec<Fact> {
    let all = past(account).into_iter().chain(days(account)).chain(use_of_it(account));
    all.chain(asked_back(life, account)).chain([successor(holder)]).flatten().collect()
}

/// What happened to it.
fn past(account: &Account) -> [Option<Fact>; 7] {
    let initial = account.password_changed_at.is_none();
    [
        moment("issuedAt", ("issued", "được cấp"), account.issued_at),
        moment(
            "passwordChangedAt",
            ("password changed by the holder", "chủ hộp thư đổi mật khẩu"),
            account.password_changed_at,
        ),
        moment(
            "initialPasswordAt",
            ("default password made anew", "cấp lại mật khẩu mặc định"),
            account.password_made_at.filter(|_| initial),
        ),
        moment(
            "unlockedAt",
            ("last unlocked; all clocks began anew (D-12)", "mở khóa lần cuối; mọi hạn tính lại (D-12)"),
            account.unlocked_at,
        ),
        moment("revokedAt", ("revoked", "thu hồi"), account.revoked_at),
        yes(
            "defaultPassword",
            ("default password", "mật khẩu mặc định"),
            account.issued_at.is_some() && initial && !account.gone,
        ),
        yes(
            "hold",
            ("a document keeps it from being purged", "có văn bản yêu cầu giữ lại, chưa xóa hẳn"),
            account.gone && account.hold,
        ),
    ]
}

/// Days that people wrote.
fn days(account: &Account) -> [Option<Fact>; 5] {
    let absence = account.absence;
    [
        day("startsOn", ("first day", "ngày bắt đầu"), account.starts_on),
        day("endsOn", ("official day of the end", "ngày chính thức kết thúc"), account.ends_on),
        day("absence.from", ("notified absence from", "vắng mặt có thông báo từ"), absence.map(|absence| absence.from)),
        day("absence.to", ("notified absence to", "vắng mặt có thông báo đến"), absence.map(|absence| absence.to)),
        day(
            "absentUntil",
            ("silence counts after the absence, from", "tính thời gian không hoạt động sau khi hết vắng mặt, từ"),
            account.absent_until,
        ),
    ]
}

/// What is known of its use, and for which time.
fn use_of_it(account: &Account) -> [Option<Fact>; 5] {
    let activity = account.activity.as_ref();
    let complete = activity.filter(|activity| activity.complete_through > Timestamp::MIN);
    [
        day("lastLogin", ("last login", "đăng nhập lần cuối"), activity.and_then(|a| a.last_login)),
        day("lastSend", ("last sent", "gửi thư lần cuối"), activity.and_then(|a| a.last_send)),
        day("lastReceive", ("last received", "nhận thư lần cuối"), activity.and_then(|a| a.last_receive)),
        moment(
            "completeFrom",
            ("use is known completely from", "hoạt động ghi nhận đủ từ"),
            complete.map(|a| a.complete_from),
        ),
        moment(
            "completeThrough",
            ("use is known completely through", "hoạt động ghi nhận đủ đến"),
            complete.map(|a| a.complete_through),
        ),
    ]
}

/// The document that asks for it back, and its term (6.3).
fn asked_back(life: &Life<'_>, account: &Account) -> [Option<Fact>; 2] {
    let received = account.asked_back().map(|restore| restore.received_at);
    let due = received.map(|at| life.rules.calendar.over_working_days(at, life.rules.terms.restore_days));
    [
        moment("restore.receivedAt", ("document for the restore received", "nhận văn bản khôi phục"), received),
        moment("restore.due", ("restore is due (6.3)", "hạn khôi phục (6.3)"), due),
    ]
}

fn successor(holder: &Holder<'_>) -> Option<Fact> {
    let successor = holder.mailbox.and_then(|mailbox| mailbox.spec.successor_ref.as_ref())?;
    let title = ("gets its mail once it is revoked", "nhận thư thay khi đã thu hồi");
    Some(Fact { name: "successor", value: successor.name.clone(), title, at: None })
}

/// Every document that its spec cites, and that of a lock in force.
pub fn documents(holder: &Holder<'_>) -> Vec<Document> {
    let hold = ("hold", ("hold", "giữ lại"));
    let Some(mailbox) = holder.mailbox else {
        return holder
            .hold
            .iter()
            .map(|cited| Document { what: hold.0, cited: cited.clone(), title: hold.1 })
            .collect();
    };
    let spec = &mailbox.spec;
    let mut all = Vec::new();
    let mut cite = |what, title, basis: Option<&Basis>| {
        all.extend(basis.map(|basis| Document { what, cited: basis.cited(), title }));
    };
    cite("issue", ("issue", "cấp tài khoản"), Some(&spec.basis));
    cite("revocation", ("revocation", "thu hồi"), spec.ending.as_ref().map(|ending| &ending.basis));
    let locked = status(holder).and_then(|status| status.locks.iter().find_map(|lock| lock.basis.as_ref()));
    cite("lock", ("lock", "tạm khóa"), spec.lock.as_ref().map(|lock| &lock.basis).or(locked));
    cite("absence", ("absence", "vắng mặt"), spec.absence.as_ref().map(|absence| &absence.basis));
    cite("restore", ("restore", "khôi phục"), spec.restore.as_ref().map(|restore| &restore.basis));
    cite(hold.0, hold.1, spec.hold.as_ref().map(|hold| &hold.basis));
    cite("rename", ("rename", "đổi địa chỉ"), spec.rename.as_ref().map(|rename| &rename.basis));
    all
}
