//! A forecast for a terminal: a summary, then a table for each day.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8s_openapi::jiff::civil::Date;

use super::{Acts, Answer};
use crate::cli::life::words;
use crate::cli::output::{Columns, Lang, columns, printable, wrap};
use crate::domain::calendar::day;
use crate::domain::lifecycle::{Action, Kind};

/// Rows of all tables of days; JSON has all.
const ROWS: usize = 500;
/// Rows of what is held, or unknown.
const FEW: usize = 20;

/// The forecast as text. Warnings stand in it only when they are asked for.
pub fn text(answer: &Answer, warnings: bool, lang: Lang) -> String {
    let mut out = summary(answer, lang);
    let shown = |acts: &&Acts| warnings || acts.what.kind != Kind::Warn;
    let mut days: BTreeMap<Date, Vec<&Acts>> = BTreeMap::new();
    for acts in answer.actions.iter().filter(shown) {
        days.entry(day(acts.what.at)).or_default().push(acts);
    }
    let total: usize = days.values().map(Vec::len).sum();
    let told = answer.actions.iter().filter(shown).map(|acts| cells(&acts.mailbox, &acts.holder, &acts.what, lang));
    let held_too = answer.held.iter().map(|waits| cells(&waits.mailbox, &waits.holder, &waits.what, lang));
    let fit = Columns::of(told.chain(held_too), 2, columns());
    let mut left = ROWS;
    for (day, all) in days {
        if left == 0 {
            break;
        }
        let _ = writeln!(out, "\n{}", words::named_day(day, lang));
        for acts in all.into_iter().take(left) {
            row(&mut out, &fit, &cells(&acts.mailbox, &acts.holder, &acts.what, lang));
            left -= 1;
        }
    }
    more(&mut out, total.saturating_sub(ROWS), lang);
    held(&mut out, answer, &fit, lang);
    unknown(&mut out, answer, lang);
    out
}

fn summary(answer: &Answer, lang: Lang) -> String {
    let mut out = String::new();
    let (now, until) = (words::time(answer.now, lang), words::time(answer.until, lang));
    let _ = match lang {
        Lang::En if answer.until > answer.now => {
            writeln!(out, "Now {now}, until {until} if nobody does anything (+07:00)")
        }
        Lang::En => writeln!(out, "Now {now} (+07:00): what is due by then; --until DAY looks ahead"),
        Lang::Vi if answer.until > answer.now => writeln!(out, "Lúc {now}, đến {until} nếu không ai làm gì (+07:00)"),
        Lang::Vi => writeln!(out, "Lúc {now} (+07:00): những việc đã đến hạn; thêm --until NGÀY để xem trước"),
    };
    let states = answer.counts().into_values().filter(|(_, n)| *n > 0);
    let states: Vec<String> =
        states.map(|(state, n)| format!("{n} {}", words::pick(lang, words::state(state).0))).collect();
    let kinds =
        [Kind::Lock, Kind::Unlock, Kind::RestoreDue, Kind::ProposeRevocation, Kind::Revoke, Kind::Purge, Kind::Warn];
    let count = |kind: Kind| answer.actions.iter().filter(|acts| acts.what.kind == kind).count();
    let mut done: Vec<String> = kinds
        .into_iter()
        .map(|kind| (kind, count(kind)))
        .filter(|(_, n)| *n > 0)
        .map(|(kind, n)| format!("{n} × {}", words::pick(lang, words::action(kind))))
        .collect();
    done.push(format!("{} {}", answer.held.len(), lang.pick("held", "đang giữ lại")));
    done.push(format!("{} {}", answer.unknown.len(), lang.pick("unknown", "chưa rõ")));
    let none = lang.pick("no mailboxes", "không có hộp thư nào").to_string();
    wrap(&mut out, &if states.is_empty() { none } else { states.join(", ") }, 0);
    wrap(&mut out, &done.join(", "), 0);
    out
}

/// Who, what, rule and why in columns.
fn cells<'a>(mailbox: &'a str, holder: &'a str, action: &Action, lang: Lang) -> [&'a str; 5] {
    let (what, why) = (words::pick(lang, words::action(action.kind)), words::pick(lang, words::cause(action.cause)));
    [mailbox, holder, what, action.cause.rule(), why]
}

fn row(out: &mut String, fit: &Columns, cells: &[&str; 5]) {
    let _ = writeln!(out, "  {}", fit.row(cells));
}

fn more(out: &mut String, left: usize, lang: Lang) {
    if left > 0 {
        let _ = match lang {
            Lang::En => writeln!(out, "  … and {left} more; -o json has all"),
            Lang::Vi => writeln!(out, "  … và {left} mục khác; xem đầy đủ bằng -o json"),
        };
    }
}

fn held(out: &mut String, answer: &Answer, fit: &Columns, lang: Lang) {
    let Some(first) = answer.held.first() else { return };
    let title = lang.pick("Held by the brake (D-15)", "Hệ thống giữ lại (D-15)");
    let _ = writeln!(out, "\n{title}: {}", answer.held.len());
    wrap(out, lang.pick(&first.message, &first.message_vi), 2);
    for waits in answer.held.iter().take(FEW) {
        row(out, fit, &cells(&waits.mailbox, &waits.holder, &waits.what, lang));
    }
    more(out, answer.held.len().saturating_sub(FEW), lang);
    let release = lang.pick(
        "  release them: kubectl mail acknowledge (-n NAMESPACE)",
        "  nếu đúng, xác nhận bằng: kubectl mail acknowledge (-n NAMESPACE)",
    );
    let _ = writeln!(out, "{release}");
}

fn unknown(out: &mut String, answer: &Answer, lang: Lang) {
    if answer.unknown.is_empty() {
        return;
    }
    let title = lang.pick("Cannot be told, so nothing is done (D-16)", "Chưa đủ căn cứ nên chưa làm gì (D-16)");
    let _ = writeln!(out, "\n{title}: {}", answer.unknown.len());
    for unread in answer.unknown.iter().take(FEW) {
        let message = printable(lang.pick(&unread.message, &unread.message_vi));
        let clock = words::cause_named(unread.clock, lang);
        wrap(out, &format!("{} ({clock}): {message}", printable(&unread.mailbox)), 2);
    }
    more(out, answer.unknown.len().saturating_sub(FEW), lang);
}
