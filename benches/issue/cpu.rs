//! CPU time and memory of the processes of the test bed.

use std::collections::BTreeMap;

/// CPU time of every process of the test bed by program, in ticks.
pub(super) fn cpu_ticks() -> BTreeMap<String, u64> {
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
pub(super) fn cpu_since(before: &BTreeMap<String, u64>) -> String {
    let mut used: Vec<(String, u64)> =
        cpu_ticks().into_iter().map(|(name, t)| (name.clone(), t - before.get(&name).unwrap_or(&0).min(&t))).collect();
    used.sort_by_key(|(_, t)| std::cmp::Reverse(*t));
    let shown = used.iter().filter(|(_, t)| *t >= 10).map(|(name, t)| format!("{name}={:.1}", *t as f64 / 100.0));
    shown.collect::<Vec<_>>().join(",")
}

/// Resident memory in MiB.
pub(super) fn rss(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|k| k.parse::<u64>().ok()).unwrap_or(0) / 1024
}

pub(super) fn agent_rss() -> u64 {
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
