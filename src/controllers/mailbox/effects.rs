//! What is done about one Mailbox: claim, Secret, account. Each step may be repeated at any time.

use std::time::Duration;

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use crate::api::{
    AddressClaim, AddressClaimSpec, AddressUse, HOLDER_ANNOTATION, KeptLife, MADE_AGAIN, Mailbox, MailboxStatus,
    OwnerRef, Papers, Reason, whole_second,
};
use crate::backend::{Account, BackendError, HASH_SCHEME, Health, Standing};
use crate::controllers::context::{Credentials, Ctx};
use crate::controllers::lifecycle;
use crate::controllers::newcomers;
use crate::controllers::runner::Error;
use crate::controllers::status;
use crate::domain::calendar::{Calendar, day};
use crate::domain::events::{Event, Severity};
use crate::domain::naming::Former;
use crate::domain::naming::moving::Cause;
use crate::domain::naming::sticky::Kept;
use crate::domain::{naming, password};
use crate::kube_io::Created;
use crate::resources;

use super::decide::{self, Problem, mismatch};
use super::{nothing, papers};

/// A reconcile waits no longer for the mail server; it is told when the account is there.
const WAIT: Duration = Duration::from_secs(3);

fn owner(mailbox: &Mailbox) -> OwnerRef {
    OwnerRef { kind: Mailbox::kind(&()).into(), name: mailbox.name_any(), uid: mailbox.uid() }
}

/// Takes an address, or tells who has it. The API server decides between two who want it at the same time.
pub(super) async fn claim(
    mailbox: &Mailbox,
    local: &str,
    address_use: AddressUse,
    ctx: &Ctx,
) -> Result<Result<AddressClaim, Problem>, Error> {
    let spec = as_known(wanted(mailbox, address_use), mailbox, ctx);
    let new = since(spec.clone(), begun(mailbox, ctx));
    let deleted = address_use == AddressUse::Primary && is_issued(mailbox, local);
    let metadata = ObjectMeta {
        name: Some(local.into()),
        // It outlives this process until the journal says so.
        annotations: deleted.then(|| [(MADE_AGAIN.to_string(), "true".to_string())].into()),
        namespace: Some(ctx.io.namespace().into()),
        labels: Some([("app.kubernetes.io/managed-by".to_string(), resources::MANAGED_BY.to_string())].into()),
        ..ObjectMeta::default()
    };
    let claim = AddressClaim { metadata, spec: new.clone() };
    match ctx.io.create(&claim).await? {
        Created::New(claim) => {
            ctx.index().claim(local, &claim);
            Ok(Ok(claim))
        }
        Created::Exists => {
            let Some(known) = ctx.io.get::<AddressClaim>(local).await? else {
                return Err(Error::Other(format!("AddressClaim {local} vanished while it was looked at")));
            };
            if newcomers::is_mark(&known) {
                return take_over(newcomers::unmarked(known), new, ctx).await.map(Ok);
            }
            let (theirs, ours) = (&known.spec, &spec);
            if theirs.owner_ref.kind == ours.owner_ref.kind && known.belongs_to(&ours.owner_ref.name) {
                if known.is_being_purged() {
                    return Ok(Err(Problem::waiting(Reason::Purging, nothing::REMOVING)));
                }
                return own(mailbox, known, spec, ctx).await;
            }
            if theirs.address_use == AddressUse::Tombstone && mailbox.spec.supersedes.iter().any(|s| s == local) {
                if !mailbox.supersedes_acknowledged() {
                    return Ok(Err(decide::unacknowledged(mailbox, local, &theirs.owner_name)));
                }
                return take_over(known, new, ctx).await.map(Ok);
            }
            Ok(Err(taken(local, &known, address_use, ctx)))
        }
    }
}

/// When it is issued: now, or when the account was that stands for the same person although Mailbox and address were deleted (D-14): their
/// mail folder goes by it.
fn begun(mailbox: &Mailbox, ctx: &Ctx) -> Timestamp {
    let name = mailbox.name_any();
    let holder = ctx.credentials(&name).and_then(|credentials| credentials.holder);
    let same = holder.is_some_and(|holder| naming::same_name(&holder, &mailbox.spec.full_name));
    let row = ctx.syncer.projection().desired(&name).and_then(|row| row.issued).filter(|_| same);
    let issued = row.and_then(|second| Timestamp::from_second(second).ok());
    issued.unwrap_or_else(|| ctx.begins(mailbox.creation_timestamp().as_ref()))
}

