//! Records as they come, oldest first, over the ends of segments and of runs of the gateway.
//!
//! No file is held open between two looks, so that retention gets its room back.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use crate::audit::{
    search::{
        backwards::Backwards,
        fields::{self, Fields},
        filters::Filters,
    },
    segment,
    verify::Unreadable,
};

/// Follows a journal that grows.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    /// The segment that is being read, by the record it is named after.
    segment: Option<u64>,
    /// Where its next line begins.
    offset: u64,
}

impl Follow {
    /// Begins behind the last record, and tells the number that is due next.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn from_end(dir: &Path) -> Result<(Self, u64), Unreadable> {
        let listed = segment::list(dir).map_err(Unreadable::at(dir))?;
        let Some((first, path)) = listed.last() else {
            return Ok((Self::at(dir, None, 0), 1));
        };
        let end = Backwards::end(path).map_err(Unreadable::at(path))?;
        let due = match end.last {
            Some(last) => last.saturating_add(1),
            None => *first,
        };
        Ok((Self::at(dir, Some(*first), end.offset), due))
    }

    fn at(dir: &Path, segment: Option<u64>, offset: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            segment,
            offset,
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
        let listed = segment::list(&self.dir).map_err(Unreadable::at(&self.dir))?;
        let ends = listed.iter().skip(1).map(|(first, _)| Some(*first));
        for ((first, path), end) in listed.iter().zip(ends.chain([None])) {
            match self.segment {
                Some(segment) if *first < segment => continue,
                Some(segment) if *first == segment => {}
                _ => {
                    self.segment = Some(*first);
                    self.offset = 0;
                }
            }
            self.read_on(path, end, &mut |line| {
                let fields = serde_json::from_slice::<Fields<'_>>(line);
                match fields {
                    Ok(fields) if filters.admit(&fields) => tell(line),
                    _ => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    fn read_on<E: From<Unreadable>>(
        &mut self,
        path: &Path,
        end: Option<u64>,
        tell: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Unreadable::at(path)(error).into()),
        };
        let mut reading = BufReader::new(file);
        let sought = reading.seek(SeekFrom::Start(self.offset));
        sought.map_err(Unreadable::at(path))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reading
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line);
            let length = read.map_err(Unreadable::at(path))?;
            let Some(whole) = line.strip_suffix(b"\n") else {
                // The rest of it is still to come.
                return Ok(());
            };
            let is_void = end.is_some_and(|end| fields::seq(whole).is_none_or(|seq| seq >= end));
            if !is_void {
                tell(whole)?;
            }
            let length = u64::try_from(length).unwrap_or(u64::MAX);
            self.offset = self.offset.saturating_add(length);
        }
    }
}

/// In bytes: eight times what a record may have, so that every record ever written is read whole.
const LONGEST_LINE: u64 = 64 << 10;
