//! A journal, and a sink that does what it is told.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures_util::future::BoxFuture;
use partner_gateway::{
    audit::{self, cursor, journal::Journal, record::Draft},
    clock::SharedClock,
    delivery::{
        batch::{Batch, Line},
        progress::Progress,
        settings::{Kind, Settings},
        shipper::Shipper,
        sink::{Setback, Sink, Standing},
    },
    ids::JournalId,
    shutdown::Tasks,
};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    audit::start::{settings, start_by},
    harness::{StandingClock, Standstill, journal::segments, tempdir},
};

/// A journal that sinks are sent.
pub(super) struct Site {
    pub(super) journal: Journal,
    pub(super) settings: audit::Settings,
    pub(super) clock: SharedClock,
    pub(super) dir: TempDir,
}

/// A shipper at work.
pub(super) struct Running {
    pub(super) task: JoinHandle<()>,
    pub(super) end: CancellationToken,
    pub(super) cut: CancellationToken,
    pub(super) progress: Arc<Progress>,
}

/// A sink that does what it is told.
#[derive(Debug)]
pub(super) struct Scripted(Mutex<Script>);

#[derive(Debug)]
pub(super) struct Script {
    /// What it says next, and when it was all said, that it has taken what it was given.
    pub(super) answers: VecDeque<Answer>,
    /// What it says of how far it is; and when it was all said, that it does not tell.
    pub(super) standings: VecDeque<Result<Standing, Setback>>,
    /// How often it was told to make what records go into.
    pub(super) established: usize,
    /// Records that it refuses.
    pub(super) bad: BTreeSet<u64>,
    /// What it has taken, in the order in which it came.
    pub(super) has: Vec<Line>,
    /// When it was sent which records.
    pub(super) sent: Vec<(Instant, u64, u64)>,
    /// The journal's directory and the sink's name, to hold the cursor against what comes.
    pub(super) cursor: Option<(PathBuf, String)>,
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// It takes what it can, and says so.
    Takes,
    /// It takes everything and says something else.
    TakesAndSays(Setback),
    /// It takes nothing.
    Says(Setback),
    /// It takes what is not bad, and says that some is.
    TakesPart,
    /// It takes what it can after so long.
    TakesAfter(Duration),
    /// It never answers.
    Hangs,
}

impl Site {
    pub(super) async fn new() -> Self {
        let dir = tempdir();
        let mut settings = settings(dir.path());
        settings.checkpoint_interval = Duration::from_hours(100_000);
        Self::with(dir, settings).await
    }

    pub(super) async fn with(dir: TempDir, settings: audit::Settings) -> Self {
        let still = Standstill::begin();
        let clock: SharedClock = Arc::new(StandingClock::default());
        let journal = start_by(&settings, Arc::clone(&clock)).await.unwrap();
        drop(still);
        Self {
            journal,
            settings,
            clock,
            dir,
        }
    }

    /// Writes so many records more.
    pub(super) async fn write(&self, records: usize) {
        let _still = Standstill::begin();
        for _ in 0..records {
            let any = Draft::started(self.journal.boot(), "0000000000000000", None);
            self.journal.append(any).await.unwrap();
        }
    }

    /// Every line of the journal.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = segments(self.dir.path()).into_iter();
        let text: String = text.map(|it| fs::read_to_string(it).unwrap()).collect();
        text.lines().map(str::to_owned).collect()
    }

    pub(super) fn shipper(&self, name: &str, sink: Arc<dyn Sink>) -> Shipper {
        let settings = Settings {
            name: name.to_owned(),
            is_required: true,
            kind: Kind::Nats,
        };
        Shipper::to(
            sink,
            &settings,
            (&self.journal, &self.settings),
            &self.clock,
        )
        .unwrap()
    }

    pub(super) fn ship(&self, name: &str, sink: &Arc<Scripted>) -> Running {
        let own: Arc<Scripted> = Arc::clone(sink);
        let shipper = self.shipper(name, own);
        let (end, cut) = (CancellationToken::new(), CancellationToken::new());
        let progress = shipper.progress();
        let task = Tasks::default().spawn(shipper.run(end.clone(), cut.clone().cancelled_owned()));
        Running {
            task,
            end,
            cut,
            progress,
        }
    }

    /// The cursor as it is on the disk.
    pub(super) fn cursor(&self, name: &str) -> Option<u64> {
        let cursor = cursor::read(self.dir.path(), name).unwrap();
        cursor.map(|cursor| cursor.seq)
    }

    /// The numbers of the records that were set aside.
    pub(super) fn aside(&self, name: &str) -> Vec<u64> {
        let path = self.dir.path().join(format!("refused/{name}.jsonl"));
        let text = fs::read_to_string(path).unwrap_or_default();
        let entry = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let entries = text.lines().map(entry);
        entries.map(|it| it["seq"].as_u64().unwrap()).collect()
    }
}

