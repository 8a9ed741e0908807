//! Traces that begin before the gateway, and go on behind it.

use std::sync::{Arc, Mutex};

use super::{collected, settings, traced};
use crate::harness::World;

#[tokio::test(start_paused = true)]
async fn goes_on_with_its_callers_trace_as_the_caller_has_chosen() {
    for (ratio, parent, is_traced) in [
        (0.0, SAMPLED, true),
        (1.0, UNSAMPLED, false),
        (1.0, SAMPLED, true),
        (0.0, UNSAMPLED, false),
    ] {
        let world = traced(ratio).await;

        let call = world.reject().header("traceparent", parent);
        let call = call
            .header("tracestate", "one=1")
            .header("tracestate", "two=2");
        let answer = call.send().await;

        let spans = collected(world).await;
        assert_eq!(answer.record["trace_id"], TRACE);
        assert_eq!(!spans.0.is_empty(), is_traced, "{ratio} {parent}");
        for span in &spans.0 {
            assert_eq!((&*span.trace, &*span.state), (TRACE, "one=1,two=2"));
        }
        for call in spans.named("call") {
            assert_eq!(call.parent, "00f067aa0ba902b7");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn begins_a_trace_of_its_own_where_the_callers_cannot_be_read() {
    for parents in [
        &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"][..],
        &["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        &[SAMPLED, SAMPLED],
    ] {
        let world = traced(1.0).await;

        let mut call = world.reject().header("tracestate", "one=1");
        for parent in parents {
            call = call.header("traceparent", parent);
        }
        let answer = call.send().await;

        let spans = collected(world).await;
        let call = spans.named("call")[0];
        assert_eq!(answer.record["trace_id"], *call.trace);
        assert_ne!(call.trace, TRACE);
        assert_eq!((&*call.parent, &*call.state), ("", ""));
    }
}

#[tokio::test(start_paused = true)]
async fn tells_partner_center_of_a_trace_only_where_it_is_told_to() {
    for (propagates, ratio, flags) in [
        (false, 1.0, None),
        (true, 1.0, Some("01")),
        (true, 0.0, Some("00")),
    ] {
        let world = World::with(|config| {
            let mut traces = settings(ratio);
            traces.propagates = propagates;
            config.traces = Some(traces);
        })
        .await;
        let sent = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&sent);
        world.network.observe(move |headers| {
            let parent = headers.get("traceparent").cloned();
            let is_upstream = headers.contains_key("ms-requestid");
            seen.lock().unwrap().push((is_upstream, parent));
        });

        let answer = world.reject().send().await;

        let spans = collected(world).await;
        let trace = answer.record["trace_id"].as_str().unwrap();
        for (is_upstream, parent) in sent.lock().unwrap().drain(..) {
            let Some(flags) = flags.filter(|_| is_upstream) else {
                assert_eq!(parent, None);
                continue;
            };
            let parent = parent.unwrap();
            let parent = parent.to_str().unwrap();
            assert!(parent.starts_with(&format!("00-{trace}-")), "{parent}");
            assert!(parent.ends_with(&format!("-{flags}")), "{parent}");
            for attempt in spans.named("attempt") {
                assert!(parent.contains(&attempt.id));
            }
        }
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
