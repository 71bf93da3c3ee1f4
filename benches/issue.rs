//! What `docs/benchmarks.md` reports. Run by `make bench`, inside a test bed of tier 1 (a fresh API server each time):
//!   issue floor N C        a bare client makes the writes that N mailboxes cost, with the operator's watches open
//!   issue beside N C       the same on a test bed where a mail system runs, as it does beside the operator, which is stopped
//!   issue operator N C     the operator issues N mailboxes, all Ready
//!   issue latency N        apply → IMAP login (50 times) and lock → refused (20 times) with N mailboxes present
//!   issue quiet N SECONDS  API writes of the operator while nothing happens, and its memory

#[path = "../tests/cluster/support/mail.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod mail;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource};
use mail_operator::api::{AddressClaim, Agency, MailSystem, Mailbox};
use serde_json::{Value, json};

const NAMESPACE: &str = "bench";
/// Rest before what is measured.
const SETTLE: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |i: usize| args.get(i).and_then(|a| a.parse::<usize>().ok());
    let Some(what) = args.first() else {
        println!("run by `make bench`; see the head of benches/issue.rs");
        return Ok(());
    };
    mail_operator::tls::install_provider();
    let mut config = kube::Config::infer().await?;
    config.default_retry = false;
    let client = Client::try_from(config)?;
    prepare(&client).await?;
    let (n, c) = (number(1).unwrap_or(2000), number(2).unwrap_or(16));
    match what.as_str() {
        "floor" => floor(client, n, c, "floor").await,
        "beside" => {
            drop(Running::start(&client, c).await?);
            floor(client, n, c, "beside").await
        }
        "operator" => operator(client, n, c).await,
        "latency" => latency(client, n).await,
        "quiet" => quiet(client, n, c as u64).await,
        other => Err(format!("unknown: {other}").into()),
    }
}

fn document<K: Resource<DynamicType = ()>>(name: &str, spec: Value) -> Value {
    json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
}

fn basis() -> Value {
    json!({"number": "12/VP", "date": "2026-02-02", "issuer": "STTTT"})
}

fn mailbox(i: usize) -> Result<Mailbox, Failure> {
    let spec = json!({"agencyRef": {"name": "stttt"}, "fullName": "Trần Văn Minh", "localPart": format!("m{i}.stttt"), "basis": basis()});
    Ok(serde_json::from_value(document::<Mailbox>(&format!("nv-{i}"), spec))?)
}

/// Kinds, namespace; 600 objects before, because the first writes after a CRD was established stall.
async fn prepare(client: &Client) -> Result<(), Failure> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in mail_operator::api::crds() {
        let name = crd.metadata.name.clone().unwrap_or_default();
        crds.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(&crd)).await?;
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in [NAMESPACE, "warm"] {
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
    }
    let warm: Api<Mailbox> = Api::namespaced(client.clone(), "warm");
    for i in 0..200 {
        let mut object = mailbox(i)?;
        object.metadata.namespace = Some("warm".into());
        while warm.create(&PostParams::default(), &object).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let claims: Api<AddressClaim> = Api::namespaced(client.clone(), "warm");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "warm");
    for i in 0..200 {
        claims.create(&PostParams::default(), &claim(i, "warm")?).await?;
        secrets.create(&PostParams::default(), &secret(i, "warm")?).await?;
    }
    Ok(())
}

fn claim(i: usize, namespace: &str) -> Result<AddressClaim, Failure> {
    let owner = json!({"kind": "Mailbox", "name": format!("nv-{i}"), "uid": "00000000-0000-0000-0000-000000000000"});
    let mut claim = document::<AddressClaim>(
        &format!("m{i}.stttt"),
        json!({"use": "Primary", "ownerRef": owner, "ownerName": "Trần Văn Minh"}),
    );
    claim["metadata"]["namespace"] = namespace.into();
    claim["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "mail-operator"});
    Ok(serde_json::from_value(claim)?)
}

fn secret(i: usize, namespace: &str) -> Result<Secret, Failure> {
    let hash =
        "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
    Ok(serde_json::from_value(json!({
        "metadata": {"name": format!("nv-{i}-credentials"), "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "mail-operator", "mail.gialai.gov.vn/credentials": "true"}},
        "type": "Opaque", "stringData": {"hash": hash, "initialPassword": "kT4mx@9RwB7@npq3H"}
    }))?)
}

/// The status that the operator writes, with other words of the same length.
fn status(i: usize) -> Value {
    let now = "2026-11-24T10:00:00Z";
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now, "observedGeneration": 1});
    json!({"apiVersion": Mailbox::api_version(&()), "kind": "Mailbox", "metadata": {"name": format!("nv-{i}")}, "status": {
        "observedGeneration": 1, "address": format!("m{i}.stttt@gialai.gov.vn"), "state": "Active", "issuedAt": now,
        "quota": {"source": "SystemDefault", "storage": "2Gi", "maxAttachment": "20M"},
        "conditions": [condition("Synced", "Ready", "the mail server has the account as decided"),
            condition("Ready", "Issued", "address, account and password are issued")]
    }})
}

