//! One mail system that the tests share: installed by our chart (tier 2), or the operator in this process and the pods
//! of the testbed (tier 1).

use std::any::Any;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use mail_operator::api::{Agency, MailSystem, Mailbox, QuotaPolicy};
use mail_operator::controllers::Clock;
use serde_json::json;
use tokio::sync::{OnceCell, RwLock};

use crate::support::mail::{self, Imap};
use crate::support::operator::Operator;
use crate::support::{apply, eventually, initial_password, tier, wait_ready};

pub const NAMESPACE: &str = "thu-cong-vu";
pub const BROKEN: &str = "hong";
/// Admits Pod Security baseline.
pub const BASELINE: &str = "nen-tang";
/// Has a volume that is filled.
pub const SMALL: &str = "o-dia-nho";
/// Where time is moved until mail is removed.
pub const REMOVAL: &str = "xoa-han";
/// Has an account table that is damaged.
pub const DAMAGED: &str = "hong-bang";
/// Has few sessions.
pub const CROWDED: &str = "dong-nguoi";
pub const SOON: Duration = Duration::from_secs(30);
pub const START: Duration = Duration::from_secs(180);

/// What the tests share: one release, one mail system.
static INSTALLED: OnceCell<()> = OnceCell::const_new();
/// Most tests run beside each other; one that has Dovecot reload, which cuts whoever is just logging in, runs alone.
static TURN: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// Held while a test uses the system that all share.
type Turn = Box<dyn Any + Send + Sync>;

pub struct World {
    pub client: Client,
    pub namespace: &'static str,
    pub host: String,
    pub mx: String,
    pub mailboxes: Api<Mailbox>,
    pub systems: Api<MailSystem>,
    pub policies: Api<QuotaPolicy>,
    pub pods: Api<Pod>,
    _turn: Turn,
}

pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn chart() -> String {
    format!("{}/charts/mail-operator", env!("CARGO_MANIFEST_DIR"))
}

/// Installs or upgrades the release; the images come from the environment of the testbed.
pub fn helm(more: &[&str]) -> String {
    let image = std::env::var("MAIL_OPERATOR_IMAGE").expect("MAIL_OPERATOR_IMAGE: repository:tag of the operator");
    let mail = std::env::var("MAIL_OPERATOR_MAIL_IMAGE").expect("MAIL_OPERATOR_MAIL_IMAGE");
    let (repository, tag) = image.rsplit_once(':').expect("a tag");
    let sets = [
        format!("image.repository={repository}"),
        format!("image.tag={tag}"),
        format!("mailImage={mail}"),
        format!("namespaces={{{NAMESPACE},{BROKEN},{BASELINE},{SMALL}}}"),
        "resources.requests.cpu=10m".into(),
    ];
    let chart = chart();
    let mut args =
        vec!["upgrade", "--install", "mail-operator", &chart, "--namespace", "mail-operator", "--create-namespace"];
    args.extend(["--wait", "--timeout", "120s"]);
    for set in &sets {
        args.extend(["--set", set]);
    }
    args.extend(more);
    run("helm", &args)
}

pub const SYSTEM: &str = "metadata: {name: gialai}\nspec: {domain: gialai.gov.vn, hostname: mail.gialai.gov.vn, regulation: {firstAccess: MailAllowed}, dovecot: {storage: {size: 1Gi}}}";
pub const AGENCY: &str = "metadata: {name: stttt}\nspec: {systemRef: {name: gialai}, level: Province, name: Sở Thông tin và Truyền thông, basis: {number: 01/QĐ, date: '2026-01-05', issuer: UBND tỉnh}}";

pub fn person(name: &str, full_name: &str, more: &str) -> String {
    format!(
        "metadata: {{name: {name}}}\nspec: {{agencyRef: {{name: stttt}}, fullName: {full_name}, basis: {{number: 12/VP, date: '2026-02-02', issuer: STTTT}}{more}}}"
    )
}

pub fn tier_number() -> u8 {
    std::env::var("TESTBED_TIER").ok().and_then(|t| t.parse().ok()).unwrap_or(3)
}

/// Tier 1: the operator in a thread of this process, since each test has a runtime of its own that ends with it.
pub fn run_operator_here(namespace: &'static str, clock: Clock) {
    mail::use_ports_of_the_pod();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("runtime").block_on(async {
            let client = Client::try_default().await.expect("KUBECONFIG");
            let _operator = Operator::start_at(client, namespace, clock);
            std::future::pending::<()>().await;
        });
    });
}

async fn install(client: &Client) {
    for namespace in [NAMESPACE, BROKEN, BASELINE, SMALL, REMOVAL, CROWDED, DAMAGED] {
        let standard = if namespace == BASELINE { "baseline" } else { "restricted" };
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace,
            "labels": {"pod-security.kubernetes.io/enforce": standard}}});
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
        api.patch(namespace, &PatchParams::apply("a-person"), &Patch::Apply(&manifest)).await.expect("namespace");
    }
    if tier_number() == 1 {
        run_operator_here(NAMESPACE, Clock::system());
    } else {
        helm(&[]);
    }
    let systems: Api<MailSystem> = Api::namespaced(client.clone(), NAMESPACE);
    apply(&systems, SYSTEM).await.expect("system");
    apply(&Api::<Agency>::namespaced(client.clone(), NAMESPACE), AGENCY).await.expect("agency");
    wait_ready(&systems, "gialai", START).await;
}

