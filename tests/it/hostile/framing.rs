//! Bodies whose length can be read in two ways, and requests that hide behind them.

use super::{Target, billing, path};
use crate::harness::served::documented_call;

#[tokio::test]
async fn refuses_a_body_that_has_two_lengths() {
    let target = Target::new().await;

    for lines in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "content-length: 6\r\nTRANSFER-ENCODING: Chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nX: y\r\nContent-Length: 05\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: xchunked, chunked\r\n",
        "Transfer-Encoding: , chunked\r\n",
    ] {
        let body = format!("0\r\n\r\n{}", documented_call());
        let answer = target
            .refuses(post(&billing(), lines, &body), 400, "invalid_request")
            .await;
        assert!(answer.head.contains("\r\nconnection: close\r\n"), "{lines}");
        assert_eq!(answer.only_record()["principal"], "billing");
        target
            .refuses(post("", lines, &body), 401, "unauthenticated")
            .await;
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn takes_no_length_but_a_plain_number_and_no_coding_but_chunked() {
    let target = Target::new().await;
    let lines = [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "Content-Length\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding: chunked\0\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "X: y\r\n\tfolded\r\n",
        "X: a\0b\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
        "X\0Y: z\r\n",
        "X Y: z\r\n",
        ": z\r\n",
    ];

    for line in lines {
        let body = format!("0\r\n\r\n{}", documented_call());
        target
            .takes_for_no_request(post(&billing(), line, &body))
            .await;
    }
    target.ends_having_counted(lines.len()).await;
}

#[tokio::test]
async fn reads_a_chunked_body_and_nothing_behind_it() {
    let target = Target::new().await;
    let json = "Content-Type: application/json\r\nTransfer-Encoding:\t chunked \r\n";

    for body in [
        "2\r\n{}\r\n0\r\n\r\n",
        "2;a=b\r\n{}\r\n0;c\r\n\r\n",
        "02 \r\n{}\r\n0\r\n\r\n",
        "1\r\n{\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n",
    ] {
        let hidden = format!("{body}{}", documented_call());
        let answer = target.send(post(&billing(), json, &hidden)).await;

        let forwarded = "\r\ngateway-outcome: forwarded\r\n";
        assert!(answer.head.contains(forwarded), "{body:?} -> {answer:?}");
        assert!(answer.head.contains("\r\nconnection: close\r\n"));
        assert_eq!(answer.only_record()["principal"], "billing");
    }
    assert_eq!(target.served.sandbox.seen().len(), 4);
}

#[tokio::test]
async fn refuses_chunks_that_are_none() {
    let target = Target::new().await;
    let json = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";

    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        "2\n{}\n0\n\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}}\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    ] {
        let hidden = format!("{body}{}", documented_call());
        target
            .refuses(post(&billing(), json, &hidden), 400, "invalid_body")
            .await;
        target
            .refuses(post("", json, &hidden), 401, "unauthenticated")
            .await;
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn takes_a_request_in_a_body_for_a_body() {
    let target = Target::new().await;
    let hidden = documented_call();
    let length = format!("Content-Length: {}\r\nConnection: close\r\n", hidden.len());
    let json = format!("Content-Type: application/json\r\n{length}");

    let untold = post(&billing(), &length, &hidden);
    target.refuses(untold, 415, "unsupported_media_type").await;
    target
        .refuses(post(&billing(), &json, &hidden), 400, "invalid_body")
        .await;
    target
        .refuses(post("", &json, &hidden), 401, "unauthenticated")
        .await;

    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn switches_to_no_other_protocol() {
    let target = Target::new().await;

    for lines in [
        "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: close\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n",
    ] {
        let empty = format!("{lines}Content-Length: 0\r\n");
        let stranger = post("", &empty, &documented_call());
        target.refuses(stranger, 401, "unauthenticated").await;
        let large = format!("{lines}Content-Length: 99999\r\n");
        let large = post(&billing(), &large, &documented_call());
        target.refuses(large, 413, "body_too_large").await;
    }
    for method in ["CONNECT gateway:443", "CONNECT *", "PRI *"] {
        let tunnel = format!(
            "{method} HTTP/1.1\r\nHost: gateway:443\r\n{}Connection: close\r\n\r\n{}",
            billing(),
            documented_call()
        );
        target.refuses(tunnel, 404, "not_found").await;
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn answers_no_request_that_comes_before_the_switch_is_granted() {
    let target = Target::new().await;
    let lines = "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n";

    let early = post("", lines, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let answers = crate::harness::served::converse(target.served.address, early.as_bytes()).await;

    assert!(answers.starts_with("HTTP/1.1 401 "), "{answers}");
    assert!(!answers.contains("HTTP/1.1 101"), "{answers}");
    assert_eq!(target.outcomes().len(), 1);
    target.is_untouched();
}

/// A call with these lines, of which one should tell how long its body is, and this behind its head.
fn post(credential: &str, lines: &str, behind: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nHost: gateway\r\n{credential}{lines}\r\n{behind}",
        path()
    )
}
