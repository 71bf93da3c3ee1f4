//! The addresses that are issued already: AddressClaims out of a file or a cluster, and which Mailboxes stand there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::api::{AddressClaim, AddressUse, Mailbox, own_mailbox_name};
use crate::cli::agencies::same_namespace;
use crate::cli::life::cluster::unreadable;
use crate::cli::output::Said;
use crate::cli::place::Access;
use crate::cli::tree::{Tree, Unreadable};
use crate::domain::naming::{Held, LocalPart};
use crate::kube_io::every;

use super::Source;
use super::subjects::namespaces;

/// The largest file of claims, in bytes: a province has some 20,000 of half a kilobyte each.
const MAX_BYTES: u64 = 256 << 20;
/// The API server is given this long for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A Mailbox that stands in the cluster.
#[derive(Debug)]
pub(super) struct Stands {
    uid: String,
    /// Whether its status says that its account was purged: it does when the tombstones are over as well.
    purged: bool,
}

impl Stands {
    fn new(uid: &str, status: &Json) -> Self {
        Self { uid: uid.into(), purged: status["state"].as_str() == Some("Purged") }
    }
}

/// What is issued.
#[derive(Debug, Default)]
pub struct Known {
    claims: Vec<AddressClaim>,
    /// Each Mailbox by namespace and name, where that is known.
    mailboxes: Option<HashMap<(String, String), Stands>>,
    /// What people should know of the reading.
    pub note: Option<Said>,
}

impl Known {
    /// What `source` says is issued to the objects of `tree`.
    pub fn of(source: &Source, tree: &Tree) -> Result<Self, Unreadable> {
        match source {
            Source::Nothing => Ok(Self::default()),
            Source::File(path) => Self::of_file(path),
            Source::Cluster(place) => Self::of_cluster(&place.access, &namespaces(tree)),
        }
    }

    /// AddressClaims, and Mailboxes if there are any, of a file of YAML or JSON: documents or lists.
    fn of_file(path: &Path) -> Result<Self, Unreadable> {
        let failed = |error: std::io::Error| Unreadable::new(path, &error.to_string());
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > MAX_BYTES {
            let said = Said::new(
                format!("the file has {size} bytes, at most {MAX_BYTES} are read"),
                format!("tệp có {size} byte, tối đa {MAX_BYTES}."),
            );
            return Err(Unreadable::said(path, said));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).map_err(|said| Unreadable::said(path, said))
    }

    /// Accounts in use, the own ones of agencies apart: those of which each file of a tree that is missing would revoke some.
    pub fn in_use(&self) -> usize {
        let primary = |claim: &&AddressClaim| {
            let owner = &claim.spec.owner_ref;
            let of_mailbox = claim.spec.address_use == AddressUse::Primary && owner.kind == "Mailbox";
            of_mailbox && !is_own(&owner.name) && !is_revoked(claim)
        };
        self.claims.iter().filter(primary).count()
    }

    fn parse(text: &str) -> Result<Self, Said> {
        let mut known = Self::default();
        if let Ok(document) = serde_json::from_str::<Json>(text) {
            known.take(document)?;
            return Ok(known);
        }
        for document in serde_yaml::Deserializer::from_str(text) {
            let wrong = |e| Said::new(format!("it is not YAML: {e}"), format!("không phải YAML: {e}"));
            known.take(Json::deserialize(document).map_err(wrong)?)?;
        }
        Ok(known)
    }

    fn take(&mut self, document: Json) -> Result<(), Said> {
        let kind = document.get("kind").and_then(Json::as_str).unwrap_or_default();
        match kind {
            "AddressClaim" => {
                let wrong =
                    |e| Said::new(format!("an AddressClaim is wrong: {e}"), format!("AddressClaim không đúng: {e}"));
                let claim = serde_json::from_value(document).map_err(wrong)?;
                self.claims.push(claim);
            }
            "Mailbox" => {
                let text = |key: &str| document["metadata"][key].as_str().unwrap_or_default().to_string();
                let mailboxes = self.mailboxes.get_or_insert_default();
                mailboxes.insert((text("namespace"), text("name")), Stands::new(&text("uid"), &document["status"]));
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
    fn of_cluster(access: &Access, namespaces: &[String]) -> Result<Self, Unreadable> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unreadable(&error))?;
        runtime.block_on(read(access, namespaces)).map_err(|error| unreadable(&*error))
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
            if claim.spec.purged_at.is_some() {
                all.purged.extend(claim.spec.owner_ref.uid.as_deref());
                all.former.insert(owner);
            }
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
            here.map(|((_, name), stands)| (name.as_str(), stands)).collect()
        });
        all
    }
}

