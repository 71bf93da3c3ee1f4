//! One page of A4 for a person: who, which address, the first password, what to do, until when, whom to ask. Nothing is loaded from
//! anywhere.

use std::io::{self, Write};

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};

use super::Request;
use crate::cli::life::{Holder, Life, words};
use crate::cli::output::Lang;
use crate::domain::calendar::day;

/// Begin of the document.
pub const HEAD: &str = include_str!("head.html");
/// Its end.
pub const FOOT: &str = "</body>\n</html>\n";

/// What stands on it beside the password.
pub struct Sheet {
    name: String,
    title: Option<String>,
    agency: String,
    address: String,
    mailbox: String,
    basis: String,
    page: String,
    hostname: String,
    starts: Option<String>,
    until: Option<String>,
    contact: String,
    today: String,
}

impl Sheet {
    /// The sheet of a holder; `until` is the last day to change the password.
    pub fn new(life: &Life<'_>, holder: &Holder<'_>, request: &Request, until: Option<String>, now: Timestamp) -> Self {
        let system = life.system.cloned().unwrap_or_default();
        let (hostname, office) = (system.hostname, system.office);
        let agency = if holder.agency_title.is_empty() { holder.agency.clone() } else { holder.agency_title.clone() };
        let called: Vec<String> = [Some(office.name), office.phone, office.email].into_iter().flatten().collect();
        let contact = format!("bộ phận công nghệ thông tin của {agency}, hoặc {}", called.join(", "));
        let starts = holder.mailbox.and_then(|mailbox| mailbox.spec.starts_on.as_ref()?.parse::<Date>().ok());
        let basis = holder.mailbox.map(|mailbox| {
            let basis = &mailbox.spec.basis;
            let date = basis.date.parse().map_or_else(|_| basis.date.clone(), |day| words::date(day, Lang::Vi));
            format!("{} ngày {date}, {}", basis.number, basis.issuer)
        });
        Self {
            name: holder.full_name.clone(),
            title: holder.mailbox.and_then(|mailbox| mailbox.spec.title.clone()),
            agency,
            address: holder.address.clone().unwrap_or_default(),
            mailbox: holder.name.clone(),
            basis: basis.unwrap_or_default(),
            page: request.page.clone().unwrap_or(system.page),
            hostname,
            starts: starts.filter(|first| *first > day(now)).map(|first| words::date(first, Lang::Vi)),
            until,
            contact: request.contact.clone().unwrap_or(contact),
            today: words::date(day(now), Lang::Vi),
        }
    }

    /// Writes the page. The password stands here and nowhere else.
    pub fn write(&self, out: &mut dyn Write, password: &SecretString) -> io::Result<()> {
        let row = |title: &str, value: &str| format!("<tr><th>{title}</th><td>{}</td></tr>\n", escaped(value));
        let position = self.title.as_deref().map(|title| row("Chức vụ", title)).unwrap_or_default();
        writeln!(out, "<section class=\"sheet\">\n<p class=\"system\">Hệ thống thư điện tử công vụ</p>")?;
        writeln!(out, "<h1>Phiếu giao tài khoản thư điện tử công vụ</h1>\n<table>")?;
        out.write_all((row("Họ và tên", &self.name) + &position + &row("Cơ quan", &self.agency)).as_bytes())?;
        out.write_all(row("Mã hộp thư", &self.mailbox).as_bytes())?;
        out.write_all(row("Văn bản căn cứ", &self.basis).as_bytes())?;
        if let Some(starts) = &self.starts {
            out.write_all(row("Dùng được từ ngày", starts).as_bytes())?;
        }
        writeln!(
            out,
            "</table>\n<p class=\"label\">Địa chỉ thư điện tử</p>\n<p class=\"address\">{}</p>",
            escaped(&self.address)
        )?;
        write!(out, "<p class=\"label\">Mật khẩu ban đầu (phân biệt chữ hoa, chữ thường)</p>\n<p class=\"password\">")?;
        for character in password.expose_secret().chars() {
            let class = match character {
                c if c.is_ascii_digit() => "d",
                c if c.is_ascii_uppercase() => "u",
                c if c.is_ascii_lowercase() => "l",
                _ => "s",
            };
            write!(out, "<span class=\"{class}\">{}</span>", escaped(&character.to_string()))?;
        }
        writeln!(
            out,
            "</p>\n<p class=\"key\"><span class=\"u\">A</span> chữ hoa <span class=\"l\">a</span> chữ thường <span class=\"d\">2</span> chữ số (gạch chân) <span class=\"s\">@</span> ký tự đặc biệt</p>"
        )?;
        out.write_all(self.steps().as_bytes())?;
        writeln!(
            out,
            "<p class=\"sign\"><span>Người giao<br><i>(ký, ghi rõ họ tên)</i></span><span>Ngày {}</span><span>Người nhận<br><i>(ký, ghi rõ họ tên)</i></span></p>\n</section>",
            self.today
        )
    }

