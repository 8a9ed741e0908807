//! The program over a disk that fails, fills, hangs, is taken away or loses its power, and by a clock that is set.
//!
//! A library that is loaded before the program, `shim/`, stands for the faults of disk and clock, and its log tells what
//! a power cut leaves. After each of them the journal is held against what callers were answered and what
//! Partner Center saw.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::print_stdout,
    reason = "which moments were tried is to be told with a failure, and the table in any case"
)]

#[path = "../it/harness/canary.rs"]
mod canary;
#[expect(dead_code, reason = "the tests of `it` use the rest")]
#[path = "../it/harness/described.rs"]
mod described;
#[expect(dead_code, reason = "the tests of `it` use the rest")]
#[path = "../it/harness/journal.rs"]
mod journal;
#[expect(dead_code, reason = "the tests of `it` use the rest")]
#[path = "../it/harness/nats.rs"]
mod nats;
#[expect(dead_code, reason = "the tests of `it` use the rest")]
#[path = "../it/harness/process.rs"]
mod process;
#[path = "../it/harness/setting.rs"]
mod setting;

mod boundaries;
mod checks;
mod clock;
mod errors;
mod forking;
mod full;
mod leaving;
mod lying;
mod mutants;
mod names;
mod power;
mod relaxed;
mod retaining;
mod rounds;
mod shim;
mod site;
mod slow;
mod starting;

/// The token of the caller `billing`; other secrets are known by their shape.
const BILLING: &str = "billing-token-with-32-bytes-of-entropy";

/// The customer of Microsoft's documented example.
const CUSTOMER: &str = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";
