//! The single values of a configuration by path, and which of them changed.

use std::{collections::BTreeMap, fmt, path::Path};

use crate::config::node::Node;

/// Every single value of a configuration, defaults and overrides included.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    pub(crate) fn of(tree: &Node) -> Self {
        let mut leaves = BTreeMap::new();
        tree.each_leaf("", &mut |path, text| {
            leaves.insert(path.to_owned(), text.to_owned());
        });
        Self(leaves)
    }

    /// The files that are only read at a start, with the keys that name them. Credentials are read for
    /// each use.
    pub fn files_until_restart(&self) -> impl Iterator<Item = (&str, &Path)> {
        let read_for_each_use = |path: &str| path.contains(CREDENTIAL);
        let named = move |path: &str| {
            path.ends_with("_file") && !is_replaceable(path) && !read_for_each_use(path)
        };
        let files = self.0.iter().filter(move |(path, _)| named(path));
        files.map(|(path, text)| (path.as_str(), Path::new(text)))
    }

    /// The keys whose values differ in another configuration and are only read at a start.
    #[must_use]
    pub fn differing_until_restart<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let tls = |values: &Self| values.0.keys().any(|path| path.starts_with(TLS));
        let mut keys: Vec<&str> = self
            .0
            .keys()
            .chain(other.0.keys())
            .filter(|path| self.0.get(*path) != other.0.get(*path) && !is_replaceable(path))
            .map(String::as_str)
            .collect();
        if tls(self) != tls(other) {
            keys.push(TLS.trim_end_matches('.'));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Shows paths only.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_replaceable(path: &str) -> bool {
    REPLACEABLE.iter().any(|hot| path.starts_with(hot)) || path == FILTER
}

/// What stands under these takes effect at once.
const REPLACEABLE: [&str; 3] = ["callers.", "policy[", TLS];

/// TLS itself is on or off from the start on; its files are not.
const TLS: &str = "server.tls.";

/// What an account proves itself with.
const CREDENTIAL: &str = ".credential.";

const FILTER: &str = "telemetry.log.filter";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{report::Report, yaml};

    fn values(text: &str) -> Values {
        let report = Report::new("gateway.yaml".into());
        Values::of(&yaml::parse_file(text, &report).unwrap())
    }

    #[test]
    fn finds_the_files_that_are_only_read_at_a_start() {
        let some = values(
            "{server: {tls: {certificate_file: a}}, callers: {token_file: b}, \
             accounts: {x: {endpoints: {ca_file: c}, credential: {client_secret: {file: d}}}, \
             y: {credential: {certificate: {certificate_file: e, private_key_file: f}}}}}",
        );

        let files: Vec<_> = some.files_until_restart().collect();

        assert_eq!(files, [("accounts.x.endpoints.ca_file", Path::new("c"))]);
    }

    #[test]
    fn tells_which_changes_wait_for_a_restart() {
        let old = values(
            "{server: {listen: a, tls: {certificate_file: a}}, policy: [{name: a}], \
             callers: {mtls: false}, telemetry: {log: {filter: a, format: json}}, audit: {dir: a}}",
        );
        let hot = values(
            "{server: {listen: a, tls: {certificate_file: b}}, policy: [{name: b}, {name: c}], \
             callers: {token_file: b}, telemetry: {log: {filter: b, format: json}}, audit: {dir: a}}",
        );
        let cold = values(
            "{server: {listen: b}, policy: [{name: a}], callers: {mtls: false}, \
             telemetry: {log: {filter: a, format: text}}, upstream: {deadline: 5s}}",
        );

        assert_eq!(old.differing_until_restart(&old), [""; 0]);
        assert_eq!(old.differing_until_restart(&hot), [""; 0]);
        assert_eq!(
            old.differing_until_restart(&cold),
            [
                "audit.dir",
                "server.listen",
                "server.tls",
                "telemetry.log.format",
                "upstream.deadline"
            ]
        );
    }
}
