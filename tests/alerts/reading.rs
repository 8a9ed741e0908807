//! The files that are held against each other, as they stand.

use std::{collections::BTreeSet, fs, path::PathBuf};

use marked_yaml::Node;
use serde_json::Value;

use crate::RULES;

/// A rule, whether it records or alerts.
pub(crate) struct Rule(Value);

impl Rule {
    /// The name under which it records or alerts.
    pub(crate) fn name(&self) -> &str {
        let name = self.0["alert"].as_str().or(self.0["record"].as_str());
        name.expect("a name")
    }

    pub(crate) fn is_alert(&self) -> bool {
        self.0["alert"].is_string()
    }

    pub(crate) fn expression(&self) -> &str {
        self.0["expr"].as_str().expect("an expression")
    }

    /// A text below `labels` or `annotations`; empty where there is none.
    pub(crate) fn says(&self, part: &str, name: &str) -> &str {
        self.0[part][name].as_str().unwrap_or_default()
    }
}

/// All rules, in their order.
pub(crate) fn rules() -> Vec<Rule> {
    let file = yaml(RULES);
    let groups = file["groups"].as_array().expect("groups");
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules").clone());
    rules.map(Rule).collect()
}

/// The names of all alerts, in their order.
pub(crate) fn alerts() -> Vec<String> {
    let mut rules = rules();
    rules.retain(Rule::is_alert);
    rules.iter().map(|rule| rule.name().to_owned()).collect()
}

/// The metrics that the README lists.
pub(crate) fn metrics() -> BTreeSet<String> {
    let readme = text("README.md");
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `partner_gateway_"));
    rows.filter_map(|row| row.split(['`', '{']).next())
        .map(|name| format!("partner_gateway_{name}"))
        .collect()
}

/// The metrics and recorded values that an expression names, and all its other words.
pub(crate) fn words(expression: &str) -> BTreeSet<String> {
    let part = |char: char| char.is_ascii_alphanumeric() || "_:".contains(char);
    let words = expression.split(|char| !part(char));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The metrics that an expression names, and where its histograms are named by what they tell.
pub(crate) fn named(expression: &str) -> BTreeSet<String> {
    let mut words = words(expression);
    words.retain(|word| word.starts_with("partner_gateway_"));
    let ends = ["_bucket", "_sum", "_count"];
    words
        .iter()
        .map(|word| {
            let family = ends.iter().find_map(|end| word.strip_suffix(end));
            family.unwrap_or(word).to_owned()
        })
        .collect()
}

/// A file of the project.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(place(path)).expect(path)
}

pub(crate) fn place(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), path].iter().collect()
}

/// A file in YAML, every scalar as text.
pub(crate) fn yaml(path: &str) -> Value {
    value(&marked_yaml::parse_yaml(0, text(path)).expect("YAML"))
}

fn value(node: &Node) -> Value {
    match node {
        Node::Scalar(scalar) => scalar.as_str().into(),
        Node::Sequence(sequence) => sequence.iter().map(value).collect(),
        Node::Mapping(mapping) => mapping
            .iter()
            .map(|(key, of_key)| (key.as_str().to_owned(), value(of_key)))
            .collect(),
    }
}
