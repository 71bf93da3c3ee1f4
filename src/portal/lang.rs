//! Vietnamese first; English for who asks for it.

use k8s_openapi::jiff::Timestamp;

use crate::api::LockReason;
use crate::domain::calendar;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// Tiếng Việt.
    Vi,
    /// English.
    En,
}

impl Lang {
    /// What the link asked for, else what the browser prefers of the two, else Vietnamese.
    pub fn of(asked: Option<&str>, accepted: Option<&str>) -> Self {
        match asked {
            Some("vi") => return Self::Vi,
            Some("en") => return Self::En,
            _ => {}
        }
        let quality = |wanted: &str| {
            let ranges = accepted.unwrap_or_default().split(',').take(32).filter_map(|range| {
                let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
                let primary = name.trim().split('-').next().unwrap_or_default();
                let q = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
                primary.eq_ignore_ascii_case(wanted).then_some(q.unwrap_or(0.0))
            });
            ranges.fold(0.0, f32::max)
        };
        if quality("en") > quality("vi") { Self::En } else { Self::Vi }
    }

    /// For `lang` and `?lang=`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    /// The text of this language.
    pub fn pick<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Vi => vi,
            Self::En => en,
        }
    }

    /// A point such as `6.2.a`, as it is cited.
    pub fn article(self, rule: &str) -> String {
        let parts: Vec<&str> = rule.split('.').collect();
        match (self, parts.as_slice()) {
            (Self::Vi, [article, clause, point]) => format!("điểm {point} khoản {clause} Điều {article}"),
            (Self::Vi, [article, clause]) => format!("khoản {clause} Điều {article}"),
            (Self::En, [article, clause, point]) => format!("Article {article}, clause {clause}, point {point}"),
            (Self::En, [article, clause]) => format!("Article {article}, clause {clause}"),
            _ => rule.into(),
        }
    }

    /// A day in the province.
    pub fn day(self, at: Timestamp) -> String {
        let day = calendar::day(at);
        match self {
            Self::Vi => format!("{:02}/{:02}/{}", day.day(), day.month(), day.year()),
            Self::En => day.strftime("%-d %B %Y").to_string(),
        }
    }

    /// A time to wait, in whole minutes and never less than one.
    pub fn wait(self, seconds: u64) -> String {
        let minutes = seconds.div_ceil(60).max(1);
        match (self, minutes) {
            (Self::Vi, _) => format!("{minutes} phút"),
            (Self::En, 1) => "1 minute".into(),
            (Self::En, _) => format!("{minutes} minutes"),
        }
    }

    /// Why an account is locked (Điều 6 khoản 2).
    pub fn reason(self, reason: LockReason) -> &'static str {
        let (vi, en) = match reason {
            LockReason::Inactive => (
                "Không đăng nhập, gửi hoặc nhận thư trong thời gian 3 tháng",
                "No login, sending or receiving for 3 months",
            ),
            LockReason::Compromised => ("Mật khẩu bị lộ", "The password is known to others"),
            LockReason::LostPassword => ("Mất mật khẩu", "The password is lost"),
            LockReason::SpamOrMalware => ("Là nguồn phát tán thư rác hoặc mã độc", "The mailbox sent spam or malware"),
            LockReason::ProhibitedUse => ("Sử dụng vào việc bị nghiêm cấm", "Prohibited use"),
            LockReason::DefaultPassword => {
                ("Không đổi mật khẩu mặc định trong thời hạn quy định", "The default password was not changed in time")
            }
        };
        self.pick(vi, en)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_comes_first_and_english_by_link_or_preference() {
        let of = |asked, accepted| Lang::of(asked, accepted).code();
        assert_eq!(of(None, None), "vi");
        assert_eq!(of(None, Some("en-GB,en;q=0.9")), "en");
        assert_eq!(of(None, Some("en;q=0.5,vi-VN;q=0.8")), "vi");
        assert_eq!(of(None, Some("en,vi")), "vi", "both alike");
        assert_eq!(of(None, Some("fr-FR,*;q=0.1")), "vi");
        assert_eq!(of(None, Some("en;q=nonsense")), "vi");
        assert_eq!(of(Some("en"), Some("vi")), "en");
        assert_eq!(of(Some("vi"), Some("en")), "vi");
        assert_eq!(of(Some("<script>"), None), "vi");
    }

    #[test]
    fn articles_days_and_waits_are_said_as_people_say_them() {
        assert_eq!(Lang::Vi.article("6.2.a"), "điểm a khoản 2 Điều 6");
        assert_eq!(Lang::En.article("9.2"), "Article 9, clause 2");
        let at = "2026-03-31T18:00:00Z".parse().expect("a time");
        assert_eq!((Lang::Vi.day(at), Lang::En.day(at)), ("01/04/2026".into(), "1 April 2026".into()));
        assert_eq!((Lang::Vi.wait(1), Lang::En.wait(61)), ("1 phút".into(), "2 minutes".into()));
    }
}
