//! Commands for the life of accounts.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Subcommand};
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;
use mail_operator::api::Basis;
use mail_operator::cli::handover::Whom;
use mail_operator::cli::life::{Origin, World};
use mail_operator::cli::output::{Format, Lang};
use mail_operator::cli::{acknowledge, explain, forecast, handover, proposals, status, tree};
use mail_operator::domain::calendar;

use super::{Cli, help, unreadable};

#[derive(Subcommand)]
pub enum Command {
    /// Says who will be locked, proposed for revocation, revoked and purged, and when (Điều 5, 6, 8, 9).
    ///
    /// Reads a folder of YAML, or the cluster when none is named. What is due by now is counted as done; with --until also what
    /// comes later if nobody does anything. Nothing is written anywhere.
    #[command(after_help = help::FORECAST)]
    Forecast {
        /// Files or folders; the cluster when none is named.
        paths: Vec<PathBuf>,
        #[command(flatten)]
        at: At,
        /// Until when to look ahead: RFC 3339, or a day for its 00:00 in the province; until now when not given.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<Timestamp>,
        /// Lists the warnings that holders get, too; JSON has them always.
        #[arg(long)]
        warnings: bool,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Explains why an account is in its state: articles, facts, documents, dates, and what would change it.
    #[command(after_help = help::EXPLAIN)]
    Explain {
        /// An address of now or of before, or the name of a Mailbox.
        asked: String,
        #[command(flatten)]
        from: From,
    },
    /// Shows the whole system on one screen: service, mailboxes, what is due, restores, proposals, conflicts, what is held.
    #[command(after_help = help::STATUS)]
    Status {
        #[command(flatten)]
        from: From,
    },
    /// Lists those whose revocation is proposed, since nobody logged in for six months (8.3.đ).
    #[command(after_help = help::PROPOSALS)]
    Proposals {
        #[command(flatten)]
        from: From,
    },
    /// Releases what the brake holds, on a document (D-15).
    ///
    /// Shows what is held, and asks. The word is good for exactly that: what comes later is held anew.
    #[command(after_help = help::ACKNOWLEDGE)]
    Acknowledge {
        /// The token that stands beside what is held; the current one when not given.
        token: Option<String>,
        #[command(flatten)]
        document: Document,
        /// Does not ask.
        #[arg(long, requires = "number")]
        yes: bool,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Makes a sheet for each person with the first password, once (9.1, 6.2.d).
    ///
    /// A4, HTML for the printer, in Vietnamese. The Secret is marked first; who is marked gets no sheet any more. A password stands
    /// in the file and nowhere else.
    #[command(after_help = help::HANDOVER)]
    Handover {
        /// Names of Mailboxes.
        #[arg(required_unless_present = "agency", conflicts_with = "agency")]
        names: Vec<String>,
        /// Everybody of this Agency who was not given a sheet yet.
        #[arg(long, value_name = "NAME")]
        agency: Option<String>,
        /// The file, which must not be there yet; `-` for standard output; handover-<day>-<time>.html when not given.
        #[arg(long, value_name = "FILE.html")]
        out: Option<PathBuf>,
        /// Whom a holder asks; the agency and the postmaster when not given.
        #[arg(long, value_name = "TEXT")]
        contact: Option<String>,
        /// The password page; https:// and spec.hostname of the MailSystem when not given.
        #[arg(long, value_name = "URL")]
        page: Option<String>,
        #[command(flatten)]
        cluster: Cluster,
    },
}

/// Where objects come from, and as of when.
#[derive(clap::Args)]
pub struct From {
    /// Files or folders in the place of the cluster; repeatable.
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    cluster: Cluster,
}

/// The document that a word rests on (R5.2).
#[derive(clap::Args)]
pub struct Document {
    /// Number and sign of the document.
    #[arg(long, requires_all = ["date", "issuer"])]
    number: Option<String>,
    /// Its day, YYYY-MM-DD.
    #[arg(long, requires = "number", value_parser = document_day)]
    date: Option<String>,
    /// Who issued it.
    #[arg(long, requires = "number")]
    issuer: Option<String>,
}

impl Document {
    fn basis(self) -> Option<Basis> {
        Some(Basis { number: self.number?, date: self.date?, issuer: self.issuer? })
    }
}

fn document_day(text: &str) -> Result<String, String> {
    let day = text.parse::<Date>().ok().filter(|_| text.len() == 10).ok_or("write a day as YYYY-MM-DD")?;
    let today = calendar::day(Timestamp::now());
    if day > today { Err(format!("a document of a day to come (today is {today})")) } else { Ok(text.into()) }
}

#[derive(clap::Args)]
pub struct At {
    /// The time of asking: RFC 3339, or a day for its 00:00 in the province; now when not given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<Timestamp>,
}

impl At {
    fn time(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }
}

#[derive(clap::Args)]
pub struct Cluster {
    /// The namespace of the cluster; the kubeconfig's own when not given.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

impl From {
    fn origin(&self) -> Origin {
        if !self.dir.is_empty() && self.cluster.namespace.is_some() {
            wrong_use("--namespace is for the cluster; objects of files name theirs");
        }
        if self.dir.is_empty() {
            Origin::Cluster(self.cluster.namespace.clone())
        } else {
            Origin::Folder(self.dir.clone())
        }
    }

    fn world(&self) -> Result<World, tree::Unreadable> {
        World::of(&self.origin())
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = "write RFC 3339 with its zone, for example 2026-06-16T08:00:00+07:00, or a day, for example 2026-06-16";
    calendar::moment(text).ok_or_else(|| wrong.into())
}

impl Command {
    /// Its name, and the forms that it prints.
    pub fn formats(&self) -> (&'static str, &'static [Format]) {
        match self {
            Self::Forecast { .. } => ("forecast", &[Format::Text, Format::Json]),
            Self::Explain { .. } => ("explain", &[Format::Text, Format::Json]),
            Self::Status { .. } => ("status", &[Format::Text, Format::Json]),
            Self::Proposals { .. } => ("proposals", &[Format::Text, Format::Json, Format::Csv]),
            Self::Acknowledge { .. } => ("acknowledge", &[Format::Text, Format::Json]),
            Self::Handover { .. } => ("handover", &[Format::Text, Format::Json]),
        }
    }

    /// Does it.
    pub fn run(self, output: Format, lang: Lang) -> ExitCode {
        let done = match self {
            Self::Forecast { paths, at, until, warnings, cluster } => {
                let now = at.time();
                let until = until.unwrap_or(now);
                if until < now {
                    wrong_use("--until is before --now");
                }
                origin(paths, cluster.namespace).map(|world| {
                    let answer = forecast::forecast(&world, now, until);
                    told(&world, &answer.notes);
                    let text =
                        if output == Format::Json { answer.json() } else { forecast::text(&answer, warnings, lang) };
                    put(&text);
                    whole(&world)
                })
            }
            Self::Explain { asked, from } => explained(&asked, &from, output, lang),
            Self::Status { from } => {
                let now = from.at.time();
                from.world().map(|world| {
                    let (reports, notes) = status::status(&world, now);
                    told(&world, &notes);
                    let text = if output == Format::Json {
                        status::json(&reports, now)
                    } else {
                        status::text(&reports, now, lang)
                    };
                    put(&text);
                    whole(&world)
                })
            }
            Self::Proposals { from } => from.world().map(|world| {
                let (all, notes) = proposals::proposals(&world, from.at.time());
                told(&world, &notes);
                put(&match output {
                    Format::Json => proposals::json(&all),
                    Format::Csv => proposals::csv(&all),
                    _ => proposals::text(&all, lang),
                });
                whole(&world)
            }),
            Self::Acknowledge { token, document, yes, cluster } => {
                acknowledged(token.as_deref(), document.basis(), yes, cluster.namespace.as_deref(), output, lang)
            }
            Self::Handover { names, agency, out, contact, page, cluster } => {
                let whom = agency.map_or_else(|| Whom::Named(names), Whom::Agency);
                let now = Timestamp::now();
                let out = out.unwrap_or_else(|| handover_file(now));
                let request = handover::Request { whom, out, contact, page };
                handed_over(&request, cluster.namespace.as_deref(), now, output, lang)
            }
        };
        done.unwrap_or_else(|error| unreadable(&error))
    }
}

fn explained(asked: &str, from: &From, output: Format, lang: Lang) -> Result<ExitCode, tree::Unreadable> {
    let answer = explain::explain(asked, &from.origin(), from.at.time())?;
    told(&answer.world, &answer.notes);
    if output == Format::Json {
        put(&answer.json(asked));
    }
    let Some(explanation) = &answer.explained else {
        if output != Format::Json {
            eprintln!(
                "kubectl mail: {}: {asked}",
                lang.pick("nobody has this address or name", "không ai có địa chỉ hoặc tên này")
            );
        }
        return Ok(ExitCode::FAILURE);
    };
    if output != Format::Json {
        put(&explain::text(explanation, lang));
    }
    Ok(whole(&answer.world))
}

fn acknowledged(
    token: Option<&str>,
    basis: Option<Basis>,
    yes: bool,
    namespace: Option<&str>,
    output: Format,
    lang: Lang,
) -> Result<ExitCode, tree::Unreadable> {
    let held = acknowledge::held(namespace)?;
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
    Ok(match acknowledge::write(&held, current, &basis)? {
        acknowledge::Outcome::Written => answer(
            true,
            lang.pick("released; the operator acts within seconds", "đã xác nhận; hệ thống thực hiện trong vài giây"),
        ),
        acknowledge::Outcome::Refused(why) => {
            let way = lang.pick(
                "if the MailSystem comes from Git, write it there",
                "nếu MailSystem do Git quản lý, vui lòng ghi ở đó",
            );
            answer(false, &format!("{why}; {way}"))
        }
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
        lang.pick("Release exactly these? Type yes:", "Xác nhận đúng những việc này? Gõ yes:")
    );
    let mut line = String::new();
    let _ = input.lock().read_line(&mut line);
    ["yes", "có"].contains(&line.trim().to_lowercase().as_str())
}

fn handover_file(now: Timestamp) -> PathBuf {
    let at: String = calendar::rfc3339(now).chars().take(19).filter(|c| *c != ':').collect();
    format!("handover-{at}.html").into()
}

fn handed_over(
    request: &handover::Request,
    namespace: Option<&str>,
    now: Timestamp,
    output: Format,
    lang: Lang,
) -> Result<ExitCode, tree::Unreadable> {
    let to_stdout = request.out.as_os_str() == "-";
    if to_stdout && output == Format::Json {
        wrong_use("--out - prints the sheets on standard output; -o json needs a file");
    }
    let outcome = handover::handover(namespace, request, now)?;
    outcome.notes.iter().for_each(|note| eprintln!("kubectl mail: {note}"));
    let text = if output == Format::Json { outcome.json() } else { outcome.text(&request.out, lang) };
    if to_stdout {
        eprint!("{text}");
    } else {
        put(&text);
    }
    Ok(if outcome.refused() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn wrong_use(message: &str) -> ! {
    Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit()
}

/// Reads files where some are named, else the cluster.
fn origin(paths: Vec<PathBuf>, namespace: Option<String>) -> Result<World, tree::Unreadable> {
    if !paths.is_empty() && namespace.is_some() {
        wrong_use("--namespace is for the cluster; objects of files name theirs");
    }
    World::of(&if paths.is_empty() { Origin::Cluster(namespace) } else { Origin::Folder(paths) })
}

/// What people should know of the reading, on standard error.
fn told(world: &World, notes: &[String]) {
    world.tell();
    notes.iter().for_each(|note| eprintln!("kubectl mail: {note}"));
}

fn whole(world: &World) -> ExitCode {
    if world.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints; who stops reading has seen enough.
fn put(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
