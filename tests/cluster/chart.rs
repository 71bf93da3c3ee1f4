//! What the chart grants and what two replicas do, on tier 2: the operator runs there under its own ServiceAccount.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use mail_operator::api::{AddressClaim, Agency, MailboxActivity};

use crate::support::{apply, eventually, wait_ready};
use crate::world::{AGENCY, NAMESPACE, SOON, World, let_in, person, run};

fn helm_template(more: &[&str]) -> Result<String, String> {
    let chart = format!("{}/charts/mail-operator", env!("CARGO_MANIFEST_DIR"));
    let mut args = vec!["template", "mail-operator", &chart, "--namespace", "mail-operator"];
    args.extend(more);
    let output = Command::new("helm").args(&args).output().expect("helm");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_is_checked_by_helm_its_schema_and_the_server() {
    let Some(_world) = World::alone_on(&[2, 3]).await else { return };
    let chart = format!("{}/charts/mail-operator", env!("CARGO_MANIFEST_DIR"));
    run("helm", &["lint", "--strict", &chart]);
    for wrong in ["replicas=0", "replica=2", "namespaces={Not_A_Name}", "concurrency=1000"] {
        let error = helm_template(&["--set", wrong]).expect_err(wrong);
        assert!(error.contains("schema") || error.contains("additional properties"), "{wrong}: {error}");
    }
    let everything = helm_template(&[
        "--set",
        "metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true,certManager.enabled=true",
    ]);
    let everything = everything.expect("rendered");
    for kind in ["kind: ServiceMonitor", "kind: PrometheusRule", "cert-manager.io"] {
        assert!(everything.contains(kind), "{kind}");
    }
    for alert in everything.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap_or_default();
        for needed in ["summary:", "description:", &format!("runbook_url: docs/runbooks/{name}.md")] {
            assert!(alert.contains(needed), "{name}: {needed}");
        }
    }
    // What Prometheus is to fill in is left to it.
    assert!(everything.contains("{{ $labels.system }}") && everything.contains("{{ $value }}"));
    let plain = helm_template(&[]).expect("rendered");
    assert!(!plain.contains("ServiceMonitor") && !plain.contains("ClusterRole"), "no cluster-wide right");
    assert!(plain.contains("kind: ValidatingAdmissionPolicyBinding"), "the page is held to hashes by default");
    let without = helm_template(&["--set", "portal.admissionPolicy.enabled=false"]).expect("rendered");
    assert!(!without.contains("ValidatingAdmissionPolicy"));
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("chart.yaml");
    std::fs::write(&file, plain).expect("file");
    let file = file.to_string_lossy().into_owned();
    run("kubectl", &["apply", "--dry-run=server", "--validate=strict", "-f", &file]);
}

/// The verbs that a Role grants: `verb group/resource`.
pub fn granted(role: &Role) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for rule in role.rules.iter().flatten() {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                all.extend(rule.verbs.iter().map(|verb| format!("{verb} {group}/{resource}")));
            }
        }
    }
    all
}

/// The verbs that pods use, from their metrics: `verb Kind`.
pub async fn used(world: &World, namespace: &str, name: &str, port: i32) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
    let list = pods.list(&ListParams::default().labels(&format!("app.kubernetes.io/name={name}"))).await.expect("pods");
    for pod in list.items {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}:{port}/proxy/metrics", pod.name_any());
        let text = run("kubectl", &["get", "--raw", &path]);
        for line in text.lines().filter(|l| l.starts_with("mail_operator_kube_requests_total")) {
            let field = |name: &str| {
                line.split(&format!("{name}=\"")).nth(1).and_then(|r| r.split('"').next()).unwrap_or_default()
            };
            all.insert(format!("{} {}", field("verb"), field("kind")));
        }
    }
    all
}

