use super::*;
use crate::backend::HeldFolders;
use crate::resources::example;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateWaiting, ContainerStatus, PodCondition, PodStatus};

fn pod(status: PodStatus) -> Pod {
    Pod { status: Some(status), ..Pod::default() }
}

fn waiting(reason: &str) -> PodStatus {
    let waiting = ContainerStateWaiting { reason: Some(reason.into()), message: Some("why".into()) };
    let state = ContainerState { waiting: Some(waiting), ..ContainerState::default() };
    let container = ContainerStatus { name: "dovecot".into(), state: Some(state), ..ContainerStatus::default() };
    PodStatus { container_statuses: Some(vec![container]), ..PodStatus::default() }
}

#[test]
fn what_keeps_a_pod_from_starting_is_named() {
    for (reason, expected) in [
        ("ImagePullBackOff", Reason::ImagePullFailed),
        ("CrashLoopBackOff", Reason::CrashLooping),
        ("CreateContainerConfigError", Reason::MountFailed),
    ] {
        let finding = pod_problem(&pod(waiting(reason))).expect(reason);
        assert_eq!(finding.reason, expected);
        assert!(!finding.waiting);
    }
    assert!(pod_problem(&pod(waiting("ContainerCreating"))).is_none());
    let condition = PodCondition {
        type_: "PodScheduled".into(),
        status: "False".into(),
        message: Some("no volume".into()),
        ..PodCondition::default()
    };
    let unscheduled = PodStatus { conditions: Some(vec![condition]), ..PodStatus::default() };
    assert_eq!(pod_problem(&pod(unscheduled)).expect("unscheduled").reason, Reason::Unschedulable);
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_with_who_chose_it() {
    let plan = SystemPlan { mail_image: "r.vn/mail:9".into(), agent_image: "r.vn/op:9".into(), ..example() };
    let template = crate::resources::stateful_set(&plan, "c", "m").spec.expect("spec").template;
    let pod = Pod { spec: template.spec, ..Pod::default() };
    for (container, image, chosen) in
        [("dovecot", "r.vn/mail:9", "spec.dovecot.image"), (AGENT, "r.vn/op:9", "image of the chart")]
    {
        let message = cannot_pull(&pod, container, "no such host");
        for needle in [image, chosen, "no such host"] {
            assert!(message.contains(needle), "{needle}: {message}");
        }
    }
}

fn seen(health: Health) -> Seen {
    Seen {
        pod: None,
        ready: false,
        health,
        mailboxes: 0,
        held: None,
        waits: None,
        released: None,
        journal: None,
        activity: None,
        stopped: None,
        lost: None,
        purge_refused: None,
        notices_wrong: None,
        refused: None,
        pod_refused: None,
        postmaster_missing: None,
    }
}

#[test]
fn a_pod_that_is_refused_is_said_with_what_to_do() {
    let why = "create Pod gialai-0 failed: violates PodSecurity \"restricted:latest\"".to_string();
    let refused = Seen { pod_refused: Some(why.clone()), ..seen(Health::Unknown) };
    let baseline = SystemPlan { pod_security: PodSecurity::Baseline, ..example() };
    let finding = available(&refused, &baseline);
    assert_eq!((finding.reason, finding.waiting), (Reason::PodRefused, false));
    for needle in ["enforce=baseline", "podSecurity", "thu-cong-vu", &why] {
        assert!(finding.message.contains(needle), "{needle}: {}", finding.message);
    }
    let restricted = available(&refused, &example());
    assert!(!restricted.message.contains("enforce=baseline"), "{}", restricted.message);
    assert_eq!(available(&seen(Health::Unknown), &baseline).reason, Reason::PodStarting);
}

#[test]
fn a_refused_child_is_the_reason_before_what_may_only_follow_from_it() {
    let refused = Finding::stalled(Reason::ApplyFailed, "patch StatefulSet gialai: no");
    for follows in [
        Finding::stalled(Reason::ImagePullFailed, ""),
        Finding::stalled(Reason::MountFailed, ""),
        Finding::stalled(Reason::PodRefused, ""),
        Finding::waiting(Reason::PodStarting, ""),
    ] {
        let urgent = most_urgent(Some(follows.clone()), Some(refused.clone())).expect("a finding");
        assert_eq!(urgent.reason, Reason::ApplyFailed, "{follows:?}");
    }
    let held = Finding::stalled(Reason::HeldByBrake, "");
    let full = Finding::stalled(Reason::VolumeFull, "");
    assert_eq!(most_urgent(Some(full), Some(held)).expect("a finding").reason, Reason::VolumeFull);
}

#[test]
fn the_password_page_is_among_the_ways_in_while_there_is_one() {
    let page = |plan: &SystemPlan| endpoints(plan).into_iter().find(|e| e.protocol == "https");
    let found = page(&example()).expect("an endpoint");
    assert_eq!((found.host.as_str(), found.port), ("gialai-portal.thu-cong-vu.svc", 443));
    assert_eq!(page(&SystemPlan { portal: None, ..example() }), None);
}

#[test]
fn a_full_volume_is_said_before_mail_is_refused() {
    let plan = example();
    let with = |free_bytes, total_bytes| {
        let state = crate::backend::State {
            version: String::new(),
            instance: String::new(),
            revision: 1,
            complete: true,
            table_lost: None,
            held: HeldFolders::default(),
            free_bytes,
            total_bytes,
            certificate_error: None,
            now: None,
        };
        agent(&seen(Health::Reachable(state)), &plan).reason
    };
    let large = 1000 * plan.message_limit.0;
    assert_eq!(with(large / 50 - 1, large), Reason::VolumeFull);
    assert_eq!(with(large / 50, large), Reason::Ready);
    // What Postfix wants free for one more mail is more than a fiftieth of a small one.
    let small = 10 * plan.message_limit.0;
    assert_eq!(with(plan.message_limit.0 * 3 / 2 - 1, small), Reason::VolumeFull);
    assert_eq!(with(plan.message_limit.0 * 2, small), Reason::Ready);
    assert_eq!(with(0, 0), Reason::Ready, "not known");
}

#[test]
fn a_damaged_account_table_is_said_while_mail_waits_and_for_a_while_after() {
    let plan = example();
    let with = |complete, table_lost| {
        let state = crate::backend::State {
            version: String::new(),
            instance: String::new(),
            revision: 1,
            complete,
            table_lost,
            held: HeldFolders::default(),
            free_bytes: 0,
            total_bytes: 0,
            certificate_error: None,
            now: None,
        };
        let seen = seen(Health::Reachable(state));
        (agent(&seen, &plan), further(&seen, &plan, None))
    };
    let (now, later) = with(false, Some(1_790_000_000));
    assert_eq!((now.reason, now.holds, now.waiting), (Reason::AccountTableDamaged, false, true));
    assert!(later.is_some_and(|later| later.holds && later.message.contains("data-gialai-0")));
    let (now, later) = with(true, Some(1_790_000_000));
    assert!(now.holds && later.is_some_and(|later| later.holds && later.reason == Reason::AccountTableDamaged));
    // A new system is none.
    let (now, later) = with(false, None);
    assert!(now.holds && later.is_none());
}

#[test]
fn d_14_a_removal_that_is_refused_is_said_while_mail_flows() {
    let refused = Seen { purge_refused: Some("nv-1".into()), ..seen(Health::Unknown) };
    let finding = further(&refused, &example(), None).expect("said");
    assert_eq!((finding.reason, finding.holds), (Reason::PurgeRefused, true));
    let lost = Seen { lost: Some("nv-2".into()), ..refused };
    let finding = further(&lost, &example(), None).expect("said");
    assert_eq!((finding.reason, finding.holds), (Reason::AddressLost, true));
}

#[test]
fn d_14_who_waits_because_of_his_folder_is_named_while_mail_flows() {
    let with = |held| {
        let state = crate::backend::State {
            version: String::new(),
            instance: String::new(),
            revision: 1,
            complete: true,
            table_lost: None,
            held,
            free_bytes: 0,
            total_bytes: 0,
            certificate_error: None,
            now: None,
        };
        further(&seen(Health::Reachable(state)), &example(), None)
    };
    assert!(with(HeldFolders::default()).is_none());
    let finding = with(HeldFolders { count: 7, some: vec!["nv-1".into(), "nv-2".into()] }).expect("said");
    assert_eq!((finding.reason, finding.holds), (Reason::FolderOfAnother, true));
    assert!(finding.message.contains("7 accounts") && finding.message.contains("nv-1, nv-2, …"), "{}", finding.message);
}
