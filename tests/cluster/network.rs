//! Tier 2: who may speak to whom. The NetworkPolicies of the operator and of the chart are enforced there (by kube-router).

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use mail_operator::resources::{AGENT_PORT, PORTS, PROBE_PORT};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::support::{drop_namespace, eventually, namespace};
use crate::world::{NAMESPACE, SOON, World};

const OPERATOR: &str = "mail-operator";
/// Of no use to anybody; a test listens there.
const OTHER: u16 = 9999;
/// Dovecot's metrics, which its liveness probe reads.
const METRICS: u16 = 9090;
const HTTP: u16 = 8081;
const LIMIT: Duration = Duration::from_secs(3);

/// The network of a pod, as its node sees it.
struct Network {
    what: String,
    address: String,
    name: String,
}

impl Network {
    async fn of(pods: &Api<Pod>, pod: &str) -> Self {
        eventually(&format!("the network of {pod}"), SOON, || async {
            let status = pods.get(pod).await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            let address = status.pod_ip.ok_or("no address yet")?;
            let all = fs::read_dir("/run/netns").map_err(|e| e.to_string())?.flatten();
            let mut names = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let name = names.find(|name| {
                let found = Command::new("ip").args(["-netns", name, "-o", "-4", "address"]).output();
                found.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains(&format!(" {address}/")))
            });
            Ok(Self { what: pod.into(), name: name.ok_or(format!("{address} is nowhere"))?, address })
        })
        .await
    }

    /// Works inside it.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/run/netns/{}", self.name)).expect("a network");
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns");
                work()
            });
            done.join().expect("no panic")
        })
    }

    /// Whether a connection from here comes about.
    fn reaches(&self, host: &str, port: u16) -> bool {
        let to: SocketAddr = format!("{host}:{port}").parse().expect("an address");
        self.inside(|| TcpStream::connect_timeout(&to, LIMIT).is_ok())
    }

    /// From now on something answers on a port of this pod. Each connection is taken: once a queue of them is full, the port would
    /// seem to be closed.
    fn listen(&self) {
        let listener = self.inside(|| TcpListener::bind(("0.0.0.0", OTHER)).expect("a port"));
        std::thread::spawn(move || listener.incoming().for_each(drop));
    }

    /// Waits until exactly these ports can be reached from here.
    async fn sees(&self, to: &Self, open: &[u16], closed: &[u16]) -> Result<(), String> {
        let wrong = || {
            let mut wrong: Vec<String> = Vec::new();
            wrong.extend(open.iter().filter(|p| !self.reaches(&to.address, **p)).map(|p| format!("{p} is closed")));
            wrong.extend(closed.iter().filter(|p| self.reaches(&to.address, **p)).map(|p| format!("{p} is open")));
            wrong
        };
        let start = std::time::Instant::now();
        loop {
            let wrong = wrong();
            if wrong.is_empty() {
                return Ok(());
            }
            if start.elapsed() > SOON {
                return Err(format!("from {} to {}: {}", self.what, to.what, wrong.join(", ")));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Pods and policies of the test, in the namespace of each.
struct Scene {
    client: Client,
    elsewhere: String,
}

impl Scene {
    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// A pod that does nothing, of somebody else.
    async fn stranger(&self, namespace: &str, name: &str, labels: Value) -> Network {
        let image = std::env::var("MAIL_OPERATOR_MAIL_IMAGE").expect("MAIL_OPERATOR_MAIL_IMAGE");
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "c", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "600"],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}});
        let pods = self.pods(namespace);
        pods.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(&pod)).await.expect(name);
        Network::of(&pods, name).await
    }

    fn policies(&self, namespace: &str) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Policies add up: with this one beside them all others close nothing.
    async fn open_all(&self, namespace: &str) {
        let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "open-all"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}});
        let policies = self.policies(namespace);
        policies.patch("open-all", &PatchParams::apply("tests").force(), &Patch::Apply(&policy)).await.expect("policy");
    }

    async fn close_all(&self, namespace: &str) {
        let _ = self.policies(namespace).delete("open-all", &DeleteParams::default()).await;
    }

    /// What other tests would stumble over.
    async fn end(&self, strangers: &[(&str, &str)]) {
        for namespace in [NAMESPACE, OPERATOR] {
            self.close_all(namespace).await;
        }
        for (namespace, name) in strangers {
            let _ = self.pods(namespace).delete(name, &DeleteParams::default().grace_period(0)).await;
        }
        drop_namespace(&self.client, &self.elsewhere).await;
    }
}

fn mail_ports() -> Vec<u16> {
    PORTS.iter().map(|p| u16::try_from(p.2).expect("a port")).collect()
}

async fn policies_hold(world: &World, scene: &Scene, strangers: &[(&str, &str, Value)]) -> Result<(), String> {
    let [agent, probes] = [AGENT_PORT, PROBE_PORT].map(|p| u16::try_from(p).expect("a port"));
    let mail = Network::of(&world.pods, "gialai-0").await;
    let selector = ListParams::default().labels("app.kubernetes.io/name=mail-operator");
    let operators = scene.pods(OPERATOR).list(&selector).await.expect("pods").items;
    let mut operator = None;
    for pod in &operators {
        let network = Network::of(&scene.pods(OPERATOR), pod.metadata.name.as_deref().expect("a name")).await;
        network.sees(&mail, &[agent], &[]).await?;
        operator = Some(network);
    }
    let operator = operator.ok_or("no operator")?;
    // Something listens there, so that only a policy can close it.
    mail.listen();
    operator.listen();
    operator.sees(&mail, &[agent], &[OTHER]).await?;
    let everybody: Vec<u16> = mail_ports().into_iter().chain([probes, METRICS]).collect();
    let mut last = None;
    for (namespace, name, labels) in strangers {
        let stranger = scene.stranger(namespace, name, labels.clone()).await;
        stranger.sees(&mail, &everybody, &[agent, OTHER]).await?;
        stranger.sees(&operator, &[HTTP], &[OTHER]).await?;
        for (service, port) in [(&world.host, 993), (&world.host, 587), (&world.mx, 25)] {
            if !stranger.reaches(service, port) {
                return Err(format!("from {name} to the Service at {service}: {port} is closed"));
            }
        }
        last = Some(stranger);
    }
    // It is the policies that close them.
    let stranger = last.ok_or("no stranger")?;
    for (namespace, to, closed) in [(NAMESPACE, &mail, vec![agent, OTHER]), (OPERATOR, &operator, vec![OTHER])] {
        scene.open_all(namespace).await;
        stranger.sees(to, &closed, &[]).await?;
        scene.close_all(namespace).await;
        stranger.sees(to, &[], &closed).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_reaches_the_agent_and_everybody_the_ports_for_mail() {
    let Some(world) = World::alone_on(&[2]).await else { return };
    let elsewhere = namespace(&world.client, "elsewhere").await;
    let as_operator = json!({"app.kubernetes.io/name": "mail-operator"});
    let strangers = [
        (elsewhere.as_str(), "of-another-namespace", json!({})),
        (elsewhere.as_str(), "with-the-operators-label", as_operator),
        (OPERATOR, "beside-the-operator", json!({})),
        (NAMESPACE, "beside-the-mail-pod", json!({})),
    ];
    let scene = Scene { client: world.client.clone(), elsewhere: elsewhere.clone() };
    let found = policies_hold(&world, &scene, &strangers).await;
    scene.end(&strangers.each_ref().map(|(namespace, name, _)| (*namespace, *name))).await;
    assert_eq!(found, Ok(()));
}
