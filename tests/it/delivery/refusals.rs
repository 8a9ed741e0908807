//! Records that a sink refuses for good.

use std::sync::Arc;

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
