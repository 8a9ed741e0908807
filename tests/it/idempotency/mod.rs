//! `Idempotency-Key`: a call that is repeated under it has the answer of the first, and is not made
//! again.

mod replicas;
mod waiting;

use std::{collections::BTreeSet, time::Duration};

use partner_gateway::{
    authorization::{Customers, Rate},
    config::Config,
};
use sandbox::{Fault, Target};
use serde_json::json;

use crate::harness::{
    CORRELATION, CUSTOMER, TRANSFER, World,
    call::{Answer, Call},
};

#[tokio::test(start_paused = true)]
async fn answers_a_repeat_as_the_first_and_sends_nothing() {
    let world = World::new().await;
    let first = keyed(&world).header("MS-CorrelationId", CORRELATION);
    let first = first.send().await;
    let sent = world.sandbox.seen().len();

    let again = keyed(&world).send().await;

    assert_eq!((first.status, sent), (200, 1));
    is_replayed(&again, &first);
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_ne!(again.audit_id(), first.audit_id());
    assert_ne!(again.header("ms-correlationid"), Some(CORRELATION));
    assert_eq!(world.sandbox.seen().len(), sent);
    assert_eq!(world.journal().of_kind("intent").len(), 1);
    assert_eq!(again.record["rule"], "billing may reject");
    assert_eq!(again.record.get("code"), None);
    assert_eq!(
        again.record.get("account"),
        None,
        "no credentials were used"
    );
}

