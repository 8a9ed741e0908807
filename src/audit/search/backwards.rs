//! The lines of one file from the last to the first.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use crate::audit::{link::LONGEST_LINE, search::fields};

/// Reads a file backwards; holds a block and a line, however long the file is.
#[derive(Debug)]
pub(in crate::audit) struct Backwards {
    file: File,
    /// Where the bytes that are held begin in the file.
    begin: u64,
    held: Vec<u8>,
    /// How many of the bytes held are still to be told.
    left: usize,
    rest: Rest,
    /// Where the line begins that was told last.
    offset: u64,
    /// Where the last whole line ends, once it has been read.
    end: Option<u64>,
    read_bytes: u64,
}

/// What stands before the next newline.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Line,
    /// It has no newline of its own yet.
    Unfinished,
    /// Its end was read and let go.
    TooLong,
}

/// The end of what a file has in whole lines.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct End {
    /// Behind the last newline.
    pub(in crate::audit) offset: u64,
    /// The number of the last record.
    pub(in crate::audit) last: Option<u64>,
}

impl Backwards {
    /// Begins at the end of a file; what stands behind its last newline is no line yet.
    pub(in crate::audit) fn of(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::at(file, length, 0))
    }

    /// Where the whole lines of a file end, and the number of the last of them.
    pub(in crate::audit) fn end(file: File) -> io::Result<End> {
        let mut lines = Self::of(file)?;
        let mut last = None;
        while last.is_none()
            && let Some(line) = lines.previous()?
        {
            last = fields::seq(line);
        }
        Ok(End {
            offset: lines.end.unwrap_or_default(),
            last,
        })
    }

    /// Begins before the first record of a number that is not asked for, as far as that is found cheaply:
    /// lines of such records may still come.
    pub(in crate::audit) fn below(file: File, below: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut bisecting = Bisecting {
            file: &file,
            read_bytes: 0,
        };
        let end = bisecting.end(length, below)?;
        let read_bytes = bisecting.read_bytes;
        Ok(Self::at(file, end, read_bytes))
    }

    fn at(file: File, end: u64, read_bytes: u64) -> Self {
        Self {
            file,
            begin: end,
            held: Vec::new(),
            left: 0,
            rest: Rest::Unfinished,
            offset: end,
            end: None,
            read_bytes,
        }
    }

    /// The line before the one that was told last, without its newline; of one that is longer than any record
    /// nothing.
    pub(in crate::audit) fn previous(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let left = self.held.get(..self.left).unwrap_or_default();
            if let Some(newline) = memchr::memrchr(b'\n', left) {
                let line = newline.saturating_add(1)..self.left;
                let behind = u64::try_from(line.start).unwrap_or(u64::MAX);
                self.offset = self.begin.saturating_add(behind);
                self.end.get_or_insert(self.offset);
                self.left = newline;
                match std::mem::replace(&mut self.rest, Rest::Line) {
                    Rest::Line => return Ok(self.held.get(line)),
                    Rest::TooLong => return Ok(Some(&[])),
                    Rest::Unfinished => {}
                }
            } else if self.begin > 0 {
                self.read_on()?;
            } else {
                let first = 0..std::mem::take(&mut self.left);
                self.offset = 0;
                return Ok(match std::mem::replace(&mut self.rest, Rest::Unfinished) {
                    Rest::Line => self.held.get(first),
                    Rest::TooLong => Some(&[]),
                    Rest::Unfinished => None,
                });
            }
        }
    }

    /// Where the line begins that was told last.
    pub(in crate::audit::search) fn offset(&self) -> u64 {
        self.offset
    }

    pub(in crate::audit) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Puts the block before what is held in front of what is still to be told.
    fn read_on(&mut self) -> io::Result<()> {
        if u64::try_from(self.left).is_ok_and(|left| left > LONGEST_LINE) {
            self.left = 0;
            if matches!(self.rest, Rest::Line) {
                self.rest = Rest::TooLong;
            }
        }
        let size = self.begin.min(BLOCK);
        let begin = self.begin.saturating_sub(size);
        let rest = self.held.get(..self.left).unwrap_or_default();
        let mut held = vec![0; usize::try_from(size).unwrap_or_default()];
        self.file.read_exact_at(&mut held, begin)?;
        held.extend_from_slice(rest);
        self.left = held.len();
        self.held = held;
        self.begin = begin;
        self.read_bytes = self.read_bytes.saturating_add(size);
        Ok(())
    }
}

