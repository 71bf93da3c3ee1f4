//! Every alert of the chart has its page, every page its alert, and the metrics of an alert are there.

use std::collections::BTreeSet;
use std::fs;

use mail_operator::telemetry::{LifeFigures, Metrics, SystemFigures};

use crate::{read, root};

const RULES: &str = "charts/mail-operator/templates/metrics.yaml";
const HEADINGS: [&str; 7] = [
    "What it means",
    "By which rule",
    "What people notice",
    "First look",
    "What to do",
    "What not to do",
    "When it ends by itself",
];

/// An alert of the template: its name and its lines.
fn alerts(template: &str) -> Vec<(&str, &str)> {
    let blocks = template.split("- alert: ").skip(1);
    blocks.map(|block| (block.lines().next().unwrap_or_default().trim(), block)).collect()
}

/// Pages of runbooks without their ending.
fn pages() -> BTreeSet<String> {
    let files = fs::read_dir(root().join("docs/runbooks")).unwrap().flatten();
    files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".md")?.to_owned())).collect()
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let template = read(RULES);
    let alerts = alerts(&template);
    let names: BTreeSet<String> = alerts.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names.len(), alerts.len(), "an alert stands twice");
    assert!(names.len() >= 10, "{names:?}");
    assert_eq!(names, pages());
    for (name, block) in alerts {
        let page = format!("runbook_url: {{{{ .Values.metrics.prometheusRule.runbooks }}}}/{name}.md");
        for needed in ["summary: \"", "description: \"", "severity: ", "expr: ", page.as_str()] {
            assert!(block.contains(needed), "{name}: {needed}");
        }
    }
}

#[test]
fn every_page_says_the_same_things_in_the_same_order() {
    for page in pages() {
        let text = read(&format!("docs/runbooks/{page}.md"));
        assert!(text.starts_with(&format!("# {page}\n")), "{page}");
        let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, HEADINGS, "{page}");
        for section in text.split("\n## ").skip(1) {
            assert!(section.lines().filter(|line| !line.trim().is_empty()).count() >= 2, "{page}: {section}");
        }
    }
}

#[test]
fn every_severity_of_a_page_is_that_of_the_alert() {
    for (name, block) in alerts(&read(RULES)) {
        let severity = block.split("severity: ").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
        let page = read(&format!("docs/runbooks/{name}.md"));
        assert!(page.contains(&format!("\nSeverity: {severity}.")), "{name}: {severity}");
    }
}

#[test]
fn metrics_that_alerts_ask_for_are_those_of_the_operator() {
    let metrics = Metrics::default();
    let system = SystemFigures { certificate_ends: Some(1), volume: Some((1, 2)), ..SystemFigures::default() };
    metrics.system("a", "one", &system);
    metrics.life("a", "one", &LifeFigures { activity_age: Some(1), ..LifeFigures::default() });
    metrics.purge_refused("a", "one", 1);
    metrics.reconciled("mailbox", "ok", 0.1);
    metrics.panicked("mailbox");
    metrics.leads(true);
    let text = metrics.text();
    let template = read(RULES);
    let asked: BTreeSet<&str> = template
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("mail_operator_"))
        .collect();
    assert!(asked.len() >= 12, "{asked:?}");
    for name in asked {
        let series = |line: &str| line.split(['{', ' ']).next() == Some(name);
        assert!(text.lines().any(series), "no metric {name}");
    }
}
