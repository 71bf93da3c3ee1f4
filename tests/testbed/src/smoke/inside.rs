//! What is checked inside a test bed.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{check, create, eventually, kubectl, must_create};

const NS: &str = "-nsmoke";
const IMAGE: &str = "registry.local/busybox:1";
const SOON: Duration = Duration::from_secs(20);

/// The control plane, and with it the pod runner.
pub fn tier1() -> Result<()> {
    check("namespace, controllers and ServiceAccount", || {
        must_create(&[namespace()])?;
        eventually(SOON, || kubectl(&[NS, "get", "serviceaccount", "default"])).map(drop)
    })?;
    check("a root pod is refused in a restricted namespace", refused)?;
    if !super::super::pods::available() {
        eprintln!("  not root: no pods");
        return Ok(());
    }
    check("a StatefulSet with claim and probe becomes ready", stateful_set)?;
    check("the pod serves what is in its ConfigMap and on its volume", || {
        let address = pod_address("web-0")?;
        ensure!(fetch(&address, "greeting")? == "hello\n", "wrong greeting");
        ensure!(!fetch(&address, "boot")?.is_empty(), "nothing on the volume");
        Ok(())
    })?;
    check("a Service answers", || {
        let path = "jsonpath={.spec.clusterIP}";
        let address = kubectl(&[NS, "get", "service", "front", "-o", path])?;
        eventually(SOON, || fetch(&address, "greeting")).map(drop)
    })?;
    check("a changed ConfigMap reaches the pod", || {
        let patch = r#"{"data":{"greeting":"changed\n"}}"#;
        kubectl(&[NS, "patch", "configmap", "web", "-p", patch])?;
        let address = pod_address("web-0")?;
        eventually(SOON, || {
            ensure!(fetch(&address, "greeting")? == "changed\n", "still the old text");
            Ok(())
        })
    })?;
    check("a deleted pod comes back with its data", comes_back)?;
    check("a changed template rolls the pod", || {
        let patch = r#"{"spec":{"template":{"metadata":{"annotations":{"roll":"1"}}}}}"#;
        kubectl(&[NS, "patch", "statefulset", "web", "-p", patch])?;
        rolled_out()
    })
}

/// The whole node.
pub fn tier2() -> Result<()> {
    check("namespace and ServiceAccount", || {
        must_create(&[namespace()])?;
        eventually(SOON, || kubectl(&[NS, "get", "serviceaccount", "default"])).map(drop)
    })?;
    check("a root pod is refused in a restricted namespace", refused)?;
    check("a StatefulSet with claim and probe becomes ready", stateful_set)?;
    check("a Job resolves names and reaches a Service", job)?;
    check("logs and exec", || {
        let logs = kubectl(&[NS, "logs", "web-0"])?;
        ensure!(logs.contains("started"), "log: {logs}");
        let id = kubectl(&[NS, "exec", "web-0", "--", "id", "-u"])?;
        ensure!(id == "1000", "exec runs as {id}");
        Ok(())
    })?;
    check("the Service answers from the node", || {
        let path = "jsonpath={.spec.clusterIP}";
        let address = kubectl(&[NS, "get", "service", "front", "-o", path])?;
        eventually(SOON, || fetch(&address, "greeting")).map(drop)
    })?;
    check("a NetworkPolicy shuts a pod off from others, not from probes", policy)?;
    check("a deleted pod comes back with its data", comes_back)
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "smoke", "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
    }})
}

fn security() -> Value {
    json!({
        "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000,
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    })
}

fn refused() -> Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root", "namespace": "smoke"},
        "spec": {"containers": [{"name": "c", "image": IMAGE}]},
    });
    let (good, text) = create(&[pod])?;
    ensure!(!good && text.contains("PodSecurity"), "answer: {text}");
    Ok(())
}

fn service(name: &str, address: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "smoke"},
        "spec": {
            "clusterIP": address, "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": "http"}],
        },
    })
}

