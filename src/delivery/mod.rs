//! Delivery: every record of the journal reaches every sink, in order and at least once, however long a sink is
//! away. No call waits for it.
//!
//! A [`shipper`] reads the journal on behind the cursor of its sink; a [`sink`] takes [`batch`]es of records and
//! says what came of them; [`asking`] is what a start does before anything is written; [`progress`] is what others may
//! see of it. [`redelivery`] sends again what was refused. [`witness`] has gateways hear of each other's journals.

mod aside;
pub mod asking;
pub mod batch;
pub mod copy;
mod keeper;
pub mod nats;
pub mod otlp;
pub mod patience;
pub mod postgres;
pub mod progress;
pub mod redelivery;
pub mod settings;
pub mod shipper;
pub mod sink;
mod source;
pub mod spans;
pub mod stdout;
mod waiting;
pub mod witness;
