//! Pages from embedded templates; everything that is put in is escaped.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, State, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tracing::error;

use super::accounts::Account;
use super::lang::Lang;
use super::typed::{Field, Trouble};

const TEMPLATES: [(&str, &str); 5] = [
    ("base.html", include_str!("templates/base.html")),
    ("form.html", include_str!("templates/form.html")),
    ("done.html", include_str!("templates/done.html")),
    ("locked.html", include_str!("templates/locked.html")),
    ("error.html", include_str!("templates/error.html")),
];
/// The one style sheet.
pub const STYLE: &str = include_str!("templates/portal.css");

/// Every page.
pub struct Pages {
    environment: Environment<'static>,
    style: String,
}

/// What can be said above the form.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Input that it is about.
    pub field: Option<&'static str>,
    /// The sentence.
    pub text: String,
}

impl Line {
    /// Of something that has to be typed differently.
    pub fn of(trouble: &Trouble, lang: Lang) -> Self {
        Self { field: Some(trouble.field.id()), text: lang.pick(trouble.vi, trouble.en).into() }
    }

    /// Of the attempt as a whole.
    pub fn whole(text: impl Into<String>) -> Self {
        Self { field: None, text: text.into() }
    }
}

#[derive(Serialize)]
struct Input<'a> {
    id: &'static str,
    label: &'a str,
    hint: &'a str,
    kind: &'static str,
    autocomplete: &'static str,
    max: usize,
    value: &'a str,
    errors: Vec<&'a str>,
    described: String,
}

impl Pages {
    /// Compiles the templates.
    pub fn new() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in TEMPLATES {
            environment.add_template(name, source)?;
        }
        environment.add_function("t", |state: &State, vi: String, en: String| {
            let english = state.lookup("lang").is_some_and(|lang| lang.as_str() == Some("en"));
            if english { en } else { vi }
        });
        let digest = Sha256::digest(STYLE);
        let style = format!("/style-{:02x}{:02x}{:02x}.css", digest[0], digest[1], digest[2]);
        Ok(Self { environment, style })
    }

    /// Where the style sheet is; another one has another name, so that browsers may keep it.
    pub fn style(&self) -> &str {
        &self.style
    }

    fn render(&self, name: &str, lang: Lang, domain: &str, more: Vec<(&str, Value)>) -> String {
        let mut all: BTreeMap<&str, Value> = more.into_iter().collect();
        all.extend([("lang", lang.code().into()), ("domain", domain.into()), ("style", self.style.as_str().into())]);
        let page = self.environment.get_template(name).and_then(|template| template.render(Value::from(Serde(all))));
        // Tests render each of them.
        page.unwrap_or_else(|error| {
            error!(name, %error, "a page cannot be made");
            String::new()
        })
    }

    /// The form, with what was typed as an address and everything that has to be done differently.
    pub fn form(&self, lang: Lang, domain: &str, token: &str, address: &str, summary: &[Line]) -> String {
        let retype = summary.iter().any(|line| line.field.is_some());
        let example = format!("{} quynhhtn.stttt@{domain}", lang.pick("Ví dụ:", "For example"));
        let fields = inputs(lang, &example, address, summary);
        self.render(
            "form.html",
            lang,
            domain,
            vec![
                ("token", token.into()),
                ("summary", Value::from(Serde(summary))),
                ("fields", Value::from(Serde(&fields))),
                ("retype", retype.into()),
                ("article", lang.article("9.2").into()),
            ],
        )
    }

    /// The password was changed.
    pub fn done(&self, lang: Lang, domain: &str) -> String {
        self.render("done.html", lang, domain, vec![])
    }

    /// Why the account is locked, and whom to ask (R6.3).
    pub fn locked(&self, lang: Lang, domain: &str, account: &Account) -> String {
        #[derive(Serialize)]
        struct Reason<'a> {
            text: &'static str,
            article: String,
            since: String,
            basis: &'a str,
        }
        let reasons = account.locks.iter().map(|lock| Reason {
            text: lang.reason(lock.reason),
            article: lang.article(lock.reason.rule()),
            since: lock.since.map(|at| lang.day(at)).unwrap_or_default(),
            // What the operator locks by itself names the article again.
            basis: if lock.basis == lock.reason.rule() { "" } else { &lock.basis },
        });
        let reasons: Vec<Reason<'_>> = reasons.collect();
        self.render(
            "locked.html",
            lang,
            domain,
            vec![
                ("address", account.addresses.first().map(String::as_str).unwrap_or_default().into()),
                ("reasons", Value::from(Serde(&reasons))),
                ("agency", account.agency.as_str().into()),
                ("office", Value::from(Serde(&account.office))),
                ("received", lang.article("6.1").into()),
                ("restore", lang.article("6.3").into()),
            ],
        )
    }

    /// Something that is no page, or went wrong.
    pub fn error(&self, lang: Lang, domain: &str, title: &str, text: &str) -> String {
        self.render("error.html", lang, domain, vec![("title", title.into()), ("text", text.into())])
    }
}