/// Whether it has this address already, by its status: who has no claim of it then lost that to somebody.
fn is_issued(mailbox: &Mailbox, local: &str) -> bool {
    let status = mailbox.status.as_ref().filter(|status| status.issued_at.is_some());
    let shown = status.and_then(|status| status.address.as_deref()?.split_once('@'));
    shown.is_some_and(|(shown, _)| shown == local)
}

/// What the claim of an address says when this mailbox has it. A new address of an account is told its life at once.
fn wanted(mailbox: &Mailbox, address_use: AddressUse) -> AddressClaimSpec {
    let primary = address_use == AddressUse::Primary;
    let known = mailbox.status.as_ref().filter(|status| primary && status.issued_at.is_some());
    let is_revoked = known.is_some_and(|status| status.revoked_at.is_some());
    AddressClaimSpec {
        address_use,
        owner_ref: owner(mailbox),
        owner_name: mailbox.spec.full_name.clone(),
        agency: primary.then(|| mailbox.spec.agency_ref.name.clone()),
        rename: mailbox.spec.rename.as_ref().filter(|_| primary).map(|rename| rename.basis.cited()),
        life: known.and_then(|status| KeptLife::of(status, status.issued_at.as_ref())),
        ..AddressClaimSpec::default()
    }
    .with_papers(if primary { Papers::of(mailbox, is_revoked) } else { Papers::default() })
}

/// With the documents that the journal has: those of the address that an issued account had until now. What changed of them since is
/// written down first, and then beside the new one.
fn as_known(spec: AddressClaimSpec, mailbox: &Mailbox, ctx: &Ctx) -> AddressClaimSpec {
    let issued = mailbox.status.as_ref().is_some_and(|status| status.issued_at.is_some());
    let before = ctx.primary_claim(&mailbox.name_any()).filter(|_| issued && spec.address_use == AddressUse::Primary);
    match before {
        Some(claim) => spec.with_papers(papers::known(mailbox, Some(&claim))),
        None => spec,
    }
}

/// With the moment of its issue, of which the age of a claim tells nothing: it may have been somebody else's.
fn since(mut spec: AddressClaimSpec, now: Timestamp) -> AddressClaimSpec {
    if spec.address_use == AddressUse::Primary {
        spec.life.get_or_insert_default().issued_at.get_or_insert(whole_second(&Time(now)));
    }
    spec
}

/// An address that a mailbox of this name has already, of whatever use: the same person may use it otherwise.
async fn own(
    mailbox: &Mailbox,
    known: AddressClaim,
    wanted: AddressClaimSpec,
    ctx: &Ctx,
) -> Result<Result<AddressClaim, Problem>, Error> {
    let theirs = &known.spec;
    if theirs.owner_ref.uid != wanted.owner_ref.uid && !naming::same_name(&theirs.owner_name, &wanted.owner_name) {
        return Ok(Err(mismatch(Kept::Address(&known.name_any()), &theirs.owner_name, mailbox)));
    }
    let same = (theirs.address_use, &theirs.agency, &theirs.rename, &theirs.until)
        == (wanted.address_use, &wanted.agency, &wanted.rename, &wanted.until);
    if same {
        return Ok(Ok(known));
    }
    // What is known of the account is not forgotten with the change.
    let primary = (theirs.address_use, wanted.address_use) == (AddressUse::Primary, AddressUse::Primary);
    let kept = theirs.clone();
    let kept = if primary { (kept.life, kept.revoked_at, kept.purging) } else { (None, None, None) };
    let wanted =
        AddressClaimSpec { life: wanted.life.clone().or(kept.0), revoked_at: kept.1, purging: kept.2, ..wanted };
    let wanted = if primary { wanted } else { since(wanted, ctx.begins(mailbox.creation_timestamp().as_ref())) };
    take_over(known, wanted, ctx).await.map(Ok)
}

/// Somebody else's claim, or one of another use, becomes this one; whoever wrote it meanwhile was faster.
async fn take_over(mut claim: AddressClaim, spec: AddressClaimSpec, ctx: &Ctx) -> Result<AddressClaim, Error> {
    claim.spec = spec;
    let taken = ctx.io.replace(&claim).await?;
    ctx.written.note(&taken);
    ctx.index().claim(&taken.name_any(), &taken);
    Ok(taken)
}

