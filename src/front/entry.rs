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
    ids::{CorrelationId, TraceId},
    transfers::claim::ClaimCell,
};

/// Gives each call its identifiers.
#[derive(Clone, Debug)]
pub struct Entry<S> {
    inner: S,
}

impl<S> Entry<S> {
    /// Puts the layer around a service.
    pub fn new(inner: S) -> Self {
        Self { inner }
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
        let trail = Trail::begin(address, correlation, trace(&head.headers));
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

/// Continues the caller's trace, or starts a new one where there is none or not exactly one.
fn trace(headers: &HeaderMap) -> TraceId {
    let mut values = headers.get_all(names::TRACEPARENT).iter();
    let continued = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(TraceId::from_traceparent),
        _ => None,
    };
    continued.unwrap_or_else(TraceId::random)
}
