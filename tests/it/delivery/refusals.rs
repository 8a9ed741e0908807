//! Records that a sink refuses for good.

use std::{sync::Arc, time::Duration};

use partner_gateway::{audit::chain::LineHash, delivery::sink::Standing};

use super::scripted::{Answer, Scripted, Site, passing};
use crate::harness::log::Log;

#[tokio::test(start_paused = true)]
async fn finds_the_one_bad_record_among_256() {
    let site = Site::new().await;
    site.write(255).await;
    let log = Log::begin();
    for bad in [1, 100, 256] {
        let name = format!("bad-{bad}");
        let sink = Scripted::new([]);
        sink.script().bad.insert(bad);

        let running = site.ship(&name, &sink);
        let progress = Arc::clone(&running.progress);
        running.finish().await;

        let mut others = site.lines();
        others.remove(usize::try_from(bad).unwrap() - 1);
        assert_eq!(sink.lines(), others);
        assert_eq!(site.aside(&name), [bad]);
        assert_eq!((progress.refused(), progress.lag()), (1, 0));
        assert_eq!(site.cursor(&name), Some(256));
        assert_eq!(
            sink.script().sent.len(),
            17,
            "a batch, and two halves at each step"
        );
    }
    let told = log.lines("audit sink refused a record for good; it is set aside");
    assert_eq!(told.len(), 3);
    assert_eq!(told[1]["audit.seq"], 100);
    assert_eq!(told[1]["error"], "one of them is bad");
}

#[tokio::test(start_paused = true)]
async fn sends_one_by_one_what_was_refused_in_part() {
    let site = Site::new().await;
    site.write(9).await;
    let sink = Scripted::new([Answer::TakesPart]);
    sink.script().bad.extend([3, 4]);

    site.ship("a", &sink).finish().await;

    let sent: Vec<_> = sink.script().sent.iter().map(|it| (it.1, it.2)).collect();
    let each = (1..=10).map(|seq| (seq, seq));
    assert_eq!(sent, [(1, 10)].into_iter().chain(each).collect::<Vec<_>>());
    assert_eq!(site.aside("a"), [3, 4]);
    assert_eq!(site.cursor("a"), Some(10));
}

#[tokio::test(start_paused = true)]
async fn sets_a_record_aside_once_although_it_is_sent_again() {
    let site = Site::new().await;
    site.write(4).await;
    for _ in 0..2 {
        let sink = Scripted::new([Answer::Takes, Answer::Takes, Answer::Says(passing())]);
        sink.script().bad.insert(2);
        let running = site.ship("a", &sink);
        running.reaches(5).await;
        running.task.abort();
        running.task.await.unwrap_err();
        std::fs::remove_dir_all(site.dir.path().join("cursors")).unwrap();
    }

    assert_eq!(site.aside("a"), [2]);
}

#[tokio::test(start_paused = true)]
async fn is_held_by_a_sink_that_refuses_everything_and_goes_on_once_it_does_not() {
    let site = Site::new().await;
    site.write(599).await;
    let log = Log::begin();
    let sink = Scripted::new([]);
    sink.script().bad.extend(1..=600);

    let running = site.ship("a", &sink);
    while !running.progress.is_held() && running.progress.lag() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_hours(1)).await;
    let (held, reached) = (running.progress.is_held(), running.progress.reached());
    let aside = site.aside("a");
    sink.script().bad.clear();
    running.reaches(600).await;
    let is_held = running.progress.is_held();
    running.finish().await;

    let first: Vec<u64> = (1..=16).collect();
    assert_eq!((held, reached, &aside), (true, 16, &first));
    assert_eq!((is_held, site.aside("a")), (false, first));
    assert_eq!(sink.lines(), site.lines()[16..]);
    let told = log.lines("audit sink is held until a person sees to it");
    assert_eq!(told.len(), 1, "once");
    assert_eq!(
        told[0]["error"],
        "it refuses every record, so none is set aside any more, and the sink or its settings need a look: one of them is bad"
    );
}

#[tokio::test(start_paused = true)]
async fn sets_aside_any_number_of_records_between_which_the_sink_takes_one() {
    let site = Site::new().await;
    site.write(67).await;
    let sink = Scripted::new([]);
    let bad = (1..=68).filter(|seq| seq % 17 != 0);
    sink.script().bad.extend(bad.clone());

    site.ship("a", &sink).finish().await;

    assert_eq!(site.aside("a"), bad.collect::<Vec<_>>());
    assert_eq!(sink.lines().len(), 4);
    assert_eq!(site.cursor("a"), Some(68));
}

#[tokio::test(start_paused = true)]
async fn counts_what_it_set_aside_over_restarts() {
    let site = Site::new().await;
    site.write(9).await;
    for (more, expected) in [(40, 10), (40, 16), (40, 16)] {
        let sink = Scripted::new([]);
        sink.script().bad.extend(1..=1000);
        let running = site.ship("a", &sink);
        let progress = Arc::clone(&running.progress);
        while progress.lag() > 0 && !progress.is_held() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.finish().await;

        let first: Vec<u64> = (1..=expected).collect();
        assert_eq!(site.aside("a"), first);
        site.write(more).await;
    }
    let sink = Scripted::new([]);
    site.ship("a", &sink).finish().await;
    let cursor = std::fs::read_to_string(site.dir.path().join("cursors/a.json"));

    assert_eq!(sink.lines(), site.lines()[16..]);
    assert!(!cursor.unwrap().contains("set_aside"));
}

#[tokio::test(start_paused = true)]
async fn takes_what_was_set_aside_for_no_loss() {
    for (bad, standing) in [(9..=10, 8), (1..=10, 0)] {
        let site = Site::new().await;
        site.write(9).await;
        let log = Log::begin();
        let sink = Scripted::new([]);
        sink.script().bad.extend(bad.clone());
        site.ship("a", &sink).finish().await;
        let upto = |seq: u64| {
            let line = &site.lines()[usize::try_from(seq).unwrap() - 1];
            let hash = LineHash::of(line.as_bytes());
            Standing::Upto { seq, hash }
        };
        let standing = if standing == 0 {
            Standing::Nothing
        } else {
            upto(standing)
        };

        let again = Scripted::new([]);
        again.script().standings.push_back(Ok(standing));
        let running = site.ship("a", &again);
        let progress = Arc::clone(&running.progress);
        running.finish().await;

        assert_eq!(progress.rewinds(), 0);
        assert_eq!(again.lines(), [""; 0]);
        assert_eq!(site.cursor("a"), Some(10));
        assert_eq!(
            [LOST_SOME, LOST_ALL].map(|told| log.lines(told).len()),
            [0, 0]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn names_the_ledger_that_cannot_be_written() {
    let site = Site::new().await;
    let log = Log::begin();
    std::fs::write(site.dir.path().join("refused"), "").unwrap();
    let sink = Scripted::new([]);
    sink.script().bad.insert(1);

    site.ship("a", &sink).finish().await;

    let told = log.lines("audit sink does not take records");
    let why = told[0]["error"].as_str().unwrap();
    let path = site.dir.path().join("refused/a.jsonl");
    let words = format!(
        "a record that the sink refused is not set aside: {}: ",
        path.display()
    );
    assert!(why.starts_with(&words), "{why}");
    assert_eq!(site.cursor("a"), None);
}

const LOST_SOME: &str = "audit sink has lost records that it had acknowledged, from here up to there; they are sent again";
const LOST_ALL: &str = "audit sink has lost every record that it had acknowledged, up to here; all that the journal has is sent again";
