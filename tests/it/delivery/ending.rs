//! The end of a run: what a sink still gets, and how long the process waits for it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::scripted::{Answer, Scripted, Site, held, passing};
use crate::harness::log::Log;

#[tokio::test(start_paused = true)]
async fn ships_the_rest_to_a_sink_that_is_slow_and_one_that_is_back_however_long_it_takes() {
    let slow = || Answer::TakesAfter(Duration::from_secs(50));
    let away = || Answer::Says(passing());
    for (answers, has) in [
        (vec![slow(), slow(), slow()], 600),
        (vec![away(), Answer::Takes, slow(), slow()], 600),
        (vec![Answer::Takes, away(), slow()], 256),
    ] {
        let site = Site::new().await;
        site.write(599).await;
        let sink = Scripted::new(answers);
        let running = site.ship("a", &sink);

        running.finish().await;

        assert_eq!(site.cursor("a"), Some(has));
    }
}

#[tokio::test(start_paused = true)]
async fn tries_a_sink_that_is_away_for_two_seconds_and_leaves() {
    let away = || Answer::Says(passing());
    let asked = partner_gateway::delivery::sink::Setback::Passing {
        why: "busy".to_owned(),
        after: Some(Duration::from_mins(5)),
    };
    for (answers, tries, longest_ms) in [
        (vec![Answer::Takes], 1..=1, 50),
        (vec![Answer::Says(held()), Answer::Says(held())], 2..=2, 50),
        ((0..1000).map(|_| away()).collect(), 3..=60, 2_050),
        (vec![away(), Answer::Hangs], 2..=2, 2_050),
        (vec![Answer::Says(asked), Answer::Takes], 1..=1, 2_050),
    ] {
        let site = Site::new().await;
        site.write(4).await;
        let log = Log::begin();
        let takes = matches!(answers[0], Answer::Takes);
        let sink = Scripted::new(answers);
        let running = site.ship("a", &sink);
        while sink.script().sent.is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        let leaving = Instant::now();

        running.finish().await;

        let longest = Duration::from_millis(longest_ms);
        assert!(leaving.elapsed() <= longest, "{:?}", leaving.elapsed());
        let sent = sink.script().sent.len();
        assert!(tries.contains(&sent), "{sent}");
        let left = log.lines("audit sink does not have every record");
        assert_eq!(left.len(), usize::from(!takes));
        assert_eq!(sink.lines().len(), if takes { 5 } else { 0 });
    }
}
