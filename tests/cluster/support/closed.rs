//! A namespace in which the API server refuses to make some things, as a policy of the cluster's administrators would.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{eventually, put};

const MESSAGE: &str = "closed for the year's end";

/// The policy, until it is taken away.
pub struct Closed {
    name: String,
    policies: Api<ValidatingAdmissionPolicy>,
    bindings: Api<ValidatingAdmissionPolicyBinding>,
}

impl Closed {
    /// Nothing of these kinds of ours is made unless `allowed` (CEL) says so.
    pub async fn to(client: &Client, namespace: &str, resources: &[&str], allowed: &str) -> Self {
        let name = format!("no-new-{namespace}");
        let closed =
            Self { policies: Api::all(client.clone()), bindings: Api::all(client.clone()), name: name.clone() };
        let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name}, "spec": {"failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "resourceRules": [{"apiGroups": ["mail.gialai.gov.vn"], "apiVersions": ["*"], "operations": ["CREATE"],
                    "resources": resources}]},
            "validations": [{"expression": allowed, "message": MESSAGE}]}});
        put(&closed.policies, &policy).await;
        let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}});
        put(&closed.bindings, &binding).await;
        closed
    }

    /// Waits until the policy is in force, by something that it refuses.
    pub async fn until_refused<K>(&self, api: &Api<K>, probe: &K)
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
    {
        eventually("the policy is in force", Duration::from_secs(20), || async {
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            match api.create(&dry, probe).await {
                Err(error) if error.to_string().contains(MESSAGE) => Ok(()),
                other => Err(format!("{:?}", other.map(drop))),
            }
        })
        .await;
    }

    /// Takes it away.
    pub async fn open(self) {
        self.bindings.delete(&self.name, &DeleteParams::default()).await.expect("deleted");
        self.policies.delete(&self.name, &DeleteParams::default()).await.expect("deleted");
    }
}
