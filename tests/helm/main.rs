//! The chart, as both versions of Helm render it, and the image, as a node would run it.
//!
//! Each row of `ci/` is rendered, validated and looked into; what the chart promises of pods, of the network and of the
//! way out stands in a test each. The NATS that it depends on is run, too.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod checked;
mod documented;
mod exact;
mod given;
mod image;
mod leaves;
mod nats;
mod network;
mod node;
mod operations;
mod pods;
mod refused;
mod rendered;
mod servers;
mod told;
mod valid;
