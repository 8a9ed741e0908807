//! The `stdout` sink: the lines of the journal as they are, for whoever collects the process's output.
//!
//! A thread of its own writes, so that a reader who stalls blocks nothing else. Nothing is skipped for such a
//! reader: the next lines stay in the journal until it reads on, or the run ends.

use std::{
    fmt,
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::{
    delivery::{
        batch::Batch,
        sink::{Setback, Sink, Standing},
    },
    ids::JournalId,
};

/// Writes lines somewhere.
pub struct Stdout(mpsc::Sender<Job>);

struct Job {
    lines: Vec<u8>,
    done: oneshot::Sender<io::Result<()>>,
}

impl Stdout {
    /// Writes to the standard output of the process, past the buffer that the language puts before it.
    ///
    /// # Errors
    ///
    /// When there is none, or no thread can be had.
    pub fn of_process() -> io::Result<Self> {
        let own = io::stdout().as_fd().try_clone_to_owned()?;
        Self::to(File::from(own))
    }

    /// Writes to anything.
    ///
    /// # Errors
    ///
    /// When no thread can be had.
    pub fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (jobs, work) = mpsc::channel(1);
        let thread = thread::Builder::new().name("audit-stdout".to_owned());
        thread.spawn(move || write(out, work))?;
        Ok(Self(jobs))
    }

    async fn put(&self, batch: &Batch) -> io::Result<()> {
        let mut lines = Vec::new();
        for line in batch.lines() {
            lines.extend_from_slice(line.text.as_bytes());
            lines.push(b'\n');
        }
        let gone = || io::Error::other("the thread that writes it has ended");
        let (done, put) = oneshot::channel();
        let job = Job { lines, done };
        self.0.send(job).await.map_err(|_| gone())?;
        put.await.map_err(|_| gone())?
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stdout").finish()
    }
}

impl Sink for Stdout {
    fn stands(&self, _: JournalId) -> BoxFuture<'_, Result<Standing, Setback>> {
        Box::pin(async { Ok(Standing::Untold) })
    }

    fn deliver<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Setback>> {
        Box::pin(async {
            // A pipe that nobody reads stays so; a file whose disk is full may have room again.
            self.put(batch).await.map_err(|error| Setback::Held {
                why: format!("the standard output cannot be written to: {error}"),
            })
        })
    }
}

/// Writes until nobody hands in any more.
fn write(mut out: impl Write, mut work: mpsc::Receiver<Job>) {
    let mut is_torn = false;
    while let Some(Job { lines, done }) = work.blocking_recv() {
        let put = put(&mut out, &lines, &mut is_torn);
        // Whoever stopped waiting does not need to be told.
        drop(done.send(put));
    }
}

/// Writes whole lines. Where a write failed inside of one, that one is ended before others come.
fn put(out: &mut impl Write, lines: &[u8], is_torn: &mut bool) -> io::Result<()> {
    if *is_torn {
        put_bytes(out, b"\n", is_torn)?;
    }
    put_bytes(out, lines, is_torn)
}

fn put_bytes(out: &mut impl Write, bytes: &[u8], is_torn: &mut bool) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        match out.write(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                let (put, rest) = left.split_at(written.min(left.len()));
                *is_torn = !put.ends_with(b"\n");
                left = rest;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody shares the pipe and has it not block.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PIPE),
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

/// How long a full pipe that does not block is left alone.
const FULL_PIPE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes so many bytes at once, and fails once it has taken so many.
    #[derive(Clone, Default)]
    struct Pipe {
        taken: Arc<Mutex<Vec<u8>>>,
        fails_at: Option<usize>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.taken.lock().unwrap();
            if self.fails_at.is_some_and(|at| taken.len() >= at) {
                self.fails_at = None;
                return Err(ErrorKind::StorageFull.into());
            }
            let some = bytes.len().min(3);
            taken.extend_from_slice(&bytes[..some]);
            Ok(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn ends_a_line_that_was_torn_before_it_writes_others() {
        for (fails_at, whole) in [(4, "ab\ncde\nab\ncdef\n"), (3, "ab\nab\ncdef\n")] {
            let mut pipe = Pipe {
                fails_at: Some(fails_at),
                ..Pipe::default()
            };
            let taken = Arc::clone(&pipe.taken);
            let mut is_torn = false;

            let first = put(&mut pipe, b"ab\ncdef\n", &mut is_torn);
            let second = put(&mut pipe, b"ab\ncdef\n", &mut is_torn);

            assert_eq!(first.unwrap_err().kind(), ErrorKind::StorageFull);
            assert!(second.is_ok());
            assert_eq!(String::from_utf8_lossy(&taken.lock().unwrap()), whole);
        }
    }
}
