//! Where a journal begins: with record 1, or behind what retention removed and a `pruned` record tells of.

use crate::audit::{chain::LineHash, link::Pruned};

/// What is known of the records before the first one.
#[derive(Debug)]
pub(in crate::audit) struct Beginning {
    first: u64,
    /// The ends of segments, from the one before the first record on: retention removes whole segments.
    ends: Vec<(u64, LineHash)>,
    /// `pruned` records that no checkpoint covers so far, by their numbers; and whether they fit.
    unsigned: Vec<(u64, Pruned, bool)>,
    /// The last record that any `pruned` record tells of, fitting or not.
    told: u64,
    /// Whether any of them fits.
    fits: bool,
    /// What the one says that tells of the very record before the first one.
    last_checkpoint: Option<LineHash>,
}

impl Beginning {
    /// The beginning of a journal whose first segment is named after this record.
    pub(in crate::audit) fn at(first: u64) -> Self {
        Self {
            first,
            ends: Vec::new(),
            unsigned: Vec::new(),
            told: 0,
            fits: false,
            last_checkpoint: None,
        }
    }

    /// Notes the last line of a segment, or the one that the first record names before it.
    pub(in crate::audit) fn note_end(&mut self, seq: u64, hash: LineHash) {
        if self.first > 1 {
            self.ends.push((seq, hash));
        }
    }

    /// Holds a `pruned` record against the ends so far. One that reaches further than the first record
    /// fits, too: the process was killed before it had removed all that it had told of. It counts once a
    /// checkpoint covers it: nothing is removed before, and without the key nobody can make one up.
    pub(in crate::audit) fn note_pruned(&mut self, seq: u64, pruned: Pruned) {
        if self.first > 1 {
            let fits = self.ends.contains(&(pruned.upto, pruned.head));
            self.unsigned.push((seq, pruned, fits));
        }
    }

    /// Takes note of a checkpoint over everything up to a record.
    pub(in crate::audit) fn note_signed(&mut self, upto: u64) {
        for (_, pruned, fits) in self
            .unsigned
            .extract_if(.., |(seq, ..)| *seq <= upto)
            .collect::<Vec<_>>()
        {
            self.believe(pruned, fits);
        }
    }

    fn believe(&mut self, pruned: Pruned, fits: bool) {
        if fits {
            self.fits = true;
            if pruned.upto.saturating_add(1) == self.first {
                self.last_checkpoint = Some(pruned.checkpoint);
            }
        }
        if pruned.upto < self.first {
            self.told = self.told.max(pruned.upto);
        }
    }

    /// The first record that is missing and was not removed by retention, if any is.
    pub(in crate::audit) fn missing(&self) -> Option<u64> {
        let is_told = self.first <= 1 || self.fits;
        (!is_told).then(|| {
            self.told
                .saturating_add(1)
                .min(self.first.saturating_sub(1))
        })
    }

    /// The hash of the last checkpoint's line before the first record. Where only a part of what was told
    /// of was removed, that is not known.
    pub(in crate::audit) fn last_checkpoint(&self) -> Option<LineHash> {
        self.last_checkpoint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(upto: u64, line: &str) -> Pruned {
        Pruned {
            upto,
            head: LineHash::of(line.as_bytes()),
            checkpoint: LineHash::of(b"checkpoint"),
        }
    }

    fn after_12_and_24() -> Beginning {
        let mut beginning = Beginning::at(13);
        beginning.note_end(12, LineHash::of(b"12"));
        beginning.note_end(24, LineHash::of(b"24"));
        beginning
    }

    #[test]
    fn is_told_by_the_pruned_record_that_fits() {
        for fitting in [pruned(12, "12"), pruned(24, "24")] {
            let mut beginning = after_12_and_24();
            beginning.note_pruned(26, pruned(6, "6"));
            beginning.note_pruned(27, fitting);
            beginning.note_pruned(28, pruned(36, "36"));
            beginning.note_signed(26);
            assert_eq!(beginning.missing(), Some(7), "believed unsigned");
            beginning.note_signed(28);

            let checkpoint = Some(LineHash::of(b"checkpoint"));
            let is_exact = fitting.upto == 12;
            assert_eq!(beginning.missing(), None);
            assert_eq!(beginning.last_checkpoint(), checkpoint.filter(|_| is_exact));
        }
        assert_eq!(Beginning::at(1).missing(), None);
    }

    #[test]
    fn is_missing_from_the_first_record_on_that_no_pruned_record_tells_of() {
        let told = |all: &[Pruned]| {
            let mut beginning = after_12_and_24();
            for it in all {
                beginning.note_pruned(26, *it);
            }
            beginning.note_signed(26);
            assert_eq!(beginning.last_checkpoint(), None);
            beginning.missing()
        };

        assert_eq!(told(&[]), Some(1));
        assert_eq!(told(&[pruned(6, "6"), pruned(4, "4")]), Some(7));
        assert_eq!(told(&[pruned(12, "13"), pruned(24, "12")]), Some(12));
        assert_eq!(told(&[pruned(18, "18")]), Some(1));
    }
}
