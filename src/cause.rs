//! Tells an error with everything that caused it, on one line, for the log.

use std::{error::Error, fmt::Write as _};

/// Joins an error and its sources by colons.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a `String` cannot fail.
        write!(text, ": {cause}").unwrap_or_default();
        source = cause.source();
    }
    text
}
