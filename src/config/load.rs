//! Reads the configuration: built-in defaults, the file over them, the environment over both.

use std::{fs, path::Path, sync::Arc};

use crate::config::{
    Config,
    environment::Environment,
    fault::{Faults, Notice},
    node::Node,
    report::Report,
    root,
    section::Cursor,
    unbuilt, yaml,
};

/// A sound configuration and what an operator should know of it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is worth telling, none of it wrong.
    pub notices: Vec<Notice>,
}

/// Reads and validates a configuration with the environment of this process.
///
/// # Errors
///
/// Every fault at once.
pub fn load_from_process(path: &Path) -> Result<Loaded, Faults> {
    load(path, &Environment::of_process())
}

/// Reads and validates a configuration, with every file, key and certificate that it names.
///
/// # Errors
///
/// Every fault at once; only a file that cannot be read or is not YAML hides others.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Faults> {
    let report = Report::new(Arc::from(path.to_string_lossy()));
    let config = tree(path, environment, &report).and_then(|(tree, defaults)| {
        unbuilt::report_unbuilt(&tree, &defaults, &report);
        root::config(&Cursor::root(&report, &tree), environment)
    });
    let (config, notices) = report.verdict(config)?;
    Ok(Loaded { config, notices })
}

/// Puts the layers on top of each other; the bare defaults come along for comparison.
fn tree(path: &Path, environment: &Environment, report: &Report) -> Option<(Node, Node)> {
    let defaults = yaml::parse_defaults(DEFAULTS, report)?;
    let text = fs::read_to_string(path)
        .map_err(|error| report.fault(&report.whole_file(), "", format!("reading it: {error}")))
        .ok()?;
    let mut tree = defaults.clone().overlaid(yaml::parse_file(&text, report)?);
    environment.overlay(&mut tree, report);
    Some((tree, defaults))
}

/// The one place of every default that stands under a fixed key, and the reference of every key.
const DEFAULTS: &str = include_str!("../../config/default.yaml");
