//! What is written at once, and who waits for it.

use std::collections::HashSet;

use crate::{
    audit::{
        queue::{Job, Waiting},
        record::{Draft, LONGEST_BYTES, Purpose},
        room::Wish,
        unwritable::Unwritable,
    },
    ids::CallId,
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
            Job::Append(draft, waiting) => {
                let waiting = Some(waiting);
                let entry = Entry { draft, waiting };
                // Nothing is removed before it is on the disk, and signed, that it will be.
                self.settles |= entry.frees();
                self.signed |= entry.frees();
                self.entries.push(entry);
            }
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

    /// Whether a call has room where this has. A small record may have some when no call has any.
    pub(in crate::audit) fn wants_a_call(&self) -> bool {
        self.settles || self.entries.iter().any(|entry| entry.opens().is_some())
    }

    /// Whether room comes back once this is on the disk.
    pub(in crate::audit) fn frees(&self) -> bool {
        self.entries.iter().any(Entry::frees)
    }

    /// Keeps what room was set aside for, and gives back the rest.
    pub(in crate::audit) fn keep_outcomes(&mut self) -> Self {
        let all = std::mem::take(&mut self.entries);
        // An intent that is to be written anew comes before its outcome.
        let opening: HashSet<CallId> = all.iter().filter_map(Entry::opens).collect();
        let has_room = |entry: &Entry| match entry.draft.purpose {
            Purpose::Closes(call) => !opening.contains(&call),
            Purpose::Frees => true,
            Purpose::Opens(_) | Purpose::Tells => false,
        };
        let (kept, refused): (Vec<_>, _) = all.into_iter().partition(has_room);
        let frees = kept.iter().any(Entry::frees);
        self.entries = kept;
        Self {
            entries: refused,
            probes: std::mem::take(&mut self.probes),
            settles: std::mem::replace(&mut self.settles, frees),
            signed: std::mem::replace(&mut self.signed, frees),
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

impl Entry {
    /// The call that its record opens.
    fn opens(&self) -> Option<CallId> {
        match self.draft.purpose {
            Purpose::Opens(call) => Some(call),
            Purpose::Closes(_) | Purpose::Frees | Purpose::Tells => None,
        }
    }

    /// Whether room comes back once its record is on the disk.
    fn frees(&self) -> bool {
        self.draft.purpose == Purpose::Frees
    }
}

fn tell(waiting: impl IntoIterator<Item = Waiting>, how: &Result<(), Unwritable>) {
    for waiting in waiting {
        // Whoever stopped waiting does not need to be told.
        drop(waiting.send(how.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{
        audit::{record::Ending, trail::Trail},
        ids::{BootId, CorrelationId, RecordId, TraceId},
    };

    #[test]
    fn parts_no_outcome_from_its_intent_where_only_outcomes_have_room() {
        let (one, other) = (trail(), trail());
        let owed = vec![intent(&one), outcome(&one), outcome(&other)];
        let mut batch = Batch::of(owed, Vec::new());

        let refused = batch.keep_outcomes();

        let purposes =
            |batch: &Batch| -> Vec<Purpose> { batch.drafts().map(|draft| draft.purpose).collect() };
        let (one, other) = (one.facts().call, other.facts().call);
        assert_eq!(purposes(&batch), [Purpose::Closes(other)]);
        let both = [Purpose::Opens(one), Purpose::Closes(one)];
        assert_eq!(purposes(&refused), both);
    }

    fn trail() -> Trail {
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let trail = Trail::begin(peer, CorrelationId::random(), TraceId::random());
        trail.intending();
        trail
    }

    fn intent(trail: &Trail) -> Draft {
        Draft::intent(trail.facts(), BootId::next(), &[])
    }

    fn outcome(trail: &Trail) -> Draft {
        let ending = Ending {
            decision: None,
            status: 200,
            code: None,
            outcome: "forwarded",
            replay_of: None,
            forwarded: "yes",
            body: b"",
        };
        Draft::outcome(RecordId::next(), trail.facts(), BootId::next(), &ending)
    }
}
