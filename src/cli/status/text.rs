//! The state of a system on a screen of 24 lines, where there is not too much to tell; a line ends where the terminal does.

use k8s_openapi::jiff::Timestamp;

use super::{Progress, Report};
use crate::api::HeldAction;
use crate::cli::life::words::{self, pick, state, time};
use crate::cli::output::{Lang, cell, columns, cut, printable};

/// Rows of a part; JSON has all.
const ROWS: usize = 4;

/// All systems as text.
pub fn text(reports: &[Report], now: Timestamp, lang: Lang) -> String {
    let mut out = String::new();
    for (number, report) in reports.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        one(&mut out, report, now, lang);
    }
    if reports.is_empty() {
        out += lang.pick("no MailSystem and no mailboxes\n", "không có MailSystem và hộp thư nào\n");
    }
    out
}

fn one(out: &mut String, report: &Report, now: Timestamp, lang: Lang) {
    let name = if report.name.is_empty() { "-" } else { &report.name };
    row(out, &format!("{name} {} {}  {}", report.domain, report.namespace, time(now, lang)));
    for condition in &report.conditions {
        let good = condition.status == "True";
        let message = if good && condition.kind != "Ready" { "" } else { &condition.message };
        row(
            out,
            &format!(
                "  {} {} {} {message}",
                cell(&condition.kind, 18),
                cell(&condition.status, 5),
                words::condition_told(&condition.reason, lang)
            ),
        );
    }
    let states = report.counts.iter().filter(|(_, n)| *n > 0);
    let states: Vec<String> = states.map(|(of, n)| format!("{n} {}", pick(lang, state(*of).0))).collect();
    part(out, lang.pick("Mailboxes", "Hộp thư"), &format!("{}: {}", report.mailboxes, states.join(", ")));
    due(out, report, lang);
    restores(out, report, lang);
    let list = if report.proposals > 0 { "  (kubectl mail proposals)" } else { "" };
    part(out, lang.pick("Proposals", "Đề xuất"), &format!("{}{list}", report.proposals));
    let conflicts = report.not_ready.iter().filter(|(reason, _)| reason.contains("Conflict"));
    let names: Vec<String> = conflicts.flat_map(|(_, trouble)| trouble.mailboxes.iter().cloned()).collect();
    part(out, lang.pick("Conflicts", "Xung đột"), &format!("{} {}", report.conflicts, few(&names)));
    let others = report.not_ready.iter().filter(|(reason, _)| !reason.contains("Conflict"));
    for (reason, trouble) in others.take(ROWS) {
        row(
            out,
            &format!(
                "{} {} {}: {}",
                cell(lang.pick("Not ready", "Chưa sẵn sàng"), 14),
                trouble.count,
                words::condition_told(reason, lang),
                few(&trouble.mailboxes)
            ),
        );
    }
    held(out, report, lang);
    activity(out, report, lang);
}

fn row(out: &mut String, text: &str) {
    let line = cut(text, columns());
    out.push_str(line.trim_end());
    out.push('\n');
}

fn part(out: &mut String, title: &str, text: &str) {
    row(out, &format!("{} {text}", cell(title, 14)));
}

fn few(names: &[String]) -> String {
    let more = if names.len() > ROWS { ", …" } else { "" };
    printable(&format!("{}{more}", names.iter().take(ROWS).cloned().collect::<Vec<_>>().join(", ")))
}

fn due(out: &mut String, report: &Report, lang: Lang) {
    let total = |of: fn(&super::Due) -> usize| report.due.iter().map(of).sum::<usize>();
    let (today, week) = (total(|due| due.today), total(|due| due.week));
    part(
        out,
        lang.pick("Due", "Đến hạn"),
        &match lang {
            Lang::En => format!("{today} today, {week} in the next 7 days"),
            Lang::Vi => format!("{today} hôm nay, {week} trong 7 ngày tới"),
        },
    );
    for due in report.due.iter().take(ROWS + 2) {
        let (what, why) = (pick(lang, words::action(due.what.kind)), pick(lang, words::cause(due.what.cause)));
        row(out, &format!("  {:>5} {:>5}  {} {} {why}", due.today, due.week, cell(what, 18), cell(due.rule, 6)));
    }
}

fn restores(out: &mut String, report: &Report, lang: Lang) {
    let late = report.restores.iter().filter(|request| request.progress == Progress::Overdue).count();
    let count = match lang {
        Lang::En => format!("{} asked for, {late} overdue", report.restores.len()),
        Lang::Vi => format!("{} yêu cầu, {late} quá hạn", report.restores.len()),
    };
    part(out, lang.pick("Restores", "Khôi phục"), &count);
    for request in report.restores.iter().take(ROWS) {
        let progress = match request.progress {
            Progress::Open => ("", ""),
            Progress::HalfTime => ("half over", "quá nửa hạn"),
            Progress::Overdue => ("OVERDUE", "QUÁ HẠN"),
        };
        let (due, progress) = (words::last_day(request.due, lang), pick(lang, progress));
        let by = lang.pick("by the end of", "hạn hết ngày");
        row(out, &format!("  {} {by} {due} {progress} {}", cell(&request.mailbox, 14), request.document));
    }
}

fn held(out: &mut String, report: &Report, lang: Lang) {
    let title = lang.pick("Held (D-15)", "Giữ lại");
    let Some(held) = &report.holds else { return part(out, title, "0") };
    let one = |held: &HeldAction| format!("{} {}", words::action_named(&held.action, lang), held.mailbox);
    let who: Vec<String> = held.actions.iter().map(one).collect();
    part(out, title, &format!("{}: {}", held.count, few(&who)));
    let namespace = if report.namespace.is_empty() { String::new() } else { format!(" -n {}", report.namespace) };
    row(out, &format!("  {} kubectl mail acknowledge {}{namespace}", lang.pick("release:", "xác nhận:"), held.token));
}

fn activity(out: &mut String, report: &Report, lang: Lang) {
    let age = report.activity_age_seconds.map(|seconds| match (seconds / 3600, lang) {
        (hours, Lang::En) if hours < 48 => format!("complete up to {hours} h ago"),
        (hours, Lang::Vi) if hours < 48 => format!("ghi nhận đủ đến {hours} giờ trước"),
        (hours, Lang::En) => format!("complete up to {} days ago: clocks stand still (D-16)", hours / 24),
        (hours, Lang::Vi) => format!("ghi nhận đủ đến {} ngày trước: các hạn dừng lại (D-16)", hours / 24),
    });
    let age = age.unwrap_or_else(|| lang.pick("not known (D-16)", "chưa rõ (D-16)").to_string());
    let unknown = match (report.unknown, lang) {
        (0, _) => String::new(),
        (n, Lang::En) => format!("; of {n} mailboxes not enough is known"),
        (n, Lang::Vi) => format!("; {n} hộp thư chưa đủ dữ liệu"),
    };
    part(out, lang.pick("Activity", "Hoạt động"), &format!("{age}{unknown}"));
}
