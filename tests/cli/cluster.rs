//! Commands that ask a cluster, beside an API server that knows nothing but a few objects.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::json;

use super::*;

const API: &str = "/apis/mail.gialai.gov.vn/v1alpha1/";

/// A folder whose KUBECONFIG leads to a server with these objects.
fn cluster(objects: Vec<Value>) -> Folder {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let objects = Arc::new(objects);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let objects = objects.clone();
            thread::spawn(move || answer(&stream, &objects));
        }
    });
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "thu-cong-vu"}}]});
    Folder::new().with("kubeconfig", config.to_string())
}

/// One request, and the end.
fn answer(mut stream: &TcpStream, objects: &[Value]) {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap().unwrap();
    let mut asks = Vec::new();
    while let Some(line) = lines.next().map(|line| line.unwrap().to_lowercase()).filter(|line| !line.is_empty()) {
        asks.extend(
            line.strip_prefix("impersonate-").and_then(|line| line.split_once(": ")).map(|(_, who)| who.to_string()),
        );
    }
    let path = first.split(' ').nth(1).unwrap();
    let (code, body) = match asks.join(" of ") {
        nobody if nobody.is_empty() => look(path.split('?').next().unwrap(), objects),
        who => refused(&format!(
            "\"x\" is forbidden: User \"{who}\" cannot list resource \"x\" in API group \"\" in the namespace \"y\""
        )),
    };
    let code = match code {
        200 => "200 OK",
        403 => "403 Forbidden",
        _ => "404 Not Found",
    };
    let body = body.to_string();
    let head = format!("HTTP/1.1 {code}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let _ = write!(stream, "{head}connection: close\r\n\r\n{body}");
}

fn refused(message: &str) -> (u16, Value) {
    (403, json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": message}))
}

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('x') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

fn look(path: &str, objects: &[Value]) -> (u16, Value) {
    let parts: Vec<&str> = path.strip_prefix(API).unwrap_or_default().split('/').collect();
    let (namespace, kind, name) = match parts[..] {
        ["namespaces", namespace, kind] => (Some(namespace), kind, None),
        ["namespaces", namespace, kind, name] => (Some(namespace), kind, Some(name)),
        [kind] => (None, kind, None),
        _ => return (404, json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"})),
    };
    let is = |object: &&Value| {
        let here = namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace);
        here && plural(object["kind"].as_str().unwrap()) == kind
    };
    if objects.iter().any(|object| object["kind"] == "Forbid" && object["metadata"]["name"] == kind) {
        let (verb, place) = (if name.is_some() { "get" } else { "list" }, namespace.unwrap_or_default());
        let message = format!(
            "{kind}.mail.gialai.gov.vn is forbidden: User \"oidc:lan\" cannot {verb} resource \"{kind}\" in API group \"mail.gialai.gov.vn\" in the namespace \"{place}\""
        );
        return refused(&message);
    }
    let mut all = objects.iter().filter(is);
    match name {
        None => (200, json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": all.collect::<Vec<_>>()})),
        Some(name) => match all.find(|object| object["metadata"]["name"] == name) {
            Some(object) => (200, object.clone()),
            None => (404, json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"})),
        },
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "mail.gialai.gov.vn/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": "thu-cong-vu", "uid": format!("u-{name}")}, "spec": spec})
}

fn system() -> Value {
    let spec =
        json!({"domain": "gialai.gov.vn", "hostname": "mail.gialai.gov.vn", "dovecot": {"storage": {"size": "1Gi"}}});
    object("MailSystem", "gialai", &spec)
}

/// Standard output, standard error, and the exit code.
fn ask(folder: &Folder, args: &[&str]) -> (String, String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    command.args(args).current_dir(folder.path()).env("KUBECONFIG", folder.path().join("kubeconfig"));
    for proxy in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    let run = command.env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "C").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(run.stdout), text(run.stderr), run.status.code().unwrap())
}

