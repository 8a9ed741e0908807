//! The body of a request: one `ExportLogsServiceRequest` or `ExportTraceServiceRequest`, compressed.

use std::{
    io::{self, Write as _},
    time::SystemTime,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::InstrumentationScope,
    logs::v1::{ResourceLogs, ScopeLogs},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans},
};
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use crate::{
    delivery::{
        batch::Batch,
        otlp::record::{self, text},
    },
    ids::JournalId,
};

/// Puts records together for a collector, observed at this time.
pub(in crate::delivery::otlp) fn body(batch: &Batch, observed: SystemTime) -> io::Result<Bytes> {
    compressed(&message(batch, observed).encode_to_vec())
}

/// Puts spans together for a collector.
pub(in crate::delivery::otlp) fn spans(
    spans: Vec<SpanData>,
    journal: JournalId,
) -> io::Result<Bytes> {
    let spans = ScopeSpans {
        scope: Some(scope(SERVICE_SCOPE)),
        spans: spans.into_iter().map(Into::into).collect(),
        ..ScopeSpans::default()
    };
    let message = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource(journal)),
            scope_spans: vec![spans],
            ..ResourceSpans::default()
        }],
    };
    compressed(&message.encode_to_vec())
}

fn compressed(message: &[u8]) -> io::Result<Bytes> {
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(message)?;
    Ok(compressed.finish()?.into())
}

fn message(batch: &Batch, observed: SystemTime) -> ExportLogsServiceRequest {
    let journal = batch.journal();
    let records = batch.lines().iter();
    let scope = ScopeLogs {
        scope: Some(scope(SCOPE)),
        log_records: records
            .map(|line| record::of(line, journal, observed))
            .collect(),
        ..ScopeLogs::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource(journal)),
            scope_logs: vec![scope],
            ..ResourceLogs::default()
        }],
    }
}

fn scope(name: &str) -> InstrumentationScope {
    InstrumentationScope {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// The names are those of <https://opentelemetry.io/docs/specs/semconv/resource/#service>. An instance is whoever has
/// the journal: its ID is unique, stays over restarts, and is what the records name.
fn resource(journal: JournalId) -> Resource {
    let attributes = [
        ("service.name", SERVICE.to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", journal.to_string()),
    ];
    Resource {
        attributes: attributes.map(|(key, value)| text(key, value)).to_vec(),
        ..Resource::default()
    }
}

const SERVICE: &str = "partner-gateway";

/// The namespace of the records' names, too.
const SCOPE: &str = "partner_gateway.audit";

/// The namespace of the spans' names.
const SERVICE_SCOPE: &str = "partner_gateway";
