//! How large a test is: usually small, and as large as whoever starts it wants.

use std::env;

/// A number from the environment, or the usual one.
#[expect(
    clippy::disallowed_methods,
    reason = "this is no part of the gateway, whose configuration has one reader"
)]
pub(crate) fn setting(name: &str, usual: u64) -> u64 {
    let told = env::var(name).ok();
    told.map_or(usual, |told| told.parse().expect(name))
}
