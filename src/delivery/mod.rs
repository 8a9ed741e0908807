//! Delivery: every record of the journal reaches every sink, in order and at least once, however long a sink is
//! away. No call waits for it.

pub mod batch;
pub mod nats;
pub mod otlp;
pub mod postgres;
pub mod settings;
pub mod sink;
