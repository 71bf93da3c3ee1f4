//! Keys and certificates of a system: made once, kept, renewed before they end.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use secrecy::SecretString;

use crate::api::{IssuerRef, MailSystem, Reason};
use crate::controllers::context::Ctx;
use crate::controllers::runner::Error;
use crate::domain::certificate::Validity;
use crate::kube_io::Created;
use crate::resources::{self, SystemPlan};
use crate::tls::{self, Pair, Role};

/// Days of a self-signed server certificate and of an agent's certificate.
const DAYS: i64 = 365;
const DKIM_BITS: usize = 2048;

/// Why the server certificate cannot be used.
#[derive(Clone, Debug)]
pub(super) struct CertificateProblem {
    pub reason: Reason,
    pub message: String,
}

/// What a pass needs of the keys.
pub(super) struct Material {
    pub authority: Pair,
    pub agent: Validity,
    /// Whether the operator makes the server certificate.
    pub self_signed: bool,
    pub certificate: Result<Validity, CertificateProblem>,
    pub dkim_public: Option<String>,
}

/// Makes what is missing and renews what is due.
pub(super) async fn keep(system: &MailSystem, plan: &SystemPlan, ctx: &Ctx, now: i64) -> Result<Material, Error> {
    let authority = authority(plan, ctx, now).await?;
    let agent = agent(plan, ctx, &authority, now).await?;
    doveadm(plan, ctx).await?;
    let dkim_public = dkim(plan, ctx).await?;
    let given = system.spec.tls.as_ref().is_some_and(|t| t.secret_ref.is_some() || t.cert_manager.is_some());
    let certificate = match system.spec.tls.as_ref().and_then(|t| t.cert_manager.as_ref()) {
        Some(manager) => by_cert_manager(plan, &manager.issuer_ref, ctx).await?,
        None if given => provided(plan, ctx).await?,
        None => Ok(self_signed(plan, ctx, now).await?),
    };
    Ok(Material { authority, agent, self_signed: !given, certificate, dkim_public })
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    secret.data.as_ref()?.get(key).map(|b| String::from_utf8_lossy(&b.0).into_owned())
}

fn made(error: &tls::TlsError) -> Error {
    Error::Other(error.to_string())
}

fn pair(secret: &Secret, certificate: &str, key: &str) -> Option<Pair> {
    Some(Pair { certificate: text(secret, certificate)?, key: text(secret, key)?.into() })
}

fn validity(pair: &Pair) -> Result<Validity, tls::TlsError> {
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

async fn doveadm(plan: &SystemPlan, ctx: &Ctx) -> Result<(), Error> {
    if ctx.io.get::<Secret>(&plan.child("doveadm")).await?.is_some() {
        return Ok(());
    }
    let key: String = rand::random::<[u8; 32]>().iter().map(|b| format!("{b:02x}")).collect();
    let _: Created<Secret> = ctx.io.create(&resources::doveadm(plan, &key.into())).await?;
    Ok(())
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

async fn by_cert_manager(
    plan: &SystemPlan,
    issuer: &IssuerRef,
    ctx: &Ctx,
) -> Result<Result<Validity, CertificateProblem>, Error> {
    match super::effects::apply(&resources::certificate(plan, issuer), ctx).await {
        Ok(()) => provided(plan, ctx).await,
        Err(Error::Kube(error)) if error.is_not_served() => {
            let message = "spec.tls.certManager: the operator cannot make a Certificate: install cert-manager, and set \
                           certManager.enabled=true in the chart";
            Ok(Err(CertificateProblem { reason: Reason::CertificateNotFound, message: message.into() }))
        }
        Err(error) => Err(error),
    }
}

async fn provided(plan: &SystemPlan, ctx: &Ctx) -> Result<Result<Validity, CertificateProblem>, Error> {
    let problem = |reason, message| Ok(Err(CertificateProblem { reason, message }));
    let Some(secret) = ctx.io.get::<Secret>(&plan.tls_secret).await? else {
        let message =
            format!("spec.tls: Secret '{}' does not exist; make it (type kubernetes.io/tls)", plan.tls_secret);
        return problem(Reason::CertificateNotFound, message);
    };
    let Some(pair) = pair(&secret, "tls.crt", "tls.key") else {
        let message = format!("spec.tls: Secret '{}' needs the keys tls.crt and tls.key", secret.name_any());
        return problem(Reason::CertificateUnreadable, message);
    };
    match validity(&pair) {
        Ok(validity) => Ok(Ok(validity)),
        Err(error) => {
            let message = format!(
                "spec.tls: Secret '{}': {error}; what runs goes on with the certificate it has",
                secret.name_any()
            );
            problem(Reason::CertificateUnreadable, message)
        }
    }
}

async fn self_signed(plan: &SystemPlan, ctx: &Ctx, now: i64) -> Result<Validity, Error> {
    let service = format!("{}.{}.svc", plan.name, plan.namespace);
    let names = [plan.hostname.clone(), service.clone(), format!("{service}.cluster.local")];
    let known = ctx.io.get::<Secret>(&plan.tls_secret).await?.as_ref().and_then(|s| pair(s, "tls.crt", "tls.key"));
    if let Some(known) = known
        && let Ok(validity) = validity(&known)
        && !validity.renewal_due(now)
        && tls::covers(&known.certificate, &names)
    {
        return Ok(validity);
    }
    let new = tls::new_self_signed(&plan.hostname, &names, now, DAYS).map_err(|e| made(&e))?;
    ctx.io.apply(&resources::server_tls(plan, &new)).await?;
    validity(&new).map_err(|e| made(&e))
}
