//! What sinks need from the configuration.

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
