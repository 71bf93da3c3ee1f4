//! A tree of YAML: what people wrote and what the operator answered, as `kubectl get -o yaml` gives it, in any number of files.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::api::{AddressClaim, MailboxActivityStatus, Regulation, WorkCalendar, password_page};
use crate::cli::output::Said;
use crate::cli::tree::{self, Limits, Object, Unreadable};

use super::{Body, System, World, tolerant};

/// Reads files and folders.
pub fn read(roots: &[PathBuf]) -> Result<World, Unreadable> {
    let tree = tree::read_up_to(roots, Limits::EXPORTED)?;
    let mut reader =
        Reader { world: World { activities: Some(HashMap::new()), ..World::default() }, seen: HashSet::new() };
    for finding in &tree.findings {
        let place = format!("{}:{}:{}", finding.file, finding.line, finding.column);
        reader.broken(format!("{place}: {}", finding.message), format!("{place}: {}", finding.message_vi));
    }
    // Of one object that stands twice, as people wrote it and as the cluster has it, the one with a status tells more.
    let (with, without): (Vec<_>, Vec<_>) = tree.objects.iter().partition(|o| o.node.get("status").is_some());
    with.into_iter().chain(without).for_each(|object| reader.take(object));
    Ok(reader.world)
}

struct Reader<'t> {
    world: World,
    seen: HashSet<(&'t str, &'t str, &'t str)>,
}

impl<'t> Reader<'t> {
    fn broken(&mut self, note: String, vi: String) {
        self.world.notes.push(Said::new(note, vi));
        self.world.broken = true;
    }

    fn take(&mut self, object: &'t Object) {
        if !self.seen.insert((&object.kind, &object.namespace, &object.name)) {
            return;
        }
        if let Err(said) = self.put(object) {
            let what = format!("{}:{}: {} '{}'", object.file, object.node.at.line, object.kind, object.name);
            self.broken(
                format!("{what} is left out: {}", said.message),
                format!("{what} bị bỏ qua: {}", said.message_vi),
            );
        }
    }

    fn put(&mut self, object: &Object) -> Result<(), Said> {
        let namespace = object.namespace.clone();
        match object.kind.as_str() {
            "MailSystem" => self.world.systems.push(system(object)?),
            "Agency" => {
                let title = object.node.find("spec.name").and_then(tree::Node::text).unwrap_or_default().to_string();
                self.world.agencies.push(Body { namespace, name: object.name.clone(), title });
            }
            "WorkCalendar" => {
                let spec = read_as(part(object, "spec"))?;
                self.world.calendars.push((namespace, WorkCalendar::new(&object.name, spec)));
            }
            "Mailbox" => self.world.mailboxes.push(tolerant::mailbox(object.node.json())?),
            "MailboxActivity" => {
                let status: MailboxActivityStatus = read_as(tolerant::activity(part(object, "status")))?;
                self.world.activities.get_or_insert_default().insert((namespace, object.name.clone()), status);
            }
            "AddressClaim" => self.world.claims.push(read_as::<AddressClaim>(object.node.json())?),
            _ => {}
        }
        Ok(())
    }
}

fn part(object: &Object, key: &str) -> Json {
    let part = object.node.get(key).filter(|node| !node.is_null());
    part.map_or_else(|| Json::Object(serde_json::Map::new()), tree::Node::json)
}

fn read_as<T: DeserializeOwned>(json: Json) -> Result<T, Said> {
    serde_json::from_value(json).map_err(|error| Said::new(error.to_string(), error.to_string()))
}

/// The same of a field of the spec.
fn field<T: DeserializeOwned>(path: &str, json: &Json) -> Result<T, Said> {
    let wrong = |said: Said| Said::new(format!("{path}: {}", said.message), format!("{path}: {}", said.message_vi));
    read_as(json.clone()).map_err(wrong)
}

/// Only what matters here is read: the rest of its spec is for `validate`.
fn system(object: &Object) -> Result<System, Said> {
    let spec = part(object, "spec");
    let text = |key: &str| spec[key].as_str().unwrap_or_default().to_string();
    let regulation = match &spec["regulation"] {
        Json::Null => Regulation::default(),
        regulation => field("spec.regulation", regulation)?,
    };
    let acknowledge = match &spec["acknowledge"] {
        Json::Null => None,
        acknowledge => field("spec.acknowledge", acknowledge)?,
    };
    let made = object.node.find("metadata.creationTimestamp").and_then(|node| read_as::<Time>(node.json()).ok());
    Ok(System {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        domain: text("domain"),
        office: serde_json::from_value(spec["office"].clone()).unwrap_or_default(),
        page: password_page(spec["portal"]["url"].as_str(), &text("hostname")),
        hostname: text("hostname"),
        made: made.map(|at| at.0),
        regulation,
        acknowledge,
        status: read_as(tolerant::system_status(part(object, "status")))?,
    })
}
