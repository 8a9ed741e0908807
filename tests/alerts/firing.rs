//! The tests of the rules, run by Prometheus' own tool: every alert is seen to fire and seen to stay silent.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use crate::{
    RULES,
    prometheus::promtool,
    reading::{alerts, place, yaml},
};

#[test]
fn fires_and_stays_silent_as_the_tests_of_the_rules_say() {
    promtool(&["check", "rules"], &[place(RULES)]);

    let running: Vec<_> = files()
        .iter()
        .map(|file| {
            let mut command = Command::new("promtool");
            command.args(["test", "rules"]).arg(place(file));
            command.stdout(std::process::Stdio::piped());
            command.stderr(std::process::Stdio::piped());
            command.spawn().expect("promtool")
        })
        .collect();

    for process in running {
        let ended = process.wait_with_output().expect("promtool");
        let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
    }
}

#[test]
fn has_seen_every_alert_both_ways() {
    let alerts: BTreeSet<_> = alerts().into_iter().collect();
    let (mut fired, mut both) = (BTreeSet::new(), BTreeSet::new());

    for file in files() {
        let file = yaml(&file);
        for test in file["tests"].as_array().expect("tests") {
            let moments: Vec<_> = test["promql_expr_test"]
                .as_array()
                .expect("moments")
                .iter()
                .map(firing)
                .collect();
            for name in moments.iter().flatten() {
                fired.insert(name.clone());
                if moments.iter().any(|firing| !firing.contains(name)) {
                    both.insert(name.clone());
                }
            }
        }
    }

    assert_eq!(fired, alerts, "fired in the tests, and all there are");
    assert_eq!(both, alerts, "silent in a test in which they fired, too");
}

/// The alerts that fire at a moment of a test.
fn firing(moment: &Value) -> BTreeSet<String> {
    assert_eq!(moment["expr"], FIRING, "every moment is about all alerts");
    let samples = moment["exp_samples"].as_array().expect("samples").iter();
    samples
        .map(|sample| {
            let labels = sample["labels"].as_str().expect("labels");
            labels.split('"').nth(1).expect("a name").to_owned()
        })
        .collect()
}

fn files() -> Vec<String> {
    let found = fs::read_dir(place("tests/rules")).expect("directory");
    let names = found.map(|entry| entry.expect("entry").file_name());
    let files: Vec<_> = names
        .map(|name| format!("tests/rules/{}", name.to_string_lossy()))
        .collect();
    assert!(!files.is_empty());
    files
}

const FIRING: &str = r#"count by (alertname, severity) (ALERTS{alertstate="firing"})"#;
