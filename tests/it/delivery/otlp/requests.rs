//! What the sink posts.

use std::path::Path;

use http::HeaderName;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use partner_gateway::{
    delivery::{
        otlp::{Otlp, Settings},
        sink::{Setback, Sink as _, Standing},
    },
    ids::JournalId,
    secret::SecretSource,
};

use super::{
    batch, deliver,
    receiver::{Receiver, Step, partial, protobuf, status},
    sink, sink_with, some,
};
use crate::harness::{CUSTOMER, TRANSFER, canary, log::Log};

#[tokio::test]
async fn posts_a_compressed_message_and_says_who_posts_it() {
    let receiver = Receiver::answering(partial(0, "")).await;
    let endpoint = receiver.endpoint();

    deliver(&sink(&endpoint), &some()).await.unwrap();

    let requests = receiver.received();
    let mut lines = requests[0].head.lines();
    assert_eq!(lines.next(), Some("POST /v1/logs HTTP/1.1"));
    let host = endpoint.split('/').nth(2).unwrap();
    let length = |line: &&str| !line.starts_with("content-length: ");
    let mut headers: Vec<_> = lines.filter(length).filter(|it| !it.is_empty()).collect();
    headers.sort_unstable();
    let expected = [
        "content-encoding: gzip",
        "content-type: application/x-protobuf",
        &format!("host: {host}"),
        "user-agent: partner-gateway/0.1.0",
    ];
    assert_eq!(headers, expected);
}

#[tokio::test]
async fn tells_a_record_in_the_names_of_opentelemetry() {
    let receiver = Receiver::answering(partial(0, "")).await;
    let members = format!(
        r#""time":"2026-02-28T23:59:59.123456Z","kind":"outcome","call":"c","operation":"transfers.reject","customer":"{CUSTOMER}","transfer":"{TRANSFER}","principal":"bill\u00e9","peer":"127.0.0.1:1","reason":"a \"reason\"","correlation_id":"k","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","status":409,"outcome":"forwarded","attempts":[],"new":{{}}"#
    );
    let batch = batch(&[&members]);
    let line = &batch.lines()[0];

    deliver(&sink(&receiver.endpoint()), &batch).await.unwrap();

    let audit = |name: &str, value| of(&format!("partner_gateway.audit.{name}"), value);
    let record = LogRecord {
        time_unix_nano: 1_772_323_199_123_456_000,
        observed_time_unix_nano: 1_772_323_200_000_000_000,
        severity_number: 13,
        severity_text: "WARN".to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(line.text.clone())),
        }),
        attributes: vec![
            of("log.record.uid", text(&line.id.to_string())),
            audit("journal", text(&batch.journal().to_string())),
            audit("seq", Value::IntValue(1)),
            audit("kind", text("outcome")),
            audit("call", text("c")),
            audit("operation", text("transfers.reject")),
            audit("customer", text(CUSTOMER)),
            audit("transfer", text(TRANSFER)),
            audit("principal", text("billé")),
            audit("correlation_id", text("k")),
            audit("status", Value::IntValue(409)),
            audit("outcome", text("forwarded")),
        ],
        trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128
            .to_be_bytes()
            .to_vec(),
        event_name: "partner_gateway.audit.outcome".to_owned(),
        ..LogRecord::default()
    };
    let instance = batch.journal().to_string();
    let expected = ResourceLogs {
        resource: Some(Resource {
            attributes: vec![
                of("service.name", text("partner-gateway")),
                of("service.version", text("0.1.0")),
                of("service.instance.id", text(&instance)),
            ],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope {
                name: "partner_gateway.audit".to_owned(),
                version: "0.1.0".to_owned(),
                ..InstrumentationScope::default()
            }),
            log_records: vec![record],
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    };
    assert_eq!(receiver.received()[0].message.resource_logs, [expected]);
}

