//! Ships the journal to one sink, in order, each record until the sink has it or has refused it for good.
//!
//! One task a sink: whatever a sink does, nobody waits for it but its own shipper, which holds one batch of
//! records and nothing more. The journal on the disk is the queue.

mod agreeing;
mod handing;

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    audit::{
        self,
        journal::Journal,
        reader::{Misfit, Record},
        refused::Ledger,
    },
    cause,
    clock::SharedClock,
    delivery::{
        aside::Aside,
        batch::Line,
        keeper::Keeper,
        patience::PATIENCE,
        progress::Progress,
        settings::Settings,
        sink::{Setback, Sink},
        source::{Source, Trouble},
        waiting::{Pause, Waiting},
    },
};

/// Ships the journal to one sink.
#[derive(Debug)]
pub struct Shipper {
    sink: Arc<dyn Sink>,
    source: Source,
    keeper: Keeper,
    aside: Aside,
    progress: Arc<Progress>,
    /// How long the sink may take for an answer; for ever where that is absent.
    patience: Option<Duration>,
    waiting: Waiting,
    hurried: watch::Receiver<()>,
    /// Whether the sink was found in this run to have lost something.
    has_lost: bool,
    /// Whether it was told that the cursor cannot be kept.
    is_unkept: bool,
}

impl Shipper {
    /// Sees to a sink of a journal that is open. What nothing counts as acknowledged of begins with the first
    /// record of this run.
    ///
    /// # Errors
    ///
    /// When the sink's cursor cannot be read.
    pub fn to(
        sink: Arc<dyn Sink>,
        settings: &Settings,
        (journal, kept): (&Journal, &audit::Settings),
        clock: &SharedClock,
    ) -> io::Result<Self> {
        let (name, dir) = (&settings.name, &kept.dir);
        let acknowledges = settings.kind.acknowledges();
        let clock = || Arc::clone(clock);
        let keeper = if acknowledges {
            Keeper::open(dir.clone(), name, kept.keep_after_ack, clock())?
        } else {
            Keeper::in_memory(journal.found(), clock())
        };
        let (kind, durable) = (settings.kind.word(), journal.watch_durable());
        let progress = Progress::of(name, kind, keeper.seq(), durable);
        Ok(Self {
            sink,
            source: Source::of(journal, dir),
            keeper,
            aside: Aside::into(Ledger::of(dir, journal.id(), name), clock()),
            progress: Arc::new(progress),
            patience: acknowledges.then_some(PATIENCE),
            waiting: Waiting::default(),
            hurried: watch::channel(()).1,
            has_lost: false,
            is_unkept: false,
        })
    }

    /// Has a sink that is waited for tried at once, whenever somebody asks for it.
    #[must_use]
    pub fn hurried_by(mut self, hurried: watch::Receiver<()>) -> Self {
        self.hurried = hurried;
        self
    }

    /// How far the sink is.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Ships until `end` tells that the journal has had its last record and the sink has it, or until it is
    /// cut short; a sink that does not take records by then is tried a moment longer. What is left is for the next
    /// start.
    pub async fn run(mut self, end: CancellationToken, cut: impl Future<Output = ()>) {
        let given_up = self.waiting.is_given_up(end.clone());
        tokio::select! {
            () = self.ship(&end) => {}
            () = given_up => {}
            () = cut => {}
        }
        self.keep().await;
        match self.progress.lag() {
            0 => debug!("audit sink has every record"),
            left => warn!(audit.unsent = left, "audit sink does not have every record"),
        }
    }

    async fn ship(&mut self, end: &CancellationToken) {
        while let Err(setback) = self.try_to_ship(end).await {
            self.keep().await;
            self.note_oldest().await;
            if !self.wait_out(setback, end).await {
                return;
            }
        }
    }

    async fn try_to_ship(&mut self, end: &CancellationToken) -> Result<(), Setback> {
        self.agree().await?;
        self.source.go_on_behind(self.keeper.head());
        while let Some(lines) = self.next(end).await? {
            self.hand_over(lines).await?;
        }
        Ok(())
    }

