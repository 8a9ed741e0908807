//! A wall clock that is set while the program runs: an hour back, a day ahead, to 1970, a second back, and one that
//! stands still.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use partner_gateway::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::{
    checks::all_holds_in_the_end,
    journal::{Journal, segments},
    process::within,
    retaining::{aged, pruned, run},
    shim::Event,
    site::{Answer, Gateway, Site},
};

#[tokio::test]
async fn keeps_its_journal_whole_when_the_clock_is_put_back_by_an_hour() {
    outlives(Jump::By(-3600)).await;
}

#[tokio::test]
async fn keeps_its_journal_whole_when_the_clock_is_put_ahead_by_a_day() {
    outlives(Jump::By(86_400)).await;
}

#[tokio::test]
async fn keeps_its_journal_whole_when_the_clock_falls_back_to_1970() {
    let now = SystemClock.now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = i64::try_from(now.expect("after 1970").as_secs()).expect("seconds");
    outlives(Jump::By(60 - seconds)).await;
}

#[tokio::test]
async fn keeps_its_journal_whole_when_the_clock_repeats_a_second() {
    outlives(Jump::By(-1)).await;
}

#[tokio::test]
async fn keeps_its_journal_whole_when_the_clock_stands_still() {
    outlives(Jump::To(1_790_000_000)).await;
}

#[tokio::test]
async fn removes_nothing_young_while_the_clock_is_ahead() {
    let site = Site::with(", retention: 1d, checkpoint_interval: 1s").await;
    run(&site, SystemClock.now() - Duration::from_hours(2)).await;
    let young = segments(&site.audit);
    let two_days = Jump::By(2 * 86_400).rule();

    let gateway = site.start().await;
    let mut calls = call(&site, &gateway, 0).await;
    site.shim.fail(&two_days);
    calls.extend(call(&site, &gateway, 1).await);
    checkpoints(&site, 2).await;
    site.shim.heal();
    calls.extend(call(&site, &gateway, 2).await);
    gateway.kill().await;
    site.shim.fail(&two_days);
    let gateway = site.start().await;
    calls.extend(call(&site, &gateway, 3).await);
    checkpoints(&site, 2).await;
    site.shim.heal();
    gateway.kill().await;
    let _gateway = site.start().await;

    assert_eq!(pruned(&site), [Value::Null; 0]);
    assert!(young.iter().all(|segment| segment.exists()));
    let answers: Vec<_> = calls.into_iter().map(|call| call.answer).collect();
    all_holds_in_the_end(&site, &answers).await;
}

#[tokio::test]
async fn removes_what_is_old_once_the_clock_has_come_from_1970() {
    let site = Site::with(", retention: 1d, checkpoint_interval: 1s").await;
    let old = aged(&site).await;

    site.shim.fail(&Jump::To(60).rule());
    let gateway = site.start().await;
    let mut calls = call(&site, &gateway, 0).await;
    checkpoints(&site, 1).await;
    let were_there = old.iter().all(|segment| segment.exists());
    site.shim.heal();
    calls.extend(call(&site, &gateway, 1).await);
    within(async || !old.iter().any(|segment| segment.exists())).await;
    let ended = gateway.stop().await;

    assert!(were_there, "removed in 1970");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(pruned(&site).len(), 1);
    assert!(calls.iter().all(|call| call.answer.status == 200));
    let verified = site.verified().await;
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    let _gateway = site.start().await;
}

/// What the clock does, in seconds.
#[derive(Clone, Copy, Debug)]
enum Jump {
    By(i64),
    To(u64),
}

impl Jump {
    /// As the shim is told it.
    fn rule(self) -> String {
        match self {
            Self::By(seconds) => format!("clock offset={seconds}"),
            Self::To(seconds) => format!("clock at={seconds}"),
        }
    }

