//! The outermost layer: gives the call its identifiers and the answer its headers.
//!
//! It cannot fail. A correlation ID that is not a GUID is replaced, and the fact is noted for the
//! step that may tell the caller.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::Full;
use tower::Service;
use tracing::{Instrument as _, info_span};

use crate::{
    audit::trail::Trail,
    front::{
        exchange::{Arrival, Exchange, Peer},
        names,
    },
    ids::{CorrelationId, TraceParent},
    spans::{self, tracer::Tracer},
    transfers::claim::ClaimCell,
};

/// Gives each call its identifiers.
#[derive(Clone, Debug)]
pub struct Entry<S> {
    inner: S,
    tracer: Option<Tracer>,
}

impl<S> Entry<S> {
    /// Puts the layer around a service.
    pub fn new(inner: S, tracer: Option<Tracer>) -> Self {
        Self { inner, tracer }
    }
}

impl<S> Service<Arrival> for Entry<S>
where
    S: Service<Exchange, Response = Response<Full<Bytes>>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, arrival: Arrival) -> Self::Future {
        let Arrival {
            head,
            body,
            fault,
            peer,
        } = arrival;
        let Peer {
            address,
            certificate,
        } = peer;
        let correlation = correlation(&head.headers);
        let bad_correlation = correlation.is_err();
        let correlation = correlation.unwrap_or_else(|Unusable| CorrelationId::random());
        let (traced, trace) = spans::begin(
            self.tracer.as_ref(),
            parent(&head.headers),
            state(&head.headers).as_deref(),
        );
        let trail = Trail::begin(address, correlation, trace);
        let span = info_span!(
            "call",
            call.id = %trail.facts().call,
            correlation.id = %correlation,
        );
        let exchange = Exchange {
            head,
            body,
            fault,
            trail,
            certificate,
            claim: ClaimCell::default(),
            bad_correlation,
            span: traced,
        };
        let answering = span.in_scope(|| self.inner.call(exchange));
        Box::pin(answering.instrument(span))
    }
}

/// The caller's `MS-CorrelationId` is not one GUID.
struct Unusable;

fn correlation(headers: &HeaderMap) -> Result<CorrelationId, Unusable> {
    let mut values = headers.get_all(names::CORRELATION_ID).iter();
    let Some(value) = values.next() else {
        return Ok(CorrelationId::random());
    };
    if values.next().is_some() {
        return Err(Unusable);
    }
    value
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Unusable)
}

/// The caller's trace, where there is exactly one.
fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(names::TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(TraceParent::read),
        _ => None,
    }
}

/// What others on the way have to say of the trace, on one line
/// (<https://www.w3.org/TR/trace-context/#tracestate-header>).
fn state(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(names::TRACESTATE).iter();
    let lines: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
    lines
        .map(|lines| lines.join(","))
        .filter(|all| (1..=LONGEST_STATE).contains(&all.len()))
}

/// As long as the specification wants it passed on.
const LONGEST_STATE: usize = 512;
