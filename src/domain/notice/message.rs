//! A letter as a message (RFC 5322, R3.4): RFC 2047 headers, UTF-8 body, marked as automatic (RFC 3834).

use std::borrow::Cow;

use k8s_openapi::jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use sha2::{Digest, Sha256};

use super::{LOCAL_PART, Letter, Templates, line};

/// On whose behalf notices are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Office {
    /// The mail domain.
    pub domain: String,
    /// Name of the sender.
    pub name: String,
    /// The department that manages the system (R5.1): whom to write to.
    pub manager: String,
    /// Where it is called.
    pub phone: Option<String>,
    /// Its mail address.
    pub email: Option<String>,
}

impl Default for Office {
    fn default() -> Self {
        Self {
            domain: "gialai.gov.vn".into(),
            name: "Hệ thống thư điện tử công vụ tỉnh Gia Lai".into(),
            manager: "Sở Thông tin và Truyền thông".into(),
            phone: None,
            email: None,
        }
    }
}

impl Office {
    /// How the department is reached: «điện thoại 0269 3824 000, thư điện tử hotro@gialai.gov.vn».
    pub(super) fn contact(&self) -> Option<String> {
        let phone = self.phone.as_ref().map(|phone| format!("điện thoại {phone}"));
        let email = self.email.as_ref().map(|email| format!("thư điện tử {email}"));
        let both: Vec<String> = phone.into_iter().chain(email).collect();
        (!both.is_empty()).then(|| both.join(", "))
    }
}

/// A message that can be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its Message-ID without brackets.
    pub message_id: String,
    /// All of it, lines ending in CRLF.
    pub text: String,
}

/// The Message-ID (without brackets) of the notice with a key: who delivers finds by it what was delivered.
pub fn message_id(key: &str, domain: &str) -> String {
    let hash: String = Sha256::digest(key.as_bytes()).iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("notice.{hash}@{domain}")
}

/// The message of a letter; `None` if there is no text for it, which no built-in template leads to.
pub fn compose(letter: &Letter, office: &Office, templates: &Templates, key: &str, now: Timestamp) -> Option<Mail> {
    let (subject, body) = templates.render(letter, office)?;
    let message_id = message_id(key, &office.domain);
    let address = |name: &str, address: &str| Address::new_address(Some(Cow::from(line(name))), line(address));
    let mut message = MessageBuilder::new()
        .from(address(&office.name, &format!("{LOCAL_PART}@{}", office.domain)))
        .to(address(&letter.to.name, &letter.to.address))
        .subject(subject)
        .date(now.as_second())
        .message_id(message_id.clone())
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("Precedence", Raw::new("bulk"));
    if let Some(reply_to) = &letter.agency_address {
        message = message.reply_to(address(&letter.agency, reply_to));
    }
    // RFC 2045 6.8: what base64 carries has the ends of lines of mail, too.
    let text = message.text_body(body.replace('\n', "\r\n")).write_to_string().ok()?;
    Some(Mail { message_id, text })
}