/// Tells that the address is another one now.
pub(super) fn tell_moved(mailbox: &Mailbox, why: Cause, old: &str, new: &str, domain: &str, ctx: &Ctx) {
    if old == new {
        return;
    }
    let why = match why {
        Cause::Transfer => format!("transferred to Agency {}", mailbox.spec.agency_ref.name),
        Cause::Rename => {
            mailbox.spec.rename.as_ref().map(|r| format!("asked for by {}", r.basis.cited())).unwrap_or_default()
        }
    };
    let months = ctx.system().map_or(0, |system| system.spec.regulation.retention.alias_months);
    let until = match lifecycle::is_unknown(ctx) {
        true => format!("for {months} months from the day on which the time is known"),
        false => format!("until {}", day(Calendar::default().over(ctx.now(), months))),
    };
    let note = format!("D-02: {old}@{domain} → {new}@{domain}, {why}; mail to the old address arrives {until}");
    status::tell(mailbox, Event::new(Severity::Normal, "AddressChanged", "ChangeAddress", &note), ctx);
}

/// A former address of a mailbox becomes an alias or a tombstone, or is free again.
pub(super) async fn keep_former(claim: &AddressClaim, former: Former, ctx: &Ctx) -> Result<(), Error> {
    let (address_use, until) = match former {
        Former::Alias(until) => (AddressUse::Alias, until),
        Former::Tombstone(until) => (AddressUse::Tombstone, until),
        Former::Free => return Ok(ctx.io.delete_exactly(claim).await?),
    };
    let until = Some(Time(until));
    if (claim.spec.address_use, &claim.spec.until) == (address_use, &until) {
        return Ok(());
    }
    let spec =
        AddressClaimSpec { address_use, until, life: None, revoked_at: None, purging: None, ..claim.spec.clone() }
            .with_papers(Papers::default());
    take_over(claim.clone(), spec, ctx).await.map(drop)
}

fn taken(local: &str, claim: &AddressClaim, wanted: AddressUse, ctx: &Ctx) -> Problem {
    let domain = ctx.system().map(|s| s.spec.domain.clone()).unwrap_or_default();
    let (owner, name) = (&claim.spec.owner_ref, &claim.spec.owner_name);
    let former = claim.left();
    let remedy = match wanted {
        _ if claim.spec.address_use == AddressUse::Tombstone => {
            "it is kept for nobody; write another one, or spec.supersedes if this body takes it over (D-19)".to_string()
        }
        _ if former.is_some() => format!(
            "it is a former address to which mail arrives until {}; write another one. Only after that spec.supersedes hands it on (D-19)",
            former.map(|left| day(left.until).to_string()).unwrap_or_default()
        ),
        AddressUse::Alias => "remove or change this alias".into(),
        _ => "write another local part in spec.localPart (if both are one person, delete one of the two Mailboxes)"
            .into(),
    };
    let message = format!(
        "D-02, D-05: {local}@{domain} belongs to '{name}' ({} {}) and stays there; {remedy}",
        owner.kind, owner.name
    );
    Problem::stalled(Reason::Conflict, message)
}

/// Writes down beside the address what outlives the Mailbox, where that changed, and whose it is: a Mailbox that was made again holds its
/// claim again. The journal has it, and the status does not say it yet.
/// `known` is the claim of `local`, if this pass did not take it: that of a new mailbox of which nothing is to be kept is as it is to be.
pub(super) async fn keep(
    mailbox: &Mailbox,
    (local, known): (&str, Option<&AddressClaim>),
    status: &MailboxStatus,
    ctx: &Ctx,
) -> Result<(), Error> {
    let claim = match known {
        Some(known) => known.clone(),
        None if KeptLife::of(status, None).is_none() && says_nothing(mailbox) && !is_issued(mailbox, local) => {
            return Ok(());
        }
        None => {
            let ours = |claim: &AddressClaim| claim.is_of(mailbox.metadata.uid.as_deref(), &mailbox.spec.full_name);
            let Some(taken) = ctx.io.get::<AddressClaim>(local).await?.filter(ours) else { return Ok(()) };
            taken
        }
    };
    let mut new = claim.clone();
    new.spec.owner_ref.uid = mailbox.uid();
    new.spec.revoked_at = None;
    new.spec = new.spec.with_papers(Papers::of(mailbox, status.revoked_at.is_some()));
    new.spec.agency.get_or_insert_with(|| mailbox.spec.agency_ref.name.clone());
    new.spec.life = claim.to_keep(status);
    new.annotations_mut().remove(MADE_AGAIN);
    if new.spec == claim.spec && claim.made_again().is_none() {
        return Ok(());
    }
    ctx.written.note(&ctx.io.replace(&new).await?);
    if claim.is_of_earlier(mailbox) {
        let note = "its Mailbox was gone and is there again: the same mail, address and password (D-14)";
        status::tell(mailbox, Event::new(Severity::Normal, "Reinstated", "Reinstate", note), ctx);
    }
    Ok(())
}

