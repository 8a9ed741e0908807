//! One call's hold on a key among all replicas: an entry under the key's name that says who is at it and for how long,
//! and in the end what came of it.
//!
//! Each write names the revision that was read, so a replica that took too long cannot write over what another has put
//! there meanwhile. Whoever takes a key from a holder that is gone has to look at the transfer before anything else.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{
    cluster::{bucket_error::BucketError, entry::Written},
    transfers::{
        kept::{Fingerprint, Kept, Key},
        shared::{MARGIN, Shared, Trouble, Unreached},
        value::{self, State, Value},
    },
};

/// One call's hold on a key.
pub(in crate::transfers) struct Hold {
    shared: Arc<Shared>,
    name: Arc<str>,
    fingerprint: String,
    holder: Arc<str>,
    stand: Stand,
    has_looked: bool,
    /// Whether the key was another call's, of which nobody knows what became, or may have been one's whose entry is
    /// lost.
    is_taken_over: bool,
    /// Whether this call may have sent something.
    may_be_sent: bool,
}

/// How a key stands among all replicas.
#[derive(Debug)]
pub(in crate::transfers) enum Look {
    /// This call has it.
    Ours,
    /// It was answered before.
    Answered(Kept),
    /// Another replica is at it.
    UnderWay,
    /// It came with another request before.
    Mismatch,
}

/// What became of an answer that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transfers) enum Settled {
    /// The others have it.
    There,
    /// Another replica has taken the key over; what it has there was left as it is.
    Lost,
    /// The others could not be told.
    Unreached,
}

/// Where this call's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Nowhere,
    /// It was written, and no answer came.
    Perhaps,
    At(u64),
}

