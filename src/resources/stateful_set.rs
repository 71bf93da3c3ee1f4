//! The mail pod: agent (native sidecar, starts first), Dovecot, rspamd, Postfix. Pod Security `restricted` throughout, but for a
//! Postfix of its own kind (`postfix.rs`).

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    HTTPGetAction, KeyToPath, Lifecycle, LifecycleHandler, LocalObjectReference, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource,
    ResourceRequirements, SeccompProfile, SecretProjection, SecretVolumeSource, SecurityContext, SleepAction, Volume,
    VolumeMount, VolumeProjection, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::network::PORTS;
use super::postfix::{postfix, prepare_queue};
use super::sessions::Limits;
use super::{AGENT, AGENT_PORT, DKIM_SELECTOR, PROBE_PORT, SystemPlan, config};

pub(super) const VMAIL: i64 = 1000;
const RSPAMD: i64 = 902;

/// rspamd takes 16 s over TERM; the end of PID 1 ends it at once, only counters are lost.
const START_RSPAMD: &str = "trap 'exit 0' TERM; /usr/bin/rspamd -f -c /etc/rspamd/rspamd.conf & wait $!";

/// Annotation of the pod: `doveadm_mark` of the Secret that Dovecot read at its start.
const DOVEADM_ANNOTATION: &str = "mail.gialai.gov.vn/doveadm";

