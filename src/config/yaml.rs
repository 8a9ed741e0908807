//! Turns YAML into a tree of nodes.

use marked_yaml::{
    LoadError, LoaderOptions, Node as Marked,
    loader::DuplicateKeyInner,
    parse_yaml_with_options,
    types::{MarkedMappingNode, MarkedScalarNode},
};

use crate::config::{
    fault::Place,
    node::{Node, Value, joined},
    report::Report,
};

/// Parses a configuration file; faults are noted with their lines.
pub(crate) fn parse_file(text: &str, report: &Report) -> Option<Node> {
    second_document(text, report);
    match marked(text, DuplicateKeys::AreFaults) {
        Ok(tree) => Some(node(&tree, report.whole_file(), &|line| report.line(line))),
        Err(LoadError::DuplicateKey(duplicate)) => {
            // The last one stands in for both, so that the rest is still checked.
            let tree = marked(text, DuplicateKeys::LastWins).ok()?;
            let tree = node(&tree, report.whole_file(), &|line| report.line(line));
            twice(&tree, &duplicate, report);
            Some(tree)
        }
        Err(error) => {
            let (line, problem) = problem(&error);
            report.fault(&report.line(line), "", problem);
            None
        }
    }
}

/// Parses the built-in defaults.
pub(crate) fn parse_defaults(text: &str, report: &Report) -> Option<Node> {
    match marked(text, DuplicateKeys::AreFaults) {
        Ok(tree) => Some(node(&tree, Place::Default, &|_| Place::Default)),
        Err(error) => {
            let (line, problem) = problem(&error);
            report.fault(
                &report.whole_file(),
                "",
                format!("the defaults, line {line}: {problem}"),
            );
            None
        }
    }
}

#[derive(Clone, Copy)]
enum DuplicateKeys {
    AreFaults,
    LastWins,
}

fn marked(text: &str, duplicates: DuplicateKeys) -> Result<Marked, LoadError> {
    let refuse = matches!(duplicates, DuplicateKeys::AreFaults);
    let options = LoaderOptions::default()
        .error_on_duplicate_keys(refuse)
        .prevent_coercion(true);
    parse_yaml_with_options(0, text, options)
}

fn node(marked: &Marked, place: Place, lines: &dyn Fn(usize) -> Place) -> Node {
    let value = match marked {
        Marked::Scalar(scalar) if is_null(scalar) => Value::Nothing,
        Marked::Scalar(scalar) => Value::Scalar(scalar.as_str().to_owned()),
        Marked::Sequence(items) => {
            let item = |item: &Marked| node(item, lines(line(item.span())), lines);
            Value::List(items.iter().map(item).collect())
        }
        Marked::Mapping(entries) => Value::Map(map(entries, lines)),
    };
    Node { place, value }
}

/// A value stands in the line of its key.
fn map(entries: &MarkedMappingNode, lines: &dyn Fn(usize) -> Place) -> Vec<(String, Node)> {
    let entry = |(key, value): (&MarkedScalarNode, &Marked)| {
        (
            key.as_str().to_owned(),
            node(value, lines(line(key.span())), lines),
        )
    };
    entries.iter().map(entry).collect()
}

fn line(span: &marked_yaml::Span) -> usize {
    span.start().map_or(1, marked_yaml::Marker::line)
}

/// Only a plain scalar can be null; the loader leaves plain scalars coercible and no others.
fn is_null(scalar: &MarkedScalarNode) -> bool {
    scalar.may_coerce() && matches!(scalar.as_str(), "" | "~" | "null")
}

fn twice(tree: &Node, duplicate: &DuplicateKeyInner, report: &Report) {
    let lines = (line(duplicate.prev_key.span()), line(duplicate.key.span()));
    let name = duplicate.key.as_str();
    let places = [report.line(lines.0), report.line(lines.1)];
    let path = path_of(tree, "", name, &places).unwrap_or_else(|| name.to_owned());
    let problem = format!(
        "stands in line {} and again in line {}; accepted: once",
        lines.0, lines.1
    );
    report.fault(&report.line(lines.1), &path, problem);
}

fn path_of(node: &Node, path: &str, name: &str, places: &[Place]) -> Option<String> {
    match &node.value {
        Value::Map(entries) => entries.iter().find_map(|(key, node)| {
            let path = joined(path, key);
            if key == name && places.contains(&node.place) {
                return Some(path);
            }
            path_of(node, &path, name, places)
        }),
        Value::List(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| path_of(item, &format!("{path}[{index}]"), name, places)),
        Value::Nothing | Value::Scalar(_) => None,
    }
}

fn problem(error: &LoadError) -> (usize, String) {
    let (marker, problem) = match error {
        LoadError::TopLevelMustBeMapping(marker) | LoadError::TopLevelMustBeSequence(marker) => (
            marker,
            "found no keys; accepted: keys with values".to_owned(),
        ),
        LoadError::UnexpectedAnchor(marker) => (
            marker,
            "found an anchor; accepted: YAML without anchors and aliases".to_owned(),
        ),
        LoadError::MappingKeyMustBeScalar(marker) => (
            marker,
            "found a list or a section as a key; accepted: a name".to_owned(),
        ),
        LoadError::UnexpectedTag(marker) => (
            marker,
            "found a tag; accepted: YAML without tags".to_owned(),
        ),
        LoadError::ScanError(marker, error) => (marker, format!("not YAML: {}", error.info())),
        LoadError::DuplicateKey(duplicate) => {
            return (line(duplicate.key.span()), "a key stands twice".to_owned());
        }
    };
    (marker.line(), problem)
}

/// The loader reads the first document and forgets the rest, so a second one is told here.
///
/// A line that starts with `---` is a document marker wherever it stands
/// (<https://yaml.org/spec/1.2.2/#912-document-markers>).
fn second_document(text: &str, report: &Report) {
    let is_marker = |line: &str, marker: &str| {
        line.strip_prefix(marker)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    let (mut content, mut ended) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let marker = is_marker(line, "---");
        let silent = line.trim().is_empty() || line.trim_start().starts_with('#');
        if (marker && content) || (ended && !silent) {
            let problem = "found a second document; accepted: one".to_owned();
            report.fault(&report.line(index + 1), "", problem);
            return;
        }
        ended |= is_marker(line, "...");
        content |= marker || !(silent || line.starts_with('%'));
    }
}
