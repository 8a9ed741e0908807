//! A start that ends a journal and begins another, killed at every call that changes the disk, with the power lost or
//! not: the next start goes on with it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fastrand::Rng;
use sandbox::{Fault, Target, Transfer, Turn};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    boundaries::{Case, copy, ways_to_die},
    checks::open_calls,
    journal::{Journal, segments},
    nats::{NatsServer, content},
    power::{Disk, files},
    process::within,
    setting::setting,
    shim::Event,
    site::Site,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_a_journal_once_however_it_is_killed_while_it_does() {
    let every = usize::try_from(setting("CRASH_EVERY", 53)).expect("a number");
    let mut rng = Rng::with_seed(setting("CRASH_SEED", 6));
    let restored = Restored::new().await;
    let count = restored.calls_of_a_start().await;
    assert!(count >= FEWEST, "{count} calls are no move");
    let cases: Vec<_> = (1..=count).flat_map(ways_to_die).collect();

    let first = rng.usize(..every.min(MOST_APART));
    let (mut tried, mut killed) = (0, 0);
    for case in cases.iter().skip(first).step_by(every.min(MOST_APART)) {
        println!("{}, and the power {}", case.kill, case.power.name());
        tried += 1;
        killed += usize::from(restored.kill_at(case, &mut rng).await);
    }

    println!(
        "{count} calls, {} cases; {tried} tried, {killed} killed",
        cases.len()
    );
    assert!(10 * killed >= 9 * tried, "{killed} kills in {tried} cases");
}

/// A journal as a snapshot holds it, with a call under way; the sink went on.
struct Restored {
    server: NatsServer,
    snapshot: TempDir,
    journal: String,
    open: String,
}

impl Restored {
    async fn new() -> Self {
        let server = NatsServer::start().await;
        let snapshot = tempfile::tempdir().expect("temporary directory");
        let site = Site::with_nats(server.address()).await;
        let gateway = site.start().await;
        gateway
            .reject(&site.transfer(0, 0))
            .await
            .expect("an answer");
        let slow = Turn::of(Fault::Delay { ms: 500 });
        site.sandbox.push_turn(Target::PartnerCenter, slow);
        let transfer = site.transfer(0, 1);
        assert_eq!(transfer, OPEN);
        let copying = async {
            within(async || site.patches().len() == 2).await;
            copy(&site.audit, snapshot.path());
        };
        let (answer, ()) = tokio::join!(gateway.reject(&transfer), copying);
        assert_eq!(answer.expect("an answer").status, 200);
        gateway.stop().await;
        let id = fs::read_to_string(snapshot.path().join("journal.id")).expect("identity");
        let kept = Journal::of(snapshot.path());
        kept.read_on();
        let open = open_calls(&kept).pop_first().expect("an open call");
        let open = open.trim_matches('"').to_owned();
        Self {
            server,
            snapshot,
            journal: id.trim().to_owned(),
            open,
        }
    }

    async fn site(&self) -> Site {
        let site = Site::with_nats(self.server.address()).await;
        site.sandbox.add_transfer(Transfer {
            id: OPEN.to_owned(),
            status: "Reject".to_owned(),
            ..Transfer::documented()
        });
        copy(self.snapshot.path(), &site.audit);
        site
    }

    /// How many calls a start makes until everything is moved, and the first ones after that.
    async fn calls_of_a_start(&self) -> usize {
        let site = self.site().await;
        site.start().await.stop().await;
        let events = site.shim.events().into_iter();
        let done: Vec<_> = events.filter(|event| event.is_done).collect();
        let is_moved = |event: &Event| event.other == "forked.json";
        let moved = done.iter().rposition(is_moved).expect("everything moved");
        moved + FIRST_CALLS
    }

    /// Kills a start at a call; the next one goes on. Returns whether the call was made.
    async fn kill_at(&self, case: &Case, rng: &mut Rng) -> bool {
        let site = self.site().await;
        let mut disk = Disk::holding(&site.audit);
        site.shim.fail(&case.kill);
        let was_killed = match site.try_start().await {
            None => true,
            Some(mut gateway) => {
                let was_killed = gateway.process.has_ended();
                gateway.kill().await;
                was_killed
            }
        };
        site.shim.heal();
        disk.follow(&site.shim);
        case.power.befalls(&mut disk, &site, rng);

        let gateway = site.start().await;
        within(async || self.closings(&site) > 0).await;
        let transfer = site.transfer(1, 1);
        let answer = gateway.reject(&transfer).await.expect("an answer");
        gateway.kill().await;
        // It is closed, and forked, once and for all.
        let ended = site.start().await.stop().await;

        assert_eq!(
            (answer.status, ended.code),
            (200, Some(0)),
            "{case:?}: {ended:?}"
        );
        self.holds(&site, case).await;
        was_killed
    }

    /// How often the call that the snapshot has open is closed.
    fn closings(&self, site: &Site) -> usize {
        let outcomes = site.journal().of_kind("outcome").into_iter();
        outcomes.filter(|it| it["call"] == *self.open).count()
    }

    async fn holds(&self, site: &Site, case: &Case) {
        let ended = site.audit.join("ended");
        let kept: Vec<_> = fs::read_dir(&ended).expect("ended").collect();
        assert_eq!(kept.len(), 1, "{case:?}");
        let kept = below(&ended.join(&self.journal));
        assert_eq!(kept, below(self.snapshot.path()), "{case:?}");
        assert_eq!(self.closings(site), 1, "{case:?}");
        let records = site.journal().records();
        let forked: Vec<&Value> = records
            .iter()
            .filter(|it| it.get("forked_from").is_some())
            .collect();
        assert_eq!(forked.len(), 1, "{case:?}");
        assert_eq!(
            (&forked[0]["kind"], &forked[0]["seq"]),
            (&"started".into(), &1.into())
        );
        assert_eq!(
            forked[0]["forked_from"]["journal"], *self.journal,
            "{case:?}"
        );
        let verified = site.verified().await;
        assert_eq!(verified.code, Some(0), "{case:?}: {verified:?}");
        let own: String = segments(&site.audit)
            .iter()
            .map(|it| fs::read_to_string(it).expect("segment"))
            .collect();
        let subject = records[0]["journal"].to_string();
        let mut stream = content(&self.server.operator().await).await;
        stream.retain(|line| line.contains(&subject));
        assert_eq!(stream.join("\n") + "\n", own, "{case:?}");
        assert!(!site.audit.join("ending.json").exists(), "{case:?}");
    }
}

/// The files of a journal below a directory, without what stays where it is.
fn below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = files(dir).into_iter();
    let kept = all.filter(|it| !it.ends_with("journal.lock") && !it.ends_with("signing.key"));
    kept.map(|it| {
        let text = fs::read(&it).expect("file");
        (it.strip_prefix(dir).expect("below").to_owned(), text)
    })
    .collect()
}

/// The transfer of the call that the snapshot has open.
const OPEN: &str = "00000000-0000-4000-8000-000000000001";

/// The file that says so, the names of all that is moved, and two syncs at least.
const FEWEST: usize = 10;

/// Calls of the new journal that are tried, too.
const FIRST_CALLS: usize = 8;

/// Fewer calls than those of a script with calls of callers.
const MOST_APART: usize = 19;
