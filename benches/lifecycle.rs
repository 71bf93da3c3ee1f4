//! What `docs/benchmarks.md` reports of the life of accounts: one pass over N of them, and a forecast of six months: of the library,
//! and with `cli` of `kubectl mail forecast` over a folder of a sample with N people.
//!   cargo bench --bench lifecycle -- N [forecast] [cli]
//!
//! Accounts were issued over two years and used until today, a week, four, or seven months ago; some have an absence, an official
//! last day, a lock, or the default password. So at any time some of them are due, and the brake (D-15) has something to judge.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use mail_operator::domain::brake::Limits;
use mail_operator::domain::calendar::{day, midnight};
use mail_operator::domain::lifecycle::forecast::forecast;
use mail_operator::domain::lifecycle::{Absence, Account, Activity, Brake, By, Lock, LockReason, Rules, pass};

type Failure = Box<dyn std::error::Error>;

/// Of the sample.
const AGENCIES: u32 = 1_000;
/// By which the folder is reckoned; its people are issued then, and nobody is ever seen to use anything.
const NOW: &str = "2026-11-26T10:00:00+07:00";

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let number = words.find_map(|word| word.parse().ok()).unwrap_or(20_000);
    let asked = |what: &str| std::env::args().any(|word| word == what);
    let with_forecast = asked("forecast");
    let now: Timestamp = "2026-11-26T03:00:00Z".parse()?;
    let rules = rules()?;
    let accounts = (0..number).map(|i| account(i, now)).collect::<Result<Vec<_>, _>>()?;
    println!("accounts n={number} peak_rss_mib={}", peak()?);
    for round in 0..3 {
        passes(round, &rules, &accounts, now)?;
    }
    let rounds = if with_forecast { 3 } else { 0 };
    for _ in 0..rounds {
        let until = midnight(Date::new(2027, 5, 26)?);
        let copy = accounts.clone();
        let start = Instant::now();
        let result = forecast(&rules, copy, open(), &BTreeSet::new(), now, until);
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "forecast n={number} months=6 seconds={seconds:.2} actions={} held={} peak_rss_mib={}",
            result.actions.len(),
            result.held.len(),
            peak()?
        );
    }
    if asked("cli") { command(number) } else { Ok(()) }
}

/// The command over a folder, as a process of its own.
fn command(number: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("sample");
    let agencies = AGENCIES.min(u32::try_from(number)?.max(1));
    testbed::sample::write(&testbed::sample::Sample {
        dir: dir.clone(),
        agencies,
        mailboxes: u32::try_from(number)?,
        seed: 1,
    })?;
    for _ in 0..3 {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"))
            .arg("forecast")
            .arg(&dir)
            .args(["--now", NOW, "-o", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut out = child.stdout.take().ok_or("no answer")?;
        let process = child.id().to_string();
        let reading = std::thread::spawn(move || {
            let mut answer = Vec::new();
            out.read_to_end(&mut answer).map(|_| answer)
        });
        // What it took at most is told while it runs alone.
        let mut most = 0;
        while !reading.is_finished() {
            most = peak_of(&process).unwrap_or(0).max(most);
            std::thread::sleep(Duration::from_millis(10));
        }
        let answer = reading.join().map_err(|_| "the answer was not read")??;
        let status = child.wait()?;
        let seconds = start.elapsed().as_secs_f64();
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        let count = |what: &str| answer[what].as_array().map_or(0, Vec::len);
        println!(
            "forecast_cli n={number} seconds={seconds:.2} exit={} states={} actions={} held={} peak_rss_mib={most}",
            status.code().unwrap_or(-1),
            count("states"),
            count("actions"),
            count("held")
        );
    }
    Ok(())
}

/// The pass in which all that has piled up is due, with an open brake and with that of the regulation; then one in which nothing is.
fn passes(round: usize, rules: &Rules, accounts: &[Account], now: Timestamp) -> Result<(), Failure> {
    let run = |what: &str, accounts: &mut Vec<Account>, brake: &mut Brake| -> Result<(), Failure> {
        let start = Instant::now();
        let result = pass(rules, accounts, brake, &BTreeSet::new(), now);
        let seconds = start.elapsed().as_secs_f64();
        let (number, done, held) = (accounts.len(), result.act.len(), result.held.len());
        println!(
            "pass round={round} {what} n={number} seconds={seconds:.3} done={done} held={held} peak_rss_mib={}",
            peak()?
        );
        Ok(())
    };
    let mut open_brake = open();
    let mut lived = accounts.to_vec();
    run("brake=open", &mut lived, &mut open_brake)?;
    run("nothing_due", &mut lived, &mut open_brake)?;
    run("brake=regulation", &mut accounts.to_vec(), &mut Brake::default())
}

fn open() -> Brake {
    Brake { limits: Limits { max: usize::MAX, percent: 100 }, ..Brake::default() }
}

fn rules() -> Result<Rules, Failure> {
    let mut rules = Rules::default();
    for year in 2025..2029 {
        // New Year, the weeks of Tết, 30 April and 1 May, 2 September: about as many as a year has.
        let days = [(1, 1), (2, 15), (2, 16), (2, 17), (2, 18), (2, 19), (4, 30), (5, 1), (9, 2), (9, 3)];
        for (month, day) in days {
            rules.calendar.holidays.insert(Date::new(year, month, day)?);
        }
    }
    Ok(rules)
}

fn account(i: usize, now: Timestamp) -> Result<Account, Failure> {
    // Knuth's multiplier: what an account is like is mixed alike in every run.
    let mixed = i.wrapping_mul(2_654_435_761) >> 7;
    let ago = |days: usize| -> Result<Timestamp, Failure> {
        Ok(now.checked_sub(SignedDuration::from_hours(24 * i64::try_from(days)?))?)
    };
    let issued_at = ago(1 + mixed % 700)?;
    // Nine of ten were used within two weeks.
    let silent = if mixed.is_multiple_of(10) { 14 + mixed / 10 % 250 } else { mixed / 10 % 14 };
    let last = day(ago(silent)?.max(issued_at));
    let activity = Activity {
        last_login: Some(last),
        last_send: Some(last),
        last_receive: Some(day(ago(silent / 2)?.max(issued_at))),
        complete_from: ago(800)?,
        complete_through: now,
    };
    let mut account = Account {
        id: format!("nv-{i:06}"),
        issued_at: Some(issued_at),
        password_changed_at: (mixed % 50 != 1).then_some(issued_at),
        activity: Some(activity),
        ..Account::default()
    };
    match mixed % 100 {
        2 => account.absence = Some(Absence { from: last, to: day(now) }),
        3 => account.ends_on = Some(day(ago(0)?.checked_add(SignedDuration::from_hours(24 * 30))?)),
        4 => account.ends_on = Some(day(now)),
        5 => {
            account.wanted_locks = [LockReason::Compromised].into();
            account.locks = [(LockReason::Compromised, Lock { since: issued_at, by: By::Person })].into();
        }
        _ => {}
    }
    Ok(account)
}

/// Peak of the memory of this process so far, in MiB (proc_pid_status(5), VmHWM).
fn peak() -> Result<u64, Failure> {
    peak_of("self")
}

fn peak_of(process: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? / 1024)
}
