//! What reaches a sink that is there, away, slow, or wrong, and when.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use partner_gateway::{
    audit::{chain::LineHash, cursor::Cursor},
    delivery::{
        settings::{Kind, Settings},
        shipper::Shipper,
        sink::Setback,
        stdout::Stdout,
    },
    shutdown::Tasks,
};
use tokio::time::{Instant, advance, sleep};
use tokio_util::sync::CancellationToken;

use super::scripted::{self, Answer, Scripted, Site, passing};
use crate::{
    audit::start::settings,
    harness::{Standstill, journal::segments, log::Log, tempdir},
};

#[tokio::test(start_paused = true)]
async fn ships_what_is_there_and_what_comes_in_batches_that_are_bounded() {
    let site = Site::new().await;
    site.write(600).await;
    let sink = Scripted::new([]);

    let running = site.ship("a", &sink);
    running.reaches(601).await;
    site.write(3).await;
    running.reaches(604).await;
    let lag = running.progress.lag();
    running.finish().await;

    assert_eq!(sink.lines(), site.lines());
    let sent: Vec<_> = sink.script().sent.iter().map(|it| (it.1, it.2)).collect();
    assert_eq!(sent, [(1, 256), (257, 512), (513, 601), (602, 604)]);
    assert_eq!(lag, 0);
    assert_eq!(site.cursor("a"), Some(604));
}

