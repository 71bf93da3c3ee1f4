//! Secrets from material that was made or read before.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{CREDENTIALS_LABEL, MADE_FOR_ANNOTATION, MANAGED_BY, SystemPlan};
use crate::api::{
    HANDED_OVER_ANNOTATION, HANDOVER_RUN_ANNOTATION, HOLDER_ANNOTATION, PASSWORD_CHANGED_AT, PASSWORD_MADE_AT,
};
use crate::tls::Pair;

/// The agent's certificate names it `agent.<system>.<namespace>`.
pub const AGENT_NAME_PREFIX: &str = "agent";

fn secret(metadata: ObjectMeta, kind: &str, data: Vec<(&str, &str)>) -> Secret {
    let data = data.into_iter().map(|(k, v)| (k.to_string(), ByteString(v.as_bytes().to_vec()))).collect();
    Secret { metadata, data: Some(data), type_: Some(kind.into()), ..Secret::default() }
}

/// The certificate that the pod serves.
pub fn server_tls(plan: &SystemPlan, pair: &Pair) -> Secret {
    let data = vec![("tls.crt", pair.certificate.as_str()), ("tls.key", pair.key.expose_secret())];
    secret(plan.owned(plan.served_tls()), "kubernetes.io/tls", data)
}

/// The private authority between operator and agent; mounted nowhere.
pub fn agent_authority(plan: &SystemPlan, pair: &Pair) -> Secret {
    let data = vec![("ca.crt", pair.certificate.as_str()), ("ca.key", pair.key.expose_secret())];
    secret(plan.owned(plan.child("agent-ca")), "Opaque", data)
}

/// The agent's certificate.
pub fn agent_tls(plan: &SystemPlan, pair: &Pair, authority: &str) -> Secret {
    let data =
        vec![("tls.crt", pair.certificate.as_str()), ("tls.key", pair.key.expose_secret()), ("ca.crt", authority)];
    secret(plan.owned(plan.child("agent-tls")), "kubernetes.io/tls", data)
}

/// The key of Dovecot's HTTP API, for the agent and for Dovecot.
pub fn doveadm(plan: &SystemPlan, key: &SecretString) -> Secret {
    let config = format!("doveadm_api_key = {}\n", key.expose_secret());
    secret(
        plan.owned(plan.child("doveadm")),
        "Opaque",
        vec![("api_key", key.expose_secret()), ("90-secrets.conf", &config)],
    )
}

/// A short mark of the key in a doveadm Secret: Dovecot reads it only at its start, so the pod carries the mark and is replaced
/// when it changes. 40 bits of a hash tell nothing about a key of 256.
pub fn doveadm_mark(secret: &Secret) -> String {
    let mut hash = Sha256::new();
    for (name, value) in secret.data.iter().flatten() {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(&value.0);
        hash.update([0]);
    }
    hash.finalize().iter().take(5).map(|b| format!("{b:02x}")).collect()
}

/// The DKIM key. It outlives the MailSystem: its public half stands in the DNS.
pub fn dkim(plan: &SystemPlan, private_pem: &SecretString, public: &str) -> Secret {
    secret(plan.kept(plan.child("dkim")), "Opaque", vec![("dkim.key", private_pem.expose_secret()), ("public", public)])
}

/// The credentials of a mailbox, made at `now`. No owner: they stay when the Mailbox is deleted (D-14).
pub fn credentials(
    namespace: &str,
    mailbox: &str,
    holder: &str,
    (hash, initial_password): (&str, &SecretString),
    now: Timestamp,
) -> Secret {
    let made = (PASSWORD_MADE_AT.to_string(), now.to_string());
    let labels: BTreeMap<String, String> = [("app.kubernetes.io/managed-by", MANAGED_BY), (CREDENTIALS_LABEL, "true")]
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .into();
    let metadata = ObjectMeta {
        name: Some(format!("{mailbox}-credentials")),
        namespace: Some(namespace.into()),
        labels: Some(labels),
        annotations: Some([(HOLDER_ANNOTATION.to_string(), holder.to_string()), made].into()),
        ..ObjectMeta::default()
    };
    secret(metadata, "Opaque", vec![("hash", hash), ("initialPassword", initial_password.expose_secret())])
}

/// Credentials with another initial password, made at `now` for `unlock`: nobody changed it, and it was not handed over.
pub fn new_password(
    mut secret: Secret,
    (hash, initial_password): (&str, &SecretString),
    unlock: &str,
    now: Timestamp,
) -> Secret {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let data = secret.data.get_or_insert_default();
    data.insert("hash".into(), bytes(hash));
    data.insert("initialPassword".into(), bytes(initial_password.expose_secret()));
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.remove(PASSWORD_CHANGED_AT);
    annotations.remove(HANDED_OVER_ANNOTATION);
    annotations.remove(HANDOVER_RUN_ANNOTATION);
    annotations.insert(MADE_FOR_ANNOTATION.into(), unlock.into());
    annotations.insert(PASSWORD_MADE_AT.into(), now.to_string());
    secret
}
