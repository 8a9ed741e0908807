//! Sending again what a sink had refused for good.

use std::{fs, sync::Arc, time::Duration};

use partner_gateway::{
    audit::retention::{Keeping, removable, remove},
    delivery::redelivery::{Outcome, Redelivered, Redelivery},
    shutdown::Tasks,
};

use super::scripted::{Answer, Scripted, Site, held};
use crate::{audit::start::settings, harness::tempdir};

#[tokio::test(start_paused = true)]
async fn keeps_set_aside_only_what_the_sink_refuses_again() {
    let site = Site::new().await;
    site.write(9).await;
    refuse(&site, [3, 5, 7, 9]).await;
    let sink = Scripted::new([]);
    sink.script().bad.insert(5);

    let some = redelivery(&site, &sink).run(4..=7).await.unwrap();
    let left = site.aside("a");
    sink.script().bad.clear();
    let rest = redelivery(&site, &sink).run(0..=u64::MAX).await.unwrap();
    let none = redelivery(&site, &sink).run(0..=u64::MAX).await.unwrap();

    let why = "one of them is bad".to_owned();
    assert_eq!(
        results(&some),
        [(5, Outcome::Refused(why)), (7, Outcome::Taken)]
    );
    assert_eq!(left, [3, 5, 9]);
    let taken = [3, 5, 9].map(|seq| (seq, Outcome::Taken));
    assert_eq!(results(&rest), taken);
    assert_eq!(none, Redelivered::default());
    assert_eq!(site.aside("a"), [0; 0]);
    let lines = site.lines();
    let expected = [7, 3, 5, 9].map(|seq: usize| lines[seq - 1].clone());
    assert_eq!(sink.lines(), expected);
    assert_eq!(site.cursor("a"), Some(10), "it is nobody else's business");
}

#[tokio::test(start_paused = true)]
async fn stops_at_a_setback_and_repeats_what_a_kill_left_unknown() {
    let site = Site::new().await;
    site.write(9).await;
    refuse(&site, [3, 5, 7]).await;
    let sink = Scripted::new([Answer::Takes, Answer::Hangs]);

    let own = redelivery(&site, &sink);
    let killed = Tasks::default().spawn(async move { own.run(0..=u64::MAX).await.map(drop) });
    while sink.script().sent.len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    killed.abort();
    killed.await.unwrap_err();
    let after_the_kill = site.aside("a");
    sink.script()
        .answers
        .extend([Answer::Takes, Answer::Says(held())]);
    let stopped = redelivery(&site, &sink).run(0..=u64::MAX).await.unwrap();

    assert_eq!(after_the_kill, [3, 5, 7]);
    assert_eq!(results(&stopped), [(3, Outcome::Taken)]);
    assert_eq!((stopped.untried, stopped.setback), (2, Some(held())));
    assert_eq!(site.aside("a"), [5, 7]);
    let line = &site.lines()[2];
    assert_eq!(sink.lines(), [line.clone(), line.clone()], "it came again");
}

#[tokio::test(start_paused = true)]
async fn delivers_what_the_journal_has_no_more() {
    let dir = tempdir();
    let mut settings = settings(dir.path());
    settings.segment.bytes = 1;
    settings.checkpoint_interval = Duration::from_hours(100_000);
    let site = Site::with(dir, settings).await;
    site.write(3).await;
    let lines = site.lines();
    refuse(&site, [3]).await;
    let keeping = Keeping {
        retention: Duration::from_hours(24),
        after_ack: Duration::ZERO,
        required_sinks: vec!["a".to_owned()],
    };
    let later = site.clock.now() + Duration::from_hours(48);
    let old = removable(site.dir.path(), later, &keeping, u64::MAX).unwrap();
    let old = old.expect("a refused record holds nothing back");
    remove(site.dir.path(), &old).unwrap();
    let sink = Scripted::new([]);

    let done = redelivery(&site, &sink).run(0..=u64::MAX).await.unwrap();

    assert!(old.upto >= 3 && site.lines().len() < lines.len());
    assert_eq!(results(&done), [(3, Outcome::Taken)]);
    assert_eq!(sink.lines(), [lines[2].clone()]);
    assert_eq!(site.aside("a"), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn sends_no_line_that_somebody_put_into_the_ledger() {
    let site = Site::new().await;
    site.write(9).await;
    refuse(&site, [3, 5, 7]).await;
    let path = site.dir.path().join("refused/a.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[0] = lines[0].replace("0000000000000000", "0000000000000001");
    lines[1] = lines[1].replace("line", "lime");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let sink = Scripted::new([]);

    let done = redelivery(&site, &sink).run(0..=u64::MAX).await.unwrap();

    let another = Outcome::Unfit("the line in the ledger is another than the journal's");
    let none = Outcome::Unfit("the ledger does not have its line");
    assert_eq!(
        results(&done),
        [(3, another), (5, none), (7, Outcome::Taken)]
    );
    assert_eq!(sink.lines(), [site.lines()[6].clone()]);
    assert_eq!(site.aside("a"), [3, 5]);
}

/// Ships all there is to a sink that refuses some for good.
async fn refuse<const COUNT: usize>(site: &Site, seqs: [u64; COUNT]) {
    let sink = Scripted::new([]);
    sink.script().bad.extend(seqs);
    site.ship("a", &sink).finish().await;
    assert_eq!(site.aside("a"), seqs);
}

fn redelivery(site: &Site, sink: &Arc<Scripted>) -> Redelivery {
    let own: Arc<Scripted> = Arc::clone(sink);
    let kept = (site.dir.path().to_owned(), site.journal.id());
    Redelivery::of(own, "a", kept)
}

fn results(done: &Redelivered) -> Vec<(u64, Outcome)> {
    let tried = done.tried.iter();
    tried.map(|it| (it.seq, it.result.clone())).collect()
}