/// Counts mailboxes whose status says Ready, by a watch.
async fn count_ready(client: Client, n: usize, ready: Arc<AtomicUsize>) -> Result<(), Failure> {
    let api: Api<Mailbox> = Api::namespaced(client, NAMESPACE);
    let mut seen = std::collections::BTreeSet::new();
    let mut version = "0".to_string();
    loop {
        let mut events = api.watch(&WatchParams::default(), &version).await?.boxed();
        while let Some(event) = events.try_next().await.unwrap_or(None) {
            let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { continue };
            version = object.metadata.resource_version.clone().unwrap_or_default();
            let name = object.metadata.name.unwrap_or_default();
            let conditions = object.status.map(|s| s.conditions).unwrap_or_default();
            if name.starts_with("nv-") && conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
                seen.insert(name);
            }
            ready.store(seen.len(), Ordering::Relaxed);
            if seen.len() >= n {
                return Ok(());
            }
        }
    }
}

/// A watch that is read and thrown away, as the operator has one open for each kind.
fn open_watch<K>(client: &Client)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    tokio::spawn(async move {
        while let Ok(events) = api.watch(&WatchParams::default(), "0").await {
            events.for_each(|_| async {}).await;
        }
    });
}

async fn apply_mailboxes(client: &Client, from: usize, to: usize, c: usize) -> Result<(), Failure> {
    let api: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    stream::iter(from..to)
        .map(|i| {
            let api = api.clone();
            async move { api.create(&PostParams::default(), &mailbox(i)?).await.map(drop).map_err(Failure::from) }
        })
        .buffer_unordered(c)
        .try_collect()
        .await
}

/// CPU time of every process of the test bed by program, in ticks.
fn cpu_ticks() -> BTreeMap<String, u64> {
    let mut ticks = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((head, rest)) = stat.rsplit_once(')') else { continue };
        let name = head.split_once('(').map_or("", |(_, name)| name);
        let fields: Vec<u64> = rest.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
        *ticks.entry(name.to_string()).or_insert(0) += fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0);
    }
    ticks
}

/// What each program used since `before`, in seconds of one core.
fn cpu_since(before: &BTreeMap<String, u64>) -> String {
    let mut used: Vec<(String, u64)> =
        cpu_ticks().into_iter().map(|(name, t)| (name.clone(), t - before.get(&name).unwrap_or(&0).min(&t))).collect();
    used.sort_by_key(|(_, t)| std::cmp::Reverse(*t));
    let shown = used.iter().filter(|(_, t)| *t >= 10).map(|(name, t)| format!("{name}={:.1}", *t as f64 / 100.0));
    shown.collect::<Vec<_>>().join(",")
}

async fn floor(client: Client, n: usize, c: usize, what: &str) -> Result<(), Failure> {
    // The operator's; the one that counts comes on top in both runs.
    open_watch::<Mailbox>(&client);
    open_watch::<AddressClaim>(&client);
    open_watch::<Secret>(&client);
    open_watch::<Agency>(&client);
    let ready = Arc::new(AtomicUsize::new(0));
    let counted = tokio::spawn(count_ready(client.clone(), n, ready));
    let (start, cpu) = (Instant::now(), cpu_ticks());
    let (send, receive) = tokio::sync::mpsc::channel(1024);
    let api: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let creating = stream::iter(0..n).map(Ok::<_, Failure>).try_for_each_concurrent(c, |i| {
        let (api, send) = (api.clone(), send.clone());
        async move {
            api.create(&PostParams::default(), &mailbox(i)?).await?;
            send.send(i).await?;
            Ok(())
        }
    });
    let writes = stream::unfold(receive, |mut r| async move { r.recv().await.map(|i| (i, r)) });
    let issuing = writes.take(n).map(Ok::<_, Failure>).try_for_each_concurrent(c, |i| {
        let client = client.clone();
        async move {
            let claims: Api<AddressClaim> = Api::namespaced(client.clone(), NAMESPACE);
            claims.create(&PostParams::default(), &claim(i, NAMESPACE)?).await?;
            let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
            secrets.create(&PostParams::default(), &secret(i, NAMESPACE)?).await?;
            let mailboxes: Api<Mailbox> = Api::namespaced(client, NAMESPACE);
            let parameters = PatchParams::apply("mail-operator").force();
            mailboxes.patch_status(&format!("nv-{i}"), &parameters, &Patch::Apply(&status(i))).await?;
            Ok(())
        }
    });
    let (created, issued) = tokio::join!(creating, issuing);
    created?;
    issued?;
    counted.await??;
    println!("{what} n={n} c={c} seconds={:.2} cpu={}", start.elapsed().as_secs_f64(), cpu_since(&cpu));
    Ok(())
}