/// The StatefulSet of a system, with the ConfigMap and the mark of the doveadm Secret that it uses.
pub fn stateful_set(plan: &SystemPlan, config_map: &str, doveadm_mark: &str) -> StatefulSet {
    let claim = PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some("data".into()), labels: Some(plan.selector()), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: plan.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(quantities(&[("storage", &plan.storage)])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    };
    StatefulSet {
        metadata: plan.owned(&plan.name),
        spec: Some(StatefulSetSpec {
            service_name: Some(plan.child("pods")),
            replicas: Some(1),
            selector: LabelSelector { match_labels: Some(plan.selector()), ..LabelSelector::default() },
            // The mail outlives everything (D-14).
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some("Retain".into()),
                when_scaled: Some("Retain".into()),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(plan.labels()),
                    annotations: Some([(DOVEADM_ANNOTATION.to_string(), doveadm_mark.to_string())].into()),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(plan, config_map)),
            },
            volume_claim_templates: Some(vec![claim]),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn pod(plan: &SystemPlan, config_map: &str) -> PodSpec {
    PodSpec {
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            fs_group: Some(VMAIL),
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        image_pull_secrets: (!plan.pull_secrets.is_empty())
            .then(|| plan.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(30),
        init_containers: Some(prepare_queue(plan).into_iter().chain([agent(plan)]).collect()),
        containers: vec![dovecot(plan), rspamd(plan), postfix(plan)],
        volumes: Some(volumes(plan, config_map)),
        ..PodSpec::default()
    }
}

pub(super) fn container(name: &str, image: &str, user: i64, group: i64, resources: [&str; 3]) -> Container {
    let [cpu, memory, limit] = resources;
    Container {
        name: name.into(),
        image: Some(image.into()),
        image_pull_policy: Some("IfNotPresent".into()),
        security_context: Some(SecurityContext {
            run_as_user: Some(user),
            run_as_group: Some(group),
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            ..SecurityContext::default()
        }),
        resources: Some(ResourceRequirements {
            requests: Some(quantities(&[("cpu", cpu), ("memory", memory)])),
            limits: Some(quantities(&[("memory", limit)])),
            claims: None,
        }),
        ..Container::default()
    }
}

fn quantities(pairs: &[(&str, &str)]) -> BTreeMap<String, Quantity> {
    pairs.iter().map(|(k, v)| ((*k).to_string(), Quantity((*v).to_string()))).collect()
}

pub(super) fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::Int(PROBE_PORT),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

pub(super) fn pause(seconds: i64) -> Option<Lifecycle> {
    let sleep = LifecycleHandler { sleep: Some(SleepAction { seconds }), ..LifecycleHandler::default() };
    Some(Lifecycle { pre_stop: Some(sleep), ..Lifecycle::default() })
}

pub(super) fn ports(names: &[&str]) -> Option<Vec<ContainerPort>> {
    let ports = PORTS.iter().filter(|(name, ..)| names.contains(name));
    Some(
        ports
            .map(|(name, _, inside)| ContainerPort {
                name: Some((*name).into()),
                container_port: *inside,
                ..ContainerPort::default()
            })
            .collect(),
    )
}

pub(super) fn writable(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), ..VolumeMount::default() }
}

pub(super) fn read_only(name: &str, path: &str) -> VolumeMount {
    VolumeMount { read_only: Some(true), ..writable(name, path) }
}

pub(super) fn data(folder: &str, path: &str) -> VolumeMount {
    VolumeMount { sub_path: Some(folder.into()), ..writable("data", path) }
}

fn agent_args(plan: &SystemPlan) -> Vec<String> {
    let rehearsal = (plan.days_ahead > 0).then(|| format!("--days-ahead={}", plan.days_ahead));
    ["agent".into(), format!("--log-months={}", plan.log_months)].into_iter().chain(rehearsal).collect()
}

fn agent(plan: &SystemPlan) -> Container {
    Container {
        args: Some(agent_args(plan)),
        // Native sidecar: the account table and its log must be there before anybody reads it: he cannot make them.
        restart_policy: Some("Always".into()),
        ports: Some(vec![
            ContainerPort { name: Some("agent".into()), container_port: AGENT_PORT, ..ContainerPort::default() },
            ContainerPort { name: Some("probes".into()), container_port: PROBE_PORT, ..ContainerPort::default() },
        ]),
        // It waits for the operator as long as it takes; a restart would not help.
        startup_probe: Some(probe("/started", 1, 86_400)),
        liveness_probe: Some(probe("/livez", 10, 3)),
        volume_mounts: Some(vec![
            data("db", "/srv/db"),
            data("activity", "/srv/activity"),
            data("state", "/srv/state"),
            data("journal", "/srv/journal"),
            // What is purged is removed by the agent (D-14).
            data("mail", "/srv/vmail"),
            read_only("agent-tls", "/etc/agent/tls"),
            read_only("tls", "/etc/dovecot/ssl"),
            read_only("auth", "/srv/auth"),
        ]),
        ..container(AGENT, &plan.agent_image, VMAIL, VMAIL, ["20m", "32Mi", "128Mi"])
    }
}

fn dovecot(plan: &SystemPlan) -> Container {
    let memory = format!("{}Mi", Limits::of(plan.sessions).memory);
    let metrics =
        HTTPGetAction { path: Some("/metrics".into()), port: IntOrString::Int(9090), ..HTTPGetAction::default() };
    Container {
        command: Some(["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"].map(String::from).into()),
        ports: ports(&["imap", "imaps", "pop3", "pop3s", "sieve"]),
        lifecycle: pause(5),
        readiness_probe: Some(probe("/ready/dovecot", 5, 2)),
        liveness_probe: Some(Probe { http_get: Some(metrics), ..probe("", 10, 3) }),
        volume_mounts: Some(vec![
            data("mail", "/srv/vmail"),
            data("activity", "/srv/activity"),
            VolumeMount { read_only: Some(true), ..data("db", "/srv/db") },
            read_only("dovecot", "/etc/dovecot"),
            read_only("tls", "/etc/dovecot/ssl"),
            writable("run-dovecot", "/run/dovecot"),
            writable("tmp", "/tmp"),
        ]),
        ..container("dovecot", &plan.mail_image, VMAIL, VMAIL, ["100m", "128Mi", &memory])
    }
}

fn rspamd(plan: &SystemPlan) -> Container {
    Container {
        command: Some(["/bin/sh", "-c", START_RSPAMD].map(String::from).into()),
        // Longer than Postfix, which answers nobody without its milter.
        lifecycle: pause(7),
        startup_probe: Some(probe("/ready/rspamd", 1, 180)),
        readiness_probe: Some(probe("/ready/rspamd", 5, 2)),
        liveness_probe: Some(probe("/ready/rspamd", 10, 6)),
        volume_mounts: Some(vec![
            data("rspamd", "/var/lib/rspamd"),
            read_only("rspamd-local", "/etc/rspamd/local.d"),
            read_only("rspamd-override", "/etc/rspamd/override.d"),
            VolumeMount {
                sub_path: Some("statistic.conf".into()),
                ..read_only("rspamd-stat", "/etc/rspamd/statistic.conf")
            },
            read_only("dkim", "/etc/dkim"),
        ]),
        ..container("rspamd", &plan.mail_image, RSPAMD, RSPAMD, ["100m", "384Mi", "768Mi"])
    }
}

const MODE: Option<i32> = Some(0o440);

fn item(key: &str, path: &str) -> KeyToPath {
    KeyToPath { key: key.into(), path: path.into(), mode: None }
}

fn volumes(plan: &SystemPlan, config_map: &str) -> Vec<Volume> {
    let named = |name: &str| Volume { name: name.into(), ..Volume::default() };
    let config = |name: &str, items: Vec<KeyToPath>| Volume {
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.into(),
            items: Some(items),
            default_mode: MODE,
            optional: None,
        }),
        ..named(name)
    };
    let secret = |name: &str, secret_name: String, items: Option<Vec<KeyToPath>>| Volume {
        secret: Some(SecretVolumeSource { secret_name: Some(secret_name), items, default_mode: MODE, optional: None }),
        ..named(name)
    };
    let scratch = |name: &str, limit: Option<&str>| Volume {
        empty_dir: Some(EmptyDirVolumeSource { size_limit: limit.map(|l| Quantity(l.into())), medium: None }),
        ..named(name)
    };
    let rspamd = config::rspamd_local().iter().map(|file| item(&format!("rspamd-{file}"), file)).collect();
    vec![
        Volume { projected: Some(dovecot_files(plan, config_map)), ..named("dovecot") },
        config("postfix", config::POSTFIX.iter().map(|f| item(f, f)).collect()),
        config("rspamd-local", rspamd),
        config("rspamd-override", vec![item("rspamd-override-options.inc", "options.inc")]),
        config("rspamd-stat", vec![item("rspamd-statistic.conf", "statistic.conf")]),
        secret("auth", plan.child("doveadm"), Some(vec![item("api_key", "api_key")])),
        secret("tls", plan.served_tls(), Some(vec![item("tls.crt", "tls.crt"), item("tls.key", "tls.key")])),
        secret("agent-tls", plan.child("agent-tls"), None),
        secret(
            "dkim",
            plan.child("dkim"),
            Some(vec![item("dkim.key", &format!("{}.{DKIM_SELECTOR}.key", plan.domain))]),
        ),
        scratch("run-dovecot", None),
        scratch("tmp", Some("256Mi")),
        scratch("var-postfix", None),
        scratch("pid-postfix", None),
    ]
}

