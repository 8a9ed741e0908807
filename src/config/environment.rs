//! The environment as it was when the configuration was read, and the overrides in it.

use std::{collections::BTreeMap, env, fmt};

use crate::config::{
    fault::Place,
    node::{Node, Value},
    report::Report,
};

/// The variables of one process.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the variables of this process.
    ///
    /// A variable that is not UTF-8 is left out, but for overrides, whose faults must be told.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let value = match value.into_string() {
                Ok(value) => value,
                Err(value) if name.starts_with(PREFIX) => value.to_string_lossy().into_owned(),
                Err(_) => return None,
            };
            Some((name, value))
        });
        variables.collect()
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Lays every override over the tree.
    pub(crate) fn overlay(&self, tree: &mut Node, report: &Report) {
        for (name, value) in &self.0 {
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let place = Place::Variable(name.as_str().into());
            let segments: Vec<&str> = path.split("__").collect();
            if segments.contains(&"") {
                let problem = "not a key path; accepted: keys joined by two underscores";
                report.fault(&place, "", problem.to_owned());
                continue;
            }
            let leaf = Node {
                place: place.clone(),
                value: Value::Scalar(value.clone()),
            };
            if let Err(obstacle) = tree.set(&segments, leaf) {
                let key = segments.join(".").to_lowercase();
                let problem = format!("{obstacle}; accepted: a variable for one single value");
                report.fault(&place, &key, problem);
            }
        }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Shows names only: a variable may hold a secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Two underscores, so that the variables that Kubernetes makes of a service named
/// `partner-gateway`, such as `PARTNER_GATEWAY_PORT`, are none of ours.
const PREFIX: &str = "PARTNER_GATEWAY__";
