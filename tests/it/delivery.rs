//! Sinks: what they do with records, and what they make of the answers.

mod otlp;
