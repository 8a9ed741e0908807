//! What is written at once, and who waits for it.

use crate::audit::{
    queue::{Job, Waiting},
    record::{Draft, LONGEST_BYTES, Purpose},
    room::Wish,
    unwritable::Unwritable,
};

/// Records that are written and synced together.
#[derive(Debug, Default)]
pub(in crate::audit) struct Batch {
    entries: Vec<Entry>,
    /// Those that wait for everything to be on the disk, without a record of their own.
    probes: Vec<Waiting>,
    /// Somebody waits for the disk, whatever the durability.
    pub(in crate::audit) settles: bool,
    /// A checkpoint is to be the last line.
    pub(in crate::audit) signed: bool,
}

/// A record, and who waits for it; the writer itself where nobody does.
#[derive(Debug)]
struct Entry {
    draft: Draft,
    waiting: Option<Waiting>,
}

impl Batch {
    /// What somebody asked for, behind what the writer owes.
    pub(in crate::audit) fn of(owed: Vec<Draft>, jobs: Vec<Job>) -> Self {
        let mut batch = Self::default();
        for draft in owed {
            batch.entries.push(Entry {
                draft,
                waiting: None,
            });
        }
        for job in jobs {
            batch.take(job);
        }
        batch
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Append(draft, waiting) => self.entries.push(Entry {
                draft,
                waiting: Some(waiting),
            }),
            Job::Probe(waiting) => {
                self.settles = true;
                self.probes.push(waiting);
            }
            Job::Sign(waiting) => {
                // What has been signed is not to be missed after a power cut.
                self.settles = true;
                self.signed = true;
                self.probes.push(waiting);
            }
        }
    }

    /// Whether there is nothing to write and nobody waits.
    pub(in crate::audit) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.probes.is_empty()
    }

    pub(in crate::audit) fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.entries.iter().map(|entry| &entry.draft)
    }

    /// The room that it takes. Whoever asks whether the journal can be written wants to know that a call
    /// has room.
    pub(in crate::audit) fn wish(&self) -> Wish {
        let call = LONGEST_BYTES.saturating_mul(2);
        let asked = if self.settles { call } else { 0 };
        let asked = Wish::default().with(asked, Purpose::Tells);
        self.drafts().fold(asked, |wish, draft| {
            wish.with(draft.most_bytes(), draft.purpose)
        })
    }

    /// Keeps what room was set aside for, and gives back the rest.
    pub(in crate::audit) fn keep_outcomes(&mut self) -> Self {
        let all = std::mem::take(&mut self.entries);
        let (kept, refused) = all
            .into_iter()
            .partition(|entry| entry.draft.purpose == Purpose::Closes);
        self.entries = kept;
        Self {
            entries: refused,
            probes: std::mem::take(&mut self.probes),
            settles: std::mem::take(&mut self.settles),
            signed: std::mem::take(&mut self.signed),
        }
    }

    /// Tells everyone that it is done, and returns the records.
    pub(in crate::audit) fn done(self) -> Vec<Draft> {
        let told = |entry: Entry| {
            tell(entry.waiting, &Ok(()));
            entry.draft
        };
        tell(self.probes, &Ok(()));
        self.entries.into_iter().map(told).collect()
    }

    /// Tells everyone that it is not, and returns the records for which nobody waits.
    pub(in crate::audit) fn refused(self, why: &Unwritable) -> Vec<Draft> {
        tell(self.probes, &Err(why.clone()));
        let told = |entry: Entry| match entry.waiting {
            None => Some(entry.draft),
            waiting => {
                tell(waiting, &Err(why.clone()));
                None
            }
        };
        self.entries.into_iter().filter_map(told).collect()
    }
}

fn tell(waiting: impl IntoIterator<Item = Waiting>, how: &Result<(), Unwritable>) {
    for waiting in waiting {
        // Whoever stopped waiting does not need to be told.
        drop(waiting.send(how.clone()));
    }
}