/// Whether it names no document that stands beside its address.
fn says_nothing(mailbox: &Mailbox) -> bool {
    Papers::of(mailbox, true) == Papers::default()
}

/// Locks of people that are in force and could not be written down: to take one out is to take back a lock all the same.
pub(super) async fn keep_unsaid(claim: &AddressClaim, status: &MailboxStatus, ctx: &Ctx) -> Result<(), Error> {
    let mut new = claim.clone();
    let life = new.spec.life.get_or_insert_default();
    for lock in claim.to_keep(status).map(|life| life.locks).unwrap_or_default() {
        if lock.basis.is_some() && life.locks.iter().all(|known| known.reason != lock.reason) {
            life.locks.push(lock);
        }
    }
    let known = claim.spec.life.as_ref().map_or(0, |known| known.locks.len());
    if life.locks.len() > known {
        ctx.written.note(&ctx.io.replace(&new).await?);
    }
    Ok(())
}

/// Makes the initial password, or finds the credentials that are there (D-14: the same after a deletion).
pub(super) async fn credentials(mailbox: &Mailbox, ctx: &Ctx) -> Result<Result<Credentials, Problem>, Error> {
    let name = mailbox.name_any();
    let initial = SecretString::from(password::generate(&mut rand::thread_rng()));
    let hash = cheap_hash(&initial)?;
    let (holder, now) = (&mailbox.spec.full_name, ctx.begins(mailbox.creation_timestamp().as_ref()));
    let secret = resources::credentials(ctx.io.namespace(), &name, holder, (&hash, &initial), now);
    if let Created::New(_) = ctx.io.create(&secret).await? {
        return Ok(Ok(Credentials {
            hash,
            initial: true,
            holder: Some(mailbox.spec.full_name.clone()),
            made_at: Some(now),
            ..Credentials::default()
        }));
    }
    let known = ctx.io.get::<Secret>(&format!("{name}-credentials")).await?;
    if known.as_ref().is_some_and(|s| !s.labels().contains_key(resources::CREDENTIALS_LABEL)) {
        // Without its label the watch does not see it, and a changed password would never arrive.
        let none = SecretString::from("");
        let mut label = resources::credentials(ctx.io.namespace(), &name, holder, ("", &none), now);
        (label.data, label.type_, label.metadata.annotations) = (None, None, None);
        ctx.io.apply(&label).await?;
    }
    let Some(credentials) = known.as_ref().and_then(Credentials::of) else {
        let message = format!(
            "Secret {name}-credentials holds no data, so nobody can log in; delete it to have a new initial password made"
        );
        return Ok(Err(Problem::stalled(Reason::InvalidCredentials, message)));
    };
    if credentials.holder.as_deref().is_some_and(|holder| !naming::same_name(holder, &mailbox.spec.full_name)) {
        let holder = credentials.holder.unwrap_or_default();
        return Ok(Err(mismatch(Kept::Mail, &holder, mailbox)));
    }
    Ok(Ok(credentials))
}

/// The address was issued anew to a holder of another name: the credentials are the same person's, and say so from now on.
pub(super) async fn follow_name(mailbox: &Mailbox, ctx: &Ctx) -> Result<(), Error> {
    let name = mailbox.name_any();
    let Some(mut known) = ctx.io.get::<Secret>(&format!("{name}-credentials")).await? else { return Ok(()) };
    let holder = known.metadata.annotations.get_or_insert_default().entry(HOLDER_ANNOTATION.into()).or_default();
    if naming::same_name(holder, &mailbox.spec.full_name) {
        return Ok(());
    }
    holder.clone_from(&mailbox.spec.full_name);
    let written = ctx.io.replace(&known).await?;
    ctx.made(&name, &written);
    Ok(())
}

