//! What became of the spans of calls.

use crate::{
    delivery::spans::Tally,
    telemetry::metrics::{Family, Page},
};

/// Writes what became of them, where calls are traced.
pub(in crate::front) fn write(page: &Page, spans: Option<&Tally>) -> Result<(), prometheus::Error> {
    let counts = spans.into_iter().flat_map(Tally::by_result);
    let counts = counts.map(|(result, count)| (vec![result], count));
    page.counters(&SPANS, counts)
}

const SPANS: Family = Family {
    name: "partner_gateway_trace_spans_total",
    help: "Spans of traced calls, by what became of them.",
    labels: &["result"],
};
