//! A plan for a terminal: counts first, then what people have to decide, at most 100 columns wide.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Item, Outcome, Plan, Told};
use crate::cli::output::{Lang, WIDTH, cell, printable, wrap};

/// Lines of one table; JSON has all.
const ROWS: usize = 200;

impl Outcome {
    /// What people read.
    pub(super) fn title(self, lang: Lang) -> &'static str {
        match self {
            Self::Conflict => lang.pick("conflicts, to be decided by a person", "xung đột, cần người quyết định"),
            Self::Rejected => lang.pick("rejected by a rule", "bị quy tắc từ chối"),
            Self::Waiting => lang.pick("waiting for something else", "đang chờ đối tượng khác"),
            Self::Changed => lang.pick("addresses that change", "địa chỉ thay đổi"),
            Self::Issued => lang.pick("addresses that are issued", "địa chỉ cấp mới"),
            Self::Kept => lang.pick("addresses that stay", "địa chỉ giữ nguyên"),
        }
    }
}

impl Told {
    /// The message with its rule in front, if it does not begin with that already.
    pub(super) fn text(&self, lang: Lang) -> String {
        let message = lang.pick(&self.message, &self.message_vi);
        let cited = self.rule.is_empty() || message.contains(&self.rule);
        let rule = if cited { String::new() } else { format!("{}: ", self.rule) };
        printable(&format!("{rule}{message} [{}]", self.code))
    }
}

impl Plan {
    /// Each number and what it counts, in one line.
    pub(super) fn summary(&self, lang: Lang) -> String {
        let short = |outcome| match outcome {
            Outcome::Conflict => lang.pick("conflicts", "xung đột"),
            Outcome::Rejected => lang.pick("rejected", "từ chối"),
            Outcome::Waiting => lang.pick("waiting", "chờ"),
            Outcome::Changed => lang.pick("changed", "thay đổi"),
            Outcome::Issued => lang.pick("issued", "cấp mới"),
            Outcome::Kept => lang.pick("kept", "giữ nguyên"),
        };
        let mut parts: Vec<String> = self.counts().into_iter().map(|(o, n)| format!("{n} {}", short(o))).collect();
        parts.push(format!("{} {}", self.locked().count(), lang.pick("locked", "khóa")));
        parts.push(format!("{} {}", self.revoked.len() + self.ended().count(), lang.pick("revoked", "thu hồi")));
        let unread: BTreeSet<&str> = self.unread().map(|finding| finding.file.as_str()).collect();
        if !unread.is_empty() {
            parts.push(format!("{}: {}", lang.pick("files with errors", "tệp có lỗi"), unread.len()));
        }
        parts.join(", ")
    }

    /// What the brake would hold, a line each.
    pub(super) fn braked(&self, lang: Lang) -> Vec<String> {
        let line = |brake: &super::Brake| {
            let (count, limit) = (brake.count, brake.limit);
            match lang {
                Lang::En => format!(
                    "D-15: {count} Mailboxes would be revoked at once, at most {limit} pass; the brake holds all of them until a person confirms. Look whether files are missing"
                ),
                Lang::Vi => format!(
                    "D-15: {count} hộp thư sẽ bị thu hồi cùng lúc, tối đa chỉ {limit}; hệ thống giữ lại tất cả đến khi có người xác nhận. Vui lòng kiểm tra xem có thiếu tệp không."
                ),
            }
        };
        self.brakes.iter().map(line).collect()
    }
}

/// The plan as text.
pub fn text(plan: &Plan, lang: Lang) -> String {
    let mut out = plan.summary(lang) + "\n";
    for line in plan.braked(lang) {
        wrap(&mut out, &format!("! {line}"), 0);
    }
    for finding in &plan.findings {
        let place = format!("{}:{}:{}", finding.file, finding.line, finding.column);
        wrap(&mut out, &format!("! {place}: {}", Told::from(finding).text(lang)), 2);
    }
    for outcome in Outcome::ALL {
        let items: Vec<&Item> = plan.of(outcome).collect();
        section(&mut out, outcome.title(lang), items.len(), lang, |out, i| item(out, items[i], lang));
    }
    let locked: Vec<&Item> = plan.locked().collect();
    let title = lang.pick("locked by a person (spec.lock)", "bị khóa theo quyết định (spec.lock)");
    section(&mut out, title, locked.len(), lang, |out, i| {
        let address = locked[i].address.as_deref().unwrap_or_default();
        row(out, &locked[i].name, locked[i].stored_name.as_deref().unwrap_or_default(), "", address);
    });
    let ended: Vec<&Item> = plan.ended().collect();
    section(&mut out, ended_title(lang), ended.len(), lang, |out, i| {
        let address = ended[i].address.as_deref().unwrap_or_default();
        row(out, &ended[i].name, ended[i].stored_name.as_deref().unwrap_or_default(), "", address);
    });
    let title =
        lang.pick("revoked, since no file names them any more (D-14)", "thu hồi do không còn trong tệp nào (D-14)");
    section(&mut out, title, plan.revoked.len(), lang, |out, i| {
        let revoked = &plan.revoked[i];
        row(out, &revoked.mailbox, &revoked.holder, "", &revoked.address);
    });
    out
}

/// What people read above those whose file ends the account.
pub(super) fn ended_title(lang: Lang) -> &'static str {
    lang.pick(
        "revoked by their files: spec.state, spec.endsOn (5.4)",
        "thu hồi theo tệp: spec.state, spec.endsOn (5.4)",
    )
}

/// A heading with its number, and its rows; nothing for none.
fn section(out: &mut String, title: &str, rows: usize, lang: Lang, mut row: impl FnMut(&mut String, usize)) {
    if rows == 0 {
        return;
    }
    let _ = writeln!(out, "\n{title} ({rows})");
    (0..rows.min(ROWS)).for_each(|i| row(out, i));
    if rows > ROWS {
        let more = rows - ROWS;
        let _ = match lang {
            Lang::En => writeln!(out, "  … and {more} more; -o json has all"),
            Lang::Vi => writeln!(out, "  … và {more} mục khác; xem đầy đủ bằng -o json"),
        };
    }
}

fn item(out: &mut String, item: &Item, lang: Lang) {
    let name = item.stored_name.as_deref().unwrap_or_default();
    let rule = item.rule().unwrap_or_default();
    let address = match (&item.former_address, &item.address) {
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (_, address) => address.clone().unwrap_or_default(),
    };
    row(out, &item.name, name, rule, &address);
    if !item.errors.is_empty() {
        let at = item.errors.iter().find_map(|told| told.at);
        let place = at.map_or(item.line.to_string(), |(line, column)| format!("{line}:{column}"));
        let place = format!("{}:{place}", item.file);
        wrap(out, &printable(&place), 4);
    }
    for told in &item.errors {
        wrap(out, &told.text(lang), 4);
    }
    for told in &item.warnings {
        wrap(out, &format!("! {}", told.text(lang)), 4);
    }
}

/// Name, holder, rule and address in columns. An address that is too long for its column gets a line of its own.
fn row(out: &mut String, name: &str, holder: &str, rule: &str, address: &str) {
    let line = format!("  {} {} {}", cell(name, 22), cell(holder, 30), cell(rule, 6));
    let (used, long) = (line.chars().count() + 1, address.chars().count());
    if used + long <= WIDTH {
        out.push_str(format!("{line} {}", printable(address)).trim_end());
        out.push('\n');
    } else {
        out.push_str(line.trim_end());
        out.push('\n');
        wrap(out, address, 4);
    }
}
