//! The lines of a journal, one after the other over all its segments.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use crate::audit::{link::LONGEST_LINE, segment, verify::Unreadable};

/// Reads a journal line by line; holds one line in memory, however long the journal is.
#[derive(Debug)]
pub(in crate::audit::verify) struct Lines {
    segments: Vec<(u64, PathBuf)>,
    /// How many segments have been opened.
    opened: usize,
    reading: Option<BufReader<File>>,
    /// Where the next line of that segment begins.
    offset: u64,
    void_bytes: u64,
    /// Of all segments that have been read to their end.
    done_bytes: u64,
    total_bytes: u64,
}

/// Where a line begins.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit::verify) struct Spot {
    /// The segment, counted from 0.
    pub(in crate::audit::verify) segment: usize,
    /// In bytes from its beginning.
    pub(in crate::audit::verify) offset: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit::verify) enum Next {
    /// A line, with its newline where it has one.
    Line(Spot),
    /// A segment that is named after another record than the one that is due.
    Misnamed(Spot, u64),
    /// Nothing.
    End,
}

impl Lines {
    pub(in crate::audit::verify) fn of(dir: &Path) -> Result<Self, Unreadable> {
        let segments = segment::list(dir).map_err(Unreadable::at(dir))?;
        let bytes = |path: &Path| fs::metadata(path).map_or(0, |it| it.len());
        let total_bytes = segments.iter().map(|(_, path)| bytes(path)).sum();
        Ok(Self {
            segments,
            opened: 0,
            reading: None,
            offset: 0,
            void_bytes: 0,
            done_bytes: 0,
            total_bytes,
        })
    }

    /// The record that the first segment is named after.
    pub(in crate::audit::verify) fn first(&self) -> Option<u64> {
        self.segments.first().map(|(first, _)| *first)
    }

    pub(in crate::audit::verify) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// How many bytes were passed over because a later segment has taken their place.
    pub(in crate::audit::verify) fn void_bytes(&self) -> u64 {
        self.void_bytes
    }

    /// How many bytes have been read, and how many there were at the beginning.
    pub(in crate::audit::verify) fn bytes(&self) -> (u64, u64) {
        let read = self.done_bytes.saturating_add(self.offset);
        (read.saturating_add(self.void_bytes), self.total_bytes)
    }

    pub(in crate::audit::verify) fn path(&self, spot: Spot) -> PathBuf {
        let segment = self.segments.get(spot.segment);
        segment.map(|(_, path)| path.clone()).unwrap_or_default()
    }

    /// Whether nothing but the segment itself can come behind a line.
    pub(in crate::audit::verify) fn is_in_last(&self, spot: Spot) -> bool {
        spot.segment.saturating_add(1) == self.segments.len()
    }

    /// Reads the line in which record `due` should stand.
    ///
    /// What a segment holds at or above the next one's name was never acknowledged, and is passed over.
    /// A line that is longer than any record comes in pieces.
    pub(in crate::audit::verify) fn next(
        &mut self,
        due: u64,
        line: &mut Vec<u8>,
    ) -> Result<Next, Unreadable> {
        loop {
            line.clear();
            if self.is_void(due) {
                self.pass_over()?;
            } else if let Some(reading) = &mut self.reading {
                let read = reading.take(LONGEST_LINE).read_until(b'\n', line);
                let length = read.map_err(|error| self.broken(error))?;
                if length > 0 {
                    let spot = self.here();
                    let length = u64::try_from(length).unwrap_or(u64::MAX);
                    self.offset = self.offset.saturating_add(length);
                    return Ok(Next::Line(spot));
                }
                self.reading = None;
            }
            let Some((first, path)) = self.segments.get(self.opened) else {
                return Ok(Next::End);
            };
            let (first, file) = (*first, File::open(path).map_err(unopened(path))?);
            self.reading = Some(BufReader::with_capacity(READ_AT_ONCE, file));
            self.opened = self.opened.saturating_add(1);
            self.done_bytes = self.done_bytes.saturating_add(self.offset);
            self.offset = 0;
            if first != due {
                return Ok(Next::Misnamed(self.here(), first));
            }
        }
    }

    /// Whether a line was too long to be read whole.
    pub(in crate::audit::verify) fn is_cut(line: &[u8]) -> bool {
        u64::try_from(line.len()).is_ok_and(|length| length >= LONGEST_LINE)
    }

    /// Reads on in the segment that is being read, past bytes that are no record.
    pub(in crate::audit::verify) fn rest(
        &mut self,
        line: &mut Vec<u8>,
    ) -> Result<bool, Unreadable> {
        line.clear();
        let Some(reading) = &mut self.reading else {
            return Ok(false);
        };
        let read = reading.take(LONGEST_LINE).read_until(b'\n', line);
        let length = read.map_err(|error| self.broken(error))?;
        let bytes = u64::try_from(length).unwrap_or(u64::MAX);
        self.offset = self.offset.saturating_add(bytes);
        Ok(length > 0)
    }

    /// Where the next line begins.
    pub(in crate::audit::verify) fn here(&self) -> Spot {
        Spot {
            segment: self.opened.saturating_sub(1),
            offset: self.offset,
        }
    }

    fn is_void(&self, due: u64) -> bool {
        let next = self.segments.get(self.opened);
        self.reading.is_some() && next.is_some_and(|(next, _)| due >= *next)
    }

    fn pass_over(&mut self) -> Result<(), Unreadable> {
        if let Some(reading) = self.reading.take() {
            let length = reading.get_ref().metadata();
            let length = length.map_err(|error| self.broken(error))?.len();
            let void = length.saturating_sub(self.offset);
            self.void_bytes = self.void_bytes.saturating_add(void);
        }
        Ok(())
    }

    fn broken(&self, error: io::Error) -> Unreadable {
        Unreadable::at(&self.path(self.here()))(error)
    }
}

fn unopened(path: &Path) -> impl FnOnce(io::Error) -> Unreadable {
    let path = path.to_owned();
    |source| match source.kind() {
        io::ErrorKind::NotFound => Unreadable::Gone { path },
        _ => Unreadable::Io { path, source },
    }
}

/// In bytes.
const READ_AT_ONCE: usize = 256 << 10;
