//! What Partner Center may do, and what the caller then hears.

use std::time::Duration;

use sandbox::{Fault, Target};
use serde_json::Value;

use crate::harness::{CUSTOMER, World, call::Answer, while_time_flows, while_time_passes};

/// Sends one call while the next request upstream meets this fault.
async fn meeting(fault: Fault) -> (World, Answer) {
    let world = World::new().await;
    world.sandbox.push_fault(Target::PartnerCenter, fault);
    let answer = while_time_flows(&world, world.reject().send()).await;
    (world, answer)
}

/// Sends one call while every request upstream meets this fault.
async fn always_meeting(fault: Fault) -> (World, Answer) {
    let world = World::new().await;
    for _ in 0..40 {
        world
            .sandbox
            .push_fault(Target::PartnerCenter, fault.clone());
    }
    let answer = while_time_flows(&world, world.reject().send()).await;
    (world, answer)
}

fn status(status: u16, body: &str) -> Fault {
    Fault::Status {
        status,
        body: Some(body.to_owned()),
        content_type: Some("application/json".to_owned()),
        retry_after: None,
        headers: vec![],
    }
}

fn attempts(answer: &Answer) -> Vec<Value> {
    answer.record["attempts"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn passes_other_answers_on_as_they_are() {
    for (code, body) in [
        (
            400,
            r#"{"code":900102,"description":"Cannot process","data":[],"source":"x"}"#,
        ),
        (403, r#"{"code":"20002","description":"no relationship"}"#),
        (404, r#"{"code":900100,"description":"not found"}"#),
        (409, r#"{"code":900104,"description":"being processed"}"#),
        (412, ""),
        (501, r#"{"code":0}"#),
        (505, "<html>"),
        (201, r#"{"id":"x"}"#),
        (204, ""),
    ] {
        let (world, answer) = meeting(status(code, body)).await;

        assert_eq!((answer.status, &answer.body[..]), (code, body.as_bytes()));
        assert_eq!(answer.header("gateway-outcome"), Some("forwarded"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.record["forwarded"], "yes");
        assert_eq!(attempts(&answer).len(), 1);
        assert_eq!(world.sandbox.seen().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn passes_on_three_headers_and_no_more() {
    let (_, answer) = meeting(Fault::Status {
        status: 429,
        body: Some(r#"{"statusCode":429,"message":"Rate limit is exceeded."}"#.to_owned()),
        content_type: Some("application/json".to_owned()),
        retry_after: Some("57".to_owned()),
        headers: vec![
            ("X-Locale".to_owned(), "en-US,en-US".to_owned()),
            (
                "WWW-Authenticate".to_owned(),
                "OAuth realm=urn:cpsvc:cpid:1".to_owned(),
            ),
            ("Set-Cookie".to_owned(), "a=b".to_owned()),
            ("MS-CorrelationId".to_owned(), "not-ours".to_owned()),
            ("Location".to_owned(), "https://elsewhere.test/".to_owned()),
        ],
    })
    .await;

    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("57"));
    assert_eq!(answer.header("x-locale"), Some("en-US,en-US"));
    assert_eq!(answer.record["attempts"][0]["error_code"], "429");
}

#[tokio::test(start_paused = true)]
async fn repeats_once_with_a_fresh_token_after_a_401() {
    let world = World::new().await;
    world.reject().send().await;
    let transfer = "ac4a9d22-ba07-444e-890f-cfe084eed499";
    world.sandbox.add_transfer(sandbox::Transfer {
        id: transfer.to_owned(),
        ..sandbox::Transfer::documented()
    });
    world.sandbox.revoke_tokens();

    let target = format!("/transfers/{CUSTOMER}/{transfer}/reject");
    let answer = world.reject().at(&target).send().await;

    assert_eq!(answer.status, 200);
    let tried = attempts(&answer);
    let [refused, taken] = &tried[..] else {
        panic!("two attempts, not {}", tried.len())
    };
    assert_eq!(
        (&refused["status"], &taken["status"]),
        (&401.into(), &200.into())
    );
    assert_ne!(
        refused["request_id"], taken["request_id"],
        "an answered request ID is used up"
    );
    assert_ne!(refused["token"], taken["token"]);
    assert_eq!(answer.header("ms-requestid"), taken["request_id"].as_str());
    assert_eq!(world.sandbox.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_the_second_401() {
    let world = World::new().await;
    for _ in 0..10 {
        let refusal = status(401, r#"{"code":400,"description":"Access denied"}"#);
        world.sandbox.push_fault(Target::PartnerCenter, refusal);
    }

    let answer = world.reject().send().await;

    answer.is_problem(502, "upstream_unauthorized", "yes");
    let upstream = &answer.json()["upstream"];
    assert_eq!(upstream["status"], 401);
    assert_eq!(upstream["code"], "400");
    assert_eq!(upstream["description"], "Access denied");
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(world.sandbox.seen().len(), 2);
    assert_eq!(world.sandbox.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn does_not_try_again_where_no_token_will_do() {
    for (code, word) in [("900420", "audience"), ("900421", "multi-factor")] {
        let body = format!(r#"{{"code":"{code}","description":"Unauthorized"}}"#);
        let (world, answer) = meeting(status(401, &body)).await;

        answer.is_problem(502, "upstream_unauthorized", "yes");
        assert_eq!(answer.json()["upstream"]["code"], code);
        assert!(answer.json()["detail"].as_str().unwrap().contains(word));
        assert_eq!(world.sandbox.seen().len(), 1);
        assert_eq!(world.sandbox.token_requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn tells_a_403_of_partner_center_apart_from_its_own() {
    let body = r#"{"code":900150,"description":"role"}"#;
    let (world, answer) = meeting(status(403, body)).await;

    assert_eq!(answer.status, 403);
    assert_eq!(&answer.body[..], body.as_bytes());
    assert_eq!(
        world.sandbox.token_requests().len(),
        1,
        "a 403 never fetches a token"
    );
}

#[tokio::test(start_paused = true)]
async fn waits_for_an_answer_no_longer_than_configured() {
    let world = World::new().await;
    world.reject().send().await;
    world.sandbox.push_fault(Target::PartnerCenter, Fault::Hang);
    let seen = world.sandbox.seen().len();

    let answer = while_time_flows(&world, world.reject().send()).await;

    let waited = &answer.record["attempts"][0];
    assert_eq!(waited["error"], "timeout");
    assert!((20_000_000..20_100_000).contains(&waited["duration_us"].as_u64().unwrap()));
    assert_eq!(world.sandbox.seen()[seen].method, "PATCH");
}

#[tokio::test(start_paused = true)]
async fn takes_an_answer_as_large_as_allowed() {
    let (_, answer) = meeting(status(400, &"x".repeat(1024 * 1024))).await;

    assert_eq!((answer.status, answer.body.len()), (400, 1024 * 1024));
}

#[tokio::test(start_paused = true)]
async fn cuts_a_call_that_outlasts_every_deadline() {
    let world = World::with(|config| config.server.deadline = Duration::from_secs(10)).await;
    world.sandbox.push_fault(Target::PartnerCenter, Fault::Hang);

    let wait = async {
        while world.sandbox.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_secs(11)).await;
    };
    let (answer, ()) = tokio::join!(world.reject().send(), wait);

    answer.is_problem(504, "upstream_timeout", "unknown");
    let tried = attempts(&answer);
    assert_eq!((tried.len(), &tried[0]["error"]), (1, &"cut_short".into()));
    assert_eq!(world.sandbox.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn hands_no_connection_over() {
    for code in [101, 999] {
        let (_, answer) = always_meeting(status(code, "")).await;

        answer.is_problem(502, "upstream_invalid", "unknown");
        assert_eq!(answer.record["attempts"][0]["status"], code);
    }
}

#[tokio::test(start_paused = true)]
async fn shows_a_token_no_more_that_only_a_person_can_mend() {
    let (world, refused) = meeting(status(401, r#"{"code":"900421"}"#)).await;
    refused.is_problem(502, "upstream_unauthorized", "yes");

    let next = world.reject().send().await;

    assert_eq!(next.status, 200);
    assert_ne!(attempts(&next)[0]["token"], attempts(&refused)[0]["token"]);
    assert_eq!(world.sandbox.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn ends_every_wait_at_the_deadline() {
    let world = World::with(|config| config.deadline = Duration::from_secs(8)).await;
    world.sandbox.push_fault(Target::Token, Fault::Hang);

    let waited = while_time_passes(world.reject().send()).await;

    waited.is_problem(504, "upstream_timeout", "no");
    assert!(world.sandbox.seen().is_empty());
    assert_eq!(waited.record.get("attempts"), None);
}

#[tokio::test(start_paused = true)]
async fn cuts_an_attempt_at_the_deadline_and_begins_none_behind_it() {
    let world = World::with(|config| config.deadline = Duration::from_secs(8)).await;
    world.reject().send().await;
    let seen = world.sandbox.seen().len();
    world.sandbox.push_fault(Target::PartnerCenter, Fault::Hang);

    let wait = async {
        while world.sandbox.seen().len() == seen {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_secs(9)).await;
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        // Long enough for the attempt's own timeout, should the deadline not have cut it.
        tokio::time::advance(Duration::from_mins(1)).await;
    };
    let (cut, ()) = tokio::join!(world.reject().send(), wait);

    cut.is_problem(504, "upstream_timeout", "unknown");
    assert_eq!(cut.record["attempts"][0]["error"], "timeout");
    assert_eq!(cut.record["attempts"][0]["duration_us"], 9_000_000);
    assert_eq!(world.sandbox.seen().len(), seen + 1);
}
