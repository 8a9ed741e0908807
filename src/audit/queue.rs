//! What waits for the writer, and what becomes of it when the disk hangs.
//!
//! A thread inside a disk that does not answer cannot be called back. So a watchdog looks on: when a
//! batch takes longer than [`STALL`], what waits behind it is refused, and so is all that comes, until
//! the disk has answered. Nothing piles up, and whatever was refused will never be written.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use tracing::{error, info};

use crate::audit::{record::Draft, unwritable::Unwritable};

/// What the journal's writer is asked to do.
#[derive(Debug)]
pub(in crate::audit) enum Job {
    /// Writes a record.
    Append(Draft, Waiting),
    /// Has everything before it on the disk.
    Probe(Waiting),
    /// Signs everything before it.
    Sign(Waiting),
}

/// Who waits for a job to be done.
pub(in crate::audit) type Waiting = oneshot::Sender<Result<(), Unwritable>>;

/// The jobs that wait; each handle is the same queue.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Queue(Arc<Shared>);

/// The writer's end: jobs are refused once it is gone.
#[derive(Debug)]
pub(in crate::audit) struct Work(Queue);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    more: Condvar,
    /// Wakes the watchdog to end.
    closed: Condvar,
    /// Whether the disk has not answered for too long.
    stalled: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    jobs: Vec<Job>,
    /// The writer has nothing to do.
    is_idle: bool,
    is_closed: bool,
    /// When the batch that is being written was begun.
    busy_since: Option<Instant>,
}

/// What the writer is to do next.
#[derive(Debug)]
pub(in crate::audit) enum Next {
    /// These jobs.
    Jobs(Vec<Job>),
    /// The time has come that it waited for.
    Due,
    /// Nothing any more.
    End,
}

impl Job {
    fn refuse(self, why: &Unwritable) {
        let (Self::Append(_, waiting) | Self::Probe(waiting) | Self::Sign(waiting)) = self;
        // Whoever stopped waiting does not need to be told.
        drop(waiting.send(Err(why.clone())));
    }
}

impl Queue {
    /// An empty queue, and the end that the writer takes.
    ///
    /// # Errors
    ///
    /// When the watchdog's thread cannot be started.
    pub(in crate::audit) fn open() -> io::Result<(Self, Work)> {
        Self::watched(STALL)
    }

    fn watched(stall: Duration) -> io::Result<(Self, Work)> {
        let queue = Self(Arc::new(Shared {
            state: Mutex::default(),
            more: Condvar::new(),
            closed: Condvar::new(),
            stalled: watch::Sender::new(false),
        }));
        let watched = queue.clone();
        thread::Builder::new()
            .name("audit-watch".to_owned())
            .spawn(move || watched.watch(stall))?;
        let work = Work(queue.clone());
        Ok((queue, work))
    }

    /// Hands a job in.
    ///
    /// # Errors
    ///
    /// When the disk hangs or the writer is gone; nothing was taken.
    pub(in crate::audit) fn push(&self, job: Job) -> Result<(), Unwritable> {
        let mut state = self.state();
        if state.is_closed {
            return Err(gone());
        }
        if *self.0.stalled.borrow() {
            return Err(hangs());
        }
        state.jobs.push(job);
        if state.is_idle {
            state.is_idle = false;
            self.0.more.notify_one();
        }
        Ok(())
    }

    /// Whether the disk does not answer now.
    pub(in crate::audit) fn is_stalled(&self) -> bool {
        *self.0.stalled.borrow()
    }

    /// Comes back when the disk has not answered for too long, at once where that is so already.
    pub(in crate::audit) async fn stalled(&self) {
        // The sender lives as long as the queue.
        drop(
            self.0
                .stalled
                .subscribe()
                .wait_for(|stalled| *stalled)
                .await,
        );
    }

    /// Whether nothing will be written any more.
    pub(in crate::audit) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Lets the writer end once all jobs are done.
    pub(in crate::audit) fn close(&self) {
        self.state().is_closed = true;
        self.0.more.notify_all();
        self.0.closed.notify_all();
    }

