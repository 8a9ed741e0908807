//! A kill at every call that changes the disk, one after the other, with the power lost or not.

use std::{fs, io, path::Path};

use fastrand::Rng;
use tempfile::TempDir;

use crate::{
    checks::all_holds,
    journal::segments,
    power::{Cut, Disk},
    setting::setting,
    site::{Answer, Site},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_nothing_when_killed_at_any_call_that_changes_the_disk() {
    let every = usize::try_from(setting("CRASH_EVERY", 53)).expect("a number");
    let mut rng = Rng::with_seed(setting("CRASH_SEED", 6));
    let filled = almost_a_segment().await;
    let count = calls_without_a_kill(filled.path()).await;
    assert!(count >= FEWEST, "{count} calls are no script");
    let cases: Vec<_> = (1..=count).flat_map(ways_to_die).collect();

    let first = rng.usize(..every);
    let (mut tried, mut killed) = (0, 0);
    for case in cases.iter().skip(first).step_by(every) {
        println!("{}, and the power {}", case.kill, case.power.name());
        tried += 1;
        killed += usize::from(kill_at(case, filled.path(), &mut rng).await);
    }

    println!(
        "{count} calls, {} cases; every {every}. from {first}. on: {tried} tried, {killed} killed",
        cases.len()
    );
    // Now and then two records share a write, so that a script makes a few calls less than another.
    assert!(10 * killed >= 9 * tried, "{killed} kills in {tried} cases");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_nothing_in_a_segment_whose_maker_was_killed_before_its_name_was_synced() {
    let filled = almost_a_segment().await;
    let case = Case {
        kill: "rename journal-*.jsonl 1-1 kill-after".to_owned(),
        power: Power::Stays,
    };

    let was_killed = kill_at(&case, filled.path(), &mut Rng::new()).await;

    assert!(was_killed, "no segment was made");
}

/// Where the program is killed, and what becomes of the disk then.
#[derive(Debug)]
pub(crate) struct Case {
    /// As the shim is told it.
    pub(crate) kill: String,
    pub(crate) power: Power,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Power {
    Stays,
    TakesSome,
    TakesAll,
}

impl Power {
    /// Does to the disk what it does.
    pub(crate) fn befalls(self, disk: &mut Disk, site: &Site, rng: &mut Rng) {
        let cut = match self {
            Self::Stays => return,
            Self::TakesSome => Cut::Random(rng),
            Self::TakesAll => Cut::Worst,
        };
        disk.lose_power(&site.audit, &site.shim.kept(), cut);
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stays => "stays",
            Self::TakesSome => "takes some of what is not durable",
            Self::TakesAll => "takes all that is not durable",
        }
    }
}

pub(crate) fn ways_to_die(call: usize) -> Vec<Case> {
    let ways = ["before", "half", "after"].map(|when| {
        let powers = [Power::Stays, Power::TakesSome, Power::TakesAll];
        let kill = format!("* * {call}-{call} kill-{when}");
        powers.map(|power| Case {
            kill: kill.clone(),
            power,
        })
    });
    ways.into_iter().flatten().collect()
}

/// Kills the program at a call, and once more after it has gone on; what was answered in between counts too. Returns
/// whether the call was made.
async fn kill_at(case: &Case, filled: &Path, rng: &mut Rng) -> bool {
    let site = site_over(filled).await;
    let mut disk = Disk::holding(&site.audit);
    site.shim.fail(&case.kill);
    let (mut answers, was_killed) = run_the_script(&site, 0).await;
    site.shim.heal();
    disk.follow(&site.shim);
    case.power.befalls(&mut disk, &site, rng);

    let gateway = site.start().await;
    all_holds(&site, &answers).await;
    for call in 0..3 {
        let transfer = site.transfer(1, call);
        answers.push(gateway.reject(&transfer).await.expect("an answer"));
    }
    gateway.kill().await;
    disk.follow(&site.shim);
    Power::TakesAll.befalls(&mut disk, &site, rng);
    let _gateway = site.start().await;

    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert!(
        statuses.iter().all(|status| *status == 200),
        "{case:?}: {statuses:?}"
    );
    all_holds(&site, &answers).await;
    was_killed
}

/// Starts the program, makes a few calls and has it leave, for as long as it is there; returns what was answered, and
/// whether it was killed.
async fn run_the_script(site: &Site, group: usize) -> (Vec<Answer>, bool) {
    let mut answers = Vec::new();
    let Some(gateway) = site.try_start().await else {
        return (answers, true);
    };
    for call in 0..CALLS {
        let transfer = site.transfer(group, call);
        match gateway.reject(&transfer).await {
            Ok(answer) => answers.push(answer),
            Err(_) => break,
        }
    }
    let ended = gateway.stop().await;
    (answers, ended.code.is_none())
}

/// How many calls the script makes.
async fn calls_without_a_kill(filled: &Path) -> usize {
    let site = site_over(filled).await;
    let (answers, was_killed) = run_the_script(&site, 0).await;
    assert_eq!((answers.len(), was_killed), (CALLS, false));
    assert!(segments(&site.audit).len() > 1, "no segment was closed");
    let events = site.shim.events();
    events.iter().filter(|event| event.is_done).count()
}

async fn site_over(filled: &Path) -> Site {
    let site = Site::with(", segment_bytes: 1MiB, checkpoint_interval: 1h").await;
    copy(filled, &site.audit);
    site
}

/// A journal whose first segment the next few calls fill.
async fn almost_a_segment() -> TempDir {
    let kept = tempfile::tempdir().expect("temporary directory");
    let site = Site::with(", segment_bytes: 1MiB").await;
    let gateway = site.start().await;
    let length = || {
        fs::metadata(&segments(&site.audit)[0])
            .expect("segment")
            .len()
    };
    for call in 0.. {
        if length() + ROOM >= 1 << 20 {
            break;
        }
        let transfer = site.transfer(2, call);
        gateway.reject(&transfer).await.expect("an answer");
    }
    gateway.stop().await;
    copy(&site.audit, kept.path());
    kept
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("directory") {
        let entry = entry.expect("entry");
        if entry.path().is_dir() {
            let inside = to.join(entry.file_name());
            fs::create_dir_all(&inside).expect("directory");
            copy(&entry.path(), &inside);
        } else {
            // Of a gateway that runs, a file that it was just writing may have got its name meanwhile.
            match fs::copy(entry.path(), to.join(entry.file_name())) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied.expect("file")),
            }
        }
    }
}

/// Calls of the script.
const CALLS: usize = 6;

/// In bytes: what half of the calls write.
const ROOM: u64 = 8 << 10;

/// A write and a sync for the intent and the outcome of each call.
const FEWEST: usize = 4 * CALLS;