async fn service_address(client: &Client, namespace: &str, name: &str) -> String {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let service = services.get(name).await.expect(name);
    service.spec.and_then(|s| s.cluster_ip).expect("an address")
}

async fn pod_address(client: &Client, namespace: &str) -> String {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    pods.get("gialai-0").await.expect("pod").status.and_then(|s| s.pod_ip).expect("an address")
}

impl World {
    pub async fn get() -> Option<Self> {
        Self::on(&[1, 2, 3]).await
    }

    /// On these tiers alone.
    pub async fn on(tiers: &[u8]) -> Option<Self> {
        let client = tier(tiers).await?;
        INSTALLED.get_or_init(|| install(&client)).await;
        let turn: Turn = Box::new(TURN.clone().read_owned().await);
        Some(Self { _turn: turn, ..Self::of(client, NAMESPACE).await })
    }

    /// The same, while no other test uses the system.
    pub async fn alone() -> Option<Self> {
        Self::alone_on(&[1, 2, 3]).await
    }

    /// The same on these tiers alone: the operator is killed or upgraded, pods are replaced, or the brake is set for one test.
    pub async fn alone_on(tiers: &[u8]) -> Option<Self> {
        let client = Self::on(tiers).await?.client;
        let turn: Turn = Box::new(TURN.clone().write_owned().await);
        Some(Self { _turn: turn, ..Self::of(client, NAMESPACE).await })
    }

    /// The system of a namespace that is Ready, which no other test uses.
    pub async fn of(client: Client, namespace: &'static str) -> Self {
        let (host, mx) = if tier_number() == 1 {
            let pod = pod_address(&client, namespace).await;
            (pod.clone(), pod)
        } else {
            let services = ["gialai", "gialai-mx"].map(|name| service_address(&client, namespace, name));
            let [host, mx] = services;
            (host.await, mx.await)
        };
        // A pod is Ready a moment before kube-proxy leads to it.
        eventually("the Services lead to the pod", SOON, || async {
            for (host, port) in [(&host, 993), (&host, 587), (&mx, 25)] {
                mail::reaches(host, port).await.map_err(|e| format!("{host}:{port}: {e}"))?;
            }
            Ok(())
        })
        .await;
        Self {
            namespace,
            host,
            mx,
            mailboxes: Api::namespaced(client.clone(), namespace),
            systems: Api::namespaced(client.clone(), namespace),
            policies: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            client,
            _turn: Box::new(()),
        }
    }

    /// Has the MailSystem looked at now, as `kubectl annotate` does.
    pub async fn look(&self) {
        let at = format!("{:x}", rand::random::<u64>());
        let patch = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/reconcile-requested-at": at}}});
        self.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("annotated");
    }

    /// A mailbox that is ready, and its address and password.
    pub async fn person(&self, name: &str, full_name: &str) -> (String, String) {
        apply(&self.mailboxes, &person(name, full_name, "")).await.expect(name);
        self.person_as(name).await
    }

    /// The same of one that was applied.
    pub async fn person_as(&self, name: &str) -> (String, String) {
        let mailbox = wait_ready(&self.mailboxes, name, SOON).await;
        let address = mailbox.status.and_then(|s| s.address).expect("address");
        (address, initial_password(&self.client, self.namespace, name).await)
    }

    pub async fn lock(&self, name: &str, full_name: &str) {
        let lock = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";
        apply(&self.mailboxes, &person(name, full_name, lock)).await.expect("lock");
    }

    /// Waits until a holder whose lock was taken away gets in, with the new password (R6.3, D-12).
    pub async fn given_back(&self, name: &str, address: &str) -> String {
        eventually(&format!("{address} is given back"), SOON, || async {
            let new = initial_password(&self.client, self.namespace, name).await;
            // The old sessions are being ended, and a login under way with them.
            let (_, answer) = Imap::login(&self.host, address, &new).await.map_err(|e| e.to_string())?;
            if let_in(&answer) { Ok(new) } else { Err(answer) }
        })
        .await
    }

    /// A login. Sessions that are being ended may take one that is under way with them: it is tried again.
    pub async fn login(&self, user: &str, password: &str) -> (Imap, String) {
        let mut last = None;
        for _ in 0..5 {
            match Imap::login(&self.host, user, password).await {
                Ok(done) => return done,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        panic!("IMAP: {last:?}")
    }

    /// Waits until the INBOX holds a subject.
    pub async fn arrives(&self, user: &str, password: &str, subject: &str) {
        self.arrives_within(SOON, user, password, subject).await;
    }

    /// The same for mail that waits in the queue.
    pub async fn arrives_within(&self, limit: Duration, user: &str, password: &str, subject: &str) {
        eventually(&format!("'{subject}' at {user}"), limit, || async {
            let (mut imap, answer) = self.login(user, password).await;
            if !answer.starts_with("OK") {
                return Err(answer);
            }
            let found = imap.subjects().await.map_err(|e| e.to_string())?;
            if found.iter().any(|s| s == subject) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
}

/// Whether an answer lets somebody in.
pub fn let_in(answer: &str) -> bool {
    ["OK", "+OK", "235"].iter().any(|good| answer.starts_with(good))
}
