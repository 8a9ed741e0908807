//! Every way a request can be wrong, with the answer it gets; nothing of it goes upstream.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use crate::harness::{BILLING, CUSTOMER, TRANSFER, World, call::Call, while_time_passes};

#[tokio::test(start_paused = true)]
async fn knows_no_other_path() {
    let world = World::new().await;

    for target in [
        "/",
        "/transfers",
        &format!("/transfers/{CUSTOMER}/{TRANSFER}/reject/"),
        &format!("/transfers/{CUSTOMER}/{TRANSFER}/Reject"),
        &format!("/transfers/{CUSTOMER}//{TRANSFER}/reject"),
        &format!("/transfers/{CUSTOMER}%2F{TRANSFER}/reject"),
        &format!("/transfers/../transfers/{CUSTOMER}/{TRANSFER}/reject"),
        &format!("/transfers/{CUSTOMER}/{TRANSFER}/accept"),
        "/livez",
        "/readyz",
        "/metrics",
        "/audit/records",
    ] {
        let answer = world.reject().at(target).send().await;

        answer.is_problem(404, "not_found", "no");
        assert_eq!(answer.record["decision"], "invalid");
    }
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn names_the_method_that_the_route_takes() {
    let world = World::new().await;

    for method in [
        "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO",
    ] {
        let answer = world
            .reject()
            .without("authorization")
            .method(method)
            .send()
            .await;

        answer.is_problem(405, "method_not_allowed", "no");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn refuses_a_query() {
    let world = World::new().await;

    for query in ["?", "?a=b", "?access_token=x"] {
        let target = format!("/transfers/{CUSTOMER}/{TRANSFER}/reject{query}");
        world
            .reject()
            .at(&target)
            .send()
            .await
            .is_problem(400, "invalid_request", "no");
    }
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn refuses_anything_but_two_guids() {
    let world = World::new().await;

    for bad in [
        "x",
        "00000000-0000-0000-0000-000000000000",
        "b67f0b00f9e84c57bcb50b8b95c6ccf0",
        "%7Bb67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0%7D",
        "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0%00",
        "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf%30",
        "urn:uuid:b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0",
        "%2e%2e",
    ] {
        let customer = world
            .reject()
            .at(&format!("/transfers/{bad}/{TRANSFER}/reject"));
        customer
            .send()
            .await
            .is_problem(400, "invalid_customer_id", "no");
        let transfer = world
            .reject()
            .at(&format!("/transfers/{CUSTOMER}/{bad}/reject"));
        transfer
            .send()
            .await
            .is_problem(400, "invalid_transfer_id", "no");
    }
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn refuses_malformed_headers() {
    let world = World::new().await;
    let long = "k".repeat(256);

    for (name, value) in [
        ("MS-CorrelationId", "x"),
        ("MS-CorrelationId", "{efa4c6f5-153a-4f76-e458-1375e181cc14}"),
        ("MS-CorrelationId", "00000000-0000-0000-0000-000000000000"),
        ("MS-CorrelationId", ""),
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "a b"),
        ("Idempotency-Key", "\u{e9}"),
        ("Idempotency-Key", &long),
    ] {
        let answer = world.reject().header(name, value).send().await;

        answer.is_problem(400, "invalid_header", "no");
        assert!(answer.json()["detail"].as_str().unwrap().contains(name));
        assert_ne!(answer.header("ms-correlationid"), Some(value));
    }
    for name in ["MS-CorrelationId", "Idempotency-Key", "Partner-Account"] {
        let value = "efa4c6f5-153a-4f76-e458-1375e181cc14";
        let twice = world
            .reject()
            .header(name, value)
            .header(name, value)
            .send()
            .await;
        twice.is_problem(400, "invalid_header", "no");
    }
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn refuses_a_malformed_body() {
    let world = World::new().await;
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(513));

    for body in [
        "x",
        "{",
        "null",
        "[]",
        r#"["because"]"#,
        r#""because""#,
        r#"{"reason":null}"#,
        r#"{"reason":1}"#,
        r#"{"reason":""}"#,
        r#"{"reason":"a","reason":"b"}"#,
        r#"{"reason":"a","more":1}"#,
        r#"{"Reason":"a"}"#,
        "{} {}",
        "{}x",
        "\u{feff}{}",
        " ",
        &long,
    ] {
        world
            .reject()
            .json(body)
            .send()
            .await
            .is_problem(400, "invalid_body", "no");
    }
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn takes_every_body_of_the_contract() {
    let world = World::new().await;
    let longest = format!(r#"{{"reason":"{}"}}"#, "\u{e9}".repeat(512));

    for body in ["{}", " { } ", r#"{"reason":"a"}"#, &longest] {
        let answer = world.reject().json(body).send().await;

        assert_ne!(answer.json()["code"], "invalid_body", "{body}");
    }
    assert_eq!(world.sandbox.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn refuses_a_body_of_another_type() {
    let world = World::new().await;

    for kind in [
        "text/plain",
        "application/json2",
        "application/merge-patch+json",
        "",
    ] {
        let answer = world
            .reject()
            .header("content-type", kind)
            .body("{}")
            .send()
            .await;
        answer.is_problem(415, "unsupported_media_type", "no");
    }
    let absent = world.reject().body("{}").send().await;
    absent.is_problem(415, "unsupported_media_type", "no");
    nothing_was_sent(&world);
    let charset = world
        .reject()
        .header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(charset.body("{}").send().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn refuses_a_body_that_is_too_large_before_it_asks_who_calls() {
    let world = World::new().await;

    let declared = world
        .reject()
        .without("authorization")
        .header("content-length", "4097");
    let declared = declared.send().await;
    let real = world
        .reject()
        .without("authorization")
        .json(&" ".repeat(4097))
        .send()
        .await;

    declared.is_problem(413, "body_too_large", "no");
    real.is_problem(413, "body_too_large", "no");
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn does_not_wait_for_a_body_for_ever() {
    let world = World::new().await;
    let never = futures_util::stream::pending::<io::Result<Frame<Bytes>>>();

    let call = world
        .reject()
        .streamed(StreamBody::new(never).boxed_unsync())
        .send();
    let answer = while_time_passes(call).await;

    answer.is_problem(408, "request_timeout", "no");
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn tells_of_a_body_that_breaks_off_once_it_knows_who_calls() {
    let world = World::new().await;
    let broken = || {
        StreamBody::new(futures_util::stream::iter([
            Ok(Frame::data(Bytes::from_static(b"{"))),
            Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        ]))
        .boxed_unsync()
    };

    let known = world.reject().streamed(broken()).send().await;
    let unknown = world.reject().without("authorization");
    let unknown = unknown.streamed(broken()).send().await;

    known.is_problem(400, "invalid_body", "no");
    unknown.is_problem(401, "unauthenticated", "no");
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn keeps_to_the_order_in_which_faults_are_told() {
    let world = World::new().await;
    let bad_path = "/transfers/x/y/reject?z";

    let path_first = wrong(world.reject())
        .at("/nowhere")
        .body(&"x".repeat(5000))
        .send()
        .await;
    let size = wrong(world.reject())
        .at(bad_path)
        .without("authorization")
        .body(&"x".repeat(5000));
    let size = size.send().await;
    let caller = wrong(world.reject())
        .at(bad_path)
        .without("authorization")
        .body("x")
        .send()
        .await;
    let form = wrong(world.reject())
        .at(bad_path)
        .without("authorization")
        .token("stranger-token");
    let form = form
        .header("Partner-Account", "nobody")
        .body("x")
        .send()
        .await;
    let may = world
        .reject()
        .without("authorization")
        .token("stranger-token")
        .send()
        .await;

    path_first.is_problem(404, "not_found", "no");
    size.is_problem(413, "body_too_large", "no");
    caller.is_problem(401, "unauthenticated", "no");
    form.is_problem(400, "invalid_request", "no");
    may.is_problem(403, "policy_denied", "no");
}

#[tokio::test(start_paused = true)]
async fn turns_late_calls_away_once_it_knows_who_calls() {
    let world = World::new().await;
    world.gateway.drain().begin();

    let late = world.reject().send().await;
    let unknown = world.reject().without("authorization").send().await;

    late.is_problem(503, "draining", "no");
    assert_eq!(late.header("gateway-outcome"), Some("refused"));
    unknown.is_problem(401, "unauthenticated", "no");
    nothing_was_sent(&world);
}

#[tokio::test(start_paused = true)]
async fn records_a_call_that_panics() {
    let world = World::with(|config| {
        let account = config.accounts.first_mut().unwrap();
        // The harness's network panics on a host that it does not know.
        account.api = "https://elsewhere.test".parse().unwrap();
    })
    .await;

    let answer = world.reject().send().await;

    answer.is_problem(500, "internal", "unknown");
    assert_eq!(answer.header("gateway-outcome"), Some("failed"));
    assert_eq!(answer.record["attempts"][0]["error"], "cut_short");
    assert_eq!(world.journal().of_kind("intent").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn never_shows_a_credential_in_an_answer() {
    let world = World::new().await;

    for call in [
        world.reject(),
        world.reject().at("/x"),
        world.reject().json("x"),
    ] {
        let answer = call.send().await;
        let shown = format!("{answer:?}");
        assert!(
            !shown.contains(BILLING) && !shown.contains("sandbox-client-secret"),
            "{shown}"
        );
    }
}

fn nothing_was_sent(world: &World) {
    assert!(world.sandbox.seen().is_empty());
    assert!(world.sandbox.token_requests().is_empty());
    assert!(world.journal().of_kind("intent").is_empty());
}

/// Gives a call a media type that is refused.
fn wrong(call: Call<'_>) -> Call<'_> {
    call.header("content-type", "text/plain")
}
