//! Answers that a server of HTTP does not give, made of those that it does.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::{
    answer::{Answer, typed},
    wire::Beneath,
};

/// The answer with two lengths, of which the first ends in the middle of its body.
pub(crate) fn conflicting(mut answer: Response<Answer>) -> Response<Answer> {
    let body = answer.body().bytes().unwrap_or_default();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len() / 2));
    let chunked = HeaderValue::from_static("chunked");
    headers.insert(header::TRANSFER_ENCODING, chunked);
    let mut bytes = head(&answer);
    bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(b"\r\n0\r\n\r\n");
    beneath(answer, Beneath::Instead(bytes.into()))
}

/// The answer after two that are none yet.
pub(crate) fn after_others(answer: Response<Answer>) -> Response<Answer> {
    beneath(answer, Beneath::Before(Bytes::from_static(NOT_YET)))
}

/// The end of HTTP on a connection, which nobody asked for.
pub(crate) fn switching() -> Response<Answer> {
    let mut answer = typed(StatusCode::SWITCHING_PROTOCOLS, "", "");
    for (name, value) in [(header::CONNECTION, "upgrade"), (header::UPGRADE, "h2c")] {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    let bytes = head(&answer).into();
    beneath(answer, Beneath::Instead(bytes))
}

fn beneath(mut answer: Response<Answer>, beneath: Beneath) -> Response<Answer> {
    answer.extensions_mut().insert(beneath);
    answer
}

/// A head as it goes over the wire.
fn head(answer: &Response<Answer>) -> Vec<u8> {
    let mut head = Vec::from(format!("HTTP/1.1 {}\r\n", answer.status()));
    for (name, value) in answer.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

const NOT_YET: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n\
    HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n";
