//! Commands for the life of accounts.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Subcommand};
use k8s_openapi::jiff::Timestamp;
use mail_operator::api::Basis;
use mail_operator::cli::handover::Whom;
use mail_operator::cli::life::{Origin, World};
use mail_operator::cli::output::{Format, Lang, Plain, Proposals, Said};
use mail_operator::cli::place::Place;
use mail_operator::cli::when::moment;
use mail_operator::cli::{explain, forecast, handover, proposals, status, tree, when};

use super::acts::{IN_GIT, IN_GIT_VI, acknowledged, handed_over, handover_file};
use super::{Cli, help, unreadable};

#[derive(Subcommand)]
pub enum Command {
    /// Says who will be locked, proposed for revocation, revoked and purged, and when (Điều 5, 6, 8, 9).
    ///
    /// Reads a folder of YAML, or the cluster when none is named. What is due by now is counted as done; with --until also what
    /// comes later if nobody does anything. Nothing is written anywhere.
    #[command(after_help = help::unbroken(help::FORECAST))]
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
        cluster: Place,
        #[command(flatten)]
        output: Plain,
    },
    /// Explains why an account is in its state: articles, facts, documents, dates, and what would change it.
    #[command(after_help = help::unbroken(help::EXPLAIN))]
    Explain {
        /// An address of now or of before, or the name of a Mailbox.
        #[arg(value_name = "ADDRESS|NAME", value_parser = address_or_name)]
        asked: String,
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        output: Plain,
    },
    /// Shows the whole system on one screen: service, mailboxes, what is due, restores, proposals, conflicts, what is held.
    #[command(after_help = help::unbroken(help::STATUS))]
    Status {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        output: Plain,
    },
    /// Lists those whose revocation is proposed, since nobody logged in for six months (8.3.đ).
    #[command(after_help = help::unbroken(help::PROPOSALS))]
    Proposals {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        output: Proposals,
    },
    /// Releases what the brake holds, on a document (D-15).
    ///
    /// Shows what is held, and asks. The word is good for exactly that: what comes later is held anew.
    #[command(after_help = help::unbroken(help::ACKNOWLEDGE))]
    Acknowledge {
        /// The token that stands beside what is held; the current one when not given.
        token: Option<String>,
        #[command(flatten)]
        document: Document,
        /// Does not ask.
        #[arg(long, requires = "number")]
        yes: bool,
        #[command(flatten)]
        cluster: Place,
        #[command(flatten)]
        output: Plain,
    },
    /// Makes a sheet for each person with the first password, once (9.1, 6.2.d).
    ///
    /// A4, HTML for the printer, in Vietnamese. The Secret is marked first; who is marked gets no sheet any more. A password stands
    /// in the file and nowhere else.
    #[command(after_help = help::unbroken(help::HANDOVER))]
    Handover {
        /// Names of Mailboxes.
        #[arg(required_unless_present = "agency", conflicts_with = "agency", value_parser = object_name)]
        names: Vec<String>,
        /// Everybody of this Agency who was not given a sheet yet.
        #[arg(long, value_name = "NAME", value_parser = object_name)]
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
        cluster: Place,
        #[command(flatten)]
        output: Plain,
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
    cluster: Place,
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
    when::document_day(text, Timestamp::now())
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

impl From {
    fn origin(&self) -> Origin {
        if !self.dir.is_empty() && self.cluster.is_named() {
            wrong_use(FOR_THE_CLUSTER);
        }
        if self.dir.is_empty() { Origin::Cluster(self.cluster.clone()) } else { Origin::Folder(self.dir.clone()) }
    }

    fn world(&self) -> Result<World, tree::Unreadable> {
        World::of(&self.origin())
    }
}

/// What can stand in the path of a request: an address, or the name of an object. Who had the name of a Mailbox before is listed by both,
/// and found by the address.
fn address_or_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let text = text.split_once('/').map_or(text, |(_, address)| address);
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text.into());
    }
    Err("write an address, for example quynhhtn.stttt@gialai.gov.vn, or the name of a Mailbox, for example nv-000123; \
         names of people are not searched ('kubectl get mbx -o wide' lists them)"
        .into())
}

