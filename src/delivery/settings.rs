//! What sinks need from the configuration.

use std::fmt;

use crate::delivery::{otlp, postgres};

/// A sink.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, that of its cursor's file.
    pub name: String,
    /// Whether a segment is kept until this sink has had it for long enough.
    pub is_required: bool,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of sinks.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The process's standard output.
    Stdout,
    /// An OpenTelemetry collector.
    Otlp(otlp::Settings),
    /// A `PostgreSQL` table.
    Postgres(postgres::Settings),
    /// The audit stream of the cluster.
    Nats,
}

impl Kind {
    /// What it is called in the configuration.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Otlp(_) => "otlp",
            Self::Postgres(_) => "postgres",
            Self::Nats => "nats",
        }
    }

    /// Whether its acknowledgements are worth remembering. Whoever reads the standard output tells nobody
    /// whether it has kept anything.
    #[must_use]
    pub fn acknowledges(&self) -> bool {
        !matches!(self, Self::Stdout)
    }
}

/// Tells what would be sent where, and no secret.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: audit records go to ", self.name)?;
        match &self.kind {
            Kind::Stdout => write!(f, "the standard output")?,
            Kind::Otlp(settings) => write!(f, "the collector at {}", settings.endpoint)?,
            Kind::Postgres(_) => write!(f, "a PostgreSQL table")?,
            Kind::Nats => write!(f, "the stream of the cluster")?,
        }
        let kept = match (self.is_required, self.kind.acknowledges()) {
            (true, _) => ", and are kept until it has them",
            (false, true) => ", and are kept no longer for it",
            (false, false) => ", where nobody acknowledges them",
        };
        f.write_str(kept)
    }
}
