//! The `otlp` sink: OTLP/HTTP with protobuf bodies
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use std::path::PathBuf;

use http::{HeaderName, Uri};

use crate::secret::SecretSource;

/// What the sink needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where logs are posted to, path included.
    pub endpoint: Uri,
    /// Headers that every request carries.
    pub headers: Vec<(HeaderName, SecretSource)>,
    /// A further trust anchor, in PEM.
    pub ca_file: Option<PathBuf>,
}
