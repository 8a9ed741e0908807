//! The log of a test that runs in memory, as whoever reads it sees it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use partner_gateway::telemetry::{line::JsonLine, log::discreet};
use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{Layer as _, filter::LevelFilter, fmt, layer::SubscriberExt as _};

use super::canary;

/// What this thread logs, from the beginning until this is dropped.
pub(crate) struct Log {
    bytes: Bytes,
    _end: DefaultGuard,
    _listening: canary::Listening,
}

#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn begin() -> Self {
        // With a single subscriber in the process, `tracing` asks whichever thread is the first to come by
        // whether a line is wanted, and remembers the answer for all.
        let listening = canary::Listening::begin();
        let bytes = Bytes::default();
        let to = bytes.clone();
        let lines = fmt::layer()
            .event_format(JsonLine)
            .fmt_fields(JsonLine)
            .with_writer(move || to.clone())
            .with_filter(LevelFilter::INFO);
        let all = fmt::layer().with_writer(|| canary::Ear);
        let all = tracing_subscriber::registry()
            .with(discreet())
            .with(lines)
            .with(all);
        let end = tracing::subscriber::set_default(all);
        Self {
            bytes,
            _end: end,
            _listening: listening,
        }
    }

    /// The lines with this message, so far.
    pub(crate) fn lines(&self, message: &str) -> Vec<Value> {
        self.which(|line| line["message"] == message)
    }

    /// The lines of this level, so far.
    pub(crate) fn at(&self, level: &str) -> Vec<Value> {
        self.which(|line| line["level"] == level)
    }

    fn which(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let bytes = self.bytes.0.lock().expect("bytes");
        let lines = std::str::from_utf8(&bytes).expect("text").lines();
        lines
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .filter(is_wanted)
            .collect()
    }
}

impl io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("bytes").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
