//! The `postgres` sink: a table keyed by the record's ID, acknowledged by a commit.

use std::path::PathBuf;

use crate::secret::SecretSource;

/// What the sink needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A connection string or URL, which holds a password.
    pub url: SecretSource,
    /// A further trust anchor, in PEM.
    pub ca_file: Option<PathBuf>,
}
