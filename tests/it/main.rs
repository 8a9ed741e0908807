//! Behaviour, tried from outside: the real stack over the sandbox, in memory wherever no socket is
//! needed.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod harness;

mod activity;
mod audit;
mod authorization;
mod breaker;
mod credentials;
mod delivery;
mod faults;
mod floods;
mod hang_ups;
mod hostile;
mod idempotency;
mod identity;
mod jwt;
mod leaving;
mod login;
mod metrics;
mod msal;
mod mtls;
mod orphans;
mod outgoing;
mod overload;
mod problems;
mod process;
mod rate;
mod recovering;
mod refresh;
mod rejecting;
mod replacing;
mod searching;
mod soak;
mod sockets;
mod standing;
mod strays;
mod telling;
mod token;
mod traces;
mod unsaid;
mod upstream;
mod verifying;