/// Makes another initial password, once for each unlock (R6.3, D-12): `unlock` names it. What it is made for stands beside it, so that
/// one whose status was not written yet makes no second one.
pub(super) async fn new_password(mailbox: &Mailbox, unlock: &str, ctx: &Ctx) -> Result<Option<Credentials>, Error> {
    let name = mailbox.name_any();
    let Some(known) = ctx.io.get::<Secret>(&format!("{name}-credentials")).await? else { return Ok(None) };
    if Credentials::of(&known).is_some_and(|known| known.made_for.as_deref() == Some(unlock)) {
        return Ok(ctx.made(&name, &known));
    }
    let initial = SecretString::from(password::generate(&mut rand::thread_rng()));
    let made_at = ctx.begins(known.creation_timestamp().as_ref());
    let secret = resources::new_password(known, (&cheap_hash(&initial)?, &initial), unlock, made_at);
    let written = ctx.io.replace(&secret).await?;
    Ok(ctx.made(&name, &written))
}

/// The hash of a password that we made: it has at least 80 bits of chance, so a small cost is as safe.
fn cheap_hash(password: &SecretString) -> Result<String, Error> {
    let failed = |_| Error::Other("the initial password cannot be hashed".into());
    let params = Params::new(64, 1, 1, None).map_err(|_| Error::Other("hash parameters".into()))?;
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(failed)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password(password.expose_secret().as_bytes(), &salt).map_err(failed)?;
    Ok(format!("{HASH_SCHEME}{hash}"))
}

/// The journal cannot be written.
pub(super) fn not_written_down(error: &BackendError) -> Problem {
    match error {
        BackendError::VolumeFull(message) => Problem::waiting(Reason::VolumeFull, message.clone()),
        _ => Problem::waiting(
            Reason::AgentUnavailable,
            format!(
                "the decision cannot be written into the journal (R5.2): {error}; it is kept and written when it can"
            ),
        ),
    }
}

/// Brings the account to the mail server.
pub(super) async fn account(account: Account, ctx: &Ctx) -> Result<(), Problem> {
    let mailbox = account.mailbox.clone();
    match ctx.syncer.ensure(account, WAIT).await {
        Standing::Synced => Ok(()),
        Standing::Refused(message) => {
            Err(Problem::stalled(Reason::AccountRefused, format!("the mail server refuses the account: {message}")))
        }
        Standing::Held(message) => Err(Problem::stalled(Reason::FolderOfAnother, of_another(&mailbox, &message, ctx))),
        Standing::Pending => Err(match &*ctx.syncer.health().borrow() {
            Health::Failing(BackendError::VolumeFull(message)) => Problem::waiting(Reason::VolumeFull, message.clone()),
            Health::Failing(error) => Problem::waiting(
                Reason::AgentUnavailable,
                format!("the mail server does not answer: {error}; the change is kept and sent when it does"),
            ),
            _ => Problem::waiting(Reason::Starting, "the mail server is starting; the account is made when it answers"),
        }),
    }
}

/// What a person does about a folder of another account.
fn of_another(mailbox: &str, message: &str, ctx: &Ctx) -> String {
    let (namespace, pod) =
        (ctx.io.namespace(), ctx.system().map_or("<mail pod>".into(), |system| format!("{}-0", system.name_any())));
    let run = format!("kubectl -n {namespace} exec {pod} -c dovecot --");
    format!(
        "D-14: {message}; nobody logs in, senders are told to try again. Was the volume restored from before the former account was purged? Move \
         its mail away: {run} mv /srv/vmail/{mailbox} /srv/vmail/.{mailbox}.former, and remove it where its time of keeping is over. Only if \
         it is known to be this holder's own: {run} rm /srv/vmail/{mailbox}/.holder. The account opens by itself then"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordVerifier;

    #[test]
    fn r9_2_the_hash_is_written_with_its_scheme_and_verifies() {
        let password = SecretString::from("Abc@12345");
        let hash = cheap_hash(&password).expect("hash");
        assert_eq!(crate::backend::check_hash(&hash), Ok(()));
        let parsed = argon2::PasswordHash::new(&hash[HASH_SCHEME.len()..]).expect("PHC");
        assert!(Argon2::default().verify_password(b"Abc@12345", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"abc@12345", &parsed).is_err());
        assert_ne!(cheap_hash(&password).expect("hash"), hash, "a salt of its own");
    }
}
