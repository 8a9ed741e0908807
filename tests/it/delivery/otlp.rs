//! The `otlp` sink: what it posts, and what it makes of each answer.

mod answers;
mod collector;
mod receiver;
mod requests;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use partner_gateway::{
    audit::chain::LineHash,
    clock::Clock,
    delivery::{
        batch::{Batch, Line},
        otlp::{Otlp, Settings},
        sink::{Setback, Sink as _},
    },
    http_client::HttpClient,
    ids::{JournalId, RecordId},
};

use crate::harness::canary;

/// A sink for a collector there, over real connections.
pub(super) fn sink(endpoint: &str) -> Otlp {
    sink_with(Settings {
        endpoint: endpoint.parse().unwrap(),
        headers: Vec::new(),
        ca_file: None,
    })
}

pub(super) fn sink_with(settings: Settings) -> Otlp {
    let sink = Otlp::new(settings, &HttpClient::connecting, Arc::new(March)).unwrap();
    canary::assert_not_shown(&sink);
    sink
}

/// Delivers, and searches what came of it for secrets.
pub(super) async fn deliver(sink: &Otlp, batch: &Batch) -> Result<(), Setback> {
    let delivered = sink.deliver(batch).await;
    canary::assert_not_shown(&delivered);
    delivered
}

/// Records with these members after the first ones that every record has.
pub(super) fn batch(records: &[&str]) -> Batch {
    let journal = JournalId::random();
    let lines = (1..).zip(records).map(|(seq, members)| {
        let id = RecordId::next();
        let text = format!(
            r#"{{"v":1,"journal":"{journal}","seq":{seq},"id":"{id}",{members},"prev":"{}"}}"#,
            LineHash::NONE
        );
        let hash = LineHash::of(text.as_bytes());
        Line {
            seq,
            id,
            text,
            hash,
        }
    });
    Batch::of(journal, lines.collect()).unwrap()
}

/// A few records.
pub(super) fn some() -> Batch {
    batch(&[
        r#""time":"2026-02-28T23:59:58.000001Z","kind":"intent""#,
        r#""time":"2026-02-28T23:59:59.000002Z","kind":"outcome","outcome":"forwarded","status":200"#,
        r#""time":"2026-02-28T23:59:59.000003Z","kind":"stopped""#,
    ])
}

pub(super) fn passing(why: &str, after: Option<u64>) -> Setback {
    Setback::Passing {
        why: why.to_owned(),
        after: after.map(Duration::from_secs),
    }
}

/// It is always the first second of March 2026.
#[derive(Debug)]
pub(super) struct March;

impl Clock for March {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(492_312)
    }
}
