//! The sinks, each driven directly over the real thing: what it keeps, and what it says when it cannot.

mod nats;
mod postgres;
