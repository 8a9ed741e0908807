//! Every value has an effect, and the one that it says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rendered::{Rendered, yaml};

#[test]
fn does_something_with_every_value() {
    let mut leaves = Vec::new();
    list(&yaml("values.yaml"), "", &mut leaves);

    for leaf in &leaves {
        let rows = tried().filter(|[key, ..]| key == leaf);
        assert_eq!(rows.count(), 1, "{leaf} is tried once");
    }
    let mut idle = Vec::new();
    for [key, value, told] in tried() {
        assert!(leaves.contains(&key.to_owned()), "{key}");
        let around = around(key);
        let set = format!("{key}={value}");
        let without = lines(&Rendered::given("everything", &around).text);
        let with = lines(&Rendered::given("everything", &[&around[..], &[&set]].concat()).text);

        let (kept, text) = told.split_at(1);
        let (more, fewer) = match kept {
            "+" => (&with, &without),
            _ => (&without, &with),
        };
        let changed = more.iter().any(|(line, count)| {
            line.contains(text) && fewer.get(line).copied().unwrap_or_default() < *count
        });
        if !changed {
            idle.push((set, told));
        }
    }
    assert_eq!(idle, []);
}

/// Values, what they are set to, and what comes or goes by that.
fn tried() -> impl Iterator<Item = [&'static str; 3]> {
    let rows = include_str!("leaves.txt").lines();
    let rows = rows.filter(|row| !row.starts_with('#'));
    rows.map(|row| {
        let parts: Vec<_> = row.split(" | ").collect();
        parts.try_into().expect("three parts")
    })
}

/// What else must be set for a value to count, beside what `everything` has.
fn around(key: &str) -> Vec<&'static str> {
    match key {
        "replicaCount" => vec!["autoscaling.enabled=false"],
        "serviceAccount.name" => vec!["serviceAccount.create=true"],
        "serviceAccount.create" => vec![r#"serviceAccount.name="own""#],
        "nameOverride" => vec![r#"fullnameOverride="""#],
        "kubernetesApi.access" => vec![
            "config.accounts.fabrikam.refresh_token={}",
            "config.callers.issuers=[]",
        ],
        "test.audience" | "test.image" | "test.pullPolicy" => vec!["test.enabled=true"],
        _ if key.starts_with("metrics.serviceMonitor.") => {
            let others = "metrics.podMonitor.enabled=false";
            let own = "metrics.serviceMonitor.enabled=true";
            if key.ends_with("enabled") {
                vec![others]
            } else {
                vec![others, own]
            }
        }
        _ => Vec::new(),
    }
}

/// How often each line stands there.
fn lines(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        *lines.entry(line.to_owned()).or_default() += 1;
    }
    lines
}

/// Paths of all values that have none below them.
fn list(value: &Value, path: &str, leaves: &mut Vec<String>) {
    match value.as_object() {
        Some(entries) if !entries.is_empty() => {
            for (key, below) in entries {
                let key = key.replace('.', r"\.");
                let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
                list(below, &path, leaves);
            }
        }
        _ => leaves.push(path.to_owned()),
    }
}