#[tokio::test(start_paused = true)]
async fn makes_calls_with_other_keys_and_without_any_each_time() {
    let world = World::new().await;

    for call in [
        keyed(&world),
        world.reject(),
        world.reject(),
        world.reject().header("Idempotency-Key", "other"),
        world.reject().header("Idempotency-Key", "A"),
    ] {
        assert_eq!(
            call.send().await.header("gateway-outcome"),
            Some("forwarded")
        );
    }

    assert_eq!(world.sandbox.seen().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn makes_a_call_anew_once_its_answer_is_too_old() {
    let world = World::with(|config| config.idempotency.ttl = Duration::from_mins(1)).await;
    let first = keyed(&world).send().await;

    tokio::time::advance(Duration::from_millis(59_900)).await;
    is_replayed(&keyed(&world).send().await, &first);
    tokio::time::advance(Duration::from_millis(100)).await;
    let anew = keyed(&world).json(r#"{"reason":"another"}"#).send().await;

    assert_eq!(anew.header("gateway-outcome"), Some("forwarded"));
    assert_eq!(anew.status, 400, "rejected before");
    assert_eq!(world.sandbox.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn refuses_a_key_that_comes_with_another_request() {
    let world = World::with(allow_more).await;
    let other = "11111111-2222-4333-8444-555555555555";
    let first = keyed(&world).send().await;

    for call in [
        keyed(&world).at(&format!("/transfers/{other}/{TRANSFER}/reject")),
        keyed(&world).at(&format!("/transfers/{CUSTOMER}/{other}/reject")),
        keyed(&world).header("Partner-Account", "fabrikam"),
        keyed(&world).json(r#"{"reason":"because"}"#),
    ] {
        let refused = call.send().await;
        refused.is_problem(422, "idempotency_mismatch", "no");
        assert_eq!(refused.header("gateway-outcome"), Some("refused"));
        assert_eq!(refused.record["decision"], "allowed");
    }

    is_replayed(&keyed(&world).send().await, &first);
    assert_eq!(world.sandbox.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn takes_for_the_same_what_says_the_same() {
    let world = World::with(allow_more).await;
    let (customer, transfer) = (CUSTOMER.to_uppercase(), TRANSFER.to_uppercase());
    let first = keyed(&world).send().await;

    for call in [
        keyed(&world).json("{}"),
        keyed(&world).json(" { } "),
        keyed(&world).header("Partner-Account", "contoso"),
        keyed(&world).at(&format!("/transfers/{customer}/{transfer}/reject")),
    ] {
        is_replayed(&call.send().await, &first);
    }
    let reason = world.reject().header("Idempotency-Key", "b");
    let reason = reason.json(r#"{"reason":"a\u0062"}"#).send().await;
    let again = world.reject().header("Idempotency-Key", "b");
    let again = again.json(r#" {"reason" : "ab"}"#).send().await;

    is_replayed(&again, &reason);
    assert_eq!(again.record["reason"], "ab");
}

#[tokio::test(start_paused = true)]
async fn keeps_the_keys_of_callers_apart() {
    let world = World::with(allow_more).await;
    let first = keyed(&world).send().await;

    let stranger = stranger(&world).json(r#"{"reason":"mine"}"#).send().await;

    assert_eq!(stranger.header("gateway-outcome"), Some("forwarded"));
    assert_ne!(stranger.body, first.body);
    is_replayed(&keyed(&world).send().await, &first);
}

#[tokio::test(start_paused = true)]
async fn tells_that_policy_denies_before_it_looks_at_the_key() {
    let world = World::with(allow_more).await;
    keyed(&world).send().await;

    let denied = keyed(&world)
        .header("Partner-Account", "nobody")
        .send()
        .await;

    denied.is_problem(403, "account_forbidden", "no");
}

#[tokio::test(start_paused = true)]
async fn keeps_nothing_of_a_call_that_was_not_forwarded() {
    let world = World::new().await;
    world.cut_network(true);
    let failed = keyed(&world).send().await;
    failed.is_problem(503, "token_unavailable", "no");

    world.cut_network(false);
    tokio::time::advance(Duration::from_mins(2)).await;
    let made = keyed(&world).json(r#"{"reason":"another"}"#).send().await;

    assert_eq!(made.status, 200);
    assert_eq!(made.header("gateway-outcome"), Some("forwarded"));
    assert_eq!(world.sandbox.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn keeps_nothing_of_a_call_whose_outcome_is_unknown() {
    let world = World::new().await;
    world.network.hang("api.test");
    let cut = async {
        until_hanging(&world).await;
        tokio::time::advance(Duration::from_secs(56)).await;
    };
    let (unknown, ()) = tokio::join!(keyed(&world).send(), cut);
    unknown.is_problem(504, "upstream_timeout", "unknown");

    world.network.resume("api.test");
    let made = keyed(&world).send().await;

    assert_eq!(made.status, 200);
    assert_eq!(made.header("gateway-outcome"), Some("forwarded"));
}

#[tokio::test(start_paused = true)]
async fn keeps_a_refusal_of_partner_centers() {
    let world = World::new().await;
    let body = r#"{"code":900101,"description":"in progress"}"#;
    push(&world, 409, body);
    let refused = keyed(&world).send().await;

    let again = keyed(&world).send().await;

    assert_eq!((refused.status, &*refused.body), (409, body.as_bytes()));
    is_replayed(&again, &refused);
    assert_eq!(world.sandbox.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn keeps_a_problem_of_a_call_that_was_forwarded() {
    let world = World::new().await;
    for _ in 0..2 {
        push(&world, 401, r#"{"code":900420,"description":"audience"}"#);
    }
    let refused = keyed(&world).send().await;
    let sent = world.sandbox.seen().len();

    let again = keyed(&world).send().await;

    refused.is_problem(502, "upstream_unauthorized", "yes");
    is_replayed(&again, &refused);
    again.is_problem(502, "upstream_unauthorized", "yes");
    assert_eq!(again.json()["auditId"], refused.audit_id());
    assert_eq!(world.sandbox.seen().len(), sent);
}

#[tokio::test(start_paused = true)]
async fn answers_a_repeat_while_leaving_and_while_overloaded() {
    let world = World::with(|config| config.server.max_in_flight = 1).await;
    let first = keyed(&world).send().await;
    push_delay(&world);

    let slow = world.reject().send();
    let others = async {
        until_sent(&world, 2).await;
        let others = [world.reject().send().await, keyed(&world).send().await];
        tokio::time::advance(Duration::from_secs(2)).await;
        others
    };
    let (_, [shed, overloaded]) = tokio::join!(slow, others);
    world.gateway.drain().begin();
    let [late, leaving] = [world.reject().send().await, keyed(&world).send().await];

    shed.is_problem(503, "overloaded", "no");
    is_replayed(&overloaded, &first);
    late.is_problem(503, "draining", "no");
    is_replayed(&leaving, &first);
}

#[tokio::test(start_paused = true)]
async fn counts_repeats_towards_the_rate_and_tells_of_it_before_the_key() {
    let world = World::with(|config| {
        allow_more(config);
        let two = 2.try_into().unwrap();
        config.authorization.rules[0].rate = Some(Rate {
            per_second: two,
            burst: two,
        });
    })
    .await;
    let first = keyed(&world).send().await;
    is_replayed(&keyed(&world).send().await, &first);

    let repeat = keyed(&world).send().await;
    let mismatch = keyed(&world).json(r#"{"reason":"b"}"#).send().await;

    repeat.is_problem(429, "rate_limited", "no");
    mismatch.is_problem(429, "rate_limited", "no");
}

/// The documented call under the key `a`.
fn keyed(world: &World) -> Call<'_> {
    world.reject().header("Idempotency-Key", "a")
}

/// The same by another caller.
fn stranger(world: &World) -> Call<'_> {
    let call = keyed(world).without("authorization");
    call.token("stranger-token")
}

/// Lets both callers reject for any customer, through a second account, too.
fn allow_more(config: &mut Config) {
    let mut second = config.accounts[0].clone();
    "fabrikam".clone_into(&mut second.name);
    config.accounts.push(second);
    let rule = config.authorization.rules.first_mut().expect("a rule");
    rule.principals.push("stranger".to_owned());
    rule.customers = Customers::Any;
    rule.accounts = BTreeSet::from(["contoso", "fabrikam"].map(ToOwned::to_owned));
}

#[track_caller]
fn is_replayed(again: &Answer, first: &Answer) {
    assert_eq!(again.header("gateway-outcome"), Some("replayed"));
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("ms-requestid"), None);
    assert_eq!(again.record["outcome"], "replayed");
    let named = first.record["replay_of"].as_str();
    assert_eq!(again.record["replay_of"], named.unwrap_or(first.audit_id()));
    assert_eq!(again.record["code"], first.record["code"]);
}

fn push(world: &World, status: u16, body: &str) {
    let fault = json!({"fault": "status", "status": status, "body": body});
    let fault = serde_json::from_value(fault).expect("fault");
    world.sandbox.push_fault(Target::PartnerCenter, fault);
}

/// Has the next request upstream take a second.
fn push_delay(world: &World) {
    let slow = Fault::Delay { ms: 1000 };
    world.sandbox.push_fault(Target::PartnerCenter, slow);
}

/// Waits until so many requests are on their way upstream.
async fn until_sent(world: &World, requests: usize) {
    while world.sandbox.seen().len() < requests {
        tokio::task::yield_now().await;
    }
}

/// Waits until a request is at a host that hangs.
async fn until_hanging(world: &World) {
    while world.network.waiting() == 0 {
        tokio::task::yield_now().await;
    }
}
