//! Tier 2: Flux delivers. Its source-controller and kustomize-controller run as pods; people push to a real Git server.

mod git;
mod prune;

use std::collections::BTreeMap;
use std::time::Instant;

use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, ResourceExt};
use mail_operator::api::AddressClaim;
use serde_json::{Value, json};

use crate::support::mail::Imap;
use crate::support::{eventually, initial_password, wait_ready};
use crate::world::{NAMESPACE, SOON, START, World, let_in, run};
use git::Git;

const HEAD: &str = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind:";
const BASIS: &str = "  basis: {number: 7/VP, date: \"2026-03-01\", issuer: SNV}\n";
const EXAMPLE_URL: &str = "https://git.example.org/gialai/mail.git";
const SUSPEND: &str = r#"{"spec": {"suspend": true}}"#;
/// A claim stays when its Mailbox goes (D-14).
const GOOD_CLAIM: &str = "claim totmt.snv";
/// Those whose way from the push to the login is measured.
const GIVEN: [&str; 10] = ["An", "Bình", "Chi", "Dũng", "Giang", "Hạnh", "Khoa", "Lan", "Mai", "Phúc"];

fn agency() -> String {
    format!(
        "{HEAD} Agency\nmetadata: {{name: snv}}\nspec:\n  systemRef: {{name: gialai}}\n  level: Province\n  name: Sở Nội vụ\n{BASIS}"
    )
}

fn mailbox(name: &str, full_name: &str) -> String {
    format!(
        "{HEAD} Mailbox\nmetadata: {{name: {name}}}\nspec:\n  agencyRef: {{name: snv}}\n  fullName: {full_name}\n{BASIS}"
    )
}

fn file(name: &str) -> String {
    format!("agencies/snv/{name}.yaml")
}

/// Flux with a repository that it delivers to the shared mail system.
struct Flux<'a> {
    world: &'a World,
    git: Git,
    sources: Api<DynamicObject>,
    kustomizations: Api<DynamicObject>,
    /// Of both objects.
    name: &'static str,
}

