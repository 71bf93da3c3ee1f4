//! `kubectl mail plan` and the operator decide a whole tree alike: made-up trees, each applied before an operator sees it.
//! `AGREEMENT_TREES` and `AGREEMENT_SEED` say how many and which; the seed of a tree that differs is told.

use std::fmt::Write;
use std::time::Duration;

use fastrand::Rng;
use kube::ResourceExt;
use mail_operator::api::{Mailbox, own_mailbox_name};
use mail_operator::cli::plan::{Item, Known, Outcome, Plan, of_findings};
use mail_operator::cli::tree::Tree;
use mail_operator::cli::validate::{Options, check};

use super::World;
use crate::support::operator::{Agent, Operator};
use crate::support::{apply, eventually};

/// A tree is decided within this time.
const DECIDED: Duration = Duration::from_secs(40);
const TREES: u64 = 3;
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

fn tree(rng: &mut Rng) -> String {
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
    for i in 0..rng.usize(4..20) {
        let pick = |rng: &mut Rng, from: &[&'static str]| from[rng.usize(..from.len())];
        let agency = AGENCIES[rng.usize(..AGENCIES.len())].0;
        let name = format!("{} {} {}", pick(rng, &FAMILIES), pick(rng, &MIDDLES), pick(rng, &GIVENS));
        let name = name.replace("  ", " ");
        let more = match rng.u8(..20) {
            0 => "  localPart: chung\n",
            1 => "  localPart: minhth.stttt\n",
            2 => "  localPart: hm.stttt\n",
            3 | 4 => "  disambiguator: \"2\"\n",
            5 => "  aliases: [hoal.stttt]\n",
            6 => "  holder: Agency\n",
            _ => "",
        };
        let head = format!("{HEAD}Mailbox\nmetadata: {{name: nv-{i}}}\nspec:\n  agencyRef: {{name: {agency}}}\n");
        let _ = write!(text, "{head}  fullName: {name}\n{more}{BASIS}");
    }
    text
}

/// What the operator says, when it has said something.
fn said(mailbox: &Mailbox) -> Option<(Option<String>, String)> {
    let status = mailbox.status.as_ref()?;
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready")?;
    let open = status.address.is_none() && ready.reason == "Starting";
    (!open).then(|| (status.address.clone(), ready.reason.clone()))
}

fn agrees(item: &Item, address: Option<&String>, reason: &str) -> bool {
    match item.outcome {
        Outcome::Issued | Outcome::Kept | Outcome::Changed => address == item.address.as_ref(),
        Outcome::Conflict => address.is_none() && reason == "Conflict",
        Outcome::Waiting => address.is_none() && ["AgencyNotFound", "AgencyNotReady"].contains(&reason),
        Outcome::Rejected => address.is_none(),
    }
}

async fn compare(world: &World, plan: &Plan) -> Result<(), String> {
    for item in &plan.items {
        let id = if item.kind == "Agency" { own_mailbox_name(&item.name) } else { item.name.clone() };
        let mailbox = world.mailboxes.get_opt(&id).await.map_err(|e| e.to_string())?;
        let wanted = format!("{} {}: plan says {:?} {:?}", item.kind, item.name, item.outcome, item.address);
        let none = item.kind == "Agency" && item.address.is_none() && item.outcome != Outcome::Conflict;
        match mailbox.as_ref().map(|m| (m.name_any(), said(m))) {
            None if none => {}
            Some((_, Some((address, reason)))) if agrees(item, address.as_ref(), &reason) => {}
            other => return Err(format!("{wanted}, the operator {other:?}")),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_to_d_07_plan_and_operator_decide_made_up_trees_alike() {
    let (trees, first) = (any("AGREEMENT_TREES", TREES), any("AGREEMENT_SEED", 1));
    for seed in first..first + trees {
        let Some(world) = World::new(&format!("agree-{seed}")).await else { return };
        let text = tree(&mut Rng::with_seed(seed));
        let mut read = Tree::default();
        read.take("tree.yaml", text.as_bytes());
        let plan = of_findings(&read, check(&read, &Options::default()), &Known::default());
        apply(&world.systems, super::SYSTEM).await.expect("system");
        for object in &read.objects {
            let json = object.node.json().to_string();
            let applied = match object.kind.as_str() {
                "Agency" => apply(&world.agencies, &json).await.map(drop),
                _ => apply(&world.mailboxes, &json).await.map(drop),
            };
            applied.unwrap_or_else(|e| panic!("seed {seed}: {} {}: {e}", object.kind, object.name));
        }
        let operator = Operator::start(world.client.clone(), &world.namespace);
        let _agent = Agent::start(&world.client, &world.namespace).await;
        eventually(&format!("agreement on the tree of seed {seed}"), DECIDED, || compare(&world, &plan)).await;
        // And it stays so.
        tokio::time::sleep(Duration::from_secs(1)).await;
        compare(&world, &plan).await.unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
        operator.stop().await;
        world.end().await;
    }
}
