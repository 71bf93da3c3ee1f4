//! `kubectl mail plan` and the operator decide a whole tree alike: made-up trees, each applied before an operator sees it, and
//! what becomes of them: people leave, come, come back, are transferred and renamed.
//! `AGREEMENT_TREES` and `AGREEMENT_SEED` say how many and which; the seed of a tree that differs is told.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use fastrand::Rng;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use mail_operator::api::{Mailbox, own_mailbox_name};
use mail_operator::cli::place::Place;
use mail_operator::cli::plan::{Item, Known, Outcome, Plan, Source, of_findings};
use mail_operator::cli::tree::Tree;
use mail_operator::cli::validate::{Options, check};

use super::World;
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually};

/// A tree is decided within this time.
const DECIDED: Duration = Duration::from_secs(40);
const TREES: u64 = 3;
/// Trees that follow one another in a namespace.
const YEARS: usize = 3;
const HEAD: &str = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: ";
const BASIS: &str = "  basis: {number: 1/x, date: \"2026-01-01\", issuer: x}\n---\n";
/// Few names, so that many want one address: of one name, of names that differ by a tone alone, with one given name.
const FAMILIES: [&str; 4] = ["Trần", "Trương", "Lê", "Tô"];
const MIDDLES: [&str; 5] = ["Hoàng", "Huỳnh", "Hữu", "Thị Hà", ""];
const GIVENS: [&str; 4] = ["Minh", "Hoà", "Hòa", "An"];
/// Agencies; the last two have one address, and the third gives people's suffix below the first.
const AGENCIES: [(&str, &str); 4] = [
    ("stttt", "  level: Province\n  name: Sở Thông tin và Truyền thông\n"),
    ("snv", "  level: Province\n  name: Sở Nội vụ\n"),
    ("hm", "  level: Unit\n  parentRef: {name: stttt}\n  name: Phòng Hòa Minh\n"),
    ("snv2", "  level: Province\n  name: Sở Nông vụ\n"),
];

