//! What tracing costs, told side by side.

use std::time::Duration;

use partner_gateway::audit::Durability;
use tokio::time::Instant;

use super::settings;
use crate::harness::{World, setting::setting};

#[tokio::test]
#[expect(
    clippy::print_stderr,
    reason = "the numbers are for whoever asks for them"
)]
async fn has_the_spans_of_many_calls_and_tells_what_they_cost() {
    let kinds = [
        ("off", None),
        ("none traced", Some(0.0)),
        ("all traced", Some(1.0)),
    ];
    let mut worlds = Vec::new();
    for (name, ratio) in kinds {
        let world = World::with(|config| {
            // The disk would hide what is measured.
            config.audit.durability = Durability::Relaxed {
                flush_interval: Duration::from_millis(100),
            };
            config.traces = ratio.map(settings);
        });
        worlds.push((name, world.await, Duration::ZERO));
    }
    let rounds = setting("TRACE_ROUNDS", 4);

    for _ in 0..rounds {
        for (_, world, took) in &mut worlds {
            let began = Instant::now();
            for _ in 0..CALLS {
                world.reject().send_among_many().await;
            }
            *took += began.elapsed();
        }
        worlds.rotate_left(1);
    }

    let calls = u64::from(CALLS) * rounds;
    for (name, world, took) in worlds {
        let per_call = took.as_secs_f64() * 1e6 / f64::from(u32::try_from(calls).unwrap());
        eprintln!("{name}: {per_call:.1} us a call");
        let spans = super::collected(world).await.named("call").len();
        let expected = if name == "all traced" { calls } else { 0 };
        assert_eq!(u64::try_from(spans).unwrap(), expected, "{name}");
    }
}

/// Few enough that their spans find room however slow the machine is.
const CALLS: u32 = 100;
