//! A disk that lies: a sync fails, and yet everything can be read back, until nobody holds it in memory any more.
//!
//! `scripts/lying-disk` has such a disk. Elsewhere the shim has the syncs fail, and what was never synced is
//! taken away while the program is gone.

use std::{collections::BTreeSet, env, fmt, fs, path::PathBuf, process::Command};

use futures_util::future::join_all;
use serde_json::Value;

use crate::{
    checks::all_holds_in_the_end,
    errors::told_truly,
    journal::segments,
    power::{self, Cut},
    setting::setting,
    site::{Answer, Gateway, Site},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn takes_nothing_for_durable_whose_sync_has_failed() {
    let mut table = Table::default();

    for round in 0..setting("CRASH_LIES", 2) {
        table.lie_once(round).await;
    }

    println!("{table}");
    assert!(table.gone > 0, "the disk had all that it showed\n{table}");
}

/// What the rounds came to.
#[derive(Default)]
struct Table {
    rounds: u64,
    /// Starts over a disk of which the page cache still showed what was lost.
    deceived: u64,
    /// File systems that took no more writes at all.
    read_only: u64,
    done: usize,
    refused: usize,
    incomplete: usize,
    /// Records that could be read when the gateway was gone.
    shown: usize,
    /// Those of them that the disk did not have.
    gone: usize,
    records: usize,
    /// What the log says of what failed.
    errors: BTreeSet<String>,
}

impl Table {
    /// Has syncs fail while calls are made, and starts twice over what is left.
    async fn lie_once(&mut self, round: u64) {
        let mut disk = Lying::found();
        let site = disk.site(round).await;
        let gateway = disk.start(&site).await;
        let before = gateway.reject(&site.transfer(CALLERS, 0)).await;
        disk.lose_what_comes(&site);
        let mut answers = call_until_refused(&site, &gateway).await;
        let is_ready = gateway.is_ready().await;
        self.errors.extend(errors(&gateway.process.stderr()));
        gateway.kill().await;
        self.read_only += u64::from(disk.is_read_only());
        let shown = lines(&site);
        let deceives = round % 2 == 1 && disk.mend_in_place();
        if !deceives {
            disk.tell_the_truth(&site);
            self.gone += shown - lines(&site);
            self.shown += shown;
        }
        self.deceived += u64::from(deceives);

        let gateway = disk.start(&site).await;
        answers.push(before.expect("an answer"));
        let recorded = told_truly(&site, &answers);
        all_holds_in_the_end(&site, &recorded).await;
        let known = site.journal().records();
        gateway.kill().await;
        disk.tell_the_truth(&site);
        let gateway = disk.start(&site).await;
        let healed = gateway.reject(&site.transfer(CALLERS, 1)).await;
        let recorded = [recorded, vec![healed.expect("an answer")]].concat();
        let held = all_holds_in_the_end(&site, &recorded).await;

        assert!(!is_ready, "ready over a disk whose syncs fail");
        assert_eq!(recorded[recorded.len() - 1].status, 200);
        let records = site.journal().records();
        assert!(records.starts_with(&known), "the start believed the lie");
        let of_status = |status| answers.iter().filter(|it| it.status == status).count();
        self.rounds += 1;
        self.done += of_status(200);
        self.refused += of_status(503);
        self.incomplete += of_status(502);
        self.records += held.records;
    }
}

/// Has callers reject one transfer after the other until each was refused.
async fn call_until_refused(site: &Site, gateway: &Gateway) -> Vec<Answer> {
    let calling = (0..CALLERS).map(async |caller| {
        let mut answers: Vec<Answer> = Vec::new();
        while answers.last().is_none_or(|last| last.status == 200) {
            assert!(answers.len() < MOST_CALLS, "the syncs do not fail");
            let transfer = site.transfer(caller, answers.len());
            answers.push(gateway.reject(&transfer).await.expect("an answer"));
        }
        answers
    });
    join_all(calling).await.concat()
}

/// The errors of the operating system that a log tells of.
fn errors(log: &str) -> impl Iterator<Item = String> {
    let said = log.split("(os error ").skip(1);
    said.filter_map(|said| Some(said.split_once(')')?.0.to_owned()))
}

/// How many records can be read.
fn lines(site: &Site) -> usize {
    let records = |segment: PathBuf| {
        let text = fs::read(segment).expect("segment");
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let is_record = |line: &&[u8]| serde_json::from_slice::<Value>(line).is_ok();
        lines.filter(is_record).count()
    };
    segments(&site.audit).into_iter().map(records).sum()
}

/// A disk whose syncs come to fail.
enum Lying {
    /// Where it is mounted, and the program that fills and mends it.
    Mounted { at: PathBuf, does: PathBuf },
    /// The shim.
    Pretended(power::Disk),
}

impl Lying {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no part of the gateway, whose configuration has one reader"
    )]
    fn found() -> Self {
        let told = |name| env::var(name).map(PathBuf::from);
        match (told("CRASH_DISK"), told("CRASH_DISK_DOES")) {
            (Ok(at), Ok(does)) => Self::Mounted { at, does },
            _ => Self::Pretended(power::Disk::default()),
        }
    }

    /// A journal of its own for each round: blocks that a file has had are not lost a second time.
    async fn site(&self, round: u64) -> Site {
        let settings = ", segment_bytes: 1MiB, checkpoint_interval: 1s";
        match self {
            Self::Mounted { at, .. } => {
                let audit = at.join(format!("audit-{round}"));
                fs::create_dir(&audit).expect("directory");
                let dir = tempfile::tempdir().expect("temporary directory");
                Site::over(dir, audit, settings).await
            }
            Self::Pretended(_) => Site::with(settings).await,
        }
    }

    async fn start(&self, site: &Site) -> Gateway {
        match self {
            Self::Mounted { .. } => site.start_bare().await,
            Self::Pretended(_) => site.start().await,
        }
    }

    /// From now on, or soon, nothing more is kept.
    fn lose_what_comes(&self, site: &Site) {
        match self {
            Self::Mounted { .. } => self.have_it("fill", &[LEFT_KIB]),
            Self::Pretended(_) => site.shim.fail("sync journal-*.jsonl 20-1000000 errno=5"),
        }
    }

    /// Has syncs succeed again while what was lost can still be read; false where that cannot be.
    fn mend_in_place(&self) -> bool {
        let can = matches!(self, Self::Mounted { .. }) && !self.is_read_only();
        if can {
            self.have_it("free", &[]);
        }
        can
    }

    /// Leaves what the disk has, and mends it.
    fn tell_the_truth(&mut self, site: &Site) {
        match self {
            Self::Mounted { .. } => self.have_it("remount", &[]),
            Self::Pretended(disk) => {
                disk.follow(&site.shim);
                site.shim.heal();
                disk.lose_power(&site.audit, &site.shim.kept(), Cut::Worst);
            }
        }
    }

    /// Whether the file system has given itself up.
    fn is_read_only(&self) -> bool {
        let Self::Mounted { at, .. } = self else {
            return false;
        };
        let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
        let at = at.to_str().expect("a path");
        let mut words = mounts.lines().map(|line| line.split(' ').skip(1));
        let options = words.find_map(|mut words| {
            let is_it = words.next() == Some(at);
            words.nth(1).filter(|_| is_it)
        });
        let mut options = options.expect("mounted").split(',');
        options.any(|option| ["ro", "emergency_ro", "shutdown"].contains(&option))
    }

    fn have_it(&self, what: &str, how: &[&str]) {
        let Self::Mounted { does, .. } = self else {
            return;
        };
        let done = Command::new(does).arg(what).args(how).status();
        assert!(done.expect("the script").success(), "{what}");
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What must be 0 is: any other number fails the test before it comes to this.
        for (name, value) in [
            ("rounds", self.rounds.to_string()),
            (
                "starts while the page cache lied",
                self.deceived.to_string(),
            ),
            (
                "errors that the log tells of",
                self.errors.iter().cloned().collect::<Vec<_>>().join(" "),
            ),
            (
                "file systems that became read-only",
                self.read_only.to_string(),
            ),
            ("calls answered 200", self.done.to_string()),
            ("of them without a durable record", "0".to_owned()),
            ("calls refused, 503", self.refused.to_string()),
            ("of them sent", "0".to_owned()),
            (
                "calls without a durable outcome, 502",
                self.incomplete.to_string(),
            ),
            ("records shown after the kill", self.shown.to_string()),
            ("of them not on the disk", self.gone.to_string()),
            ("records in the end, verified", self.records.to_string()),
        ] {
            writeln!(f, "{name:45} {value:>15}")?;
        }
        Ok(())
    }
}

const CALLERS: usize = 8;

/// In KiB of memory: room for some calls of each caller before the first sync fails.
const LEFT_KIB: &str = "256";

/// Of each caller: far more than have room.
const MOST_CALLS: usize = 500;
