//! etcd, kube-apiserver and kube-controller-manager, in both tiers.

use std::{fs, time::Duration};

use anyhow::Result;

use crate::{
    api::Api,
    children::Children,
    plan::{Plan, Tier},
};

/// Addresses of Services.
pub const SERVICES: &str = "10.96.0.0/16";
/// Addresses of pods in tier 2.
pub const PODS: &str = "10.99.0.0/16";

/// Starts etcd and the API server.
pub fn start(plan: &Plan, children: &mut Children) -> Result<()> {
    fs::create_dir_all(plan.path("etcd"))?;
    let etcd = plan.tool("etcd")?;
    children.start("etcd", &etcd, etcd_flags(plan))?;
    let apiserver = plan.tool("kube-apiserver")?;
    children.start("apiserver", &apiserver, apiserver_flags(plan))
}

/// Waits for the API server, then starts the controllers.
pub fn finish(plan: &Plan, children: &mut Children, api: &Api) -> Result<()> {
    let limit = Duration::from_secs(90);
    children.wait("the API server", "apiserver", limit, || api.get("/readyz").as_deref() == Some("ok"))?;
    plan.progress("API server ready");
    let program = plan.tool("kube-controller-manager")?;
    children.start("controller-manager", &program, controllers_flags(plan))
}

/// Waits for the last thing that the controllers make and without which no pod can be created.
pub fn wait_for_account(plan: &Plan, children: &mut Children, api: &Api) -> Result<()> {
    let limit = Duration::from_secs(60);
    let path = "/api/v1/namespaces/default/serviceaccounts/default";
    let what = "the default ServiceAccount";
    children.wait(what, "controller-manager", limit, || api.get(path).is_some())?;
    plan.progress("default ServiceAccount there");
    Ok(())
}

fn etcd_flags(plan: &Plan) -> Vec<String> {
    let client = format!("http://127.0.0.1:{}", plan.ports.etcd);
    let peer = format!("http://127.0.0.1:{}", plan.ports.peer);
    vec![
        "--name=t".to_owned(),
        format!("--data-dir={}", plan.path("etcd/data").display()),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=t={peer}"),
    ]
}

fn apiserver_flags(plan: &Plan) -> Vec<String> {
    let pki = |name: &str| plan.pki(name).display().to_string();
    let mut flags = vec![
        format!("--etcd-servers=http://127.0.0.1:{}", plan.ports.etcd),
        format!("--secure-port={}", plan.ports.api),
        format!("--advertise-address={}", plan.address()),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        format!("--client-ca-file={}", pki("ca.crt")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", pki("sa.pub")),
        format!("--service-account-signing-key-file={}", pki("sa.key")),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--enable-bootstrap-token-auth".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--cert-dir={}", plan.path("apicert").display()),
    ];
    let more: &[&str] = match (plan.private, plan.tier) {
        (_, Tier::Node) => &[
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--kubelet-preferred-address-types=InternalIP",
        ],
        (true, Tier::Api) => &["--authorization-mode=RBAC"],
        // A loopback address is refused as the endpoint of the Service `kubernetes`.
        (false, Tier::Api) => {
            &["--authorization-mode=RBAC", "--endpoint-reconciler-type=none", "--bind-address=127.0.0.1"]
        }
    };
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    if plan.tier == Tier::Node {
        let (crt, key) = (pki("apiserver-kubelet.crt"), pki("apiserver-kubelet.key"));
        flags.push(format!("--kubelet-client-certificate={crt}"));
        flags.push(format!("--kubelet-client-key={key}"));
    }
    flags
}

fn controllers_flags(plan: &Plan) -> Vec<String> {
    let pki = |name: &str| plan.pki(name).display().to_string();
    let mut flags = vec![
        format!("--kubeconfig={}", plan.kubeconfig().display()),
        "--leader-elect=false".to_owned(),
        // With the usual limit of 20 requests a second the first ServiceAccount takes ten seconds.
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        format!("--root-ca-file={}", pki("ca.crt")),
        format!("--service-account-private-key-file={}", pki("sa.key")),
        format!("--cluster-signing-cert-file={}", pki("ca.crt")),
        format!("--cluster-signing-key-file={}", pki("ca.key")),
        "--secure-port=0".to_owned(),
    ];
    if plan.tier == Tier::Node {
        flags.push("--allocate-node-cidrs=true".to_owned());
        flags.push(format!("--cluster-cidr={PODS}"));
        flags.push(format!("--service-cluster-ip-range={SERVICES}"));
    }
    flags
}
