//! When the journal is signed: while it is written, and once at the end of a run, behind which nothing is any more.

use std::sync::PoisonError;

use tokio::sync::oneshot;

use crate::audit::{
    journal::Journal,
    queue::{self, Job},
    unwritable::Unwritable,
};

impl Journal {
    /// Has everything handed in so far signed, and waits until it is on the disk with its checkpoint. Does nothing
    /// once the last checkpoint of the run was asked for: whoever publishes that one publishes no other.
    pub(in crate::audit) async fn sign(&self) -> Result<(), Unwritable> {
        let (done, waiting) = oneshot::channel();
        {
            // Held until it is in the queue, so that none gets there behind the last one.
            let sealed = self.0.sealed.lock();
            let sealed = sealed.unwrap_or_else(PoisonError::into_inner);
            if *sealed {
                return Ok(());
            }
            self.0.queue.push(Job::Sign(done))?;
        }
        waiting.await.unwrap_or_else(|_| Err(queue::gone()))
    }

    /// Has the last checkpoint of the run written, and waits until it is on the disk.
    pub(in crate::audit::journal) async fn seal(&self) -> Result<(), Unwritable> {
        *self.0.sealed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ask(Job::Sign).await
    }
}
