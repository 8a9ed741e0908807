//! Reads the configuration: built-in defaults, the file over them, the environment over both.

use std::{io, path::Path, sync::Arc};

use crate::config::{
    Config,
    environment::Environment,
    fault::{Faults, Notice},
    node::Node,
    report::Report,
    root,
    section::Cursor,
    stores,
    values::Values,
    watch::Read,
    yaml,
};

/// A sound configuration and what an operator should know of it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is worth telling, none of it wrong.
    pub notices: Vec<Notice>,
    /// Where each rule of the policy stands, as a fault would tell it.
    pub rules: Vec<String>,
    /// Every single value, to be compared with those of another configuration.
    pub values: Values,
}

/// What came of reading a configuration, sound or not.
#[derive(Debug)]
pub struct Attempt {
    /// What it says, or every fault.
    pub loaded: Result<Loaded, Faults>,
    /// What the files held that were read for it.
    pub read: Read,
}

/// Reads and validates a configuration, with every file, key and certificate that it names.
///
/// # Errors
///
/// Every fault at once; only a file that cannot be read or is not YAML hides others.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Faults> {
    attempt(path, environment).loaded
}

/// Reads and validates a configuration, and tells which files it names even where it is not sound.
#[must_use]
pub fn attempt(path: &Path, environment: &Environment) -> Attempt {
    let report = Report::new(Arc::from(path.to_string_lossy()));
    let Some(tree) = tree(path, environment, &report) else {
        return Attempt {
            read: report.files_read(),
            loaded: Err(report.faults()),
        };
    };
    let config = root::config(&Cursor::root(&report, &tree), environment);
    let read = report.files_read();
    stores::report_files_of_others(&tree, &read, &report);
    let loaded = report.verdict(config).map(|(config, notices)| Loaded {
        config,
        notices,
        rules: rules(&tree),
        values: Values::of(&tree),
    });
    Attempt { loaded, read }
}

fn rules(tree: &Node) -> Vec<String> {
    let rules = tree.select("policy.*").into_iter();
    rules
        .map(|(path, node)| format!("{}: {path}", node.place))
        .collect()
}

/// Puts the layers on top of each other.
fn tree(path: &Path, environment: &Environment, report: &Report) -> Option<Node> {
    let defaults = yaml::parse_defaults(DEFAULTS, report)?;
    let content = report.read_file(path).and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
    });
    let text = content
        .map_err(|error| report.fault(&report.whole_file(), "", format!("reading it: {error}")))
        .ok()?;
    if let Some((before, _)) = text.split_once('\0') {
        // A YAML reader takes it for the end, and a crash leaves files that go on with nothing else.
        let line = before.lines().count().max(1);
        let problem = "a NUL character; accepted: text".to_owned();
        report.fault(&report.line(line), "", problem);
        return None;
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let mut tree = defaults.overlaid(yaml::parse_file(text, report)?);
    environment.overlay(&mut tree, report);
    Some(tree)
}

/// What some editors put before the first character.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The one place of every default that stands under a fixed key, and the reference of every key.
const DEFAULTS: &str = include_str!("../../config/default.yaml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::node::{Value, joined};

    #[test]
    fn documents_every_key_that_is_read_and_no_other() {
        let report = Report::new("default.yaml".into());
        let tree = yaml::parse_file(&uncommented(DEFAULTS), &report).unwrap();

        // It holds every alternative at once, so it is not sound; only its keys matter here.
        let unsound = root::config(&Cursor::root(&report, &tree), &Environment::default());

        let mut documented = Vec::new();
        paths(&tree, "", &mut documented);
        let asked = report.every_asked();
        // Each kind of sink is shown with its own keys, and is asked for those of the others.
        let shown: Vec<_> = documented.iter().map(|path| of_any_sink(path)).collect();
        let undocumented: Vec<_> = asked
            .iter()
            .filter(|path| !shown.contains(&of_any_sink(path)))
            .collect();
        let unread: Vec<_> = documented
            .iter()
            .filter(|path| !covered(path, &asked))
            .collect();
        assert!(unsound.is_none());
        assert_eq!(undocumented, Vec::<&String>::new());
        assert_eq!(unread, Vec::<&String>::new());
    }

    #[test]
    fn shows_optional_keys_with_values_that_change_nothing() {
        let report = Report::new("default.yaml".into());
        let tree = yaml::parse_file(&uncommented(DEFAULTS), &report).unwrap();
        let shown = |path: &str| match &tree.select(path).pop().unwrap().1.value {
            Value::Scalar(text) => text.clone(),
            _ => String::new(),
        };

        assert_eq!(shown("accounts.contoso.cloud"), "global");
        assert_eq!(shown("accounts.contoso.flow"), "app");
        assert_eq!(shown("accounts.contoso.endpoints.token_version"), "v2");
        let global = crate::config::clouds::Cloud::Global.endpoints();
        assert_eq!(
            shown("accounts.contoso.endpoints.authority"),
            global.authority
        );
        assert_eq!(shown("accounts.contoso.endpoints.api"), global.api);
        assert_eq!(shown("accounts.contoso.endpoints.scope"), global.scope);
    }

    #[test]
    fn needs_no_more_than_an_account_and_a_way_in() {
        let report = Report::new("default.yaml".into());
        let tree = yaml::parse_defaults(DEFAULTS, &report).unwrap();

        assert!(root::config(&Cursor::root(&report, &tree), &Environment::default()).is_none());

        let faults = report.verdict(None::<()>).unwrap_err();
        insta::assert_snapshot!(faults, @"
        default.yaml: 2 faults
        default.yaml: accounts: is missing
        default.yaml: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener
        ");
    }

    /// A line that starts with `#` and goes straight on is an optional key.
    fn uncommented(text: &str) -> String {
        let line = |line: &str| {
            let bare = line.trim_start();
            let (indent, _) = line.split_at(line.len() - bare.len());
            match bare.strip_prefix('#') {
                Some(key) if !key.starts_with(' ') => format!("{indent}{key}\n"),
                _ => format!("{line}\n"),
            }
        };
        text.lines().map(line).collect()
    }

    fn of_any_sink(path: &str) -> String {
        let rest = path.strip_prefix("audit.sinks[");
        let key = rest.and_then(|rest| rest.split_once(']'));
        key.map_or(path.to_owned(), |(_, key)| format!("audit.sinks{key}"))
    }

    fn paths(node: &Node, path: &str, found: &mut Vec<String>) {
        match &node.value {
            Value::Map(entries) => {
                for (key, node) in entries {
                    found.push(joined(path, key));
                    paths(node, &joined(path, key), found);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    paths(item, &format!("{path}[{index}]"), found);
                }
            }
            Value::Nothing | Value::Scalar(_) => {}
        }
    }

    /// A key is read when it was asked for, when it is a name under `accounts` or of a header, or when it stands in a
    /// part that was asked for as a whole.
    fn covered(path: &str, asked: &[String]) -> bool {
        let inside = |outer: &str, path: &str| {
            path.strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        let whole = |outer: &&String| {
            inside(outer, path) && !asked.iter().any(|other| inside(outer, other))
        };
        asked.iter().any(|other| other == path)
            || path == "accounts.contoso"
            || path.ends_with(".headers.authorization")
            || asked.iter().any(|outer| whole(&outer))
    }
}
