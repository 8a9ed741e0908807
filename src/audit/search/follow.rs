//! Records as they come, oldest first, over the ends of segments and of runs of the gateway.
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
    search::{
        backwards::Backwards,
        fields::{self, Fields},
        filters::Filters,
        open::Segment,
        passed_over::PassedOver,
    },
    verify::Unreadable,
};

/// Follows a journal that grows.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    reading: Option<Reading>,
    passed_over: Option<PassedOver>,
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

impl Follow {
    /// Begins behind the last record, and tells the number that is due next.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn from_end(dir: &Path) -> Result<(Self, u64), Unreadable> {
        let Some(Segment { first, path, .. }) = Segment::all(dir)?.pop() else {
            return Ok((Self::at(dir, None), 1));
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
        Ok((Self::at(dir, Some(reading)), due))
    }

    fn at(dir: &Path, reading: Option<Reading>) -> Self {
        Self {
            dir: dir.to_owned(),
            reading,
            passed_over: None,
        }
    }

    /// Tells every line, without its newline, that has come since the last time and is asked for.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read, or a line cannot be told.
    pub fn tell<E: From<Unreadable>>(
        &mut self,
        filters: &Filters,
        tell: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        // Listed before it is read: what the last segment lacks then, it lacks for good once there is
        // a later one.
        for segment in Segment::all(&self.dir)? {
            if self.reading.is_some_and(|it| segment.first < it.first) {
                continue;
            }
            self.read_on(&segment, filters, tell)?;
        }
        Ok(())
    }

    /// Hands over the lines that are no records and have come since this was asked last.
    pub fn take_passed_over(&mut self) -> Option<PassedOver> {
        self.passed_over.take()
    }

    fn read_on<E: From<Unreadable>>(
        &mut self,
        Segment { first, end, path }: &Segment,
        filters: &Filters,
        tell: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Unreadable::at(path)(error).into()),
        };
        let mut lines = BufReader::new(file);
        let mut reading = self
            .begin_or_go_on(*first, &mut lines)
            .map_err(Unreadable::at(path))?;
        let mut line = Vec::new();
        // What stands behind the last record that counts is void; what stands before one is not.
        let mut in_doubt = None;
        loop {
            line.clear();
            let read = lines
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line);
            let length = u64::try_from(read.map_err(Unreadable::at(path))?).unwrap_or(u64::MAX);
            let whole = line.strip_suffix(b"\n");
            if whole.is_none() && length < LONGEST_LINE {
                // The rest of it is still to come.
                return Ok(());
            }
            let is_rest = std::mem::replace(&mut reading.is_amid_line, whole.is_none());
            let seq = whole.and_then(fields::seq);
            let fields = whole.map(serde_json::from_slice::<Fields<'_>>);
            let is_void = end.zip(seq).is_some_and(|(end, seq)| seq >= end);
            match (fields, whole) {
                _ if is_rest || is_void => {}
                (Some(Ok(fields)), Some(whole)) => {
                    self.pass_over(in_doubt.take());
                    if filters.admit(&fields) {
                        tell(whole)?;
                    }
                }
                _ => {
                    let here = PassedOver::one(path, reading.offset);
                    in_doubt = Some(here.and_earlier(in_doubt));
                }
            }
            if end.is_none() {
                self.pass_over(in_doubt.take());
            }
            reading.offset = reading.offset.saturating_add(length);
            self.reading = Some(reading);
        }
    }

    fn pass_over(&mut self, lines: Option<PassedOver>) {
        if let Some(lines) = lines {
            self.passed_over = Some(lines.and_earlier(self.passed_over.take()));
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
        self.reading = Some(reading);
        lines.seek(SeekFrom::Start(reading.offset))?;
        Ok(reading)
    }
}
