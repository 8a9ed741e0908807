//! HTTP/2 as raw frames, with heads that no sound client sends.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Target, path};
use crate::harness::{BILLING, CUSTOMER, TRANSFER};

type Fields = Vec<(String, String)>;

/// What became of a stream.
#[derive(Debug, PartialEq)]
enum End {
    /// It was answered with this body.
    Answer(Value),
    /// It was reset as an error of the protocol.
    Reset,
    /// Its connection was ended as an error of the protocol.
    Ended,
}

#[tokio::test]
async fn answers_a_sound_call() {
    let target = Target::new().await;

    let end = call(target.served.address, &sound()).await;

    let End::Answer(body) = end else {
        panic!("{end:?}")
    };
    assert_eq!(body["status"], "Reject");
}

#[tokio::test]
async fn refuses_a_target_that_can_be_read_in_two_ways() {
    let target = Target::new().await;
    let path = path();

    for (spelling, status, code) in [
        (format!("/{path}"), 404, "not_found"),
        (format!("{path}/"), 404, "not_found"),
        (format!("{path};x"), 404, "not_found"),
        (format!("{path}%00"), 404, "not_found"),
        (format!("/x/..{path}"), 404, "not_found"),
        (path.replace("/reject", "%2Freject"), 404, "not_found"),
        (path.replace("/reject", "%5creject"), 404, "not_found"),
        (path.to_uppercase(), 404, "not_found"),
        ("*".to_owned(), 404, "not_found"),
        (format!("{path}?"), 400, "invalid_request"),
        (format!("{path}?a=b"), 400, "invalid_request"),
        (path.replace(CUSTOMER, "%2e%2e"), 400, "invalid_customer_id"),
        (path.replace(TRANSFER, "x"), 400, "invalid_transfer_id"),
    ] {
        let fields = with(&[(":path", &spelling)]);
        refuses(&target, &fields, status, code).await;
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn refuses_a_call_whose_host_and_authority_differ() {
    let target = Target::new().await;

    for fields in [
        with(&[("host", "elsewhere")]),
        with(&[("host", "")]),
        with(&[("host", "gateway"), ("host", "gateway")]),
        with(&[("host", "gateway"), ("host", "elsewhere")]),
        with(&[(":authority", "user@gateway")]),
        with(&[(":authority", "gateway:1"), ("host", "gateway")]),
        without(":authority"),
    ] {
        refuses(&target, &fields, 400, "invalid_request").await;
        let strangers: Fields = fields
            .into_iter()
            .filter(|(name, _)| name != "authorization")
            .collect();
        refuses(&target, &strangers, 401, "unauthenticated").await;
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn takes_exactly_one_credential_over_http_2() {
    let target = Target::new().await;
    let bearer = format!("Bearer {BILLING}");

    for fields in [
        without("authorization"),
        with(&[("authorization", &bearer)]),
        with(&[("authorization", "")]),
        with(&[("authorization", &format!("{bearer}, {bearer}"))]),
    ] {
        let mut fields = fields;
        if fields.iter().any(|(name, _)| name == "authorization") {
            fields.push(("authorization".to_owned(), bearer.clone()));
        }
        refuses(&target, &fields, 401, "unauthenticated").await;
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn breaks_a_stream_whose_head_is_malformed() {
    let target = Target::new().await;
    let path = path();
    let mut ended = 0;

    for fields in [
        with(&[(":path", &format!("{path} x"))]),
        with(&[(":path", &format!("{path}\r\nx"))]),
        with(&[(":path", &format!("{path}\0"))]),
        with(&[(":path", "")]),
        with(&[(":path", path.trim_start_matches('/'))]),
        with(&[(":path", &format!("http://gateway{path}"))]),
        with(&[(":authority", "gate way")]),
        with(&[(":method", "PO ST")]),
        with(&[(":path", &path), (":protocol", "websocket")]),
        with(&[(":status", "200")]),
        with(&[(":x", "y")]),
        without(":path"),
        without(":method"),
        without(":scheme"),
        with(&[("connection", "close")]),
        with(&[("connection", "authorization")]),
        with(&[("keep-alive", "timeout=5")]),
        with(&[("proxy-connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "h2c")]),
        with(&[("te", "gzip")]),
        with(&[("Authorization", "x")]),
        with(&[("x", "a\r\nb: c")]),
        with(&[("x", "a\0b")]),
        with(&[("x y", "z")]),
        with(&[("content-length", "5")]),
        with(&[("content-length", "+0")]),
        twice(":path"),
        twice(":authority"),
        twice(":method"),
        last(":path"),
    ] {
        let end = call(target.served.address, &fields).await;

        assert_ne!(end, End::Answer(Value::Null), "{fields:?}");
        assert!(target.outcomes().is_empty(), "{fields:?}");
        ended += usize::from(end == End::Ended);
    }
    // The library resets a stream by itself and tells nobody; the end of a connection is told.
    target.ends_having_counted(ended).await;
}

/// The library drops the fragment before anything of ours can see it; what is judged, recorded and done
/// is what stands before it.
#[tokio::test]
async fn takes_an_http_2_target_up_to_its_fragment() {
    let target = Target::new().await;

    let elsewhere = with(&[(":path", &format!("/livez#{}", path()))]);
    refuses(&target, &elsewhere, 404, "not_found").await;
    let here = with(&[(":path", &format!("{}#/../../livez", path()))]);
    let end = call(target.served.address, &here).await;

    assert!(matches!(end, End::Answer(body) if body["status"] == "Reject"));
    let record = target.outcomes().pop().unwrap();
    assert_eq!(record["customer"], CUSTOMER);
    assert_eq!(record["transfer"], TRANSFER);
}

async fn refuses(target: &Target, fields: &Fields, status: u16, code: &str) {
    let before = target.outcomes().len();
    let end = call(target.served.address, fields).await;
    let End::Answer(body) = &end else {
        panic!("{fields:?} -> {end:?}")
    };
    assert_eq!(body["status"], status, "{fields:?} -> {body}");
    assert_eq!(body["code"], code, "{fields:?} -> {body}");
    assert_eq!(body["forwarded"], "no");
    let records = target.outcomes().split_off(before);
    assert_eq!(records.len(), 1, "{fields:?}");
    assert_eq!(records.first().unwrap()["id"], body["auditId"]);
    target.is_untouched();
}

/// The documented call.
fn sound() -> Fields {
    let bearer = format!("Bearer {BILLING}");
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "gateway"),
        (":path", &path()),
        ("authorization", &bearer),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The documented call with pseudo-headers replaced or added, and headers added.
fn with(changes: &[(&str, &str)]) -> Fields {
    let mut fields = sound();
    for (name, value) in changes {
        let field = ((*name).to_owned(), (*value).to_owned());
        match fields.iter_mut().find(|(is, _)| is == name) {
            Some(there) if name.starts_with(':') => *there = field,
            _ if name.starts_with(':') => fields.insert(0, field),
            _ => fields.push(field),
        }
    }
    fields
}

fn without(name: &str) -> Fields {
    let mut fields = sound();
    fields.retain(|(is, _)| is != name);
    fields
}

fn twice(name: &str) -> Fields {
    let mut fields = sound();
    let place = fields.iter().position(|(is, _)| is == name).unwrap();
    fields.insert(place, fields[place].clone());
    fields
}

fn last(name: &str) -> Fields {
    let mut fields = sound();
    let place = fields.iter().position(|(is, _)| is == name).unwrap();
    let field = fields.remove(place);
    fields.push(field);
    fields
}

/// Sends one request without a body on a connection of its own.
async fn call(address: SocketAddr, fields: &Fields) -> End {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal that is not indexed, with a new name: RFC 7541 section 6.2.2.
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block));
    stream.write_all(&bytes).await.unwrap();
    let reading = tokio::time::timeout(std::time::Duration::from_secs(20), end(&mut stream));
    reading.await.expect("an end")
}

/// Reads frames until the stream has ended.
async fn end(stream: &mut TcpStream) -> End {
    let mut body = Vec::new();
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return End::Ended;
        }
        let [high, middle, low, kind, flags, ..] = head;
        let mut payload =
            vec![0; usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)];
        stream.read_exact(&mut payload).await.unwrap();
        match kind {
            RST_STREAM => {
                assert_eq!(payload, PROTOCOL_ERROR);
                return End::Reset;
            }
            GOAWAY => {
                assert_eq!(payload.get(4..8), Some(&PROTOCOL_ERROR[..]));
                return End::Ended;
            }
            DATA => body.extend(payload),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM > 0 {
            return End::Answer(serde_json::from_slice(&body).unwrap_or(Value::Null));
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend_from_slice(payload);
    frame
}

/// An integer with a prefix of seven bits: RFC 7541 section 5.1.
fn length(number: usize, into: &mut Vec<u8>) {
    match number.checked_sub(127) {
        None => into.push(u8::try_from(number).unwrap()),
        Some(mut rest) => {
            into.push(127);
            while rest >= 128 {
                into.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            into.push(u8::try_from(rest).unwrap());
        }
    }
}

/// Types of frames, and their flags: RFC 9113 section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113 section 7.
const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];
