//! Which accounts of a request can stand beside those that are there (D-05).

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction};

use super::TableError;
use crate::backend::{Access, Account, ApplyRequest, Refused, check_hash};

/// Splits a request into what can stand and what is refused. A refused account keeps its row, and with it its addresses,
/// which may make another one of the same request fail: hence until nothing changes.
pub(super) fn check<'a>(
    tx: &Transaction<'_>,
    request: &'a ApplyRequest,
) -> Result<(Vec<&'a Account>, Vec<Refused>), TableError> {
    let mut accepted: Vec<&Account> = Vec::with_capacity(request.upsert.len());
    let mut refused = Vec::new();
    let at = format!("@{}", request.system.domain);
    for account in &request.upsert {
        match shape(account, &at) {
            Ok(()) => accepted.push(account),
            Err(message) => refused.push(Refused { mailbox: account.mailbox.clone(), message, folder: false }),
        }
    }
    loop {
        let moving: BTreeSet<&str> =
            accepted.iter().map(|a| a.mailbox.as_str()).chain(request.remove.iter().map(String::as_str)).collect();
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let mut losers = BTreeMap::new();
        for account in &accepted {
            for address in std::iter::once(&account.address).chain(&account.aliases) {
                let holder = holder(tx, address)?.filter(|holder| !moving.contains(holder.as_str()));
                let other = holder.or_else(|| {
                    taken.insert(address, &account.mailbox).filter(|m| *m != account.mailbox).map(String::from)
                });
                if let Some(other) = other {
                    losers.insert(account.mailbox.clone(), format!("{address} belongs to {other}"));
                }
            }
        }
        if losers.is_empty() {
            return Ok((accepted, refused));
        }
        accepted.retain(|a| !losers.contains_key(&a.mailbox));
        refused.extend(losers.into_iter().map(|(mailbox, message)| Refused { mailbox, message, folder: false }));
    }
}

/// Whether a mailbox of this name can have a folder.
pub(in super::super) fn is_folder(mailbox: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !mailbox.is_empty() && mailbox.bytes().all(fits) && !mailbox.starts_with('.')
}

fn shape(account: &Account, at: &str) -> Result<(), String> {
    if !is_folder(&account.mailbox) {
        return Err("the name of the mailbox cannot be a folder".into());
    }
    if !account.password_hash.is_empty() {
        check_hash(&account.password_hash).map_err(|e| e.to_string())?;
    }
    if let Some(to) = &account.forward
        && (account.access != Access::Revoked || *to == account.address || account.aliases.contains(to))
    {
        return Err(format!("{to}: only a revoked account forwards its mail, and never to itself"));
    }
    for address in std::iter::once(&account.address).chain(&account.aliases).chain(&account.forward) {
        let local = address.strip_suffix(at).ok_or_else(|| format!("{address} is not of the domain {}", &at[1..]))?;
        if local.is_empty()
            || !local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b))
        {
            return Err(format!("{address} is no address"));
        }
    }
    Ok(())
}

fn holder(tx: &Transaction<'_>, address: &str) -> Result<Option<String>, TableError> {
    Ok(tx
        .prepare_cached(
            "SELECT mailbox FROM accounts WHERE address = ?1 UNION ALL SELECT mailbox FROM aliases WHERE source = ?1",
        )?
        .query_row([address], |r| r.get(0))
        .optional()?)
}