/// The operator as a process of its own, with a system that runs.
struct Running {
    process: std::process::Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    async fn start(client: &Client, c: usize) -> Result<Self, Failure> {
        let program = std::env::var("MAIL_OPERATOR_PROGRAM")?;
        let process = std::process::Command::new(program)
            .args(["run", "--namespace", NAMESPACE, "--concurrency", &c.to_string(), "--listen", "127.0.0.1:8081"])
            .stderr(std::fs::File::create(std::env::temp_dir().join("bench-operator.log"))?)
            .spawn()?;
        let running = Self { process };
        let parameters = PatchParams::apply("bench").force();
        let systems: Api<MailSystem> = Api::namespaced(client.clone(), NAMESPACE);
        let spec = json!({"domain": "gialai.gov.vn", "hostname": "mail.gialai.gov.vn", "dovecot": {"storage": {"size": "1Gi"}}});
        systems.patch("gialai", &parameters, &Patch::Apply(document::<MailSystem>("gialai", spec))).await?;
        let agencies: Api<Agency> = Api::namespaced(client.clone(), NAMESPACE);
        let spec = json!({"systemRef": {"name": "gialai"}, "level": "Province", "name": "Sở Thông tin và Truyền thông", "basis": basis()});
        agencies.patch("stttt", &parameters, &Patch::Apply(document::<Agency>("stttt", spec))).await?;
        for _ in 0..1200 {
            let conditions = systems.get("gialai").await?.status.map(|s| s.conditions).unwrap_or_default();
            if conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
                // Dovecot, Postfix and rspamd go on starting for a while, on the same cores.
                tokio::time::sleep(SETTLE).await;
                return Ok(running);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the MailSystem is not Ready within 120 s".into())
    }

    fn memory(&self) -> String {
        format!("operator_rss_mib={} agent_rss_mib={}", rss(&self.process.id().to_string()), agent_rss())
    }
}

/// Resident memory in MiB.
fn rss(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|k| k.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn agent_rss() -> u64 {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids =
        processes.filter_map(|e| e.file_name().into_string().ok()).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"/usr/bin/mail-operator\0agent\0")
    })
    .map(|pid| rss(&pid))
    .max()
    .unwrap_or(0)
}

async fn operator(client: Client, n: usize, c: usize) -> Result<(), Failure> {
    let running = Running::start(&client, c).await?;
    let ready = Arc::new(AtomicUsize::new(0));
    let counted = tokio::spawn(count_ready(client.clone(), n, ready));
    let before = writes().await?;
    let (start, cpu) = (Instant::now(), cpu_ticks());
    apply_mailboxes(&client, 0, n, c).await?;
    counted.await??;
    let seconds = start.elapsed().as_secs_f64();
    let (cost, cpu) = (writes().await? - before, cpu_since(&cpu));
    println!("operator n={n} c={c} seconds={seconds:.2} writes={cost} {} cpu={cpu}", running.memory());
    Ok(())
}

