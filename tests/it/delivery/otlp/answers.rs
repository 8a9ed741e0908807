//! Every answer that a collector can give, and every way to give none. After each, what was received is what was sent.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use partner_gateway::{
    delivery::{
        otlp::{Otlp, Settings},
        sink::Setback,
    },
    http_client::{HttpClient, Sending, Transport},
};
use tokio::time::Instant;

use super::{
    March, deliver, passing,
    receiver::{Receiver, Step, answer, partial, protobuf, status},
    sink, sink_with, some,
};
use crate::harness::{log::Log, tls::TlsFront};

#[tokio::test]
async fn takes_an_acknowledgement_without_a_partial_success_for_a_whole_one() {
    for answer in [
        protobuf("200 OK", "", b""),
        answer("200 OK", "", "Application/X-Protobuf; v=1", b""),
        answer("200 OK", "", "text/plain", b""),
        partial(0, ""),
        b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec(),
    ] {
        assert_eq!(came_of(Step::Answer(answer)).await, Ok(()));
    }
}

#[tokio::test]
async fn takes_a_warning_for_an_acknowledgement_and_tells_it_once() {
    let log = Log::begin();
    let warnings = ["slow down", "slow down", "slow down!", "slow down"];
    let steps = warnings.map(|warning| Step::Answer(partial(0, warning)));
    let receiver = Receiver::following(steps.to_vec()).await;
    let sink = sink(&receiver.endpoint());

    for _ in warnings {
        assert_eq!(deliver(&sink, &some()).await, Ok(()));
    }

    let told = log.lines("the collector warns");
    let told: Vec<_> = told.iter().map(|line| &line["reason"]).collect();
    assert_eq!(told, ["slow down", "slow down!", "slow down"]);
}

#[tokio::test]
async fn tells_that_some_were_rejected() {
    let why = |rejected: u64, reason: &str| {
        let why = format!("it rejected {rejected} of them{reason}");
        Err(Setback::PartlyRefused { why })
    };
    for (rejected, message, expected) in [
        (2, "bad \r\n\u{1b}timestamp", why(2, ": bad    timestamp")),
        (3, "", why(3, "")),
        (i64::MAX, "", why(i64::MAX.unsigned_abs(), "")),
    ] {
        let step = Step::Answer(partial(rejected, message));

        assert_eq!(came_of(step).await, expected);
    }
}

#[tokio::test]
async fn takes_what_cannot_be_read_for_no_acknowledgement() {
    for (step, expected) in [
        (partial(-1, ""), "it says that it rejected -1"),
        (
            protobuf("200 OK", "", b"\n\xff"),
            "it answered 200 with an acknowledgement that cannot be read: ",
        ),
        (protobuf("200 OK", "", b"garbage"), "it answered 200 with "),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "reading the answer's head"),
    ] {
        let Err(Setback::Passing { why, after: None }) = came_of(Step::Answer(step)).await else {
            panic!("{expected}")
        };

        assert!(why.starts_with(expected), "{why}");
    }
}

#[tokio::test]
async fn asks_a_person_where_credentials_or_the_address_are_wrong() {
    for (given, expected) in [
        ("401 Unauthorized", "it answered 401: no; check `headers`"),
        ("403 Forbidden", "it answered 403: no; check `headers`"),
        (
            "404 Not Found",
            "it answered 404: no; check the path of `endpoint`, which is usually /v1/logs",
        ),
        (
            "301 Moved Permanently",
            "it answered 301: no; check `endpoint`",
        ),
        (
            "405 Method Not Allowed",
            "it answered 405: no; check `endpoint`",
        ),
        ("202 Accepted", "it answered 202: no; check `endpoint`"),
        (
            "200 OK",
            "it answered 200 without an acknowledgement of OTLP: the body is no protobuf; check `endpoint`",
        ),
    ] {
        let step = answer(given, "Location: /else\r\n", "text/plain", b"no");

        let why = expected.to_owned();
        assert_eq!(
            came_of(Step::Answer(step)).await,
            Err(Setback::Held { why })
        );
    }
}

#[tokio::test]
async fn tells_that_a_request_was_refused_for_good() {
    for (given, expected) in [
        (
            protobuf("400 Bad Request", "", &status("bad\u{7}body")),
            "it answered 400: bad body",
        ),
        (
            answer(
                "413 Content Too Large",
                "",
                "text/plain",
                b"too \x1blarge\xff\n",
            ),
            "it answered 413: too  large\u{fffd}",
        ),
        (
            protobuf("413 Content Too Large", "", b"\n\xff"),
            "it answered 413",
        ),
    ] {
        let why = expected.to_owned();

        assert_eq!(
            came_of(Step::Answer(given)).await,
            Err(Setback::Refused { why })
        );
    }
}

