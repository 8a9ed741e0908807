//! Brings the spans of calls to a collector: beside the calls, in batches, and never at their cost.
//!
//! Spans are worth less than what they tell of. They wait in a queue of bounded length; whatever finds it full is
//! dropped and counted, and what a collector refuses for good is not sent again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    clock::SharedClock,
    delivery::{
        otlp::{self, Otlp},
        sink::Setback,
        waiting,
    },
    http_client::{Connect, SetupError},
    ids::JournalId,
};

/// What tracing needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where spans are posted to.
    pub collector: otlp::Settings,
    /// The share of calls that is traced where callers do not say.
    pub sample_ratio: f64,
    /// Whether Partner Center is told of traces.
    pub propagates: bool,
}

/// Where spans wait that have ended.
#[derive(Debug)]
pub struct Ended {
    to: Sender<SpanData>,
    tally: Arc<Tally>,
}

/// Sends what waits there.
#[derive(Debug)]
pub struct Exporter {
    otlp: Otlp,
    journal: JournalId,
    from: Receiver<SpanData>,
    tally: Arc<Tally>,
    /// Whether the log ends with a setback.
    is_told: bool,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct Tally {
    exported: AtomicU64,
    crowded_out: AtomicU64,
    refused: AtomicU64,
    left: AtomicU64,
}

/// Makes a queue and what empties it; nothing is sent before there are spans. The process has the name that its
/// audit records have at a collector.
///
/// # Errors
///
/// When trust anchors are missing or unreadable.
pub fn exporter(
    collector: otlp::Settings,
    journal: JournalId,
    connect: &Connect,
    clock: SharedClock,
) -> Result<(Ended, Exporter), SetupError> {
    let (to, from) = mpsc::channel(MOST_WAITING);
    let tally = Arc::<Tally>::default();
    let exporter = Exporter {
        otlp: Otlp::for_spans(collector, connect, clock)?,
        journal,
        from,
        tally: Arc::clone(&tally),
        is_told: false,
    };
    Ok((Ended { to, tally }, exporter))
}

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.to.try_send(span).is_err() {
            self.tally.crowded_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Exporter {
    /// What became of spans so far.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Sends spans until `end`, and then what is left, each batch once.
    pub async fn run(mut self, end: CancellationToken) {
        loop {
            let batch = self.next(&end).await;
            if batch.is_empty() {
                return;
            }
            self.export(batch, &end).await;
        }
    }

    /// The next batch; an empty one at the end.
    async fn next(&mut self, end: &CancellationToken) -> Vec<SpanData> {
        let mut batch = Vec::new();
        let mut due = Instant::now();
        while batch.len() < MOST_TOGETHER {
            let room = MOST_TOGETHER.saturating_sub(batch.len());
            let is_begun = !batch.is_empty();
            // What waits already comes first, the end or not.
            let more = tokio::select! {
                biased;
                more = self.from.recv_many(&mut batch, room) => more,
                () = end.cancelled() => 0,
                () = sleep_until(due), if is_begun => 0,
            };
            if more == 0 {
                break;
            }
            if !is_begun {
                due = Instant::now() + DELAY;
            }
        }
        batch
    }

    /// Sends a batch until it is taken, refused for good, or the end has come.
    async fn export(&mut self, batch: Vec<SpanData>, end: &CancellationToken) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let mut setbacks = 0;
        loop {
            let is_last = end.is_cancelled();
            let setback = match self.otlp.send_spans(batch.clone(), self.journal).await {
                Ok(()) => {
                    self.tally.exported.fetch_add(count, Ordering::Relaxed);
                    return self.goes_on();
                }
                Err(setback) => setback,
            };
            let wait = match setback {
                Setback::Passing { why, after } => {
                    self.tell(&why);
                    waiting::wait(setbacks, after)
                }
                Setback::Held { why } => {
                    self.tell(&why);
                    waiting::HELD
                }
                Setback::Refused { why } | Setback::PartlyRefused { why } => {
                    self.tell(&why);
                    self.tally.refused.fetch_add(count, Ordering::Relaxed);
                    return;
                }
            };
            if is_last {
                self.tally.left.fetch_add(count, Ordering::Relaxed);
                return;
            }
            setbacks = u32::saturating_add(setbacks, 1);
            tokio::select! {
                () = sleep(wait) => {}
                () = end.cancelled() => {}
            }
        }
    }

    /// Tells of a setback, once until spans are taken again.
    fn tell(&mut self, why: &str) {
        if !self.is_told {
            warn!(error = why, "collector does not take traces");
            self.is_told = true;
        }
    }

    fn goes_on(&mut self) {
        if self.is_told {
            info!("collector takes traces again");
            self.is_told = false;
        }
    }
}

impl Tally {
    /// How many spans became what.
    #[must_use]
    pub fn by_result(&self) -> [(&'static str, u64); 4] {
        [
            ("exported", &self.exported),
            ("crowded_out", &self.crowded_out),
            ("refused", &self.refused),
            ("left", &self.left),
        ]
        .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }
}

/// Some megabytes; at ten spans a call, 400 calls. What processors of the official library hold is half of it.
const MOST_WAITING: usize = 4096;

/// The default of exporters:
/// <https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor>.
const MOST_TOGETHER: usize = 512;

/// Whoever waits for a trace looks again after a second.
const DELAY: Duration = Duration::from_secs(1);
