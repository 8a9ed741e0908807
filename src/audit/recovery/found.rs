//! A journal that was read and judged, and of which nothing is changed yet: it goes on, or it ends and another begins.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use tracing::error;

use crate::{
    audit::{
        Settings,
        chain::{Head, LineHash},
        cursor,
        durable::{make_directory, sync_directory},
        fork::{self, Ahead, Fork, Passage, Unacknowledged},
        low_water::{self, LowWater},
        orphans::Open,
        reader,
        record::Recovered,
        recovery::{
            OpenError, Opened, at, damaged, forget_unwritten,
            held::{self, Held},
            passing,
            survey::{Stop, Survey},
            tail::{self, Tail},
        },
        segment::{self, Segment},
        signing::SigningKey,
        start_error::StartError,
        verify::Unreadable,
    },
    ids::JournalId,
};

/// A journal that was found in a directory, held and judged.
#[derive(Debug)]
pub struct Found {
    dir: PathBuf,
    lock: Held,
    id: JournalId,
    is_new: bool,
    head: Head,
    signed_with: Option<String>,
    low_water: LowWater,
    /// The last segment.
    last: Option<PathBuf>,
    tail: Option<Tail>,
    open: Open,
    /// The tails that were cut off and told of.
    told: BTreeSet<String>,
    /// The record that the first segment is named after.
    first: u64,
    forked_from: Option<Fork>,
}

impl Found {
    /// Finds the journal in `dir`, making one where there is none, and reads all of it.
    ///
    /// # Errors
    ///
    /// When another process has it open, when it is damaged other than at its very end, or when the
    /// operating system refuses.
    pub fn in_directory(dir: &Path) -> Result<Self, OpenError> {
        make_directory(dir).map_err(at(dir))?;
        Self::held(dir, Held::take(dir)?)
    }

    fn held(dir: &Path, lock: Held) -> Result<Self, OpenError> {
        // A run that was killed may have made a segment and not come to this.
        segment::remove_unnamed(dir).map_err(at(dir))?;
        sync_directory(dir).map_err(at(dir))?;
        passing::complete(&lock, dir)?;
        let low_water = low_water::read(dir)?;
        let segments = segment::list(dir).map_err(at(dir))?;
        let is_empty = segments.is_empty() && low_water.is_empty();
        let (id, is_new) = held::identity(dir, is_empty)?;
        low_water.belongs_to(id)?;
        let passage = Passage::into(dir, id)?;
        let last = segments.last().map(|(_, path)| path.clone());
        last.as_deref().map_or(Ok(()), forget_unwritten)?;
        let carried = passage.as_ref().map(|it| Open::of_lines(&it.open));
        let open = carried.unwrap_or_default();
        let (survey, head) = match Survey::of(dir, (id, open), &low_water, &segments) {
            Ok(read) => read,
            Err(Stop::Unreadable(error)) => return Err(error),
            Err(Stop::Damaged(damage)) => return Err(damaged(dir, damage)),
        };
        let Survey {
            first,
            tail,
            open,
            cuts: told,
            signed_with,
            ..
        } = survey;
        Ok(Self {
            dir: dir.to_owned(),
            lock,
            id,
            is_new,
            head,
            signed_with,
            low_water,
            last,
            tail,
            open,
            told,
            first,
            forked_from: passage.map(|it| it.fork).filter(|_| head.seq() == 0),
        })
    }

    /// Which journal it is.
    #[must_use]
    pub fn id(&self) -> JournalId {
        self.id
    }

