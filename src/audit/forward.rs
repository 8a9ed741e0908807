//! Lines of a journal as they come, oldest first, over the ends of segments and of runs of the gateway.
//!
//! No file is held open between two looks, so that retention gets its room back.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::audit::{
    link::LONGEST_LINE,
    search::{backwards::Backwards, fields, open::Segment},
    verify::Unreadable,
};

/// Reads a journal that grows.
#[derive(Debug)]
pub(in crate::audit) struct Forward {
    dir: PathBuf,
    /// Segments named after records before this one are not looked at.
    from: u64,
    reading: Option<Reading>,
}

/// A segment that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    /// The record that it is named after.
    first: u64,
    /// Its file; one of which nothing was ever acknowledged may be replaced by another of its name.
    inode: u64,
    /// Where its next line begins.
    offset: u64,
    /// Whether that is the rest of a line that is too long for a record.
    is_amid_line: bool,
}

/// A line as it stands in a segment.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Line<'a> {
    /// With its newline; of a line that is longer than any record the beginning only.
    pub(in crate::audit) bytes: &'a [u8],
    /// The number that it says it has.
    pub(in crate::audit) seq: Option<u64>,
    /// The segment's file.
    pub(in crate::audit) path: &'a Path,
    /// Where it begins there.
    pub(in crate::audit) offset: u64,
    /// Whether there is a later segment, so that what is no record may be what a failed write has left.
    pub(in crate::audit) may_be_void: bool,
}

/// What to do after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audit) enum Go {
    /// Reads the next one.
    On,
    /// Ends, and has this line come again the next time.
    Back,
}

impl Forward {
    /// Begins with the segment that is named after this record, or the first one behind it.
    pub(in crate::audit) fn from(dir: &Path, first: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            from: first,
            reading: None,
        }
    }

    /// Begins behind the last record, and tells the number that is due next.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub(in crate::audit) fn from_end(dir: &Path) -> Result<(Self, u64), Unreadable> {
        let Some(Segment { first, path, .. }) = Segment::all(dir)?.pop() else {
            return Ok((Self::from(dir, 1), 1));
        };
        let file = File::open(&path).map_err(Unreadable::at(&path))?;
        let inode = file.metadata().map_err(Unreadable::at(&path))?.ino();
        let end = Backwards::end(file).map_err(Unreadable::at(&path))?;
        let reading = Reading {
            first,
            inode,
            offset: end.offset,
            is_amid_line: false,
        };
        let due = end.last.map_or(first, |last| last.saturating_add(1));
        let forward = Self {
            dir: dir.to_owned(),
            from: first,
            reading: Some(reading),
        };
        Ok((forward, due))
    }

    /// Tells every line that has come since the last time, until it is told to go back. Records that a segment
    /// holds at or above the next one's name are void, and not told.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read, or a line cannot be told.
    pub(in crate::audit) fn read<E: From<Unreadable>>(
        &mut self,
        tell: &mut dyn FnMut(Line<'_>) -> Result<Go, E>,
    ) -> Result<(), E> {
        // Listed before it is read: what the last segment lacks then, it lacks for good once there is
        // a later one.
        for segment in Segment::all(&self.dir)? {
            if segment.first >= self.from && self.read_on(&segment, tell)? == Go::Back {
                break;
            }
        }
        Ok(())
    }

    fn read_on<E: From<Unreadable>>(
        &mut self,
        Segment { first, end, path }: &Segment,
        tell: &mut dyn FnMut(Line<'_>) -> Result<Go, E>,
    ) -> Result<Go, E> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Go::On),
            Err(error) => return Err(Unreadable::at(path)(error).into()),
        };
        let mut lines = BufReader::with_capacity(READ_AT_ONCE, file);
        let mut reading = self
            .begin_or_go_on(*first, &mut lines)
            .map_err(Unreadable::at(path))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = lines
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line);
            let length = u64::try_from(read.map_err(Unreadable::at(path))?).unwrap_or(u64::MAX);
            let is_whole = line.ends_with(b"\n");
            if !is_whole && length < LONGEST_LINE {
                // The rest of it is still to come.
                return Ok(Go::On);
            }
            let told = Line {
                bytes: &line,
                seq: fields::seq(&line),
                path,
                offset: reading.offset,
                may_be_void: end.is_some(),
            };
            let is_void = end.zip(told.seq).is_some_and(|(end, seq)| seq >= end);
            let is_told = !reading.is_amid_line && !is_void;
            if is_told && tell(told)? == Go::Back {
                return Ok(Go::Back);
            }
            reading.is_amid_line = !is_whole;
            reading.offset = reading.offset.saturating_add(length);
            self.reading = Some(reading);
        }
    }

    /// Goes on in a segment where it was left, or begins with it.
    fn begin_or_go_on(&mut self, first: u64, lines: &mut BufReader<File>) -> io::Result<Reading> {
        let inode = lines.get_ref().metadata()?.ino();
        let left = self.reading;
        let left = left.filter(|it| (it.first, it.inode) == (first, inode));
        let reading = left.unwrap_or(Reading {
            first,
            inode,
            offset: 0,
            is_amid_line: false,
        });
        self.from = first;
        self.reading = Some(reading);
        lines.seek(SeekFrom::Start(reading.offset))?;
        Ok(reading)
    }
}

/// In bytes: some hundred records.
const READ_AT_ONCE: usize = 64 << 10;
