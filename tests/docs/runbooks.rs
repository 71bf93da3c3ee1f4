//! Every alert of the chart has its page, every page its alert; its expression is PromQL, and what it asks for is there.

use std::collections::BTreeSet;
use std::fs;

use mail_operator::telemetry::{LifeFigures, Metrics, SystemFigures};
use promql_parser::parser::Expr;
use promql_parser::parser::value::ValueType;
use promql_parser::util::ExprVisitor;

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

/// The expression of an alert, folded lines joined.
fn expression(block: &str) -> String {
    let mut lines = block.lines().skip_while(|line| !line.trim_start().starts_with("expr: "));
    let first = lines.next().unwrap().trim().strip_prefix("expr: ").unwrap();
    if first != ">-" {
        return first.into();
    }
    let folded = lines.take_while(|line| !["for: ", "labels: "].iter().any(|key| line.trim_start().starts_with(key)));
    folded.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What an expression asks for: each metric, and the labels that it is chosen by.
#[derive(Default)]
struct Asked(Vec<(String, Vec<String>)>);

impl ExprVisitor for Asked {
    type Error = String;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, String> {
        let selector = match expr {
            Expr::VectorSelector(selector) => selector,
            Expr::MatrixSelector(range) => &range.vs,
            _ => return Ok(true),
        };
        let name = selector.name.clone().ok_or("a selector without the name of its metric")?;
        self.0.push((name, selector.matchers.matchers.iter().map(|matcher| matcher.name.clone()).collect()));
        Ok(true)
    }
}

/// A label of every metric, which `by` or `on` names.
fn grouping(expr: &str) -> Vec<&str> {
    let lists = ["by (", "on ("].into_iter().flat_map(|word| expr.split(word).skip(1));
    lists.flat_map(|rest| rest.split(')').next().unwrap().split(',').map(str::trim)).collect()
}

/// Every series of the operator.
fn exported() -> String {
    let metrics = Metrics::default();
    let system = SystemFigures { certificate_ends: Some(1), volume: Some((1, 2)), ..SystemFigures::default() };
    metrics.system("a", "one", &system);
    metrics.life("a", "one", &LifeFigures { activity_age: Some(1), ..LifeFigures::default() });
    metrics.purge_refused("a", "one", 1);
    metrics.activity_gap("a", "one");
    metrics.reconciled("mailbox", "ok", 0.1);
    metrics.panicked("mailbox");
    metrics.leads(true);
    metrics.text()
}

#[test]
fn every_expression_is_promql_and_asks_for_series_that_the_operator_has() {
    let (text, template) = (exported(), read(RULES));
    let mut count = 0;
    for (name, block) in alerts(&template) {
        let expr = expression(block);
        let parsed = promql_parser::parser::parse(&expr).unwrap_or_else(|error| panic!("{name}: {expr}: {error}"));
        assert!(parsed.value_type() == ValueType::Vector, "{name}: an alert is a list of series: {expr}");
        let mut asked = Asked::default();
        promql_parser::util::walk_expr(&mut asked, &parsed).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!asked.0.is_empty(), "{name}: {expr}");
        for (metric, labels) in asked.0 {
            let series = text.lines().find(|line| line.split(['{', ' ']).next() == Some(metric.as_str()));
            let series = series.unwrap_or_else(|| panic!("{name}: no metric {metric}"));
            for label in labels.iter().map(String::as_str).chain(grouping(&expr)) {
                assert!(series.contains(&format!("{label}=\"")), "{name}: {metric} has no label {label}: {series}");
            }
            count += 1;
        }
    }
    assert!(count >= 12, "{count}");
}