impl Hold {
    /// A hold that is still to be had.
    pub(in crate::transfers) fn new(
        shared: &Arc<Shared>,
        key: &Key,
        fingerprint: &Fingerprint,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            name: value::name(key),
            fingerprint: value::digest(fingerprint),
            holder: shared.holder(),
            stand: Stand::Nowhere,
            has_looked: false,
            is_taken_over: false,
            may_be_sent: false,
        }
    }

    /// The hold of a call that could not tell the others what came of it.
    pub(in crate::transfers) fn again(
        shared: &Arc<Shared>,
        key: &Key,
        fingerprint: &Fingerprint,
        holder: &Arc<str>,
    ) -> Self {
        Self {
            holder: Arc::clone(holder),
            stand: Stand::Perhaps,
            ..Self::new(shared, key, fingerprint)
        }
    }

    /// Who holds it.
    pub(in crate::transfers) fn holder(&self) -> Arc<str> {
        Arc::clone(&self.holder)
    }

    pub(in crate::transfers) fn is_taken_over(&self) -> bool {
        self.is_taken_over
    }

    /// Whether there may be something to give back.
    pub(in crate::transfers) fn may_stand(&self) -> bool {
        self.stand != Stand::Nowhere
    }

    /// Notes that the call may be sent from now on.
    pub(in crate::transfers) fn sending(&mut self) {
        self.may_be_sent = true;
    }

    /// Notes that nothing of it was sent.
    pub(in crate::transfers) fn unsent(&mut self) {
        self.may_be_sent = false;
    }

    /// Notes that the call which had the key before was not done.
    pub(in crate::transfers) fn found_undone(&mut self) {
        self.is_taken_over = false;
    }

    /// Finds out once how the key stands, and takes it where it is free or its holder is gone.
    pub(in crate::transfers) async fn look(&mut self, until: Instant) -> Result<Look, Unreached> {
        let shared = Arc::clone(&self.shared);
        shared.ask(self.look_once(until)).await
    }

    /// Puts the answer there for the others.
    pub(in crate::transfers) async fn keep(&mut self, kept: &Kept) -> Settled {
        let value = Value::answered(&self.fingerprint, kept);
        // What is too large here is left so that the next replica looks at the transfer.
        let value = value.unwrap_or_else(|| self.under_way(Duration::ZERO));
        let shared = Arc::clone(&self.shared);
        match shared.ask(self.settle(value)).await {
            Ok(Settled::Lost) => {
                warn!("another replica has taken a call over; its answer stays");
                Settled::Lost
            }
            Ok(settled) => settled,
            Err(_) => Settled::Unreached,
        }
    }

    /// Lets others have the key at once. What could not be given back runs out.
    pub(in crate::transfers) async fn give_back(mut self) {
        let shared = Arc::clone(&self.shared);
        if let Err(unreached) = shared.ask(self.leave()).await {
            debug!(error = %unreached, "an idempotency key was not given back; it runs out");
        }
    }

    async fn look_once(&mut self, until: Instant) -> Result<Look, Trouble> {
        if !std::mem::replace(&mut self.has_looked, true) {
            // Most keys are new. Where this one is not, or no answer comes, what stands there tells.
            if let Ok(Look::Ours) = self.take(0, until).await {
                return Ok(Look::Ours);
            }
        }
        let entry = self.shared.board().read(&self.name).await?;
        let Some(value) = entry.value else {
            return self.take(entry.revision, until).await;
        };
        let value = Value::read(&value).ok_or(Trouble::Unreadable)?;
        if value.fingerprint != self.fingerprint {
            return Ok(Look::Mismatch);
        }
        match value.state {
            State::Answered(answered) => {
                let kept = answered.to_kept().ok_or(Trouble::Unreadable)?;
                Ok(Look::Answered(kept))
            }
            State::UnderWay { holder, .. } if *holder == *self.holder => {
                self.stand = Stand::At(entry.revision);
                Ok(Look::Ours)
            }
            State::UnderWay { holder, lease_ms } => {
                let lease = Duration::from_millis(lease_ms);
                if !self
                    .shared
                    .has_run_out(&self.name, entry.revision, &holder, lease)
                {
                    return Ok(Look::UnderWay);
                }
                // Before it is ours: the answer to the write may be lost.
                self.is_taken_over = true;
                self.take(entry.revision, until).await
            }
        }
    }

    async fn take(&mut self, revision: u64, until: Instant) -> Result<Look, Trouble> {
        let lease = until.saturating_duration_since(Instant::now());
        let value = self.under_way(lease.saturating_add(MARGIN));
        self.stand = Stand::Perhaps;
        let board = self.shared.board();
        let written = board.write(&self.name, value, revision).await;
        // Only after the write is it known whether the bucket was the one of before.
        self.is_taken_over |= board.has_lost();
        match written? {
            Written::At(revision) => {
                self.stand = Stand::At(revision);
                Ok(Look::Ours)
            }
            Written::Conflict => {
                self.stand = Stand::Nowhere;
                self.is_taken_over = false;
                Ok(Look::UnderWay)
            }
        }
    }

    async fn settle(&mut self, value: Bytes) -> Result<Settled, Trouble> {
        match self.put(value).await {
            // And so is what is too large there.
            Err(Trouble::Bucket(BucketError::TooLarge(why))) => {
                debug!(error = why, "an answer is not kept for other replicas");
                self.put(self.under_way(Duration::ZERO)).await
            }
            done => done,
        }
    }

    async fn put(&mut self, value: Bytes) -> Result<Settled, Trouble> {
        let board = self.shared.board();
        if let Stand::At(revision) = self.stand {
            let written = board.write(&self.name, value.clone(), revision).await;
            if matches!(written, Ok(Written::At(_))) {
                return Ok(Settled::There);
            }
        }
        let entry = board.read(&self.name).await?;
        // A write whose answer was lost.
        if entry.value.as_ref() == Some(&value) {
            return Ok(Settled::There);
        }
        if entry.value.is_some_and(|there| !self.is_ours(&there)) {
            return Ok(Settled::Lost);
        }
        Ok(
            match board.write(&self.name, value, entry.revision).await? {
                Written::At(_) => Settled::There,
                Written::Conflict => Settled::Lost,
            },
        )
    }

    async fn leave(&mut self) -> Result<(), Trouble> {
        let board = self.shared.board();
        let revision = match self.stand {
            Stand::At(revision) => revision,
            Stand::Nowhere => return Ok(()),
            Stand::Perhaps => {
                let entry = board.read(&self.name).await?;
                if !entry.value.is_some_and(|there| self.is_ours(&there)) {
                    return Ok(());
                }
                entry.revision
            }
        };
        // Where it conflicts, another has taken it over already.
        if self.is_taken_over || self.may_be_sent {
            let doubt = self.under_way(Duration::ZERO);
            board.write(&self.name, doubt, revision).await?;
        } else {
            board.remove(&self.name, revision).await?;
        }
        Ok(())
    }

    fn is_ours(&self, there: &Bytes) -> bool {
        let state = Value::read(there).map(|value| value.state);
        matches!(state, Some(State::UnderWay { holder, .. }) if *holder == *self.holder)
    }

    /// An entry that says for how long this call may still act; where that is over, the next one looks at the transfer
    /// and goes on at once.
    fn under_way(&self, lease: Duration) -> Bytes {
        Value::under_way(&self.fingerprint, &self.holder, lease)
    }
}
