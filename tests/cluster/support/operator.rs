//! The operator and the agent inside the test process, on the real API server: everything of them is real but the mail
//! daemons behind the agent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use mail_operator::backend::dovecot::AgentClient;
use mail_operator::controllers::{self, Clock, Readiness, Settings, stop_when};
use mail_operator::resources::AGENT_NAME_PREFIX;
use mail_operator::telemetry::Metrics;
use mail_operator::tls::{self, Pair, Role};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::eventually;

/// A start, which is no event to be heard: a machine with other work may take its time.
const START: Duration = Duration::from_secs(60);

/// A running operator; it is stopped, not killed, by `stop`.
pub struct Operator {
    pub metrics: Metrics,
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn image(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| "registry.local/none:1".into())
}

impl Operator {
    /// Starts the controllers of one namespace.
    pub fn start(client: Client, namespace: &str) -> Self {
        Self::start_at(client, namespace, Clock::system())
    }

    /// The same with another clock, by which certificates are made as well.
    pub fn start_at(client: Client, namespace: &str, clock: Clock) -> Self {
        Self::start_with(client, namespace, clock.clone(), clock)
    }

    /// The same with another clock for what the regulation says: far from today no certificate would be good.
    pub fn start_with(client: Client, namespace: &str, clock: Clock, wall: Clock) -> Self {
        let metrics = Metrics::default();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let settings = Settings {
            readiness: Readiness::default(),
            identity: "tests".into(),
            mail_image: image("MAIL_OPERATOR_MAIL_IMAGE"),
            agent_image: image("MAIL_OPERATOR_IMAGE"),
            portal_account: "mail-operator-portal".into(),
            pull_secrets: vec![],
            operator_namespace: namespace.into(),
            concurrency: 16,
            term: 1,
            clock,
            days_ahead: 0,
            wall,
        };
        let stop_future = stop_when(async move {
            let _ = stopped.await;
        });
        let (namespace, for_run) = (namespace.to_string(), metrics.clone());
        let task = tokio::spawn(async move {
            controllers::run(client, &namespace, settings, for_run, stop_future)
                .await
                .expect("it runs until it is stopped");
        });
        Self { metrics, stop, task }
    }

