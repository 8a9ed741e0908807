//! Spans as a collector gets them.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    panic::catch_unwind,
};

use bytes::Bytes;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{ResourceSpans, ScopeSpans, Span as Told},
};
use prost::Message as _;

use crate::harness::{BILLING, CUSTOMER, TRANSFER, canary};

/// Spans, in the order in which they ended.
#[derive(Debug)]
pub(crate) struct Spans(pub(crate) Vec<Span>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty where there is none.
    pub(crate) parent: String,
    /// 1 is internal, 2 a server's, 3 a client's.
    pub(crate) kind: i64,
    /// Whether it tells of an error.
    pub(crate) is_error: bool,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) state: String,
}

pub(crate) fn decoded(bodies: &[Bytes]) -> Spans {
    let requests = bodies.iter().map(|body| {
        let mut message = Vec::new();
        MultiGzDecoder::new(&**body)
            .read_to_end(&mut message)
            .unwrap();
        assert_untold(&message);
        ExportTraceServiceRequest::decode(&*message).unwrap()
    });
    let scopes = requests
        .flat_map(|request| request.resource_spans)
        .flat_map(|resource| resource.scope_spans);
    Spans(scopes.flat_map(|scope| scope.spans).map(span).collect())
}

/// Searches what a collector gets for secrets, and for whom a call was about and by whom.
pub(crate) fn assert_untold(said: &[u8]) {
    canary::assert_untold("spans for a collector", said);
    let text = String::from_utf8_lossy(said);
    for hidden in [CUSTOMER, TRANSFER, "billing"] {
        assert!(!text.contains(hidden), "{hidden} in spans for a collector");
    }
}

fn span(span: Told) -> Span {
    let attribute = |it: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        let value = match it.value.as_ref().unwrap().value.as_ref().unwrap() {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            other => panic!("{other:?}"),
        };
        (it.key.clone(), value)
    };
    Span {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind.into(),
        is_error: span.status.is_some_and(|status| status.code == 2),
        attributes: span.attributes.iter().map(attribute).collect(),
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        state: span.trace_state,
    }
}

fn hex(bytes: &[u8]) -> String {
    crate::harness::journal::hex(bytes)
}

impl Spans {
    pub(crate) fn named(&self, name: &str) -> Vec<&Span> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    /// The spans below the call's, each with those above it.
    pub(crate) fn tree(&self) -> Vec<String> {
        let below = self.0.iter().filter(|span| span.name != "call");
        below.map(|span| self.path(span)).collect()
    }

    fn path(&self, span: &Span) -> String {
        let told = ["http.request.method", "http.response.status_code"];
        let mut words = vec![span.name.clone()];
        if span.name == "attempt" {
            words.extend(
                told.iter()
                    .filter_map(|it| span.attributes.get(*it).cloned()),
            );
            let error = span.attributes.get("error.type").cloned();
            words.extend(error.filter(|error| !words.contains(error)));
        }
        let words = words.join(" ");
        let above = self.0.iter().find(|it| it.id == span.parent);
        above.map_or(words.clone(), |above| {
            format!("{} > {words}", self.path(above))
        })
    }
}

#[test]
fn hears_what_no_span_may_tell() {
    let header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
    for hidden in [
        BILLING,
        header,
        CUSTOMER,
        TRANSFER,
        "billing",
        "sandbox-client-secret",
    ] {
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![Told {
                        name: format!("call {hidden}"),
                        ..Told::default()
                    }],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let mut body = GzEncoder::new(Vec::new(), Compression::fast());
        body.write_all(&request.encode_to_vec()).unwrap();
        let body = Bytes::from(body.finish().unwrap());

        let heard = catch_unwind(|| decoded(&[body]));

        let said = heard.map(drop).unwrap_err();
        let said = said.downcast_ref::<String>().unwrap();
        assert!(said.contains("in spans for a collector"), "{said}");
    }
}
