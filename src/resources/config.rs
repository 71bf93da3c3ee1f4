//! The configuration of Dovecot, Postfix and rspamd as one immutable ConfigMap whose name carries its hash: a change
//! rolls the pod, and the old one stays until nobody uses it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::sessions::Limits;
use super::{DKIM_SELECTOR, SystemPlan};

/// Modules of rspamd that ask servers on the Internet or need redis: off in a closed network.
const RSPAMD_OFF: [&str; 9] =
    ["asn", "fuzzy_check", "mid", "neural", "phishing", "rbl", "rspamd_update", "whitelist", "replies"];

/// Key in the ConfigMap, and where the file is mounted.
pub(super) struct File {
    pub key: &'static str,
    pub path: &'static str,
}

pub(super) const DOVECOT: [File; 5] = [
    File { key: "dovecot.conf", path: "dovecot.conf" },
    File { key: "10-auth.conf", path: "conf.d/10-auth.conf" },
    File { key: "20-quota.conf", path: "conf.d/20-quota.conf" },
    File { key: "30-sieve.conf", path: "conf.d/30-sieve.conf" },
    File { key: "40-activity.conf", path: "conf.d/40-activity.conf" },
];

pub(super) const POSTFIX: [&str; 9] = [
    "main.cf",
    "master.cf",
    "op-mailboxes.cf",
    "op-aliases.cf",
    "op-ours",
    "op-senders.cf",
    "op-sasl.cf",
    "op-recipients.cf",
    "op-forwarders.cf",
];

/// Files of rspamd's `local.d`: key without the prefix `rspamd-`.
pub(super) fn rspamd_local() -> Vec<String> {
    let fixed = [
        "dkim_signing.conf",
        "milter_headers.conf",
        "logging.inc",
        "worker-proxy.inc",
        "worker-normal.inc",
        "worker-fuzzy.inc",
        "worker-controller.inc",
        "rspamd.lua",
    ];
    let off = RSPAMD_OFF.iter().map(|module| format!("{module}.conf"));
    fixed.into_iter().map(String::from).chain(off).collect()
}