#[test]
fn a_namespace_without_a_mail_system_is_no_answer_and_the_right_one_is_named() {
    let folder = cluster(vec![system()]);
    let (out, err, code) = ask(&folder, &["status"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for command in ["status", "forecast", "proposals", "acknowledge"] {
        let (out, err, code) = ask(&folder, &[command, "-n", "wrong"]);
        assert_eq!((code, out.as_str()), (3, ""), "{command}: {err}");
        assert!(err.contains("no MailSystem in namespace 'wrong'") && err.contains("-n thu-cong-vu"), "{err}");
    }
    let (_, err, _) = ask(&folder, &["status", "-n", "wrong", "--lang", "vi"]);
    assert!(err.contains("namespace 'wrong' không có MailSystem") && err.contains("-n thu-cong-vu"), "{err}");
    let (_, err, code) = ask(&cluster(vec![]), &["status", "-o", "json"]);
    assert!(code == 3 && err.contains("kubectl get msys -A"), "{err}");
    // Of files there is a document, and it is no good one either.
    let (out, _, code) = ask(&Folder::new(), &["status", "--dir", "."]);
    assert_eq!((code, out.as_str()), (1, "no MailSystem and no mailboxes\n"));
}

#[test]
fn r9_1_an_agency_that_is_not_there_gets_no_silent_success() {
    let agency = object(
        "Agency",
        "stttt",
        &json!({"systemRef": {"name": "gialai"}, "level": "Province", "name": "Sở X",
        "basis": {"number": "1/x", "date": "2026-01-01", "issuer": "x"}}),
    );
    let folder = cluster(vec![system(), agency]);
    let (out, err, code) = ask(&folder, &["handover", "--agency", "khong", "--out", "sheets.html"]);
    assert!(code == 1 && out.contains("there is no Agency 'khong' in namespace 'thu-cong-vu'"), "{out}{err}");
    assert!(!folder.path().join("sheets.html").exists());
    let (out, _, code) = ask(&folder, &["handover", "--agency", "khong", "-o", "json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert!(said["problem"]["messageVi"].as_str().unwrap().contains("không có Agency 'khong'"), "{said}");
    assert_eq!((said["items"].as_array().map(Vec::len), code), (Some(0), 1));
    // One that is there and has nobody is another matter.
    let (out, _, code) = ask(&folder, &["handover", "--agency", "stttt", "--lang", "vi"]);
    assert!(code == 1 && out.contains("không Mailbox nào") && out.contains("Agency 'stttt'"), "{out}");
}

#[test]
fn d_14_plan_sees_in_the_cluster_who_was_purged_also_when_its_tombstone_is_over() {
    let spec = json!({"agencyRef": {"name": "stttt"}, "fullName": "Hoàng Thị Như Quỳnh", "of a version": "to come"});
    let mut purged = object("Mailbox", "nv-1", &spec);
    let args = ["plan", ".", "--claims", "cluster", "-n", "thu-cong-vu", "-o", "json"];
    for (status, code) in [(json!({"state": "Purged"}), 1), (json!({"state": "Pending"}), 0), (Value::Null, 0)] {
        purged["status"] = status;
        let folder = cluster(vec![system(), purged.clone()]).with("m.yaml", MAILBOX);
        let (out, err, got) = ask(&folder, &args);
        assert_eq!((got, out.contains("\"Purged\"")), (code, code == 1), "{out}{err}");
    }
}

/// Nobody may read this kind.
fn forbid(plural: &str) -> Value {
    object("Forbid", plural, &json!({}))
}

#[test]
fn r5_1_a_right_that_is_missing_is_named_with_who_gives_it_and_how_one_looks() {
    let folder = cluster(vec![system(), forbid("mailboxes")]);
    for (command, verb) in [
        (&["status"][..], "list"),
        (&["forecast"], "list"),
        (&["proposals"], "list"),
        (&["explain", "nv-1"], "get"),
        (&["plan", ".", "--claims", "cluster"], "list"),
    ] {
        let (out, err, code) = ask(&folder, command);
        assert_eq!((code, out.as_str()), (3, ""), "{command:?}: {err}");
        let right = format!("{verb} mailboxes.mail.gialai.gov.vn");
        for part in [
            format!("'oidc:lan' has no right to {right} in namespace 'thu-cong-vu'"),
            "people.agencies".into(),
            format!("kubectl auth can-i {right} -n thu-cong-vu"),
        ] {
            assert!(err.contains(&part), "{command:?}: {err}");
        }
        assert!(!err.contains("forbidden") && !err.contains("ApiError"), "{err}");
    }
    let (_, err, _) = ask(&folder, &["status", "--lang", "vi"]);
    assert!(
        err.contains("'oidc:lan' không có quyền list mailboxes.mail.gialai.gov.vn") && err.contains("Kiểm tra bằng"),
        "{err}"
    );
    // What may be left out is, and it is said in the same words.
    let (out, err, code) = ask(&cluster(vec![system(), forbid("mailboxactivities")]), &["status"]);
    assert!(code == 0 && out.contains("gialai"), "{out}{err}");
    assert!(
        err.contains("left out: 'oidc:lan' has no right to list mailboxactivities")
            && err.contains("by people.auditors"),
        "{err}"
    );
}

#[test]
fn d_15_json_names_all_that_is_held_and_not_the_first_hundred_alone() {
    let gone = |i: usize| {
        let spec = json!({"use": "Primary", "ownerRef": {"kind": "Mailbox", "name": format!("nv-{i:03}"), "uid": "u"}, "ownerName": "Lê An"});
        let mut claim = object("AddressClaim", &format!("a{i}.stttt"), &spec);
        claim["metadata"]["creationTimestamp"] = json!("2026-01-02T00:00:00Z");
        claim
    };
    let mut system = system();
    let named =
        |i: usize| json!({"mailbox": format!("nv-{i:03}"), "action": "Revoke", "reason": "Deleted", "rule": "D-14"});
    let first: Vec<Value> = (1..=100).map(named).collect();
    system["status"] = json!({"held": {"count": 130, "token": "130-abcd", "actions": first}});
    let objects: Vec<Value> = (1..=130).map(gone).chain([system]).collect();
    let (out, err, code) = ask(&cluster(objects.clone()), &["acknowledge", "-o", "json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    let names: Vec<&str> =
        said["held"]["actions"].as_array().unwrap().iter().map(|held| held["mailbox"].as_str().unwrap()).collect();
    let all: Vec<String> = (1..=130).map(|i| format!("nv-{i:03}")).collect();
    assert_eq!(
        (names, said["held"]["count"].as_i64(), err.as_str()),
        (all.iter().map(String::as_str).collect(), Some(130), ""),
        "{out}"
    );
    assert_eq!(code, 1);
    let (text, _, _) = ask(&cluster(objects.clone()), &["acknowledge"]);
    assert!(text.contains("… and 30 more: kubectl mail acknowledge -o json"), "{text}");
    // Who may not read them is told that some are missing.
    let (out, err, _) = ask(&cluster([objects, vec![forbid("mailboxes")]].concat()), &["acknowledge", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["held"]["actions"].as_array().unwrap().len(), 100);
    assert!(err.contains("30 of them cannot be named here") && err.contains("has no right to list mailboxes"), "{err}");
}

/// A second context, of a cluster that nobody reaches.
fn with_other(folder: Folder) -> Folder {
    let mut config: Value = serde_json::from_str(&folder.read("kubeconfig")).unwrap();
    let dead = json!({"name": "dead", "cluster": {"server": "http://127.0.0.1:1"}});
    config["clusters"].as_array_mut().unwrap().push(dead);
    let context = json!({"name": "cu", "context": {"cluster": "dead", "user": "x", "namespace": "cu"}});
    config["contexts"].as_array_mut().unwrap().push(context);
    config["current-context"] = json!("cu");
    folder.with("kubeconfig", config.to_string()).with("empty", "apiVersion: v1\nkind: Config\n")
}

#[test]
fn the_cluster_is_chosen_as_with_kubectl() {
    let folder = with_other(cluster(vec![system()]));
    for command in
        [&["status"][..], &["forecast"], &["proposals"], &["acknowledge"], &["plan", ".", "--claims", "cluster"]]
    {
        let ask = |more: &[&str]| ask(&folder, &[command, more].concat());
        assert_eq!(ask(&[]).2, 3, "{command:?}: the current context is of a cluster that is gone");
        let (_, err, code) = ask(&["--context", "x"]);
        assert_eq!(code, 0, "{command:?}: {err}");
        let (_, err, code) = ask(&["--context", "tinh"]);
        assert!(code == 3 && err.contains("the kubeconfig has no context 'tinh'; it has x, cu"), "{command:?}: {err}");
        let (_, err, code) = ask(&["--context", "tinh", "--kubeconfig", "empty", "--lang", "vi"]);
        assert!(
            code == 3 && err.contains("kubeconfig không có context 'tinh'; trong tệp chưa có"),
            "{command:?}: {err}"
        );
        let (_, err, code) = ask(&["--kubeconfig", "none"]);
        assert!(code == 3 && err.contains("KUBECONFIG"), "{command:?}: {err}");
        let (_, err, code) = ask(&["--context", "x", "--as", "lan", "--as-group", "clerks"]);
        assert!(code == 3 && err.contains("'lan of clerks' has no right"), "{command:?}: {err}");
        assert_eq!(ask(&["--context", "x", "--as-group", "clerks"]).2, 2, "as kubectl does");
    }
    // Of files nobody asks a cluster.
    for args in [
        &["status", "--dir", ".", "--context", "x"][..],
        &["plan", ".", "--as", "lan"],
        &["forecast", ".", "--kubeconfig", "kubeconfig"],
    ] {
        assert_eq!(ask(&folder, args).2, 2, "{args:?}");
    }
}
