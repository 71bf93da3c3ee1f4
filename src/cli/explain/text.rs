//! An explanation for a terminal.

use std::fmt::Write;

use super::{Explanation, Fact};
use crate::cli::life::words::{self, pick, time};
use crate::cli::output::{Lang, cell, printable, wrap};

/// The explanation as text.
pub fn text(explained: &Explanation, lang: Lang) -> String {
    let mut out = String::new();
    let address = explained.address.as_deref().unwrap_or("-");
    let agency = if explained.agency_title.is_empty() { &explained.agency } else { &explained.agency_title };
    let _ = writeln!(out, "{} {}", printable(&explained.mailbox), printable(address));
    let _ = writeln!(out, "{}, {}", printable(&explained.full_name), printable(agency));
    if let Some(asked) = &explained.asked {
        wrap(&mut out, asked.pick(lang), 0);
    }
    let (state, _) = words::state(explained.what);
    let _ = writeln!(out, "\n{}: {}", pick(lang, state), explained.means.pick(lang));
    reasons(&mut out, explained, lang);
    unmet(&mut out, explained, lang);
    section(&mut out, lang.pick("Facts", "Dữ kiện"), !explained.facts.is_empty());
    explained.facts.iter().for_each(|fact| fact_row(&mut out, fact, lang));
    section(&mut out, lang.pick("Documents", "Văn bản"), !explained.documents.is_empty());
    for document in &explained.documents {
        let _ = writeln!(out, "  {} {}", cell(pick(lang, document.title), 14), printable(&document.cited));
    }
    next(&mut out, explained, lang);
    section(&mut out, lang.pick("What would change it", "Điều gì sẽ thay đổi"), !explained.changes.is_empty());
    for change in &explained.changes {
        wrap(&mut out, &format!("- {}", change.says.pick(lang)), 2);
        for line in change.yaml.iter().flat_map(|yaml| yaml.lines()) {
            let _ = writeln!(out, "      {line}");
        }
        // One line, so that it can be copied.
        change.command.iter().for_each(|command| _ = writeln!(out, "    {command}"));
    }
    out
}

fn section(out: &mut String, title: &str, there: bool) {
    if there {
        let _ = writeln!(out, "\n{title}");
    }
}

fn reasons(out: &mut String, explained: &Explanation, lang: Lang) {
    for reason in &explained.reasons {
        let since = reason.at.map(|at| format!("{} {}", lang.pick("since", "từ"), time(at, lang))).unwrap_or_default();
        let by = match (reason.by, lang) {
            ("Person", Lang::En) => "by people",
            ("Person", Lang::Vi) => "theo quyết định",
            ("Clock", Lang::En) => "by its term",
            ("Clock", Lang::Vi) => "theo thời hạn",
            (_, Lang::En) => "by a document",
            (_, Lang::Vi) => "theo văn bản",
        };
        let _ = writeln!(out, "{}", format!("  {} ({}) {since} {by}", reason.code, reason.rule).trim_end());
        if !reason.article.is_empty() {
            let cited = match lang {
                Lang::En => words::cited(reason.rule),
                Lang::Vi => reason.article.to_string(),
            };
            wrap(out, &format!("{cited}: “{}”", reason.says.pick(lang)), 4);
        }
        if let Some(document) = &reason.document {
            wrap(out, &printable(&format!("{} {document}", lang.pick("document:", "văn bản:"))), 4);
        }
    }
}

fn unmet(out: &mut String, explained: &Explanation, lang: Lang) {
    let bad = explained.conditions.iter().any(|unmet| unmet.status != "True");
    let title =
        if bad { ("Not ready", "Chưa sẵn sàng") } else { ("Without an address", "Không có địa chỉ") };
    section(out, lang.pick(title.0, title.1), !explained.conditions.is_empty());
    for unmet in &explained.conditions {
        let said = lang.pick("", " (nguyên văn thông báo của hệ thống)");
        let _ = writeln!(
            out,
            "  {} {}: {}{said}",
            printable(&unmet.kind),
            printable(&unmet.status),
            printable(&words::condition_told(&unmet.reason, lang))
        );
        wrap(out, &printable(&unmet.message), 4);
    }
}

fn fact_row(out: &mut String, fact: &Fact, lang: Lang) {
    let last_day = |at| match lang {
        Lang::En => format!("by the end of {}", words::last_day(at, lang)),
        Lang::Vi => format!("hết ngày {}", words::last_day(at, lang)),
    };
    let value = match fact.at {
        Some(at) if fact.name == "restore.due" => last_day(at),
        Some(at) => time(at, lang),
        None => day_or_text(&fact.value, lang),
    };
    let value = match (fact.name, value.as_str()) {
        ("defaultPassword", "true") => lang.pick("not changed yet", "chưa đổi").to_string(),
        (_, "true") => lang.pick("yes", "có").to_string(),
        _ => value,
    };
    let _ = writeln!(out, "  {} {}", cell(pick(lang, fact.title), 46), printable(&value));
}

fn day_or_text(text: &str, lang: Lang) -> String {
    text.parse().map_or_else(|_| text.to_string(), |day| words::date(day, lang))
}

fn next(out: &mut String, explained: &Explanation, lang: Lang) {
    let there = !explained.next.is_empty() || !explained.unknown.is_empty();
    section(out, lang.pick("What comes by itself", "Việc sẽ tự diễn ra"), there);
    for next in &explained.next {
        let (what, why) = (pick(lang, words::action(next.what.kind)), pick(lang, words::cause(next.what.cause)));
        let held = if next.held { lang.pick(" (held, D-15)", " (đang giữ lại, D-15)") } else { "" };
        let at = if next.past { lang.pick("now", "ngay").to_string() } else { time(next.what.at, lang) };
        let _ = writeln!(out, "  {} {} {} {why}{held}", cell(&at, 16), cell(what, 18), cell(next.rule, 6));
    }
    for unknown in &explained.unknown {
        wrap(out, &format!("! {}", unknown.pick(lang)), 2);
    }
}