    /// What the clock shows at a moment.
    fn shows(self, moment: SystemTime) -> SystemTime {
        match self {
            Self::By(seconds) => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                if seconds < 0 {
                    moment - by
                } else {
                    moment + by
                }
            }
            Self::To(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }
}

/// An answer, and the moments around the call.
struct Call {
    answer: Answer,
    made: SystemTime,
    over: SystemTime,
}

/// Has the clock jump under calls, and back again, with restarts by either clock.
async fn outlives(jump: Jump) {
    let site = Site::with(", retention: 1d, checkpoint_interval: 1s").await;
    let mut gateway = site.start().await;
    let mut right = call(&site, &gateway, 0).await;

    let jumping = async {
        within(async || site.patches().len() > CALLS).await;
        site.shim.fail(&jump.rule());
    };
    let callers = (FIRST_AT_ONCE..).take(CALLS);
    let callers = callers.map(|group| call(&site, &gateway, group));
    let (at_once, ()) = tokio::join!(join_all(callers), jumping);
    let mut bent = call(&site, &gateway, 1).await;
    for run in 2..4 {
        gateway.kill().await;
        gateway = site.start().await;
        bent.extend(call(&site, &gateway, run).await);
    }
    site.shim.heal();
    right.extend(call(&site, &gateway, 4).await);
    let ended = gateway.stop().await;
    let gateway = site.start().await;
    right.extend(call(&site, &gateway, 5).await);

    assert_eq!(ended.code, Some(0), "{ended:?}");
    let calls = right.iter().chain(&bent).chain(at_once.iter().flatten());
    let answers: Vec<_> = calls.map(|call| call.answer.clone()).collect();
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    all_holds_in_the_end(&site, &answers).await;
    let journal = site.journal();
    tells_the_time(&journal, &right, Jump::By(0));
    tells_the_time(&journal, &bent, jump);
    orders_its_ids(&journal);
    measures_spans_by_another_clock(&journal);
    assert_eq!(pruned(&site).len(), 0, "{jump:?}");
}

/// Rejects a few transfers, one after the other.
async fn call(site: &Site, gateway: &Gateway, group: usize) -> Vec<Call> {
    let mut calls = Vec::new();
    for number in 0..CALLS {
        let transfer = site.transfer(group, number);
        let made = SystemClock.now();
        let answer = gateway.reject(&transfer).await.expect("an answer");
        let over = SystemClock.now();
        calls.push(Call { answer, made, over });
    }
    calls
}

/// Waits for so many more checkpoints, at each of which old segments are looked for.
async fn checkpoints(site: &Site, more: usize) {
    let count = || {
        let is_one = |event: &&Event| event.is_done && event.other == "checkpoint.json";
        site.shim.events().iter().filter(is_one).count()
    };
    let before = count();
    within(async || count() >= before + more).await;
}

/// Each call's record is of the time that the clock showed.
fn tells_the_time(journal: &Journal, calls: &[Call], jump: Jump) {
    for Call { answer, made, over } in calls {
        let record = journal.outcome(&answer.audit_id);
        let time = record["time"].as_str().expect("time");
        let time = humantime::parse_rfc3339(time).expect("a time");
        // Records tell microseconds.
        let earliest = jump.shows(*made) - Duration::from_micros(1);
        let shown = earliest..=jump.shows(*over);
        assert!(shown.contains(&time), "{jump:?}: {record}");
    }
}

/// No two records share an ID, and what one run wrote one after the other has rising ones.
fn orders_its_ids(journal: &Journal) {
    let records = journal.records();
    let ids: HashSet<_> = records.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!(ids.len(), records.len());

    let at_once = format!("{FIRST_AT_ONCE:08x}-");
    let mut last: HashMap<String, String> = HashMap::new();
    for record in &records {
        let is_alone = record["transfer"].as_str().is_some_and(|it| *it < *at_once);
        if is_alone {
            let (boot, id) = (record["boot"].to_string(), record["id"].to_string());
            if let Some(before) = last.insert(boot, id.clone()) {
                assert!(before < id, "{before} before {record}");
            }
        }
    }
    assert_eq!(last.len(), RUNS);
}

fn measures_spans_by_another_clock(journal: &Journal) {
    for record in journal.of_kind("outcome") {
        let attempts = record["attempts"].as_array().expect("attempts");
        for span in attempts.iter().chain([&record]) {
            let span = span["duration_us"].as_u64().expect("a span");
            assert!(Duration::from_micros(span) < LONGEST_CALL, "{record}");
        }
    }
}

/// Of each caller.
const CALLS: usize = 3;

/// The group of the first of those who call at once.
const FIRST_AT_ONCE: usize = 100;

/// How often the program is started.
const RUNS: usize = 4;

/// Far more than a call takes, and far less than any clock jumps but by a second.
const LONGEST_CALL: Duration = Duration::from_mins(1);
