//! `kubectl mail proposals`: whose revocation is proposed, since nobody logged in for six months (8.3.đ, D-11). A list for the
//! document that decides.

use std::fmt::Write;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::life::{Life, World, words};
use super::output::{Columns, Lang, Said, columns};
use crate::api::{GROUP, VERSION};
use crate::domain::calendar::{day, rfc3339};
use crate::domain::lifecycle::{Kind, State};

/// What spreadsheets want to see first to read UTF-8.
const BOM: char = '\u{feff}';

/// One whose revocation is proposed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    mailbox: String,
    namespace: String,
    full_name: String,
    address: Option<String>,
    agency: String,
    agency_name: String,
    /// Day of the last login; none where nobody ever logged in, or where it may not be read.
    last_login: Option<String>,
    proposed_at: Option<String>,
    rule: &'static str,
    #[serde(skip)]
    at: Option<Timestamp>,
}

/// Everybody whose revocation is proposed at `now`, by agency and name; and how that was reckoned.
pub fn proposals(world: &World, now: Timestamp) -> (Vec<Proposal>, Vec<Said>) {
    let (lives, notes) = world.lives(now);
    let mut all: Vec<Proposal> = lives.iter().flat_map(|life| of(life, now)).collect();
    all.sort_by(|a, b| (&a.agency, &a.mailbox).cmp(&(&b.agency, &b.mailbox)));
    (all, notes)
}

fn of(life: &Life<'_>, now: Timestamp) -> Vec<Proposal> {
    let forecast = life.forecast(now, now);
    let proposed = |index: usize| {
        let mut made =
            forecast.actions.iter().filter(|(other, action)| *other == index && action.kind == Kind::ProposeRevocation);
        made.next().map(|(_, action)| action.at)
    };
    let standing =
        forecast.standings.iter().enumerate().filter(|(_, standing)| standing.state == State::RevocationProposed);
    let one = |(index, _): (usize, _)| {
        let (holder, account) = (&life.holders[index], &life.accounts[index]);
        let status = holder.mailbox.and_then(|mailbox| mailbox.status.as_ref());
        let at = status.and_then(|status| status.proposed_at.as_ref()).map(|at| at.0).or_else(|| proposed(index));
        Proposal {
            mailbox: holder.name.clone(),
            namespace: life.namespace.clone(),
            full_name: holder.full_name.clone(),
            address: holder.address.clone(),
            agency: holder.agency.clone(),
            agency_name: holder.agency_title.clone(),
            last_login: account.activity.as_ref().and_then(|activity| activity.last_login).map(|day| day.to_string()),
            proposed_at: at.map(rfc3339),
            rule: "8.3.đ",
            at,
        }
    };
    standing.map(one).collect()
}

/// One JSON document (kind `Proposals`).
pub fn json(all: &[Proposal]) -> String {
    format!("{}\n", json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Proposals", "items": all}))
}

/// A table for Excel: UTF-8 with its mark, headers in Vietnamese, RFC 4180.
pub fn csv(all: &[Proposal]) -> String {
    let mut out = String::from(BOM);
    let header =
        ["STT", "Mã hộp thư", "Họ và tên", "Địa chỉ thư", "Cơ quan", "Đăng nhập lần cuối", "Đề xuất từ ngày", "Căn cứ"];
    line(&mut out, &header.map(String::from));
    for (number, one) in all.iter().enumerate() {
        let vi = |day: &str| day.parse().map_or_else(|_| "-".to_string(), |day| words::date(day, Lang::Vi));
        line(
            &mut out,
            &[
                (number + 1).to_string(),
                one.mailbox.clone(),
                one.full_name.clone(),
                one.address.clone().unwrap_or_default(),
                if one.agency_name.is_empty() { one.agency.clone() } else { one.agency_name.clone() },
                one.last_login.as_deref().map_or_else(|| "-".to_string(), vi),
                one.at.map_or_else(|| "-".to_string(), |at| words::date(day(at), Lang::Vi)),
                "Điểm đ khoản 3 Điều 8".into(),
            ],
        );
    }
    out
}

/// A row. What a spreadsheet would take for a formula is text.
fn line(out: &mut String, cells: &[String]) {
    let quoted = |cell: &String| {
        let formula = cell.len() > 1 && cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        format!("\"{}{}\"", if formula { "'" } else { "" }, cell.replace('"', "\"\""))
    };
    let cells: Vec<String> = cells.iter().map(quoted).collect();
    let _ = write!(out, "{}\r\n", cells.join(","));
}

/// A table for a terminal.
pub fn text(all: &[Proposal], lang: Lang) -> String {
    let mut out = String::new();
    let _ = match lang {
        Lang::En => {
            writeln!(out, "{} proposed for revocation: no login for long (8.3.đ); a person decides (D-11)", all.len())
        }
        Lang::Vi => {
            writeln!(out, "{} tài khoản đề xuất thu hồi do lâu không đăng nhập (điểm đ khoản 3 Điều 8)", all.len())
        }
    };
    if all.is_empty() {
        return out;
    }
    let heads = match lang {
        Lang::En => ["MAILBOX", "HOLDER", "AGENCY", "LAST LOGIN", "SINCE"],
        Lang::Vi => ["HỘP THƯ", "CHỦ HỘP THƯ", "CƠ QUAN", "ĐĂNG NHẬP", "TỪ NGÀY"],
    };
    let row = |one: &Proposal| {
        let date = |day: &String| day.parse().map_or_else(|_| day.clone(), |day| words::date(day, lang));
        let login = one.last_login.as_ref().map_or_else(|| "-".into(), date);
        let since = one.at.map_or_else(|| "-".into(), |at| words::date(day(at), lang));
        [one.mailbox.clone(), one.full_name.clone(), one.agency.clone(), login, since]
    };
    let rows: Vec<[String; 5]> = std::iter::once(heads.map(String::from)).chain(all.iter().map(row)).collect();
    let fit = Columns::of(rows.iter().map(<[String; 5]>::each_ref), 0, columns());
    rows.iter().for_each(|row| out += &(fit.row(row) + "\n"));
    out
}