/// A manifest of this folder, its variables filled in.
fn apply_manifest(text: &str, variables: &[(&str, &str)]) {
    let mut text = text.to_owned();
    for (name, value) in variables {
        text = text.replace(&format!("${name}"), value);
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("manifest.yaml");
    std::fs::write(&path, text).expect("file");
    run("kubectl", &["apply", "--server-side", "--filename", &path.to_string_lossy()]);
}

impl<'a> Flux<'a> {
    /// `first` is what the repository begins with.
    async fn deliver_to(world: &'a World, name: &'static str, first: &[(&str, Option<&str>)]) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name}: set by FLUX=1 make tier2"));
        run("kubectl", &["apply", "--server-side", "--filename", &variable("FLUX_CRDS")]);
        let images = ["FLUX_SOURCE_IMAGE", "FLUX_KUSTOMIZE_IMAGE"].map(|name| (name, variable(name)));
        let images: Vec<(&str, &str)> = images.iter().map(|(name, value)| (*name, value.as_str())).collect();
        apply_manifest(include_str!("controllers.yaml"), &images);
        // A test before this one ended them.
        run("kubectl", &["-n", "flux-system", "scale", "deployment", "--all", "--replicas=1"]);
        for controller in ["source-controller", "kustomize-controller"] {
            let deployment = format!("deployment/{controller}");
            run("kubectl", &["-n", "flux-system", "rollout", "status", &deployment, "--timeout=120s"]);
        }
        let git = Git::serve().await;
        let address = "jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}";
        let node = run("kubectl", &["get", "nodes", "--output", address]);
        let url = format!("http://{node}:{}/mail.git", git.port);
        git.commit(first);
        git.push();
        let delivery = include_str!("../../../examples/gitops/delivery/flux.yaml");
        for ours in [EXAMPLE_URL, "timeout: 5m", &format!("targetNamespace: {NAMESPACE}")] {
            assert!(delivery.contains(ours), "{ours}");
        }
        // The Git server of this test, and less patience.
        let ours = delivery.replace(EXAMPLE_URL, &url).replace("timeout: 5m", "timeout: 20s");
        apply_manifest(&ours.replace("name: mail", &format!("name: {name}")), &[]);
        let api = |group: &str, kind: &str| {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
            Api::namespaced_with(world.client.clone(), "flux-system", &resource)
        };
        let sources = api("source.toolkit.fluxcd.io", "GitRepository");
        Self { world, git, sources, kustomizations: api("kustomize.toolkit.fluxcd.io", "Kustomization"), name }
    }

    /// Pushes what was committed and tells Flux of it, as the Git server's webhook does (a Receiver of Flux sets this
    /// annotation).
    async fn push(&self) -> String {
        let revision = self.git.push();
        let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": revision}}});
        self.sources.patch(self.name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("annotated");
        revision
    }

    /// Waits until Flux has tried a revision; what its condition Ready says then: status, reason, message.
    async fn tried(&self, revision: &str) -> (String, String, String) {
        eventually(&format!("Flux on {revision}"), START, || async {
            let status = self.kustomizations.get(self.name).await.map_err(|e| e.to_string())?.data["status"].clone();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|c| c["type"] == "Ready").cloned().unwrap_or_default();
            let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
            let done = status["lastAttemptedRevision"] == revision && text("status") != "Unknown";
            if done { Ok((text("status"), text("reason"), text("message"))) } else { Err(status.to_string()) }
        })
        .await
    }

    async fn applied(&self, revision: &str) {
        let (status, reason, message) = self.tried(revision).await;
        assert_eq!((status.as_str(), reason.as_str()), ("True", "ReconciliationSucceeded"), "{message}");
    }

    /// Waits until somebody logs in.
    async fn logs_in(&self, address: &str, password: &str) {
        eventually(&format!("a login of {address}"), SOON, || async {
            match Imap::login(&self.world.host, address, password).await {
                Ok((_, answer)) if let_in(&answer) => Ok(()),
                other => Err(other.map(|(_, answer)| answer).unwrap_or_else(|e| e.to_string())),
            }
        })
        .await;
    }

    /// The holder's way from the file to the mail.
    async fn arrives(&self, name: &str) -> (String, String) {
        let mailbox = wait_ready(&self.world.mailboxes, name, START).await;
        let address = mailbox.status.and_then(|s| s.address).expect("address");
        let password = initial_password(&self.world.client, NAMESPACE, name).await;
        self.logs_in(&address, &password).await;
        (address, password)
    }

    /// All that was issued: who holds which address, and what each mailbox shows; the claim of `refused` apart.
    async fn issued(&self) -> BTreeMap<String, Value> {
        let claims: Api<AddressClaim> = Api::namespaced(self.world.client.clone(), NAMESPACE);
        let claims = claims.list(&ListParams::default()).await.expect("claims");
        let mut all: BTreeMap<String, Value> =
            claims.iter().map(|claim| (format!("claim {}", claim.name_any()), json!(claim.spec))).collect();
        all.remove(GOOD_CLAIM);
        for mailbox in self.world.mailboxes.list(&ListParams::default()).await.expect("mailboxes") {
            let status = mailbox.status.clone().unwrap_or_default();
            if let Some(address) = status.address {
                all.insert(format!("mailbox {}", mailbox.name_any()), json!([address, status.state]));
            }
        }
        all
    }

    /// A commit that Flux or the operator refuses changes nothing that is issued; the words name what is wrong. A good file stands
    /// beside the bad one: it is not applied where Flux refuses the commit, and issued where the operator refuses one object.
    /// The commit is taken back then.
    async fn refused(&self, text: &str, reason: &str, words: &[&str]) {
        let before = self.issued().await;
        let good = mailbox("nv-good", "Mai Thị Tốt");
        self.git.commit(&[(&file("nv-bad"), Some(text)), (&file("nv-good"), Some(&good))]);
        let (status, why, message) = self.tried(&self.push().await).await;
        assert_eq!((status.as_str(), why.as_str()), ("False", reason), "{message}");
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
        if reason == "HealthCheckFailed" {
            wait_ready(&self.world.mailboxes, "nv-good", SOON).await;
        }
        let mut after = self.issued().await;
        let beside = after.remove("mailbox nv-good");
        assert_eq!(beside.is_some(), reason == "HealthCheckFailed", "{reason}: {beside:?}");
        assert_eq!(after, before, "after {text}");
        self.git.revert();
        self.applied(&self.push().await).await;
        assert_eq!(self.issued().await, before, "taken back: {text}");
    }
}

