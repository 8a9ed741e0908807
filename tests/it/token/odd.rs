//! Token answers that are none: one meaning for the caller, and one line for the operator.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use partner_gateway::{
    http_client::{HttpClient, Sending, Transport},
    token::cell::TokenCell,
};
use sandbox::{Fault, Sandbox, Settings, Target};
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{self, World, log::Log, transport::ToSandbox};

#[tokio::test(start_paused = true)]
async fn has_one_meaning_and_one_line_for_every_odd_answer() {
    for (fault, level, error) in odd_answers() {
        let told = format!("{fault:?}");
        let log = Log::begin();
        let world = World::new().await;
        world.sandbox.push_fault(Target::Token, fault);

        let answer = world.reject().send().await;

        assert_eq!(answer.status, 503, "{told}");
        answer.is_problem(503, "token_unavailable", "no");
        assert_eq!(answer.header("gateway-outcome"), Some("failed"));
        assert_eq!(answer.header("ms-requestid"), None);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{told}: {wait}");
        assert!(world.sandbox.seen().is_empty());
        let lines = log.lines("no token obtained");
        let [line] = &lines[..] else {
            panic!("{told}: {lines:?}")
        };
        assert_eq!(
            (&line["level"], &line["error"]),
            (&level.into(), &error.into()),
            "{told}"
        );
        assert_eq!(line["span"]["account"], "contoso");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_no_more_of_an_endless_answer_than_it_may() {
    let endless = Endless::default();
    let settings = harness::config(&harness::tempdir())
        .accounts
        .remove(0)
        .token;
    let http = HttpClient::over(endless.clone());
    let cell = TokenCell::new("contoso".into(), harness::grant(settings, http));

    let refused = cell.current().await.expect_err("no token");

    let source = std::error::Error::source(&refused.cause)
        .unwrap()
        .to_string();
    assert_eq!(source, "the answer's body is over 262144 bytes");
    let read = endless.0.load(Ordering::SeqCst);
    assert!(read <= 5, "{read} pieces of 64 KiB");
}

#[tokio::test(start_paused = true)]
async fn waits_ten_seconds_for_an_answer_that_does_not_come() {
    let sandbox = Sandbox::new(Settings::default());
    sandbox.push_fault(Target::Token, Fault::Hang);
    let settings = harness::config(&harness::tempdir())
        .accounts
        .remove(0)
        .token;
    let http = HttpClient::over(ToSandbox::new(sandbox));
    let cell = TokenCell::new("contoso".into(), harness::grant(settings, http));
    let began = Instant::now();

    cell.current().await.expect_err("no token");

    assert_eq!(began.elapsed().as_secs(), 10);
}

/// A token endpoint that answers with a gigabyte, made as it is read.
#[derive(Clone, Debug, Default)]
struct Endless(Arc<AtomicUsize>);

impl Transport for Endless {
    fn send(&self, _: Request<Full<Bytes>>) -> Sending {
        let read = Arc::clone(&self.0);
        let piece = Bytes::from(vec![b'x'; 64 * 1024]);
        let pieces = (0..16 * 1024).map(move |_| {
            read.fetch_add(1, Ordering::SeqCst);
            Ok(Frame::data(piece.clone()))
        });
        let body = StreamBody::new(stream::iter(pieces)).boxed_unsync();
        Box::pin(async move { Ok(Response::new(body)) })
    }
}

/// What a token endpoint may say instead of giving a usable token, and how the log tells it.
fn odd_answers() -> Vec<(Fault, &'static str, String)> {
    let usual = unusable().into_iter().map(|(fault, why)| {
        let error = format!("the token endpoint's answer is not usable: {why}");
        (fault, "WARN", error)
    });
    let refused = refused()
        .into_iter()
        .map(|(fault, level, what)| (fault, level, format!("the token endpoint answered {what}")));
    let unreached = unreached()
        .into_iter()
        .map(|(fault, why)| (fault, "WARN", format!("asking the token endpoint: {why}")));
    usual.chain(refused).chain(unreached).collect()
}

fn unusable() -> Vec<(Fault, &'static str)> {
    let good = |rest: &str| body(200, JSON, &format!(r#"{{"token_type":"Bearer",{rest}}}"#));
    let life = |value| Fault::ExpiresIn { value };
    let (empty, none) = ("it is empty or not JSON", "it is not a token response");
    let absent = "it has no access token";
    let short = "its life is not told, or under a minute";
    let ugly = "its token is not visible ASCII";
    let value = "mac".to_owned();
    vec![
        (body(200, JSON, ""), empty),
        (body(200, "text/html", "<html>"), empty),
        (body(200, "text/plain", "try later"), empty),
        (body(200, JSON, "<html>"), none),
        (
            body(200, JSON, r#"{"token_type":"Bearer","access_to"#),
            none,
        ),
        (body(200, JSON, r#"{"error":"invalid_client"}"#), absent),
        (good(r#""access_token":"a""#), short),
        (good(r#""expires_in":3600,"access_token":"""#), absent),
        (good(r#""expires_in":3600,"access_token":"a\r\nb""#), ugly),
        (good(r#""expires_in":3600,"access_token":"a b""#), ugly),
        (life(json!(0)), short),
        (life(json!(-1)), short),
        (life(json!(1e99)), short),
        (life(json!(3600.5)), short),
        (life(json!("x")), short),
        (life(json!(null)), short),
        (Fault::TokenType { value }, "its token type is not Bearer"),
    ]
}

fn refused() -> Vec<(Fault, &'static str, &'static str)> {
    let looping = r#"{"error":"invalid_grant","error_codes":[50196]}"#;
    let wrong = r#"{"error":"invalid_client","error_codes":[7000215]}"#;
    let location = "https://elsewhere.test/".to_owned();
    let throttled = |retry_after: &str| Fault::Status {
        status: 429,
        body: None,
        content_type: None,
        retry_after: Some(retry_after.to_owned()),
        headers: vec![],
    };
    vec![
        (
            throttled("soon"),
            "WARN",
            r#"429 "temporarily_unavailable" AADSTS90033"#,
        ),
        (
            throttled("Sun, 01 Mar 2020 00:00:00 GMT"),
            "WARN",
            r#"429 "temporarily_unavailable" AADSTS90033"#,
        ),
        (body(307, "text/plain", ""), "WARN", r#"307 """#),
        (
            Fault::Redirect {
                status: 307,
                location,
            },
            "WARN",
            r#"307 """#,
        ),
        (body(500, "text/plain", "oops"), "WARN", r#"500 """#),
        (body(400, "text/plain", "oops"), "ERROR", r#"400 """#),
        (
            body(400, JSON, looping),
            "WARN",
            r#"400 "invalid_grant" AADSTS50196"#,
        ),
        (
            body(401, JSON, wrong),
            "ERROR",
            r#"401 "invalid_client" AADSTS7000215"#,
        ),
    ]
}

fn unreached() -> Vec<(Fault, &'static str)> {
    let closed = "waiting for the answer: the sandbox closed the connection without an answer";
    let cut = "reading the answer's body: unexpected end of file";
    let large = "the answer's body is over 262144 bytes";
    let bytes = 300_000;
    vec![
        (Fault::DropBefore, closed),
        (Fault::CutBody, cut),
        (Fault::Huge { bytes }, large),
    ]
}

fn body(status: u16, kind: &str, body: &str) -> Fault {
    Fault::Body {
        status,
        content_type: Some(kind.to_owned()),
        body: body.to_owned(),
    }
}

const JSON: &str = "application/json";
