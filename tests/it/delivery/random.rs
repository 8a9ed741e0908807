//! Whatever a sink says and however often the gateway is killed, each record is there in the end, or set aside.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::scripted::{Answer, Scripted, Site, held, passing, refused};

#[derive(Clone, Debug)]
enum Step {
    Says(Answer),
    Killed,
}

fn step() -> impl Strategy<Value = Step> {
    let says = |answer| Just(Step::Says(answer));
    prop_oneof![
        4 => says(Answer::Takes),
        2 => says(Answer::TakesPart),
        2 => says(Answer::TakesAndSays(passing())),
        2 => says(Answer::Says(passing())),
        1 => says(Answer::Says(held())),
        2 => says(Answer::Says(refused())),
        1 => says(Answer::Hangs),
        1 => Just(Step::Killed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn loses_and_reorders_nothing_whatever_a_sink_says(
        steps in prop::collection::vec(step(), 0..40),
        bad in prop::collection::btree_set(1_u64..=600, 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(judge(steps, bad));
    }
}

async fn judge(steps: Vec<Step>, bad: BTreeSet<u64>) {
    let site = Site::new().await;
    site.write(599).await;
    let sink = Scripted::new([]);
    sink.script().cursor = Some((site.dir.path().to_owned(), "a".to_owned()));
    sink.script().bad = bad;

    let mut runs: Vec<_> = steps.split(|step| matches!(step, Step::Killed)).collect();
    let last = runs.pop();
    for run in runs {
        tell(&sink, run);
        sink.script().answers.push_back(Answer::Hangs);
        let running = site.ship("a", &sink);
        while !sink.script().answers.is_empty() && running.progress.lag() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        running.task.abort();
        drop(running.task.await);
        sink.script().answers.clear();
    }
    tell(&sink, last.unwrap_or_default());
    let running = site.ship("a", &sink);
    running.reaches(600).await;
    running.finish().await;

    let (taken, aside) = (sink.script().has.clone(), site.aside("a"));
    let mut newest = 0;
    for line in &taken {
        let is_next = (newest + 1..line.seq).all(|seq| aside.contains(&seq));
        assert!(line.seq <= newest || is_next, "{} after {newest}", line.seq);
        newest = newest.max(line.seq);
    }
    let texts: BTreeSet<_> = taken.iter().map(|line| line.text.as_str()).collect();
    for (seq, line) in (1..).zip(site.lines()) {
        assert!(
            texts.contains(line.as_str()) || aside.contains(&seq),
            "{seq}"
        );
    }
    let distinct: BTreeSet<_> = aside.iter().collect();
    assert_eq!(distinct.len(), aside.len());
    assert_eq!(site.cursor("a"), Some(600));
}

fn tell(sink: &Arc<Scripted>, run: &[Step]) {
    let answers = run.iter().filter_map(|step| match step {
        Step::Says(answer) => Some(answer.clone()),
        Step::Killed => None,
    });
    sink.script().answers.extend(answers);
}
