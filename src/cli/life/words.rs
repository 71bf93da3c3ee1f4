//! States, actions, causes and articles as people read them, in two languages. Sentences of articles are those of the regulation
//! (Quyết định 341/QĐ-UBND, 2022).

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::{Date, Weekday};

use crate::cli::output::Lang;
use crate::domain::calendar::{day, midnight, rfc3339};
use crate::domain::lifecycle::{Cause, Kind, LockReason, State};

/// English and Vietnamese.
pub type Both = (&'static str, &'static str);

/// One of two texts.
pub fn pick(lang: Lang, (en, vi): Both) -> &'static str {
    match lang {
        Lang::En => en,
        Lang::Vi => vi,
    }
}

/// What is done.
pub fn action(kind: Kind) -> Both {
    match kind {
        Kind::Lock => ("lock", "tạm khóa"),
        Kind::Unlock => ("unlock", "mở khóa"),
        Kind::Relieve => ("one reason less", "bớt một lý do khóa"),
        Kind::RestoreDue => ("restore is due", "đến hạn khôi phục"),
        Kind::ProposeRevocation => ("propose revocation", "đề xuất thu hồi"),
        Kind::Revoke => ("revoke", "thu hồi"),
        Kind::Purge => ("purge", "xóa hẳn"),
        Kind::Warn => ("warn", "báo trước"),
    }
}

/// Why.
pub fn cause(cause: Cause) -> Both {
    match cause {
        Cause::Locks(reason) => self::reason(reason),
        Cause::Restore => ("a document asks for the account back", "có văn bản đề nghị khôi phục"),
        Cause::Withdrawn => ("spec.lock was taken out", "đã bỏ spec.lock"),
        Cause::Unused => ("no login for long", "lâu không đăng nhập"),
        Cause::EndsOn => ("the official day (spec.endsOn)", "ngày chính thức (spec.endsOn)"),
        Cause::Approved => ("a document approves it (spec.state)", "có văn bản đồng ý (spec.state)"),
        Cause::Deleted => ("its Mailbox was deleted", "Mailbox đã bị xóa"),
        Cause::Undone => ("nothing asks for the revocation any more", "không còn căn cứ thu hồi"),
        Cause::RetentionOver => ("the time of keeping is over", "hết thời hạn lưu giữ"),
    }
}

/// A reason of a lock.
pub fn reason(reason: LockReason) -> Both {
    match reason {
        LockReason::Inactive => ("no login, send or receive", "không đăng nhập, gửi, nhận"),
        LockReason::Compromised => ("the password is known to others", "bị chiếm dụng hoặc lộ mật khẩu"),
        LockReason::LostPassword => ("the password is lost", "quên, mất mật khẩu"),
        LockReason::SpamOrMalware => ("a source of spam or malware", "phát tán thư rác, mã độc"),
        LockReason::ProhibitedUse => ("prohibited use", "dùng vào việc bị cấm"),
        LockReason::DefaultPassword => ("the default password stands", "chưa đổi mật khẩu mặc định"),
    }
}

/// A state, and what the holder may do in it (requirements §5).
pub fn state(state: State) -> (Both, Both) {
    match state {
        State::Pending => (
            ("Pending", "Chưa cấp"),
            (
                "no login; until it has an address mail is refused, until its first day senders are told to try again",
                "chưa đăng nhập được; chưa có địa chỉ thì thư bị từ chối, chưa đến ngày bắt đầu thì người gửi sẽ gửi lại",
            ),
        ),
        State::MustChangePassword => (
            ("MustChangePassword", "Phải đổi mật khẩu"),
            ("only to change the password; mail is received", "chỉ được đổi mật khẩu; thư vẫn nhận"),
        ),
        State::Active => (("Active", "Đang dùng"), ("full use", "dùng bình thường")),
        State::Locked => (
            ("Locked", "Tạm khóa"),
            ("no login by any protocol; mail is received", "không đăng nhập được; thư vẫn nhận"),
        ),
        State::RevocationProposed => (
            ("RevocationProposed", "Đề xuất thu hồi"),
            ("as before, until a person decides", "như trước đó, cho đến khi có quyết định"),
        ),
        State::Revoked => (
            ("Revoked", "Đã thu hồi"),
            ("no login, mail is refused; everything is kept", "không đăng nhập, thư bị từ chối; dữ liệu còn lưu giữ"),
        ),
        State::Purged => (
            ("Purged", "Đã xóa hẳn"),
            ("gone; the address is kept free", "không còn; địa chỉ không cấp cho người khác"),
        ),
    }
}

