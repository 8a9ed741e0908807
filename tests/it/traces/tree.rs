//! Which spans a call has, and what they tell.

use std::collections::BTreeSet;

use partner_gateway::spans::told::{Attribute, Step};

use super::{TREE, collected, traced, trouble};
use crate::harness::{CUSTOMER, TRANSFER, log::Log, while_time_flows};

#[tokio::test(start_paused = true)]
async fn has_a_span_for_each_step_of_a_call_in_their_order() {
    let world = traced(1.0).await;
    trouble(&world.sandbox);

    let answer = while_time_flows(&world, world.reject().send()).await;

    assert_eq!(answer.header("gateway-outcome"), Some("reconciled"));
    let spans = collected(world).await;
    assert_eq!(spans.tree(), TREE);
    let [call] = *spans.named("call") else {
        panic!("{spans:?}")
    };
    assert_eq!(spans.0.last(), Some(call));
    assert_eq!((call.parent.as_str(), call.kind), ("", 2));
    for span in &spans.0 {
        assert_eq!(span.trace, call.trace);
        assert!(call.began <= span.began && span.began <= span.ended && span.ended <= call.ended);
        let is_attempt = span.name == "attempt";
        assert_eq!(span.kind == 3, is_attempt, "{span:?}");
    }
    // The attempt that nobody answered, and the pause before the look.
    let attempts = spans.named("attempt");
    assert_eq!(attempts[2].ended - attempts[2].began, 20_000_000_000);
    let [read_back] = *spans.named("read_back") else {
        panic!("{spans:?}")
    };
    assert!(read_back.ended - read_back.began >= 200_000_000);
}

#[tokio::test(start_paused = true)]
async fn tells_of_each_step_by_the_names_of_the_conventions() {
    let world = traced(1.0).await;
    trouble(&world.sandbox);

    let answer = while_time_flows(&world, world.reject().send()).await;

    let spans = collected(world).await;
    let errors: Vec<_> = spans.0.iter().map(|span| span.is_error).collect();
    let failed = [4, 6, 8];
    assert!(
        (0..14).all(|at| errors[at] == failed.contains(&at)),
        "{errors:?}"
    );
    let attempts = spans.named("attempt");
    let told = |at: usize| {
        let attributes = attempts[at].attributes.iter();
        attributes
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let same = "server.address=api.test url.template=/v1/customers/{customer}/transfers/{transfer}";
    let patch = "http.request.method=PATCH http";
    assert_eq!(
        [0, 1, 2, 3].map(told),
        [
            format!("error.type=401 {patch}.response.status_code=401 {same}"),
            format!(
                "error.type=503 {patch}.request.resend_count=1 http.response.status_code=503 {same}"
            ),
            format!("error.type=timeout {patch}.request.resend_count=2 {same}"),
            format!("http.request.method=GET http.response.status_code=200 {same}"),
        ]
    );
    let call = spans.named("call")[0];
    let id = answer.record["call"].as_str().unwrap();
    let correlation = answer.record["correlation_id"].as_str().unwrap();
    let told: Vec<_> = call
        .attributes
        .iter()
        .map(|(key, it)| (key.as_str(), it.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("account", "contoso"),
            ("call.id", id),
            ("correlation.id", correlation),
            ("http.request.method", "POST"),
            ("http.response.status_code", "200"),
            ("http.route", "/transfers/{customer}/{transfer}/reject"),
            ("operation", "transfers.reject"),
            ("outcome", "reconciled"),
        ]
    );
    for span in &spans.0 {
        for hidden in [CUSTOMER, TRANSFER, "billing"] {
            assert!(!format!("{span:?}").contains(hidden), "{span:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn has_the_trace_of_the_record_and_of_the_log() {
    for parent in [
        None,
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
    ] {
        let log = Log::begin();
        let world = traced(1.0).await;
        let call = world.reject();
        let call = match parent {
            Some(parent) => call.header("traceparent", parent),
            None => call,
        };

        let answer = call.send().await;

        let lines = log.lines("call answered");
        let [line] = &*lines else { panic!("{lines:?}") };
        let spans = collected(world).await;
        let trace = answer.record["trace_id"].as_str().unwrap();
        assert_eq!(spans.named("call")[0].trace, trace);
        assert_eq!(line["trace.id"], trace);
    }
}

#[tokio::test(start_paused = true)]
async fn tells_of_what_was_refused_and_of_nothing_else() {
    let world = traced(1.0).await;
    let unknown = world.reject().without("authorization").send().await;
    let denied = world
        .reject()
        .without("authorization")
        .token("stranger-token");
    let denied = denied.send().await;
    let lost = world.reject().at("/nowhere").method("BREW").send().await;
    world.network.refuse("login.test", 1000);
    let cut = while_time_flows(&world, world.reject().send()).await;

    let spans = collected(world).await;

    let statuses = [unknown, denied, lost, cut].map(|answer| answer.status);
    assert_eq!(statuses, [401, 403, 404, 503]);
    let calls = spans.named("call");
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.attributes["error.type"].as_str(), call.is_error))
        .collect();
    assert_eq!(
        told,
        [
            ("unauthenticated", false),
            ("policy_denied", false),
            ("not_found", false),
            ("token_unavailable", true),
        ]
    );
    assert_eq!(calls[2].attributes["http.request.method"], "_OTHER");
    let failed: Vec<_> = spans.0.iter().filter(|span| span.is_error).collect();
    let failed: Vec<_> = failed
        .iter()
        .map(|span| format!("{} {}", span.name, span.attributes["error.type"]))
        .collect();
    assert_eq!(
        failed,
        [
            "identify unauthenticated",
            "permit policy_denied",
            "token token_unavailable",
            "call token_unavailable"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn uses_no_name_that_is_not_documented() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let documented: BTreeSet<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| span `")?.split('`').next())
        .collect();
    let attributes: BTreeSet<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| attribute `")?.split('`').next())
        .collect();

    assert_eq!(documented, Step::ALL.map(Step::as_str).into());
    assert_eq!(attributes, Attribute::ALL.map(Attribute::as_str).into());
}

#[tokio::test(start_paused = true)]
async fn has_a_span_where_a_call_waits_for_another_under_its_key() {
    let world = traced(1.0).await;
    let keyed = || world.reject().header("idempotency-key", "the-key");
    keyed().send().await;
    keyed().send().await;

    let spans = collected(world).await;

    let keys = spans.named("key").len();
    assert_eq!((keys, spans.named("intent").len()), (2, 1));
}
