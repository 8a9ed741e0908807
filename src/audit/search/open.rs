//! A segment that is being searched.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::audit::{
    search::{
        Effort, Record,
        backwards::Backwards,
        fields::{self, Fields},
        filters::{Filters, Needle},
        index::{Builder, Index, Sealed},
        passed_over::{Counting, PassedOver},
    },
    segment,
    verify::Unreadable,
};

/// A segment of the journal and where it ends.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Segment {
    /// The record it is named after.
    pub(in crate::audit) first: u64,
    /// The record that the next one is named after; what stands here from it on is void.
    pub(in crate::audit) end: Option<u64>,
    /// Its file.
    pub(in crate::audit) path: PathBuf,
}

impl Segment {
    /// All segments of a journal, the oldest first.
    pub(in crate::audit) fn all(dir: &Path) -> Result<Vec<Self>, Unreadable> {
        let listed = segment::list(dir).map_err(Unreadable::at(dir))?;
        let ends = listed.iter().skip(1).map(|(first, _)| Some(*first));
        let ends: Vec<_> = ends.chain([None]).collect();
        let segments = listed.into_iter().zip(ends);
        Ok(segments
            .map(|((first, path), end)| Self { first, end, path })
            .collect())
    }
}

/// Which records are asked for.
#[derive(Debug)]
pub(in crate::audit::search) struct Wanted<'a> {
    pub(in crate::audit::search) filters: &'a Filters,
    pub(in crate::audit::search) needles: Vec<Needle>,
    /// Records from here on are not asked for.
    pub(in crate::audit::search) below: u64,
}

/// What was seen of one record.
#[derive(Debug)]
pub(in crate::audit::search) enum Look {
    /// It is above all that is asked for, or void.
    Above,
    /// It is not asked for.
    Past,
    /// It is asked for.
    Found(Record),
    /// It was not looked at, because enough was read; it is the first below this number.
    Paused(u64),
    /// There is none left.
    End,
}

/// A segment that is being read from its end to its beginning.
#[derive(Debug)]
pub(in crate::audit::search) struct Open {
    segment: Segment,
    lines: Backwards,
    /// What stands here from this record on is not asked for, or is void.
    bound: u64,
    indexing: Option<(Sealed, Builder)>,
    counting: Counting,
}

impl Open {
    /// Opens a segment, where there may be something to find in it; tells how much was read to know.
    pub(in crate::audit::search) fn enter(
        dir: &Path,
        segment: Segment,
        wanted: &Wanted<'_>,
        effort: Effort,
    ) -> Result<(Option<Self>, u64), Unreadable> {
        let file = match File::open(&segment.path) {
            Ok(file) => file,
            // Retention has deleted it since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, 0)),
            Err(error) => return Err(Unreadable::at(&segment.path)(error)),
        };
        let Wanted { filters, below, .. } = wanted;
        let broken = Unreadable::at(&segment.path);
        let is_whole = segment.end.is_some_and(|end| *below >= end);
        let bound = segment.end.map_or(*below, |end| end.min(*below));
        let (mut indexing, mut read) = (None, 0);
        // Without a filter nothing can be ruled out, and no index is worth its reading.
        if segment.end.is_some() && !filters.are_none() {
            let sealed = match Sealed::of(&file, segment.first) {
                Ok(sealed) => sealed,
                Err(error) => return Err(broken(error)),
            };
            let index = Index::of(dir, &sealed);
            read = sealed.read_bytes();
            if let Some(mut index) = index {
                let has_none = index.rules_out(filters);
                read = read.saturating_add(index.read_bytes());
                if has_none {
                    return Ok((None, read));
                }
            } else if is_whole && effort.indexes(sealed.bytes()) {
                indexing = Some((sealed, Builder::default()));
            }
        }
        let lines = if is_whole {
            Backwards::of(file)
        } else {
            Backwards::below(file, *below)
        };
        let lines = lines.map_err(broken)?;
        let open = Self {
            counting: Counting::before(segment.end),
            segment,
            lines,
            bound,
            indexing,
        };
        Ok((Some(open), read))
    }

    /// Looks at the record before the one that was looked at last.
    pub(in crate::audit::search) fn look(
        &mut self,
        wanted: &Wanted<'_>,
        has_had_enough: bool,
    ) -> Result<Look, Unreadable> {
        let line = self.lines.previous();
        let Some(line) = line.map_err(Unreadable::at(&self.segment.path))? else {
            self.counting.meet(self.segment.first.saturating_sub(1));
            return Ok(Look::End);
        };
        let seq = fields::seq(line);
        if seq.is_some_and(|seq| seq >= self.bound) {
            return Ok(Look::Above);
        }
        let Some(seq) = seq.filter(|_| fields::is_object(line)) else {
            self.counting.pass(self.lines.offset());
            return Ok(Look::Past);
        };
        if has_had_enough {
            return Ok(Look::Paused(seq.saturating_add(1)));
        }
        let is_candidate = wanted.needles.iter().all(|needle| needle.is_in(line));
        if !is_candidate && self.indexing.is_none() {
            self.counting.meet(seq);
            return Ok(Look::Past);
        }
        let Ok(fields) = serde_json::from_slice::<Fields<'_>>(line) else {
            self.counting.pass(self.lines.offset());
            return Ok(Look::Past);
        };
        self.counting.meet(seq);
        if let Some((_, builder)) = &mut self.indexing {
            builder.add(&fields);
        }
        let is_wanted = is_candidate && fields.seq < self.bound && wanted.filters.admit(&fields);
        if !is_wanted {
            return Ok(Look::Past);
        }
        Ok(Look::Found(Record {
            seq: fields.seq,
            line: line.to_vec(),
        }))
    }

    pub(in crate::audit::search) fn read_bytes(&self) -> u64 {
        self.lines.read_bytes()
    }

    /// The lines so far that are no records.
    pub(in crate::audit::search) fn passed_over(&self) -> Option<PassedOver> {
        self.counting.told(&self.segment.path)
    }

    pub(in crate::audit::search) fn is_indexing(&self) -> bool {
        self.indexing.is_some()
    }

    /// Leaves the index of a segment that was read from end to beginning.
    pub(in crate::audit::search) fn leave(self, dir: &Path) {
        if let Some((sealed, builder)) = self.indexing {
            builder.leave(dir, &sealed);
        }
    }
}