/// Whether it is the own Mailbox of an Agency, which the operator writes: it stands in no file.
pub(super) fn is_own(mailbox: &str) -> bool {
    mailbox.starts_with(&own_mailbox_name(""))
}

/// Whether the account is revoked already: its Mailbox is gone, or said so before.
pub(super) fn is_revoked(claim: &AddressClaim) -> bool {
    claim.spec.revoked_at.is_some() || claim.spec.life.as_ref().is_some_and(|life| life.revoked_at.is_some())
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
    /// uids of Mailboxes whose accounts were purged (D-14).
    pub purged: HashSet<&'k str>,
    /// Names of those Mailboxes.
    pub former: HashSet<&'k str>,
    /// Each Mailbox that stands in the cluster, where that is known.
    pub mailboxes: Option<HashMap<&'k str, &'k Stands>>,
}

impl<'k> Claims<'k> {
    /// uid of the Mailbox that stands in the cluster, if there is one and it is known.
    pub fn uid(&self, mailbox: &str) -> Option<&'k str> {
        self.mailboxes.as_ref()?.get(mailbox).map(|stands| stands.uid.as_str())
    }

    /// Whether the account of the Mailbox was purged, as the operator sees it: the tombstones of this very object say so, or its status.
    /// What has an address is not.
    pub fn is_purged(&self, mailbox: &str) -> bool {
        let stands = self.mailboxes.as_ref().and_then(|all| all.get(mailbox));
        let said = stands.is_some_and(|stands| stands.purged || self.purged.contains(stands.uid.as_str()));
        said && !self.primary.contains_key(mailbox)
    }

    /// Whether an account of that name was purged, and nobody told whether its Mailbox still stands in the cluster.
    pub fn may_be_purged(&self, mailbox: &str) -> bool {
        self.mailboxes.is_none() && self.former.contains(mailbox) && !self.primary.contains_key(mailbox)
    }
}

async fn read(access: &Access, namespaces: &[String]) -> Result<Known, Box<dyn std::error::Error>> {
    let mut config = access.config().await?;
    config.read_timeout = Some(TIMEOUT);
    let own = config.default_namespace.clone();
    let client = Client::try_from(config)?;
    let mut known = Known { mailboxes: Some(HashMap::new()), ..Known::default() };
    for namespace in namespaces {
        let namespace = if namespace.is_empty() { &own } else { namespace };
        let claims: Api<AddressClaim> = Api::namespaced(client.clone(), namespace);
        // Read as they are: one that this program does not understand stands there as well.
        let kind = ApiResource::erase::<Mailbox>(&());
        let mailboxes: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
        known.claims.extend(
            every(|page| {
                let claims = claims.clone();
                async move { claims.list(&page).await }
            })
            .await?,
        );
        for mailbox in every(|page| {
            let mailboxes = mailboxes.clone();
            async move { mailboxes.list(&page).await }
        })
        .await?
        {
            let key = (namespace.clone(), mailbox.name_any());
            let stands = Stands::new(&mailbox.uid().unwrap_or_default(), &mailbox.data["status"]);
            known.mailboxes.get_or_insert_default().insert(key, stands);
        }
    }
    // Who compares with the wrong namespace would take the silence for a good answer.
    let read: Vec<&str> = namespaces.iter().map(|n| if n.is_empty() { own.as_str() } else { n }).collect();
    let (claims, read) = (known.claims.len(), read.join(", "));
    let (other, other_vi) = if claims == 0 {
        (
            ": nothing is issued there. --namespace says where objects belong that name none",
            ": ở đó chưa cấp địa chỉ nào. --namespace cho biết đối tượng không ghi namespace thuộc về đâu.",
        )
    } else {
        ("", "")
    };
    known.note = Some(Said::new(
        format!("compared with {claims} AddressClaims of namespace {read}{other}"),
        format!("đã so với {claims} AddressClaim của namespace {read}{other_vi}"),
    ));
    Ok(known)
}
