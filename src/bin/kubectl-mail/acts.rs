//! Commands that write: a word for what the brake holds, and sheets of first passwords.

use std::path::PathBuf;
use std::process::ExitCode;

use k8s_openapi::jiff::Timestamp;
use mail_operator::api::Basis;
use mail_operator::cli::output::{Format, Lang};
use mail_operator::cli::place::Place;
use mail_operator::cli::{acknowledge, handover, tree};
use mail_operator::domain::calendar;
use unicode_normalization::UnicodeNormalization;

use super::life::{put, wrong_use};

pub fn acknowledged(
    token: Option<&str>,
    basis: Option<Basis>,
    yes: bool,
    place: &Place,
    output: Format,
    lang: Lang,
) -> Result<ExitCode, tree::Unreadable> {
    let held = acknowledge::held(place, Timestamp::now())?;
    held.notes.iter().for_each(|note| eprintln!("kubectl mail: {}", note.pick(lang)));
    let current = held.held.as_ref().map(|held| held.token.clone());
    let answer = |released: bool, message: &str| {
        if output == Format::Json {
            put(&acknowledge::json(&held, released, message));
        } else {
            eprintln!("{message}");
        }
        // Who named no token and finds nothing held has what they wished.
        if released || (current.is_none() && token.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    };
    if output != Format::Json {
        put(&acknowledge::text(&held, lang));
    }
    let Some(current) = current.as_deref() else {
        return Ok(answer(false, lang.pick("there is nothing to release", "không có gì để xác nhận")));
    };
    if token.is_some_and(|token| token != current) {
        return Ok(answer(
            false,
            lang.pick(
                "refused: this token is not the current one; what is held has changed, look at it again",
                "từ chối: mã này không còn đúng; danh sách đã thay đổi, vui lòng xem lại",
            ),
        ));
    }
    let Some(basis) = basis else {
        return Ok(answer(
            false,
            lang.pick(
                "nothing is released: give the document with --number, --date and --issuer (R5.2)",
                "chưa xác nhận: ghi văn bản bằng --number, --date và --issuer (khoản 2 Điều 5)",
            ),
        ));
    };
    if output != Format::Json {
        put(&acknowledge::in_git(current, &basis, lang));
    }
    if !yes && !confirmed(lang) {
        return Ok(answer(false, lang.pick("nothing is released", "chưa xác nhận")));
    }
    Ok(match acknowledge::write(place, &held, current, &basis)? {
        acknowledge::Outcome::Written => answer(
            true,
            lang.pick("released; the operator acts within seconds", "đã xác nhận; hệ thống thực hiện trong vài giây"),
        ),
        acknowledge::Outcome::Refused(why) => {
            let way = lang.pick(
                "if the MailSystem comes from Git, write it there",
                "nếu MailSystem do Git quản lý, vui lòng ghi ở đó",
            );
            answer(false, &format!("{}; {way}", why.pick(lang)))
        }
        acknowledge::Outcome::Forbidden(why) => answer(false, why.pick(lang)),
    })
}

/// Asks on the terminal; without one the answer is no.
fn confirmed(lang: Lang) -> bool {
    use std::io::{BufRead, IsTerminal, Write};
    let input = std::io::stdin();
    if !input.is_terminal() {
        eprintln!("{}", lang.pick("there is nobody to ask: --yes", "không có ai để hỏi: thêm --yes"));
        return false;
    }
    let _ = write!(
        std::io::stderr(),
        "{} ",
        lang.pick("Release exactly these? Type yes:", "Xác nhận đúng những việc này? Gõ có:")
    );
    let mut line = String::new();
    let _ = input.lock().read_line(&mut line);
    let said: String = line.trim().nfc().collect();
    ["yes", "có"].contains(&said.to_lowercase().as_str())
}

pub const IN_GIT: &str =
    "this folder is in a Git repository, and the sheets hold passwords: say with --out where they are to be written";
pub const IN_GIT_VI: &str =
    "thư mục này thuộc một kho Git, còn phiếu thì có mật khẩu: vui lòng chỉ nơi ghi bằng --out.";

/// A file of the current folder; none where a commit may publish it.
pub fn handover_file(now: Timestamp) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    if here.ancestors().any(|folder| folder.join(".git").exists()) {
        return None;
    }
    let at: String = calendar::rfc3339(now).chars().take(19).filter(|c| *c != ':').collect();
    Some(format!("handover-{at}.html").into())
}

pub fn handed_over(
    request: &handover::Request,
    place: &Place,
    now: Timestamp,
    output: Format,
    lang: Lang,
) -> Result<ExitCode, tree::Unreadable> {
    let to_stdout = request.out.as_os_str() == "-";
    if to_stdout && output == Format::Json {
        wrong_use("--out - prints the sheets on standard output; -o json needs a file");
    }
    let outcome = handover::handover(place, request, now)?;
    outcome.notes.iter().for_each(|note| eprintln!("kubectl mail: {}", note.pick(lang)));
    let text = if output == Format::Json { outcome.json() } else { outcome.text(&request.out, lang) };
    if to_stdout {
        eprint!("{text}");
    } else {
        put(&text);
    }
    Ok(if outcome.refused() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
