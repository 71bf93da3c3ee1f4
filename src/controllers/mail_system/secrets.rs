//! Keys of a system and the certificates between operator and agent: made once, kept, renewed before they end.

use k8s_openapi::api::core::v1::Secret;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use secrecy::SecretString;

use super::certificate::{self, Certificate};
use crate::api::MailSystem;
use crate::controllers::context::Ctx;
use crate::controllers::runner::Error;
use crate::domain::certificate::Validity;
use crate::kube_io::Created;
use crate::resources::{self, SystemPlan};
use crate::tls::{self, Pair, Role};

/// Days of a self-signed server certificate and of an agent's certificate.
pub(super) const DAYS: i64 = 365;
const DKIM_BITS: usize = 2048;

/// What a pass needs of the keys.
pub(super) struct Material {
    pub authority: Pair,
    pub agent: Validity,
    pub certificate: Certificate,
    /// Tells one doveadm Secret from another.
    pub doveadm_mark: String,
    pub dkim_public: Option<String>,
}

/// Makes what is missing and renews what is due.
pub(super) async fn keep(system: &MailSystem, plan: &SystemPlan, ctx: &Ctx, now: i64) -> Result<Material, Error> {
    let authority = authority(plan, ctx, now).await?;
    let agent = agent(plan, ctx, &authority, now).await?;
    let doveadm_mark = doveadm(plan, ctx).await?;
    let dkim_public = dkim(plan, ctx).await?;
    let certificate = certificate::keep(system, plan, ctx, now).await?;
    Ok(Material { authority, agent, certificate, doveadm_mark, dkim_public })
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    secret.data.as_ref()?.get(key).map(|b| String::from_utf8_lossy(&b.0).into_owned())
}

pub(super) fn made(error: &tls::TlsError) -> Error {
    Error::Other(error.to_string())
}

pub(super) fn pair(secret: &Secret, certificate: &str, key: &str) -> Option<Pair> {
    Some(Pair { certificate: text(secret, certificate)?, key: text(secret, key)?.into() })
}

pub(super) fn validity(pair: &Pair) -> Result<Validity, tls::TlsError> {
    tls::inspect(&pair.certificate, secrecy::ExposeSecret::expose_secret(&pair.key))
}

async fn authority(plan: &SystemPlan, ctx: &Ctx, now: i64) -> Result<Pair, Error> {
    let name = plan.child("agent-ca");
    let known = ctx.io.get::<Secret>(&name).await?.as_ref().and_then(|s| pair(s, "ca.crt", "ca.key"));
    if let Some(known) = known
        && validity(&known).is_ok_and(|v| !v.renewal_due(now))
    {
        return Ok(known);
    }
    let new = tls::new_authority(&format!("{} {} agents", plan.namespace, plan.name), now).map_err(|e| made(&e))?;
    ctx.io.apply(&resources::agent_authority(plan, &new)).await?;
    Ok(new)
}

async fn agent(plan: &SystemPlan, ctx: &Ctx, authority: &Pair, now: i64) -> Result<Validity, Error> {
    let known = ctx.io.get::<Secret>(&plan.child("agent-tls")).await?;
    if let Some(secret) = &known
        && text(secret, "ca.crt").as_ref() == Some(&authority.certificate)
        && let Some(pair) = pair(secret, "tls.crt", "tls.key")
        && let Ok(validity) = validity(&pair)
        && !validity.renewal_due(now)
    {
        return Ok(validity);
    }
    let new = tls::issue(authority, Role::Server, &agent_name(plan), now, DAYS).map_err(|e| made(&e))?;
    ctx.io.apply(&resources::agent_tls(plan, &new, &authority.certificate)).await?;
    validity(&new).map_err(|e| made(&e))
}

/// The name in the agent's certificate.
pub(super) fn agent_name(plan: &SystemPlan) -> String {
    format!("{}.{}.{}", resources::AGENT_NAME_PREFIX, plan.name, plan.namespace)
}

/// The mark of the doveadm Secret; one that lacks a part is completed, since the pod cannot start with it.
async fn doveadm(plan: &SystemPlan, ctx: &Ctx) -> Result<String, Error> {
    let known = ctx.io.get::<Secret>(&plan.child("doveadm")).await?;
    let known_key = known.as_ref().and_then(|s| text(s, "api_key")).filter(|key| !key.trim().is_empty());
    let new = || rand::random::<[u8; 32]>().iter().map(|b| format!("{b:02x}")).collect();
    let wanted = resources::doveadm(plan, &known_key.unwrap_or_else(new).trim().into());
    if known.is_none_or(|known| known.data != wanted.data) {
        ctx.io.apply(&wanted).await?;
    }
    Ok(resources::doveadm_mark(&wanted))
}

async fn dkim(plan: &SystemPlan, ctx: &Ctx) -> Result<Option<String>, Error> {
    if let Some(known) = ctx.io.get::<Secret>(&plan.child("dkim")).await? {
        return Ok(text(&known, "public"));
    }
    let (private, public) =
        tokio::task::spawn_blocking(new_dkim).await.map_err(|e| Error::Other(e.to_string()))?.map_err(Error::Other)?;
    let _: Created<Secret> = ctx.io.create(&resources::dkim(plan, &private, &public)).await?;
    Ok(Some(public))
}

/// A new RSA key: what every receiver can verify (RFC 8301); private PEM, public DER in base64.
fn new_dkim() -> Result<(SecretString, String), String> {
    use base64::Engine;
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, DKIM_BITS).map_err(|e| format!("DKIM key: {e}"))?;
    let private = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| format!("DKIM key: {e}"))?;
    let public = key.to_public_key().to_public_key_der().map_err(|e| format!("DKIM key: {e}"))?;
    Ok((private.to_string().into(), base64::engine::general_purpose::STANDARD.encode(public.as_bytes())))
}
