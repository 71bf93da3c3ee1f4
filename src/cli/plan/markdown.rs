//! A plan as a comment of a pull request: what has to be decided stands first, and the whole fits into one comment.

use super::text::{ended_title, without_title};
use super::{Item, Outcome, Plan, Told};
use crate::cli::output::{Lang, printable};

/// Octets of a comment: code hosts take 65,536 characters.
const LIMIT: usize = 60_000;
/// What is kept of them for headings and for saying what was left out.
const RESERVE: usize = 4_000;
/// Messages of one object; JSON has all.
const TOLD: usize = 5;

/// The plan as Markdown.
pub fn markdown(plan: &Plan, lang: Lang) -> String {
    let mut page = Page { text: String::new(), lang };
    page.text += &format!("### {}\n\n{}\n", lang.pick("Mail addresses", "Địa chỉ thư công vụ"), plan.summary(lang));
    for doubt in &plan.doubt {
        page.text += &format!("\n> **{}**\n", doubt.pick(lang));
    }
    for line in plan.braked(lang) {
        page.text += &format!("\n> **{line}**\n");
    }
    let wrong = |f: &crate::cli::Finding| vec![place(&f.file, f.line), escaped(&Told::from(f).text(lang))];
    let title = lang.pick("files that cannot be read as they are", "tệp không đọc được");
    let heads = [lang.pick("Place", "Vị trí"), lang.pick("What is wrong", "Nội dung")];
    page.table(title, &heads, plan.findings.iter().map(wrong), plan.findings.len(), true);
    for outcome in Outcome::ALL {
        let open = matches!(outcome, Outcome::Conflict | Outcome::Rejected | Outcome::Waiting | Outcome::Changed);
        let (rows, count) = (plan.of(outcome).map(|item| row(item, lang)), plan.of(outcome).count());
        page.table(outcome.title(lang), &heads_of(outcome, lang), rows, count, open);
    }
    let heads = ["", lang.pick("Name", "Họ tên"), lang.pick("Address", "Địa chỉ"), lang.pick("Why", "Lý do")];
    let rows = plan.without().map(|item| row(item, lang));
    page.table(without_title(lang), &heads, rows, plan.without().count(), true);
    let heads = ["", lang.pick("Name", "Họ tên"), lang.pick("Address", "Địa chỉ")];
    let title =
        lang.pick("revoked, since no file names them any more (D-14)", "thu hồi do không còn trong tệp nào (D-14)");
    let revoked = plan.revoked.iter().map(|r| vec![code(&r.mailbox), escaped(&r.holder), code(&r.address)]);
    page.table(title, &heads, revoked, plan.revoked.len(), true);
    let cells = |i: &Item| {
        let (name, address) = (i.stored_name.as_deref().unwrap_or_default(), i.address.as_deref().unwrap_or_default());
        vec![code(&i.name), escaped(name), code(address)]
    };
    page.table(ended_title(lang), &heads, plan.ended().map(cells), plan.ended().count(), true);
    let title = lang.pick("locked by a person (spec.lock)", "bị khóa theo quyết định (spec.lock)");
    page.table(title, &heads, plan.locked().map(cells), plan.locked().count(), false);
    page.text
}

fn heads_of(outcome: Outcome, lang: Lang) -> [&'static str; 4] {
    let last = match outcome {
        Outcome::Conflict | Outcome::Rejected | Outcome::Waiting => lang.pick("What to do", "Cần làm"),
        _ => lang.pick("Rule", "Quy tắc"),
    };
    ["", lang.pick("Name", "Họ tên"), lang.pick("Address", "Địa chỉ"), last]
}

fn row(item: &Item, lang: Lang) -> Vec<String> {
    let address = match (&item.former_address, &item.address) {
        (Some(old), Some(new)) => format!("{} → {}", code(old), code(new)),
        (_, Some(address)) => code(address),
        _ => String::new(),
    };
    let rule = item.rule().map(String::from).filter(|_| item.errors.is_empty());
    let told = item.refusals().chain(&item.warnings).take(TOLD).map(|told| escaped(&told.text(lang)));
    let said: Vec<String> = rule.into_iter().chain(told).collect();
    let name = format!("{} {}<br>{}", item.kind, code(&item.name), place(&item.file, item.line));
    vec![name, escaped(item.stored_name.as_deref().unwrap_or_default()), address, said.join("<br>")]
}

struct Page {
    text: String,
    lang: Lang,
}

impl Page {
    /// A table below its heading, folded unless `open`; rows that do not fit are counted.
    fn table(
        &mut self,
        title: &str,
        heads: &[&str],
        rows: impl Iterator<Item = Vec<String>>,
        count: usize,
        open: bool,
    ) {
        if count == 0 {
            return;
        }
        let open = if open { " open" } else { "" };
        self.text += &format!("\n<details{open}><summary>{title} ({count})</summary>\n\n");
        self.text += &format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
        let mut shown = 0;
        for row in rows {
            let line = format!("| {} |\n", row.join(" | "));
            if self.text.len() + line.len() > LIMIT - RESERVE {
                break;
            }
            self.text += &line;
            shown += 1;
        }
        if shown < count {
            let more = count - shown;
            self.text += &match self.lang {
                Lang::En => format!("\n… and {more} more: `kubectl mail plan -o json` has all.\n"),
                Lang::Vi => format!("\n… và {more} mục khác: xem đầy đủ bằng `kubectl mail plan -o json`.\n"),
            };
        }
        self.text += "\n</details>\n";
    }
}

fn place(file: &str, line: usize) -> String {
    code(&format!("{file}:{line}"))
}

/// Text that a table shows as it is, whatever stood in the file.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in printable(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// The same in the type of code.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<code>{}</code>", escaped(text)) }
}