    /// Refuses what waits for a batch that takes too long, until the queue is closed.
    fn watch(&self, stall: Duration) {
        let mut state = self.state();
        while !state.is_closed {
            let waited = self.0.closed.wait_timeout(state, stall / 4);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let stuck = state
                .busy_since
                .is_some_and(|since| since.elapsed() >= stall);
            if !stuck {
                continue;
            }
            for job in std::mem::take(&mut state.jobs) {
                job.refuse(&hangs());
            }
            if !self.0.stalled.send_replace(true) {
                error!("audit journal not writable: the disk does not answer");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// Tells that the batch is done, and takes the next jobs as soon as there are any, waiting no longer
    /// than `at_most`.
    pub(in crate::audit) fn next(&self, most: usize, at_most: Option<Duration>) -> Next {
        let queue = &self.0;
        let mut state = queue.state();
        state.busy_since = None;
        let was_stalled = *queue.0.stalled.borrow();
        if was_stalled {
            queue.0.stalled.send_replace(false);
            info!("the disk of the audit journal answers again");
        }
        let until = at_most.map(|wait| Instant::now() + wait);
        while state.jobs.is_empty() && !state.is_closed {
            state.is_idle = true;
            let Some(until) = until else {
                let woken = queue.0.more.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Self::begin(state, Next::Due);
            }
            let woken = queue.0.more.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.jobs.is_empty() {
            return Next::End;
        }
        let taken = state.jobs.len().min(most);
        let jobs = state.jobs.drain(..taken).collect();
        Self::begin(state, Next::Jobs(jobs))
    }

    fn begin(mut state: MutexGuard<'_, State>, next: Next) -> Next {
        state.is_idle = false;
        state.busy_since = Some(Instant::now());
        next
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.close();
        for job in std::mem::take(&mut self.0.state().jobs) {
            job.refuse(&gone());
        }
    }
}

pub(in crate::audit) fn gone() -> Unwritable {
    let ended = "the audit writer has ended";
    Unwritable::new(io::Error::new(io::ErrorKind::BrokenPipe, ended))
}

pub(in crate::audit) fn hangs() -> Unwritable {
    let silent = "the disk does not answer";
    Unwritable::new(io::Error::new(io::ErrorKind::TimedOut, silent))
}

/// A batch takes some tenths of a millisecond, on a slow network disk some ten milliseconds.
const STALL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn refuses_what_waits_for_a_disk_that_hangs_until_it_answers() {
        let (queue, work) = Queue::watched(Duration::from_millis(50)).unwrap();
        let (first, _waits) = probe();
        queue.push(first).unwrap();
        let held = work.next(1, None);
        let (second, refused) = probe();
        queue.push(second).unwrap();

        queue.stalled().await;
        let behind = refused.await.unwrap();
        let (third, _) = probe();
        let meanwhile = queue.push(third);
        let nothing = work.next(1, Some(Duration::ZERO));
        let (fourth, _) = probe();
        let after = queue.push(fourth);

        assert!(matches!(held, Next::Jobs(jobs) if jobs.len() == 1));
        assert!(behind.is_err() && meanwhile.is_err());
        assert!(matches!(nothing, Next::Due), "{nothing:?}");
        assert!(after.is_ok());
    }

    #[tokio::test]
    async fn ends_with_its_last_job_and_refuses_what_comes_then() {
        let (queue, work) = Queue::open().unwrap();
        let (first, _waits) = probe();
        queue.push(first).unwrap();

        queue.close();

        assert!(matches!(work.next(1, None), Next::Jobs(_)));
        assert!(matches!(work.next(1, None), Next::End));
        assert!(queue.push(probe().0).is_err());
    }

    fn probe() -> (Job, oneshot::Receiver<Result<(), Unwritable>>) {
        let (done, waiting) = oneshot::channel();
        (Job::Probe(done), waiting)
    }
}