/// Finds a place in a file by the numbers of its records, which only grow.
struct Bisecting<'a> {
    file: &'a File,
    read_bytes: u64,
}

impl Bisecting<'_> {
    /// Where the first record from `below` on begins, or a place behind it.
    fn end(&mut self, length: u64, below: u64) -> io::Result<u64> {
        let (mut low, mut high, mut end) = (0, length, length);
        while high.saturating_sub(low) > BLOCK {
            let middle = low.saturating_add(high.saturating_sub(low) / 2);
            let Some((begin, seq)) = self.record_behind(middle)? else {
                break;
            };
            if seq < below {
                low = begin;
            } else {
                (high, end) = (middle, begin.min(end));
            }
        }
        Ok(end)
    }

    /// The first record that begins behind a place: where, and its number.
    fn record_behind(&mut self, place: u64) -> io::Result<Option<(u64, u64)>> {
        let mut probe = vec![0; PROBE];
        let read = self.file.read_at(&mut probe, place)?;
        let read_bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.read_bytes = self.read_bytes.saturating_add(read_bytes);
        probe.truncate(read);
        let Some(newline) = memchr::memchr(b'\n', &probe) else {
            return Ok(None);
        };
        let begin = newline.saturating_add(1);
        let line = probe.get(begin..).unwrap_or_default();
        let begin = u64::try_from(begin).unwrap_or(u64::MAX);
        Ok(fields::seq(line).map(|seq| (place.saturating_add(begin), seq)))
    }
}

/// In bytes.
const BLOCK: u64 = 256 << 10;

/// In bytes: twice what a record may have, so that the beginning of one is always in it.
const PROBE: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    fn told(mut lines: Backwards) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(line) = lines.previous().unwrap() {
            told.push(String::from_utf8_lossy(line).into_owned());
        }
        told
    }

    fn record(seq: u64, bytes: usize) -> String {
        format!(r#"{{"v":1,"seq":{seq},"x":"{}"}}"#, "x".repeat(bytes))
    }

    #[test]
    fn tells_whole_lines_from_the_last_to_the_first() {
        for (text, expected) in [
            ("", &[][..]),
            ("torn", &[]),
            ("one\n", &["one"]),
            ("one\ntwo\n", &["two", "one"]),
            ("one\ntwo\nto", &["two", "one"]),
            ("\n\n", &["", ""]),
        ] {
            let lines = Backwards::of(file(text.as_bytes())).unwrap();

            assert_eq!(told(lines), expected, "{text:?}");
        }
    }

    #[test]
    fn tells_lines_over_the_borders_of_blocks_and_nothing_of_one_that_is_too_long() {
        let mut lines: Vec<String> = (1..=500).map(|seq| record(seq, 1500)).collect();
        let mut whole = lines.clone();
        whole.insert(250, "y".repeat(700_000));
        let text = whole.join("\n") + "\n";

        let read = told(Backwards::of(file(text.as_bytes())).unwrap());

        lines.insert(250, String::new());
        lines.reverse();
        assert!(read == lines, "{} lines", read.len());
    }

    #[test]
    fn begins_near_a_record_without_reading_what_is_behind_it() {
        let lines: Vec<String> = (1..=5000).map(|seq| record(seq, 900)).collect();
        let text = lines.join("\n") + "\n";
        for below in [1, 2, 700, 2500, 4999, 5000, 5001, 9000] {
            let lines = Backwards::below(file(text.as_bytes()), below).unwrap();

            let sought = lines.read_bytes();
            let told = told(lines);
            let seqs = told
                .iter()
                .map(|line| fields::seq(line.as_bytes()).unwrap());
            let expected = below.clamp(1, 5001) - 1;
            let (more, wanted): (Vec<u64>, Vec<u64>) = seqs.partition(|seq| *seq >= below);
            assert_eq!(u64::try_from(wanted.len()), Ok(expected), "below {below}");
            assert!(more.len() < 600, "below {below}: {} more", more.len());
            assert!(sought < 300_000, "below {below}: {sought} bytes");
        }
    }
}