    /// Whether it was made just now, so that nobody can have anything of it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether a sink's last record is one that the journal does not have, or has another line for. Of a record that
    /// retention has removed nothing can be said.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn lacks(&self, seq: u64, hash: LineHash) -> Result<bool, Unreadable> {
        if seq >= self.head.seq() {
            return Ok((seq, hash) != (self.head.seq(), self.head.hash()));
        }
        let own = reader::head_at(&self.dir, seq)?;
        Ok(own.is_some_and(|own| own.hash() != hash))
    }

    /// Goes on with it: cuts the torn tail off.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn go_on(self) -> Result<Opened, OpenError> {
        let Self { dir, lock, .. } = self;
        if let Some(torn) = &self.tail {
            tail::cut_off(&lock, &dir, torn).map_err(at(&torn.path))?;
        }
        // Those that nobody lived to tell of, too.
        let cuts = tail::untold(&dir, &self.told, self.first).map_err(at(&dir))?;
        let last = self.last.as_deref();
        let segment = last.map(|path| Segment::reopen(path).map_err(at(path)));
        let orphans = self.open.into_orphans();
        let low_water = self.low_water.highest().map(|(seq, _)| seq);
        let recovered = |cut| Recovered {
            cut,
            orphans: orphans.len(),
            low_water,
        };
        Ok(Opened {
            id: self.id,
            head: self.head,
            signed_with: self.signed_with,
            segment: segment.transpose()?,
            recovered: cuts.into_iter().map(recovered).collect(),
            orphans,
            forked_from: self.forked_from,
            lock: lock.into_file(),
        })
    }

    /// Ends it, because a sink has what it has not, and begins another one in its place. What `sinks` have not
    /// acknowledged of it is told.
    ///
    /// # Errors
    ///
    /// When the key that has signed it is gone, or the operating system refuses; what was begun then is gone on with
    /// by the next start.
    pub fn end(
        self,
        ahead: &Ahead,
        settings: &Settings,
        sinks: &[&str],
    ) -> Result<Self, StartError> {
        // Without the key the new journal would begin with another one, and hide that it is gone.
        SigningKey::obtain(settings, &self.head)?;
        let Self { dir, lock, .. } = self;
        let mut fork = Fork {
            journal: self.id.to_string(),
            seq: self.head.seq(),
            head: self.head.hash().to_string(),
            sink: ahead.sink.clone(),
            sink_seq: ahead.seq,
            sink_head: ahead.hash.to_string(),
            kept: fork::place(&dir, self.id),
            unacknowledged: unacknowledged(&dir, self.head.seq(), sinks)?,
        };
        let next = JournalId::random();
        tell(&fork, next);
        // All are told in the log; a record has a longest size.
        fork.unacknowledged.truncate(MOST_SINKS);
        let passage = Passage {
            journal: next.to_string(),
            fork,
            open: self.open.lines(),
        };
        passage.begin(&dir).map_err(at(&dir))?;
        Ok(Self::held(&dir, lock)?)
    }
}

/// What sinks have not acknowledged of a journal that ends with a record.
fn unacknowledged(dir: &Path, end: u64, sinks: &[&str]) -> Result<Vec<Unacknowledged>, OpenError> {
    let mut all = Vec::new();
    for sink in sinks {
        let cursor = cursor::read(dir, sink).map_err(at(dir))?;
        let had = cursor.map_or(0, |cursor| cursor.seq);
        if had < end {
            all.push(Unacknowledged {
                sink: (*sink).to_owned(),
                from: had.saturating_add(1),
                upto: end,
            });
        }
    }
    Ok(all)
}

fn tell(fork: &Fork, next: JournalId) {
    error!(
        sink = fork.sink,
        audit.seq = fork.seq,
        audit.sink_seq = fork.sink_seq,
        audit.journal = fork.journal,
        audit.next = %next,
        path = fork.kept,
        "audit sink has records that the journal on the disk has not, so the disk was restored from a snapshot or one of the two was changed; the journal ends, its files are kept under this path, and another one begins"
    );
    for part in &fork.unacknowledged {
        error!(
            sink = part.sink,
            audit.seq = part.from,
            audit.upto = part.upto,
            audit.journal = fork.journal,
            "audit sink had not acknowledged records of the journal that ends, from here up to there, as far as the disk tells; they are not sent any more"
        );
    }
}

/// Of the longest names, half of the largest record.
const MOST_SINKS: usize = 16;
