//! The certificate that mail clients see. The pod mounts one Secret of the operator's own: a self-signed certificate, or a copy
//! of the one that spec.tls gives, made only when that is good. So a bad one harms nobody: the last good one is served on, also
//! by a pod that starts anew.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;

use super::secrets::{DAYS, made, pair, validity};
use crate::api::{MailSystem, Reason};
use crate::controllers::context::Ctx;
use crate::controllers::runner::Error;
use crate::domain::certificate::{Fault, Validity, fault};
use crate::resources::{self, SystemPlan};
use crate::tls::{self, Pair};

/// Why the certificate that was given is not used.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub reason: Reason,
    pub message: String,
}

/// What is so of the server certificate.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// Whether the operator makes it.
    pub self_signed: bool,
    /// The one that the pod serves.
    pub served: Option<Validity>,
    /// Why it is not the one that spec.tls gives.
    pub problem: Option<Problem>,
}

/// Makes, renews or takes over the server certificate.
pub(super) async fn keep(system: &MailSystem, plan: &SystemPlan, ctx: &Ctx, now: i64) -> Result<Certificate, Error> {
    let known = ctx.io.get::<Secret>(&plan.served_tls()).await?.as_ref().and_then(|s| pair(s, "tls.crt", "tls.key"));
    let tls = system.spec.tls.as_ref();
    let given = if let Some(reference) = tls.and_then(|t| t.secret_ref.as_ref()) {
        given(&reference.name, plan, ctx, now).await?
    } else if let Some(manager) = tls.and_then(|t| t.cert_manager.as_ref()) {
        match super::effects::apply(&resources::certificate(plan, &manager.issuer_ref), ctx).await {
            Ok(()) => given(&plan.issued_tls(), plan, ctx, now).await?,
            Err(Error::Kube(error)) if error.is_not_served() => Err(no_cert_manager()),
            Err(error) => return Err(error),
        }
    } else {
        return own(plan, ctx, known, now).await;
    };
    match given {
        Ok(pair) => {
            let old = known.as_ref().and_then(|known| validity(known).ok());
            let new = validity(&pair).map_err(|e| made(&e))?;
            let problem =
                if known.is_some_and(|known| same(&known, &pair)) { None } else { serve(plan, ctx, &pair).await? };
            Ok(Certificate::with(false, old, new, problem))
        }
        Err(problem) => {
            let served = known.and_then(|known| validity(&known).ok());
            Ok(Certificate { self_signed: false, served, problem: Some(problem.with(served)) })
        }
    }
}

/// Has the pod serve a pair; what a person must do if the Secret for it stands in the way.
async fn serve(plan: &SystemPlan, ctx: &Ctx, pair: &Pair) -> Result<Option<Problem>, Error> {
    match ctx.io.apply(&resources::server_tls(plan, pair)).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_invalid() => {
            let message = format!(
                "Secret '{}' was made by somebody else and cannot be written: {error}; delete it, it is made again",
                plan.served_tls()
            );
            Ok(Some(Problem { reason: Reason::ApplyFailed, message }))
        }
        Err(error) => Err(error.into()),
    }
}

/// The operator's own certificate.
async fn own(plan: &SystemPlan, ctx: &Ctx, known: Option<Pair>, now: i64) -> Result<Certificate, Error> {
    let service = format!("{}.{}.svc", plan.name, plan.namespace);
    let names = [plan.hostname.clone(), service.clone(), format!("{service}.cluster.local")];
    let old = known.as_ref().and_then(|known| validity(known).ok());
    if let (Some(known), Some(old)) = (&known, old)
        && !old.renewal_due(now)
        && tls::covers(&known.certificate, &names)
    {
        return Ok(Certificate { self_signed: true, served: Some(old), problem: None });
    }
    let pair = tls::new_self_signed(&plan.hostname, &names, now, DAYS).map_err(|e| made(&e))?;
    let new = validity(&pair).map_err(|e| made(&e))?;
    let problem = serve(plan, ctx, &pair).await?;
    Ok(Certificate::with(true, old, new, problem))
}

impl Certificate {
    /// The new one is served, unless there is a problem with it.
    fn with(self_signed: bool, old: Option<Validity>, new: Validity, problem: Option<Problem>) -> Self {
        let served = if problem.is_some() { old } else { Some(new) };
        Self { self_signed, served, problem: problem.map(|p| p.with(served)) }
    }
}

impl Problem {
    fn with(mut self, served: Option<Validity>) -> Self {
        self.message.push_str(&match served {
            Some(served) => format!("; the one before it, good until {}, is served on", day(served.not_after)),
            None => "; the mail server starts when that is done".into(),
        });
        self
    }
}