#[tokio::test(start_paused = true)]
async fn catches_up_in_order_after_an_hour_of_outage() {
    let site = Site::new().await;
    let log = Log::begin();
    let away = (0..100_000).map(|_| Answer::Says(passing()));
    let sink = Scripted::new(away);
    let running = site.ship("a", &sink);
    let began = Instant::now();
    let first: serde_json::Value = serde_json::from_str(&site.lines()[0]).unwrap();
    let first = humantime::parse_rfc3339(first["time"].as_str().unwrap()).unwrap();
    let first = first.duration_since(UNIX_EPOCH).unwrap().as_millis();

    let still = Standstill::begin();
    for _ in 0..360 {
        site.write(2).await;
        advance(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    drop(still);
    let (lag, tries) = (running.progress.lag(), sink.script().sent.len());
    let oldest = running.progress.oldest_unsent_at();
    sink.script().answers.clear();
    let back = Instant::now();
    running.reaches(721).await;

    assert!(back - began >= Duration::from_hours(1));
    assert_eq!(lag, 721, "every record waits, the first of the run, too");
    let oldest = oldest.map(|oldest| oldest.as_millis());
    assert_eq!(oldest, Some(first), "since when it is behind");
    assert!((30..1000).contains(&tries), "{tries}");
    assert!(
        back.elapsed() <= Duration::from_secs(61),
        "{:?}",
        back.elapsed()
    );
    running.finish().await;
    assert_eq!(sink.lines(), site.lines());
    assert_eq!(log.lines("audit sink does not take records").len(), 1);
    assert_eq!(log.lines("audit sink takes records again").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn leaves_a_sink_alone_for_as_long_as_it_asks_and_for_a_minute_when_a_person_is_needed() {
    let asked = Setback::Passing {
        why: "busy".to_owned(),
        after: Some(Duration::from_mins(5)),
    };
    for (setback, least, is_held) in [
        (asked, Duration::from_mins(5), false),
        (scripted::held(), Duration::from_mins(1), true),
    ] {
        let site = Site::new().await;
        let log = Log::begin();
        let sink = Scripted::new([Answer::Says(setback.clone()), Answer::Says(setback)]);

        let running = site.ship("a", &sink);
        while sink.script().sent.is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_secs(1)).await;
        let was_held = running.progress.is_held();
        running.reaches(1).await;

        assert_eq!((was_held, running.progress.is_held()), (is_held, false));
        let told = log.lines("audit sink is held until a person sees to it");
        assert_eq!(told.len(), usize::from(is_held), "once");
        running.finish().await;
        let sent = sink.script().sent.clone();
        assert_eq!(sent.len(), 3);
        for pair in sent.windows(2) {
            let pause = pair[1].0 - pair[0].0;
            assert!(
                (least..least + Duration::from_secs(2)).contains(&pause),
                "{pause:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sends_again_what_was_acknowledged_and_not_kept_before_a_kill() {
    let site = Site::new().await;
    site.write(299).await;
    let sink = Scripted::new([Answer::Takes, Answer::Hangs]);
    let running = site.ship("a", &sink);
    while sink.script().sent.len() < 2 {
        sleep(Duration::from_millis(1)).await;
    }
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
    fs::remove_dir_all(site.dir.path().join("cursors")).unwrap();

    let again = site.ship("a", &sink);
    again.finish().await;

    let sent: Vec<_> = sink.script().sent.iter().map(|it| (it.1, it.2)).collect();
    assert_eq!(sent, [(1, 256), (257, 300), (1, 256), (257, 300)]);
    let lines = site.lines();
    assert_eq!(sink.lines(), [&lines[..256], &lines[..]].concat());
    assert_eq!(site.cursor("a"), Some(300));
}

#[tokio::test(start_paused = true)]
async fn delivers_to_one_sink_whatever_another_does() {
    let site = Site::new().await;
    site.write(9).await;
    let hung = Scripted::new((0..1000).map(|_| Answer::Hangs));
    let alive = Scripted::new([]);

    let one = site.ship("hung", &hung);
    let other = site.ship("alive", &alive);
    other.reaches(10).await;
    site.write(10).await;
    other.reaches(20).await;

    assert_eq!(alive.lines(), site.lines());
    assert_eq!((one.progress.reached(), one.progress.lag()), (0, 20));
    other.finish().await;
    sleep(Duration::from_mins(10)).await;
    let tries = hung.script().sent.len();
    assert!((4..=10).contains(&tries), "a minute each: {tries}");
    one.cut.cancel();
    one.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ships_nothing_that_does_not_follow_what_the_sink_has() {
    let site = Site::new().await;
    site.write(5).await;
    let sink = Scripted::new([]);
    site.ship("a", &sink).finish().await;
    site.write(2).await;
    let path = segments(site.dir.path()).remove(0);
    let text = fs::read_to_string(&path).unwrap();
    let log = Log::begin();

    // A record that is due is changed; then the sink has another record than the journal.
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[6] = lines[6].replace("0000000000000000", "0000000000000001");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    held(&site, &sink).await;
    fs::write(&path, text).unwrap();
    let other = Cursor::at(6, LineHash::of(b"another line"), site.clock.now());
    other.write(site.dir.path(), "a").unwrap();
    held(&site, &sink).await;

    assert_eq!(sink.lines().len(), 6);
    let told = log.lines("audit sink is held until a person sees to it");
    for (told, seq) in told.iter().zip([8, 7]) {
        let why = told["error"].as_str().unwrap();
        assert!(why.contains("audit verify"), "{why}");
        let words = format!("record {seq} names another line than the one before it");
        assert!(why.ends_with(&words), "{why}");
    }
    assert_eq!(told.len(), 2);
}

/// Ships until a person is needed.
async fn held(site: &Site, sink: &Arc<Scripted>) {
    let running = site.ship("a", sink);
    while !running.progress.is_held() {
        sleep(Duration::from_millis(1)).await;
    }
    running.cut.cancel();
    running.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tells_what_retention_removed_before_a_sink_had_it() {
    let dir = tempdir();
    let mut settings = settings(dir.path());
    settings.checkpoint_interval = Duration::from_hours(100_000);
    settings.segment.bytes = 1;
    let site = Site::with(dir, settings).await;
    site.write(6).await;
    let log = Log::begin();
    let sink = Scripted::new([]);
    let running = site.ship("a", &sink);
    running.reaches(2).await;
    running.cut.cancel();
    running.task.await.unwrap();
    let had = site.cursor("a").unwrap();
    site.write(6).await;
    let files = segments(site.dir.path());
    let all = site.lines();
    let gone = files.iter().rposition(|it| it < &files[files.len() - 3]);
    for path in &files[..=gone.unwrap()] {
        fs::remove_file(path).unwrap();
    }
    let left = site.lines();

    let running = site.ship("a", &sink);
    let progress = Arc::clone(&running.progress);
    running.finish().await;

    let first = u64::try_from(all.len() - left.len()).unwrap() + 1;
    assert_eq!(progress.skipped(), first - had - 1);
    assert!(sink.lines().ends_with(&left));
    let told = log.lines(
        "audit records were removed by retention before the sink had them, from here up to there",
    );
    assert_eq!(
        (
            told[0]["audit.seq"].as_u64(),
            told[0]["audit.upto"].as_u64()
        ),
        (Some(had + 1), Some(first - 1))
    );
}

#[tokio::test]
async fn waits_for_a_reader_of_the_standard_output_that_stalls_and_skips_nothing() {
    let site = Site::new().await;
    let (out, pipe) = UnixStream::pair().unwrap();
    let settings = Settings {
        name: "agent".to_owned(),
        is_required: false,
        kind: Kind::Stdout,
    };
    let sink = Arc::new(Stdout::to(out).unwrap());
    let kept = (&site.journal, &site.settings);
    let shipper = Shipper::to(sink, &settings, kept, &site.clock);
    let (end, shipper) = (CancellationToken::new(), shipper.unwrap());
    let progress = shipper.progress();
    let running = Tasks::default().spawn(shipper.run(end.clone(), std::future::pending()));
    // Far more than a pipe holds.
    site.write(2000).await;
    let behind = progress.lag();

    let reading = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(pipe).lines();
        lines.take(2001).collect::<Result<Vec<_>, _>>().unwrap()
    });
    let lines = reading.await.unwrap();
    end.cancel();
    running.await.unwrap();

    assert!(behind > 0);
    assert_eq!(lines, site.lines());
    assert_eq!(progress.lag(), 0);
    assert!(!site.dir.path().join("cursors").exists());
}

#[tokio::test(start_paused = true)]
async fn tells_of_a_sink_that_comes_and_goes_once_a_minute() {
    let site = Site::new().await;
    let log = Log::begin();
    let answers = (0..600).map(|index| {
        let away = Answer::Says(passing());
        if index % 2 == 0 { away } else { Answer::Takes }
    });
    let sink = Scripted::new(answers);
    let running = site.ship("a", &sink);
    running.reaches(1).await;
    let began = Instant::now();

    for records in 2..=300 {
        site.write(1).await;
        running.reaches(records).await;
        sleep(Duration::from_secs(1)).await;
    }
    let took = began.elapsed();
    sleep(Duration::from_mins(2)).await;

    let most = usize::try_from(took.as_secs() / 60).unwrap() + 2;
    let away = log.lines("audit sink does not take records").len();
    let back = log.lines("audit sink takes records again").len();
    assert!((2..=most).contains(&away), "{away} in {took:?}");
    assert!((2..=most).contains(&back), "{back} in {took:?}");
    assert_eq!(away, back, "in the end the log says how it stands");
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn tells_each_reason_why_a_sink_takes_nothing() {
    let site = Site::new().await;
    let log = Log::begin();
    let busy = Setback::Passing {
        why: "busy".to_owned(),
        after: Some(Duration::from_secs(1)),
    };
    let answers = (0..200).flat_map(|_| [Answer::Says(passing()), Answer::Says(busy.clone())]);
    let sink = Scripted::new(answers);
    let running = site.ship("a", &sink);
    let began = Instant::now();
    while sink.script().answers.len() > 300 {
        sleep(Duration::from_secs(1)).await;
    }
    let took = began.elapsed();
    running.cut.cancel();
    running.task.await.unwrap();

    let told = log.lines("audit sink does not take records");
    let reasons: Vec<_> = told
        .iter()
        .map(|line| line["error"].as_str().unwrap())
        .collect();
    assert_eq!(reasons[..2], ["away", "busy"]);
    let most = 2 * usize::try_from(took.as_secs() / 60).unwrap() + 2;
    assert!(
        (3..=most).contains(&told.len()),
        "{} in {took:?}",
        told.len()
    );
}
