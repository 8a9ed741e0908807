//! How far a sink has acknowledged the journal, on the disk a moment later.

use std::{io, path::PathBuf, time::Duration};

use tokio::{task::spawn_blocking, time::Instant};

use crate::{
    audit::{
        chain::{Head, LineHash},
        cursor::{self, Cursor},
    },
    clock::SharedClock,
};

/// Keeps the cursor of a sink. What is not on the disk yet when the process is killed is sent again.
#[derive(Debug)]
pub(in crate::delivery) struct Keeper {
    cursor: Option<Cursor>,
    /// How long what was acknowledged before is remembered.
    keep: Duration,
    clock: SharedClock,
    /// Absent where nothing counts as acknowledged.
    file: Option<File>,
}

#[derive(Debug)]
struct File {
    dir: PathBuf,
    sink: String,
    is_behind: bool,
    has_failed: bool,
    written: Option<Instant>,
}

impl Keeper {
    /// Goes on from the cursor that an earlier run has left in the journal's directory.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(in crate::delivery) fn open(
        dir: PathBuf,
        sink: &str,
        keep: Duration,
        clock: SharedClock,
    ) -> io::Result<Self> {
        Ok(Self {
            cursor: cursor::read(&dir, sink)?,
            keep,
            clock,
            file: Some(File {
                dir,
                sink: sink.to_owned(),
                is_behind: false,
                has_failed: false,
                written: None,
            }),
        })
    }

    /// Begins behind a record, and forgets it all with the process.
    pub(in crate::delivery) fn in_memory(behind: Head, clock: SharedClock) -> Self {
        Self {
            cursor: Some(Cursor::at(behind.seq(), behind.hash(), clock.now())),
            keep: Duration::ZERO,
            clock,
            file: None,
        }
    }

    /// The last record that the sink has; nothing where it has none.
    pub(in crate::delivery) fn head(&self) -> Option<Head> {
        let cursor = self.cursor.as_ref().filter(|cursor| cursor.seq > 0)?;
        Some(Head::behind(cursor.seq, cursor.hash))
    }

    /// The number of that record; 0 where there is none.
    pub(in crate::delivery) fn seq(&self) -> u64 {
        self.cursor.as_ref().map_or(0, |cursor| cursor.seq)
    }

    /// Whether the sink has ever acknowledged anything, of this journal or of the one before it.
    pub(in crate::delivery) fn was_in_use(&self) -> bool {
        self.cursor.is_some()
    }

    /// Moves on to a later record.
    pub(in crate::delivery) fn advance(&mut self, seq: u64, hash: LineHash) {
        let now = self.clock.now();
        match &mut self.cursor {
            Some(cursor) => cursor.advance(seq, hash, now, self.keep),
            None => self.cursor = Some(Cursor::at(seq, hash, now)),
        }
        self.falls_behind();
    }

    /// Moves on to a later record that the sink refused for good.
    pub(in crate::delivery) fn pass(&mut self, seq: u64, hash: LineHash) {
        let now = self.clock.now();
        let cursor = self
            .cursor
            .get_or_insert_with(|| Cursor::at(0, LineHash::NONE, now));
        cursor.pass(seq, hash, now, self.keep);
        self.falls_behind();
    }

    /// How many records were set aside since the sink last took one, also in earlier runs.
    pub(in crate::delivery) fn set_aside(&self) -> u32 {
        self.cursor.as_ref().map_or(0, |cursor| cursor.set_aside)
    }

    /// Goes back to an earlier record, or to before the first one. What was acknowledged when is forgotten:
    /// the sink has lost some of it. That it was in use is not.
    pub(in crate::delivery) fn go_back(&mut self, to: Option<(u64, LineHash)>) {
        let now = self.clock.now();
        let at = |(seq, hash)| Cursor::at(seq, hash, now);
        self.cursor = Some(to.map_or_else(|| Cursor::of_nothing(now), at));
        self.falls_behind();
    }

    fn falls_behind(&mut self) {
        if let Some(file) = &mut self.file {
            file.is_behind = true;
        }
    }

    /// Waits until the file is to be written.
    pub(in crate::delivery) async fn is_due(&self) {
        match self.file.as_ref().filter(|file| file.is_behind) {
            Some(file) => tokio::time::sleep_until(file.due()).await,
            None => std::future::pending().await,
        }
    }

    /// Writes the file where its time has come.
    ///
    /// # Errors
    ///
    /// When it cannot be written; it is tried again after the usual time.
    pub(in crate::delivery) async fn keep_in_time(&mut self) -> io::Result<()> {
        let due = self.file.as_ref().map(File::due);
        if due.is_some_and(|due| due <= Instant::now()) {
            self.keep().await?;
        }
        Ok(())
    }

    /// Writes the file where it is behind.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(in crate::delivery) async fn keep(&mut self) -> io::Result<()> {
        let Some(file) = self.file.as_mut().filter(|file| file.is_behind) else {
            return Ok(());
        };
        file.written = Some(Instant::now());
        let (dir, sink) = (file.dir.clone(), file.sink.clone());
        let cursor = self.cursor.clone();
        let writing = spawn_blocking(move || match cursor {
            Some(cursor) => cursor.write(&dir, &sink),
            None => Ok(()),
        });
        let written = writing.await.map_err(io::Error::other).flatten();
        file.has_failed = written.is_err();
        file.is_behind = file.has_failed;
        written
    }
}

impl File {
    fn due(&self) -> Instant {
        let pause = if self.has_failed {
            AFTER_FAILURE
        } else {
            EVERY
        };
        let written = self.written.map(|written| written + pause);
        written.unwrap_or_else(Instant::now)
    }
}

/// A sync takes some milliseconds of the disk that the journal needs; so much is sent again after a kill.
const EVERY: Duration = Duration::from_millis(100);

/// A disk that took no cursor seldom takes one a moment later.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