fn any(env: &str, default: u64) -> u64 {
    std::env::var(env).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One Mailbox of a tree.
#[derive(Clone)]
struct Person {
    id: String,
    agency: &'static str,
    name: String,
    /// Further lines of the spec.
    more: String,
}

impl Person {
    fn new(i: usize, rng: &mut Rng) -> Self {
        let more = match rng.u8(..20) {
            0 => "  localPart: chung\n",
            1 => "  localPart: minhth.stttt\n",
            2 => "  localPart: hm.stttt\n",
            3 | 4 => "  disambiguator: \"2\"\n",
            5 => "  aliases: [hoal.stttt]\n",
            7 => "  aliases: [bi-danh.stttt]\n",
            6 => "  holder: Agency\n",
            _ => "",
        };
        Self {
            id: format!("nv-{i}"),
            agency: AGENCIES[rng.usize(..AGENCIES.len())].0,
            name: name(rng),
            more: more.into(),
        }
    }

    /// What a year does to it: transferred, renamed with or without a document, written otherwise; mostly nothing.
    fn goes_on(&mut self, rng: &mut Rng) {
        match rng.u8(..10) {
            0 => self.agency = AGENCIES[rng.usize(..AGENCIES.len())].0,
            1 => {
                self.name = name(rng);
                self.more.push_str(&format!(
                    "  rename: {{basis: {{number: {}/x, date: \"2026-02-01\", issuer: x}}}}\n",
                    rng.u8(..)
                ));
            }
            2 => self.name = name(rng),
            3 => self.more = String::new(),
            4 => self.more = "  disambiguator: \"3\"\n".into(),
            _ => {}
        }
        // A file says a thing once.
        if self.more.matches("rename:").count() > 1 {
            self.more = self.more.split_inclusive('\n').next_back().unwrap_or_default().into();
        }
    }
}

fn name(rng: &mut Rng) -> String {
    let mut pick = |from: &[&'static str]| from[rng.usize(..from.len())];
    format!("{} {} {}", pick(&FAMILIES), pick(&MIDDLES), pick(&GIVENS)).replace("  ", " ")
}

/// The files: agencies, as they stay, and people.
fn tree(agencies: &str, people: &[Person], namespace: &str) -> Tree {
    let mut text = agencies.to_owned();
    for Person { id, agency, name, more } in people {
        let head = format!("{HEAD}Mailbox\nmetadata: {{name: {id}}}\nspec:\n  agencyRef: {{name: {agency}}}\n");
        let _ = write!(text, "{head}  fullName: {name}\n{more}{BASIS}");
    }
    let mut read = Tree::default();
    read.take("tree.yaml", text.replace("metadata: {", &format!("metadata: {{namespace: {namespace}, ")).as_bytes());
    read
}

fn agencies(rng: &mut Rng) -> String {
    let mut text = String::new();
    for (name, spec) in AGENCIES {
        if rng.u8(..10) == 0 {
            continue;
        }
        let pin = if rng.u8(..8) == 0 { "  localPart: chung\n" } else { "" };
        let mailbox = if rng.u8(..6) == 0 { "  hasMailbox: false\n" } else { "" };
        let head = format!("{HEAD}Agency\nmetadata: {{name: {name}}}\nspec:\n  systemRef: {{name: gialai}}\n");
        let _ = write!(text, "{head}{spec}{pin}{mailbox}{BASIS}");
    }
    text
}

/// Some leave, some come, some who left come back, under their name or with somebody else under it.
fn next_year(people: &mut Vec<Person>, gone: &mut Vec<Person>, rng: &mut Rng) {
    let (mut left, mut stay): (Vec<_>, Vec<_>) = people.drain(..).partition(|_| rng.u8(..8) == 0);
    stay.iter_mut().for_each(|person| person.goes_on(rng));
    for mut back in std::mem::take(gone) {
        match rng.u8(..4) {
            0 | 1 => stay.push(back),
            2 => {
                back.name = name(rng);
                stay.push(back);
            }
            _ => left.push(back),
        }
    }
    let first_new = stay.len() + left.len() + 100 * rng.usize(1..1000);
    stay.extend((0..rng.usize(..4)).map(|i| Person::new(first_new + i, rng)));
    (*people, *gone) = (stay, left);
}

/// What the operator says, when it has said something of this spec.
fn said(mailbox: &Mailbox) -> Option<(Option<String>, String)> {
    let status = mailbox.status.as_ref().filter(|s| s.observed_generation == mailbox.metadata.generation)?;
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready")?;
    let open = status.address.is_none() && ready.reason == "Starting";
    (!open).then(|| (status.address.clone(), ready.reason.clone()))
}

fn agrees(item: &Item, address: Option<&String>, reason: &str) -> bool {
    // One condition says one thing: an alias that is somebody else's goes before what keeps a transfer from coming about.
    let known = match item.outcome {
        Outcome::Issued | Outcome::Kept | Outcome::Changed | Outcome::Rejected => true,
        Outcome::Conflict => ["Conflict", "HolderMismatch", "AliasConflict"].contains(&reason),
        Outcome::Waiting => ["AgencyNotFound", "AgencyNotReady", "AliasConflict"].contains(&reason),
    };
    // Who gets no other address keeps the one it has.
    known && address == item.address.as_ref()
}

async fn compare(world: &World, plan: &Plan) -> Result<(), String> {
    for item in &plan.items {
        let id = if item.kind == "Agency" { own_mailbox_name(&item.name) } else { item.name.clone() };
        let mailbox = world.mailboxes.get_opt(&id).await.map_err(|e| e.to_string())?;
        let wanted = format!("{} {}: plan says {:?} {:?}", item.kind, item.name, item.outcome, item.address);
        let none = item.kind == "Agency" && item.address.is_none() && item.outcome != Outcome::Conflict;
        match mailbox.as_ref().map(|m| (m.name_any(), said(m))) {
            None if none => {}
            Some((_, Some((address, reason)))) if agrees(item, address.as_ref(), &reason) => {
                // An alias that several write is an error of the tree; who applies first has it.
                let mut known = mailbox.and_then(|m| m.status).map(|s| s.aliases).unwrap_or_default();
                let mut planned = item.aliases.clone();
                let alone = |alias: &String| !alias.starts_with("hoal.") && !alias.starts_with("bi-danh.");
                known.retain(alone);
                planned.retain(alone);
                if item.address.is_some() && known != planned {
                    return Err(format!("{wanted} with aliases {planned:?}, the operator {known:?}"));
                }
            }
            other => return Err(format!("{wanted}, the operator {other:?}")),
        }
    }
    Ok(())
}

/// A tree as a merge applies it: what is not in it any more is deleted.
async fn apply_tree(world: &World, read: &Tree, gone: &[Person]) {
    for object in &read.objects {
        let json = object.node.json().to_string();
        let applied = match object.kind.as_str() {
            "Agency" => apply(&world.agencies, &json).await.map(drop),
            _ => apply(&world.mailboxes, &json).await.map(drop),
        };
        applied.unwrap_or_else(|e| panic!("{} {}: {e}", object.kind, object.name));
    }
    for person in gone {
        match world.mailboxes.delete(&person.id, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            other => drop(other.expect("deleted")),
        }
    }
}

/// One tree after another, each planned beside what the cluster has issued by then.
async fn years(world: &World, seed: u64) {
    let rng = &mut Rng::with_seed(seed);
    let agencies = agencies(rng);
    let mut people: Vec<Person> = (0..rng.usize(4..20)).map(|i| Person::new(i, rng)).collect();
    let mut gone = Vec::new();
    apply(&world.systems, super::SYSTEM).await.expect("system");
    for year in 0..YEARS {
        let read = tree(&agencies, &people, &world.namespace);
        let (read, known) = tokio::task::spawn_blocking(|| {
            let known = Known::of(&Source::Cluster(Place::default()), &read).expect("the cluster's claims");
            (read, known)
        })
        .await
        .expect("read");
        let plan = of_findings(&read, check(&read, &Options::default()), &known);
        // Seen when it fails.
        eprintln!("seed {seed}, year {year}:");
        people.iter().for_each(|p| eprintln!("  {} {} {} {}", p.id, p.agency, p.name, p.more.replace('\n', ";")));
        plan.items.iter().for_each(|i| eprintln!("  plan {} {:?} {:?} {:?}", i.name, i.outcome, i.address, i.errors));
        let had: BTreeSet<String> = addressed(world).await;
        apply_tree(world, &read, &gone).await;
        let revoked: BTreeSet<String> = plan.revoked.iter().map(|r| r.mailbox.clone()).collect();
        assert_eq!(revoked, gone.iter().map(|p| p.id.clone()).filter(|id| had.contains(id)).collect(), "seed {seed}");
        let operator = Operator::start(world.client.clone(), &world.namespace);
        let agent = Agent::start(&world.client, &world.namespace).await;
        let what = format!("agreement on the tree of seed {seed}, year {year}");
        eventually(&format!("{what}: all looked at"), DECIDED, || all_looked_at(world, &operator)).await;
        eventually(&what, DECIDED, || compare(world, &plan)).await;
        // And it stays so when those who come together were decided (D-22).
        tokio::time::sleep(Duration::from_millis(1500)).await;
        compare(world, &plan).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        operator.stop().await;
        drop(agent);
        next_year(&mut people, &mut gone, rng);
    }
}

/// Whether this operator, not the one of the year before, passed over as many Mailboxes as there are.
async fn all_looked_at(world: &World, operator: &Operator) -> Result<(), String> {
    let count = world.mailboxes.list(&ListParams::default()).await.map_err(|e| e.to_string())?.items.len();
    let text = operator.metrics.text();
    let line = text.lines().find(|l| l.contains("reconcile_total{controller=\"mailbox\",result=\"ok\"}"));
    let passes = line.and_then(|l| l.rsplit(' ').next()?.parse::<usize>().ok()).unwrap_or(0);
    if passes >= count { Ok(()) } else { Err(format!("{passes} passes for {count} mailboxes")) }
}

/// Mailboxes that stand and have an address, the own ones of agencies apart.
async fn addressed(world: &World) -> BTreeSet<String> {
    let all = world.mailboxes.list(&ListParams::default()).await.expect("mailboxes");
    let people = all.into_iter().filter(|m| m.name_any().starts_with("nv-"));
    let with = people.filter(|m| m.status.as_ref().is_some_and(|s| s.address.is_some()));
    with.map(|m| m.name_any()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_to_d_07_plan_and_operator_decide_made_up_trees_alike() {
    let (trees, first) = (any("AGREEMENT_TREES", TREES), any("AGREEMENT_SEED", 1));
    for seed in first..first + trees {
        let Some(world) = World::new(&format!("agree-{seed}")).await else { return };
        years(&world, seed).await;
        world.end().await;
    }
}
