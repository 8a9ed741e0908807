//! The main road: a caller rejects a transfer.

use std::sync::Arc;

use http::Method;
use serde_json::Value;

use crate::harness::{BILLING, CORRELATION, CUSTOMER, TRANSFER, World};

#[tokio::test(start_paused = true)]
async fn sends_exactly_what_microsoft_documents() {
    let world = World::new().await;

    let answer = world
        .reject()
        .header("MS-CorrelationId", CORRELATION)
        .send()
        .await;

    assert_eq!(answer.status, 200);
    let seen = world.sandbox.seen();
    let [patch] = seen.as_slice() else {
        panic!("{} requests upstream", seen.len())
    };
    assert_eq!(patch.method, Method::PATCH);
    assert_eq!(
        patch.path,
        format!("/v1/customers/{CUSTOMER}/transfers/{TRANSFER}")
    );
    assert_eq!(
        patch.body,
        format!(r#"{{"id":"{TRANSFER}","status":"reject"}}"#)
    );
    assert_eq!(patch.body.len(), 63);
    let value = |name: &str| {
        let mut values = patch
            .headers
            .iter()
            .filter(|(is, _)| is == name)
            .map(|(_, value)| value);
        let value = values.next().cloned();
        assert_eq!(values.next(), None, "{name} twice");
        value.unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(value("accept"), "application/json");
    assert_eq!(value("content-type"), "application/json");
    assert_eq!(value("ms-contract-version"), "v1");
    assert_eq!(value("ms-correlationid"), CORRELATION);
    assert_eq!(value("ms-partnercenter-application"), "partner-gateway");
    assert_eq!(value("x-locale"), "en-US");
    assert_eq!(
        Some(value("ms-requestid").as_str()),
        answer.header("ms-requestid")
    );
    assert!(value("authorization").starts_with("Bearer ey"));
    assert_eq!(
        world.sandbox.transfer_status(CUSTOMER, TRANSFER).as_deref(),
        Some("Reject")
    );
}

#[tokio::test(start_paused = true)]
async fn answers_with_partner_centers_body_byte_for_byte() {
    let world = World::new().await;

    let answer = world
        .reject()
        .header("MS-CorrelationId", CORRELATION)
        .send()
        .await;

    let sent = world.sandbox.seen()[0].answered.clone().unwrap();
    assert_eq!(answer.body, sent);
    let body = std::str::from_utf8(&answer.body).unwrap();
    assert!(
        body.contains(r#""createdTime":"2020-03-25T22:05:25.1057725Z""#),
        "{body}"
    );
    assert!(body.contains(r#""partnertenantid":"#), "{body}");
    assert!(body.contains(r#""status":"Reject""#), "{body}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(answer.header("ms-correlationid"), Some(CORRELATION));
    assert_eq!(answer.header("gateway-outcome"), Some("forwarded"));
    assert_eq!(answer.record["decision"], "allowed");
    assert_eq!(answer.record["transfer_status"], "Reject");
}

#[tokio::test(start_paused = true)]
async fn takes_upper_case_and_sends_lower_case() {
    let world = World::new().await;
    let (customer, transfer) = (CUSTOMER.to_uppercase(), TRANSFER.to_uppercase());

    let answer = world
        .reject()
        .at(&format!("/transfers/{customer}/{transfer}/reject"))
        .header("MS-CorrelationId", &CORRELATION.to_uppercase())
        .send()
        .await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("ms-correlationid"), Some(CORRELATION));
    assert_eq!(answer.record["customer"], CUSTOMER);
    assert_eq!(answer.record["transfer"], TRANSFER);
    let seen = world.sandbox.seen();
    assert_eq!(
        seen[0].path,
        format!("/v1/customers/{CUSTOMER}/transfers/{TRANSFER}")
    );
    assert_eq!(
        seen[0].body,
        format!(r#"{{"id":"{TRANSFER}","status":"reject"}}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn sends_nothing_else_of_the_caller() {
    let world = World::new().await;
    let canary = "canary-7f3a";

    let answer = world
        .reject()
        .header("X-Forwarded-For", canary)
        .header("Cookie", canary)
        .header("MS-RequestId", canary)
        .header("MS_CorrelationId", canary)
        .header("MS.RequestId", canary)
        .header("X-Locale", canary)
        .header("MS-PartnerCenter-Application", canary)
        .header("MS-Contract-Version", canary)
        .header("Connection", "authorization")
        .header("If-Match", canary)
        .without("host")
        .header("Host", canary)
        .json(&format!(r#"{{"reason":"{canary}"}}"#))
        .send()
        .await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.record["reason"], canary);
    let [patch] = &world.sandbox.seen()[..] else {
        panic!("one request upstream")
    };
    let names: Vec<&str> = patch
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    for name in &names {
        assert!(SENT.contains(name), "{name} was sent upstream");
    }
    let sent = format!("{:?} {:?} {}", patch.headers, patch.body, patch.path);
    assert!(!sent.contains(canary) && !sent.contains(BILLING), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn asks_for_one_token_however_many_cold_calls_come_at_once() {
    let world = Arc::new(World::new().await);
    let mut calls = tokio::task::JoinSet::new();

    for _ in 0..10_000 {
        let world = Arc::clone(&world);
        calls.spawn(async move { world.reject().send().await.status });
    }
    let statuses = calls.join_all().await;

    assert_eq!(world.sandbox.token_requests().len(), 1);
    assert_eq!(world.sandbox.seen().len(), 10_000);
    let rejected = statuses.iter().filter(|status| **status == 200).count();
    let ended_already = statuses.iter().filter(|status| **status == 400).count();
    assert_eq!((rejected, ended_already), (1, 9_999));
}

#[tokio::test(start_paused = true)]
async fn continues_a_callers_trace() {
    let world = World::new().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    let answer = world.reject().header("traceparent", parent).send().await;

    assert_eq!(
        answer.record["trace_id"],
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
}

#[tokio::test(start_paused = true)]
async fn draws_a_fresh_correlation_id_where_none_is_given() {
    let world = World::new().await;

    let first = world.reject().send().await;
    let second = world.reject().send().await;

    assert_ne!(
        first.header("ms-correlationid"),
        second.header("ms-correlationid")
    );
    let version = first
        .header("ms-correlationid")
        .and_then(|id| id.chars().nth(14));
    assert_eq!(version, Some('4'));
}

#[tokio::test(start_paused = true)]
async fn names_all_request_ids_before_the_first_byte_is_sent() {
    let world = World::new().await;

    let answer = world.reject().send().await;

    let intents = world.journal().of_kind("intent");
    let [intent] = &intents[..] else {
        panic!("one intent")
    };
    let ids: Vec<&str> = intent["request_ids"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let four_attempts_each_with_three_looks = 16;
    assert_eq!(ids.len(), four_attempts_each_with_three_looks);
    let different: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
    assert!(ids.contains(&answer.header("ms-requestid").unwrap()));
    assert_eq!(intent["call"], answer.record["call"]);
    assert!(intent["seq"].as_u64() < answer.record["seq"].as_u64());
}

/// What a request upstream may carry; `host` and `content-length` come from the connection.
const SENT: [&str; 10] = [
    "accept",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "ms-contract-version",
    "ms-correlationid",
    "ms-partnercenter-application",
    "ms-requestid",
    "x-locale",
];