fn dovecot_files(plan: &SystemPlan, config_map: &str) -> ProjectedVolumeSource {
    let items = config::DOVECOT.iter().map(|f| item(f.key, f.path)).collect();
    let files = ConfigMapProjection { name: config_map.into(), items: Some(items), optional: None };
    let secrets = SecretProjection {
        name: plan.child("doveadm"),
        items: Some(vec![item("90-secrets.conf", "conf.d/90-secrets.conf")]),
        optional: None,
    };
    ProjectedVolumeSource {
        default_mode: MODE,
        sources: Some(vec![
            VolumeProjection { config_map: Some(files), ..VolumeProjection::default() },
            VolumeProjection { secret: Some(secrets), ..VolumeProjection::default() },
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{config_map, example};
    use super::*;

    fn template() -> PodSpec {
        stateful_set(&example(), "c", "m").spec.expect("spec").template.spec.expect("pod")
    }

    #[test]
    fn every_container_is_restricted() {
        let pod = template();
        for c in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
            let s = c.security_context.as_ref().expect("security context");
            assert!(s.run_as_user.is_some_and(|u| u != 0), "{}", c.name);
            assert_eq!(s.allow_privilege_escalation, Some(false));
            assert_eq!(s.read_only_root_filesystem, Some(true));
            assert_eq!(s.capabilities.as_ref().and_then(|c| c.drop.clone()), Some(vec!["ALL".to_string()]));
        }
    }

    #[test]
    fn every_mount_has_its_volume_and_every_item_its_file() {
        let pod = template();
        let volumes = pod.volumes.clone().expect("volumes");
        let names: Vec<&str> = volumes.iter().map(|v| v.name.as_str()).chain(["data"]).collect();
        for c in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
            for m in c.volume_mounts.iter().flatten() {
                assert!(names.contains(&m.name.as_str()), "{} mounts {}", c.name, m.name);
            }
        }
        let files = config_map(&example()).data.expect("data");
        for v in volumes {
            for item in v.config_map.and_then(|c| c.items).unwrap_or_default() {
                assert!(files.contains_key(&item.key), "{}", item.key);
            }
        }
    }

    #[test]
    fn d_14_the_volume_stays_when_the_system_is_deleted() {
        let policy = stateful_set(&example(), "c", "m")
            .spec
            .and_then(|s| s.persistent_volume_claim_retention_policy)
            .expect("policy");
        assert_eq!((policy.when_deleted.as_deref(), policy.when_scaled.as_deref()), (Some("Retain"), Some("Retain")));
    }

    #[test]
    fn r7_2_the_journal_is_for_the_agent_alone_and_it_knows_for_how_long_to_keep_it() {
        let plan = SystemPlan { log_months: 24, ..example() };
        let pod = stateful_set(&plan, "c", "m").spec.and_then(|s| s.template.spec).expect("pod");
        let all = pod.containers.iter().chain(pod.init_containers.iter().flatten());
        let mounts = |c: &&Container| c.volume_mounts.iter().flatten().any(|m| m.mount_path == "/srv/journal");
        let with: Vec<&Container> = all.filter(mounts).collect();
        assert_eq!(with.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), [AGENT]);
        assert!(with[0].args.iter().flatten().any(|arg| arg == "--log-months=24"));
    }

    #[test]
    fn readers_of_the_account_table_cannot_write_it() {
        for c in template().containers {
            for m in c.volume_mounts.into_iter().flatten().filter(|m| m.mount_path == "/srv/db") {
                assert_eq!(m.read_only, Some(true), "{}", c.name);
            }
        }
    }
}