/// Requests of the operator that write, the Lease apart.
async fn writes() -> Result<u64, Failure> {
    let text = http_get("127.0.0.1:8081", "/metrics").await?;
    let verbs = ["create", "patch", "patch/status", "update", "delete"];
    let lines = text.lines().filter(|l| l.contains("kube_requests_total") && !l.contains("kind=\"Lease\""));
    let lines = lines.filter(|l| verbs.iter().any(|v| l.contains(&format!("verb=\"{v}\""))));
    Ok(lines.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

async fn http_get(address: &str, path: &str) -> Result<String, Failure> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

async fn latency(client: Client, n: usize) -> Result<(), Failure> {
    let running = Running::start(&client, 16).await?;
    let counted = tokio::spawn(count_ready(client.clone(), n, Arc::default()));
    apply_mailboxes(&client, 0, n, 16).await?;
    counted.await??;
    tokio::time::sleep(SETTLE).await;
    mail::use_ports_of_the_pod();
    let added = std::process::Command::new("ip").args(["address", "add", "10.99.0.1/16", "dev", "lo"]).status()?;
    if !added.success() {
        return Err("10.99.0.1/16 cannot be added to the loopback device".into());
    }
    mail::use_many_sources();
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let host = pods.get("gialai-0").await?.status.and_then(|s| s.pod_ip).ok_or("no address")?;
    let mut logins = Vec::new();
    for i in n..n + 50 {
        logins.push(apply_to_login(&client, &host, i).await?);
    }
    let mut locks = Vec::new();
    for i in n..n + 20 {
        locks.push(lock_to_refusal(&client, &host, i).await?);
    }
    println!(
        "latency n={n} {} {} {}",
        percentiles("login", &mut logins),
        percentiles("lock", &mut locks),
        running.memory()
    );
    Ok(())
}

fn user(i: usize) -> String {
    format!("m{i}.stttt@gialai.gov.vn")
}

async fn password(client: &Client, i: usize) -> Result<String, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let secret = secrets.get(&format!("nv-{i}-credentials")).await?;
    Ok(String::from_utf8(secret.data.ok_or("data")?["initialPassword"].0.clone())?)
}

/// Apply, wait as `kubectl wait` does for Ready, read the password, log in at the first try.
async fn apply_to_login(client: &Client, host: &str, i: usize) -> Result<Duration, Failure> {
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let start = Instant::now();
    let created = mailboxes.create(&PostParams::default(), &mailbox(i)?).await?;
    let only = WatchParams::default().fields(&format!("metadata.name=nv-{i}"));
    let version = created.metadata.resource_version.unwrap_or_default();
    let mut events = mailboxes.watch(&only, &version).await?.boxed();
    loop {
        let Some(event) = events.try_next().await? else { return Err("the watch ended".into()) };
        let WatchEvent::Modified(object) = event else { continue };
        let conditions = object.status.map(|s| s.conditions).unwrap_or_default();
        if conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
            break;
        }
    }
    let answer = mail::Imap::login(host, &user(i), &password(client, i).await?).await?.1;
    if !answer.starts_with("OK") {
        return Err(format!("Ready, but IMAP says {answer}").into());
    }
    Ok(start.elapsed())
}

/// From the lock to the first password that is refused: connections stand ready, each 20 ms one sends it. Dovecot's delay of
/// its answer to who failed is not in it.
async fn lock_to_refusal(client: &Client, host: &str, i: usize) -> Result<Duration, Failure> {
    let mailboxes: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let password = password(client, i).await?;
    let login = format!("LOGIN \"{}\" \"{password}\"", user(i));
    let mut ready = Vec::new();
    for _ in 0..60 {
        ready.push(mail::Imap::connect(host).await?);
    }
    let lock = json!({"spec": {"lock": {"reasons": ["Compromised"], "basis": basis()}}});
    let start = Instant::now();
    mailboxes.patch(&format!("nv-{i}"), &PatchParams::default(), &Patch::Merge(&lock)).await?;
    let mut attempts = tokio::task::JoinSet::new();
    for mut session in ready {
        let login = login.clone();
        attempts.spawn(async move {
            let sent = start.elapsed();
            let answer = session.command(&login).await.ok()?;
            (!answer.last()?.starts_with("OK")).then_some(sent)
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = attempts.join_all().await;
    refused.into_iter().flatten().min().ok_or_else(|| "not refused within 1.2 s".into())
}

fn percentiles(name: &str, times: &mut [Duration]) -> String {
    times.sort();
    let at = |p: usize| times[(times.len() * p / 100).min(times.len() - 1)].as_millis();
    format!("{name}_p50_ms={} {name}_p99_ms={}", at(50), at(99))
}

async fn quiet(client: Client, n: usize, seconds: u64) -> Result<(), Failure> {
    let running = Running::start(&client, 16).await?;
    let counted = tokio::spawn(count_ready(client.clone(), n, Arc::default()));
    apply_mailboxes(&client, 0, n, 16).await?;
    counted.await??;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before = writes().await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    println!("quiet n={n} seconds={seconds} writes={} {}", writes().await? - before, running.memory());
    Ok(())
}
