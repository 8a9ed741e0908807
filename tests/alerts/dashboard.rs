//! The dashboard.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::{
    prometheus::promtool,
    reading::{metrics, named, rules, text, words},
};

#[test]
fn has_rows_and_panels_that_are_told_apart_and_a_data_source_of_the_readers_choice() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");

    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    assert!(!ids.contains(&None));
    let rows: Vec<_> = panels
        .iter()
        .filter(|panel| panel["type"] == "row")
        .map(|panel| panel["title"].as_str().expect("a title"))
        .collect();
    assert_eq!(rows, ROWS);
    let mut sources = Vec::new();
    below(&dashboard, "datasource", &mut sources);
    let chosen = json!({"type": "prometheus", "uid": "${datasource}"});
    assert!(sources.len() > panels.len() - rows.len());
    assert!(sources.iter().all(|source| **source == chosen));
    let variables = dashboard["templating"]["list"]
        .as_array()
        .expect("variables");
    assert_eq!(variables[0]["name"], "datasource");
    assert_eq!(variables[0]["type"], "datasource");
}

#[test]
fn shows_every_metric_and_only_those_that_are_told() {
    let metrics = metrics();
    let recorded: BTreeSet<_> = rules().iter().map(|rule| rule.name().to_owned()).collect();
    let expressions = expressions();

    let mut shown = BTreeSet::new();
    for expression in &expressions {
        for word in words(expression) {
            let recording = word.contains(":partner_gateway");
            assert!(!recording || recorded.contains(&word), "{word}");
        }
        shown.extend(named(expression));
    }

    let unknown: Vec<_> = shown.difference(&metrics).collect();
    assert!(unknown.is_empty(), "not in the README: {unknown:?}");
    let by_rules = rules();
    let watched = by_rules.iter().flat_map(|rule| named(rule.expression()));
    shown.extend(watched);
    let nowhere: Vec<_> = metrics.difference(&shown).collect();
    assert!(nowhere.is_empty(), "neither shown nor watched: {nowhere:?}");
}

#[test]
fn asks_what_prometheus_understands() {
    let as_rules: Vec<Value> = (0..)
        .zip(expressions())
        .map(|(number, expression): (u32, String)| {
            let mut expression = expression.replace("$__rate_interval", "5m");
            for variable in ["namespace", "job", "instance"] {
                expression = expression.replace(&format!("${variable}"), ".*");
            }
            assert!(!expression.contains('$'), "{expression}");
            json!({"record": format!("shown:{number}"), "expr": expression})
        })
        .collect();
    let group = json!({"groups": [{"name": "dashboard", "rules": as_rules}]});
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("dashboard.yaml");
    // JSON is YAML.
    fs::write(&file, group.to_string()).expect("file");

    promtool(&["check", "rules"], &[file]);
}

/// What the dashboard asks, panels and marks.
fn expressions() -> Vec<String> {
    let dashboard = dashboard();
    let mut found = Vec::new();
    below(&dashboard, "expr", &mut found);
    assert!(found.len() > 50);
    let texts = found.iter().map(|expression| expression.as_str());
    texts.map(|text| text.expect("text").to_owned()).collect()
}

/// Every value of this name, however deep.
fn below<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if key == name {
                    found.push(member);
                } else {
                    below(member, name, found);
                }
            }
        }
        Value::Array(elements) => {
            for element in elements {
                below(element, name, found);
            }
        }
        _ => {}
    }
}

fn dashboard() -> Value {
    let text = text("helm/partner-gateway/dashboards/partner-gateway.json");
    serde_json::from_str(&text).expect("JSON")
}

const ROWS: [&str; 7] = [
    "Calls",
    "Latency and own share",
    "Upstream",
    "Tokens",
    "Journal",
    "Sinks",
    "Cluster",
];