#[tokio::test]
async fn waits_for_as_long_as_the_collector_asks() {
    let date = "Retry-After: Sun, 01 Mar 2026 00:01:30 GMT\r\n";
    for (given, more, number, after) in [
        ("429 Too Many Requests", "Retry-After: 7\r\n", 429, Some(7)),
        ("429 Too Many Requests", date, 429, Some(90)),
        ("429 Too Many Requests", "", 429, None),
        ("502 Bad Gateway", "", 502, None),
        ("503 Service Unavailable", date, 503, Some(90)),
        ("504 Gateway Timeout", "Retry-After: soon\r\n", 504, None),
        // What the specification calls final is not asked again soon.
        ("500 Internal Server Error", "", 500, Some(60)),
        (
            "500 Internal Server Error",
            "Retry-After: 7\r\n",
            500,
            Some(60),
        ),
        ("501 Not Implemented", date, 501, Some(90)),
    ] {
        let step = protobuf(given, more, &status("later"));

        let why = format!("it answered {number}: later");
        assert_eq!(
            came_of(Step::Answer(step)).await,
            Err(passing(&why, after)),
            "{given} {more}"
        );
    }
}

#[tokio::test]
async fn reads_no_more_of_an_answer_than_an_acknowledgement_can_have() {
    for (head, expected) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n",
            passing("the answer's body is over 65536 bytes", None),
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 10737418240\r\n\r\n",
            Setback::Refused {
                why: "it answered 400".to_owned(),
            },
        ),
    ] {
        let receiver = Receiver::following(vec![Step::Endless(head)]).await;
        let sink = sink(&receiver.endpoint());

        let delivered = deliver(&sink, &some()).await;

        assert_eq!(delivered, Err(expected));
        // The rest is what sockets hold.
        assert!(receiver.finished().await < 64 << 20);
    }
}

#[tokio::test]
async fn takes_a_connection_that_breaks_before_the_end_of_the_answer_for_none() {
    let whole = partial(0, "all is well");
    let head = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let in_the_body = head.unwrap() + 6;
    for (kept, expected) in [
        (0, "waiting for the answer: "),
        (12, "waiting for the answer: "),
        (in_the_body, "reading the answer's body: "),
    ] {
        let Err(Setback::Passing { why, after: None }) =
            came_of(Step::Reset(whole[..kept].to_vec())).await
        else {
            panic!("{expected}")
        };

        assert!(why.starts_with(expected), "{why}");
    }
}

#[tokio::test]
async fn believes_an_answer_whose_connection_breaks_afterwards() {
    let step = Step::Reset(partial(0, ""));

    assert_eq!(came_of(step).await, Ok(()));
}

#[tokio::test]
async fn tells_that_nobody_listens() {
    let receiver = Receiver::following(Vec::new()).await;
    let endpoint = receiver.endpoint();
    assert_eq!(receiver.finished().await, 0);

    let delivered = deliver(&sink(&endpoint), &some()).await;

    let Err(Setback::Passing { why, after: None }) = delivered else {
        panic!("{delivered:?}")
    };
    assert!(why.starts_with("connecting to the host: "), "{why}");
}

#[tokio::test(start_paused = true)]
async fn waits_ten_seconds_for_an_answer_that_never_comes() {
    let settings = Settings {
        endpoint: "http://collector.test/v1/logs".parse().unwrap(),
        headers: Vec::new(),
        ca_file: None,
    };
    let over = |_: &_| Ok(HttpClient::over(Silent));
    let sink = Otlp::new(settings, &over, std::sync::Arc::new(March)).unwrap();
    let began = Instant::now();

    let delivered = deliver(&sink, &some()).await;

    assert_eq!(delivered, Err(passing("no whole answer within 10s", None)));
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn trusts_a_collector_by_its_own_anchor_and_asks_a_person_without() {
    let receiver = Receiver::answering(partial(0, "")).await;
    let trusted = TlsFront::before(receiver.address()).await;
    let nobody = Receiver::following(Vec::new()).await;
    let distrusted = TlsFront::before(nobody.address()).await;
    let anchored = |front: &TlsFront| Settings {
        endpoint: format!("{}/v1/logs", front.url()).parse().unwrap(),
        headers: Vec::new(),
        ca_file: Some(trusted.ca_file()),
    };

    let distrusted = deliver(&sink_with(anchored(&distrusted)), &some()).await;
    let trusted = deliver(&sink_with(anchored(&trusted)), &some()).await;

    let Err(Setback::Held { why }) = distrusted else {
        panic!("{distrusted:?}")
    };
    assert!(why.starts_with("connecting to the host: "), "{why}");
    assert!(why.ends_with("; check `ca_file`"), "{why}");
    assert_eq!(trusted, Ok(()));
}

/// Delivers a few records to a collector that does this, and tells what came of it.
async fn came_of(step: Step) -> Result<(), Setback> {
    let receiver = Receiver::following(vec![step]).await;
    let sink = sink(&receiver.endpoint());
    let batch = some();

    let delivered = deliver(&sink, &batch).await;

    let [request] = &receiver.received()[..] else {
        panic!("one request")
    };
    request.assert_is(&batch);
    delivered
}

/// Takes requests and never answers.
#[derive(Debug)]
struct Silent;

impl Transport for Silent {
    fn send(&self, _: Request<Full<Bytes>>) -> Sending {
        Box::pin(std::future::pending())
    }
}