    fn steps(&self) -> String {
        let until = self.until.as_ref().map(|until| {
            format!(
                "<p class=\"until\">Hạn đổi mật khẩu: <b>hết ngày {until}</b>. Quá hạn, tài khoản bị tạm khóa (điểm d khoản 2 Điều 6): không đăng nhập được, thư gửi đến vẫn được nhận.</p>\n"
            )
        });
        let (page, host, contact) = (escaped(&self.page), escaped(&self.hostname), escaped(&self.contact));
        format!(
            "<h2>Việc cần làm ngay</h2>\n<ol>\n\
             <li>Mở trang <b>{page}</b>, nhập địa chỉ và mật khẩu ban đầu ở trên.</li>\n\
             <li>Đặt mật khẩu mới: phải đổi mật khẩu mặc định trong lần truy cập đầu tiên (khoản 1 Điều 9). Mật khẩu mới có từ <b>8 ký tự</b> trở lên, gồm <b>chữ in hoa, chữ in thường, chữ số</b> và <b>ký tự đặc biệt</b> trong số <b class=\"n\">! @ # % $ * &amp;</b> (khoản 2 Điều 9). Không dùng ví dụ Matkhou@123 của Quy chế.</li>\n\
             <li>Sau đó mới cài đặt phần mềm thư: IMAP {host} cổng 993, SMTP {host} cổng 465 (đều dùng TLS).</li>\n\
             <li>Hủy phiếu này khi đã đổi mật khẩu. Không cho ai biết mật khẩu, kể cả người quản trị.</li>\n</ol>\n{}\
             <p>Cần giúp đỡ: {contact}. Mất phiếu hoặc quên mật khẩu: báo cơ quan để có văn bản đề nghị khôi phục (khoản 3 Điều 6); phiếu không in lại.</p>\n",
            until.unwrap_or_default()
        )
    }
}

/// Text as HTML has it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            name: "Hoàng Thị Như Quỳnh".into(),
            title: Some("Chuyên viên <b>".into()),
            agency: "Văn phòng Hội đồng nhân dân và Ủy ban nhân dân huyện Đak Pơ".into(),
            address: "quynhhtn.vanphong.dakpo@gialai.gov.vn".into(),
            mailbox: "nv-000123".into(),
            basis: "12/STTTT-VP ngày 02/02/2026, Sở Thông tin và Truyền thông".into(),
            page: "https://mail.gialai.gov.vn/".into(),
            hostname: "mail.gialai.gov.vn".into(),
            starts: Some("08/06/2026".into()),
            until: Some("06/07/2026".into()),
            contact: "bộ phận công nghệ thông tin, điện thoại 0269 & 0270".into(),
            today: "05/06/2026".into(),
        }
    }

    #[test]
    fn r9_1_r9_2_r6_2_d_a_sheet_says_what_to_do_by_when_and_marks_each_character() {
        let mut page = Vec::new();
        sheet().write(&mut page, &SecretString::from("kT4mx@9RwB7@np<3H")).unwrap();
        let page = String::from_utf8(page).unwrap();
        for part in [
            "<span class=\"l\">k</span><span class=\"u\">T</span><span class=\"d\">4</span>",
            "<span class=\"s\">@</span>",
            "<span class=\"s\">&lt;</span>",
            "Chuyên viên &lt;b&gt;",
            "0269 &amp; 0270",
            "<b>hết ngày 06/07/2026</b>",
            "! @ # % $ * &amp;",
            "khoản 1 Điều 9",
            "<th>Dùng được từ ngày</th><td>08/06/2026</td>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        let without = Sheet { until: None, ..sheet() };
        assert!(!without.steps().contains("Hạn đổi mật khẩu"));
        assert!(["http:", "url(", "src=", "href="].iter().all(|outside| !HEAD.contains(outside)));
    }
}
