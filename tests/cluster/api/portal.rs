//! Tier 1: the password page over real Secrets, with the rights that the chart gives its ServiceAccount and no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::{Request, StatusCode};
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use mail_operator::api::PASSWORD_CHANGED_AT;
use mail_operator::kube_io::Io;
use mail_operator::portal::{
    Account, Accounts, Clock, Csrf, Desk, KubeAccounts, Peer, Proxies, Served, StoreError, Web, routes,
};
use mail_operator::telemetry::Metrics;
use serde_json::json;
use tower::ServiceExt;

use super::portal_rights::{as_portal, release, rules};
use super::{SOON, SYSTEM, World};
use crate::support::mail::Lines;
use crate::support::operator::Operator;
use crate::support::{apply, eventually, initial_password, wait_ready};

const NEW: &str = "Phố-núi@2026";
const NEXT: &str = "Biển-hồ@2027";
const WRONG: &str = "Sai-mật-khẩu@1";

/// Somebody else writes the Secret just before the page does.
struct Meddled {
    inner: Arc<KubeAccounts>,
    secrets: Api<Secret>,
    times: AtomicUsize,
}

impl Accounts for Meddled {
    fn served(&self) -> Option<Served> {
        self.inner.served()
    }

    fn find(&self, address: &str, now: Timestamp) -> Option<Account> {
        self.inner.find(address, now)
    }

    fn read<'a>(&'a self, mailbox: Option<&'a str>) -> BoxFuture<'a, Result<Option<Secret>, StoreError>> {
        self.inner.read(mailbox)
    }

    fn write<'a>(&'a self, credentials: &'a Secret) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            if self.times.load(Ordering::Relaxed) > 0 {
                self.times.fetch_sub(1, Ordering::Relaxed);
                let name = credentials.metadata.name.as_deref().expect("a name");
                let at = format!("{:x}", rand::random::<u64>());
                let patch = json!({"metadata": {"annotations": {"tests/touched": at}}});
                self.secrets.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("touched");
            }
            self.inner.write(credentials).await
        }
        .boxed()
    }
}

struct Portal {
    app: Router,
    accounts: Arc<Meddled>,
    metrics: Metrics,
}

impl Portal {
    async fn start(world: &World) -> Self {
        let client = as_portal(&world.client, &world.namespace).await;
        let metrics = Metrics::default();
        let inner = KubeAccounts::start(Io::new(client, &world.namespace, metrics.clone()), "gialai", &metrics);
        let secrets = Api::namespaced(world.client.clone(), &world.namespace);
        let accounts = Arc::new(Meddled { inner, secrets, times: AtomicUsize::new(0) });
        let csrf = Arc::new(Csrf::default());
        csrf.set(&"a key".into());
        let desk = Desk::new(accounts.clone(), metrics.clone(), Clock::system(), Duration::ZERO);
        let web = Web::new(desk, csrf, Proxies::default()).expect("templates");
        let app = routes(Arc::new(web)).layer(Extension(Peer("192.0.2.1".parse().expect("an address"))));
        let portal = Self { app, accounts, metrics };
        eventually("the page is ready", SOON, || async { portal.accounts.served().ok_or("not yet".into()) }).await;
        portal
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, String) {
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        (parts.status, parts.headers, String::from_utf8_lossy(&bytes).replace("&#x2f;", "/"))
    }

    /// Opens the page and sends the form.
    async fn change(&self, address: &str, current: &str, new: &str) -> (StatusCode, String) {
        let (_, headers, page) = self.send(Request::get("/").body(Body::empty()).expect("request")).await;
        let cookie = headers["set-cookie"].to_str().expect("text").split(';').next().expect("a cookie").to_string();
        let token = page.split("name=\"token\" value=\"").nth(1).and_then(|r| r.split('"').next()).expect("a token");
        let escape = |t: &str| t.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let fields = [("token", token), ("address", address), ("current", current), ("new", new), ("again", new)];
        let body: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={}", escape(v))).collect();
        let request = Request::post("/")
            .header("host", "mail.gialai.gov.vn")
            .header("origin", "https://mail.gialai.gov.vn")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie);
        let (status, _, page) = self.send(request.body(Body::from(body.join("&"))).expect("request")).await;
        let without_token = page.split("name=\"token\" value=\"").enumerate().map(|(n, part)| {
            if n == 0 { part.to_string() } else { part.split_once('"').map(|p| p.1).unwrap_or_default().to_string() }
        });
        (status, without_token.collect::<String>().replace(address, "ADDRESS"))
    }
}

