//! Postfix in the pod. Its master wants uid 0 only in order to give it up: under Pod Security `restricted` a preload lets it
//! believe so, under `baseline` it really is root, with two capabilities.

use k8s_openapi::api::core::v1::{Capabilities, Container, EnvVar, SecurityContext, VolumeMount};

use super::SystemPlan;
use super::stateful_set::{VMAIL, container, data, pause, ports, probe, read_only, writable};
use crate::api::PodSecurity;

const POSTFIX: i64 = 901;
/// What master needs to become its mail_owner in each child; nothing else of root is left.
const CAPABILITIES: [&str; 2] = ["SETUID", "SETGID"];

/// No /etc/postfix is mounted. What master writes about itself is none of the volume's: on a full one it could not start.
const RESTRICTED: &str = "cd /var/spool/postfix && mkdir -p active bounce corrupt defer deferred flush hold incoming maildrop private \
    public saved trace && exec /usr/lib/postfix/sbin/master -i";
const QUEUE_FOLDERS: &str = "cd /var/spool/postfix && mkdir -p active bounce corrupt defer deferred flush hold incoming maildrop \
    private public saved trace";
const AS_ROOT: &str = "exec /usr/lib/postfix/sbin/master -i";

/// Where Postfix is root it cannot make folders that belong to its mail_owner: they are made before, by that user.
pub(super) fn prepare_queue(plan: &SystemPlan) -> Option<Container> {
    (plan.pod_security == PodSecurity::Baseline).then(|| Container {
        command: Some(["/bin/sh", "-c", QUEUE_FOLDERS].map(String::from).into()),
        volume_mounts: Some(vec![data("queue", "/var/spool/postfix")]),
        ..container("queue", &plan.mail_image, POSTFIX, VMAIL, ["10m", "16Mi", "64Mi"])
    })
}

/// The container.
pub(super) fn postfix(plan: &SystemPlan) -> Container {
    let preload = ("LD_PRELOAD", "/usr/lib/postfix/asroot.so");
    let config = ("MAIL_CONFIG", "/etc/mail/postfix");
    let (user, start, env) = match plan.pod_security {
        PodSecurity::Restricted => (POSTFIX, RESTRICTED, vec![config, preload]),
        PodSecurity::Baseline => (0, AS_ROOT, vec![config]),
    };
    let base = container("postfix", &plan.mail_image, user, VMAIL, ["50m", "64Mi", "512Mi"]);
    Container {
        command: Some(["/bin/sh", "-c", start].map(String::from).into()),
        env: Some(env.into_iter().map(|(name, value)| variable(name, value)).collect()),
        ports: ports(&["smtp", "submission", "submissions"]),
        lifecycle: pause(5),
        readiness_probe: Some(probe("/ready/postfix", 5, 2)),
        volume_mounts: Some(vec![
            data("queue", "/var/spool/postfix"),
            writable("pid-postfix", "/var/spool/postfix/pid"),
            VolumeMount { read_only: Some(true), ..data("db", "/srv/db") },
            read_only("postfix", "/etc/mail/postfix"),
            read_only("tls", "/etc/mail/tls"),
            writable("var-postfix", "/var/lib/postfix"),
        ]),
        security_context: base.security_context.clone().map(|context| rights(plan.pod_security, context)),
        ..base
    }
}

fn rights(standard: PodSecurity, context: SecurityContext) -> SecurityContext {
    match standard {
        PodSecurity::Restricted => context,
        PodSecurity::Baseline => SecurityContext {
            run_as_non_root: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".into()]),
                add: Some(CAPABILITIES.map(String::from).into()),
            }),
            ..context
        },
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: Some(value.into()), ..EnvVar::default() }
}

#[cfg(test)]
mod tests {
    use super::super::{example, stateful_set};
    use super::*;
    use k8s_openapi::api::core::v1::PodSpec;

    fn pod(pod_security: PodSecurity) -> PodSpec {
        let plan = SystemPlan { pod_security, ..example() };
        stateful_set(&plan, "c", "m").spec.expect("spec").template.spec.expect("pod")
    }

    fn all(pod: &PodSpec) -> impl Iterator<Item = &Container> {
        pod.init_containers.iter().flatten().chain(&pod.containers)
    }

    #[test]
    fn with_baseline_postfix_alone_is_root_and_has_two_capabilities() {
        let pod = pod(PodSecurity::Baseline);
        for c in all(&pod) {
            let s = c.security_context.as_ref().expect("security context");
            let capabilities = s.capabilities.clone().expect("capabilities");
            assert_eq!(capabilities.drop, Some(vec!["ALL".to_string()]), "{}", c.name);
            assert_eq!(s.allow_privilege_escalation, Some(false), "{}", c.name);
            assert_eq!(s.read_only_root_filesystem, Some(true), "{}", c.name);
            let root = c.name == "postfix";
            assert_eq!(s.run_as_user == Some(0), root, "{}", c.name);
            assert_eq!(s.run_as_non_root == Some(false), root, "{}", c.name);
            let added = root.then(|| vec!["SETUID".to_string(), "SETGID".to_string()]);
            assert_eq!(capabilities.add, added, "{}", c.name);
        }
    }

    #[test]
    fn the_preload_and_the_container_that_prepares_the_queue_never_come_together() {
        for standard in [PodSecurity::Restricted, PodSecurity::Baseline] {
            let pod = pod(standard);
            let preloaded = all(&pod).any(|c| c.env.iter().flatten().any(|e| e.name == "LD_PRELOAD"));
            let prepared = all(&pod).any(|c| c.name == "queue");
            assert_eq!((preloaded, prepared), (standard == PodSecurity::Restricted, standard == PodSecurity::Baseline));
        }
    }
}