/// The Vietnamese of a reason of a condition that is a state or the reason of a lock. Of the others there is none: what people of the
/// province read is written by people.
pub fn condition(reason: &str, lang: Lang) -> Option<&'static str> {
    let state = STATES.iter().find(|state| state.as_str() == reason).map(|of| state(*of).0.1);
    let lock = || LockReason::ALL.iter().find(|lock| lock.as_str() == reason).map(|of| self::reason(*of).1);
    (lang == Lang::Vi).then(|| state.or_else(lock)).flatten()
}

/// The reason of a condition with its Vietnamese, where there is one.
pub fn condition_told(reason: &str, lang: Lang) -> String {
    condition(reason, lang).map_or_else(|| reason.to_string(), |vi| format!("{reason} ({vi})"))
}

/// Every state, in the order of a life.
pub const STATES: [State; 7] = [
    State::Active,
    State::MustChangePassword,
    State::Pending,
    State::Locked,
    State::RevocationProposed,
    State::Revoked,
    State::Purged,
];

/// A point of the regulation, or a decision that fills a gap of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Article {
    /// As it is cited in Vietnamese.
    pub cited: &'static str,
    /// The sentence, shortened, in English.
    pub en: &'static str,
    /// The sentence of the regulation.
    pub vi: &'static str,
}

/// What a rule says.
pub fn article(rule: &str) -> Option<Article> {
    let (cited, en, vi) = match rule {
        "5.2" => (
            "khoản 2 Điều 5",
            "Who wants an account issued, changed or revoked says so by a written document.",
            "Cơ quan, đơn vị có yêu cầu cấp mới, thay đổi, thu hồi tài khoản thư điện tử gửi thông báo bằng văn bản để được giải quyết theo quy định.",
        ),
        "5.4.b" => (
            "điểm b khoản 4 Điều 5",
            "Of who retires, leaves or is transferred the account is revoked after the official day.",
            "Trường hợp cá nhân nghỉ hưu, nghỉ việc hoặc chuyển công tác sang cơ quan khác: thu hồi tài khoản sau thời điểm chính thức.",
        ),
        "5.4.c" => (
            "điểm c khoản 4 Điều 5",
            "An account is revoked on the document of the agency of its holder.",
            "Thu hồi tài khoản thư điện tử công vụ sau khi có văn bản đề nghị thu hồi từ cơ quan, đơn vị quản lý cá nhân.",
        ),
        "6.2.a" => (
            "điểm a khoản 2 Điều 6",
            "No login, send or receive for 3 months, and no reason was notified.",
            "Không phát sinh hoạt động đăng nhập, gửi, nhận trong khoảng thời gian 03 tháng mà không thông báo lý do.",
        ),
        "6.2.b" => (
            "điểm b khoản 2 Điều 6",
            "Compromised, the password leaked, forgotten or lost; or a source of spam or malware.",
            "Bị chiếm dụng, lộ lọt hoặc quên, mất mật khẩu; tham gia vào quá trình phát tán thư rác, mã độc được cơ quan chức năng an toàn thông tin cảnh báo.",
        ),
        "6.2.c" => (
            "điểm c khoản 2 Điều 6",
            "Takes part in what khoản 3 Điều 3 prohibits.",
            "Tham gia vào các hoạt động bị cấm quy định tại khoản 3 Điều 3 Quy chế này.",
        ),
        "6.2.d" => (
            "điểm d khoản 2 Điều 6",
            "The default password was not changed within 1 month of the issue.",
            "Không thay đổi mật khẩu mặc định sau 01 tháng kể từ thời điểm được cấp tài khoản thư điện tử công vụ.",
        ),
        "6.3" => (
            "điểm b khoản 3 Điều 6",
            "Within 3 working days of the receipt of the document the account is verified and given back, with a new password.",
            "Sau 03 ngày làm việc kể từ khi tiếp nhận yêu cầu: xác minh yêu cầu, kích hoạt tài khoản thư điện tử bị tạm khóa và khởi tạo lại mật khẩu truy nhập.",
        ),
        "8.3.đ" => (
            "điểm đ khoản 3 Điều 8",
            "Of who does not use the account for long (more than 6 months) the revocation is proposed.",
            "Đề xuất, kiến nghị việc thu hồi tài khoản thư điện tử công vụ nếu tổ chức, cá nhân không sử dụng trong thời gian dài (quá 06 tháng).",
        ),
        "9.1" => (
            "khoản 1 Điều 9",
            "The default password is changed at the first access.",
            "Tổ chức, cá nhân được cấp tài khoản phải thay đổi mật khẩu mặc định trong lần đầu truy cập hộp thư ngay sau khi được cấp.",
        ),
        "D-14" => (
            "quyết định D-14",
            "What is revoked is kept; it is purged only when the time of keeping is over and no document holds it.",
            "Tài khoản thu hồi được lưu giữ nguyên vẹn; chỉ xóa hẳn khi hết thời hạn lưu giữ và không có văn bản yêu cầu giữ lại.",
        ),
        _ => return None,
    };
    Some(Article { cited, en, vi })
}

