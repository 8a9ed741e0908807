//! Sets the log up.

use std::io;

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt as _};

use crate::telemetry::{Format, Settings};

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not a list of directives.
    #[error(
        "telemetry.log.filter is {filter:?}; use directives such as \"info\" or \"partner_gateway=debug\""
    )]
    Filter {
        /// The filter as configured.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A log was set up already.
    #[error("setting the log up")]
    Already(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends the log of this process to stderr.
///
/// # Errors
///
/// When the filter does not parse, or a log was set up before.
pub fn init(settings: &Settings) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|source| LogError::Filter {
        filter: settings.filter.clone(),
        source,
    })?;
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let set = match settings.format {
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .finish()
            .try_init(),
        Format::Text => lines.with_ansi(false).finish().try_init(),
    };
    set.map_err(LogError::Already)
}