impl Running {
    /// Lets it ship what there is.
    pub(super) async fn finish(self) {
        self.end.cancel();
        self.task.await.unwrap();
    }

    /// Lets time pass until the sink has so many records or has refused them.
    pub(super) async fn reaches(&self, seq: u64) {
        let reaching = async {
            while self.progress.reached() < seq {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let longest = Duration::from_hours(3);
        tokio::time::timeout(longest, reaching)
            .await
            .expect("on its way");
    }
}

impl Scripted {
    pub(super) fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Script {
            answers: answers.into_iter().collect(),
            standings: VecDeque::new(),
            established: 0,
            bad: BTreeSet::new(),
            has: Vec::new(),
            sent: Vec::new(),
            cursor: None,
        })))
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    /// The lines that it has, in the order in which they came.
    pub(super) fn lines(&self) -> Vec<String> {
        let script = self.script();
        script.has.iter().map(|line| line.text.clone()).collect()
    }
}

impl Script {
    /// Takes a batch, and tells what it says; nothing where it never answers.
    fn take(&mut self, batch: &Batch) -> Option<Result<(), Setback>> {
        let (lines, bad) = (batch.lines(), self.bad.clone());
        let (first, last) = (&lines[0], &lines[lines.len() - 1]);
        self.sent.push((Instant::now(), first.seq, last.seq));
        if let Some((dir, name)) = &self.cursor {
            let kept = cursor::read(dir, name).unwrap().map(|cursor| cursor.seq);
            assert!(kept.unwrap_or(0) < first.seq, "the cursor is ahead");
        }
        let is_good = |line: &&Line| !bad.contains(&line.seq);
        let good = lines.iter().filter(is_good).cloned();
        match self.answers.pop_front().unwrap_or(Answer::Takes) {
            Answer::Takes | Answer::TakesAfter(_) if lines.iter().all(|line| is_good(&line)) => {
                self.has.extend_from_slice(lines);
                Some(Ok(()))
            }
            Answer::Takes | Answer::TakesAfter(_) => Some(Err(refused())),
            Answer::TakesPart => {
                self.has.extend(good);
                let why = "some of it is bad".to_owned();
                Some(Err(Setback::PartlyRefused { why }))
            }
            Answer::TakesAndSays(setback) => {
                self.has.extend(good);
                Some(Err(setback))
            }
            Answer::Says(setback) => Some(Err(setback)),
            Answer::Hangs => None,
        }
    }
}

impl Sink for Scripted {
    fn stands(&self, _: JournalId) -> BoxFuture<'_, Result<Standing, Setback>> {
        let standing = self.script().standings.pop_front();
        Box::pin(async { standing.unwrap_or(Ok(Standing::Untold)) })
    }

    fn establish(&self) -> BoxFuture<'_, Result<(), Setback>> {
        self.script().established += 1;
        Box::pin(async { Ok(()) })
    }

    fn deliver<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Setback>> {
        let pause = match self.script().answers.front() {
            Some(Answer::TakesAfter(pause)) => *pause,
            _ => Duration::ZERO,
        };
        let said = self.script().take(batch);
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            match said {
                Some(said) => said,
                None => std::future::pending().await,
            }
        })
    }
}

pub(super) fn refused() -> Setback {
    Setback::Refused {
        why: "one of them is bad".to_owned(),
    }
}

pub(super) fn passing() -> Setback {
    Setback::Passing {
        why: "away".to_owned(),
        after: None,
    }
}

pub(super) fn held() -> Setback {
    Setback::Held {
        why: "wrong password".to_owned(),
    }
}