fn stateful_set() -> Result<()> {
    let labels = json!({"app": "web", "app.kubernetes.io/managed-by": "mail-operator"});
    let script = "echo started; date > /data/boot.new; [ -e /data/boot ] || mv /data/boot.new /data/boot; \
        mkdir -p /tmp/www; ln -sf /data/boot /config/greeting /tmp/www; exec httpd -f -p 8080 -h /tmp/www";
    let container = json!({
        "name": "web", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "securityContext": security(),
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/greeting", "port": "http"}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data", "subPath": "sub"},
            {"name": "config", "mountPath": "/config", "readOnly": true},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    });
    must_create(&[
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "web", "namespace": "smoke"}, "data": {"greeting": "hello\n"},
        }),
        service("web", json!("None")),
        service("front", Value::Null),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "web", "namespace": "smoke"},
            "spec": {
                "serviceName": "web", "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "terminationGracePeriodSeconds": 1,
                        "securityContext": {"fsGroup": 1000},
                        "containers": [container],
                        "volumes": [
                            {"name": "config", "configMap": {"name": "web"}},
                            {"name": "tmp", "emptyDir": {}},
                        ],
                    },
                },
                "volumeClaimTemplates": [{
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1Gi"}},
                    },
                }],
            },
        }),
    ])?;
    rolled_out()
}

fn rolled_out() -> Result<()> {
    kubectl(&[NS, "rollout", "status", "statefulset/web", "--timeout=40s"]).map(drop)
}

fn job() -> Result<()> {
    // In a busybox that is linked statically with glibc wget crashes; nslookup and nc do not.
    let script = "until nslookup web-0.web.smoke.svc.cluster.local; do sleep 0.2; done; \
        printf 'GET /greeting HTTP/1.0\r\n\r\n' | nc -w 5 $FRONT_SERVICE_HOST 80";
    let container = json!({
        "name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script], "securityContext": security(),
    });
    must_create(&[json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "ask", "namespace": "smoke"},
        "spec": {"backoffLimit": 3, "template": {"spec": {
            "restartPolicy": "Never", "containers": [container],
        }}},
    })])?;
    let wait = "--for=condition=complete";
    kubectl(&[NS, "wait", wait, "job/ask", "--timeout=40s"])?;
    let logs = kubectl(&[NS, "logs", "job/ask"])?;
    ensure!(logs.contains("hello"), "log of the job: {logs}");
    Ok(())
}

fn policy() -> Result<()> {
    must_create(&[json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "shut", "namespace": "smoke"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]},
    })])?;
    let address = pod_address("web-0")?;
    let script = format!("nc -w 2 {address} 8080 < /dev/null && exit 1; exit 0");
    let container = json!({
        "name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script], "securityContext": security(),
    });
    must_create(&[json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "shut", "namespace": "smoke"},
        "spec": {"backoffLimit": 5, "template": {"spec": {
            "restartPolicy": "OnFailure", "containers": [container],
        }}},
    })])?;
    let wait = "--for=condition=complete";
    kubectl(&[NS, "wait", wait, "job/shut", "--timeout=40s"])?;
    rolled_out()
}

fn comes_back() -> Result<()> {
    let before = fetch(&pod_address("web-0")?, "boot")?;
    kubectl(&[NS, "delete", "pod", "web-0", "--timeout=30s"])?;
    eventually(SOON, || {
        let pod = kubectl(&[NS, "get", "pod", "web-0", "-o", "jsonpath={.status.phase}"])?;
        ensure!(pod == "Running", "phase {pod}");
        Ok(())
    })?;
    rolled_out()?;
    let address = pod_address("web-0")?;
    let after = eventually(SOON, || fetch(&address, "boot"))?;
    ensure!(before == after, "the volume is a new one: {before} and {after}");
    Ok(())
}

fn pod_address(name: &str) -> Result<String> {
    kubectl(&[NS, "get", "pod", name, "-o", "jsonpath={.status.podIP}"])
}

/// What a pod (port 8080) or a Service (port 80) serves.
fn fetch(address: &str, path: &str) -> Result<String> {
    let port = if address.starts_with("10.96.") { 80 } else { 8080 };
    let socket: SocketAddr = format!("{address}:{port}").parse()?;
    let limit = Duration::from_secs(5);
    let mut stream =
        TcpStream::connect_timeout(&socket, limit).with_context(|| format!("cannot connect to {socket}"))?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET /{path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    ensure!(head.contains(" 200 "), "answer from {socket}: {head}");
    Ok(body.to_owned())
}