/// Two who would get one address: it is written down that they left it, and that is taken away again. Each time for another pair: if the
/// second comes too late, the first one has it.
async fn contest(world: &World, given: &str) {
    let id: String = given.chars().filter(char::is_ascii_lowercase).collect();
    let (one, two) = (format!("nv-one-{id}"), format!("nv-two-{id}"));
    let (tien, tan) = (format!("Trương Hoàng Tiến {given}"), format!("Trần Huỳnh Tấn {given}"));
    tokio::join!(world.person(&one, &tien), world.person(&two, &tan));
    let claims: Api<AddressClaim> = Api::namespaced(world.client.clone(), NAMESPACE);
    eventually("nothing is left of the contest", SOON, || async {
        let left = claims.list(&ListParams::default().labels("mail.gialai.gov.vn/contested")).await.expect("claims");
        let left: Vec<String> = left.items.iter().map(ResourceExt::name_any).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join(" ")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_grants_the_verbs_that_are_used_and_no_more() {
    let Some(world) = World::alone_on(&[2, 3]).await else { return };
    work(&world).await;
    for given in ["Ngân", "Nga", "Ngọc"] {
        contest(&world, given).await;
        if used(&world, "mail-operator", "mail-operator", 8081).await.contains("delete AddressClaim") {
            break;
        }
    }
    let roles: Api<Role> = Api::namespaced(world.client.clone(), NAMESPACE);
    let mut granted = granted(&roles.get("mail-operator").await.expect("role"));
    let expected = verbs(&used(&world, "mail-operator", "mail-operator", 8081).await);
    assert_eq!(expected.difference(&granted).collect::<Vec<_>>(), Vec::<&String>::new(), "used, but not granted");
    // What has a status is read when that meets a newer spec, which no run can be relied upon to show.
    for patched in granted.iter().filter_map(|g| g.strip_prefix("patch mail.gialai.gov.vn/")?.strip_suffix("/status")) {
        assert!(granted.contains(&format!("get mail.gialai.gov.vn/{patched}")), "{patched}: its status is patched");
    }
    // Watches are not counted as requests; the rest is for what did not happen in this run.
    granted.retain(|g| !g.starts_with("list ") && !g.starts_with("watch "));
    let idle: Vec<_> = granted.difference(&expected).filter(|g| !RARE.contains(&g.as_str())).collect();
    assert_eq!(idle, Vec::<&String>::new(), "granted, but not used");
}

/// Something of each kind happens.
async fn work(world: &World) {
    // The status of the first one was perhaps written by an earlier leader.
    let agencies: Api<Agency> = Api::namespaced(world.client.clone(), NAMESPACE);
    let agency = AGENCY.replace("name: stttt", "name: shtt").replace("Sở Thông tin và Truyền thông", "Sở Hợp tác thử");
    apply(&agencies, &agency).await.expect("an agency");
    wait_ready(&agencies, "shtt", SOON).await;
    let (address, password) = world.person("nv-rbac", "Đinh Văn Quyền").await;
    assert!(let_in(&world.login(&address, &password).await.1));
    world.lock("nv-rbac", "Đinh Văn Quyền").await;
    eventually("it is locked", SOON, || async {
        let status = world.mailboxes.get("nv-rbac").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        if status.locks.is_empty() { Err(format!("{:?}", status.state)) } else { Ok(()) }
    })
    .await;
    apply(&world.mailboxes, &person("nv-rbac", "Đinh Văn Quyền", "")).await.expect("unlocked");
    world.given_back("nv-rbac", &address).await;
    let activities: Api<MailboxActivity> = Api::namespaced(world.client.clone(), NAMESPACE);
    eventually("the login is written down", Duration::from_secs(90), || async {
        let found = activities.get_opt("nv-rbac").await.map_err(|e| e.to_string())?;
        found.and_then(|found| found.status).map(drop).ok_or_else(|| "not yet".to_string())
    })
    .await;
    let policy = "metadata: {name: rbac}\nspec: {systemRef: {name: gialai}, storage: 1Gi, maxAttachment: 1M}";
    apply(&world.policies, policy).await.expect("policy");
    wait_ready(&world.policies, "rbac", SOON).await;
}

/// What a request counts as, in the words of RBAC.
const KINDS: &[(&str, &str)] = &[
    ("Mailbox", "mail.gialai.gov.vn/mailboxes"),
    ("AddressClaim", "mail.gialai.gov.vn/addressclaims"),
    ("Secret", "/secrets"),
    ("ConfigMap", "/configmaps"),
    ("Service", "/services"),
    ("ServiceAccount", "/serviceaccounts"),
    ("Event", "/events"),
    ("StatefulSet", "apps/statefulsets"),
    ("Deployment", "apps/deployments"),
    ("NetworkPolicy", "networking.k8s.io/networkpolicies"),
    ("PodDisruptionBudget", "policy/poddisruptionbudgets"),
    ("MailSystem", "mail.gialai.gov.vn/mailsystems"),
    ("Agency", "mail.gialai.gov.vn/agencies"),
    ("QuotaPolicy", "mail.gialai.gov.vn/quotapolicies"),
    ("MailboxActivity", "mail.gialai.gov.vn/mailboxactivities"),
    ("Event.events.k8s.io", "events.k8s.io/events"),
];

/// What is granted for what no run of these tests comes to.
const RARE: &[&str] = &[
    "get mail.gialai.gov.vn/addressclaims",    // who holds an address, at a clash
    "update mail.gialai.gov.vn/addressclaims", // a mailbox that was made again holds its claim again
    // what is kept of somebody is removed a year after the revocation
    "get mail.gialai.gov.vn/mailboxes",
    "get mail.gialai.gov.vn/mailboxactivities",
    "delete mail.gialai.gov.vn/mailboxactivities",
    "delete /secrets",
    "update mail.gialai.gov.vn/mailboxes/status", // a status that somebody else changed is put back
    "delete /configmaps",                         // a configuration that nobody uses any more
    "list /configmaps",
    // the password page, when spec.portal says that there is none
    "get apps/deployments",
    "delete apps/deployments",
    "get /services",
    "delete /services",
    "get networking.k8s.io/networkpolicies",
    "delete networking.k8s.io/networkpolicies",
    "get policy/poddisruptionbudgets",
    "delete policy/poddisruptionbudgets",
    // A status that met a newer spec.
    "get mail.gialai.gov.vn/mailsystems",
    "get mail.gialai.gov.vn/agencies",
    "get mail.gialai.gov.vn/quotapolicies",
    "delete /pods", // a pod of an old revision that never became ready
];

/// The verbs that these requests need. Server-side apply of what is not there yet needs create as well.
fn verbs(used: &BTreeSet<String>) -> BTreeSet<String> {
    // The Lease stands in the operator's own namespace, by another Role.
    let known = |entry: &&String| {
        KINDS.iter().any(|(kind, _)| entry.ends_with(&format!(" {kind}"))) || entry.ends_with(" Lease")
    };
    assert_eq!(used.iter().filter(|entry| !known(entry)).collect::<Vec<_>>(), Vec::<&String>::new(), "kinds");
    let mut expected = BTreeSet::new();
    for (kind, resource) in KINDS {
        for entry in used {
            match entry.strip_suffix(&format!(" {kind}")) {
                Some("update/status") => drop(expected.insert(format!("update {resource}/status"))),
                Some("patch/status") => drop(expected.insert(format!("patch {resource}/status"))),
                Some("patch") => expected.extend([format!("patch {resource}"), format!("create {resource}")]),
                Some(verb) => drop(expected.insert(format!("{verb} {resource}"))),
                None => {}
            }
        }
    }
    expected
}

/// A kubelet of a slow node needs its time before the first one is gone.
const HAND_OVER: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_hand_over_within_20_s_of_a_kill_and_at_once_at_a_stop() {
    let Some(world) = World::alone_on(&[2, 3]).await else { return };
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), "mail-operator");
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "mail-operator");
    let held = async || leases.get("mail-operator").await.expect("lease").spec.expect("held");
    for (force, limit) in [(true, Duration::from_secs(20)), (false, Duration::from_secs(10))] {
        eventually("two replicas", Duration::from_secs(60), || async {
            let list = pods.list(&ListParams::default()).await.map_err(|e| e.to_string())?;
            let ready = list.items.iter().filter(|p| {
                let conditions = p.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
                conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
                    && p.metadata.deletion_timestamp.is_none()
            });
            let count = ready.count();
            if count == 2 { Ok(()) } else { Err(format!("{count} ready")) }
        })
        .await;
        let first = held().await.holder_identity.expect("a leader");
        let parameters = if force { DeleteParams::default().grace_period(0) } else { DeleteParams::default() };
        pods.delete(&first, &parameters).await.expect("deleted");
        // The kubelet takes its time until it ends the process: until then that one renews the Lease.
        let last_of_first = Mutex::new(None);
        let second = eventually("a new leader", HAND_OVER, || async {
            let now = held().await;
            match now.holder_identity.as_deref() {
                Some(holder) if holder == first => *last_of_first.lock().expect("times") = now.renew_time.clone(),
                Some(holder) if !holder.is_empty() => return Ok(now),
                _ => {}
            }
            Err(format!("{now:?}"))
        })
        .await;
        let last = last_of_first.into_inner().expect("times").expect("the first one renewed it").0;
        let took = second.acquire_time.expect("since when").0.duration_since(last);
        println!("handed over {took:?} after the last word of the one before (killed: {force})");
        assert!(took <= limit.try_into().expect("a duration"), "{took:?}");
        let name = if force { "nv-lead1" } else { "nv-lead2" };
        world.person(name, if force { "Lý Thị Một" } else { "Lý Thị Hai" }).await;
    }
}
