//! Kills at random moments under load; after every second one the power is lost, too.

use std::{fmt::Write as _, fs, time::Duration};

use fastrand::Rng;
use futures_util::{
    future::join_all,
    stream::{self, StreamExt as _},
};
use serde_json::Value;

use crate::{
    checks::{Held, all_holds, all_holds_in_the_end},
    journal::segments,
    power::{Cut, Disk, Lost},
    setting::setting,
    site::{Answer, Gateway, Site},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_nothing_when_killed_at_random_moments_and_when_the_power_goes() {
    let rounds = setting("CRASH_ROUNDS", 50);
    let seed = setting("CRASH_SEED", 6);
    let journals = (0..rounds.div_ceil(ROUNDS_A_JOURNAL)).map(|journal| {
        let rounds = ROUNDS_A_JOURNAL.min(rounds - journal * ROUNDS_A_JOURNAL);
        // Each has a seed of its own, so that one can be had again without the others.
        kill_again_and_again(rounds, Rng::with_seed(seed + journal))
    });

    let tables = stream::iter(journals).buffer_unordered(AT_ONCE);
    let table = tables
        .fold(Table::default(), async |all, one| all.and(one))
        .await;

    println!("seeds from {seed} on\n{table}");
    if rounds >= ENOUGH {
        for (step, hit) in STEPS.iter().zip(table.steps) {
            assert!(hit > 0, "no kill hit a call at: {step}\n{table}");
        }
        assert!(
            4 * table.torn_under_calls >= table.cuts_of_calls,
            "too few torn files\n{table}"
        );
        assert!(table.names > 0, "no name was lost\n{table}");
    }
}

/// A fresh journal that is killed so many times, and held against everything after each.
async fn kill_again_and_again(rounds: u64, mut rng: Rng) -> Table {
    let site = Site::with(", segment_bytes: 1MiB, checkpoint_interval: 1s").await;
    let (mut disk, mut table) = (Disk::default(), Table::default());
    let mut answers = Vec::new();
    // The room between written and durable is wide enough to be hit in half of the rounds.
    site.shim
        .fail("sync * * delay=2\nsync-directory * * delay=60");
    for round in 0..usize::try_from(rounds).expect("a number") {
        table.kill_early(&site, &mut disk, &mut rng).await;
        let gateway = site.start().await;
        table.starts.push(gateway.took);
        all_holds(&site, &answers).await;

        let killing = async {
            tokio::time::sleep(moment(&mut rng)).await;
            gateway.process.signal("KILL");
        };
        let (called, ()) = tokio::join!(call_until_it_is_gone(&site, &gateway, round), killing);
        gateway.kill().await;
        disk.follow(&site.shim);
        let answered = called.concat();
        table.note_steps(&site, &disk, &answered, round);
        answers.extend(answered);
        if round % 2 == 1 {
            let lost = table.cut_power(&site, &mut disk, &mut rng);
            table.cuts_of_calls += 1;
            table.torn_under_calls += u64::from(lost.torn > 0);
        }
    }
    let gateway = site.start().await;
    table.held = all_holds_in_the_end(&site, &answers).await;
    table.answers = answers.len();
    let ended = gateway.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    table
}

/// Lets callers reject one transfer after the other until the gateway is gone, and returns what they were
/// answered.
async fn call_until_it_is_gone(site: &Site, gateway: &Gateway, round: usize) -> Vec<Vec<Answer>> {
    let calling = (0..CALLERS).map(async |caller| {
        let mut answers = Vec::new();
        for number in 0.. {
            let transfer = site.transfer(round * CALLERS + caller, number);
            match gateway.reject(&transfer).await {
                Ok(answer) => answers.push(answer),
                Err(_) => break,
            }
        }
        answers
    });
    join_all(calling).await
}

/// What the rounds came to.
#[derive(Default)]
struct Table {
    rounds: usize,
    /// Kills between a start and the first call.
    early_kills: u64,
    power_cuts: u64,
    /// Rounds in which a call was at this step when the kill came.
    steps: [u64; STEPS.len()],
    /// Power cuts that left a file torn.
    torn: u64,
    /// The same of those that came while calls were made; between a start and the first call few tear a file.
    torn_under_calls: u64,
    cuts_of_calls: u64,
    /// Power cuts that took a name away or brought one back.
    names: u64,
    answers: usize,
    held: Held,
    starts: Vec<Duration>,
}

impl Table {
    /// Looks where the calls were that nobody was answered.
    fn note_steps(&mut self, site: &Site, disk: &Disk, answered: &[Answer], round: usize) {
        let patches = site.patches();
        let mut hit = [false; STEPS.len()];
        let (durable, written) = calls(site, disk);
        for caller in 0..CALLERS {
            let group = format!("{:08x}-", round * CALLERS + caller);
            let count = answered
                .iter()
                .filter(|it| it.transfer.starts_with(&group))
                .count();
            let transfer = format!("{group}0000-4000-8000-{count:012x}");
            let has = |records: &[Value], kind: &str| {
                let mut records = records.iter();
                records.any(|it| it["kind"] == kind && it["transfer"] == *transfer)
            };
            let sent = patches.iter().any(|it| it.path.ends_with(&transfer));
            let step = if has(&durable, "outcome") {
                5
            } else if has(&written, "outcome") {
                4
            } else if sent {
                3
            } else if has(&durable, "intent") {
                2
            } else {
                usize::from(has(&written, "intent"))
            };
            hit[step] = true;
        }
        for (count, hit) in self.steps.iter_mut().zip(hit) {
            *count += u64::from(hit);
        }
    }

    /// Kills the program a few times while it starts, and perhaps cuts the power.
    async fn kill_early(&mut self, site: &Site, disk: &mut Disk, rng: &mut Rng) {
        for _ in 0..rng.usize(0..MOST_EARLY_KILLS) {
            let starting = site.spawn();
            tokio::time::sleep(moment(rng)).await;
            starting.signal("KILL");
            starting.ended().await;
            disk.follow(&site.shim);
            self.early_kills += 1;
            if rng.bool() {
                self.cut_power(site, disk, rng);
            }
        }
    }

    fn cut_power(&mut self, site: &Site, disk: &mut Disk, rng: &mut Rng) -> Lost {
        let lost = disk.lose_power(&site.audit, &site.shim.kept(), Cut::Random(rng));
        self.power_cuts += 1;
        self.torn += u64::from(lost.torn > 0);
        self.names += u64::from(lost.names > 0);
        lost
    }

    /// Adds what another journal came to.
    fn and(mut self, other: Self) -> Self {
        self.rounds += other.starts.len();
        self.early_kills += other.early_kills;
        self.power_cuts += other.power_cuts;
        for (sum, more) in self.steps.iter_mut().zip(other.steps) {
            *sum += more;
        }
        self.torn += other.torn;
        self.torn_under_calls += other.torn_under_calls;
        self.cuts_of_calls += other.cuts_of_calls;
        self.names += other.names;
        self.answers += other.answers;
        self.held.records += other.held.records;
        self.held.patches += other.held.patches;
        self.held.closed_late += other.held.closed_late;
        self.starts.extend(other.starts);
        self
    }
}

/// The records of the last two segments that are durable, and those that are written only.
fn calls(site: &Site, disk: &Disk) -> (Vec<Value>, Vec<Value>) {
    let (mut durable, mut written) = (Vec::new(), Vec::new());
    for segment in segments(&site.audit).iter().rev().take(2) {
        let text = fs::read(segment).expect("segment");
        let until = usize::try_from(disk.durable(segment)).expect("size");
        let mut end = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            end += line.len();
            let Ok(record) = serde_json::from_slice(line) else {
                continue;
            };
            let into = if end <= until {
                &mut durable
            } else {
                &mut written
            };
            into.push(record);
        }
    }
    (durable, written)
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut took = self.starts.clone();
        took.sort_unstable();
        let at = |percent: usize| took[took.len() * percent / 100].as_millis();
        // What must be 0 is: any other number fails the test before it comes to this.
        let mut rows = vec![
            ("rounds".to_owned(), self.rounds.to_string()),
            (
                "kills while starting".to_owned(),
                self.early_kills.to_string(),
            ),
            ("power cuts".to_owned(), self.power_cuts.to_string()),
            (
                "power cuts that tore a file".to_owned(),
                self.torn.to_string(),
            ),
            (
                "power cuts that undid a name".to_owned(),
                self.names.to_string(),
            ),
        ];
        for (step, hit) in STEPS.iter().zip(self.steps) {
            rows.push((format!("rounds with a call at: {step}"), hit.to_string()));
        }
        rows.extend([
            ("records".to_owned(), self.held.records.to_string()),
            ("answers".to_owned(), self.answers.to_string()),
            ("answers without their record".to_owned(), "0".to_owned()),
            (
                "calls closed after a restart".to_owned(),
                self.held.closed_late.to_string(),
            ),
            ("calls with two outcomes".to_owned(), "0".to_owned()),
            (
                "requests at Partner Center".to_owned(),
                self.held.patches.to_string(),
            ),
            ("requests without an intent".to_owned(), "0".to_owned()),
            (
                "milliseconds from start to ready, p50".to_owned(),
                at(50).to_string(),
            ),
            (
                "milliseconds from start to ready, p99".to_owned(),
                at(99).to_string(),
            ),
        ]);
        let mut text = String::new();
        for (name, value) in rows {
            writeln!(text, "{name:45} {value:>15}")?;
        }
        f.write_str(&text)
    }
}

/// When the kill comes.
fn moment(rng: &mut Rng) -> Duration {
    Duration::from_micros(rng.u64(1_000..MOST_MICROSECONDS))
}

/// What a call may be at when the kill comes.
const STEPS: [&str; 6] = [
    "before its intent",
    "intent written",
    "intent durable",
    "request sent",
    "outcome written",
    "outcome durable",
];

const CALLERS: usize = 32;

/// Closing calls is mostly waiting.
const AT_ONCE: usize = 2;

/// A fresh journal is made now and then: its first steps can be hit by a kill, too.
const ROUNDS_A_JOURNAL: u64 = 10;

/// Kills while starting come in a row.
const MOST_EARLY_KILLS: usize = 3;

/// Rounds after which every step must have been hit.
const ENOUGH: u64 = 50;

/// Longer than all callers' first calls take.
const MOST_MICROSECONDS: u64 = 120_000;
