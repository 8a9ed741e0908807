//! What a sink says of how far it is.

use std::{fs, sync::Arc};

use partner_gateway::{
    audit::chain::LineHash,
    delivery::sink::{Setback, Standing},
};

use super::scripted::{Answer, Scripted, Site, passing};
use crate::harness::log::Log;

#[tokio::test(start_paused = true)]
async fn goes_on_from_what_the_sink_has_forward_and_back() {
    let site = Site::new().await;
    site.write(9).await;
    let hash = |seq: usize| LineHash::of(site.lines()[seq - 1].as_bytes());
    let upto = |seq: usize| {
        let (seq, hash) = (u64::try_from(seq).unwrap(), hash(seq));
        Ok(Standing::Upto { seq, hash })
    };
    let log = Log::begin();
    let mut rewinds = Vec::new();

    // The first was acknowledged and not heard, then the sink stays as it is, then it loses some.
    for (standing, from) in [(upto(4), Some(5)), (upto(10), None), (upto(7), Some(8))] {
        let sink = Scripted::new([]);
        sink.script().standings.push_back(standing);
        let running = site.ship("a", &sink);
        let progress = Arc::clone(&running.progress);
        running.finish().await;
        rewinds.push(progress.rewinds());
        let sent: Vec<_> = sink.script().sent.iter().map(|it| (it.1, it.2)).collect();
        let expected: Vec<_> = from.into_iter().map(|from| (from, 10)).collect();
        assert_eq!(sent, expected);
        assert_eq!(site.cursor("a"), Some(10));
    }

    assert_eq!(rewinds, [0, 0, 1]);
    let told = log.lines(
        "audit sink has lost records that it had acknowledged, from here up to there; they are sent again",
    );
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["audit.seq"], &told[0]["audit.upto"]),
        (&8.into(), &10.into())
    );
}

#[tokio::test(start_paused = true)]
async fn sends_everything_again_to_a_sink_that_has_lost_all_and_alarms() {
    let site = Site::new().await;
    site.write(9).await;
    let log = Log::begin();
    let sink = Scripted::new([]);
    sink.script().standings.push_back(Ok(Standing::Nothing));
    site.ship("a", &sink).finish().await;
    let quiet = log.lines(LOST_ALL).len();

    let empty = Scripted::new([Answer::Says(passing())]);
    empty.script().standings.push_back(Ok(Standing::Nothing));
    let running = site.ship("a", &empty);
    let progress = Arc::clone(&running.progress);
    while empty.script().sent.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let meanwhile = site.cursor("a");
    running.finish().await;

    assert_eq!((quiet, log.lines(LOST_ALL).len()), (0, 1));
    assert_eq!(
        meanwhile,
        Some(0),
        "retention must not go by what the sink has lost"
    );
    assert_eq!(empty.lines(), site.lines());
    assert_eq!((progress.rewinds(), site.cursor("a")), (1, Some(10)));
}

#[tokio::test(start_paused = true)]
async fn makes_nothing_anew_in_later_runs_either_until_the_cursor_is_removed() {
    let site = Site::new().await;
    site.write(9).await;
    let nothing = || Ok(Standing::Nothing);
    let gone = || {
        Answer::Says(Setback::Held {
            why: "the stream is gone".to_owned(),
        })
    };
    let mut runs = Vec::new();

    // It is set up and takes all, loses it, is found so by a later run, and is seen to by a person.
    for (answers, is_forgotten) in [
        (Vec::new(), false),
        (vec![gone(), gone()], false),
        (vec![gone(), gone()], false),
        (Vec::new(), true),
    ] {
        if is_forgotten {
            fs::remove_file(site.dir.path().join("cursors/a.json")).unwrap();
        }
        let is_held = !answers.is_empty();
        let sink = Scripted::new(answers);
        // It is tried once more when the run ends.
        sink.script().standings.extend([nothing(), nothing()]);
        let running = site.ship("a", &sink);
        if is_held {
            while !running.progress.is_held() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        running.finish().await;
        let established = sink.script().established;
        runs.push((established, sink.lines().len(), site.cursor("a")));
    }

    let all = Some(10);
    assert_eq!(
        runs,
        [(1, 10, all), (0, 0, Some(0)), (0, 0, Some(0)), (1, 10, all)]
    );
}

#[tokio::test(start_paused = true)]
async fn is_held_by_a_sink_that_holds_another_record_or_more_than_the_journal_has() {
    let site = Site::new().await;
    site.write(9).await;
    let other = LineHash::of(b"another line");
    for (seq, words) in [
        (4, "the sink holds another record 4 of this journal"),
        (
            11,
            "the sink has record 11 of this journal, which ends with record 10: its volume was restored from a snapshot",
        ),
    ] {
        let log = Log::begin();
        let sink = Scripted::new([]);
        let standing = Standing::Upto { seq, hash: other };
        sink.script().standings.extend([Ok(standing), Ok(standing)]);

        let running = site.ship(&format!("at-{seq}"), &sink);
        while !running.progress.is_held() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        running.finish().await;

        assert_eq!(sink.lines(), [""; 0]);
        let told = log.lines("audit sink is held until a person sees to it");
        assert_eq!(told.len(), 1);
        let why = told[0]["error"].as_str().unwrap();
        assert!(why.starts_with(words), "{why}");
        let mend = "restart the gateway: while the sink can be reached, the start ends this journal, keeps its files, and begins another one";
        assert!(why.ends_with(mend), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn asks_before_the_first_batch_and_after_each_setback() {
    let site = Site::new().await;
    let sink = Scripted::new([Answer::TakesAndSays(passing())]);
    let hash = LineHash::of(site.lines()[0].as_bytes());
    let refused = Setback::Refused {
        why: "no such stream".to_owned(),
    };
    let has_one = Ok(Standing::Upto { seq: 1, hash });
    sink.script()
        .standings
        .extend([Err(passing()), Err(refused), Ok(Standing::Nothing), has_one]);

    let running = site.ship("a", &sink);
    running.reaches(1).await;
    running.finish().await;

    assert!(sink.script().standings.is_empty());
    assert_eq!(sink.lines(), site.lines(), "it was not sent twice");
    assert_eq!(site.cursor("a"), Some(1));
}

const LOST_ALL: &str = "audit sink has lost every record that it had acknowledged, up to here; all that the journal has is sent again";
