use k8s_openapi::jiff::Timestamp;
use mail_parser::{HeaderValue, MessageParser, MimeHeaders};
use std::collections::BTreeMap;
use unicode_normalization::is_nfc;

use super::templates::all_samples;
use super::*;

const NOW: &str = "2026-06-16T01:02:03Z";

fn letter(notice: Notice) -> Letter {
    Letter { notice, ..all_samples().remove(0) }
}

fn day() -> Date {
    "2026-06-16".parse().expect("a day")
}

fn mail(letter: &Letter, templates: &Templates) -> Mail {
    let now: Timestamp = NOW.parse().expect("a time");
    compose(letter, &Office::default(), templates, "quota/nv-1/95", now).expect("a message")
}

#[test]
fn r3_4_every_notice_is_correct_mime_and_reads_back_as_it_was_written() {
    let templates = Templates::default();
    for letter in all_samples() {
        // Names come in any form.
        let (subject, body) = templates.render(&letter, &Office::default()).expect("a text");
        let mail = mail(&letter, &templates);
        assert!(mail.text.is_ascii(), "seven bits: every server takes it");
        assert!(mail.text.split("\r\n").all(|line| line.len() <= 78 && !line.contains('\n')), "{}", mail.text);
        let read = MessageParser::default().parse(mail.text.as_bytes()).expect("a message");
        assert_eq!(read.subject(), Some(subject.as_str()));
        let text = read.body_text(0).expect("a text");
        assert_eq!(text.replace("\r\n", "\n"), body);
        assert!(text.split("\r\n").all(|line| !line.contains('\n')), "lines of mail end in CRLF");
        assert!(is_nfc(&subject) && is_nfc(&body));
        let from = read.from().and_then(|f| f.first()).expect("From");
        assert_eq!(from.address(), Some("thongbao@gialai.gov.vn"));
        assert_eq!(from.name(), Some("Hệ thống thư điện tử công vụ tỉnh Gia Lai"));
        let to = read.to().and_then(|f| f.first()).expect("To");
        assert_eq!((to.name(), to.address()), (Some(letter.to.name.as_str()), Some(letter.to.address.as_str())));
        let reply = read.reply_to().and_then(|f| f.first()).and_then(|a| a.address());
        assert_eq!(reply, letter.agency_address.as_deref());
        assert_eq!(read.message_id(), Some(mail.message_id.as_str()));
        assert_eq!(read.date().map(|d| d.to_timestamp()), Some(NOW.parse::<Timestamp>().expect("a time").as_second()));
        let text = |name: &str| match read.header(name) {
            Some(HeaderValue::Text(text)) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!((text("Auto-Submitted"), text("Precedence")), ("auto-generated".into(), "bulk".into()));
        let kind = read.content_type().expect("Content-Type");
        assert_eq!((kind.ctype(), kind.attribute("charset")), ("text", Some("utf-8")));
    }
}

#[test]
fn every_notice_says_what_by_which_article_when_what_to_do_and_whom_to_ask() {
    let templates = Templates::default();
    for letter in all_samples() {
        let (subject, body) = templates.render(&letter, &Office::default()).expect("a text");
        for part in ["Điều", "16/6/2026", "đề nghị", "Sở Thông tin và Truyền thông", "Kính gửi", "341/QĐ-UBND"]
        {
            assert!(body.to_lowercase().contains(&part.to_lowercase()), "{part}: {body}");
        }
        assert!(subject.contains(&letter.about.address), "{subject}");
        assert!(
            !body.contains("{{") && !body.contains("\n\n\n") && !body.contains("None") && !body.contains("none"),
            "{body}"
        );
    }
    let office = Office {
        manager: "Trung tâm CNTT và Truyền thông".into(),
        phone: Some("0269 3824 000".into()),
        email: Some("hotro@gialai.gov.vn".into()),
        ..Office::default()
    };
    for letter in all_samples() {
        let (_, body) = templates.render(&letter, &office).expect("a text");
        let whom = "Trung tâm CNTT và Truyền thông (điện thoại 0269 3824 000, thư điện tử hotro@gialai.gov.vn).";
        assert!(body.contains(whom), "{body}");
    }
    let before = letter(Notice::BeforeLock { reason: LockReason::DefaultPassword, day: day(), days_left: 14 });
    let (subject, body) = templates.render(&before, &Office::default()).expect("a text");
    assert_eq!(subject, "Tài khoản quynhhtn.stttt@gialai.gov.vn sẽ bị tạm khóa sau 14 ngày");
    assert!(body.contains("Theo điểm d khoản 2 Điều 6 Quy chế") && body.contains("/mat-khau"), "{body}");
}

#[test]
fn articles_days_and_sizes_are_written_as_people_do() {
    assert_eq!(article("6.2.a"), "điểm a khoản 2 Điều 6");
    assert_eq!(article("8.3.đ"), "điểm đ khoản 3 Điều 8");
    assert_eq!((article("6.3"), article("9")), ("khoản 3 Điều 6".into(), "Điều 9".into()));
    assert_eq!(vietnamese(day()), "16/6/2026");
    for (bytes, text) in [(2 << 30, "2 GB"), (3 << 29, "1,5 GB"), (300_000, "292,9 KB"), (12, "12 byte")] {
        assert_eq!(size(Bytes(bytes)), text);
    }
}

#[test]
fn r3_4_what_comes_in_cannot_add_a_header_and_is_written_in_nfc() {
    let mut letter = letter(Notice::Quota { percent: 90, storage: Bytes(1 << 30), day: day() });
    letter.to.name = "Hoa\u{300}ng\r\nBcc: x@example.org".into();
    letter.about.name = letter.to.name.clone();
    letter.agency = "Sở\r\nX: y".into();
    let mail = mail(&letter, &Templates::default());
    let read = MessageParser::default().parse(mail.text.as_bytes()).expect("a message");
    assert!(read.bcc().is_none() && read.header("X").is_none(), "{}", mail.text);
    assert!(read.body_text(0).expect("text").contains("Hoàng Bcc: x@example.org"));
    assert_eq!(read.to().and_then(|t| t.first()).and_then(|a| a.name()), Some("Hoàng Bcc: x@example.org"));
}

fn with(name: &str, text: &str) -> (Templates, Vec<TemplateError>) {
    Templates::new(&BTreeMap::from([(name.to_string(), text.to_string())]))
}

#[test]
fn a_text_of_the_province_takes_the_place_of_ours_and_a_bad_one_is_named_and_does_not() {
    let quota = letter(Notice::Quota { percent: 90, storage: Bytes(1 << 30), day: day() });
    let (templates, bad) = with("quota.vi.txt", "Hộp thư {{ percent }}%\n\nChào {{ holder }}.\n");
    assert_eq!(bad, []);
    let (subject, body) = templates.render(&quota, &Office::default()).expect("a text");
    assert_eq!((subject.as_str(), body.as_str()), ("Hộp thư 90%", "Chào Hoàng Thị Như Quỳnh.\n"));
    for (name, text, line, part) in [
        ("quota.vi.txt", "a\n\n{{ pecrent }}\n", 3, "undefined"),
        ("quota.vi.txt", "a\n{% if %}\n", 2, "syntax"),
        ("quota.vi.txt", "a\n{% if agency_address %}{{ nobody }}{% endif %}x", 2, "undefined"),
        (
            "quota.vi.txt",
            "a\nx{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            1,
            "fuel",
        ),
        ("quota.vi.txt", "\n\ntext", 1, "subject"),
        ("quota.vi.txt", "subject\n", 1, "no text"),
        ("quotas.vi.txt", "a\nb", 1, "before-lock.vi.txt"),
    ] {
        let (templates, bad) = with(name, text);
        assert_eq!(bad.len(), 1, "{text}");
        assert!(bad[0].file == name && bad[0].message.contains(part), "{text}: {}", bad[0]);
        assert!(bad[0].line == line || part == "fuel", "{text}: {}", bad[0]);
        let (subject, _) = templates.render(&quota, &Office::default()).expect("the built-in text");
        assert!(subject.starts_with("Hộp thư quynh"), "{subject}");
    }
}

#[test]
fn a_key_is_one_message_id() {
    assert_eq!(message_id("a", "x.vn"), message_id("a", "x.vn"));
    assert_ne!(message_id("a", "x.vn"), message_id("b", "x.vn"));
    assert!(message_id("a b\r\n<>", "x.vn").bytes().all(|b| b.is_ascii_alphanumeric() || b".@".contains(&b)));
}
