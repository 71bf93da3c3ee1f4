//! Runs the rows of the tables of `docs/naming.md` through the rules. An example that is wrong is `Err` with what is right.

use std::collections::{BTreeSet, HashMap};

use mail_operator::api::MailboxSpec;
use mail_operator::domain::naming::conflict::explain;
use mail_operator::domain::naming::{
    AgencyAddress, AgencyNaming, Allocation, Form, Held, Level, LocalPart, MailboxNaming, NameError, Profile, Request,
    Use, agency_address, allocate, candidates, person_local_part, person_name, same_name, with_disambiguator,
};
use serde::Deserialize;

use crate::markdown::Row;

const DOMAIN: &str = "gialai.gov.vn";

/// What is said of one example.
pub type Verdict = Result<(), String>;

/// Compares what the document says with what the rules give.
pub fn same(what: &str, said: &str, right: &str) -> Verdict {
    if said == right { Ok(()) } else { Err(format!("{what}: the document says '{said}', the rules give '{right}'")) }
}

/// `\u{…}` → the character.
pub fn unescape(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').expect("\\u{…} is closed");
        plain.push(u32::from_str_radix(code, 16).ok().and_then(char::from_u32).expect("a code of a character"));
        plain.push_str(rest);
    }
    plain
}

/// The column "Fields" or "Writes".
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Fields {
    initials: Option<String>,
    form: Option<Form>,
    suffix: Option<String>,
    local_part: Option<String>,
    profile: Profile,
    disambiguator: Option<String>,
    supersedes: Vec<String>,
}

fn fields(cell: &str) -> Result<Fields, String> {
    if cell.is_empty() { Ok(Fields::default()) } else { serde_yaml::from_str(cell).map_err(|e| format!("{cell}: {e}")) }
}

fn told(error: &NameError) -> String {
    format!("{} ({}): {}", error.code, error.rule, error.message)
}

/// The bodies of the rows above, by profile and name.
pub type Bodies = HashMap<(Profile, String), AgencyAddress>;

/// `Level | Name | Parent | Fields | Rule | Address | People`.
pub fn body(row: &Row, bodies: &mut Bodies) -> Verdict {
    let [level, name, parent, written, rule, address, people] = row.cells[..] else { return Err("7 cells".into()) };
    let level = match level {
        "Province" => Level::Province,
        "District" => Level::District,
        "Commune" => Level::Commune,
        "Unit" => Level::Unit,
        other => return Err(format!("'{other}' is no level")),
    };
    let written = fields(written)?;
    let above = bodies.get(&(written.profile, parent.to_owned()));
    if !parent.is_empty() && above.is_none() {
        return Err(format!("the parent '{parent}' has no row above"));
    }
    let naming = AgencyNaming {
        level,
        name,
        initials: written.initials.as_deref(),
        form: written.form,
        local_part: written.local_part.as_deref(),
        suffix: written.suffix.as_deref(),
        parent: above,
    };
    let right = agency_address(written.profile, &naming).map_err(|e| told(&e))?;
    same("address", address, right.local_part.as_str())?;
    same("people", people, &right.suffix)?;
    let named = right.steps.iter().rev().find(|s| s.step.ends_with("ocalPart")).map_or("", |s| s.rule);
    same("rule", rule, named)?;
    bodies.insert((written.profile, name.to_owned()), right);
    Ok(())
}

/// `Full name | Suffix | Address | Note`.
pub fn person(row: &Row) -> Verdict {
    let [name, suffix, address, _] = row.cells[..] else { return Err("4 cells".into()) };
    let derived = person_name(name, None).and_then(|name| person_local_part(&name, suffix)).map_err(|e| told(&e))?;
    same("address", address, derived.local_part.as_str())
}

/// `Full name | Suffix | 4.2.a | 4.2.b | F1 (D-04) | F2 (D-04)`.
pub fn ranked(row: &Row) -> Verdict {
    let [name, suffix, ref said @ ..] = row.cells[..] else { return Err("6 cells".into()) };
    let found = person_name(name, None).and_then(|name| candidates(&name, suffix)).map_err(|e| told(&e))?;
    let right: Vec<String> = found.iter().map(|c| format!("{} {}", c.rule, c.local_part)).collect();
    let rules = ["4.2.a", "4.2.b", "D-04", "D-04"];
    let said: Vec<String> =
        rules.iter().zip(said).filter(|(_, s)| **s != "—").map(|(rule, s)| format!("{rule} {s}")).collect();
    same("addresses", &said.join(", "), &right.join(", "))
}

