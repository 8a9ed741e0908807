//! What the front needs from the configuration.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// The public listener and its limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where callers connect.
    pub listen: SocketAddr,
    /// Present when the listener speaks TLS.
    pub tls: Option<TlsFiles>,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Connections held at once; beyond it new ones wait in the accept queue.
    pub max_connections: usize,
    /// Permitted calls in flight at once; beyond it 503 `overloaded`.
    pub max_in_flight: usize,
    /// How long a caller may take to send a request's head, and then its body.
    pub header_timeout: Duration,
    /// How long calls in flight may take to end after SIGTERM.
    pub drain_timeout: Duration,
    /// The longest a call may take as a whole.
    pub deadline: Duration,
}

impl Settings {
    /// How many requests are looked at at once, whoever sends them.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.max_connections.max(self.max_in_flight)
    }
}

/// The operator listener.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where operators connect.
    pub listen: SocketAddr,
}

/// PEM files of a TLS listener.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub private_key: PathBuf,
    /// The certificate authorities of callers; callers are asked for certificates where it is present.
    pub client_ca: Option<PathBuf>,
}