fn inputs<'a>(lang: Lang, example: &'a str, address: &'a str, summary: &'a [Line]) -> Vec<Input<'a>> {
    let input = |field: Field, label, hint: &'a str, kind, autocomplete| {
        let id = field.id();
        let errors: Vec<&str> =
            summary.iter().filter(|line| line.field == Some(id)).map(|line| line.text.as_str()).collect();
        let mut described = Vec::new();
        if !hint.is_empty() {
            described.push(format!("{id}-hint"));
        }
        if field == Field::New {
            described.push("rule".into());
        }
        if !errors.is_empty() {
            described.push(format!("{id}-error"));
        }
        let max = if field == Field::Address { 254 } else { 256 };
        Input { id, label, hint, kind, autocomplete, max, value: address, errors, described: described.join(" ") }
    };
    vec![
        input(Field::Address, lang.pick("Địa chỉ thư điện tử", "E-mail address"), example, "email", "username"),
        input(
            Field::Current,
            lang.pick("Mật khẩu hiện tại", "Current password"),
            lang.pick(
                "Lần đầu: mật khẩu mà cơ quan đã giao cho bạn",
                "The first time: the password that your agency gave you",
            ),
            "password",
            "current-password",
        ),
        input(Field::New, lang.pick("Mật khẩu mới", "New password"), "", "password", "new-password"),
        input(Field::Again, lang.pick("Nhập lại mật khẩu mới", "New password again"), "", "password", "new-password"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LockReason;
    use crate::portal::accounts::Locked;

    const EVIL: &str = "\"><script>alert(1)</script>";

    fn all() -> Vec<(String, Lang)> {
        let pages = Pages::new().expect("templates");
        let account = Account {
            mailbox: "nv-1".into(),
            addresses: vec!["a@x.vn".into()],
            locked: true,
            locks: vec![Locked { reason: LockReason::Inactive, since: None, basis: EVIL.into() }],
            agency: EVIL.into(),
            office: crate::api::Office { name: EVIL.into(), phone: Some(EVIL.into()), email: Some(EVIL.into()) },
        };
        let mut all = Vec::new();
        for lang in [Lang::Vi, Lang::En] {
            let wrong = [Line { field: Some("new"), text: EVIL.into() }, Line::whole("x")];
            for page in [
                pages.form(lang, "x.vn", "token", "", &[]),
                pages.form(lang, "x.vn", "token", EVIL, &wrong),
                pages.done(lang, "x.vn"),
                pages.locked(lang, "x.vn", &account),
                pages.error(lang, "x.vn", EVIL, EVIL),
            ] {
                all.push((page, lang));
            }
        }
        all
    }

    #[test]
    fn every_page_is_whole_escaped_and_says_its_language() {
        for (page, lang) in all() {
            assert!(page.contains(&format!("<html lang=\"{}\">", lang.code())), "{page}");
            assert!(page.contains("</html>") && !page.contains("<script"), "{page}");
            assert!(!page.contains("style=") && !page.contains("<style"), "the policy refuses inline styles");
            assert_eq!(page.matches("<h1").count(), 1, "{page}");
        }
    }

    #[test]
    fn r6_3_the_page_of_a_locked_account_says_who_gets_the_document() {
        let office = |phone: Option<&str>| crate::api::Office {
            name: "Trung tâm CNTT".into(),
            phone: phone.map(String::from),
            email: phone.map(|_| "hotro@x.vn".into()),
        };
        let account = |phone| Account {
            mailbox: "nv-1".into(),
            addresses: vec!["a@x.vn".into()],
            locked: true,
            locks: Vec::new(),
            agency: "Sở Nội vụ".into(),
            office: office(phone),
        };
        let page = |phone| Pages::new().expect("templates").locked(Lang::Vi, "x.vn", &account(phone));
        let whom = "<strong>Trung tâm CNTT</strong>, điện thoại 0269 3824 000, thư điện tử hotro@x.vn.";
        assert!(page(Some("0269 3824 000")).contains(whom));
        assert!(page(None).contains("<strong>Trung tâm CNTT</strong>."));
    }

    #[test]
    fn every_input_has_a_label_and_what_describes_it_exists() {
        for (page, _) in all().iter().filter(|(page, _)| page.contains("<form")) {
            for id in ["address", "current", "new", "again"] {
                assert!(
                    page.contains(&format!("<label for=\"{id}\">")) && page.contains(&format!("<input id=\"{id}\""))
                );
            }
            for described in page.split("aria-describedby=\"").skip(1) {
                for id in described.split('"').next().unwrap_or_default().split(' ') {
                    assert!(page.contains(&format!("id=\"{id}\"")), "{id}: {page}");
                }
            }
            for kind in ["username", "current-password", "new-password"] {
                assert!(page.contains(&format!("autocomplete=\"{kind}\"")), "{kind}");
            }
        }
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let name = format!("--{colour}: #");
        let hex = STYLE.split(&name).nth(1).and_then(|rest| rest.split(';').next()).expect(colour);
        let hex = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_string() };
        let linear = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect(colour)) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(0) + 0.7152 * linear(2) + 0.0722 * linear(4)
    }

    #[test]
    fn contrast_is_at_least_aa() {
        let pairs = [
            ("ink", "paper", 4.5),
            ("ink", "ground", 4.5),
            ("ink", "note", 4.5),
            ("soft", "paper", 4.5),
            ("soft", "ground", 4.5),
            ("soft", "note", 4.5),
            ("paper", "brand", 4.5),
            ("paper", "brand-dark", 4.5),
            ("link", "paper", 4.5),
            ("bad", "paper", 4.5),
            ("bad", "bad-ground", 4.5),
            ("ink", "bad-ground", 4.5),
            ("good", "good-ground", 4.5),
            ("line", "paper", 3.0),
        ];
        for (a, b, least) in pairs {
            let (x, y) = (luminance(a), luminance(b));
            let contrast = (x.max(y) + 0.05) / (x.min(y) + 0.05);
            assert!(contrast >= least, "{a} on {b}: {contrast:.2}");
        }
    }

    #[test]
    fn r9_2_the_rule_stands_there_before_one_types() {
        let page = Pages::new().expect("templates").form(Lang::Vi, "x.vn", "t", "", &[]);
        let (rule, form) = (page.find("id=\"rule\"").expect("the rule"), page.find("<form").expect("the form"));
        assert!(rule < form);
        for part in ["8 ký tự", "chữ in hoa", "chữ in thường", "chữ số", "! @ # % $ * &amp;", "khoản 2 Điều 9"]
        {
            assert!(page[..form].contains(part), "{part}");
        }
    }
}