fn same(a: &Pair, b: &Pair) -> bool {
    a.certificate == b.certificate && a.key.expose_secret() == b.key.expose_secret()
}

fn day(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |t| t.to_string())
}

fn no_cert_manager() -> Problem {
    let message = "spec.tls.certManager: the operator cannot make a Certificate: install cert-manager, and set \
                   certManager.enabled=true in the chart";
    Problem { reason: Reason::CertificateNotFound, message: message.into() }
}

async fn given(name: &str, plan: &SystemPlan, ctx: &Ctx, now: i64) -> Result<Result<Pair, Problem>, Error> {
    let secret = ctx.io.get::<Secret>(name).await?;
    Ok(judge(name, secret.as_ref(), &plan.hostname, now))
}

/// Whether a Secret holds a certificate that can be served for `hostname`, or what is wrong with it.
fn judge(name: &str, secret: Option<&Secret>, hostname: &str, now: i64) -> Result<Pair, Problem> {
    let problem = |reason, what: String| Problem { reason, message: format!("spec.tls: Secret '{name}' {what}") };
    let Some(secret) = secret else {
        return Err(problem(Reason::CertificateNotFound, "does not exist; make it (type kubernetes.io/tls)".into()));
    };
    let Some(pair) = pair(secret, "tls.crt", "tls.key") else {
        return Err(problem(Reason::CertificateUnreadable, "needs the keys tls.crt and tls.key".into()));
    };
    let validity = validity(&pair).map_err(|e| {
        problem(Reason::CertificateUnreadable, format!("cannot be used: {e}; put a matching pair into it"))
    })?;
    let (reason, what) = match fault(validity, &tls::dns_names(&pair.certificate), hostname, now) {
        None => return Ok(pair),
        Some(Fault::OtherNames(names)) => {
            let what = format!("is for {}, not for spec.hostname {hostname}; have one issued for it", names.join(", "));
            (Reason::CertificateNameMismatch, what)
        }
        Some(Fault::NotYet(at)) => {
            (Reason::CertificateExpiring, format!("is not good before {}; it is taken then", day(at)))
        }
        Some(Fault::Ended(at)) => (Reason::CertificateExpiring, format!("ended on {}; put a new one into it", day(at))),
    };
    Err(problem(reason, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    const NOW: i64 = 1_790_000_000;
    const HOST: &str = "mail.x.vn";

    fn pair_for(name: &str, made: i64) -> Pair {
        tls::new_self_signed(name, &[name.to_string()], made, 90).expect("certificate")
    }

    fn secret(data: &[(&str, &str)]) -> Secret {
        let data = data.iter().map(|(k, v)| ((*k).to_string(), ByteString(v.as_bytes().to_vec()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    fn of(pair: &Pair) -> Secret {
        secret(&[("tls.crt", &pair.certificate), ("tls.key", pair.key.expose_secret())])
    }

    #[test]
    fn a_good_certificate_is_taken() {
        let good = pair_for(HOST, NOW);
        assert!(same(&judge("given", Some(&of(&good)), HOST, NOW).expect("good"), &good));
    }

    #[test]
    fn r3_1_every_bad_certificate_has_its_reason_and_names_secret_and_remedy() {
        let (good, other) = (pair_for(HOST, NOW), pair_for("web.x.vn", NOW));
        let crossed = secret(&[("tls.crt", &good.certificate), ("tls.key", other.key.expose_secret())]);
        let half = secret(&[("tls.crt", &good.certificate)]);
        let (ended, early) = (of(&pair_for(HOST, NOW - 100 * 86_400)), of(&pair_for(HOST, NOW + 86_400)));
        let cases = [
            (None, Reason::CertificateNotFound, "make it"),
            (Some(half), Reason::CertificateUnreadable, "tls.key"),
            (Some(crossed), Reason::CertificateUnreadable, "do not fit"),
            (Some(of(&other)), Reason::CertificateNameMismatch, "web.x.vn"),
            (Some(ended), Reason::CertificateExpiring, "ended on"),
            (Some(early), Reason::CertificateExpiring, "not good before"),
        ];
        for (secret, reason, needle) in cases {
            let problem = judge("given", secret.as_ref(), HOST, NOW).expect_err(needle);
            assert_eq!(problem.reason, reason, "{}", problem.message);
            assert!(problem.message.contains(needle) && problem.message.contains("'given'"), "{}", problem.message);
            assert!(!problem.message.contains("PRIVATE"), "R3.1");
        }
    }
}
