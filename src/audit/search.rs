//! Finding records in a journal, newest first.
//!
//! Takes no lock, so that it can be done while the gateway writes, and reads each segment backwards, a
//! block at a time. A record that is being written this moment may be found before it is on the disk, unless
//! whoever asks bounds the search by what is. What a search leaves behind, an index of each segment that it read whole, only saves the next one from reading:
//! it may say that a segment has nothing to find, and says so only of a segment that is still the same.

pub(in crate::audit) mod backwards;
pub mod cursor;
pub mod fields;
pub mod filters;
pub mod follow;
mod index;
mod keys;
pub(in crate::audit) mod open;
pub mod page;
pub mod passed_over;
pub mod query;
pub(in crate::audit) mod shelf;

use std::{
    path::{Path, PathBuf},
    vec,
};

use self::{
    filters::Filters,
    open::{Look, Open, Segment, Wanted},
    passed_over::PassedOver,
};
use crate::audit::verify::Unreadable;

/// A search on its way from the newest record to the oldest.
#[derive(Debug)]
pub struct Search<'a> {
    dir: PathBuf,
    wanted: Wanted<'a>,
    /// What is still to be read, the newest first.
    segments: vec::IntoIter<Segment>,
    reading: Option<Open>,
    effort: Effort,
    has_looked: bool,
    read_bytes: u64,
    passed_over: Option<PassedOver>,
}

/// What a search may do.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How much it reads before it pauses; a segment of which it makes an index is read to its beginning,
    /// unless that alone would be more.
    pub most_bytes: Option<u64>,
    /// Whether it leaves an index of what it has read, where it can.
    pub leaves_index: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A record, as its bytes in the journal.
    Found(Record),
    /// Enough was read; the rest is below this record.
    Paused(u64),
    /// There is no more.
    End,
}

/// A record that was found.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// Its line, without the newline.
    pub line: Vec<u8>,
}

impl Effort {
    /// Whether it makes an index of a segment of so many bytes.
    fn indexes(self, bytes: u64) -> bool {
        self.leaves_index && self.most_bytes.is_none_or(|most| bytes <= most)
    }
}

impl<'a> Search<'a> {
    /// Begins a search among the records below a number.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn begin(
        dir: &Path,
        filters: &'a Filters,
        below: u64,
        effort: Effort,
    ) -> Result<Self, Unreadable> {
        let mut segments = Segment::all(dir)?;
        if effort.leaves_index {
            shelf::sweep(dir, &segments);
        }
        segments.retain(|segment| segment.first < below);
        segments.reverse();
        Ok(Self {
            dir: dir.to_owned(),
            wanted: Wanted {
                filters,
                needles: filters.needles(),
                below,
            },
            segments: segments.into_iter(),
            reading: None,
            effort,
            has_looked: false,
            read_bytes: 0,
            passed_over: None,
        })
    }

    /// Finds the next record.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read. One that is gone meanwhile is passed over.
    pub fn find_next(&mut self) -> Result<Next, Unreadable> {
        loop {
            let Some(mut open) = self.reading.take() else {
                match self.segments.next() {
                    Some(segment) => self.reading = self.enter(segment)?,
                    None => return Ok(Next::End),
                }
                continue;
            };
            let has_had_enough = self.has_had_enough(&open);
            let looked = open.look(&self.wanted, has_had_enough)?;
            self.has_looked |= !matches!(looked, Look::Above | Look::End);
            match looked {
                Look::Above | Look::Past => self.reading = Some(open),
                Look::Found(record) => {
                    self.reading = Some(open);
                    return Ok(Next::Found(record));
                }
                Look::Paused(below) => return Ok(Next::Paused(below)),
                Look::End => {
                    self.read_bytes = self.read_bytes.saturating_add(open.read_bytes());
                    self.passed_over = with_earlier(self.passed_over.take(), open.passed_over());
                    open.leave(&self.dir);
                }
            }
        }
    }

    /// How much has been read so far, indexes included.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        let open = self.reading.as_ref().map_or(0, Open::read_bytes);
        self.read_bytes.saturating_add(open)
    }

    /// The lines in what was read that are no records, and of which nothing can be said.
    #[must_use]
    pub fn passed_over(&self) -> Option<PassedOver> {
        let open = self.reading.as_ref().and_then(Open::passed_over);
        with_earlier(self.passed_over.clone(), open)
    }

    fn has_had_enough(&self, open: &Open) -> bool {
        // An index that is half made is of no use to the next search.
        !open.is_indexing() && self.is_past_bound(open.read_bytes())
    }

    fn is_past_bound(&self, more: u64) -> bool {
        let read = self.read_bytes.saturating_add(more);
        self.has_looked && self.effort.most_bytes.is_some_and(|most| read >= most)
    }

    fn enter(&mut self, segment: Segment) -> Result<Option<Open>, Unreadable> {
        let effort = Effort {
            leaves_index: self.effort.leaves_index && !self.is_past_bound(0),
            ..self.effort
        };
        let (entered, read) = Open::enter(&self.dir, segment, &self.wanted, effort)?;
        self.read_bytes = self.read_bytes.saturating_add(read);
        Ok(entered)
    }
}

fn with_earlier(later: Option<PassedOver>, earlier: Option<PassedOver>) -> Option<PassedOver> {
    match later {
        Some(later) => Some(later.and_earlier(earlier)),
        None => earlier,
    }
}