/// A rule as it is cited in English: `6.2.b` is point b of clause 2 of Article 6.
pub fn cited(rule: &str) -> String {
    if rule.starts_with("D-") {
        return format!("decision {rule}");
    }
    let mut parts = rule.split('.');
    let (article, clause, point) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let clause = clause.map(|clause| format!(", clause {clause}")).unwrap_or_default();
    let point = point.map(|point| format!(", point {point}")).unwrap_or_default();
    format!("Article {article}{clause}{point}")
}

/// An action that somebody wrote down, in words; the word itself where nobody knows it.
pub fn action_named(text: &str, lang: Lang) -> &str {
    let known = KINDS.into_iter().find(|kind| kind.as_str() == text);
    known.map_or(text, |kind| pick(lang, action(kind)))
}

/// The same of what led to it.
pub fn cause_named(text: &str, lang: Lang) -> &str {
    let locks = LockReason::ALL.map(Cause::Locks).into_iter();
    let known = locks.chain(OTHER_CAUSES).find(|cause| cause.as_str() == text);
    known.map_or(text, |known| pick(lang, cause(known)))
}

const KINDS: [Kind; 8] = [
    Kind::Warn,
    Kind::Relieve,
    Kind::Lock,
    Kind::Unlock,
    Kind::RestoreDue,
    Kind::ProposeRevocation,
    Kind::Revoke,
    Kind::Purge,
];
const OTHER_CAUSES: [Cause; 8] = [
    Cause::Restore,
    Cause::Withdrawn,
    Cause::Unused,
    Cause::EndsOn,
    Cause::Approved,
    Cause::Deleted,
    Cause::Undone,
    Cause::RetentionOver,
];

/// A day as people of the language write it.
pub fn date(day: Date, lang: Lang) -> String {
    match lang {
        Lang::En => day.to_string(),
        Lang::Vi => day.strftime("%d/%m/%Y").to_string(),
    }
}

/// A day with its name.
pub fn named_day(day: Date, lang: Lang) -> String {
    let name = match day.weekday() {
        Weekday::Monday => ("Monday", "thứ Hai"),
        Weekday::Tuesday => ("Tuesday", "thứ Ba"),
        Weekday::Wednesday => ("Wednesday", "thứ Tư"),
        Weekday::Thursday => ("Thursday", "thứ Năm"),
        Weekday::Friday => ("Friday", "thứ Sáu"),
        Weekday::Saturday => ("Saturday", "thứ Bảy"),
        Weekday::Sunday => ("Sunday", "Chủ nhật"),
    };
    match lang {
        Lang::En => format!("{} {}", date(day, lang), name.0),
        Lang::Vi => format!("{}, {}", name.1, date(day, lang)),
    }
}

/// A moment: its day, and the time of day unless it is 00:00.
pub fn time(at: Timestamp, lang: Lang) -> String {
    let of = day(at);
    let text = date(of, lang);
    if midnight(of) == at { text } else { format!("{text} {}", &rfc3339(at)[11..16]) }
}

/// The last day of a term that is over at `at`.
pub fn last_day(at: Timestamp, lang: Lang) -> String {
    let of = day(at);
    let last = if midnight(of) == at { of.yesterday().unwrap_or(of) } else { of };
    date(last, lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_an_article_in_both_languages() {
        for cause in LockReason::ALL.map(Cause::Locks).into_iter().chain(OTHER_CAUSES) {
            let article = article(cause.rule());
            assert!(article.is_some_and(|a| a.en != a.vi && !a.cited.is_empty()), "{cause:?}");
        }
    }

    #[test]
    fn articles_are_cited_in_the_language_of_the_text() {
        for (rule, expected) in
            [("6.2.b", "Article 6, clause 2, point b"), ("9.1", "Article 9, clause 1"), ("D-14", "decision D-14")]
        {
            assert_eq!(cited(rule), expected);
        }
        assert_eq!((action_named("Revoke", Lang::Vi), action_named("Other", Lang::Vi)), ("thu hồi", "Other"));
        assert_eq!(cause_named("Inactive", Lang::Vi), "không đăng nhập, gửi, nhận");
    }

    #[test]
    fn moments_are_told_in_the_zone_of_the_province() {
        let at = |text: &str| text.parse::<Timestamp>().expect(text);
        assert_eq!(time(at("2026-06-15T17:00:00Z"), Lang::Vi), "16/06/2026");
        assert_eq!(time(at("2026-06-15T18:30:00Z"), Lang::En), "2026-06-16 01:30");
        assert_eq!(named_day(day(at("2026-06-15T17:00:00Z")), Lang::Vi), "thứ Ba, 16/06/2026");
    }
}