async fn state(world: &World, name: &str, wanted: &str) {
    eventually(&format!("{name} {wanted}"), SOON, || async {
        let state = world.mailboxes.get(name).await.expect(name).status.and_then(|s| s.state);
        let found = format!("{state:?}");
        if found.contains(wanted) { Ok(()) } else { Err(found) }
    })
    .await;
}

async fn secret(world: &World, mailbox: &str) -> Secret {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    secrets.get(&format!("{mailbox}-credentials")).await.expect("credentials")
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_1_first_access_by_the_page_opens_mail_by_every_address() {
    let Some((world, operator, agent)) = World::running("portal").await else { return };
    let must_change = SYSTEM.replace("firstAccess: MailAllowed", "firstAccess: ChangePassword");
    apply(&world.systems, &must_change).await.expect("system");
    world.person("nv-1", "Hoàng Thị Như Quỳnh", ", aliases: [quynh.cu]").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    state(&world, "nv-1", "MustChangePassword").await;
    let portal = Portal::start(&world).await;
    let initial = initial_password(&world.client, &world.namespace, "nv-1").await;
    // Everything that is wrong looks the same.
    let wrong = portal.change("quynhhtn.stttt@gialai.gov.vn", WRONG, NEW).await;
    let unknown = portal.change("khong.co@gialai.gov.vn", &initial, NEW).await;
    assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.1.contains("không đúng"));
    let plain = |page: &str| page.replace("quynhhtn.stttt@gialai.gov.vn", "ADDRESS");
    assert_eq!((wrong.0, plain(&wrong.1)), (unknown.0, plain(&unknown.1)));
    eventually("the alias is known to the page", SOON, || async {
        let found = portal.accounts.find("quynh.cu@gialai.gov.vn", Timestamp::now());
        found.map(drop).ok_or("not yet".into())
    })
    .await;
    assert_eq!(portal.change("Quynh.CU", &initial, NEW).await.0, StatusCode::SEE_OTHER);
    let changed = secret(&world, "nv-1").await;
    let data = changed.data.clone().expect("data");
    assert_eq!(data.keys().map(String::as_str).collect::<Vec<_>>(), ["hash"], "the initial password is gone");
    let hash = String::from_utf8(data["hash"].0.clone()).expect("text");
    assert!(hash.starts_with("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(changed.metadata.annotations.expect("annotations").contains_key(PASSWORD_CHANGED_AT));
    assert!(changed.metadata.labels.is_some(), "the operator's watch still sees it");
    state(&world, "nv-1", "Active").await;
    agent.until("SELECT password FROM accounts WHERE mailbox = 'nv-1'", &[hash.as_str()]).await;
    // Somebody else writes at the same time: once it is done from anew, twice it is said.
    portal.accounts.times.store(1, Ordering::Relaxed);
    assert_eq!(portal.change("quynhhtn.stttt", NEW, NEXT).await.0, StatusCode::SEE_OTHER);
    portal.accounts.times.store(2, Ordering::Relaxed);
    assert_eq!(portal.change("quynhhtn.stttt", NEXT, NEW).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(portal.change("quynhhtn.stttt", NEXT, NEW).await.0, StatusCode::SEE_OTHER, "nothing was changed before");
    assert!(secret(&world, "nv-1").await.metadata.annotations.expect("annotations").contains_key("tests/touched"));
    operator.stop().await;
    release(&world.client, &world.namespace).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_3_locked_is_told_after_the_right_password_and_revoked_never() {
    let Some((world, operator, _agent)) = World::running("portal-locked").await else { return };
    world.person("nv-1", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let portal = Portal::start(&world).await;
    let initial = initial_password(&world.client, &world.namespace, "nv-1").await;
    let lock = ", lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: STTTT}}";
    world.person("nv-1", "Trần Đình Nguyên", lock).await;
    state(&world, "nv-1", "Locked").await;
    let before = secret(&world, "nv-1").await.metadata.resource_version;
    let address = "nguyentd.stttt@gialai.gov.vn";
    eventually("the page knows of the lock", SOON, || async {
        let account = portal.accounts.find(address, Timestamp::now()).ok_or("no account")?;
        if account.locks.iter().any(|lock| lock.since.is_some()) { Ok(()) } else { Err("open".to_string()) }
    })
    .await;
    let wrong = portal.change(address, WRONG, NEW).await;
    assert!(wrong.1.contains("không đúng") && !wrong.1.contains("khóa"));
    let (status, page) = portal.change(address, &initial, NEW).await;
    assert_eq!(status, StatusCode::OK);
    for part in ["điểm b khoản 2 Điều 6", "9/CV", "Sở Thông tin và Truyền thông", "khoản 3 Điều 6"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(secret(&world, "nv-1").await.metadata.resource_version, before, "nothing is written");
    world.person("nv-1", "Trần Đình Nguyên", ", state: Revoked").await;
    eventually("the page knows of the end", SOON, || async {
        if portal.accounts.find(address, Timestamp::now()).is_none() { Ok(()) } else { Err("there".to_string()) }
    })
    .await;
    assert_eq!(portal.change(address, &initial, NEW).await, portal.change(address, WRONG, NEW).await);
    // What was used is what the Role grants.
    let text = portal.metrics.text();
    let used =
        |verb: &str| text.contains(&format!("kube_requests_total{{verb=\"{verb}\",kind=\"Secret\",ok=\"true\"}}"));
    let granted: Vec<_> = rules().as_array().expect("rules").clone();
    let secrets = granted.iter().find(|rule| rule["resources"] == json!(["secrets"])).expect("secrets");
    assert_eq!(secrets["verbs"], json!(["get", "update"]));
    assert!(used("get") && !text.contains("ok=\"false\",kind=\"Secret\""), "{text}");
    operator.stop().await;
    release(&world.client, &world.namespace).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_and_goes_with_spec_portal() {
    let Some((world, operator, _agent)) = World::running("portal-off").await else { return };
    let (c, ns) = (world.client.clone(), world.namespace.as_str());
    let deployments: Api<Deployment> = Api::namespaced(c.clone(), ns);
    let services: Api<Service> = Api::namespaced(c.clone(), ns);
    let policies: Api<NetworkPolicy> = Api::namespaced(c.clone(), ns);
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(c.clone(), ns);
    let name = "gialai-portal";
    let there = async || {
        let error = |e: kube::Error| e.to_string();
        Ok::<_, String>([
            deployments.get_opt(name).await.map_err(error)?.is_some(),
            services.get_opt(name).await.map_err(error)?.is_some(),
            policies.get_opt(name).await.map_err(error)?.is_some(),
            budgets.get_opt(name).await.map_err(error)?.is_some(),
        ])
    };
    let become_ = async |what: &str, wanted: [bool; 4]| {
        eventually(what, SOON, || async {
            let found = there().await?;
            if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    };
    let with = |portal: &str| SYSTEM.replace("hostname:", &format!("portal: {portal}, hostname:"));
    become_("by default there is one pod", [true, true, true, false]).await;
    let page = async || {
        let status = world.systems.get("gialai").await.expect("system").status.unwrap_or_default();
        status.endpoints.into_iter().find(|e| e.protocol == "https").map(|e| (e.host, e.port))
    };
    eventually("the endpoint", SOON, || async { page().await.ok_or("none".to_string()) }).await;
    assert_eq!(page().await, Some((format!("gialai-portal.{ns}.svc"), 443)));
    apply(&world.systems, &with("{replicas: 2}")).await.expect("two");
    become_("two have a budget", [true; 4]).await;
    apply(&world.systems, &with("{replicas: 1}")).await.expect("one");
    become_("one has none", [true, true, true, false]).await;
    apply(&world.systems, &with("{enabled: false}")).await.expect("none");
    become_("nothing is left", [false; 4]).await;
    eventually("no endpoint", SOON, || async { page().await.map_or(Ok(()), |e| Err(format!("{e:?}"))) }).await;
    apply(&world.systems, &with("{enabled: true}")).await.expect("again");
    become_("it is back", [true, true, true, false]).await;
    let error = apply(&world.systems, &with("{replicas: 0}")).await.expect_err("none is another field");
    assert!(error.to_string().contains("spec.portal.enabled: false"), "{error}");
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_somebody_else_with_the_name_of_the_page_is_not_deleted() {
    let Some(world) = World::new("portal-namesake").await else { return };
    let services: Api<Service> = Api::namespaced(world.client.clone(), &world.namespace);
    let theirs =
        json!({"metadata": {"name": "gialai-portal"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}});
    let theirs = serde_json::from_value(theirs).expect("a Service");
    services.create(&PostParams::default(), &theirs).await.expect("theirs");
    let none = SYSTEM.replace("hostname:", "portal: {enabled: false}, hostname:");
    apply(&world.systems, &none).await.expect("system");
    let operator = Operator::start(world.client.clone(), &world.namespace);
    eventually("the status is written", SOON, || async {
        let status = world.systems.get("gialai").await.expect("system").status.unwrap_or_default();
        if status.endpoints.is_empty() { Err("not yet".to_string()) } else { Ok(()) }
    })
    .await;
    services.get("gialai-portal").await.expect("it is still there");
    operator.stop().await;
    world.end().await;
}

async fn answer(mut lines: Lines, path: &str) -> std::io::Result<String> {
    lines.send(&format!("GET {path} HTTP/1.1\r\nHost: mail.gialai.gov.vn\r\nConnection: close\r\n")).await?;
    lines.line().await
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_the_program_serves_by_tls_probes_apart_and_ends_when_it_is_told() {
    let Some((world, operator, _agent)) = World::running("portal-run").await else { return };
    let folder = tempfile::tempdir().expect("folder");
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    for (key, value) in secrets.get("gialai-tls").await.expect("the certificate").data.expect("data") {
        std::fs::write(folder.path().join(key), value.0).expect("file");
    }
    let host = format!("127.88.{}.{}", rand::random::<u8>(), rand::random::<u8>().clamp(2, 250));
    let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_mail-operator"))
        .args(["portal", "--namespace", &world.namespace, "--system", "gialai"])
        .args(["--tls", &folder.path().to_string_lossy(), "--listen", &format!("{host}:8443")])
        .args(["--probes", &format!("{host}:8090")])
        .stderr(std::fs::File::create(folder.path().join("log")).expect("log"))
        .kill_on_drop(true)
        .spawn()
        .expect("the page starts");
    eventually("ready", SOON, || async {
        let lines = Lines::plain(&host, 8090).await.map_err(|e| e.to_string())?;
        let line = answer(lines, "/readyz").await.map_err(|e| e.to_string())?;
        if line.contains("200") { Ok(()) } else { Err(line) }
    })
    .await;
    let page = answer(Lines::tls(&host, 8443).await.expect("TLS"), "/").await.expect("a page");
    assert!(page.contains("200"), "{page}");
    // Each listener has what belongs to it and nothing else.
    let probes = answer(Lines::plain(&host, 8090).await.expect("HTTP"), "/").await.expect("an answer");
    let metrics = answer(Lines::tls(&host, 8443).await.expect("TLS"), "/metrics").await.expect("an answer");
    assert!(probes.contains("404") && metrics.contains("404"), "{probes} {metrics}");
    let pid = process.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("told");
    let status = tokio::time::timeout(SOON, process.wait()).await.expect("it ends").expect("a status");
    assert!(status.success(), "{status}");
    operator.stop().await;
    world.end().await;
}
