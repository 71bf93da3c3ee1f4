//! The addresses that are issued already: AddressClaims out of a file or a cluster, and which Mailboxes stand there.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::api::{AddressClaim, AddressUse, Mailbox};
use crate::cli::agencies::same_namespace;
use crate::cli::tree::{Tree, Unreadable};
use crate::domain::naming::{Held, LocalPart};
use crate::kube_io::every;

use super::Source;
use super::subjects::namespaces;

/// The largest file of claims, in bytes: a province has some 20,000 of half a kilobyte each.
const MAX_BYTES: u64 = 256 << 20;
/// The API server is given this long for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What is issued.
#[derive(Debug, Default)]
pub struct Known {
    claims: Vec<AddressClaim>,
    /// uid of each Mailbox by namespace and name, where that is known.
    mailboxes: Option<HashMap<(String, String), String>>,
}

impl Known {
    /// What `source` says is issued to the objects of `tree`.
    pub fn of(source: &Source, tree: &Tree) -> Result<Self, Unreadable> {
        match source {
            Source::Nothing => Ok(Self::default()),
            Source::File(path) => Self::of_file(path),
            Source::Cluster(_) => Self::of_cluster(&namespaces(tree)),
        }
    }

    /// AddressClaims, and Mailboxes if there are any, of a file of YAML or JSON: documents or lists.
    fn of_file(path: &Path) -> Result<Self, Unreadable> {
        let unreadable = |message: String| Unreadable::new(path, &message);
        let size = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
        if size > MAX_BYTES {
            return Err(unreadable(format!("the file has {size} bytes, at most {MAX_BYTES} are read")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
        Self::parse(&text).map_err(unreadable)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut known = Self::default();
        if let Ok(document) = serde_json::from_str::<Json>(text) {
            known.take(document)?;
            return Ok(known);
        }
        for document in serde_yaml::Deserializer::from_str(text) {
            known.take(Json::deserialize(document).map_err(|e| format!("it is not YAML: {e}"))?)?;
        }
        Ok(known)
    }

    fn take(&mut self, document: Json) -> Result<(), String> {
        let kind = document.get("kind").and_then(Json::as_str).unwrap_or_default();
        match kind {
            "AddressClaim" => {
                let claim = serde_json::from_value(document).map_err(|e| format!("an AddressClaim is wrong: {e}"))?;
                self.claims.push(claim);
            }
            "Mailbox" => {
                let text = |key: &str| document["metadata"][key].as_str().unwrap_or_default().to_string();
                let mailboxes = self.mailboxes.get_or_insert_default();
                mailboxes.insert((text("namespace"), text("name")), text("uid"));
            }
            list if list.ends_with("List") => {
                let Json::Object(mut list) = document else { return Ok(()) };
                if let Some(Json::Array(items)) = list.remove("items") {
                    for item in items.into_iter().filter(|i| i["kind"].as_str().is_some_and(|k| !k.ends_with("List"))) {
                        self.take(item)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Those of some namespaces of the cluster that the kubeconfig names; an empty name is the kubeconfig's own
    /// namespace. The process has chosen its crypto provider before.
    fn of_cluster(namespaces: &[String]) -> Result<Self, Unreadable> {
        let unreadable = |message: String| Unreadable::new(Path::new("cluster"), &message);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| unreadable(e.to_string()))?;
        runtime.block_on(read(namespaces)).map_err(|e| unreadable(e.to_string()))
    }

    /// What concerns the objects of `namespace`.
    pub(super) fn within(&self, namespace: &str) -> Claims<'_> {
        let mut all = Claims::default();
        let here = |other: &str| same_namespace(other, namespace);
        for claim in self.claims.iter().filter(|c| here(c.metadata.namespace.as_deref().unwrap_or_default())) {
            let Some(Ok(local)) = claim.metadata.name.as_deref().map(|name| LocalPart::parse(name, "")) else {
                continue;
            };
            if let Some(names) = claim.left_by() {
                names.into_iter().for_each(|name| {
                    all.left.entry(name).or_default().insert(local.clone());
                });
                continue;
            }
            let owner = claim.spec.owner_ref.name.as_str();
            all.held.insert(local.clone(), claim.held());
            match claim.spec.address_use {
                AddressUse::Primary if claim.spec.owner_ref.kind == "Mailbox" => {
                    all.primary.insert(owner, claim);
                }
                AddressUse::Alias => all.aliases.entry(owner).or_default().push(claim),
                _ => {}
            }
            all.by_local.insert(local, claim);
        }
        let mailboxes = self.mailboxes.as_ref();
        all.mailboxes = mailboxes.map(|all| {
            let here = all.iter().filter(|((other, _), _)| here(other));
            here.map(|((_, name), uid)| (name.as_str(), uid.as_str())).collect()
        });
        all
    }
}

/// The claims of one namespace.
#[derive(Debug, Default)]
pub(super) struct Claims<'k> {
    /// Who has which address.
    pub held: HashMap<LocalPart, Held>,
    /// Every claim that holds an address for somebody.
    pub by_local: HashMap<LocalPart, &'k AddressClaim>,
    /// The address of each Mailbox.
    pub primary: HashMap<&'k str, &'k AddressClaim>,
    /// Further and former addresses to which mail arrives.
    pub aliases: HashMap<&'k str, Vec<&'k AddressClaim>>,
    /// Addresses that each Mailbox left to several (D-03).
    pub left: HashMap<String, BTreeSet<LocalPart>>,
    /// uid of each Mailbox that stands in the cluster, where that is known.
    pub mailboxes: Option<HashMap<&'k str, &'k str>>,
}

async fn read(namespaces: &[String]) -> Result<Known, Box<dyn std::error::Error>> {
    let config = kube::Config::infer().await;
    let mut config = config.map_err(|e| format!("no cluster can be asked; mend KUBECONFIG or ~/.kube/config: {e}"))?;
    config.read_timeout = Some(TIMEOUT);
    let own = config.default_namespace.clone();
    let client = Client::try_from(config)?;
    let mut known = Known { claims: Vec::new(), mailboxes: Some(HashMap::new()) };
    for namespace in namespaces {
        let namespace = if namespace.is_empty() { &own } else { namespace };
        let claims: Api<AddressClaim> = Api::namespaced(client.clone(), namespace);
        let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), namespace);
        known.claims.extend(
            every(|page| {
                let claims = claims.clone();
                async move { claims.list(&page).await }
            })
            .await?,
        );
        for mailbox in every(|page| {
            let mailboxes = mailboxes.clone();
            async move { mailboxes.list_metadata(&page).await }
        })
        .await?
        {
            let key = (namespace.clone(), mailbox.name_any());
            known.mailboxes.get_or_insert_default().insert(key, mailbox.uid().unwrap_or_default());
        }
    }
    // Who compares with the wrong namespace would take the silence for a good answer.
    let read: Vec<&str> = namespaces.iter().map(|n| if n.is_empty() { own.as_str() } else { n }).collect();
    let (claims, read) = (known.claims.len(), read.join(", "));
    let other = if claims == 0 {
        ": nothing is issued there. --namespace says where objects belong that name none"
    } else {
        ""
    };
    eprintln!("compared with {claims} AddressClaims of namespace {read}{other}");
    Ok(known)
}
