//! The objects that are written.

use k8s_openapi::api::core::v1::Secret;
use kube::Resource;
use kube::{Api, Client};
use mail_operator::api::{AddressClaim, HOLDER_ANNOTATION, Mailbox, PASSWORD_MADE_AT};
use serde_json::{Value, json};

use super::{Failure, NAMESPACE};

pub(super) fn document<K: Resource<DynamicType = ()>>(name: &str, spec: Value) -> Value {
    json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
}

pub(super) fn basis() -> Value {
    json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"})
}

/// The change of a spec by which people lock an account.
pub(super) fn lock() -> Value {
    json!({"spec": {"lock": {"reasons": ["Compromised"], "basis": basis()}}})
}

pub(super) fn mailbox(i: usize) -> Result<Mailbox, Failure> {
    let spec = json!({"agencyRef": {"name": "stttt"}, "fullName": "Trần Văn Minh", "localPart": format!("m{i}.stttt"), "basis": basis()});
    Ok(serde_json::from_value(document::<Mailbox>(&format!("nv-{i}"), spec))?)
}

pub(super) fn claim(i: usize, namespace: &str) -> Result<AddressClaim, Failure> {
    let owner = json!({"kind": "Mailbox", "name": format!("nv-{i}"), "uid": "00000000-0000-0000-0000-000000000000"});
    let mut claim = document::<AddressClaim>(
        &format!("m{i}.stttt"),
        json!({"use": "Primary", "ownerRef": owner, "ownerName": "Trần Văn Minh", "agency": "stttt"}),
    );
    claim["metadata"]["namespace"] = namespace.into();
    claim["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "mail-operator"});
    Ok(serde_json::from_value(claim)?)
}

pub(super) fn secret(i: usize, namespace: &str) -> Result<Secret, Failure> {
    let hash =
        "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
    Ok(serde_json::from_value(json!({
        "metadata": {"name": format!("nv-{i}-credentials"), "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "mail-operator", "mail.gialai.gov.vn/credentials": "true"},
            "annotations": {HOLDER_ANNOTATION: "Trần Văn Minh", PASSWORD_MADE_AT: "2026-11-24T10:00:00.123456789Z"}},
        "type": "Opaque", "stringData": {"hash": hash, "initialPassword": "kT4mx@9RwB7@npq3H"}
    }))?)
}

/// The status that the operator writes, with other words of about the same length: [`sizes`] tells both.
pub(super) fn status(i: usize) -> Value {
    let now = "2026-11-24T10:00:00Z";
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now, "observedGeneration": 1});
    json!({"apiVersion": Mailbox::api_version(&()), "kind": "Mailbox", "metadata": {"name": format!("nv-{i}")}, "status": {
        "observedGeneration": 1, "address": format!("m{i}.stttt@gialai.gov.vn"), "state": "Active", "issuedAt": now,
        "initialPasswordAt": now, "due": [{"action": "Lock", "reason": "DefaultPassword", "at": now, "rule": "6.2.d"}],
        "quota": {"source": "SystemDefault", "storage": "2Gi", "maxAttachment": "20M"},
        "conditions": [condition("Synced", "Ready", "the mail server has the account as decided"),
            condition("Ready", "Issued", "address, account and password are issued")]
    }})
}

/// What stands there of the first mailbox, in bytes without who wrote which field: floor and operator are to write the same.
pub(super) async fn sizes(client: &Client) -> Result<String, Failure> {
    fn of<K: Resource + serde::Serialize>(mut object: K) -> Result<usize, Failure> {
        object.meta_mut().managed_fields = None;
        Ok(serde_json::to_vec(&object)?.len())
    }
    let claims: Api<AddressClaim> = Api::namespaced(client.clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let (claim, secret) = (of(claims.get("m0.stttt").await?)?, of(secrets.get("nv-0-credentials").await?)?);
    Ok(format!("claim:{claim},secret:{secret},mailbox:{}", of(mailboxes.get("nv-0").await?)?))
}