/// `Full name | Other full name | Same`.
pub fn alike(row: &Row) -> Verdict {
    let [a, b, said] = row.cells[..] else { return Err("3 cells".into()) };
    same("same", said, if same_name(a, b) { "yes" } else { "no" })
}

/// `Field | Written | Result | Rule`.
pub fn accepted(row: &Row) -> Verdict {
    let [field, written, result, rule] = row.cells[..] else { return Err("4 cells".into()) };
    let written = unescape(written);
    let outcome = match field {
        "fullName" => person_name(&written, None).and_then(|name| person_local_part(&name, "snv")),
        "disambiguator" => {
            person_name("Nguyễn Thị Hòa", None).and_then(|name| with_disambiguator(&name, "snv", &written))
        }
        "localPart" => match LocalPart::parse(&written, "spec.localPart") {
            Ok(_) => return same("result", &format!("{result} {rule}"), "accepted RFC 5321"),
            Err(error) => Err(error),
        },
        other => return Err(format!("'{other}' is no field")),
    };
    let right = match &outcome {
        Err(error) => format!("{} {}", error.code, error.rule),
        Ok(derived) => match derived.warnings.as_slice() {
            [] => format!("accepted {}", derived.steps.last().map_or("", |s| s.rule)),
            [warning, ..] => format!("warning {} {}", warning.code, warning.rule),
        },
    };
    same("result", &format!("{result} {rule}"), &right)
}

/// A table `Mailbox | Full name | Suffix | Has | Writes | Gets | Rule`: one verdict a row.
pub fn together(rows: &[Row]) -> Vec<Verdict> {
    let mut held: HashMap<LocalPart, Held> = HashMap::new();
    let mut requests = Vec::new();
    let read: Vec<Verdict> = rows.iter().map(|row| claimant(row, &mut held, &mut requests)).collect();
    let result = allocate(&requests, |local_part| held.get(local_part));
    requests.reverse();
    let reversed = allocate(&requests, |local_part| held.get(local_part));
    let of = |(row, read): (&Row, Verdict)| {
        read?;
        if result != reversed {
            return Err("the order of the rows matters".into());
        }
        outcome(row, &result)
    };
    rows.iter().zip(read).map(of).collect()
}

fn claimant(row: &Row, held: &mut HashMap<LocalPart, Held>, requests: &mut Vec<Request>) -> Verdict {
    let [id, name, suffix, has, writes, ..] = row.cells[..] else { return Err("7 cells".into()) };
    let local = |text: &str| LocalPart::parse(text, "the table").map_err(|e| told(&e));
    if !has.is_empty() {
        let (address, address_use) = match has.strip_suffix(" (tombstone)") {
            Some(address) => (address, Use::Tombstone),
            None => (has, Use::Primary),
        };
        held.insert(local(address)?, Held { owner: id.into(), name: name.into(), address_use, purged: None });
        return Ok(());
    }
    let writes = fields(writes)?;
    let mailbox = MailboxNaming {
        local_part: writes.local_part.as_deref(),
        full_name: name,
        disambiguator: writes.disambiguator.as_deref(),
        ..MailboxNaming::default()
    };
    let agency = AgencyAddress { local_part: local(suffix)?, suffix: suffix.into(), steps: vec![], warnings: vec![] };
    let wish = mailbox.pin().unwrap_or_else(|| mailbox.derived(&agency, false)).map_err(|e| told(&e))?;
    let supersedes: BTreeSet<LocalPart> = writes.supersedes.iter().map(|s| local(s)).collect::<Result<_, _>>()?;
    requests.push(Request { id: id.into(), name: name.into(), wish, supersedes, left: BTreeSet::new() });
    Ok(())
}

fn outcome(row: &Row, result: &Allocation) -> Verdict {
    let [id, _, _, has, _, gets, rule] = row.cells[..] else { return Err("7 cells".into()) };
    let right = match result.outcomes.get(id) {
        None if has.ends_with("(tombstone)") => "— D-19".into(),
        None => format!("{has} D-02"),
        Some(Ok(grant)) => format!("{} {}", grant.local_part, grant.rule),
        Some(Err(conflict)) => format!("conflict {}", explain(conflict, DOMAIN, &[], false).rule),
    };
    same("gets", &format!("{gets} {rule}"), &right)
}

/// The address of a Mailbox whose agency is `agency`.
pub fn address(spec: &MailboxSpec, agency: &AgencyAddress) -> Result<String, String> {
    let mailbox = spec.naming();
    let wish = mailbox.pin().unwrap_or_else(|| mailbox.derived(agency, false)).map_err(|e| told(&e))?;
    Ok(wish.local_parts()[0].address(DOMAIN))
}