    /// Stops as SIGTERM does.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        tokio::time::timeout(Duration::from_secs(20), self.task).await.expect("an orderly stop").expect("no panic");
    }

    /// Ends it in the middle of whatever it does, as `kill -9` would.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Requests to the API server that write, apart from the Lease, by verb and kind.
    pub fn requests(&self) -> Vec<String> {
        let writes = ["create", "patch", "patch/status", "update", "delete"];
        let text = self.metrics.text();
        let lines = text.lines().filter(|l| l.contains("kube_requests_total") && !l.contains("kind=\"Lease\""));
        lines.filter(|l| writes.iter().any(|verb| l.contains(&format!("verb=\"{verb}\"")))).map(String::from).collect()
    }

    /// Waits until nothing was written for a while.
    pub async fn rests(&self) {
        eventually("rest", START, || async {
            let before = self.writes();
            tokio::time::sleep(Duration::from_secs(6)).await;
            if self.writes() == before { Ok(()) } else { Err("still writing".into()) }
        })
        .await;
    }

    /// How many these are.
    pub fn writes(&self) -> u64 {
        self.requests().iter().filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

/// Speaks to an agent in the operator's name, for the leader of a term.
pub async fn agent_client(client: &Client, namespace: &str, address: SocketAddr, term: i64) -> AgentClient {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let data = secrets.get("gialai-agent-ca").await.expect("authority").data.expect("data");
    let text = |key: &str| String::from_utf8(data[key].0.clone()).expect("text");
    let authority = Pair { certificate: text("ca.crt"), key: text("ca.key").into() };
    let now = Timestamp::now().as_second();
    let pair = tls::issue(&authority, Role::Client, "mail-operator", now, 1).expect("a certificate");
    let config = Arc::new(tls::client_config(&pair, &authority.certificate).expect("TLS"));
    let name = format!("{AGENT_NAME_PREFIX}.gialai.{namespace}");
    AgentClient::new(address, &name, config, term).expect("a client")
}

/// A real agent, a process on an address of its own, in the place of the one in the pod.
pub struct Agent {
    pub folder: tempfile::TempDir,
    pub address: Ipv4Addr,
    process: std::process::Child,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Agent {
    /// Starts an agent with the Secrets that the operator made and gives the pod its address.
    pub async fn start(client: &Client, namespace: &str) -> Self {
        let [_, a, b, c] = (rand::random::<u32>() | 0x0001_0101).to_be_bytes();
        let address = Ipv4Addr::new(127, a, b.max(1), c.clamp(2, 250));
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        for (secret, into) in [("gialai-agent-tls", "agent"), ("gialai-tls", "mail"), ("gialai-doveadm", "auth")] {
            write_secret(client, namespace, secret, &path(into)).await;
        }
        // The pod has both before it starts.
        for name in ["vmail", "journal"] {
            std::fs::create_dir(path(name)).expect(name);
        }
        let process = spawn(folder.path(), address);
        give_address(client, namespace, address).await;
        // It has its files before it listens.
        eventually("the agent listens", START, || async {
            TcpStream::connect((address, 8443)).await.map(drop).map_err(|e| e.to_string())
        })
        .await;
        Self { folder, address, process }
    }

    /// Ends it as `kill -9` does; its folder stays.
    pub fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }

    /// Starts again on the same folder.
    pub fn start_again(&mut self) {
        self.process = spawn(self.folder.path(), self.address);
    }

    /// Starts again with a journal that cannot be written.
    pub fn without_journal(&mut self) {
        self.kill();
        let (journal, aside) = (self.folder.path().join("journal"), self.folder.path().join("aside"));
        std::fs::rename(&journal, aside).expect("moved");
        std::fs::write(journal, "no folder").expect("in its place");
        self.start_again();
    }

    /// Starts again with the journal that it had.
    pub fn with_journal_again(&mut self) {
        self.kill();
        let (journal, aside) = (self.folder.path().join("journal"), self.folder.path().join("aside"));
        std::fs::remove_file(&journal).expect("removed");
        std::fs::rename(aside, journal).expect("moved back");
        self.start_again();
    }

    /// The account table, as Dovecot and Postfix read it.
    pub fn rows(&self, query: &str) -> Vec<String> {
        let db = rusqlite::Connection::open(self.folder.path().join("mail.sqlite")).expect("database");
        let mut statement = db.prepare(query).expect("query");
        let rows = statement.query_map([], |r| r.get::<_, String>(0)).expect("rows");
        rows.map(|r| r.expect("row")).collect()
    }

    /// Waits until a query gives what is expected.
    pub async fn until(&self, query: &str, expected: &[&str]) {
        eventually(query, Duration::from_secs(40), || async {
            let found = self.rows(query);
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
}

fn spawn(folder: &std::path::Path, address: Ipv4Addr) -> std::process::Child {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    std::process::Command::new(env!("CARGO_BIN_EXE_mail-operator"))
        .args(["agent", "--database", &path("mail.sqlite"), "--tls", &path("agent"), "--mail-tls", &path("mail")])
        .args(["--journal", &path("journal")])
        .args(["--doveadm-key", &path("auth/api_key"), "--listen", &format!("{address}:8443")])
        .args(["--mail", &path("vmail")])
        .args(["--events", &path("events.jsonl"), "--usage", &path("usage.sqlite")])
        .args(["--probes", &format!("{address}:8090")])
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(folder.join("log")).expect("log"))
        .spawn()
        .expect("the agent starts")
}

async fn write_secret(client: &Client, namespace: &str, name: &str, folder: &std::path::Path) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = eventually(name, START, || async { secrets.get(name).await.map_err(|e| e.to_string()) }).await;
    std::fs::create_dir_all(folder).expect("folder");
    for (key, value) in secret.data.expect("data") {
        std::fs::write(folder.join(key), value.0).expect("file");
    }
}

async fn give_address(client: &Client, namespace: &str, address: Ipv4Addr) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    eventually("pod gialai-0", START, || async {
        let status = json!({"status": {"podIP": address.to_string(), "podIPs": [{"ip": address.to_string()}]}});
        pods.patch_status("gialai-0", &PatchParams::default(), &Patch::Merge(&status))
            .await
            .map(|_| ())
            .map_err(|e| e.to_string())
    })
    .await;
}
