//! From an address of now or of before, or the name of a Mailbox, to the Mailbox.

use kube::ResourceExt;

use super::Said;
use crate::api::{AddressClaim, AddressUse, Mailbox, MailboxActivity};
use crate::cli::life::cluster::{Cluster, Failure, frame};
use crate::cli::life::{World, words};
use crate::cli::output::Lang;

/// Namespace and name of the Mailbox, and what the address is that was asked for, where it is not the one in force.
pub fn find(world: &World, asked: &str) -> (Option<(String, String)>, Option<Said>) {
    let id = |mailbox: &Mailbox| (mailbox.namespace().unwrap_or_default(), mailbox.name_any());
    let asked = asked.trim();
    let by = |test: &dyn Fn(&Mailbox) -> bool| world.mailboxes.iter().find(|mailbox| test(mailbox)).map(id);
    if let Some(found) = by(&|mailbox| mailbox.metadata.name.as_deref() == Some(asked)) {
        return (Some(found), None);
    }
    let lower = asked.to_lowercase();
    let local = lower.split('@').next().unwrap_or_default();
    let is = |address: &str| address == lower || (!lower.contains('@') && address.split('@').next() == Some(local));
    let status = |mailbox: &Mailbox| mailbox.status.clone().unwrap_or_default();
    if let Some(found) = by(&|mailbox| status(mailbox).address.is_some_and(|address| is(&address))) {
        return (Some(found), None);
    }
    let alias =
        Said::new("a further or former address, to which mail arrives", "địa chỉ phụ hoặc địa chỉ cũ, thư vẫn đến");
    if let Some(found) = by(&|mailbox| status(mailbox).aliases.iter().any(|address| is(address))) {
        return (Some(found), Some(claimed(world, local).unwrap_or(alias)));
    }
    let domains = world.systems.iter().any(|system| lower == format!("{local}@{}", system.domain));
    let claim = world.claims.iter().find(|claim| claim.metadata.name.as_deref() == Some(local));
    // An address of another domain is nobody's here.
    let Some(claim) = claim.filter(|_| !lower.contains('@') || domains || world.systems.is_empty()) else {
        let owner = world.claims.iter().find(|claim| claim.belongs_to(asked));
        return (owner.map(|claim| (claim.namespace().unwrap_or_default(), asked.to_string())), None);
    };
    if claim.spec.purged_at.is_some() {
        // Whoever has that name now is somebody else, but for the same object.
        let of = by(&|mailbox| mailbox.metadata.uid.is_some() && mailbox.metadata.uid == claim.spec.owner_ref.uid);
        return (of.or_else(|| Some((claim.namespace().unwrap_or_default(), String::new()))), claimed(world, local));
    }
    let owner = claim.spec.owner_ref.name.clone();
    (Some((claim.namespace().unwrap_or_default(), owner)), claimed(world, local))
}

/// What a claim says of its address.
fn claimed(world: &World, local: &str) -> Option<Said> {
    let claim = world.claims.iter().find(|claim| claim.metadata.name.as_deref() == Some(local))?;
    let until = |lang| match &claim.spec.until {
        Some(at) => format!(" {} {}", lang_until(lang), words::time(at.0, lang)),
        None => String::new(),
    };
    if let Some(at) = &claim.spec.purged_at {
        let at = |lang| words::time(at.0, lang);
        return Some(Said::new(
            format!(
                "of an account that was purged {} (D-14), kept free of new holders{} (D-19)",
                at(Lang::En),
                until(Lang::En)
            ),
            format!(
                "của tài khoản đã xóa hẳn {} (D-14), chưa cấp cho người khác{} (D-19)",
                at(Lang::Vi),
                until(Lang::Vi)
            ),
        ));
    }
    let said = match claim.spec.address_use {
        AddressUse::Alias => Said::new(
            format!("a further or former address, to which mail arrives{}", until(Lang::En)),
            format!("địa chỉ phụ hoặc địa chỉ cũ, thư vẫn đến{}", until(Lang::Vi)),
        ),
        AddressUse::Tombstone => Said::new(
            format!("a former address, kept free of new holders{} (D-19)", until(Lang::En)),
            format!("địa chỉ cũ, chưa cấp cho người khác{} (D-19)", until(Lang::Vi)),
        ),
        AddressUse::Reserved => Said::new("an address that is reserved", "địa chỉ dành riêng"),
        AddressUse::Primary => return None,
    };
    Some(said)
}

fn lang_until(lang: Lang) -> &'static str {
    lang.pick("until", "đến")
}

/// What is needed for one account, and nothing of all others.
pub async fn in_cluster(cluster: &Cluster, asked: &str) -> Result<World, Failure> {
    let mut world = frame(cluster).await?;
    let local = asked.trim().to_lowercase();
    let local = local.split('@').next().unwrap_or_default();
    let claims = cluster.api::<AddressClaim>();
    let (mailboxes, mut name) = (cluster.api::<Mailbox>(), asked.trim().to_string());
    if asked.contains('@') || mailboxes.get_opt(&name).await?.is_none() {
        match claims.get_opt(local).await? {
            Some(claim) => {
                name.clone_from(&claim.spec.owner_ref.name);
                world.claims.push(claim);
            }
            // The Mailbox is gone: its claim tells of it.
            None if !asked.contains('@') => {
                let of = |claim: &AddressClaim| claim.belongs_to(&name);
                let all = cluster.all::<AddressClaim>().await?;
                world.claims.extend(all.into_iter().filter(of));
            }
            None => return Ok(world),
        }
    }
    world.mailboxes.extend(mailboxes.get_opt(&name).await?);
    let activity = cluster.api::<MailboxActivity>().get_opt(&name).await;
    match activity {
        Ok(one) => {
            let one = one.map(|a| ((a.namespace().unwrap_or_default(), name.clone()), a.status.unwrap_or_default()));
            world.activities = Some(one.into_iter().collect());
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            world.notes.push(Said::new(
                "MailboxActivities may not be read here: days of use are left out",
                "không được đọc MailboxActivity ở đây nên bỏ qua các ngày sử dụng.",
            ));
        }
        Err(error) => return Err(error.into()),
    }
    if let Some(agency) = world.mailboxes.first().map(|mailbox| mailbox.spec.agency_ref.name.clone()) {
        world.agencies = cluster.agency(&agency).await.into_iter().collect();
    }
    Ok(world)
}
