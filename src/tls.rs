//! Certificates: the private authority between operator and agents, self-signed server certificates, reading of given ones.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;

use crate::domain::certificate::Validity;

/// A certificate with its key, PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate, with intermediates behind it.
    pub certificate: String,
    /// The private key.
    pub key: SecretString,
}

/// What cannot be done with a certificate; the text says which and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

fn failed(what: &str) -> impl Fn(&dyn std::fmt::Display) -> TlsError + '_ {
    move |error| TlsError(format!("{what}: {error}"))
}

/// Chooses the one crypto provider of the process. Called first in `main` and in tests; a second call does nothing.
pub fn install_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn params(common_name: &str, names: &[String], now: i64, days: i64) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names.to_vec()).map_err(|e| failed("certificate names")(&e))?;
    params.distinguished_name.push(DnType::CommonName, common_name.chars().take(64).collect::<String>());
    let now = OffsetDateTime::from_unix_timestamp(now).map_err(|e| failed("time")(&e))?;
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(days);
    Ok(params)
}

/// What a certificate of the private authority is good for. An agent's certificate opens no other agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An agent.
    Server,
    /// The operator.
    Client,
}

/// Makes the private authority between operator and agents.
pub fn new_authority(common_name: &str, now: i64) -> Result<Pair, TlsError> {
    let mut params = params(common_name, &[], now, 3650)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    self_signed(params)
}

/// Makes a self-signed server certificate for mail clients.
pub fn new_self_signed(hostname: &str, names: &[String], now: i64, days: i64) -> Result<Pair, TlsError> {
    let mut params = params(hostname, names, now, days)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    self_signed(params)
}

fn self_signed(params: CertificateParams) -> Result<Pair, TlsError> {
    let key = KeyPair::generate().map_err(|e| failed("key")(&e))?;
    let certificate = params.self_signed(&key).map_err(|e| failed("certificate")(&e))?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem().into() })
}

/// Issues a certificate of the private authority.
pub fn issue(authority: &Pair, role: Role, name: &str, now: i64, days: i64) -> Result<Pair, TlsError> {
    let mut params = params(name, &[name.to_string()], now, days)?;
    params.extended_key_usages = vec![match role {
        Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    let ca_key = KeyPair::from_pem(authority.key.expose_secret()).map_err(|e| failed("key of the authority")(&e))?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, ca_key).map_err(|e| failed("authority")(&e))?;
    let key = KeyPair::generate().map_err(|e| failed("key")(&e))?;
    let certificate = params.signed_by(&key, &issuer).map_err(|e| failed("certificate")(&e))?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem().into() })
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.map_err(|e| failed("tls.crt is not a PEM certificate")(&e))?;
    if chain.is_empty() { Err(TlsError("tls.crt holds no PEM certificate".into())) } else { Ok(chain) }
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsError("tls.key holds no PEM private key".into()))
}

/// Reads a certificate and its key as they stand in a Secret: that they parse, fit each other, and from when to when.
pub fn inspect(certificate: &str, key: &str) -> Result<Validity, TlsError> {
    let chain = chain(certificate)?;
    let provider = rustls::crypto::ring::default_provider();
    rustls::sign::CertifiedKey::from_der(chain.clone(), private_key(key)?, &provider)
        .map_err(|e| failed("tls.crt and tls.key do not fit each other")(&e))?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&chain[0]).map_err(|e| failed("tls.crt")(&e))?;
    Ok(Validity {
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
    })
}

/// The DNS names of a certificate; none when it cannot be read.
pub fn dns_names(certificate: &str) -> Vec<String> {
    let Ok(chain) = chain(certificate) else { return Vec::new() };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&chain[0]) else { return Vec::new() };
    let Ok(Some(found)) = parsed.subject_alternative_name() else { return Vec::new() };
    let name = |general: &GeneralName| match general {
        GeneralName::DNSName(name) => Some((*name).to_string()),
        _ => None,
    };
    found.value.general_names.iter().filter_map(name).collect()
}

/// Whether a certificate names every one of `names`.
pub fn covers(certificate: &str, names: &[String]) -> bool {
    let found = dns_names(certificate);
    names.iter().all(|name| found.contains(name))
}

fn roots(authority: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(authority)? {
        roots.add(certificate).map_err(|e| failed("authority")(&e))?;
    }
    Ok(roots)
}

/// The agent's side of mutual TLS: only a client certificate of `authority` gets in.
pub fn server_config(pair: &Pair, authority: &str) -> Result<ServerConfig, TlsError> {
    let verifier =
        WebPkiClientVerifier::builder(Arc::new(roots(authority)?)).build().map_err(|e| failed("authority")(&e))?;
    ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(&pair.certificate)?, private_key(pair.key.expose_secret())?)
        .map_err(|e| failed("certificate of the agent")(&e))
}

/// A server for people: no client certificate is asked for.
pub fn public_config(pair: &Pair) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain(&pair.certificate)?, private_key(pair.key.expose_secret())?)
        .map_err(|e| failed("tls.crt and tls.key")(&e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The operator's side of mutual TLS.
pub fn client_config(pair: &Pair, authority: &str) -> Result<ClientConfig, TlsError> {
    ClientConfig::builder()
        .with_root_certificates(roots(authority)?)
        .with_client_auth_cert(chain(&pair.certificate)?, private_key(pair.key.expose_secret())?)
        .map_err(|e| failed("certificate of the operator")(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    #[test]
    fn a_self_signed_certificate_is_read_back_with_its_times() {
        let pair = new_self_signed("mail.x.vn", &["mail.x.vn".into()], NOW, 90).expect("certificate");
        let validity = inspect(&pair.certificate, pair.key.expose_secret()).expect("readable");
        assert_eq!(validity.not_after, NOW + 90 * 86_400);
        assert!(validity.not_before <= NOW);
        assert!(covers(&pair.certificate, &["mail.x.vn".into()]));
        assert!(!covers(&pair.certificate, &["other.x.vn".into()]));
    }

    #[test]
    fn a_certificate_that_does_not_fit_its_key_or_is_none_is_refused_with_a_reason() {
        let a = new_self_signed("a.vn", &[], NOW, 9).expect("a");
        let b = new_self_signed("b.vn", &[], NOW, 9).expect("b");
        let error = inspect(&a.certificate, b.key.expose_secret()).expect_err("other key").to_string();
        assert!(error.contains("do not fit"), "{error}");
        assert!(inspect("nonsense", a.key.expose_secret()).expect_err("no PEM").to_string().contains("tls.crt"));
        assert!(inspect(&a.certificate, "nonsense").expect_err("no key").to_string().contains("tls.key"));
    }

    #[test]
    fn r3_1_a_key_is_not_printed_by_debug() {
        let pair = new_authority("ca", NOW).expect("authority");
        assert!(!format!("{pair:?}").contains("PRIVATE KEY"));
    }

    #[test]
    fn issued_certificates_make_configurations_of_both_sides() {
        install_provider();
        let authority = new_authority("ca", NOW).expect("authority");
        let server = issue(&authority, Role::Server, "agent", NOW, 30).expect("server");
        let client = issue(&authority, Role::Client, "operator", NOW, 30).expect("client");
        server_config(&server, &authority.certificate).expect("server side");
        client_config(&client, &authority.certificate).expect("client side");
    }
}
