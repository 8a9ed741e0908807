//! What the writer sees to beside writing: the last checkpoint is vouched for, and old segments go.

use std::{fs, io, path::PathBuf, time::SystemTime};

use tracing::{info, warn};

use crate::audit::{
    Settings, low_water,
    pace::Pace,
    retention::{self, Keeping, Removal},
};

/// The directory of a journal, and how long its segments are kept.
#[derive(Debug)]
pub(in crate::audit) struct Upkeep {
    dir: PathBuf,
    keeping: Keeping,
    pace: Pace,
    /// The last record whose removal this run has told of, also where it did not succeed so far.
    told: u64,
}

impl Upkeep {
    /// Begins with the time of the last record.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub(in crate::audit) fn of(settings: &Settings, now: SystemTime) -> io::Result<Self> {
        let last = retention::last_time(&settings.dir)?;
        Ok(Self {
            dir: settings.dir.clone(),
            keeping: Keeping {
                retention: settings.retention,
                after_ack: settings.keep_after_ack,
                required_sinks: settings.required_sinks.clone(),
            },
            pace: Pace::from(last, now),
            told: 0,
        })
    }

    /// Keeps a checkpoint that is on the disk as the mark below which the journal must not end. Where that
    /// cannot be done the mark before it stands, which asks for less.
    pub(in crate::audit) fn vouch(&self, checkpoint: &[u8]) {
        if let Err(error) = low_water::keep(&self.dir, checkpoint) {
            warn!(error = %error, "the last audit checkpoint is not kept beside the journal");
        }
    }

    /// What may go by now, before the segment that is written to.
    pub(in crate::audit) fn removable(&mut self, now: SystemTime, current: u64) -> Option<Removal> {
        let now = self.pace.follow(now);
        let decided = retention::removable(&self.dir, now, &self.keeping, current);
        decided.unwrap_or_else(|error| {
            warn!(error = %error, "whether old audit records may go is not known, so they stay");
            None
        })
    }

    /// Whether a durable record tells of this removal already, because it did not succeed before. One more at
    /// each checkpoint would pile up for as long as the disk refuses.
    pub(in crate::audit) fn is_told(&self, removal: &Removal) -> bool {
        removal.upto <= self.told
    }

    /// Removes what is told of in a durable record, and returns how many bytes went. What cannot be removed
    /// goes the next time.
    pub(in crate::audit) fn remove(&mut self, removal: &Removal) -> u64 {
        self.told = removal.upto;
        let before = bytes(&removal.segments);
        match retention::remove(&self.dir, removal) {
            Ok(()) => info!(
                audit.seq = removal.upto,
                "audit records removed up to here, by retention"
            ),
            Err(error) => warn!(error = %error, "old audit records not removed"),
        }
        before.saturating_sub(bytes(&removal.segments))
    }
}

/// How many bytes those of the files have that are there.
fn bytes(files: &[PathBuf]) -> u64 {
    let sizes = files.iter().filter_map(|path| fs::metadata(path).ok());
    sizes.map(|file| file.len()).fold(0, u64::saturating_add)
}
