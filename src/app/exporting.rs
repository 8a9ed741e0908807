//! Traces calls and has their spans exported, beside the calls.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument as _, info_span, warn};

use crate::{
    app::{Surroundings, build::BuildError},
    delivery::spans::{self, Settings, Tally},
    ids::JournalId,
    shutdown::Tasks,
    spans::tracer::Tracer,
};

/// Where the spans of a gateway go, if anywhere; that ends when this is dropped.
#[derive(Debug)]
pub(in crate::app) struct Exporting(Option<Within>);

#[derive(Debug)]
struct Within {
    tracer: Tracer,
    tally: Arc<Tally>,
    tasks: Tasks,
    end: CancellationToken,
    _dropped: DropGuard,
}

impl Exporting {
    /// Begins to trace, where that is wanted; nothing is sent before a call has been traced.
    ///
    /// # Errors
    ///
    /// When the way to the collector cannot be set up.
    pub(in crate::app) fn begin(
        settings: Option<Settings>,
        journal: JournalId,
        surroundings: &Surroundings,
    ) -> Result<Self, BuildError> {
        let within = settings.map(|settings| begin(settings, journal, surroundings));
        Ok(Self(within.transpose()?))
    }

    /// What traces calls.
    pub(in crate::app) fn tracer(&self) -> Option<Tracer> {
        self.0.as_ref().map(|within| within.tracer.clone())
    }

    /// What became of spans.
    pub(in crate::app) fn tally(&self) -> Option<Arc<Tally>> {
        self.0.as_ref().map(|within| Arc::clone(&within.tally))
    }

    /// Sends what is left, now that no call is under way, as far as that can be done soon.
    pub(in crate::app) async fn finish(&self) {
        if let Some(within) = &self.0 {
            within.end.cancel();
            // It has told so itself.
            within.tasks.finish(LAST_SPANS, LAST_WORDS).await.ok();
        }
    }
}

fn begin(
    settings: Settings,
    journal: JournalId,
    Surroundings { clock, connect }: &Surroundings,
) -> Result<Within, BuildError> {
    let host = settings.collector.endpoint.host();
    let span = info_span!("traces", address = host);
    let clock = Arc::clone(clock);
    let made = spans::exporter(settings.collector, journal, &**connect, Arc::clone(&clock));
    let (ended, exporter) = made.map_err(BuildError::Traces)?;
    let tracer = Tracer::new(ended, settings.sample_ratio, settings.propagates, clock);
    let (tasks, end) = (Tasks::default(), CancellationToken::new());
    let dropped = CancellationToken::new();
    let (tally, told, gone) = (exporter.tally(), tasks.clone(), dropped.clone());
    let running = exporter.run(end.clone());
    let exporting = async move {
        tokio::select! {
            () = running => {}
            () = told.cut() => warn!("not all traces were exported in time"),
            () = gone.cancelled() => {}
        }
    };
    tasks.spawn(exporting.instrument(span));
    Ok(Within {
        tracer,
        tally,
        tasks,
        end,
        _dropped: dropped.drop_guard(),
    })
}

/// A collector that is there takes them within milliseconds.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// For one line of the log.
const LAST_WORDS: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::Full;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        clock::SystemClock,
        delivery::otlp,
        http_client::{HttpClient, Sending, Transport},
        spans::told::Step,
    };

    #[derive(Debug)]
    struct Silent;

    impl Transport for Silent {
        fn send(&self, _: Request<Full<bytes::Bytes>>) -> Sending {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ends_soon_though_the_collector_is_silent() {
        let surroundings = Surroundings {
            clock: Arc::new(SystemClock),
            connect: Arc::new(|_| Ok(HttpClient::over(Silent))),
        };
        let settings = Settings {
            collector: otlp::Settings {
                endpoint: "https://collector.test/v1/traces".parse().unwrap(),
                headers: Vec::new(),
                ca_file: None,
            },
            sample_ratio: 1.0,
            propagates: false,
        };
        let exporting = Exporting::begin(Some(settings), JournalId::random(), &surroundings);
        let exporting = exporting.unwrap();
        let (call, _) = crate::spans::begin(exporting.tracer().as_ref(), None, None);
        let step = call
            .current()
            .around(async { crate::spans::step(Step::Token) });
        step.await.end(None::<&str>);
        call.end(None::<&str>);
        let began = Instant::now();

        exporting.finish().await;

        assert_eq!(began.elapsed(), LAST_SPANS);
    }
}
