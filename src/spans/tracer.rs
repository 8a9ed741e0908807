//! Who chooses the calls that are traced, and where their spans go once they have ended.

use std::{fmt, sync::Arc, time::SystemTime};

use opentelemetry::{
    Context,
    trace::{SpanBuilder, SpanContext, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanLimits, SpanProcessor},
};
use tokio::time::Instant;

use crate::{clock::SharedClock, spans::told::Step};

/// Begins spans; clones are the same.
#[derive(Clone)]
pub struct Tracer(Arc<Within>);

struct Within {
    tracer: SdkTracer,
    clock: SharedClock,
    propagates: bool,
}

/// When a call began, by both clocks: ends are told by the time that has passed since, because wall clocks jump.
#[derive(Clone, Copy, Debug)]
pub(in crate::spans) struct Base(SystemTime, Instant);

impl Tracer {
    /// Makes one that chooses such a share of the calls whose callers do not say, and gives ended spans to `ended`.
    /// Where `propagates` is set, Partner Center is told of the trace.
    #[must_use]
    pub fn new(
        ended: impl SpanProcessor + 'static,
        share: f64,
        propagates: bool,
        clock: SharedClock,
    ) -> Self {
        // All that the library would look for in the environment is told it here.
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                share,
            ))))
            .with_span_limits(SpanLimits::default())
            .with_resource(Resource::builder_empty().build())
            .with_span_processor(ended)
            .build();
        Self(Arc::new(Within {
            tracer: provider.tracer(SCOPE),
            clock,
            propagates,
        }))
    }

    pub(in crate::spans) fn propagates(&self) -> bool {
        self.0.propagates
    }

    pub(in crate::spans) fn base(&self) -> Base {
        Base(self.0.clock.now(), Instant::now())
    }

    pub(in crate::spans) fn open(
        &self,
        step: Step,
        above: Option<SpanContext>,
        base: Base,
    ) -> Span {
        let none = Context::new();
        let above = match above {
            Some(above) => none.with_remote_span_context(above),
            None => none,
        };
        let builder = SpanBuilder::from_name(step.as_str())
            .with_kind(step.kind())
            .with_start_time(base.now());
        self.0.tracer.build_with_context(builder, &above)
    }
}

impl Base {
    /// The present moment.
    pub(in crate::spans) fn now(self) -> SystemTime {
        self.0 + self.1.elapsed()
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("propagates", &self.0.propagates)
            .finish_non_exhaustive()
    }
}

/// The name that spans go by together.
const SCOPE: &str = "partner_gateway";
