//! The certificates of a cluster that lives for minutes: one CA, client and server leaves, kubeconfigs.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::plan::{Plan, Tier};

/// Group whose members may do everything.
const MASTERS: &str = "system:masters";

/// Writes all keys, certificates and kubeconfigs below the plan's `pki` directory.
pub fn write(plan: &Plan) -> Result<()> {
    let dir = plan.state.join("pki");
    fs::create_dir_all(&dir)?;
    let authority = Authority::new(&dir)?;
    let server = server_names(plan);
    authority.leaf("apiserver", None, "kube-apiserver", &server)?;
    authority.leaf("admin", Some(MASTERS), "admin", &[])?;
    kubeconfig(plan, "admin")?;
    if plan.tier == Tier::Node {
        let client = "kube-apiserver-kubelet-client";
        authority.leaf("apiserver-kubelet", Some(MASTERS), client, &[])?;
        let node = format!("system:node:{}", plan.name);
        let names = [&plan.name, plan.address(), "127.0.0.1"].map(str::to_owned);
        authority.leaf("kubelet", Some("system:nodes"), &node, &names)?;
        kubeconfig(plan, "kubelet")?;
    }
    let accounts = KeyPair::generate()?;
    write_key(&dir.join("sa.key"), &accounts)?;
    // The API server reads the public half of an EC key only from its own block.
    fs::write(dir.join("sa.pub"), accounts.public_key_pem())?;
    Ok(())
}

fn server_names(plan: &Plan) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    for suffix in ["", ".default", ".default.svc", ".default.svc.cluster.local"] {
        names.push(format!("kubernetes{suffix}"));
    }
    names.extend(["127.0.0.1", "10.96.0.1"].map(str::to_owned));
    if plan.private {
        names.push(plan.address().to_owned());
    }
    names
}

struct Authority<'a> {
    dir: &'a Path,
    issuer: Issuer<'static, KeyPair>,
}

impl<'a> Authority<'a> {
    fn new(dir: &'a Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        write_key(&dir.join("ca.key"), &key)?;
        let mut params = params(None, "testbed-ca", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        fs::write(dir.join("ca.crt"), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        Ok(Self { dir, issuer })
    }

    fn leaf(&self, file: &str, group: Option<&str>, name: &str, names: &[String]) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut params = params(group, name, names)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer)?;
        write_key(&self.dir.join(format!("{file}.key")), &key)?;
        fs::write(self.dir.join(format!("{file}.crt")), certificate.pem())?;
        Ok(())
    }
}

fn params(group: Option<&str>, name: &str, names: &[String]) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(group) = group {
        let kind = DnType::OrganizationName;
        params.distinguished_name.push(kind, group);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(30);
    Ok(params)
}

fn write_key(path: &Path, key: &KeyPair) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, key.serialize_pem())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", path.display()))
}

/// A kubeconfig without references to files, so that it may be copied.
fn kubeconfig(plan: &Plan, user: &str) -> Result<()> {
    let read = |file: &str| -> Result<String> {
        let path = plan.pki(file);
        let bytes = fs::read(&path)?;
        Ok(base64(&bytes))
    };
    let text = serde_json::to_string_pretty(&serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {
            "server": format!("https://127.0.0.1:{}", plan.ports.api),
            "certificate-authority-data": read("ca.crt")?,
        }}],
        "users": [{"name": user, "user": {
            "client-certificate-data": read(&format!("{user}.crt"))?,
            "client-key-data": read(&format!("{user}.key"))?,
        }}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
        "current-context": "testbed",
    }))?;
    fs::write(plan.pki(&format!("{user}.kubeconfig")), text)?;
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    let quoted = serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()));
    quoted.map_or_else(|_| String::new(), |value| value.as_str().unwrap_or_default().to_owned())
}