#[tokio::test]
async fn sends_headers_as_their_files_are_at_each_request_and_never_tells_them() {
    let log = Log::begin();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authorization");
    let first = "Bearer otlp-canary-of-monday";
    let second = "Bearer otlp-canary-of-tuesday";
    for secret in [first, second] {
        canary::plant(secret.strip_prefix("Bearer ").unwrap());
    }
    let said = [
        partial(1, &format!("bad token {second}")),
        protobuf("401 Unauthorized", "", &status(&format!("no {second}"))),
        partial(0, &format!("{second} is weak")),
    ];
    let steps = [partial(0, "")].into_iter().chain(said);
    let receiver = Receiver::following(steps.map(Step::Answer).collect()).await;
    let sink = with_headers(&receiver, &file);

    std::fs::write(&file, format!("{first}\n")).unwrap();
    let mut came = vec![deliver(&sink, &some()).await];
    std::fs::write(&file, format!("{second}\n")).unwrap();
    for _ in 0..3 {
        came.push(deliver(&sink, &some()).await);
    }

    let partly = "it rejected 1 of them: bad token […] […]".to_owned();
    let held = "it answered 401: no […] […]; check `headers`".to_owned();
    assert_eq!(
        came,
        [
            Ok(()),
            Err(Setback::PartlyRefused { why: partly }),
            Err(Setback::Held { why: held }),
            Ok(())
        ]
    );
    assert_eq!(
        log.lines("the collector warns")[0]["reason"],
        "[…] […] is weak"
    );
    for (request, secret) in receiver
        .received()
        .iter()
        .zip([first, second, second, second])
    {
        let has = |line: &str| request.head.lines().any(|it| it == line);
        assert!(has(&format!("authorization: {secret}")), "{secret}");
        assert!(has("x-scope-orgid: contoso"));
        assert!(has("content-type: application/x-protobuf"));
        assert!(!has("content-type: text/plain"));
    }
}

#[tokio::test]
async fn sends_nothing_without_its_headers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let receiver = Receiver::answering(partial(0, "")).await;
    let sink = sink_with(Settings {
        endpoint: receiver.endpoint().parse().unwrap(),
        headers: vec![(
            HeaderName::from_static("x-api-key"),
            SecretSource::File(file.clone()),
        )],
        ca_file: None,
    });

    let missing = deliver(&sink, &some()).await;
    std::fs::write(&file, "\n").unwrap();
    let empty = deliver(&sink, &some()).await;
    std::fs::write(&file, "the-secret-of-\u{7}").unwrap();
    let odd = deliver(&sink, &some()).await;

    let Err(Setback::Passing { why, after: None }) = missing else {
        panic!("{missing:?}")
    };
    assert!(
        why.starts_with("the header x-api-key: reading the secret file "),
        "{why}"
    );
    let Err(Setback::Held { why }) = empty else {
        panic!("{empty:?}")
    };
    assert!(
        why.starts_with("the header x-api-key: the secret file "),
        "{why}"
    );
    let why = "the value of the header x-api-key has characters that no header has".to_owned();
    assert_eq!(odd, Err(Setback::Held { why }));
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn cannot_be_asked_how_far_it_is() {
    let sink = sink("http://127.0.0.1:9/v1/logs");

    let standing = sink.stands(JournalId::random()).await;

    assert_eq!(standing, Ok(Standing::Untold));
}

/// A sink that shows what a file holds, and has two more headers.
fn with_headers(receiver: &Receiver, file: &Path) -> Otlp {
    sink_with(Settings {
        endpoint: receiver.endpoint().parse().unwrap(),
        headers: vec![
            (
                http::header::AUTHORIZATION,
                SecretSource::File(file.to_owned()),
            ),
            (
                HeaderName::from_static("x-scope-orgid"),
                SecretSource::Value("contoso".into()),
            ),
            // The body is what it is, whatever the configuration says.
            (
                http::header::CONTENT_TYPE,
                SecretSource::Value("text/plain".into()),
            ),
        ],
        ca_file: None,
    })
}

fn of(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}
