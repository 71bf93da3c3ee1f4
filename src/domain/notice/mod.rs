//! Notices by mail in Vietnamese (R7.3.d, R6, D-17): which there are, what they say, and the message that carries them (R3.4).
//!
//! Each key is one notice for ever: its Message-ID comes from it, and who delivers knows by it what was delivered.

mod message;
mod quota;
mod templates;

use k8s_openapi::jiff::civil::Date;
use minijinja::{Value, context};
use unicode_normalization::UnicodeNormalization;

use super::lifecycle::LockReason;
use super::quota::Bytes;
pub use message::{Mail, Office, compose, message_id};
pub use quota::{BadThresholds, FULL, REARM, Thresholds};
pub use templates::{BUILT_IN, LONGEST_TEMPLATE, TemplateError, Templates};

/// Local part of the sender; reserved, so nobody else can have it.
pub const LOCAL_PART: &str = "thongbao";
/// Bytes of a message, at most.
pub const LONGEST_MESSAGE: usize = 64 << 10;
/// Notices of one request, at most.
pub const MOST_NOTICES: usize = 50;
/// The regulation, as the texts name it.
const REGULATION: &str = "Quy chế quản lý, vận hành và sử dụng Hệ thống thư điện tử công vụ tỉnh Gia Lai (ban hành kèm theo Quyết định số 341/QĐ-UBND)";

/// A name and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Name of a person or an agency.
    pub name: String,
    /// Its address.
    pub address: String,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The account will be locked; to its holder, 14, 7 and 1 days before.
    BeforeLock {
        /// Why.
        reason: LockReason,
        /// The day at whose 00:00 it happens.
        day: Date,
        /// Days until then.
        days_left: u16,
    },
    /// The account was locked; to its agency.
    Locked {
        /// Why; one at least.
        reasons: Vec<LockReason>,
        /// Since when.
        day: Date,
        /// The document of a person's lock: number, date, issuer.
        document: Option<String>,
    },
    /// The account was restored (6.3).
    Restored {
        /// When.
        day: Date,
        /// The document of the agency.
        document: Option<String>,
    },
    /// The mailbox is nearly full (7.3.d).
    Quota {
        /// Used part of the storage.
        percent: u32,
        /// Storage of the mailbox.
        storage: Bytes,
        /// When it was seen.
        day: Date,
    },
    /// The mailbox is full; mail to it is refused.
    OverQuota {
        /// Used part of the storage, 100 or more.
        percent: u32,
        /// Storage of the mailbox.
        storage: Bytes,
        /// When it was seen.
        day: Date,
    },
}

/// A notice to somebody about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Who gets it.
    pub to: Party,
    /// The account it speaks of, and its holder.
    pub about: Party,
    /// Name of the holder's agency.
    pub agency: String,
    /// Its address, where it has one: answers go there.
    pub agency_address: Option<String>,
    /// Where the holder changes the password.
    pub password_url: Option<String>,
    /// What is told.
    pub notice: Notice,
}

impl Notice {
    /// Name of the template.
    pub fn template(&self) -> &'static str {
        match self {
            Self::BeforeLock { .. } => "before-lock.vi.txt",
            Self::Locked { .. } => "locked.vi.txt",
            Self::Restored { .. } => "restored.vi.txt",
            Self::Quota { .. } => "quota.vi.txt",
            Self::OverQuota { .. } => "over-quota.vi.txt",
        }
    }

    /// What this kind of notice knows more than every letter.
    fn facts(&self) -> Value {
        match self {
            Self::BeforeLock { reason, day, days_left } => context! {
                rule => reason.rule(), article => article(reason.rule()), reason => because(*reason),
                day => vietnamese(*day), days_left => u32::from(*days_left),
            },
            Self::Locked { reasons, day, document } => {
                let each = |reason: &LockReason| {
                    context! { rule => reason.rule(), article => article(reason.rule()), text => because(*reason) }
                };
                let reasons: Vec<Value> = reasons.iter().map(each).collect();
                context! { reasons => reasons, day => vietnamese(*day), document => optional(document.as_deref()) }
            }
            Self::Restored { day, document } => {
                context! { day => vietnamese(*day), document => optional(document.as_deref()) }
            }
            Self::Quota { percent, storage, day } | Self::OverQuota { percent, storage, day } => {
                context! { percent => *percent, storage => size(*storage), day => vietnamese(*day) }
            }
        }
    }
}

impl Letter {
    /// What its template may use.
    fn facts(&self, office: &Office) -> Value {
        context! {
            recipient => line(&self.to.name), holder => line(&self.about.name), address => line(&self.about.address),
            agency => line(&self.agency), agency_address => optional(self.agency_address.as_deref()),
            password_url => optional(self.password_url.as_deref()), manager => line(&office.manager),
            manager_contact => optional(office.contact().as_deref()), sender => line(&office.name), regulation => REGULATION,
            ..self.notice.facts()
        }
    }
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::from(()), |text| Value::from(line(text)))
}

/// Text in NFC that stands on one line, whatever came in.
fn line(text: &str) -> String {
    let text: String = text.nfc().collect();
    text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A day as people write it: 16/6/2026.
pub fn vietnamese(day: Date) -> String {
    format!("{}/{}/{}", day.day(), day.month(), day.year())
}

/// `6.2.a` as the text of a letter: điểm a khoản 2 Điều 6.
pub fn article(rule: &str) -> String {
    let mut parts = rule.split('.');
    let article = parts.next().unwrap_or_default();
    let mut text = format!("Điều {article}");
    if let Some(clause) = parts.next() {
        text = format!("khoản {clause} {text}");
    }
    match parts.next() {
        Some(point) => format!("điểm {point} {text}"),
        None => text,
    }
}

/// The words of Điều 6 khoản 2.
fn because(reason: LockReason) -> &'static str {
    match reason {
        LockReason::Inactive => {
            "không phát sinh hoạt động đăng nhập, gửi, nhận trong khoảng thời gian 03 tháng mà không thông báo lý do"
        }
        LockReason::Compromised => "bị chiếm dụng hoặc lộ lọt mật khẩu",
        LockReason::LostPassword => "quên, mất mật khẩu",
        LockReason::SpamOrMalware => {
            "tham gia vào quá trình phát tán thư rác, mã độc được cơ quan chức năng an toàn thông tin cảnh báo"
        }
        LockReason::ProhibitedUse => "tham gia vào các hoạt động bị cấm quy định tại khoản 3 Điều 3 Quy chế",
        LockReason::DefaultPassword => {
            "không thay đổi mật khẩu mặc định sau 01 tháng kể từ thời điểm được cấp tài khoản thư điện tử công vụ"
        }
    }
}

/// A size as people read it, with a decimal comma: 2 GB, 1,5 GB.
fn size(bytes: Bytes) -> String {
    let units = [("TB", 1_u64 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    let Some((unit, factor)) = units.into_iter().find(|(_, factor)| bytes.0 >= *factor) else {
        return format!("{} byte", bytes.0);
    };
    let tenths = u128::from(bytes.0) * 10 / u128::from(factor);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole},{tenth} {unit}"),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