    /// Waits for the next records; nothing once there will be no more.
    async fn next(&mut self, end: &CancellationToken) -> Result<Option<Vec<Line>>, Setback> {
        loop {
            if self.source.durable() > self.keeper.seq() {
                match self.source.read().await {
                    Ok(records) if records.is_empty() => return Err(nothing_there()),
                    Ok(records) => {
                        self.progress.waits_with(written(&records));
                        return Ok(Some(records.into_iter().map(Line::from).collect()));
                    }
                    Err(Trouble::Misfit(Misfit::Removed { due, first })) => {
                        self.skip(due, first);
                        continue;
                    }
                    Err(trouble) => return Err(setback(&trouble)),
                }
            }
            self.progress.waits_with(None);
            if end.is_cancelled() {
                return Ok(None);
            }
            tokio::select! {
                more = self.source.more() => if !more {
                    return Ok(None);
                },
                () = end.cancelled() => {}
                () = self.keeper.is_due() => {
                    self.keep().await;
                    continue;
                }
                () = self.waiting.is_back() => {
                    self.waiting.tell_back();
                    continue;
                }
            }
            tokio::select! {
                () = sleep(GATHERING) => {}
                () = end.cancelled() => {}
            }
        }
    }

    /// Goes on behind records that are gone.
    fn skip(&mut self, due: u64, first: u64) {
        self.progress.skips(first.saturating_sub(due));
        error!(
            audit.seq = due,
            audit.upto = first.saturating_sub(1),
            "audit records were removed by retention before the sink had them, from here up to there"
        );
        self.source.go_on_behind(None);
    }

    fn goes_on(&mut self) {
        self.progress.hold(false);
        self.waiting.goes_on();
    }

    /// Waits before the next try; false where there is to be none.
    async fn wait_out(&mut self, setback: Setback, end: &CancellationToken) -> bool {
        let Pause {
            time,
            is_asked,
            is_held,
        } = self.waiting.pause(setback);
        self.progress.hold(is_held);
        if is_held && end.is_cancelled() {
            return false;
        }
        // The last moment is worth another try, unless the sink asked for something else.
        let leaving = async {
            if end.is_cancelled() || is_asked {
                std::future::pending::<()>().await;
            }
            end.cancelled().await;
        };
        tokio::select! {
            () = sleep(time) => {}
            () = leaving => self.waiting.hurry(),
            () = asked_for(&mut self.hurried) => {
                info!("audit sink is tried at once, because somebody asked for it");
                self.waiting.hurry();
            }
        }
        true
    }

    async fn keep_in_time(&mut self) {
        let kept = self.keeper.keep_in_time().await;
        self.tell_unkept(kept);
    }

    async fn keep(&mut self) {
        let kept = self.keeper.keep().await;
        self.tell_unkept(kept);
    }

    /// Tells once that records will be sent again after a restart, and that retention waits.
    fn tell_unkept(&mut self, kept: io::Result<()>) {
        let was_told = std::mem::replace(&mut self.is_unkept, kept.is_err());
        if let (Err(error), false) = (kept, was_told) {
            warn!(error = %error, "how far the audit sink is cannot be kept in the journal's directory, under cursors/");
        }
    }

    /// Notes since when the sink has lacked something, also where it cannot be asked what that is.
    async fn note_oldest(&mut self) {
        let lacks = self.source.durable() > self.keeper.seq();
        if !lacks || self.progress.oldest_unsent_at().is_some() {
            return;
        }
        self.source.go_on_behind(self.keeper.head());
        if let Ok(records) = self.source.read().await {
            self.progress.waits_with(written(&records));
        }
    }
}

/// Waits until somebody asks; for ever where nobody can.
async fn asked_for(hurried: &mut watch::Receiver<()>) {
    hurried.mark_unchanged();
    if hurried.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// When the first of these records was written.
fn written(records: &[Record]) -> Option<SystemTime> {
    humantime::parse_rfc3339(&records.first()?.time).ok()
}

/// What is wrong with the journal here is a setback for the sink.
fn setback(trouble: &Trouble) -> Setback {
    let why = cause::chain(trouble);
    match trouble {
        Trouble::Misfit(Misfit::Damaged { .. }) => Setback::Held { why },
        Trouble::Misfit(_) | Trouble::Thread(_) => Setback::Passing { why, after: None },
    }
}

/// Records are on the disk, and no segment is there.
fn nothing_there() -> Setback {
    Setback::Passing {
        why: "the directory of the journal holds no segment".to_owned(),
        after: None,
    }
}

/// Records that come together go together, and the journal's writer wakes nobody meanwhile.
const GATHERING: Duration = Duration::from_millis(20);
