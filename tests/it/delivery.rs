//! Delivery: what reaches the sinks, what they do with records, and what is made of their answers.

mod ending;
mod hurried;
mod nats;
mod nats_servers;
mod otlp;
mod postgres;
mod random;
mod redelivering;
mod refusals;
mod scripted;
mod shipping;
mod standing;
mod witness;