/// Leaves no controller behind that would go on, whatever became of the test.
impl Drop for Flux<'_> {
    fn drop(&mut self) {
        let scale = ["-n", "flux-system", "scale", "deployment", "--all", "--replicas=0"];
        let suspend = |kind| ["-n", "flux-system", "patch", kind, self.name, "--type=merge", "--patch", SUSPEND];
        for args in [&scale[..], &suspend("kustomization"), &suspend("gitrepository")] {
            let _ = std::process::Command::new("kubectl").args(args).status();
        }
    }
}

/// From the push to the login, one after the other: the numbers of docs/benchmarks.md, to be seen with --nocapture.
async fn measure(flux: &Flux<'_>) {
    let mut took = Vec::new();
    for (i, given) in GIVEN.iter().enumerate() {
        let name = format!("nv-push-{i}");
        flux.git.commit(&[(&file(&name), Some(&mailbox(&name, &format!("Vũ Thị {given}"))))]);
        let start = Instant::now();
        let revision = flux.push().await;
        flux.arrives(&name).await;
        took.push(start.elapsed().as_millis());
        flux.applied(&revision).await;
    }
    took.sort_unstable();
    eprintln!("push_to_login n={} p50_ms={} max_ms={}", took.len(), took[took.len() / 2], took[took.len() - 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_becomes_a_mailbox_and_a_bad_one_changes_nothing_that_is_issued() {
    let Some(world) = World::alone_on(&[2]).await else { return };
    let flux = Flux::deliver_to(&world, "mail", &[("agencies/snv/agency.yaml", Some(&agency()))]).await;
    // One person, by a push.
    flux.git.commit(&[(&file("nv-git"), Some(&mailbox("nv-git", "Trần Đình Nguyên")))]);
    let revision = flux.push().await;
    let (address, password) = flux.arrives("nv-git").await;
    assert_eq!(address, "nguyentd.snv@gialai.gov.vn");
    flux.applied(&revision).await;
    measure(&flux).await;
    // What Flux itself refuses: the whole commit, before anything of it is applied.
    flux.refused("kind: Mailbox\n\tname: x\n", "BuildFailed", &["nv-bad.yaml"]).await;
    flux.refused(&mailbox("nv-bad", "no"), "ReconciliationFailed", &["nv-bad", "fullName"]).await;
    let unknown = mailbox("nv-bad", "Lê Thị Hoa").replace("fullName", "fulName");
    flux.refused(&unknown, "ReconciliationFailed", &["nv-bad", "fulName"]).await;
    let day = mailbox("nv-bad", "Lê Thị Hoa").replace("2026-03-01", "2026-02-30");
    flux.refused(&day, "ReconciliationFailed", &["nv-bad", "date"]).await;
    // What the operator refuses: Flux sees by kstatus which object it is.
    let homograph = mailbox("nv-bad", "L\u{435} Thị Hoa");
    flux.refused(&homograph, "HealthCheckFailed", &["Mailbox/thu-cong-vu/nv-bad", "Failed"]).await;
    let nowhere = mailbox("nv-bad", "Lê Thị Hoa").replace("{name: snv}", "{name: no-such}");
    flux.refused(&nowhere, "HealthCheckFailed", &["Mailbox/thu-cong-vu/nv-bad", "InProgress"]).await;
    flux.logs_in(&address, &password).await;
    // Who is taken out of the files loses the login and keeps the rest; put back, it is all there.
    flux.git.commit(&[(&file("nv-git"), None)]);
    flux.applied(&flux.push().await).await;
    eventually("the login ends", SOON, || async {
        let (_, answer) = world.login(&address, &password).await;
        if let_in(&answer) { Err(answer) } else { Ok(()) }
    })
    .await;
    flux.git.revert();
    flux.applied(&flux.push().await).await;
    assert_eq!(flux.arrives("nv-git").await, (address, password));
}