/// `metadata.name` of an object.
fn object_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text.into());
    }
    Err("write the metadata.name of an object: a-z, 0-9, hyphens and dots, for example nv-000123 or stttt".into())
}

impl Command {
    /// Does it.
    pub fn run(self, lang: Lang) -> ExitCode {
        let done = match self {
            Self::Forecast { paths, at, until, warnings, cluster, output } => {
                let now = at.time();
                let until = until.unwrap_or(now);
                if until < now {
                    wrong_use("--until is before --now");
                }
                origin(paths, cluster).map(|world| {
                    let answer = forecast::forecast(&world, now, until);
                    told(&world, &answer.notes, lang);
                    let json = output.form == Format::Json;
                    let text = if json { answer.json() } else { forecast::text(&answer, warnings, lang) };
                    put(&text);
                    whole(&world)
                })
            }
            Self::Explain { asked, from, output } => explained(&asked, &from, output.form, lang),
            Self::Status { from, output } => {
                let now = from.at.time();
                from.world().map(|world| {
                    let (reports, notes) = status::status(&world, now);
                    told(&world, &notes, lang);
                    let json = output.form == Format::Json;
                    put(&if json { status::json(&reports, now) } else { status::text(&reports, now, lang) });
                    // Nothing is no good news.
                    if reports.is_empty() { ExitCode::FAILURE } else { whole(&world) }
                })
            }
            Self::Proposals { from, output } => from.world().map(|world| {
                let (all, notes) = proposals::proposals(&world, from.at.time());
                told(&world, &notes, lang);
                put(&match output.form {
                    Format::Json => proposals::json(&all),
                    Format::Csv => proposals::csv(&all),
                    _ => proposals::text(&all, lang),
                });
                whole(&world)
            }),
            Self::Acknowledge { token, document, yes, cluster, output } => {
                acknowledged(token.as_deref(), document.basis(), yes, &cluster, output.form, lang)
            }
            Self::Handover { names, agency, out, contact, page, cluster, output } => {
                let whom = agency.map_or_else(|| Whom::Named(names), Whom::Agency);
                let now = Timestamp::now();
                let Some(out) = out.or_else(|| handover_file(now)) else {
                    eprintln!("kubectl mail: {}", lang.pick(IN_GIT, IN_GIT_VI));
                    return ExitCode::from(2);
                };
                let request = handover::Request { whom, out, contact, page };
                handed_over(&request, &cluster, now, output.form, lang)
            }
        };
        done.unwrap_or_else(|error| unreadable(&error, lang))
    }
}

fn explained(asked: &str, from: &From, output: Format, lang: Lang) -> Result<ExitCode, tree::Unreadable> {
    let answer = explain::explain(asked, &from.origin(), from.at.time())?;
    told(&answer.world, &answer.notes, lang);
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

const FOR_THE_CLUSTER: &str =
    "--namespace, --context, --kubeconfig and --as are for the cluster; objects of files name their namespace";

pub fn wrong_use(message: &str) -> ! {
    Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit()
}

/// Reads files where some are named, else the cluster.
fn origin(paths: Vec<PathBuf>, cluster: Place) -> Result<World, tree::Unreadable> {
    if !paths.is_empty() && cluster.is_named() {
        wrong_use(FOR_THE_CLUSTER);
    }
    World::of(&if paths.is_empty() { Origin::Cluster(cluster) } else { Origin::Folder(paths) })
}

/// What people should know of the reading, on standard error.
fn told(world: &World, notes: &[Said], lang: Lang) {
    world.tell(lang);
    notes.iter().for_each(|note| eprintln!("kubectl mail: {}", note.pick(lang)));
}

fn whole(world: &World) -> ExitCode {
    if world.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints; who stops reading has seen enough.
pub fn put(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
