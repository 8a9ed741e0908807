//! Sets the log up.

use std::io;

use tracing_subscriber::{
    EnvFilter, Registry,
    filter::{FilterFn, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use crate::telemetry::{Format, Settings, line::JsonLine};

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
    /// The log is gone.
    #[error("replacing the filter of the log")]
    Gone(#[source] reload::Error),
}

/// What the log lets through, while it goes on.
#[derive(Clone, Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Lets something else through from now on.
    ///
    /// # Errors
    ///
    /// When there is no log any more.
    pub fn replace(&self, filter: EnvFilter) -> Result<(), LogError> {
        self.0.reload(filter).map_err(LogError::Gone)
    }
}

/// Sends the log of this process to stderr.
///
/// # Errors
///
/// When the filter does not parse, or a log was set up before.
pub fn init(settings: &Settings) -> Result<LogFilter, LogError> {
    let (filter, handle) = reload::Layer::new(filter(settings)?);
    let filtered = tracing_subscriber::registry().with(filter).with(discreet());
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let set = match settings.format {
        Format::Json => filtered
            .with(lines.event_format(JsonLine).fmt_fields(JsonLine))
            .try_init(),
        Format::Text => filtered.with(lines.with_ansi(false)).try_init(),
    };
    set.map_err(LogError::Already)?;
    Ok(LogFilter(handle))
}

/// Keeps back what libraries tell of the messages that they carry, whatever is asked for: records, and the
/// credentials of a connection. What they say besides, the rooms that use them say once.
#[must_use]
pub fn discreet() -> FilterFn {
    filter_fn(|event| !TALKATIVE.iter().any(|of| event.target().starts_with(of)))
}

/// Reads a filter.
///
/// # Errors
///
/// When it is not a list of directives.
pub fn filter(settings: &Settings) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(&settings.filter).map_err(|source| LogError::Filter {
        filter: settings.filter.clone(),
        source,
    })
}

/// Libraries that tell whole messages, and each attempt to connect.
const TALKATIVE: [&str; 1] = ["async_nats"];
