//! A plan for a terminal: counts first, then what people have to decide.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Item, Outcome, Plan, Told};
use crate::cli::output::{Columns, Lang, columns, printable, wrap};

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
        let counted = |outcome| format!("{} {}", self.of(outcome).count(), short(outcome));
        let mut parts: Vec<String> = Outcome::ALL.into_iter().map(counted).collect();
        let without = self.without().count();
        if without > 0 {
            parts.push(format!("{without} {}", lang.pick("without an address", "không được cấp địa chỉ")));
        }
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
    for doubt in &plan.doubt {
        wrap(&mut out, &format!("! {}", doubt.pick(lang)), 0);
    }
    for line in plan.braked(lang) {
        wrap(&mut out, &format!("! {line}"), 0);
    }
    for finding in &plan.findings {
        let place = format!("{}:{}:{}", finding.file, finding.line, finding.column);
        wrap(&mut out, &format!("! {place}: {}", Told::from(finding).text(lang)), 2);
    }
    let fit = Fit::of(plan);
    for outcome in Outcome::ALL {
        let items: Vec<&Item> = plan.of(outcome).collect();
        section(&mut out, outcome.title(lang), items.len(), lang, |out, i| item(out, &fit, items[i], lang));
    }
    let without: Vec<&Item> = plan.without().collect();
    section(&mut out, without_title(lang), without.len(), lang, |out, i| item(out, &fit, without[i], lang));
    let locked: Vec<&Item> = plan.locked().collect();
    let title = lang.pick("locked by a person (spec.lock)", "bị khóa theo quyết định (spec.lock)");
    section(&mut out, title, locked.len(), lang, |out, i| {
        fit.row(out, head(locked[i], ""), locked[i].address.as_deref().unwrap_or_default());
    });
    let ended: Vec<&Item> = plan.ended().collect();
    section(&mut out, ended_title(lang), ended.len(), lang, |out, i| {
        fit.row(out, head(ended[i], ""), ended[i].address.as_deref().unwrap_or_default());
    });
    let title =
        lang.pick("revoked, since no file names them any more (D-14)", "thu hồi do không còn trong tệp nào (D-14)");
    section(&mut out, title, plan.revoked.len(), lang, |out, i| {
        let revoked = &plan.revoked[i];
        fit.row(out, [&revoked.mailbox, &revoked.holder, ""], &revoked.address);
    });
    out
}

/// What people read above those who are to have no address.
pub(super) fn without_title(lang: Lang) -> &'static str {
    lang.pick("get no address", "không được cấp địa chỉ")
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

fn item(out: &mut String, fit: &Fit, item: &Item, lang: Lang) {
    let rule = item.rule().unwrap_or_default();
    let address = match (&item.former_address, &item.address) {
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (_, address) => address.clone().unwrap_or_default(),
    };
    fit.row(out, head(item, rule), &address);
    if !item.errors.is_empty() {
        let at = item.errors.iter().find_map(|told| told.at);
        let place = at.map_or(item.line.to_string(), |(line, column)| format!("{line}:{column}"));
        let place = format!("{}:{place}", item.file);
        wrap(out, &printable(&place), 4);
    }
    for told in item.refusals() {
        wrap(out, &told.text(lang), 4);
    }
    for told in &item.warnings {
        wrap(out, &format!("! {}", told.text(lang)), 4);
    }
}

/// Name, holder and rule.
fn head<'i>(item: &'i Item, rule: &'i str) -> [&'i str; 3] {
    [&item.name, item.stored_name.as_deref().unwrap_or_default(), rule]
}

/// Name, holder, rule and address in columns.
struct Fit {
    columns: Columns,
    limit: Option<usize>,
}

impl Fit {
    /// Where nobody says how wide the terminal is, nothing is cut. The address has the rest of the line.
    fn of(plan: &Plan) -> Self {
        let items = plan.items.iter().map(|item| head(item, item.rule().unwrap_or_default()));
        let revoked = plan.revoked.iter().map(|revoked| [revoked.mailbox.as_str(), &revoked.holder, ""]);
        let limit = columns();
        Self { columns: Columns::of(items.chain(revoked), 2, limit.map(|limit| limit * 2 / 3)), limit }
    }

    /// An address that is too long for the rest of its line gets one of its own.
    fn row(&self, out: &mut String, head: [&str; 3], address: &str) {
        let line = format!("  {}", self.columns.row(&head));
        let (used, address) = (self.columns.width() + 3, printable(address));
        if self.limit.is_none_or(|limit| used + address.chars().count() <= limit) {
            let blanks = used.saturating_sub(line.chars().count());
            out.push_str(format!("{line}{}{address}", " ".repeat(blanks)).trim_end());
            out.push('\n');
        } else {
            out.push_str(&line);
            out.push('\n');
            wrap(out, &address, 4);
        }
    }
}