/// The ConfigMap of a system.
pub fn config_map(plan: &SystemPlan) -> ConfigMap {
    let data = files(plan);
    let mut hash = Sha256::new();
    for (name, text) in &data {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    let hash: String = hash.finalize().iter().take(5).map(|b| format!("{b:02x}")).collect();
    ConfigMap {
        metadata: plan.owned(plan.child(&format!("config-{hash}"))),
        data: Some(data),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// Configurations kept beside the current one while the pod has not been replaced: a revision that is on its way may want one.
const KEPT: usize = 5;

/// Which of `found` (name, time of creation) may go: all that are not current when the pod was replaced (`rolled`), else those
/// that are neither mounted nor among the newest.
pub fn superseded(
    mut found: Vec<(String, Option<Timestamp>)>,
    current: &str,
    mounted: &BTreeSet<&str>,
    rolled: bool,
) -> Vec<String> {
    found.retain(|(name, _)| name != current);
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let kept = if rolled { 0 } else { KEPT };
    let old = found.into_iter().skip(kept).map(|(name, _)| name);
    old.filter(|name| rolled || !mounted.contains(name.as_str())).collect()
}

fn files(plan: &SystemPlan) -> BTreeMap<String, String> {
    let limit = plan.message_limit.0.to_string();
    let sessions = Limits::of(plan.sessions);
    let numbers = [
        ("@IMAP@", sessions.imap),
        ("@POP3@", sessions.pop3),
        ("@SESSIONS@", sessions.all),
        ("@IMAP_LOGINS@", sessions.logins),
        ("@POP3_LOGINS@", sessions.pop3_logins),
        ("@CLIENTS@", sessions.clients),
    ];
    let fill = |text: &str| {
        let text =
            numbers.iter().fold(text.to_string(), |text, (name, number)| text.replace(name, &number.to_string()));
        text.replace("@HOSTNAME@", &plan.hostname)
            .replace("@DOMAIN_PATTERN@", &plan.domain.replace('.', "\\."))
            .replace("@DOMAIN@", &plan.domain)
            .replace("@MESSAGE_LIMIT@", &limit)
            .replace("@RELAYHOST@", plan.relay_host.as_deref().unwrap_or(""))
            .replace("@SELECTOR@", DKIM_SELECTOR)
    };
    let mut data: BTreeMap<String, String> = [
        ("dovecot.conf", include_str!("mail/dovecot.conf")),
        ("10-auth.conf", include_str!("mail/10-auth.conf")),
        ("20-quota.conf", include_str!("mail/20-quota.conf")),
        ("30-sieve.conf", include_str!("mail/30-sieve.conf")),
        ("40-activity.conf", include_str!("mail/40-activity.conf")),
        ("main.cf", include_str!("mail/main.cf")),
        ("master.cf", include_str!("mail/master.cf")),
        ("op-mailboxes.cf", include_str!("mail/op-mailboxes.cf")),
        ("op-aliases.cf", include_str!("mail/op-aliases.cf")),
        ("op-ours", include_str!("mail/op-ours")),
        ("op-senders.cf", include_str!("mail/op-senders.cf")),
        ("op-sasl.cf", include_str!("mail/op-sasl.cf")),
        ("op-recipients.cf", include_str!("mail/op-recipients.cf")),
        ("op-forwarders.cf", include_str!("mail/op-forwarders.cf")),
        ("rspamd-rspamd.lua", include_str!("mail/rspamd.lua")),
        ("rspamd-dkim_signing.conf", include_str!("mail/rspamd-dkim_signing.conf")),
        ("rspamd-worker-proxy.inc", include_str!("mail/rspamd-worker-proxy.inc")),
        ("rspamd-override-options.inc", include_str!("mail/rspamd-options.inc")),
        ("rspamd-milter_headers.conf", "use = [\"authentication-results\", \"x-spamd-bar\", \"x-spam-level\"];\n"),
        ("rspamd-logging.inc", "type = \"console\";\ncolor = false;\nlevel = \"notice\";\n"),
        ("rspamd-worker-normal.inc", "# Everything runs in the proxy worker (self_scan).\nenabled = false;\n"),
        ("rspamd-worker-fuzzy.inc", "enabled = false;\n"),
        ("rspamd-worker-controller.inc", "enabled = false;\n"),
        // Mounted over /etc/rspamd/statistic.conf: without redis the stock Bayes classifier logs an error per message.
        ("rspamd-statistic.conf", "# no statistics without redis\n"),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_string(), fill(text)))
    .collect();
    for module in RSPAMD_OFF {
        data.insert(
            format!("rspamd-{module}.conf"),
            "# asks servers on the Internet, or needs redis\nenabled = false;\n".into(),
        );
    }
    data
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn every_placeholder_is_filled_and_every_mounted_file_is_there() {
        let data = config_map(&example()).data.expect("data");
        for (name, text) in &data {
            let left = text.split_whitespace().find(|w| w.starts_with('@') && w.ends_with('@') && w.len() > 1);
            assert_eq!(left, None, "{name}");
        }
        let mounted = DOVECOT.iter().map(|f| f.key.to_string()).chain(POSTFIX.iter().map(|f| (*f).to_string()));
        for name in mounted.chain(rspamd_local().into_iter().map(|f| format!("rspamd-{f}"))) {
            assert!(data.contains_key(&name), "{name}");
        }
    }

    #[test]
    fn old_configurations_go_when_the_pod_was_replaced_and_are_bounded_until_then() {
        let at = |second| Timestamp::from_second(second).ok();
        let found: Vec<_> = (0..10).map(|i| (format!("c{i}"), at(i))).collect();
        let all = superseded(found.clone(), "c9", &BTreeSet::from(["c1"]), true);
        assert_eq!(all.len(), 9, "{all:?}");
        let some = superseded(found, "c9", &BTreeSet::from(["c1"]), false);
        assert_eq!(some, ["c3", "c2", "c0"], "the mounted one and the newest five stay");
    }

    #[test]
    fn nobody_is_trusted_for_his_address() {
        let data = config_map(&example()).data.expect("data");
        let main = &data["main.cf"];
        assert!(main.lines().any(|l| l.trim() == "mynetworks ="), "{main}");
        assert!(data.values().all(|text| !text.contains("permit_mynetworks")));
    }

    #[test]
    fn what_trivial_rewrite_reads_is_in_no_table() {
        let data = config_map(&example()).data.expect("data");
        for line in ["virtual_mailbox_domains = gialai.gov.vn", "virtual_alias_domains ="] {
            assert!(data["main.cf"].lines().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn a_change_changes_the_name_and_nothing_else_does() {
        let name = |plan: &SystemPlan| config_map(plan).metadata.name;
        let plan = example();
        assert_eq!(name(&plan), name(&example()));
        assert_ne!(name(&plan), name(&SystemPlan { relay_host: Some("relay.vn".into()), ..plan.clone() }));
        assert_eq!(name(&plan), name(&SystemPlan { storage: "20Gi".into(), ..plan.clone() }));
    }
}
