//! The kinds with the schemas and rules of their CustomResourceDefinitions: what the API server checks, checked offline by the
//! same text.

use std::sync::OnceLock;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_cel::CompiledSchema;
use serde_json::Value as Json;

use crate::api;

/// Kinds whose objects only the operator writes.
const WRITTEN_BY_OPERATOR: [&str; 2] = ["AddressClaim", "MailboxActivity"];

/// One kind.
#[derive(Debug)]
pub struct Kind {
    /// `kind`.
    pub name: String,
    /// Schema of the whole object, with that of `metadata` in it.
    pub schema: Json,
    /// The rules of `x-kubernetes-validations`.
    pub rules: CompiledSchema,
}

/// The kinds that people write.
pub fn all() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let crds = api::crds().into_iter();
        crds.filter(|crd| !WRITTEN_BY_OPERATOR.contains(&crd.spec.names.kind.as_str())).filter_map(kind).collect()
    })
}

/// The kind of that name, if people write it.
pub fn find(name: &str) -> Option<&'static Kind> {
    all().iter().find(|kind| kind.name == name)
}

fn kind(
    crd: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
) -> Option<Kind> {
    let schema = crd.spec.versions.into_iter().next()?.schema?.open_api_v3_schema?;
    let mut schema = serde_json::to_value(schema).ok()?;
    let rules = kube_cel::compile_schema(&schema);
    let properties = schema.get_mut("properties")?.as_object_mut()?;
    properties.insert("apiVersion".into(), serde_json::json!({"type": "string"}));
    properties.insert("kind".into(), serde_json::json!({"type": "string"}));
    properties.insert("metadata".into(), metadata()?);
    Some(Kind { name: crd.spec.names.kind, schema, rules })
}

/// Schema of `metadata`: names and types of its fields, nothing deeper than its maps of text.
fn metadata() -> Option<Json> {
    let schema = serde_json::to_value(schemars::schema_for!(ObjectMeta)).ok()?;
    let mut properties = schema.get("properties")?.as_object()?.clone();
    for (name, field) in &mut properties {
        let text = ["name", "namespace", "generateName"].contains(&name.as_str());
        *field = match name.as_str() {
            _ if text => serde_json::json!({"type": "string"}),
            "labels" | "annotations" => {
                serde_json::json!({"type": "object", "nullable": true, "additionalProperties": {"type": "string"}})
            }
            _ => serde_json::json!({"x-kubernetes-preserve-unknown-fields": true}),
        };
    }
    Some(serde_json::json!({"type": "object", "properties": properties, "required": ["name"]}))
}
