//! The steps of a call, for whoever follows it from one service to the next.
//!
//! [`begin`] opens the span of a call, and [`Span::current`] has the call's work done within it; whatever step
//! that work begins then stands below it. Without tracing, or where the call was not chosen, a span is nothing and costs
//! nothing. What a span tells is a closed set: names of customers, transfers and callers are not in it, because traces
//! have more readers than the journal. This room knows nothing of collectors.

pub mod told;
pub mod tracer;

use std::{borrow::Cow, collections::BTreeSet, fmt};

use http::HeaderValue;
use opentelemetry::{
    KeyValue,
    trace::{Span as _, SpanContext, SpanId, Status, TraceFlags, TraceState},
};
use tokio::task::futures::TaskLocalFuture;

use self::{
    told::{Attribute, Step},
    tracer::{Base, Tracer},
};
use crate::ids::{TraceId, TraceParent};

/// A span while it lasts, or nothing. One that is dropped before its end was cut off, and says so.
#[derive(Default)]
pub struct Span(Option<Box<Open>>);

struct Open {
    span: opentelemetry_sdk::trace::Span,
    tracer: Tracer,
    base: Base,
}

/// Where the work that is done now stands in its trace.
#[derive(Clone, Debug, Default)]
pub struct Current(Option<Above>);

#[derive(Clone, Debug)]
struct Above {
    tracer: Tracer,
    base: Base,
    span: SpanContext,
}

tokio::task_local! {
    static CURRENT: Current;
}

/// Begins the span of a call that goes on with its caller's trace, or with one of its own, and tells which.
#[must_use]
pub fn begin(
    tracer: Option<&Tracer>,
    parent: Option<TraceParent>,
    state: Option<&str>,
) -> (Span, TraceId) {
    let Some(tracer) = tracer else {
        let trace = parent.map_or_else(TraceId::random, |parent| parent.trace);
        return (Span::default(), trace);
    };
    let above = parent.map(|parent| remote(parent, state));
    let open = Open::new(tracer.clone(), Step::Call, above, tracer.base());
    let id = open.span.span_context().trace_id();
    let trace = TraceId::from_bits(u128::from_be_bytes(id.to_bytes()));
    (Span(Some(Box::new(open))), trace)
}

/// Begins a step of the work that is done now.
#[must_use]
pub fn step(step: Step) -> Span {
    let above = CURRENT.try_with(|current| current.0.clone());
    let Some(Above { tracer, base, span }) = above.ok().flatten() else {
        return Span::default();
    };
    Span(Some(Box::new(Open::new(tracer, step, Some(span), base))))
}

/// Does a step of the work that is done now; `name` has a word for what may go wrong.
///
/// # Errors
///
/// Those of the work.
pub async fn within<T, E>(
    of: Step,
    work: impl Future<Output = Result<T, E>>,
    name: impl FnOnce(&E) -> &'static str,
) -> Result<T, E> {
    let span = step(of);
    let done = work.await;
    span.end(done.as_ref().err().map(name));
    done
}

impl Span {
    /// Whether anybody will see what it tells.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.span.is_recording())
    }

    /// Tells something.
    pub fn tell(&mut self, attribute: Attribute, value: impl Into<opentelemetry::Value>) {
        if let Some(open) = &mut self.0 {
            let told = KeyValue::new(attribute.as_str(), value);
            open.span.set_attribute(told);
        }
    }

    /// Work that is done in this span.
    #[must_use]
    pub fn current(&self) -> Current {
        let above = |open: &Open| Above {
            tracer: open.tracer.clone(),
            base: open.base,
            span: open.span.span_context().clone(),
        };
        let open = self.0.as_deref();
        // Of a call that was not chosen somebody else may want to know that it was not.
        Current(
            open.filter(|it| it.span.is_recording() || it.tracer.propagates())
                .map(above),
        )
    }

    /// The `traceparent` for a request of this span, where one is to be sent.
    #[must_use]
    pub fn traceparent(&self) -> Option<HeaderValue> {
        let open = self.0.as_ref().filter(|it| it.tracer.propagates())?;
        let context = open.span.span_context();
        let (trace, span) = (context.trace_id(), context.span_id());
        let flags = u8::from(context.is_sampled());
        HeaderValue::try_from(format!("00-{trace}-{span}-{flags:02x}")).ok()
    }

    /// Ends it; with a word for what went wrong, if anything did.
    pub fn end(mut self, error: Option<impl Into<Cow<'static, str>>>) {
        if let Some(mut open) = self.0.take() {
            open.end(error.map(Into::into));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut open) = self.0.take() {
            open.end(Some(CUT_OFF.into()));
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.is_told()).finish()
    }
}

impl Current {
    /// Does work here, wherever the caller stands.
    pub fn around<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, work)
    }
}

impl Open {
    fn new(tracer: Tracer, step: Step, above: Option<SpanContext>, base: Base) -> Self {
        Self {
            span: tracer.open(step, above, base),
            tracer,
            base,
        }
    }

    fn end(&mut self, error: Option<Cow<'static, str>>) {
        if let Some(error) = error {
            self.span
                .set_attribute(KeyValue::new(Attribute::ErrorType.as_str(), error));
            self.span.set_status(Status::error(""));
        }
        self.span.end_with_timestamp(self.base.now());
    }
}

fn remote(parent: TraceParent, state: Option<&str>) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(parent.is_sampled);
    let state = state.filter(|text| has_keys(text));
    let state = state.and_then(|text| text.parse::<TraceState>().ok());
    let trace = opentelemetry::TraceId::from(parent.trace.bits());
    let span = SpanId::from(parent.span);
    SpanContext::new(trace, span, flags, true, state.unwrap_or_default())
}

/// Whether a `tracestate` names each of its members once, which the parser does not ask for
/// (<https://www.w3.org/TR/trace-context/#list>).
fn has_keys(state: &str) -> bool {
    let members = state
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']));
    let mut keys = members
        .filter(|member| !member.is_empty())
        .map(|member| member.split_once('=').map_or(member, |(key, _)| key));
    let mut seen = BTreeSet::new();
    keys.all(|key| !key.is_empty() && seen.insert(key))
}

/// The word for what did not come to its end.
const CUT_OFF: &str = "cut_off";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_a_tracestate_whose_members_have_keys_of_their_own() {
        for (state, is_sound) in [
            ("a=1,b=2", true),
            ("a=1, ,b=1", true),
            ("a=1,a=2", false),
            ("a=b;,,=", false),
        ] {
            assert_eq!(has_keys(state), is_sound, "{state}");
        }
    }
}
